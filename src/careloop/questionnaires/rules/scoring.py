"""Scores by item weight. A missing answer is never zero: the policy says null, or a pro-rated total up to a limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from careloop.questionnaires.rules.definition import BadQuestionnaire, Form, Item, Words
from careloop.questionnaires.rules.logic import Answers, as_list, live_answers, number
from careloop.questionnaires.rules.repeating import together


@dataclass(frozen=True, slots=True)
class Score:
    """One total. `value` is None when too many answers are missing; `missing` names them."""

    code: str
    title: Words
    value: Decimal | None
    missing: tuple[str, ...]
    band: str = ""
    band_title: Words = Words("")


def score(form: Form, answers: Answers) -> tuple[Score, ...]:
    """Every score of the form."""
    live = together(form, live_answers(form, answers))
    return tuple(_one(form, rule, live) for rule in form.scores)


def _one(form: Form, rule: Mapping[str, Any], answers: Answers) -> Score:
    items = [form.item(name) for name in rule["items"]]
    reverse = set(rule.get("reverse", ()))
    points = {item.link_id: _points(item, answers.get(item.link_id), item.link_id in reverse) for item in items}
    missing = tuple(name for name, value in points.items() if value is None)
    value = _total(points, missing, rule)
    band = _band(rule, value)
    named = band.get("title") or {}
    return Score(
        code=rule["code"],
        title=Words(rule["title"].get("zh", ""), rule["title"].get("en", "")),
        value=value,
        missing=missing,
        band=band.get("code", ""),
        band_title=Words(named.get("zh", ""), named.get("en", "")),
    )


def _points(item: Item, given: Any, reverse: bool) -> Decimal | None:
    if given in (None, "", []):
        return None
    values = [_weight(item, value) for value in as_list(given)]
    if any(value is None for value in values):
        return None
    total = sum((value for value in values if value is not None), Decimal(0))
    if not reverse:
        return total
    low, high = _range(item)
    return low + high - total


def _weight(item: Item, value: Any) -> Decimal | None:
    option = item.option(str(value))
    if option is not None:
        return option.weight
    return number(value)


def _range(item: Item) -> tuple[Decimal, Decimal]:
    weights = item.weights()
    if weights:
        return min(weights), max(weights)
    if item.minimum is None or item.maximum is None:
        raise BadQuestionnaire(f"item {item.link_id} is scored in reverse and needs weights or minValue and maxValue")
    return item.minimum, item.maximum


def _total(points: Mapping[str, Decimal | None], missing: tuple[str, ...], rule: Mapping[str, Any]) -> Decimal | None:
    present = [value for value in points.values() if value is not None]
    if not missing:
        return sum(present, Decimal(0))
    if rule.get("missing", "null") != "prorate" or len(missing) > int(rule.get("max_missing", 0)) or not present:
        return None
    scaled = sum(present, Decimal(0)) * len(points) / len(present)
    return scaled.quantize(Decimal(1), rounding=ROUND_HALF_UP)


def _band(rule: Mapping[str, Any], value: Decimal | None) -> Mapping[str, Any]:
    if value is None:
        return {}
    return next((band for band in rule.get("bands", ()) if band["from"] <= value <= band["to"]), {})


def overlapping_bands(rule: Mapping[str, Any]) -> tuple[str, ...]:
    """Codes of bands that begin before the one below has ended."""
    bands = sorted(rule.get("bands", ()), key=lambda band: band["from"])
    return tuple(
        later["code"] for sooner, later in zip(bands, bands[1:], strict=False) if later["from"] <= sooner["to"]
    )
