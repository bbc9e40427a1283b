"""A trend over time as plain numbers for SVG: lines with true time on the x axis, a band, and marked events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil, floor

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 820, 196, 36, 44, 26, 22


@dataclass(frozen=True, slots=True)
class Dot:
    """One value in the picture, with what a tooltip says."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """One curve: its dots, and the last value that is written at its end."""

    name: str
    dots: tuple[Dot, ...]
    end: str
    end_y: float

    @property
    def points(self) -> str:
        return " ".join(f"{dot.x:g},{dot.y:g}" for dot in self.dots)


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Band:
    """The target zone."""

    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Marker:
    """A dashed line at an operation or a discharge. `anchor` keeps its words inside the picture."""

    x: float
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Trend:
    """The whole picture in the units of its viewBox (820 × 196)."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    band: Band | None
    markers: tuple[Marker, ...]


def draw_trend(
    series: Sequence[tuple[str, Sequence[tuple[date, float]]]],
    *,
    first: date,
    last: date,
    band: tuple[float, float] | None = None,
    events: Sequence[tuple[date, str]] = (),
) -> Trend | None:
    """Draw each (name, [(day, value)]) between two days. None when there is nothing to draw in that time."""
    shown = [(name, [(d, v) for d, v in sorted(points) if first <= d <= last]) for name, points in series]
    values = [v for __, points in shown for __d, v in points]
    if not values:
        return None
    low, high, step = _scale_of([*values, *(band or ())])
    days = max((last - first).days, 1)

    def x_of(day: date) -> float:
        return round(LEFT + (day - first).days / days * (WIDTH - LEFT - RIGHT), 1)

    def y_of(value: float) -> float:
        return round(HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - BOTTOM - TOP), 1)

    return Trend(
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=WIDTH - RIGHT,
        top=TOP,
        bottom=HEIGHT - BOTTOM,
        lines=_apart(
            tuple(
                Line(
                    name,
                    tuple(Dot(x_of(d), y_of(v), f"{d:%m-%d} {name} {v:g}") for d, v in points),
                    f"{points[-1][1]:g}",
                    y_of(points[-1][1]),
                )
                for name, points in shown
                if points
            )
        ),
        x_ticks=_days(first, days, x_of),
        y_ticks=tuple(Tick(y_of(low + n * step), f"{low + n * step:g}") for n in range(round((high - low) / step) + 1)),
        band=Band(y_of(band[1]), round(y_of(band[0]) - y_of(band[1]), 1)) if band else None,
        markers=tuple(_marker(x_of(d), text) for d, text in sorted(events) if first <= d <= last),
    )


def _scale_of(values: Sequence[float]) -> tuple[float, float, float]:
    """Round limits and a step that gives four or five lines."""
    low, high = min(values), max(values)
    step = next(s for s in (0.5, 1, 2, 5, 10, 20, 30, 50, 100, 200, 500, 1000, 1e9) if (high - low) / s <= 4)
    bottom, top = floor(low / step) * step, ceil(high / step) * step
    return bottom, top if top > bottom else bottom + step, step


def _days(first: date, days: int, x_of: Callable[[date], float]) -> tuple[Tick, ...]:
    every = max(1, ceil(days / 6))
    marks = [first + timedelta(days=n) for n in range(0, days + 1, every)]
    return tuple(Tick(x_of(day), f"{day.month}-{day.day}") for day in marks)


def _marker(x: float, text: str) -> Marker:
    anchor = "start" if x < LEFT + 40 else "end" if x > WIDTH - RIGHT - 40 else "middle"
    return Marker(x, text, anchor)


def _apart(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """Keep the values at the ends from covering each other."""
    placed: list[Line] = []
    for line in lines:
        y = line.end_y
        while any(abs(y - other.end_y) < 13 for other in placed):
            y += 13
        placed.append(Line(line.name, line.dots, line.end, y))
    return tuple(placed)
