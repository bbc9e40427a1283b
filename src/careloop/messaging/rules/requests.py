"""What a room asks for when it wants a message to go, and what a sender gets in hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

Value = str | int | date


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRequest:
    """One message. `key` is stable, e.g. `plan:<id>:<step>:<date>:sms`: asking twice sends once.

    `params` may hold dates; they are written as the patient's language writes them. `expires_at`: after that the
    message is useless and is not sent (a reminder whose window is over).
    """

    key: str
    patient_id: UUID
    channel: str
    template_code: str
    params: Mapping[str, Value] = field(default_factory=dict)
    task_id: UUID | None = None
    contact_point_id: UUID | None = None
    link_id: UUID | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One claimed message, ready to leave. The text holds the link; it lives in memory only."""

    id: UUID
    key: str
    channel: str
    to: str
    subject: str
    text: str
    segments: int
    attempts: int  # this one included
    maybe_sent: bool


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def written(value: Value, language: str) -> str:
    """A parameter as text: 11月20日 or 20 Nov for a date."""
    if isinstance(value, date):
        return f"{value.month}月{value.day}日" if language == "zh" else f"{value.day} {_MONTHS[value.month - 1]}"
    return str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptData:
    """One receipt as a gateway told it."""

    receipt_id: str
    key: str
    status: str  # sent | delivered | failed
    code: str = ""
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyData:
    """One answer of a patient as a gateway told it."""

    message_id: str
    address: str
    text: str
    occurred_at: datetime
