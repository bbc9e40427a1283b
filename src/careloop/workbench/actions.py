"""What the call screen writes in one go, over several rooms."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from careloop.kernel.actions import action
from careloop.kernel.viewer import Viewer
from careloop.tasks import actions as tasks
from careloop.tasks.models import Task


@action
def finish_call(
    *,
    task: Task,
    contact_point_id: UUID | None,
    outcome: str,
    note: str,
    started_at: datetime,
    promised_at: datetime | None,
    at: datetime,
    by: Viewer,
) -> tasks.AttemptResult:
    """The result of a call, and with it the answers when they are complete. Both or neither."""
    return tasks.record_attempt(
        task=task, contact_point_id=contact_point_id, outcome=outcome, at=at, by=by, note=note, started_at=started_at,
        promised_at=promised_at,
    )  # fmt: skip
