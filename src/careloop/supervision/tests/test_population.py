"""What is drawn from and what is left out are together every finished record of the period, however it came about."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from careloop.kernel.actions import seeding
from careloop.patients.models import Patient
from careloop.questionnaires import actions as questionnaires
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.supervision import actions
from careloop.supervision.models import IntegrityIndicator
from careloop.supervision.reads.figures import left_out_words
from careloop.supervision.reads.records import Period, gather, level_one
from careloop.supervision.reads.samples import population
from careloop.supervision.tests.factories import (
    GOOD,
    MONTH,
    ask_again,
    draw,
    fill,
    form,
    record_of,
    rows,
    wanted,
)
from careloop.tasks import actions as tasks
from careloop.tasks.models import Task
from careloop.tasks.tests.factories import make_patient, make_task
from tests.cast import NOW, SYSTEM, Cast


def answers_of(
    cast: Cast,
    patient: Patient | None = None,
    *,
    task: Task | None = None,
    author: Any = None,
    at: datetime = NOW - timedelta(days=3),
    mode: str = "phone",
) -> QuestionnaireResponse:
    """Finished answers without a call around them: with this task, or with none at all."""
    who = patient or make_patient(cast)
    by = cast.viewer(author or cast.wang)
    begun = questionnaires.start_response(
        questionnaire=form(), patient_id=who.pk, task_id=task.pk if task else None, mode=mode, at=at, by=by
    )
    fill(begun, GOOD, at=at, by=by)
    return questionnaires.complete_response(response=begun, at=at, by=by)


def finished(period: Period = MONTH) -> int:
    return (
        QuestionnaireResponse.objects.unscoped("test")
        .filter(status="completed", authored_at__gte=period.begin, authored_at__lt=period.end)
        .count()
    )


def seen_by(cast: Cast, person: Any = None, **given: Any) -> Any:
    return population(wanted(cast, **given), viewer=cast.viewer(person or cast.qian))


def test_answers_that_no_task_had_asked_for_are_drawn_from(cast: Cast) -> None:
    """A visit of a programme, a letter's answer typed in: nothing on a list had asked for it."""
    with_task, without = record_of(cast), answers_of(cast, mode="visit")
    sample = draw(cast)
    drawn = {row.response_id: row for row in rows(sample)}
    assert set(drawn) == {with_task.pk, without.pk}
    assert drawn[without.pk].first_task_id is None
    assert drawn[without.pk].department_id == cast.wang.organization_id == cast.cardiology.pk


def test_a_record_without_a_task_can_be_asked_again_blind(cast: Cast) -> None:
    answers_of(cast)
    (row,) = rows(draw(cast))
    assert ask_again(cast, row).verdict == "agrees"


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ({}, "single"),
        ({"care_plan_id": "018f0000-0000-7000-8000-000000000001"}, "plan"),
        ({"kind": "revisit"}, "revisit"),
        ({"kind": "education"}, "education"),
        ({"kind": "contact-check"}, "contact-check"),
        ({"kind": "alert"}, "alert"),
        ({"kind": "message"}, "message"),
    ],
)
def test_every_kind_of_task_is_a_group_of_its_own(cast: Cast, given: dict[str, Any], origin: str) -> None:
    patient = make_patient(cast)
    task = make_task(cast, patient, **given)
    answers_of(cast, patient, task=task)
    tasks.close_tasks(task_ids=[task.pk], reason="withdrawn", at=NOW, by=SYSTEM)
    answers_of(cast)
    strata = seen_by(cast, strata=("origin",)).strata
    assert strata == {"no-task": 1, origin: 1}


def test_a_follow_up_whose_task_was_ended_otherwise_is_still_a_record(cast: Cast) -> None:
    patient = make_patient(cast)
    task = make_task(cast, patient)
    kept = answers_of(cast, patient, task=task)
    tasks.close_tasks(task_ids=[task.pk], reason="withdrawn", at=NOW, by=SYSTEM)
    assert {one.response.pk for one in gather(viewer=SYSTEM, period=MONTH, departments=None).found} == {kept.pk}


