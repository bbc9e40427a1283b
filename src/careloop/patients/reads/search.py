"""Finding a patient among a million, within the viewer's scope, in one or two short index walks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Collate, Replace, Substr

from careloop.kernel.models import ScopedModel, ScopedQuerySet
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Condition, ContactPoint, Encounter, Patient, PatientIdentifier
from careloop.patients.rules.codes import icd_key
from careloop.patients.rules.search import Term, read_query

WITHIN: Final = "narrowed by the viewer's own patients in the same query"
CANDIDATES: Final = 400
"""Numbers and last digits lead to few patients; more than this is a query too vague to be meant."""
SHORTEST_NUMBER: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One line of a patient list."""

    id: UUID
    name: str
    sex: str
    birth_date: date | None
    risk: str
    deceased: bool
    number: str
    """Medical record number."""
    department: str
    discharged_at: datetime | None
    in_hospital: bool
    diagnosis: str


def search_patients(text: str, *, viewer: Viewer, limit: int = 20) -> list[Hit]:
    """Patients that fit every term of the query, in the order of the alphabet. An empty query finds nobody."""
    terms = read_query(text)
    if not terms:
        return []
    hits = _hits(_matching(viewer, terms), limit)
    if not hits and any(term.kind == "name" and len(term.value) >= 2 for term in terms):
        hits = _hits(_matching(viewer, terms, given=True), limit)
    return hits


def _matching(viewer: Viewer, terms: Sequence[Term], *, given: bool = False) -> QuerySet[Patient]:
    """`given`: names are compared after the surname's first character (`国强` finds 周国强)."""
    patients: QuerySet[Patient] = Patient.objects.visible_to(viewer).filter(active=True)
    for term in terms:
        if term.kind == "name" and given:
            patients = patients.annotate(given_c=Collate(Substr("name", 2), "C")).filter(given_c__startswith=term.value)
        elif term.kind == "name":
            patients = patients.annotate(name_c=Collate("name", "C")).filter(name_c__startswith=term.value)
        elif term.kind == "initials":
            patients = _by_letters(patients, term.value)
        else:
            patients = patients.filter(pk__in=_candidates(term, viewer))
    if any(term.kind not in ("name", "initials") for term in terms):
        # Few ids are known: sort those. In the C collation PostgreSQL would rather walk the whole index of initials.
        return patients.order_by("name_initials", "id")
    return patients.order_by(Collate("name" if terms[0].kind == "name" else "name_initials", "C"), "id")


def _by_letters(patients: QuerySet[Patient], letters: str) -> QuerySet[Patient]:
    """`zgq` are initials, `zhougq` or `zhouguo` the beginning of the whole pinyin. Up to three letters are initials."""
    patients = patients.annotate(initials_c=Collate("name_initials", "C"))
    initials = Q(initials_c__startswith=letters)
    if len(letters) <= 3:
        return patients.filter(initials)
    whole = Collate(Replace("name_pinyin", Value(" "), Value("")), "C")
    return patients.annotate(pinyin_c=whole).filter(initials | Q(pinyin_c__startswith=letters))


def _candidates(term: Term, viewer: Viewer) -> list[UUID]:
    """Ids behind a number, read first: a list of ids keeps the second statement a handful of index look-ups.

    Digits that lead to more patients than that are asked again among the viewer's own, so that a nurse of one
    department never misses her patient behind strangers she may not see.
    """
    found: list[UUID] = []
    for own, anybody in zip(_number_queries(term, viewer), _number_queries(term, None), strict=True):
        ids = list(anybody[: CANDIDATES + 1])
        found += ids if len(ids) <= CANDIDATES else own[:CANDIDATES]
    return list(dict.fromkeys(found))


def _number_queries(term: Term, viewer: Viewer | None) -> Iterable[QuerySet[Any, UUID]]:
    """Without a viewer: everybody's, to be narrowed afterwards."""
    points = _rows(ContactPoint, viewer).values_list("patient_id", flat=True)
    numbers = _rows(PatientIdentifier, viewer).values_list("patient_id", flat=True)
    stays = _rows(Encounter, viewer).values_list("patient_id", flat=True)
    if term.kind == "last4":
        yield points.filter(last4=term.value)
        yield numbers.filter(last4=term.value).exclude(last4="")
        yield numbers.filter(value=term.value)
    elif term.kind == "phone":
        wanted = [f"+86{term.value}", f"+86{term.value.lstrip('0')}", f"+{term.value}"]
        yield points.filter(last4=term.value[-4:], value__in=wanted)
        yield numbers.filter(value=term.value)
    elif term.kind == "identity":
        yield numbers.filter(value=term.value)
    elif len(term.value) >= SHORTEST_NUMBER:
        yield numbers.filter(value__startswith=term.value)
        yield stays.filter(visit_number__startswith=term.value)
        yield stays.filter(admission_number__startswith=term.value).exclude(admission_number="")


