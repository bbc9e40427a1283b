"""What happens when nobody acts in time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Coalesce

from careloop.alerts import reads, rules
from careloop.alerts.actions._ledger import (
    everyone,
    log,
    notify,
)
from careloop.alerts.events import (
    AlertEscalated,
    DutyPhoneRung,
)
from careloop.alerts.models import Alert, AlertAction, Notice
from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.viewer import Viewer

LATE: Final = "close-late"  # the code of an escalation because an accepted alert was not closed in time


@action
def escalate(*, alert_id: UUID, at: datetime, by: Viewer) -> int:
    """Climb the rungs that are due and ring the duty phone if it is time. Doing it again changes nothing."""
    held = everyone().select_for_update(of=("self",), no_key=True).filter(pk=alert_id).first()
    if held is None or held.status == Alert.Status.CLOSED:
        return 0
    due = rules.escalation_due(
        reads.limits().severities[held.severity],
        times=held.times(),
        level=held.escalation_level,
        phone_rung=held.duty_phone_at is not None,
        respond_by=held.respond_by,
        at=at,
    )
    late = rules.close_is_late(times=held.times(), close_by=held.close_by, told=_was_told_late(held), at=at)
    if not due.rungs and not due.duty_phone and not late:
        return 0
    people = reads.team(department_id=held.department_id, encounter_id=held.encounter_id, at=at).candidates
    if due.duty_phone:
        _ring_duty_phone(held, people, at, by)
    for number, rung in enumerate(due.rungs, start=held.escalation_level + 1):
        _climb(held, rung.role, number, people, at, by)
    if late:
        _tell_late(held, people, at, by)
    return len(due.rungs) + int(due.duty_phone) + int(late)


def _was_told_late(alert: Alert) -> bool:
    history = AlertAction.objects.unscoped("history of a locked alert").filter(alert=alert, code=LATE)
    return history.filter(at__gte=alert.accepted_at or alert.raised_at).exists()


def _tell_late(alert: Alert, people: Sequence[rules.Candidate], at: datetime, by: Viewer) -> None:
    """The owner keeps it; the head knows."""
    head = rules.first_of(people, rules.HEAD) or rules.first_of(people, rules.OVERSIGHT)
    everyone().filter(pk=alert.pk).update(escalated_at=at, updated_at=at)
    log(alert, AlertAction.Kind.ESCALATED, at, by, code=LATE, to_id=head)
    if head is not None:
        notify(alert, head, Notice.Why.ESCALATION, at)
    record(
        AlertEscalated(
            alert_id=alert.pk, patient_id=alert.patient_id, level=alert.escalation_level, role=LATE, to_id=head
        ),
        by=by,
    )


def _ring_duty_phone(alert: Alert, people: Sequence[rules.Candidate], at: datetime, by: Viewer) -> None:
    on_duty = rules.first_of(people, rules.DUTY) or rules.first_of(people, rules.HEAD)
    everyone().filter(pk=alert.pk).update(duty_phone_at=at, updated_at=at)
    log(alert, AlertAction.Kind.DUTY_PHONE, at, by, to_id=on_duty)
    if on_duty is not None:
        notify(alert, on_duty, Notice.Why.DUTY_PHONE, at)
    record(DutyPhoneRung(alert_id=alert.pk, patient_id=alert.patient_id, to_id=on_duty), by=by)


def _climb(alert: Alert, role: str, level: int, people: Sequence[rules.Candidate], at: datetime, by: Viewer) -> None:
    told = rules.first_of(people, role)
    everyone().filter(pk=alert.pk).update(
        escalation_level=level, escalated_at=at, owner_id=Coalesce(F("owner_id"), told), updated_at=at
    )
    log(alert, AlertAction.Kind.ESCALATED, at, by, code=role, to_id=told)
    if told is not None:
        notify(alert, told, Notice.Why.ESCALATION, at)
    record(AlertEscalated(alert_id=alert.pk, patient_id=alert.patient_id, level=level, role=role, to_id=told), by=by)
