"""What a plan would have meant for the people who do the work: contacts per day and nurse, overlaps, overdue risk.

Pure: contacts in, numbers out. `reads/replaying.py` makes the contacts from past discharges.

Assumptions, stated on the page: work is done on working days only; nobody calls before the due day; nurses share the
day's work in proportion to what each can take that day; the contact whose window closes first is done first; a contact is overdue when it is done
after its window, or not at all by the end of the span although its window has closed. A message ladder costs a person
only the share of contacts that past messages left unanswered.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple

from careloop.plans.rules.calendar import WorkCalendar
from careloop.plans.rules.content import BY_PERSON, OwnerRule, PlanContent, Step
from careloop.plans.rules.schedule import Anchors, Occurrence, Past, Progress, last_day, plan_occurrences

CENTRE = "follow-up-centre"
_CENTRE_RULES = (OwnerRule.FOLLOW_UP_CENTRE, OwnerRule.SAME_NURSE)


class Contact(NamedTuple):
    """One planned contact of one patient. Small, because a year has a million of them."""

    due: date
    closes: date
    patient: int  # a running number: the replay knows no names
    plan: str
    owner: str  # follow-up-centre | ward-nurse | attending-doctor
    messages_first: bool
    messages_only: bool = False


@dataclass(frozen=True, slots=True)
class Capacity:
    """Who is there to work. `answered` is the share of message ladders that patients answered by themselves.

    With `roster` the people of each day count with what each of them can take on it, else `nurses` times `per_day`.
    """

    nurses: int
    per_day: int
    answered: float = 0.0
    roster: Mapping[date, Sequence[int]] | None = None

    def people(self, day: date) -> Sequence[int]:
        """What each nurse can take on this day; who is away has nothing."""
        return (self.per_day,) * self.nurses if self.roster is None else self.roster.get(day, ())


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the replay."""

    day: date
    own: int  # contacts of the plan under test
    others: int  # contacts of all other plans
    person: int  # of both, those that cost a nurse of the follow-up centre a call
    waiting: int  # left over in the evening
    fullest: int  # most contacts of one nurse
    emptiest: int
    workday: bool
    room: int = 0  # calls that the people of this day can do; nothing on a day off


@dataclass(frozen=True, slots=True)
class Overlap:
    """Patients whom two plans want on the same day, or in the same calendar week."""

    same_day_patients: int
    same_day_contacts: int
    same_week_patients: int
    same_week_contacts: int
    with_plans: Mapping[str, int] = field(default_factory=dict)  # plan → contacts in the same week


@dataclass(frozen=True, slots=True)
class Risk:
    """What the people at hand cannot do in time."""

    person: int  # contacts that need a nurse of the centre
    late: int
    late_without: int  # the same without the plan under test
    longest_queue: int

    @property
    def share(self) -> float:
        return self.late / self.person if self.person else 0.0


