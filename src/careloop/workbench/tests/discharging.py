"""A discharge of Zhang with the shipped plans in force, as the drawer meets one."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from careloop.kernel.actions import seeding
from careloop.messaging import actions as messaging
from careloop.patients.models import Encounter, Patient, RelatedPerson
from careloop.plans import actions as plans
from careloop.plans.models import CarePlan
from careloop.plans.tests.factories import Scene
from tests.cast import SYSTEM, Cast


def load_content() -> None:
    """Shipped plans and message texts."""
    now = timezone.now()
    plans.load_shipped_content(at=now, by=SYSTEM)
    messaging.load_templates(at=now, by=SYSTEM)


def today(minutes: float) -> datetime:
    """Some minutes ago, but never yesterday: just after midnight each minute becomes a share of what the day has had."""
    now = timezone.now()
    had = now - timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    return now - min(timedelta(minutes=minutes), had * minutes / 60)


def left_hospital(
    cast: Cast, patient: Patient | None = None, *, procedures: tuple[str, ...] = ("36.06",), at: datetime | None = None,
    diagnosis: str = "", **changed: str,
) -> Encounter:  # fmt: skip
    """A discharge some minutes ago, judged by the enrolment rules. By default a stent, so the PCI plan runs."""
    at = at or today(20)
    stay = Scene(cast).discharge(
        patient, procedures=procedures, at=at, operated_at=at - timedelta(days=2), diagnosis=diagnosis, **changed
    )
    with seeding():
        Encounter.objects.unscoped("test").filter(pk=stay.pk).update(class_code="IMP")
    plans.enrol_discharges(encounter_ids=[stay.pk], at=timezone.now(), by=SYSTEM)
    stay.refresh_from_db()
    return stay


def daughter(patient: Patient, **rights: bool) -> RelatedPerson:
    """A relative of the patient."""
    with seeding():
        return RelatedPerson.objects.create(patient=patient, name="Zhou Min", relation="daughter", **rights)


def plan_of(stay: Encounter) -> CarePlan:
    """The plan that runs after this stay."""
    return CarePlan.objects.unscoped("test").running().select_related("definition").get(encounter=stay)
