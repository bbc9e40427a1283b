"""Drafts: steps that can be taken back, review by another person, libraries, who may do what, two at the same moment."""

import json
import threading
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.urls import reverse

from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.kernel.errors import Refused
from careloop.questionnaires import actions, rules
from careloop.questionnaires.models import FavouriteForm, LibraryItem, Questionnaire, QuestionnaireDraft
from careloop.questionnaires.reads import library
from careloop.questionnaires.reads.replaying import try_on_past
from careloop.questionnaires.rules import designing
from careloop.questionnaires.rules.fhir import as_fhir
from careloop.questionnaires.tests.forms import CALL, URL, rule
from tests.cast import NOW, SYSTEM, make_cast

pytestmark = pytest.mark.django_db
PHQ = "https://careloop.org/Questionnaire/phq-9"


@pytest.fixture
def zhao(cast):
    return cast.viewer(cast.zhao)


@pytest.fixture
def qian(cast):
    return cast.viewer(cast.qian)


@pytest.fixture
def published(cast):
    return actions.publish_questionnaire(content=CALL, at=NOW, by=SYSTEM, department_id=cast.cardiology.pk)


@pytest.fixture
def draft(zhao, published):
    return actions.start_version(questionnaire=published, at=NOW, by=zhao)


def edit(draft, by, op, revision=None, **params):
    draft.refresh_from_db()
    return actions.change_draft(
        draft=draft, revision=draft.revision if revision is None else revision, op=op, params=params, at=NOW, by=by
    )


def step(draft, by, back=True):
    draft.refresh_from_db()
    return actions.take_step(draft=draft, revision=draft.revision, back=back, at=NOW, by=by)


def submit(draft, by):
    draft.refresh_from_db()
    return actions.submit_draft(draft=draft, revision=draft.revision, at=NOW, by=by)


# ---- steps ----


def test_a_new_version_begins_with_what_is_in_force(draft, published):
    assert (draft.url, draft.version, draft.based_on_id, draft.status) == (URL, "2", published.pk, "editing")
    assert draft.content["definition"]["item"] == published.content["definition"]["item"]
    assert rules.proofread(rules.parse(draft.content)) == ()


def test_every_change_can_be_taken_back_and_done_again(draft, zhao):
    first = draft.content
    second = edit(draft, zhao, "set", link="pain", field="text", value="疼吗").content
    third = edit(draft, zhao, "add-item", kind="pain", after="pain").content
    assert step(draft, zhao).content == second
    assert step(draft, zhao).content == first
    with pytest.raises(actions.NothingToUndo):
        step(draft, zhao)
    assert step(draft, zhao, back=False).content == second
    assert step(draft, zhao, back=False).content == third
    with pytest.raises(actions.NothingToUndo):
        step(draft, zhao, back=False)


def test_a_new_change_after_undo_closes_the_other_way(draft, zhao):
    edit(draft, zhao, "set", link="pain", field="text", value="a")
    step(draft, zhao)
    edit(draft, zhao, "set", link="pain", field="text", value="b")
    with pytest.raises(actions.NothingToUndo):
        step(draft, zhao, back=False)


def test_two_people_never_overwrite_each_other(draft, zhao, qian):
    edit(draft, zhao, "set", link="pain", field="text", value="a", revision=1)
    with pytest.raises(actions.DraftMovedOn):
        actions.change_draft(
            draft=draft, revision=1, op="set", params={"link": "pain", "field": "text", "value": "b"}, at=NOW, by=qian
        )
    draft.refresh_from_db()
    assert rules.parse(draft.content).item("pain").staff.zh == "a"


def test_what_changes_nothing_is_no_step(draft, zhao):
    before = edit(draft, zhao, "set", link="pain", field="text", value="pain").revision
    assert before == 1
    assert AuditEvent.objects.filter(name="questionnaires.DraftChanged").count() == 0


