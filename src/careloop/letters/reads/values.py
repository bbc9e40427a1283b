"""What the fields of a letter say for one patient."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

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
    patient: Patient,
    task: Task | None,
    stay: Encounter | None,
    *,
    sender: site.Sender,
    language: str,
    code: str,
    at: datetime,
) -> dict[str, str]:
    """The fields with their values; those that are not known are left out."""
    department = department_of(task, stay)
    today = timezone.localdate(at)
    values = {
        "hospital": sender.hospital,
        "salutation": salutation(patient.name, patient.sex, language),
        "phone": sender.phone_of(department),
        "department": _name(department, language),
        "doctor": stay.attending.name if stay and stay.attending else "",
        "discharge_date": _day(stay.discharged_at if stay else None, language),
        "due_date": _day(task.due_at if task else None, language),
        "reply_until": day_words(today + timedelta(days=settings.ENV.letter_reply_days), language),
        "reply_code": shown(code),
        "today": day_words(today, language),
    }
    return {name: value for name, value in values.items() if value}


def department_of(task: Task | None, stay: Encounter | None) -> Organization | None:
    """Which department writes: the task's, else the stay's."""
    return task.department if task else stay.department if stay else None


def stay_of(patient: Patient, task: Task | None, *, viewer: Viewer) -> Encounter | None:
    """The stay the task follows up, else the latest finished one."""
    return stays_of([(patient.pk, task)], viewer=viewer).get((patient.pk, task.pk if task else None))


def stays_of(about: Sequence[tuple[UUID, Task | None]], *, viewer: Viewer) -> dict[tuple[UUID, UUID | None], Encounter]:
    """The same for many (patient, task), by their ids, with two statements."""
    stays = Encounter.objects.visible_to(viewer).select_related("department", "attending")
    named = {task.encounter_id for _patient, task in about if task is not None and task.encounter_id}
    by_id = {stay.pk: stay for stay in stays.filter(pk__in=named)} if named else {}
    others = {patient for patient, task in about if task is None or not task.encounter_id}
    latest = (
        stays.filter(patient_id__in=others, status=Encounter.Status.FINISHED)
        .order_by("patient_id", "-discharged_at", "-pk").distinct("patient_id")
    )  # fmt: skip
    by_patient = {stay.patient_id: stay for stay in latest} if others else {}
    found: dict[tuple[UUID, UUID | None], Encounter] = {}
    for patient, task in about:
        stay = by_id.get(task.encounter_id) if task is not None and task.encounter_id else by_patient.get(patient)
        if stay is not None and stay.patient_id == patient:
            found[patient, task.pk if task else None] = stay
    return found


def _day(moment: datetime | None, language: str) -> str:
    return day_words(timezone.localdate(moment), language) if moment else ""


def _name(department: Organization | None, language: str) -> str:
    return department.called(language) if department else ""
