"""Start, stop, go on with and take back long work."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, OperationalError, transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.batches import reads
from careloop.batches.events import (
    BatchFilesPurged,
    BatchFileStored,
    BatchFileTaken,
    BatchFinished,
    BatchItemsSettled,
    BatchStarted,
    BatchStopped,
)
from careloop.batches.models import Batch, BatchFile, BatchFilePart, BatchItem
from careloop.batches.rules import KEPT, Item, Settled, Skip, end_state, parts
from careloop.kernel.actions import action, savepoint
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer

logger = logging.getLogger(__name__)
ROWS = 2000  # written in one statement


class NothingToDo(Refused):
    """Not one row is left to work on. Change the selection."""

    code = "batch-empty"
    message = _("Not one row is left to work on. Change the selection.")


class BatchKeyTaken(Refused):
    """The same key was already used for other work."""

    code = "batch-key-taken"
    message = _("This was already started as other work. Load the page again.")


class BatchOver(Refused):
    """It is over; there is nothing to stop."""

    code = "batch-over"
    message = _("This work is already over; there is nothing to stop.")


class CannotUndo(Refused):
    """It cannot be taken back (any more)."""

    code = "batch-cannot-undo"
    message = _("This cannot be taken back: too much time has passed, it was already taken back, or nothing was done.")


class FileGone(Refused):
    """The file's time is over."""

    code = "batch-file-gone"
    message = _("The file is no longer kept. Start the work again to get a new one.")


@action
def start_batch(
    *,
    kind: str,
    title: str,
    key: str,
    items: Sequence[Item | tuple[str, UUID | None]],
    parameters: Mapping[str, object],
    at: datetime,
    by: Viewer,
    undo_of: Batch | None = None,
) -> Batch:
    """Ask for work on `items`; the same key again gives back the first batch and starts nothing.

    Refused: no items (NothingToDo), a key that somebody else or another kind has used (BatchKeyTaken). Items with the
    same key twice are a mistake of the caller and raise IntegrityError.
    """
    reads.kind(kind)
    existing = _existing(key, kind, by)
    if existing is not None:
        return existing
    if not items:
        raise NothingToDo
    try:
        with transaction.atomic():  # the loser of a race finds the winner's batch below
            batch = Batch.objects.create(
                kind=kind, title=title, key=key, requested_by_id=by.practitioner_id, total=len(items),
                parameters=dict(parameters), heartbeat_at=at, undo_of=undo_of,
            )  # fmt: skip
    except IntegrityError:
        existing = _existing(key, kind, by)
        if existing is None:
            raise
        return existing
    rows = (i if isinstance(i, Item) else Item(*i) for i in items)
    BatchItem.objects.bulk_create(
        (
            BatchItem(batch=batch, number=n, key=i.key, subject_id=i.subject_id, data=dict(i.data))
            for n, i in enumerate(rows)
        ),
        batch_size=ROWS,
    )
    undone = undo_of.pk if undo_of else None
    record(BatchStarted(batch_id=batch.pk, kind=kind, total=len(items), undo_of=undone), by=by)
    return batch


def _existing(key: str, kind: str, by: Viewer) -> Batch | None:
    batch = Batch.objects.filter(key=key).first()
    if batch is not None and (batch.kind != kind or batch.requested_by_id != by.practitioner_id):
        raise BatchKeyTaken
    return batch


@action
def stop_batch(*, batch_id: UUID, at: datetime, by: Viewer, reason: str = "asked") -> Batch:
    """No further row is begun; the rows being worked on at this moment are finished. What was done stays done."""
    batch = Batch.objects.of(by).select_for_update(of=("self",), no_key=True).get(pk=batch_id)
    if not batch.is_under_way:
        raise BatchOver
    batch.state, batch.finished_at, batch.stop_reason = Batch.State.STOPPED, at, reason
    batch.save(update_fields=["state", "finished_at", "stop_reason", "updated_at"])
    record(BatchStopped(batch_id=batch.pk, reason=reason, left=batch.progress.waiting), by=by)
    return batch


