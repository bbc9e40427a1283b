"""What came out of a try to reach somebody, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.patients import actions as patients
from careloop.patients.models import ContactPoint
from careloop.tasks import reads, rules
from careloop.tasks.actions.finishing import (
    TaskNotOpen,
    UnknownOutcome,
    _hold_person,
    _locked_open,
    _write,
    close_tasks,
    complete_task,
)
from careloop.tasks.actions.requesting import request_tasks
from careloop.tasks.events import AttemptRecorded, CallPromised, TaskReopened, TaskSnoozed
from careloop.tasks.models import ContactAttempt, Task
from careloop.tasks.rules import Decision, Outcome, TaskRequest

UNDO_WITHIN = timedelta(seconds=10)
UNDO_SLACK = timedelta(seconds=20)  # the toast pauses while it is hovered or focused, and the network takes its time
_UNDOABLE = (
    "status", "outcome", "closed_reason", "ended_at", "ended_by_id", "snoozed_until", "snooze_reason", "promised_at",
    "attempts", "last_attempt_at", "last_outcome", "claimed_by_id", "claimed_until", "channel",
)  # fmt: skip
_TOLD_BY_CALLS = (
    "last_result", "last_result_at", "failures", "is_valid", "invalid_reason", "best_hour", "verified_at",
    "verified_how", "knows_condition",
)  # fmt: skip


class PromiseNeedsTime(Refused):
    """A promised call without a time to call is no promise."""

    code = "promise-needs-time"
    message = _("Say when to call again.")


class OutcomeNotOfChannel(Refused):
    """A door is never busy, and a visit not a wrong number."""

    code = "outcome-not-of-channel"
    message = _("This result does not fit the way of contact.")


class ContactAtNoTime(Refused):
    """A contact that has not been yet, was before the discharge it follows up, or too long ago to be remembered."""

    code = "contact-at-no-time"
    message = _("Give the time of the contact: not in the future, at most 31 days ago, and after the discharge.")


class TooLateToUndo(Refused):
    """The undo time is over."""

    code = "too-late-to-undo"
    message = _("The time to undo is over.")


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptResult:
    """What record_attempt did: the evidence, and what the ladder said."""

    attempt: ContactAttempt
    decision: Decision | None = None


@action
def record_attempt(
    *,
    task: Task,
    contact_point_id: UUID | None,
    outcome: str,
    at: datetime,
    by: Viewer,
    note: str = "",
    started_at: datetime | None = None,
    promised_at: datetime | None = None,
    channel: str = "phone",
) -> AttemptResult:
    """Write down one try and do what its outcome calls for: done, another time, another number, promise or end.

    `channel`: phone, visit (at home), clinic or letter. What was done in person may be written down later: then
    `started_at` says when it was. A number counts on the phone only.
    Refused: an unknown outcome or one that this way cannot have, a moment that cannot be, a promise without a time,
    a task that is no longer open.
    """
    known = rules.outcome_of(outcome)
    if known is None:
        raise UnknownOutcome
    if not rules.fits(channel, outcome):
        raise OutcomeNotOfChannel
    if rules.is_in_person(channel):
        contact_point_id = None
    if known.needs_time and promised_at is None:
        raise PromiseNeedsTime
    _hold_person(task, by)
    locked = _locked_open(task, by)
    _check_moment(locked, channel, started_at or at, at)
    attempt = ContactAttempt(
        patient_id=locked.patient_id, task=locked, contact_point_id=contact_point_id, channel=channel,
        outcome=outcome, by_practitioner_id=by.practitioner_id, started_at=started_at or at, ended_at=at,
        note=note[:300],
        before={"tasks": _snapshot(locked, by, at), "number": _number_snapshot(locked, contact_point_id, by)},
    )  # fmt: skip
    attempt.save(force_insert=True)
    _tell_number(attempt, known, at, by)
    decision = _after(attempt, locked, known, promised_at, at, by)
    record(
        AttemptRecorded(
            task_id=locked.pk,
            patient_id=locked.patient_id,
            attempt_id=attempt.pk,
            outcome=outcome,
            move=decision.move if decision else "",
            send_message=bool(decision and decision.send_message),
        ),
        by=by,
    )
    return AttemptResult(attempt=attempt, decision=decision)


def _check_moment(task: Task, channel: str, moment: datetime, at: datetime) -> None:
    """Nothing is written down before it was; what was done in person follows a stay and is still remembered."""
    if moment > at:
        raise ContactAtNoTime
    if not rules.is_in_person(channel):
        return
    before_the_end = task.discharged_at is not None and moment < task.discharged_at
    if before_the_end or moment < at - timedelta(days=rules.DAYS_BACK):
        raise ContactAtNoTime


@action
def snooze_task(*, task: Task, until: datetime, reason: str, at: datetime, by: Viewer) -> None:
    """Put off. The due date stays; the task comes back by itself."""
    held = _locked_open(task, by)
    _write(held, at, snoozed_until=until, snooze_reason=reason[:20], claimed_by=None, claimed_until=None)
    record(TaskSnoozed(task_id=task.pk, patient_id=task.patient_id, until=until, reason=reason[:20]), by=by)


@action
def promise_call(*, task: Task, promised_at: datetime, at: datetime, by: Viewer) -> None:
    """The patient was told when the next call comes. Kept apart from the due date, so neither is lost."""
    held = _locked_open(task, by)
    _write(held, at, promised_at=promised_at, snoozed_until=None, claimed_by=None, claimed_until=None)
    record(CallPromised(task_id=task.pk, patient_id=task.patient_id, promised_at=promised_at), by=by)


@action
def undo_attempt(*, attempt: ContactAttempt, at: datetime, by: Viewer) -> Task:
    """Take back the last result: the task and those that went with it stand as before.

    Only the person who recorded it, within ten seconds. What already went out (an alert, a message) stays.
    """
    _hold_person(attempt.task, by)
    task = Task.objects.visible_to(by).select_for_update(of=("self",), no_key=True).filter(pk=attempt.task_id).first()
    if task is None or attempt.by_practitioner_id != by.practitioner_id:
        raise TaskNotOpen
    recorded_at = attempt.ended_at or attempt.started_at
    taken = (
        ContactAttempt.objects.visible_to(by)
        .filter(pk=attempt.pk, undone_at__isnull=True, ended_at__gte=at - UNDO_WITHIN - UNDO_SLACK)
        .update(undone_at=at)
    )
    if not taken or recorded_at > at:
        raise TooLateToUndo
    _put_back(attempt.before["tasks"], at, by)
    _untell(attempt, at, by)
    record(TaskReopened(task_id=task.pk, patient_id=task.patient_id, undone=attempt.outcome), by=by)
    task.refresh_from_db()
    return task


def _snapshot(task: Task, by: Viewer, at: datetime) -> dict[str, Any]:
    """How the task and its companions of the same call stand now, so that undo is exact."""
    return {
        str(one.pk): {name: _plain(getattr(one, name)) for name in _UNDOABLE}
        for one in [task, *_companions(task, by, at)]
    }


def _number_snapshot(task: Task, contact_point_id: UUID | None, by: Viewer) -> dict[str, Any]:
    point = ContactPoint.objects.visible_to(by).filter(pk=contact_point_id, patient_id=task.patient_id).first()  # type: ignore[misc]  # None finds nothing, which is right
    return {name: _plain(getattr(point, name)) for name in _TOLD_BY_CALLS} if point else {}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def _companions(task: Task, by: Viewer, at: datetime) -> list[Task]:
    """The patient's other tasks that are in the same hands: one call is one call for all of them."""
    if by.practitioner_id is None:
        return []
    others = (
        Task.objects.visible_to(by)
        .open()
        .filter(patient_id=task.patient_id, claimed_by=by.practitioner_id, claimed_until__gt=at)
    )
    return list(others.exclude(pk=task.pk).order_by("pk"))


