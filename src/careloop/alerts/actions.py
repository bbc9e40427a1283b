"""Every write on alerts: raised once, seen, accepted, handed over, acted on, closed, undone, escalated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Practitioner
from careloop.alerts import access, reads, rules
from careloop.alerts.events import (
    AbsenceChanged,
    AlertAccepted,
    AlertActed,
    AlertClosed,
    AlertEscalated,
    AlertHandedOver,
    AlertRaised,
    AlertSeen,
    AlertStepUndone,
    DutyChanged,
    DutyPhoneRung,
)
from careloop.alerts.models import Absence, Alert, AlertAction, Duty, Notice
from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.tasks import actions as tasks
from careloop.tasks.models import Task
from careloop.tasks.rules import TaskRequest

HANDLED: Final = "alert-handled"  # why a work order ends: its alert was closed, with the code kept on the alert

LATE: Final = "close-late"  # the code of an escalation because an accepted alert was not closed in time


class AlertTaken(Refused):
    """Somebody else accepted it first, or it is closed."""

    code = "alert-taken"
    message = _("A colleague has already accepted this alert.")


class AlertNotYours(Refused):
    """Only the owner acts and closes, so that it is clear who did."""

    code = "alert-not-yours"
    message = _("Accept the alert first, or have it handed over to you.")


class AlertIsClosed(Refused):
    """Nothing more is done to a closed alert."""

    code = "alert-closed"
    message = _("This alert is closed.")


class UnknownChoice(Refused):
    """A code that is not on the list."""

    code = "alert-unknown-choice"
    message = _("Choose one of the listed actions.")


class ClosingNeedsAction(Refused):
    """A closing code that says something was done needs the deed in the ledger."""

    code = "alert-closing-needs-action"
    message = _("Record what was done first, then close.")


class NobodyToHandOverTo(Refused):
    """The new owner does not exist, cannot sign in, or is the owner already."""

    code = "alert-hand-over"
    message = _("Choose another colleague who can sign in.")


class NoSuchAnswers(Refused):
    """The answers do not exist, or are out of the viewer's sight."""

    code = "alert-no-such-answers"
    message = _("These answers are not here.")


class NothingToUndo(Refused):
    """The undo time is over, or somebody else went on."""

    code = "alert-nothing-to-undo"
    message = _("The time to undo is over.")


# --- raising ---------------------------------------------------------------------------------------------------


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
    _log(alert, AlertAction.Kind.RAISED, at, by, code=finding.rule_code, to_id=alert.owner_id)
    _tell_team(alert, people, at)
    _ask_for_work(alert, rules.work_order_key(key), by)
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
            _notify(alert, person, why, at)


def _notify(alert: Alert, practitioner_id: UUID, why: str, at: datetime) -> None:
    """Told again means unseen again."""
    Notice.objects.unscoped("a notice belongs to one person").update_or_create(
        alert=alert,
        practitioner_id=practitioner_id,
        why=why,
        defaults={"patient_id": alert.patient_id, "at": at, "seen_at": None},
    )


def _ask_for_work(alert: Alert, key: str, by: Viewer) -> None:
    request = TaskRequest(
        key=key,
        patient_id=alert.patient_id,
        department_id=alert.department_id,
        kind=Task.Kind.ALERT,
        owner_id=alert.owner_id,
        owner_role=alert.wanted_role,
        encounter_id=alert.encounter_id,
        focus_id=alert.pk,
        step_title=alert.sentence_zh[:120],
        risk=alert.severity,
        available_at=alert.raised_at,
        due_at=alert.deadline(),
        window_ends_at=alert.close_by,
    )
    tasks.request_tasks(requests=[request], by=by)
    made = Task.objects.unscoped("asked for a line above").values_list("pk", flat=True).get(key=key)
    _everyone().filter(pk=alert.pk).update(work_order_id=made)
    alert.work_order_id = made


def _log(
    alert: Alert,
    kind: str,
    at: datetime,
    by: Viewer,
    *,
    code: str = "",
    note: str = "",
    to_id: UUID | None = None,
    before: Mapping[str, Any] | None = None,
) -> AlertAction:
    entry = AlertAction(
        alert=alert,
        patient_id=alert.patient_id,
        kind=kind,
        code=code[:40],
        note=note[:300],
        at=at,
        by_practitioner_id=by.practitioner_id,
        to_practitioner_id=to_id,
        before=dict(before or {}),
    )
    entry.save(force_insert=True)
    return entry


