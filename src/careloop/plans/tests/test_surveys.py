"""A survey some days after the stay: on the phone, by the patient alone, once in the interval."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from careloop.messaging.actions import load_templates
from careloop.messaging.tests.factories import site
from careloop.patients.models import Encounter, Patient
from careloop.plans import actions, jobs
from careloop.plans.models import CarePlan, LadderRun
from careloop.plans.reads import surveys
from careloop.plans.tests.factories import DISCHARGED_AT, Scene, tasks_of
from careloop.tasks.models import Task
from tests.cast import SYSTEM, Cast

pytestmark = pytest.mark.django_db
THIRD_DAY = DISCHARGED_AT + timedelta(days=3)


@pytest.fixture
def scene(cast: Cast) -> Iterator[Scene]:
    actions.load_shipped_content(at=DISCHARGED_AT, by=SYSTEM)
    with site():
        load_templates(at=DISCHARGED_AT, by=SYSTEM)
        yield Scene(cast)


def ask(*stays: Encounter, at: datetime = THIRD_DAY, interval: int = 90) -> int:
    return actions.ask_satisfaction(encounter_ids=[stay.pk for stay in stays], interval_days=interval, at=at, by=SYSTEM)


def the_survey() -> CarePlan:
    return CarePlan.objects.unscoped("test").get(definition__group="satisfaction")


def test_the_discharge_itself_starts_no_survey(scene: Scene) -> None:
    stay = scene.discharge(procedures=("36.06",))
    actions.enrol_discharges(encounter_ids=[stay.pk], at=DISCHARGED_AT, by=SYSTEM)
    assert not CarePlan.objects.unscoped("test").filter(definition__group="satisfaction").exists()


def test_the_third_morning_asks_beside_the_disease_plan_and_judging_again_leaves_it(scene: Scene) -> None:
    stay = scene.discharge(procedures=("36.06",))
    actions.enrol_discharges(encounter_ids=[stay.pk], at=DISCHARGED_AT, by=SYSTEM)
    jobs.ask_satisfaction.func(timestamp=int((DISCHARGED_AT + timedelta(days=1)).timestamp()))
    assert CarePlan.objects.unscoped("test").count() == 1
    for _ in range(2):
        jobs.ask_satisfaction.func(timestamp=int(THIRD_DAY.timestamp()))
    (task,) = tasks_of(the_survey())
    assert (task.kind, task.status) == (Task.Kind.SURVEY, Task.Status.REQUESTED)
    assert task.questionnaire_url.endswith("/inpatient-satisfaction")
    assert LadderRun.objects.unscoped("test").get(task_id=task.pk).next_move_at == THIRD_DAY
    actions.enrol_discharges(encounter_ids=[stay.pk], at=THIRD_DAY, by=SYSTEM)
    assert the_survey().ended_at is None


def test_nobody_calls_when_the_messages_are_spent_and_it_ends_by_itself(scene: Scene) -> None:
    stay = scene.discharge()
    ask(stay)
    plan = the_survey()
    (task,) = tasks_of(plan)
    for days in range(5):
        actions.climb_ladders(patient_id=stay.patient_id, at=THIRD_DAY + timedelta(days=days), by=SYSTEM)
    run = LadderRun.objects.unscoped("test").get(task_id=task.pk)
    task.refresh_from_db()
    assert run.ended_how == "exhausted"
    assert task.available_at == task.due_at  # not brought forward for a person
    assert task.kind not in ("follow-up", "revisit")  # in no list and no rate
    later = task.due_at + timedelta(hours=9)
    actions.lapse_tasks(at=later, by=SYSTEM)
    actions.derive_next(care_plan_ids=[plan.pk], at=later, by=SYSTEM)
    task.refresh_from_db()
    assert (task.closed_reason, the_survey().end_reason) == ("window-passed", "steps-done")


def test_a_second_stay_within_the_interval_is_not_asked_about(scene: Scene) -> None:
    patient = scene.new_patient()
    first = scene.discharge(patient)
    assert ask(first) == 1
    again = scene.discharge(patient, at=DISCHARGED_AT + timedelta(days=20))
    assert ask(again, at=THIRD_DAY + timedelta(days=20)) == 0
    assert ask(again, at=THIRD_DAY + timedelta(days=20), interval=20) == 1


def test_of_two_stays_in_one_morning_the_newer_one_is_asked_about(scene: Scene) -> None:
    patient = scene.new_patient()
    older = scene.discharge(patient, at=DISCHARGED_AT - timedelta(days=4))
    newer = scene.discharge(patient)
    assert ask(older, newer, interval=0) == 1
    assert the_survey().encounter_id == newer.pk


@pytest.mark.parametrize("change", [{"deceased": True}, {"do_not_contact": True}, {"sensitivity": "psychiatry"}])
def test_who_is_left_in_peace(scene: Scene, change: dict[str, object]) -> None:
    stay = scene.discharge()
    if "sensitivity" in change:
        change = {"sensitivity": next(s for s in Patient.Sensitivity.values if s != Patient.Sensitivity.NORMAL)}
    scene.change(stay.patient, **change)
    assert ask(stay) == 0


def test_a_patient_in_bed_again_is_asked_after_that_stay(scene: Scene) -> None:
    stay = scene.discharge()
    scene.admit(stay.patient, at=THIRD_DAY - timedelta(hours=5))
    assert ask(stay) == 0


def test_a_visit_to_the_clinic_has_its_own_survey_and_an_emergency_none(scene: Scene) -> None:
    clinic = scene.discharge(scene.new_patient(), class_code="AMB")
    emergency = scene.discharge(scene.new_patient(), class_code="EMER")
    assert [clinic.pk] in list(surveys.stays_to_ask(at=THIRD_DAY, size=10))
    assert ask(clinic, emergency) == 1
    (task,) = tasks_of(the_survey())
    assert task.questionnaire_url.endswith("/outpatient-satisfaction")


def test_a_hospital_that_switches_it_off_asks_nobody(scene: Scene) -> None:
    stay = scene.discharge()
    for definition in surveys.definitions():
        actions.switch_enrolment(definition=definition, enrols=False, by=SYSTEM)
    assert list(surveys.stays_to_ask(at=THIRD_DAY, size=10)) == []
    assert ask(stay) == 0
