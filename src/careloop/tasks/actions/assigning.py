"""Who does what: by hand, or as the distribution of the day says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from careloop.audit.record import record, record_all
from careloop.kernel.actions import action, wrote
from careloop.kernel.viewer import Viewer
from careloop.tasks.events import TasksAssigned
from careloop.tasks.models import Task
from careloop.tasks.rules import HandOut

# Rows are held in one order first, and looked at again once they are held: two runs at once never give a task twice.
_HAND_OUT = """
WITH given AS (SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[]) AS given (id, owner, before)),
held AS (
    SELECT t.id FROM tasks_task t JOIN given ON given.id = t.id
    WHERE t.status = 'requested' AND t.owner_id IS NOT DISTINCT FROM given.before
    ORDER BY t.id FOR NO KEY UPDATE OF t
)
UPDATE tasks_task SET owner_id = given.owner, updated_at = %s
FROM held JOIN given ON given.id = held.id WHERE tasks_task.id = held.id
RETURNING tasks_task.id
"""


@action
def assign_tasks(
    *, task_ids: Sequence[UUID], owner_id: UUID | None, at: datetime, by: Viewer, why: str = "by-hand"
) -> int:
    """Give open tasks to a person, or back to everybody with None. Tasks that are not open are left alone."""
    open_ones = Task.objects.visible_to(by).open().filter(pk__in=task_ids)
    locked = open_ones.select_for_update(of=("self",), no_key=True).only("pk").order_by("pk")
    ids = tuple(one.pk for one in locked)
    if ids:
        Task.objects.unscoped("the rows just locked for this viewer").filter(pk__in=ids).update(
            owner_id=owner_id, updated_at=at
        )
        record(TasksAssigned(task_ids=ids, owner_id=owner_id, why=why), by=by)
    return len(ids)


@action
def hand_out(*, given: Sequence[HandOut], at: datetime, by: Viewer) -> list[UUID]:
    """Write many owners in one statement. Gives back which tasks got theirs.

    A task that is no longer open, or whose owner is no longer the one the distribution saw, is left alone. The caller
    has found the tasks through the viewer's scope.
    """
    if not given:
        return []
    columns: list[Any] = [
        [one.task_id for one in given], [one.owner_id for one in given], [one.before for one in given], at,
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_HAND_OUT, columns)
        moved = [row[0] for row in cursor.fetchall()]
    wrote("Task", len(moved))
    record_all(_facts(given, frozenset(moved)), by=by)
    return moved


def _facts(given: Sequence[HandOut], moved: frozenset[UUID]) -> list[TasksAssigned]:
    """One fact per person and reason: that is one decision."""
    together: dict[tuple[UUID | None, str], list[UUID]] = {}
    for one in given:
        if one.task_id in moved:
            together.setdefault((one.owner_id, one.why), []).append(one.task_id)
    return [TasksAssigned(task_ids=tuple(ids), owner_id=owner, why=why) for (owner, why), ids in together.items()]
