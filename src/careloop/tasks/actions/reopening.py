"""Work that was closed in bulk by mistake is opened again."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
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
