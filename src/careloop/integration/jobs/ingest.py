"""`careloop hl7 ingest`: messages from files and folders, through the same inbox."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from careloop.integration import reads
from careloop.integration.actions import Incoming, receive_messages
from careloop.integration.hl7v2.framing import split_file
from careloop.integration.hl7v2.intake import take_in
from careloop.integration.jobs.process import announce, helped, process_inbox
from careloop.integration.models import InboxMessage
from careloop.kernel.viewer import Viewer

SUFFIXES = frozenset({".hl7", ".txt", ".dat", ".msg", ".out", ""})
HELPERS = 1
"""Beside the process that reads: each keeps a core busy, with the part of the database that works for it."""
_BATCH_COUNT = 200
_BATCH_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the messages of a run. received = stored + duplicates."""

    received: int
    stored: int
    duplicates: int
    applied: int
    ignored: dict[str, int]
    waiting: int
    dead: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        return {
            "received": self.received,
            "stored": self.stored,
            "duplicates": self.duplicates,
            "applied": self.applied,
            "ignored": self.ignored,
            "waiting": self.waiting,
            "dead": self.dead,
        }


def ingest(paths: Sequence[Path], *, process: bool = True, helpers: int = 0) -> Report:
    """Store every message of these files and folders, in order of file name, then apply them.

    `helpers`: processes that apply what is stored while the rest is read, and along with this one. A file we cannot open
    raises OSError before anything of it is stored.
    """
    by = Viewer.system("integration.ingest")
    received, new = 0, list[UUID]()
    with helped(helpers if process else 0):
        for batch in _batches(paths):
            receipts = receive_messages(incoming=batch, at=timezone.now(), by=by)
            received += len(receipts)
            new += [receipt.message_id for receipt in receipts if receipt.is_new]
            if not process:
                announce()
        if process:
            process_inbox()
    if process and helpers:
        process_inbox()  # messages of patients whom a helper held, or whose helper stumbled or was killed
    outcome = reads.outcome_of(new)
    return Report(
        received=received,
        stored=len(new),
        duplicates=received - len(new),
        applied=outcome.applied,
        ignored=outcome.ignored,
        waiting=outcome.waiting,
        dead=outcome.dead,
    )


def _batches(paths: Sequence[Path]) -> Iterator[list[Incoming]]:
    batch: list[Incoming] = []
    size = 0
    for path in _files(paths):
        for raw in split_file(path.read_bytes()):
            intake = take_in(raw, site=reads.site(), charset=settings.ENV.hl7_charset)
            batch.append(Incoming(intake, InboxMessage.Channel.FILE, path.name))
            size += len(raw)
            if len(batch) >= _BATCH_COUNT or size >= _BATCH_BYTES:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.rglob("*") if each.is_file() and each.suffix.lower() in SUFFIXES)
        else:
            yield path
