"""How plans end, pause and go on (pains 4, 5, 17, 25): death, refusal, cancelled discharge, readmission, merge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from uuid import UUID

from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record, record_all
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Encounter, Patient
from careloop.plans.actions.deriving import _derive
from careloop.plans.events import (
    CarePlanEnded,
    CarePlanPaused,
    CarePlanResumed,
    CarePlansRealigned,
    LadderTimed,
    OrphansClosed,
)
from careloop.plans.models import CarePlan, EnrolmentDecision, LadderRun
from careloop.plans.reads import due, facts
from careloop.plans.reads.locking import hold_patients, hold_patients_of
from careloop.plans.rules.content import PlanContent
from careloop.plans.rules.ending import CAUSE_OF_OUTCOME, PlanState, end_reason
from careloop.plans.rules.schedule import last_day
from careloop.tasks.actions import close_tasks
from careloop.tasks.models import Task

# Ends that one contact brought about, and that its undo takes back.
_UNDOABLE = ("steps-done", "count-reached", *(cause.value for cause in CAUSE_OF_OUTCOME.values()))


class CarePlanClosed(Refused):
    """The plan is over; nothing of it can change any more."""

    code = "care-plan-closed"
    message = _("This plan is over.")


class PlanNeedsReason(Refused):
    """A plan is not ended without saying why."""

    code = "plan-needs-reason"
    message = _("Say why the plan ends.")


def _end_plans(
    plans: Iterable[CarePlan], *, reason: str, status: CarePlan.Status, at: datetime, by: Viewer
) -> list[UUID]:
    """Inside a running action that holds the patients: end these plans, close what is open, stop their messages."""
    ending = [plan for plan in plans if plan.ended_at is None]
    if not ending:
        return []
    ids = [plan.pk for plan in ending]
    CarePlan.objects.unscoped("held by their patients").running().filter(pk__in=ids).update(
        status=status, ended_at=at, end_reason=reason, updated_at=at
    )
    for plan in ending:
        plan.status, plan.ended_at, plan.end_reason = status, at, reason
    _stop_messages(Q(care_plan_id__in=ids), reason=reason, at=at, by=by)
    close_tasks(task_ids=due.open_task_ids(ids), reason=reason, at=at, by=Viewer.system("plans.end_plans"))
    record_all([CarePlanEnded(care_plan_id=p.pk, patient_id=p.patient_id, reason=reason) for p in ending], by=by)
    return ids


def _resume_plans(plans: Sequence[CarePlan], *, at: datetime, by: Viewer) -> None:
    """Inside a running action: paused plans go on; what fell into the pause is skipped."""
    paused = [plan for plan in plans if plan.status == CarePlan.Status.ON_HOLD]
    if not paused:
        return
    today = facts.local_day(at)
    CarePlan.objects.unscoped("held by their patients").filter(pk__in=[plan.pk for plan in paused]).update(
        status=CarePlan.Status.ACTIVE, held_at=None, held_for=None, resumed_on=today, updated_at=at
    )
    for plan in paused:
        plan.status, plan.held_at, plan.held_for, plan.resumed_on = CarePlan.Status.ACTIVE, None, None, today
    record_all([CarePlanResumed(care_plan_id=plan.pk, patient_id=plan.patient_id) for plan in paused], by=by)


@action
def end_care_plan(*, care_plan: CarePlan, reason: str, at: datetime, by: Viewer) -> None:
    """End one plan by hand. Refused: it is over already, or no reason is given."""
    if not reason.strip():
        raise PlanNeedsReason
    hold_patients([care_plan.patient_id])
    plan = CarePlan.objects.visible_to(by).running().filter(pk=care_plan.pk).first()
    if plan is None:
        raise CarePlanClosed
    _end_plans([plan], reason=reason, status=CarePlan.Status.REVOKED, at=at, by=by)


@action
def stop_for_death(*, patient_id: UUID, at: datetime, by: Viewer) -> int:
    """A death ends every plan and closes every task of theirs. Gives back how many plans were ended."""
    hold_patients([patient_id])
    if not facts.has_died(patient_id):
        return 0
    return len(_end_plans(_running([patient_id]), reason="death", status=CarePlan.Status.REVOKED, at=at, by=by))


@action
def stop_for_outcome(*, care_plan_id: UUID, outcome: str, at: datetime, by: Viewer) -> int:
    """What a contact learned may end the plan: refused for ever, transferred, moved (if the plan says so), not needed.

    Refusal and death end all plans of the patient; the others only this one.
    """
    cause = CAUSE_OF_OUTCOME.get(outcome)
    if cause is None:
        return 0
    mine = CarePlan.objects.unscoped("its own contact").filter(pk=care_plan_id).select_related("definition")
    plan = mine.defer("definition__content").first()
    if plan is None or cause not in plan.definition.plan().ends.causes:
        return 0
    hold_patients([plan.patient_id])
    everything = outcome in ("died", "refused-for-ever")
    plans = _running([plan.patient_id]) if everything else [p for p in _running([plan.patient_id]) if p.pk == plan.pk]
    return len(_end_plans(plans, reason=cause.value, status=CarePlan.Status.REVOKED, at=at, by=by))


@action
def stop_for_loss(*, care_plan_id: UUID, at: datetime, by: Viewer) -> int:
    """Everything was tried and the patient cannot be found: this plan ends. Gives back how many plans were ended."""
    plan = CarePlan.objects.unscoped("its own contact").filter(pk=care_plan_id).only("pk", "patient_id").first()
    if plan is None:
        return 0
    hold_patients([plan.patient_id])
    plans = [one for one in _running([plan.patient_id]) if one.pk == plan.pk]
    return len(_end_plans(plans, reason="lost-to-follow-up", status=CarePlan.Status.REVOKED, at=at, by=by))


@action
def stop_for_refusal(*, patient_id: UUID, at: datetime, by: Viewer) -> int:
    """Whoever refused all contact leaves every plan. Gives back how many plans were ended."""
    hold_patients([patient_id])
    refused = Patient.objects.unscoped("a refusal stops everything").filter(pk=patient_id, do_not_contact=True).exists()
    plans = _running([patient_id]) if refused else []
    return len(_end_plans(plans, reason="refusal", status=CarePlan.Status.REVOKED, at=at, by=by))


@action
def resume_ended(*, patient_id: UUID, reason: str, at: datetime, by: Viewer) -> int:
    """A death that was a mistake, or a refusal that was taken back: plans that ended for it go on from today.

    Plans past their last day stay ended. Gives back how many plans go on.
    """
    hold_patients([patient_id])
    if not facts.may_be_contacted(patient_id):
        return 0
    ended = CarePlan.objects.unscoped("the patient is held").filter(patient_id=patient_id, end_reason=reason)
    return len(_go_on(list(ended.with_plan().order_by("pk")), at=at, by=by))


def _go_on(ended: Sequence[CarePlan], *, at: datetime, by: Viewer) -> list[CarePlan]:
    """Inside a running action that holds the patients: ended plans go on from today, those past their last day not."""
    today = facts.local_day(at)
    plans = [plan for plan in ended if _lasts(plan, today)]
    CarePlan.objects.unscoped("held by their patients").filter(pk__in=[plan.pk for plan in plans]).update(
        status=CarePlan.Status.ACTIVE, ended_at=None, end_reason="", resumed_on=today, updated_at=at
    )
    for plan in plans:
        plan.status, plan.ended_at, plan.end_reason, plan.resumed_on = CarePlan.Status.ACTIVE, None, "", today
    record_all([CarePlanResumed(care_plan_id=plan.pk, patient_id=plan.patient_id) for plan in plans], by=by)
    _derive(plans, at=at, by=by)
    return plans


@action
def realign_after_reopen(*, task_id: UUID, at: datetime, by: Viewer) -> int:
    """An ended task was taken back within the undo time: later occurrences of its step are withdrawn, and its plan
    runs again if that end had ended it. Gives back how many tasks were withdrawn."""
    task = Task.objects.unscoped("its own plan").open().filter(pk=task_id).first()
    if task is None or task.care_plan_id is None:
        return 0
    hold_patients([task.patient_id])
    ended = CarePlan.objects.unscoped("its own plan").filter(pk=task.care_plan_id, end_reason__in=_UNDOABLE)
    if ended.update(status=CarePlan.Status.ACTIVE, ended_at=None, end_reason="", updated_at=at):
        record(CarePlanResumed(care_plan_id=task.care_plan_id, patient_id=task.patient_id), by=by)
    later = (
        Task.objects.unscoped("its own plan")
        .open()
        .filter(care_plan_id=task.care_plan_id, step_code=task.step_code, occurrence__gt=task.occurrence)
    )
    ids = list(later.order_by("pk").values_list("pk", flat=True))
    _stop_messages(Q(task_id__in=ids), reason="change-undone", at=at, by=by)
    return close_tasks(task_ids=ids, reason="change-undone", at=at, by=by)


@action
def cancel_discharge(*, encounter_id: UUID, reason: str, at: datetime, by: Viewer) -> int:
    """A13 or A11: the discharge did not happen. Plans of it are revoked, open tasks closed, calls made are kept.

    A later discharge of the same stay is a new cycle with plans of its own. Plans that were paused for the stay stay
    paused after A13, and go on after A11 (the stay itself was an error).
    """
    hold_patients_of([encounter_id])
    encounter = Encounter.objects.unscoped("its own plans").filter(pk=encounter_id).first()
    if encounter is None or encounter.status == Encounter.Status.FINISHED:
        return 0  # the discharge came again before this job ran
    known = _running([encounter.patient_id])
    own = [plan for plan in known if plan.encounter_id == encounter_id]
    ended = _end_plans(own, reason=reason, status=CarePlan.Status.REVOKED, at=at, by=by)
    if encounter.status == Encounter.Status.CANCELLED:
        held = [plan for plan in known if plan.held_for == encounter_id]
        _resume_plans(held, at=at, by=by)
        _derive(held, at=at, by=by)
    return len(ended)


@action
def pause_for_readmission(*, encounter_id: UUID, at: datetime, by: Viewer) -> int:
    """While the patient is in hospital again nobody calls: plans of earlier stays wait, their open tasks are closed.

    Only a stay that goes on now pauses, and only plans whose discharge lies before its admission. After its discharge
    each plan goes on where it was, or gives way to the new stay's plan of the same group.
    """
    hold_patients_of([encounter_id])
    stay = Encounter.objects.unscoped("its own patient").filter(pk=encounter_id).first()
    inside = stay is not None and stay.status == Encounter.Status.IN_PROGRESS
    if stay is None or not inside or stay.class_code != Encounter.Class.INPATIENT:
        return 0
    since = facts.local_day(stay.admitted_at or at)
    plans = [
        plan
        for plan in _running([stay.patient_id])
        if plan.is_active and plan.encounter_id != stay.pk and plan.discharged_on <= since
    ]
    ids = [plan.pk for plan in plans]
    CarePlan.objects.unscoped("held by their patients").active().filter(pk__in=ids).update(
        status=CarePlan.Status.ON_HOLD, held_at=at, held_for=stay.pk, updated_at=at
    )
    record_all([CarePlanPaused(care_plan_id=pk, encounter_id=stay.pk, patient_id=stay.patient_id) for pk in ids], by=by)
    _stop_messages(Q(care_plan_id__in=ids), reason="readmitted", at=at, by=by)
    close_tasks(task_ids=due.open_task_ids(ids), reason="readmitted", at=at, by=Viewer.system("plans.pause"))
    return len(ids)


@action
def realign_after_merge(*, patient_ids: Sequence[UUID], at: datetime, by: Viewer) -> int:
    """After a merge (or its undoing) plans follow their stays to the right patient, and doubles are ended.

    Double means: the same plan runs twice for discharges of the same day. The one with contacts stays, else the older.
    Gives back how many doubles were ended.
    """
    hold_patients(patient_ids)
    moved = _follow_stays(patient_ids)
    survivors = list(
        CarePlan.objects.unscoped("after a merge").running().filter(encounter__patient_id__in=list(patient_ids))
        .with_plan().order_by("started_at", "pk")
    )  # fmt: skip
    doubles = _doubles(survivors)
    _end_plans(doubles, reason="duplicate", status=CarePlan.Status.REVOKED, at=at, by=by)
    if moved or doubles:
        record(CarePlansRealigned(moved=moved, duplicates=len(doubles)), by=by)
    dead = [plan for plan in survivors if plan.patient.deceased]
    _end_plans(dead, reason="death", status=CarePlan.Status.REVOKED, at=at, by=by)
    return len(doubles)


@action
def end_due_plans(*, care_plan_ids: Sequence[UUID], at: datetime, by: Viewer) -> int:
    """The nightly look at the end conditions of these plans (pain 4). Gives back how many ended."""
    today = facts.local_day(at)
    chosen = CarePlan.objects.unscoped("the nightly look").active().filter(pk__in=list(care_plan_ids))
    hold_patients(chosen.values_list("patient_id", flat=True))
    plans = list(chosen.with_plan().order_by("pk"))
    histories = facts.histories(plans)
    ending: dict[str, list[CarePlan]] = defaultdict(list)
    for plan in plans:
        state = PlanState(histories[plan.pk].completed, histories[plan.pk].open_tasks)
        reason = end_reason(plan.definition.plan(), plan.anchors(), state, today=today)
        if reason:
            ending[reason].append(plan)
    for reason, found in ending.items():
        _end_plans(found, reason=reason, status=CarePlan.Status.COMPLETED, at=at, by=by)
    return sum(map(len, ending.values()))


@action
def lapse_tasks(*, at: datetime, by: Viewer) -> int:
    """Close the tasks of steps that lapse when their window has passed; a repeating step then gets its next one."""
    rows = (
        Task.objects.unscoped("the nightly look").open().filter(care_plan_id__isnull=False, window_ends_at__lt=at)
        .values_list("pk", "care_plan_id", "step_code")
    )  # fmt: skip
    found = list(rows)
    plans = CarePlan.objects.unscoped("the nightly look").filter(pk__in={plan_id for _pk, plan_id, _code in found})
    contents = {
        plan.pk: plan.definition.plan() for plan in plans.select_related("definition").defer("definition__content")
    }
    ids = [pk for pk, plan_id, code in found if plan_id and _lapses(contents[plan_id], code)]
    return close_tasks(task_ids=ids, reason="window-passed", at=at, by=by)


@action
def close_orphans(*, at: datetime, by: Viewer) -> int:
    """Open tasks whose plan is not running are closed and counted. It should never find one (pain 17)."""
    ids = due.orphan_task_ids()
    if not ids:
        return 0
    record(OrphansClosed(tasks=len(ids)), by=by)
    return close_tasks(task_ids=ids, reason="plan-over", at=at, by=by)


def _lasts(plan: CarePlan, today: date) -> bool:
    final = last_day(plan.definition.plan(), plan.anchors())
    return final is None or final >= today


def _lapses(content: PlanContent, code: str) -> bool:
    step = content.step(code)
    return step is not None and step.lapses


def _running(patient_ids: Iterable[UUID]) -> list[CarePlan]:
    plans = CarePlan.objects.unscoped("the patient is held").running().filter(patient_id__in=list(patient_ids))
    return list(plans.with_plan().order_by("pk"))


def _stop_messages(which: Q, *, reason: str, at: datetime, by: Viewer) -> None:
    """Nothing more is sent for these tasks; what waits in the outbox is asked again before it leaves."""
    runs = LadderRun.objects.unscoped("the plan's own").filter(which, next_move_at__isnull=False)
    changed = runs.update(next_move_at=None, ended_how=reason[:20], updated_at=at)
    if changed:
        record(LadderTimed(runs=changed), by=by)


def _follow_stays(patient_ids: Sequence[UUID]) -> int:
    """Plans, decisions and ladders belong to whoever the stay belongs to."""
    moved = 0
    astray = CarePlan.objects.unscoped("after a merge").filter(encounter__patient_id__in=list(patient_ids))
    for plan in astray.exclude(patient_id=F("encounter__patient_id")).select_related("encounter"):
        right = plan.encounter.patient_id
        moved += CarePlan.objects.unscoped("after a merge").filter(pk=plan.pk).update(patient_id=right)
        LadderRun.objects.unscoped("after a merge").filter(care_plan_id=plan.pk).update(patient_id=right)
    decisions = EnrolmentDecision.objects.unscoped("after a merge").filter(encounter__patient_id__in=list(patient_ids))
    for decision in decisions.exclude(patient_id=F("encounter__patient_id")).select_related("encounter"):
        right = decision.encounter.patient_id
        moved += EnrolmentDecision.objects.unscoped("after a merge").filter(pk=decision.pk).update(patient_id=right)
    return moved


def _doubles(plans: Sequence[CarePlan]) -> list[CarePlan]:
    histories = facts.histories(plans)
    seen: dict[tuple[UUID, str, object], CarePlan] = {}
    doubles: list[CarePlan] = []
    for plan in sorted(plans, key=lambda p: (-histories[p.pk].touched, p.started_at, p.pk)):
        key = (plan.encounter.patient_id, plan.definition_url, plan.discharged_on)
        if seen.setdefault(key, plan) is not plan:
            doubles.append(plan)
    return doubles
