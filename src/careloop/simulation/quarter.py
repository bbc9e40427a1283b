"""A quarter of plans for very many chronic patients: planning only, no messages, nothing left behind.

The schedule rules (plans.rules) say when each step of each patient's plan falls due; the fair distribution (rosters.rules)
gives each day's work to the nurses; what is done derives the next occurrence just in time, as the product does; what does
not fit waits for the next working day. The same seed gives the same quarter.
"""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

from careloop.plans.rules.calendar import WorkCalendar, shipped_calendar
from careloop.plans.rules.content import PlanContent, Step, parse_plan
from careloop.plans.rules.schedule import (
    Anchors,
    NoMore,
    Occurrence,
    Past,
    Progress,
    last_day,
    next_occurrence,
)
from careloop.rosters.rules import Carer, DayShared, Fairness, Item, PersonDay, fairness, share_days

CONTENT = Path(__file__).resolve().parents[1] / "plans" / "content"
# Chronic programmes and how many of a hundred patients are in each (stated mix, not measured).
PROGRAMMES = (
    ("hypertension-national", 38), ("diabetes-national", 22), ("chd-half-yearly", 14), ("stroke-quarterly", 12),
    ("copd", 7), ("oncology-quarterly", 7),
)  # fmt: skip
SECOND_PLAN_EVERY = 8  # every so-manieth patient is in two programmes: same-day contacts become one
OLDEST_DISCHARGE = 700  # days before the quarter
QUARTER = 92


@dataclass(frozen=True, slots=True)
class Run:
    """One patient's way through one plan."""

    patient: int
    plan: int
    discharged: date


@dataclass(slots=True)
class Planned:
    """One planned item: open until `ended`."""

    run: int
    step: str
    number: int
    opens: date
    due: date
    closes: date
    ended: date | None = None
    nurse: int | None = None


@dataclass(slots=True)
class Quarter:
    """What came of it."""

    first: date
    last: date
    plans: Sequence[PlanContent]
    runs: Sequence[Run]
    items: list[Planned] = field(default_factory=list)
    person_days: list[PersonDay] = field(default_factory=list)
    continuity: int = 0
    contacts: int = 0  # calls: what one patient needs on one day is one call
    over: set[int] = field(default_factory=set)  # runs with nothing left to do

    @property
    def fairness(self) -> Fairness:
        return fairness(self.person_days)

    @property
    def late(self) -> int:
        """Items done after their window, or still open although it has closed."""
        return sum((item.ended or self.last) > item.closes for item in self.items)

    def states(self) -> Counter[str]:
        """Every planned item is in exactly one state at the end of the last day."""
        return Counter(
            "done" if item.ended else "due" if item.opens <= self.last else "scheduled" for item in self.items
        )


def plans() -> list[PlanContent]:
    """The chronic programmes that come with the product."""
    return [
        parse_plan(json.loads((CONTENT / f"{name}.json").read_text(encoding="utf-8"))) for name, _share in PROGRAMMES
    ]


def population(patients: int, *, seed: int, first: date) -> list[Run]:
    """So many invented patients, discharged on some day of the last two years."""
    dice = random.Random(seed)
    weights = [share for _name, share in PROGRAMMES]
    numbers = range(len(PROGRAMMES))
    runs = []
    for patient in range(patients):
        discharged = first - timedelta(days=dice.randint(1, OLDEST_DISCHARGE))
        chosen = dice.choices(numbers, weights)[0]
        runs.append(Run(patient, chosen, discharged))
        if patient % SECOND_PLAN_EVERY == 0:
            runs.append(Run(patient, (chosen + 1) % len(PROGRAMMES), discharged))
    return runs


def play(
    contents: Sequence[PlanContent],
    runs: Sequence[Run],
    *,
    first: date,
    days: int = QUARTER,
    nurses: int,
    per_day: int,
    calendar: WorkCalendar | None = None,
) -> Quarter:
    """Plan the span day by day."""
    last = first + timedelta(days=days - 1)
    board = _Board(contents, runs, first, last, calendar=calendar or shipped_calendar(), nurses=nurses)
    team = [Carer(id=n, capacity=per_day) for n in range(nurses)]
    resting = [Carer(id=n, capacity=0) for n in range(nurses)]
    shared_days = share_days(board.days(), lambda day: team if board.calendar.is_workday(day) else resting)
    for shared in shared_days:
        board.settle(shared)
    return board.quarter


