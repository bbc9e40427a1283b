"""Small charts as plain numbers for SVG: the server draws them, the browser needs no script.

Pure: values in, coordinates out. Templates (`ui.sparkline`, `ui.line_chart`) only write the tags.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10


@dataclass(frozen=True)
class Point:
    """One dot: its place, and the value and label a screen reader or a tooltip says."""

    x: float
    y: float
    value: float
    label: str = ""


@dataclass(frozen=True)
class Sparkline:
    """A line without axes; `target_y` and the normal band are set when they lie in the picture."""

    width: int
    height: int
    points: tuple[Point, ...]
    target_y: float | None = None
    band_y: float | None = None
    band_height: float | None = None

    @property
    def polyline(self) -> str:
        """The `points` attribute of an SVG polyline."""
        return " ".join(f"{point.x:g},{point.y:g}" for point in self.points)


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where it is and what stands beside it."""

    at: float
    text: str


@dataclass(frozen=True)
class Series:
    """One line of a chart; a gap in the values (None) breaks the line into several pieces."""

    name: str
    pieces: tuple[tuple[Point, ...], ...]

    @property
    def points(self) -> tuple[Point, ...]:
        """Every dot of the line, in order."""
        return tuple(point for piece in self.pieces for point in piece)

    @property
    def polylines(self) -> tuple[str, ...]:
        """One `points` attribute for each unbroken piece."""
        return tuple(" ".join(f"{point.x:g},{point.y:g}" for point in piece) for piece in self.pieces)


@dataclass(frozen=True)
class LineChart:
    """A chart with axes: x labels, y ticks, lines, and perhaps a dashed target line or a band to stay within."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    series: tuple[Series, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    target_y: float | None = None
    band_y: float | None = None
    band_height: float | None = None


def sparkline(
    values: Sequence[float],
    *,
    width: int = 120,
    height: int = 32,
    target: float | None = None,
    normal: tuple[float, float] | None = None,
) -> Sparkline:
    """Places the values from left to right, the highest at the top. One value sits in the middle; none draws nothing."""
    shown = [*values, *([target] if target is not None else []), *(normal or ())]
    low, high = _bounds(shown)

    def y_of(value: float) -> float:
        return _scale(value, low, high, height - 3, 3)

    points = tuple(
        Point(x=_scale(index, 0, len(values) - 1, 3, width - 3), y=y_of(value), value=value)
        for index, value in enumerate(values)
    )
    band = (y_of(normal[1]), y_of(normal[0]) - y_of(normal[1])) if normal else (None, None)
    return Sparkline(
        width=width,
        height=height,
        points=points,
        target_y=None if target is None else y_of(target),
        band_y=band[0],
        band_height=band[1],
    )


def line_chart(
    labels: Sequence[str],
    series: Sequence[tuple[str, Sequence[float | None]]],
    *,
    width: int = 640,
    height: int = 220,
    target: float | None = None,
    band: tuple[float, float] | None = None,
) -> LineChart:
    """Draws each (name, values) against the labels. Refuses values that do not match the labels in number."""
    if any(len(values) != len(labels) for _, values in series):
        raise ValueError("each series needs one value (or None) for each label")
    left, right, top, bottom = 40, 56, 12, 24
    known = [value for _, values in series for value in values if value is not None]
    steps = nice_steps(*_bounds([*known, *([target] if target is not None else []), *(band or ())]))

    def x_of(index: int) -> float:
        return _scale(index, 0, len(labels) - 1, left, width - right)

    def y_of(value: float) -> float:
        return _scale(value, steps[0], steps[-1], height - bottom, top)

    return LineChart(
        width=width,
        height=height,
        left=left,
        right=width - right,
        top=top,
        bottom=height - bottom,
        series=tuple(Series(name, _pieces(labels, values, x_of, y_of)) for name, values in series),
        x_ticks=_thinned(tuple(Tick(x_of(index), label) for index, label in enumerate(labels))),
        y_ticks=tuple(Tick(y_of(step), f"{step:g}") for step in steps),
        target_y=None if target is None else y_of(target),
        band_y=y_of(band[1]) if band else None,
        band_height=y_of(band[0]) - y_of(band[1]) if band else None,
    )


def nice_steps(low: float, high: float, about: int = 4) -> tuple[float, ...]:
    """Round numbers (1, 2, 2.5 or 5 times a power of ten) that cover low…high in about so many steps."""
    rough = (high - low) / about
    power = 10 ** floor(log10(rough))
    step = next(power * nice for nice in (1, 2, 2.5, 5, 10) if power * nice >= rough * 0.999)
    first, last = floor(low / step), ceil(high / step)
    return tuple(round(index * step, 6) for index in range(first, last + 1))


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    """Lowest and highest, never the same: a flat line is drawn in the middle."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    return (low - 1.0, high + 1.0) if low == high else (low, high)


def _scale(value: float, low: float, high: float, start: float, end: float) -> float:
    if high == low:
        return round((start + end) / 2, 2)
    return round(start + (value - low) / (high - low) * (end - start), 2)


def _pieces(
    labels: Sequence[str],
    values: Sequence[float | None],
    x_of: Callable[[int], float],
    y_of: Callable[[float], float],
) -> tuple[tuple[Point, ...], ...]:
    pieces: list[list[Point]] = [[]]
    for index, value in enumerate(values):
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append(Point(x_of(index), y_of(value), value, labels[index]))
    return tuple(tuple(piece) for piece in pieces if piece)


def _thinned(ticks: tuple[Tick, ...], at_most: int = 12) -> tuple[Tick, ...]:
    """Leaves labels out so that they do not run into each other."""
    every = max(1, ceil(len(ticks) / at_most))
    return ticks[::every]
