"""Who gets what. Works on counts per kind of work and person first, and names the items last.

1. `_admit`: in order of importance, does it fit at all? (greedy with alternating chains: the transversal matroid)
2. `_quotas`: how many of each kind each person gets, as even as it can be against capacity.
3. `_named`: which item goes where, so that patients meet the person they know. No count changes any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from heapq import heapify, heappop, heappush
from typing import Any, Literal

Why = Literal["continuity", "balance", "full", "nobody-able"]
NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Carer:
    """Somebody who calls. `load`: what they have already today; `had`: earlier in the period (settles who gets the odd one)."""

    id: Any
    capacity: int
    load: int = 0
    skills: frozenset[str] = NOTHING
    had: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One contact to give away. `keeper`: who knows the patient; `subject`: the patient (for share_days)."""

    id: Any
    keeper: Any = None
    needs: frozenset[str] = NOTHING
    subject: Hashable = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """One day's answer. `owners` and `why` stand in the order of the items."""

    items: Sequence[Item]
    owners: tuple[Any, ...]
    why: tuple[Why, ...]
    loads: dict[Any, int]

    @property
    def left_over(self) -> list[Item]:
        """What nobody got, most important first."""
        return [item for item, owner in zip(self.items, self.owners, strict=True) if owner is None]

    def counts(self) -> dict[Any, int]:
        """What each person got now, without what they had before; 0 for who got nothing."""
        got = dict.fromkeys(self.loads, 0)
        for owner in self.owners:
            if owner is not None:
                got[owner] += 1
        return got


@dataclass(frozen=True, slots=True, kw_only=True)
class DayShared:
    """One day of a period."""

    day: date
    shared: Shared
    carers: tuple[Carer, ...]
    waiting: int
    """How many of the items waited from an earlier day."""


def share(items: Sequence[Item], carers: Sequence[Carer]) -> Shared:
    """Give every item to one person. `items` most important first: what does not fit is the least important."""
    board = _Board(items, carers)
    admitted = board.admit()
    board.even_out(admitted)
    owners = _named(board, admitted)
    return Shared(
        items=items,
        owners=tuple(None if owner < 0 else board.carers[owner].id for owner in owners),
        why=tuple(board.why(index, owner) for index, owner in enumerate(owners)),
        loads={carer.id: board.filled[c] for c, carer in enumerate(board.carers)},
    )


def share_days(
    days: Iterable[tuple[date, Sequence[Item]]], carers_on: Callable[[date], Sequence[Carer]]
) -> Iterator[DayShared]:
    """A whole period. What was left over comes first the next day; whoever got a patient keeps the patient."""
    keepers: dict[Hashable, Any] = {}
    had: dict[Any, int] = {}
    waiting: list[Item] = []
    for day, new in days:
        queue = [_known(item, keepers) for item in [*waiting, *new]]
        carers = tuple(replace(carer, had=carer.had + had.get(carer.id, 0)) for carer in carers_on(day))
        shared = share(queue, carers)
        for item, owner in zip(queue, shared.owners, strict=True):
            if owner is not None:
                had[owner] = had.get(owner, 0) + 1
                if item.subject is not None:
                    keepers.setdefault(item.subject, owner)
        yield DayShared(day=day, shared=shared, carers=carers, waiting=len(waiting))
        waiting = shared.left_over


def _known(item: Item, keepers: dict[Hashable, Any]) -> Item:
    keeper = keepers.get(item.subject) if item.keeper is None and item.subject is not None else None
    return item if keeper is None else replace(item, keeper=keeper)


@dataclass(slots=True)
class _Kind:
    """All items with the same needs."""

    able: list[int]  # positions of the people who may do it, in their own order
    held: list[int]  # how many of this kind each person has
    queue: list[tuple[float, int, int, int]] = field(default_factory=list)
    closed: bool = False


