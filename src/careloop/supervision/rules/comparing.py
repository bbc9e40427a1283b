"""Two answers side by side, question by question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

Scale = Literal["nominal", "ordinal", "many", "number", "words"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the comparison must know of a question. `tolerance` in the unit of the number."""

    link_id: str
    scale: Scale
    categories: tuple[str, ...] = ()
    tolerance: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One question. `agrees` is None when the two cannot be compared (free words, asked only once)."""

    link_id: str
    scale: Scale
    first: str
    second: str
    agrees: bool | None
    counts_for_kappa: bool


def compare(questions: Sequence[Question], first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[Compared, ...]:
    """Every question that was answered at least once. Numbers agree within their tolerance; words are only shown."""
    found = []
    for question in questions:
        one, other = first.get(question.link_id), second.get(question.link_id)
        if one in (None, "", []) and other in (None, "", []):
            continue
        agrees = _agrees(question, one, other)
        found.append(
            Compared(
                link_id=question.link_id, scale=question.scale, first=_text(one), second=_text(other), agrees=agrees,
                counts_for_kappa=agrees is not None and question.scale in ("nominal", "ordinal"),
            )
        )  # fmt: skip
    return tuple(found)


def _agrees(question: Question, one: Any, other: Any) -> bool | None:
    if one in (None, "", []) or other in (None, "", []) or question.scale == "words":
        return None
    if question.scale == "number":
        a, b = _number(one), _number(other)
        if a is None or b is None:  # "not measured" in one of them
            return None
        return abs(a - b) <= Decimal(str(question.tolerance or 0))
    return _text(one) == _text(other)


def _number(value: Any) -> Decimal | None:
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _text(value: Any) -> str:
    if value in (None, "", []):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "+".join(sorted(str(one) for one in value))
    return str(value)
