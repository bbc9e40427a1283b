"""The person: found or created by numbers, updated, dead, sensitive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
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
from careloop.patients.models import ContactPoint, DuplicateCandidate, Patient, PatientIdentifier, RelatedPerson
from careloop.patients.reads.columns import assign, romanised, wait_for_turn, width
from careloop.patients.reads.told import contact_rows, related_rows
from careloop.patients.rules import PersonData, changed
from careloop.patients.rules.codes import sex_code
from careloop.patients.rules.corrections import CORRECTABLE, after_message, corrected, tidy
from careloop.patients.rules.data import DELETE, Delete
from careloop.patients.rules.identifiers import IDENTITY, NATIONAL, Identifier, is_key, read_identifier
from careloop.patients.rules.identity import IdentityNumber, identity_conflicts
from careloop.patients.rules.names import clean_name

INTERFACE = "an interface knows patients by their numbers, not by who cares for them"
TEXT_COLUMNS = (
    "address",
    "address_code",
    "marital_status",
    "ethnicity",
    "occupation",
    "employer",
    "insurance",
    "language",
)


class NoIdentifier(Refused):
    code = "patient-without-number"
    message = _("The message names no patient number, so it cannot be said who is meant.")


@dataclass(frozen=True, slots=True)
class Told:
    """One person as one sender (`source`) describes them."""

    person: PersonData
    source: str


@dataclass(slots=True)
class _Reading:
    """One told person on the way to a row."""

    told: Told
    numbers: list[Identifier]
    found: list[PatientIdentifier] = field(default_factory=list)

    @property
    def keys(self) -> list[Identifier]:
        return [number for number in self.numbers if is_key(number)]

    def company(self) -> set[object]:
        """What tells that another reading may mean the same patient."""
        numbers: set[object] = {(number.system, number.type, number.value) for number in self.numbers}
        known = {row.patient_id for row in self.found} | {row.patient.merged_into_id for row in self.found}
        return numbers | (known - {None})

    def owners(self) -> list[Patient]:
        return _patients_of(self.found, self.numbers, self.told.person)


@dataclass(slots=True)
class _New:
    """Rows to insert, each kind in one statement, and the facts they make."""

    patients: list[Patient] = field(default_factory=list)
    identifiers: list[PatientIdentifier] = field(default_factory=list)
    relatives: list[RelatedPerson] = field(default_factory=list)
    contacts: list[ContactPoint] = field(default_factory=list)
    facts: list[Event] = field(default_factory=list)

    def insert(self) -> None:
        """In the order of their references."""
        Patient.objects.bulk_create(self.patients)
        PatientIdentifier.objects.bulk_create(self.identifiers, ignore_conflicts=True)
        RelatedPerson.objects.bulk_create(self.relatives)
        ContactPoint.objects.bulk_create(self.contacts, ignore_conflicts=True)


@action
def upsert_patient(*, person: PersonData, source: str, at: datetime, by: Viewer) -> Patient:
    """The patient with these numbers, created or updated; see `upsert_patients`."""
    (patient,) = upsert_patients(people=[Told(person, source)], at=at, by=by)
    return patient


@action
def upsert_patients(*, people: Sequence[Told], at: datetime, by: Viewer) -> list[Patient]:
    """The patients with these numbers, created or updated, in the order told. Saying the same twice changes nothing.

    Found by any number that identifies (type MR, PI …; see `rules.identifiers.is_key`); a valid identity number finds
    a patient of the same name. Numbers of a merged patient lead to the survivor. Two messages that create the same
    patient at once take turns, so one row results. Numbers that belong to two patients open a duplicate to be checked.
    Refuses a person without any identifying number. New people cost the same few statements, one or a hundred.
    """
    readings = [_Reading(told, _told_identifiers(told.person, on=at.date())) for told in people]
    if not all(reading.keys for reading in readings):
        raise NoIdentifier
    if not readings:
        return []
    patients: dict[int, Patient] = {}
    _find(readings)
    for number, wave in enumerate(_waves(readings)):
        _look_up(wave, is_first=not number)
        new = _New()
        for reading in wave:
            patients[id(reading)] = _settle(reading, new)
        new.insert()
        record_all(new.facts, by=by)
    return [patients[id(reading)] for reading in readings]


def _waves(readings: Sequence[_Reading]) -> list[list[_Reading]]:
    """Portions in which nobody can be the same patient: who is told of twice is found the second time, in turn.

    Two belong together when they share a number or a known patient, directly or by others between them.
    """
    waves: list[list[_Reading]] = []
    together: dict[object, list[int]] = {}  # number or patient → how many of its company have a place already
    for reading in readings:
        companies = {id(box): box for key in reading.company() if (box := together.get(key)) is not None}
        place = max((box[0] for box in companies.values()), default=0)
        joined = [place + 1]
        if companies:
            together |= {key: joined for key, box in together.items() if id(box) in companies}
        together |= dict.fromkeys(reading.company(), joined)
        waves += [[]] if place == len(waves) else []
        waves[place].append(reading)
    return waves


def _look_up(wave: Sequence[_Reading], *, is_first: bool) -> None:
    """Give everyone the known rows of their numbers. Whoever nobody knows takes their turn first, then looks again."""
    if not is_first:
        _find(wave)
    unknown = [reading for reading in wave if not reading.owners()]
    if unknown:
        wait_for_turn(*(f"patient:{i.system}|{i.type}|{i.value}" for reading in unknown for i in reading.keys))
        _find(unknown)


def _settle(reading: _Reading, new: _New) -> Patient:
    """One person: found or made, completed, and what follows from it."""
    person, told, owners = reading.told.person, reading.numbers, reading.owners()
    is_new = not owners
    if is_new:
        patient = _create(person, told)
        new.patients.append(patient)
        new.facts.append(events.PatientRegistered(patient_id=patient.pk))
    else:
        patient = _survivor(owners[0])
        new.facts += _update(patient, person, told)
    new.facts += _add_identifiers(patient, reading, new, is_new=is_new)
    others = [(owner, "numbers-of-two-patients") for owner in owners[1:]]
    others += [(owner, "same-identity-number") for owner in _other_owners(patient, reading.found, told)]
    for other, reason in others:
        new.facts += _suspect_duplicates(patient, [other], reason=reason)
    new.facts += _store_contacts(patient, reading.told, new, is_new=is_new)
    if _is_newly_dead(patient, person):
        patient.deceased, patient.deceased_at = (
            True,
            person.deceased_at if isinstance(person.deceased_at, datetime) else None,
        )
        if not is_new:
            patient.save(update_fields=["deceased", "deceased_at", "updated_at"])
        new.facts.append(events.PatientDied(patient_id=patient.pk))
    return patient


def _told_identifiers(person: PersonData, *, on: date) -> list[Identifier]:
    read = [read_identifier(told, on=on) for told in person.identifiers]
    return list({(i.system, i.type, i.value): i for i in read if i.value}.values())


_NUMBERS = """(patients_patientidentifier.system, patients_patientidentifier.type, patients_patientidentifier.value)
IN (SELECT t.system, t.type, t.value
    FROM unnest((SELECT %s::text[]), (SELECT %s::text[]), (SELECT %s::text[])) AS t (system, type, value))"""
# Each array behind a SELECT: see `kernel.prepared.Among`.


def _find(readings: Sequence[_Reading]) -> None:
    """Known numbers among the told ones, their patients locked against a second writer."""
    told = {(i.system, i.type, i.value) for reading in readings for i in reading.numbers}
    systems, types, values = (Many(each) for each in zip(*told, strict=True))
    locked = _locked(viewer=NOBODY, systems=systems, types=types, values=values)
    known = {(row.system, row.type, row.value): row for row in locked}
    for reading in readings:
        mine = [known.get((i.system, i.type, i.value)) for i in reading.numbers]
        reading.found = sorted((row for row in mine if row is not None), key=lambda row: (row.patient_id, row.pk))


@prepared
def _locked(viewer: Viewer, systems: Many, types: Many, values: Many) -> QuerySet[PatientIdentifier]:
    wanted = RawSQL(_NUMBERS, [systems, types, values], BooleanField())
    rows = PatientIdentifier.objects.unscoped(INTERFACE).filter(wanted).select_related("patient")
    return rows.select_for_update(of=("patient",), no_key=True).order_by("patient_id", "id")


def _patients_of(found: Sequence[PatientIdentifier], told: Sequence[Identifier], person: PersonData) -> list[Patient]:
    """Owners of the identifying numbers, in the order the sender wrote the numbers; each once."""
    by_key = {(row.system, row.type, row.value): row.patient for row in found}
    owners: dict[UUID, Patient] = {}
    for identifier in sorted(told, key=lambda each: each.type == IDENTITY):
        owner = by_key.get((identifier.system, identifier.type, identifier.value))
        if owner is not None and (is_key(identifier) or _is_same_person(identifier, owner, person)):
            owners.setdefault(owner.pk, owner)
    return list(owners.values())


def _is_same_person(identifier: Identifier, owner: Patient, person: PersonData) -> bool:
    """A valid identity number alone is not enough: clerks copy the mother's number for a child. The name must agree."""
    return (
        identifier.system == NATIONAL
        and not identifier.problem
        and isinstance(person.name, str)
        and clean_name(person.name) == owner.name
    )


