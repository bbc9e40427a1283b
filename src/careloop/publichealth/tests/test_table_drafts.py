"""Writing tables together: begin, change, undo, review by another, publish; trial on past answers; files; scope; races."""

import json
import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from careloop.accounts.actions import set_language
from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.publichealth import actions
from careloop.publichealth.models import Opinion, OpinionDraft, OpinionTable
from careloop.publichealth.reads import tables
from careloop.publichealth.tests.factories import ONCOLOGY, answered, get, give, post, publish_all, table_content
from careloop.questionnaires.models import Questionnaire
from tests.cast import NOW, SYSTEM, make_cast

pytestmark = pytest.mark.django_db
NOW_REAL = timezone.now()


@pytest.fixture
def world(cast):
    publish_all("oncology-post-op")
    actions.load_shipped_tables(at=NOW, by=SYSTEM)
    give(cast.zhao, "ward-doctor")
    return cast


def begun(world, content=None, **more):
    """A draft of Cardiology, written by the doctor Zhao."""
    given = {
        "questionnaire_url": ONCOLOGY,
        "department_id": world.cardiology.pk,
        "at": NOW,
        "by": world.as_zhao,
        **more,
    }
    return actions.start_table_draft(content=content or table_content(), **given)


def change(draft, op, by, **params):
    draft.refresh_from_db()
    params = {name: str(value) for name, value in params.items()}
    return actions.change_table_draft(draft=draft, revision=draft.revision, op=op, params=params, at=NOW, by=by)


def as_qian(world):
    return world.viewer(world.qian)


# --- the way of a table ----------------------------------------------------------------------------------------


def test_a_table_is_written_reviewed_by_another_and_published_and_the_old_one_stays(world):
    doctor, reviewer = world.client(world.zhao), world.client(world.qian)
    hospital = OpinionTable.objects.get()
    begin = post(doctor, "new-version", hospital.pk, department=str(world.cardiology.pk))
    draft = OpinionDraft.objects.get()
    assert begin.headers["Location"] == reverse("publichealth:draft", args=[draft.pk])
    assert draft.content == hospital.content
    state = {"revision": draft.revision, "selected": "1"}
    page = post(doctor, "draft-change", draft.pk, op="set-row", row="5", field="reason", value="一切如常", **state)
    assert page.status_code == 200
    draft.refresh_from_db()
    assert draft.content["outcomes"][4]["reason"]["zh"] == "一切如常"
    assert post(doctor, "draft-submit", draft.pk, revision=draft.revision).status_code == 200
    assert post(doctor, "draft-publish", draft.pk).status_code == 403, "a doctor writes, a supervisor publishes"
    done = post(reviewer, "draft-publish", draft.pk)
    made = OpinionTable.objects.get(department=world.cardiology)
    assert done.headers["Location"] == reverse("publichealth:table", args=[made.pk])
    assert (made.version, made.status, made.published_by_id, made.content) == (
        1,
        "active",
        world.qian.pk,
        draft.content,
    )
    hospital.refresh_from_db()
    assert hospital.status == "active", "the hospital's own stays for the others"
    assert "data-author" in get(reviewer, "table", made.pk).content.decode()
    names = set(AuditEvent.objects.filter(name__startswith="publichealth.OpinionDraft").values_list("name", flat=True))
    assert names == {f"publichealth.OpinionDraft{one}" for one in ("Started", "Changed", "Submitted", "Published")}


def test_the_next_version_retires_the_one_before_and_both_can_be_compared(world):
    for number in ("1", "2"):
        draft = begun(world, table_content(source=number))
        draft = actions.submit_table_draft(draft=draft, revision=draft.revision, at=NOW, by=world.as_zhao)
        actions.publish_table_draft(draft=draft, at=NOW, by=as_qian(world))
    mine = OpinionTable.objects.filter(department=world.cardiology)
    assert sorted(mine.values_list("version", "status")) == [(1, "retired"), (2, "active")]
    client = world.client(world.qian)
    text = get(client, "compare", mine.get(version=2).pk).content.decode()
    assert text.count('data-row-kind="same"') == 3
    shipped = OpinionTable.objects.get(department=None)
    text = get(client, "compare", mine.get(version=2).pk, **{"with": str(shipped.pk)}).content.decode()
    assert 'data-row-kind="removed"' in text
    assert get(client, "compare", mine.get(version=1).pk).status_code == 404, "nothing before the first"
    assert get(client, "compare", mine.get(version=2).pk, **{"with": "x"}).status_code == 200


