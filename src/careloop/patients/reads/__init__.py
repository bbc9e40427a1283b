"""Questions about patients that need several tables."""

from careloop.patients.reads.contact import CHANNELS, ContactRefusal, contact_refusal, dial_list
from careloop.patients.reads.search import Hit, PatientFilter, discharged_page, search_patients

__all__ = [
    "CHANNELS",
    "ContactRefusal",
    "Hit",
    "PatientFilter",
    "contact_refusal",
    "dial_list",
    "discharged_page",
    "search_patients",
]
