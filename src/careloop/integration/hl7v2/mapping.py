"""A message → the facts it states, by a table of events. Pure: no database, no clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from careloop.integration.hl7v2.answer import Header, header_of
from careloop.integration.hl7v2.facts import Facts, Ignored, Merge, Site, Unusable
from careloop.integration.hl7v2.master import read_location_records, read_staff_records
from careloop.integration.hl7v2.message import Message, Segment
from careloop.integration.hl7v2.orders import read_medications
from careloop.integration.hl7v2.person import (
    main_identifier,
    read_allergies,
    read_family_doctor,
    read_gone,
    read_identifiers,
    read_person,
    read_staff,
)
from careloop.integration.hl7v2.results import read_bedside, read_documents, read_embedded, read_observations
from careloop.integration.hl7v2.schedule import (
    EVENTS as APPOINTMENT_EVENTS,
)
from careloop.integration.hl7v2.schedule import (
    read_appointment,
    read_appointment_place,
    read_appointment_staff,
)
from careloop.integration.hl7v2.values import read_time
from careloop.integration.hl7v2.visit import (
    DIED,
    read_diagnoses,
    read_place,
    read_procedures,
    read_visit,
)
from careloop.patients.rules import IdentifierData, PersonData, VisitData, VisitEvent

Outcome: TypeAlias = Facts | Ignored | Unusable

VISIT_EVENTS: dict[str, VisitEvent] = {
    "A01": "admitted",
    "A02": "transferred",
    "A03": "discharged",
    "A04": "registered",
    "A05": "planned",
    "A06": "class-changed",
    "A07": "class-changed",
    "A08": "updated",
    "A11": "admission-cancelled",
    "A12": "transferred",
    "A13": "discharge-cancelled",
    "A27": "admission-cancelled",
}
PERSON_EVENTS = frozenset({"A28", "A29", "A31"})
MERGE_EVENTS = frozenset({"A18", "A34", "A36", "A39", "A40"})
"""Whole patients. A41, A45 and A47 move accounts, visits and single numbers: they must not merge two people."""
RESULT_EVENTS = frozenset({"ORU^R01", "ORU^R30", "ORU"})
MEDICATION_EVENTS = frozenset({"RDE^O11", "RDE^O25", "RDE^O01", "RDE", "OMP^O09", "RDS^O13", "RDS^O01"})
DOCUMENT_EVENTS = frozenset({"MDM^T02", "MDM^T04", "MDM^T06", "MDM^T08", "MDM^T10", "MDM^T11"})


@dataclass(frozen=True, slots=True)
class Reading:
    """A message on its way through the mapping, with what every part of it needs."""

    message: Message
    header: Header
    site: Site
    facility: str
    occurred_at: datetime | None

    @property
    def pid(self) -> Segment:
        return self.message.first("PID")

    def facts(self) -> Facts:
        """The frame every answer starts from."""
        return Facts(
            event=self.header.event,
            source=source_of(self.header, self.site),
            facility=self.facility,
            occurred_at=self.occurred_at,
        )


def read_message(message: Message, *, site: Site) -> Outcome:
    """What the message says, or why it says nothing to us."""
    if not message.has_header:
        return Unusable("no-header")
    header = header_of(message)
    if not header.message_type:
        return Unusable("no-message-type")
    reader = _READERS.get(header.event)
    if reader is None:
        return Ignored(header.event)
    return reader(_reading(message, header, site))


def source_of(header: Header, site: Site) -> str:
    """Who sent it, as results and appointments remember it: `hl7:HIS/HOSPITAL`."""
    return f"hl7:{header.sender or site.facility}"[:120]


def order_keys(message: Message, *, site: Site, header: Header | None = None) -> tuple[str, ...]:
    """Messages that share a key are applied in the order they came. The first key is the patient's own.

    A merge names several patients and waits for all of them. No key: nothing to wait for. `header`: where it is read already.
    """
    header = header or header_of(message)
    if header.message_type == "MFN":
        return (f"master:{source_of(header, site)}",)
    facility = header.sending_facility or site.facility
    keys: dict[str, None] = {}
    for pid in message.all("PID"):
        _add_key(keys, main_identifier(read_identifiers(pid, facility=facility)))
    if header.trigger in MERGE_EVENTS:
        for mrg in message.all("MRG"):
            for gone in read_gone(mrg, facility=facility):
                _add_key(keys, gone)
    return tuple(keys)


def _add_key(keys: dict[str, None], identifier: IdentifierData | None) -> None:
    if identifier is not None:
        keys[f"{identifier.authority}|{identifier.value}"[:200]] = None


def _reading(message: Message, header: Header, site: Site) -> Reading:
    evn = message.first("EVN")
    times = (evn.get(6, 1), evn.get(2, 1), message.first("MSH").get(7, 1))
    occurred_at = next((at for text in times if text and (at := read_time(text, zone=site.zone))), None)
    return Reading(message, header, site, header.sending_facility or site.facility, occurred_at)


def _person(reading: Reading) -> PersonData | Unusable:
    person = read_person(reading.message, reading.pid, facility=reading.facility, zone=reading.site.zone)
    return person if person.identifiers else Unusable("no-patient-number")


def _visit(reading: Reading, person: PersonData, event: VisitEvent) -> VisitData | None:
    return read_visit(
        reading.message,
        event=event,
        identifiers=person.identifiers,
        facility=reading.facility,
        occurred_at=reading.occurred_at,
        zone=reading.site.zone,
    )


def _read_adt_visit(reading: Reading) -> Outcome:
    person = _person(reading)
    if isinstance(person, Unusable):
        return person
    event = VISIT_EVENTS[reading.header.trigger]
    visit = _visit(reading, person, event)
    if visit is None and event != "updated":
        return Unusable("no-visit-number")
    return _with_visit(reading, person, visit, event)


def _read_adt_person(reading: Reading) -> Outcome:
    """A28, A29, A31: the person. What they say about a visit updates one and never moves its status."""
    person = _person(reading)
    if isinstance(person, Unusable):
        return person
    if reading.header.trigger == "A29":
        return replace(reading.facts(), person=PersonData(identifiers=person.identifiers, active=False))
    if reading.header.trigger == "A28":
        return replace(
            reading.facts(),
            person=person,
            family_doctor=read_family_doctor(reading.message),
            allergies=read_allergies(reading.message),
        )
    return _with_visit(reading, person, _visit(reading, person, "updated"), "updated")


def _with_visit(reading: Reading, person: PersonData, visit: VisitData | None, event: VisitEvent) -> Facts:
    message, zone = reading.message, reading.site.zone
    return replace(
        reading.facts(),
        person=_dead_if_said_by(visit, person),
        family_doctor=read_family_doctor(message),
        visit=visit,
        visit_is_told=visit is not None,
        place=read_place(message),
        attending=read_staff(message.first("PV1").field(7)),
        diagnoses=read_diagnoses(message, event=event, zone=zone) if visit else None,
        procedures=read_procedures(message, zone=zone) if visit else None,
        allergies=read_allergies(message),
        observations=read_bedside(
            message,
            visit=visit.number if visit else person.identifiers[0].value,
            occurred_at=reading.occurred_at,
            zone=zone,
        ),
    )


def _dead_if_said_by(visit: VisitData | None, person: PersonData) -> PersonData:
    """A disposition "died" is a death notice even where PID-30 is left empty."""
    if visit is None or visit.disposition != DIED or visit.event != "discharged" or person.is_deceased is not None:
        return person
    return replace(person, is_deceased=True, deceased_at=person.deceased_at or visit.discharged_at)


def _read_merge(reading: Reading) -> Outcome:
    merges: list[Merge] = []
    for group in reading.message.groups("PID"):
        survivor = read_person(Message(_alone(group)), group[0], facility=reading.facility, zone=reading.site.zone)
        gone = next((read_gone(each, facility=reading.facility) for each in group if each.name == "MRG"), ())
        if not survivor.identifiers:
            return Unusable("no-patient-number")
        if not gone:
            return Unusable("no-merge-source")
        merges.append(Merge(replace(survivor, related=None), gone))
    return replace(reading.facts(), merges=tuple(merges)) if merges else Unusable("no-patient-number")


def _alone(group: list[Segment]) -> str:
    return group[0].raw


def _read_results(reading: Reading) -> Outcome:
    person = _person(reading)
    if isinstance(person, Unusable):
        return person
    return replace(
        reading.facts(),
        person=person,
        visit=_visit(reading, person, "updated"),
        observations=read_observations(reading.message, zone=reading.site.zone),
        documents=read_embedded(reading.message, zone=reading.site.zone),
    )


def _read_medication(reading: Reading) -> Outcome:
    person = _person(reading)
    if isinstance(person, Unusable):
        return person
    return replace(
        reading.facts(),
        person=person,
        visit=_visit(reading, person, "updated"),
        allergies=read_allergies(reading.message),
        medications=read_medications(reading.message, zone=reading.site.zone),
    )


def _read_document(reading: Reading) -> Outcome:
    person = _person(reading)
    if isinstance(person, Unusable):
        return person
    documents = read_documents(reading.message, zone=reading.site.zone)
    if not documents:
        return Unusable("no-document-number")
    return replace(reading.facts(), person=person, visit=_visit(reading, person, "updated"), documents=documents)


def _read_appointment(reading: Reading) -> Outcome:
    person = _person(reading)
    if isinstance(person, Unusable):
        return person
    appointment = read_appointment(
        reading.message,
        event=APPOINTMENT_EVENTS[reading.header.trigger],
        occurred_at=reading.occurred_at,
        zone=reading.site.zone,
    )
    if appointment is None:
        return Unusable("no-appointment-number")
    return replace(
        reading.facts(),
        person=person,
        appointment=appointment,
        appointment_place=read_appointment_place(reading.message),
        appointment_staff=read_appointment_staff(reading.message),
    )


def _read_staff(reading: Reading) -> Outcome:
    staff = read_staff_records(reading.message)
    return replace(reading.facts(), staff=staff) if staff else Unusable("no-master-entry")


def _read_locations(reading: Reading) -> Outcome:
    locations = read_location_records(reading.message)
    return replace(reading.facts(), locations=locations) if locations else Unusable("no-master-entry")


_Reader: TypeAlias = Callable[[Reading], Outcome]

_READERS: dict[str, _Reader] = {
    **{f"ADT^{trigger}": _read_adt_visit for trigger in VISIT_EVENTS},
    **{f"ADT^{trigger}": _read_adt_person for trigger in PERSON_EVENTS},
    **{f"ADT^{trigger}": _read_merge for trigger in MERGE_EVENTS},
    **dict.fromkeys(RESULT_EVENTS, _read_results),
    **dict.fromkeys(MEDICATION_EVENTS, _read_medication),
    **dict.fromkeys(DOCUMENT_EVENTS, _read_document),
    **{f"SIU^{trigger}": _read_appointment for trigger in APPOINTMENT_EVENTS},
    "MFN^M02": _read_staff,
    "MFN^M05": _read_locations,
}
