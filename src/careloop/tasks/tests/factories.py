"""Tasks and people for tests, with as few words as possible."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

from careloop.kernel.actions import seeding
from careloop.patients.models import CareRelationship, ContactPoint, Patient
from careloop.tasks.models import Task
from tests.cast import NOW, Cast

_counter = itertools.count(1)


def make_task(cast: Cast, patient: Patient | None = None, **given: Any) -> Task:
    """An open follow-up of Zhang in Cardiology that is due today, unless told otherwise."""
    number = next(_counter)
    values = {
        "patient": patient or cast.zhang, "department": cast.cardiology, "key": f"test:{number}", "kind": "follow-up",
        "plan_title": "PCI", "step_title": "Day 7", "diagnosis_text": "I21.0", "available_at": NOW - timedelta(days=1),
        "due_at": NOW + timedelta(hours=4), **given,
    }  # fmt: skip
    with seeding():
        return Task.objects.create(**values)


def make_patient(cast: Cast, name: str = "", *, department: Any = None, phones: int = 1) -> Patient:
    """Somebody in Cardiology with a telephone."""
    number = next(_counter)
    with seeding():
        patient = Patient.objects.create(name=name or f"Patient {number}", sex="female", birth_date="1950-01-01")
        CareRelationship.objects.create(patient=patient, department=department or cast.cardiology, since=NOW)
        for rank in range(phones):
            ContactPoint.objects.create(
                patient=patient, value=f"+86138{number:06d}{rank:02d}", last4=f"{number:02d}{rank:02d}"[-4:],
                is_mobile=True, rank=rank,
            )  # fmt: skip
    return patient
