"""Indicators of a programme. Every figure and every list behind it come from the same rows, so they cannot disagree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, Min, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from careloop.accounts.models import Organization
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Condition, Patient
from careloop.publichealth import rules
from careloop.publichealth.models import EpisodeOfCare, ProgrammeClock, ProgrammeVisit

NOT_COUNTED = ("wrong-diagnosis", "merged")  # ends that say: this never was a patient of the programme
NOBODYS_FAULT = (
    "death",
    "moved",
    "transferred",
    "merged",
    "course-closed",
    "visit-replaced",
    "visit-error",
    "wrong-diagnosis",
)


@dataclass(frozen=True, slots=True)
class Fact:
    """One patient (or one clock of a patient) in the period, and what is true of it."""

    patient_id: UUID
    department_id: UUID | None
    flags: frozenset[str]
    episode_id: UUID | None = None
    on: date | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """One indicator for one group."""

    numerator: int
    denominator: int

    @property
    def percent(self) -> float | None:
        """Without anybody to count there is no figure: 0 of 0 is not 0 %."""
        return round(100 * self.numerator / self.denominator, 1) if self.denominator else None


@dataclass(frozen=True, slots=True)
class Row:
    """One department, or the whole."""

    department_id: UUID | None
    name: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """All indicators of one programme in one period, by department and together."""

    indicators: tuple[rules.Indicator, ...]
    rows: tuple[Row, ...]
    whole: tuple[Figure, ...]
    holds: bool = field(default=True)  # Σ departments = whole, for every numerator and denominator


def facts(viewer: Viewer, programme: rules.Programme, period: rules.Period) -> list[Fact]:
    """Every patient and clock the indicators of this programme look at, in the viewer's scope."""
    wanted = {measure for one in programme.indicators for measure in (one.numerator, one.denominator)}
    found = _managed(viewer, programme, period)
    if "known" in wanted:
        found += _diagnosed(viewer, programme, period)
    if "clocks_due" in wanted:
        found += _clocks(viewer, programme, period)
    return found


def _managed(viewer: Viewer, programme: rules.Programme, period: rules.Period) -> list[Fact]:
    rows = _episodes(viewer, programme, period).annotate(
        seen=_count(programme, period, face_to_face=True),
        in_period=_count(programme, period, face_to_face=False),
        any_visits=Count("visits", filter=Q(visits__status="current")),
        last_in_target=Subquery(_last(period).values("in_target")[:1]),
        closing_in_target=Subquery(_last(period, role="closing").exclude(class_code="mdr").values("in_target")[:1]),
        first_at=Min("visits__visited_at", filter=Q(visits__status="current", visits__role="first-visit")),
        closed_at=Max(
            "visits__visited_at",
            filter=Q(
                visits__status="current", visits__role="closing", visits__visited_on__range=(period.first, period.last)
            )
            & ~Q(visits__class_code="mdr"),
        ),
    )
    return [_fact(row, programme, period) for row in rows.order_by("pk")]


def _episodes(viewer: Viewer, programme: rules.Programme, period: rules.Period) -> QuerySet[EpisodeOfCare]:
    start = timezone.make_aware(datetime.combine(period.first, datetime.min.time()))
    rows = EpisodeOfCare.objects.visible_to(viewer).filter(programme=programme.code, started_on__lte=period.last)
    return rows.filter(Q(ended_at__isnull=True) | Q(ended_at__gte=start)).exclude(end_reason__in=NOT_COUNTED)


def _in_period(period: rules.Period) -> Q:
    return Q(visits__status="current", visits__visited_on__range=(period.first, period.last))


def _count(programme: rules.Programme, period: rules.Period, *, face_to_face: bool) -> Any:
    here = _in_period(period) & (Q(visits__is_face_to_face=True) if face_to_face else Q())
    return Count("visits", filter=here)


def _last(period: rules.Period, role: str = "") -> QuerySet[ProgrammeVisit]:
    rows = ProgrammeVisit.objects.unscoped("the episode was found for this viewer").filter(
        episode=OuterRef("pk"), status="current", in_target__isnull=False, visited_on__range=(period.first, period.last)
    )
    return (rows.filter(role=role) if role else rows).order_by("-visited_at", "-pk")


