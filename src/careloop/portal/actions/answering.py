"""Answers from a telephone: saved one page at a time, dangerous ones raise their alerts at once, sent once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from careloop.alerts.actions import raise_alerts
from careloop.audit.record import record
from careloop.kernel.actions import action, one_piece
from careloop.kernel.viewer import Viewer
from careloop.plans.actions import finish_follow_up
from careloop.portal import reads
from careloop.portal.events import DangerAnswered
from careloop.questionnaires.actions import (
    add_instance,
    answer_whole,
    attach_file,
    complete_response,
    remove_file,
    remove_instance,
    save_answer,
    save_answers,
    start_response,
)
from careloop.questionnaires.models import Questionnaire, QuestionnaireResponse
from careloop.questionnaires.reads import asked_form
from careloop.questionnaires.rules import NOT_MEASURED, Finding, finding_from, judge
from careloop.tasks.actions import note_message
from careloop.tasks.models import Task

MODE = "portal"
ONLINE = "answered-online"


@dataclass(frozen=True, slots=True)
class Saved:
    """The response after an answer, and the critical rules that fire because of it."""

    response: QuestionnaireResponse
    dangers: tuple[str, ...]


@action
def answer(
    *,
    task: Task,
    questionnaire: Questionnaire,
    answers: Mapping[str, Any],
    source: str,
    at: datetime,
    by: Viewer,
    begun: QuestionnaireResponse | None = None,
    last_time: Callable[[], reads.LastTime] = lambda: ({}, None),
    key: UUID | None = None,
) -> Saved:
    """Saves the answers of one page, starting the response with the first. Sent twice, it is the same answer.

    `last_time` gives what the patient answered to this form before, for rules that compare.

    A critical rule does not wait for the end of the form: its alert is raised now, because somebody who is told to
    call 120 will not go on tapping. The task is written before its answers: whoever ends the follow-up by telephone
    takes them in this order too.
    """
    if task.message_state != "opened" and task.status == Task.Status.REQUESTED:  # a caller asks only the rest
        note_message(task_ids=[task.pk], state="opened", at=at, by=by)
    with one_piece():
        response = begun or start_response(
            questionnaire=questionnaire, patient_id=task.patient_id, task_id=task.pk, mode=MODE, at=at, by=by
        )
        response = save_answers(response=response, answers=answers, source=source, at=at, by=by, key=key)
    return _raised(response, _dangers(response, answers, last_time, at), answers, at=at, by=by)


def _raised(
    response: QuestionnaireResponse, new: Sequence[Finding], answers: Mapping[str, Any], *, at: datetime, by: Viewer
) -> Saved:
    """Alerts for what is dangerous in these answers, at once."""
    if new:
        raise_alerts(response_id=response.pk, findings=new, at=at, by=Viewer.system("portal.answer"))
        codes = tuple(one.rule_code for one in new)
        link_id = next(name for one in new for name in one.evidence if name in answers)
        record(
            DangerAnswered(response_id=response.pk, link_id=link_id, rules=codes, patient_id=response.patient_id), by=by
        )
    return Saved(response, tuple(one.rule_code for one in new))


def _found_dangers(response: QuestionnaireResponse, answers: Mapping[str, Any]) -> list[Finding]:
    """The same for answers that stand: what was found when they were completed."""
    found = [finding_from(one) for one in response.findings]
    return [one for one in found if one.severity == "critical" and set(one.evidence) & set(answers)]


def _dangers(
    response: QuestionnaireResponse, answers: Mapping[str, Any], last_time: Callable[[], reads.LastTime], at: datetime
) -> list[Finding]:
    """The critical rules that fire because of these answers. Where no such rule looks at them nothing is judged."""
    form = asked_form(response)
    asked = {form.item(name).base or name for name in answers} | set(answers)
    if not asked & reads.watched(form):
        return []
    before, before_at = last_time()
    found = judge(form, response.values, previous=before, previous_at=before_at, at=at)
    return [one for one in found if one.severity == "critical" and set(one.evidence) & set(answers)]


@action
def another(*, task: Task, questionnaire: Questionnaire, group: str, at: datetime, by: Viewer) -> None:
    """One more of a repeating group. Refused when there are twenty."""
    response = start_response(
        questionnaire=questionnaire, patient_id=task.patient_id, task_id=task.pk, mode=MODE, at=at, by=by
    )
    add_instance(response=response, group=group, at=at, by=by)


@action
def without(*, response: QuestionnaireResponse, group: str, number: int, at: datetime, by: Viewer) -> None:
    """One of a repeating group less. Refused for one that is not there."""
    remove_instance(response=response, group=group, number=number, at=at, by=by)


@action
def without_file(*, response: QuestionnaireResponse, file_id: UUID, at: datetime, by: Viewer) -> None:
    """A picture is taken back before the answers are sent."""
    remove_file(response=response, attachment_id=file_id, at=at, by=by)


@action
def send_files(
    *,
    task: Task,
    questionnaire: Questionnaire,
    link_id: str,
    files: Sequence[bytes],
    skipped: bool,
    at: datetime,
    by: Viewer,
) -> None:
    """Pictures as an answer, all or none. Refused: what is no picture or PDF, or too large (FileRefused says why)."""
    note_message(task_ids=[task.pk], state="opened", at=at, by=by)  # the task before its answers, as everywhere
    response = start_response(
        questionnaire=questionnaire, patient_id=task.patient_id, task_id=task.pk, mode=MODE, at=at, by=by
    )
    for data in files:
        attach_file(response=response, link_id=link_id, data=data, source=MODE, at=at, by=by)
    if skipped:
        save_answer(response=response, link_id=link_id, value=NOT_MEASURED, source=MODE, at=at, by=by)


@action
def send_answers(*, task: Task, response: QuestionnaireResponse, at: datetime, by: Viewer) -> None:
    """The form is complete: response and task close together. Refused when it was sent or finished before."""
    with one_piece():
        finish_follow_up(task=task, response=response, outcome=ONLINE, at=at, by=by)


@action
def send_whole(
    *,
    task: Task,
    questionnaire: Questionnaire,
    answers: Mapping[str, Any],
    key: UUID,
    finish: bool,
    source: str,
    at: datetime,
    by: Viewer,
    begun: QuestionnaireResponse | None = None,
    last_time: Callable[[], reads.LastTime] = lambda: ({}, None),
) -> Saved:
    """What a telephone kept while there was no network, all of it or nothing; with `finish` it is the whole form.

    The task is closed first: whoever ends a follow-up by telephone takes the task and then its answers, and nobody may
    wait for the other in a circle. A whole form that nobody had begun is written at once, in one row. Refused: sent or
    finished before, required answers missing, impossible ones.
    """
    with one_piece():
        if finish:
            finish_follow_up(task=task, response=None, outcome=ONLINE, at=at, by=by)
            task.status = Task.Status.COMPLETED
        if finish and begun is None:
            made = answer_whole(
                questionnaire=questionnaire, patient_id=task.patient_id, task_id=task.pk, answers=answers, mode=MODE,
                source=source, key=key, at=at, by=by,
            )  # fmt: skip
            if made is not None:
                return _raised(made, _found_dangers(made, answers), answers, at=at, by=by)
        saved = answer(
            task=task, questionnaire=questionnaire, answers=answers, source=source, at=at, by=by, begun=begun,
            last_time=last_time, key=key,
        )  # fmt: skip
        if finish:
            complete_response(response=saved.response, at=at, by=by)
    return saved
