"""What programmes and opinions do by themselves. Each job loads ids and calls one action."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from careloop.kernel.jobs import job, periodic
from careloop.kernel.viewer import Viewer
from careloop.publichealth import actions
from careloop.publichealth.models import TASK_KEY
from careloop.publichealth.reads import opinions, packs
from careloop.questionnaires.reads import completed
from careloop.tasks.reads import ended_task


@job()
def take_up_response(*, event: dict[str, Any]) -> None:
    """ResponseCompleted, ResponseAmended: a national form becomes a visit, an opinion form gets its suggestion."""
    at, response = timezone.now(), completed(UUID(event["response_id"]))
    if response is None:
        return
    if packs.may_count(response):
        actions.take_up_response(response_id=response.pk, at=at, by=Viewer.system("publichealth.take_up_response"))
    if opinions.tables_speak(response):
        actions.suggest_opinion(response_id=response.pk, at=at, by=Viewer.system("publichealth.suggest_opinion"))


@job()
def withdraw_visit(*, event: dict[str, Any]) -> None:
    """ResponseEnteredInError."""
    actions.withdraw_visit(
        response_id=UUID(event["response_id"]), at=timezone.now(), by=Viewer.system("publichealth.withdraw_visit")
    )


@job()
def stop_for_death(*, event: dict[str, Any]) -> None:
    """PatientDied."""
    actions.stop_for_death(
        patient_id=UUID(event["patient_id"]), at=timezone.now(), by=Viewer.system("publichealth.stop_for_death")
    )


@job()
def resume_after_mistake(*, event: dict[str, Any]) -> None:
    """DeathWithdrawn."""
    actions.resume_after_mistake(
        patient_id=UUID(event["patient_id"]), at=timezone.now(), by=Viewer.system("publichealth.resume_after_mistake")
    )


@job()
def realign_after_merge(*, event: dict[str, Any]) -> None:
    """PatientsMerged, PatientsUnmerged."""
    actions.realign_after_merge(
        patient_ids=[UUID(event["survivor_id"]), UUID(event["gone_id"])], at=timezone.now(),
        by=Viewer.system("publichealth.realign_after_merge"),
    )  # fmt: skip


@job()
def settle_clock(*, event: dict[str, Any]) -> None:
    """TaskCompleted, TaskClosed: the clock behind it is over; whoever moved away or died leaves the programme."""
    ended = ended_task(UUID(event["task_id"]))
    if ended is not None and not ended.key.startswith(TASK_KEY):
        return
    by, at = Viewer.system("publichealth.settle_clock"), timezone.now()
    outcome = str(event.get("outcome") or event.get("reason") or "")
    leaving = actions.settle_clock_of_task(task_id=UUID(event["task_id"]), outcome=outcome, at=at, by=by)
    if leaving and event.get("patient_id"):
        actions.stop_for_death(patient_id=UUID(event["patient_id"]), reason=leaving, at=at, by=by)


@job()
def count_misses(*, event: dict[str, Any]) -> None:
    """AttemptRecorded: the first visit of tuberculosis was missed again."""
    actions.report_missed_first_visit(
        task_id=UUID(event["task_id"]), at=timezone.now(), by=Viewer.system("publichealth.count_misses")
    )


@periodic("20 16 * * *")
def open_due_clocks(timestamp: int) -> None:
    """Every night at 00:20 in China: visits whose window opens come onto the lists."""
    actions.open_due_clocks(at=datetime.fromtimestamp(timestamp, UTC), by=Viewer.system("publichealth.open_due_clocks"))
