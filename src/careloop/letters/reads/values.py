"""What the fields of a letter say for one patient."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from careloop.accounts.models import Organization
from careloop.kernel.viewer import Viewer
from careloop.letters.reads import site
from careloop.letters.rules.codes import shown
from careloop.letters.rules.recipients import day_words
from careloop.messaging.rules.wording import salutation
from careloop.patients.models import Encounter, Patient
from careloop.tasks.models import Task


def letter_values(
    patient: Patient, task: Task | None, *, language: str, code: str, at: datetime, viewer: Viewer
) -> tuple[dict[str, str], Organization | None]:
    """The fields with their values (those that are not known are left out), and the department that writes."""
    stay = stay_of(patient, task, viewer=viewer)
    department = task.department if task else stay.department if stay else None
    today = timezone.localdate(at)
    values = {
        "hospital": site.hospital_name(),
        "salutation": salutation(patient.name, patient.sex, language),
        "phone": site.phone_of(department),
        "department": _name(department, language),
        "doctor": stay.attending.name if stay and stay.attending else "",
        "discharge_date": _day(stay.discharged_at if stay else None, language),
        "due_date": _day(task.due_at if task else None, language),
        "reply_until": day_words(today + timedelta(days=settings.ENV.letter_reply_days), language),
        "reply_code": shown(code),
        "today": day_words(today, language),
    }
    return {name: value for name, value in values.items() if value}, department


def stay_of(patient: Patient, task: Task | None, *, viewer: Viewer) -> Encounter | None:
    """The stay the task follows up, else the latest finished one."""
    stays = Encounter.objects.visible_to(viewer).filter(patient=patient).select_related("department", "attending")
    if task is not None and task.encounter_id:
        return stays.filter(pk=task.encounter_id).first()
    return stays.filter(status=Encounter.Status.FINISHED).order_by("-discharged_at", "-pk").first()


def _day(moment: datetime | None, language: str) -> str:
    return day_words(timezone.localdate(moment), language) if moment else ""


def _name(department: Organization | None, language: str) -> str:
    if department is None:
        return ""
    return department.name_en or department.name if language == "en" else department.name
