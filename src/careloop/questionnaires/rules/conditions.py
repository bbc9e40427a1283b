"""Conditions of rules, checks and classifications: data, not code.

{"item": …, "op": …, "value": … or "value_of": another item} · {"score": …} · {"previous": …} · {"change": …, "days": …} · {"all"|"any": […]} · {"not": …}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from careloop.questionnaires.rules.logic import NOT_MEASURED, Answers, compare, number


class BadCondition(ValueError):
    """A condition cannot be read; the message shows it."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a condition may look at."""

    answers: Answers
    scores: Mapping[str, Decimal | None] = field(default_factory=dict)
    previous: Answers = field(default_factory=dict)
    previous_at: datetime | None = None
    at: datetime | None = None


def holds(condition: Any, context: Context) -> bool:
    """Whether it is true. An unanswered question makes every comparison false, except != and exists."""
    if condition == "otherwise":
        return True
    if not isinstance(condition, Mapping):
        raise BadCondition(f"{condition!r} is not a condition")
    if "all" in condition:
        return all(holds(part, context) for part in condition["all"])
    if "any" in condition:
        return any(holds(part, context) for part in condition["any"])
    if "not" in condition:
        return not holds(condition["not"], context)
    return _leaf(condition, context)


def _leaf(condition: Mapping[str, Any], context: Context) -> bool:
    operator, expected = condition.get("op", "="), condition.get("value")
    if "value_of" in condition:
        expected = context.answers.get(condition["value_of"])
        if expected in (None, NOT_MEASURED):
            return False
    if "item" in condition:
        return compare(context.answers.get(condition["item"]), operator, expected)
    if "score" in condition:
        return compare(context.scores.get(condition["score"]), operator, expected)
    if "previous" in condition:
        return compare(context.previous.get(condition["previous"]), operator, expected)
    if "change" in condition:
        change = _change(condition, context)
        return change is not None and compare(change, operator, expected)
    raise BadCondition(f"{dict(condition)!r} names no item, score, previous or change")


def _change(condition: Mapping[str, Any], context: Context) -> Decimal | None:
    now, before = number(context.answers.get(condition["change"])), number(context.previous.get(condition["change"]))
    if now is None or before is None:
        return None
    days = condition.get("days")
    if days is not None and (
        context.at is None or context.previous_at is None or context.at - context.previous_at > timedelta(days=days)
    ):
        return None
    return now - before


def items_of(condition: Any) -> set[str]:
    """The questions a condition looks at: its evidence."""
    if not isinstance(condition, Mapping):
        return set()
    found = {str(condition[name]) for name in ("item", "change") if name in condition}
    for name in ("all", "any"):
        for part in condition.get(name, ()):
            found |= items_of(part)
    return found | items_of(condition.get("not"))


def scores_of(condition: Any) -> set[str]:
    """The scores a condition looks at."""
    if not isinstance(condition, Mapping):
        return set()
    found = {str(condition["score"])} if "score" in condition else set()
    for name in ("all", "any"):
        for part in condition.get(name, ()):
            found |= scores_of(part)
    return found | scores_of(condition.get("not"))
