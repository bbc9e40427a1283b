"""What the outside world says about a patient, in our words.

An interface (HL7, FHIR, an import, the demo hospital) fills these; `patients.actions` reads them. Each field has three
states, as in HL7 v2: `None` = the sender said nothing (no change), `DELETE` = the sender says it is empty (HL7 `""`),
a value = the new value. For a repeating field a tuple is the whole list the sender knows, `None` = nothing was said.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Final, Literal, TypeAlias, TypeVar
from uuid import UUID

Value = TypeVar("Value")


class Delete(Enum):
    """The one value that says "the sender emptied this field" (HL7 `""`)."""

    DELETE = "delete"

    def __repr__(self) -> str:
        return "DELETE"


DELETE: Final = Delete.DELETE

Change: TypeAlias = Value | Delete | None
"""A new value, DELETE, or None for "nothing was said"."""


def changed(told: Change[Value], *, now: Value, empty: Value) -> Value:
    """What a field holds after the sender spoke: `now` for silence, `empty` after DELETE, else the new value."""
    if told is None:
        return now
    if isinstance(told, Delete):
        return empty
    return told


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifierData:
    """One number of a patient (one repetition of PID-3).

    `authority` is PID-3.4, or the sending facility when that is empty; never empty itself. Key of a number =
    (authority, type, value). Types: MR (medical record), PI, VN (visit), NNCHN or NI (identity card), SS (insurance),
    PPN (passport), HMT (permit of Hong Kong, Macau, Taiwan residents), FPR (foreigner's permanent residence).
    """

    value: str
    type: str = "MR"
    authority: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactData:
    """One raw phone field as it was sent (one repetition of PID-13/-14, NK1-5). May hold several numbers."""

    value: str
    use: Literal["", "home", "work", "mobile"] = ""
    relation: str = ""
    """Relation of the owner as sent (`rules.codes.relation_code` reads it), empty = the patient."""
    owner_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedPersonData:
    """A relative or carer (one NK1). Key = name, else relation."""

    name: Change[str] = None
    relation: Change[str] = None
    """As sent (code or words); `relation_code` in rules.codes makes it ours."""
    phones: tuple[ContactData, ...] = ()
    is_guardian: bool | None = None
    knows_condition: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonData:
    """The person: PID, PD1, NK1. At least one identifier is needed to find or create the patient."""

    identifiers: tuple[IdentifierData, ...] = ()
    name: Change[str] = None
    """The whole name, never split."""
    name_pinyin: Change[str] = None
    """Romanised name if the sender gives one (PID-5 repetition of type A or P)."""
    sex: Change[str] = None
    """As sent: M F O U A N, 1 2 0 9, 男 女, male female. `rules.codes.sex_code` reads it."""
    birth_date: Change[date] = None
    address: Change[str] = None
    address_code: Change[str] = None
    """Six-digit GB/T 2260 county code, if known."""
    phones: tuple[ContactData, ...] | None = None
    """All phones the sender knows. Known numbers that are not among them are kept (evidence is never thrown away)."""
    related: tuple[RelatedPersonData, ...] | None = None
    marital_status: Change[str] = None
    ethnicity: Change[str] = None
    occupation: Change[str] = None
    employer: Change[str] = None
    insurance: Change[str] = None
    language: Change[str] = None
    """Preferred language or dialect (BCP 47 where it has one)."""
    is_deceased: bool | None = None
    """PID-30. True stops all contact. False after True corrects a mistake."""
    deceased_at: Change[datetime] = None
    """PID-29."""
    sensitivity: Change[str] = None
    """"normal" or "restricted" (PV1-16 or PV1-24, as the site map says)."""
    family_doctor_id: Change[UUID] = None
    """Practitioner known to us (PD1-4), found or created by the interface."""
    active: bool | None = None
    """False = the person record was deleted at the source (A29)."""


VisitEvent = Literal[
    "admitted",
    "planned",
    "registered",
    "transferred",
    "class-changed",
    "updated",
    "discharged",
    "discharge-cancelled",
    "admission-cancelled",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitData:
    """One visit or hospital stay (PV1/PV2) and what happened to it.

    Key = (authority, number). `event` decides the status: admitted/registered → in-progress, planned → planned,
    discharged → finished, discharge-cancelled → in-progress, admission-cancelled → cancelled (or entered-in-error if it
    had begun); transferred, class-changed and updated never change the status.
    """

    number: str
    """PV1-19, else PID-18, else made by the interface from MRN + PV1-44."""
    authority: str = ""
    event: VisitEvent = "updated"
    occurred_at: datetime | None = None
    """EVN-6 or EVN-2: when it happened at the source. An older message never undoes a newer one."""
    encounter_class: Change[str] = None
    """IMP, AMB, EMER, DAY (day surgery), HH (home), PRENC; PV1-2 already mapped by the site map."""
    admission_number: Change[str] = None
    """住院号 if it differs from the visit number."""
    visit_sequence: Change[int] = None
    """Which stay this is (住院次数)."""
    department_id: Change[UUID] = None
    """Responsible department (Organization), resolved by the interface through OrganizationCode."""
    ward_id: Change[UUID] = None
    department_text: Change[str] = None
    """The sender's own words for the department, kept where its code is not mapped."""
    room: Change[str] = None
    bed: Change[str] = None
    attending_id: Change[UUID] = None
    """Practitioner: attending doctor (PV1-7)."""
    nurse_id: Change[UUID] = None
    """Practitioner: responsible nurse."""
    admitted_at: Change[datetime] = None
    discharged_at: Change[datetime] = None
    disposition: Change[str] = None
    """PV1-36 / 离院方式 mapped to ours: home, other-hospital, community, against-advice, died, other."""
    discharged_to: Change[str] = None
    reason: Change[str] = None
    """PV2-3 admission reason in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosisData:
    """One DG1. The set replaces what the visit had for the same kind."""

    code: str = ""
    """As sent; keys for matching are made by rules.icd."""
    text: str = ""
    system: str = "ICD-10"
    kind: Literal["admission", "working", "discharge", "pathology", "outpatient"] = "discharge"
    """DG1-6: A → admission, W → working, F → discharge."""
    rank: int | None = None
    """DG1-15; 1 = main diagnosis. None = order of arrival."""
    recorded_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureData:
    """One PR1: an operation or a procedure."""

    code: str = ""
    text: str = ""
    system: str = "ICD-9-CM-3"
    performed_at: datetime | None = None
    rank: int | None = None
    performer_id: UUID | None = None
    performer_text: str = ""
    kind: str = ""
    """PR1-6 as sent (A anaesthesia, P procedure, I invasive, D diagnostic)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationData:
    """One result: an OBX, a device reading, a home measurement.

    Key = (source, key). `key` must be stable over corrections: order number (OBR-3, else OBR-2) + OBX-3 code + OBX-4 +
    repetition.
    """

    key: str
    code: str
    system: str = "local"
    """"http://loinc.org" for LOINC, "local" for the hospital's code."""
    text: str = ""
    """Name of the test as sent."""
    value: str = ""
    """OBX-5 as text, exactly as sent: "5.6", "<5.0", "阴性", "1:160". rules.values reads number and comparator."""
    value_type: str = ""
    """OBX-2: NM SN ST TX CE CWE DT TM TS ED..."""
    value_code: str = ""
    unit: str = ""
    """As sent; rules.values turns it into UCUM where it knows it."""
    reference_range: str = ""
    flag: str = ""
    """OBX-8 as sent: H L HH LL A AA N ↑ ↓ 高 低."""
    status: str = "F"
    """OBX-11: F final, P preliminary, C corrected, D deleted, W wrong, X cannot be done, R, S, I."""
    observed_at: datetime | None = None
    """OBX-14, else OBR-7. When it was true of the body."""
    issued_at: datetime | None = None
    """OBR-22. When it was reported."""
    category: Literal["", "laboratory", "vital-signs", "imaging", "exam", "survey"] = ""
    panel_code: str = ""
    panel_text: str = ""
    order_number: str = ""
    performer: str = ""
    """OBX-23 laboratory, in words."""
    note: str = ""
    """NTE lines joined with newlines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MedicationData:
    """One prescribed medicine (RXE/RXO/RXD). Key = (source, key)."""

    key: str
    """Order number: ORC-3 placer/filler + line."""
    code: str = ""
    system: str = "local"
    text: str = ""
    dose: str = ""
    dose_unit: str = ""
    quantity: str = ""
    """How much was handed out, e.g. "30"."""
    quantity_unit: str = ""
    frequency: str = ""
    """TQ1-3 or RXE-1 as sent: "bid", "1/日"."""
    route: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    days: int | None = None
    """Days the quantity lasts, if told."""
    is_discharge: bool = False
    """Taken home (出院带药)."""
    control: Literal["new", "changed", "stopped", "cancelled"] = "new"
    """ORC-1: NW → new, XO → changed, DC → stopped, CA → cancelled."""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllergyData:
    """One AL1/IAM. Key = (source, code or text)."""

    code: str = ""
    system: str = "local"
    text: str = ""
    kind: Literal["", "drug", "food", "environment", "other"] = ""
    severity: Literal["", "mild", "moderate", "severe"] = ""
    reaction: str = ""
    recorded_on: date | None = None
    control: Literal["add", "delete", "update", "snapshot"] = "snapshot"
    """IAM-6; AL1 = snapshot: the list replaces what the same source said before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentData:
    """One document (MDM, or OBX of type ED). Key = (source, number)."""

    number: str
    """TXA-12, the document's own number."""
    type_code: str = ""
    title: str = ""
    status: Literal["current", "superseded", "entered-in-error"] = "current"
    is_final: bool = True
    """TXA-17 AU/LA/DO = final; DI/IP/PA = not yet."""
    replaces: str = ""
    """TXA-13: number of the document this one takes the place of."""
    content_type: str = "text/plain"
    text: str = ""
    content: bytes = b""
    """Decoded bytes of a PDF or picture."""
    authored_at: datetime | None = None
    author: str = ""
