"""Raised once: the alert, its owner, its work order, the people told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from careloop.alerts import reads, rules
from careloop.alerts.actions._ledger import (
    ask_for_work,
    log,
    notify,
)
from careloop.alerts.events import (
    AlertRaised,
)
from careloop.alerts.models import Alert, AlertAction, Notice
from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.questionnaires.models import QuestionnaireResponse


class NoSuchAnswers(Refused):
    """The answers do not exist, or are out of the viewer's sight."""

    code = "alert-no-such-answers"
    message = _("These answers are not here.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rule found, in the form alerts keep it. `evidence` holds the answers as they were given."""

    rule_code: str
    severity: str
    sentence_zh: str
    sentence_en: str = ""
    owner_role: str = rules.ATTENDING
    respond_within_minutes: int | None = None
    evidence: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the findings come from."""

    patient_id: UUID
    department_id: UUID
    encounter_id: UUID | None = None
    response_id: UUID | None = None
    task_id: UUID | None = None
    caller_id: UUID | None = None


class FiredRule(Protocol):
    """What alerts need to know of a rule that fired (questionnaires.rules.Finding is one)."""

    @property
    def rule_code(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def sentence_zh(self) -> str: ...
    @property
    def sentence_en(self) -> str: ...
    @property
    def owner_role(self) -> str: ...
    @property
    def respond_within_minutes(self) -> int | None: ...
    @property
    def evidence(self) -> tuple[str, ...]: ...


@action
def raise_alerts(*, response_id: UUID, findings: Sequence[FiredRule], at: datetime, by: Viewer) -> tuple[Alert, ...]:
    """The alerts of these findings about one response, completed or still being answered. Again: nothing new."""
    response = (
        QuestionnaireResponse.objects.visible_to(by).select_related("questionnaire").filter(pk=response_id).first()
    )
    if response is None:
        raise NoSuchAnswers
    source = reads.source_of(response)
    origin = Origin(
        patient_id=source.patient_id,
        department_id=source.department_id,
        encounter_id=source.encounter_id,
        response_id=response.pk,
        task_id=source.task_id,
        caller_id=source.caller_id,
    )
    kept = [
        Finding(
            rule_code=fired.rule_code,
            severity=fired.severity,
            sentence_zh=fired.sentence_zh,
            sentence_en=fired.sentence_en,
            owner_role=fired.owner_role,
            respond_within_minutes=fired.respond_within_minutes,
            evidence=reads.evidence(response, fired.evidence),
        )
        for fired in findings
    ]
    return raise_findings(origin=origin, findings=kept, at=at, by=by)


@action
def raise_findings(*, origin: Origin, findings: Sequence[Finding], at: datetime, by: Viewer) -> tuple[Alert, ...]:
    """One alert with its work order for each finding that has none yet. The same findings again raise nothing."""
    if not findings:
        return ()
    people = reads.team(
        department_id=origin.department_id, encounter_id=origin.encounter_id, at=at, caller_id=origin.caller_id
    )
    raised = [_raise_one(origin, finding, people, at, by) for finding in findings]
    return tuple(alert for alert in raised if alert is not None)


def _raise_one(origin: Origin, finding: Finding, people: reads.Team, at: datetime, by: Viewer) -> Alert | None:
    source = origin.response_id or origin.task_id or origin.patient_id
    key = rules.alert_key(response_id=source, rule_code=finding.rule_code)
    alert, is_new = Alert.objects.unscoped("the key is unique across departments").get_or_create(
        key=key, defaults=_columns(origin, finding, people, at)
    )
    if not is_new:
        return None
    log(alert, AlertAction.Kind.RAISED, at, by, code=finding.rule_code, to_id=alert.owner_id)
    _tell_team(alert, people, at)
    ask_for_work(alert, rules.work_order_key(key), by)
    record(
        AlertRaised(
            alert_id=alert.pk,
            patient_id=alert.patient_id,
            severity=alert.severity,
            rule_code=alert.rule_code,
            owner_id=alert.owner_id,
        ),
        by=by,
    )
    return alert


def _columns(origin: Origin, finding: Finding, people: reads.Team, at: datetime) -> dict[str, Any]:
    table = reads.limits()
    severity = table.severities[finding.severity]
    owner = rules.resolve_owner(people.candidates, wanted=finding.owner_role)
    return {
        "patient_id": origin.patient_id,
        "department_id": origin.department_id,
        "encounter_id": origin.encounter_id,
        "response_id": origin.response_id,
        "source_task_id": origin.task_id,
        "rule_code": finding.rule_code,
        "severity": severity.code,
        "rank": severity.rank,
        "sentence_zh": finding.sentence_zh[:300],
        "sentence_en": finding.sentence_en[:300],
        "evidence": [dict(item) for item in finding.evidence],
        "limits_version": table.version,
        "wanted_role": finding.owner_role,
        "found_role": owner.role or "",
        "owner_id": owner.owner_id,
        "stand_in_id": owner.stand_in_id,
        "copied_to_id": people.attending_id,
        "respond_by": rules.respond_by(severity, raised_at=at, minutes=finding.respond_within_minutes),
        "close_by": rules.close_by(severity, raised_at=at),
        "raised_at": at,
    }


def _tell_team(alert: Alert, people: reads.Team, at: datetime) -> None:
    """The owner; the attending doctor gets a copy; the responsible nurse knows (M04)."""
    told = {alert.owner_id: Notice.Why.OWNER}
    told.setdefault(people.attending_id, Notice.Why.COPY)
    told.setdefault(people.nurse_id, Notice.Why.NURSE)
    for person, why in told.items():
        if person is not None:
            notify(alert, person, why, at)
