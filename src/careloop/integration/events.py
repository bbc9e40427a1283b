"""What happened at the border. One fact for a batch: the messages themselves stay in the inbox."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from careloop.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesReceived(Event):
    """Messages were stored, before anybody was told so."""

    channel: str
    stored: int
    duplicates: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesProcessed(Event):
    """A batch went through: each message is applied, ignored, put back for later, or dead."""

    applied: int
    ignored: int
    retried: int
    dead: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageParked(Event):
    """A message could not be applied and waits for a person."""

    message_id: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesReplayed(Event):
    """A person sent messages through again."""

    count: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageContentSeen(Event):
    """A person read what a message says that belongs to no known patient yet."""

    message_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetBrought(Event):
    """A person brought a list of patients as a spreadsheet, to be checked. Nothing of it is a patient yet."""

    sheet_id: UUID
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetRead(Event):
    """A person said what the columns of a list mean and who issued its numbers."""

    sheet_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetStarted(Event):
    """A person had a list imported."""

    sheet_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetStored(Event):
    """The rows of a list went into the inbox: taken + known + other_person + kept_out = its rows."""

    sheet_id: UUID
    taken: int
    known: int
    other_person: int
    kept_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetRowsTaken(Event):
    """The rows that could not be taken in were handed out to be mended."""

    sheet_id: UUID
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetDropped(Event):
    """A list that was never imported was thrown away, by its owner or after a week."""

    sheet_id: UUID
