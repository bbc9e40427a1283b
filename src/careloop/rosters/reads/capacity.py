"""What the people who do the follow-up could take on each day of a span, past or to come: shifts, leave, own numbers."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, time, timedelta
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from careloop.accounts.models import RoleAssignment
from careloop.rosters import rules
from careloop.rosters.models import Leave, Shift, TeamMember

CALLERS = "follow-up-nurse"  # the role of those who call although no team has them
MOST_DAYS = 800


def capacity_between(*, first: date, last: date) -> dict[date, dict[UUID, int]]:
    """Day → person → contacts. Members of a team with their number there, nurses of the follow-up centre with their own.

    Somebody who is away, or has no shift on a day, stands there with nought; who was not yet (or no longer) here is
    missing. Five statements for any span. A span of more than 800 days is a mistake of the caller (ValueError).
    """
    if (last - first).days >= MOST_DAYS:
        raise ValueError(f"more than {MOST_DAYS} days: {first} to {last}")
    members, nurses = _members(first, last), _nurses(first, last)
    people = {*members, *nurses}
    shifts: dict[UUID, list[rules.OnDuty]] = defaultdict(list)
    for shift in Shift.objects.filter(practitioner__in=people, first_day__lte=last):
        shifts[shift.practitioner_id].append(shift.as_rule())
    leaves: dict[UUID, list[rules.Away]] = defaultdict(list)
    within = Q(first_day__lte=last) & (Q(last_day__isnull=True) | Q(last_day__gte=first))
    for leave in Leave.objects.filter(within, practitioner__in=people):
        leaves[leave.practitioner_id].append(leave.as_rule())
    found: dict[date, dict[UUID, int]] = {}
    for day in (first + timedelta(days=n) for n in range((last - first).days + 1)):
        found[day] = {
            person: rules.capacity_on(
                day, daily=daily, shifts=[s for s in shifts[person] if s.first_day <= day], away=leaves[person]
            )
            for person in sorted(people)
            if (daily := _on(members.get(person, []), day) or _on(nurses.get(person, []), day))
        }
    return found


_Terms = list[tuple[date, date, int]]  # first day, last day, contacts on a whole day


def _members(first: date, last: date) -> dict[UUID, _Terms]:
    rows = TeamMember.objects.filter(
        Q(last_day__isnull=True) | Q(last_day__gte=first), Q(team__last_day__isnull=True) | Q(team__last_day__gte=first),
        Q(practitioner__is_active=True) | Q(last_day__isnull=False), first_day__lte=last, team__first_day__lte=last,
    ).select_related("team")  # fmt: skip
    found: dict[UUID, _Terms] = defaultdict(list)
    for row in rows.order_by("first_day", "pk"):
        begins = max(row.first_day, row.team.first_day)
        ends = min(row.last_day or date.max, row.team.last_day or date.max)
        found[row.practitioner_id].append((begins, ends, row.capacity))
    return found


def _nurses(first: date, last: date) -> dict[UUID, _Terms]:
    """Whoever has the role at noon has it that day. Without an end it counts only for accounts that are still open."""
    rows = RoleAssignment.objects.filter(
        Q(valid_to__isnull=True) | Q(valid_to__gt=_noon(first)), Q(practitioner__is_active=True) | Q(valid_to__isnull=False),
        role__code=CALLERS, valid_from__lte=_noon(last),
    ).select_related("practitioner")  # fmt: skip
    found: dict[UUID, _Terms] = defaultdict(list)
    for row in rows.order_by("valid_from", "pk"):
        ends = _last_noon(row.valid_to) if row.valid_to else date.max
        found[row.practitioner_id].append((_first_noon(row.valid_from), ends, row.practitioner.daily_capacity))
    return found


def _on(terms: _Terms, day: date) -> int:
    return next((daily for begins, ends, daily in terms if begins <= day <= ends), 0)


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(12), timezone.get_default_timezone())


def _first_noon(at: datetime) -> date:
    local = timezone.localtime(at, timezone.get_default_timezone())
    return local.date() if local.time() <= time(12) else local.date() + timedelta(days=1)


def _last_noon(at: datetime) -> date:
    """The last day whose noon lies before this moment."""
    return _first_noon(at) - timedelta(days=1)