def test_found_and_left_out_are_everything_finished(cast: Cast) -> None:
    """One of each reason; the sum is the number of finished answers of the department."""
    for _ in range(3):
        record_of(cast)
    answers_of(cast)
    record_of(cast, cast.qian)  # own
    patient = make_patient(cast)  # answered by the patient
    task = make_task(cast, patient)
    begun = questionnaires.start_response(
        questionnaire=form(),
        patient_id=patient.pk,
        task_id=task.pk,
        mode="portal",
        at=NOW - timedelta(days=2),
        by=SYSTEM,
    )
    fill(begun, GOOD, at=NOW - timedelta(days=2), by=SYSTEM)
    questionnaires.complete_response(response=begun, at=NOW - timedelta(days=2), by=SYSTEM)
    dead = record_of(cast)
    with seeding():
        Patient.objects.unscoped("test").filter(pk=dead.patient_id).update(deceased=True)
    alarmed = record_of(cast)
    make_task(cast, Patient.objects.unscoped("test").get(pk=alarmed.patient_id), kind="alert")
    found = seen_by(cast)
    assert found.left_out == {"by-patient": 1, "own": 1, "no-contact": 1, "open-alert": 1}
    assert len(found.candidates) == 4
    assert found.finished == finished() == 8
    assert len(left_out_words(found.left_out)) == 4


def test_second_looks_are_no_first_ones(cast: Cast) -> None:
    record_of(cast)
    (row,) = rows(draw(cast))
    ask_again(cast, row)
    found = seen_by(cast)
    assert found.left_out == {"second-look": 1, "checked-already": 1}
    assert found.finished == finished() == 2


def test_what_is_closed_to_the_viewer_is_counted_and_not_shown(cast: Cast) -> None:
    record_of(cast)
    hidden = record_of(cast)
    with seeding():
        Patient.objects.unscoped("test").filter(pk=hidden.patient_id).update(sensitivity="sensitive")
    found = seen_by(cast)
    assert found.left_out == {"not-visible": 1}
    assert str(hidden.pk) not in found.found
    assert found.finished == 2


def test_a_sealed_patient_is_closed_too(cast: Cast) -> None:
    """While the checker asks a patient again blind, another record of the same patient is not drawn by the same person."""
    first = record_of(cast)
    draw(cast)
    patient = Patient.objects.unscoped("test").get(pk=first.patient_id)
    record_of(cast, patient=patient, at=NOW - timedelta(days=1))
    found = seen_by(cast)
    assert found.left_out == {"not-visible": 2}
    assert found.candidates == ()


def test_a_record_of_nobodys_department_is_named(cast: Cast) -> None:
    answers_of(cast)
    with seeding():
        type(cast.wang).objects.filter(pk=cast.wang.pk).update(organization=None)
    everything = gather(viewer=SYSTEM, period=MONTH, departments=None)
    assert everything.left_out == {"no-department": 1}
    assert everything.found == []
    assert gather(viewer=SYSTEM, period=MONTH, departments=[cast.cardiology.pk]).finished == 0


def test_replaced_and_mistaken_answers_are_no_finished_records(cast: Cast) -> None:
    old, mistaken = record_of(cast), record_of(cast)
    new = questionnaires.amend_response(
        response=old, answers={"sbp": ["141"]}, at=NOW - timedelta(days=1), by=cast.viewer(cast.wang)
    )
    questionnaires.mark_entered_in_error(response=mistaken, by=SYSTEM)
    found = gather(viewer=SYSTEM, period=MONTH, departments=None)
    assert [one.response.pk for one in found.found] == [new.pk]
    assert found.finished == 1


@pytest.mark.parametrize(
    ("at", "inside"),
    [
        ("2026-09-30T15:59:59+00:00", False),  # 23:59:59 of 30 September in Shanghai
        ("2026-09-30T16:00:00+00:00", True),  # midnight
        ("2026-10-31T15:59:59+00:00", True),
        ("2026-10-31T16:00:00+00:00", False),
    ],
)
def test_days_begin_and_end_at_the_hospitals_midnight(cast: Cast, at: str, inside: bool) -> None:
    from datetime import date

    answers_of(cast, at=datetime.fromisoformat(at))
    october = Period(first=date(2026, 10, 1), last=date(2026, 10, 31))
    assert len(level_one(viewer=SYSTEM, period=october, departments=None)) == int(inside)