def _everyone() -> Any:
    return Alert.objects.unscoped("the row was found through the viewer's scope")


# --- the owner's steps -----------------------------------------------------------------------------------------


@action
def mark_seen(*, alert: Alert, at: datetime, by: Viewer) -> bool:
    """The owner (or the stand-in, or anybody while nobody owns it) opened it. Opening it again changes nothing."""
    mine = [by.practitioner_id] if by.practitioner_id else []
    noticed = (
        Notice.objects.unscoped("one's own notices")
        .filter(alert=alert, practitioner_id__in=mine, seen_at__isnull=True)
        .update(seen_at=at)
    )
    fresh = Alert.objects.visible_to(by).filter(pk=alert.pk, status=Alert.Status.RAISED).first()
    first = fresh is not None and _concerns(fresh, by) and _see(fresh, at, by)
    if noticed or first:
        record(AlertSeen(alert_id=alert.pk, patient_id=alert.patient_id), by=by)
    return first


def _concerns(alert: Alert, by: Viewer) -> bool:
    return alert.owner_id is None or by.practitioner_id in {alert.owner_id, alert.stand_in_id}


def _see(alert: Alert, at: datetime, by: Viewer) -> bool:
    changed = (
        _everyone()
        .filter(pk=alert.pk, status=Alert.Status.RAISED)
        .update(status=Alert.Status.SEEN, seen_at=max(at, alert.raised_at), updated_at=at)
    )
    if changed:
        _log(alert, AlertAction.Kind.SEEN, at, by)
    return bool(changed)


@action
def accept(*, alert: Alert, at: datetime, by: Viewer) -> Alert:
    """Take it on: who accepts owns it. Of two who accept at the same moment one is refused."""
    held = _locked(alert, by)
    if not rules.may(rules.ACCEPTED, state=held.status):
        raise AlertIsClosed if held.status == Alert.Status.CLOSED else AlertTaken
    before = _snapshot(held)
    _everyone().filter(pk=held.pk).update(
        status=Alert.Status.ACCEPTED,
        accepted_at=at,
        accepted_by_id=by.practitioner_id,
        owner_id=by.practitioner_id,
        seen_at=Coalesce(F("seen_at"), at),
        updated_at=at,
    )
    _log(held, AlertAction.Kind.ACCEPTED, at, by, before=before)
    _give_work(held, by.practitioner_id, at, by)
    record(AlertAccepted(alert_id=held.pk, patient_id=held.patient_id), by=by)
    return _again(held)


@action
def hand_over(*, alert: Alert, to: UUID, note: str = "", at: datetime, by: Viewer) -> Alert:
    """Give it to a colleague, who has to accept it in turn. The clock goes on; at least a few minutes are left."""
    held = _locked(alert, by)
    if held.status == Alert.Status.CLOSED:
        raise AlertIsClosed
    usable = Practitioner.objects.filter(pk=to, is_active=True, username__isnull=False)
    if to == held.owner_id or not usable.exists():
        raise NobodyToHandOverTo
    before = _snapshot(held)
    deadline = rules.respond_by_after_hand_over(reads.limits(), respond_by=held.respond_by, at=at)
    _everyone().filter(pk=held.pk).update(
        status=Alert.Status.RAISED,
        owner_id=to,
        seen_at=None,
        accepted_at=None,
        accepted_by_id=None,
        acted_at=None,
        respond_by=deadline,
        updated_at=at,
    )
    _log(held, AlertAction.Kind.HANDED_OVER, at, by, note=note, to_id=to, before=before)
    _notify(held, to, Notice.Why.OWNER, at)
    _give_work(held, to, at, by)
    record(AlertHandedOver(alert_id=held.pk, patient_id=held.patient_id, to_id=to), by=by)
    return _again(held)


