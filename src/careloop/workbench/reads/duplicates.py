"""Records that may be one person, side by side, and the merges that can still be undone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from careloop.kernel.viewer import Viewer
from careloop.patients.models import (
    ContactPoint,
    DuplicateCandidate,
    Encounter,
    Patient,
    PatientIdentifier,
    PatientMerge,
    patient_scope,
)
from careloop.patients.rules.masking import mask_identity_number, mask_phone

REASONS: dict[str, str | Promise] = {
    "same-identity-number": gettext_lazy("Same identity number, different names"),
    "numbers-of-two-patients": gettext_lazy("One message carried the numbers of both"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two records, as far as it helps to decide."""

    id: UUID
    name: str
    sex: str
    birth_date: date | None
    numbers: list[str]
    phones: list[str]
    stays: int
    address: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Two records and why they stand here."""

    id: UUID
    reason: str
    left: Side
    right: Side


def open_pairs(*, viewer: Viewer) -> list[Pair]:
    """Open candidates of which the viewer may see both sides, oldest first. Four queries for all of them."""
    rows = (
        DuplicateCandidate.objects.visible_to(viewer)
        .filter(patient_scope(viewer, "other"))
        .filter(status=DuplicateCandidate.Status.OPEN, patient__active=True, other__active=True)
        .select_related("patient", "other")
        .order_by("created_at", "pk")[:50]
    )
    found = list(rows)
    sides = _sides([patient for row in found for patient in (row.patient, row.other)])
    return [
        Pair(row.pk, str(REASONS.get(row.reason, row.reason)), sides[row.patient_id], sides[row.other_id])
        for row in found
    ]


def _sides(patients: list[Patient]) -> dict[UUID, Side]:
    ids = {patient.pk for patient in patients}
    numbers: dict[UUID, list[str]] = {pk: [] for pk in ids}
    phones: dict[UUID, list[str]] = {pk: [] for pk in ids}
    stays: dict[UUID, int] = dict.fromkeys(ids, 0)
    why = "both sides were found in the viewer's scope"
    for number in PatientIdentifier.objects.unscoped(why).filter(patient_id__in=ids).order_by("type", "pk"):
        shown = mask_identity_number(number.value) if number.type in ("NI", "SS", "PPN") else number.value
        numbers[number.patient_id].append(f"{number.type} {shown}")
    for point in ContactPoint.objects.unscoped(why).filter(patient_id__in=ids, active=True).order_by("rank", "pk"):
        phones[point.patient_id].append(mask_phone(point.value))
    for pk in Encounter.objects.unscoped(why).filter(patient_id__in=ids).values_list("patient_id", flat=True):
        stays[pk] += 1
    return {
        patient.pk: Side(
            id=patient.pk, name=patient.name, sex=patient.get_sex_display(), birth_date=patient.birth_date,
            numbers=numbers[patient.pk], phones=phones[patient.pk], stays=stays[patient.pk], address=patient.address,
        )
        for patient in patients
    }  # fmt: skip


def recent_merges(*, viewer: Viewer) -> list[PatientMerge]:
    """The last merges, those that can be undone and those that were."""
    rows = PatientMerge.objects.visible_to(viewer).select_related("patient", "gone")
    return list(rows.order_by("-merged_at", "pk")[:30])
