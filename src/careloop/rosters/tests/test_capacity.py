"""What the people of the roster could take on each day of a span: looked back at, and ahead."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from careloop.accounts.models import Practitioner, RoleAssignment
from careloop.kernel.actions import seeding
from careloop.rosters import actions
from careloop.rosters.models import Shift, TeamMember
from careloop.rosters.reads.capacity import MOST_DAYS, _first_noon, _last_noon, capacity_between
from careloop.rosters.tests.factories import DAY, LONG_AGO, away, member, team
from tests.cast import SYSTEM, Cast

pytestmark = pytest.mark.django_db
ONE = timedelta(days=1)
MONDAY = date(2026, 11, 16)  # the week of DAY, a Friday


def of(person: Practitioner, first: date = DAY, last: date = DAY) -> list[int | None]:
    """What this person could take, day by day; None: not here at all."""
    return [day.get(person.pk) for day in capacity_between(first=first, last=last).values()]


def shift(person: Practitioner, weekdays: list[int], part: str = "whole", **more: Any) -> None:
    with seeding():
        Shift.objects.create(practitioner=person, **{"first_day": LONG_AGO, "weekdays": weekdays, "part": part} | more)


def role(person: Practitioner, **values: Any) -> None:
    with seeding():
        RoleAssignment.objects.filter(practitioner=person, role__code="follow-up-nurse").update(**values)


def at(day: date, hour: int = 12) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=timezone.get_default_timezone())


@pytest.fixture(autouse=True)
def nurses_since_long_ago(cast: Cast) -> None:
    with seeding():
        RoleAssignment.objects.filter(role__code="follow-up-nurse").update(valid_from=at(LONG_AGO))


def test_nurses_of_the_centre_count_with_their_own_number(cast: Cast) -> None:
    with seeding():
        Practitioner.objects.filter(pk=cast.wang.pk).update(daily_capacity=55)
    assert of(cast.wang) == [55]


def test_who_does_not_call_is_not_on_it(cast: Cast) -> None:
    assert of(cast.zhao) == [None]


def test_in_a_team_the_number_of_the_team_counts(cast: Cast) -> None:
    member(team(cast), cast.wang, capacity=12)
    assert of(cast.wang) == [12]


def test_a_doctor_in_a_team_counts_too(cast: Cast) -> None:
    member(team(cast), cast.zhao, capacity=5)
    assert of(cast.zhao) == [5]


def test_before_the_team_began_it_is_the_own_number(cast: Cast) -> None:
    founded = team(cast, first_day=DAY)
    with seeding():
        TeamMember.objects.create(team=founded, practitioner=cast.wang, capacity=12, first_day=DAY)
    own = cast.wang.daily_capacity
    assert of(cast.wang, DAY - ONE, DAY + ONE) == [own, 12, 12]


def test_after_the_team_is_over_its_members_are_gone(cast: Cast) -> None:
    founded = team(cast)
    member(founded, cast.zhao, capacity=7)
    actions.end_team(team=founded, last_day=DAY, by=SYSTEM) if hasattr(actions, "end_team") else None
    with seeding():
        type(founded).objects.filter(pk=founded.pk).update(last_day=DAY)
    assert of(cast.zhao, DAY, DAY + ONE) == [7, None]


@pytest.mark.parametrize(("part", "there"), [("whole", 40), ("morning", 20), ("afternoon", 20)])
def test_half_a_day_is_half_of_it(cast: Cast, part: str, there: int) -> None:
    shift(cast.wang, [4], part)
    assert of(cast.wang, DAY - ONE, DAY) == [0, there]


def test_an_odd_number_is_rounded_down(cast: Cast) -> None:
    member(team(cast), cast.wang, capacity=7)
    shift(cast.wang, [4], "morning")
    assert of(cast.wang) == [3]


def test_two_shifts_of_one_day_are_one_day(cast: Cast) -> None:
    shift(cast.wang, [4], "morning")
    shift(cast.wang, [4], "afternoon")
    assert of(cast.wang) == [40]


def test_a_week_of_shifts(cast: Cast) -> None:
    shift(cast.wang, [0, 2])
    shift(cast.wang, [5], "morning")
    assert of(cast.wang, MONDAY, MONDAY + 6 * ONE) == [40, 0, 40, 0, 0, 20, 0]


def test_before_the_first_shift_began_somebody_works_every_day(cast: Cast) -> None:
    shift(cast.wang, [0], first_day=DAY)
    assert of(cast.wang, DAY - ONE, DAY) == [40, 0]


def test_leave_takes_the_day_away_and_a_half_of_it_half(cast: Cast) -> None:
    away(cast.wang, DAY, DAY + ONE, last_half="morning")
    assert of(cast.wang, DAY - ONE, DAY + 2 * ONE) == [40, 0, 20, 40]


def test_leave_without_an_end_goes_on(cast: Cast) -> None:
    away(cast.wang, DAY, None)
    assert of(cast.wang, DAY - ONE, DAY + 3 * ONE) == [40, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("hour", "there"),
    [(0, [40, None]), (11, [40, None]), (12, [40, None]), (13, [40, 40]), (23, [40, 40])],
)
def test_whoever_has_the_role_at_noon_has_it_that_day(cast: Cast, hour: int, there: list[int | None]) -> None:
    role(cast.wang, valid_to=at(DAY + ONE, hour))
    assert of(cast.wang, DAY, DAY + ONE) == there


@pytest.mark.parametrize(("hour", "there"), [(0, [None, 40]), (12, [None, 40]), (13, [None, None])])
def test_a_role_that_begins_in_the_afternoon_begins_the_day_after(
    cast: Cast, hour: int, there: list[int | None]
) -> None:
    role(cast.wang, valid_from=at(DAY, hour))
    assert of(cast.wang, DAY - ONE, DAY) == there


def test_somebody_who_left_counts_until_then(cast: Cast) -> None:
    role(cast.wang, valid_to=at(DAY, 18))
    with seeding():
        Practitioner.objects.filter(pk=cast.wang.pk).update(is_active=False)
    assert of(cast.wang, DAY, DAY + ONE) == [40, None]


def test_an_account_closed_without_an_end_of_its_role_counts_never(cast: Cast) -> None:
    with seeding():
        Practitioner.objects.filter(pk=cast.wang.pk).update(is_active=False)
    assert of(cast.wang) == [None]


def test_a_leap_day_is_a_day(cast: Cast) -> None:
    role(cast.wang, valid_from=at(date(2024, 1, 1)))
    found = capacity_between(first=date(2024, 2, 28), last=date(2024, 3, 1))
    assert [day.isoformat() for day in found] == ["2024-02-28", "2024-02-29", "2024-03-01"]
    assert {day[cast.wang.pk] for day in found.values()} == {40}


def test_a_span_turned_round_is_empty_and_one_without_end_is_refused(cast: Cast) -> None:
    assert capacity_between(first=DAY, last=DAY - ONE) == {}
    with pytest.raises(ValueError, match="800"):
        capacity_between(first=DAY, last=DAY + MOST_DAYS * ONE)


def test_a_year_asks_no_more_than_a_day(cast: Cast, django_assert_num_queries: Any) -> None:
    for last in (DAY, DAY + 364 * ONE):
        with django_assert_num_queries(4):
            capacity_between(first=DAY, last=last)


@given(st.datetimes(min_value=datetime(2023, 1, 1), max_value=datetime(2027, 1, 1)))
def test_the_noons_before_and_after_a_moment_are_neighbours(moment: datetime) -> None:
    local = moment.replace(tzinfo=timezone.get_default_timezone())
    assert _first_noon(local) - _last_noon(local) == ONE
    assert at(_last_noon(local)) < local <= at(_first_noon(local))
