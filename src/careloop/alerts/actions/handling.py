"""The owner's steps: seen, accepted, handed over, acted on, closed, taken back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from careloop.alerts import reads, rules
from careloop.alerts.actions._ledger import (
    AlertNotYours,
    again,
    as_owner_of,
    ask_for_work,
    everyone,
    give_work,
    locked,
    log,
    notify,
    own,
    restored,
    snapshot,
)
from careloop.alerts.events import (
    AlertAccepted,
    AlertActed,
    AlertClosed,
    AlertHandedOver,
    AlertSeen,
    AlertStepUndone,
)
from careloop.alerts.models import Alert, AlertAction, Notice
from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.messaging import actions as messaging
from careloop.patients.actions import issue_link
from careloop.tasks import actions as tasks
from careloop.tasks.models import Task
from careloop.tasks.rules import TaskRequest

ASK_TO_MEASURE: Final = "ask-to-measure"  # the deed that sends the patient a message
LINK_LASTS: Final = timedelta(days=7)
HANDLED: Final = "alert-handled"  # why a work order ends: its alert was closed, with the code kept on the alert


class AlertTaken(Refused):
    """Somebody else accepted it first, or it is closed."""

    code = "alert-taken"
    message = _("A colleague has already accepted this alert.")


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
    """The new owner does not exist, cannot sign in, may not handle its alerts, or is the owner already."""

    code = "alert-hand-over"
    message = _("Choose another colleague who can sign in and may handle alerts here.")


class NothingToUndo(Refused):
    """The undo time is over, or somebody else went on."""

    code = "alert-nothing-to-undo"
    message = _("The time to undo is over.")


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
        everyone()
        .filter(pk=alert.pk, status=Alert.Status.RAISED)
        .update(status=Alert.Status.SEEN, seen_at=max(at, alert.raised_at), updated_at=at)
    )
    if changed:
        log(alert, AlertAction.Kind.SEEN, at, by)
    return bool(changed)


@action
def accept(*, alert: Alert, at: datetime, by: Viewer) -> Alert:
    """Take it on: who accepts owns it. Of two who accept at the same moment one is refused."""
    held = locked(alert, by)
    if not rules.may(rules.ACCEPTED, state=held.status):
        raise AlertIsClosed if held.status == Alert.Status.CLOSED else AlertTaken
    before = snapshot(held)
    everyone().filter(pk=held.pk).update(
        status=Alert.Status.ACCEPTED,
        accepted_at=at,
        accepted_by_id=by.practitioner_id,
        owner_id=by.practitioner_id,
        seen_at=Coalesce(F("seen_at"), at),
        updated_at=at,
    )
    log(held, AlertAction.Kind.ACCEPTED, at, by, before=before)
    give_work(held, by.practitioner_id, at, by)
    record(AlertAccepted(alert_id=held.pk, patient_id=held.patient_id), by=by)
    return again(held)


@action
def hand_over(*, alert: Alert, to: UUID, note: str = "", at: datetime, by: Viewer) -> Alert:
    """Give it to a colleague, who has to accept it in turn. The clock goes on; at least a few minutes are left.

    Whoever sees it and may handle alerts may do so, not only its owner: at the end of a shift the owner is on the way
    home or beside another bed, and an alert that only its owner can pass on waits for the ladder. Nothing is lost by it:
    the ledger names who passed it on, the old owner is no longer answerable, and the new one has to accept.
    Refused when the new owner may not handle alerts of this department: it would lie there, or show a patient to
    somebody who has no part in the care.
    """
    held = locked(alert, by)
    if held.status == Alert.Status.CLOSED:
        raise AlertIsClosed
    if to == held.owner_id or not reads.may_own(held, to, at=at):
        raise NobodyToHandOverTo
    before = snapshot(held)
    deadline = rules.respond_by_after_hand_over(reads.limits(), respond_by=held.respond_by, at=at)
    everyone().filter(pk=held.pk).update(
        status=Alert.Status.RAISED,
        owner_id=to,
        seen_at=None,
        accepted_at=None,
        accepted_by_id=None,
        acted_at=None,
        respond_by=deadline,
        updated_at=at,
    )
    log(held, AlertAction.Kind.HANDED_OVER, at, by, note=note, to_id=to, before=before)
    notify(held, to, Notice.Why.OWNER, at)
    give_work(held, to, at, by)
    record(AlertHandedOver(alert_id=held.pk, patient_id=held.patient_id, to_id=to), by=by)
    return again(held)


@action
def act(*, alert: Alert, code: str, note: str = "", days: int = 3, at: datetime, by: Viewer) -> Alert:
    """Write down what was done. Two deeds do themselves at once: an extra follow-up so many `days` from now is put on
    the list, and a patient who shall measure again is asked to, with a link to note the result.
    """
    if reads.choices().action(code) is None:
        raise UnknownChoice
    held = own(alert, by)
    if not rules.may(rules.ACTED, state=held.status):
        raise AlertIsClosed if held.status == Alert.Status.CLOSED else AlertNotYours
    before = {} if code == ASK_TO_MEASURE else snapshot(held)  # a message that left is not taken back
    everyone().filter(pk=held.pk).update(status=Alert.Status.ACTED, acted_at=Coalesce(F("acted_at"), at), updated_at=at)
    entry = log(held, AlertAction.Kind.ACTED, at, by, code=code, note=note, before=before)
    if code == "extra-visit":
        _ask_for_visit(held, entry, days, at, by)
    elif code == ASK_TO_MEASURE:
        _ask_to_measure(held, entry, at, by)
    record(AlertActed(alert_id=held.pk, patient_id=held.patient_id, code=code), by=by)
    return again(held)


def _ask_for_visit(alert: Alert, entry: AlertAction, days: int, at: datetime, by: Viewer) -> None:
    due = at + timedelta(days=max(0, min(days, 365)))
    request = TaskRequest(
        key=f"extra-visit:{entry.pk}",
        patient_id=alert.patient_id,
        department_id=alert.department_id,
        encounter_id=alert.encounter_id,
        focus_id=alert.pk,
        step_title=alert.sentence_zh[:120],
        step_title_en=alert.sentence_en[:120],
        risk=alert.severity,
        available_at=min(due, max(at, due - timedelta(hours=12))),
        due_at=due,
    )
    tasks.request_tasks(requests=[request], by=by)


def _ask_to_measure(alert: Alert, entry: AlertAction, at: datetime, by: Viewer) -> None:
    """The patient's own reminder (M04). The message says nothing of the alert; its link opens the measuring page."""
    link = issue_link(
        patient_id=alert.patient_id, purpose="measurement", task_id=None, expires_at=at + LINK_LASTS, by=by
    )
    messaging.queue_message(
        key=f"alert-measure:{entry.pk}",
        patient_id=alert.patient_id,
        channel="sms",
        template_code="measurement-link",
        params={},
        link_id=link.pk,
        at=at,
        by=by,
    )


