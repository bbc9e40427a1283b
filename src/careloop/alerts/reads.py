"""What pages, jobs and live streams read about alerts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.utils import translation

from careloop.accounts.models import Organization, Practitioner, RoleAssignment
from careloop.alerts import rules
from careloop.alerts.models import Absence, Alert, AlertAction, Duty, Notice
from careloop.kernel import svg
from careloop.kernel.prepared import Asked, prepared
from careloop.kernel.viewer import Viewer
from careloop.patients.models import (
    AllergyIntolerance,
    CareRelationship,
    Encounter,
    MedicationStatement,
    Observation,
)
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.questionnaires.reads import asked_form, completed, display_value
from careloop.questionnaires.rules import Finding, Item, finding_from
from careloop.tasks.models import ContactAttempt, Task
from careloop.tasks.reads.wording import outcome_label

CONTENT = Path(__file__).parent / "content"

# Until a hospital writes duty lists, roles say who answers: the shipped role's code → the place on the ladder.
ROLE_PLACES = {
    "ward-doctor": rules.DUTY,
    "department-supervisor": rules.HEAD,
    "hospital-inspector": rules.OVERSIGHT,
    "ward-nurse": rules.NURSE,
    "follow-up-nurse": rules.FOLLOW_UP,
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


def team(*, department_id: UUID, encounter_id: UUID | None, at: datetime, caller_id: UUID | None = None) -> Team:
    """The people around one stay, in the order in which they are asked. `caller_id` is whose follow-up it was."""
    attending_id, nurse_id = _of_encounter(encounter_id)
    known = ((attending_id, rules.ATTENDING), (nurse_id, rules.NURSE), (caller_id, rules.FOLLOW_UP))
    places: list[tuple[UUID, str]] = [(person, place) for person, place in known if person is not None]
    path = Organization.objects.values_list("path", flat=True).get(pk=department_id)
    places += _on_duty(path, at)
    places += _by_role(path, at)
    return Team(attending_id=attending_id, nurse_id=nurse_id or caller_id, candidates=tuple(_with_absences(places, at)))


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


# --- answers ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Source:
    """Where a response belongs: whose, which department, which stay, which follow-up and whose task that was."""

    patient_id: UUID
    department_id: UUID
    encounter_id: UUID | None
    task_id: UUID | None
    caller_id: UUID | None


def findings_of(response_id: UUID) -> tuple[Finding, ...]:
    """What the rules found when the answers were completed, as it was stored with them."""
    response = completed(response_id)
    return tuple(finding_from(one) for one in response.findings) if response else ()


def source_of(response: QuestionnaireResponse) -> Source:
    """From the follow-up if there is one, else from the latest stay, else from whoever cares for the patient."""
    task = _task_of(response)
    stay = None if task else _latest_stay(response.patient_id)
    department_id = task.department_id if task else (stay.department_id if stay else None)
    return Source(
        patient_id=response.patient_id,
        department_id=department_id or _caring_department(response.patient_id),
        encounter_id=task.encounter_id if task else (stay.pk if stay else None),
        task_id=response.task_id,
        caller_id=(task.ended_by_id or task.claimed_by_id or task.owner_id) if task else None,
    )


def _task_of(response: QuestionnaireResponse) -> Task | None:
    if response.task_id is None:
        return None
    return Task.objects.unscoped("the follow-up of these answers").filter(pk=response.task_id).first()


def _latest_stay(patient_id: UUID) -> Encounter | None:
    stays = Encounter.objects.unscoped("the stay of these answers").filter(patient_id=patient_id)
    known = stays.filter(department__isnull=False).exclude(status="cancelled")
    return known.order_by(F("discharged_at").desc(nulls_last=True), "-admitted_at", "-pk").first()


def _caring_department(patient_id: UUID) -> UUID:
    """Nobody's patient is the hospital's: an alert must stand on some list."""
    caring = CareRelationship.objects.unscoped("who cares for this patient").filter(patient_id=patient_id)
    found = caring.order_by("-since", "pk").values_list("department_id", flat=True).first()
    return found or Organization.objects.filter(kind="hospital").order_by("pk").values_list("pk", flat=True)[0]


def evidence(response: QuestionnaireResponse, link_ids: Iterable[str]) -> tuple[dict[str, str], ...]:
    """The questions and answers that count, in words of both languages, as they were asked and given."""
    form = asked_form(response)
    items = [(form.item(link_id), response.values.get(link_id)) for link_id in link_ids]
    return tuple(
        {
            "link_id": item.link_id,
            "question": item.staff.say("zh-hans"),
            "question_en": item.staff.say("en"),
            "answer": _in_language("zh-hans", item, value),
            "answer_en": _in_language("en", item, value),
        }
        for item, value in items
        if value is not None
    )


def _in_language(language: str, item: Item, value: object) -> str:
    with translation.override(language):
        return display_value(item, value)


# --- escalation ------------------------------------------------------------------------------------------------


def overdue_ids(*, at: datetime) -> list[UUID]:
    """Open alerts that nobody has accepted, or that were not closed in time. Few at any time: partial indexes hold them."""
    everywhere = Alert.objects.unscoped("escalation looks at every department")
    first_rung = min(severity.duty_phone_after or severity.respond_within for severity in limits().severities.values())
    waiting = everywhere.unaccepted().filter(Q(respond_by__lte=at) | Q(raised_at__lte=at - first_rung))
    unclosed = everywhere.open().filter(accepted_at__isnull=False, close_by__lt=at)
    found = [*waiting.values_list("respond_by", "id")[:5000], *unclosed.values_list("close_by", "id")[:5000]]
    return [alert_id for _deadline, alert_id in sorted(found)]


# --- pages -----------------------------------------------------------------------------------------------------

SHOWN = 200


@dataclass(frozen=True, slots=True)
class Counts:
    """The numbers on the tabs."""

    all: int
    critical: int
    high: int
    watch: int


@dataclass(frozen=True, slots=True)
class Board:
    """One look at the list."""

    alerts: list[Alert]
    counts: Counts
    is_cut: bool


def board(*, viewer: Viewer, severity: str, state: str, mine: bool, at: datetime) -> Board:
    """The open alerts, worst and most urgent first; or those closed in the last 30 days, the latest first."""
    visible = Alert.objects.visible_to(viewer)
    chosen = visible.open() if state == "open" else visible.filter(status=Alert.Status.CLOSED)
    if state != "open":
        chosen = chosen.filter(closed_at__gt=at - timedelta(days=30))
    if mine:
        chosen = chosen.of(viewer)
    counted = chosen.aggregate(
        all=Count("pk"),
        **{code: Count("pk", filter=Q(severity=code)) for code in ("critical", "high", "watch")},
    )
    if severity:
        chosen = chosen.filter(severity=severity)
    order = ("-rank", "respond_by", "id") if state == "open" else ("-closed_at", "id")
    rows = list(chosen.select_related("patient", "department", "owner").order_by(*order)[: SHOWN + 1])
    return Board(alerts=rows[:SHOWN], counts=Counts(**counted), is_cut=len(rows) > SHOWN)


@dataclass(frozen=True, slots=True)
class Trend:
    """One kind of measurement over the last weeks, drawn by the server."""

    text: str
    unit: str
    latest: str
    latest_at: datetime
    line: svg.Sparkline


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody it can be handed over to."""

    id: UUID
    name: str
    title: str


