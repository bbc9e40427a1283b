"""What the parser lets through but nobody should publish: plans without end, impossible overlaps, rules that fit everyone.

The parser (`content.py`) knows whether a plan can be understood; this file knows whether it can be meant. The designer
shows both while somebody types, and refuses to hand in a plan that has any of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from typing import Any

from careloop.plans.rules import content
from careloop.plans.rules.calendar import WEEKDAYS_ONLY
from careloop.plans.rules.content import Anchor, Category, EnrolmentRule, PlanContent, PlanContentError, Step
from careloop.plans.rules.faults import Fault, gettext_noop
from careloop.plans.rules.schedule import Anchors, Progress, occurrences

MOST_CONTACTS = 400  # of one patient in one plan: beyond, the hospital would do nothing else
MOST_STEPS = 60
EVERYONE = 0.9  # a rule that takes this share of all discharges picks nobody out
FEWEST_TO_JUDGE = 50  # discharges: below, a share says nothing
# Any ordinary discharge shows the shape of a plan. It is a Monday, so that weekends fall as everywhere.
_EXAMPLE = date(2001, 1, 1)
_HORIZON = date(2031, 1, 1)


@dataclass(frozen=True, slots=True)
class Matched:
    """How many of last year's discharges the enrolment rule would have taken."""

    taken: int
    of: int

    @property
    def share(self) -> float:
        return self.taken / self.of if self.of else 0.0


def check(raw: Mapping[str, Any], *, matched: Matched | None = None) -> tuple[Fault, ...]:
    """Everything that stands against publishing this content, in the order of the page. Empty means: hand it in."""
    unreadable = tuple(_unreadable(raw))
    if unreadable:
        return unreadable
    return tuple(review(content.parse_plan(raw), matched=matched))


def review(plan: PlanContent, *, matched: Matched | None = None) -> Iterator[Fault]:
    """What a readable plan cannot mean."""
    yield from _rule_for_everyone(plan, matched)
    if len(plan.steps) > MOST_STEPS:
        yield Fault("steps", gettext_noop("more than %(most)s steps: use intervals such as `every 3m until 24m` instead"), {"most": MOST_STEPS})  # fmt: skip
        return
    for number, step in enumerate(plan.steps):
        yield from _step(plan, step, f"steps[{number}]")
    yield from _same_contact_twice(plan)
    yield from _end(plan)


def _unreadable(raw: Mapping[str, Any]) -> Iterator[Fault]:
    """The parser's faults, one for each part, so that a page can show all of them at once."""
    found = list(_faults_of_steps(raw))
    yield from found
    whole = dict(raw)
    if found:  # the steps are told already: look at the rest behind them
        whole["steps"] = [_READABLE_STEP]
    for _attempt in range(20):
        try:
            content.parse_plan(whole)
        except PlanContentError as error:
            yield error.fault
            part = error.fault.path.removeprefix("plan.").partition(".")[0].partition("[")[0]
            if part == "plan":  # words nobody knows: look behind them
                whole = {key: value for key, value in whole.items() if key in content.PLAN_KEYS}
            elif part in _READABLE and whole.get(part) != _READABLE[part]:
                whole[part] = _READABLE[part]
            else:
                return
        else:
            return


_READABLE_STEP = {
    "code": "readable", "title": {"zh": "-", "en": "-"}, "purpose": "caring", "activity": "reminder", "schedule": "1",
}  # fmt: skip
_READABLE: dict[str, Any] = {
    "url": "https://example.org/readable", "version": "1", "title": {"zh": "-", "en": "-"},
    "description": {"zh": "-", "en": "-"}, "category": "routine", "group": "readable", "specialty": "readable",
    "enrolment": {}, "ends": {}, "sources": [{"title": "-"}], "valid_from": "2025-01-01", "valid_to": None,
    "targets": {}, "covers_first_contact": False,
}  # fmt: skip


def _faults_of_steps(raw: Mapping[str, Any]) -> Iterator[Fault]:
    steps = raw.get("steps")
    for number, item in enumerate(steps if isinstance(steps, list) else ()):
        try:
            content.parse_step(item, f"steps[{number}]")
        except PlanContentError as error:
            yield error.fault


