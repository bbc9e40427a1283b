"""What a message says, in our words: the output of the mapping and the input of the applying action."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo

from careloop.appointments.rules import AppointmentData
from careloop.patients.rules import (
    AllergyData,
    DiagnosisData,
    DocumentData,
    IdentifierData,
    MedicationData,
    ObservationData,
    PersonData,
    ProcedureData,
    VisitData,
)


@dataclass(frozen=True, slots=True)
class Site:
    """What one hospital decides about its own messages."""

    zone: tzinfo = field(default_factory=lambda: ZoneInfo("Asia/Shanghai"))
    facility: str = "HIS"
    """Stands in for an assigning authority when neither the field nor MSH-4 names one."""


@dataclass(frozen=True, slots=True)
class StaffRef:
    """A person who works here, as a message names them (XCN)."""

    number: str
    name: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a patient is (PV1-3, PV1-10), in the sender's codes; OrganizationCode says which departments they are."""

    unit: str = ""  # PV1-3.1, point of care
    facility: str = ""  # PV1-3.4
    service: str = ""  # PV1-10
    text: str = ""

    @property
    def codes(self) -> tuple[str, ...]:
        """Department first (the service), then the unit; each once."""
        return tuple(dict.fromkeys(code for code in (self.service, self.unit) if code))


@dataclass(frozen=True, slots=True)
class Merge:
    """PID survives, MRG goes."""

    survivor: PersonData
    gone: tuple[IdentifierData, ...]


@dataclass(frozen=True, slots=True)
class PerformedProcedure:
    """A PR1 with its surgeon as the message names them."""

    procedure: ProcedureData
    surgeon: StaffRef | None = None


@dataclass(frozen=True, slots=True)
class StaffRecord:
    """One entry of a staff master file (MFN M02)."""

    number: str
    name: str = ""
    title: str = ""
    department: str = ""
    phone: str = ""
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class LocationRecord:
    """One entry of a location master file (MFN M05)."""

    code: str
    name: str = ""
    kind: Literal["department", "ward", "clinic"] = "department"
    parent: str = ""
    is_active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything one message says. `None` for a set means the message is silent about it: nothing changes."""

    event: str
    source: str
    facility: str
    occurred_at: datetime | None = None
    person: PersonData | None = None
    family_doctor: StaffRef | None = None
    visit: VisitData | None = None
    visit_is_told: bool = False
    """True when the message is about the visit itself; false when it only names one (a result, a prescription)."""
    place: Place = Place()
    attending: StaffRef | None = None
    diagnoses: tuple[DiagnosisData, ...] | None = None
    procedures: tuple[PerformedProcedure, ...] | None = None
    allergies: tuple[AllergyData, ...] | None = None
    observations: tuple[ObservationData, ...] = ()
    medications: tuple[MedicationData, ...] = ()
    documents: tuple[DocumentData, ...] = ()
    merges: tuple[Merge, ...] = ()
    appointment: AppointmentData | None = None
    appointment_place: Place = Place()
    appointment_staff: StaffRef | None = None
    staff: tuple[StaffRecord, ...] = ()
    locations: tuple[LocationRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message we understand enough to know that follow-up does not need it."""

    event: str


@dataclass(frozen=True, slots=True)
class Unusable:
    """A message that cannot be applied as it is, with a code that says what is wrong."""

    code: str
    detail: str = ""
