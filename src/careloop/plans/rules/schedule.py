"""When the next occurrence of a step falls due. Exact in days, derived just in time, never two with one key.

Days are the hospital's calendar days: an interval of 30 days is 30 dates later, whatever clocks do in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from enum import StrEnum

from careloop.plans.rules.calendar import Shift, WorkCalendar
from careloop.plans.rules.changes import NO_CHANGES, Changes
from careloop.plans.rules.content import Anchor, PlanContent, Step

_MOST_SKIPPED = 5000  # a daily step over thirteen years; a longer walk is a mistake in the plan


@dataclass(frozen=True, slots=True)
class Anchors:
    """The days a step may count from. Operation and diagnosis fall back to nothing: then the step waits."""

    discharge: date
    enrolment: date
    operation: date | None = None
    diagnosis: date | None = None

    def day(self, anchor: Anchor) -> date | None:
        return {
            Anchor.DISCHARGE: self.discharge,
            Anchor.ENROLMENT: self.enrolment,
            Anchor.OPERATION: self.operation,
            Anchor.DIAGNOSIS: self.diagnosis,
        }.get(anchor)


@dataclass(frozen=True, slots=True)
class Past:
    """An occurrence that is over: done, or closed with a reason."""

    number: int
    ended_on: date


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One dated instance of a step. `number` is 0-based and never used twice (J23)."""

    step: str
    number: int
    planned: date  # by the intervals alone
    due: date  # after moving by hand or off a rest day
    opens: date  # may be done from here …
    closes: date  # … and is on time until here
    skipped: int = 0  # occurrences before it whose window had closed already
    is_provisional: bool = False  # the year's holidays are not published yet


class NoMore(StrEnum):
    """Why a step has no next occurrence now."""

    USED_UP = "used-up"
    UNTIL_REACHED = "until-reached"
    TICKED_OFF = "ticked-off"
    PLAN_ENDS_BEFORE = "plan-ends-before"
    ANCHOR_MISSING = "anchor-missing"  # may still come: the operation or diagnosis date is not known
    WAITS_FOR_STEP = "waits-for-step"  # may still come: counts from the completion of another step
    MISSED_BEFORE_START = "missed-before-start"

    @property
    def is_final(self) -> bool:
        return self not in (NoMore.ANCHOR_MISSING, NoMore.WAITS_FOR_STEP)


@dataclass(frozen=True, slots=True)
class Progress:
    """What has happened to a plan so far: per step the occurrences that are over."""

    past: Mapping[str, Sequence[Past]] = field(default_factory=dict)
    not_before: date | None = None  # windows that closed before this day are skipped (late enrolment, resumed plan)
    last_day: date | None = None  # the plan itself ends here

    def of(self, step: str) -> Sequence[Past]:
        return self.past.get(step, ())


def next_occurrence(
    step: Step,
    anchors: Anchors,
    progress: Progress,
    calendar: WorkCalendar,
    changes: Changes = NO_CHANGES,
) -> Occurrence | NoMore:
    """The one occurrence of `step` that should be open now, or why there is none."""
    if step.code in changes.ticked_off:
        return NoMore.TICKED_OFF
    past = progress.of(step.code)
    first = max((done.number for done in past), default=-1) + 1
    not_before = max(
        [done.ended_on for done in past] + ([progress.not_before] if progress.not_before else []), default=None
    )
    for skipped in range(_MOST_SKIPPED):
        number = first + skipped
        planned = _planned(step, number, anchors, progress)
        if isinstance(planned, NoMore):
            return NoMore.MISSED_BEFORE_START if skipped and not past and planned is NoMore.USED_UP else planned
        if progress.last_day is not None and planned > progress.last_day:
            return NoMore.PLAN_ENDS_BEFORE
        if not_before is None or _closes(step, planned, calendar) >= not_before or (step.code, number) in changes.moved:
            return _occurrence(step, number, planned, skipped, calendar, changes, not_before)
    return NoMore.USED_UP


def occurrences(
    step: Step,
    anchors: Anchors,
    progress: Progress,
    calendar: WorkCalendar,
    changes: Changes = NO_CHANGES,
    *,
    until: date,
) -> Iterator[Occurrence]:
    """The future as it would be if everything were done on its due day: for time lines, previews and diffs."""
    past = dict(progress.past)
    while True:
        now = Progress(past, progress.not_before, progress.last_day)
        found = next_occurrence(step, anchors, now, calendar, changes)
        if isinstance(found, NoMore) or found.due > until:
            return
        yield found
        past[step.code] = [*past.get(step.code, ()), Past(found.number, found.due)]


