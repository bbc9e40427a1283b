"""Work comes into being."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from careloop.audit.record import record
from careloop.kernel.actions import action, wrote
from careloop.kernel.models import uuid7
from careloop.kernel.rows import as_json
from careloop.kernel.viewer import Viewer
from careloop.tasks import rules
from careloop.tasks.events import TasksRequested
from careloop.tasks.rules import TaskRequest

# One statement for one task and for a thousand: one value in, new ids out. What exists already is left as it is.
_COLUMNS = {
    "id": "uuid", "key": "text", "patient_id": "uuid", "department_id": "uuid", "kind": "text", "owner_id": "uuid",
    "owner_role": "text", "encounter_id": "uuid", "care_plan_id": "uuid", "step_code": "text", "occurrence": "int",
    "focus_id": "uuid", "questionnaire_url": "text", "plan_title": "text", "step_title": "text",
    "plan_title_en": "text", "step_title_en": "text", "diagnosis_text": "text", "risk": "text", "self_report": "text",
    "discharged_at": "timestamptz", "priority": "int", "priority_reasons": "jsonb", "available_at": "timestamptz",
    "due_at": "timestamptz", "window_ends_at": "timestamptz", "channel": "text",
}  # fmt: skip
_ASKED_RISK = """CASE WHEN asked.risk = 'none'
    THEN coalesce((SELECT p.risk FROM patients_patient p WHERE p.id = asked.patient_id), asked.risk)
    ELSE asked.risk END"""  # who asks without a risk means the patient's own
_INSERT = f"""
INSERT INTO tasks_task (
    created_at, updated_at, status, snooze_reason, attempts, last_outcome, message_state, outcome, closed_reason,
    {", ".join(_COLUMNS)}
)
SELECT now(), now(), 'requested', '', 0, '', '', '', '',
    {", ".join(_ASKED_RISK if name == "risk" else name for name in _COLUMNS)}
FROM json_to_recordset(%s::json) AS asked ({", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())})
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
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [as_json([_row(asked) for asked in requests])])
        made = [row[0] for row in cursor.fetchall()]
    wrote("Task", len(made))
    return made


def _row(asked: TaskRequest) -> dict[str, Any]:
    terms = rules.explain(_facts(asked), at=timezone.localtime(asked.available_at, timezone.get_default_timezone()))
    row: dict[str, Any] = {name: getattr(asked, name) for name in _ASKED}
    for name, width in _WIDTHS.items():
        row[name] = row[name][:width]
    return row | {
        "id": uuid7(),
        "priority": rules.score(terms),
        "priority_reasons": rules.pack_reasons([t.as_json() for t in terms]),
    }


_ASKED = [name for name in _COLUMNS if name not in ("id", "priority", "priority_reasons")]
_WIDTHS = {"plan_title": 120, "step_title": 120, "plan_title_en": 120, "step_title_en": 120, "diagnosis_text": 200}


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
