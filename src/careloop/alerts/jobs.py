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


@job()
def judge_response(*, event: dict[str, Any]) -> None:
    """Answers were completed (or amended): what their form's rules found becomes alerts, each once, and the risk."""
    by = Viewer.system("alerts.judge_response")
    response_id = UUID(event["response_id"])
    findings = reads.findings_of(response_id)
    at = timezone.now()
    if findings:
        actions.raise_alerts(response_id=response_id, findings=findings, at=at, by=by)
    worst, reason = (findings[0].severity, findings[0].rule_code) if findings else ("ok", "nothing-found")
    set_risk(patient_id=UUID(event["patient_id"]), risk=worst, reason=reason, at=at, by=by)


@periodic("* * * * *")
def escalate_due(timestamp: int) -> None:
    """Every minute: what was not accepted or closed in time goes up. Each alert has its own transaction."""
    at = datetime.fromtimestamp(timestamp, UTC)
    by = Viewer.system("alerts.escalate_due")
    for alert_id in reads.overdue_ids(at=at):
        actions.escalate(alert_id=alert_id, at=at, by=by)