class _Board:
    """Counts per kind and person. People are positions in `carers`, sorted by id: the caller's order does not matter."""

    def __init__(self, items: Sequence[Item], carers: Sequence[Carer]) -> None:
        self.items = items
        self.carers = sorted(carers, key=lambda carer: carer.id)
        self.place = {carer.id: position for position, carer in enumerate(self.carers)}
        self.capacity = [carer.capacity for carer in self.carers]
        self.filled = [carer.load for carer in self.carers]
        self.kinds: list[_Kind] = []
        numbers: dict[frozenset[str], int] = {}
        self.kind_of: list[int] = []
        for item in items:
            number = numbers.get(item.needs)
            if number is None:
                number = numbers[item.needs] = len(self.kinds)
                self.kinds.append(self._kind(item.needs))
            self.kind_of.append(number)
        self.known = self._demand()

    def _kind(self, needs: frozenset[str]) -> _Kind:
        able = [c for c, carer in enumerate(self.carers) if carer.capacity > 0 and needs <= carer.skills]
        return _Kind(able=able, held=[0] * len(self.carers))

    def _demand(self) -> list[int]:
        """How many patients know each person: of two equals the better known one gets the odd one."""
        demand = [0] * len(self.carers)
        for item in self.items:
            keeper = self.place.get(item.keeper) if item.keeper is not None else None
            if keeper is not None:
                demand[keeper] += 1
        return demand

    # -- 1. does it fit? -------------------------------------------------------------------------------------------

    def admit(self) -> list[bool]:
        """In order of importance. Once one of a kind does not fit, no later one of that kind does."""
        if self._room_for_all():
            return [bool(self.kinds[kind].able) for kind in self.kind_of]
        self._requeue()
        admitted = []
        for kind in self.kind_of:
            one = self.kinds[kind]
            fits = not one.closed and (self._give(kind) or self._make_room(kind))
            one.closed = one.closed or not fits
            admitted.append(fits)
        self._empty()
        return admitted

    def _room_for_all(self) -> bool:
        """The quick answer on a normal day: one kind of work, and room for all of it."""
        if len(self.kinds) != 1:
            return not self.items
        free = (max(0, self.capacity[c] - self.filled[c]) for c in self.kinds[0].able)
        return sum(free) >= len(self.items)

    def _requeue(self) -> None:
        for kind in self.kinds:
            kind.queue = [self._bid(c) for c in kind.able]
            heapify(kind.queue)

    def _bid(self, c: int) -> tuple[float, int, int, int]:
        """Who is next: the least busy against capacity, then who had the fewest so far, then the better known."""
        had = self.carers[c].had + self.filled[c]
        return ((self.filled[c] + 1) / self.capacity[c], had, -self.known[c], c)

    def _give(self, number: int) -> bool:
        """One of this kind to the least busy who has room. Old bids in the queue are renewed when they come up."""
        kind = self.kinds[number]
        while kind.queue:
            bid = kind.queue[0]
            c = bid[3]
            if self.filled[c] >= self.capacity[c]:
                heappop(kind.queue)
                continue
            now = self._bid(c)
            heappop(kind.queue)
            if now != bid:
                heappush(kind.queue, now)
                continue
            kind.held[c] += 1
            self.filled[c] += 1
            heappush(kind.queue, self._bid(c))
            return True
        return False

    def _make_room(self, number: int) -> bool:
        """Everybody able is full: hand something on, along a chain that ends at somebody with room."""
        came = self._reach(self.kinds[number].able)
        for c in came:
            if self.filled[c] < self.capacity[c]:
                self._shift(came, c)
                start = self._start(came, c)
                self.kinds[number].held[start] += 1
                return True
        return False

    def _reach(self, starts: Iterable[int]) -> dict[int, tuple[int, int] | None]:
        """Everybody to whom work can be handed on from `starts`; for each: from whom, and which kind. Nearest first."""
        came: dict[int, tuple[int, int] | None] = dict.fromkeys(starts)
        waiting = deque(came)
        while waiting:
            here = waiting.popleft()
            for number, kind in enumerate(self.kinds):
                if not kind.held[here]:
                    continue
                for there in kind.able:
                    if there not in came:
                        came[there] = (here, number)
                        waiting.append(there)
        return came

    def _shift(self, came: dict[int, tuple[int, int] | None], end: int) -> None:
        """Hand one piece on along the chain to `end`; everybody in between keeps their count."""
        self.filled[end] += 1
        there = end
        while (step := came[there]) is not None:
            here, number = step
            self.kinds[number].held[here] -= 1
            self.kinds[number].held[there] += 1
            there = here

    def _start(self, came: dict[int, tuple[int, int] | None], end: int) -> int:
        while (step := came[end]) is not None:
            end = step[0]
        return end

    def _empty(self) -> None:
        self.filled = [carer.load for carer in self.carers]
        for kind in self.kinds:
            kind.held = [0] * len(self.carers)

    # -- 2. how many each? -----------------------------------------------------------------------------------------

    def even_out(self, admitted: Sequence[bool]) -> None:
        """Work that few may do is placed first, the rest fills up around it; then chains of exchanges even out."""
        wanted = [0] * len(self.kinds)
        for kind, fits in zip(self.kind_of, admitted, strict=True):
            wanted[kind] += fits
        self._requeue()
        for number in sorted(range(len(self.kinds)), key=lambda k: (len(self.kinds[k].able), k)):
            for _one in range(wanted[number]):
                if not (self._give(number) or self._make_room(number)):  # pragma: no cover - admit() has proven it fits
                    raise AssertionError("an admitted item did not fit")
        if len(self.kinds) > 1:
            while self._exchange():
                pass

    def _exchange(self) -> bool:
        """One piece from the busiest who can hand it on to somebody who would still be less busy. False: as even as can be."""
        busiest = sorted(
            (c for c in range(len(self.carers)) if self.capacity[c] > 0),
            key=lambda c: (-self.filled[c] / self.capacity[c], c),
        )
        for c in busiest:
            came = self._reach([c])
            room = [there for there in came if there != c and self.filled[there] < self.capacity[there]]
            best = min(room, key=lambda there: (self._bid(there)[0], there), default=None)
            if best is not None and self._bid(best)[0] < self.filled[c] / self.capacity[c]:
                self._shift(came, best)
                self.filled[c] -= 1
                return True
        return False

    def why(self, index: int, owner: int) -> Why:
        """The reason for one item."""
        if owner < 0:
            return "full" if self.kinds[self.kind_of[index]].able else "nobody-able"
        keeper = self.items[index].keeper
        return "continuity" if keeper is not None and self.place.get(keeper) == owner else "balance"


