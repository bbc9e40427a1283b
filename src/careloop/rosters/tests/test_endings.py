"""What is over stays over: ending something again from an old page never changes who was here in the meantime."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.rosters import actions, jobs, reads
from careloop.rosters.models import Leave, Shift, Team, TeamMember
from careloop.rosters.reads.situation import end_of
from careloop.rosters.tests.factories import DAY, away, member, team
from tests.cast import NOW, SYSTEM, Cast

ONE = timedelta(days=1)
SHANGHAI = ZoneInfo("Asia/Shanghai")


def days(found: Any) -> tuple[date, date | None]:
    found.refresh_from_db()
    return found.first_day, found.last_day


def facts(name: str, what: str) -> int:
    return AuditEvent.objects.filter(name=f"rosters.{name}", payload__what=what).count()


def shift(person: Any, first: date, last: date | None) -> Shift:
    return actions.add_shift(
        practitioner_id=person.pk, first_day=first, last_day=last, weekdays=range(7), part="whole", by=SYSTEM
    )


def in_team(cast: Cast, first: date, last: date | None) -> TeamMember:
    mine = member(team(cast, name=f"{first} to {last}"), cast.wang)
    mine.first_day, mine.last_day = first, last
    with seeding():
        mine.save()
    return mine


ENDINGS: dict[str, tuple[Callable[..., Any], Callable[..., Any], str, str]] = {
    "shift": (
        lambda cast, first, last: shift(cast.wang, first, last),
        lambda row, today: actions.end_shift(shift=row, today=today, by=SYSTEM),
        "ShiftChanged",
        "ended",
    ),
    "leave": (
        lambda cast, first, last: away(cast.wang, first, last),
        lambda row, today: actions.end_leave(leave=row, today=today, by=SYSTEM),
        "LeaveChanged",
        "ended",
    ),
    "member": (
        in_team,
        lambda row, today: actions.leave_team(member=row, today=today, by=SYSTEM),
        "TeamMemberChanged",
        "left",
    ),
}
# first day, last day, and what they are after "end it today": None = taken back, since it never began
CASES = [
    (-10, None, (-10, -1)),
    (-10, 5, (-10, -1)),
    (-10, 0, (-10, -1)),
    (-10, -1, (-10, -1)),  # over since yesterday
    (-10, -4, (-10, -4)),  # over for days: not a day longer
    (0, None, None),
    (0, 0, None),
    (3, 9, None),
    (-1, None, (-1, -1)),
]


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ENDINGS)
def test_ending_shortens_takes_back_or_leaves_alone(cast: Cast, kind: str) -> None:
    begin, end, name, what = ENDINGS[kind]
    for first, last, expected in CASES:
        row = begin(cast, DAY + first * ONE, None if last is None else DAY + last * ONE)
        before, is_over = facts(name, what), last is not None and last < 0
        end(row, DAY)
        if expected is None:
            assert not type(row).objects.filter(pk=row.pk).exists(), (first, last)
        else:
            assert days(row) == (DAY + expected[0] * ONE, DAY + expected[1] * ONE), (first, last)
        assert facts(name, what) - before == (0 if is_over else 1), (first, last)
        end(row, DAY + 30 * ONE)  # a page that somebody left open for a month
        assert facts(name, what) - before == (0 if is_over else 1), (first, last)
        if expected is not None:
            assert days(row)[1] == DAY + expected[1] * ONE, (first, last)
        with seeding():
            type(row).objects.filter(pk=row.pk).delete()


@pytest.mark.django_db
def test_leave_that_ended_at_noon_does_not_grow_by_an_afternoon(cast: Cast) -> None:
    leave = away(cast.wang, DAY - 3 * ONE, DAY - ONE, last_half="morning")
    actions.end_leave(leave=leave, today=DAY, by=SYSTEM)
    leave.refresh_from_db()
    assert (leave.last_day, leave.last_half) == (DAY - ONE, "morning")
    open_end = away(cast.wang, DAY - 3 * ONE, DAY, last_half="morning")
    actions.end_leave(leave=open_end, today=DAY, by=SYSTEM)
    open_end.refresh_from_db()
    assert (open_end.last_day, open_end.last_half) == (DAY - ONE, "afternoon")  # yesterday was a whole day of leave


@pytest.mark.django_db
def test_a_team_that_ended_lets_everybody_go_and_takes_nobody(cast: Cast) -> None:
    heart = team(cast)
    now = member(heart, cast.wang)
    later = actions.join_team(
        team=heart, practitioner_id=cast.zhao.pk, capacity=9, skills=[], first_day=DAY + 10 * ONE, by=SYSTEM
    )
    actions.end_team(team=heart, last_day=DAY, by=SYSTEM)
    assert days(now)[1] == DAY
    assert not TeamMember.objects.filter(pk=later.pk).exists()  # who was to join later never does
    with pytest.raises(actions.TeamOver) as refused:
        member(heart, cast.sun)
    assert refused.value.code == "team-over"
    second = team(cast, name="Second")
    for person in (cast.zhao, cast.sun):  # both are free for another team
        actions.join_team(team=second, practitioner_id=person.pk, capacity=9, skills=[], first_day=DAY + ONE, by=SYSTEM)
    actions.end_team(team=heart, last_day=DAY + 30 * ONE, by=SYSTEM)
    assert days(heart)[1] == days(now)[1] == DAY
    assert facts("TeamChanged", "ended") == 1
    actions.end_team(team=heart, last_day=DAY - 2 * ONE, by=SYSTEM)  # earlier than was said: still possible
    assert days(heart)[1] == days(now)[1] == DAY - 2 * ONE


@pytest.mark.django_db
def test_an_old_page_cannot_put_somebody_into_an_ended_team(cast: Cast) -> None:
    heart = team(cast)
    actions.end_team(team=heart, last_day=DAY, by=SYSTEM)
    answer = cast.client(cast.qian).post(
        reverse("rosters:join-team", args=[heart.pk]), {"practitioner": str(cast.wang.pk), "capacity": "40"}
    )
    assert answer.status_code == 409
    assert not TeamMember.objects.exists()
    assert Team.objects.get().last_day == DAY


@pytest.mark.django_db
def test_who_is_here_agrees_with_the_rows_on_every_day_around_each_border(cast: Cast) -> None:
    """A shift, leave and a team: on each day the person's capacity is what the rows say, and nobody drops off the list."""
    mine = member(team(cast), cast.wang, capacity=20)
    shift(cast.wang, DAY - 5 * ONE, None)
    away(cast.wang, DAY, DAY + 2 * ONE, first_half="afternoon", last_half="morning")
    actions.leave_team(member=mine, today=DAY + 4 * ONE, by=SYSTEM)
    seen = {}
    for offset in range(-6, 6):
        on = DAY + offset * ONE
        rows = [one for one in reads.colleagues(day=on, at=NOW) if one.practitioner.pk == cast.wang.pk]
        assert len(rows) == 1, offset
        seen[offset] = (rows[0].capacity, rows[0].team is not None)
    own = cast.wang.daily_capacity
    assert seen == {
        -6: (20, True), -5: (20, True), -4: (20, True), -3: (20, True), -2: (20, True), -1: (20, True),
        0: (10, True), 1: (0, True), 2: (10, True), 3: (20, True), 4: (own, False), 5: (own, False),
    }  # fmt: skip


