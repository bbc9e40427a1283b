"""Background work of alerts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from careloop.alerts import actions, reads
from careloop.kernel.jobs import job, periodic
from careloop.kernel.viewer import Viewer
from careloop.patients.actions import set_risk
from careloop.tasks.actions import carry_risk


@job()
def judge_response(*, event: dict[str, Any]) -> None:
    """Answers were completed (or amended): what their form's rules found becomes alerts, each once, and the risk, which
    the open calls of this patient show and are weighed by.
    """
    by = Viewer.system("alerts.judge_response")
    response_id = UUID(event["response_id"])
    findings = reads.findings_of(response_id)
    at = timezone.now()
    if findings:
        actions.raise_alerts(response_id=response_id, findings=findings, at=at, by=by)
    worst, reason = (findings[0].severity, findings[0].rule_code) if findings else ("ok", "nothing-found")
    patient_id = UUID(event["patient_id"])
    set_risk(patient_id=patient_id, risk=worst, reason=reason, at=at, by=by)
    carry_risk(patient_id=patient_id, risk=worst, at=at, by=by)


@job()
def text_new_owner(*, event: dict[str, Any]) -> None:
    """An urgent alert was raised or handed over: its owner's telephone says so."""
    to_id = event.get("owner_id") or event.get("to_id")
    if to_id:
        by, alert_id = Viewer.system("alerts.text_new_owner"), UUID(event["alert_id"])
        actions.text_owner(alert_id=alert_id, to_id=UUID(to_id), key=f"owner:{to_id}", at=timezone.now(), by=by)


@job()
def text_escalation(*, event: dict[str, Any]) -> None:
    """An alert climbed: whoever it climbed to is told by message."""
    if event.get("to_id"):
        actions.text_escalation(
            alert_id=UUID(event["alert_id"]), to_id=UUID(event["to_id"]), level=event["level"], role=event["role"],
            at=timezone.now(), by=Viewer.system("alerts.text_escalation"),
        )  # fmt: skip


@job()
def text_duty_phone(*, event: dict[str, Any]) -> None:
    """Nobody took a critical alert in its first minutes: the duty phone rings."""
    if event.get("to_id"):
        actions.text_duty_phone(
            alert_id=UUID(event["alert_id"]), to_id=UUID(event["to_id"]), at=timezone.now(),
            by=Viewer.system("alerts.text_duty_phone"),
        )  # fmt: skip


@job()
def tell_of_emergency_access(*, event: dict[str, Any]) -> None:
    """A record was opened in an emergency: whoever answers for the patient's departments is told."""
    by = Viewer.system("alerts.tell_of_emergency_access")
    actions.tell_of_emergency_access(grant_id=UUID(event["grant_id"]), at=timezone.now(), by=by)


@periodic("* * * * *")
def escalate_due(timestamp: int) -> None:
    """Every minute: what was not accepted or closed in time goes up. Each alert has its own transaction."""
    at = datetime.fromtimestamp(timestamp, UTC)
    by = Viewer.system("alerts.escalate_due")
    for alert_id in reads.overdue_ids(at=at):
        actions.escalate(alert_id=alert_id, at=at, by=by)
