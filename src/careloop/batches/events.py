"""What happens to long work in the background. The rows it changed leave their own facts."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from careloop.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchStarted(Event):
    """Somebody asked for work on many rows. `undo_of` names the batch that this one takes back."""

    batch_id: UUID
    kind: str
    total: int
    undo_of: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchItemsSettled(Event):
    """Some rows of a batch were worked on, or passed over with a reason."""

    batch_id: UUID
    done: int
    skipped: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchStopped(Event):
    """A person stopped it, or nobody may do this work any more; what was done stays done."""

    batch_id: UUID
    reason: str
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFinished(Event):
    """Every row of it was settled."""

    batch_id: UUID
    kind: str
    state: str
    done: int
    skipped: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFileStored(Event):
    """Its result can be downloaded until `expires_at`."""

    batch_id: UUID
    file_id: UUID
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFileTaken(Event):
    """Somebody took the result file away: who, when and from where stand in the audit row itself."""

    batch_id: UUID
    file_id: UUID
    kind: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFilesPurged(Event):
    """Result files whose time was over lost their content."""

    files: tuple[str, ...]