@action
def act(*, alert: Alert, code: str, note: str = "", days: int = 3, at: datetime, by: Viewer) -> Alert:
    """Write down what was done. An extra follow-up is put on the list at once, so many `days` from now."""
    if reads.choices().action(code) is None:
        raise UnknownChoice
    held = _own(alert, by)
    if not rules.may(rules.ACTED, state=held.status):
        raise AlertIsClosed if held.status == Alert.Status.CLOSED else AlertNotYours
    before = _snapshot(held)
    _everyone().filter(pk=held.pk).update(
        status=Alert.Status.ACTED, acted_at=Coalesce(F("acted_at"), at), updated_at=at
    )
    entry = _log(held, AlertAction.Kind.ACTED, at, by, code=code, note=note, before=before)
    if code == "extra-visit":
        _ask_for_visit(held, entry, days, at, by)
    record(AlertActed(alert_id=held.pk, patient_id=held.patient_id, code=code), by=by)
    return _again(held)


def _ask_for_visit(alert: Alert, entry: AlertAction, days: int, at: datetime, by: Viewer) -> None:
    due = at + timedelta(days=max(0, min(days, 365)))
    request = TaskRequest(
        key=f"extra-visit:{entry.pk}",
        patient_id=alert.patient_id,
        department_id=alert.department_id,
        encounter_id=alert.encounter_id,
        focus_id=alert.pk,
        step_title=alert.sentence_zh[:120],
        risk=alert.severity,
        available_at=min(due, max(at, due - timedelta(hours=12))),
        due_at=due,
    )
    tasks.request_tasks(requests=[request], by=by)


@action
def close(*, alert: Alert, code: str, note: str = "", at: datetime, by: Viewer) -> Alert:
    """The end, with a code. Refused without the deed that the code claims, and to anybody but the owner."""
    choice = reads.choices().closing(code)
    if choice is None:
        raise UnknownChoice
    held = _own(alert, by)
    if held.status == Alert.Status.CLOSED:
        raise AlertIsClosed
    if not rules.may_close(choice, state=held.status):
        raise ClosingNeedsAction if rules.may(rules.CLOSED, state=held.status) else AlertNotYours
    before = _snapshot(held)
    _everyone().filter(pk=held.pk).update(
        status=Alert.Status.CLOSED,
        closed_at=at,
        closed_by_id=by.practitioner_id,
        closing_code=code,
        closing_note=note[:300],
        updated_at=at,
    )
    _log(held, AlertAction.Kind.CLOSED, at, by, code=code, note=note, before=before)
    if held.work_order_id is not None:
        tasks.close_tasks(task_ids=[held.work_order_id], reason=HANDLED, at=at, by=_as_owner_of(by))
    _tell_nurse_of_end(held, at)
    record(AlertClosed(alert_id=held.pk, patient_id=held.patient_id, code=code), by=by)
    return _again(held)


def _tell_nurse_of_end(alert: Alert, at: datetime) -> None:
    """The nurse who was told of the alert is told that it is over."""
    Notice.objects.unscoped("told again by the same row").filter(alert=alert, why=Notice.Why.NURSE).update(
        at=at, seen_at=None
    )


@action
def undo(*, alert: Alert, at: datetime, by: Viewer, step_id: UUID | None = None) -> Alert:
    """Take back one's own last step while nobody went on. The step stays in the history, marked.

    `step_id` names the step that is meant: an older toast's button takes back nothing else.
    """
    held = _locked(alert, by)
    last = AlertAction.objects.unscoped("history of a visible alert").filter(
        alert=held, undone_at__isnull=True, kind__in=_UNDOABLE
    )
    step = last.order_by("-at", "-id").first()
    within = reads.limits().undo_within
    if step is None or step.by_practitioner_id != by.practitioner_id or step_id not in (None, step.pk):
        raise NothingToUndo
    if not step.before or not rules.may_undo(done_at=step.at, at=at, within=within):
        raise NothingToUndo
    _everyone().filter(pk=held.pk).update(**_restored(step.before), updated_at=at)
    AlertAction.objects.unscoped("the step just found").filter(pk=step.pk).update(undone_at=at)
    _log(held, AlertAction.Kind.UNDONE, at, by, code=step.kind)
    fresh = _again(held)
    if step.kind == AlertAction.Kind.CLOSED:
        _ask_for_work(fresh, f"work-order:{fresh.pk}:{step.pk}", by)
    elif step.kind == AlertAction.Kind.ACTED and step.code == "extra-visit":
        _withdraw_visit(step, at, by)
    else:
        _give_work(fresh, fresh.owner_id, at, by)
    record(AlertStepUndone(alert_id=held.pk, patient_id=held.patient_id, kind=step.kind), by=by)
    return fresh


