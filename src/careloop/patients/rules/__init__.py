"""Pure rules about patients: no database, no clock, no Django."""

from careloop.patients.rules.data import (
    DELETE,
    AllergyData,
    Change,
    ContactData,
    Delete,
    DiagnosisData,
    DocumentData,
    IdentifierData,
    MedicationData,
    ObservationData,
    PersonData,
    ProcedureData,
    RelatedPersonData,
    VisitData,
    VisitEvent,
    changed,
)
from careloop.patients.rules.links import link_token, token_digest

__all__ = [
    "DELETE",
    "AllergyData",
    "Change",
    "ContactData",
    "Delete",
    "DiagnosisData",
    "DocumentData",
    "IdentifierData",
    "MedicationData",
    "ObservationData",
    "PersonData",
    "ProcedureData",
    "RelatedPersonData",
    "VisitData",
    "VisitEvent",
    "changed",
    "link_token",
    "token_digest",
]
