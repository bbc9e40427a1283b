"""Weigh open tasks: what is known changes with the clock, with answers and with attempts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from careloop.audit.record import record
from careloop.kernel.actions import action, wrote
from careloop.kernel.prepared import prepared
from careloop.kernel.viewer import Viewer
from careloop.tasks import reads, rules
from careloop.tasks.events import PrioritiesRefreshed, RiskCarried, SelfReportFlagged
from careloop.tasks.models import QUEUE_KINDS, Task

PORTION = 1_000
"""Tasks weighed at a time. A worker holds the facts of so many, and not of all that is open in a hospital; and the planner
guesses a hundred rows of an UPDATE: a guess that is wrong by a thousand costs minutes.
"""
_UPDATE = """
UPDATE tasks_task SET priority = weighed.priority, priority_reasons = weighed.reasons::jsonb
FROM unnest(%s::uuid[], %s::int[], %s::text[]) AS weighed (id, priority, reasons)
WHERE tasks_task.id = weighed.id AND tasks_task.status = 'requested'
  AND tasks_task.priority_reasons IS DISTINCT FROM weighed.reasons::jsonb
"""


@action
def refresh_priorities(*, at: datetime, by: Viewer, task_ids: Sequence[UUID] | None = None) -> int:
    """Weigh the open tasks whose window is open (or only these). Gives back how many moved."""
    ids = sorted(set(task_ids)) if task_ids is not None else reads.waiting_ids(at=at)
    changed = sum(_weigh(ids[start : start + PORTION], at) for start in range(0, len(ids), PORTION))
    wrote("Task", changed)
    if changed:
        record(PrioritiesRefreshed(changed=changed, version=rules.shipped_weights().version), by=by)
    return changed


def _weigh(task_ids: Sequence[UUID], at: datetime) -> int:
    weighed = [(fact.task_id, rules.explain(fact.facts, at=fact.local(at))) for fact in reads.facts(task_ids, at=at)]
    return _store(weighed) if weighed else 0


def _store(weighed: Sequence[tuple[UUID, tuple[rules.Term, ...]]]) -> int:
    columns: list[Any] = [
        [task_id for task_id, _terms in weighed],
        [rules.score(terms) for _id, terms in weighed],
        [json.dumps(rules.pack_reasons([term.as_json() for term in terms])) for _id, terms in weighed],
    ]
    with connection.cursor() as cursor:
        cursor.execute(_UPDATE, columns)
        return int(cursor.rowcount)


@action
def flag_self_report(*, patient_id: UUID, severity: str, at: datetime, by: Viewer) -> int:
    """The patient's own answers were worrying: every open call of this patient says so and moves up."""
    open_calls = Task.objects.visible_to(by).open().filter(patient_id=patient_id, kind__in=QUEUE_KINDS)
    ids = tuple(open_calls.exclude(self_report=severity).order_by("pk").values_list("pk", flat=True))
    if ids:
        Task.objects.visible_to(by).filter(pk__in=ids).update(self_report=severity, updated_at=at)
        record(SelfReportFlagged(task_ids=ids, severity=severity, patient_id=patient_id), by=by)
        refresh_priorities(at=at, by=by, task_ids=ids)
    return len(ids)


@action
def carry_risk(*, patient_id: UUID, risk: str, at: datetime, by: Viewer) -> int:
    """The patient's risk changed: every open call of this patient shows it and is weighed anew."""
    ids = tuple(_other_risk(viewer=by, patient_id=patient_id, risk=risk))
    if ids:
        Task.objects.visible_to(by).filter(pk__in=ids).update(risk=risk, updated_at=at)
        record(RiskCarried(task_ids=ids, risk=risk, patient_id=patient_id), by=by)
        refresh_priorities(at=at, by=by, task_ids=ids)
    return len(ids)


@prepared
def _other_risk(viewer: Viewer, patient_id: UUID, risk: str) -> QuerySet[Task, UUID]:
    open_calls = Task.objects.visible_to(viewer).open().filter(patient_id=patient_id, kind__in=QUEUE_KINDS)
    return open_calls.exclude(risk=risk).order_by("pk").values_list("pk", flat=True)