def _withdraw_visit(step: AlertAction, at: datetime, by: Viewer) -> None:
    asked = Task.objects.unscoped("asked for by this step").filter(key=f"extra-visit:{step.pk}")
    ids = list(asked.values_list("pk", flat=True))
    tasks.close_tasks(task_ids=ids, reason="entered-in-error", at=at, by=_as_owner_of(by))


_UNDOABLE = (
    AlertAction.Kind.ACCEPTED,
    AlertAction.Kind.HANDED_OVER,
    AlertAction.Kind.ACTED,
    AlertAction.Kind.CLOSED,
)
_STEP_COLUMNS = (
    "status", "owner_id", "accepted_by_id", "closed_by_id", "closing_code", "closing_note", "respond_by", "seen_at",
    "accepted_at", "acted_at", "closed_at",
)  # fmt: skip


def _snapshot(alert: Alert) -> dict[str, Any]:
    return {name: _plain(getattr(alert, name)) for name in _STEP_COLUMNS}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def _restored(before: Mapping[str, Any]) -> dict[str, Any]:
    times = {name for name in _STEP_COLUMNS if name.endswith("_at") or name == "respond_by"}
    return {
        name: parse_datetime(value) if name in times and value is not None else value for name, value in before.items()
    }


def _locked(alert: Alert, by: Viewer) -> Alert:
    """The row as it is now, held until the end of the action. Refused when it is out of the viewer's sight."""
    held = Alert.objects.visible_to(by).select_for_update(of=("self",), no_key=True).filter(pk=alert.pk).first()
    if held is None:
        raise AlertNotYours
    return held


def _own(alert: Alert, by: Viewer) -> Alert:
    held = _locked(alert, by)
    if held.owner_id != by.practitioner_id:
        raise AlertNotYours
    return held


def _again(alert: Alert) -> Alert:
    found: Alert = _everyone().select_related("patient", "department", "owner", "stand_in").get(pk=alert.pk)
    return found


def _give_work(alert: Alert, owner_id: UUID | None, at: datetime, by: Viewer) -> None:
    if alert.work_order_id is not None:
        tasks.assign_tasks(
            task_ids=[alert.work_order_id], owner_id=owner_id, at=at, by=_as_owner_of(by), why="alert-owner"
        )


def _as_owner_of(by: Viewer) -> Viewer:
    """The work order follows its alert, also into a colleague's hands whose tasks this viewer does not see."""
    return Viewer(
        actor=by.actor,
        practitioner_id=by.practitioner_id,
        everything=True,
        session_id=by.session_id,
        ip=by.ip,
        request_id=by.request_id,
    )


# --- escalation ------------------------------------------------------------------------------------------------


@action
def escalate(*, alert_id: UUID, at: datetime, by: Viewer) -> int:
    """Climb the rungs that are due and ring the duty phone if it is time. Doing it again changes nothing."""
    held = _everyone().select_for_update(of=("self",), no_key=True).filter(pk=alert_id).first()
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
    _everyone().filter(pk=alert.pk).update(escalated_at=at, updated_at=at)
    _log(alert, AlertAction.Kind.ESCALATED, at, by, code=LATE, to_id=head)
    if head is not None:
        _notify(alert, head, Notice.Why.ESCALATION, at)
    record(
        AlertEscalated(alert_id=alert.pk, patient_id=alert.patient_id, level=alert.escalation_level, role=LATE), by=by
    )


def _ring_duty_phone(alert: Alert, people: Sequence[rules.Candidate], at: datetime, by: Viewer) -> None:
    on_duty = rules.first_of(people, rules.DUTY) or rules.first_of(people, rules.HEAD)
    _everyone().filter(pk=alert.pk).update(duty_phone_at=at, updated_at=at)
    _log(alert, AlertAction.Kind.DUTY_PHONE, at, by, to_id=on_duty)
    if on_duty is not None:
        _notify(alert, on_duty, Notice.Why.DUTY_PHONE, at)
    record(DutyPhoneRung(alert_id=alert.pk, patient_id=alert.patient_id), by=by)


