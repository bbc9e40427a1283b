"""Who calls whom today. Deterministic, within capacity, the same nurse for the same patient where it is fair.

Fair first: the share of each person is settled before continuity is looked at, so nobody drowns in old acquaintances
and nobody starves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

Why = Literal["continuity", "balance"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Someone who calls. `capacity` patients a day, `load` patients already assigned; capacity 0 = away today."""

    id: UUID
    capacity: int
    load: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """All of one patient's work of today, given away as one. `eligible` None = anyone may do it."""

    id: UUID
    last_worker: UUID | None = None
    eligible: frozenset[UUID] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One patient's work goes to one person, for a reason."""

    unit_id: UUID
    worker_id: UUID
    why: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Who got what, and what did not fit into anybody's day."""

    shares: tuple[Share, ...]
    left_over: tuple[UUID, ...]


def distribute(units: Sequence[Unit], workers: Sequence[Worker]) -> Distribution:
    """Give every unit to one worker. `units` in order of importance: what does not fit is the least important."""
    filled: dict[UUID, int] = {worker.id: worker.load for worker in workers}
    by_id = {worker.id: worker for worker in workers}
    placed, left_over = _quotas(units, by_id, filled)
    return Distribution(shares=_name(placed, by_id), left_over=tuple(left_over))


def _quotas(
    units: Sequence[Unit], workers: Mapping[UUID, Worker], filled: dict[UUID, int]
) -> tuple[list[tuple[Unit, UUID]], list[UUID]]:
    """First pass: each unit to whoever is least busy for their capacity. Settles how many each person gets."""
    placed: list[tuple[Unit, UUID]] = []
    left_over: list[UUID] = []
    for unit in units:
        worker = _least_busy(unit, workers, filled)
        if worker is None:
            left_over.append(unit.id)
            continue
        filled[worker.id] += 1
        placed.append((unit, worker.id))
    return placed, left_over


def _least_busy(unit: Unit, workers: Mapping[UUID, Worker], filled: Mapping[UUID, int]) -> Worker | None:
    free = [w for w in workers.values() if filled[w.id] < w.capacity and may(unit, w.id)]
    return min(free, key=lambda w: ((filled[w.id] + 1) / w.capacity, w.id), default=None)


def may(unit: Unit, worker_id: UUID) -> bool:
    """Is this person allowed to do it?"""
    return unit.eligible is None or worker_id in unit.eligible


def _name(placed: Sequence[tuple[Unit, UUID]], workers: Mapping[UUID, Worker]) -> tuple[Share, ...]:
    """Second pass: swap places, one for one, so that patients meet the person they know. Nobody's count changes."""
    holder = {unit.id: worker_id for unit, worker_id in placed}
    unit_of = {unit.id: unit for unit, _ in placed}
    for unit, _ in placed:
        wanted = unit.last_worker
        if wanted is None or wanted not in workers or holder[unit.id] == wanted or not may(unit, wanted):
            continue
        partner = _swappable(unit, wanted, holder, unit_of)
        if partner is not None:
            holder[partner], holder[unit.id] = holder[unit.id], wanted
    return tuple(
        Share(
            unit_id=unit.id,
            worker_id=holder[unit.id],
            why="continuity" if holder[unit.id] == unit.last_worker else "balance",
        )
        for unit, _ in placed
    )


def _swappable(unit: Unit, wanted: UUID, holder: Mapping[UUID, UUID], unit_of: Mapping[UUID, Unit]) -> UUID | None:
    """A patient of the wanted person who does not know them and may go to where `unit` is now."""
    here = holder[unit.id]
    candidates = [
        other
        for other, worker_id in holder.items()
        if worker_id == wanted and unit_of[other].last_worker != wanted and may(unit_of[other], here)
    ]
    best = [other for other in candidates if unit_of[other].last_worker == here]
    return next(iter(best or candidates), None)


def spread(counts: Sequence[int]) -> int:
    """Most minus least: 0 or 1 is fair."""
    return max(counts) - min(counts) if counts else 0


def gini(counts: Sequence[int]) -> float:
    """0 = everyone the same, towards 1 = one person does it all."""
    total, n = sum(counts), len(counts)
    if total == 0:
        return 0.0
    ordered = sorted(counts)
    weighted = sum((index + 1) * count for index, count in enumerate(ordered))
    return (2 * weighted) / (n * total) - (n + 1) / n