def test_a_first_table_begins_from_what_the_form_brings_or_from_one_closing_row(world):
    publish_all("pci-follow-up", "hypertension-national")
    client = world.client(world.qian)
    pci = Questionnaire.objects.get(name="pci-follow-up")
    post(client, "table-begin", questionnaire=str(pci.pk), department=str(world.cardiology.pk))
    draft = OpinionDraft.objects.get(questionnaire_url=pci.url)
    assert len(draft.content["outcomes"]) == 4
    assert [row.get("else") for row in draft.content["outcomes"]] == [None, True, True, True]
    form = Questionnaire.objects.get(name="hypertension-national")
    post(client, "table-begin", questionnaire=str(form.pk), department=str(world.cardiology.pk))
    draft = OpinionDraft.objects.get(questionnaire_url=form.url)
    assert [row["when"] for row in draft.content["outcomes"]] == ["otherwise"]
    for wrong in ("", "x", str(world.zhang.pk)):
        assert post(client, "table-begin", questionnaire=wrong).status_code == 404


# --- refusals --------------------------------------------------------------------------------------------------


def test_nobody_publishes_what_he_wrote_or_changed_even_when_another_changed_it_last(world):
    draft = begun(world, by=as_qian(world))
    draft = change(draft, "set-table", world.as_zhao, field="source", value="另一人")
    draft = actions.submit_table_draft(draft=draft, revision=draft.revision, at=NOW, by=world.as_zhao)
    with pytest.raises(actions.OwnTableDraft):
        actions.publish_table_draft(draft=draft, at=NOW, by=as_qian(world))
    assert not OpinionTable.objects.filter(department=world.cardiology).exists()


def test_a_draft_that_moved_on_is_not_overwritten(world):
    draft = begun(world)
    change(draft, "set-table", world.as_zhao, field="source", value="one")
    with pytest.raises(actions.TableDraftMovedOn):
        actions.change_table_draft(
            draft=draft,
            revision=1,
            op="set-table",
            params={"field": "source", "value": "two"},
            at=NOW,
            by=as_qian(world),
        )
    draft.refresh_from_db()
    assert draft.content["source"] == "one"


def test_a_change_that_changes_nothing_is_no_step(world):
    draft = begun(world)
    same = change(draft, "move-row", world.as_zhao, row=1, way="up")
    assert (same.revision, same.past) == (1, [])


def test_changes_are_taken_back_to_the_beginning_and_no_further(world):
    draft = begun(world)
    first = draft.content
    for place in range(4):
        draft = change(draft, "set-table", world.as_zhao, field="source", value=f"s{place}")
    for _ in range(4):
        draft = actions.take_back_table_change(draft=draft, revision=draft.revision, at=NOW, by=world.as_zhao)
    assert draft.content == first
    with pytest.raises(actions.NothingToTakeBack):
        actions.take_back_table_change(draft=draft, revision=draft.revision, at=NOW, by=world.as_zhao)


def test_only_the_last_steps_are_kept(world):
    draft = begun(world)
    for place in range(35):
        draft = change(draft, "set-table", world.as_zhao, field="source", value=f"s{place}")
    assert len(draft.past) == 30


