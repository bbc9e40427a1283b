"""When a message may go: quiet hours in Beijing time, how often one patient may be disturbed, and when to try again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone

# China has one zone and has had no summer time since 1991, so a fixed offset is exact for every future instant.
BEIJING = timezone(timedelta(hours=8), "Asia/Shanghai")


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Daily ranges in which nothing is sent, e.g. 21:00–08:00. A range may pass midnight. Empty = never quiet."""

    ranges: tuple[tuple[time, time], ...] = ()

    @classmethod
    def parse(cls, text: str) -> QuietHours:
        """`"21:00-08:00,12:00-14:00"`; the empty string means no quiet hours."""
        ranges = []
        for part in filter(None, (p.strip() for p in text.split(","))):
            start, _, end = part.partition("-")
            ranges.append((time.fromisoformat(start.strip()), time.fromisoformat(end.strip())))
        return cls(tuple(ranges))


def next_allowed(at: datetime, quiet: QuietHours) -> datetime:
    """`at` itself when sending is allowed then, else the first allowed instant after it.

    Refuses settings that leave no allowed instant in a day.
    """
    moment = at
    for _ in range(2 * len(quiet.ranges) + 2):
        later = _end_of_quiet(moment, quiet)
        if later is None:
            return moment
        moment = later
    raise ValueError("the quiet hours cover the whole day")


def _end_of_quiet(at: datetime, quiet: QuietHours) -> datetime | None:
    local = at.astimezone(BEIJING)
    clock = local.time()
    for start, end in quiet.ranges:
        inside = start <= clock < end if start < end else (clock >= start or clock < end)
        if inside and start != end:
            day = local.date() + timedelta(days=1 if start > end and clock >= start else 0)
            return datetime.combine(day, end, BEIJING).astimezone(at.tzinfo)
    return None


def start_of_next_day(at: datetime) -> datetime:
    """Next midnight in Beijing."""
    local = at.astimezone(BEIJING)
    return datetime.combine(local.date() + timedelta(days=1), time(), BEIJING).astimezone(at.tzinfo)


def start_of_day(at: datetime) -> datetime:
    """This day's midnight in Beijing."""
    local = at.astimezone(BEIJING)
    return datetime.combine(local.date(), time(), BEIJING).astimezone(at.tzinfo)


@dataclass(frozen=True, slots=True)
class Caps:
    """How many messages one patient may get on one channel. One-time codes do not count and are not held."""

    per_day: int
    per_week: int


def cap_holds_until(sent: Sequence[datetime], caps: Caps, *, at: datetime) -> datetime | None:
    """None when one more may go now, else when it may go. A day is a Beijing day; a week is seven days back."""
    week = sorted(moment for moment in sent if at - timedelta(days=7) < moment <= at)
    if len([moment for moment in week if moment >= start_of_day(at)]) >= caps.per_day:
        return start_of_next_day(at)
    if len(week) >= caps.per_week:
        return week[-caps.per_week] + timedelta(days=7)
    return None


BACKOFF: tuple[timedelta, ...] = (
    timedelta(seconds=20),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=40),
    timedelta(hours=2),
)
MAX_ATTEMPTS = len(BACKOFF) + 1


def retry_at(attempts: int, *, at: datetime, spread: float) -> datetime | None:
    """When to try again after `attempts` tries; None when it is enough. `spread` in 0…1 adds up to half of the wait,
    so that a gateway that comes back is not met by everything at the same second."""
    if attempts >= MAX_ATTEMPTS:
        return None
    wait = BACKOFF[max(attempts, 1) - 1]
    return at + wait + wait * (min(max(spread, 0.0), 1.0) / 2)


# ---- one-time codes (case A28: nobody pumps messages through us) ----------------------------------------------


@dataclass(frozen=True, slots=True)
class CodeLimits:
    """Per phone one in `seconds_between`, `per_day` a day; `per_hour_all` for the whole hospital."""

    seconds_between: int = 60
    per_day: int = 5
    per_hour_all: int = 500


def code_refusal(
    to_this_phone: Sequence[datetime], to_all_last_hour: int, limits: CodeLimits, *, at: datetime
) -> str | None:
    """`too-soon`, `too-many-today`, `budget-spent`, or None when a code may be sent."""
    if to_all_last_hour >= limits.per_hour_all:
        return "budget-spent"
    if any(at - moment < timedelta(seconds=limits.seconds_between) for moment in to_this_phone):
        return "too-soon"
    if sum(1 for moment in to_this_phone if moment > at - timedelta(days=1)) >= limits.per_day:
        return "too-many-today"
    return None


@dataclass(frozen=True, slots=True)
class Policy:
    """The timing rules of one channel, from the settings."""

    quiet: QuietHours
    caps: Caps
