"""What the patient asks of the hospital becomes a task of the department that cares."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.utils import translation
from django.utils.functional import Promise

from careloop.kernel.viewer import Viewer
from careloop.patients.models import CareRelationship, Patient
from careloop.tasks.actions import request_tasks
from careloop.tasks.rules import TaskRequest


def ask_department(
    *,
    patient: Patient,
    key: str,
    kind: str,
    code: str,
    title: str | Promise,
    risk: str,
    within: timedelta,
    at: datetime,
    by: Viewer,
    focus: UUID | None = None,
) -> bool:
    """Asks the department that cared last; the same key asks once. False when no department knows the patient.

    The title is written in the language of the hospital, not of the patient's telephone.
    """
    care = CareRelationship.objects.visible_to(by).filter(patient=patient).order_by("-since", "-id").first()
    if care is None:
        return False
    with translation.override(settings.LANGUAGE_CODE):
        words = str(title)
    with translation.override("en"):
        english = str(title)
    asked = TaskRequest(
        key=key,
        kind=kind,
        patient_id=patient.pk,
        department_id=care.department_id,
        available_at=at,
        due_at=at + within,
        owner_role="follow-up-nurse",
        step_code=code[:40],
        step_title=words,
        step_title_en=english,
        risk=risk,
        focus_id=focus,
    )
    request_tasks(requests=[asked], by=by)
    return True
