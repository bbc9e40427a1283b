"""How many readings over a limit seem to have been written down as just under it.

A reading is the patient's pressure read off by one person: some round to a full ten, the others write what the device
shows. What is fitted is that person's own level, spread and habit of rounding; whoever shades moves a share of the readings
over the limit to just under it, where no full ten lies. Such a gap and heap at a limit is what a test for manipulation
looks for (McCrary J. Manipulation of the running variable in the regression discontinuity design: a density test. J Econom
2008;142:698-714); because rounding makes heaps of its own there, it is fitted, not smoothed away. The share is compared
with what the colleagues' readings of the same months give, and the test is the signed root of the likelihood ratio
(Cox DR, Hinkley DV. Theoretical Statistics. 1974, ch. 9); several kinds of readings are added by their precision
(Stouffer SA et al. The American Soldier. 1949).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

UNDER, OVER, ZONES = 3, 4, 7
BY_ITSELF = 0.15  # readings that end in nought unrounded: 1 in 10 of single units, 1 in 5 of even ones
FEWEST_SHARE, MOST_SHARE = -0.6, 0.97
ROUNDS = 40
Cells = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Where a limit lies and how wide just under (`unit`) and just over (`over`) are; `tens`: what people round to.

    `skewed`: the logarithm is nearer to a normal distribution than the value itself.
    """

    at: float
    unit: float
    over: float
    tens: float | None = None
    skewed: bool = False

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Band:
        return cls(
            at=data["at"], unit=data["width"], over=data["over"], tens=data.get("tens"),
            skewed=data.get("skewed", False),
        )  # fmt: skip

    @property
    def edges(self) -> tuple[float, ...]:
        """The six borders of the seven zones; the fourth zone is just under the limit, the fifth just over it."""
        at, unit, over = self.at, self.unit, self.at + self.over
        return (at - 3 * unit, at - 2 * unit, at - unit, at, over, over + unit)

    def zone(self, value: float) -> int:
        """In which of the seven zones this reading lies."""
        return sum(value >= edge - 1e-9 for edge in self.edges)

    def is_rounded(self, value: float) -> bool:
        """Whether it ends where people round to."""
        return self.tens is not None and abs(value / self.tens - round(value / self.tens)) < 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Where a band's zones begin and end before reading off: as shown by the device, and for those rounded to a ten."""

    plain: tuple[float, ...]
    rounded: tuple[float, ...]
    unit: float  # the width of the zone just under, as fitted

    @classmethod
    def of(cls, band: Band) -> Shape:
        half = band.unit / 20
        plain = tuple(edge - half for edge in band.edges)
        tens = band.tens
        rounded = () if tens is None else tuple((math.ceil(edge / tens - 1e-9) - 0.5) * tens for edge in band.edges)
        as_fitted = math.log if band.skewed else float
        unit = as_fitted(band.at) - as_fitted(band.at - band.unit)
        return cls(plain=tuple(map(as_fitted, plain)), rounded=tuple(map(as_fitted, rounded)), unit=unit)

    def kept_possible(self, at: Mapping[str, float]) -> dict[str, float]:
        """Readings that are all the same, or all far away, must not lead to a spread of nothing or a level nowhere."""
        unit = self.unit
        return {
            "level": min(self.plain[-1] + 8 * unit, max(self.plain[0] - 8 * unit, at["level"])),
            "spread": min(math.log(10 * unit), max(math.log(0.3 * unit), at["spread"])),
            "rounding": min(0.985, max(0.0, at["rounding"])),
            "share": min(MOST_SHARE, max(FEWEST_SHARE, at["share"])),
        }


def cells_of(values: Iterable[float], band: Band) -> Cells:
    """How many readings lie in each zone: seven as shown, then seven rounded."""
    found = [0] * (2 * ZONES)
    for value in values:
        if value > 0:
            found[band.zone(value) + ZONES * band.is_rounded(value)] += 1
    return tuple(found)


