"""Background work on tasks: load by id, call one action."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from careloop.kernel.jobs import gathering_job, job, periodic
from careloop.kernel.viewer import Viewer
from careloop.tasks import actions

WORRYING = ("critical", "high", "watch")


@periodic("*/15 * * * *")
def refresh_priorities(timestamp: int) -> None:
    """Days go by, promises fall due, hours of good reach come and go: every quarter of an hour, weigh what that moves."""
    at, by = datetime.fromtimestamp(timestamp, UTC), Viewer.system("tasks.refresh_priorities")
    while actions.weigh_portion(at=at, by=by):
        pass


@job()
def flag_self_report(*, event: dict[str, Any]) -> None:
    """After an alert from the patient's own answers: the open calls of this patient say so and move up."""
    severity = str(event.get("severity", ""))
    if severity in WORRYING and event.get("patient_id"):
        actions.flag_self_report(
            patient_id=UUID(event["patient_id"]), severity=severity, at=timezone.now(),
            by=Viewer.system("tasks.flag_self_report"),
        )  # fmt: skip


@gathering_job(most=200, about="task_ids")
def weigh_requested(*, events: list[dict[str, Any]]) -> None:
    """New tasks whose window is open already get their whole weight at once."""
    ids = [UUID(task_id) for event in events for task_id in event.get("task_ids", ())]
    actions.refresh_priorities(at=timezone.now(), by=Viewer.system("tasks.weigh_requested"), task_ids=ids)


@job()
def call_back_after_reply(*, event: dict[str, Any]) -> None:
    """The patient answered "1" to a message: call."""
    if event.get("intent") == "call-me" and event.get("patient_id"):
        task_id = event.get("task_id")
        actions.call_back(
            patient_id=UUID(event["patient_id"]), task_id=UUID(task_id) if task_id else None,
            inbound_id=UUID(event["inbound_id"]), at=timezone.now(), by=Viewer.system("tasks.call_back_after_reply"),
        )  # fmt: skip
