"""The designer's pages: what they show, what they save, and who may not."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from careloop.batches.jobs import run_batch
from careloop.batches.models import Batch
from careloop.plans import actions
from careloop.plans.jobs import replay_draft
from careloop.plans.models import CarePlan, PlanDefinition, PlanDraft
from careloop.plans.rules import drafting, fhir, intervals
from careloop.plans.tests.factories import CONTENT, FORM, Scene, forms_in_force, raw_plan, raw_step, tasks_of
from careloop.plans.tests.test_forms import step_fields
from tests.cast import SYSTEM, Cast


@pytest.fixture
def scene(cast: Cast) -> Scene:
    told = [json.loads((CONTENT / f"{name}.json").read_text()) for name in ("pci-12-months", "copd")]
    forms_in_force(
        *{FORM, *(step["questionnaire"] for raw in told for step in raw["steps"] if "questionnaire" in step)}
    )
    for raw in told:
        actions.publish_plan(raw=raw, enrols=True, at=timezone.now(), by=SYSTEM, is_shipped=True)
    return Scene(cast)


@pytest.fixture
def draft(scene: Scene) -> PlanDraft:
    """Doctor Zhao writes the next version of the plan after PCI."""
    return actions.start_version(definition=scene.definition("pci-12-months"), at=timezone.now(), by=scene.cast.as_zhao)


@pytest.fixture
def zhao(scene: Scene) -> Client:
    return scene.cast.client(scene.cast.zhao)


@pytest.fixture
def qian(scene: Scene) -> Client:
    return scene.cast.client(scene.cast.qian)


def get(client: Client, name: str, /, *args: Any, **query: str) -> HttpResponse:
    return client.get(reverse(f"plans:{name}", args=args), query)


def post(client: Client, name: str, /, *args: Any, **data: Any) -> HttpResponse:
    return client.post(reverse(f"plans:{name}", args=args), data)


def text(response: HttpResponse) -> str:
    return response.content.decode()


def saved(draft: PlanDraft) -> PlanDraft:
    draft.refresh_from_db()
    return draft


def change_step(client: Client, draft: PlanDraft, code: str, **fields: Any) -> HttpResponse:
    step = drafting.step_of(saved(draft).content, code)
    assert step is not None
    return post(client, "draft-change", draft.pk, part=code, revision=draft.revision, **(step_fields(step) | fields))


# Begin -----------------------------------------------------------------------------------------------------------------


def test_a_plan_is_begun_and_opened(scene: Scene, zhao: Client) -> None:
    response = post(zhao, "new", title="心衰", title_en="Heart failure", name="hf-2027")
    draft = PlanDraft.objects.get()
    assert response["Location"] == reverse("plans:draft", args=[draft.pk])
    assert f'data-step="{draft.content["steps"][0]["code"]}"' in text(get(zhao, "draft", draft.pk))


@pytest.mark.parametrize("name", ["", "Big Name", "-x", "x" * 61])
def test_a_name_for_the_address_must_be_one(scene: Scene, zhao: Client, name: str) -> None:
    assert post(zhao, "new", title="a", title_en="a", name=name).status_code == 422
    assert not PlanDraft.objects.exists()


def test_the_next_version_begins_from_the_version_page(scene: Scene, zhao: Client) -> None:
    definition = scene.definition("pci-12-months")
    assert "data-new-version" in text(get(zhao, "definition", definition.pk))
    assert post(zhao, "new-version", definition.pk).status_code == 302
    assert post(zhao, "new-version", definition.pk).status_code == 409
    assert 'data-draft="pci-12-months"' in text(get(zhao, "list"))


# Edit ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["head", "rule", "ends", "month-1", "", "gone"])
@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_every_part_opens_in_both_languages(scene: Scene, draft: PlanDraft, part: str, language: str) -> None:
    scene.speaks(scene.cast.zhao, language)
    page = text(get(scene.cast.client(scene.cast.zhao), "draft", draft.pk, part=part))
    opened = part if part not in ("", "gone") else "day-3"
    assert f'data-part-form="{opened}"' in page


def test_a_typed_schedule_is_saved_and_shown_on_the_time_line(draft: PlanDraft, zhao: Client) -> None:
    response = change_step(zhao, draft, "day-3", schedule="30, +150, 每150")
    assert response.status_code == 200
    assert saved(draft).content["steps"][0]["schedule"] == "30, +150, 每150"
    assert re.findall(r'data-dot="day-3" data-day="(\d+)"', text(response)) == ["30", "180", "330"]
    assert f'id="pd-revision" value="{draft.revision}"' in text(response)
    assert 'data-faults="0"' in text(response)


def test_a_fragment_is_the_same_as_a_fresh_page(draft: PlanDraft, zhao: Client) -> None:
    fragment = text(change_step(zhao, draft, "day-3", schedule="5"))
    fresh = text(get(zhao, "draft", draft.pk, part="day-3"))
    canvas = fragment[fragment.index("<section") : fragment.index("</section>")]
    assert canvas in fresh


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"schedule": "sometimes"}, "steps[0].schedule"), ({"schedule": ""}, "steps[0].schedule"),
        ({"after": "many"}, "steps[0].window"), ({"channel": ["phone", "sms"], "wait": ["", "3"]}, "steps[0].ladder"),
        ({"channel": ["sms"], "wait": [""]}, "steps[0].ladder[0].wait_hours"), ({"title_en": ""}, "steps[0].title"),
        ({"times": "0"}, "steps[0].times"), ({"until": "soon"}, "steps[0].until"),
        ({"questionnaire": "https://careloop.org/Questionnaire/none"}, "steps[0].questionnaire"),
    ],
)  # fmt: skip
def test_a_mistake_is_saved_and_said_where_it_is(
    draft: PlanDraft, zhao: Client, fields: dict[str, Any], fault: str
) -> None:
    response = change_step(zhao, draft, "day-3", **fields)
    assert response.status_code == 200
    assert f'data-fault="{fault}"' in text(response)
    assert post(zhao, "submit", draft.pk).status_code == 409
    assert saved(draft).state == "editing"


def test_the_rule_shows_how_many_it_would_have_taken(scene: Scene, draft: PlanDraft, zhao: Client) -> None:
    for code in ("I21.0", "I21.1", "S72.0"):
        scene.discharge(patient=scene.new_patient(), diagnosis=code, at=timezone.now() - timedelta(days=30))
    told = {"part": "rule", "diagnoses_any": "I20-I25", "encounter_classes": "IMP"}
    page = text(post(zhao, "draft-change", draft.pk, revision=1, **told))
    assert 'data-matched="2" data-of="3"' in page
    assert saved(draft).content["enrolment"] == {"diagnoses": {"any": ["I20-I25"]}, "encounter_classes": ["IMP"]}


def test_an_unreadable_rule_is_not_counted(draft: PlanDraft, zhao: Client) -> None:
    page = text(post(zhao, "draft-change", draft.pk, part="rule", revision=1, diagnoses_any="I25-I20"))
    assert 'data-matched=""' in page
    assert 'data-fault="enrolment.diagnoses.any"' in page


def test_ends_and_head_are_saved(draft: PlanDraft, zhao: Client) -> None:
    post(zhao, "draft-change", draft.pk, part="ends", revision=1, after="2y", causes=["moved"])
    assert saved(draft).content["ends"] == {"after": "2y", "causes": ["moved"]}
    head = {"title_zh": "新题", "title_en": "New title", "description_zh": "a", "description_en": "a", "version": "3.0",
            "category": "single-disease", "group": "coronary", "specialty": "cardiology", "valid_from": "2026-01-01",
            "sources": "指南 | p. 1 | 已核对"}  # fmt: skip
    page = text(post(zhao, "draft-change", draft.pk, part="head", revision=draft.revision, **head))
    assert (saved(draft).title, draft.version) == ("新题", "3.0")
    assert 'id="pd-title" hx-swap-oob="true">新题' in page


def test_steps_are_added_copied_moved_and_removed(draft: PlanDraft, zhao: Client) -> None:
    def codes() -> list[str]:
        return [step["code"] for step in saved(draft).content["steps"]]

    def do(what: str, code: str, **more: str) -> HttpResponse:
        return post(zhao, "draft-steps", draft.pk, do=what, code=code, revision=saved(draft).revision, **more)

    response = do("add", "day-3", activity="education")
    assert codes()[:2] == ["day-3", "education-1"]
    assert response["HX-Push-Url"].endswith("?part=education-1")
    do("copy", "day-7")
    assert codes()[2:4] == ["day-7", "day-1"]
    do("down", "day-3")
    assert codes()[0] == "education-1"
    do("up", "day-3")
    response = do("remove", "education-1")
    assert "education-1" not in codes()
    assert "toast" in response["HX-Trigger"]
    assert post(zhao, "draft-undo", draft.pk).status_code == 200
    assert "education-1" in codes()


def test_what_cannot_be_done_with_a_step_is_refused(draft: PlanDraft, zhao: Client) -> None:
    assert post(zhao, "draft-steps", draft.pk, do="up", code="day-3", revision=1).status_code == 409
    assert post(zhao, "draft-steps", draft.pk, do="remove", code="gone", revision=1).status_code == 409
    assert post(zhao, "draft-steps", draft.pk, do="dance", code="day-3", revision=1).status_code == 400
    assert post(zhao, "draft-undo", draft.pk).status_code == 409


@pytest.mark.parametrize("revision", ["0", "99", "", "x"])
def test_an_older_page_saves_nothing(draft: PlanDraft, zhao: Client, revision: str) -> None:
    fields = step_fields(draft.content["steps"][0]) | {"schedule": "9"}
    response = post(zhao, "draft-change", draft.pk, part="day-3", revision=revision, **fields)
    assert response.status_code == 409
    assert saved(draft).content["steps"][0]["schedule"] == "3"


def test_editing_asks_the_database_no_more_for_more_steps(draft: PlanDraft, zhao: Client) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as found:
            assert get(zhao, "draft", draft.pk).status_code == 200
        return len(found)

    few = asked()
    for _n in range(10):
        post(zhao, "draft-steps", draft.pk, do="copy", code="month-6", revision=saved(draft).revision)
    assert asked() == few


# Files -----------------------------------------------------------------------------------------------------------------


def test_a_plan_goes_out_as_fhir_and_comes_back(scene: Scene, zhao: Client) -> None:
    definition = scene.definition("copd")
    response = get(zhao, "file", definition.pk)
    assert response["Content-Type"].startswith("application/fhir+json")
    assert 'filename="copd-1.0.json"' in response["Content-Disposition"]
    upload = SimpleUploadedFile("plan.json", response.content)
    assert post(zhao, "import", file=upload).status_code == 302
    draft = PlanDraft.objects.get()
    assert (draft.version, draft.based_on) == ("1.1", definition)
    assert draft.content | {"version": "1.0"} == definition.content
    again = json.loads(get(zhao, "draft-file", draft.pk).content)
    assert again["status"] == "draft"
    assert fhir.from_fhir(again).raw == draft.content


def test_unknown_places_of_a_file_are_shown(scene: Scene, zhao: Client) -> None:
    resource = fhir.to_fhir(raw_plan("abroad", enrolment={"sex": "male"}), status="active") | {
        "copyright": "X",
        "purpose": "Y",
    }
    post(zhao, "import", text=json.dumps(resource))
    page = text(get(zhao, "draft", PlanDraft.objects.get().pk))
    assert 'data-unknown="2"' in page
    assert '<li class="num">copyright</li>' in page


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "1"), (b"{", "1"), (b"\xff\xfe\x00", "UTF-8"), (b'{"resourceType": "Patient"}', "Patient"),
        (json.dumps(raw_plan(steps=[raw_step("a", "never")])).encode(), "never"),
        (json.dumps(raw_plan(typo=1)).encode(), "typo"), (b"[" * 50_000, "1"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_with_its_reason(scene: Scene, zhao: Client, content: bytes, says: str) -> None:
    response = post(zhao, "import", file=SimpleUploadedFile("x.json", content))
    assert response.status_code == 409
    assert says in text(response)
    assert not PlanDraft.objects.exists()


def test_a_file_that_is_too_large_is_refused(scene: Scene, zhao: Client) -> None:
    assert post(zhao, "import", file=SimpleUploadedFile("x.json", b" " * 1_000_001)).status_code == 409


def test_an_unreadable_draft_is_not_exported(draft: PlanDraft, zhao: Client) -> None:
    change_step(zhao, draft, "day-3", schedule="x")
    assert get(zhao, "draft-file", draft.pk).status_code == 409


# Replay ----------------------------------------------------------------------------------------------------------------


def test_a_replay_is_asked_for_watched_and_shown(scene: Scene, draft: PlanDraft, zhao: Client) -> None:
    for days in (40, 30, 20):
        scene.discharge(
            patient=scene.new_patient(),
            diagnosis="I21.0",
            procedures=("36.06",),
            at=timezone.now() - timedelta(days=days),
        )
    assert 'data-state="empty-first"' in text(get(zhao, "replay", draft.pk))
    assert post(zhao, "replay", draft.pk, months=2, nurses=1, per_day=5).status_code == 302
    replay = draft.replays.get()
    progress = get(zhao, "replay-progress", replay.pk)
    assert 'data-replay="queued"' in text(progress)
    assert "HX-Refresh" not in progress
    assert post(zhao, "replay", draft.pk, months=2, nurses=1, per_day=5).status_code == 409
    replay_draft.func(event={"replay_id": str(replay.pk)})
    assert get(zhao, "replay-progress", replay.pk)["HX-Refresh"] == "true"
    page = text(get(zhao, "replay", draft.pk))
    assert re.search(r'data-result data-contacts="[1-9]', page)
    assert "data-chart" in page
    assert "data-by-day" in page
    assert 'data-code="replay-old"' not in page
    change_step(zhao, draft, "day-3", schedule="4")
    assert 'data-code="replay-old"' in text(get(zhao, "replay", draft.pk))
    assert re.search(r'data-result data-contacts="[1-9]', text(get(zhao, "differences", draft.pk)))


def test_a_replay_is_stopped(draft: PlanDraft, zhao: Client) -> None:
    post(zhao, "replay", draft.pk, months=1, nurses=1, per_day=1)
    replay = draft.replays.get()
    assert post(zhao, "replay-stop", replay.pk).status_code == 302
    assert post(zhao, "replay-stop", replay.pk).status_code == 409
    assert 'data-replay="stopped"' in text(get(zhao, "replay", draft.pk))


@pytest.mark.parametrize("odd", [{"months": "13"}, {"nurses": "0"}, {"per_day": "x"}, {"months": ""}])
def test_odd_numbers_for_a_replay_come_back_with_their_place(
    draft: PlanDraft, zhao: Client, odd: dict[str, str]
) -> None:
    response = post(zhao, "replay", draft.pk, **{"months": "1", "nurses": "1", "per_day": "1"} | odd)
    assert response.status_code == 422
    assert "data-error-summary" in text(response)


# Review ----------------------------------------------------------------------------------------------------------------


def test_from_author_to_reviewer(scene: Scene, draft: PlanDraft, zhao: Client, qian: Client) -> None:
    change_step(zhao, draft, "day-3", schedule="2")
    assert post(zhao, "submit", draft.pk).status_code == 302
    page = text(get(zhao, "differences", draft.pk))
    assert "data-own-work" in page
    assert "data-publish" not in page
    assert page.count("data-difference") == 2  # version, and the schedule of one step
    assert post(zhao, "publish", draft.pk).status_code == 403
    assert "data-publish" in text(get(qian, "differences", draft.pk))
    response = post(qian, "publish", draft.pk)
    definition = scene.definition("pci-12-months")
    assert response["Location"] == reverse("plans:definition", args=[definition.pk])
    assert (definition.version, definition.plan().steps[0].schedule.text) == ("1.1", "2")
    assert post(qian, "publish", draft.pk).status_code == 409
    assert PlanDefinition.objects.filter(url=definition.url, status="active").count() == 1


def test_giving_back_needs_a_reason(draft: PlanDraft, zhao: Client, qian: Client) -> None:
    post(zhao, "submit", draft.pk)
    assert post(qian, "give-back", draft.pk, note="").status_code == 422
    assert post(qian, "give-back", draft.pk, note="第 3 天太早").status_code == 302
    assert "data-note" in text(get(zhao, "draft", draft.pk))


def test_the_author_takes_back_and_goes_on(draft: PlanDraft, zhao: Client) -> None:
    post(zhao, "submit", draft.pk)
    assert change_step(zhao, draft, "day-3", schedule="5").status_code == 409
    assert post(zhao, "take-back", draft.pk).status_code == 302
    assert change_step(zhao, draft, "day-3", schedule="5").status_code == 200


def test_a_draft_is_thrown_away(draft: PlanDraft, zhao: Client) -> None:
    assert post(zhao, "discard", draft.pk).status_code == 302
    assert "data-draft=" not in text(get(zhao, "list"))
    assert post(zhao, "discard", draft.pk).status_code == 409


def test_the_wish_about_enrolment_is_kept(draft: PlanDraft, zhao: Client) -> None:
    post(zhao, "draft-enrolment", draft.pk, enrols="0")
    assert not saved(draft).enrols


@pytest.mark.parametrize(
    "name",
    [
        "draft-change",
        "draft-steps",
        "draft-undo",
        "draft-enrolment",
        "submit",
        "take-back",
        "discard",
        "publish",
        "give-back",
    ],
)
def test_who_only_reads_plans_writes_nothing(scene: Scene, draft: PlanDraft, name: str) -> None:
    for person in (scene.cast.wang, scene.cast.he):
        assert post(scene.cast.client(person), name, draft.pk).status_code == 403
    assert saved(draft).revision == 1


def test_who_may_not_write_sees_the_draft_without_buttons(scene: Scene, draft: PlanDraft) -> None:
    page = text(get(scene.cast.client(scene.cast.wang), "draft", draft.pk))
    assert "data-add=" not in page
    assert "<fieldset disabled" in page
    assert get(scene.cast.client(scene.cast.wang), "replay", draft.pk).status_code == 403


def test_unknown_drafts_are_not_found(scene: Scene, zhao: Client) -> None:
    for name in ("draft", "differences", "replay", "draft-file"):
        assert get(zhao, name, uuid4()).status_code == 404
    assert get(zhao, "replay-progress", uuid4()).status_code == 404


# Adopting --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def newer(scene: Scene, draft: PlanDraft) -> PlanDefinition:
    """Three running plans of Cardiology in version 1.0; version 1.1 calls on day 4 and once more."""
    for _n in range(3):
        now = timezone.now()
        stay = scene.discharge(
            patient=scene.new_patient(), diagnosis="I21.0", procedures=("36.06",), at=now, operated_at=now
        )
        actions.enrol_discharges(encounter_ids=[stay.pk], at=now, by=SYSTEM)
    actions.change_draft(
        draft=draft, revision=1, at=timezone.now(), by=scene.cast.as_zhao,
        change=lambda raw: drafting.add_step(drafting.set_step(raw, "day-3", {"schedule": "4"}), activity="reminder"),
    )  # fmt: skip
    actions.submit_draft(draft=draft, at=timezone.now(), by=scene.cast.as_zhao)
    return actions.publish_draft(draft=draft, at=timezone.now(), by=scene.cast.viewer(scene.cast.qian))


def worked_off(batch: Batch) -> Batch:
    run_batch.func(event={"batch_id": str(batch.pk)})
    batch.refresh_from_db()
    return batch


def versions() -> list[str]:
    return sorted(CarePlan.objects.unscoped("test").values_list("definition__version", flat=True))


def test_the_difference_is_shown_before_anybody_adopts(scene: Scene, newer: PlanDefinition, qian: Client) -> None:
    assert 'data-older="3"' in text(get(qian, "definition", newer.pk))
    page = text(get(qian, "adoption", newer.pk))
    assert 'data-added="3" data-removed="0" data-moved="3"' in page
    assert page.count("data-plan=") == 3
    assert versions() == ["1.0", "1.0", "1.0"]


def test_another_department_sees_none_of_it(scene: Scene, newer: PlanDefinition) -> None:
    scene.give_role(scene.cast.li, "plans.publish")
    assert 'data-state="empty-done"' in text(get(scene.cast.client(scene.cast.li), "adoption", newer.pk))
    assert post(scene.cast.client(scene.cast.li), "adoption", newer.pk, department="all").status_code == 409
    assert get(scene.cast.client(scene.cast.wang), "adoption", newer.pk).status_code in (200, 403)


@pytest.mark.parametrize("group", ["department", "all", "chosen"])
def test_a_group_takes_it_over_in_the_background(scene: Scene, newer: PlanDefinition, qian: Client, group: str) -> None:
    one = CarePlan.objects.unscoped("test").order_by("pk")[0]
    told = {
        "department": {"department": str(scene.cast.cardiology.pk)}, "all": {"department": "all"},
        "chosen": {"department": "all", "plan": str(one.pk)},
    }[group]  # fmt: skip
    assert post(qian, "adoption", newer.pk, **told).status_code == 302
    assert post(qian, "adoption", newer.pk, **told).status_code == 302  # a double press is the same work
    batch = worked_off(Batch.objects.get())
    expected = 1 if group == "chosen" else 3
    assert (batch.state, batch.done, batch.total) == ("done", expected, expected)
    assert versions().count("1.1") == expected
    one.refresh_from_db()
    assert {task.step_code for task in tasks_of(one, status="requested")} >= {"day-3", "reminder-1"}


def test_nobody_chosen_is_refused(scene: Scene, newer: PlanDefinition, qian: Client) -> None:
    assert post(qian, "adoption", newer.pk).status_code == 409
    assert post(qian, "adoption", newer.pk, department="nonsense").status_code == 409


def test_a_retired_version_is_not_adopted(scene: Scene, newer: PlanDefinition, qian: Client) -> None:
    old = PlanDefinition.objects.get(url=newer.url, version="1.0")
    assert get(qian, "adoption", old.pk).status_code == 404
    with pytest.raises(actions.NothingToAdopt):
        actions.adopt_for_group(
            definition=old, care_plan_ids=[], at=timezone.now(), by=scene.cast.viewer(scene.cast.qian)
        )


# Two languages -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["head", "rule", "ends", "month-1", "day-3"])
def test_what_can_be_written_stands_there_the_same_in_either_language(
    scene: Scene, draft: PlanDraft, part: str
) -> None:
    """A field writes one language; the English page must not show the English words in a Chinese field."""
    fields = []
    for language in ("zh-hans", "en"):
        scene.speaks(scene.cast.zhao, language)
        page = text(get(scene.cast.client(scene.cast.zhao), "draft", draft.pk, part=part))
        form = page[page.index("data-part-form=") :]
        form = form[: form.index("</form>")]
        inputs = re.findall(r"<input\b[^>]*>", form)
        typed = [one for one in inputs if 'type="hidden"' not in one]
        told = {tuple(re.findall(r'(?:^|\s)(name|value)="([^"]*)"', one)) for one in typed}
        areas = set(re.findall(r'<textarea\b[^>]*name="([^"]*)"[^>]*>([^<]*)</textarea>', form))
        fields.append((told, areas))
    assert fields[0] == fields[1]
    assert fields[0][0]


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_samples_of_written_times_can_be_written_so(scene: Scene, draft: PlanDraft, language: str) -> None:
    """Each sample beside the palette is in the language of the page, and the page takes it as it stands."""
    scene.speaks(scene.cast.zhao, language)
    client = scene.cast.client(scene.cast.zhao)
    page = text(get(client, "draft", draft.pk, part="day-3"))
    samples = re.findall(r'<li><b class="num">([^<]+)</b>', page)
    assert len(samples) == 5
    for sample in samples:
        assert any("\u4e00" <= c <= "\u9fff" for c in sample) <= (language == "zh-hans"), sample
        assert intervals.parse_intervals(sample).legs, sample
