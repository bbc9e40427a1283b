"""A trend as an SVG picture for paper: true time on the x axis, lines told apart without colour."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from html import escape
from math import ceil

from careloop.kernel.svg import nice_steps

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 400, 170, 34, 40, 22, 22
NARROWEST = 0.01  # of the scale, in the unit of the values
DASHES = ("", "5 3", "1.5 2.5")  # one look a line, readable in black and white
FONT = 'font-family="Noto Sans SC" font-size="9"'


@dataclass(frozen=True, slots=True)
class Series:
    """One measured quantity over time."""

    name: str
    points: tuple[tuple[date, float], ...]


def trend_svg(series: Sequence[Series], *, first: date, last: date, limits: Sequence[float] = ()) -> str | None:
    """Lines between two days, with the target as thin lines. None when no line has two values there."""
    shown = [Series(s.name, tuple(sorted(p for p in s.points if first <= p[0] <= last))) for s in series]
    shown = [s for s in shown if s.points]
    values = [value for s in shown for _day, value in s.points]
    if last <= first or max((len(s.points) for s in shown), default=0) < 2:
        return None
    low, high = min([*values, *limits]), max([*values, *limits])
    if high - low < NARROWEST:  # one value, or values that no pen could tell apart
        low, high = low - 1, high + 1
    steps = nice_steps(low, high)
    picture = _Picture(first, last, steps)
    parts = [
        *picture.grid(),
        *(picture.limit(value) for value in limits),
        *(line for number, s in enumerate(shown) for line in picture.curve(s, number)),
        *picture.legend([s.name for s in shown]),
    ]
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">{"".join(parts)}</svg>'


def limits_of(target: str) -> tuple[float, ...]:
    """The numbers of an upper limit such as "<130/80 mmHg" or "<1.4 mmol/L"; nothing for words."""
    found = re.fullmatch(r"\s*[<≤]\s*(\d+(?:\.\d+)?)(?:\s*/\s*(\d+(?:\.\d+)?))?\D*", target)
    return tuple(float(number) for number in found.groups() if number) if found else ()


@dataclass(frozen=True, slots=True)
class _Picture:
    first: date
    last: date
    steps: tuple[float, ...]

    def x(self, day: date) -> float:
        return round(LEFT + (day - self.first).days / (self.last - self.first).days * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        low, high = self.steps[0], self.steps[-1]
        return round(HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - BOTTOM - TOP), 1)

    def grid(self) -> list[str]:
        lines = [
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{self.y(s)}" y2="{self.y(s)}" stroke="#bbb" stroke-width=".5"/>'
            f'<text x="{LEFT - 4}" y="{self.y(s) + 3}" text-anchor="end" {FONT}>{s:g}</text>'
            for s in self.steps
        ]
        days = (self.last - self.first).days
        every = max(1, ceil(days / 5))
        for n in range(0, days + 1, every):
            day = self.first + timedelta(days=n)
            x = self.x(day)
            lines.append(f'<text x="{x}" y="{HEIGHT - BOTTOM + 13}" text-anchor="middle" {FONT}>{day:%m-%d}</text>')
        return lines

    def limit(self, value: float) -> str:
        y = self.y(value)
        return (
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="#000" stroke-width=".7" '
            f'stroke-dasharray="8 3 2 3"/>'
        )

    def curve(self, series: Series, number: int) -> list[str]:
        places = [(self.x(day), self.y(value)) for day, value in series.points]
        dash = DASHES[number % len(DASHES)]
        line = " ".join(f"{x:g},{y:g}" for x, y in places)
        style = f' stroke-dasharray="{dash}"' if dash else ""
        end_x, end_y = places[-1]
        return [
            f'<polyline points="{line}" fill="none" stroke="#000" stroke-width="1.4"{style}/>',
            *(_mark(x, y, number) for x, y in places),
            f'<text x="{end_x + 5}" y="{end_y + 3}" {FONT}>{series.points[-1][1]:g}</text>',
        ]

    def legend(self, names: Sequence[str]) -> list[str]:
        if len(names) < 2:
            return []
        parts, x = [], float(LEFT)
        for number, name in enumerate(names):
            parts.append(_mark(x + 4, 10, number))
            parts.append(f'<text x="{x + 11:g}" y="13" {FONT}>{escape(name)}</text>')
            x += 24 + 9 * len(name)
        return parts


def _mark(x: float, y: float, number: int) -> str:
    """A filled dot, an empty square, an empty ring: told apart in any print."""
    if number % 3 == 0:
        return f'<circle cx="{x:g}" cy="{y:g}" r="2.4"/>'
    if number % 3 == 1:
        return f'<rect x="{x - 2.3:g}" y="{y - 2.3:g}" width="4.6" height="4.6" fill="#fff" stroke="#000"/>'
    return f'<circle cx="{x:g}" cy="{y:g}" r="2.4" fill="#fff" stroke="#000"/>'