def plan_occurrences(
    plan: PlanContent,
    anchors: Anchors,
    progress: Progress,
    calendar: WorkCalendar,
    changes: Changes = NO_CHANGES,
    *,
    until: date,
) -> tuple[Occurrence, ...]:
    """The future of the whole plan by due date. Steps that wait for another follow its projected completion."""
    known = dict(progress.past)
    found: list[Occurrence] = []
    for step in _waited_for_first(plan.steps):
        now = Progress(known, progress.not_before, progress.last_day)
        mine = list(occurrences(step, anchors, now, calendar, changes, until=until))
        known[step.code] = [*known.get(step.code, ()), *(Past(o.number, o.due) for o in mine)]
        found += mine
    return tuple(sorted(found, key=lambda o: (o.due, o.step, o.number)))


def last_day(plan: PlanContent, anchors: Anchors) -> date | None:
    """The last day of the plan by its date conditions, whichever comes first."""
    ends = [plan.ends.on, plan.ends.after.after(anchors.discharge) if plan.ends.after else None]
    return min((day for day in ends if day is not None), default=None)


def instants(occurrence: Occurrence, *, zone: tzinfo, start: time, end: time) -> tuple[datetime, datetime, datetime]:
    """(available, due, window end) as instants of the hospital's zone; due and window end at the end of work."""
    return (
        datetime.combine(occurrence.opens, start, zone),
        datetime.combine(occurrence.due, end, zone),
        datetime.combine(occurrence.closes, end, zone),
    )


def _planned(step: Step, number: int, anchors: Anchors, progress: Progress) -> date | NoMore:
    if step.times is not None and number >= step.times:
        return NoMore.USED_UP
    if step.anchor is Anchor.PREVIOUS_COMPLETION:
        planned = _after_completion(step, number, anchors, progress)
    else:
        planned = _after_anchor(step, number, anchors.day(step.anchor))
    if isinstance(planned, date) and _until_passed(step, planned, anchors):
        return NoMore.UNTIL_REACHED
    return planned


def _after_anchor(step: Step, number: int, anchor: date | None) -> date | NoMore:
    if anchor is None:
        return NoMore.ANCHOR_MISSING
    offset = step.schedule.offset(number, anchor=anchor)
    return NoMore.USED_UP if offset is None else offset.after(anchor)


def _after_completion(step: Step, number: int, anchors: Anchors, progress: Progress) -> date | NoMore:
    """Days since the previous one was completed; the very first counts from `first_from` (or from another step)."""
    start = anchors.day(step.first_from)
    if step.of_step is not None:
        other = progress.of(step.of_step)
        if not other:
            return NoMore.WAITS_FOR_STEP
        start = max(done.ended_on for done in other)
    if start is None:
        return NoMore.ANCHOR_MISSING
    gap = step.schedule.gap(number, anchor=start)
    if gap is None:
        return NoMore.USED_UP
    mine = progress.of(step.code)
    if not mine:
        return _summed(step, number, start)
    latest = max(mine, key=lambda done: done.number)
    day = latest.ended_on
    for n in range(latest.number + 1, number + 1):
        following = step.schedule.gap(n, anchor=start)
        if following is None:
            return NoMore.USED_UP
        day = following.after(day)
    return day


def _summed(step: Step, number: int, start: date) -> date | NoMore:
    offset = step.schedule.offset(number, anchor=start)
    return NoMore.USED_UP if offset is None else offset.after(start)


def _until_passed(step: Step, planned: date, anchors: Anchors) -> bool:
    if step.until is None:
        return False
    anchor = step.first_from if step.anchor is Anchor.PREVIOUS_COMPLETION else step.anchor
    start = anchors.day(anchor)
    return start is not None and planned > step.until.after(start)


def _closes(step: Step, planned: date, calendar: WorkCalendar) -> date:
    return max(planned + timedelta(days=step.closes_after), calendar.shift(planned, step.shift))


def _occurrence(
    step: Step,
    number: int,
    planned: date,
    skipped: int,
    calendar: WorkCalendar,
    changes: Changes,
    not_before: date | None,
) -> Occurrence:
    moved = changes.moved.get((step.code, number))
    due = moved or _due(step, planned, calendar, not_before)
    middle = moved or planned
    return Occurrence(
        step=step.code,
        number=number,
        planned=planned,
        due=due,
        opens=min(middle - timedelta(days=step.opens_before), due),
        closes=max(middle + timedelta(days=step.closes_after), due),
        skipped=skipped,
        is_provisional=moved is None and not calendar.is_published(due),
    )


def _due(step: Step, planned: date, calendar: WorkCalendar, not_before: date | None) -> date:
    """Off the rest days, and never before the day on which the step could first be done."""
    wanted = max(planned, not_before or planned)
    due = calendar.shift(wanted, step.shift)
    return due if due >= (not_before or due) else calendar.shift(wanted, Shift.NEXT_WORKDAY)


def _waited_for_first(steps: Sequence[Step]) -> list[Step]:
    by_code = {step.code: step for step in steps}

    def depth(step: Step) -> int:
        return 0 if step.of_step is None else 1 + depth(by_code[step.of_step])

    return sorted(steps, key=depth)