def test_a_refused_change_says_why_and_writes_nothing(draft, zhao):
    with pytest.raises(actions.EditRefused) as caught:
        edit(draft, zhao, "remove", link="pain")
    assert (caught.value.edit_code, caught.value.status) == ("still-used", 409)
    draft.refresh_from_db()
    assert draft.revision == 1


@pytest.mark.parametrize(
    "params",
    [
        {"op": "add-item", "kind": "nothing"},
        {"op": "add-scale", "scale": "x|1"},
        {"op": "add-item", "kept": "no-id"},
        {"op": "add-item", "kept": str(uuid4())},
    ],
)
def test_what_does_not_exist_cannot_be_put_in(draft, zhao, params):
    with pytest.raises(actions.EditRefused) as caught:
        edit(draft, zhao, **params)
    assert caught.value.edit_code == "unknown-material"


# ---- author, reviewer, publish ----


def test_author_and_publisher_are_two_people(draft, zhao, qian, published):
    edit(draft, zhao, "set", link="pain", field="text", value="疼吗")
    with pytest.raises(actions.NotSubmitted):
        actions.publish_draft(draft=draft, at=NOW, by=qian)
    submit(draft, zhao)
    with pytest.raises(actions.OwnDraft):
        actions.publish_draft(draft=draft, at=NOW, by=zhao)
    with pytest.raises(actions.DraftInReview):
        edit(draft, zhao, "set", link="pain", field="text", value="x")
    made = actions.publish_draft(draft=draft, at=NOW, by=qian)
    published.refresh_from_db()
    assert (made.version, made.status, published.status) == ("2", "active", "retired")
    assert (made.author_id, made.published_by_id, made.department_id) == (
        zhao.practitioner_id,
        qian.practitioner_id,
        published.department_id,
    )
    assert made.content_hash == rules.content_hash(made.content)
    assert made.content["definition"]["status"] == "active"


def test_publishing_twice_is_refused(draft, zhao, qian):
    submit(draft, zhao)
    actions.publish_draft(draft=draft, at=NOW, by=qian)
    with pytest.raises(actions.DraftClosed):
        actions.publish_draft(draft=draft, at=NOW, by=qian)
    for again in (
        lambda: submit(draft, zhao),
        lambda: edit(draft, zhao, "remove-rule", rule="rise"),
        lambda: actions.discard_draft(draft=draft, by=zhao),
    ):
        with pytest.raises(actions.DraftClosed):
            again()
    assert Questionnaire.objects.filter(url=URL).count() == 2


def test_the_reviewer_gives_it_back_with_a_remark(draft, zhao, qian):
    submit(draft, zhao)
    actions.return_draft(draft=draft, remark="阈值太低", at=NOW, by=qian)
    draft.refresh_from_db()
    assert (draft.status, draft.remark) == ("editing", "阈值太低")
    edit(draft, qian, "set", link="pain", field="text", value="x")  # who changes it becomes an author too
    submit(draft, zhao)
    with pytest.raises(actions.OwnDraft):
        actions.publish_draft(draft=draft, at=NOW, by=qian)


def test_whoever_ever_changed_a_draft_does_not_publish_it(draft, zhao, qian):
    edit(draft, qian, "set", link="pain", field="text", value="x")
    edit(draft, zhao, "set", link="pain", field="text", value="疼吗")  # the last hand is another one
    submit(draft, zhao)
    assert draft.editor_id == zhao.practitioner_id
    with pytest.raises(actions.OwnDraft):
        actions.publish_draft(draft=draft, at=NOW, by=qian)
    assert not Questionnaire.objects.filter(version=draft.version, url=draft.url).exists()


def test_what_is_not_ready_cannot_be_submitted(draft, zhao):
    edit(draft, zhao, "set", link="pain", field="patient", value="字" * 31)
    with pytest.raises(actions.BadDefinition, match="31"):
        submit(draft, zhao)


