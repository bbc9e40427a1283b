"""One patient's changes to the plan: steps off, dates moved, visits added, owner and targets; each can be undone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.models import uuid7
from careloop.kernel.viewer import Viewer
from careloop.plans.actions.deriving import VISIT, _derive
from careloop.plans.actions.endings import CarePlanClosed
from careloop.plans.events import CarePlanChanged
from careloop.plans.models import CarePlan, LadderRun
from careloop.plans.reads import facts
from careloop.plans.reads.locking import hold_patients
from careloop.plans.rules.changes import Change, ChangeKind, dump_change, undo
from careloop.plans.rules.content import OwnerRule
from careloop.tasks.actions import close_tasks
from careloop.tasks.models import Task

MOST_CHANGES = 200


class StepNotFound(Refused):
    """The plan has no such step, or this occurrence is not open."""

    code = "step-not-found"
    message = _("This step is not open in the plan.")


class ChangeNotFound(Refused):
    """There is no such change, or it was undone already."""

    code = "change-not-found"
    message = _("This change was undone already.")


class DateInThePast(Refused):
    """A contact cannot be planned for a day that is over."""

    code = "date-in-the-past"
    message = _("Choose today or a later day.")


class VisitNeedsTitle(Refused):
    """The nurse must know what an added visit is for."""

    code = "visit-needs-title"
    message = _("Say what the visit is for.")


class TooManyChanges(Refused):
    """A plan with so many changes is another plan."""

    code = "too-many-changes"
    message = _("This plan has too many changes. End it and start another.")


@action
def tick_off_step(*, care_plan: CarePlan, step: str, at: datetime, by: Viewer) -> str:
    """This patient does not need this step: its open task is closed. Gives back the id of the change, for undo."""
    plan = _held(care_plan, by)
    if plan.definition.plan().step(step) is None:
        raise StepNotFound
    if step in plan.personal().ticked_off:
        return next(c.id for c in plan.change_list() if not c.undone and c.step == step and _is(c, ChangeKind.TICK_OFF))
    return _change(plan, ChangeKind.TICK_OFF, at=at, by=by, withdraw=_step_is(step), why="ticked-off", step=step)


@action
def restore_step(*, care_plan: CarePlan, step: str, at: datetime, by: Viewer) -> None:
    """The patient needs it after all. Refused when it was not ticked off."""
    plan = _held(care_plan, by)
    off = [c for c in plan.change_list() if not c.undone and c.step == step and _is(c, ChangeKind.TICK_OFF)]
    if not off:
        raise StepNotFound
    _undo(plan, off[-1].id, at=at, by=by)


@action
def move_occurrence(*, care_plan: CarePlan, step: str, day: date, at: datetime, by: Viewer) -> str:
    """The open occurrence of a step goes to another day. Refused: it is not open, or the day is over."""
    plan = _held(care_plan, by)
    _refuse_past(day, at)
    number = _open_number(plan, step)
    return _change(
        plan, ChangeKind.MOVE, at=at, by=by, withdraw=_step_is(step), why="moved", step=step, number=number, day=day
    )


@action
def add_visit(
    *,
    care_plan: CarePlan,
    title: str,
    day: date,
    at: datetime,
    by: Viewer,
    channel: str = "phone",
    questionnaire: str = "",
    owner: str = "",
) -> str:
    """A contact that the protocol does not have, for this patient only. Gives back the id of the change."""
    plan = _held(care_plan, by)
    _refuse_past(day, at)
    if not title.strip():
        raise VisitNeedsTitle
    return _change(
        plan, ChangeKind.ADD_VISIT, at=at, by=by, withdraw=None, why="",
        title=title.strip()[:120], day=day, channel=channel, questionnaire=questionnaire,
        owner=OwnerRule(owner).value if owner else "",
    )  # fmt: skip


@action
def set_owner(*, care_plan: CarePlan, rule: str, practitioner_id: UUID | None, at: datetime, by: Viewer) -> str:
    """Who does the contacts of this plan from now on: a rule, or one person. Open tasks are given over."""
    plan = _held(care_plan, by)
    plan.owner_id = practitioner_id
    CarePlan.objects.visible_to(by).filter(pk=plan.pk).update(owner_id=practitioner_id)
    return _change(
        plan, ChangeKind.OWNER, at=at, by=by, withdraw=_any_step, why="owner-changed", owner=OwnerRule(rule).value
    )


@action
def set_target(*, care_plan: CarePlan, name: str, value: str, at: datetime, by: Viewer) -> str:
    """A target of this patient, such as blood-pressure <130/80."""
    return _change(
        _held(care_plan, by), ChangeKind.TARGET, at=at, by=by, withdraw=None, why="", name=name[:40], value=value[:40]
    )


@action
def undo_change(*, care_plan: CarePlan, change_id: str, at: datetime, by: Viewer) -> None:
    """Take one change back; the schedule is again as if it had not been made. Refused when it is undone already."""
    _undo(_held(care_plan, by), change_id, at=at, by=by)


def _held(care_plan: CarePlan, by: Viewer) -> CarePlan:
    hold_patients([care_plan.patient_id])
    plans = CarePlan.objects.visible_to(by).running().with_plan()
    plan = plans.filter(pk=care_plan.pk).first()
    if plan is None:
        raise CarePlanClosed
    return plan


def _change(
    plan: CarePlan,
    kind: ChangeKind,
    *,
    at: datetime,
    by: Viewer,
    withdraw: Callable[[Task], bool] | None,
    why: str,
    **fields: object,
) -> str:
    if len(plan.changes) >= MOST_CHANGES:
        raise TooManyChanges
    change = Change(id=uuid7().hex[-12:], kind=kind, at=at.isoformat(), by=by.actor, **fields)  # type: ignore[arg-type]  # the caller gives the fields of Change
    _store(plan, [*plan.changes, dump_change(change)], at=at, by=by)
    record(CarePlanChanged(care_plan_id=plan.pk, patient_id=plan.patient_id, change_id=change.id, kind=kind), by=by)
    if withdraw:
        _withdraw(plan, withdraw, why=why, at=at)
    _derive([plan], at=at, by=by)
    return change.id


def _undo(plan: CarePlan, change_id: str, *, at: datetime, by: Viewer) -> None:
    try:
        changes = undo(plan.change_list(), change_id)
    except KeyError:
        raise ChangeNotFound from None
    change = next(entry for entry in changes if entry.id == change_id)
    _store(plan, [dump_change(entry) for entry in changes], at=at, by=by)
    event = CarePlanChanged(
        care_plan_id=plan.pk, patient_id=plan.patient_id, change_id=change_id, kind=change.kind, undone=True
    )
    record(event, by=by)
    if change.kind is ChangeKind.OWNER:
        CarePlan.objects.visible_to(by).filter(pk=plan.pk).update(owner=None)
        plan.owner = None
    _withdraw(plan, _undone_by(change), why="change-undone", at=at)
    _derive([plan], at=at, by=by)


def _undone_by(change: Change) -> Callable[[Task], bool]:
    if change.kind is ChangeKind.MOVE:
        return lambda task: task.step_code == change.step and task.occurrence == change.number
    if change.kind is ChangeKind.ADD_VISIT:
        return _step_is(VISIT + change.id)
    if change.kind is ChangeKind.OWNER:
        return _any_step
    return lambda _task: False


def _store(plan: CarePlan, changes: list[dict[str, object]], *, at: datetime, by: Viewer) -> None:
    CarePlan.objects.visible_to(by).filter(pk=plan.pk).update(changes=changes, updated_at=at)
    plan.changes = changes


def _withdraw(plan: CarePlan, which: Callable[[Task], bool], *, why: str, at: datetime) -> None:
    rows = Task.objects.unscoped("the plan's own tasks").open().filter(care_plan_id=plan.pk).order_by("pk")
    ids = [task.pk for task in rows if which(task)]
    LadderRun.objects.unscoped("the plan's own").filter(task_id__in=ids, next_move_at__isnull=False).update(
        next_move_at=None, ended_how=why, updated_at=at
    )
    close_tasks(task_ids=ids, reason=why, at=at, by=Viewer.system("plans.change"))


def _open_number(plan: CarePlan, step: str) -> int:
    row = Task.objects.unscoped("the plan's own tasks").open().filter(care_plan_id=plan.pk, step_code=step).first()
    if row is None or plan.definition.plan().step(step) is None:
        raise StepNotFound
    return row.occurrence


def _refuse_past(day: date, at: datetime) -> None:
    if day < facts.local_day(at):
        raise DateInThePast


def _step_is(code: str) -> Callable[[Task], bool]:
    return lambda task: task.step_code == code


def _any_step(_task: Task) -> bool:
    return True


def _is(change: Change, kind: ChangeKind) -> bool:
    return change.kind is kind
