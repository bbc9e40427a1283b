"""Who is here on which half of which day, and how much they can take.

A day has two halves. Without any shift a member of a team is here every day; once somebody has shifts, only these count.
Time off always wins.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

MORNING, AFTERNOON = "morning", "afternoon"
HALVES: tuple[str, ...] = (MORNING, AFTERNOON)
WHOLE = "whole"
EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDuty:
    """A shift: these halves of these weekdays (0 = Monday), first to last day, both included. None = no end."""

    first_day: date
    last_day: date | None = None
    weekdays: tuple[int, ...] = EVERY_DAY
    part: str = WHOLE

    def halves(self, day: date) -> frozenset[str]:
        """The halves of this day that the shift covers."""
        inside = self.first_day <= day and (self.last_day is None or day <= self.last_day)
        if not inside or day.weekday() not in self.weekdays:
            return frozenset()
        return frozenset(HALVES if self.part == WHOLE else (self.part,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Away:
    """Time off: from one half day to another, both included. `last_day` None = until further notice."""

    first_day: date
    last_day: date | None = None
    first_half: str = MORNING
    last_half: str = AFTERNOON

    def halves(self, day: date) -> frozenset[str]:
        """The halves of this day that are off."""
        if day < self.first_day or (self.last_day is not None and day > self.last_day):
            return frozenset()
        off = set(HALVES)
        if day == self.first_day and self.first_half == AFTERNOON:
            off.discard(MORNING)
        if day == self.last_day and self.last_half == MORNING:
            off.discard(AFTERNOON)
        return frozenset(off)


def halves_on(day: date, *, shifts: Iterable[OnDuty], away: Iterable[Away]) -> frozenset[str]:
    """The halves of this day on which the person is here."""
    shifts = tuple(shifts)
    here = frozenset(HALVES) if not shifts else frozenset().union(*(shift.halves(day) for shift in shifts))
    return here.difference(*(one.halves(day) for one in away))


def capacity_on(day: date, *, daily: int, shifts: Iterable[OnDuty], away: Iterable[Away]) -> int:
    """Contacts this person can take on this day: half a day is half of it, rounded down; away is 0."""
    return daily * len(halves_on(day, shifts=shifts, away=away)) // len(HALVES)


def overlap(one: OnDuty, other: OnDuty) -> bool:
    """Do two shifts claim the same half of the same day?"""
    if one.part != other.part and WHOLE not in (one.part, other.part):
        return False
    if not set(one.weekdays) & set(other.weekdays):
        return False
    first = max(one.first_day, other.first_day)
    lasts = [shift.last_day for shift in (one, other) if shift.last_day is not None]
    if not lasts:
        return True
    common = set(one.weekdays) & set(other.weekdays)
    days = (min(lasts) - first).days + 1
    return any((first.weekday() + step) % 7 in common for step in range(min(max(days, 0), 7)))
