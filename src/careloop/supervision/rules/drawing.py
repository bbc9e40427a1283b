"""A sample that anybody can draw again: stratified, weighted by risk, without replacement, from a kept seed.

Within a stratum each record gets the key u^(1/weight), u from SHA-256(seed, record); the largest keys are drawn
(Efraimidis PS, Spirakis PG. Weighted random sampling with a reservoir. Inf Process Lett 2006;97:181-185, algorithm A-ES).
The key of a record depends on nothing but the seed, the record and its weight, so the order of the list never matters.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One record that may be drawn. `weight` 1 is ordinary; `reasons` are the codes that raised it."""

    id: str
    stratum: str = ""
    weight: float = 1.0
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One record of the sample, in the order in which it is to be checked."""

    candidate: Candidate
    order: int
    is_blind: bool


def fault_of_size(population: int, *, size: int | None, percent: float | None) -> str:
    """Why a sample of this size cannot be drawn, as a code; empty when it can."""
    if population < 1:
        return "nothing-to-draw"
    if (size is None) == (percent is None):
        return "size-or-percent"
    if size is not None and size < 1:
        return "size-not-positive"
    if size is not None and size > population:
        return "size-too-large"
    if percent is not None and not 0 < percent <= 100:  # a percentage that is no number compares as false, too
        return "percent-out-of-range"
    return ""


def how_many(population: int, *, size: int | None, percent: float | None) -> int:
    """The number of records to draw; a percentage is rounded up, so that something is always drawn.

    Raises ValueError for what `fault_of_size` names.
    """
    if fault := fault_of_size(population, size=size, percent=percent):
        raise ValueError(fault)
    if size is not None:
        return size
    return min(population, math.ceil(population * (percent or 0) / 100 - 1e-9))


def allocate(sizes: Mapping[str, int], total: int) -> dict[str, int]:
    """Share a sample among strata in proportion (largest remainder); each stratum gets one when there are enough.

    The sum is `total`, and no stratum gives more than it has. Raises ValueError when there is not that much.
    """
    if not 0 <= total <= sum(sizes.values()):
        raise ValueError("size-too-large")
    whole = sum(sizes.values())
    exact = {name: total * size / whole if whole else 0.0 for name, size in sizes.items()}
    least = {name: int(size > 0 and total >= sum(map(bool, sizes.values()))) for name, size in sizes.items()}
    got = {name: min(sizes[name], max(least[name], math.floor(exact[name]))) for name in sizes}
    while sum(got.values()) < total:  # to whom the most is missing
        name = min((n for n in got if got[n] < sizes[n]), key=lambda n: (got[n] - exact[n], n))
        got[name] += 1
    while sum(got.values()) > total:  # from whom the least is missing: small strata were given their one
        name = max((n for n in got if got[n] > least[n]), key=lambda n: (got[n] - exact[n], n))
        got[name] -= 1
    return got


def draw(candidates: Sequence[Candidate], *, size: int, seed: str, blind_percent: float = 100.0) -> tuple[Drawn, ...]:
    """The sample of this seed: the same candidates and seed give the same sample, in whatever order they come.

    Raises ValueError when a record stands on the list twice, a weight is not positive, or the list is too short.
    """
    _check(candidates)
    strata: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        strata.setdefault(candidate.stratum, []).append(candidate)
    shares = allocate({name: len(members) for name, members in strata.items()}, size)
    chosen = [
        candidate
        for name, members in strata.items()
        for candidate in sorted(members, key=lambda one: (-_key(seed, one), one.id))[: shares[name]]
    ]
    chosen.sort(key=lambda one: (_uniform(seed, "order", one.id), one.id))
    blind = blind_ones([one.id for one in chosen], seed=seed, percent=blind_percent)
    return tuple(
        Drawn(candidate=candidate, order=number, is_blind=candidate.id in blind)
        for number, candidate in enumerate(chosen, start=1)
    )


def _check(candidates: Sequence[Candidate]) -> None:
    if len({candidate.id for candidate in candidates}) != len(candidates):
        raise ValueError("drawn-twice")
    if any(not candidate.weight > 0 or math.isinf(candidate.weight) for candidate in candidates):
        raise ValueError("weight-not-positive")


def blind_ones(ids: Sequence[str], *, seed: str, percent: float) -> frozenset[str]:
    """Which of the drawn records are asked again blind; the rest are read. Rounded up, from the same seed."""
    count = min(len(ids), math.ceil(len(ids) * percent / 100 - 1e-9))
    return frozenset(sorted(ids, key=lambda one: (_uniform(seed, "blind", one), one))[:count])


def _key(seed: str, candidate: Candidate) -> float:
    """log(u) / weight: in the same order as u^(1/weight), without losing digits."""
    return math.log(_uniform(seed, "draw", candidate.id)) / candidate.weight


def _uniform(seed: str, purpose: str, id_: str) -> float:
    """A number between 0 and 1, both excluded, that depends on these three texts only."""
    digest = hashlib.sha256(f"{seed}|{purpose}|{id_}".encode()).digest()
    return ((int.from_bytes(digest[:8]) >> 11) + 0.5) / 2**53


def fingerprint(candidates: Sequence[Candidate]) -> str:
    """SHA-256 of the whole list: proves that a sample is drawn again from the same records with the same weights."""
    lines = sorted(f"{one.id}|{one.stratum}|{one.weight!r}" for one in candidates)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
