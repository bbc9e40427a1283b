"""Why is this patient here, or not here? Every item with its state, the rule behind it and the facts it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from careloop.audit.models import AuditEvent
from careloop.kernel.viewer import Viewer
from careloop.tasks import rules
from careloop.tasks.models import QUEUE_KINDS, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One item: `state` is one of rules.STATES, `why` names the rule, `when` the moment it turns on."""

    task: Task
    state: rules.State
    why: str
    when: datetime | None
    facts: tuple[tuple[datetime, str], ...]


def explain_patient(patient_id: UUID, *, viewer: Viewer, at: datetime) -> list[Explained]:
    """Every item of the patient, newest due date first. Empty: this patient has no plan item at all."""
    tasks = list(
        Task.objects.visible_to(viewer)
        .filter(patient_id=patient_id)
        .select_related("owner", "department", "claimed_by", "ended_by")
        .order_by("-due_at", "pk")[:200]
    )
    told = _facts(patient_id, tasks)
    return [_explain(task, told.get(str(task.pk), ()), at, viewer) for task in tasks]


def _explain(task: Task, facts: tuple[tuple[datetime, str], ...], at: datetime, viewer: Viewer) -> Explained:
    state = rules.state_of(
        status=task.status, available_at=task.available_at, snoozed_until=task.snoozed_until,
        promised_at=task.promised_at, at=at,
    )  # fmt: skip
    why, when = _why(task, state, at, viewer)
    return Explained(task=task, state=state, why=why, when=when, facts=facts)


def _why(task: Task, state: rules.State, at: datetime, viewer: Viewer) -> tuple[str, datetime | None]:
    if state in ("done", "closed"):
        return (task.outcome if state == "done" else task.closed_reason), task.ended_at
    if state == "scheduled":
        return "window-not-open", task.available_at
    if state == "snoozed":
        wakes = rules.wakes_at(snoozed_until=task.snoozed_until, promised_at=task.promised_at)
        return ("promised" if wakes == task.promised_at else task.snooze_reason or "snoozed"), wakes
    if task.kind not in QUEUE_KINDS:
        return "other-list", task.due_at
    if task.claimed_until is not None and task.claimed_until > at:
        own = task.claimed_by_id == viewer.practitioner_id
        return "in-own-hand" if own else "in-hand", task.claimed_until
    return "due", task.due_at


def _facts(patient_id: UUID, tasks: list[Task]) -> dict[str, tuple[tuple[datetime, str], ...]]:
    """The recorded facts that name a task, oldest first: what put it there, what moved it."""
    wanted = {str(task.pk) for task in tasks}
    found: dict[str, list[tuple[datetime, str]]] = {}
    events = AuditEvent.objects.filter(patient_id=patient_id, name__startswith="tasks.").order_by("-at", "-pk")[:500]
    for event in events:
        named = {event.payload.get("task_id"), *event.payload.get("task_ids", ())}
        for task_id in named & wanted:
            found.setdefault(str(task_id), []).append((event.at, event.name))
    return {task_id: tuple(reversed(facts)) for task_id, facts in found.items()}
