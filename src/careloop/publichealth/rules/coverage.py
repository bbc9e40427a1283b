"""Does a table of classes answer every case, each once? Tried out on the corner values of every question it asks.

Each number is tried at every threshold, one step below and above, and at its limits; each choice with every option.
When that makes too many cases, a fixed sample is tried instead, so the same table always gets the same verdict.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from careloop.questionnaires.rules import Form, Item
from careloop.questionnaires.rules.conditions import Context, items_of, truth
from careloop.questionnaires.rules.logic import live_answers, number

MOST = 20_000
SEVERITIES = ("none", "watch", "high", "critical")


@dataclass(frozen=True, slots=True)
class Hole:
    """One thing wrong with a table: which rows, and an example of the answers that show it."""

    kind: str  # gap | overlap | unreachable | blocked
    rows: tuple[int, ...]  # from 1
    example: Mapping[str, Any] = field(default_factory=dict)


def examine(form: Form, outcomes: Sequence[Mapping[str, Any]]) -> tuple[Hole, ...]:
    """The first gap, overlap of each pair of rows, blocked row and every row that can never apply.

    Rows are read from above; two rows that fit the same answers and say different things overlap, unless the later one
    says "else". A row that looks at a question which is not asked in some case blocks the table there.
    """
    reached: set[int] = set()
    found: dict[tuple[str, tuple[int, ...]], Hole] = {}
    for context in _cases(form, outcomes):
        for hole in _case(outcomes, context, reached):
            found.setdefault((hole.kind, hole.rows), hole)
    for place in range(len(outcomes)):
        if place not in reached:
            found[("unreachable", (place + 1,))] = Hole("unreachable", (place + 1,))
    return tuple(found.values())


def _case(outcomes: Sequence[Mapping[str, Any]], context: Context, reached: set[int]) -> Iterator[Hole]:
    first: int | None = None
    for place, outcome in enumerate(outcomes):
        if first is not None and (outcome.get("else") or outcome["when"] == "otherwise"):
            continue
        fits = truth(outcome["when"], context)
        if fits is None and first is None:
            yield Hole("blocked", (place + 1,), _shown(context))
            return
        if fits and first is None:
            first = place
            reached.add(place)
        elif fits and first is not None and outcome["code"] != outcomes[first]["code"]:
            yield Hole("overlap", (first + 1, place + 1), _shown(context))
    if first is None:
        yield Hole("gap", (), _shown(context))


def _shown(context: Context) -> dict[str, Any]:
    shown = dict(context.answers)
    shown |= {f"previous {name}": value for name, value in context.previous.items()}
    shown |= {f"score {name}": value for name, value in context.scores.items()}
    return shown | ({"worst alert": context.worst} if context.worst != "none" else {})


def _cases(form: Form, outcomes: Sequence[Mapping[str, Any]]) -> Iterator[Context]:
    leaves = [leaf for outcome in outcomes for leaf in _leaves(outcome["when"])]
    names = _with_gates(form, {name for outcome in outcomes for name in items_of(outcome["when"])} & set(form.index))
    axes: list[tuple[str, str, list[Any]]] = [("item", n, _values(form.item(n), leaves)) for n in sorted(names)]
    for kind in ("previous", "change"):
        for name in sorted({str(leaf[kind]) for leaf in leaves if kind in leaf}):
            axes.append(("previous", name, [None, *_values(form.item(name), leaves)]))
    for name in sorted({str(leaf["score"]) for leaf in leaves if "score" in leaf}):
        axes.append(("score", name, _around(leaves, "score", name)))
    if any("worst" in leaf for leaf in leaves):
        axes.append(("worst", "worst", list(SEVERITIES)))
    for chosen in _choices([values for _, _, values in axes]):
        yield _context(form, axes, chosen)


def cases(form: Form, outcomes: Sequence[Mapping[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(answers, answers of the time before) of every case a table is tried on, where it does not look at scores."""
    for context in _cases(form, outcomes):
        if not context.scores and context.worst == "none":
            yield dict(context.answers), dict(context.previous)


def _context(form: Form, axes: Sequence[tuple[str, str, list[Any]]], chosen: Sequence[Any]) -> Context:
    parts: dict[str, dict[str, Any]] = {"item": {}, "previous": {}, "score": {}, "worst": {}}
    for (kind, name, _), value in zip(axes, chosen, strict=True):
        if value is not None:
            parts[kind][name] = value
    return Context(
        answers=live_answers(form, parts["item"]),
        scores=parts["score"],
        previous=parts["previous"],
        worst=parts["worst"].get("worst", "none"),
    )


def _choices(values: Sequence[list[Any]]) -> Iterator[tuple[Any, ...]]:
    total = 1
    for some in values:
        total *= max(1, len(some))
    if total <= MOST:
        yield from itertools.product(*values)
        return
    dice = random.Random(20170328)
    for _ in range(MOST):
        yield tuple(dice.choice(some) for some in values)


def _leaves(condition: Any) -> Iterator[Mapping[str, Any]]:
    if not isinstance(condition, Mapping):
        return
    inner = [*condition.get("all", ()), *condition.get("any", ()), *([condition["not"]] if "not" in condition else [])]
    if not inner:
        yield condition
    for part in inner:
        yield from _leaves(part)


def _with_gates(form: Form, names: set[str]) -> set[str]:
    """The questions and those that decide whether they are asked."""
    while gates := {line.question for name in names for line in form.item(name).when} - names:
        names = names | gates
    return {name for name in names if form.item(name).is_question}


def _values(item: Item, leaves: Sequence[Mapping[str, Any]]) -> list[Any]:
    if item.type == "boolean":
        return [True, False]
    if item.options:
        codes = [option.code for option in item.options]
        return (
            [[code] for code in codes] + [[c.code for c in item.options if not c.exclusive]] if item.repeats else codes
        )
    if item.type in {"integer", "decimal", "quantity"}:
        return _numbers(item, leaves)
    return ["2026-01-01"] if item.type in {"date", "dateTime"} else ["x"]


def _numbers(item: Item, leaves: Sequence[Mapping[str, Any]]) -> list[Any]:
    step = (
        Decimal(1)
        if item.type == "integer"
        else Decimal(1).scaleb(-(item.decimals if item.decimals is not None else 1))
    )
    low, high = item.minimum, item.maximum
    points = {limit for limit in (low, high) if limit is not None}
    for leaf in leaves:
        if item.link_id in (leaf.get("item"), leaf.get("previous"), leaf.get("change")):
            edge = number(leaf.get("value"))
            points |= {edge - step, edge, edge + step} if edge is not None else set()
    inside = [p for p in points if (low is None or p >= low) and (high is None or p <= high)]
    return sorted(inside) or [Decimal(1)]


def _around(leaves: Sequence[Mapping[str, Any]], kind: str, name: str) -> list[Any]:
    edges = [number(leaf.get("value")) for leaf in leaves if leaf.get(kind) == name]
    return sorted({edge + by for edge in edges if edge is not None for by in (-1, 0, 1) if edge + by >= 0})
