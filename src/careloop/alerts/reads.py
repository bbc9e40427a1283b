"""What pages, jobs and live streams read about alerts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from uuid import UUID

from django.db import connection
from django.db.models import Q

from careloop.accounts.models import Organization, Practitioner, RoleAssignment
from careloop.alerts import rules
from careloop.alerts.models import Absence, Alert, Duty
from careloop.patients.models import Encounter

CONTENT = Path(__file__).parent / "content"

# Until a hospital writes duty lists, roles say who answers: the shipped role's code → the place on the ladder.
ROLE_PLACES = {
    "ward-doctor": rules.DUTY,
    "department-supervisor": rules.HEAD,
    "hospital-inspector": rules.OVERSIGHT,
    "ward-nurse": rules.NURSE,
}


@cache
def limits() -> rules.EscalationTable:
    """The deadlines and ladders in force."""
    return rules.parse_escalation((CONTENT / "escalation.json").read_text(encoding="utf-8"))


@cache
def choices() -> rules.ClosingTable:
    """What may be done and how an alert may end."""
    return rules.parse_closing((CONTENT / "closing.json").read_text(encoding="utf-8"))


# --- who could own it ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Team:
    """Who cares for the patient, and everybody who could own an alert."""

    attending_id: UUID | None
    nurse_id: UUID | None
    candidates: tuple[rules.Candidate, ...]


def team(*, department_id: UUID, encounter_id: UUID | None, at: datetime) -> Team:
    """The people around one stay, in the order in which they are asked."""
    attending_id, nurse_id = _of_encounter(encounter_id)
    places: list[tuple[UUID, str]] = []
    if attending_id:
        places.append((attending_id, rules.ATTENDING))
    if nurse_id:
        places.append((nurse_id, rules.NURSE))
    path = Organization.objects.values_list("path", flat=True).get(pk=department_id)
    places += _on_duty(path, at)
    places += _by_role(path, at)
    return Team(attending_id=attending_id, nurse_id=nurse_id, candidates=tuple(_with_absences(places, at)))


def _of_encounter(encounter_id: UUID | None) -> tuple[UUID | None, UUID | None]:
    if encounter_id is None:
        return None, None
    stay = Encounter.objects.unscoped("an alert finds its owner whoever raised it").filter(pk=encounter_id)
    return stay.values_list("attending_id", "nurse_id").first() or (None, None)


def _ancestors(path: str) -> list[str]:
    codes = [code for code in path.split("/") if code]
    return [f"/{'/'.join(codes[: length + 1])}/" for length in range(len(codes))]


def _running(at: datetime) -> Q:
    return Q(valid_from__lte=at) & (Q(valid_to__isnull=True) | Q(valid_to__gt=at))


def _on_duty(path: str, at: datetime) -> list[tuple[UUID, str]]:
    """Duty lists of the department and of everything above it; the nearest first, the latest entry first."""
    rows = Duty.objects.filter(_running(at), organization__path__in=_ancestors(path))
    found = rows.values_list("practitioner_id", "kind", "organization__path", "valid_from", "id")
    ordered = sorted(found, key=lambda row: (-len(row[2]), -row[3].timestamp(), str(row[4])))
    return [(person, kind) for person, kind, *_ in ordered]


def _by_role(path: str, at: datetime) -> list[tuple[UUID, str]]:
    """A role at the department or above it; oversight only where it covers the hospital."""
    rows = RoleAssignment.objects.filter(
        _running(at), organization__path__in=_ancestors(path), role__code__in=ROLE_PLACES
    )
    found = rows.values_list("practitioner_id", "role__code", "organization__path", "id").order_by("id")
    ordered = sorted(found, key=lambda row: -len(row[2]))
    return [(person, ROLE_PLACES[role]) for person, role, *_ in ordered]


def _with_absences(places: list[tuple[UUID, str]], at: datetime) -> Iterable[rules.Candidate]:
    people = {person for person, _ in places}
    away = {
        row.practitioner_id: row.stand_in_id for row in Absence.objects.filter(_running(at), practitioner_id__in=people)
    }
    usable = set(
        Practitioner.objects.filter(
            pk__in=people | {stand_in for stand_in in away.values() if stand_in}, is_active=True, username__isnull=False
        ).values_list("pk", flat=True)
    )
    for person, place in places:
        yield rules.Candidate(person, place, available=person in usable and person not in away)
        stand_in = away.get(person)
        if stand_in and place in {rules.ATTENDING, rules.NURSE}:
            yield rules.Candidate(stand_in, rules.STAND_IN, available=stand_in in usable and stand_in not in away)


# --- escalation ------------------------------------------------------------------------------------------------


def unaccepted_ids(*, at: datetime) -> list[UUID]:
    """Open alerts that nobody has accepted, the longest overdue first. Few at any time: a partial index holds them."""
    waiting = Alert.objects.unscoped("escalation looks at every department").unaccepted()
    first_rung = min(severity.duty_phone_after or severity.respond_within for severity in limits().severities.values())
    due = waiting.filter(Q(respond_by__lte=at) | Q(raised_at__lte=at - first_rung))
    return list(due.order_by("respond_by", "id").values_list("id", flat=True)[:5000])


# --- live streams ----------------------------------------------------------------------------------------------


def live_payloads(*, seconds: float) -> list[str]:
    """The notifications of the last so many seconds, exactly as they were sent. Ids only."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT alerts_live_payload(a.id) FROM alerts_alertaction a"
            " WHERE a.created_at > now() - make_interval(secs => %s) ORDER BY a.created_at, a.id LIMIT 2000",
            [seconds],
        )
        return [row[0] for row in cursor.fetchall()]