def _tell_number(attempt: ContactAttempt, outcome: Outcome, at: datetime, by: Viewer) -> None:
    if attempt.contact_point_id is None or outcome.number_result is None:
        return
    point = (
        ContactPoint.objects.visible_to(by).filter(pk=attempt.contact_point_id, patient_id=attempt.patient_id).first()
    )
    if point is not None:
        patients.report_contact_result(contact_point=point, result=outcome.code, at=at, by=by)


def _untell(attempt: ContactAttempt, at: datetime, by: Viewer) -> None:
    """What the attempt told about the number and the person is taken back, too."""
    told = attempt.before.get("number")
    if told:
        ContactPoint.objects.visible_to(by).filter(pk=attempt.contact_point_id).update(  # type: ignore[misc]  # None finds nothing, which is right
            **{name: _revived(name, value) for name, value in told.items()}
        )
    if attempt.outcome == "died":
        patients.withdraw_death(patient=attempt.patient, at=at, by=by)
    elif attempt.outcome == "refused-for-ever":
        patients.set_consent(patient=attempt.patient, scope="contact", decision="permit", how="undo", at=at, by=by)


def _after(
    attempt: ContactAttempt, task: Task, outcome: Outcome, promised_at: datetime | None, at: datetime, by: Viewer
) -> Decision | None:
    told = {} if outcome.effect == "note" else {"last_outcome": outcome.code}  # a letter does not hide "no answer"
    _write(task, at, attempts=task.attempts + 1, last_attempt_at=at, **told)
    if outcome.effect == "complete":
        complete_task(task=task, outcome=outcome.code, channel=attempt.channel, at=at, by=by)
        _follow(task, outcome, at, by)
    elif outcome.effect == "promise" and promised_at is not None:
        _promise_all(task, promised_at, at, by)
    elif outcome.effect in ("close", "end-contact"):
        _end(task, outcome, at, by)
        _follow(task, outcome, at, by)
    elif outcome.effect == "retry":
        return _climb(task, outcome, at, by)
    return None


