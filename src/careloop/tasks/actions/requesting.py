"""Work comes into being."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
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

# One statement for one task and for a thousand: one value in, new ids out. What exists already is left as it is. What the
# tasks of a plan have in common travels and is read once: half the work of eight rows in full.
_COMMON = {
    "patient_id": "uuid", "department_id": "uuid", "encounter_id": "uuid", "care_plan_id": "uuid", "focus_id": "uuid",
    "plan_title": "text", "plan_title_en": "text", "diagnosis_text": "text", "risk": "text", "self_report": "text",
    "discharged_at": "timestamptz",
}  # fmt: skip
_OWN = {
    "id": "uuid", "key": "text", "kind": "text", "owner_id": "uuid", "owner_role": "text", "step_code": "text",
    "occurrence": "int", "questionnaire_url": "text", "step_title": "text", "step_title_en": "text", "priority": "int",
    "priority_reasons": "jsonb", "available_at": "timestamptz", "due_at": "timestamptz", "window_ends_at": "timestamptz",
    "channel": "text",
}  # fmt: skip


def _listed(columns: dict[str, str]) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in columns.items())


# Who asks without a risk means the patient's own.
_INSERT = f"""
INSERT INTO tasks_task (
    created_at, updated_at, status, snooze_reason, attempts, last_outcome, message_state, outcome, closed_reason,
    {", ".join([*_COMMON, *_OWN])}
)
SELECT now(), now(), 'requested', '', 0, '', '', '', '',
    {", ".join("patients_own.risk" if name == "risk" else f"together.{name}" for name in _COMMON)},
    {", ".join(f"asked.{name}" for name in _OWN)}
FROM json_to_recordset(%s::json) AS together ({_listed(_COMMON)}, tasks json)
CROSS JOIN LATERAL (
    SELECT CASE WHEN together.risk = 'none'
        THEN coalesce((SELECT p.risk FROM patients_patient p WHERE p.id = together.patient_id), together.risk)
        ELSE together.risk END AS risk OFFSET 0
) patients_own
CROSS JOIN LATERAL json_to_recordset(together.tasks) AS asked ({_listed(_OWN)})
ON CONFLICT (key) DO NOTHING
RETURNING tasks_task.id
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
        cursor.execute(_INSERT, [as_json(_together(requests))])
        made = [row[0] for row in cursor.fetchall()]
    wrote("Task", len(made))
    return made


def _together(requests: Sequence[TaskRequest]) -> list[dict[str, Any]]:
    """What several in a row have in common, and under it what each has of its own."""
    found = list[dict[str, Any]]()
    for common, several in groupby(requests, key=_common_of):
        found.append(
            _cut(dict(zip(_COMMON, common, strict=True)), _COMMON_WIDTHS)
            | {"tasks": [_own(asked) for asked in several]}
        )
    return found


def _cut(row: dict[str, Any], widths: dict[str, int]) -> dict[str, Any]:
    """No words longer than their columns."""
    for name, width in widths.items():
        row[name] = row[name][:width]
    return row


def _own(asked: TaskRequest) -> dict[str, Any]:
    terms = rules.explain(_facts(asked), at=timezone.localtime(asked.available_at, timezone.get_default_timezone()))
    row = _cut(dict(zip(_ASKED, _asked_of(asked), strict=True)), _OWN_WIDTHS)
    row["id"], row["priority"], row["priority_reasons"] = uuid7(), rules.score(terms), rules.pack_terms(terms)
    return row


_ASKED = [name for name in _OWN if name not in ("id", "priority", "priority_reasons")]
_common_of, _asked_of = attrgetter(*_COMMON), attrgetter(*_ASKED)
_COMMON_WIDTHS = {"plan_title": 120, "plan_title_en": 120, "diagnosis_text": 200}
_OWN_WIDTHS = {"step_title": 120, "step_title_en": 120}


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