def _other_owners(
    patient: Patient, found: Sequence[PatientIdentifier], told: Sequence[Identifier]
) -> Iterable[Patient]:
    """Patients who hold the same valid identity number under another name."""
    national = {identifier.value for identifier in told if identifier.system == NATIONAL}
    return [
        row.patient
        for row in found
        if row.value in national and row.system == NATIONAL and row.patient_id != patient.pk
    ]


def _survivor(patient: Patient) -> Patient:
    """Follow the tombstones to the living record, locked."""
    while patient.merged_into_id is not None:
        patient = (
            Patient.objects.unscoped(INTERFACE)
            .select_for_update(of=("self",), no_key=True)
            .get(pk=patient.merged_into_id)
        )
    return patient


def _create(person: PersonData, told: Sequence[Identifier]) -> Patient:
    patient = new_row(Patient)
    assign(patient, _columns(patient, person, told))
    return patient


def _update(patient: Patient, person: PersonData, told: Sequence[Identifier]) -> list[Event]:
    columns = assign(patient, _columns(patient, person, told))
    if not columns:
        return []
    patient.save(update_fields=[*columns, "updated_at"])
    facts: list[Event] = [events.PatientUpdated(patient_id=patient.pk, fields=columns)]
    if "deceased" in columns:
        facts.append(events.DeathWithdrawn(patient_id=patient.pk))
    if "sensitivity" in columns:
        facts.append(events.SensitivityChanged(patient_id=patient.pk, sensitivity=patient.sensitivity))
    return facts