def _promise_all(task: Task, promised_at: datetime, at: datetime, by: Viewer) -> None:
    for one in [task, *_companions(task, by, at)]:
        promise_call(task=one, promised_at=promised_at, at=at, by=by)


def _end(task: Task, outcome: Outcome, at: datetime, by: Viewer) -> None:
    ending = [task.pk]
    if outcome.ends_contact:
        whole = Task.objects.visible_to(by).open().filter(patient_id=task.patient_id)
        ending = list(whole.order_by("pk").values_list("pk", flat=True))
    close_tasks(task_ids=ending, reason=outcome.code, outcome=outcome.code, at=at, by=by)
    if outcome.code == "died":
        patients.record_death(patient=task.patient, deceased_at=None, source="call", at=at, by=by)
    elif outcome.ends_contact:
        patients.set_consent(patient=task.patient, scope="contact", decision="deny", how="call", at=at, by=by)


def _climb(task: Task, outcome: Outcome, at: datetime, by: Viewer) -> Decision:
    """The next step of the retry ladder, for this task and those of the same call."""
    ladder = reads.ladder_in_force(timezone.localtime(at).date())
    reach = reads.reach_of([task.patient_id], viewer=by, at=at, ladder=ladder).get(task.patient_id)
    decision = rules.decide(
        outcome=outcome.code,
        numbers=reads.numbers_of(task.patient_id, viewer=by),
        tries=reads.tries_of(task.pk, viewer=by),
        at=timezone.localtime(at),
        ladder=ladder,
        favourite=reach.band if reach else "",
    )
    until = decision.not_before or at
    for one in [task, *_companions(task, by, at)]:
        if until > at:
            snooze_task(task=one, until=until, reason=decision.reason, at=at, by=by)
    if decision.move in ("letter", "visit", "contact-check", "review"):
        request_tasks(requests=[_question_for_a_person(task, decision.move, at, decision.not_before)], by=by)
    return decision


def _follow(task: Task, outcome: Outcome, at: datetime, by: Viewer) -> None:
    """What the ladder asks for after a contact that ended the task, e.g. look for the new address of who moved."""
    ladder = reads.ladder_in_force(timezone.localtime(at).date())
    what = ladder.follow.get(outcome.code, "none")
    if what != "none":
        hours = ladder.contact_check_within_hours if what == "contact-check" else ladder.review_within_hours
        request_tasks(requests=[_question_for_a_person(task, what, at, at + timedelta(hours=hours))], by=by)


def _question_for_a_person(task: Task, move: str, at: datetime, until: datetime | None) -> TaskRequest:
    """No number left, or tried often enough: somebody looks for a number, writes a letter, or decides that the patient is lost."""
    return TaskRequest(
        key=f"{move}:{task.pk}:{task.attempts}",
        patient_id=task.patient_id,
        department_id=task.department_id,
        kind=Task.Kind.CONTACT_CHECK,
        encounter_id=task.encounter_id,
        care_plan_id=task.care_plan_id,
        step_code=move,
        focus_id=task.pk,
        plan_title=task.plan_title,
        plan_title_en=task.plan_title_en,
        diagnosis_text=task.diagnosis_text,
        risk=task.risk,
        available_at=at,
        due_at=until or at,
    )


def _put_back(before: Mapping[str, Mapping[str, Any]], at: datetime, by: Viewer) -> None:
    for pk, values in before.items():
        fields = {name: _revived(name, value) for name, value in values.items()}
        Task.objects.visible_to(by).filter(pk=pk).update(**fields, updated_at=at)


def _revived(name: str, value: Any) -> Any:
    return parse_datetime(value) if value and name in _TIMES else value


_TIMES = frozenset(
    {"last_result_at", "verified_at", "ended_at", "snoozed_until", "promised_at", "last_attempt_at", "claimed_until"}
)
