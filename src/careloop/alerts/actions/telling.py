"""Messages to staff about alerts: the owner, whoever it climbs to, the duty phone; and about emergency access.

A message names severity, department and minutes, never a patient. The in-app notice is written by the step itself;
this is what reaches somebody who is not looking at a screen.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from django.urls import reverse

from careloop.accounts.models import Organization
from careloop.alerts import reads, rules
from careloop.alerts.models import Alert, Duty
from careloop.kernel.actions import action
from careloop.kernel.viewer import Viewer
from careloop.messaging.actions import queue_staff_message
from careloop.patients.models import AccessGrant, CareRelationship

TEXTED: Final = (Alert.Severity.CRITICAL, Alert.Severity.HIGH)
"""A watch has a day: its owner sees it on the page. Only what is urgent rings in a pocket."""
REVIEW_HOURS: Final = 24


@action
def text_owner(*, alert_id: UUID, to_id: UUID, key: str, at: datetime, by: Viewer) -> int:
    """Tell the (new) owner of an urgent alert by message; says how many messages that made. Again: none."""
    alert = Alert.objects.unscoped("told by the system").filter(pk=alert_id, severity__in=TEXTED).first()
    if alert is None or alert.status != Alert.Status.RAISED:
        return 0
    minutes = max(1, round((alert.respond_by - at).total_seconds() / 60))
    return _tell(alert, "alert-owner", key, at, by, recipient_id=to_id, minutes=minutes)


@action
def text_escalation(*, alert_id: UUID, to_id: UUID, level: int, role: str, at: datetime, by: Viewer) -> int:
    """Tell whoever the alert climbed to."""
    alert = Alert.objects.unscoped("told by the system").exclude(status=Alert.Status.CLOSED).filter(pk=alert_id).first()
    if alert is None:
        return 0
    return _tell(alert, "alert-escalated", f"escalated:{level}:{role}", at, by, recipient_id=to_id)


@action
def text_duty_phone(*, alert_id: UUID, to_id: UUID, at: datetime, by: Viewer) -> int:
    """Ring the number of the duty list; without one, the person's own."""
    alert = Alert.objects.unscoped("told by the system").exclude(status=Alert.Status.CLOSED).filter(pk=alert_id).first()
    if alert is None:
        return 0
    running = Duty.objects.filter(practitioner_id=to_id, valid_from__lte=at).exclude(valid_to__lte=at)
    phone = running.exclude(phone="").order_by("-valid_from").values_list("phone", flat=True).first() or ""
    return _tell(alert, "duty-phone", "duty-phone", at, by, recipient_id=to_id, phone=phone)


def _tell(
    alert: Alert, code: str, key: str, at: datetime, by: Viewer, *, recipient_id: UUID, phone: str = "", minutes: int | None = None
) -> int:  # fmt: skip
    params: dict[str, str] = {"severity": alert.severity, "department": _department(alert.department_id)}
    if minutes is not None:
        params["minutes"] = str(minutes)
    made = queue_staff_message(
        key=f"alert:{alert.pk}:{key}", template_code=code, params=params, at=at, by=by, recipient_id=recipient_id,
        phone=phone, url=f"{reverse('alerts:board')}?open={alert.pk}", urgent=True,
    )  # fmt: skip
    return len(made)


@action
def tell_of_emergency_access(*, grant_id: UUID, at: datetime, by: Viewer) -> int:
    """Somebody opened a record in an emergency: the heads of the departments that care for the patient, or the
    hospital's oversight, are told at once and asked to review it. Never the person who opened it.
    """
    grant = AccessGrant.objects.unscoped("told by the system").filter(pk=grant_id).first()
    if grant is None:
        return 0
    made = 0
    for department_id, head in _heads(grant, at).items():
        made += len(
            queue_staff_message(
                key=f"glass:{grant.pk}:{head}", template_code="glass-broken", at=at, by=by, recipient_id=head,
                params={"department": _department(department_id), "minutes": str(REVIEW_HOURS)},
                url=reverse("workbench:access-reviews"), urgent=True,
            )
        )  # fmt: skip
    return made


def _heads(grant: AccessGrant, at: datetime) -> dict[UUID, UUID]:
    """Department → who answers for it."""
    caring = CareRelationship.objects.unscoped("whose patient it is").filter(patient_id=grant.patient_id)
    heads: dict[UUID, UUID] = {}
    for department_id in sorted(set(caring.values_list("department_id", flat=True))):
        people = [
            person
            for person in reads.team(department_id=department_id, encounter_id=None, at=at).candidates
            if person.practitioner_id != grant.practitioner_id
        ]
        head = rules.first_of(people, rules.HEAD) or rules.first_of(people, rules.OVERSIGHT)
        if head is not None and head not in heads.values():
            heads[department_id] = head
    return heads


def _department(pk: UUID) -> str:
    return Organization.objects.values_list("name", flat=True).get(pk=pk)
