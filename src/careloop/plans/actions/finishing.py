"""A planned contact is over: its answers, its task, and what the outcome says about the patient, in one transaction."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.viewer import Viewer
from careloop.patients.actions import record_death, set_consent
from careloop.plans.events import FollowUpFinished
from careloop.questionnaires.actions import complete_response
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.tasks.actions import complete_task
from careloop.tasks.models import Task


@action
def finish_follow_up(
    *, task: Task, response: QuestionnaireResponse | None, outcome: str, at: datetime, by: Viewer, mode: str = ""
) -> None:
    """Complete the answers and the task together; used by the call screen and the patient pages.

    A death or a refusal for ever that the contact brought is written to the patient's record, which stops everything
    else. What follows (the next occurrence, alerts, the end of the plan) hangs on the facts recorded here.
    The task is locked before its answers, here as everywhere. One that a call has just ended with this outcome is left
    as it is. `mode`: how the answers came about, if not as
    they began.
    Refused: the task ended otherwise, an outcome that finishes nothing, answers with required ones missing.
    """
    complete_task(task=task, outcome=outcome, at=at, by=by, again=True)
    if response is not None:
        complete_response(response=response, at=at, by=by, mode=mode)
    if outcome == "died":
        record_death(patient=task.patient, deceased_at=None, source="follow-up", at=at, by=by)
    if outcome == "refused-for-ever":
        set_consent(patient=task.patient, scope="contact", decision="deny", how="call", at=at, by=by)
    record(FollowUpFinished(task_id=task.pk, outcome=outcome, patient_id=task.patient_id), by=by)


@action
def close_task_of_response(*, task_id: UUID, at: datetime, by: Viewer) -> bool:
    """Answers that the patient completed online do the task, if nobody has done it yet."""
    task = Task.objects.unscoped("its own answers").open().filter(pk=task_id).first()
    if task is None:
        return False
    finish_follow_up(task=task, response=None, outcome="answered-online", at=at, by=by)
    return True
