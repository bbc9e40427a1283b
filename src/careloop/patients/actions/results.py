"""Results, medicines, allergies and documents. Stored in sets, each with the key its sender gave it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.models import ScopedModel
from careloop.kernel.viewer import Viewer
from careloop.patients import events
from careloop.patients.models import (
    AllergyIntolerance,
    DocumentReference,
    Encounter,
    MedicationStatement,
    Observation,
    Patient,
)
from careloop.patients.reads.columns import stored_key
from careloop.patients.rules import AllergyData, DocumentData, MedicationData, ObservationData
from careloop.patients.rules.values import concept_of, interpretation, read_value, ucum_unit

INTERFACE = "an interface knows results by their numbers, not by who cares for the patient"
R = TypeVar("R", bound=ScopedModel)
STATUSES: Final = {
    "F": "final", "C": "corrected", "D": "entered-in-error", "W": "entered-in-error", "P": "preliminary",
    "R": "preliminary", "S": "preliminary", "I": "preliminary", "U": "final", "B": "final", "V": "final",
}  # fmt: skip
NO_RESULTS: Final = frozenset({"X", "N", "O"})
"""Not done, not asked, or only an order detail: there is no value to keep."""
MEDICATION_STATUSES: Final = {
    "new": "active", "changed": "active", "stopped": "stopped", "cancelled": "entered-in-error",
}  # fmt: skip
CRITICALITIES: Final = {"severe": "high", "moderate": "low", "mild": "low"}


@action
def store_observations(
    *, patient: Patient, encounter: Encounter | None, observations: Sequence[ObservationData], source: str,
    at: datetime, by: Viewer,
) -> list[Observation]:  # fmt: skip
    """Keep results; a correction replaces, a deletion marks as error. Returns the rows that are new or changed.

    The value stays exactly as sent; number, comparator and UCUM unit stand beside it where they can be read. A report
    older than the one we hold (`issued_at`) is ignored.
    """
    rows = [_observation(patient, encounter, o, source, at) for o in observations if o.status.upper() not in NO_RESULTS]
    stored = _upsert(Observation, patient, rows, ignore=("id", "created_at", "updated_at"), newer=_is_newer)
    if stored:
        record(
            events.ObservationsStored(
                patient_id=patient.pk,
                encounter_id=encounter.pk if encounter else None,
                observation_ids=tuple(row.pk for row in stored),
            ),
            by=by,
        )
    return stored


def _observation(
    patient: Patient, encounter: Encounter | None, told: ObservationData, source: str, at: datetime
) -> Observation:
    value = read_value(told.value)
    number = _storable(value.number)
    return Observation(
        patient=patient,
        encounter=encounter,
        key=stored_key(source, told.key),
        system=told.system[:60],
        code=(told.code or told.text)[:60],
        text=told.text[:200],
        value_number=number,
        comparator=value.comparator if number is not None else "",
        value_text=told.value,
        unit=ucum_unit(told.unit),
        unit_original=told.unit[:40],
        reference_range=told.reference_range[:80],
        interpretation=interpretation(told.flag),
        status=STATUSES.get(told.status.upper(), "final"),
        effective_at=told.observed_at or told.issued_at or at,
        issued_at=told.issued_at,
        category=told.category,
        concept=concept_of(system=told.system, code=told.code, text=told.text),
        panel=(told.panel_text or told.panel_code)[:120],
        note=told.note,
        source=source[:80],
    )


def _storable(number: Decimal | None) -> Decimal | None:
    """A number the column can hold exactly (14 digits before the point, 6 behind); others stay text only."""
    if number is None or number.adjusted() > 12 or number != round(number, 6):
        return None
    return number


def _is_newer(new: Observation, old: Observation) -> bool:
    return not (new.issued_at and old.issued_at and new.issued_at < old.issued_at)


@action
def store_medications(
    *, patient: Patient, encounter: Encounter | None, medications: Sequence[MedicationData], source: str,
    at: datetime, by: Viewer,
) -> list[MedicationStatement]:  # fmt: skip
    """Keep prescriptions by their order numbers; a stopped or cancelled order marks its row."""
    rows = [
        MedicationStatement(
            patient=patient, encounter=encounter, key=stored_key(source, m.key), code=m.code[:60], system=m.system[:60],
            text=(m.text or m.code)[:200], dose=f"{m.dose} {m.dose_unit}".strip()[:80], route=m.route[:40],
            frequency=m.frequency[:80], quantity=f"{m.quantity} {m.quantity_unit}".strip()[:60],
            days=m.days if m.days is not None and 0 < m.days < 10000 else None, is_discharge=m.is_discharge,
            note=m.note[:300], status=MEDICATION_STATUSES[m.control], started_at=m.started_at, ended_at=m.ended_at,
        )
        for m in medications
        if m.text or m.code
    ]  # fmt: skip
    stored = _upsert(MedicationStatement, patient, rows, ignore=("id", "created_at", "updated_at"))
    if stored:
        record(
            events.MedicationsStored(
                patient_id=patient.pk, encounter_id=encounter.pk if encounter else None, count=len(stored)
            ),
            by=by,
        )
    return stored


@action
def store_allergies(
    *, patient: Patient, allergies: Sequence[AllergyData], source: str, at: datetime, by: Viewer
) -> int:
    """Keep allergies; how many changed. A snapshot list adds, and only retires what the same source had said before."""
    known = {
        (row.code, row.text): row
        for row in AllergyIntolerance.objects.unscoped(INTERFACE).filter(patient=patient).select_for_update(no_key=True)
    }
    told = {(a.code[:60], (a.text or a.code)[:200]): a for a in allergies if a.code or a.text}
    new, altered = [], []
    for key, allergy in told.items():
        values = _allergy_values(allergy, source)
        row = known.get(key)
        if row is None and values["active"]:
            new.append(AllergyIntolerance(patient=patient, code=key[0], text=key[1], **values))
        elif row is not None and any(getattr(row, column) != value for column, value in values.items()):
            altered.append((row, values))
    if told and all(a.control == "snapshot" for a in told.values()):
        altered += [
            (row, {"active": False})
            for key, row in known.items()
            if key not in told and row.active and row.source == source[:80]
        ]
    AllergyIntolerance.objects.bulk_create(new, ignore_conflicts=True)
    for row, values in altered:
        for column, value in values.items():
            setattr(row, column, value)
        row.save()
    if new or altered:
        record(events.AllergiesStored(patient_id=patient.pk, count=len(new) + len(altered)), by=by)
    return len(new) + len(altered)


def _allergy_values(allergy: AllergyData, source: str) -> dict[str, Any]:
    return {
        "kind": allergy.kind,
        "criticality": CRITICALITIES.get(allergy.severity, ""),
        "reaction": allergy.reaction[:200],
        "recorded_at": datetime.combine(allergy.recorded_on, datetime.min.time(), UTC) if allergy.recorded_on else None,
        "active": allergy.control != "delete",
        "source": source[:80],
    }


@action
def store_document(
    *, patient: Patient, encounter: Encounter | None, document: DocumentData, source: str, at: datetime, by: Viewer
) -> DocumentReference:
    """Keep a document by its number; one that replaces another supersedes it."""
    row = DocumentReference(
        patient=patient, encounter=encounter, key=stored_key(source, document.number), type=document.type_code[:60],
        title=document.title[:200], status=document.status if document.is_final else "preliminary",
        content_type=document.content_type[:60], text=document.text, content=document.content or None,
        authored_at=document.authored_at, author_text=document.author[:120],
        replaces_key=stored_key(source, document.replaces) if document.replaces else "",
    )  # fmt: skip
    stored = _upsert(DocumentReference, patient, [row], ignore=("id", "created_at", "updated_at"))
    if stored:
        _supersede(row)
        record(
            events.DocumentStored(
                patient_id=patient.pk, encounter_id=encounter.pk if encounter else None, document_id=stored[0].pk
            ),
            by=by,
        )
    return stored[0] if stored else DocumentReference.objects.unscoped(INTERFACE).get(key=row.key)


def _supersede(row: DocumentReference) -> None:
    if row.replaces_key and row.replaces_key != row.key:
        replaced = DocumentReference.objects.unscoped(INTERFACE).filter(key=row.replaces_key, patient_id=row.patient_id)
        replaced.exclude(status="superseded").update(status="superseded")


def _upsert(
    model: type[R], patient: Patient, rows: Sequence[R], *, ignore: tuple[str, ...], newer: Any = None
) -> list[R]:
    """Insert or change rows by their `key`, in two statements however many. Returns those that are new or changed.

    A key that another patient already has (a sender that counts its lines from one) is made this patient's own.
    """
    wanted: dict[str, Any] = {row.key: row for row in rows}  # type: ignore[attr-defined]  # every model of results has a key
    if not wanted:
        return []
    own = {key: stored_key(str(patient.pk), key) for key in wanted}
    found = model.objects.unscoped(INTERFACE).filter(key__in=[*own, *own.values()]).select_for_update(no_key=True)
    known: dict[str, Any] = {row.key: row for row in found.order_by("id")}  # type: ignore[attr-defined]  # every model of results has a key
    columns = [f.attname for f in model._meta.concrete_fields if f.attname not in (*ignore, "key")]
    changed_rows: list[Any] = []
    for key, row in wanted.items():
        if key in known and known[key].patient_id != patient.pk:
            row.key = own[key]
        old = known.get(row.key)
        if old is not None and not _differs(old, row, columns, newer):
            continue
        row.pk = old.pk if old is not None else row.pk
        changed_rows.append(row)
    if changed_rows:
        model.objects.bulk_create(
            changed_rows,
            update_conflicts=True,
            unique_fields=["key"],
            update_fields=[*_names(model, columns), "updated_at"],
        )
    return changed_rows


def _differs(old: Any, new: Any, columns: Sequence[str], newer: Any) -> bool:
    if newer is not None and not newer(new, old):
        return False
    return any(_plain(getattr(old, column)) != _plain(getattr(new, column)) for column in columns)


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def _names(model: type[ScopedModel], columns: Sequence[str]) -> list[str]:
    return [f.name for f in model._meta.concrete_fields if f.attname in columns]
