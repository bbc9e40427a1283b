"""Teams, members, skills, shifts and leave: kept by whoever supervises the department."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Organization, Practitioner
from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.rosters import reads, rules
from careloop.rosters.events import LeaveChanged, ShiftChanged, SkillChanged, TeamChanged, TeamMemberChanged
from careloop.rosters.models import MOST_A_DAY, Leave, Shift, Skill, Team, TeamMember


class ForeignTeam(Refused):
    code = "foreign-team"
    message = _("This team or this colleague belongs to a department that is not in your care.")


class TeamNeedsDepartment(Refused):
    code = "team-needs-department"
    message = _("Choose at least one department whose follow-up this team does.")


class TeamNameTaken(Refused):
    code = "team-name-taken"
    message = _("The department has a team of this name already. Choose another name.")


class TeamOver(Refused):
    code = "team-over"
    message = _("This team has ended: nobody can join it any more. Choose another team, or found a new one.")


class TeamNeedsCapacity(Refused):
    code = "team-needs-capacity"
    message = _("Say how many patients a day: a whole number from 1 to 300.")


class NotSomebodyWhoCalls(Refused):
    code = "not-somebody-who-calls"
    message = _("This person cannot sign in or is in another team on these days. End the other membership first.")


class UnknownSkill(Refused):
    code = "unknown-skill"
    message = _("This skill is not in the list of skills.")


class SkillTaken(Refused):
    code = "skill-taken"
    message = _("There is a skill with this code already.")


class SkillNeedsWork(Refused):
    code = "skill-needs-work"
    message = _("Say which work needs the skill: a kind of task or a plan.")


class PeriodImpossible(Refused):
    code = "period-impossible"
    message = _("The last day must not be before the first day.")


class ShiftsOverlap(Refused):
    code = "shifts-overlap"
    message = _(
        "This person works on some of these half days already. End the other shift first, or choose other days."
    )


@action
def found_team(
    *, name: str, organization_id: UUID, department_ids: Sequence[UUID], first_day: date, by: Viewer
) -> Team:
    """A team that does the follow-up of these departments from a day on. Refused: none, or one not in your care."""
    _refuse_foreign(organization_id, by)
    departments = list(Organization.objects.filter(pk__in=department_ids, is_active=True).order_by("path"))
    if not departments:
        raise TeamNeedsDepartment
    for department in departments:
        _refuse_foreign(department.pk, by)
    team = Team(name=name.strip()[:60], organization_id=organization_id, first_day=first_day)
    try:
        with transaction.atomic():
            team.save(force_insert=True)
    except IntegrityError as fault:
        raise TeamNameTaken from fault
    team.departments.set(departments)
    record(TeamChanged(team_id=team.pk, what="founded"), by=by)
    return team


@action
def end_team(*, team: Team, last_day: date, by: Viewer) -> None:
    """The team's last day; its members are free afterwards. Work given to them stays with them.

    Who was to join later never does. A team that is over already is not brought back by ending it again.
    """
    held = _held_team(team, by)
    if last_day < held.first_day:
        raise PeriodImpossible
    if held.last_day is not None and held.last_day <= last_day:
        return
    Team.objects.filter(pk=held.pk).update(last_day=last_day)
    held.members.filter(first_day__gt=last_day).delete()
    held.members.filter(_still(last_day + timedelta(days=1))).update(last_day=last_day)
    record(TeamChanged(team_id=held.pk, what="ended"), by=by)


@action
def join_team(
    *, team: Team, practitioner_id: UUID, capacity: int, skills: Sequence[str], first_day: date, by: Viewer
) -> TeamMember:
    """Somebody joins. Refused: an ended team, an impossible capacity, an unknown skill, another team on the same days."""
    held = _held_team(team, by)
    if held.last_day is not None:
        raise TeamOver
    person = Practitioner.objects.select_for_update().filter(pk=practitioner_id).first()
    if person is None or not person.is_active or person.username is None:
        raise NotSomebodyWhoCalls
    if TeamMember.objects.filter(_still(first_day), practitioner=person).exists():
        raise NotSomebodyWhoCalls
    member = TeamMember(
        team=held, practitioner=person, capacity=_possible(capacity), skills=_known(skills), first_day=first_day
    )
    member.save(force_insert=True)
    record(TeamMemberChanged(team_id=held.pk, practitioner_id=person.pk, what="joined"), by=by)
    return member


@action
def change_member(*, member: TeamMember, capacity: int, skills: Sequence[str], by: Viewer) -> None:
    """Another capacity or other skills, from the next distribution on."""
    _held_team(member.team, by)
    TeamMember.objects.filter(pk=member.pk).update(capacity=_possible(capacity), skills=_known(skills))
    record(TeamMemberChanged(team_id=member.team_id, practitioner_id=member.practitioner_id, what="changed"), by=by)


@action
def leave_team(*, member: TeamMember, today: date, by: Viewer) -> None:
    """Out from today on: yesterday was the last day. Who joined only today was never in it.

    Who is out already stays out since then: asking again from an old page changes nothing.
    """
    _held_team(member.team, by)
    if not _ended(TeamMember.objects.filter(pk=member.pk), today):
        return
    record(TeamMemberChanged(team_id=member.team_id, practitioner_id=member.practitioner_id, what="left"), by=by)


@action
def keep_skill(*, code: str, name: str, kind: str, plan_title: str, by: Viewer, skill: Skill | None = None, is_active: bool = True) -> Skill:  # fmt: skip
    """Add or change a skill and the work that needs it."""
    if not (kind or plan_title):
        raise SkillNeedsWork
    row = skill or Skill(code=code.strip().lower()[:40])
    row.name, row.kind, row.plan_title, row.is_active = name.strip()[:60], kind, plan_title.strip()[:120], is_active
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as fault:
        raise SkillTaken from fault
    record(SkillChanged(skill_id=row.pk, what="kept" if is_active else "ended"), by=by)
    return row


@action
def add_shift(
    *, practitioner_id: UUID, first_day: date, last_day: date | None, weekdays: Sequence[int], part: str, by: Viewer
) -> Shift:
    """Half days on which somebody works. Refused: one that claims a half day of another shift of the same person."""
    person = _held_person(practitioner_id, by)
    if last_day is not None and last_day < first_day:
        raise PeriodImpossible
    wanted = rules.OnDuty(first_day=first_day, last_day=last_day, weekdays=tuple(sorted(set(weekdays))), part=part)
    if any(rules.overlap(wanted, other.as_rule()) for other in Shift.objects.filter(practitioner=person)):
        raise ShiftsOverlap
    shift = Shift(
        practitioner=person, first_day=first_day, last_day=last_day, weekdays=list(wanted.weekdays), part=part
    )
    shift.save(force_insert=True)
    record(ShiftChanged(practitioner_id=person.pk, what="added"), by=by)
    return shift


@action
def end_shift(*, shift: Shift, today: date, by: Viewer) -> None:
    """Over after yesterday; one that has not begun is taken back, and one that is over already stays as it was."""
    _held_person(shift.practitioner_id, by)
    if not _ended(Shift.objects.filter(pk=shift.pk), today):
        return
    record(ShiftChanged(practitioner_id=shift.practitioner_id, what="ended"), by=by)


@action
def take_leave(
    *, practitioner_id: UUID, first_day: date, last_day: date | None, first_half: str, last_half: str, reason: str,
    by: Viewer,
) -> Leave:  # fmt: skip
    """Somebody is away. One's own leave needs no further right. What follows (others get the work) is a reaction."""
    if practitioner_id != by.practitioner_id:
        _held_person(practitioner_id, by)
    if last_day is not None and (last_day < first_day or _nothing(first_day, last_day, first_half, last_half)):
        raise PeriodImpossible
    leave = Leave(
        practitioner_id=practitioner_id, first_day=first_day, last_day=last_day, first_half=first_half,
        last_half=last_half, reason=reason,
    )  # fmt: skip
    leave.save(force_insert=True)
    record(LeaveChanged(practitioner_id=practitioner_id, first_day=first_day, what="taken"), by=by)
    return leave