def shared(contacts: int, people: Sequence[int]) -> list[int]:
    """How many contacts each gets, in proportion to what each can take: nobody more than one off the exact share.

    Nobody gets more than they can take as long as there is room; who can take nothing gets nothing.
    """
    room = sum(people)
    if not room:
        return [0] * len(people)
    shares = [contacts * can // room for can in people]
    rest = [(-(contacts * can % room), n) for n, can in enumerate(people)]
    for _fraction, n in sorted(rest)[: contacts - sum(shares)]:
        shares[n] += 1
    return shares


def owner_of(step: Step) -> str:
    """Whose work a step is; the centre's nurses also do what "the nurse who called before" does."""
    return CENTRE if step.owner in _CENTRE_RULES else step.owner.value


def how_reached(step: Step) -> tuple[bool, bool]:
    """(messages come first, messages are all there is)."""
    channels = [rung.channel for rung in step.ladder]
    return channels[0] not in BY_PERSON, not BY_PERSON & set(channels)


def days_of(
    contacts: Sequence[Contact],
    *,
    plan: str,
    first: date,
    last: date,
    capacity: Capacity,
    calendar: WorkCalendar,
) -> tuple[list[Day], Risk]:
    """The span day by day, and what would have been overdue with and without the plan under test."""
    own, others = Counter(c.due for c in contacts if c.plan == plan), Counter(c.due for c in contacts if c.plan != plan)
    calls = list(_calls(contacts, capacity.answered))
    done = _work_off(calls, first=first, last=last, capacity=capacity, calendar=calendar)
    without = _work_off(
        [c for c in calls if c.plan != plan], first=first, last=last, capacity=capacity, calendar=calendar
    )
    due = Counter(call.due for call in calls)
    days = []
    for day in _span(first, last):
        people = [can for can in capacity.people(day) if can]
        shares = shared(done.served.get(day, 0), people) or [0]
        workday = calendar.is_workday(day)
        days.append(
            Day(
                day, own[day], others[day], due[day], done.waiting.get(day, 0), max(shares), min(shares), workday,
                sum(people) if workday else 0,
            )
        )  # fmt: skip
    return days, Risk(len(calls), done.late, without.late, max(done.waiting.values(), default=0))


@dataclass(frozen=True, slots=True)
class Pause:
    """The patient is in hospital again: from the day of admission up to the day of discharge, which is free again."""

    first: date
    until: date


def around_pauses(
    plan: PlanContent, anchors: Anchors, pauses: Iterable[Pause], calendar: WorkCalendar, *, until: date
) -> list[Occurrence]:
    """The contacts of a patient who is in hospital again now and then, by the rules by which a plan really goes on.

    What falls due before an admission is done on that day. What falls into the stay is done on the first day after it,
    or not at all when its window has closed by then; steps that count from the contact before count from that day on.
    Pauses in order of time.
    """
    past: dict[str, list[Past]] = defaultdict(list)
    found: list[Occurrence] = []
    since, end = anchors.enrolment, last_day(plan, anchors)
    for pause in (*pauses, Pause(date.max, date.max)):
        if since > until:
            break
        ahead = plan_occurrences(plan, anchors, Progress(past, since, end), calendar, until=until)
        done = [one for one in ahead if one.due < pause.first]
        for one in done:
            past[one.step].append(Past(one.number, one.due))
        found += done
        since = max(since, pause.until)
    return found


def overlap(contacts: Iterable[Contact], *, plan: str) -> Overlap:
    """Contacts of the plan under test that meet a contact of another plan of the same patient."""
    by_patient: dict[int, list[Contact]] = defaultdict(list)
    for contact in contacts:
        by_patient[contact.patient].append(contact)
    days, weeks = [0, 0], [0, 0]
    met: Counter[str] = Counter()
    for theirs in by_patient.values():
        mine = [c for c in theirs if c.plan == plan]
        others = [c for c in theirs if c.plan != plan]
        if not (mine and others):
            continue
        same_day = sum(c.due in {o.due for o in others} for c in mine)
        plans_of_week: dict[tuple[int, int], set[str]] = defaultdict(set)
        for other in others:
            plans_of_week[other.due.isocalendar()[:2]].add(other.plan)
        hits = [plans_of_week[week] for c in mine if (week := c.due.isocalendar()[:2]) in plans_of_week]
        met.update(name for names in hits for name in names)
        days = [days[0] + bool(same_day), days[1] + same_day]
        weeks = [weeks[0] + bool(hits), weeks[1] + len(hits)]
    return Overlap(days[0], days[1], weeks[0], weeks[1], dict(met))


def peak(days: Sequence[Day]) -> Day | None:
    """The day on which most calls fall due; the first of several."""
    return max(days, key=lambda day: (day.person, -day.day.toordinal()), default=None)


def _calls(contacts: Sequence[Contact], answered: float) -> Iterable[Contact]:
    """The contacts that cost the centre a call. Of message ladders every so-manieth, spread evenly: no dice."""
    owed, each = 0, round(1000 * (1 - answered))  # thousandths: sums of tenths would miss the last call
    for contact in sorted(contacts, key=lambda c: (c.due, c.closes, c.plan, c.patient)):
        if contact.owner != CENTRE or contact.messages_only:
            continue
        if contact.messages_first:
            owed += each
            if owed < 1000:
                continue
            owed -= 1000
        yield contact


@dataclass(slots=True)
class _Worked:
    served: dict[date, int] = field(default_factory=dict)
    waiting: dict[date, int] = field(default_factory=dict)
    late: int = 0


def _work_off(
    calls: Sequence[Contact], *, first: date, last: date, capacity: Capacity, calendar: WorkCalendar
) -> _Worked:
    """Every working day the centre does as many calls as it can, those whose window closes first."""
    worked = _Worked()
    queue: list[tuple[date, date, int, str]] = []
    coming = iter(sorted(calls, key=lambda c: c.due))
    following = next(coming, None)
    for day in _span(first, last):
        while following is not None and following.due <= day:
            heapq.heappush(queue, (following.closes, following.due, following.patient, following.plan))
            following = next(coming, None)
        today = min(len(queue), sum(capacity.people(day))) if calendar.is_workday(day) else 0
        for _call in range(today):
            worked.late += heapq.heappop(queue)[0] < day
        worked.served[day], worked.waiting[day] = today, len(queue)
    worked.late += sum(closes < last for closes, *_rest in queue)
    return worked


def _span(first: date, last: date) -> Iterable[date]:
    return (first + timedelta(days=n) for n in range((last - first).days + 1))