def together(cells: Iterable[Cells]) -> Cells:
    """Several people's readings as one."""
    total = [0] * (2 * ZONES)
    for one in cells:
        for number, count in enumerate(one):
            total[number] += count
    return tuple(total)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What explains the readings best. `share`: of the readings over the limit, how many are written just under it."""

    share: float
    error: float  # of the share
    fit: float  # logarithm of the likelihood


def _start(cells: Cells, band: Band) -> tuple[float, float, float]:
    """Level, spread (logarithm) and rounding to begin with: from the middles of the zones."""
    edges = band.edges
    as_fitted = math.log if band.skewed else float
    middles = [as_fitted(max(edges[0] - band.unit / 2, band.unit / 2))]
    middles += [as_fitted((a + b) / 2) for a, b in zip(edges, edges[1:], strict=False)]
    middles += [as_fitted(edges[-1] + band.unit / 2)]
    counts = [cells[zone] + cells[zone + ZONES] for zone in range(ZONES)]
    n = sum(counts)
    mean = sum(c * m for c, m in zip(counts, middles, strict=True)) / n
    spread = math.sqrt(sum(c * (m - mean) ** 2 for c, m in zip(counts, middles, strict=True)) / n)
    least = 0.6 * (as_fitted(band.at + band.unit) - as_fitted(band.at))
    tens = sum(cells[ZONES:]) / n
    rounding = min(0.97, max(0.03, (tens - BY_ITSELF) / (1 - BY_ITSELF)))
    return mean, math.log(max(spread, least)), rounding


def fit(cells: Cells, band: Band, *, share: float | None = None) -> Fit:
    """The most likely share, or, when a share is given, how likely the readings are with it.

    Fisher's scoring with halved steps; level, spread and rounding are always fitted. Raises ValueError without readings.
    """
    if not sum(cells):
        raise ValueError("no readings")
    shape = Shape.of(band)
    free = ["level", "spread", *(["rounding"] if band.tens else []), *(["share"] if share is None else [])]
    mean, spread, rounding = _start(cells, band)
    at = shape.kept_possible(
        {"level": mean, "spread": spread, "rounding": rounding if band.tens else 0.0, "share": share or 0.0}
    )
    value, slopes = _model(shape, at)
    likelihood = _log(cells, value)
    information: list[list[float]] = []
    for _round in range(ROUNDS):
        score, information = _score(cells, value, [slopes[name] for name in free])
        step = _solve(information, score)
        moved, likelihood_then, value, slopes = _move(cells, shape, at, dict(zip(free, step, strict=True)), likelihood)
        gained, at, likelihood = likelihood_then - likelihood, moved, likelihood_then
        if gained < 1e-7:
            break
    _, information = _score(cells, value, [slopes[name] for name in free])
    error = math.sqrt(max(1e-12, _inverse_corner(information))) if share is None else 0.0
    return Fit(share=at["share"], error=error, fit=likelihood)


def _move(
    cells: Cells, shape: Shape, at: dict[str, float], step: Mapping[str, float], likelihood: float
) -> tuple[dict[str, float], float, list[float], dict[str, list[float]]]:
    """As far in this direction as the likelihood grows: the whole step, half of it, a quarter …"""
    factor = 1.0
    for _half in range(12):
        moved = {name: value + factor * step.get(name, 0.0) for name, value in at.items()}
        moved = shape.kept_possible(moved)
        value, slopes = _model(shape, moved)
        then = _log(cells, value)
        if then >= likelihood:
            return moved, then, value, slopes
        factor /= 2
    value, slopes = _model(shape, at)
    return at, likelihood, value, slopes


def _zones(borders: Sequence[float], level: float, spread: float) -> list[tuple[float, float, float]]:
    """Probability of each zone, and how it changes with the level and with the logarithm of the spread."""
    sigma = math.exp(spread)
    below = [(0.0, 0.0, 0.0)]
    for border in borders:
        z = (border - level) / sigma
        density = 0.3989422804014327 * math.exp(-0.5 * z * z)
        below.append((0.5 * math.erfc(-z * 0.7071067811865476), -density / sigma, -density * z))
    below.append((1.0, 0.0, 0.0))
    return [(b[0] - a[0], b[1] - a[1], b[2] - a[2]) for a, b in zip(below, below[1:], strict=False)]


def _model(shape: Shape, at: Mapping[str, float]) -> tuple[list[float], dict[str, list[float]]]:
    """Probability of each cell and its slopes."""
    rounding, share = at["rounding"], at["share"]
    own = BY_ITSELF if shape.rounded else 0.0
    plain = _zones(shape.plain, at["level"], at["spread"])
    rounded = _zones(shape.rounded, at["level"], at["spread"]) if shape.rounded else [(0.0, 0.0, 0.0)] * ZONES
    shown = [[(1 - rounding) * (1 - own) * zone[k] for zone in plain] for k in range(3)]
    tens = [
        [rounding * r[k] + (1 - rounding) * own * p[k] for p, r in zip(plain, rounded, strict=True)] for k in range(3)
    ]
    by_rounding = [-(1 - own) * p[0] for p in plain] + [r[0] - own * p[0] for p, r in zip(plain, rounded, strict=True)]
    value, level, spread = ([*shown[k], *tens[k]] for k in range(3))
    moved = [0.0] * (2 * ZONES)
    moved[UNDER] = value[OVER] + value[OVER + ZONES]
    moved[OVER], moved[OVER + ZONES] = -value[OVER], -value[OVER + ZONES]
    for cells in (value, level, spread, by_rounding):
        cells[UNDER] += share * (cells[OVER] + cells[OVER + ZONES])
        cells[OVER] *= 1 - share
        cells[OVER + ZONES] *= 1 - share
    return value, {"level": level, "spread": spread, "rounding": by_rounding, "share": moved}


def _log(cells: Cells, value: Sequence[float]) -> float:
    """Logarithm of the likelihood; what is next to impossible counts as that, not as impossible."""
    return math.fsum(count * math.log(max(p, 1e-12)) for count, p in zip(cells, value, strict=True) if count)


def _score(
    cells: Cells, value: Sequence[float], slopes: Sequence[Sequence[float]]
) -> tuple[list[float], list[list[float]]]:
    n = sum(cells)
    size = len(slopes)
    score = [0.0] * size
    information = [[1e-9 * (i == j) for j in range(size)] for i in range(size)]
    for number, (count, p) in enumerate(zip(cells, value, strict=True)):
        if p <= 1e-12:
            continue
        here = [slope[number] for slope in slopes]
        for i in range(size):
            score[i] += count * here[i] / p
            scaled = n * here[i] / p
            for j in range(i + 1):
                information[i][j] += scaled * here[j]
    for i in range(size):
        for j in range(i):
            information[j][i] = information[i][j]
    return score, information


def _solve(matrix: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    """Gauss with pivots; a direction that nothing is known of stays where it is."""
    size = len(right)
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for column in range(size):
        pivot = max(range(column, size), key=lambda r: abs(rows[r][column]))
        rows[column], rows[pivot] = rows[pivot], rows[column]
        if abs(rows[column][column]) < 1e-12:
            rows[column][column] = math.inf
            continue
        for row in range(column + 1, size):
            factor = rows[row][column] / rows[column][column]
            for k in range(column, size + 1):
                rows[row][k] -= factor * rows[column][k]
    found = [0.0] * size
    for row in reversed(range(size)):
        rest = rows[row][size] - sum(rows[row][k] * found[k] for k in range(row + 1, size))
        found[row] = rest / rows[row][row]
    return found


def _inverse_corner(information: Sequence[Sequence[float]]) -> float:
    """Variance of the last parameter."""
    return _solve(information, [*([0.0] * (len(information) - 1)), 1.0])[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shading:
    """Of all kinds of readings together: the share that seems shaded, against the share that honest work may reach."""

    share: float
    honest_share: float
    z: float
    chance: float


def shading(
    mine: Mapping[str, Cells], colleagues: Mapping[str, Cells], bands: Mapping[str, Band], limit: Mapping[str, Any]
) -> Shading | None:
    """Whether more is written just under the limits than the colleagues' readings explain. None: too few readings.

    The yardstick is the colleagues' own share and a margin; never below what is `honest_share` by itself, never above
    `most_share`, so that a whole department cannot hide in itself.
    """
    tests = []
    for code, band in bands.items():
        cells = mine.get(code)
        if cells is None or _near(cells) < limit["least"]:
            continue
        honest = _yardstick(colleagues.get(code), band, limit)
        best, as_honest = fit(cells, band), fit(cells, band, share=honest)
        root = math.sqrt(2 * max(0.0, best.fit - as_honest.fit))
        tests.append((best.share, best.error, honest, math.copysign(root, best.share - honest)))
    if not tests:
        return None
    weights = [1 / error for _share, error, _honest, _z in tests]
    precise = [weight**2 for weight in weights]
    z = sum(weight * test[3] for weight, test in zip(weights, tests, strict=True)) / math.sqrt(sum(precise))
    return Shading(
        share=sum(w * test[0] for w, test in zip(precise, tests, strict=True)) / sum(precise),
        honest_share=sum(w * test[2] for w, test in zip(precise, tests, strict=True)) / sum(precise),
        z=z, chance=0.5 * math.erfc(z / math.sqrt(2)),
    )  # fmt: skip


def _near(cells: Cells) -> int:
    return cells[UNDER] + cells[OVER] + cells[UNDER + ZONES] + cells[OVER + ZONES]


def _yardstick(colleagues: Cells | None, band: Band, limit: Mapping[str, Any]) -> float:
    least: float = limit["honest_share"]
    if colleagues is None or _near(colleagues) < limit["peers_least"]:
        return least
    return min(limit["most_share"], max(least, fit(colleagues, band).share + limit["margin"]))
