"""Whoever changes the plans of a patient holds the patient's row first: enrolment, death, merge and undo take turns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from careloop.kernel.prepared import Asked, Many, prepared
from careloop.kernel.viewer import NOBODY, Viewer
from careloop.patients.models import Encounter, Patient


def hold_patients(patient_ids: Iterable[UUID] | QuerySet[Any, Any]) -> None:
    """Wait for whoever works on these patients' plans, always in the same order. A question for their ids is asked in the
    same statement.
    """
    if isinstance(patient_ids, QuerySet):
        list(_locked(Patient.objects.unscoped(_WHY).filter(pk__in=patient_ids)))
    else:
        _these(viewer=NOBODY, patients=Many(set(patient_ids)))


def hold_patients_of(encounter_ids: Iterable[UUID]) -> None:
    """The patients of these stays."""
    holding_patients_of(Many(encounter_ids)).fetch()


def holding_patients_of(stays: Many) -> Asked[Any]:
    """The same as a question: asked first of several (`together`), the others see what those wrote who were waited for."""
    return _theirs.asked(viewer=NOBODY, stays=stays)


_WHY = "a lock, not a look"


def _locked(patients: QuerySet[Patient]) -> QuerySet[Patient, Any]:
    return patients.order_by("pk").select_for_update(no_key=True).values_list("pk")


@prepared
def _these(viewer: Viewer, patients: Many) -> QuerySet[Patient, Any]:
    return _locked(Patient.objects.unscoped(_WHY).filter(pk__among=patients))


@prepared
def _theirs(viewer: Viewer, stays: Many) -> QuerySet[Patient, Any]:
    whose = Encounter.objects.unscoped(_WHY).filter(pk__among=stays).values("patient_id")
    return _locked(Patient.objects.unscoped(_WHY).filter(pk__in=whose))