def test_what_waits_for_review_or_is_closed_is_not_changed(world):
    draft = begun(world)
    with pytest.raises(actions.TableNotSubmitted):
        actions.publish_table_draft(draft=draft, at=NOW, by=as_qian(world))
    with pytest.raises(actions.TableNotSubmitted):
        actions.return_table_draft(draft=draft, remark="", by=as_qian(world))
    actions.submit_table_draft(draft=draft, revision=1, at=NOW, by=world.as_zhao)
    with pytest.raises(actions.TableDraftInReview):
        change(draft, "remove-row", world.as_zhao, row=1)
    draft = actions.return_table_draft(draft=draft, remark="  行 2 再想想 ", by=as_qian(world))
    assert (draft.status, draft.remark) == ("editing", "行 2 再想想")
    actions.submit_table_draft(draft=draft, revision=draft.revision, at=NOW, by=world.as_zhao)
    actions.publish_table_draft(draft=draft, at=NOW, by=as_qian(world))
    for act in (
        lambda: change(draft, "remove-row", world.as_zhao, row=1),
        lambda: actions.publish_table_draft(draft=draft, at=NOW, by=as_qian(world)),
        lambda: actions.discard_table_draft(draft=draft, by=as_qian(world)),
    ):
        with pytest.raises(actions.TableDraftClosed):
            act()


def test_a_discarded_draft_makes_room_for_another_one(world):
    draft = begun(world)
    with pytest.raises(actions.TableDraftExists):
        begun(world)
    actions.discard_table_draft(draft=draft, by=world.as_zhao)
    actions.discard_table_draft(draft=draft, by=world.as_zhao)
    assert begun(world).pk != draft.pk


def test_a_draft_with_mistakes_is_not_submitted_and_each_is_named(world):
    draft = change(begun(world), "add-row", world.as_zhao, code="improved", row=1)
    with pytest.raises(actions.BadOpinionTable) as refusal:
        actions.submit_table_draft(draft=draft, revision=draft.revision, at=NOW, by=world.as_zhao)
    assert "2" in str(refusal.value)
    draft.refresh_from_db()
    assert draft.status == "editing"


def test_a_form_that_changed_since_keeps_the_table_from_being_published_and_the_page_goes_on(world):
    draft = begun(world)
    actions.submit_table_draft(draft=draft, revision=1, at=NOW, by=world.as_zhao)
    with seeding():
        Questionnaire.objects.filter(url=ONCOLOGY).update(status="retired")
    with pytest.raises(actions.BadOpinionTable):
        actions.publish_table_draft(draft=draft, at=NOW, by=as_qian(world))
    assert get(world.client(world.zhao), "draft", draft.pk).status_code == 200


def test_the_same_table_again_is_no_new_version(world):
    for last in (False, True):
        draft = begun(world)
        actions.submit_table_draft(draft=draft, revision=1, at=NOW, by=world.as_zhao)
        if not last:
            actions.publish_table_draft(draft=draft, at=NOW, by=as_qian(world))
    with pytest.raises(actions.BadOpinionTable):
        actions.publish_table_draft(draft=draft, at=NOW, by=as_qian(world))
    assert OpinionTable.objects.filter(department=world.cardiology).count() == 1


@pytest.mark.parametrize("department", ["orthopaedics", None])
def test_tables_are_written_for_ones_own_department_only(world, department):
    place = getattr(world, department).pk if department else None
    with pytest.raises(actions.NotYourDepartment):
        begun(world, department_id=place)


def test_a_table_needs_a_form_in_force(world):
    with pytest.raises(actions.FormNotInForce):
        begun(world, questionnaire_url="https://careloop.org/Questionnaire/nothing")


# --- files -----------------------------------------------------------------------------------------------------


def test_a_table_edited_by_hand_becomes_a_draft_and_then_a_step_of_it(world):
    client = world.client(world.zhao)
    here = {"department": str(world.cardiology.pk)}
    taken = post(client, "table-import", content=json.dumps(table_content()), **here)
    draft = OpinionDraft.objects.get()
    assert (taken.status_code, draft.content) == (303, table_content())
    again = post(client, "table-import", content=json.dumps(table_content(source="2")), draft=str(draft.pk))
    draft.refresh_from_db()
    assert (again.status_code, draft.content["source"], len(draft.past)) == (303, "2", 1)