@action
def close(*, alert: Alert, code: str, note: str = "", at: datetime, by: Viewer) -> Alert:
    """The end, with a code. Refused without the deed that the code claims, and to anybody but the owner."""
    choice = reads.choices().closing(code)
    if choice is None:
        raise UnknownChoice
    held = own(alert, by)
    if held.status == Alert.Status.CLOSED:
        raise AlertIsClosed
    if not rules.may_close(choice, state=held.status):
        raise ClosingNeedsAction if rules.may(rules.CLOSED, state=held.status) else AlertNotYours
    before = snapshot(held)
    everyone().filter(pk=held.pk).update(
        status=Alert.Status.CLOSED,
        closed_at=at,
        closed_by_id=by.practitioner_id,
        closing_code=code,
        closing_note=note[:300],
        updated_at=at,
    )
    log(held, AlertAction.Kind.CLOSED, at, by, code=code, note=note, before=before)
    if held.work_order_id is not None:
        tasks.close_tasks(task_ids=[held.work_order_id], reason=HANDLED, at=at, by=as_owner_of(by))
    _tell_nurse_of_end(held, at)
    record(AlertClosed(alert_id=held.pk, patient_id=held.patient_id, code=code), by=by)
    return again(held)


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
    held = locked(alert, by)
    last = AlertAction.objects.unscoped("history of a visible alert").filter(
        alert=held, undone_at__isnull=True, kind__in=_UNDOABLE
    )
    step = last.order_by("-at", "-id").first()
    within = reads.limits().undo_within
    if step is None or step.by_practitioner_id != by.practitioner_id or step_id not in (None, step.pk):
        raise NothingToUndo
    if not step.before or not rules.may_undo(done_at=step.at, at=at, within=within):
        raise NothingToUndo
    everyone().filter(pk=held.pk).update(**restored(step.before), updated_at=at)
    AlertAction.objects.unscoped("the step just found").filter(pk=step.pk).update(undone_at=at)
    log(held, AlertAction.Kind.UNDONE, at, by, code=step.kind)
    fresh = again(held)
    if step.kind == AlertAction.Kind.CLOSED:
        ask_for_work(fresh, f"work-order:{fresh.pk}:{step.pk}", by)
    elif step.kind == AlertAction.Kind.ACTED and step.code == "extra-visit":
        _withdraw_visit(step, at, by)
    else:
        give_work(fresh, fresh.owner_id, at, by)
    record(AlertStepUndone(alert_id=held.pk, patient_id=held.patient_id, kind=step.kind), by=by)
    return fresh


def _withdraw_visit(step: AlertAction, at: datetime, by: Viewer) -> None:
    asked = Task.objects.unscoped("asked for by this step").filter(key=f"extra-visit:{step.pk}")
    ids = list(asked.values_list("pk", flat=True))
    tasks.close_tasks(task_ids=ids, reason="entered-in-error", at=at, by=as_owner_of(by))


_UNDOABLE = (
    AlertAction.Kind.ACCEPTED,
    AlertAction.Kind.HANDED_OVER,
    AlertAction.Kind.ACTED,
    AlertAction.Kind.CLOSED,
)
