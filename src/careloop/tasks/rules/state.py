"""In which one state a task is. Every planned item is in exactly one, always."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

State = Literal["scheduled", "due", "snoozed", "done", "closed"]
STATES: tuple[State, ...] = ("scheduled", "due", "snoozed", "done", "closed")


def state_of(
    *,
    status: str,
    available_at: datetime,
    snoozed_until: datetime | None = None,
    promised_at: datetime | None = None,
    at: datetime,
) -> State:
    """A total function: whatever the row says, it is in one state.

    A promise of a call hides the task until it is nearly time, as a snooze does; the later of the two counts.
    """
    if status == "completed":
        return "done"
    if status == "cancelled":
        return "closed"
    if available_at > at:
        return "scheduled"
    asleep_until = wakes_at(snoozed_until=snoozed_until, promised_at=promised_at)
    if asleep_until is not None and asleep_until > at:
        return "snoozed"
    return "due"


def wakes_at(*, snoozed_until: datetime | None, promised_at: datetime | None) -> datetime | None:
    """When a sleeping task comes back to the list. A promise and a snooze never hide each other for ever."""
    times = [moment for moment in (snoozed_until, promised_at) if moment is not None]
    return max(times) if times else None
