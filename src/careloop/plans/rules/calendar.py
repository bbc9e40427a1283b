"""Working days, with the holidays and the swapped working weekends (调休) that China announces year by year."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

_SATURDAY = 5
_ONE_DAY = timedelta(days=1)


class Shift(StrEnum):
    """What to do with a due date that falls on a rest day."""

    KEEP = "keep"
    NEXT_WORKDAY = "next-workday"
    PREVIOUS_WORKDAY = "previous-workday"
    NEAREST_WORKDAY = "nearest-workday"


class CalendarError(ValueError):
    """A calendar file is malformed; the message says where."""


@dataclass(frozen=True, slots=True)
class WorkCalendar:
    """Rest and working days. A year not published yet has plain weekdays, and `is_published` is false."""

    holidays: frozenset[date] = frozenset()
    working_weekends: frozenset[date] = frozenset()
    published_years: frozenset[int] = field(default_factory=frozenset)

    def is_workday(self, day: date) -> bool:
        if day in self.holidays:
            return False
        return day in self.working_weekends or day.weekday() < _SATURDAY

    def is_published(self, day: date) -> bool:
        """False when the year's holidays were not announced yet, so that a page can say the date is provisional."""
        return day.year in self.published_years

    def shift(self, day: date, how: Shift) -> date:
        """The working day that stands for `day`. `keep` gives the day back; ties of `nearest` go forward."""
        if how is Shift.KEEP or self.is_workday(day):
            return day
        if how is Shift.NEXT_WORKDAY:
            return self._walk(day, _ONE_DAY)
        if how is Shift.PREVIOUS_WORKDAY:
            return self._walk(day, -_ONE_DAY)
        after, before = self._walk(day, _ONE_DAY), self._walk(day, -_ONE_DAY)
        return after if after - day <= day - before else before

    def _walk(self, day: date, step: timedelta) -> date:
        while not self.is_workday(day):
            day += step
        return day


WEEKDAYS_ONLY = WorkCalendar()


def parse_calendars(years: Sequence[Mapping[str, Any]]) -> WorkCalendar:
    """Build one calendar from the files of several years.

    A file has `year`, `holidays` (a list of {from, to, name}) and `working_weekends` (dates on which people work
    although it is Saturday or Sunday). A date outside the file's year, or a working weekend on a weekday, is refused.
    """
    holidays: set[date] = set()
    working: set[date] = set()
    published: set[int] = set()
    for content in years:
        year = content.get("year")
        if not isinstance(year, int):
            raise CalendarError("calendar: `year` must be a number")
        for entry in content.get("holidays", ()):
            holidays.update(_days(entry, year))
        for text in content.get("working_weekends", ()):
            working.add(_working_weekend(text, year))
        published.add(year)
    if clash := holidays & working:
        raise CalendarError(f"calendar: {min(clash).isoformat()} is both a holiday and a working weekend")
    return WorkCalendar(frozenset(holidays), frozenset(working), frozenset(published))


def _days(entry: Mapping[str, Any], year: int) -> list[date]:
    first, last = _date(entry.get("from")), _date(entry.get("to"))
    if not first <= last or {first.year, last.year} != {year}:
        raise CalendarError(f"calendar {year}: {first.isoformat()} to {last.isoformat()} is not a span of that year")
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _working_weekend(text: object, year: int) -> date:
    day = _date(text)
    if day.year != year or day.weekday() < _SATURDAY:
        raise CalendarError(f"calendar {year}: {day.isoformat()} is not a weekend day of that year")
    return day


def _date(text: object) -> date:
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        raise CalendarError(f"calendar: {text!r} is not a date (YYYY-MM-DD)") from None


CONTENT = Path(__file__).resolve().parent.parent / "content"


@cache
def shipped_calendar() -> WorkCalendar:
    """All years that are published in `content/calendar_cn_*.json`. A new year is a new file."""
    files = sorted(CONTENT.glob("calendar_cn_*.json"))
    return parse_calendars([json.loads(path.read_text(encoding="utf-8")) for path in files])
