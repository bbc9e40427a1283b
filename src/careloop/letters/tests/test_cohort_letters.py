"""Letters to a kept group: chosen, previewed with who is left out, made in the background, one file, taken back."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from careloop.audit.models import AuditEvent
from careloop.batches import actions as batches
from careloop.batches.models import Batch, BatchItem
from careloop.batches.reads import passed_over, reasons
from careloop.cohorts import actions as cohorts
from careloop.cohorts.models import Selection
from careloop.cohorts.reads import bulk
from careloop.cohorts.tests.factories import cohort
from careloop.letters import actions, jobs
from careloop.letters.models import Letter
from careloop.letters.reads import planning
from careloop.letters.tests.factories import ADDRESS, a_letter, at_home, change, content, reader, shipped
from careloop.letters.tests.test_jobs import file_of, neighbours, run
from careloop.patients.actions import set_consent
from careloop.patients.models import CareRelationship, Patient
from careloop.tasks.tests.factories import make_task
from tests.cast import NOW, SYSTEM, Cast

WOMEN = {"kind": "sex", "sexes": ["female"]}  # the neighbours; Zhang is a man


def choose(cast: Cast, people: list[Patient]) -> Selection:
    return cohorts.select_rows(subject="patient", ids=[p.pk for p in people], came_from="cohort", by=cast.as_wang)


def begin(cast: Cast, selection: Selection, template_id: object) -> Batch:
    return cohorts.start_bulk(
        selection_id=selection.pk, verb="letter", values={"template_id": str(template_id)}, title="Letters",
        at=timezone.now(), by=cast.as_wang,
    )  # fmt: skip


def told(cast: Cast, selection: Selection, template_id: object = "") -> bulk.Preview:
    return bulk.preview(selection, "letter", {"template_id": str(template_id)}, viewer=cast.as_wang, at=NOW)


def letters() -> list[Letter]:
    return list(Letter.objects.unscoped("test").order_by("pk"))


# ---- from the group's page to the file ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["living", "frozen"])
def test_a_kept_group_becomes_one_file_by_its_buttons(cast: Cast, kind: str):
    people, template = neighbours(cast, 5, without_address=2), shipped("plan-cover")
    kept = cohort(cast.wang, WOMEN)
    cohorts.keep_cohort(
        cohort_id=kept.pk, title="Ladies", frozen=kind == "frozen", shared=False, at=timezone.now(), by=cast.as_wang
    )
    late = neighbours(cast, 1)  # discharged after the group was kept
    client = cast.client(cast.wang)
    assert 'id="write-letters"' in client.get(reverse("cohorts:cohort", args=[kept.pk])).content.decode()
    answer = client.post(reverse("cohorts:choose", args=[kept.pk]), {"all": "1", "verb": "letter"})
    selection = Selection.objects.get()
    assert answer.url == reverse("cohorts:bulk-work", args=[selection.pk, "letter"])
    address, chosen = answer.url, {"template_id": str(template.pk)}
    page = client.get(address, chosen).content.decode()
    expected = 4 if kind == "living" else 3
    assert f'data-included="{expected}"' in page
    assert f'data-total="{expected + 2}"' in page
    assert 'data-reason="letter-no-address"' in page
    started = client.post(reverse("cohorts:bulk-start", args=[selection.pk, "letter"]), chosen)
    batch = run(Batch.objects.get(kind="letters.letters"))
    assert started.url == reverse("batches:detail", args=[batch.pk])
    assert (batch.total, batch.done, batch.skipped) == (expected, expected, 0)
    assert len(reader(file_of(batch)).pages) == expected
    wanted = {p.pk for p in people[2:]} | ({p.pk for p in late} if kind == "living" else set())
    assert {letter.patient_id for letter in letters()} == wanted
    assert AuditEvent.objects.filter(name="letters.LetterMade").count() == expected
    assert len(reader(content(client.get(reverse("batches:file", args=[batch.pk])))).pages) == expected


def test_without_a_letter_chosen_the_preview_counts_who_can_be_written_to(cast: Cast):
    people = neighbours(cast, 4, without_address=1)
    found = told(cast, choose(cast, people))
    assert (len(found.included), dict(found.counts)) == (3, {"letter-no-address": 1})
    assert not bulk.are_usable("letter", {"template_id": ""}, viewer=cast.as_wang, at=NOW)


def test_each_reason_to_leave_somebody_out_is_counted_once(cast: Cast):
    people, template = neighbours(cast, 10), shipped("not-reached")
    change(people[0], deceased=True, address="")  # the heaviest reason is told, not the address
    change(people[1], do_not_contact=True)
    set_consent(patient=people[2], scope="contact-letter", decision="deny", how="call", at=NOW, by=SYSTEM)
    change(people[3], address="不详")
    change(people[4], address=ADDRESS * 8)
    change(people[5], address=ADDRESS + "\U0002fa1d\U0003ffff")
    change(people[6], active=False)
    actions.make_letter(key="x", patient_id=people[7].pk, template_id=template.pk, at=NOW, by=cast.as_wang)
    back = actions.make_letter(key="y", patient_id=people[8].pk, template_id=shipped("plan-cover").pk, at=NOW, by=cast.as_wang)  # fmt: skip
    actions.post_letter(letter_id=back.pk, at=NOW, by=cast.as_wang)
    actions.return_letter(letter_id=back.pk, reason="moved", at=NOW, by=cast.as_wang)
    found = told(cast, choose(cast, [*people, cast.ma]), template.pk)
    assert found.included == (people[9].pk,)
    assert found.excluded[people[4].pk] == "letter-address-too-long"
    assert dict(found.counts) == {
        "letter-died": 1, "letter-do-not-contact": 2, "letter-no-address": 1, "letter-address-too-long": 1,
        "letter-character-missing": 1, "letter-no-patient": 2, "letter-recent": 1, "letter-address-returned": 1,
    }  # fmt: skip
    assert len(found.included) + len(found.excluded) == 11


def test_a_letter_that_needs_a_date_leaves_out_who_has_none(cast: Cast):
    first, second = neighbours(cast, 2)
    make_task(cast, patient=first, due_at=NOW + timedelta(days=3))
    found = told(cast, choose(cast, [first, second]), shipped("coming-due").pk)
    assert found.included == (first.pk,)
    assert found.excluded == {second.pk: "letter-field-missing"}


def test_each_letter_is_about_the_follow_up_that_is_due_first(cast: Cast):
    (patient,) = neighbours(cast, 1)
    today = timezone.now()  # as the worker sees it
    make_task(cast, patient=patient, due_at=today + timedelta(days=9))
    first = make_task(cast, patient=patient, due_at=today + timedelta(days=2))
    make_task(cast, patient=patient, due_at=today + timedelta(days=1), status="completed", outcome="x", ended_at=NOW)
    run(begin(cast, choose(cast, [patient]), shipped("coming-due").pk))
    assert [letter.task_id for letter in letters()] == [first.pk]


def test_a_letter_that_tells_a_date_is_about_one_still_to_come_and_an_overdue_one_about_one_gone_by(cast: Cast):
    late, both, ahead = neighbours(cast, 3)
    today = timezone.now()
    for patient in (late, both):
        make_task(cast, patient=patient, due_at=today - timedelta(days=4), available_at=today - timedelta(days=6))
    coming = [make_task(cast, patient=patient, due_at=today + timedelta(days=4)) for patient in (both, ahead)]
    selection = choose(cast, [late, both, ahead])
    preview = bulk.preview(
        selection, "letter", {"template_id": str(shipped("coming-due").pk)}, viewer=cast.as_wang, at=today
    )
    assert dict(preview.excluded) == {late.pk: "letter-date-gone-by"}
    run(begin(cast, selection, shipped("coming-due").pk))
    assert {letter.task_id for letter in letters()} == {task.pk for task in coming}
    preview = bulk.preview(
        selection, "letter", {"template_id": str(shipped("overdue").pk)}, viewer=cast.as_wang, at=today
    )
    assert dict(preview.excluded) == {ahead.pk: "letter-not-overdue"}


def test_the_preview_reads_the_same_number_of_statements_for_many(cast: Cast):
    template = shipped("plan-cover")
    people = neighbours(cast, 2)

    def cost() -> int:
        selection = choose(cast, people)
        with CaptureQueriesContext(connection) as asked:
            told(cast, selection, template.pk)
        return len(asked)

    few = cost()
    people += neighbours(cast, 20)
    assert cost() == few


def test_more_than_one_file_takes_are_left_for_another_time(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(planning, "MOST_LETTERS", 3)
    monkeypatch.setattr(planning, "PORTION", 2)
    people = neighbours(cast, 5)
    found = told(cast, choose(cast, people), shipped("plan-cover").pk)
    assert [pk for pk in found.included] == [p.pk for p in people[:3]]
    assert dict(found.counts) == {"letter-not-this-time": 2}


# ---- once, in one's own rights, and back --------------------------------------------------------------------------


def test_pressing_start_twice_writes_to_each_once(cast: Cast):
    selection, template = choose(cast, neighbours(cast, 3)), shipped("plan-cover")
    first = run(begin(cast, selection, template.pk))
    again = begin(cast, selection, template.pk)
    assert first.pk == again.pk
    run(again)
    assert Counter(letter.patient_id for letter in letters()).most_common(1)[0][1] == 1


def test_the_same_group_again_is_nothing_to_do(cast: Cast):
    people, template = neighbours(cast, 3), shipped("plan-cover")
    run(begin(cast, choose(cast, people), template.pk))
    with pytest.raises(batches.NothingToDo):
        begin(cast, choose(cast, people), template.pk)
    assert len(letters()) == 3


def test_who_died_since_the_preview_gets_no_letter(cast: Cast):
    people, template = neighbours(cast, 3), shipped("plan-cover")
    batch = begin(cast, choose(cast, people), template.pk)
    change(people[1], deceased=True)
    run(batch)
    assert (batch.done, {r.code: r.count for r in reasons(batch)}) == (2, {"letter-died": 1})
    assert [row.text for row in passed_over(batch, viewer=cast.as_wang)] == [people[1].name]


def test_a_letter_retired_since_the_preview_writes_to_nobody(cast: Cast):
    template = shipped("plan-cover")
    batch = begin(cast, choose(cast, neighbours(cast, 2)), template.pk)
    actions.retire_template(template=template, at=NOW, by=cast.as_wang)
    run(batch)
    assert {r.code: r.count for r in reasons(batch)} == {"letter-template-not-approved": 2}


def test_taken_back_they_are_withdrawn_but_for_the_posted_one(cast: Cast):
    batch = run(begin(cast, choose(cast, neighbours(cast, 3)), shipped("plan-cover").pk))
    actions.post_letter(letter_id=letters()[0].pk, at=timezone.now(), by=cast.as_wang)
    undone = run(batches.undo_batch(batch_id=batch.pk, at=timezone.now(), by=cast.as_wang))
    assert (undone.done, undone.skipped) == (2, 1)
    assert Counter(letter.state for letter in letters()) == {"posted": 1, "withdrawn": 2}


@pytest.mark.parametrize("given", ["", "nonsense", "3688b235-63d3-4567-afb0-99bf9372bedc"])
def test_a_letter_that_is_none_is_refused(cast: Cast, given: str):
    selection = choose(cast, neighbours(cast, 1))
    with pytest.raises(cohorts.UnknownBulkWork):
        begin(cast, selection, given)
    answer = cast.client(cast.wang).get(
        reverse("cohorts:bulk-work", args=[selection.pk, "letter"]), {"template_id": given}
    )
    assert answer.status_code == 200
    assert 'id="bulk-start"' in answer.content.decode()


def test_whoever_may_not_print_is_not_offered_letters(cast: Cast):
    selection = cohorts.select_rows(
        subject="patient", ids=[p.pk for p in neighbours(cast, 1)], came_from="cohort", by=cast.viewer(cast.he)
    )
    with pytest.raises(cohorts.UnknownBulkWork):
        cohorts.start_bulk(
            selection_id=selection.pk, verb="letter", values={"template_id": str(shipped().pk)}, title="", at=NOW,
            by=cast.viewer(cast.he),
        )  # fmt: skip


def test_tasks_chosen_lead_to_one_letter_a_patient(cast: Cast):
    at_home(cast)
    rows = [make_task(cast, encounter_id=cast.stay.pk) for _n in range(3)]
    selection = cohorts.select_rows(subject="task", ids=[t.pk for t in rows], came_from="today", by=cast.as_wang)
    run(begin(cast, selection, shipped("not-reached").pk))
    assert len(letters()) == 1


def test_a_shared_group_shows_each_their_own_patients_only(cast: Cast):
    mine, theirs = neighbours(cast, 2)
    CareRelationship.objects.unscoped("test")
    change(CareRelationship.objects.unscoped("test").get(patient=theirs), department=cast.orthopaedics)
    found = told(cast, choose(cast, [mine, theirs]), shipped("plan-cover").pk)
    assert found.excluded == {theirs.pk: "letter-no-patient"}


# ---- many at once: the same as one by one -------------------------------------------------------------------------


def test_a_chunk_gives_each_row_what_it_would_get_alone(cast: Cast):
    people, template = neighbours(cast, 4, without_address=1), shipped("plan-cover")
    change(people[1], deceased=True)
    from careloop.batches.rules import Item

    items = [Item(str(p.pk), p.pk) for p in people] + [Item("nobody", None), Item("twice", people[2].pk)]
    given = {"parameters": {"template_id": str(template.pk)}, "at": NOW, "by": cast.as_wang}
    found = jobs.many_letters(items=items, batch_id=uuid4(), **given)
    codes = [getattr(found[item.key], "code", "made") for item in items]
    assert codes == ["letter-no-address", "letter-died", "made", "made", "letter-no-patient", "letter-recent"]


def test_a_row_that_breaks_the_chunk_fails_alone(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    people, template = neighbours(cast, 4), shipped("plan-cover")
    from careloop.letters.reads import pdf

    plain = pdf.lacking

    def broken(text: str) -> str:
        if people[1].name in text:
            raise ValueError("a name that must not be logged")
        return plain(text)

    batch = begin(cast, choose(cast, people), template.pk)
    monkeypatch.setattr(pdf, "lacking", broken)
    run(batch)
    assert (batch.done, batch.failed) == (3, 1)
    assert BatchItem.objects.get(batch=batch, state="failed").reason == "error-ValueError"
    assert len(letters()) == 3


def test_two_letters_whose_codes_meet_get_two_codes(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    from careloop.letters.actions import making
    from careloop.letters.rules.codes import reply_code

    def narrow(pk: object, secret: str, attempt: int = 0) -> str:
        return reply_code(making.UUID(int=attempt // 2), secret)  # each attempt meets the one before

    monkeypatch.setattr(making, "reply_code", narrow)
    people, template = neighbours(cast, 3), shipped("plan-cover")
    run(begin(cast, choose(cast, people), template.pk))
    assert len({letter.reply_code for letter in letters()}) == 3


def test_each_letter_has_a_link_of_its_own(cast: Cast):
    at_home(cast)
    task = make_task(cast, encounter_id=cast.stay.pk, questionnaire_url="https://careloop.org/Questionnaire/x")
    one = a_letter(cast, task=task)
    other = a_letter(cast, task=task, template=shipped("coming-due"))
    assert one.link_id != other.link_id
    actions.withdraw_letter(letter_id=one.pk, at=NOW, by=cast.as_wang)
    other.link.refresh_from_db()
    assert other.link.revoked_at is None
