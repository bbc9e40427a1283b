"""The patient asked for a call."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from careloop.kernel.actions import action
from careloop.kernel.viewer import Viewer
from careloop.patients.models import CareRelationship
from careloop.tasks.actions.contact import promise_call
from careloop.tasks.actions.requesting import request_tasks
from careloop.tasks.models import Task
from careloop.tasks.rules.request import TaskRequest


@action
def call_back(*, patient_id: UUID, task_id: UUID | None, inbound_id: UUID, at: datetime, by: Viewer) -> None:
    """The open task that the patient answered to is promised for now; without one, a task of its own is opened.

    A patient whom no department cares for gets none: the answer stays on the page of replies.
    """
    task = Task.objects.visible_to(by).open().filter(pk=task_id, patient_id=patient_id).first() if task_id else None
    if task is not None:
        promise_call(task=task, promised_at=at, at=at, by=by)
        return
    newest = CareRelationship.objects.visible_to(by).filter(patient_id=patient_id).order_by("-since", "pk").first()
    if newest is not None:
        asked = TaskRequest(
            key=f"reply:{inbound_id}",
            patient_id=patient_id,
            department_id=newest.department_id,
            available_at=at,
            due_at=at,
            kind=Task.Kind.MESSAGE,
            focus_id=inbound_id,
        )
        request_tasks(requests=[asked], by=by)
