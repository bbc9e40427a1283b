"""What the clock and the queue ask: whose ladder moves now, which plans to look at, which tasks are worth a message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from uuid import UUID

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


def ended_task(task_id: UUID) -> Task | None:
    """A task with its plan, if it is over."""
    return Task.objects.unscoped("the machine follows a fact").filter(pk=task_id).exclude(status="requested").first()


def worth_sending(task_ids: Sequence[UUID]) -> set[UUID]:
    """Asked by the sender just before a message leaves (pain 5): tasks of a plan count only while the plan runs."""
    rows = Task.objects.unscoped("the sender's last question").filter(pk__in=list(task_ids))
    tasks = list(rows.values_list("pk", "status", "care_plan_id"))
    running = _active({plan_id for _pk, _status, plan_id in tasks if plan_id})
    return {pk for pk, status, plan_id in tasks if status == "requested" and (plan_id is None or plan_id in running)}


def _active(plan_ids: Iterable[UUID]) -> set[UUID]:
    plans = CarePlan.objects.unscoped("the sender's last question").active().filter(pk__in=list(plan_ids))
    return set(plans.values_list("pk", flat=True))
