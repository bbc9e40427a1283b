"""When a plan is over (pain 4, pain 25): a death, a refusal, a transfer, a date, a count, or nothing left to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from careloop.plans.rules.content import EndCause, EndRule, PlanContent
from careloop.plans.rules.schedule import Anchors, NoMore, last_day


@dataclass(frozen=True, slots=True)
class PlanState:
    """What counts for the end of a plan."""

    completed: int = 0  # tasks done
    open_tasks: int = 0
    nothing_follows: bool = False  # no step can have another occurrence
    cause: EndCause | None = None  # what happened to the patient


# The outcome code of a contact (tasks.rules.OUTCOMES) that says something for the whole plan.
CAUSE_OF_OUTCOME = {
    "died": EndCause.DEATH,
    "refused-for-ever": EndCause.REFUSAL,
    "transferred": EndCause.TRANSFER,
    "moved": EndCause.MOVED,
    "not-needed": EndCause.NOT_NEEDED,
}


def end_reason(plan: PlanContent, anchors: Anchors, state: PlanState, *, today: date) -> str | None:
    """The code of the reason why the plan is over today, or None. The patient's own events come first."""
    if state.cause is not None and state.cause in plan.ends.causes:
        return state.cause.value
    final = last_day(plan, anchors)
    if final is not None and today > final:
        return "date-reached"
    wanted = plan.ends.after_completed
    if wanted is not None and state.completed >= wanted:
        return "count-reached"
    if state.nothing_follows and state.open_tasks == 0:
        return "steps-done"
    return None


def end_facts(rule: EndRule) -> tuple[tuple[str, str], ...]:
    """The end conditions as (code, value) pairs for the "ends when" text on the page."""
    facts: list[tuple[str, str]] = []
    if rule.after is not None:
        facts.append(("after", str(rule.after)))
    if rule.on is not None:
        facts.append(("on", rule.on.isoformat()))
    if rule.after_completed is not None:
        facts.append(("after-completed", str(rule.after_completed)))
    facts += [(cause.value, "") for cause in sorted(rule.causes)]
    return tuple(facts)


def nothing_follows(answers: list[NoMore]) -> bool:
    """True when no step of the plan can have another occurrence, whatever happens."""
    return all(answer.is_final for answer in answers)
