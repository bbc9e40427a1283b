"""Facts → the actions of the rooms below, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from careloop.appointments.actions import follow_appointment
from careloop.integration.actions.directory import Directory, Where
from careloop.integration.actions.master import apply_locations, apply_staff
from careloop.integration.hl7v2.facts import Facts, Merge
from careloop.integration.rules import UNKNOWN_DEPARTMENT
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.patients import actions as patients
from careloop.patients.models import Encounter, Patient, PatientIdentifier
from careloop.patients.rules import IdentifierData, PersonData, VisitData
from careloop.patients.rules.identifiers import read_identifier


class CannotApply(Refused):
    """A message that says something we cannot place; `subject` is what a person has to map."""

    def __init__(self, code: str, subject: str) -> None:
        super().__init__(_WORDS[code])
        self.code = code
        self.subject = subject


_WORDS = {UNKNOWN_DEPARTMENT: _("The department code is not mapped.")}


@action
def apply_facts(*, facts: Facts, directory: Directory, at: datetime, by: Viewer) -> UUID | None:
    """Write what the message says; the patient it is about. Refuses an unknown department code (site setting)."""
    if facts.merges:
        return _apply_merges(facts, at, by)
    if facts.staff:
        apply_staff(records=facts.staff, directory=directory, facility=facts.facility, at=at, by=by)
    if facts.locations:
        apply_locations(records=facts.locations, directory=directory, facility=facts.facility, at=at, by=by)
    if facts.person is None:
        return None
    (patient_id,) = apply_together(several=[facts], directory=directory, at=at, by=by)
    return patient_id


@action
def apply_together(*, several: Sequence[Facts], directory: Directory, at: datetime, by: Viewer) -> list[UUID]:
    """Write messages about persons, each kind of row in one statement; their patients, in order. All or none.

    Refuses like `apply_facts`; the caller then applies them one by one.
    """
    places = [_where(facts, directory) for facts in several]
    people = [patients.Told(_person(facts, directory), facts.source) for facts in several]
    rows = patients.upsert_patients(people=people, at=at, by=by)
    encounters = _encounters(several, rows, places, directory, at, by)
    diagnoses = [
        patients.ToldDiagnoses(encounter, facts.diagnoses)
        for facts, encounter in zip(several, encounters, strict=True)
        if encounter is not None and facts.diagnoses is not None
    ]
    patients.replace_conditions_of(told=diagnoses, at=at, by=by)
    for facts, patient, encounter in zip(several, rows, encounters, strict=True):
        _apply_procedures(facts, patient, encounter, directory, at, by)
        _apply_additions(facts, patient, encounter, directory, at, by)
    return [patient.pk for patient in rows]


def _can_go_together(facts: Facts, directory: Directory) -> bool:
    """A message about one person, in a place we know; merges and master files keep their own way."""
    if facts.person is None or facts.merges or facts.staff or facts.locations:
        return False
    try:
        _where(facts, directory)
    except CannotApply:
        return False
    return True


def _person(facts: Facts, directory: Directory) -> PersonData:
    assert facts.person is not None
    doctor = directory.person(facts.family_doctor)
    return replace(facts.person, family_doctor_id=doctor) if doctor is not None else facts.person


def _where(facts: Facts, directory: Directory) -> Where:
    """The department. A death is never held up by an unknown one: nobody may call or write to a dead patient."""
    if not facts.visit_is_told:
        return Where()
    where = directory.where(facts.place, facts.facility)
    if isinstance(where, Where):
        return where
    says_died = facts.person is not None and facts.person.is_deceased
    if says_died or settings.ENV.hl7_unknown_department == "keep":
        return Where()
    raise CannotApply(UNKNOWN_DEPARTMENT, where)


def _encounters(
    several: Sequence[Facts],
    rows: Sequence[Patient],
    places: Sequence[Where],
    directory: Directory,
    at: datetime,
    by: Viewer,
) -> list[Encounter | None]:
    """The visits the messages are about, or the ones they only name (which a result must not create)."""
    stays = {
        number: patients.Stay(rows[number], _visit(facts, places[number], directory), facts.source)
        for number, facts in enumerate(several)
        if facts.visit is not None and facts.visit_is_told
    }
    told = patients.upsert_encounters(stays=list(stays.values()), at=at, by=by) if stays else []
    found: dict[int, Encounter | None] = dict(zip(stays, told, strict=True))
    for number, facts in enumerate(several):
        if facts.visit is not None and number not in found:
            found[number] = _known_encounter(facts.visit, rows[number])
    return [found.get(number) for number in range(len(several))]


def _visit(facts: Facts, where: Where, directory: Directory) -> VisitData:
    assert facts.visit is not None
    return replace(
        facts.visit,
        department_id=where.department_id,
        ward_id=where.ward_id,
        department_text=facts.place.text[:120] or None,
        attending_id=directory.person(facts.attending),
    )


def _known_encounter(visit: VisitData, patient: Patient) -> Encounter | None:
    return (
        Encounter.objects.unscoped("the message names the visit by its own number")
        .filter(system=visit.authority, visit_number=visit.number, patient=patient)
        .first()
    )


def _apply_procedures(
    facts: Facts, patient: Patient, encounter: Encounter | None, directory: Directory, at: datetime, by: Viewer
) -> None:
    """Operations replace those of the visit; None means the message was silent."""
    if encounter is None or facts.procedures is None:
        return
    procedures = tuple(
        replace(
            each.procedure,
            performer_id=directory.person(each.surgeon),
            performer_text=each.surgeon.name if each.surgeon else "",
        )
        for each in facts.procedures
    )
    patients.replace_procedures(
        encounter=encounter, patient=patient, procedures=procedures, source=facts.source, at=at, by=by
    )


def _apply_additions(
    facts: Facts, patient: Patient, encounter: Encounter | None, directory: Directory, at: datetime, by: Viewer
) -> None:
    source = facts.source
    if facts.allergies is not None:
        patients.store_allergies(patient=patient, allergies=facts.allergies, source=source, at=at, by=by)
    if facts.observations:
        patients.store_observations(
            patient=patient, encounter=encounter, observations=facts.observations, source=source, at=at, by=by
        )
    if facts.medications:
        patients.store_medications(
            patient=patient, encounter=encounter, medications=facts.medications, source=source, at=at, by=by
        )
    for document in facts.documents:
        patients.store_document(patient=patient, encounter=encounter, document=document, source=source, at=at, by=by)
    if facts.appointment is not None:
        where = directory.where(facts.appointment_place, facts.facility)
        appointment = replace(
            facts.appointment,
            department_id=where.department_id if isinstance(where, Where) else None,
            practitioner_id=directory.person(facts.appointment_staff),
        )
        follow_appointment(patient=patient, data=appointment, source=source, at=at, by=by)


def _apply_merges(facts: Facts, at: datetime, by: Viewer) -> UUID | None:
    last: UUID | None = None
    for merge in facts.merges:
        last = _apply_merge(merge, facts.source, at, by)
    return last


def _apply_merge(merge: Merge, source: str, at: datetime, by: Viewer) -> UUID:
    """PID survives, MRG goes. An unknown survivor is created; an unknown gone number becomes one of the survivor's."""
    gone = _holder(merge.gone, at)
    if gone is None:
        person = replace(merge.survivor, identifiers=(*merge.survivor.identifiers, *merge.gone))
        return patients.upsert_patient(person=person, source=source, at=at, by=by).pk
    survivor = patients.upsert_patient(person=merge.survivor, source=source, at=at, by=by)
    if gone.pk != survivor.pk:
        patients.merge_patients(survivor=survivor, gone=gone, source=source, at=at, by=by)
    return survivor.pk


def _holder(identifiers: tuple[IdentifierData, ...], at: datetime) -> Patient | None:
    """Who has one of these numbers now; a tombstone leads to its survivor."""
    for told in identifiers:
        each = read_identifier(told, on=at.date())
        held = (
            PatientIdentifier.objects.unscoped("a merge names the patient by number")
            .filter(system=each.system, type=each.type, value=each.value)
            .select_related("patient")
            .first()
        )
        if held is not None:
            return _alive(held.patient)
    return None


def _alive(patient: Patient) -> Patient:
    while patient.merged_into_id is not None:
        patient = Patient.objects.unscoped("following a merge").get(pk=patient.merged_into_id)
    return patient
