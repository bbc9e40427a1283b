"""Until when the adoption of a version can be taken back, and why not any longer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

UNDO_WITHIN = timedelta(hours=24)
_SENT = frozenset({"sent", "opened", "answered"})


class Stands(StrEnum):
    """Why an adoption stays as it is."""

    UNDONE = "undone"
    PLAN_OVER = "plan-over"
    OTHER_VERSION = "other-version"
    PAUSED = "plan-paused"  # or gone on since: its open contacts are not those of the adoption
    ACTED_ON = "acted-on"
    TOO_LATE = "too-late"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What became of one contact that the adoption planned."""

    is_open: bool
    attempts: int = 0
    is_in_hand: bool = False  # somebody has it open on the call screen
    is_snoozed: bool = False
    is_promised: bool = False
    message_state: str = ""
    has_answers: bool = False
    has_message: bool = False  # its ladder tried a channel

    @property
    def was_acted_on(self) -> bool:
        """Anybody did anything with it: nurse, patient, or a message on its way."""
        return (
            not self.is_open
            or self.attempts > 0
            or self.is_in_hand
            or self.is_snoozed
            or self.is_promised
            or self.message_state in _SENT
            or self.has_answers
            or self.has_message
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An adoption as it is now."""

    adopted_at: datetime
    is_undone: bool
    plan_is_over: bool
    is_in_version: bool  # the plan still runs in the version that was adopted
    status_as_then: bool
    tasks_as_then: bool  # no further contact was planned, none of the old ones was opened again
    items: tuple[Item, ...]


def why_it_stands(standing: Standing, *, at: datetime) -> Stands | None:
    """None: it can be taken back now. What is told first is what nobody can change any more."""
    checks = (
        (standing.is_undone, Stands.UNDONE),
        (standing.plan_is_over, Stands.PLAN_OVER),
        (not standing.is_in_version, Stands.OTHER_VERSION),
        (not standing.status_as_then, Stands.PAUSED),
        (not standing.tasks_as_then or any(item.was_acted_on for item in standing.items), Stands.ACTED_ON),
        (at > standing.adopted_at + UNDO_WITHIN, Stands.TOO_LATE),
    )
    return next((why for holds, why in checks if holds), None)


def undo_until(adopted_at: datetime) -> datetime:
    """The last moment, as the page says it."""
    return adopted_at + UNDO_WITHIN
