"""How far two answers to the same question agree, beyond chance.

Kappa: Cohen J. A coefficient of agreement for nominal scales. Educ Psychol Meas 1960;20:37-46. Weighted kappa for scales
with an order: Cohen J. Psychol Bull 1968;70:213-220. Standard error: Fleiss JL, Cohen J, Everitt BS. Large sample
standard errors of kappa and weighted kappa. Psychol Bull 1969;72:323-327. Several questions of one nurse or department:
pooled kappa, De Vries H, Elliott MN, Kanouse DE, Teleki SS. Using pooled kappa to summarize interrater agreement across
many items. Field Methods 2008;20:272-282; its interval leaves out one record at a time (jackknife), because the answers
of one record belong together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

Weights = Literal["none", "linear", "quadratic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kappa:
    """One kappa. `undefined` says by its code why there is none: no-pairs | one-category | one-record."""

    n: int
    observed: float | None = None
    expected: float | None = None
    value: float | None = None
    error: float | None = None
    low: float | None = None
    high: float | None = None
    undefined: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The first and the second answer to one question of one record. `categories` in the order of the scale."""

    record: str
    question: str
    first: str
    second: str
    categories: tuple[str, ...]
    is_ordinal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Agreement of many pairs: as a share with its interval, per question, and pooled over the questions."""

    pairs: int
    agreeing: int
    share_low: float
    share_high: float
    pooled: Kappa
    questions: tuple[tuple[str, Kappa, int, int], ...]  # question, kappa, pairs, agreeing


def weight(i: int, j: int, size: int, weights: Weights) -> float:
    """How much of an agreement the answers i and j are: 1 the same, 0 as far apart as can be."""
    if weights == "none" or size < 2:
        return float(i == j)
    apart = abs(i - j) / (size - 1)
    return 1 - apart if weights == "linear" else 1 - apart**2


def table_of(pairs: Sequence[Pair]) -> tuple[list[list[int]], tuple[str, ...]]:
    """The cross table of the pairs of one question. Answers that are on no scale are put behind it."""
    named = next((pair.categories for pair in pairs), ())
    others = sorted({answer for pair in pairs for answer in (pair.first, pair.second)} - set(named))
    categories = (*named, *others)
    place = {name: number for number, name in enumerate(categories)}
    table = [[0] * len(categories) for _ in categories]
    for pair in pairs:
        table[place[pair.first]][place[pair.second]] += 1
    return table, categories


def kappa(table: Sequence[Sequence[int]], *, weights: Weights = "none", level: float = 0.95) -> Kappa:
    """Kappa of a square table of counts (rows: first answer, columns: second) with its confidence interval.

    Undefined without pairs, and when chance alone would agree always (all answers in one category): then agreement says
    nothing. Raises ValueError for a table that is not square.
    """
    size = len(table)
    if any(len(row) != size for row in table):
        raise ValueError("the table must be square")
    n = sum(map(sum, table))
    if n == 0:
        return Kappa(n=0, undefined="no-pairs")
    p = [[count / n for count in row] for row in table]
    rows = [sum(row) for row in p]
    columns = [sum(p[i][j] for i in range(size)) for j in range(size)]
    w = [[weight(i, j, size, weights) for j in range(size)] for i in range(size)]
    cells = [(i, j) for i in range(size) for j in range(size)]
    observed = sum(w[i][j] * p[i][j] for i, j in cells)
    expected = sum(w[i][j] * rows[i] * columns[j] for i, j in cells)
    if expected > 1 - 1e-12:
        return Kappa(n=n, observed=observed, expected=1.0, undefined="one-category")
    value = (observed - expected) / (1 - expected)
    row_mean = [sum(columns[j] * w[i][j] for j in range(size)) for i in range(size)]
    column_mean = [sum(rows[i] * w[i][j] for i in range(size)) for j in range(size)]
    spread = sum(p[i][j] * (w[i][j] - (row_mean[i] + column_mean[j]) * (1 - value)) ** 2 for i, j in cells)
    variance = (spread - (value - expected * (1 - value)) ** 2) / (n * (1 - expected) ** 2)
    error = math.sqrt(max(0.0, variance))
    low, high = _interval(value, error, level)
    if (
        error < 1e-9
    ):  # every pair agrees (or every one as far apart): the formula's interval has no width, the truth has
        share_low, share_high = wilson(observed * n, n, level=level)
        low = max(-1.0, min(low, (share_low - expected) / (1 - expected)))
        high = min(1.0, max(high, (share_high - expected) / (1 - expected)))
    return Kappa(n=n, observed=observed, expected=expected, value=value, error=error, low=low, high=high)


def _interval(value: float, error: float, level: float) -> tuple[float, float]:
    z = NormalDist().inv_cdf(0.5 + level / 2)
    return max(-1.0, value - z * error), min(1.0, value + z * error)


def wilson(successes: float, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Confidence interval of a share (Wilson EB. J Am Stat Assoc 1927;22:209-212). Without cases: 0 to 1."""
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + level / 2)
    p = successes / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def agreement_of(pairs: Sequence[Pair], *, level: float = 0.95) -> Agreement:
    """Everything about the pairs of one nurse, one department or one sample."""
    agreeing = sum(pair.first == pair.second for pair in pairs)
    low, high = wilson(agreeing, len(pairs), level=level)
    questions = []
    for question in sorted({pair.question for pair in pairs}):
        mine = [pair for pair in pairs if pair.question == question]
        same = sum(pair.first == pair.second for pair in mine)
        questions.append((question, _kappa_of(mine, level), len(mine), same))
    return Agreement(
        pairs=len(pairs), agreeing=agreeing, share_low=low, share_high=high,
        pooled=pooled(pairs, level=level), questions=tuple(questions),
    )  # fmt: skip