@dataclass(frozen=True, slots=True)
class Detail:
    """Everything beside one alert that its owner needs (J4)."""

    alert: Alert
    history: list[AlertAction]
    trends: tuple[Trend, ...]
    medications: list[MedicationStatement]
    allergies: list[AllergyIntolerance]
    last_contact: ContactAttempt | None
    outcome_text: str
    colleagues: tuple[Colleague, ...]


def detail(alert: Alert, *, viewer: Viewer, at: datetime) -> Detail:
    """Read for a viewer who sees the alert; what stands around it is scoped once more."""
    patient_id = alert.patient_id
    history = AlertAction.objects.visible_to(viewer).filter(alert=alert)
    medications = MedicationStatement.objects.visible_to(viewer).filter(patient_id=patient_id)
    attempts = ContactAttempt.objects.visible_to(viewer).filter(patient_id=patient_id, undone_at__isnull=True)
    last = attempts.select_related("by_practitioner").order_by("-started_at", "-id").first()
    return Detail(
        alert=alert,
        history=list(history.select_related("by_practitioner", "to_practitioner").order_by("-at", "-id")[:40]),
        trends=_trends(patient_id, viewer=viewer, at=at),
        medications=list(medications.exclude(status="entered-in-error").order_by("-started_at", "id")[:8]),
        allergies=list(
            AllergyIntolerance.objects.visible_to(viewer).filter(patient_id=patient_id, active=True).order_by("id")[:6]
        ),
        last_contact=last,
        outcome_text=_outcome_text(last),
        colleagues=_colleagues(alert, at),
    )


def _outcome_text(attempt: ContactAttempt | None) -> str:
    return outcome_label(attempt.outcome) if attempt else ""


def _trends(patient_id: UUID, *, viewer: Viewer, at: datetime) -> tuple[Trend, ...]:
    rows = (
        Observation.objects.visible_to(viewer)
        .filter(
            patient_id=patient_id,
            value_number__isnull=False,
            effective_at__gt=at - timedelta(days=60),
            effective_at__lte=at,
        )
        .exclude(status="entered-in-error")
        .order_by("-effective_at", "-id")[:300]
    )
    by_code: dict[str, list[Observation]] = {}
    for row in rows:
        by_code.setdefault(row.code, []).append(row)
    several = [series for series in by_code.values() if len(series) >= 2]
    return tuple(_trend(series) for series in several[:3])


