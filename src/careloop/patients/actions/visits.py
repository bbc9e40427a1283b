"""Visits and stays, with their diagnoses and operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record, record_all
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.events import Event
from careloop.kernel.viewer import Viewer
from careloop.patients import events
from careloop.patients.actions.persons import record_death
from careloop.patients.models import CareRelationship, Condition, Encounter, Patient, Procedure
from careloop.patients.reads.columns import assign, wait_for_turn, width
from careloop.patients.rules import DiagnosisData, ProcedureData, VisitData, changed
from careloop.patients.rules.codes import icd_key, procedure_key
from careloop.patients.rules.visits import next_status

INTERFACE = "an interface knows visits by their numbers, not by who cares for them"
CLASSES: Final = {"DAY": "SS", "SS": "SS", "IMP": "IMP", "AMB": "AMB", "EMER": "EMER", "EXAM": "EXAM"}
USES: Final = {"admission": "admitting", "discharge": "final"}
TEXTS: Final = ("department_text", "admission_number", "room", "bed", "reason", "discharged_to", "disposition")
REFERENCES: Final = ("department_id", "ward_id", "attending_id", "nurse_id", "admitted_at", "visit_sequence")


class VisitOfAnotherPatient(Refused):
    code = "visit-of-another-patient"
    message = _(
        "This visit number belongs to another patient. Merge the two patients or mend the number at the source."
    )


@action
def upsert_encounter(*, patient: Patient, visit: VisitData, source: str, at: datetime, by: Viewer) -> Encounter:
    """The visit with this number, created or changed by what `visit.event` says happened.

    Again is harmless: the same message changes and records nothing. A message older than the newest status change
    (`occurred_at`) fills gaps but never moves the status back. "updated", "transferred" and "class-changed" never
    change the status. A discharge after a cancelled one starts a new cycle. Refuses a number of another patient.
    """
    row = _find(visit)
    if row is None:
        wait_for_turn(f"encounter:{visit.authority}|{visit.number}")
        row = _find(visit)
    is_new = row is None
    row = row or Encounter(
        patient=patient, system=visit.authority[:160], visit_number=visit.number[:80], source=source[:80]
    )
    if row.patient_id != patient.pk:
        raise VisitOfAnotherPatient
    carers_before = None if is_new else _carers(row)
    facts = _apply(row, visit, is_new=is_new, at=at)
    if facts:
        record_all(facts, by=by)
    if _carers(row) != carers_before:
        _relate(row, at=at)
    if any(isinstance(fact, events.EncounterFinished) for fact in facts) and row.disposition == "died":
        record_death(patient=patient, deceased_at=row.discharged_at, source=source, at=at, by=by)
    return row


def _find(visit: VisitData) -> Encounter | None:
    rows = Encounter.objects.unscoped(INTERFACE).filter(system=visit.authority[:160], visit_number=visit.number[:80])
    return rows.select_for_update(of=("self",), no_key=True).first()


@dataclass(frozen=True, slots=True)
class _Before:
    """The row as it was."""

    status: str
    cycle: int


def _apply(row: Encounter, visit: VisitData, *, is_new: bool, at: datetime) -> list[Event]:
    before = _Before("" if is_new else row.status, row.discharge_cycle)
    is_old = bool(row.last_event_at and visit.occurred_at and visit.occurred_at < row.last_event_at)
    columns = assign(row, _columns(row, visit, is_old=is_old))
    columns += _move(row, visit, before=before, is_old=is_old, at=at)
    if not is_new and not columns:
        return []
    if is_new:
        row.save(force_insert=True)
    else:
        row.save(update_fields=[*dict.fromkeys(columns), "updated_at"])
    return _facts(row, visit, before, columns)


def _columns(row: Encounter, visit: VisitData, *, is_old: bool) -> dict[str, Any]:
    """What the columns hold after the message; an old message only fills what is empty."""
    values: dict[str, Any] = {}
    for column in TEXTS:
        told = changed(getattr(visit, column), now=getattr(row, column), empty="")
        values[column] = told[: width(Encounter, column)]
    for column in REFERENCES:
        values[column] = changed(getattr(visit, column), now=getattr(row, column), empty=None)
    if isinstance(visit.encounter_class, str):
        values["class_code"] = CLASSES.get(visit.encounter_class, Encounter.Class.OTHER)
    if is_old:
        return {c: v for c, v in values.items() if getattr(row, c) in ("", None, Encounter.Class.OTHER)}
    return values


def _move(row: Encounter, visit: VisitData, *, before: _Before, is_old: bool, at: datetime) -> tuple[str, ...]:
    """Change the status as the event says; the columns that changed."""
    told_end = visit.discharged_at if isinstance(visit.discharged_at, datetime) else None
    status = next_status(before.status, visit.event, is_old=is_old, has_end=told_end is not None, cycle=before.cycle)
    values: dict[str, Any] = {"status": status}
    if status == "finished":
        values["discharged_at"] = told_end or row.discharged_at or visit.occurred_at or at
    else:
        values["discharged_at"] = None
    if visit.event == "discharged" and not is_old and (before.status != "finished" or before.cycle == 0):
        values["discharge_cycle"] = before.cycle + 1
    if visit.event == "discharge-cancelled" and status == "in-progress":
        values["disposition"] = ""
    if status != before.status and not is_old and visit.occurred_at is not None:
        values["last_event_at"] = visit.occurred_at
    if is_old and before.status == "finished":
        values.pop("discharged_at")
    return assign(row, values)


def _facts(row: Encounter, visit: VisitData, before: _Before, columns: tuple[str, ...]) -> list[Event]:
    ids: dict[str, Any] = {"patient_id": row.patient_id, "encounter_id": row.pk}
    if row.discharge_cycle > before.cycle:
        return [events.EncounterFinished(**ids, cycle=row.discharge_cycle)]
    if before.status == "finished" and row.status == "in-progress":
        return [events.DischargeCancelled(**ids, cycle=row.discharge_cycle)]
    if row.status == "cancelled" and before.status != "cancelled":
        return [events.EncounterCancelled(**ids)]
    if row.status == "in-progress" and before.status != "in-progress":
        return [events.EncounterStarted(**ids, class_code=row.class_code, is_readmission=_is_readmission(row))]
    return [events.EncounterChanged(**ids, fields=tuple(dict.fromkeys(columns)))]


def _is_readmission(row: Encounter) -> bool:
    if row.class_code != Encounter.Class.INPATIENT:
        return False
    earlier = Encounter.objects.unscoped(INTERFACE).filter(
        patient_id=row.patient_id, class_code=Encounter.Class.INPATIENT, status=Encounter.Status.FINISHED
    )
    return earlier.exclude(pk=row.pk).exists()


def _relate(row: Encounter, *, at: datetime) -> None:
    """The departments and the doctor of the visit may see the patient from now on. Nobody loses sight by a transfer."""
    if row.status == Encounter.Status.CANCELLED:
        return
    wanted = {(row.department_id, None), (row.department_id, row.attending_id), (row.department_id, row.nurse_id)}
    wanted.add((row.ward_id, None))
    relations = [
        CareRelationship(patient_id=row.patient_id, department_id=department, practitioner_id=person, since=at)
        for department, person in wanted
        if department is not None
    ]
    if relations:
        CareRelationship.objects.bulk_create(relations, ignore_conflicts=True)


def _carers(row: Encounter) -> tuple[UUID | None, ...]:
    return (row.department_id, row.ward_id, row.attending_id, row.nurse_id)


@action
def replace_conditions(
    *, encounter: Encounter, patient: Patient, diagnoses: Sequence[DiagnosisData], source: str, at: datetime, by: Viewer
) -> bool:
    """The diagnoses of a visit, for the kinds (admission, discharge …) that are told. True if something changed.

    A set replaces the earlier set of the same kind; earlier rows stay as history (`active=False`). An empty sequence
    says nothing and changes nothing.
    """
    told = [(d, USES.get(d.kind, d.kind)) for d in diagnoses if d.code or d.text]
    if not told:
        return False
    new = [
        Condition(
            patient=patient, encounter=encounter, system=d.system[:60], code=d.code[:40], code_key=icd_key(d.code)[:20],
            text=d.text[:300], use=use[:12], rank=min(max(d.rank or n, 1), 999), recorded_at=d.recorded_at,
        )
        for n, (d, use) in enumerate(told, start=1)
    ]  # fmt: skip
    old = list(
        Condition.objects.unscoped(INTERFACE)
        .filter(encounter=encounter, active=True, use__in={row.use for row in new})
        .select_for_update(no_key=True)
        .order_by("id")
    )
    if not _swap(old, new, ("use", "rank", "code", "text", "system")):
        return False
    record(events.ConditionsReplaced(patient_id=patient.pk, encounter_id=encounter.pk), by=by)
    return True


@action
def replace_procedures(
    *,
    encounter: Encounter,
    patient: Patient,
    procedures: Sequence[ProcedureData],
    source: str,
    at: datetime,
    by: Viewer,
) -> bool:
    """The operations of a visit; the set replaces the earlier one. An empty sequence changes nothing."""
    told = [p for p in procedures if p.code or p.text]
    if not told:
        return False
    new = [
        Procedure(
            patient=patient, encounter=encounter, system=p.system[:60], code=p.code[:40],
            code_key=procedure_key(p.code)[:20], text=p.text[:300], rank=min(max(p.rank or n, 1), 999),
            performed_at=p.performed_at, performer_text=p.performer_text[:120],
        )
        for n, p in enumerate(told, start=1)
    ]  # fmt: skip
    old = list(
        Procedure.objects.unscoped(INTERFACE)
        .filter(encounter=encounter, active=True)
        .select_for_update(no_key=True)
        .order_by("id")
    )
    if not _swap(old, new, ("rank", "code", "text", "system", "performed_at", "performer_text")):
        return False
    record(events.ProceduresReplaced(patient_id=patient.pk, encounter_id=encounter.pk), by=by)
    return True


def _swap(old: Sequence[Any], new: Sequence[Any], columns: tuple[str, ...]) -> bool:
    """Retire rows that are no longer told and insert the new ones. False if nothing differs."""

    def identity(row: Any) -> tuple[Any, ...]:
        return tuple(getattr(row, column) for column in columns)

    kept = {identity(row) for row in old} & {identity(row) for row in new}
    gone = [row for row in old if identity(row) not in kept]
    added = list({identity(row): row for row in new if identity(row) not in kept}.values())
    if gone:
        type(gone[0]).objects.unscoped(INTERFACE).filter(pk__in=[row.pk for row in gone]).update(active=False)
    if added:
        type(added[0]).objects.bulk_create(added)
    return bool(gone or added)
