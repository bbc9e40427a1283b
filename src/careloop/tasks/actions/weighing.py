"""Weigh open tasks: what is known changes with the clock, with answers and with attempts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from careloop.audit.record import record
from careloop.kernel.actions import action, wrote
from careloop.kernel.prepared import prepared
from careloop.kernel.viewer import Viewer
from careloop.tasks import reads, rules
from careloop.tasks.actions.finishing import _person
from careloop.tasks.events import PrioritiesRefreshed, RiskCarried, SelfReportFlagged
from careloop.tasks.models import QUEUE_KINDS, Task

PORTION = 1_000
"""Tasks weighed at a time. A worker holds the facts of so many, and not of all that is open in a hospital; and the planner
guesses a hundred rows of an UPDATE: a guess that is wrong by a thousand costs minutes.
"""
_UPDATE = """
UPDATE tasks_task SET priority = weighed.priority, priority_reasons = weighed.reasons::jsonb, weigh_again_at = weighed.again_at
FROM unnest(%s::uuid[], %s::int[], %s::text[], %s::timestamptz[]) AS weighed (id, priority, reasons, again_at)
WHERE tasks_task.id = weighed.id
"""


@action
def refresh_priorities(*, at: datetime, by: Viewer, task_ids: Sequence[UUID] | None = None) -> int:
    """Weigh these, as far as they and their windows are open and nobody is at them; or all whose weight is another by now.
    Gives back how many moved.

    All in one transaction: for many there is `weigh_portion`.
    """
    ids, moved = sorted(set(task_ids or ())), 0
    for start in range(0, len(ids), PORTION):
        moved += _weigh(reads.held(ids[start : start + PORTION]), at, by)
    while task_ids is None and (portion := reads.to_weigh(at=at, most=PORTION)):
        moved += _weigh(portion, at, by)
    return moved


@action
def weigh_portion(*, at: datetime, by: Viewer) -> bool:
    """Weigh up to PORTION tasks whose weight is another by now. Are there perhaps more?"""
    ids = reads.to_weigh(at=at, most=PORTION)
    _weigh(ids, at, by)
    return len(ids) == PORTION


@dataclass(frozen=True, slots=True)
class _Weighed:
    """What a task is worth now, why as it is stored, and until when."""

    task_id: UUID
    priority: int
    reasons: list[Any]
    again_at: datetime
    has_moved: bool
    is_news: bool


def _weigh(held: Sequence[UUID], at: datetime, by: Viewer) -> int:
    """Weigh these, which this transaction holds: what they depend on is read after they are held."""
    local = timezone.localtime(at)
    weighed = [_weighed(task, local) for task in reads.facts(held, at=at)] if held else []
    _store([each for each in weighed if each.is_news])
    moved = sum(each.has_moved for each in weighed)
    wrote("Task", moved)
    if moved:
        record(PrioritiesRefreshed(changed=moved, version=rules.shipped_weights().version), by=by)
    return moved


def _weighed(task: reads.WeighedTask, local: datetime) -> _Weighed:
    terms, again_at = rules.explain(task.facts, at=local), rules.changes_at(task.facts, at=local)
    reasons = rules.pack_terms(terms)
    moved = reasons != task.reasons
    return _Weighed(
        task.task_id, rules.score(terms), reasons, again_at, moved, is_news=moved or again_at != task.weigh_again_at
    )


def _store(weighed: Sequence[_Weighed]) -> None:
    if not weighed:
        return
    columns: list[Any] = [
        [each.task_id for each in weighed], [each.priority for each in weighed],
        [json.dumps(each.reasons) for each in weighed], [each.again_at for each in weighed],
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_UPDATE, columns)


@action
def flag_self_report(*, patient_id: UUID, severity: str, at: datetime, by: Viewer) -> int:
    """The patient's own answers were worrying: every open call of this patient says so and moves up."""
    open_calls = Task.objects.visible_to(by).open().filter(patient_id=patient_id, kind__in=QUEUE_KINDS)
    ids = tuple(open_calls.exclude(self_report=severity).order_by("pk").values_list("pk", flat=True))
    if ids:
        _person(viewer=by, patient_id=patient_id)  # before the rows of tasks, as whoever calls this patient does
        Task.objects.visible_to(by).filter(pk__in=ids).update(self_report=severity, updated_at=at)
        record(SelfReportFlagged(task_ids=ids, severity=severity, patient_id=patient_id), by=by)
        _weigh(ids, at, by)
    return len(ids)


@action
def carry_risk(*, patient_id: UUID, risk: str, at: datetime, by: Viewer) -> int:
    """The patient's risk changed: every open call of this patient shows it and is weighed anew."""
    ids = tuple(_other_risk(viewer=by, patient_id=patient_id, risk=risk))
    if ids:
        Task.objects.visible_to(by).filter(pk__in=ids).update(risk=risk, updated_at=at)
        record(RiskCarried(task_ids=ids, risk=risk, patient_id=patient_id), by=by)
        _weigh(ids, at, by)
    return len(ids)


@prepared
def _other_risk(viewer: Viewer, patient_id: UUID, risk: str) -> QuerySet[Task, UUID]:
    open_calls = Task.objects.visible_to(viewer).open().filter(patient_id=patient_id, kind__in=QUEUE_KINDS)
    return open_calls.exclude(risk=risk).order_by("pk").values_list("pk", flat=True)