def test_a_version_taken_meanwhile_is_refused(draft, zhao, qian):
    submit(draft, zhao)
    other = {**CALL, "version": "2", "definition": {**CALL["definition"], "version": "2"}}
    actions.publish_questionnaire(content=other, at=NOW, by=SYSTEM)
    with pytest.raises(actions.VersionTaken):
        actions.publish_draft(draft=draft, at=NOW, by=qian)
    first = Questionnaire.objects.get(url=URL, version="1")
    next_one = actions.start_version(questionnaire=first, at=NOW, by=zhao)
    assert next_one.version == "3"
    with pytest.raises(actions.DraftExists):
        edit(next_one, zhao, "set-form", field="version", value="2")


def test_discarding_again_does_nothing(draft, zhao):
    actions.discard_draft(draft=draft, by=zhao)
    actions.discard_draft(draft=draft, by=zhao)
    assert AuditEvent.objects.filter(name="questionnaires.DraftDiscarded").count() == 1


@pytest.mark.django_db(transaction=True)
def test_eight_reviewers_publish_one_version(transactional_db):
    cast = make_cast()
    by = cast.viewer(cast.zhao)
    form = actions.publish_questionnaire(content=CALL, at=NOW, by=SYSTEM, department_id=cast.cardiology.pk)
    draft = actions.start_version(questionnaire=form, at=NOW, by=by)
    submit(draft, by)
    found: list[str] = []

    def publish():
        try:
            actions.publish_draft(draft=draft, at=NOW, by=cast.viewer(cast.qian))
            found.append("published")
        except Refused as refusal:
            found.append(refusal.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=publish) for _n in range(8)]
    [one.start() for one in threads]
    [one.join() for one in threads]
    assert sorted(found) == ["draft-closed"] * 7 + ["published"]
    assert Questionnaire.objects.filter(url=URL, status="active").count() == 1


# ---- locked scales, departments ----


def test_a_scale_gets_no_version_of_its_own(zhao):
    actions.load_shipped_content(at=NOW, by=SYSTEM)
    with pytest.raises(actions.ScaleIsLocked):
        actions.start_version(questionnaire=Questionnaire.objects.get(url=PHQ), at=NOW, by=zhao)


def test_a_scale_edited_by_hand_is_neither_imported_nor_submitted(draft, zhao):
    actions.load_shipped_content(at=NOW, by=SYSTEM)
    scale = library.scales()[0].canonical
    made = edit(draft, zhao, "add-scale", scale=scale)
    bad = json.loads(json.dumps(made.content))
    bad["definition"]["item"][-1]["item"][0]["text"] = "另一句话"
    bad["version"] = bad["definition"]["version"] = "9"
    with pytest.raises(actions.LockBroken):
        actions.import_draft(data=json.dumps(as_fhir(bad)).encode(), department_id=None, at=NOW, by=zhao)
    with seeding():
        QuestionnaireDraft.objects.filter(pk=draft.pk).update(content=bad)
    with pytest.raises(actions.LockBroken):
        submit(draft, zhao)


def test_a_scale_is_not_kept_as_ones_own_question_alone_or_in_its_part(draft, zhao):
    actions.load_shipped_content(at=NOW, by=SYSTEM)
    part = edit(draft, zhao, "add-item", kind="group").content["definition"]["item"][-1]["linkId"]
    made = edit(draft, zhao, "add-scale", scale=library.scales()[0].canonical, into=part)
    group = designing.find(made.content, part)["item"][-1]
    for link in (group["item"][0]["linkId"], group["linkId"], part):
        with pytest.raises(actions.EditRefused) as refused:
            actions.keep_item(draft=made, link=link, department=True, by=zhao)
        assert refused.value.edit_code == "locked-scale"
    assert not LibraryItem.objects.exists()


def test_departments_do_not_touch_each_others_forms(cast, published):
    li = cast.viewer(cast.li)
    own = actions.start_version(questionnaire=published, at=NOW, by=li)
    assert own.url != published.url
    assert (own.version, own.department_id) == ("1", li.organization_id)
    assert not library.drafts_of(cast.viewer(cast.zhao)).filter(pk=own.pk).exists()


