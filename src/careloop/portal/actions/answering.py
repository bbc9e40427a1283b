"""Answers from a telephone: saved one page at a time, dangerous ones raise their alerts at once, sent once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from careloop.alerts.actions import raise_alerts
from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.viewer import Viewer
from careloop.plans.actions import finish_follow_up
from careloop.portal.events import DangerAnswered
from careloop.questionnaires.actions import save_answer, start_response
from careloop.questionnaires.models import Questionnaire, QuestionnaireResponse
from careloop.questionnaires.reads import judge_values
from careloop.tasks.actions import note_message
from careloop.tasks.models import Task

MODE = "portal"


@dataclass(frozen=True, slots=True)
class Saved:
    """The response after an answer, and the critical rules that fire because of it."""

    response: QuestionnaireResponse
    dangers: tuple[str, ...]


@action
def answer(
    *, task: Task, questionnaire: Questionnaire, answers: Mapping[str, Any], source: str, at: datetime, by: Viewer
) -> Saved:
    """Saves the answers of one page, starting the response with the first. Sent twice, it is the same answer.

    A critical rule does not wait for the end of the form: its alert is raised now, because somebody who is told to
    call 120 will not go on tapping.
    """
    response = start_response(
        questionnaire=questionnaire, patient_id=task.patient_id, task_id=task.pk, mode=MODE, at=at, by=by
    )
    for link_id, value in answers.items():
        save_answer(response=response, link_id=link_id, value=value, source=source, at=at, by=by)
    note_message(task_ids=[task.pk], state="opened", at=at, by=by)  # begun online: a caller asks only the rest
    response = QuestionnaireResponse.objects.visible_to(by).select_related("questionnaire").get(pk=response.pk)
    fired = [one for one in judge_values(response, response.values, at=at) if one.severity == "critical"]
    new = [one for one in fired if set(one.evidence) & set(answers)]
    if new:
        raise_alerts(response_id=response.pk, findings=new, at=at, by=Viewer.system("portal.answer"))
        codes = tuple(one.rule_code for one in new)
        link_id = next(iter(answers))
        record(DangerAnswered(response_id=response.pk, link_id=link_id, rules=codes, patient_id=task.patient_id), by=by)
    return Saved(response, tuple(one.rule_code for one in new))


@action
def send_answers(*, task: Task, response: QuestionnaireResponse, at: datetime, by: Viewer) -> None:
    """The form is complete: response and task close together. Refused when it was sent or finished before."""
    finish_follow_up(task=task, response=response, outcome="answered-online", at=at, by=by)