class _Board:
    """What is open, by patient, and what falls due on which day."""

    def __init__(
        self,
        contents: Sequence[PlanContent],
        runs: Sequence[Run],
        first: date,
        last: date,
        *,
        calendar: WorkCalendar,
        nurses: int,
    ) -> None:
        self.calendar, self.nurses = calendar, nurses
        self.quarter = Quarter(first, last, contents, runs)
        self.coming: dict[date, list[int]] = defaultdict(list)  # day → items that fall due
        self.open: dict[int, list[int]] = {}  # patient → items that wait for a call
        for number, run in enumerate(runs):
            self._begin(number, run)

    def days(self) -> Iterator[tuple[date, list[Item]]]:
        """Each day's new work; a patient who waits already gets the new item into the same call."""
        day = self.quarter.first
        while day <= self.quarter.last:
            new: list[Item] = []
            for index in self.coming.pop(day, ()):
                patient = self.quarter.runs[self.quarter.items[index].run].patient
                if patient not in self.open:
                    new.append(Item(id=patient, subject=patient, keeper=patient % self.nurses))  # who knows the patient
                    self.open[patient] = []
                self.open[patient].append(index)
            yield day, new
            day += timedelta(days=1)

    def settle(self, shared: DayShared) -> None:
        """What was given away is done on this day; the next occurrence follows from it."""
        quarter, day = self.quarter, shared.day
        for item, owner, why in zip(shared.shared.items, shared.shared.owners, shared.shared.why, strict=True):
            if owner is None:
                continue  # comes first on the next day
            quarter.contacts += 1
            quarter.continuity += why == "continuity"
            for index in self.open.pop(item.id):
                done = quarter.items[index]
                done.ended, done.nurse = day, owner
                self._follow(done, day)
        counts = shared.shared.counts()
        quarter.person_days += [
            PersonDay(person=carer.id, day=day, capacity=carer.capacity, given=counts[carer.id])
            for carer in shared.carers
            if carer.capacity
        ]

    def _begin(self, number: int, run: Run) -> None:
        """The occurrence of each step that is open when the quarter begins; what lies before was done in its time."""
        plan = self.quarter.plans[run.plan]
        found = [self._plan(number, step.code, self._first_open(plan, step, run)) for step in plan.steps]
        if not any(found):
            self.quarter.over.add(number)

    def _first_open(self, plan: PlanContent, step: Step, run: Run) -> Occurrence | NoMore:
        found = _next(_Ref(plan), step, run.discharged, None, self.quarter.first)
        while isinstance(found, Occurrence) and found.planned < self.quarter.first:  # done in its time
            found = _next(_Ref(plan), step, run.discharged, Past(found.number, found.planned), None)
        return found

    def _follow(self, done: Planned, day: date) -> None:
        run = self.quarter.runs[done.run]
        plan = self.quarter.plans[run.plan]
        step = plan.step(done.step)
        assert step is not None
        self._plan(done.run, step.code, _next(_Ref(plan), step, run.discharged, Past(done.number, day), None))

    def _plan(self, number: int, step: str, found: Occurrence | NoMore) -> bool:
        if isinstance(found, NoMore):
            return False
        item = Planned(number, step, found.number, min(found.opens, found.due), found.due, found.closes)
        self.quarter.items.append(item)
        if found.due <= self.quarter.last:
            self.coming[found.due].append(len(self.quarter.items) - 1)
        return True


class _Ref:
    """A plan as a key of the cache: the same object."""

    __slots__ = ("plan",)

    def __init__(self, plan: PlanContent) -> None:
        self.plan = plan

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Ref) and other.plan is self.plan

    def __hash__(self) -> int:
        return id(self.plan)


@lru_cache(maxsize=200_000)
def _next(ref: _Ref, step: Step, discharged: date, done: Past | None, not_before: date | None) -> Occurrence | NoMore:
    """The schedule rule itself; patients discharged on the same day share the answer."""
    anchors = Anchors(discharged, discharged, discharged, discharged)
    past = {step.code: [done]} if done else {}
    progress = Progress(past, not_before, last_day(ref.plan, anchors))
    return next_occurrence(step, anchors, progress, shipped_calendar())


def open_per_step(quarter: Quarter) -> Counter[tuple[int, str]]:
    """How many open items each step of each run has: never more than one."""
    return Counter((item.run, item.step) for item in quarter.items if item.ended is None)


def keys(items: Iterable[Planned]) -> Counter[tuple[int, str, int]]:
    """How often each occurrence was planned: never more than once."""
    return Counter((item.run, item.step, item.number) for item in items)