@action
def work_on(*, batch_id: UUID, at: datetime, by: Viewer) -> int:
    """The next rows of a batch, in one transaction: a row's work and its mark are written together or not at all.

    `by` is the requester's viewer. Several processes may do this at once; each takes rows no other one has. Gives back how
    many rows were settled; 0 means that none is left to take, or that the batch is no longer under way.
    """
    batch = Batch.objects.under_way().filter(pk=batch_id).first()
    if batch is None:
        return 0
    kind = reads.kind(batch.kind)
    waiting = list(
        BatchItem.objects.filter(batch_id=batch_id, state=BatchItem.State.WAITING)
        .order_by("number").select_for_update(of=("self",), skip_locked=True)[: kind.chunk]
    )  # fmt: skip
    if not waiting:
        return 0
    settled = _settle_chunk(kind, batch, waiting, at, by)
    return settle_items(batch_id=batch_id, settled=settled, at=at, by=by)


def _settle_chunk(
    kind: reads.BatchKind, batch: Batch, rows: Sequence[BatchItem], at: datetime, by: Viewer
) -> list[Settled]:
    """All of a chunk at once where the kind can; row by row where it cannot, or where that broke."""
    if kind.work_many is not None:
        items = [Item(row.key, row.subject_id, row.data) for row in rows]
        try:
            with savepoint():
                told = kind.work_many(items=items, batch_id=batch.pk, parameters=batch.parameters, at=at, by=by)
                return [_settled(row.key, told[row.key]) for row in rows]
        except OperationalError:
            raise
        except Exception as error:
            logger.warning("batch %s, a chunk of %s rows broke: %s", batch.pk, len(rows), type(error).__name__)
    return [_settle_one(kind, batch, row, at, by) for row in rows]


def _settle_one(kind: reads.BatchKind, batch: Batch, row: BatchItem, at: datetime, by: Viewer) -> Settled:
    item = Item(row.key, row.subject_id, row.data)
    try:
        with savepoint():
            result = kind.work(item=item, batch_id=batch.pk, parameters=batch.parameters, at=at, by=by)
    except Refused as refusal:
        return Settled(row.key, BatchItem.State.SKIPPED, refusal.code)
    except OperationalError:  # a deadlock, a lost connection: the whole chunk is tried again
        raise
    except Exception as error:
        # One broken row must not keep four hundred others waiting. The class alone is logged: a message may hold data.
        logger.error("batch %s, row %s failed: %s", batch.pk, row.number, type(error).__name__)
        return Settled(row.key, BatchItem.State.FAILED, f"error-{type(error).__name__}"[:60])
    return _settled(row.key, result)


def _settled(key: str, result: Mapping[str, object] | Skip | Refused | None) -> Settled:
    if isinstance(result, Refused):
        return Settled(key, BatchItem.State.SKIPPED, result.code)
    if isinstance(result, Skip):
        return Settled(key, BatchItem.State.SKIPPED, result.reason)
    return Settled(key, BatchItem.State.DONE, "", result or {})


@action
def settle_items(*, batch_id: UUID, settled: Sequence[Settled], at: datetime, by: Viewer) -> int:
    """Mark rows and move the counts with them. A row that is already settled is left alone. Gives back how many were."""
    told = {s.key: s for s in settled}
    rows = list(
        BatchItem.objects.filter(batch_id=batch_id, key__in=told, state=BatchItem.State.WAITING)
        .order_by("number").select_for_update(of=("self",))
    )  # fmt: skip
    for row in rows:
        new = told[row.key]
        row.state, row.reason, row.result = new.state, new.reason, dict(new.result)
    if not rows:
        return 0
    BatchItem.objects.bulk_update(rows, ["state", "reason", "result"])
    count = {state: sum(row.state == state for row in rows) for state in ("done", "skipped", "failed")}
    Batch.objects.filter(pk=batch_id).update(
        **{name: F(name) + n for name, n in count.items()}, heartbeat_at=at, updated_at=at
    )
    Batch.objects.filter(pk=batch_id, state=Batch.State.QUEUED).update(state=Batch.State.RUNNING, started_at=at)
    record(
        BatchItemsSettled(batch_id=batch_id, done=count["done"], skipped=count["skipped"], failed=count["failed"]),
        by=by,
    )
    return len(rows)


