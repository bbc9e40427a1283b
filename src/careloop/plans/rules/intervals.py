"""Intervals in any number of days, also non-linear: "30, +150, then every 150" (J20, J23).

The text form is what clinicians write; it is parsed once, when a plan is published:

    3                       once, 3 days after the anchor
    1m                      once, one calendar month after the anchor (31 January + 1m = 28 February)
    7, 14, 21, 28           four times, each counted from the anchor
    30, +150, every 150     30 days, 150 days later, then every 150 days without end
    every 3m until 24m, every 6m until 60m

`+` and `every` count from the occurrence before; a bare number counts from the anchor. Units: d (default), w, m, y.
"""

from __future__ import annotations

import re
import unicodedata
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta

from careloop.plans.rules.faults import FaultError, gettext_noop

_DAYS_A_WEEK = 7
_MONTHS_A_YEAR = 12
_LONGEST = 100  # years: a longer interval is a slip of the pen, and date arithmetic would overflow
_ITEM = re.compile(
    r"(?P<how>\+|every|每隔|每)?\s*(?P<amount>\d+)\s*(?P<unit>d|w|m|y|天|日|周|个月|月|年)?"
    r"(?:\s*(?:x|×)\s*(?P<times>\d+)|\s*(?:until|直到|至)\s*(?P<until>\d+)\s*(?P<until_unit>d|w|m|y|天|日|周|个月|月|年)?)?"
)
_FILLER = re.compile(r"^(?:and\s+)?(?:then\s+|以后|之后|此后|然后|再)?\s*")
_UNITS = {"天": "d", "日": "d", "周": "w", "个月": "m", "月": "m", "年": "y"}


class IntervalError(FaultError):
    """An interval text cannot be understood; the fault says which part, why, and how to write it."""

    def __init__(self, text: str, /, **values: object) -> None:
        super().__init__("", text, **values)


@dataclass(frozen=True, slots=True, order=True)
class Offset:
    """A distance in calendar months and days. Months are added first, the day is cut to the month's length."""

    months: int = 0
    days: int = 0

    def __add__(self, other: Offset) -> Offset:
        return Offset(self.months + other.months, self.days + other.days)

    def after(self, day: date) -> date:
        """The date this far after `day`. Several months at once, so 31 January + 2m = 31 March, without drift."""
        index = day.month - 1 + self.months
        year, month = day.year + index // _MONTHS_A_YEAR, index % _MONTHS_A_YEAR + 1
        return date(year, month, min(day.day, monthrange(year, month)[1])) + timedelta(days=self.days)

    def __str__(self) -> str:
        parts = [f"{self.months}m"] if self.months else []
        return "+".join(parts + ([f"{self.days}d"] if self.days or not parts else []))


@dataclass(frozen=True, slots=True)
class Leg:
    """A run of equal intervals: `times` of them, or until the anchor + `until`, or for ever (both None)."""

    every: Offset
    times: int | None = None
    until: Offset | None = None
    from_anchor: bool = False  # "7, 14, 21": each number counts from the anchor

    @property
    def is_endless(self) -> bool:
        return self.times is None and self.until is None


@dataclass(frozen=True, slots=True)
class Intervals:
    """The whole table of one step. `legs` are walked one after the other; only the last may be endless."""

    legs: tuple[Leg, ...]
    text: str

    @property
    def repeats(self) -> bool:
        return len(self.legs) > 1 or self.legs[0].times != 1

    def offset(self, number: int, *, anchor: date) -> Offset | None:
        """How far the occurrence `number` (0-based) lies from the anchor; None when the table ends before it."""
        position, seen = Offset(), 0
        for leg in self.legs:
            taken = 0
            while leg.times is None or taken < leg.times:
                following = leg.every if leg.from_anchor else position + leg.every
                if leg.until is not None and following.after(anchor) > leg.until.after(anchor):
                    break
                if seen == number:
                    return following
                position, taken, seen = following, taken + 1, seen + 1
        return None

    def gap(self, number: int, *, anchor: date) -> Offset | None:
        """The interval between occurrence `number` and the one before it: J23's "days since previous"."""
        this = self.offset(number, anchor=anchor)
        if this is None:
            return None
        before = self.offset(number - 1, anchor=anchor) if number else Offset()
        if before is None:
            return None
        return Offset(this.months - before.months, this.days - before.days)


def parse_intervals(text: str) -> Intervals:
    """Read the text form above. Refused: nothing, zero or falling distances, and anything after an endless part."""
    written = unicodedata.normalize("NFKC", text).strip()
    items = [item for item in re.split(r"[,、;]", written.lower()) if item.strip()]
    if not items:
        raise IntervalError(
            gettext_noop("an interval is missing: write for example `3`, `1m` or `30, +150, every 150`")
        )
    legs = tuple(_leg(item.strip()) for item in items)
    _check_order(legs, written)
    return Intervals(legs, written)


def _leg(item: str) -> Leg:
    found = _ITEM.fullmatch(_FILLER.sub("", item))
    if found is None:
        raise IntervalError(
            gettext_noop("`%(item)s` is not an interval: write for example `3`, `+150`, `every 3m until 24m`"),
            item=item,
        )
    every = _offset(found["amount"], found["unit"])
    repeated = found["how"] in ("every", "每", "每隔")
    if not repeated and (found["times"] or found["until"]):
        raise IntervalError(
            gettext_noop("`%(item)s`: only `every …` may have a number of times or an `until`"), item=item
        )
    if every <= Offset() and (repeated or found["how"] == "+"):
        raise IntervalError(gettext_noop("`%(item)s`: the distance must be more than nothing"), item=item)
    return Leg(
        every=every,
        times=int(found["times"]) if found["times"] else None if repeated else 1,
        until=_offset(found["until"], found["until_unit"]) if found["until"] else None,
        from_anchor=not found["how"],
    )


def _offset(amount: str, unit: str | None) -> Offset:
    number, unit = int(amount), _UNITS.get(unit or "d", unit or "d")
    if number > _LONGEST * {"d": 366, "w": 52, "m": _MONTHS_A_YEAR, "y": 1}[unit]:
        raise IntervalError(
            gettext_noop("`%(item)s` is more than %(most)s years"), item=f"{amount}{unit}", most=_LONGEST
        )
    if unit in ("m", "y"):
        return Offset(months=number * (_MONTHS_A_YEAR if unit == "y" else 1))
    return Offset(days=number * (_DAYS_A_WEEK if unit == "w" else 1))


def _check_order(legs: tuple[Leg, ...], text: str) -> None:
    if any(leg.is_endless for leg in legs[:-1]):
        raise IntervalError(
            gettext_noop("`%(item)s`: nothing can follow an `every …` without an end: add `until 24m` or `x 4` to it"),
            item=text,
        )
    if any(leg.times == 0 for leg in legs):
        raise IntervalError(gettext_noop("`%(item)s`: ×0 plans nothing"), item=text)
    # Any anchor shows a fall in the order except for a day or two between months and days; a long month is the test.
    anchor, last = date(2001, 1, 1), date.min
    table = Intervals(legs, text)
    for number in range(200):
        offset = table.offset(number, anchor=anchor)
        if offset is None:
            break
        if offset.after(anchor) <= last:
            raise IntervalError(gettext_noop("`%(item)s`: each date must lie after the one before it"), item=text)
        last = offset.after(anchor)
    if last == date.min:
        raise IntervalError(gettext_noop("`%(item)s` plans nothing"), item=text)