def _kappa_of(pairs: Sequence[Pair], level: float = 0.95) -> Kappa:
    """Of one question; weighted (linear) when its answers have an order."""
    table, _ = table_of(pairs)
    return kappa(table, weights="linear" if pairs and pairs[0].is_ordinal else "none", level=level)


def pooled(pairs: Sequence[Pair], *, level: float = 0.95) -> Kappa:
    """One kappa over several questions, with the jackknife interval over records."""
    whole = _pooled_value(pairs)
    records = sorted({pair.record for pair in pairs})
    if whole.value is None:
        return whole
    if len(records) < 2:
        return Kappa(
            n=whole.n, observed=whole.observed, expected=whole.expected, value=whole.value, undefined="one-record"
        )
    without = [_pooled_value([pair for pair in pairs if pair.record != record]).value for record in records]
    known = [value for value in without if value is not None]
    if len(known) < 2:
        low, high, error = -1.0, 1.0, None
    else:
        mean = sum(known) / len(known)
        error = math.sqrt((len(known) - 1) / len(known) * sum((value - mean) ** 2 for value in known))
        low, high = _interval(whole.value, error, level)
    if error is not None and error < 1e-9 and whole.observed is not None and whole.expected is not None:
        share_low, share_high = wilson(whole.observed * len(records), len(records), level=level)
        low = max(-1.0, min(low, (share_low - whole.expected) / (1 - whole.expected)))
        high = min(1.0, max(high, (share_high - whole.expected) / (1 - whole.expected)))
    return Kappa(
        n=whole.n, observed=whole.observed, expected=whole.expected, value=whole.value, error=error, low=low, high=high
    )


def _pooled_value(pairs: Sequence[Pair]) -> Kappa:
    """Mean observed and mean expected agreement over the questions, each by its number of pairs."""
    by_question: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_question.setdefault(pair.question, []).append(pair)
    found = [_kappa_of(mine) for mine in by_question.values()]
    n = sum(one.n for one in found)
    if n == 0:
        return Kappa(n=0, undefined="no-pairs")
    observed = sum((one.observed or 0.0) * one.n for one in found) / n
    expected = sum((one.expected or 0.0) * one.n for one in found) / n
    if expected > 1 - 1e-12:
        return Kappa(n=n, observed=observed, expected=1.0, undefined="one-category")
    return Kappa(n=n, observed=observed, expected=expected, value=(observed - expected) / (1 - expected))
