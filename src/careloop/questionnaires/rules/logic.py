"""Which questions are asked. enableWhen in the wording of R5, since the R4 text of the comparisons is a misprint."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from careloop.questionnaires.rules.definition import Form, Item, When

# linkId → value: str (code, text, date), int, Decimal, bool, or a list of them for repeating items.
Answers = Mapping[str, Any]

NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,9})?")

NOT_MEASURED = "not-measured"  # the honest answer where a number is asked for


def enabled_items(form: Form, answers: Answers) -> tuple[Item, ...]:
    """The items that are asked, given these answers, in the order of the form."""
    memo: dict[str, bool] = {}
    return tuple(item for item in form.walk() if _enabled(form, item, answers, memo))


def is_enabled(form: Form, item: Item, answers: Answers) -> bool:
    """Whether this one item is asked."""
    return _enabled(form, item, answers, {})


def live_answers(form: Form, answers: Answers) -> dict[str, Any]:
    """Answers of questions that are asked; an answer on a disabled item counts as no answer."""
    asked = {item.link_id for item in enabled_items(form, answers)}
    return {name: value for name, value in answers.items() if name in asked}


def _enabled(form: Form, item: Item, answers: Answers, memo: dict[str, bool]) -> bool:
    if item.link_id not in memo:
        above = not item.parent or _enabled(form, form.item(item.parent), answers, memo)
        memo[item.link_id] = above and _lines_hold(form, item, answers, memo)
    return memo[item.link_id]


def _lines_hold(form: Form, item: Item, answers: Answers, memo: dict[str, bool]) -> bool:
    if not item.when:
        return True
    holds = [_line_holds(form, line, answers, memo) for line in item.when]
    return any(holds) if item.when_any else all(holds)


def _line_holds(form: Form, line: When, answers: Answers, memo: dict[str, bool]) -> bool:
    given = answers.get(line.question)
    if not _enabled(form, form.item(line.question), answers, memo):
        given = None
    return compare(given, line.operator, line.answer)


def compare(given: Any, operator: str, expected: Any) -> bool:
    """`exists` against a boolean; `!=` also when unanswered; the others when at least one answer fits."""
    values = [value for value in as_list(given) if value is not None]
    if operator == "exists":
        return bool(values) == bool(expected)
    if operator == "!=":
        return not any(_same(value, expected) for value in values)
    return any(_fits(value, operator, expected) for value in values)


def as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _same(value: Any, expected: Any) -> bool:
    if isinstance(value, bool) or isinstance(expected, bool):
        return value is expected
    left, right = number(value), number(expected)
    return left == right if left is not None and right is not None else str(value) == str(expected)


def _fits(value: Any, operator: str, expected: Any) -> bool:
    if operator in {"=", "contains"}:
        return _same(value, expected)
    left, right = number(value), number(expected)
    if left is not None and right is not None:
        return _ordered(left, operator, right)
    if left is None and right is None:
        return _ordered(str(value), operator, str(expected))  # dates and times in ISO form sort as text
    return False  # "not measured" is neither above nor below any number


def _ordered(left: Any, operator: str, right: Any) -> bool:
    return bool({">": left > right, "<": left < right, ">=": left >= right, "<=": left <= right}[operator])


def number(value: Any) -> Decimal | None:
    """A number as people write one, or None. Booleans, exponents (1e9999999 would never end) and other texts are none."""
    if isinstance(value, bool) or value is None:
        return None
    if not NUMBER.fullmatch(text := str(value)):
        return None
    return Decimal(text)


def answered(items: Iterable[Item], answers: Answers) -> int:
    """How many of these questions have an answer."""
    return sum(1 for item in items if item.is_question and answers.get(item.link_id) not in (None, "", []))