def test_a_form_of_the_hospital_is_changed_by_who_answers_for_the_hospital(cast, zhao):
    form = actions.publish_questionnaire(content=CALL, at=NOW, by=SYSTEM)
    assert actions.start_version(questionnaire=form, at=NOW, by=zhao).url != form.url
    assert actions.start_version(questionnaire=form, at=NOW, by=cast.viewer(cast.sun)).url == form.url


def test_questions_are_kept_for_oneself_and_for_the_department(cast, draft, zhao, qian):
    mine = actions.keep_item(draft=draft, link="where", department=False, by=zhao)
    ours = actions.keep_item(draft=draft, link="bp", department=True, by=zhao)
    assert "enableWhen" not in mine.content
    assert {one.pk for one in library.kept_items(zhao)} == {mine.pk, ours.pk}
    assert {one.pk for one in library.kept_items(qian)} == {ours.pk}
    assert not library.kept_items(cast.viewer(cast.li)).exists()
    made = edit(draft, qian, "add-item", kept=str(ours.pk))
    assert rules.parse(made.content).item("sbp-2")
    actions.remove_kept_item(item=mine, by=zhao)
    assert LibraryItem.objects.count() == 1
    with pytest.raises(actions.EditRefused):
        actions.keep_item(draft=draft, link="gone", department=False, by=zhao)


def test_favourites_are_ones_own(zhao, qian):
    for _n in range(2):
        actions.keep_favourite(url=URL, kept=True, by=zhao)
    assert (library.favourites(zhao), library.favourites(qian)) == ({URL}, frozenset())
    actions.keep_favourite(url=URL, kept=False, by=zhao)
    assert not FavouriteForm.objects.exists()


# ---- trial on past answers ----


def give(cast, form, days_ago, patient=None, **values):
    at = NOW - timedelta(days=days_ago)
    response = actions.start_response(
        questionnaire=form, patient_id=(patient or cast.zhang).pk, task_id=None, mode="phone", at=at, by=SYSTEM
    )
    for link, value in values.items():
        actions.save_answer(response=response, link_id=link, value=value, source="phone", at=at, by=SYSTEM)
    return actions.complete_response(response=response, at=at, by=SYSTEM, partial=True)


def test_rules_are_tried_on_the_answers_of_ninety_days(cast, published, draft, zhao):
    old = give(cast, published, 120, pain="no", sbp=100)
    low, rise, high = (
        give(cast, published, days, pain="no", sbp=sbp) for days, sbp in ((89, 119), (40, 150), (36, 185))
    )
    made = edit(draft, zhao, "add-rule", link="sbp", operator=">=", value="140", severity="critical")
    tried = try_on_past(made.content, [URL], viewer=zhao, at=NOW)
    code = made.content["rules"][-1]["code"]
    assert (tried.result.responses, tried.line(code).times) == (3, 2)
    assert [one.pk for one in tried.shown[code]] == [high.pk, rise.pk]
    assert tried.line("rise").times == 1, "the change since the answers before it, within seven days"
    assert (tried.result.now["critical"], tried.result.then["critical"], tried.result.then["high"]) == (2, 0, 1)
    assert tried.result.more_per_week == round((2 - 1) * 7 / 90, 1)
    assert old.pk not in {one.pk for rows in tried.shown.values() for one in rows}
    assert low.pk not in {one.pk for one in tried.shown[code]}


def test_a_trial_shows_only_patients_of_ones_own(cast, published, draft):
    give(cast, published, 3, pain="no", sbp=190)
    give(cast, published, 2, patient=cast.ma, pain="no", sbp=190)
    seen = {
        name: try_on_past(draft.content, [URL], viewer=cast.viewer(getattr(cast, name)), at=NOW).result.responses
        for name in ("zhao", "li", "sun")
    }
    assert seen == {"zhao": 1, "li": 1, "sun": 2}