def test_gaps_and_missing_examples_are_taken_in_and_shown(world):
    content = table_content(outcomes=table_content()["outcomes"][:2], vectors=[])
    post(world.client(world.zhao), "table-import", content=json.dumps(content), department=str(world.cardiology.pk))
    page = get(world.client(world.zhao), "draft", OpinionDraft.objects.get().pk).content.decode()
    assert 'data-mistakes="2"' in page


def broken(**changes):
    content = table_content()
    content["outcomes"][1] |= changes
    return json.dumps(content)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "JSON"), ("{", "JSON"), ("[]", ""), ("{}", ""), ("[" * 100_000, ""), ('{"outcomes": [], "outcomes": []}', "outcomes"),
        (json.dumps(table_content(questionnaire="x")), ""), (json.dumps(table_content(questionnaire=7)), ""),
        (json.dumps(table_content(outcomes=[])), "40"), (broken(code=5), "2"), (broken(title={}), "2"), (broken(reason=[]), "2"),
        (broken(when={"item": "piano", "op": "=", "value": 1}), "piano"), (broken(when={"all": 5}), "2"), (broken(when=None), "2"),
        (broken(when={"item": "lump", "op": "=", "value": "maybe"}), "maybe"), (broken(when={"item": ["pain"]}), "2"),
        (broken(code="a\u0000b"), "outcomes[1].code"), (broken(code="\ud800"), "outcomes[1].code"), ('{"outcomes": [NaN]}', "NaN"),
        (json.dumps(table_content(vectors=[{"answers": 5}])), "1"), ('{"a": 1e999}', "1e999"), ("9" * 5000, ""),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_with_its_place_and_nothing_changes(world, content, told):
    answer = post(world.client(world.zhao), "table-import", content=content, department=str(world.cardiology.pk))
    assert answer.status_code in (409, 422)
    text = answer.content.decode()
    assert told in text
    assert OpinionDraft.objects.count() == 0


def test_a_file_of_another_form_does_not_replace_a_draft(world):
    publish_all("pci-follow-up")
    draft = begun(world)
    other = table_content(
        questionnaire="https://careloop.org/Questionnaire/pci-follow-up",
        outcomes=table_content()["outcomes"][2:],
        vectors=[],
    )
    answer = post(world.client(world.zhao), "table-import", content=json.dumps(other), draft=str(draft.pk))
    assert answer.status_code == 422
    draft.refresh_from_db()
    assert draft.revision == 1


# --- the page --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_editor_shows_every_row_as_a_sentence_in_both_languages(world, language):
    shipped = OpinionTable.objects.get(department=None)
    draft = begun(world, shipped.content, based_on=shipped)
    set_language(practitioner=world.zhao, language=language, by=world.viewer(world.zhao))
    client = world.client(world.zhao)
    text = get(client, "draft", draft.pk, selected="4").content.decode()
    assert ('<html lang="en">' in text) is (language == "en")
    assert text.count("data-table-row=") == 7
    assert 'data-key-name="row"' in text
    assert "data-mistakes" not in text
    assert text.count("data-vector=") == len(shipped.content["vectors"])
    assert 'data-holds="no"' not in text
    assert get(client, "draft-compare", draft.pk).status_code == 200


def test_the_part_that_changes_comes_without_the_page(world):
    draft = begun(world)
    client = world.client(world.zhao)
    text = client.get(reverse("publichealth:draft", args=[draft.pk]), HTTP_HX_REQUEST="true").content.decode()
    assert "<html" not in text
    assert 'id="designer"' in text


@pytest.mark.parametrize(
    ("values", "chosen"),
    [
        ({"op": "move-row", "row": "1", "way": "down"}, "2"), ({"op": "move-row", "row": "1", "way": "up"}, "1"),
        ({"op": "copy-row", "row": "2"}, "3"), ({"op": "add-row", "code": "x"}, "3"), ({"op": "add-row", "code": "x", "row": "1"}, "2"),
        ({"op": "remove-row", "row": "3"}, "2"), ({"op": "set-table", "field": "source", "value": "x"}, "2"),
    ],
)  # fmt: skip
def test_the_changed_row_stays_chosen(world, values, chosen):
    draft = begun(world)
    page = post(
        world.client(world.zhao), "draft-change", draft.pk, revision="1", selected="2", **values
    ).content.decode()
    assert f'name="selected" value="{chosen}"' in page