@pytest.mark.parametrize(("given", "count"), [({"author_id": "wang"}, 2), ({"mode": "visit"}, 1), ({"url": "https://elsewhere.example"}, 0)])  # fmt: skip
def test_conditions_narrow_both_what_is_found_and_what_is_counted(
    cast: Cast, given: dict[str, Any], count: int
) -> None:
    record_of(cast)
    record_of(cast, mode="visit")
    asked = {name: getattr(cast, value).pk if name == "author_id" else value for name, value in given.items()}
    found = gather(viewer=SYSTEM, period=MONTH, departments=None, **asked)
    assert (len(found.found), found.finished) == (count, count)


def test_another_department_is_not_drawn_from(cast: Cast) -> None:
    record_of(cast, cast.li, department=cast.orthopaedics)
    answers_of(cast, make_patient(cast, department=cast.orthopaedics), author=cast.li)
    assert seen_by(cast).finished == 0
    assert len(gather(viewer=SYSTEM, period=MONTH, departments=[cast.orthopaedics.pk]).found) == 2


def test_the_number_of_queries_does_not_grow_with_the_records(cast: Cast, django_assert_max_num_queries: Any) -> None:
    for _ in range(3):
        record_of(cast)
    viewer = cast.viewer(cast.qian)
    with django_assert_max_num_queries(40) as few:
        population(wanted(cast), viewer=viewer)
    for _ in range(5):
        record_of(cast)
        answers_of(cast)
    with django_assert_max_num_queries(len(few.captured_queries)):
        assert population(wanted(cast), viewer=viewer).finished == 13


# ---- the indicators count the same records ------------------------------------------------------------------------------------


def counted(cast: Cast) -> dict[tuple[str, int], IntegrityIndicator]:
    rows_ = IntegrityIndicator.objects.unscoped("test").filter(practitioner=cast.wang)
    return {(row.code, row.months): row for row in rows_}


def test_a_month_with_months_before_it_is_judged_twice(cast: Cast) -> None:
    for months in (0, 1, 2):
        record_of(cast, at=NOW - timedelta(days=31 * months))
    actions.roll_up_integrity(month=NOW.date(), at=NOW, by=SYSTEM)
    found = counted(cast)
    assert found["no-attempt", 1].records == 1
    assert found["no-attempt", 3].records == 3
    assert {months for _code, months in found} == {1, 3}


def test_a_first_month_is_judged_once(cast: Cast) -> None:
    record_of(cast, at=NOW)
    actions.roll_up_integrity(month=NOW.date(), at=NOW, by=SYSTEM)
    assert {months for _code, months in counted(cast)} == {1}


def test_who_did_nothing_this_month_is_not_judged_for_the_months_before(cast: Cast) -> None:
    record_of(cast, at=NOW - timedelta(days=31))
    actions.roll_up_integrity(month=NOW.date(), at=NOW, by=SYSTEM)
    assert counted(cast) == {}


def test_what_happened_three_months_ago_is_over(cast: Cast) -> None:
    record_of(cast, at=NOW)
    record_of(cast, at=NOW - timedelta(days=100))
    actions.roll_up_integrity(month=NOW.date(), at=NOW, by=SYSTEM)
    assert {months for _code, months in counted(cast)} == {1}


def test_counting_again_changes_nothing_but_the_time(cast: Cast) -> None:
    for months in (0, 1):
        record_of(cast, at=NOW - timedelta(days=31 * months))
    for at in (NOW, NOW + timedelta(days=1)):
        actions.roll_up_integrity(month=NOW.date(), at=at, by=SYSTEM)
    found = counted(cast)
    assert len(found) == IntegrityIndicator.objects.unscoped("test").count()
    assert {row.counted_at for row in found.values()} == {NOW + timedelta(days=1)}


def test_figures_of_an_older_version_do_not_stay_beside_the_new_ones(cast: Cast) -> None:
    record_of(cast, at=NOW)
    actions.roll_up_integrity(month=NOW.date(), at=NOW, by=SYSTEM)
    with seeding():
        IntegrityIndicator.objects.unscoped("test").filter(code="tempo").update(code="old", version="2025-01-01")
    actions.roll_up_integrity(month=NOW.date(), at=NOW, by=SYSTEM)
    assert "old" not in {code for code, _months in counted(cast)}
    assert ("tempo", 1) in counted(cast)
