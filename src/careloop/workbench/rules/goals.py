"""Personal goals of a patient's plan: what was typed as numbers, refused when it cannot be meant."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_SHAPE = re.compile(r"[<≤]?\s*(\d+(?:\.\d+)?)(?:\s*/\s*(\d+(?:\.\d+)?))?\s*([A-Za-z/]*)")


class GoalError(ValueError):
    """The typed goal cannot be meant. `code`: unknown-goal, wrong-shape, wrong-unit, out-of-range, wrong-order."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class GoalKind:
    """One thing that can have a goal: its unit and, for each number, what is believable."""

    code: str
    unit: str
    parts: tuple[tuple[float, float], ...]
    decimals: int


@dataclass(frozen=True, slots=True)
class Goal:
    """Stay below these numbers; for blood pressure systolic, then diastolic."""

    code: str
    below: tuple[float, ...]
    unit: str

    def written(self) -> str:
        """`<130/80 mmHg`, as plans store it."""
        return f"<{'/'.join(f'{number:g}' for number in self.below)} {self.unit}"


def parse_kinds(raw: Mapping[str, Any]) -> Mapping[str, GoalKind]:
    """Reads content/goals.json."""
    return {
        one["code"]: GoalKind(
            one["code"], one["unit"], tuple((float(low), float(high)) for low, high in one["parts"]), one["decimals"]
        )
        for one in raw["goals"]
    }


def parse_goal(kinds: Mapping[str, GoalKind], code: str, typed: str) -> Goal:
    """`<130/80`, `130／80 mmHg`, `1.4` as a goal. Raises GoalError for everything that cannot be meant."""
    kind = kinds.get(code)
    if kind is None:
        raise GoalError("unknown-goal")
    match = _SHAPE.fullmatch(_plain(typed))
    if match is None:
        raise GoalError("wrong-shape")
    if match[3] and match[3].lower() != kind.unit.lower():
        raise GoalError("wrong-unit")
    numbers = [round(float(text), kind.decimals) for text in match.groups()[:2] if text is not None]
    _check(kind, numbers)
    return Goal(code, tuple(numbers), kind.unit)


def _check(kind: GoalKind, numbers: Sequence[float]) -> None:
    if len(numbers) != len(kind.parts):
        raise GoalError("wrong-shape")
    if any(not low <= number <= high for number, (low, high) in zip(numbers, kind.parts, strict=True)):
        raise GoalError("out-of-range")
    if len(numbers) == 2 and numbers[1] >= numbers[0]:
        raise GoalError("wrong-order")


def _plain(text: str) -> str:
    """Full-width digits and signs of a Chinese keyboard, a comma for the decimal point."""
    return unicodedata.normalize("NFKC", text).strip().replace(",", ".").replace("。", ".")


def pressure_band(goal: Goal | None, *, default: tuple[float, float]) -> tuple[float, float]:
    """The zone to draw on a chart of both pressures: down to the usual lower limit, up to the goal's systolic number."""
    if goal is None or goal.code != "blood-pressure":
        return default
    return default[0], goal.below[0]
