"""One row of long work, and how the work stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

KEPT = timedelta(days=7)  # how long a result file can be downloaded
UNDOABLE = timedelta(hours=24)  # how long finished work can be taken back; later too much has been built on it
PART = 1024 * 1024  # bytes of a result file in one row


@dataclass(frozen=True, slots=True)
class Item:
    """One row to work on. `data` are ids and codes that the worker needs besides; never personal data."""

    key: str
    subject_id: UUID | None
    data: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Skip:
    """What a worker gives back when it passed a row over and what it wrote about that shall stay (a refusal takes it back)."""

    reason: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a kind would do with some subjects, before it starts: the rows, and who is left out with one reason each."""

    items: tuple[Item, ...]
    left_out: Mapping[UUID, str]


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one row: done, skipped or failed, with the code of the reason and what an undo must know."""

    key: str
    state: str
    reason: str = ""
    result: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Progress:
    """The counts of a batch. done + skipped + failed + waiting = total, always."""

    total: int
    done: int
    skipped: int
    failed: int

    @property
    def settled(self) -> int:
        return self.done + self.skipped + self.failed

    @property
    def waiting(self) -> int:
        return self.total - self.settled

    def shares(self) -> tuple[tuple[float, str], ...]:
        """Of the bar: done, skipped, failed, in percent; never more than the whole."""
        whole = max(self.total, 1)
        return (
            (round(100 * self.done / whole, 1), "ok"),
            (round(100 * self.skipped / whole, 1), "watch"),
            (round(100 * self.failed / whole, 1), "crit"),
        )


def end_state(progress: Progress) -> str:
    """A batch in which every row broke has failed; one that passed rows over for a reason has done its work."""
    return "failed" if progress.total and progress.failed == progress.total else "done"


def parts(data: bytes, size: int = PART) -> list[bytes]:
    """A file in pieces that fit into rows; an empty file has none."""
    return [data[start : start + size] for start in range(0, len(data), size)]
