"""The latest readings of a patient: which, how old, and whether they lie outside what is expected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from decimal import Decimal
from typing import Any, Literal

Direction = Literal["", "high", "low"]
HIGH_FLAGS = frozenset({"H", "HH"})
LOW_FLAGS = frozenset({"L", "LL"})


@dataclass(frozen=True, slots=True)
class Measurement:
    """One box of the strip. `normal` holds (low, high) for each part that has general limits."""

    code: str
    parts: tuple[str, ...]
    decimals: int
    stale_days: int
    normal: Mapping[str, tuple[Decimal, Decimal]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One stored value, as the rules need it."""

    concept: str
    value: Decimal
    comparator: str
    unit: str
    flag: str
    at: datetime
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one box shows."""

    code: str
    text: str
    unit: str
    direction: Direction
    at: datetime
    source: str
    is_stale: bool


def parse_measurements(content: Mapping[str, Any]) -> tuple[Measurement, ...]:
    """The content file as measurements."""
    return tuple(
        Measurement(
            code=row["code"],
            parts=tuple(row["parts"]),
            decimals=row["decimals"],
            stale_days=row["stale_days"],
            normal={part: (Decimal(str(low)), Decimal(str(high))) for part, (low, high) in row["normal"].items()},
        )
        for row in content["measurements"]
    )


def latest_readings(
    wanted: Sequence[Measurement], parts: Iterable[Part], *, at: datetime, zone: tzinfo, limit: int = 5
) -> list[Reading]:
    """The newest reading of each measurement, in the order of the content file; fresh ones before stale ones.

    Two parts belong together when they were taken at the same instant: a systolic value never stands beside the
    diastolic value of another day.
    """
    stored = sorted(parts, key=lambda part: part.at, reverse=True)
    readings = [reading for m in wanted if (reading := _reading(m, stored, at=at, zone=zone)) is not None]
    return sorted(readings, key=lambda reading: reading.is_stale)[:limit]


def _reading(wanted: Measurement, stored: Sequence[Part], *, at: datetime, zone: tzinfo) -> Reading | None:
    own = [part for part in stored if part.concept in wanted.parts]
    for first in own:
        together = {part.concept: part for part in own if part.at == first.at}
        if all(concept in together for concept in wanted.parts):
            found = [together[concept] for concept in wanted.parts]
            return Reading(
                code=wanted.code,
                text="/".join(_text(part, wanted.decimals) for part in found),
                unit=found[0].unit,
                direction=_direction(found, wanted),
                at=first.at,
                source=first.source,
                is_stale=(at.astimezone(zone).date() - first.at.astimezone(zone).date()).days > wanted.stale_days,
            )
    return None


def _text(part: Part, decimals: int) -> str:
    return f"{part.comparator}{round(part.value, decimals):f}"


def _direction(found: Sequence[Part], wanted: Measurement) -> Direction:
    """The laboratory's own flag decides; else the general limits."""
    for part in found:
        if part.flag in HIGH_FLAGS:
            return "high"
        if part.flag in LOW_FLAGS:
            return "low"
    for part in found:
        low, high = wanted.normal.get(part.concept, (None, None))
        if high is not None and part.value > high and not part.flag:
            return "high"
        if low is not None and part.value < low and not part.flag:
            return "low"
    return ""


def age_of(day: date, *, today: date) -> tuple[Literal["today", "yesterday", "days", "date"], int]:
    """How old, in the words of ux §5.6: relative up to seven days, else the date."""
    days = (today - day).days
    if days == 0:
        return "today", 0
    if days == 1:
        return "yesterday", 1
    return ("days", days) if 1 < days <= 7 else ("date", days)
