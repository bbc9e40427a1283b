"""Work ends: done, or closed with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record, record_all
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.prepared import prepared
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Patient
from careloop.tasks import rules
from careloop.tasks.events import TaskClosed, TaskCompleted
from careloop.tasks.models import Task


class TaskNotOpen(Refused):
    """The task was done or closed meanwhile, or belongs to somebody else's patient."""

    code = "task-not-open"
    message = _("This task was already done or closed.")


class UnknownOutcome(Refused):
    """An outcome that is not in the agreed list."""

    code = "unknown-outcome"
    message = _("This result is not in the list of results.")


class TaskNeedsReason(Refused):
    """Nothing is closed without saying why."""

    code = "task-needs-reason"
    message = _("Say why the task is closed.")


def _hold_person(task: Task, by: Viewer) -> None:
    """Takes the patient's row before the task's, for whoever changes both or writes a row about both. Plans and merges take
    them in this order (plans/reads/locking.py): the other way round two could wait for each other in a circle.
    """
    _person(viewer=by, patient_id=task.patient_id)


@prepared
def _person(viewer: Viewer, patient_id: UUID) -> QuerySet[Patient, Any]:
    mine = Patient.objects.visible_to(viewer).filter(pk=patient_id)
    return mine.select_for_update(of=("self",), no_key=True).only("pk")


def _locked(task: Task, by: Viewer) -> Task:
    """The task as it stands now, held until the end of the action. Refused when it is not to be seen.

    First lock, then look: an UPDATE through a scope that joins the patient becomes `id IN (SELECT …)`, and PostgreSQL
    does not look into that SELECT again after waiting for the lock.
    """
    found: list[Task] = _for_update(viewer=by, task_id=task.pk)
    if not found:
        raise TaskNotOpen
    return found[0]


@prepared
def _for_update(viewer: Viewer, task_id: UUID) -> QuerySet[Task]:
    return Task.objects.visible_to(viewer).filter(pk=task_id).select_for_update(of=("self",), no_key=True)


def _locked_open(task: Task, by: Viewer) -> Task:
    """The same while it is open. Refused when it is not."""
    found = _locked(task, by)
    if found.status != Task.Status.REQUESTED:
        raise TaskNotOpen
    return found


def _write(locked: Task, at: datetime, **values: Any) -> None:
    """Change a row that _locked_open() holds."""
    Task.objects.unscoped("the row just locked for this viewer").filter(pk=locked.pk).update(updated_at=at, **values)


@action
def complete_task(
    *, task: Task, outcome: str, at: datetime, by: Viewer, channel: str = "", again: bool = False
) -> None:
    """Done, on this way (none given: the planned one; answers online say so themselves).

    `again`: one that ended with this outcome already is held and left as it is. Refused when the task is no longer open or the outcome is not one that finishes a task.
    """
    held = _locked(task, by)
    if again and held.status != Task.Status.REQUESTED and held.outcome == outcome:
        return
    known = rules.outcome_of(outcome)
    if known is None or not known.final:
        raise UnknownOutcome
    if held.status != Task.Status.REQUESTED:
        raise TaskNotOpen
    how = "online" if outcome == "answered-online" else channel or held.channel
    _write(
        held, at, channel=how,
        status=Task.Status.COMPLETED, outcome=outcome, ended_at=at, ended_by=by.practitioner_id, snoozed_until=None,
        claimed_by=None, claimed_until=None, weigh_again_at=None,
    )  # fmt: skip
    record(TaskCompleted(task_id=task.pk, patient_id=task.patient_id, outcome=outcome), by=by)


@action
def close_tasks(*, task_ids: Sequence[UUID], reason: str, at: datetime, by: Viewer, outcome: str = "") -> int:
    """End open tasks without doing them, each with the same reason. Tasks that are not open are left alone."""
    if not reason:
        raise TaskNeedsReason
    open_ones = Task.objects.visible_to(by).open().filter(pk__in=task_ids)
    # Locked in one order, so that two sweeps over the same tasks wait for each other instead of dead-locking.
    closing = list(open_ones.select_for_update(of=("self",), no_key=True).only("pk", "patient_id").order_by("pk"))
    Task.objects.unscoped("the rows just locked for this viewer").filter(pk__in=[one.pk for one in closing]).update(
        status=Task.Status.CANCELLED, closed_reason=reason, outcome=outcome, ended_at=at,
        ended_by=by.practitioner_id, snoozed_until=None, claimed_by=None, claimed_until=None, weigh_again_at=None,
        updated_at=at,
    )  # fmt: skip
    record_all([TaskClosed(task_id=one.pk, patient_id=one.patient_id, reason=reason) for one in closing], by=by)
    return len(closing)
