"""A contact is over: task, answers and the patient's record move together; and every job does its one thing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from careloop.patients.models import Patient
from careloop.plans import actions, jobs
from careloop.plans.models import CarePlan, EnrolmentDecision
from careloop.plans.tests.factories import Scene, raw_plan, raw_step, tasks_of
from careloop.tasks.actions import TaskNotOpen, UnknownOutcome, record_attempt
from careloop.tasks.models import Task
from tests.cast import SYSTEM, Cast

AT = datetime(2026, 11, 13, 9, 0, tzinfo=UTC)
LATER = AT + timedelta(days=3)


@pytest.fixture
def scene(cast: Cast) -> Scene:
    actions.load_shipped_content(at=AT, by=SYSTEM)
    return Scene(cast)


def start(scene: Scene, *steps: dict[str, Any]) -> CarePlan:
    definition = actions.publish_plan(raw=raw_plan("finish", *steps), enrols=False, at=AT, by=SYSTEM)
    return actions.start_care_plan(encounter=scene.discharge(), definition=definition, at=AT, by=SYSTEM)


def test_a_contact_is_finished_once(scene: Scene) -> None:
    (task,) = tasks_of(start(scene, raw_step("call", "every 7")))
    finished = {"task": task, "response": None, "at": LATER, "by": scene.cast.as_wang}
    actions.finish_follow_up(outcome="reached-patient", **finished)
    task.refresh_from_db()
    assert (task.status, task.outcome, task.ended_by) == ("completed", "reached-patient", scene.cast.wang)
    actions.finish_follow_up(outcome="reached-patient", **finished)
    with pytest.raises(TaskNotOpen):
        actions.finish_follow_up(outcome="answered-online", **finished)


def test_an_outcome_that_finishes_nothing_is_refused(scene: Scene) -> None:
    (task,) = tasks_of(start(scene, raw_step("call", "3")))
    with pytest.raises(UnknownOutcome):
        actions.finish_follow_up(task=task, response=None, outcome="no-answer", at=LATER, by=SYSTEM)


@pytest.mark.parametrize(("outcome", "flag"), [("died", "deceased"), ("refused-for-ever", "do_not_contact")])
def test_what_the_contact_learned_is_written_to_the_patient(scene: Scene, outcome: str, flag: str) -> None:
    plan = start(scene, raw_step("call", "3"), raw_step("later", "30"))
    actions.finish_follow_up(task=tasks_of(plan)[0], response=None, outcome=outcome, at=LATER, by=scene.cast.as_wang)
    assert getattr(Patient.objects.unscoped("test").get(pk=plan.patient_id), flag)
    jobs.derive_next.func(event={"task_id": str(tasks_of(plan)[0].pk)})
    plan.refresh_from_db()
    assert plan.status == "revoked"
    assert not Task.objects.unscoped("test").open().exists()


def test_a_call_that_ended_the_task_lets_the_next_be_derived(scene: Scene) -> None:
    plan = start(scene, raw_step("call", "every 7"))
    (task,) = tasks_of(plan)
    record_attempt(task=task, contact_point_id=None, outcome="reached-patient", at=LATER, by=scene.cast.as_wang)
    jobs.derive_next.func(event={"task_id": str(task.pk)})
    jobs.derive_next.func(event={"task_id": str(task.pk)})
    assert [t.occurrence for t in tasks_of(plan, status="requested")] == [1]


def test_answers_given_online_do_the_task(scene: Scene) -> None:
    (task,) = tasks_of(start(scene, raw_step("call", "3")))
    event = {"response_id": str(task.pk), "task_id": str(task.pk), "mode": "phone"}
    jobs.close_task_of_response.func(event=event)
    task.refresh_from_db()
    assert task.status == "requested", "on the phone the call decides"
    for _twice in range(2):
        jobs.close_task_of_response.func(event={**event, "mode": "portal"})
    task.refresh_from_db()
    assert (task.status, task.outcome) == ("completed", "answered-online")


# --- jobs -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def test_the_life_of_a_discharge_by_its_jobs(scene: Scene, now: datetime) -> None:
    stay = scene.discharge(procedures=("36.06",), at=now, operated_at=now)
    event = {"encounter_id": str(stay.pk), "patient_id": str(stay.patient_id)}
    jobs.judge_discharges.func(events=[event, event])
    plan = CarePlan.objects.unscoped("test").get()
    assert plan.is_active
    again = scene.admit(stay.patient, at=now)
    jobs.pause_for_readmission.func(event={"encounter_id": str(again.pk)})
    plan.refresh_from_db()
    assert plan.status == "on-hold"
    scene.change(again, status="cancelled")
    jobs.cancel_after_encounter_cancelled.func(event={"encounter_id": str(again.pk)})
    plan.refresh_from_db()
    assert plan.is_active
    scene.change(stay.patient, deceased=True)
    jobs.stop_for_death.func(event=event)
    plan.refresh_from_db()
    assert plan.end_reason == "death"
    scene.change(stay.patient, deceased=False)
    jobs.resume_after_mistake.func(event=event)
    scene.change(stay.patient, do_not_contact=True)
    jobs.after_consent_changed.func(event=event)
    plan.refresh_from_db()
    assert plan.end_reason == "refusal"
    scene.change(stay.patient, do_not_contact=False)
    jobs.after_consent_changed.func(event=event)
    plan.refresh_from_db()
    assert plan.is_active
    jobs.after_merge.func(event={"survivor_id": str(stay.patient_id), "gone_id": str(scene.cast.ma.pk)})
    scene.change(stay, status="in-progress", discharged_at=None)
    jobs.cancel_after_discharge_cancelled.func(event=event)
    plan.refresh_from_db()
    assert plan.end_reason == "discharge-cancelled"
    assert EnrolmentDecision.objects.unscoped("test").count() == 1


def test_the_night_ends_lapses_and_heals(scene: Scene) -> None:
    plan = start(scene, raw_step("tip", "every 7", lapses=True), raw_step("call", "30"))
    night = AT + timedelta(days=9)
    jobs.end_plans.func(timestamp=int(night.timestamp()))
    assert [(t.step_code, t.occurrence) for t in tasks_of(plan, status="requested")] == [("tip", 1), ("call", 0)]


def test_an_undone_end_takes_back_what_followed(scene: Scene) -> None:
    plan = start(scene, raw_step("call", "every 7"))
    (task,) = tasks_of(plan)
    jobs.realign_after_reopen.func(event={"task_id": str(task.pk)})
    assert len(tasks_of(plan, status="requested")) == 1