@action
def finish_batch(*, batch_id: UUID, at: datetime, by: Viewer) -> bool:
    """Close a batch whose rows are all settled; the kind's last step belongs to the same transaction, so it counts once.

    Gives back False while rows are waiting (another process may still be at them) or when it is already over.
    """
    batch = Batch.objects.select_for_update(of=("self",), no_key=True).get(pk=batch_id)
    waiting = BatchItem.objects.filter(batch_id=batch_id, state=BatchItem.State.WAITING).exists()
    if waiting or not batch.is_under_way:
        return False
    finish = reads.kind(batch.kind).finish
    if finish is not None and batch.done:
        batch.result = dict(finish(batch_id=batch.pk, at=at, by=by) or {})
    batch.state, batch.finished_at = end_state(batch.progress), at
    batch.save(update_fields=["state", "finished_at", "result", "updated_at"])
    told = batch.progress
    record(
        BatchFinished(
            batch_id=batch.pk, kind=batch.kind, state=batch.state, done=told.done, skipped=told.skipped, failed=told.failed
        ),
        by=by,
    )  # fmt: skip
    return True


@action
def undo_batch(*, batch_id: UUID, at: datetime, by: Viewer) -> Batch:
    """Take back the rows that were done, as a batch of its own. Refused: CannotUndo. Twice gives the same batch."""
    batch = Batch.objects.of(by).select_for_update(of=("self",), no_key=True).get(pk=batch_id)
    earlier = Batch.objects.filter(undo_of=batch).first()
    if earlier is not None:
        return earlier
    if not reads.can_undo(batch, at=at):
        raise CannotUndo
    done = BatchItem.objects.filter(batch=batch, state=BatchItem.State.DONE).order_by("number")
    items = [Item(row.key, row.subject_id, {**row.data, **row.result}) for row in done]
    return start_batch(
        kind=reads.kind(batch.kind).undo, title=batch.title, key=f"undo:{batch.pk}", items=items,
        parameters=batch.parameters, at=at, by=by, undo_of=batch,
    )  # fmt: skip


@action
def store_result_file(
    *, batch_id: UUID, name: str, content_type: str, data: bytes, at: datetime, by: Viewer
) -> BatchFile:
    """Keep the result for its requester; a second file replaces the first. `name` says nothing about persons."""
    file, __ = BatchFile.objects.update_or_create(
        batch_id=batch_id,
        defaults={
            "name": name, "content_type": content_type, "size": len(data), "sha256": hashlib.sha256(data).hexdigest(),
            "expires_at": at + KEPT, "purged_at": None,
        },
    )  # fmt: skip
    BatchFilePart.objects.filter(file=file).delete()
    for number, part in enumerate(parts(data)):
        BatchFilePart.objects.create(file=file, number=number, content=part)
    record(BatchFileStored(batch_id=batch_id, file_id=file.pk, size=len(data)), by=by)
    return file


@action
def take_file(*, batch_id: UUID, at: datetime, by: Viewer) -> BatchFile:
    """Hand the result out and write down that it was. Refused: FileGone."""
    batch = Batch.objects.of(by).get(pk=batch_id)
    file = reads.file_of(batch, at=at)
    if file is None:
        raise FileGone
    record(BatchFileTaken(batch_id=batch.pk, file_id=file.pk, kind=batch.kind, sha256=file.sha256), by=by)
    return file


@action
def purge_files(*, at: datetime, by: Viewer) -> int:
    """Remove the content of files whose time is over; which file it was, how large and who took it stays known."""
    over = list(BatchFile.objects.filter(purged_at__isnull=True, expires_at__lte=at).select_for_update(of=("self",)))
    if not over:
        return 0
    BatchFilePart.objects.filter(file__in=over).delete()
    BatchFile.objects.filter(pk__in=[file.pk for file in over]).update(purged_at=at, updated_at=at)
    record(BatchFilesPurged(files=tuple(str(file.pk) for file in over)), by=by)
    return len(over)
