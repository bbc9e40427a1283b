"""What the clock and the queue ask: whose ladder moves now, which plans to look at, which tasks are astray."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef

from careloop.plans.models import CarePlan, LadderRun
from careloop.tasks.models import Task


def patients_with_due_ladders(*, at: datetime, limit: int) -> list[UUID]:
    """Patients with a ladder whose next move is due, oldest first."""
    rows = LadderRun.objects.unscoped("the channel job").filter(next_move_at__lte=at)
    ids = rows.order_by("next_move_at", "pk").values_list("patient_id", flat=True)[: limit * 4]
    return list(dict.fromkeys(ids))[:limit]


def active_plan_batches(size: int) -> Iterator[list[UUID]]:
    """All active plans in slices, by key, so that the memory stays small."""
    last: UUID | None = None
    while True:
        rows = CarePlan.objects.unscoped("the nightly look").active().order_by("pk")
        ids = list((rows.filter(pk__gt=last) if last else rows).values_list("pk", flat=True)[:size])
        if not ids:
            return
        yield ids
        last = ids[-1]


def open_task_ids(care_plan_ids: Sequence[UUID]) -> list[UUID]:
    """The open tasks of these plans."""
    rows = Task.objects.unscoped("the plan's own tasks").open().filter(care_plan_id__in=list(care_plan_ids))
    return list(rows.order_by("pk").values_list("pk", flat=True))


def orphan_task_ids() -> list[UUID]:
    """Open tasks that belong to a plan that is not active (or to none that exists)."""
    active = CarePlan.objects.unscoped("the orphan check").active().filter(pk=OuterRef("care_plan_id"))
    rows = Task.objects.unscoped("the orphan check").open().filter(care_plan_id__isnull=False)
    return list(rows.filter(~Exists(active)).order_by("pk").values_list("pk", flat=True))
