"""Teams, skills, shifts and leave: who may keep them, and what is refused with which words."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from careloop.alerts import actions as alerts
from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.rosters import actions, jobs, reads
from careloop.rosters.models import Leave, Shift, Skill, Team, TeamMember
from careloop.rosters.tests.factories import DAY, LONG_AGO, away, member, skill, team
from tests.cast import NOW, SYSTEM, make_cast

pytestmark = pytest.mark.django_db
WEEK = timedelta(days=7)


def here(cast, person, day=DAY):
    return next(one for one in reads.colleagues(day=day, at=NOW) if one.practitioner.pk == person.pk)


@pytest.fixture
def as_qian(cast):
    return cast.viewer(cast.qian)


def facts(name):
    return AuditEvent.objects.filter(name=f"rosters.{name}").count()


# --- teams ---------------------------------------------------------------------------------------------------------------


def test_the_supervisor_founds_a_team_of_the_own_department(cast, as_qian):
    new = actions.found_team(
        name=" Heart ",
        organization_id=cast.cardiology.pk,
        department_ids=[cast.cardiology.pk],
        first_day=DAY,
        by=as_qian,
    )
    assert new.name == "Heart"
    assert [one.pk for one in new.departments.all()] == [cast.cardiology.pk]
    assert facts("TeamChanged") == 1
    assert [one.pk for one in reads.teams_of(as_qian, day=DAY)] == [new.pk]


@pytest.mark.parametrize("what", ["home", "served"])
def test_a_foreign_department_is_refused(cast, as_qian, what):
    home = cast.orthopaedics if what == "home" else cast.cardiology
    with pytest.raises(actions.ForeignTeam):
        actions.found_team(
            name="X", organization_id=home.pk, department_ids=[cast.cardiology.pk, cast.orthopaedics.pk],
            first_day=DAY, by=as_qian,
        )  # fmt: skip
    assert Team.objects.count() == 0


def test_whoever_only_shares_out_work_may_not_keep_teams(cast):
    with pytest.raises(actions.ForeignTeam):
        actions.found_team(
            name="X", organization_id=cast.cardiology.pk, department_ids=[cast.cardiology.pk], first_day=DAY,
            by=cast.as_wang,
        )  # fmt: skip


def test_a_team_without_departments_is_refused(cast, as_qian):
    with pytest.raises(actions.TeamNeedsDepartment):
        actions.found_team(name="X", organization_id=cast.cardiology.pk, department_ids=[], first_day=DAY, by=as_qian)


def test_the_same_name_twice_is_refused_until_the_first_team_ended(cast):
    first = team(cast)
    with pytest.raises(actions.TeamNameTaken):
        team(cast)
    actions.end_team(team=first, last_day=DAY, by=SYSTEM)
    assert team(cast).pk != first.pk


def test_a_team_that_ends_lets_its_people_go(cast):
    heart = team(cast)
    member(heart, cast.wang)
    actions.end_team(team=heart, last_day=DAY, by=SYSTEM)
    assert TeamMember.objects.get().last_day == DAY
    assert here(cast, cast.wang).team == heart
    assert here(cast, cast.wang, DAY + timedelta(days=1)).team is None
    with pytest.raises(actions.PeriodImpossible):
        actions.end_team(team=heart, last_day=LONG_AGO - WEEK, by=SYSTEM)


def test_a_foreign_team_is_refused_in_every_action(cast, as_qian):
    bones = team(cast, name="Bones", departments=[cast.orthopaedics])
    hers = member(bones, cast.li)
    shift = actions.add_shift(
        practitioner_id=cast.li.pk, first_day=DAY, last_day=None, weekdays=[0], part="whole", by=SYSTEM
    )
    leave = away(cast.li)
    common = {"practitioner_id": cast.li.pk, "first_day": DAY, "last_day": DAY, "by": as_qian}
    tries = [
        lambda: actions.end_team(team=bones, last_day=DAY, by=as_qian),
        lambda: actions.join_team(
            team=bones, practitioner_id=cast.wang.pk, capacity=9, skills=[], first_day=DAY, by=as_qian
        ),
        lambda: actions.change_member(member=hers, capacity=9, skills=[], by=as_qian),
        lambda: actions.leave_team(member=hers, today=DAY, by=as_qian),
        lambda: actions.add_shift(weekdays=[1], part="whole", **common),
        lambda: actions.end_shift(shift=shift, today=DAY, by=as_qian),
        lambda: actions.take_leave(first_half="morning", last_half="afternoon", reason="leave", **common),
        lambda: actions.end_leave(leave=leave, today=DAY, by=as_qian),
    ]
    for attempt in tries:
        with pytest.raises(actions.ForeignTeam):
            attempt()
    assert reads.teams_of(as_qian, day=DAY) == []


# --- members ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [0, -1, 301, 4000])
def test_a_member_without_a_possible_capacity_is_refused(cast, capacity):
    heart = team(cast)
    with pytest.raises(actions.TeamNeedsCapacity):
        member(heart, cast.wang, capacity)
    mine = member(heart, cast.zhao)
    with pytest.raises(actions.TeamNeedsCapacity):
        actions.change_member(member=mine, capacity=capacity, skills=[], by=SYSTEM)


def test_one_team_at_a_time(cast):
    member(team(cast), cast.wang)
    with pytest.raises(actions.NotSomebodyWhoCalls):
        member(team(cast, name="Second"), cast.wang)


def test_out_today_and_into_another_team_the_same_day(cast):
    mine = member(team(cast), cast.wang)
    actions.leave_team(member=mine, today=DAY, by=SYSTEM)
    other = team(cast, name="Second")
    actions.join_team(team=other, practitioner_id=cast.wang.pk, capacity=9, skills=[], first_day=DAY, by=SYSTEM)
    assert here(cast, cast.wang).team == other
    assert here(cast, cast.wang, DAY - timedelta(days=1)).team == mine.team


def test_who_joined_only_today_was_never_in_it(cast):
    heart = team(cast)
    mine = actions.join_team(team=heart, practitioner_id=cast.wang.pk, capacity=9, skills=[], first_day=DAY, by=SYSTEM)
    actions.leave_team(member=mine, today=DAY, by=SYSTEM)
    assert TeamMember.objects.count() == 0
    assert facts("TeamMemberChanged") == 2


def test_somebody_who_cannot_sign_in_is_refused(cast):
    heart = team(cast)
    with seeding():
        cast.wang.is_active = False
        cast.wang.save()
    with pytest.raises(actions.NotSomebodyWhoCalls):
        member(heart, cast.wang)


def test_capacity_and_skills_are_changed_together(cast):
    skill("wound")
    mine = member(team(cast), cast.wang)
    actions.change_member(member=mine, capacity=12, skills=["wound", "wound"], by=SYSTEM)
    now = here(cast, cast.wang)
    assert (now.capacity, now.skills) == (12, frozenset({"wound"}))


def test_an_unknown_or_ended_skill_is_refused(cast):
    heart = team(cast)
    with pytest.raises(actions.UnknownSkill):
        member(heart, cast.wang, skills=("flying",))
    old = skill("old")
    actions.keep_skill(skill=old, code="old", name="old", kind="", plan_title="Wound care", is_active=False, by=SYSTEM)
    with pytest.raises(actions.UnknownSkill):
        member(heart, cast.wang, skills=("old",))


def test_a_skill_needs_work_and_a_code_of_its_own(cast):
    with pytest.raises(actions.SkillNeedsWork):
        skill(plan_title="")
    skill("wound")
    with pytest.raises(actions.SkillTaken):
        skill("WOUND ")
    assert Skill.objects.count() == 1


def test_a_person_without_a_team_has_their_own_capacity_and_leaves_team_departments_alone(cast):
    assert here(cast, cast.wang).capacity == cast.wang.daily_capacity
    assert cast.cardiology.pk in here(cast, cast.wang).departments
    member(team(cast), cast.zhao)
    assert here(cast, cast.wang).departments == frozenset()
    assert here(cast, cast.zhao).departments == {cast.cardiology.pk}


def test_a_member_without_a_role_to_call_is_not_among_those_who_call(cast):
    member(team(cast), cast.he)
    assert cast.he.pk not in {one.practitioner.pk for one in reads.colleagues(day=DAY, at=NOW)}


@pytest.mark.django_db(transaction=True)
def test_two_supervisors_put_somebody_into_two_teams_at_once_only_one_does():
    cast = make_cast()
    teams = [team(cast, name=str(n)) for n in range(4)]

    def put(of):
        try:
            member(of, cast.wang)
        except actions.NotSomebodyWhoCalls:
            return 0
        finally:
            connection.close()
        return 1

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(put, teams)) == 1


# --- shifts ---------------------------------------------------------------------------------------------------------------


def shift(person, weekdays=(0, 1, 2, 3, 4), part="whole", first=DAY - WEEK, last=None, by=SYSTEM):
    return actions.add_shift(
        practitioner_id=person.pk, first_day=first, last_day=last, weekdays=weekdays, part=part, by=by
    )


def test_with_shifts_one_is_here_only_then(cast):
    shift(cast.wang, weekdays=(4,), part="morning")
    assert here(cast, cast.wang).capacity == cast.wang.daily_capacity // 2
    assert here(cast, cast.wang, DAY + timedelta(days=1)).capacity == 0


@pytest.mark.parametrize(
    ("other", "clashes"),
    [
        ({"weekdays": (4, 5)}, True),
        ({"weekdays": (5, 6)}, False),
        ({"weekdays": (0,), "part": "afternoon"}, False),
        ({"weekdays": (0,), "part": "whole"}, True),
        ({"weekdays": (0,), "first": DAY - 3 * WEEK, "last": DAY - 2 * WEEK}, False),
    ],
)
def test_overlapping_shifts_are_refused(cast, other, clashes):
    shift(cast.wang, weekdays=(0, 4), part="morning")
    if clashes:
        with pytest.raises(actions.ShiftsOverlap):
            shift(cast.wang, **other)
    else:
        shift(cast.wang, **other)
    shift(cast.zhao, **other)  # somebody else's shift never clashes


def test_a_shift_that_ends_before_it_begins_is_refused(cast):
    with pytest.raises(actions.PeriodImpossible):
        shift(cast.wang, first=DAY, last=DAY - WEEK)


def test_an_ended_shift_still_says_that_this_person_works_by_shifts(cast):
    old = shift(cast.wang)
    actions.end_shift(shift=old, today=DAY, by=SYSTEM)
    assert Shift.objects.get().last_day == DAY - timedelta(days=1)
    assert here(cast, cast.wang).capacity == 0


def test_a_shift_that_has_not_begun_is_taken_back(cast):
    actions.end_shift(shift=shift(cast.wang, first=DAY + WEEK), today=DAY, by=SYSTEM)
    assert Shift.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_the_same_shift_entered_four_times_at_once_is_there_once():
    cast = make_cast()

    def enter(_n):
        try:
            shift(cast.wang)
        except actions.ShiftsOverlap:
            return 0
        finally:
            connection.close()
        return 1

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(enter, range(4))) == 1


# --- leave ---------------------------------------------------------------------------------------------------------------


def test_ones_own_leave_needs_no_further_right(cast):
    actions.take_leave(
        practitioner_id=cast.wang.pk, first_day=DAY, last_day=DAY, first_half="morning", last_half="afternoon",
        reason="sick", by=cast.as_wang,
    )  # fmt: skip
    assert here(cast, cast.wang).capacity == 0
    with pytest.raises(actions.ForeignTeam):
        actions.take_leave(
            practitioner_id=cast.zhao.pk, first_day=DAY, last_day=DAY, first_half="morning", last_half="afternoon",
            reason="sick", by=cast.as_wang,
        )  # fmt: skip


@pytest.mark.parametrize(("last", "halves"), [(DAY - WEEK, ("morning", "afternoon")), (DAY, ("afternoon", "morning"))])
def test_leave_that_is_no_time_at_all_is_refused(cast, last, halves):
    with pytest.raises(actions.PeriodImpossible):
        away(cast.wang, DAY, last, first_half=halves[0], last_half=halves[1])


def test_back_earlier_than_planned(cast):
    leave = away(cast.wang, DAY - WEEK, DAY + WEEK)
    actions.end_leave(leave=leave, today=DAY, by=SYSTEM)
    assert here(cast, cast.wang).capacity > 0
    assert here(cast, cast.wang, DAY - timedelta(days=1)).capacity == 0
    actions.end_leave(leave=away(cast.wang, DAY + WEEK, None), today=DAY, by=SYSTEM)
    assert Leave.objects.count() == 1


def local(hour, day=20):
    return datetime(2026, 11, day, hour - 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("begins", "ends", "expected"),
    [
        (local(8), local(18, 22), ((20, "morning"), (22, "afternoon"))),
        (local(13), local(12, 21), ((20, "afternoon"), (21, "morning"))),
        (local(9), None, ((20, "morning"), None)),
        (local(9), local(9), None),  # taken back
    ],
)
def test_an_absence_of_the_duty_page_counts_here_in_half_days(cast, begins, ends, expected):
    absence = alerts.set_absence(
        practitioner_id=cast.wang.pk, stand_in_id=cast.zhao.pk, valid_from=begins, valid_to=None, at=NOW, by=SYSTEM
    )
    event = {
        "practitioner_id": str(cast.wang.pk), "absence_id": str(absence.pk), "valid_from": begins.isoformat(),
        "valid_to": ends.isoformat() if ends else None,
    }  # fmt: skip
    jobs.follow_absence.func(event=event)
    jobs.follow_absence.func(event=event)  # at least once
    found = Leave.objects.first()
    if expected is None:
        assert found is None
        return
    (first, first_half), last = expected
    assert (found.first_day.day, found.first_half) == (first, first_half)
    assert (last is None) == (found.last_day is None)
    if last:
        assert (found.last_day.day, found.last_half) == last
    assert Leave.objects.count() == 1


def test_the_fact_of_an_absence_says_all_that_the_calling_list_needs(cast):
    absence = alerts.set_absence(
        practitioner_id=cast.wang.pk, stand_in_id=None, valid_from=NOW, valid_to=None, at=NOW, by=SYSTEM
    )
    alerts.end_absence(absence=absence, at=NOW + WEEK, by=SYSTEM)
    taken, ended = AuditEvent.objects.filter(name="alerts.AbsenceChanged").order_by("at", "pk")
    assert taken.payload["absence_id"] == ended.payload["absence_id"] == str(absence.pk)
    assert taken.payload["valid_to"] is None
    jobs.follow_absence.func(event=dict(ended.payload))
    assert Leave.objects.get().last_day is not None
