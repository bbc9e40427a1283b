"""What the pages of teams send: every field at its edges, any text at all, periods at the ends of the calendar."""

from datetime import date, timedelta
from uuid import uuid4

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from careloop.rosters.forms import LeaveForm, MemberForm, PeriodForm, ShiftForm, SkillForm, TeamForm
from careloop.rosters.models import MOST_A_DAY, Leave, Shift
from careloop.rosters.reads.workload import LONGEST
from careloop.rosters.rules.presence import Away, OnDuty, capacity_on, halves_on

TODAY = date(2026, 11, 20)
WHO = str(uuid4())
SHIFT = {"practitioner": WHO, "first_day": "2026-11-20", "weekdays": ["0", "4"], "part": "whole"}
LEAVE = {
    "practitioner": WHO, "first_day": "2026-11-20", "first_half": "morning", "last_half": "afternoon",
    "reason": next(code for code in Leave.Reason.values if code != Leave.Reason.FROM_ALERTS),
}  # fmt: skip


@pytest.mark.parametrize(
    ("first", "last", "period"),
    [
        ("", "", (TODAY - timedelta(days=6), TODAY)), ("2026-11-01", "", (date(2026, 11, 1), TODAY)),
        ("", "2026-11-10", (date(2026, 11, 4), date(2026, 11, 10))),
        ("2026-11-10", "2026-11-01", (date(2026, 11, 1), date(2026, 11, 10))),
        ("2026-11-10", "2026-11-10", (date(2026, 11, 10), date(2026, 11, 10))),
        ("2020-01-01", "2026-11-20", (TODAY - LONGEST, TODAY)), ("x", "y", (TODAY - timedelta(days=6), TODAY)),
        ("2028-02-29", "2028-03-01", (date(2028, 2, 29), date(2028, 3, 1))),
        ("2026-02-29", "", (TODAY - timedelta(days=6), TODAY)),
    ],
)  # fmt: skip
def test_the_period_of_the_report(first, last, period):
    assert PeriodForm({"first": first, "last": last}).period(today=TODAY) == period


@pytest.mark.parametrize("day", ["0001-01-01", "0001-01-03", "9999-12-31", "1000-01-01"])
@pytest.mark.parametrize("field", ["first", "last"])
def test_the_ends_of_the_calendar_are_days_too(field, day):
    first, last = PeriodForm({field: day}).period(today=TODAY)
    assert first <= last
    assert last - first <= LONGEST


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_period_is_in_order_and_not_too_long(first, last):
    begin, end = PeriodForm({"first": first, "last": last}).period(today=TODAY)
    assert begin <= end <= begin + LONGEST


@given(st.dates(), st.dates())
def test_any_two_days_are_a_period(first, last):
    begin, end = PeriodForm({"first": first.isoformat(), "last": last.isoformat()}).period(today=TODAY)
    assert begin <= end <= begin + LONGEST


@pytest.mark.django_db
@pytest.mark.parametrize(
    "query", ["first=0001-01-01&last=0001-01-01", "last=9999-12-31", "first=9999-12-31", "first=%00", "last=²"]
)
def test_the_page_stands_any_period(cast, query):
    assert cast.client(cast.qian).get(f"{reverse('rosters:workload')}?{query}").status_code == 200


@pytest.mark.parametrize(
    ("capacity", "valid"),
    [("1", True), ("0", False), ("-1", False), (str(MOST_A_DAY), True), (str(MOST_A_DAY + 1), False), ("", False),
     ("1.5", False), ("１０", True), ("x", False), ("9" * 50, False)],
)  # fmt: skip
def test_patients_a_day(capacity, valid):
    assert MemberForm({"capacity": capacity}).is_valid() is valid


