"""Years, and how many visits are asked for in the part of a year that somebody was under management."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from careloop.questionnaires.rules import whole_number

QUARTER_DAYS = 91


@dataclass(frozen=True, slots=True)
class Period:
    """From the first to the last day, both counted."""

    first: date
    last: date


def year_of(text: str, *, today: date) -> Period:
    """`2026` up to today; anything else is the running year."""
    told = whole_number(text, today.year)
    year = told if told is not None and told >= 2000 else today.year
    return Period(date(year, 1, 1), min(date(year, 12, 31), today))


def required_visits(per_year: int, *, started_on: date, ended_on: date | None, period: Period) -> int:
    """One for each full share of the year under management, at most the year's number. 91 days make a quarter.

    With one visit a year the share is the calendar year: under management for any part of it asks for the one visit.
    """
    first, last = max(started_on, period.first), min(ended_on or period.last, period.last)
    days = (last - first).days + 1
    if days <= 0:
        return 0
    if per_year <= 1:
        return per_year
    share = max(1, QUARTER_DAYS * 4 // per_year)
    return min(per_year, days // share)
