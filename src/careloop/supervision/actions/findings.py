"""What was found wrong becomes a work order with an owner and a deadline, and ends only when another person has looked."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.models import uuid7
from careloop.kernel.viewer import Viewer
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.supervision import access, events
from careloop.supervision.models import Finding, FindingStep, SampledRecord
from careloop.supervision.reads import content
from careloop.tasks import actions as tasks
from careloop.tasks.models import Task

CODES = ("differs", "no-call", "invented", "incomplete", "wrong-person", "late", "other")
Status = Finding.Status


class EvidenceNeeded(Refused):
    code = "evidence-needed"
    message = _("Write what was done or seen; at least ten characters. Nothing is closed without evidence.")
    status = 422


class OwnFinding(Refused):
    code = "own-finding"
    message = _("Nobody raises or closes a finding about their own record.")


class FindingNotThere(Refused):
    code = "finding-not-there"
    message = _("This finding has gone on meanwhile. Load the page again.")


class UnknownFinding(Refused):
    code = "unknown-finding"
    message = _("Choose what is to be put right and how serious it is.")
    status = 422


def _for_the_department(by: Viewer) -> Viewer:
    """Work orders go to the person responsible, also where the patient's record is closed to who found it."""
    return replace(by, everything=True)


@action
def raise_finding(
    *,
    key: str,
    response: QuestionnaireResponse,
    department_id: UUID,
    code: str,
    severity: str,
    note: str,
    at: datetime,
    by: Viewer,
    row: SampledRecord | None = None,
) -> Finding:
    """Ask the author to put it right, by a deadline that depends on how serious it is. Same key: the same finding.

    Refused about one's own record, with an unknown code, and while the record is still blind.
    """
    existing = Finding.objects.visible_to(by).filter(key=key).first()
    if existing is not None:
        return existing
    if response.author_id is None or response.author_id == by.practitioner_id or by.practitioner_id is None:
        raise OwnFinding
    if code not in CODES or severity not in Finding.Severity.values:
        raise UnknownFinding
    made = Finding(
        pk=uuid7(), key=key, patient_id=response.patient_id, department_id=department_id, response=response, record=row,
        responsible_id=response.author_id, raised_by_id=by.practitioner_id, raised_at=at, code=code, severity=severity,
        note=note.strip()[:500], due_at=_deadline(severity, at),
    )  # fmt: skip
    made.task = _work_order(made, at, by)
    made.save(force_insert=True)
    _step(made, "raised", note, at, by)
    record(events.FindingRaised(finding_id=made.pk, patient_id=made.patient_id, code=code, severity=severity), by=by)
    return made


def _deadline(severity: str, at: datetime) -> datetime:
    return at + timedelta(days=content.sampling()["rectify_within_days"][severity])


def _work_order(finding: Finding, at: datetime, by: Viewer) -> Task:
    key = f"supervision:finding:{finding.pk}:{finding.rounds}"
    asked = tasks.TaskRequest(
        key=key, patient_id=finding.patient_id, department_id=finding.department_id, kind=Task.Kind.WORK_ORDER,
        available_at=at, due_at=finding.due_at, owner_id=finding.responsible_id, focus_id=finding.pk,
        step_code="rectify", step_title=str(_("Put a follow-up record right")),
    )  # fmt: skip
    tasks.request_tasks(requests=[asked], by=_for_the_department(by))
    return Task.objects.unscoped("the work order of this finding").get(key=key)


def _step(finding: Finding, kind: str, text: str, at: datetime, by: Viewer) -> None:
    FindingStep.objects.unscoped("creating").create(
        finding=finding, patient_id=finding.patient_id, kind=kind, text=text.strip()[:1000],
        by_practitioner_id=_person(by), at=at,
    )  # fmt: skip


def _person(by: Viewer) -> UUID:
    """Findings are raised, answered and closed by people."""
    if by.practitioner_id is None:
        raise OwnFinding
    return by.practitioner_id


def _locked(finding: Finding, by: Viewer, *, status: str) -> Finding:
    found = Finding.objects.visible_to(by).select_for_update(of=("self",), no_key=True).filter(pk=finding.pk).first()
    if found is None or found.status != status:
        raise FindingNotThere
    return found


def _said(text: str) -> str:
    if len(text.strip()) < 10:
        raise EvidenceNeeded
    return text.strip()


@action
def answer_finding(*, finding: Finding, evidence: str, at: datetime, by: Viewer) -> Finding:
    """What was done, with evidence, by the person responsible. The work order ends; the finding waits for a look."""
    locked = _locked(finding, by, status=Status.OPEN)
    if locked.responsible_id != by.practitioner_id:
        raise FindingNotThere
    told = _said(evidence)
    tasks.close_tasks(task_ids=[locked.task_id], reason="rectified", at=at, by=_for_the_department(by))
    locked.status = Status.ANSWERED
    locked.save(update_fields=["status", "updated_at"])
    _step(locked, "answered", told, at, by)
    record(events.FindingAnswered(finding_id=locked.pk, patient_id=locked.patient_id), by=by)
    return locked


@action
def return_finding(*, finding: Finding, why: str, at: datetime, by: Viewer) -> Finding:
    """The evidence does not convince: a new work order with a new deadline. Refused to the person responsible."""
    locked = _for_a_look(finding, by)
    told = _said(why)
    locked.rounds += 1
    locked.due_at = _deadline(locked.severity, at)
    locked.task = _work_order(locked, at, by)
    locked.status = Status.OPEN
    locked.save()
    _step(locked, "returned", told, at, by)
    record(events.FindingReturned(finding_id=locked.pk, patient_id=locked.patient_id), by=by)
    return locked


@action
def close_finding(*, finding: Finding, seen: str, at: datetime, by: Viewer) -> Finding:
    """Looked at again and found right; says what was looked at. Refused to the person responsible and before an answer."""
    locked = _for_a_look(finding, by)
    told = _said(seen)
    locked.status, locked.closed_at, locked.closed_by_id = Status.CLOSED, at, by.practitioner_id
    locked.save()
    _step(locked, "closed", told, at, by)
    record(events.FindingClosed(finding_id=locked.pk, patient_id=locked.patient_id), by=by)
    return locked


def _for_a_look(finding: Finding, by: Viewer) -> Finding:
    locked = _locked(finding, by, status=Status.ANSWERED)
    if locked.responsible_id == by.practitioner_id:
        raise OwnFinding
    if not (by.can(access.CHECK) or locked.raised_by_id == by.practitioner_id):
        raise FindingNotThere
    return locked
