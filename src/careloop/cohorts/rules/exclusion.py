"""Who of a cohort cannot be followed up, and for which one reason: the first that holds, in the order of weight."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

Reason = Literal[
    "died", "refused", "in-hospital", "transferred", "already-in-plan", "already-in-topic", "no-stay", "no-number"
]
# Somebody who died is not told as "has no number".
REASONS: tuple[Reason, ...] = (
    "died", "refused", "in-hospital", "transferred", "already-in-plan", "already-in-topic", "no-stay", "no-number",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sorted:
    """Who is in and who is out. in + every reason = all, always."""

    included: tuple[UUID, ...]
    excluded: Mapping[UUID, Reason]

    @property
    def counts(self) -> dict[Reason, int]:
        """By reason, in the order of REASONS, only those that occur."""
        found = Counter(self.excluded.values())
        return {reason: found[reason] for reason in REASONS if found[reason]}

    @property
    def total(self) -> int:
        return len(self.included) + len(self.excluded)


def sort_out(members: Sequence[UUID], holds: Mapping[Reason, Iterable[UUID]]) -> Sorted:
    """Give each member to the first reason that holds for it, or to none."""
    sets = {reason: set(holds.get(reason, ())) for reason in REASONS}
    excluded: dict[UUID, Reason] = {}
    included = []
    for member in members:
        reason = next((reason for reason in REASONS if member in sets[reason]), None)
        if reason is None:
            included.append(member)
        else:
            excluded[member] = reason
    return Sorted(tuple(included), excluded)


def deal(members: Sequence[UUID], staff: Sequence[UUID], known: Mapping[UUID, UUID]) -> dict[UUID, UUID]:
    """Who follows whom up: shares differ by at most one; within that, whoever spoke to the patient last.

    Deterministic: the same members, staff and history always give the same shares.
    """
    if not staff:
        return {}
    order = sorted(set(staff))
    least, more = divmod(len(members), len(order))
    room = {person: least + (n < more) for n, person in enumerate(order)}
    dealt: dict[UUID, UUID] = {}
    for member in members:
        person = known.get(member)
        if person is not None and room.get(person, 0):
            dealt[member] = person
            room[person] -= 1
    for member in members:
        if member not in dealt:
            person = max(order, key=lambda one: room[one])
            dealt[member] = person
            room[person] -= 1
    return dealt
