"""Half days, shifts, time off, and the fairness figures."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.rosters import rules
from careloop.rosters.rules import (
    AFTERNOON,
    MORNING,
    Away,
    OnDuty,
    PersonDay,
    capacity_on,
    fairness,
    halves_on,
    overlap,
)

FRIDAY = date(2026, 11, 20)
BOTH = frozenset({MORNING, AFTERNOON})
days = st.integers(0, 40).map(lambda n: FRIDAY + timedelta(days=n))
shifts = st.builds(
    lambda first, length, weekdays, part: OnDuty(
        first_day=first, last_day=None if length is None else first + timedelta(days=length),
        weekdays=tuple(sorted(weekdays)), part=part,
    ),
    days, st.one_of(st.none(), st.integers(0, 30)), st.sets(st.integers(0, 6), min_size=1),
    st.sampled_from(["whole", MORNING, AFTERNOON]),
)  # fmt: skip


def test_without_a_shift_one_is_here_every_day():
    assert halves_on(FRIDAY, shifts=(), away=()) == BOTH
    assert capacity_on(FRIDAY, daily=41, shifts=(), away=()) == 41


@pytest.mark.parametrize(
    ("day", "halves"),
    [(FRIDAY, {MORNING}), (FRIDAY + timedelta(days=1), set()), (FRIDAY + timedelta(days=7), set())],
)
def test_with_shifts_only_these_count(day, halves):
    shift = OnDuty(first_day=FRIDAY, last_day=FRIDAY + timedelta(days=6), weekdays=(4,), part=MORNING)
    assert halves_on(day, shifts=[shift], away=()) == halves


def test_half_a_day_is_half_the_capacity_rounded_down():
    off = Away(first_day=FRIDAY, last_day=FRIDAY, last_half=MORNING)
    assert capacity_on(FRIDAY, daily=41, shifts=(), away=[off]) == 20
    assert capacity_on(FRIDAY, daily=0, shifts=(), away=()) == 0


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        (0, {MORNING}),  # leaves at noon of the first day
        (1, set()),
        (2, {AFTERNOON}),  # is back at noon of the last
        (3, {MORNING, AFTERNOON}),
        (-1, {MORNING, AFTERNOON}),
    ],
)
def test_time_off_from_noon_to_noon(shift, expected):
    off = Away(first_day=FRIDAY, last_day=FRIDAY + timedelta(days=2), first_half=AFTERNOON, last_half=MORNING)
    assert halves_on(FRIDAY + timedelta(days=shift), shifts=(), away=[off]) == expected


def test_time_off_without_an_end_goes_on():
    off = Away(first_day=FRIDAY)
    assert halves_on(FRIDAY + timedelta(days=3650), shifts=(), away=[off]) == frozenset()


@given(days, st.lists(shifts, max_size=4), st.integers(0, 100))
def test_time_off_always_wins_and_nobody_has_more_than_their_capacity(day, some, daily):
    assert 0 <= capacity_on(day, daily=daily, shifts=some, away=()) <= daily
    assert capacity_on(day, daily=daily, shifts=some, away=[Away(first_day=day)]) == 0


@given(shifts, shifts)
def test_overlap_is_what_a_look_at_every_day_finds(one, other):
    here = any(
        one.halves(FRIDAY + timedelta(days=n)) & other.halves(FRIDAY + timedelta(days=n)) for n in range(90)
    )  # fmt: skip
    assert overlap(one, other) == here
    assert overlap(other, one) == here


def person_days(given_by_person, **common):
    return [PersonDay(person=p, day=FRIDAY, capacity=40, given=g, **common) for p, g in given_by_person.items()]


def test_the_fairness_report_names_the_worst_day_and_who_stands_behind_it():
    rows = [
        *person_days({"a": 10, "b": 11}),
        PersonDay(person="a", day=FRIDAY + timedelta(days=1), capacity=40, given=3),
        PersonDay(person="b", day=FRIDAY + timedelta(days=1), capacity=40, given=9),
    ]
    report = fairness(rows)
    assert (report.nurse_days, report.total, report.most, report.least, report.widest) == (4, 33, 11, 3, 6)
    assert {row.person for row in report.worst} == {"a", "b"}
    assert {row.day for row in report.worst} == {FRIDAY + timedelta(days=1)}
    assert report.per_nurse_day == pytest.approx(8.25)


def test_whoever_is_away_or_works_half_a_day_is_not_compared_with_the_rest():
    rows = [
        *person_days({"a": 20, "b": 20}),
        PersonDay(person="half", day=FRIDAY, capacity=20, given=10),
        PersonDay(person="away", day=FRIDAY, capacity=0, given=0),
    ]
    report = fairness(rows)
    assert report.widest == 0
    assert report.nurse_days == 3
    assert report.gini == pytest.approx(0)


def test_teams_are_not_compared_with_each_other():
    rows = [*person_days({"a": 20}, group="cardiology"), *person_days({"b": 3}, group="orthopaedics")]
    assert fairness(rows).widest == 0


def test_a_report_of_nothing():
    report = fairness([])
    assert (report.nurse_days, report.total, report.widest, report.gini, report.worst) == (0, 0, 0, 0.0, ())
    assert rules.spread([4]) == 0
