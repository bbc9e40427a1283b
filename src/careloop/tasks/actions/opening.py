"""Scheduled work comes onto the list before its time; a message went out before it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.viewer import Viewer
from careloop.tasks.events import MessageNoted, TasksOpenedEarly
from careloop.tasks.models import Task


@action
def open_early(*, task_ids: Sequence[UUID], at: datetime, by: Viewer) -> int:
    """Put scheduled tasks on the list now. Those that are on it already, or over, are left alone."""
    scheduled = Task.objects.visible_to(by).open().filter(pk__in=list(task_ids), available_at__gt=at)
    locked = scheduled.select_for_update(of=("self",), no_key=True).only("pk").order_by("pk")
    ids = tuple(one.pk for one in locked)
    if ids:
        Task.objects.unscoped("the rows just locked for this viewer").filter(pk__in=ids).update(
            available_at=at, updated_at=at
        )
        record(TasksOpenedEarly(task_ids=ids), by=by)
    return len(ids)


@action
def note_message(*, task_ids: Sequence[UUID], state: str, at: datetime, by: Viewer) -> int:
    """A message about these tasks was sent, opened or answered; the list shows it, and the patient may answer online."""
    waiting = Task.objects.visible_to(by).open().filter(pk__in=list(task_ids)).exclude(message_state=state)
    changed = waiting.update(message_state=state, updated_at=at)
    if changed:
        record(MessageNoted(task_ids=tuple(task_ids), state=state), by=by)
    return changed
