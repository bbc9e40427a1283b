"""What an outside scheduling system says about an appointment, and what may follow what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

AppointmentEvent = Literal["booked", "changed", "cancelled", "no-show"]
"""SIU S12 → booked; S13 S14 → changed; S15 S16 S17 → cancelled (S17: deleted); S26 → no-show."""

STATUS_AFTER: dict[AppointmentEvent, str] = {
    "booked": "booked",
    "changed": "booked",
    "cancelled": "cancelled",
    "no-show": "noshow",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AppointmentData:
    """One appointment. Key = (source, number); `None` or `""` = nothing was said."""

    number: str
    """SCH-2 filler id, else SCH-1 placer id."""
    event: AppointmentEvent
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    service_code: str = ""
    service_text: str = ""
    """What for: AIS-3, else SCH-7 or SCH-8."""
    reason: str = ""
    place: str = ""
    """Where, in words (AIL-3)."""
    department_id: UUID | None = None
    practitioner_id: UUID | None = None
    practitioner_name: str = ""
    occurred_at: datetime | None = None
    """When the scheduling system said so: an older message never undoes a newer one."""


def next_status(*, now: str, event: AppointmentEvent) -> str:
    """The status after an event. A kept appointment stays kept: a late "cancelled" cannot unhappen it."""
    return now if now == "fulfilled" else STATUS_AFTER[event]


def is_stale(*, occurred_at: datetime | None, last_said_at: datetime | None) -> bool:
    """Whether a message is older than what we already know."""
    return occurred_at is not None and last_said_at is not None and occurred_at < last_said_at
