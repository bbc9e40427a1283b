"""The kinds of long work there are, and how a batch stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Protocol
from uuid import UUID

from django.conf import settings
from django.db.models import Count
from django.utils.functional import Promise
from django.utils.module_loading import import_string

from careloop.accounts.models import Practitioner
from careloop.accounts.reads import viewer_for
from careloop.batches.models import Batch, BatchFile, BatchFilePart, BatchItem
from careloop.batches.rules import UNDOABLE, Item, Prepared, Skip
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer


class Work(Protocol):
    """Does one row, by calling one action of the room whose work it is.

    Gives back what an undo must know (ids and codes). A `Refused` passes the row over with its code as the reason;
    any other exception marks the row as failed and the batch goes on. Both take back what the row had begun to write;
    giving back a `Skip` passes it over and keeps that.
    """

    def __call__(
        self, *, item: Item, batch_id: UUID, parameters: Mapping[str, object], at: datetime, by: Viewer
    ) -> Mapping[str, object] | Skip | None: ...


class WorkMany(Protocol):
    """Does a whole chunk with few statements, by calling one action; for kinds with hundreds of rows.

    Gives back, by the key of each item, what `Work` would give back for it, or the `Refused` it would have raised (nothing
    of that row may be written then). When it raises, everything is taken back and the chunk is done row by row, so that
    one broken row is found and the others go on.
    """

    def __call__(
        self, *, items: Sequence[Item], batch_id: UUID, parameters: Mapping[str, object], at: datetime, by: Viewer
    ) -> Mapping[str, Mapping[str, object] | Skip | Refused | None]: ...


class Prepare(Protocol):
    """Sorts subjects into rows to do and those left out with the code of the reason. Reads only; each subject once."""

    def __call__(
        self, *, subject_ids: Sequence[UUID], parameters: Mapping[str, object], viewer: Viewer, at: datetime
    ) -> Prepared: ...


class Choices(Protocol):
    """What has to be chosen before the work starts, e.g. which letter: (value, words) each."""

    def __call__(self, *, viewer: Viewer) -> Sequence[tuple[str, str]]: ...


class Finish(Protocol):
    """Runs once after the last row, for example to bind the pages; gives back what the batch's page may tell."""

    def __call__(self, *, batch_id: UUID, at: datetime, by: Viewer) -> Mapping[str, object] | None: ...


class Describe(Protocol):
    """Words and address of rows, for the list of those that were passed over: subject id → (text, url)."""

    def __call__(self, *, subject_ids: Sequence[UUID], viewer: Viewer) -> Mapping[UUID, tuple[str, str]]: ...


def _refusal_words(code: str) -> str:
    return reason_words(code)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchKind:
    """One line of config/batches.py.

    `chunk` rows share a transaction: few when a row is slow, many when it is quick. `undo` names the kind that takes one
    row back. `permission` is what the requester must still have when the work is done and when the file is taken.
    `words` says a reason that is no refusal's code in words. `choices` and `prepare` let a room that stands beside the owner offer the work for its own subjects: what can be
    chosen, and who would be in or left out.
    """

    label: str | Promise
    work: Work
    permission: str
    chunk: int = 20
    finish: Finish | None = None
    describe: Describe | None = None
    undo: str = ""
    work_many: WorkMany | None = None
    words: Callable[[str], str] = _refusal_words
    choices: Choices | None = None
    prepare: Prepare | None = None


class UnknownBatchKind(LookupError):
    """A batch was started for which config/batches.py has no line."""


@cache
def _kinds() -> Mapping[str, BatchKind]:
    kinds: Mapping[str, BatchKind] = import_string(settings.BATCH_KINDS)
    return kinds


def kind(code: str) -> BatchKind:
    """The line of the map. Raises UnknownBatchKind: that is a mistake in the program."""
    try:
        return _kinds()[code]
    except KeyError:
        raise UnknownBatchKind(code) from None


def viewer_of(batch: Batch, *, at: datetime) -> Viewer | None:
    """Whose rights the work has: the requester's of this moment. None when these are gone."""
    if batch.requested_by_id is None:
        return Viewer.system(f"batches.{batch.kind}")
    person = Practitioner.objects.filter(pk=batch.requested_by_id, is_active=True).first()
    viewer = viewer_for(person, at=at) if person else None
    permission = kind(batch.kind).permission
    return viewer.within(permission) if viewer is not None and viewer.can(permission) else None


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """How many rows share one reason."""

    state: str
    code: str
    words: str
    count: int


def reasons(batch: Batch) -> list[ReasonCount]:
    """Why rows were passed over or did not work, the most frequent first."""
    rows = (
        BatchItem.objects.filter(batch=batch).exclude(reason="").values_list("state", "reason")
        .annotate(n=Count("pk")).order_by("-n", "reason")
    )  # fmt: skip
    return [ReasonCount(state, code, kind(batch.kind).words(code), n) for state, code, n in rows]


@dataclass(frozen=True, slots=True)
class PassedOver:
    """One row with a reason, in the words of the room it belongs to."""

    text: str
    url: str
    state: str
    words: str


def passed_over(batch: Batch, *, viewer: Viewer, limit: int = 200) -> list[PassedOver]:
    """The first rows that were not done and why. Rows the viewer may not see any more have no words."""
    rows = list(
        BatchItem.objects.filter(batch=batch).exclude(reason="").order_by("number").values_list("subject_id", "state", "reason")[:limit]
    )  # fmt: skip
    describe = kind(batch.kind).describe
    known = describe(subject_ids=[s for s, *__ in rows if s], viewer=viewer) if describe and rows else {}
    return [
        PassedOver(*known.get(s, ("", "")) if s else ("", ""), state, kind(batch.kind).words(code))
        for s, state, code in rows
    ]


def reason_words(code: str) -> str:
    """The sentence of the refusal that has this code; the code itself when no such class is loaded (any more)."""
    found = _refusals().get(code)
    return str(found.message or found.__doc__ or code) if found else code


def _refusals() -> dict[str, type[Refused]]:
    """Every refusal of the running program by its code."""
    known: dict[str, type[Refused]] = {}
    left: list[type[Refused]] = [Refused]
    while left:
        cls = left.pop()
        known.setdefault(cls.code, cls)
        left += cls.__subclasses__()
    return known


def file_of(batch: Batch, *, at: datetime) -> BatchFile | None:
    """The result, while it can still be taken."""
    return BatchFile.objects.filter(batch=batch, purged_at__isnull=True, expires_at__gt=at).first()


def content(file: BatchFile) -> Iterator[bytes]:
    """The parts in order, one in memory at a time."""
    numbers = list(BatchFilePart.objects.filter(file=file).order_by("number").values_list("number", flat=True))
    for number in numbers:
        yield bytes(BatchFilePart.objects.values_list("content", flat=True).get(file=file, number=number))


def can_undo(batch: Batch, *, at: datetime) -> bool:
    """Whether the kind can be taken back, something was done, it is recent, and nobody has done it yet."""
    return bool(
        kind(batch.kind).undo
        and batch.done
        and not batch.is_under_way
        and batch.finished_at
        and at - batch.finished_at <= UNDOABLE
        and not Batch.objects.filter(undo_of=batch).exists()
    )