def _climb(alert: Alert, role: str, level: int, people: Sequence[rules.Candidate], at: datetime, by: Viewer) -> None:
    told = rules.first_of(people, role)
    _everyone().filter(pk=alert.pk).update(
        escalation_level=level, escalated_at=at, owner_id=Coalesce(F("owner_id"), told), updated_at=at
    )
    _log(alert, AlertAction.Kind.ESCALATED, at, by, code=role, to_id=told)
    if told is not None:
        _notify(alert, told, Notice.Why.ESCALATION, at)
    record(AlertEscalated(alert_id=alert.pk, patient_id=alert.patient_id, level=level, role=role), by=by)


# --- who answers -----------------------------------------------------------------------------------------------


class NotYourDepartment(Refused):
    """Duty lists are kept by those who oversee the department."""

    code = "duty-not-yours"
    message = _("This department or this colleague is not in your care.")


@action
def set_duty(
    *,
    organization_id: UUID,
    kind: str,
    practitioner_id: UUID,
    phone: str,
    valid_from: datetime,
    valid_to: datetime | None,
    at: datetime,
    by: Viewer,
) -> Duty:
    """Somebody answers for a department from now on or for a while. The latest entry counts first."""
    _refuse_foreign_department(organization_id, by)
    _refuse_nobody(practitioner_id)
    duty = Duty(
        organization_id=organization_id,
        kind=kind,
        practitioner_id=practitioner_id,
        phone=phone[:30],
        valid_from=valid_from,
        valid_to=valid_to,
    )
    duty.save(force_insert=True)
    record(DutyChanged(organization_id=organization_id, kind=kind), by=by)
    return duty


@action
def end_duty(*, duty: Duty, at: datetime, by: Viewer) -> None:
    """Over from now on; one that has not begun is taken back. Ending it again changes nothing."""
    _refuse_foreign_department(duty.organization_id, by)
    running = Duty.objects.filter(pk=duty.pk, valid_from__lt=at).exclude(valid_to__lte=at)
    changed = running.update(valid_to=at) or Duty.objects.filter(pk=duty.pk, valid_from__gte=at).delete()[0]
    if changed:
        record(DutyChanged(organization_id=duty.organization_id, kind=duty.kind), by=by)


@action
def set_absence(
    *,
    practitioner_id: UUID,
    stand_in_id: UUID | None,
    valid_from: datetime,
    valid_to: datetime | None,
    at: datetime,
    by: Viewer,
) -> Absence:
    """Somebody is away; new alerts go to the stand-in. One's own absence needs no further right."""
    if practitioner_id != by.practitioner_id:
        _refuse_foreign_colleague(practitioner_id, by)
    if stand_in_id is not None:
        _refuse_nobody(stand_in_id)
    absence = Absence(
        practitioner_id=practitioner_id, stand_in_id=stand_in_id, valid_from=valid_from, valid_to=valid_to
    )
    absence.save(force_insert=True)
    record(AbsenceChanged(practitioner_id=practitioner_id), by=by)
    return absence


@action
def end_absence(*, absence: Absence, at: datetime, by: Viewer) -> None:
    """Back again. An absence that has not begun is taken back."""
    if absence.practitioner_id != by.practitioner_id:
        _refuse_foreign_colleague(absence.practitioner_id, by)
    running = Absence.objects.filter(pk=absence.pk, valid_from__lt=at).exclude(valid_to__lte=at)
    changed = running.update(valid_to=at) or Absence.objects.filter(pk=absence.pk, valid_from__gte=at).delete()[0]
    if changed:
        record(AbsenceChanged(practitioner_id=absence.practitioner_id), by=by)


def _refuse_foreign_department(organization_id: UUID, by: Viewer) -> None:
    wide = by.everything or by.hospital_wide
    if not (by.can(access.OVERSEE) and (wide or organization_id in by.departments)):
        raise NotYourDepartment


def _refuse_foreign_colleague(practitioner_id: UUID, by: Viewer) -> None:
    home = Practitioner.objects.filter(pk=practitioner_id).values_list("organization_id", flat=True).first()
    if home is None:
        raise NotYourDepartment
    _refuse_foreign_department(home, by)


def _refuse_nobody(practitioner_id: UUID) -> None:
    if not Practitioner.objects.filter(pk=practitioner_id, is_active=True, username__isnull=False).exists():
        raise NobodyToHandOverTo