@pytest.mark.parametrize("value", ["\x00", "a\x00b", "😀" * 9000, "<script>alert(1)</script>", "{pain.__class__}"])
def test_odd_text_is_kept_harmlessly(world, value):
    draft = begun(world)
    client = world.client(world.zhao)
    page = post(client, "draft-change", draft.pk, revision="1", op="set-row", row="1", field="title", value=value)
    assert page.status_code == 200
    assert "<script>alert" not in page.content.decode()
    draft.refresh_from_db()
    assert len(draft.content["outcomes"][0]["title"]["zh"]) <= 300


def test_odd_revisions_are_refused_and_refusals_are_readable(world):
    draft = begun(world)
    client = world.client(world.zhao)
    for revision in ("", "x", "99", "9" * 40):
        assert post(client, "draft-change", draft.pk, op="remove-row", row="1", revision=revision).status_code == 409
    assert post(client, "draft-change", draft.pk, op="remove-row", row="9", revision="1").status_code == 409
    assert post(client, "draft-undo", draft.pk, revision="1").status_code == 409


def test_another_department_sees_no_draft_and_a_nurse_writes_none(world):
    draft = begun(world)
    stranger = world.client(give(world.li, "ward-doctor"))
    nurse = world.client(world.wang)
    for name in ("draft", "draft-trial", "draft-compare"):
        assert get(stranger, name, draft.pk).status_code == 404
        assert get(nurse, name, draft.pk).status_code == 403
    for name in ("draft-change", "draft-undo", "draft-submit", "draft-give-back", "draft-discard"):
        assert post(stranger, name, draft.pk, revision="1").status_code == 404
        assert post(nurse, name, draft.pk, revision="1").status_code == 403
    assert str(draft.pk) not in get(stranger, "tables").content.decode()
    assert str(draft.pk) in get(world.client(world.zhao), "tables").content.decode()


def test_give_back_and_discard_by_the_page(world):
    draft = begun(world)
    client = world.client(world.qian)
    post(client, "draft-submit", draft.pk, revision="1")
    page = post(client, "draft-give-back", draft.pk, remark="行 1 缺来源").content.decode()
    assert "行 1 缺来源" in page
    assert post(client, "draft-discard", draft.pk).status_code == 303
    draft.refresh_from_db()
    assert draft.status == "discarded"


# --- trial on past answers -------------------------------------------------------------------------------------


def past(world, values, days=3):
    at = NOW_REAL - timedelta(days=days)
    response = answered(world, ONCOLOGY, values, at=at)
    actions.suggest_opinion(response_id=response.pk, at=at, by=SYSTEM)
    return response


def test_the_trial_counts_the_draft_beside_today_and_the_doctors(world):
    first = past(world, {"condition": "normal", "pain": 2, "lump": "no"}, days=9)
    past(world, {"condition": "normal", "pain": 3, "lump": "no"}, days=6)
    past(world, {"condition": "normal", "pain": 2, "lump": "yes"}, days=3)
    past(world, {"condition": "normal", "pain": 2}, days=200)
    actions.choose_opinion(
        opinion=Opinion.objects.unscoped("test").get(response=first),
        code="worse",
        note="",
        at=NOW_REAL,
        by=world.as_zhao,
    )
    content = table_content()
    content["outcomes"][1]["when"]["value"] = 2
    content["vectors"] = [{"answers": {"pain": 2}, "opinion": "normal"}]
    draft = begun(world, content)
    found = tables.try_table(draft, tables.questionnaire_of(ONCOLOGY), viewer=world.as_zhao, at=NOW_REAL)
    counts = {line.code: (line.draft, line.today, line.chosen) for line in found.tallies}
    assert (found.responses, found.decided, found.draft_agrees, found.today_agrees) == (3, 1, 0, 0)
    assert counts["relapse"] == (1, 1, 0)
    assert sum(line.draft for line in found.tallies) + found.nothing == 3
    assert sum(line.today for line in found.tallies) == 3
    assert counts["worse"][2] == 1
    text = get(world.client(world.zhao), "draft-trial", draft.pk).content.decode()
    assert f'data-trial="3" data-changes="{found.changes}"' in text
    assert AuditEvent.objects.filter(name="audit.ListSeen").exists()


