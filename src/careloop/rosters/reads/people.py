"""Who may call, for which departments, in which team, and how much they can take on a day."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db.models import Q

from careloop.accounts.models import Organization, Practitioner, RoleAssignment
from careloop.kernel.viewer import Viewer
from careloop.rosters import access, rules
from careloop.rosters.models import Leave, Shift, Team, TeamMember
from careloop.tasks import access as tasks_access


@dataclass(frozen=True, slots=True, kw_only=True)
class Colleague:
    """Somebody who calls, as they are on one day. `departments`: whose patients they may and shall call."""

    practitioner: Practitioner
    team: Team | None
    skills: frozenset[str]
    daily: int
    capacity: int
    halves: frozenset[str]
    departments: frozenset[UUID]

    @property
    def group(self) -> UUID | None:
        """With whom shares are compared: the team, else the department."""
        return self.team.pk if self.team else self.practitioner.organization_id


def colleagues(*, day: date, at: datetime) -> list[Colleague]:
    """Everybody whose role of now lets them call patients. A department with a team leaves its work to the team."""
    tree = list(Organization.objects.filter(is_active=True).only("pk", "path", "kind").order_by("path"))
    reach = _reach(tree, at)
    people = Practitioner.objects.filter(pk__in=reach, is_active=True).order_by("name", "pk")
    members = {
        member.practitioner_id: member
        for member in TeamMember.objects.filter(_running(day), practitioner__in=reach, team__in=Team.objects.running(on=day))
        .select_related("team")
        .prefetch_related("team__departments")
    }  # fmt: skip
    served = {team_id: _below(tree, departments) for team_id, departments in _departments(day).items()}
    taken = frozenset().union(*served.values()) if served else frozenset()
    shifts, leaves = _shifts(reach, day), _leaves(reach, day)
    found = []
    for person in people:
        member = members.get(person.pk)
        daily = member.capacity if member else person.daily_capacity
        mine = reach[person.pk] & served[member.team_id] if member else reach[person.pk] - taken
        halves = rules.halves_on(day, shifts=shifts.get(person.pk, ()), away=leaves.get(person.pk, ()))
        found.append(
            Colleague(
                practitioner=person, team=member.team if member else None,
                skills=frozenset(member.skills if member else ()), daily=daily,
                capacity=daily * len(halves) // len(rules.HALVES), halves=halves, departments=mine,
            )
        )  # fmt: skip
    return found


def departments_with_team(*, day: date) -> frozenset[UUID]:
    """Departments whose follow-up a team does on this day, with everything below them."""
    tree = list(Organization.objects.filter(is_active=True).only("pk", "path", "kind").order_by("path"))
    return _below(tree, set().union(*_departments(day).values()))


def _running(day: date) -> Q:
    return Q(first_day__lte=day) & (Q(last_day__isnull=True) | Q(last_day__gte=day))


def _reach(tree: list[Organization], at: datetime) -> dict[UUID, frozenset[UUID]]:
    """Person → departments their role lets them call for. Without any right to call, a person is not here."""
    running = RoleAssignment.objects.filter(
        Q(valid_to__isnull=True) | Q(valid_to__gt=at),
        valid_from__lte=at,
        role__permissions__contains=[tasks_access.WORK.code],
    ).select_related("organization")
    found: dict[UUID, set[UUID]] = {}
    for given in running:
        below = {one.pk for one in tree if one.path.startswith(given.organization.path)}
        found.setdefault(given.practitioner_id, set()).update(below)
    return {person: frozenset(departments) for person, departments in found.items()}


def _departments(day: date) -> dict[UUID, set[UUID]]:
    """Team → its departments, of the teams that run on this day."""
    links = Team.departments.through.objects.filter(team__in=Team.objects.running(on=day))
    found: dict[UUID, set[UUID]] = {}
    for team_id, organization_id in links.values_list("team_id", "organization_id"):
        found.setdefault(team_id, set()).add(organization_id)
    return found


def _below(tree: list[Organization], roots: set[UUID]) -> frozenset[UUID]:
    paths = tuple(one.path for one in tree if one.pk in roots)
    return frozenset(one.pk for one in tree if one.path.startswith(paths)) if paths else frozenset()


def _shifts(people: Iterable[UUID], day: date) -> dict[UUID, list[rules.OnDuty]]:
    """All shifts of whoever has any that has begun: one that is over still says that this person works by shifts."""
    found: dict[UUID, list[rules.OnDuty]] = {}
    for shift in Shift.objects.filter(practitioner__in=list(people), first_day__lte=day):
        found.setdefault(shift.practitioner_id, []).append(shift.as_rule())
    return found


def _leaves(people: Iterable[UUID], day: date) -> dict[UUID, list[rules.Away]]:
    found: dict[UUID, list[rules.Away]] = {}
    for leave in Leave.objects.filter(_running(day), practitioner__in=list(people)):
        found.setdefault(leave.practitioner_id, []).append(leave.as_rule())
    return found


def teams_of(viewer: Viewer, *, day: date) -> list[Team]:
    """The teams this viewer keeps: those of the own departments, the hospital's for somebody over all of it."""
    running = Team.objects.running(on=day).select_related("organization").prefetch_related("departments")
    wide = viewer.everything or viewer.hospital_wide
    mine = running if wide else running.filter(organization_id__in=viewer.departments)
    return list(mine.order_by("organization__path", "name", "pk"))


def viewer_keeps(viewer: Viewer, organization_id: UUID | None) -> bool:
    """May this viewer keep the teams and people of this department?"""
    viewer = viewer.within(access.KEEP)
    wide = viewer.everything or viewer.hospital_wide
    return viewer.can(access.KEEP) and (wide or organization_id in viewer.departments)
