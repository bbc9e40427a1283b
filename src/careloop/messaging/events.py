"""What happened to messages. Ids and codes only: never a number, a name or a text."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from careloop.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunicationQueued(Event):
    """A message was written down and will be sent when its time comes."""

    communication_id: UUID
    task_id: UUID | None = None
    channel: str = ""
    template: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunicationsClaimed(Event):
    """One sender took a batch: so many to send, held, stopped. One fact per batch, because it is one decision."""

    token: UUID
    claimed: int
    held: int
    stopped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunicationsReleased(Event):
    """A sender gave messages back untried."""

    token: UUID
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunicationsSent(Event):
    """Gateways took these. `task_ids` has one entry per message, empty text without a task. Ids as text: it is many."""

    communication_ids: tuple[str, ...]
    task_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunicationsPostponed(Event):
    """Gateways did not take these for now."""

    communication_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunicationsDelivered(Event):
    """These reached the phone, mailbox or inbox."""

    communication_ids: tuple[str, ...]
    task_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stopped(Event):
    """One message whose way ended before the patient, as far as we know."""

    communication_id: UUID
    task_id: UUID | None = None
    channel: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunicationFailed(_Stopped):
    """One message did not reach the patient and is not tried again: try another way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunicationUnknown(_Stopped):
    """One message may have gone or not. Somebody has to look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunicationSuppressed(_Stopped):
    """One message was held back for good, for a reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunicationSettled(Event):
    """A person decided about a failed or unknown message."""

    communication_id: UUID
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunicationOwned(Event):
    """A person took a failed or unknown message over."""

    communication_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunicationsMoved(Event):
    """Open messages went to another record of the same person."""

    to_patient_id: UUID
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunicationsRead(Event):
    """The patient opened these in the inbox of the patient pages."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptsStored(Event):
    """A gateway told what became of messages. `unmatched`: receipts for keys that we do not know."""

    gateway: str
    count: int
    unmatched: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyReceived(Event):
    """A patient answered. `intent`: stop, start, call-me or text."""

    inbound_id: UUID
    intent: str
    task_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyHandled(Event):
    """A person read the answer and dealt with it."""

    inbound_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateChanged(Event):
    """A template version was written, submitted, approved, rejected or retired."""

    code: str
    channel: str
    version: int
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxStalled(Event):
    """Alarm: messages that are due are not being sent."""

    oldest_due_seconds: int
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsRescued(Event):
    """Background jobs of dead workers were given to living ones."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffMessageQueued(Event):
    """Somebody who works here is told something; by SMS it leaves by a job, in the own inbox it is there."""

    message_id: UUID
    way: str
    template: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffMessageSettled(Event):
    """One try to send a message to staff, and what became of it."""

    message_id: UUID
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffMessagesRead(Event):
    """Somebody read their own messages."""

    count: int