@pytest.mark.parametrize(
    ("changed", "valid"),
    [
        ({}, True), ({"weekdays": []}, False), ({"weekdays": ["7"]}, False), ({"weekdays": ["x"]}, False),
        ({"weekdays": [str(n) for n in range(7)]}, True), ({"part": "night"}, False), ({"part": "morning"}, True),
        ({"first_day": ""}, False), ({"first_day": "2026-02-29"}, False), ({"first_day": "2028-02-29"}, True),
        ({"last_day": "x"}, False), ({"last_day": ""}, True), ({"practitioner": "x"}, False), ({"practitioner": ""}, False),
    ],
)  # fmt: skip
def test_shifts(changed, valid):
    assert ShiftForm({**SHIFT, **changed}).is_valid() is valid


@pytest.mark.parametrize(
    ("changed", "valid"),
    [
        ({}, True), ({"reason": "from-alerts"}, False), ({"reason": ""}, False), ({"first_half": "noon"}, False),
        ({"last_half": ""}, False), ({"last_day": "2026-11-21"}, True), ({"last_day": "never"}, False),
        ({"practitioner": "²"}, False), ({"first_day": "20.11.2026"}, False),
    ],
)  # fmt: skip
def test_leaves(changed, valid):
    assert LeaveForm({**LEAVE, **changed}).is_valid() is valid


@pytest.mark.parametrize(
    ("changed", "valid"),
    [
        ({}, True), ({"name": ""}, False), ({"name": "x" * 61}, False), ({"name": "内科随访组"}, True),
        ({"organization": "x"}, False), ({"departments": ["foreign"]}, False), ({"departments": ["a"]}, True),
    ],
)  # fmt: skip
def test_teams(changed, valid):
    assert TeamForm({"name": "A", "organization": WHO, **changed}, [("a", "A")]).is_valid() is valid


@pytest.mark.parametrize(
    ("changed", "valid"),
    [
        ({}, True), ({"code": "two words"}, False), ({"code": "x" * 41}, False), ({"code": ""}, False), ({"kind": "alert"}, False),
        ({"kind": ""}, True), ({"kind": "follow-up"}, True), ({"name": ""}, False), ({"plan_title": "x" * 121}, False),
    ],
)  # fmt: skip
def test_skills(changed, valid):
    assert SkillForm({"code": "insulin", "name": "Insulin", **changed}).is_valid() is valid


# --- presence: one person, one year ----------------------------------------------------------------------------------------

days = st.dates(date(2026, 1, 1), date(2028, 12, 31))
duties = st.builds(
    OnDuty, first_day=days, last_day=st.one_of(st.none(), days), part=st.sampled_from(Shift.Part.values),
    weekdays=st.lists(st.integers(0, 6), max_size=7, unique=True).map(tuple),
)  # fmt: skip
absences = st.builds(
    Away, first_day=days, last_day=st.one_of(st.none(), days), first_half=st.sampled_from(Leave.Half.values),
    last_half=st.sampled_from(Leave.Half.values),
)  # fmt: skip


@given(days, st.lists(duties, max_size=4), st.lists(absences, max_size=4), st.integers(0, 200))
def test_capacity_is_the_halves_that_one_is_here(day, shifts, away, daily):
    here = halves_on(day, shifts=shifts, away=away)
    assert capacity_on(day, daily=daily, shifts=shifts, away=away) == daily * len(here) // 2
    assert not here & frozenset().union(*(one.halves(day) for one in away))
    if shifts:
        assert here <= frozenset().union(*(shift.halves(day) for shift in shifts))


@given(days, st.lists(duties, max_size=4), st.lists(absences, max_size=3), duties, absences)
def test_more_shifts_never_take_away_and_more_leave_never_gives(day, shifts, away, shift, leave):
    here = halves_on(day, shifts=shifts, away=away)
    if shifts:
        assert here <= halves_on(day, shifts=[*shifts, shift], away=away)
    assert halves_on(day, shifts=shifts, away=[*away, leave]) <= here


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize("door", ["workload", "teams"])
def test_pages_in_both_languages(cast, door, language):
    cast.qian.__class__.objects.filter(pk=cast.qian.pk).update(language="en" if language == "en" else "zh-hans")
    text = cast.client(cast.qian).get(reverse(f"rosters:{door}")).content.decode()
    assert f'lang="{language[:2]}' in text
    assert ("小组" in text) == (language != "en")
