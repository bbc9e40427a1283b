"""The adoption of a version is taken back: everything is as it was, or it says why not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from careloop.audit.models import AuditEvent
from careloop.batches import actions as batches
from careloop.batches.jobs import run_batch
from careloop.batches.models import Batch, BatchItem
from careloop.kernel.actions import seeding
from careloop.kernel.errors import Refused
from careloop.plans import actions, jobs
from careloop.plans.models import CarePlan, LadderRun, PlanDefinition, VersionAdoption
from careloop.plans.reads import adopting
from careloop.plans.rules.adoption import UNDO_WITHIN, Stands
from careloop.plans.tests.factories import Scene, raw_plan, raw_step, tasks_of
from careloop.tasks.actions import close_tasks, complete_task
from careloop.tasks.models import Task
from tests.cast import SYSTEM, Cast

AT = datetime(2026, 11, 13, 9, 0, tzinfo=UTC)
LATER = AT + timedelta(hours=2)
MESSAGES = [{"channel": "sms", "wait_hours": 12}, {"channel": "phone"}]
OLD = (raw_step("a", "3", ladder=MESSAGES), raw_step("b", "9"), raw_step("gone", "20"))
NEW = (raw_step("a", "4", ladder=MESSAGES), raw_step("b", "12"), raw_step("c", "30"))


@pytest.fixture
def scene(cast: Cast) -> Scene:
    return Scene(cast)


def running(scene: Scene, at: datetime = AT) -> CarePlan:
    definition = actions.publish_plan(raw=raw_plan("v", *OLD), enrols=False, at=at, by=SYSTEM)
    stay = scene.discharge(patient=scene.new_patient(), at=at)
    return actions.start_care_plan(encounter=stay, definition=definition, at=at, by=SYSTEM)


def newer(version: str = "2.0", *steps: dict[str, Any], at: datetime = AT) -> PlanDefinition:
    raw = raw_plan("v", *(steps or NEW), version=version)
    return actions.publish_plan(raw=raw, enrols=False, at=at, by=SYSTEM)


@pytest.fixture
def plan(scene: Scene) -> CarePlan:
    return running(scene)


def adopted(plan: CarePlan, definition: PlanDefinition | None = None, at: datetime = LATER) -> VersionAdoption:
    return actions.adopt_version(care_plan=plan, definition=definition or newer(), at=at, by=SYSTEM)


def undo(adoption: VersionAdoption, at: datetime = LATER) -> bool:
    return actions.undo_adoption(adoption=adoption, at=at, by=SYSTEM)


def state(plan: CarePlan) -> tuple[Any, ...]:
    """All that is planned: every column of the open tasks, of their ladders, and of the plan, but when it was written."""
    tasks = Task.objects.unscoped("test").filter(care_plan_id=plan.pk).exclude(closed_reason="change-undone")
    ids = set(tasks.values_list("pk", flat=True))
    runs = LadderRun.objects.unscoped("test").filter(task_id__in=ids)
    plans = CarePlan.objects.unscoped("test").filter(pk=plan.pk)
    return tuple(
        sorted(
            (tuple((k, str(v)) for k, v in sorted(row.items()) if k not in ("updated_at", "created_at")))
            for row in rows.values()
        )
        for rows in (tasks, runs, plans)
    )


def open_steps(plan: CarePlan) -> set[str]:
    return {task.step_code for task in tasks_of(plan, status="requested")}


def facts(name: str) -> int:
    return AuditEvent.objects.filter(name=f"plans.{name}").count()


# --- exactly as it was ------------------------------------------------------------------------------------------------


def test_everything_is_as_it_was(plan: CarePlan) -> None:
    before = state(plan)
    adoption = adopted(plan)
    assert open_steps(plan) == {"a", "b", "c"}
    assert state(plan) != before
    assert undo(adoption)
    assert state(plan) == before
    assert open_steps(plan) == {"a", "b", "gone"}
    assert (facts("PlanVersionAdopted"), facts("PlanVersionAdoptionUndone")) == (1, 1)


def test_twice_is_once(plan: CarePlan) -> None:
    adoption = adopted(plan)
    assert undo(adoption)
    after = state(plan)
    assert not undo(adoption, at=LATER + timedelta(hours=1))
    assert not undo(adoption, at=LATER + 3 * UNDO_WITHIN)  # also when its time is over
    assert state(plan) == after
    assert facts("PlanVersionAdoptionUndone") == 1


def test_the_jobs_that_follow_change_nothing_of_it(plan: CarePlan) -> None:
    """Closing and opening tasks sends facts; their jobs may run late, in any order."""
    before = state(plan)
    adoption = adopted(plan)
    undo(adoption)
    for task in tasks_of(plan):
        event = {"task_id": str(task.pk), "patient_id": str(task.patient_id)}
        jobs.derive_next.func(event=event)
        jobs.realign_after_reopen.func(event=event)
    actions.derive_next(care_plan_ids=[plan.pk], at=LATER, by=SYSTEM)
    actions.end_due_plans(care_plan_ids=[plan.pk], at=LATER, by=SYSTEM)
    assert state(plan) == before


def test_what_was_snoozed_before_is_snoozed_again(plan: CarePlan) -> None:
    first = tasks_of(plan)[0]
    with seeding():
        Task.objects.unscoped("test").filter(pk=first.pk).update(
            snoozed_until=LATER + timedelta(days=2), snooze_reason="call-later", attempts=2, last_outcome="no-answer",
            promised_at=LATER + timedelta(days=2), priority=77,
        )  # fmt: skip
    before = state(plan)
    undo(adopted(plan))
    assert state(plan) == before


def test_done_contacts_stay_done_through_adoption_and_undo(plan: CarePlan) -> None:
    done = tasks_of(plan)[0]
    complete_task(task=done, outcome="reached-patient", at=AT + timedelta(hours=1), by=SYSTEM)
    actions.derive_next(care_plan_ids=[plan.pk], at=AT + timedelta(hours=1), by=SYSTEM)
    before = state(plan)
    adoption = adopted(plan)
    assert "a" not in open_steps(plan)
    undo(adoption)
    assert state(plan) == before


def test_a_visit_added_for_this_patient_survives_both(plan: CarePlan) -> None:
    actions.add_visit(care_plan=plan, title="加访", day=date(2026, 12, 1), at=AT, by=SYSTEM)
    adoption = adopted(plan)
    actions.add_visit(care_plan=plan, title="再访", day=date(2026, 12, 3), at=LATER, by=SYSTEM)
    assert undo(adoption)
    assert {t.step_title for t in tasks_of(plan, status="requested")} >= {"加访", "再访"}


def test_back_and_forth_and_back(plan: CarePlan) -> None:
    definition, before = newer(), state(plan)
    for n in range(3):
        at = LATER + timedelta(minutes=n)
        adoption = adopted(plan, definition, at=at)
        assert open_steps(plan) == {"a", "b", "c"}
        assert undo(adoption, at=at)
        assert open_steps(plan) == {"a", "b", "gone"}
    assert state(plan) == before
    assert VersionAdoption.objects.unscoped("test").filter(undone_at=None).count() == 0


def test_versions_are_taken_back_in_turn(plan: CarePlan) -> None:
    first = adopted(plan)
    between = state(plan)
    second = adopted(plan, newer("3.0", raw_step("z", "8")))
    with pytest.raises(Refused) as refusal:
        undo(first)
    assert refusal.value.code == "adoption-other-version"
    assert undo(second)
    assert state(plan) == between
    assert undo(first)
    assert open_steps(plan) == {"a", "b", "gone"}


def test_a_paused_plan_takes_over_and_back_without_a_task(scene: Scene, plan: CarePlan) -> None:
    again = scene.admit(plan.patient, at=LATER)
    actions.pause_for_readmission(encounter_id=again.pk, at=LATER, by=SYSTEM)
    before = state(plan)
    adoption = adopted(plan, at=LATER)
    assert (adoption.withdrawn, adoption.made) == ({}, [])
    assert undo(adoption)
    assert state(plan) == before


# --- why not ----------------------------------------------------------------------------------------------------------


def touch(**values: object) -> Callable[[Scene, CarePlan], None]:
    def act(_scene: Scene, plan: CarePlan) -> None:
        with seeding():
            Task.objects.unscoped("test").filter(pk=tasks_of(plan, status="requested")[0].pk).update(**values)

    return act


def finished(_scene: Scene, plan: CarePlan) -> None:
    complete_task(task=tasks_of(plan, status="requested")[0], outcome="reached-patient", at=LATER, by=SYSTEM)


def closed(_scene: Scene, plan: CarePlan) -> None:
    close_tasks(task_ids=[tasks_of(plan, status="requested")[0].pk], reason="visited", at=LATER, by=SYSTEM)


def ladder_moved(_scene: Scene, plan: CarePlan) -> None:
    with seeding():
        LadderRun.objects.unscoped("test").filter(care_plan=plan, ended_how="").update(tried=[{"channel": "sms"}])


def ticked(_scene: Scene, plan: CarePlan) -> None:
    actions.tick_off_step(care_plan=plan, step="c", at=LATER, by=SYSTEM)


def moved(_scene: Scene, plan: CarePlan) -> None:
    actions.move_occurrence(care_plan=plan, step="b", day=date(2026, 12, 5), at=LATER, by=SYSTEM)


def handed_over(_scene: Scene, plan: CarePlan) -> None:
    actions.set_owner(care_plan=plan, rule="ward-nurse", practitioner_id=None, at=LATER, by=SYSTEM)


def ended(_scene: Scene, plan: CarePlan) -> None:
    actions.end_care_plan(care_plan=plan, reason="recovered", at=LATER, by=SYSTEM)


def readmitted(scene: Scene, plan: CarePlan) -> None:
    stay = scene.admit(plan.patient, at=LATER)
    actions.pause_for_readmission(encounter_id=stay.pk, at=LATER, by=SYSTEM)


def out_and_home_again(scene: Scene, plan: CarePlan) -> None:
    stay = scene.admit(plan.patient, at=LATER)
    actions.pause_for_readmission(encounter_id=stay.pk, at=LATER, by=SYSTEM)
    scene.change(stay, status="cancelled")
    actions.cancel_discharge(encounter_id=stay.pk, reason="encounter-cancelled", at=LATER, by=SYSTEM)


def died(scene: Scene, plan: CarePlan) -> None:
    scene.change(plan.patient, deceased=True)
    actions.stop_for_death(patient_id=plan.patient_id, at=LATER, by=SYSTEM)


@pytest.mark.parametrize(
    ("happened", "code"),
    [
        (finished, "acted-on"), (closed, "acted-on"), (touch(attempts=1), "acted-on"),
        (touch(snoozed_until=LATER + timedelta(days=1)), "acted-on"), (touch(promised_at=LATER), "acted-on"),
        (touch(message_state="sent"), "acted-on"), (touch(claimed_until=LATER + timedelta(minutes=5)), "acted-on"),
        (ladder_moved, "acted-on"), (ticked, "acted-on"), (moved, "acted-on"), (handed_over, "acted-on"),
        (ended, "plan-over"), (died, "plan-over"), (readmitted, "plan-paused"), (out_and_home_again, "acted-on"),
    ],
)  # fmt: skip
def test_it_stands_and_nothing_moves(
    scene: Scene, plan: CarePlan, happened: Callable[[Scene, CarePlan], None], code: str
) -> None:
    adoption = adopted(plan)
    happened(scene, plan)
    before = state(plan)
    with pytest.raises(Refused) as refusal:
        undo(adoption)
    assert refusal.value.code == f"adoption-{code}"
    assert state(plan) == before
    assert facts("PlanVersionAdoptionUndone") == 0


def test_a_claim_that_ran_out_is_no_act(scene: Scene, plan: CarePlan) -> None:
    adoption = adopted(plan)
    touch(claimed_until=LATER)(scene, plan)
    assert undo(adoption, at=LATER + timedelta(minutes=1))


@pytest.mark.parametrize(("after", "goes"), [(UNDO_WITHIN, True), (UNDO_WITHIN + timedelta(seconds=1), False)])
def test_the_stated_time_is_kept_to_the_second(plan: CarePlan, after: timedelta, goes: bool) -> None:
    adoption = adopted(plan)
    if goes:
        assert undo(adoption, at=LATER + after)
        return
    with pytest.raises(Refused) as refusal:
        undo(adoption, at=LATER + after)
    assert refusal.value.code == "adoption-too-late"


def test_answers_that_a_patient_began_count(scene: Scene, plan: CarePlan) -> None:
    from careloop.plans.tests.factories import FORM, forms_in_force
    from careloop.questionnaires.models import Questionnaire, QuestionnaireResponse

    forms_in_force(FORM)
    adoption = adopted(plan)
    task = tasks_of(plan, status="requested")[0]
    with seeding():
        QuestionnaireResponse.objects.create(
            patient_id=plan.patient_id, questionnaire=Questionnaire.objects.get(), canonical=FORM, task_id=task.pk,
            started_at=LATER, mode="portal",
        )  # fmt: skip
    assert adopting.why_they_stand([adoption], at=LATER) == {adoption.pk: Stands.ACTED_ON}


def test_another_department_finds_nothing_to_undo(scene: Scene, plan: CarePlan) -> None:
    adoption, before = adopted(plan), None
    before = state(plan)
    with pytest.raises(actions.NothingToAdopt):
        actions.undo_adoption(adoption=adoption, at=LATER, by=scene.cast.viewer(scene.cast.li))
    assert state(plan) == before
    page = scene.cast.client(scene.cast.li).post(reverse("plans:undo-adopt", args=[adoption.pk]))
    assert page.status_code == 404


# --- groups -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def group(scene: Scene) -> tuple[list[CarePlan], PlanDefinition]:
    """Three patients of Cardiology; all go on with 2.0, now."""
    plans = [running(scene, at=timezone.now()) for _n in range(3)]
    return plans, newer(at=timezone.now())


@pytest.fixture
def qian(scene: Scene) -> Client:
    return scene.cast.client(scene.cast.qian)


def worked_off(batch: Batch) -> Batch:
    run_batch.func(event={"batch_id": str(batch.pk)})
    batch.refresh_from_db()
    return batch


def versions() -> list[str]:
    return sorted(CarePlan.objects.unscoped("test").values_list("definition__version", flat=True))


def take_over(qian: Client, definition: PlanDefinition) -> Batch:
    qian.post(reverse("plans:adoption", args=[definition.pk]), {"department": "all"})
    return worked_off(Batch.objects.get(kind="plans.adopt"))


def test_a_department_goes_back(scene: Scene, group: Any, qian: Client) -> None:
    plans, definition = group
    before = [state(plan) for plan in plans]
    take_over(qian, definition)
    page = qian.get(reverse("plans:adoption", args=[definition.pk])).content.decode()
    assert f'data-taken-in="{scene.cast.cardiology.pk}" data-can="3"' in page
    where = reverse("plans:undo-adoption", args=[definition.pk])
    assert qian.post(where, {"department": str(scene.cast.cardiology.pk)}).status_code == 302
    batch = worked_off(Batch.objects.get(kind="plans.unadopt"))
    assert (batch.state, batch.done, batch.total) == ("done", 3, 3)
    assert versions() == ["1.0", "1.0", "1.0"]
    assert [state(plan) for plan in plans] == before
    page = qian.get(reverse("plans:adoption", args=[definition.pk])).content.decode()
    assert "data-taken-in" not in page
    assert qian.post(where, {"department": "all"}).status_code == 409  # nothing left to take back


def test_who_was_called_stays_and_the_page_says_why(scene: Scene, group: Any, qian: Client) -> None:
    plans, definition = group
    take_over(qian, definition)
    complete_task(
        task=tasks_of(plans[0], status="requested")[0], outcome="reached-patient", at=timezone.now(), by=SYSTEM
    )
    (row,) = adopting.lately(scene.cast.viewer(scene.cast.qian), definition, at=timezone.now())
    assert (row.plans, row.can) == (3, 2)
    assert [count for _words, count in row.standing] == [1]
    qian.post(reverse("plans:undo-adoption", args=[definition.pk]), {"department": "all"})
    batch = worked_off(Batch.objects.get(kind="plans.unadopt"))
    assert (batch.done, batch.skipped) == (2, 1)
    assert BatchItem.objects.get(batch=batch, state="skipped").reason == "adoption-acted-on"
    assert versions() == ["1.0", "1.0", "2.0"]


def test_the_batch_itself_has_an_undo_too(scene: Scene, group: Any, qian: Client) -> None:
    plans, definition = group
    batch = take_over(qian, definition)
    by = scene.cast.viewer(scene.cast.qian)
    back = batches.undo_batch(batch_id=batch.pk, at=timezone.now(), by=by)
    assert batches.undo_batch(batch_id=batch.pk, at=timezone.now(), by=by).pk == back.pk
    assert worked_off(back).done == 3
    assert versions() == ["1.0", "1.0", "1.0"]


def test_one_that_was_taken_back_alone_is_passed_over(scene: Scene, group: Any, qian: Client) -> None:
    plans, definition = group
    batch = take_over(qian, definition)
    undo(VersionAdoption.objects.unscoped("test").filter(care_plan=plans[0]).get(), at=timezone.now())
    back = batches.undo_batch(batch_id=batch.pk, at=timezone.now(), by=scene.cast.viewer(scene.cast.qian))
    assert (worked_off(back).done, back.skipped) == (2, 1)
    assert BatchItem.objects.get(batch=back, state="skipped").reason == "adoption-undone"


def test_a_double_press_is_one_batch(group: Any, qian: Client) -> None:
    _plans, definition = group
    take_over(qian, definition)
    for _press in range(2):
        qian.post(reverse("plans:undo-adoption", args=[definition.pk]), {"department": "all"})
    assert Batch.objects.filter(kind="plans.unadopt").count() in (1, 2)  # a minute may turn between the two
    for batch in Batch.objects.filter(kind="plans.unadopt"):
        worked_off(batch)
    assert versions() == ["1.0", "1.0", "1.0"]


def test_the_other_department_neither_sees_nor_undoes_the_group(scene: Scene, group: Any, qian: Client) -> None:
    _plans, definition = group
    take_over(qian, definition)
    scene.give_role(scene.cast.li, "plans.publish")
    li = scene.cast.client(scene.cast.li)
    assert "data-taken-in" not in li.get(reverse("plans:adoption", args=[definition.pk])).content.decode()
    where = reverse("plans:undo-adoption", args=[definition.pk])
    assert li.post(where, {"department": "all"}).status_code == 409
    assert li.post(where, {"department": str(scene.cast.cardiology.pk)}).status_code == 409
    assert versions() == ["2.0", "2.0", "2.0"]


@pytest.mark.parametrize("department", ["", "nonsense", "00000000-0000-0000-0000-000000000000"])
def test_a_department_made_up_by_hand_is_nobody(group: Any, qian: Client, department: str) -> None:
    _plans, definition = group
    take_over(qian, definition)
    where = reverse("plans:undo-adoption", args=[definition.pk])
    assert qian.post(where, {"department": department}).status_code == 409


def test_judging_many_asks_no_more_than_judging_one(
    scene: Scene, group: Any, qian: Client, django_assert_num_queries: Any
) -> None:
    _plans, definition = group
    take_over(qian, definition)
    rows = list(VersionAdoption.objects.unscoped("test"))
    for some in (rows[:1], rows):
        with django_assert_num_queries(4):
            adopting.why_they_stand(some, at=timezone.now())


# --- the patient's card -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_card_shows_the_undo_and_then_why_not(scene: Scene, language: str) -> None:
    now = timezone.now()
    plan = running(scene, at=now)
    definition = newer(at=now)
    doctor = scene.cast.client(scene.cast.zhao)
    scene.speaks(scene.cast.zhao, language)
    doctor.post(reverse("plans:adopt", args=[plan.pk, definition.pk]))
    adoption = VersionAdoption.objects.unscoped("test").get()
    card = reverse("plans:patient_card", args=[plan.patient_id])
    assert 'data-stands="no"' in doctor.get(card).content.decode()
    assert doctor.post(reverse("plans:undo-adopt", args=[adoption.pk])).status_code == 200
    undone = doctor.get(card).content.decode()
    assert 'data-stands="undone"' in undone
    assert "data-undo-adoption" not in undone
    doctor.post(reverse("plans:adopt", args=[plan.pk, definition.pk]))
    scene.call_in_vain(tasks_of(plan, status="requested")[0])
    shown = doctor.get(card).content.decode()
    assert 'data-stands="yes"' in shown
    assert "data-undo-adoption" not in shown
    again = VersionAdoption.objects.unscoped("test").get(undone_at=None)
    assert doctor.post(reverse("plans:undo-adopt", args=[again.pk])).status_code == 409


def test_who_may_only_look_gets_no_button(scene: Scene) -> None:
    plan = running(scene, at=timezone.now())
    adopted(plan, newer(at=timezone.now()), at=timezone.now())
    scene.take_role(scene.cast.wang, "plans.personalise")
    wang = scene.cast.client(scene.cast.wang)
    shown = wang.get(reverse("plans:patient_card", args=[plan.patient_id])).content.decode()
    assert "data-adopted" in shown
    assert "data-undo-adoption" not in shown
    adoption = VersionAdoption.objects.unscoped("test").get()
    assert wang.post(reverse("plans:undo-adopt", args=[adoption.pk])).status_code == 403