def test_a_trial_needs_no_query_more_per_answer(cast, published, draft, zhao, django_assert_num_queries):
    for day in range(1, 4):
        give(cast, published, day, pain="no", sbp=190)
    with django_assert_num_queries(2):
        try_on_past(draft.content, [URL], viewer=zhao, at=NOW)
    for day in range(4, 12):
        give(cast, published, day, pain="no", sbp=190)
    with django_assert_num_queries(2):
        assert try_on_past(draft.content, [URL], viewer=zhao, at=NOW).result.responses == 11


def test_answers_to_questions_the_draft_no_longer_has_count_as_not_asked(cast, published, draft, zhao):
    give(cast, published, 2, pain="yes", where="chest", sbp=190)
    edit(draft, zhao, "remove-rule", rule="chest")
    made = edit(draft, zhao, "remove", link="where")
    tried = try_on_past(made.content, [URL], viewer=zhao, at=NOW)
    assert {line.code: line.times for line in tried.result.rules} == {"pressure": 1, "rise": 0}


# ---- pages ----


def address(name, *args):
    return reverse(f"questionnaires:{name}", args=args)


def test_a_form_is_made_by_posts_alone(cast, published):
    client = cast.client(cast.zhao)
    assert client.post(address("new"), {"title": "心内科随访"}).status_code == 303
    draft = QuestionnaireDraft.objects.get(title="心内科随访")
    assert draft.department_id == cast.cardiology.pk

    def change(**fields):
        draft.refresh_from_db()
        return client.post(
            address("change", draft.pk), {"revision": draft.revision, **fields}, headers={"HX-Request": "true"}
        )

    shown = change(op="add-item", kind="choice", into="part-1", tab="question").content.decode()
    assert 'data-card="q"' in shown
    assert 'name="selected" value="q"' in shown, "what is new is selected"
    assert (
        change(op="add-rule", link="q", operator="=", value="a", severity="critical", tab="alerts").status_code == 200
    )
    refused = change(op="remove", link="q")
    assert refused.status_code == 409
    stale = client.post(
        address("change", draft.pk),
        {"revision": 1, "op": "move", "link": "q", "way": "up"},
        headers={"HX-Request": "true"},
    )
    assert stale.status_code == 409
    for junk in ("x", "-1", "9" * 30, ""):
        assert client.post(address("change", draft.pk), {"revision": junk, "op": "move"}).status_code == 409


@pytest.mark.parametrize("view", ["edit", "logic", "phone", "mobile", "paper", "nonsense"])
@pytest.mark.parametrize("tab", ["question", "logic", "alerts", "coding", "nonsense"])
def test_every_view_of_every_part(cast, draft, view, tab):
    client = cast.client(cast.zhao)
    for selected in ("", "pain", "sbp", "bp", "gone"):
        answer = client.get(address("designer", draft.pk), {"view": view, "tab": tab, "selected": selected})
        assert answer.status_code == 200
    assert client.get(address("replay", draft.pk)).status_code == 200


def test_the_page_and_the_part_are_the_same(cast, draft):
    client = cast.client(cast.zhao)
    whole = client.get(address("designer", draft.pk), {"selected": "pain"}).content.decode()
    part = client.get(
        address("designer", draft.pk), {"selected": "pain"}, headers={"HX-Request": "true"}
    ).content.decode()
    assert part.strip().split("</form>")[0] in whole


def test_who_may_design_and_who_may_publish(cast, draft, zhao):
    submit(draft, zhao)
    assert cast.client(cast.he).get(address("designer", draft.pk)).status_code == 403
    assert cast.client(cast.he).post(address("new"), {"title": "x"}).status_code == 403
    assert cast.client(cast.zhao).post(address("publish", draft.pk)).status_code == 403
    assert cast.client(cast.li).get(address("designer", draft.pk)).status_code == 404
    for name in ("change", "step", "submit", "give_back", "discard", "keep"):
        assert cast.client(cast.li).post(address(name, draft.pk)).status_code == 404, name
    for name in ("replay", "draft_compare", "draft_fhir"):
        assert cast.client(cast.li).get(address(name, draft.pk)).status_code == 404, name
    assert cast.client(cast.qian).post(address("publish", draft.pk)).status_code == 303


