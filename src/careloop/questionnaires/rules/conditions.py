"""Conditions of rules, checks and classifications: data, not code.

{"item": …, "op": …, "value": … or "value_of": another item} · {"score": …} · {"previous": …} · {"change": …, "days": …} ·
{"worst": severity of the worst finding} · {"all"|"any": […]} · {"not": …}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    worst: str = "none"  # severity of the worst finding; only classifications ask for it


LONGEST_CHANGE = 3660  # days; a change over more than ten years is a slip of the pen
OPERATORS = frozenset({"=", "!=", "<", "<=", ">", ">=", "contains", "exists"})


def holds(condition: Any, context: Context) -> bool:
    """Whether it is certainly true. What was not answered or not measured makes nothing true."""
    return truth(condition, context) is True


def truth(condition: Any, context: Context) -> bool | None:
    """True, False, or None: unknown, because an answer is missing. `not` of unknown stays unknown."""
    if condition == "otherwise":
        return True
    if not isinstance(condition, Mapping):
        raise BadCondition(f"{condition!r} is not a condition")
    if "all" in condition:
        return _all([truth(part, context) for part in condition["all"]])
    if "any" in condition:
        return _any([truth(part, context) for part in condition["any"]])
    if "not" in condition:
        inner = truth(condition["not"], context)
        return None if inner is None else not inner
    return _leaf(condition, context)


def _all(parts: Sequence[bool | None]) -> bool | None:
    if any(part is False for part in parts):
        return False
    return None if any(part is None for part in parts) else True


def _any(parts: Sequence[bool | None]) -> bool | None:
    if any(part is True for part in parts):
        return True
    return None if any(part is None for part in parts) else False


def _leaf(condition: Mapping[str, Any], context: Context) -> bool | None:
    operator, expected = condition.get("op", "="), condition.get("value")
    if "value_of" in condition:
        expected = context.answers.get(condition["value_of"])
        if _unknown(expected, None):
            return None
    if "item" in condition:
        return _compared(context.answers.get(condition["item"]), operator, expected)
    if "score" in condition:
        return _compared(context.scores.get(condition["score"]), operator, expected)
    if "previous" in condition:  # no earlier answer is a known fact: it was not so before
        return compare(context.previous.get(condition["previous"]), operator, expected)
    if "change" in condition:
        return _compared(_change(condition, context), operator, expected)
    if "worst" in condition:
        return bool(context.worst == condition["worst"])
    raise BadCondition(f"{dict(condition)!r} names no item, score, previous, change or worst")


def _compared(given: Any, operator: str, expected: Any) -> bool | None:
    if operator != "exists" and _unknown(given, expected):
        return None
    return compare(given, operator, expected)


def _unknown(given: Any, expected: Any) -> bool:
    if given == NOT_MEASURED:
        return bool(expected != NOT_MEASURED)
    return given is None or given in ("", [])


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
    found = {str(condition[name]) for name in ("item", "change", "value_of") if name in condition}
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
