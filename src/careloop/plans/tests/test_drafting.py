"""Drafts: saved change by change, undone, handed in, reviewed by somebody else, published once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.plans import actions
from careloop.plans.models import PlanDefinition, PlanDraft, PlanDraftChange
from careloop.plans.reads import drafts as reads
from careloop.plans.rules import drafting, fhir
from careloop.plans.tests.factories import FORM, Scene, forms_in_force, raw_plan, raw_step
from tests.cast import SYSTEM, Cast, make_cast

RULE = {"diagnoses": {"any": ["I21"]}, "encounter_classes": ["IMP"]}


@pytest.fixture
def scene(cast: Cast) -> Scene:
    forms_in_force(FORM)
    return Scene(cast)


def good(name: str = "example", **more: Any) -> dict[str, Any]:
    return (
        raw_plan(name, raw_step("a", "3"), raw_step("b", "30, +150, 每150"), enrolment=RULE, ends={"after": "12m"})
        | more
    )


def a_draft(by: Viewer, **more: Any) -> PlanDraft:
    return actions.import_draft(imported=fhir.Imported(good(**more), ()), at=timezone.now(), by=by)


def edit(draft: PlanDraft, by: Viewer, change: Callable[[dict[str, Any]], dict[str, Any]]) -> PlanDraft:
    draft.refresh_from_db()
    return actions.change_draft(draft=draft, change=change, revision=draft.revision, at=timezone.now(), by=by)


def schedule(text: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda raw: drafting.set_step(raw, "a", {"schedule": text})


def handed_in(by: Viewer, **more: Any) -> PlanDraft:
    draft = a_draft(by, **more)
    actions.submit_draft(draft=draft, at=timezone.now(), by=by)
    draft.refresh_from_db()
    return draft


def kinds() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("name", flat=True))


# Begun -----------------------------------------------------------------------------------------------------------------


def test_a_plan_is_begun_from_nothing(scene: Scene) -> None:
    draft = actions.start_draft(
        title_zh="心衰随访", title_en="Heart failure", name="heart-2027", at=timezone.now(), by=scene.cast.as_zhao
    )
    assert (draft.url, draft.version, draft.state) == (
        "https://careloop.org/PlanDefinition/heart-2027",
        "1.0",
        "editing",
    )
    assert draft.author == scene.cast.zhao
    assert draft.history.count() == 1


def test_the_next_version_is_begun_from_the_one_in_use(scene: Scene) -> None:
    first = actions.publish_plan(raw=good(), enrols=True, at=timezone.now(), by=SYSTEM)
    draft = actions.start_version(definition=first, at=timezone.now(), by=scene.cast.as_zhao)
    assert (draft.version, draft.based_on, draft.enrols) == ("1.1", first, True)
    assert draft.content == first.content | {"version": "1.1"}


def test_one_open_draft_for_each_plan(scene: Scene) -> None:
    first = actions.publish_plan(raw=good(), enrols=True, at=timezone.now(), by=SYSTEM)
    draft = actions.start_version(definition=first, at=timezone.now(), by=scene.cast.as_zhao)
    with pytest.raises(actions.DraftOpenAlready):
        actions.start_version(definition=first, at=timezone.now(), by=scene.cast.viewer(scene.cast.qian))
    with pytest.raises(actions.DraftOpenAlready):
        actions.import_draft(imported=fhir.Imported(good(), ()), at=timezone.now(), by=scene.cast.as_zhao)
    actions.discard_draft(draft=draft, at=timezone.now(), by=scene.cast.as_zhao)
    assert actions.start_version(definition=first, at=timezone.now(), by=scene.cast.as_zhao).pk != draft.pk


def test_a_name_that_is_taken_is_refused(scene: Scene) -> None:
    actions.publish_plan(raw=good(), enrols=True, at=timezone.now(), by=SYSTEM)
    with pytest.raises(actions.DraftOpenAlready):
        actions.start_draft(title_zh="a", title_en="a", name="example", at=timezone.now(), by=scene.cast.as_zhao)


# Imported --------------------------------------------------------------------------------------------------------------


def test_a_file_becomes_a_draft_with_everything_not_understood_listed(scene: Scene) -> None:
    resource = fhir.to_fhir(good(), status="active") | {"copyright": "X", "library": ["https://x"]}
    imported = fhir.read_plan_file(json.dumps(resource))
    draft = actions.import_draft(imported=imported, at=timezone.now(), by=scene.cast.as_zhao)
    assert draft.content == good()
    assert draft.unknown == ["copyright", "library[0]"]


def test_an_imported_version_that_exists_gets_the_next_number(scene: Scene) -> None:
    first = actions.publish_plan(raw=good(), enrols=True, at=timezone.now(), by=SYSTEM)
    draft = actions.import_draft(imported=fhir.Imported(good(), ()), at=timezone.now(), by=scene.cast.as_zhao)
    assert (draft.version, draft.based_on, draft.enrols) == ("1.1", first, True)


def test_what_a_strangers_file_rarely_says_gets_its_usual_value(scene: Scene) -> None:
    told = {"resourceType": "PlanDefinition", "url": "https://example.org/PlanDefinition/care", "title": "Care",
            "action": [{"id": "a", "title": "A", "timingDuration": {"value": 2, "code": "wk"}}]}  # fmt: skip
    imported = fhir.read_plan_file(json.dumps(told))
    draft = actions.import_draft(imported=imported, at=timezone.now(), by=scene.cast.as_zhao)
    assert (draft.version, draft.content["ends"], draft.content["group"]) == ("1.0", {"after": "12m"}, "care")
    assert [fault.path for fault in reads.faults_of(draft, at=timezone.now())] == ["enrolment"]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"url": None}, "plan.url"), ({"url": "ftp://x"}, "plan.url"), ({"steps": []}, "steps"), ({"steps": "x"}, "plan.steps"),
        ({"steps": [raw_step("a", "never")]}, "steps[0].schedule"), ({"title": "x"}, "title"), ({"typo": 1}, "plan"),
        ({"steps": [raw_step("a", "3") | {"schedul": "4"}]}, "steps[0]"), ({"enrolment": {"age": {"from": 90, "to": 3}}}, "enrolment.age"),
        ({"steps": [raw_step("a"), raw_step("a")]}, "steps[1].code"),
        ({"steps": [raw_step("a", anchor="previous-completion", of_step="b"), raw_step("b", anchor="previous-completion", of_step="a")]}, "steps"),
    ],
)  # fmt: skip
def test_json_edited_by_hand_is_refused_with_path_and_reason(scene: Scene, change: dict[str, Any], path: str) -> None:
    with pytest.raises(actions.FileRefused) as caught:
        actions.import_draft(imported=fhir.Imported(good() | change, ()), at=timezone.now(), by=scene.cast.as_zhao)
    assert caught.value.fault.path == path
    assert not PlanDraft.objects.exists()


def test_a_book_is_no_plan(scene: Scene) -> None:
    huge = good(description={"zh": "字" * 400_000, "en": "x"})
    with pytest.raises(actions.DraftTooLarge):
        actions.import_draft(imported=fhir.Imported(huge, ()), at=timezone.now(), by=scene.cast.as_zhao)


# Changed ---------------------------------------------------------------------------------------------------------------


def test_every_change_is_saved_with_what_it_touched(scene: Scene) -> None:
    draft = a_draft(scene.cast.as_zhao)
    saved = edit(draft, scene.cast.as_zhao, schedule("5"))
    assert (saved.revision, saved.position) == (2, 1)
    change = saved.history.get(number=1)
    assert (change.paths, change.parent, change.by_practitioner) == (["steps.a"], 0, scene.cast.zhao)
    assert kinds()[-1] == "plans.PlanDraftChanged"


def test_a_wrong_schedule_is_saved_too_and_told(scene: Scene) -> None:
    draft = edit(a_draft(scene.cast.as_zhao), scene.cast.as_zhao, schedule("sometimes"))
    assert [fault.path for fault in reads.faults_of(draft, at=timezone.now())] == ["steps[0].schedule"]


def test_a_change_that_changes_nothing_writes_nothing(scene: Scene) -> None:
    draft = edit(a_draft(scene.cast.as_zhao), scene.cast.as_zhao, schedule("3"))
    assert (draft.revision, draft.history.count()) == (1, 1)


def test_undo_goes_back_step_by_step_and_a_new_change_goes_on_from_there(scene: Scene) -> None:
    by, at = scene.cast.as_zhao, timezone.now()
    draft = a_draft(by)
    for text in ("4", "5", "6"):
        edit(draft, by, schedule(text))
    for expected in ("5", "4"):
        draft = actions.undo_draft_change(draft=draft, at=at, by=by)
        assert draft.content["steps"][0]["schedule"] == expected
    draft = edit(draft, by, schedule("9"))
    assert draft.history.get(number=4).parent == 1
    for expected in ("4", "3"):
        draft = actions.undo_draft_change(draft=draft, at=at, by=by)
        assert draft.content["steps"][0]["schedule"] == expected
    with pytest.raises(actions.NothingToUndo):
        actions.undo_draft_change(draft=draft, at=at, by=by)
    assert draft.history.count() == 5  # nothing is lost


def test_who_saw_an_older_revision_is_told(scene: Scene) -> None:
    draft = a_draft(scene.cast.as_zhao)
    edit(draft, scene.cast.as_zhao, schedule("4"))
    with pytest.raises(actions.DraftChanged):
        actions.change_draft(
            draft=draft, change=schedule("5"), revision=1, at=timezone.now(), by=scene.cast.viewer(scene.cast.qian)
        )


def test_a_step_that_is_gone_is_refused(scene: Scene) -> None:
    draft = a_draft(scene.cast.as_zhao)
    with pytest.raises(actions.ChangeRefused):
        edit(draft, scene.cast.as_zhao, lambda raw: drafting.remove_step(raw, "zzz"))


def test_the_title_in_lists_follows(scene: Scene) -> None:
    draft = edit(
        a_draft(scene.cast.as_zhao), scene.cast.as_zhao, lambda raw: raw | {"title": {"zh": "新", "en": "New"}}
    )
    draft.refresh_from_db()
    assert (draft.title, draft.title_en) == ("新", "New")


# Handed in and reviewed ------------------------------------------------------------------------------------------------


def test_only_what_is_right_is_handed_in(scene: Scene) -> None:
    draft = edit(a_draft(scene.cast.as_zhao), scene.cast.as_zhao, schedule("every 3"))
    edit(draft, scene.cast.as_zhao, lambda raw: raw | {"ends": {}, "enrolment": {}})
    with pytest.raises(actions.DraftFaulty) as caught:
        actions.submit_draft(draft=draft, at=timezone.now(), by=scene.cast.as_zhao)
    assert {fault.path for fault in caught.value.faults} == {"enrolment", "steps[0].schedule", "steps[1].schedule"}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"steps": [raw_step("a", questionnaire="https://careloop.org/Questionnaire/gone")]}, "steps[0].questionnaire"),
        ({"enrolment": RULE | {"departments": {"any": ["NOWHERE"]}}}, "enrolment.departments"),
    ],
)
def test_names_that_this_hospital_does_not_have_are_refused(scene: Scene, change: dict[str, Any], path: str) -> None:
    draft = a_draft(scene.cast.as_zhao, **change)
    assert [fault.path for fault in reads.faults_of(draft, at=timezone.now())] == [path]


def test_a_rule_that_took_nearly_everyone_last_year_is_not_handed_in(scene: Scene) -> None:
    for _n in range(50):
        scene.discharge(patient=scene.new_patient(), diagnosis="I21.0", at=timezone.now())
    draft = a_draft(scene.cast.as_zhao)
    with pytest.raises(actions.DraftFaulty) as caught:
        actions.submit_draft(draft=draft, at=timezone.now(), by=scene.cast.as_zhao)
    assert [(f.path, f.values["taken"], f.values["of"]) for f in caught.value.faults] == [("enrolment", 50, 50)]
    actions.submit_draft(
        draft=edit(draft, scene.cast.as_zhao, lambda raw: raw | {"category": "routine"}),
        at=timezone.now(),
        by=scene.cast.as_zhao,
    )


def test_a_second_person_publishes(scene: Scene) -> None:
    first = actions.publish_plan(raw=good(), enrols=True, at=timezone.now(), by=SYSTEM)
    draft = edit(
        actions.start_version(definition=first, at=timezone.now(), by=scene.cast.as_zhao),
        scene.cast.as_zhao,
        schedule("4"),
    )
    actions.submit_draft(draft=draft, at=timezone.now(), by=scene.cast.as_zhao)
    by = scene.cast.viewer(scene.cast.qian)
    definition = actions.publish_draft(draft=draft, at=timezone.now(), by=by)
    first.refresh_from_db()
    draft.refresh_from_db()
    assert (first.status, definition.status, definition.enrols) == ("retired", "active", True)
    assert (draft.state, draft.published_as, draft.decided_by) == ("published", definition, scene.cast.qian)
    assert definition.published_by == scene.cast.qian
    assert kinds()[-2:] == ["plans.PlanPublished", "plans.PlanDraftApproved"]


@pytest.mark.parametrize("who", ["author", "hand", "submitter"])
def test_nobody_reviews_own_work(scene: Scene, who: str) -> None:
    cast = scene.cast
    qian, sun = cast.viewer(cast.qian), cast.as_sun
    draft = a_draft(qian if who == "author" else cast.as_zhao)
    if who == "hand":
        edit(draft, qian, schedule("4"))
    actions.submit_draft(draft=draft, at=timezone.now(), by=qian if who == "submitter" else sun)
    with pytest.raises(actions.OwnDraft):
        actions.publish_draft(draft=draft, at=timezone.now(), by=qian)
    assert not PlanDefinition.objects.exists()


def test_the_machine_publishes_nothing(scene: Scene) -> None:
    with pytest.raises(actions.OwnDraft):
        actions.publish_draft(draft=handed_in(scene.cast.as_zhao), at=timezone.now(), by=SYSTEM)


def test_the_database_itself_refuses_an_author_as_reviewer(scene: Scene) -> None:
    draft = handed_in(scene.cast.as_zhao)
    definition = actions.publish_plan(raw=good("other"), enrols=False, at=timezone.now(), by=SYSTEM)
    with pytest.raises(IntegrityError), transaction.atomic(), seeding():
        PlanDraft.objects.filter(pk=draft.pk).update(
            state="published", published_as=definition, decided_by=scene.cast.zhao
        )


def test_double_publish_is_refused(scene: Scene) -> None:
    draft, by = handed_in(scene.cast.as_zhao), scene.cast.viewer(scene.cast.qian)
    actions.publish_draft(draft=draft, at=timezone.now(), by=by)
    with pytest.raises(actions.PublishedAlready):
        actions.publish_draft(draft=draft, at=timezone.now(), by=by)
    assert PlanDefinition.objects.count() == 1


def test_a_version_published_meanwhile_is_refused(scene: Scene) -> None:
    draft = handed_in(scene.cast.as_zhao)
    actions.publish_plan(
        raw=good(description={"zh": "别的", "en": "other"}), enrols=False, at=timezone.now(), by=SYSTEM
    )
    with pytest.raises(actions.DraftFaulty) as caught:
        actions.publish_draft(draft=draft, at=timezone.now(), by=scene.cast.viewer(scene.cast.qian))
    assert [fault.path for fault in caught.value.faults] == ["version"]


@pytest.mark.parametrize("state", ["editing", "discarded"])
def test_only_what_was_handed_in_is_published(scene: Scene, state: str) -> None:
    draft = a_draft(scene.cast.as_zhao)
    if state == "discarded":
        actions.discard_draft(draft=draft, at=timezone.now(), by=scene.cast.as_zhao)
    with pytest.raises(actions.DraftNotOpen):
        actions.publish_draft(draft=draft, at=timezone.now(), by=scene.cast.viewer(scene.cast.qian))


def test_what_is_handed_in_does_not_change_until_it_is_given_back(scene: Scene) -> None:
    draft = handed_in(scene.cast.as_zhao)
    with pytest.raises(actions.DraftNotOpen):
        edit(draft, scene.cast.as_zhao, schedule("4"))
    with pytest.raises(actions.DraftNotOpen):
        actions.undo_draft_change(draft=draft, at=timezone.now(), by=scene.cast.as_zhao)
    actions.return_draft(draft=draft, note="太密", at=timezone.now(), by=scene.cast.viewer(scene.cast.qian))
    draft.refresh_from_db()
    assert (draft.state, draft.note) == ("editing", "太密")
    edit(draft, scene.cast.as_zhao, schedule("4"))


@pytest.mark.parametrize(
    "do",
    [
        lambda draft, by: actions.submit_draft(draft=draft, at=timezone.now(), by=by),
        lambda draft, by: actions.return_draft(draft=draft, note="x", at=timezone.now(), by=by),
        lambda draft, by: actions.discard_draft(draft=draft, at=timezone.now(), by=by),
        lambda draft, by: actions.wish_enrolment(draft=draft, enrols=True, at=timezone.now(), by=by),
    ],
)
def test_a_published_draft_is_over(scene: Scene, do: Callable[[PlanDraft, Viewer], None]) -> None:
    draft = handed_in(scene.cast.as_zhao)
    actions.publish_draft(draft=draft, at=timezone.now(), by=scene.cast.viewer(scene.cast.qian))
    with pytest.raises(actions.DraftNotOpen):
        do(draft, scene.cast.as_zhao)


def test_the_wish_about_enrolment_decides_the_switch(scene: Scene) -> None:
    draft = a_draft(scene.cast.as_zhao)
    actions.wish_enrolment(draft=draft, enrols=True, at=timezone.now(), by=scene.cast.as_zhao)
    actions.wish_enrolment(draft=draft, enrols=True, at=timezone.now(), by=scene.cast.as_zhao)
    actions.submit_draft(draft=draft, at=timezone.now(), by=scene.cast.as_zhao)
    assert actions.publish_draft(draft=draft, at=timezone.now(), by=scene.cast.viewer(scene.cast.qian)).enrols


def test_a_published_version_stays_as_it_is_in_the_database(scene: Scene) -> None:
    definition = actions.publish_draft(
        draft=handed_in(scene.cast.as_zhao), at=timezone.now(), by=scene.cast.viewer(scene.cast.qian)
    )
    with pytest.raises(Exception, match="cannot be changed"), transaction.atomic(), seeding():
        PlanDefinition.objects.filter(pk=definition.pk).update(content={})


# At the same time ------------------------------------------------------------------------------------------------------


def together(*jobs: Callable[[], object]) -> list[str]:
    """Run these at once; what each came to: its refusal's code, or "ok"."""
    barrier, found = threading.Barrier(len(jobs)), []

    def run(job: Callable[[], object]) -> None:
        barrier.wait()
        try:
            job()
        except Refused as refusal:
            found.append(refusal.code)
        else:
            found.append("ok")
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(found)


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_two_reviewers_publish_at_once(transactional_db: None) -> None:
    cast = make_cast()
    forms_in_force(FORM)
    draft = handed_in(cast.as_zhao)
    viewers = [cast.viewer(cast.qian), cast.as_sun, cast.viewer(cast.he)]
    found = together(*[lambda by=by: actions.publish_draft(draft=draft, at=timezone.now(), by=by) for by in viewers])
    assert found == ["ok", "published-already", "published-already"]
    assert PlanDefinition.objects.count() == 1


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_two_people_begin_a_version_at_once(transactional_db: None) -> None:
    cast = make_cast()
    first = actions.publish_plan(raw=good(), enrols=True, at=timezone.now(), by=SYSTEM)
    viewers = [cast.as_zhao, cast.viewer(cast.qian), cast.as_sun]
    found = together(
        *[lambda by=by: actions.start_version(definition=first, at=timezone.now(), by=by) for by in viewers]
    )
    assert found == ["draft-open-already", "draft-open-already", "ok"]
    assert PlanDraft.objects.count() == 1


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_two_people_change_a_draft_at_once(transactional_db: None) -> None:
    cast = make_cast()
    draft = a_draft(cast.as_zhao)
    found = together(
        *[
            lambda text=text: actions.change_draft(
                draft=draft, change=schedule(text), revision=1, at=timezone.now(), by=cast.as_zhao
            )
            for text in ("4", "5", "6")
        ]
    )
    assert found == ["draft-changed", "draft-changed", "ok"]
    assert PlanDraftChange.objects.filter(draft=draft).count() == 2


def test_the_form_that_plans_use_exists(scene: Scene) -> None:
    assert FORM in dict(reads.choices("en").questionnaires)