def _columns(patient: Patient, person: PersonData, told: Sequence[Identifier]) -> dict[str, Any]:
    """What the columns hold after the sender spoke."""
    values = _text_columns(patient, person)
    values |= _name_columns(patient, person)
    values["birth_date"] = changed(person.birth_date, now=patient.birth_date, empty=None)
    values["sex"] = "unknown" if isinstance(person.sex, Delete) else sex_code(person.sex) if person.sex else patient.sex
    values["sensitivity"] = _sensitivity(patient, person)
    values["family_doctor_id"] = changed(person.family_doctor_id, now=patient.family_doctor_id, empty=None)
    if person.active is not None:
        values["active"] = person.active and patient.merged_into_id is None
    if person.is_deceased is False and patient.deceased:
        values |= {"deceased": False, "deceased_at": None}
    numbers = [identifier.identity for identifier in told if identifier.identity is not None]
    if numbers:
        values |= _from_identity(values, numbers, person)
    return values


def _text_columns(patient: Patient, person: PersonData) -> dict[str, Any]:
    """The particulars, with what staff corrected held against a sender who only repeats the old word."""
    values: dict[str, Any] = {}
    replaced: dict[str, str] = dict(patient.corrected or {})
    for column in TEXT_COLUMNS:
        values[column], held = after_message(
            getattr(person, column), now=getattr(patient, column), replaced=replaced.pop(column, None),
            longest=width(Patient, column),
        )  # fmt: skip
        if held is not None:
            replaced[column] = held
        elif column == "address":
            replaced.pop("address_code", None)  # the code went with the address that was corrected
    return values | {"corrected": replaced or None}


