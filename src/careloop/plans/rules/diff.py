"""What a new version of a plan would change for one patient: shown before anybody adopts it (pain 12)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from careloop.plans.rules.calendar import WorkCalendar
from careloop.plans.rules.changes import NO_CHANGES, Changes
from careloop.plans.rules.content import PlanContent, Step
from careloop.plans.rules.schedule import Anchors, Occurrence, Progress, last_day, plan_occurrences


@dataclass(frozen=True, slots=True)
class Moved:
    before: Occurrence
    after: Occurrence


@dataclass(frozen=True, slots=True)
class Diff:
    """Future items only: what is done stays done."""

    added: tuple[Occurrence, ...]
    removed: tuple[Occurrence, ...]
    moved: tuple[Moved, ...]
    changed: tuple[Moved, ...]  # the same date, other content (questionnaire, channel, owner, words)
    kept: tuple[Occurrence, ...]

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.removed or self.moved or self.changed)


def diff_future(
    old: PlanContent,
    new: PlanContent,
    anchors: Anchors,
    progress: Progress,
    calendar: WorkCalendar,
    changes: Changes = NO_CHANGES,
    *,
    until: date,
) -> Diff:
    """Compare the future items of both versions up to `until`; items are the same when step and number are."""
    before = _future(old, anchors, progress, calendar, changes, until)
    after = _future(new, anchors, progress, calendar, changes, until)
    both = [(before[key], after[key]) for key in before if key in after]
    moved = [Moved(b, a) for b, a in both if (b.due, b.opens, b.closes) != (a.due, a.opens, a.closes)]
    same = [(b, a) for b, a in both if (b.due, b.opens, b.closes) == (a.due, a.opens, a.closes)]
    return Diff(
        added=tuple(after[key] for key in after if key not in before),
        removed=tuple(before[key] for key in before if key not in after),
        moved=tuple(moved),
        changed=tuple(Moved(b, a) for b, a in same if _content(old.step(b.step)) != _content(new.step(a.step))),
        kept=tuple(b for b, a in same if _content(old.step(b.step)) == _content(new.step(a.step))),
    )


def _future(
    plan: PlanContent, anchors: Anchors, progress: Progress, calendar: WorkCalendar, changes: Changes, until: date
) -> dict[tuple[str, int], Occurrence]:
    mine = Progress(progress.past, progress.not_before, last_day(plan, anchors))
    return {(o.step, o.number): o for o in plan_occurrences(plan, anchors, mine, calendar, changes, until=until)}


def _content(step: Step | None) -> tuple[object, ...]:
    if step is None:
        return ()
    return (
        step.title,
        step.purpose,
        step.activity,
        step.questionnaire,
        step.education,
        step.ladder,
        step.owner,
        step.text,
    )
