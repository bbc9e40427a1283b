"""Enrolment, schedules and endings on a real database: state and recorded facts, and everything twice."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.patients.models import Condition, Encounter, Patient, Procedure
from careloop.plans import actions
from careloop.plans.models import CarePlan, EnrolmentDecision, LadderRun, PlanDefinition
from careloop.plans.tests.factories import Scene, raw_plan, raw_step, tasks_of
from careloop.tasks.actions import complete_task
from careloop.tasks.models import Task
from tests.cast import SYSTEM, Cast

AT = datetime(2026, 11, 13, 9, 0, tzinfo=UTC)  # Friday 17:00 in the hospital
DAY = timedelta(days=1)


@pytest.fixture
def scene(cast: Cast) -> Scene:
    actions.load_shipped_content(at=AT, by=SYSTEM)
    return Scene(cast)


def enrol(*stays: Encounter, at: datetime = AT) -> int:
    return actions.enrol_discharges(encounter_ids=[stay.pk for stay in stays], at=at, by=SYSTEM)


def events(name: str) -> int:
    return AuditEvent.objects.filter(name=f"plans.{name}").count()


# --- publishing -----------------------------------------------------------------------------------------------------


def test_shipped_plans_are_published_once(scene: Scene) -> None:
    count = PlanDefinition.objects.count()
    assert count >= 10
    assert actions.load_shipped_content(at=AT, by=SYSTEM) == 0
    assert PlanDefinition.objects.count() == count
    assert events("PlanPublished") == count
    assert not PlanDefinition.objects.get(url__endswith="/hypertension-monthly").enrols
    assert PlanDefinition.objects.get(url__endswith="/pci-12-months").enrols


def test_a_plan_of_the_hospital_is_not_overwritten_by_the_product(db: None) -> None:
    own = raw_plan("pci-12-months", version="7.0")
    actions.publish_plan(raw=own, enrols=True, at=AT, by=SYSTEM)
    actions.load_shipped_content(at=AT, by=SYSTEM)
    assert [d.version for d in PlanDefinition.objects.filter(url=own["url"])] == ["7.0"]


def test_a_new_version_replaces_the_old_and_keeps_the_switch(scene: Scene) -> None:
    old = scene.definition("routine-discharge")
    new = actions.publish_plan(raw={**old.content, "version": "1.1"}, enrols=None, at=AT, by=SYSTEM)
    old.refresh_from_db()
    assert (old.status, old.enrols, new.status, new.enrols) == ("retired", False, "active", True)


def test_the_same_version_again_changes_nothing_and_other_content_is_refused(scene: Scene) -> None:
    old = scene.definition("routine-discharge")
    assert actions.publish_plan(raw=old.content, enrols=None, at=AT, by=SYSTEM) == old
    with pytest.raises(actions.VersionExists):
        actions.publish_plan(raw={**old.content, "group": "other"}, enrols=None, at=AT, by=SYSTEM)


def test_bad_content_is_refused_with_its_path(db: None) -> None:
    with pytest.raises(actions.BadPlanContent, match=r"steps\[0\].schedule"):
        actions.publish_plan(raw=raw_plan("x", raw_step("a", "soon")), enrols=True, at=AT, by=SYSTEM)
    assert not PlanDefinition.objects.exists()


@pytest.mark.parametrize("change", [{"content": {}}, {"version": "9"}, {"content_hash": "0"}, {"status": "draft"}])
def test_the_database_refuses_to_change_a_published_version(scene: Scene, change: dict[str, Any]) -> None:
    definition = scene.definition("routine-discharge")
    with seeding(), pytest.raises(DatabaseError, match="published"), transaction.atomic():
        PlanDefinition.objects.filter(pk=definition.pk).update(**{"enrols": False, **change})


def test_the_database_refuses_to_delete_a_published_version(scene: Scene) -> None:
    with seeding(), pytest.raises(DatabaseError, match="published"), transaction.atomic():
        PlanDefinition.objects.filter(pk=scene.definition("routine-discharge").pk).delete()


def test_enrolment_can_be_switched(scene: Scene) -> None:
    definition = scene.definition("hypertension-monthly")
    actions.switch_enrolment(definition=definition, enrols=True, by=SYSTEM)
    actions.switch_enrolment(definition=definition, enrols=True, by=SYSTEM)
    definition.refresh_from_db()
    assert definition.enrols
    assert events("PlanEnrolmentSwitched") == 1


# --- enrolment ------------------------------------------------------------------------------------------------------


def test_a_discharge_after_pci_enters_the_plan_of_the_picture(scene: Scene) -> None:
    stay = scene.discharge(procedures=("36.0600x004",))
    assert enrol(stay) == 1
    plan = CarePlan.objects.unscoped("test").get()
    assert plan.definition.name == "pci-12-months"
    assert (plan.status, plan.discharged_on, plan.department) == ("active", date(2026, 11, 13), scene.cast.cardiology)
    due = {task.step_code: task.due_at.astimezone(scene.zone).date().isoformat() for task in tasks_of(plan)}
    assert due == {
        "day-3": "2026-11-16",
        "day-7": "2026-11-20",
        "month-1": "2026-12-14",
        "month-3": "2027-02-13",
        "month-6": "2027-05-13",
        "month-12": "2027-11-15",
    }
    task = Task.objects.unscoped("test").get(step_code="day-3")
    assert (task.kind, task.plan_title, task.step_title) == ("follow-up", "PCI 术后 12 个月随访", "第 3 天 电话")
    assert task.questionnaire_url == "https://careloop.org/Questionnaire/pci-follow-up"
    assert (task.owner_role, task.encounter_id, task.diagnosis_text) == (
        "follow-up-centre",
        stay.pk,
        "Acute anterior myocardial infarction",
    )
    decision = EnrolmentDecision.objects.unscoped("test").get()
    assert (decision.outcome, decision.plans) == ("enrolled", 1)
    assert {"routine-discharge", "chd-half-yearly"} <= {e["url"].rsplit("/", 1)[1] for e in decision.explanation}


def test_doing_it_again_changes_nothing(scene: Scene) -> None:
    stay = scene.discharge(procedures=("36.06",))
    enrol(stay)
    before = (Task.objects.unscoped("test").count(), AuditEvent.objects.filter(name__startswith="plans.").count())
    assert enrol(stay) == 0
    assert enrol(stay, at=AT + DAY) == 0
    after = (Task.objects.unscoped("test").count(), AuditEvent.objects.filter(name__startswith="plans.").count())
    assert before == after


def test_without_a_special_plan_the_routine_one_is_taken(scene: Scene) -> None:
    stay = scene.discharge(patient=scene.cast.ma, diagnosis="K35.9")
    enrol(stay)
    (task,) = tasks_of(CarePlan.objects.unscoped("test").get())
    assert (task.step_code, task.due_at.astimezone(scene.zone).date()) == ("first-call", date(2026, 11, 20))


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        ({"disposition": "died"}, "died"),
        ({"disposition": "against-advice"}, "against-advice"),
        ({"disposition": "other-hospital"}, "transferred"),
        ({"status": "cancelled"}, "encounter-cancelled"),
        ({"class_code": "EMER"}, "no-plan"),
    ],
)
def test_every_discharge_without_a_plan_says_why(scene: Scene, changed: dict[str, str], outcome: str) -> None:
    stay = scene.discharge(diagnosis="K35.9", **changed)
    assert enrol(stay) == 0
    decision = EnrolmentDecision.objects.unscoped("test").get()
    assert (decision.outcome, decision.plans) == (outcome, 0)
    assert bool(decision.explanation) is (outcome == "no-plan")


@pytest.mark.parametrize(("flag", "outcome"), [("deceased", "died"), ("do_not_contact", "refused")])
def test_the_dead_and_those_who_refused_are_not_contacted(scene: Scene, flag: str, outcome: str) -> None:
    stay = scene.discharge(procedures=("36.06",))
    scene.change(stay.patient, **{flag: True})
    enrol(stay)
    assert EnrolmentDecision.objects.unscoped("test").get().outcome == outcome
    assert not Task.objects.unscoped("test").exists()


def test_a_stay_that_goes_on_is_not_judged(scene: Scene) -> None:
    assert enrol(scene.cast.stay) == 0
    assert not EnrolmentDecision.objects.unscoped("test").exists()


def test_late_procedure_codes_move_the_patient_to_the_better_plan(scene: Scene) -> None:
    stay = scene.discharge()  # I21.0 alone: coronary disease, half-yearly
    enrol(stay)
    assert CarePlan.objects.unscoped("test").get().definition.name == "chd-half-yearly"
    scene.operate(stay, "36.06")
    assert enrol(stay, at=AT + timedelta(hours=3)) == 1
    names = {p.definition.name: (p.status, p.end_reason) for p in CarePlan.objects.unscoped("test")}
    assert names == {"chd-half-yearly": ("revoked", "replaced"), "pci-12-months": ("active", "")}
    assert {t.closed_reason for t in Task.objects.unscoped("test").filter(status="cancelled")} == {"replaced"}
    assert EnrolmentDecision.objects.unscoped("test").get().times_decided == 2


def test_late_diagnoses_end_an_untouched_plan_but_not_one_with_contacts(scene: Scene) -> None:
    first, second = (
        scene.discharge(procedures=("36.06",)),
        scene.discharge(patient=scene.cast.ma, procedures=("36.06",)),
    )
    enrol(first, second)
    called = Task.objects.unscoped("test").get(step_code="day-3", patient=second.patient)
    scene.call_in_vain(called)
    with seeding():
        Procedure.objects.unscoped("test").update(active=False)
        Condition.objects.unscoped("test").update(code="K35.9", code_key="K359")
    enrol(first, second, at=AT + DAY)
    pci = {
        p.patient_id: (p.status, p.end_reason) for p in CarePlan.objects.unscoped("test") if "pci" in p.definition_url
    }
    assert pci == {first.patient_id: ("revoked", "no-longer-fits"), second.patient_id: ("active", "")}


def test_a_late_operation_date_lets_waiting_steps_be_planned(scene: Scene) -> None:
    stay = scene.discharge(procedures=("81.54",), operated_at=None)
    enrol(stay)
    plan = CarePlan.objects.unscoped("test").get(definition_url__endswith="joint-replacement")
    assert {t.step_code for t in tasks_of(plan)} == {"day-3"}
    with seeding():
        Procedure.objects.unscoped("test").update(performed_at=AT - 3 * DAY)
    enrol(stay, at=AT + timedelta(hours=1))
    assert {t.step_code for t in tasks_of(plan)} == {"day-3", "series", "yearly", "pain"}


def test_for_one_discharge_and_for_forty_the_number_of_statements_is_the_same(scene: Scene) -> None:
    one = [scene.discharge(patient=scene.new_patient(), procedures=("36.06",))]
    forty = [scene.discharge(patient=scene.new_patient(), procedures=("36.06",)) for _ in range(40)]
    with CaptureQueriesContext(connection) as for_one:
        enrol(*one)
    with CaptureQueriesContext(connection) as for_forty:
        enrol(*forty)
    assert CarePlan.objects.unscoped("test").count() == 41
    assert Task.objects.unscoped("test").count() == 41 * 6
    assert len(for_forty) == len(for_one), [q["sql"][:90] for q in for_forty.captured_queries]
    assert len(for_one) <= 26
    inserts = [q["sql"] for q in for_forty.captured_queries if "INTO tasks_task" in q["sql"]]
    assert len(inserts) == 1


def test_a_plan_can_be_started_by_hand_and_stays_when_the_rules_do_not_want_it(scene: Scene) -> None:
    stay = scene.discharge(diagnosis="K35.9")
    enrol(stay)
    definition = scene.definition("hypertension-monthly")
    plan = actions.start_care_plan(encounter=stay, definition=definition, at=AT, by=scene.cast.as_wang)
    enrol(stay, at=AT + DAY)
    plan.refresh_from_db()
    assert plan.is_active
    assert [t.step_code for t in tasks_of(plan)] == ["monthly"]
    from careloop.plans.actions.enrolment import NotDischarged, PatientNotToContact, PlanRunsAlready

    with pytest.raises(PlanRunsAlready):
        actions.start_care_plan(encounter=stay, definition=definition, at=AT, by=scene.cast.as_wang)
    with pytest.raises(NotDischarged):
        actions.start_care_plan(encounter=scene.cast.other_stay, definition=definition, at=AT, by=SYSTEM)
    scene.change(stay.patient, do_not_contact=True)
    with pytest.raises(PatientNotToContact):
        actions.start_care_plan(encounter=stay, definition=definition, at=AT, by=SYSTEM)


# --- the next occurrence --------------------------------------------------------------------------------------------


def start(scene: Scene, name: str = "example", *steps: dict[str, Any], **more: Any) -> CarePlan:
    """One patient in a plan of our own."""
    definition = actions.publish_plan(raw=raw_plan(name, *steps, **more), enrols=False, at=AT, by=SYSTEM)
    return actions.start_care_plan(encounter=scene.discharge(), definition=definition, at=AT, by=SYSTEM)


def finish(task: Task, at: datetime, outcome: str = "reached-patient") -> None:
    complete_task(task=task, outcome=outcome, at=at, by=SYSTEM)
    assert task.care_plan_id
    actions.stop_for_outcome(care_plan_id=task.care_plan_id, outcome=outcome, at=at, by=SYSTEM)
    actions.derive_next(care_plan_ids=[task.care_plan_id], at=at, by=SYSTEM)


def test_a_repeating_step_has_one_open_task_and_the_next_comes_with_the_end_of_it(scene: Scene) -> None:
    plan = start(scene, "j23", raw_step("series", "30, +150, every 150"))
    due = []
    for _n in range(4):
        (task,) = tasks_of(plan, status="requested")
        due.append((task.occurrence, (task.due_at.astimezone(scene.zone).date() - plan.discharged_on).days))
        finish(task, task.due_at)
    assert due == [(0, 30), (1, 180), (2, 330), (3, 480)]


def test_deriving_twice_or_with_nothing_new_makes_no_task(scene: Scene) -> None:
    plan = start(scene, "j23", raw_step("series", "every 30"))
    assert actions.derive_next(care_plan_ids=[plan.pk], at=AT, by=SYSTEM) == 0
    (task,) = tasks_of(plan)
    finish(task, task.due_at)
    assert actions.derive_next(care_plan_ids=[plan.pk], at=task.due_at, by=SYSTEM) == 0
    assert len(tasks_of(plan)) == 2


def test_a_plan_whose_steps_are_done_is_completed(scene: Scene) -> None:
    plan = start(scene, "short", raw_step("only", "3"))
    (task,) = tasks_of(plan)
    finish(task, task.due_at)
    plan.refresh_from_db()
    assert (plan.status, plan.end_reason) == ("completed", "steps-done")
    assert events("CarePlanEnded") == 1


def test_messages_come_before_the_call_and_start_a_ladder(scene: Scene) -> None:
    ladder = [{"channel": "sms", "wait_hours": 24}, {"channel": "phone"}]
    plan = start(scene, "sms", raw_step("ask", "10", window=[3, 5], ladder=ladder))
    (task,) = tasks_of(plan)
    run = LadderRun.objects.unscoped("test").get()
    assert run.task_id == task.pk
    assert run.starts_at.astimezone(scene.zone).isoformat() == "2026-11-20T09:00:00+08:00"
    assert task.available_at.astimezone(scene.zone).date() == date(2026, 11, 21)


def test_what_messages_do_alone_is_not_on_the_list_of_calls(scene: Scene) -> None:
    ladder = [{"channel": "sms", "wait_hours": 24}]
    plan = start(scene, "tips", raw_step("tip", "10", window=[0, 2], ladder=ladder))
    (task,) = tasks_of(plan)
    assert (task.available_at, task.due_at) == (task.window_ends_at, task.window_ends_at)
    assert LadderRun.objects.unscoped("test").get().starts_at.astimezone(scene.zone).date() == date(2026, 11, 23)


def test_owners_follow_the_rule(scene: Scene) -> None:
    rules = ["follow-up-centre", "attending-doctor", "ward-nurse", "same-nurse"]
    plan = start(scene, "owners", *[raw_step(f"s{n}", str(n + 3), owner=rule) for n, rule in enumerate(rules)])
    owners = {task.owner_role: task.owner_id for task in tasks_of(plan)}
    assert owners == {
        "follow-up-centre": None,
        "attending-doctor": scene.cast.zhao.pk,
        "ward-nurse": None,
        "same-nurse": None,
    }


# --- endings --------------------------------------------------------------------------------------------------------


def open_tasks() -> int:
    return Task.objects.unscoped("test").open().count()


def test_death_stops_everything(scene: Scene) -> None:
    stay = scene.discharge(procedures=("36.06",))
    enrol(stay)
    assert actions.stop_for_death(patient_id=stay.patient_id, at=AT, by=SYSTEM) == 0, "alive"
    scene.change(stay.patient, deceased=True)
    assert actions.stop_for_death(patient_id=stay.patient_id, at=AT + DAY, by=SYSTEM) == 1
    assert actions.stop_for_death(patient_id=stay.patient_id, at=AT + DAY, by=SYSTEM) == 0
    assert open_tasks() == 0
    assert {t.closed_reason for t in Task.objects.unscoped("test")} == {"death"}
    assert not LadderRun.objects.unscoped("test").filter(next_move_at__isnull=False).exists()


def test_a_death_that_was_a_mistake_lets_the_plans_go_on(scene: Scene) -> None:
    stay = scene.discharge(procedures=("36.06",))
    enrol(stay)
    scene.change(stay.patient, deceased=True)
    actions.stop_for_death(patient_id=stay.patient_id, at=AT + DAY, by=SYSTEM)
    assert actions.resume_ended(patient_id=stay.patient_id, reason="death", at=AT + DAY, by=SYSTEM) == 0, "still dead"
    scene.change(stay.patient, deceased=False)
    for expected in (1, 0):
        at = AT + 9 * DAY
        assert actions.resume_ended(patient_id=stay.patient_id, reason="death", at=at, by=SYSTEM) == expected
    assert {t.step_code for t in Task.objects.unscoped("test").open()} == {
        "day-7",
        "month-1",
        "month-3",
        "month-6",
        "month-12",
    }


def test_refusal_of_all_contact_stops_everything(scene: Scene) -> None:
    stay = scene.discharge(procedures=("36.06",))
    enrol(stay)
    assert actions.stop_for_refusal(patient_id=stay.patient_id, at=AT, by=SYSTEM) == 0
    scene.change(stay.patient, do_not_contact=True)
    assert actions.stop_for_refusal(patient_id=stay.patient_id, at=AT, by=SYSTEM) == 1
    assert open_tasks() == 0


@pytest.mark.parametrize(
    ("outcome", "status"), [("refused-for-ever", "revoked"), ("transferred", "revoked"), ("moved", "active")]
)
def test_what_a_contact_learned_ends_the_plan_if_the_plan_says_so(scene: Scene, outcome: str, status: str) -> None:
    plan = start(scene, "ends", raw_step("a", "3"), raw_step("b", "9"), ends={"causes": ["transfer"]})
    finish(tasks_of(plan)[0], AT + 3 * DAY, outcome)
    plan.refresh_from_db()
    assert plan.status == status
    assert open_tasks() == (1 if status == "active" else 0)


def test_a_cancelled_discharge_closes_what_is_open_and_keeps_what_was_done(scene: Scene) -> None:
    stay = scene.discharge(procedures=("36.06",))
    enrol(stay)
    finish(Task.objects.unscoped("test").get(step_code="day-3"), AT + 3 * DAY)
    scene.change(stay, status="in-progress", discharged_at=None)
    for _twice in range(2):
        actions.cancel_discharge(encounter_id=stay.pk, reason="discharge-cancelled", at=AT + 4 * DAY, by=SYSTEM)
    plan = CarePlan.objects.unscoped("test").get()
    assert (plan.status, plan.end_reason) == ("revoked", "discharge-cancelled")
    assert Counter(t.status for t in tasks_of(plan)) == {"completed": 1, "cancelled": 5}
    # The real discharge, five days later, is a new cycle and not a copy.
    scene.change(stay, status="finished", discharged_at=AT + 5 * DAY, discharge_cycle=2)
    assert enrol(stay, at=AT + 5 * DAY) == 1
    again = CarePlan.objects.unscoped("test").get(cycle=2)
    assert len(tasks_of(again, status="requested")) == 6
    assert EnrolmentDecision.objects.unscoped("test").count() == 2


def test_a_second_discharge_that_overtakes_the_cancelling_of_the_first_replaces_its_plan(scene: Scene) -> None:
    stay = scene.discharge(procedures=("36.06",))
    enrol(stay)
    scene.change(stay, discharged_at=AT + 5 * DAY, discharge_cycle=2)  # A13 and A03 came before any job ran
    enrol(stay, at=AT + 5 * DAY)
    actions.cancel_discharge(encounter_id=stay.pk, reason="discharge-cancelled", at=AT + 5 * DAY, by=SYSTEM)
    assert {p.cycle: p.end_reason for p in CarePlan.objects.unscoped("test")} == {1: "discharge-cancelled", 2: ""}
    assert open_tasks() == 6


def test_a_discharge_that_came_again_before_the_job_ran_is_not_cancelled(scene: Scene) -> None:
    stay = scene.discharge(procedures=("36.06",))
    enrol(stay)
    assert actions.cancel_discharge(encounter_id=stay.pk, reason="discharge-cancelled", at=AT, by=SYSTEM) == 0


def readmit(scene: Scene, patient: Patient, at: datetime) -> Encounter:
    stay = scene.admit(patient, at=at)
    actions.pause_for_readmission(encounter_id=stay.pk, at=at, by=SYSTEM)
    return stay


def test_readmission_pauses_and_discharge_goes_on_without_what_fell_into_the_pause(scene: Scene) -> None:
    first = scene.discharge(procedures=("36.06",))
    enrol(first)
    stay = readmit(scene, first.patient, AT + 2 * DAY)
    plan = CarePlan.objects.unscoped("test").get()
    assert (plan.status, plan.held_for) == ("on-hold", stay.pk)
    assert open_tasks() == 0
    scene.change(stay, status="finished", discharged_at=AT + 20 * DAY, discharge_cycle=1)
    scene.diagnose(stay, "K35.9")
    enrol(stay, at=AT + 20 * DAY)
    plan.refresh_from_db()
    assert (plan.status, plan.held_for) == ("active", None)
    assert {t.step_code for t in tasks_of(plan, status="requested")} == {"month-1", "month-3", "month-6", "month-12"}
    enrol(stay, at=AT + 20 * DAY)
    assert len(tasks_of(plan, status="requested")) == 4


def test_after_readmission_for_the_same_disease_the_new_cycle_takes_over(scene: Scene) -> None:
    first = scene.discharge(procedures=("36.06",))
    enrol(first)
    stay = readmit(scene, first.patient, AT + 30 * DAY)
    scene.change(stay, status="finished", discharged_at=AT + 35 * DAY, discharge_cycle=1)
    scene.diagnose(stay, "I21.0")
    scene.operate(stay, "36.06")
    enrol(stay, at=AT + 35 * DAY)
    states = {p.encounter_id: (p.status, p.end_reason) for p in CarePlan.objects.unscoped("test")}
    assert states == {first.pk: ("revoked", "new-cycle"), stay.pk: ("active", "")}
    assert open_tasks() == 6


def test_a_stay_entered_in_error_lets_the_plan_go_on(scene: Scene) -> None:
    first = scene.discharge(procedures=("36.06",))
    enrol(first)
    stay = readmit(scene, first.patient, AT + DAY)
    scene.change(stay, status="cancelled")
    actions.cancel_discharge(encounter_id=stay.pk, reason="encounter-cancelled", at=AT + DAY, by=SYSTEM)
    plan = CarePlan.objects.unscoped("test").get()
    assert plan.is_active
    assert len(tasks_of(plan, status="requested")) == 6


def test_an_outpatient_visit_pauses_nothing(scene: Scene) -> None:
    first = scene.discharge(procedures=("36.06",))
    enrol(first)
    visit = scene.admit(first.patient, at=AT + DAY, class_code="AMB")
    assert actions.pause_for_readmission(encounter_id=visit.pk, at=AT + DAY, by=SYSTEM) == 0


def test_a_merge_moves_plans_with_their_stays_and_ends_doubles(scene: Scene) -> None:
    other = scene.new_patient()
    mine, theirs = scene.discharge(procedures=("36.06",)), scene.discharge(patient=other, procedures=("36.06",))
    enrol(mine, theirs)
    called = Task.objects.unscoped("test").get(step_code="day-3", patient=other)
    scene.call_in_vain(called)
    scene.change(theirs, patient_id=mine.patient_id)
    for expected in (1, 0):
        ended = actions.realign_after_merge(patient_ids=[mine.patient_id, other.pk], at=AT + DAY, by=SYSTEM)
        assert ended == expected
    running = CarePlan.objects.unscoped("test").running().get()
    assert (running.encounter_id, running.patient_id) == (theirs.pk, mine.patient_id), "the one with a contact stays"
    assert {d.patient_id for d in EnrolmentDecision.objects.unscoped("test")} == {mine.patient_id}
    assert open_tasks() == 6


def test_end_conditions_are_looked_at_every_night(scene: Scene) -> None:
    plan = start(scene, "dated", raw_step("weekly", "every 7"), ends={"after": "30"})
    assert actions.end_due_plans(care_plan_ids=[plan.pk], at=AT + 30 * DAY, by=SYSTEM) == 0
    assert actions.end_due_plans(care_plan_ids=[plan.pk], at=AT + 31 * DAY, by=SYSTEM) == 1
    plan.refresh_from_db()
    assert (plan.status, plan.end_reason) == ("completed", "date-reached")
    assert open_tasks() == 0


def test_a_count_ends_a_plan(scene: Scene) -> None:
    plan = start(scene, "counted", raw_step("weekly", "every 7"), ends={"after_completed": 2})
    for _n in range(2):
        (task,) = tasks_of(plan, status="requested")
        finish(task, task.due_at)
    assert actions.end_due_plans(care_plan_ids=[plan.pk], at=AT + 15 * DAY, by=SYSTEM) == 1
    plan.refresh_from_db()
    assert plan.end_reason == "count-reached"


def test_lapsing_steps_close_themselves_and_the_others_stay_overdue(scene: Scene) -> None:
    plan = start(scene, "lapse", raw_step("tip", "every 7", lapses=True), raw_step("call", "3"))
    assert actions.lapse_tasks(at=AT + 9 * DAY, by=SYSTEM) == 1
    actions.derive_next(care_plan_ids=[plan.pk], at=AT + 9 * DAY, by=SYSTEM)
    assert [(t.step_code, t.occurrence) for t in tasks_of(plan, status="requested")] == [("call", 0), ("tip", 1)]


def test_orphans_are_found_and_closed(scene: Scene) -> None:
    plan = start(scene, "orphan", raw_step("call", "3"))
    assert actions.close_orphans(at=AT, by=SYSTEM) == 0
    with seeding():
        CarePlan.objects.unscoped("test").update(status="revoked", ended_at=AT, end_reason="death")
    assert actions.close_orphans(at=AT, by=SYSTEM) == 1
    assert events("OrphansClosed") == 1
    assert not tasks_of(plan, status="requested")


def test_a_plan_is_ended_by_hand_with_a_reason(scene: Scene) -> None:
    plan = start(scene, "hand", raw_step("call", "3"))
    with pytest.raises(actions.PlanNeedsReason):
        actions.end_care_plan(care_plan=plan, reason=" ", at=AT, by=scene.cast.as_wang)
    with pytest.raises(actions.CarePlanClosed):
        actions.end_care_plan(care_plan=plan, reason="other", at=AT, by=scene.cast.as_li)
    actions.end_care_plan(care_plan=plan, reason="other-hospital", at=AT, by=scene.cast.as_wang)
    with pytest.raises(actions.CarePlanClosed):
        actions.end_care_plan(care_plan=plan, reason="other-hospital", at=AT, by=scene.cast.as_wang)


def test_taking_an_end_back_takes_back_what_followed(scene: Scene) -> None:
    plan = start(scene, "undo", raw_step("weekly", "every 7"), ends={"causes": ["transfer"]})
    (task,) = tasks_of(plan)
    finish(task, AT + 7 * DAY)
    with seeding():
        Task.objects.unscoped("test").filter(pk=task.pk).update(status="requested", outcome="", ended_at=None)
    actions.realign_after_reopen(task_id=task.pk, at=AT + 7 * DAY, by=SYSTEM)
    assert [t.occurrence for t in tasks_of(plan, status="requested")] == [0]
    task.refresh_from_db()
    finish(task, AT + 7 * DAY, "transferred")
    plan.refresh_from_db()
    assert plan.end_reason == "transfer"
    with seeding():
        Task.objects.unscoped("test").filter(pk=task.pk).update(status="requested", outcome="", ended_at=None)
    actions.realign_after_reopen(task_id=task.pk, at=AT + 7 * DAY, by=SYSTEM)
    plan.refresh_from_db()
    assert plan.is_active


# --- personal changes and versions ----------------------------------------------------------------------------------


def test_a_step_is_ticked_off_and_restored(scene: Scene) -> None:
    plan, by = start(scene, "tick", raw_step("a", "3"), raw_step("b", "9")), scene.cast.as_wang
    first = actions.tick_off_step(care_plan=plan, step="b", at=AT, by=by)
    assert actions.tick_off_step(care_plan=plan, step="b", at=AT, by=by) == first
    assert [t.step_code for t in tasks_of(plan, status="requested")] == ["a"]
    plan.refresh_from_db()
    actions.restore_step(care_plan=plan, step="b", at=AT, by=by)
    assert [t.step_code for t in tasks_of(plan, status="requested")] == ["a", "b"]
    with pytest.raises(actions.StepNotFound):
        actions.restore_step(care_plan=plan, step="b", at=AT, by=by)
    with pytest.raises(actions.StepNotFound):
        actions.tick_off_step(care_plan=plan, step="c", at=AT, by=by)


def test_a_visit_is_added_moved_on_and_undone(scene: Scene) -> None:
    plan, by = start(scene, "visit", raw_step("a", "9")), scene.cast.as_zhao
    change = actions.add_visit(care_plan=plan, title="症状复核", day=date(2026, 11, 23), at=AT, by=by)
    task = Task.objects.unscoped("test").get(step_code=f"visit-{change}")
    assert (task.step_title, task.due_at.astimezone(scene.zone).date()) == ("症状复核", date(2026, 11, 23))
    actions.derive_next(care_plan_ids=[plan.pk], at=AT, by=SYSTEM)
    assert len(tasks_of(plan, status="requested")) == 2
    actions.undo_change(care_plan=plan, change_id=change, at=AT, by=by)
    assert [t.step_code for t in tasks_of(plan, status="requested")] == ["a"]
    with pytest.raises(actions.ChangeNotFound):
        actions.undo_change(care_plan=plan, change_id=change, at=AT, by=by)


def test_an_occurrence_is_moved_and_the_move_undone(scene: Scene) -> None:
    plan, by = start(scene, "move", raw_step("weekly", "every 7")), scene.cast.as_wang
    change = actions.move_occurrence(care_plan=plan, step="weekly", day=date(2026, 11, 25), at=AT, by=by)
    (task,) = tasks_of(plan, status="requested")
    assert (task.occurrence, task.due_at.astimezone(scene.zone).date()) == (0, date(2026, 11, 25))
    actions.undo_change(care_plan=plan, change_id=change, at=AT, by=by)
    (task,) = tasks_of(plan, status="requested")
    assert task.due_at.astimezone(scene.zone).date() == date(2026, 11, 20)
    from careloop.plans.actions.personal import DateInThePast

    with pytest.raises(DateInThePast):
        actions.move_occurrence(care_plan=plan, step="weekly", day=date(2026, 11, 1), at=AT, by=by)


def test_owner_and_targets(scene: Scene) -> None:
    plan, by = start(scene, "own", raw_step("a", "3")), scene.cast.as_zhao
    change = actions.set_owner(
        care_plan=plan, rule="attending-doctor", practitioner_id=scene.cast.zhao.pk, at=AT, by=by
    )
    (task,) = tasks_of(plan, status="requested")
    assert task.owner == scene.cast.zhao
    actions.undo_change(care_plan=plan, change_id=change, at=AT, by=by)
    (task,) = tasks_of(plan, status="requested")
    assert task.owner is None
    actions.set_target(care_plan=plan, name="blood-pressure", value="<130/80", at=AT, by=by)
    plan.refresh_from_db()
    assert plan.personal().targets == {"blood-pressure": "<130/80"}
    assert events("CarePlanChanged") == 3


def test_a_plan_that_is_over_cannot_be_changed_and_li_cannot_change_wangs(scene: Scene) -> None:
    plan = start(scene, "over", raw_step("a", "3"))
    with pytest.raises(actions.CarePlanClosed):
        actions.tick_off_step(care_plan=plan, step="a", at=AT, by=scene.cast.as_li)
    actions.end_care_plan(care_plan=plan, reason="x", at=AT, by=SYSTEM)
    with pytest.raises(actions.CarePlanClosed):
        actions.tick_off_step(care_plan=plan, step="a", at=AT, by=SYSTEM)


def test_a_new_version_is_adopted_by_choice(scene: Scene) -> None:
    plan = start(scene, "versions", raw_step("a", "3"), raw_step("b", "9"))
    finish(tasks_of(plan)[0], AT + 3 * DAY)
    visit = actions.add_visit(care_plan=plan, title="加访", day=date(2026, 12, 1), at=AT, by=SYSTEM)
    newer = raw_plan("versions", raw_step("a", "3"), raw_step("b", "12"), raw_step("c", "30"), version="2.0")
    definition = actions.publish_plan(raw=newer, enrols=False, at=AT, by=SYSTEM)
    plan.refresh_from_db()
    assert plan.definition.version == "1.0", "running plans stay with their version"
    actions.adopt_version(care_plan=plan, definition=definition, at=AT + 4 * DAY, by=SYSTEM)
    due = {
        t.step_code: (t.due_at.astimezone(scene.zone).date() - plan.discharged_on).days
        for t in tasks_of(plan, status="requested")
    }
    assert due == {"b": 12, "c": 30, f"visit-{visit}": 18}
    with pytest.raises(actions.NothingToAdopt):
        actions.adopt_version(care_plan=plan, definition=definition, at=AT, by=SYSTEM)
    with pytest.raises(actions.NothingToAdopt):
        actions.adopt_version(care_plan=plan, definition=scene.definition("copd"), at=AT, by=SYSTEM)