def _named(board: _Board, admitted: Sequence[bool]) -> list[int]:
    """Which item goes to whom: first those who know the person, as far as the share reaches; the rest in order."""
    owners = [-1] * len(board.items)
    room = [list(kind.held) for kind in board.kinds]
    rest: list[int] = []
    for index, fits in enumerate(admitted):
        if not fits:
            continue
        keeper = board.place.get(board.items[index].keeper, -1)
        if keeper >= 0 and room[board.kind_of[index]][keeper] > 0:
            room[board.kind_of[index]][keeper] -= 1
            owners[index] = keeper
        else:
            rest.append(index)
    free = [
        deque(c for c in kind.able for _one in range(left[c])) for kind, left in zip(board.kinds, room, strict=True)
    ]
    for index in rest:
        owners[index] = free[board.kind_of[index]].popleft()
    if len(board.kinds) > 1:
        _swap_for_continuity(board, rest, owners)
    return owners


def _swap_for_continuity(board: _Board, rest: Sequence[int], owners: list[int]) -> None:
    """Across kinds: two items change places when one of them thereby meets its person. Nobody's count changes."""
    strangers: dict[tuple[int, int], dict[int, None]] = {}
    for index in rest:
        strangers.setdefault((board.kind_of[index], owners[index]), {})[index] = None
    able = [frozenset(kind.able) for kind in board.kinds]
    for index in rest:
        kind, here = board.kind_of[index], owners[index]
        wanted = board.place.get(board.items[index].keeper, -1)
        if wanted < 0 or wanted == here or wanted not in able[kind]:
            continue
        partner = _partner(board, strangers, able, here, wanted)
        if partner is None:
            continue
        other = board.kind_of[partner]
        del strangers[kind, here][index], strangers[other, wanted][partner]
        owners[index], owners[partner] = wanted, here
        if board.place.get(board.items[partner].keeper, -1) != here:
            strangers.setdefault((other, here), {})[partner] = None


def _partner(
    board: _Board,
    strangers: dict[tuple[int, int], dict[int, None]],
    able: Sequence[frozenset[int]],
    here: int,
    wanted: int,
) -> int | None:
    """Somebody's item at `wanted` who does not know them and may go `here`; the first one found, kinds in order."""
    for other in range(len(board.kinds)):
        if here in able[other]:
            found = next(iter(strangers.get((other, wanted), ())), None)
            if found is not None:
                return found
    return None
