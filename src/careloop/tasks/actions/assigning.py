"""Who does what: by hand, or shared out fairly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from careloop.audit.record import record, record_all
from careloop.kernel.actions import action
from careloop.kernel.viewer import Viewer
from careloop.tasks import reads, rules
from careloop.tasks.events import TasksAssigned
from careloop.tasks.models import Task


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
def distribute_tasks(*, at: datetime, by: Viewer) -> rules.Distribution:
    """Share today's unowned work among the people who call: within capacity, fair, the same nurse where it is free."""
    situation = reads.sharing_situation(viewer=by, at=at)
    result = rules.distribute(situation.units, situation.workers)
    shares: dict[tuple[UUID, str], list[UUID]] = {}
    for share in result.shares:
        shares.setdefault((share.worker_id, share.why), []).extend(situation.tasks[share.unit_id])
    for (worker_id, _why), ids in shares.items():
        Task.objects.visible_to(by).open().filter(pk__in=ids).update(owner_id=worker_id, updated_at=at)
    record_all(
        [TasksAssigned(task_ids=tuple(ids), owner_id=worker, why=why) for (worker, why), ids in shares.items()], by=by
    )
    return result
