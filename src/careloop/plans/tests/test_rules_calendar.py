from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careloop.plans.rules.calendar import WEEKDAYS_ONLY, CalendarError, Shift, WorkCalendar, parse_calendars
from careloop.plans.tests.factories import calendar

CHINA = calendar()


@pytest.mark.parametrize(
    ("day", "works"),
    [
        (date(2026, 2, 14), True),  # Saturday worked for the Spring Festival
        (date(2026, 2, 16), False),  # a Monday in the Spring Festival
        (date(2026, 2, 24), True),
        (date(2026, 2, 28), True),  # Saturday
        (date(2026, 9, 20), True),  # Sunday
        (date(2026, 10, 7), False),
        (date(2025, 10, 8), False),
        (date(2025, 10, 11), True),  # Saturday
        (date(2025, 1, 26), True),  # Sunday
        (date(2026, 11, 21), False),  # an ordinary Saturday
        (date(2026, 11, 23), True),
    ],
)
def test_holidays_and_swapped_weekends(day: date, works: bool) -> None:
    assert CHINA.is_workday(day) is works


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (Shift.KEEP, date(2026, 2, 19)),
        (Shift.NEXT_WORKDAY, date(2026, 2, 24)),
        (Shift.PREVIOUS_WORKDAY, date(2026, 2, 14)),
        (Shift.NEAREST_WORKDAY, date(2026, 2, 24)),  # 5 days on either side: forward
    ],
)
def test_a_date_in_the_spring_festival_is_shifted(how: Shift, expected: date) -> None:
    assert CHINA.shift(date(2026, 2, 19), how) == expected


def test_an_unpublished_year_has_weekdays_only_and_says_so() -> None:
    assert not CHINA.is_published(date(2031, 10, 1))
    assert CHINA.is_workday(date(2031, 10, 1))  # a Wednesday
    assert CHINA.is_published(date(2026, 10, 1))


@settings(deadline=None)
@given(st.dates(date(2024, 1, 1), date(2028, 12, 31)), st.sampled_from([s for s in Shift if s is not Shift.KEEP]))
def test_a_shift_never_lands_on_a_rest_day(day: date, how: Shift) -> None:
    for cal in (CHINA, WEEKDAYS_ONLY):
        shifted = cal.shift(day, how)
        assert cal.is_workday(shifted)
        assert abs((shifted - day).days) <= 9
        assert cal.shift(shifted, how) == shifted


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({}, "year"),
        ({"year": 2026, "holidays": [{"from": "2026-01-03", "to": "2026-01-01"}]}, "not a span"),
        ({"year": 2026, "holidays": [{"from": "2025-12-31", "to": "2026-01-01"}]}, "not a span"),
        ({"year": 2026, "working_weekends": ["2026-11-23"]}, "not a weekend"),
        ({"year": 2026, "working_weekends": ["tomorrow"]}, "not a date"),
        (
            {
                "year": 2026,
                "holidays": [{"from": "2026-11-21", "to": "2026-11-21"}],
                "working_weekends": ["2026-11-21"],
            },
            "both",
        ),
    ],
)
def test_a_wrong_file_is_refused(content: dict[str, object], says: str) -> None:
    with pytest.raises(CalendarError, match=says):
        parse_calendars([content])


def test_nearest_prefers_the_closer_side() -> None:
    assert WorkCalendar().shift(date(2026, 11, 21), Shift.NEAREST_WORKDAY) == date(2026, 11, 20)  # Saturday → Friday
    assert WorkCalendar().shift(date(2026, 11, 22), Shift.NEAREST_WORKDAY) == date(2026, 11, 23)  # Sunday → Monday