@given(st.dates(date(1990, 1, 1), date(2199, 12, 31)))
def test_a_day_ends_at_midnight_in_the_hospital(day: date) -> None:
    """To the microsecond, also over leap days and the daylight saving of 1991."""
    last = end_of(day)
    assert last.astimezone(SHANGHAI).date() == day
    assert (last + timedelta(microseconds=1)).astimezone(SHANGHAI).date() == day + ONE


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("begins", "ends", "expected"),
    [
        ((29, 0, 0), (29, 24, 0), ("02-29", "morning", "02-29", "afternoon")),  # a leap day, midnight to midnight
        ((28, 23, 59), (29, 0, 1), ("02-28", "afternoon", "02-29", "morning")),
        ((29, 12, 0), (29, 24, 0), ("02-29", "afternoon", "02-29", "afternoon")),
        ((29, 11, 59), (29, 12, 0), ("02-29", "morning", "02-29", "morning")),  # noon belongs to the afternoon
        ((29, 11, 59), (29, 12, 1), ("02-29", "morning", "02-29", "afternoon")),
        ((29, 24, 0), None, ("03-01", "morning", None, None)),
        ((29, 9, 0), (29, 9, 0), None),
        ((29, 9, 0), (28, 9, 0), None),
    ],
    ids=["whole", "over-midnight", "afternoon", "to-noon", "past-noon", "no-end", "nothing", "backwards"],
)  # fmt: skip
def test_an_absence_from_the_duty_page_in_half_days_around_midnight(
    cast: Cast, begins: tuple[int, int, int], ends: tuple[int, int, int] | None, expected: tuple[str, ...] | None
) -> None:
    def moment(told: tuple[int, int, int]) -> datetime:
        day, hour, minute = told
        return datetime(2028, 2, day, tzinfo=SHANGHAI) + timedelta(hours=hour, minutes=minute)

    event = {
        "practitioner_id": str(cast.wang.pk), "absence_id": "01a205ba-5878-7b5c-9c23-8150f2dafed0",
        "valid_from": moment(begins).isoformat(), "valid_to": moment(ends).isoformat() if ends else None,
    }  # fmt: skip
    jobs.follow_absence.func(event=event)
    found = Leave.objects.first()
    if expected is None:
        assert found is None
        return
    assert found is not None
    first, last = f"{found.first_day:%m-%d}", f"{found.last_day:%m-%d}" if found.last_day else None
    assert (first, found.first_half, last, found.last_half if last else None) == expected


@pytest.mark.parametrize("event", [{}, {"valid_from": ""}, {"valid_from": "soon"}, {"valid_from": NOW.isoformat()}])
def test_an_absence_without_a_beginning_or_a_name_of_its_own_is_left_alone(event: dict[str, str]) -> None:
    jobs.follow_absence.func(event=event)  # without a database: nothing is asked, nothing written
