"""A slider as pages and paper draw it: its ends, its step and the numbers under it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from careloop.questionnaires.rules import Item


@dataclass(frozen=True, slots=True)
class Slider:
    """The ends, the step and the middle of a slider, as a browser reads them."""

    low: str
    high: str
    step: str
    marks: tuple[str, ...] = ()

    @property
    def places(self) -> list[tuple[str, float]]:
        """Each mark with its share of the way, 0 to 1."""
        low, way = Decimal(self.low), Decimal(self.high) - Decimal(self.low)
        return [(mark, round(float((Decimal(mark) - low) / way), 4)) for mark in self.marks]


def slider_of(item: Item) -> Slider:
    """A slider with at most eleven numbers written under it, the two ends among them."""
    low, high, step = item.minimum or Decimal(0), item.maximum or Decimal(0), item.slider_step
    steps = max(1, int((high - low) / step))
    each = next((n for n in range(max(1, -(-steps // 10)), steps + 1) if steps % n == 0), steps)
    marks = [_plain_number(low + step * n) for n in range(0, steps, each)]
    return Slider(_plain_number(low), _plain_number(high), _plain_number(step), (*marks, _plain_number(high)))


def _plain_number(value: Decimal) -> str:
    return f"{value.normalize():f}"
