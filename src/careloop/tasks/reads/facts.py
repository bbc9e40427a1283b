"""What the rules need to know about tasks, numbers and tries, fetched set by set."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from careloop.kernel.jobs import read_once
from careloop.kernel.prepared import prepared
from careloop.kernel.viewer import NOBODY, Viewer
from careloop.patients.models import ContactPoint
from careloop.tasks import rules
from careloop.tasks.models import QUEUE_KINDS, ContactAttempt, Task

REACHED = tuple(code for code, outcome in rules.OUTCOMES.items() if outcome.reached)
DEAD_RESULTS = (ContactPoint.Result.EMPTY, ContactPoint.Result.WRONG)


@read_once
def ended_task(task_id: UUID) -> Task | None:
    """A task that is over, for the jobs that follow its end. One that was opened again meanwhile: None."""
    found: list[Task] = _ended(viewer=NOBODY, task_id=task_id)
    return found[0] if found else None


@prepared
def _ended(viewer: Viewer, task_id: UUID) -> QuerySet[Task]:
    return Task.objects.unscoped("the machine follows a fact").filter(pk=task_id).exclude(status="requested")


_FACTS = """
SELECT t.id, t.weigh_again_at, t.priority_reasons, t.due_at, t.promised_at, t.window_ends_at, t.risk, t.self_report, t.message_state,
    COALESCE(t.discharged_at, e.discharged_at) AS discharged_at,
    EXISTS (
        SELECT 1 FROM tasks_contactattempt a
        WHERE a.patient_id = t.patient_id AND a.undone_at IS NULL AND a.outcome = ANY(%(reached)s)
          AND a.started_at >= COALESCE(t.discharged_at, e.discharged_at)
    ) AS contacted,
    (
        SELECT c.best_hour FROM patients_contactpoint c
        WHERE c.patient_id = t.patient_id AND c.active AND c.best_hour IS NOT NULL
        ORDER BY c.last_result_at DESC NULLS LAST, c.id LIMIT 1
    ) AS best_hour,
    (
        SELECT count(*) FROM tasks_contactattempt a
        WHERE a.task_id = t.id AND a.undone_at IS NULL AND a.started_at >= %(today)s
    ) AS tries_today
FROM tasks_task t
LEFT JOIN patients_encounter e ON e.id = t.encounter_id
WHERE t.status = 'requested' AND t.kind = ANY(%(kinds)s) AND t.available_at <= %(at)s AND t.id = ANY(%(ids)s::uuid[])
ORDER BY t.id
"""
# Held before anything about them is read: what changes a weight afterwards finds the row as it was weighed. Nobody waits for a
# row while holding others: a call holds one task of a patient and then wants the rest.
_HELD = """
SELECT t.id FROM tasks_task t WHERE t.status = 'requested' AND t.kind = ANY(%(kinds)s) AND t.id = ANY(%(ids)s::uuid[])
ORDER BY t.id FOR NO KEY UPDATE SKIP LOCKED
"""
# By the index task_weigh_again, whose words these are. Never weighed since something changed: as soon as the window is open.
_TO_WEIGH = f"""
SELECT t.id FROM tasks_task t
WHERE t.status = 'requested' AND t.kind IN ({", ".join(f"'{kind}'" for kind in QUEUE_KINDS)})
  AND COALESCE(t.weigh_again_at, t.available_at) <= %(at)s AND t.available_at <= %(at)s
ORDER BY COALESCE(t.weigh_again_at, t.available_at) LIMIT %(most)s
FOR NO KEY UPDATE SKIP LOCKED
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeighedTask:
    """One open task with what priority is made of."""

    task_id: UUID
    facts: rules.PriorityFacts
    weigh_again_at: datetime | None
    reasons: list[Any]  # as they are stored


def to_weigh(*, at: datetime, most: int) -> list[UUID]:
    """Up to `most` open tasks whose weight is another by now, held until the end of the transaction. Those that somebody
    else holds are left for the next time. For the system.
    """
    return _ids(_TO_WEIGH, {"at": at, "most": most})


def held(task_ids: Sequence[UUID]) -> list[UUID]:
    """Those of these that are open, stand on a list and are held by nobody else, held until the end of the transaction; the
    others are left for the next quarter of an hour. For the system.
    """
    return _ids(_HELD, {"kinds": list(QUEUE_KINDS), "ids": list(task_ids)})


def _ids(statement: str, values: dict[str, Any]) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [row[0] for row in cursor.fetchall()]


def facts(task_ids: Sequence[UUID], *, at: datetime) -> list[WeighedTask]:
    """Facts of these tasks, as far as they are open and their window is. For the system: no viewer."""
    local = timezone.localtime(at)
    params: dict[str, Any] = {
        "reached": list(REACHED), "kinds": list(QUEUE_KINDS), "at": at,
        "today": local.replace(hour=0, minute=0, second=0, microsecond=0), "ids": list(task_ids),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, params)
        return [_weighed(row) for row in cursor.fetchall()]


def _weighed(row: tuple[Any, ...]) -> WeighedTask:
    task_id, again_at, reasons, due_at, promised_at, ends_at, risk, report, message_state, *rest = row
    discharged_at, contacted, hour, tries = rest
    return WeighedTask(
        task_id=task_id,
        weigh_again_at=again_at,
        reasons=json.loads(reasons) if isinstance(reasons, str) else reasons,
        facts=rules.PriorityFacts(
            due_at=due_at,
            promised_at=promised_at,
            window_ends_at=ends_at,
            risk=str(risk),
            self_report=str(report) or None,
            discharged_at=discharged_at,
            contacted_since_discharge=bool(contacted),
            best_hour=hour,
            answered_partly=message_state == "opened",
            tries_today=int(str(tries)),
        ),
    )


def numbers_of(patient_id: UUID, *, viewer: Viewer) -> list[rules.Number]:
    """The patient's phone numbers as the retry ladder sees them, in the file's own order."""
    points = (
        ContactPoint.objects.visible_to(viewer)
        .filter(patient_id=patient_id, system=ContactPoint.System.PHONE, active=True)
        .order_by("rank", "pk")
    )
    return [number(point, order) for order, point in enumerate(points)]


def number(point: ContactPoint, order: int) -> rules.Number:
    """One contact point as the ladder sees it."""
    reached = point.last_result == ContactPoint.Result.REACHED
    return rules.Number(
        id=point.pk,
        owner="relative" if point.related_person_id else "self",
        dead=not point.is_valid or point.last_result in DEAD_RESULTS,
        last_reached_at=point.last_result_at if reached else None,
        verified=point.verified_at is not None,
        order=order,
    )


def tries_of(task_id: UUID, *, viewer: Viewer) -> list[rules.Try]:
    """Every attempt that counts for this task, oldest first."""
    attempts = (
        ContactAttempt.objects.visible_to(viewer)
        .filter(task_id=task_id, undone_at__isnull=True)
        .order_by("started_at", "pk")
    )
    return [rules.Try(number_id=a.contact_point_id, outcome=a.outcome, at=a.started_at) for a in attempts]


def still_open(task_ids: Iterable[UUID]) -> set[UUID]:
    """Which of these tasks still want doing. Asked before a message leaves."""
    open_ones = Task.objects.unscoped("the sender asks on behalf of the system").open().filter(pk__in=list(task_ids))
    return set(open_ones.values_list("pk", flat=True))
