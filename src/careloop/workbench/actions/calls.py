"""What the call screen writes in one go, over several rooms."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from careloop.alerts.actions import raise_alerts
from careloop.alerts.models import Alert
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.messaging.actions import hold_back, queue_message
from careloop.patients.actions import issue_link
from careloop.plans.actions import finish_follow_up
from careloop.questionnaires import actions as questionnaires
from careloop.questionnaires import reads as questionnaire_reads
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.tasks import actions as tasks
from careloop.tasks import rules
from careloop.tasks.models import ContactAttempt, Task
from careloop.tasks.reads import held_by_others
from careloop.workbench.reads.questions import after_call, questionnaire_of, response_of


class NoForm(Refused):
    """This contact has no questions."""

    code = "no-form"
    message = _("This contact has no questions.")


class NothingToReport(Refused):
    """No answer so far calls for an alert."""

    code = "nothing-to-report"
    message = _("No answer calls for an alert.")


@action
def finish_call(
    *,
    task: Task,
    contact_point_id: UUID | None,
    outcome: str,
    note: str,
    started_at: datetime,
    promised_at: datetime | None,
    at: datetime,
    by: Viewer,
    send: Sequence[str] = (),
    channel: str = rules.PHONE,
) -> tasks.AttemptResult:
    """The result of a call or a visit, with the answers when the contact is complete and the messages chosen meanwhile. All or none.

    `send` holds codes of AFTER_CALL; what makes no sense after this result is not sent (nothing to who refused).
    Refused: required answers missing, a result that the way of contact cannot have, a promise without a time, a task that ended meanwhile.
    """
    done = tasks.record_attempt(
        task=task, contact_point_id=contact_point_id, outcome=outcome, at=at, by=by, note=note, started_at=started_at,
        promised_at=promised_at, channel=channel,
    )  # fmt: skip
    known = rules.outcome_of(outcome)
    if known is not None and known.effect == "complete":
        mode = QuestionnaireResponse.Mode.VISIT if rules.is_in_person(channel) else ""
        response = _answers_to_complete(task, at, by)
        finish_follow_up(task=task, response=response, outcome=outcome, at=at, by=by, mode=mode)
    for what in sorted(set(send) & after_call(task, outcome)):
        _send_after(what, done.attempt, task, at=at, by=by)
    return done


AFTER_CALL: Final = {"questionnaire": "follow-up-link", "plan": "plan-link", "measurement": "measurement-link"}
_PURPOSE: Final = {"questionnaire": "questionnaire", "plan": "home", "measurement": "measurement"}
_LASTS: Final = timedelta(days=14)


def _send_after(what: str, attempt: ContactAttempt, task: Task, *, at: datetime, by: Viewer) -> None:
    """It leaves only when the result can no longer be undone."""
    link = issue_link(
        patient_id=task.patient_id, purpose=_PURPOSE[what], task_id=task.pk if what == "questionnaire" else None,
        expires_at=at + _LASTS, by=by,
    )  # fmt: skip
    params = {"discharge_date": timezone.localdate(task.discharged_at or at)} if what == "questionnaire" else {}
    queue_message(
        key=_after_key(attempt, what), patient_id=task.patient_id, channel="sms", template_code=AFTER_CALL[what],
        params=params, task_id=task.pk if what == "questionnaire" else None, link_id=link.pk,
        not_before=at + tasks.UNDO_WITHIN + timedelta(seconds=2), at=at, by=by,
    )  # fmt: skip


def _after_key(attempt: ContactAttempt, what: str) -> str:
    return f"after-call:{attempt.pk}:{what}"


@action
def take_back_call(*, attempt: ContactAttempt, at: datetime, by: Viewer) -> Task:
    """Undo of a result: the task stands as before, and what was to be sent after the call is held back."""
    task = tasks.undo_attempt(attempt=attempt, at=at, by=by)
    hold_back(keys=[_after_key(attempt, what) for what in AFTER_CALL], reason="withdrawn", at=at, by=by)
    return task


def _answers_to_complete(task: Task, at: datetime, by: Viewer) -> QuestionnaireResponse | None:
    """The response of this task. A form nobody touched is begun here, so that its required questions are noticed."""
    response = response_of(task, viewer=by)
    return response if response is not None or questionnaire_of(task) is None else _begin(task, at, by)


def _begin(task: Task, at: datetime, by: Viewer) -> QuestionnaireResponse:
    begun = response_of(task, viewer=by)
    if begun is not None:
        return begun
    questionnaire = questionnaire_of(task)
    if questionnaire is None:
        raise NoForm
    return questionnaires.start_response(
        questionnaire=questionnaire, patient_id=task.patient_id, task_id=task.pk, mode="phone", at=at, by=by
    )


@action
def save_call_answer(
    *, task: Task, link_id: str, value: Sequence[str], at: datetime, by: Viewer
) -> QuestionnaireResponse:
    """One answer of a running call. The response begins with the first one; a completed one that was reopened by undo
    is amended. Refused while a colleague has this patient in hand."""
    if held_by_others(viewer=by, at=at).filter(patient_id=task.patient_id).exists():
        raise tasks.TaskTaken
    response = _begin(task, at, by)
    if response.status == QuestionnaireResponse.Status.COMPLETED:
        return questionnaires.amend_response(response=response, answers={link_id: list(value)}, at=at, by=by)
    return questionnaires.save_answer(
        response=response, link_id=link_id, value=list(value), source="phone", at=at, by=by
    )


@action
def change_form_part(
    *, task: Task, change: Mapping[str, str], files: Sequence[bytes], at: datetime, by: Viewer
) -> QuestionnaireResponse:
    """A repeating group grows or shrinks, a file comes or goes; the response begins with it.

    Refused while a colleague has this patient in hand, when the answers stand already, and for files that are none.
    """
    if held_by_others(viewer=by, at=at).filter(patient_id=task.patient_id).exists():
        raise tasks.TaskTaken
    response = _begin(task, at, by)
    op, link_id = change.get("op", ""), change.get("link_id", "")
    if op == "add-instance":
        return questionnaires.add_instance(response=response, group=link_id, at=at, by=by)
    if op == "remove-instance":
        number = int(change["number"]) if re.fullmatch(r"[0-9]{1,6}", change.get("number", "")) else 0
        return questionnaires.remove_instance(response=response, group=link_id, number=number, at=at, by=by)
    if op == "add-file":
        for data in files:
            questionnaires.attach_file(response=response, link_id=link_id, data=data, source="phone", at=at, by=by)
        return response
    if op == "remove-file":
        questionnaires.remove_file(response=response, attachment_id=change.get("file", ""), at=at, by=by)
        return response
    raise questionnaires.UnknownQuestion


@action
def report_now(*, task: Task, at: datetime, by: Viewer) -> tuple[Alert, ...]:
    """Raise what the answers so far call for: the critical ones, or if there is none all of them. Twice is harmless."""
    response = response_of(task, viewer=by)
    found = questionnaire_reads.judge_values(response, response.values, at=at) if response else ()
    urgent = [finding for finding in found if finding.severity == "critical"] or list(found)
    if response is None or not urgent:
        raise NothingToReport
    return raise_alerts(response_id=response.pk, findings=urgent, at=at, by=by)
