"""Facts about patients. Ids and codes only."""

from dataclasses import dataclass
from uuid import UUID

from careloop.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientRegistered(Event):
    """A new record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientUpdated(Event):
    """`fields` are the names of the columns that changed, never their values."""

    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientDied(Event):
    """All contact stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeathWithdrawn(Event):
    """The death was reported by mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientsMerged(Event):
    """`patient_id` is the survivor."""

    survivor_id: UUID
    gone_id: UUID
    merge_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientsUnmerged(Event):
    """Two records that had become one are two again."""

    survivor_id: UUID
    gone_id: UUID
    merge_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateSuspected(Event):
    """Two records may be one person; a person decides."""

    other_id: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateDismissed(Event):
    other_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class EncounterStarted(Event):
    """Admission or registration. `is_readmission`: an inpatient stay after an earlier finished one."""

    encounter_id: UUID
    class_code: str
    is_readmission: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EncounterFinished(Event):
    """Discharge. `cycle` counts the discharges of this stay: 2 after a discharge was cancelled and given again."""

    encounter_id: UUID
    cycle: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DischargeCancelled(Event):
    encounter_id: UUID
    cycle: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EncounterCancelled(Event):
    encounter_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class EncounterChanged(Event):
    """Department, bed, doctor, times or class changed; `fields` names the columns."""

    encounter_id: UUID
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionsReplaced(Event):
    encounter_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ProceduresReplaced(Event):
    encounter_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationsStored(Event):
    """`observation_ids`: those that are new or changed."""

    observation_ids: tuple[UUID, ...]
    encounter_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MedicationsStored(Event):
    count: int
    encounter_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AllergiesStored(Event):
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentStored(Event):
    document_id: UUID
    encounter_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactPointChanged(Event):
    """Added, verified, corrected or taken out of use; `what` says which."""

    contact_point_id: UUID
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactPointFailed(Event):
    """A try did not reach anybody of the patient's circle. `result` is the outcome code."""

    contact_point_id: UUID
    result: str
    is_dead: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactPointReached(Event):
    contact_point_id: UUID
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedPersonChanged(Event):
    related_person_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentChanged(Event):
    consent_scope: str
    decision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivityChanged(Event):
    sensitivity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskChanged(Event):
    risk: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkIssued(Event):
    link_id: UUID
    purpose: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRevoked(Event):
    link_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessGranted(Event):
    """A supervisor lent a person the view of one patient until a time."""

    grant_id: UUID
    practitioner_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class GlassBroken(Event):
    """Somebody opened a record that is not theirs, in an emergency. It must be reviewed."""

    grant_id: UUID
    practitioner_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessReviewed(Event):
    grant_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneRevealed(Event):
    """A masked number was shown in full."""

    contact_point_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsSealed(Event):
    """These records are closed to a person who is to ask the patients again without seeing them."""

    practitioner_id: UUID
    patient_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SealLifted(Event):
    """The record is open to that person again: the second answer was given, or blindness was given up."""

    practitioner_id: UUID
    because: str