def test_import_by_file_and_its_refusals(cast):
    client = cast.client(cast.zhao)
    good = {
        "resourceType": "Questionnaire",
        "status": "active",
        "title": "外来",
        "item": [
            {
                "linkId": "1",
                "type": "string",
                "text": "?",
                "extension": [{"url": "https://elsewhere.example/x", "valueString": "y"}],
            }
        ],
    }

    def send(data):
        return client.post(address("import"), {"file": SimpleUploadedFile("q.json", data)})

    taken = send(json.dumps(good).encode())
    assert taken.status_code == 303
    draft = QuestionnaireDraft.objects.get(title="外来")
    assert any("elsewhere.example/x" in note for note in draft.notes)
    assert "elsewhere.example/x" in client.get(taken.headers["Location"]).content.decode()
    back = json.loads(client.get(address("draft_fhir", draft.pk)).content)
    assert {key: back[key] for key in good} == good
    bad = send(json.dumps({**good, "item": [{"linkId": "1", "type": "slider"}]}).encode())
    assert bad.status_code == 422
    assert "item[0].type" in bad.content.decode()
    assert send(b"{").status_code == 422
    assert send(b" " * (10 * 1024 * 1024)).status_code == 422
    assert client.post(address("import")).status_code == 422
    assert QuestionnaireDraft.objects.count() == 1


def test_export_and_favourite_and_lists(cast, published, draft):
    client = cast.client(cast.zhao)
    sent = client.get(address("fhir", published.pk))
    assert sent["Content-Type"].startswith("application/fhir+json")
    assert json.loads(sent.content)["url"] == URL
    assert client.post(address("favourite", published.pk), {"kept": "1"}).status_code == 200
    for show in ("own", "favourites", "all", "drafts", "nonsense"):
        shown = client.get(address("list"), {"show": show}).content.decode()
        assert (f'data-draft="{draft.pk}"' in shown) == (show == "drafts")
    assert address("version", published.pk) in client.get(address("list"), {"show": "favourites"}).content.decode()
    assert (
        address("version", published.pk)
        not in cast.client(cast.li).get(address("list"), {"show": "own"}).content.decode()
    )


def test_versions_side_by_side(cast, published, draft, zhao):
    edit(draft, zhao, "set", link="pain", field="text", value="还疼吗")
    edit(draft, zhao, "remove-rule", rule="rise")
    edit(draft, zhao, "add-item", kind="pain", after="pain")
    shown = cast.client(cast.zhao).get(address("draft_compare", draft.pk)).content.decode()
    assert 'data-row-kind="changed" data-link="pain"' in shown
    assert 'data-row-kind="added" data-link="pain-2"' in shown
    assert 'data-part="rules" data-row-kind="removed"' in shown
    assert 'data-link="where"' not in shown
    assert (
        'data-link="where"'
        in cast.client(cast.zhao).get(address("draft_compare", draft.pk), {"all": "1"}).content.decode()
    )
    same = cast.client(cast.zhao).get(address("compare", published.pk, published.pk)).content.decode()
    assert "data-row-kind" not in same
    new = actions.start_draft(title="leer", department_id=cast.cardiology.pk, at=NOW, by=zhao)
    assert cast.client(cast.zhao).get(address("draft_compare", new.pk)).status_code == 404


def test_a_rule_of_another_kind_stays_readable(cast, draft, zhao):
    content = json.loads(json.dumps(draft.content))
    content["rules"].append(
        rule(
            "deep",
            {
                "all": [
                    {"any": [{"item": "pain", "value": "yes"}, {"item": "sbp", "op": ">", "value": 3}]},
                    {"not": {"item": "pain", "value": "no"}},
                ]
            },
        )
    )
    with seeding():
        QuestionnaireDraft.objects.filter(pk=draft.pk).update(content=content)
    shown = cast.client(cast.zhao).get(address("designer", draft.pk), {"tab": "alerts"}).content.decode()
    assert 'data-rule-card="deep"' in shown
