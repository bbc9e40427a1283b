"""What the planner does with a million tasks, without a million tasks: it is told so, and asked for its plan.

`believe_in_millions` gives every large table the row count it has at 10^6 tasks (bench/world.py has the proportions) and
every column the statistics that follow from what the column is: ids are unique, a patient has a few rows in each table,
times spread over two years, a state has its usual share. PostgreSQL 18 keeps such statistics on request
(pg_restore_relation_stats, pg_restore_attribute_stats); they vanish with the test's transaction. The tables themselves
stay small, so this tells the shape of a plan (which index, which table is walked) and never a time.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.db import connection, models
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from careloop.accounts.models import Organization, Practitioner
from careloop.audit.models import AuditEvent
from careloop.kernel.models import ScopedModel
from careloop.patients.models import Patient
from careloop.reports.models import ClockRollup, Rollup

PATIENTS, DEPARTMENTS, STAFF = 100_000, 40, 200
TASKS = 1_000_000
# Rows at a million tasks; a table about patients that is not named here is taken to have as many as there are patients.
ROWS = {
    "tasks_task": TASKS, "tasks_contactattempt": 500_000, "questionnaires_questionnaireresponse": 350_000,
    "questionnaires_answerfact": 3_500_000, "messaging_communication": 600_000, "audit_auditevent": 1_250_000,
    "patients_observation": 1_000_000, "patients_encounter": 125_000, "patients_condition": 250_000,
    "plans_careplan": 125_000, "plans_enrolmentdecision": 125_000, "integration_inboxmessage": 1_000_000,
    "patients_carerelationship": 125_000, "reports_rollup": 60_000,
    "reports_clockrollup": 100_000,
}  # fmt: skip
# (table, column) → share of each value. Everything else with choices is taken to be spread evenly.
SHARES = {
    ("reports_clockrollup", "measure"): {"due": 0.35, "opens": 0.35, "waiting": 0.3},
    ("tasks_task", "kind"): {
        "follow-up": 0.80, "survey": 0.06, "revisit": 0.03, "reminder": 0.03, "education": 0.02, "contact-check": 0.02,
        "message": 0.01, "alert": 0.01, "work-order": 0.01, "re-check": 0.01,
    },
    ("tasks_task", "status"): {"completed": 0.70, "cancelled": 0.28, "requested": 0.02},
    ("patients_encounter", "status"): {"finished": 0.98, "in-progress": 0.02},
    ("messaging_communication", "state"): {"completed": 0.95, "queued": 0.01, "sending": 0.0001},
    ("alerts_alert", "status"): {"closed": 0.97, "raised": 0.01, "accepted": 0.01},
    ("integration_inboxmessage", "state"): {"done": 0.90, "ignored": 0.09, "dead": 0.001, "received": 0.001},
    ("questionnaires_questionnaireresponse", "status"): {"completed": 0.98, "in-progress": 0.02},
    ("plans_careplan", "status"): {"active": 0.20, "completed": 0.75, "revoked": 0.05},
}  # fmt: skip
# Columns that are empty in nearly every row, or in nearly none.
EMPTY = {
    ("patients_patient", "merged_into_id"): 0.999, ("patients_patient", "deceased_at"): 0.97,
    ("tasks_task", "claimed_by_id"): 0.9999, ("tasks_task", "claimed_until"): 0.9999, ("tasks_task", "owner_id"): 0.3,
    ("tasks_task", "ended_at"): 0.02, ("patients_encounter", "discharged_at"): 0.02, ("tasks_task", "held_until"): 0.99,
    ("patients_condition", "ended_at"): 0.95, ("audit_auditevent", "patient_id"): 0.2,
}  # fmt: skip


# Functions whose one statement is what a page reads: their plan is looked at, not their call.
PLANNED_ONCE = {"reports_by_clock"}


@dataclass(frozen=True, slots=True)
class Node:
    """One step of a plan."""

    kind: str
    table: str
    index: str
    rows: float


def large_models() -> list[type[models.Model]]:
    """All tables that grow with the patients, the audit trail, and the roll-ups of the dashboards."""
    return [model for model in apps.get_models() if issubclass(model, ScopedModel)] + [AuditEvent, Rollup, ClockRollup]


def rows_of(model: type[models.Model]) -> int:
    return ROWS.get(model._meta.db_table, PATIENTS)


def believe_in_millions() -> frozenset[str]:
    """Tell the planner; the names of the large tables. A table without a single row cannot be made large: it is left out."""
    told = set()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks to come cannot be rewritten
        for model in large_models():
            table = model._meta.db_table
            cursor.execute("SELECT pg_relation_size(%s::regclass) / 8192", [table])
            if not cursor.fetchone()[0]:
                _forget(cursor, table)
                continue
            # What tests before this one left behind (dead rows, swollen indexes) would change the plans.
            cursor.execute(f'CLUSTER "{table}" USING "{table}_pkey"')
            cursor.execute("SELECT pg_relation_size(%s::regclass) / 8192", [table])
            pages = cursor.fetchone()[0]
            if not pages:
                _forget(cursor, table)
                continue
            told.add(table)
            cursor.execute(
                "SELECT pg_restore_relation_stats('schemaname', 'public', 'relname', %s::text, 'relpages', %s::integer,"
                " 'reltuples', %s::real, 'relallvisible', 0)",
                [table, pages, rows_of(model)],
            )
            for field in model._meta.concrete_fields:
                _tell_column(cursor, model, field)
    return frozenset(told)


def _forget(cursor: Any, table: str) -> None:
    """A table that was emptied and tidied is known to be empty; as new, nothing is known of it."""
    cursor.execute("SELECT pg_clear_relation_stats('public', %s::text)", [table])


def _tell_column(cursor: Any, model: type[models.Model], field: models.Field[Any, Any]) -> None:
    table, column = model._meta.db_table, str(field.column)
    told: dict[str, tuple[str, object]] = {
        "null_frac": ("real", EMPTY.get((table, column), 0.5 if field.null else 0.0)),
        "avg_width": ("integer", 16),
        "n_distinct": ("real", _distinct(model, field)),
    }
    if shares := _shares(table, field):
        told["most_common_vals"] = ("text", "{" + ",".join(f'"{value}"' for value in shares) + "}")
        told["most_common_freqs"] = ("real[]", list(shares.values()))
    elif isinstance(field, models.DateTimeField):
        told["histogram_bounds"] = ("text", "{" + ",".join(f'"{at.isoformat()}"' for at in _two_years()) + "}")
        told["correlation"] = ("real", 0.9)
    named = "".join(f", '{name}', %s::{kind}" for name, (kind, _) in told.items())
    cursor.execute(
        "SELECT pg_restore_attribute_stats('schemaname', 'public', 'relname', %s::text, 'attname', %s::text,"
        f" 'inherited', false{named})",
        [table, column, *(value for _, value in told.values())],
    )


def _distinct(model: type[models.Model], field: models.Field[Any, Any]) -> float:
    """How many values there are: below zero a share of the rows, above a number (as PostgreSQL writes it)."""
    rows, target = rows_of(model), field.related_model
    if field.unique or field.primary_key:
        return -1.0
    if target is Organization or str(field.column).endswith("department_id"):
        return float(DEPARTMENTS)
    if target is Practitioner:
        return float(STAFF)
    if field.column == "patient_id" or target is Patient:
        return -min(1.0, PATIENTS / rows)
    if isinstance(target, type) and issubclass(target, ScopedModel):
        return -min(1.0, rows_of(target) / rows)
    if isinstance(field, models.BooleanField):
        return 2.0
    if type(field) is models.DateField:
        return 24.0 if field.column == "month" else 730.0
    if isinstance(field, models.DateTimeField | models.TextField | models.JSONField | models.UUIDField):
        return -0.9
    return 50.0 if field.choices else -0.1


def _shares(table: str, field: models.Field[Any, Any]) -> dict[str, float]:
    if given := SHARES.get((table, str(field.column))):
        return given
    if field.choices and not field.null:
        values = [str(value) for value, _ in field.flatchoices if value != ""]
        return {value: 1 / len(values) for value in values}
    return {"t": 0.95, "f": 0.05} if isinstance(field, models.BooleanField) and not field.null else {}


def _two_years() -> Iterator[datetime]:
    now = timezone.now()
    return (now - timedelta(days=700) + timedelta(days=7.6) * n for n in range(101))


def plans_of(run: Callable[[], object]) -> list[tuple[str, list[Node]]]:
    """Every reading statement that `run` makes, with the plan PostgreSQL has for it now."""
    with CaptureQueriesContext(connection) as captured:
        run()
    found = []
    for query in captured.captured_queries:
        if not query["sql"].lstrip("( \n").upper().startswith(("SELECT", "WITH")):
            continue
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN (FORMAT JSON) " + query["sql"])
            plan = cursor.fetchone()[0]
        nodes: list[Node] = []
        _collect((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"], nodes)
        for function in PLANNED_ONCE & set(re.findall(r"\bFROM (\w+)\(", query["sql"])):
            nodes += kept_plan(function)
        found.append((query["sql"], nodes))
    return found


def kept_plan(function: str) -> list[Node]:
    """The plan for all values of the one statement that such a function answers with, made as the function's settings say."""
    statement, _, settings = _inside(function)
    with _set(settings):
        plan = _sent(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {statement}")
    nodes: list[Node] = []
    _collect(json.loads(plan)[0]["Plan"], nodes)
    return nodes


def kept_work(function: str, run: Callable[[], object]) -> Counter[str]:
    """How many rows of each table the plan for all values reads, with the values with which `run` calls the function: those
    it finds and those it throws away again. Believed statistics do not tell which of two indexes is the smaller, so this wants
    real rows.
    """
    with CaptureQueriesContext(connection) as captured:
        run()
    ((call, values),) = {
        found.groups() for query in captured.captured_queries if (found := re.search(rf"FROM ({function})\((.*)\)", query["sql"]))
    }  # fmt: skip
    statement, kinds, settings = _inside(call)
    with _set(settings):
        _sent(f"PREPARE kept_work ({', '.join(kinds)}) AS {statement}")
        plan = _sent(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE kept_work ({values})")
        _sent("DEALLOCATE kept_work")
    work = Counter[str]()
    _count(json.loads(plan)[0]["Plan"], work)
    return work


def _inside(function: str) -> tuple[str, list[str], list[str]]:
    """The one statement of a function with places for its values, their types, and the function's settings."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT prosrc, proargnames[:pronargs], ARRAY(SELECT format_type(t, NULL) FROM unnest(proargtypes) t), proconfig"
            " FROM pg_proc WHERE proname = %s",
            [function],
        )
        body, names, kinds, settings = cursor.fetchone()
    (statement,) = re.findall(r"RETURN QUERY(.+);\s*END", body, re.DOTALL)
    for place, (name, kind) in enumerate(zip(names, kinds, strict=True), 1):
        statement = re.sub(rf"\b{name}\b", f"(${place}::{kind})", statement)
    return statement, kinds, settings


@contextmanager
def _set(settings: list[str]) -> Iterator[None]:
    with connection.cursor() as cursor:
        for setting in settings:
            cursor.execute("SELECT set_config(%s, %s, true)", setting.split("="))
        yield
        for setting in settings:
            cursor.execute("RESET " + setting.split("=")[0])


def _sent(statement: str) -> str:
    """Sent as it is: the driver would bind the places."""
    answer = connection.connection.pgconn.exec_(statement.encode())
    assert not answer.error_message, answer.error_message
    return (answer.get_value(0, 0) or b"").decode() if answer.ntuples else ""


def _count(step: dict[str, Any], into: Counter[str]) -> None:
    """The rows that leave a scan, and those that it fetched for nothing. A bitmap's index has them counted already."""
    if table := step.get("Relation Name"):
        each = (
            step["Actual Rows"] + step.get("Rows Removed by Filter", 0) + step.get("Rows Removed by Index Recheck", 0)
        )
        into[table] += round(each * step["Actual Loops"])
    for child in step.get("Plans", []):
        _count(child, into)


def _collect(step: dict[str, Any], into: list[Node]) -> None:
    into.append(
        Node(step["Node Type"], step.get("Relation Name", ""), step.get("Index Name", ""), step.get("Plan Rows", 0))
    )
    for child in step.get("Plans", []):
        _collect(child, into)