def _rows(model: type[ScopedModel], viewer: Viewer | None) -> ScopedQuerySet[Any]:
    return model.objects.unscoped(WITHIN) if viewer is None else model.objects.visible_to(viewer)


def _hits(patients: QuerySet[Patient], limit: int) -> list[Hit]:
    """Rows with record number and last stay, read only for the lines that are shown."""
    stays = Encounter.objects.unscoped(WITHIN).filter(patient=OuterRef("pk")).exclude(status=Encounter.Status.CANCELLED)
    last = stays.order_by("-admitted_at", "-id")
    main = (
        Condition.objects.unscoped(WITHIN)
        .filter(patient=OuterRef("pk"), active=True)
        .order_by("-recorded_at", "rank", "id")
    )
    rows = patients.values(
        "id", "name", "sex", "birth_date", "risk", "deceased",
        number=Subquery(_record_numbers().values("value")[:1]),
        department=Subquery(last.values("department__name")[:1]),
        discharged_at=Subquery(last.values("discharged_at")[:1]),
        stay=Subquery(last.values("status")[:1]),
        diagnosis=Subquery(main.values("text")[:1]),
    )[:limit]  # fmt: skip
    return [_hit(dict(row)) for row in rows]


def _record_numbers() -> QuerySet[PatientIdentifier]:
    own = PatientIdentifier.objects.unscoped(WITHIN).filter(patient=OuterRef("pk"), type__in=("MR", "PI"))
    return own.order_by("type", "id")


def _hit(row: dict[str, Any]) -> Hit:
    stay = row.pop("stay")
    words = {key: row[key] or "" for key in ("number", "department", "diagnosis")}
    return Hit(**(row | words), in_hospital=stay == Encounter.Status.IN_PROGRESS)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientFilter:
    """What a list of discharged patients is narrowed to. Empty fields narrow nothing."""

    department_id: UUID | None = None
    risk: str = ""
    diagnosis: str = ""
    """Heading of ICD-10, `I21`."""
    days: int = 0
    """Discharged within so many days."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, and where the next begins."""

    hits: list[Hit]
    next_key: tuple[datetime, UUID] | None


def discharged_page(
    wanted: PatientFilter, *, viewer: Viewer, at: datetime, after: tuple[datetime, UUID] | None = None, limit: int = 50
) -> Page:
    """Patients by their last discharge, newest first; each once. Keyset pages: `after` is the key of the last line."""
    stays = Encounter.objects.visible_to(viewer).filter(status=Encounter.Status.FINISHED, patient__active=True)
    stays = _narrowed(stays, wanted, at=at)
    later = Encounter.objects.unscoped(WITHIN).filter(
        patient=OuterRef("patient"), status=Encounter.Status.FINISHED, discharged_at__gt=OuterRef("discharged_at")
    )
    stays = stays.filter(~Exists(later))
    if after is not None:
        stays = stays.filter(Q(discharged_at__lt=after[0]) | Q(discharged_at=after[0], id__lt=after[1]))
    main = Condition.objects.unscoped(WITHIN).filter(encounter=OuterRef("pk"), active=True).order_by("rank", "id")
    own = PatientIdentifier.objects.unscoped(WITHIN).filter(patient=OuterRef("patient"), type__in=("MR", "PI"))
    rows = list(
        stays.order_by("-discharged_at", "-id").values(
            "id", "patient_id", "patient__name", "patient__sex", "patient__birth_date", "patient__risk",
            "patient__deceased", "discharged_at", "department__name",
            number=Subquery(own.order_by("type", "id").values("value")[:1]),
            diagnosis=Subquery(main.values("text")[:1]),
        )[: limit + 1]
    )  # fmt: skip
    hits = [_discharged_hit(dict(row)) for row in rows[:limit]]
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(hits, (last["discharged_at"], last["id"]) if last and last["discharged_at"] else None)


def _narrowed(stays: ScopedQuerySet[Encounter], wanted: PatientFilter, *, at: datetime) -> ScopedQuerySet[Encounter]:
    if wanted.department_id is not None:
        stays = stays.filter(department_id=wanted.department_id)
    if wanted.risk:
        stays = stays.filter(patient__risk=wanted.risk)
    if wanted.days:
        stays = stays.filter(discharged_at__gte=at - timedelta(days=wanted.days))
    if wanted.diagnosis:
        heading = Condition.objects.unscoped(WITHIN).filter(
            encounter=OuterRef("pk"), active=True, code_key__startswith=icd_key(wanted.diagnosis)
        )
        stays = stays.filter(Exists(heading))
    return stays


def _discharged_hit(row: dict[str, Any]) -> Hit:
    return Hit(
        id=row["patient_id"],
        name=row["patient__name"],
        sex=row["patient__sex"],
        birth_date=row["patient__birth_date"],
        risk=row["patient__risk"],
        deceased=row["patient__deceased"],
        number=row["number"] or "",
        department=row["department__name"] or "",
        discharged_at=row["discharged_at"],
        in_hospital=False,
        diagnosis=row["diagnosis"] or "",
    )