def _rule_for_everyone(plan: PlanContent, matched: Matched | None) -> Iterator[Fault]:
    if plan.enrolment == EnrolmentRule():
        yield Fault("enrolment", gettext_noop("the rule takes every discharge: add a diagnosis, an operation, a department or a kind of visit"))  # fmt: skip
    elif (
        plan.category is not Category.ROUTINE
        and matched is not None
        and matched.of >= FEWEST_TO_JUDGE
        and matched.share >= EVERYONE
    ):
        yield Fault(
            "enrolment",
            gettext_noop("the rule takes %(taken)s of %(of)s discharges, nearly everyone: narrow it, or make it a routine plan"),
            {"taken": matched.taken, "of": matched.of},
        )  # fmt: skip


def _step(plan: PlanContent, step: Step, at: str) -> Iterator[Fault]:
    if _is_endless(plan, step):
        yield Fault(f"{at}.schedule", gettext_noop("`%(item)s` never ends: add `until 24m` or `x 12`, or say when the plan ends"), {"item": step.schedule.text})  # fmt: skip
        return
    dates = _dates(plan, step)
    if not dates:
        yield Fault(f"{at}.schedule", gettext_noop("no contact comes before the plan ends: move it earlier, or let the plan end later"))  # fmt: skip
    elif len(dates) > MOST_CONTACTS:
        yield Fault(f"{at}.schedule", gettext_noop("more than %(most)s contacts for one patient: make the interval longer or end it earlier"), {"most": MOST_CONTACTS})  # fmt: skip
    yield from _windows_overlap(step, dates, at)


def _is_endless(plan: PlanContent, step: Step) -> bool:
    endless = step.schedule.legs[-1].is_endless and step.times is None and step.until is None
    return endless and plan.ends.after is None and plan.ends.on is None and plan.ends.after_completed is None


def _windows_overlap(step: Step, dates: Sequence[date], at: str) -> Iterator[Fault]:
    closest = min(((after - before).days for before, after in pairwise(dates)), default=None)
    width = step.opens_before + step.closes_after
    if closest is not None and width >= closest:
        yield Fault(
            f"{at}.window",
            gettext_noop("the windows overlap: contacts come %(days)s days apart and each may be done within %(width)s days, so one call would count twice"),
            {"days": closest, "width": width + 1},
        )  # fmt: skip


def _same_contact_twice(plan: PlanContent) -> Iterator[Fault]:
    """Two steps that ask the same on the same day: one of them is a slip."""
    seen: dict[tuple[str, str, date], str] = {}
    for number, step in enumerate(plan.steps):
        what = step.questionnaire or step.education or (step.text.zh if step.text else step.title.zh)
        for day in _dates(plan, step):
            key = (step.activity.value, what, day)
            other = seen.setdefault(key, step.code)
            if other != step.code:
                yield Fault(
                    f"steps[{number}].schedule",
                    gettext_noop("`%(other)s` does the same on the same day (day %(day)s): take one of them away"),
                    {"other": other, "day": (day - _EXAMPLE).days},
                )
                break


def _end(plan: PlanContent) -> Iterator[Fault]:
    if plan.ends.on is not None and plan.ends.on < plan.valid_from:
        yield Fault("ends.on", gettext_noop("the plan would end before it starts to be valid"))
    if plan.valid_to is not None and plan.valid_to < plan.valid_from:
        yield Fault("valid_to", gettext_noop("`valid_to` lies before `valid_from`"))


def _dates(plan: PlanContent, step: Step) -> list[date]:
    """The planned dates of an example patient; of a step that waits for another, as if that were done at once."""
    anchors = Anchors(_EXAMPLE, _EXAMPLE, _EXAMPLE, _EXAMPLE)
    alone = _alone(step)
    ends_after = plan.ends.after.after(_EXAMPLE) if plan.ends.after else None
    progress = Progress(not_before=_EXAMPLE, last_day=ends_after)
    found = []
    for occurrence in occurrences(alone, anchors, progress, WEEKDAYS_ONLY, until=_HORIZON):
        found.append(occurrence.planned)
        if len(found) > MOST_CONTACTS:
            break
    return found


def _alone(step: Step) -> Step:
    if step.anchor is not Anchor.PREVIOUS_COMPLETION:
        return step
    return replace(step, anchor=step.first_from, of_step=None)


def contacts(plan: PlanContent) -> int:
    """How many contacts one patient gets at most, within thirty years."""
    return sum(len(_dates(plan, step)) for step in plan.steps)
