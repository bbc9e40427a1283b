"""Whoever changes the plans of a patient holds the patient's row first: enrolment, death, merge and undo take turns."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from careloop.patients.models import Patient


def hold_patients(patient_ids: Iterable[UUID]) -> None:
    """Wait for whoever works on these patients' plans, always in the same order."""
    rows = Patient.objects.unscoped("a lock, not a look").filter(pk__in=set(patient_ids)).order_by("pk")
    list(rows.select_for_update(no_key=True).values_list("pk"))