@action
def end_leave(*, leave: Leave, today: date, by: Viewer) -> None:
    """Back today; leave that has not begun is taken back, and leave that is over already stays as it was."""
    if leave.practitioner_id != by.practitioner_id:
        _held_person(leave.practitioner_id, by)
    if not _ended(Leave.objects.filter(pk=leave.pk), today, last_half=rules.AFTERNOON):
        return
    record(LeaveChanged(practitioner_id=leave.practitioner_id, first_day=leave.first_day, what="ended"), by=by)


@action
def follow_absence(
    *, source_id: UUID, practitioner_id: UUID, begins: datetime, ends: datetime | None, by: Viewer
) -> Leave | None:
    """An absence of the duty page counts here, too, in half days. Again, or with another end, changes the same leave.

    None when nothing is left of it (taken back, or shorter than half a day).
    """
    Leave.objects.filter(source_id=source_id).delete()
    first, first_half = _half_of(begins)
    last, last_half = _half_of(ends - timedelta(microseconds=1)) if ends else (None, rules.AFTERNOON)
    leave = None
    empty = ends is not None and (ends <= begins or last is not None and _nothing(first, last, first_half, last_half))
    if not empty:
        leave = Leave(
            practitioner_id=practitioner_id, first_day=first, first_half=first_half, last_day=last,
            last_half=last_half, reason=Leave.Reason.FROM_ALERTS, source_id=source_id,
        )  # fmt: skip
        leave.save(force_insert=True)
    record(LeaveChanged(practitioner_id=practitioner_id, first_day=first, what="followed"), by=by)
    return leave