def test_the_trial_sees_only_what_the_viewer_may_see(world):
    past(world, {"condition": "normal", "pain": 2})
    draft = begun(world)
    found = tables.try_table(draft, tables.questionnaire_of(ONCOLOGY), viewer=world.as_li, at=NOW_REAL)
    assert found.responses == 0


def test_a_table_against_itself_changes_nothing(world):
    past(world, {"condition": "normal", "pain": 2, "lump": "no"})
    past(world, {"condition": "bed", "pain": 9})
    draft = begun(world, OpinionTable.objects.get().content)
    found = tables.try_table(draft, tables.questionnaire_of(ONCOLOGY), viewer=world.as_zhao, at=NOW_REAL)
    assert (found.responses, found.changes) == (2, 0)
    assert all(line.draft == line.today for line in found.tallies)


def test_an_unfinished_draft_is_not_tried(world):
    draft = change(begun(world), "add-row", world.as_zhao, code="x")
    assert tables.try_table(draft, tables.questionnaire_of(ONCOLOGY), viewer=world.as_zhao, at=NOW_REAL) is None
    assert 'data-trial="none"' in get(world.client(world.zhao), "draft-trial", draft.pk).content.decode()


def test_the_trial_asks_no_more_for_more_answers(world, django_assert_max_num_queries):
    draft, questionnaire = begun(world), tables.questionnaire_of(ONCOLOGY)
    past(world, {"condition": "normal", "pain": 2})
    with django_assert_max_num_queries(20) as few:
        tables.try_table(draft, questionnaire, viewer=world.as_zhao, at=NOW_REAL)
    for days in range(4, 14):
        past(world, {"condition": "normal", "pain": days % 5}, days=days)
    with django_assert_max_num_queries(len(few)):
        assert tables.try_table(draft, questionnaire, viewer=world.as_zhao, at=NOW_REAL).responses == 11


# --- at the same moment ----------------------------------------------------------------------------------------


def race(*acts):
    """Each in its own thread and connection, at the same moment; what each gave back or refused."""
    barrier, found = threading.Barrier(len(acts)), []

    def run(act):
        try:
            barrier.wait(10)
            found.append(act())
        except Exception as fault:
            found.append(fault)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.django_db(transaction=True)
def test_two_writers_at_one_moment_and_two_reviewers_at_one_moment():
    cast = make_cast()
    publish_all("oncology-post-op")
    drafts = race(*[lambda: begun(cast) for _ in range(3)])
    assert sorted(type(one).__name__ for one in drafts) == ["OpinionDraft", "TableDraftExists", "TableDraftExists"]
    draft = OpinionDraft.objects.get()
    found = race(
        *[
            lambda value=value: actions.change_table_draft(
                draft=draft,
                revision=1,
                op="set-table",
                params={"field": "source", "value": value},
                at=NOW,
                by=cast.as_zhao,
            )
            for value in "abc"
        ]
    )
    assert sum(isinstance(one, actions.TableDraftMovedOn) for one in found) == 2
    draft.refresh_from_db()
    assert (draft.revision, len(draft.past)) == (2, 1)
    actions.submit_table_draft(draft=draft, revision=2, at=NOW, by=cast.as_zhao)
    found = race(*[lambda: actions.publish_table_draft(draft=draft, at=NOW, by=as_qian(cast)) for _ in range(3)])
    assert sum(isinstance(one, actions.TableDraftClosed) for one in found) == 2, found
    assert OpinionTable.objects.filter(department=cast.cardiology).count() == 1
