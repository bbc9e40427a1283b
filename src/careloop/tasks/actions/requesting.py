"""Work comes into being."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from careloop.audit.record import record
from careloop.kernel.actions import action, wrote
from careloop.kernel.models import uuid7
from careloop.kernel.viewer import Viewer
from careloop.tasks import rules
from careloop.tasks.events import TasksRequested
from careloop.tasks.rules import TaskRequest

# One statement for one task and for a thousand: arrays in, new ids out. What exists already is left as it is.
_INSERT = """
INSERT INTO tasks_task (
    id, created_at, updated_at, key, patient_id, department_id, kind, status, owner_id, owner_role, encounter_id,
    care_plan_id, step_code, occurrence, focus_id, questionnaire_url, plan_title, step_title, plan_title_en,
    step_title_en, diagnosis_text, risk,
    self_report, discharged_at, priority, priority_reasons, available_at, due_at, window_ends_at, snooze_reason,
    attempts, last_outcome, message_state, outcome, closed_reason, channel
)
SELECT id, now(), now(), key, patient_id, department_id, kind, 'requested', owner_id, owner_role, encounter_id,
    care_plan_id, step_code, occurrence, focus_id, questionnaire_url, plan_title, step_title, plan_title_en,
    step_title_en, diagnosis_text,
    CASE WHEN risk = 'none' THEN coalesce((SELECT p.risk FROM patients_patient p WHERE p.id = asked.patient_id), risk)
         ELSE risk END,  -- who asks without a risk means the patient's own
    self_report, discharged_at, priority, priority_reasons::jsonb, available_at, due_at, window_ends_at, '',
    0, '', '', '', '', channel
FROM unnest(
    %s::uuid[], %s::text[], %s::uuid[], %s::uuid[], %s::text[], %s::uuid[], %s::text[], %s::uuid[], %s::uuid[],
    %s::text[], %s::int[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
    %s::text[], %s::text[],
    %s::timestamptz[], %s::int[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::text[]
) AS asked (
    id, key, patient_id, department_id, kind, owner_id, owner_role, encounter_id, care_plan_id, step_code, occurrence,
    focus_id, questionnaire_url, plan_title, step_title, plan_title_en, step_title_en, diagnosis_text, risk,
    self_report, discharged_at, priority,
    priority_reasons, available_at, due_at, window_ends_at, channel
)
ON CONFLICT (key) DO NOTHING
RETURNING id
"""


@action
def request_tasks(*, requests: Sequence[TaskRequest], by: Viewer) -> int:
    """Ask for tasks, each once. Gives back how many are new; asking again with the same key changes nothing."""
    made = _insert(requests) if requests else []
    if made:
        record(TasksRequested(task_ids=tuple(made), patient_id=_only_patient(requests)), by=by)
    return len(made)


def _insert(requests: Sequence[TaskRequest]) -> list[UUID]:
    columns = [list(column) for column in zip(*map(_row, requests), strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, columns)
        made = [row[0] for row in cursor.fetchall()]
    wrote("Task", len(made))
    return made


def _row(asked: TaskRequest) -> tuple[Any, ...]:
    terms = rules.explain(_facts(asked), at=timezone.localtime(asked.available_at))
    return (
        uuid7(), asked.key, asked.patient_id, asked.department_id, asked.kind, asked.owner_id, asked.owner_role,
        asked.encounter_id, asked.care_plan_id, asked.step_code, asked.occurrence, asked.focus_id,
        asked.questionnaire_url, asked.plan_title[:120], asked.step_title[:120],
        asked.plan_title_en[:120], asked.step_title_en[:120], asked.diagnosis_text[:200],
        asked.risk, asked.self_report, asked.discharged_at, rules.score(terms),
        json.dumps([term.as_json() for term in terms]), asked.available_at, asked.due_at, asked.window_ends_at,
        asked.channel,
    )  # fmt: skip


def _facts(asked: TaskRequest) -> rules.PriorityFacts:
    """What is known before the window opens; the nightly and quarter-hourly weighing adds the rest."""
    return rules.PriorityFacts(
        due_at=asked.due_at,
        window_ends_at=asked.window_ends_at,
        risk=asked.risk,
        self_report=asked.self_report or None,
        discharged_at=asked.discharged_at,
        contacted_since_discharge=asked.discharged_at is None,
    )


def _only_patient(requests: Sequence[TaskRequest]) -> UUID | None:
    patients = {asked.patient_id for asked in requests}
    return patients.pop() if len(patients) == 1 else None
