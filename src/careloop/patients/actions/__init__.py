"""Every write about patients."""

from careloop.patients.actions.consents import SCOPES, UnknownConsentScope, set_consent
from careloop.patients.actions.contacts import (
    NotANumber,
    NumberKnown,
    add_contact_point,
    correct_contact_point,
    note_knowledge,
    report_contact_result,
    retire_contact_point,
    reveal_contact_point,
    set_related_person,
    verify_contact_point,
)
from careloop.patients.actions.grants import (
    NotForYou,
    OwnReview,
    ReasonNeeded,
    break_glass,
    grant_access,
    review_access,
)
from careloop.patients.actions.links import issue_link, revoke_link
from careloop.patients.actions.merging import (
    AlreadyUndone,
    MergedElsewhere,
    MergedOnwards,
    MergeInCircle,
    SamePatient,
    dismiss_duplicate,
    merge_patients,
    unmerge_patients,
)
from careloop.patients.actions.persons import (
    NoIdentifier,
    record_death,
    set_risk,
    set_sensitivity,
    upsert_patient,
    withdraw_death,
)
from careloop.patients.actions.results import store_allergies, store_document, store_medications, store_observations
from careloop.patients.actions.seals import lift_seal, seal_records
from careloop.patients.actions.visits import (
    VisitOfAnotherPatient,
    replace_conditions,
    replace_procedures,
    upsert_encounter,
)

__all__ = [
    "AlreadyUndone",
    "MergeInCircle",
    "MergedElsewhere",
    "MergedOnwards",
    "NoIdentifier",
    "NotANumber",
    "NotForYou",
    "NumberKnown",
    "OwnReview",
    "ReasonNeeded",
    "SCOPES",
    "SamePatient",
    "UnknownConsentScope",
    "VisitOfAnotherPatient",
    "add_contact_point",
    "break_glass",
    "correct_contact_point",
    "dismiss_duplicate",
    "grant_access",
    "issue_link",
    "lift_seal",
    "merge_patients",
    "note_knowledge",
    "record_death",
    "replace_conditions",
    "replace_procedures",
    "report_contact_result",
    "retire_contact_point",
    "reveal_contact_point",
    "review_access",
    "revoke_link",
    "seal_records",
    "set_consent",
    "set_related_person",
    "set_risk",
    "set_sensitivity",
    "store_allergies",
    "store_document",
    "store_medications",
    "store_observations",
    "unmerge_patients",
    "upsert_encounter",
    "upsert_patient",
    "verify_contact_point",
    "withdraw_death",
]