def _half_of(moment: datetime) -> tuple[date, str]:
    local = timezone.localtime(moment)
    return local.date(), rules.MORNING if local.hour < 12 else rules.AFTERNOON


def _nothing(first_day: date, last_day: date, first_half: str, last_half: str) -> bool:
    return last_day < first_day or (
        first_day == last_day and (first_half, last_half) == (rules.AFTERNOON, rules.MORNING)
    )


def _ended(row: QuerySet[Any], today: date, **rest: str) -> bool:
    """End this row after yesterday, or take it back when it has not begun. False: it was over before today already."""
    taken_back, _by_table = row.filter(first_day__gte=today).delete()
    return bool(taken_back or row.filter(_still(today)).update(last_day=today - timedelta(days=1), **rest))


def _still(day: date) -> Q:
    return Q(last_day__isnull=True) | Q(last_day__gte=day)


def _possible(capacity: int) -> int:
    if not 1 <= capacity <= MOST_A_DAY:
        raise TeamNeedsCapacity
    return capacity


def _known(skills: Sequence[str]) -> list[str]:
    wanted = sorted(set(skills))
    if Skill.objects.filter(code__in=wanted, is_active=True).count() != len(wanted):
        raise UnknownSkill
    return wanted


def _refuse_foreign(organization_id: UUID | None, by: Viewer) -> None:
    if not (by.everything or reads.viewer_keeps(by, organization_id)):
        raise ForeignTeam


def _held_team(team: Team, by: Viewer) -> Team:
    held = Team.objects.select_for_update().get(pk=team.pk)
    _refuse_foreign(held.organization_id, by)
    return held


def _held_person(practitioner_id: UUID, by: Viewer) -> Practitioner:
    """Somebody of a department in one's care, or a member of a team in one's care. The row is held: no second shift meanwhile."""
    person = Practitioner.objects.select_for_update().filter(pk=practitioner_id).first()
    if person is None:
        raise ForeignTeam
    if by.everything or reads.viewer_keeps(by, person.organization_id):
        return person
    homes = TeamMember.objects.filter(practitioner=person, last_day__isnull=True).values_list("team__organization_id")
    if not any(reads.viewer_keeps(by, home) for (home,) in homes):
        raise ForeignTeam
    return person