def _name_columns(patient: Patient, person: PersonData) -> dict[str, str]:
    name = clean_name(changed(person.name, now=patient.name, empty=""))[:120]
    if name == patient.name:
        return {}
    pinyin, initials = romanised(name)
    return {"name": name, "name_pinyin": pinyin, "name_initials": initials}


def _sensitivity(patient: Patient, person: PersonData) -> str:
    told = changed(person.sensitivity, now=patient.sensitivity, empty=Patient.Sensitivity.NORMAL)
    return told if told in Patient.Sensitivity.values else Patient.Sensitivity.RESTRICTED


def _from_identity(values: dict[str, Any], numbers: Sequence[IdentityNumber], person: PersonData) -> dict[str, Any]:
    """Fill birth date and sex from a valid number where nothing is known; note where they disagree."""
    filled: dict[str, Any] = {}
    conflicts: list[dict[str, str]] = []
    for number in numbers:
        if number.is_valid and values["birth_date"] is None and person.birth_date is not DELETE:
            filled["birth_date"] = number.birth_date
        if number.is_valid and values["sex"] == "unknown" and person.sex is not DELETE:
            filled["sex"] = number.sex
        known = values | filled
        if number.problem:
            conflicts.append({"code": f"identity-{number.problem}"})
        conflicts += [
            {"code": f"{what}-differs"}
            for what in identity_conflicts(number, birth_date=known["birth_date"], sex=known["sex"])
        ]
    return filled | {"data_conflicts": conflicts}


def _add_identifiers(patient: Patient, reading: _Reading, new: _New, *, is_new: bool) -> list[Event]:
    """Keep the numbers that are new. One that belongs to somebody else stays theirs."""
    known = {(row.system, row.type, row.value) for row in reading.found}
    added = [
        new_row(
            PatientIdentifier, patient=patient, system=i.system, type=i.type, value=i.value, last4=i.last4, is_suspect=bool(i.problem),
            suspect_reason=i.problem, source=reading.told.source[:80],
        )
        for i in reading.numbers
        if (i.system, i.type, i.value) not in known
    ]  # fmt: skip
    new.identifiers += added
    return [events.PatientUpdated(patient_id=patient.pk, fields=("identifiers",))] if added and not is_new else []


def _suspect_duplicates(patient: Patient, others: Iterable[Patient], *, reason: str) -> list[Event]:
    facts: list[Event] = []
    for other in others:
        first, second = sorted((patient.pk, _survivor(other).pk))
        if first == second:
            continue
        __, is_new = DuplicateCandidate.objects.unscoped(INTERFACE).get_or_create(
            patient_id=first, other_id=second, defaults={"reason": reason}
        )
        if is_new:
            facts.append(events.DuplicateSuspected(patient_id=first, other_id=second, reason=reason))
    return facts


def _store_contacts(patient: Patient, told: Told, new: _New, *, is_new: bool) -> list[Event]:
    """Relatives and numbers the sender knows. What is known already stays: evidence is never thrown away."""
    person = told.person
    if not person.phones and not person.related:
        return []
    relatives, added, altered = related_rows(patient, person.related or (), source=told.source, is_new=is_new)
    for relative in altered:
        relative.save()
    points = contact_rows(patient, person, relatives, source=told.source, is_new=is_new)
    new.relatives += added
    new.contacts += points
    if is_new:
        return []
    facts: list[Event] = [
        events.RelatedPersonChanged(patient_id=patient.pk, related_person_id=r.pk) for r in (*added, *altered)
    ]
    return facts + [
        events.ContactPointChanged(patient_id=patient.pk, contact_point_id=p.pk, what="added") for p in points
    ]