def _fact(row: Any, programme: rules.Programme, period: rules.Period) -> Fact:
    ended = timezone.localdate(row.ended_at) if row.ended_at else None
    needed = rules.required_visits(programme.visits_per_year, started_on=row.started_on, ended_on=ended, period=period)
    noticed = row.noticed_at is not None and period.first <= timezone.localdate(row.noticed_at) <= period.last
    hours = timedelta(hours=programme.first_visit_hours or 0)
    said: dict[str, bool] = {
        "known": True,
        "managed": True,
        "elderly": True,
        "standard": row.seen >= needed,
        "assessed": row.in_period > 0,
        "in_target": bool(row.last_in_target),
        "notified": noticed,
        "visited": noticed and row.any_visits > 0,
        "first_in_time": noticed and row.first_at is not None and row.first_at <= row.noticed_at + hours,
        "closed": row.closed_at is not None,
        "regular": row.closed_at is not None and bool(row.closing_in_target),
    }
    flags = frozenset(name for name, true in said.items() if true)
    return Fact(row.patient_id, row.department_id, flags, row.pk, row.last_visit_on)


def _diagnosed(viewer: Viewer, programme: rules.Programme, period: rules.Period) -> list[Fact]:
    """Alive, with a diagnosis of the programme, without any record in it: each once, where diagnosed last."""
    if not programme.diagnoses:
        return []
    codes = Q()
    for code in programme.diagnoses:
        codes |= Q(code_key__startswith=code)
    managed = EpisodeOfCare.objects.unscoped("whoever is managed anywhere is no gap").filter(programme=programme.code)
    rows = (
        Condition.objects.visible_to(viewer)
        .filter(codes, active=True, patient__deceased=False, patient__active=True, created_at__date__lte=period.last)
        .exclude(patient_id__in=managed.exclude(end_reason__in=("merged",)).values("patient_id"))
        .order_by("patient_id", "-created_at", "-pk")
        .distinct("patient_id")
        .values_list("patient_id", "encounter__department_id")
    )
    return [Fact(patient, department, frozenset({"known"})) for patient, department in rows]


def _clocks(viewer: Viewer, programme: rules.Programme, period: rules.Period) -> list[Fact]:
    rows = ProgrammeClock.objects.visible_to(viewer).filter(
        episode__programme=programme.code, kind__in=("recheck", "referral-check"),
        due_on__range=(period.first, period.last),
    ).exclude(status="stopped", end_reason__in=NOBODYS_FAULT).select_related("episode")  # fmt: skip
    found = []
    for clock in rows.order_by("due_on", "pk"):
        kept = (
            clock.status == "done" and clock.ended_at is not None and timezone.localdate(clock.ended_at) <= clock.due_on
        )
        flags = frozenset({"clocks_due", "clocks_kept"} if kept else {"clocks_due"})
        found.append(Fact(clock.patient_id, clock.episode.department_id, flags, clock.episode_id, clock.due_on))
    return found


def sheet(programme: rules.Programme, rows: Sequence[Fact]) -> Sheet:
    """Count them: by department, and all together in a second count that must agree."""
    names: dict[UUID | None, str] = dict(Organization.objects.values_list("pk", "name"))
    by_department: dict[UUID | None, list[Fact]] = {}
    for fact in rows:
        by_department.setdefault(fact.department_id, []).append(fact)
    counted = tuple(
        Row(pk, names.get(pk, "–") if pk else "–", _figures(programme, mine))
        for pk, mine in sorted(by_department.items(), key=lambda pair: (names.get(pair[0], "~"), str(pair[0])))
    )
    whole = _figures(programme, rows)
    holds = all(
        sum(row.figures[place].numerator for row in counted) == figure.numerator
        and sum(row.figures[place].denominator for row in counted) == figure.denominator
        for place, figure in enumerate(whole)
    )
    return Sheet(programme.indicators, counted, whole, holds)


def _figures(programme: rules.Programme, rows: Iterable[Fact]) -> tuple[Figure, ...]:
    held = list(rows)
    return tuple(
        Figure(len(part(one, held, "numerator")), len(part(one, held, "denominator"))) for one in programme.indicators
    )


def part(indicator: rules.Indicator, rows: Iterable[Fact], which: str) -> list[Fact]:
    """The list behind a figure: who is counted, out of whom, or who is missing. Nobody is in the first but not the second."""
    below = [fact for fact in rows if indicator.denominator in fact.flags]
    if which == "denominator":
        return below
    above = [fact for fact in below if indicator.numerator in fact.flags]
    return above if which == "numerator" else [fact for fact in below if indicator.numerator not in fact.flags]


def patients_of(rows: Sequence[Fact], viewer: Viewer) -> dict[UUID, Patient]:
    """The people of a page of a list."""
    found = Patient.objects.visible_to(viewer).filter(pk__in={fact.patient_id for fact in rows})
    return {patient.pk: patient for patient in found}
