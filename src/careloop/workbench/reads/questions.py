"""The form of a call: its questions with the answers so far, and what one answer changes on the screen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from careloop.alerts.models import Alert
from careloop.kernel.viewer import Viewer
from careloop.questionnaires import reads
from careloop.questionnaires.models import Questionnaire, QuestionnaireResponse
from careloop.questionnaires.reads import FormView, asking
from careloop.tasks.models import Task
from careloop.tasks.rules import outcome_of


@dataclass(frozen=True, slots=True, kw_only=True)
class CallForm:
    """What stands in the middle of the call screen. `reported` are the rules whose alerts exist already."""

    view: FormView
    logic: dict[str, Any]
    reported: frozenset[str]
    from_patient: int  # how many answers the patient gave online


def questionnaire_of(task: Task) -> Questionnaire | None:
    """The version in force of the task's form, or None when the task has none."""
    if not task.questionnaire_url:
        return None
    return Questionnaire.objects.filter(url=task.questionnaire_url, status=Questionnaire.Status.ACTIVE).first()


def after_call(task: Task, outcome: str = "") -> frozenset[str]:
    """What may be sent after a call with this result; without a result, what may be offered at all.

    The questions go out only while they wait for answers, and nothing goes to a number that is somebody else's or dead.
    """
    known = outcome_of(outcome)
    if outcome and (known is None or known.number_failed or known.effect not in ("complete", "promise", "retry")):
        return frozenset()
    asks = task.questionnaire_url and (known is None or known.effect != "complete")
    return frozenset({"plan", "measurement"} | ({"questionnaire"} if asks else set()))


def response_of(task: Task, *, viewer: Viewer) -> QuestionnaireResponse | None:
    """The answers of this task: begun here or by the patient, or completed."""
    counted = (QuestionnaireResponse.Status.IN_PROGRESS, QuestionnaireResponse.Status.COMPLETED)
    return (
        QuestionnaireResponse.objects.visible_to(viewer)
        .select_related("questionnaire")
        .filter(task_id=task.pk, status__in=counted)
        .first()
    )


def call_form(task: Task, *, viewer: Viewer, at: datetime) -> CallForm | None:
    """The form with the answers so far; without any answer nothing is stored yet."""
    response = response_of(task, viewer=viewer)
    questionnaire = response.questionnaire if response else questionnaire_of(task)
    if questionnaire is None:
        return None
    return CallForm(
        view=reads.form_view(questionnaire, response=response, at=at, nurse=viewer.name),
        logic=asking.logic(reads.form_as(questionnaire, response)),
        reported=reported(response, viewer=viewer),
        from_patient=sum(one.get("source") == "portal" for one in response.answers.values()) if response else 0,
    )


def reported(response: QuestionnaireResponse | None, *, viewer: Viewer) -> frozenset[str]:
    """Rules of this response whose alert was raised already."""
    if response is None:
        return frozenset()
    return frozenset(
        Alert.objects.visible_to(viewer).filter(response_id=response.pk).values_list("rule_code", flat=True)
    )


def script(form: CallForm | None) -> list[dict[str, str]]:
    """The spoken wording of each question that is asked, after the opening words."""
    if form is None:
        return []
    opening = [{"link_id": "", "text": "", "say": form.view.opening}] if form.view.opening else []
    spoken = [
        {"link_id": question.link_id, "text": question.text, "say": screen.script or question.script}
        for screen in form.view.screens
        if screen.enabled
        for question in screen.questions[:1]
        if screen.script or question.script
    ]
    return opening + spoken


def advice(form: CallForm | None) -> list[dict[str, str]]:
    """What the rules that fired advise to do and say, the worst first."""
    if form is None:
        return []
    return [
        {"code": found.rule_code, "severity": found.severity, "title": found.sentence, "text": found.advice}
        for found in form.view.findings
        if found.advice
    ]