def _is_newly_dead(patient: Patient, person: PersonData) -> bool:
    said = person.is_deceased is True or (person.is_deceased is None and isinstance(person.deceased_at, datetime))
    return said and not patient.deceased


def _die(patient: Patient, deceased_at: datetime | None) -> list[Event]:
    patient.deceased, patient.deceased_at = True, deceased_at
    patient.save(update_fields=["deceased", "deceased_at", "updated_at"])
    return [events.PatientDied(patient_id=patient.pk)]


@action
def record_death(*, patient: Patient, deceased_at: datetime | None, source: str, at: datetime, by: Viewer) -> None:
    """The patient has died: plans, tasks and messages stop by reaction. Saying it again only completes the time."""
    fresh = Patient.objects.unscoped("the caller holds the patient").select_for_update(no_key=True).get(pk=patient.pk)
    if not fresh.deceased:
        record_all(_die(fresh, deceased_at), by=by)
    elif deceased_at is not None and fresh.deceased_at is None:
        fresh.deceased_at = deceased_at
        fresh.save(update_fields=["deceased_at", "updated_at"])
        record(events.PatientUpdated(patient_id=fresh.pk, fields=("deceased_at",)), by=by)
    patient.deceased, patient.deceased_at = True, fresh.deceased_at


@action
def withdraw_death(*, patient: Patient, at: datetime, by: Viewer) -> None:
    """The death was reported by mistake. Stopped plans stay stopped until a person starts them again."""
    changed_rows = (
        Patient.objects.unscoped("the caller holds the patient")
        .filter(pk=patient.pk, deceased=True)
        .update(deceased=False, deceased_at=None)
    )
    if changed_rows:
        record(events.DeathWithdrawn(patient_id=patient.pk), by=by)


@action
def correct_particulars(*, patient: Patient, given: Mapping[str, str], by: Viewer) -> tuple[str, ...]:
    """What the patient told us about address, employer and the like (`CORRECTABLE`); the names of the changed columns.

    Lasts until the hospital system says something new: repeating its old word does not bring that back. With another
    address the county code of the old one goes. Again: nothing. Refuses no word; an empty one takes the old one away.
    """
    row = Patient.objects.visible_to(by).select_for_update(of=("self",), no_key=True).get(pk=patient.pk)
    before = row.corrected or {}
    words = {column: tidy(given[column])[: width(Patient, column)] for column in CORRECTABLE if column in given}
    if words.get("address", row.address) != row.address:
        words["address_code"] = before.get("address_code", "") if words["address"] == before.get("address") else ""
    held = corrected({column: getattr(row, column) for column in {*words, *before}}, words, before)
    changed_columns = assign(row, words)
    if changed_columns:
        row.corrected = held or None
        row.save(update_fields=[*changed_columns, "corrected", "updated_at"])
        record(events.PatientUpdated(patient_id=row.pk, fields=changed_columns), by=by)
    return changed_columns


@action
def set_sensitivity(*, patient: Patient, sensitivity: str, by: Viewer) -> None:
    """Who may see the record at all: "normal" or "restricted" (psychiatry, infectious disease, staff as patients)."""
    changed_rows = (
        Patient.objects.visible_to(by)
        .filter(pk=patient.pk)
        .exclude(sensitivity=sensitivity)
        .update(sensitivity=Patient.Sensitivity(sensitivity))
    )
    if changed_rows:
        record(events.SensitivityChanged(patient_id=patient.pk, sensitivity=sensitivity), by=by)


@action
def set_risk(*, patient_id: UUID, risk: str, reason: str, at: datetime, by: Viewer) -> None:
    """How worried we are, and by which rule. `risk` is one of Risk; `reason` a code."""
    changed_rows = (
        Patient.objects.unscoped("set by a rule about this patient")
        .filter(pk=patient_id)
        .exclude(risk=risk, risk_reason=reason)
        .update(risk=risk, risk_reason=reason[:120], risk_at=at)
    )
    if changed_rows:
        record(events.RiskChanged(patient_id=patient_id, risk=risk), by=by)