def _trend(series: list[Observation]) -> Trend:
    newest = series[0]
    values = [float(row.value_number) for row in reversed(series[:30]) if row.value_number is not None]
    return Trend(
        text=newest.text or newest.code,
        unit=newest.unit,
        latest=f"{values[-1]:g}",
        latest_at=newest.effective_at,
        line=svg.sparkline(values, width=132, height=30),
    )


def may_own(alert: Alert, practitioner_id: UUID, *, at: datetime) -> bool:
    """Whether this person can sign in and may handle alerts of that department."""
    return _handlers(alert, at).filter(practitioner_id=practitioner_id).exists()


def _handlers(alert: Alert, at: datetime) -> QuerySet[RoleAssignment]:
    """Who may handle alerts of this department: by role there, or by a role above it."""
    path = Organization.objects.values_list("path", flat=True).get(pk=alert.department_id)
    return RoleAssignment.objects.filter(
        _running(at),
        organization__path__in=_ancestors(path),
        role__permissions__contains=["alerts.handle"],
        practitioner__is_active=True,
        practitioner__username__isnull=False,
    )


def _colleagues(alert: Alert, at: datetime) -> tuple[Colleague, ...]:
    """To whom the owner can hand it over."""
    rows = (
        _handlers(alert, at)
        .exclude(practitioner_id__in=[alert.owner_id] if alert.owner_id else [])
        .order_by("practitioner__name", "practitioner_id")
    )
    found = rows.values_list("practitioner_id", "practitioner__name", "practitioner__title").distinct()
    return tuple(Colleague(*row) for row in found[:60])


def waiting_for(viewer: Viewer) -> int:
    """How many open alerts this person has to look at: owned and not accepted, or told about and not opened."""
    return sum(len(one.fetch()) for one in asked_by_bell(viewer))


def asked_by_bell(viewer: Viewer) -> tuple[Asked[UUID], ...]:
    """What `waiting_for` asks, to be asked with other questions of a page."""
    return () if viewer.practitioner_id is None else (_waiting_for.asked(viewer=viewer),)


@prepared
def _waiting_for(viewer: Viewer) -> QuerySet[Alert, Any]:
    who = viewer.practitioner_id
    mine = Notice.objects.unscoped("one's own notices").filter(alert=OuterRef("pk"), seen_at__isnull=True)
    notices = mine.filter(practitioner_id=who)  # type: ignore[misc]  # None finds nothing, which is right
    owned = Q(owner_id=who, accepted_at__isnull=True)
    return Alert.objects.visible_to(viewer).open().filter(owned | Exists(notices)).values_list("pk", flat=True)


def worst_open(patient_id: UUID, *, viewer: Viewer) -> list[Alert]:
    """The open alerts of one patient, the worst first."""
    return asked_by_banner(patient_id, viewer=viewer).fetch()


def asked_by_banner(patient_id: UUID, *, viewer: Viewer) -> Asked[Alert]:
    """What `worst_open` asks, to be asked with other questions of a page."""
    return _worst_open.asked(viewer=viewer, patient_id=patient_id)


@prepared
def _worst_open(viewer: Viewer, patient_id: UUID) -> QuerySet[Alert]:
    rows = Alert.objects.visible_to(viewer).open().filter(patient_id=patient_id)
    rows = rows.select_related("owner").defer("owner__password", "owner__password_history")
    return rows.order_by("-rank", "respond_by", "id")[:5]


@dataclass(frozen=True, slots=True)
class DutyLists:
    """Who answers for the departments in a viewer's care, and who is away."""

    duties: list[Duty]
    absences: list[Absence]
    departments: list[Organization]
    colleagues: list[Practitioner]


def duty_lists(*, viewer: Viewer, at: datetime) -> DutyLists:
    """Running and coming entries; what is over is history."""
    wide = viewer.everything or viewer.hospital_wide
    here = Organization.objects.filter(is_active=True)
    if not wide:
        here = here.filter(pk__in=viewer.departments)
    people = Practitioner.objects.filter(is_active=True, username__isnull=False)
    mine = people if wide else people.filter(organization_id__in=viewer.departments)
    ahead = Q(valid_to__isnull=True) | Q(valid_to__gt=at)
    duties = Duty.objects.filter(ahead, organization__in=here).select_related("organization", "practitioner")
    absences = Absence.objects.filter(ahead, practitioner__in=mine).select_related("practitioner", "stand_in")
    return DutyLists(
        duties=list(duties.order_by("organization__path", "kind", "-valid_from", "id")),
        absences=list(absences.order_by("-valid_from", "id")),
        departments=list(here.order_by("path")),
        colleagues=list(mine.order_by("name", "id")[:500]),
    )


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
