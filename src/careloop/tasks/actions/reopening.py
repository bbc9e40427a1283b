"""Work that was closed in bulk by mistake is opened again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record, record_all
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.tasks.events import TaskReopened
from careloop.tasks.models import Task


class NotClosedLikeThis(Refused):
    """It is open, or it was done or closed for another reason; that is not taken back here."""

    code = "not-closed-like-this"
    message = _("This task is not closed for that reason any more.")


@action
def reopen_task(*, task_id: UUID, closed_reason: str, at: datetime, by: Viewer) -> None:
    """Open a task again that was closed with this reason without anybody being contacted. Refused: NotClosedLikeThis."""
    task = Task.objects.visible_to(by).select_for_update(of=("self",), no_key=True).filter(pk=task_id).first()
    closed = task is not None and task.status == Task.Status.CANCELLED and task.closed_reason == closed_reason
    if task is None or not closed or task.outcome:
        raise NotClosedLikeThis
    Task.objects.unscoped("the row just locked for this viewer").filter(pk=task.pk).update(
        status=Task.Status.REQUESTED, closed_reason="", ended_at=None, ended_by=None, updated_at=at
    )
    record(TaskReopened(task_id=task.pk, patient_id=task.patient_id, undone=closed_reason), by=by)


@action
def restore_tasks(
    *, before: Mapping[UUID, Mapping[str, Any]], closed_reason: str, at: datetime, by: Viewer
) -> list[UUID]:
    """Open tasks again that were closed with this reason, with what they held before (`Task.what_closing_loses`).

    All or nothing. Refused: NotClosedLikeThis when one of them is open, done, or closed for another reason.
    """
    rows = Task.objects.visible_to(by).filter(pk__in=list(before)).order_by("pk")
    locked = list(rows.select_for_update(of=("self",), no_key=True))
    if len(locked) != len(before) or any(
        task.status != Task.Status.CANCELLED or task.closed_reason != closed_reason for task in locked
    ):
        raise NotClosedLikeThis
    for task in locked:
        kept = before[task.pk]
        task.status, task.closed_reason, task.outcome = Task.Status.REQUESTED, "", ""
        task.ended_at, task.ended_by_id, task.updated_at = None, None, at
        task.snoozed_until = parse_datetime(kept["snoozed_until"]) if kept.get("snoozed_until") else None
        task.claimed_until = parse_datetime(kept["claimed_until"]) if kept.get("claimed_until") else None
        task.claimed_by_id = UUID(kept["claimed_by_id"]) if kept.get("claimed_by_id") else None
    fields = ["status", "closed_reason", "outcome", "ended_at", "ended_by", "updated_at"]
    Task.objects.unscoped("the rows just locked for this viewer").bulk_update(
        locked, [*fields, "snoozed_until", "claimed_until", "claimed_by"]
    )
    reopened = [TaskReopened(task_id=t.pk, patient_id=t.patient_id, undone=closed_reason) for t in locked]
    record_all(reopened, by=by)
    return [task.pk for task in locked]
