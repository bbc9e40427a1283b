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
