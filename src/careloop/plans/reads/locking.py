"""Whoever changes the plans of a patient holds the patient's row first: enrolment, death, merge and undo take turns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from careloop.patients.models import Patient


def hold_patients(patient_ids: Iterable[UUID] | QuerySet[Any, Any]) -> None:
    """Wait for whoever works on these patients' plans, always in the same order. A question for their ids is asked in the
    same statement.
    """
    wanted = patient_ids if isinstance(patient_ids, QuerySet) else set(patient_ids)
    rows = Patient.objects.unscoped("a lock, not a look").filter(pk__in=wanted).order_by("pk")
    list(rows.select_for_update(no_key=True).values_list("pk"))
