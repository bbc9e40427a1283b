"""How even the work was: max − min per nurse-day, and the figures behind it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonDay:
    """One person on one day: how many contacts they had and how many they could take. capacity 0 = not here."""

    person: Any
    day: Any
    capacity: int
    given: int
    group: Any = None  # people are compared within their group (team) only


@dataclass(frozen=True, slots=True, kw_only=True)
class Fairness:
    """The report. `worst` are the days of the largest gap, with the people behind it."""

    nurse_days: int
    total: int
    most: int
    least: int
    widest: int
    """Largest max − min of one day among people of one group and equal capacity."""
    gini: float
    per_nurse_day: float
    worst: tuple[PersonDay, ...]


def fairness(rows: Iterable[PersonDay]) -> Fairness:
    """Compare like with like: the same day, the same group, the same capacity. Whoever is not here does not count."""
    present = [row for row in rows if row.capacity > 0]
    groups: dict[tuple[Any, Any, int], list[PersonDay]] = {}
    for row in present:
        groups.setdefault((row.day, row.group, row.capacity), []).append(row)
    worst: Sequence[PersonDay] = max(
        groups.values(), key=lambda members: spread([row.given for row in members]), default=()
    )
    counts = [row.given for row in present]
    return Fairness(
        nurse_days=len(present),
        total=sum(counts),
        most=max(counts, default=0),
        least=min(counts, default=0),
        widest=spread([row.given for row in worst]),
        gini=gini([row.given / row.capacity for row in present]),
        per_nurse_day=sum(counts) / len(counts) if counts else 0.0,
        worst=tuple(worst),
    )


def spread(counts: Sequence[int]) -> int:
    """Most minus least: 0 or 1 is fair."""
    return max(counts) - min(counts) if counts else 0


def gini(counts: Sequence[float]) -> float:
    """0 = everyone the same, towards 1 = one person does it all."""
    total, n = sum(counts), len(counts)
    if total == 0:
        return 0.0
    ordered = sorted(counts)
    weighted = sum((index + 1) * count for index, count in enumerate(ordered))
    return (2 * weighted) / (n * total) - (n + 1) / n
