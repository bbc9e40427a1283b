"""The patient as the pages of the nurse's loop show one: banner, numbers, last contacts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from careloop.kernel.viewer import Viewer
from careloop.patients.models import (
    AllergyIntolerance,
    Condition,
    ContactPoint,
    Encounter,
    MedicationStatement,
    Observation,
    Patient,
    PatientIdentifier,
)
from careloop.patients.rules.masking import mask_phone
from careloop.tasks.models import ContactAttempt, Task
from careloop.tasks.reads import number
from careloop.tasks.rules import best_number
from careloop.workbench.reads.relations import relation_label

DEAD = (ContactPoint.Result.EMPTY, ContactPoint.Result.WRONG)


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One way to call: the masked number, whose it is, and what happened with it."""

    id: UUID
    masked: str
    whose: str
    is_relative: bool
    may_answer: bool
    result: str
    result_label: str
    result_at: datetime | None
    is_dead: bool
    is_verified: bool
    is_best: bool
    source: str
    best_hour: int | None
    knows: bool | None  # whether whoever answers has been told the diagnosis


def age(birth_date: date | None, *, on: date) -> int | None:
    """Completed years."""
    if birth_date is None:
        return None
    return on.year - birth_date.year - ((on.month, on.day) < (birth_date.month, birth_date.day))


def numbers(patient_id: UUID, *, viewer: Viewer) -> list[Number]:
    """The patient's phone numbers, the one to dial first on top, dead ones last."""
    points = list(
        ContactPoint.objects.visible_to(viewer)
        .filter(patient_id=patient_id, system=ContactPoint.System.PHONE, active=True)
        .select_related("related_person")
        .order_by("rank", "pk")
    )
    best = best_number([number(point, order) for order, point in enumerate(points)])
    shown = [_number(point, best.id if best else None) for point in points]
    return sorted(shown, key=lambda one: (not one.is_best, one.is_dead))


def _number(point: ContactPoint, best: UUID | None) -> Number:
    relative = point.related_person
    return Number(
        id=point.pk,
        masked=mask_phone(point.value),
        whose=_whose(point),
        is_relative=relative is not None,
        may_answer=bool(relative and relative.may_answer),
        result=point.last_result,
        result_label=point.get_last_result_display(),
        result_at=point.last_result_at,
        is_dead=not point.is_valid or point.last_result in DEAD,
        is_verified=point.verified_at is not None,
        is_best=point.pk == best,
        source=point.source,
        best_hour=point.best_hour,
        knows=point.knows_condition,
    )


def _whose(point: ContactPoint) -> str:
    if point.related_person is not None:
        return " ".join(
            part for part in (relation_label(point.related_person.relation), point.related_person.name) if part
        )
    return point.owner_note or _("the patient")


def stay_of(task: Task, *, viewer: Viewer) -> Encounter | None:
    """The stay this task follows up, else the patient's last one."""
    stays = Encounter.objects.visible_to(viewer).filter(patient_id=task.patient_id)
    if task.encounter_id:
        stays = stays.filter(pk=task.encounter_id)
    return stays.select_related("attending", "nurse", "department").order_by("-admitted_at", "-pk").first()


def banner(task: Task, stay: Encounter | None, *, viewer: Viewer, at: datetime) -> dict[str, Any]:
    """What `ui.patient_banner` shows: the same facts in the same order on every page (R9)."""
    patient: Patient = task.patient
    today = timezone.localtime(at).date()
    allergies = list(
        AllergyIntolerance.objects.visible_to(viewer)
        .filter(patient_id=patient.pk, active=True)
        .order_by("pk")
        .values_list("text", flat=True)[:5]
    )
    medical_record = (
        PatientIdentifier.objects.visible_to(viewer)
        .filter(patient_id=patient.pk, type="MR")
        .order_by("pk")
        .values_list("value", flat=True)
        .first()
    )
    return {
        "name": patient.name,
        "sex": patient.get_sex_display(),
        "age": age(patient.birth_date, on=today),
        "birth_date": f"{patient.birth_date:%Y-%m-%d}" if patient.birth_date else "",
        "identifiers": [(_("Admission no."), medical_record)] if medical_record else [],
        "discharged": discharge_text(stay, at=at),
        "doctor": stay.attending.name if stay and stay.attending else "",
        "nurse": stay.nurse.name if stay and stay.nurse else "",
        "diagnosis": task.diagnosis_text,
        "allergies": allergies,
        "risk": task.risk if task.risk != "none" else patient.risk,
    }


class Left(Protocol):
    """A stay that knows when the patient went home."""

    @property
    def discharged_at(self) -> datetime | None: ...


def discharge_text(stay: Left | None, *, at: datetime) -> str:
    """`11-13 · day 7`, or nothing while the patient is in hospital."""
    if stay is None or stay.discharged_at is None:
        return ""
    left = timezone.localtime(stay.discharged_at)
    days = (timezone.localtime(at).date() - left.date()).days
    return _("%(date)s · day %(n)d") % {"date": f"{left:%m-%d}", "n": days}


def diagnoses(task: Task, stay: Encounter | None, *, viewer: Viewer) -> list[str]:
    """Main diagnosis first."""
    found = Condition.objects.visible_to(viewer).filter(patient_id=task.patient_id, active=True)
    if stay is not None:
        found = found.filter(encounter_id=stay.pk)
    return list(found.order_by("rank", "pk").values_list("text", flat=True)[:4])


def medicines(patient_id: UUID, *, viewer: Viewer) -> list[MedicationStatement]:
    """What the patient was sent home with, stopped ones included: they are shown in red."""
    shown = (MedicationStatement.Status.ACTIVE, MedicationStatement.Status.STOPPED)
    return list(
        MedicationStatement.objects.visible_to(viewer)
        .filter(patient_id=patient_id, status__in=shown)
        .order_by("-started_at", "pk")[:12]
    )


BLOOD_PRESSURE = ("systolic", "diastolic")


def blood_pressure(patient_id: UUID, *, viewer: Viewer) -> list[Observation]:
    """The last readings, newest last."""
    found = (
        Observation.objects.visible_to(viewer)
        .filter(patient_id=patient_id, concept__in=BLOOD_PRESSURE, value_number__isnull=False)
        .exclude(status=Observation.Status.ENTERED_IN_ERROR)
        .order_by("-effective_at", "-pk")[:14]
    )
    return list(found)[::-1]


def attempts(patient_id: UUID, *, viewer: Viewer, limit: int = 6) -> list[ContactAttempt]:
    """The last tries to reach the patient, newest first."""
    return list(
        ContactAttempt.objects.visible_to(viewer)
        .filter(patient_id=patient_id, undone_at__isnull=True)
        .select_related("by_practitioner", "contact_point", "task")
        .order_by("-started_at", "-pk")[:limit]
    )
