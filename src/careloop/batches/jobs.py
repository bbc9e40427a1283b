"""Working through batches: a turn at a time, so that one large batch does not keep the others waiting."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from procrastinate.exceptions import AlreadyEnqueued

from careloop.batches import actions, reads
from careloop.batches.models import Batch
from careloop.kernel.jobs import job, periodic
from careloop.kernel.viewer import Viewer

TURN_SECONDS = 20.0
QUIET = timedelta(minutes=2)  # after this without a sign of life another process takes over
MACHINE = Viewer.system("batches.run_batch")


@job(queue="batches")
def run_batch(event: dict[str, str]) -> None:
    """Work for a turn; queue the next turn when rows are left. Killed at any moment, it goes on where it was."""
    work_through(UUID(event["batch_id"]), seconds=TURN_SECONDS)


def work_through(batch_id: UUID, *, seconds: float) -> bool:
    """Chunks until none is left or the time is up. True when the batch is over."""
    until = time.monotonic() + seconds
    while (batch := Batch.objects.under_way().filter(pk=batch_id).first()) is not None:
        at = timezone.now()
        by = reads.viewer_of(batch, at=at)
        if by is None:
            actions.stop_batch(batch_id=batch_id, reason="right-is-gone", at=at, by=MACHINE)
            return True
        if not actions.work_on(batch_id=batch_id, at=at, by=by):
            return actions.finish_batch(batch_id=batch_id, at=at, by=by)
        if time.monotonic() >= until:
            next_turn(batch_id)
            return False
    return True


def next_turn(batch_id: UUID) -> None:
    """At most one turn of a batch waits in the queue."""
    with suppress(AlreadyEnqueued), transaction.atomic():
        run_batch.configure(queueing_lock=f"batches.turn:{batch_id}").defer(event={"batch_id": str(batch_id)})


@periodic("* * * * *", queue="batches")
def resume_batches(timestamp: int) -> None:
    """Every minute: batches without a sign of life get another turn."""
    for batch_id in Batch.objects.quiet_since(datetime.fromtimestamp(timestamp, UTC) - QUIET).values_list(
        "pk", flat=True
    ):
        next_turn(batch_id)


@periodic("25 18 * * *", queue="batches")
def purge_files(timestamp: int) -> None:
    """At night (02:25 in the hospital)."""
    actions.purge_files(at=datetime.fromtimestamp(timestamp, UTC), by=Viewer.system("batches.purge_files"))
