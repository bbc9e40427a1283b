"""Visits and stays, with their diagnoses and operations."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record, record_all
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.events import Event
from careloop.kernel.prepared import Many, prepared
from careloop.kernel.rows import new_row
from careloop.kernel.viewer import NOBODY, Viewer
from careloop.patients import events
from careloop.patients.actions.persons import record_death
from careloop.patients.models import CareRelationship, Condition, Encounter, Patient, Procedure
from careloop.patients.reads.columns import assign, wait_for_turn, width
from careloop.patients.rules import DiagnosisData, ProcedureData, VisitData, changed
from careloop.patients.rules.codes import icd_key, procedure_key
from careloop.patients.rules.visits import next_status

R = TypeVar("R", Condition, Procedure)
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


@dataclass(frozen=True, slots=True)
class Stay:
    """A visit of a patient as one sender (`source`) tells it."""

    patient: Patient
    visit: VisitData
    source: str

    @property
    def key(self) -> tuple[str, str]:
        return self.visit.authority[:160], self.visit.number[:80]


@action
def upsert_encounter(*, patient: Patient, visit: VisitData, source: str, at: datetime, by: Viewer) -> Encounter:
    """The visit with this number, created or changed; see `upsert_encounters`."""
    (row,) = upsert_encounters(stays=[Stay(patient, visit, source)], at=at, by=by)
    return row


@action
def upsert_encounters(*, stays: Sequence[Stay], at: datetime, by: Viewer) -> list[Encounter]:
    """The visits with these numbers, created or changed by what `visit.event` says happened, in the order told.

    Again is harmless: the same message changes and records nothing. A message older than the newest status change
    (`occurred_at`) fills gaps but never moves the status back. "updated", "transferred" and "class-changed" never
    change the status. A discharge after a cancelled one starts a new cycle. Refuses a number of another patient.
    New visits cost the same few statements, one or a hundred.
    """
    rows: dict[int, Encounter] = {}
    for wave in _waves(stays):
        rows |= _write(wave, at=at, by=by)
    return [rows[id(stay)] for stay in stays]


def _waves(stays: Sequence[Stay]) -> list[list[Stay]]:
    """Portions in which no visit is told twice."""
    waves: list[list[Stay]] = []
    times: Counter[tuple[str, str]] = Counter()
    for stay in stays:
        waves += [[]] if times[stay.key] == len(waves) else []
        waves[times[stay.key]].append(stay)
        times[stay.key] += 1
    return waves


def _write(stays: Sequence[Stay], *, at: datetime, by: Viewer) -> dict[int, Encounter]:
    known = _known(stays)
    rows: dict[int, Encounter] = {}
    new: list[Encounter] = []
    facts: list[Event] = []
    relations: list[CareRelationship] = []
    for stay in stays:
        stored = known.get(stay.key)
        row = rows[id(stay)] = stored or _started(stay)
        if row.patient_id != stay.patient.pk:
            raise VisitOfAnotherPatient
        carers_before = _carers(stored) if stored else None
        facts += _apply(row, stay.visit, is_new=stored is None, at=at)
        new += [] if stored else [row]
        if _carers(row) != carers_before:
            relations += _relations(row, at=at)
    Encounter.objects.bulk_create(new)
    CareRelationship.objects.bulk_create(relations, ignore_conflicts=True)
    record_all(facts, by=by)
    _note_deaths(stays, rows, facts, at=at, by=by)
    return rows


_VISITS = """(patients_encounter.system, patients_encounter.visit_number)
IN (SELECT t.system, t.number FROM unnest((SELECT %s::text[]), (SELECT %s::text[])) AS t (system, number))"""
# Each array behind a SELECT: see `kernel.prepared.Among`.


def _known(stays: Sequence[Stay]) -> dict[tuple[str, str], Encounter]:
    """The visits we have, locked. Whoever is to create one takes turns, then looks again."""
    known = _find(stays)
    unknown = [stay for stay in stays if stay.key not in known]
    if unknown:
        wait_for_turn(*(f"encounter:{stay.visit.authority}|{stay.visit.number}" for stay in unknown))
        known |= _find(unknown)
    return known


def _find(stays: Sequence[Stay]) -> dict[tuple[str, str], Encounter]:
    systems, numbers = (Many(each) for each in zip(*{stay.key for stay in stays}, strict=True))
    rows = _locked(viewer=NOBODY, systems=systems, numbers=numbers)
    return {(row.system, row.visit_number): row for row in rows}


@prepared
def _locked(viewer: Viewer, systems: Many, numbers: Many) -> QuerySet[Encounter]:
    wanted = RawSQL(_VISITS, [systems, numbers], BooleanField())
    rows = Encounter.objects.unscoped(INTERFACE).filter(wanted).order_by("id")
    return rows.select_for_update(of=("self",), no_key=True)


def _started(stay: Stay) -> Encounter:
    system, number = stay.key
    return new_row(Encounter, patient=stay.patient, system=system, visit_number=number, source=stay.source[:80])


def _note_deaths(
    stays: Sequence[Stay], rows: Mapping[int, Encounter], facts: Sequence[Event], *, at: datetime, by: Viewer
) -> None:
    """A stay that ended by death says so of the patient."""
    finished = {fact.encounter_id for fact in facts if isinstance(fact, events.EncounterFinished)}
    for stay in stays:
        row = rows[id(stay)]
        if row.pk in finished and row.disposition == "died":
            record_death(patient=stay.patient, deceased_at=row.discharged_at, source=stay.source, at=at, by=by)


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
    if not is_new:
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


def _relations(row: Encounter, *, at: datetime) -> list[CareRelationship]:
    """The departments and the doctor of the visit may see the patient from now on. Nobody loses sight by a transfer."""
    if row.status == Encounter.Status.CANCELLED:
        return []
    wanted = {(row.department_id, None), (row.department_id, row.attending_id), (row.department_id, row.nurse_id)}
    wanted.add((row.ward_id, None))
    return [
        new_row(CareRelationship, patient_id=row.patient_id, department_id=department, practitioner_id=person, since=at)
        for department, person in wanted
        if department is not None
    ]


def _carers(row: Encounter) -> tuple[UUID | None, ...]:
    return (row.department_id, row.ward_id, row.attending_id, row.nurse_id)


@dataclass(frozen=True, slots=True)
class ToldDiagnoses:
    """The diagnoses a sender names for a visit."""

    encounter: Encounter
    diagnoses: Sequence[DiagnosisData]

    def rows(self) -> list[Condition]:
        told = [(d, USES.get(d.kind, d.kind)) for d in self.diagnoses if d.code or d.text]
        return [
            new_row(
                Condition, patient_id=self.encounter.patient_id, encounter=self.encounter, system=d.system[:60], code=d.code[:40],
                code_key=icd_key(d.code)[:20], text=d.text[:300], use=use[:12], rank=min(max(d.rank or n, 1), 999),
                recorded_at=d.recorded_at,
            )
            for n, (d, use) in enumerate(told, start=1)
        ]  # fmt: skip


@action
def replace_conditions(*, encounter: Encounter, diagnoses: Sequence[DiagnosisData], at: datetime, by: Viewer) -> bool:
    """The diagnoses of one visit; see `replace_conditions_of`. True if something changed."""
    return bool(replace_conditions_of(told=[ToldDiagnoses(encounter, diagnoses)], at=at, by=by))


@action
def replace_conditions_of(*, told: Sequence[ToldDiagnoses], at: datetime, by: Viewer) -> int:
    """The diagnoses of visits (each once), for the kinds (admission, discharge …) that are told. How many visits changed.

    A set replaces the earlier set of the same kind; earlier rows stay as history (`active=False`). An empty sequence
    says nothing and changes nothing.
    """
    new = {each.encounter.pk: rows for each in told if (rows := each.rows())}
    if not new:
        return 0
    old: dict[UUID | None, list[Condition]] = defaultdict(list)
    for row in _locked_conditions(viewer=NOBODY, stays=Many(new)):
        old[row.encounter_id].append(row)
    gone: list[Condition] = []
    added: list[Condition] = []
    facts: list[Event] = []
    for encounter_id, rows_now in new.items():
        uses = {row.use for row in rows_now}
        earlier = [row for row in old[encounter_id] if row.use in uses]
        less, more = _difference(earlier, rows_now, ("use", "rank", "code", "text", "system"))
        gone, added = gone + less, added + more
        if less or more:
            facts.append(events.ConditionsReplaced(patient_id=rows_now[0].patient_id, encounter_id=encounter_id))
    _swap(Condition, gone, added)
    record_all(facts, by=by)
    return len(facts)


@prepared
def _locked_conditions(viewer: Viewer, stays: Many) -> QuerySet[Condition]:
    rows = Condition.objects.unscoped(INTERFACE).filter(encounter_id__among=stays, active=True)
    return rows.select_for_update(no_key=True).order_by("id")


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
    gone, added = _difference(old, new, ("rank", "code", "text", "system", "performed_at", "performer_text"))
    if not gone and not added:
        return False
    _swap(Procedure, gone, added)
    record(events.ProceduresReplaced(patient_id=patient.pk, encounter_id=encounter.pk), by=by)
    return True


def _difference(old: Sequence[R], new: Sequence[R], columns: tuple[str, ...]) -> tuple[list[R], list[R]]:
    """The rows that are no longer told, and those that are told for the first time."""

    def identity(row: R) -> tuple[Any, ...]:
        return tuple(getattr(row, column) for column in columns)

    kept = {identity(row) for row in old} & {identity(row) for row in new}
    gone = [row for row in old if identity(row) not in kept]
    return gone, list({identity(row): row for row in new if identity(row) not in kept}.values())


def _swap(model: type[R], gone: Sequence[R], added: Sequence[R]) -> None:
    """Retire and insert; what is gone stays as history."""
    if gone:
        model.objects.unscoped(INTERFACE).filter(pk__in=[row.pk for row in gone]).update(active=False)
    model.objects.bulk_create(added)
