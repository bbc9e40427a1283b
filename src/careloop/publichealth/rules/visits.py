"""What one visit means: class, target, referral, and the clocks it starts. No database, no clock of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from careloop.publichealth.rules.pack import Pack, Programme
from careloop.questionnaires.rules import Answers, Words
from careloop.questionnaires.rules.logic import number

SOON = 31  # days: a next visit within a month is a re-check, later it is the regular round


@dataclass(frozen=True, slots=True)
class ClockDue:
    """Work that a visit starts: what, by which day, with which form, and why (in both languages)."""

    kind: str
    due_on: date
    window_days: int
    form_url: str
    title: Words
    reason: Words


@dataclass(frozen=True, slots=True)
class Judged:
    """One visit, judged by one version of the pack and the version of its form."""

    class_code: str | None
    title: Words
    reason: Words
    missing: tuple[str, ...]
    in_target: bool | None
    referral: bool
    urgent: bool
    closes: bool
    derived: Mapping[str, Decimal]
    clocks: tuple[ClockDue, ...]


def judge_visit(
    pack: Pack,
    programme: Programme,
    *,
    role: str,
    classed: Mapping[str, Any] | None,
    missing: Sequence[str],
    answers: Answers,
    on: date,
) -> Judged:
    """`classed` is the stored classification of the response: a record is judged by the rules it was made under."""
    derived = derived_values(programme, answers)
    code = str(classed["code"]) if classed else None
    closes = role == "closing"
    return Judged(
        class_code=code,
        title=_both(classed.get("title")) if classed else Words(""),
        reason=_both(classed.get("reason")) if classed else Words(""),
        missing=() if classed else tuple(missing),
        in_target=_in_target(programme, code, derived, closes=closes),
        referral=bool(classed and classed.get("referral")),
        urgent=bool(classed and classed.get("urgent")),
        closes=closes,
        derived=derived,
        clocks=() if closes or not classed else _clocks(pack, programme, classed, on),
    )


def _in_target(programme: Programme, code: str | None, derived: Mapping[str, Decimal], *, closes: bool) -> bool | None:
    goal = programme.at_closing
    if closes and goal is not None:
        return derived[goal.derived] >= goal.at_least if goal.derived in derived else None
    if code in programme.in_target:
        return True
    return False if code in programme.not_in_target else None


def _clocks(pack: Pack, programme: Programme, classed: Mapping[str, Any], on: date) -> tuple[ClockDue, ...]:
    days = classed.get("next_days")
    if days is None:
        return ()
    why = _why(pack, classed)
    kinds: list[tuple[str, int]] = []
    if (classed.get("referral") or classed.get("urgent")) and "referral-check" in programme.clocks:
        kinds.append(("referral-check", programme.clocks["referral-check"].days or days))
    kind = classed.get("clock") or ("recheck" if days <= SOON else "routine")
    kinds.append((kind if kind in programme.clocks else "routine", days))
    return tuple(_due(programme, name, on + timedelta(days=after), why) for name, after in kinds)


def _due(programme: Programme, kind: str, day: date, why: Words) -> ClockDue:
    rule = programme.clocks[kind]
    return ClockDue(kind, day, rule.window_days, programme.forms[rule.form], rule.title, why)


def _why(pack: Pack, classed: Mapping[str, Any]) -> Words:
    title, reason = _both(classed.get("title")), _both(classed.get("reason"))
    return Words(
        f"{title.zh}，因为{reason.zh}（规则包 {pack.version}）",
        f"{title.en or title.zh}, because {reason.en or reason.zh} (rule pack {pack.version})",
    )


def derived_values(programme: Programme, answers: Answers) -> dict[str, Decimal]:
    """What is reckoned from the answers, to one decimal. A value that cannot be reckoned is not there: never a guess."""
    found: dict[str, Decimal] = {}
    for one in programme.derived:
        first, second = (number(answers.get(name)) for name in one.items)
        if first is None or second is None or second <= 0:
            continue
        exact = first / (second / 100) ** 2 if one.formula == "bmi" else first * 100 / second
        # A threshold is compared with what was counted, so the rate is cut, not rounded up over it.
        found[one.code] = _cut(exact) if one.formula == "percent" else exact.quantize(Decimal("0.1"), ROUND_HALF_UP)
    return found


def _cut(value: Decimal) -> Decimal:
    return Decimal(int(value * 10)) / 10


def streak_after(before: int, in_target: bool | None) -> int:
    """How many visits in a row were not in target. A visit without a class neither counts nor breaks the row."""
    if in_target is None:
        return before
    return 0 if in_target else before + 1


def _both(value: Any) -> Words:
    if isinstance(value, Mapping):
        return Words(str(value.get("zh", "")), str(value.get("en", "")))
    return Words(str(getattr(value, "zh", "")), str(getattr(value, "en", "")))
