"""A planned quarter in the real tables, in a few statements, so that the product's own queries count it; then rolled back.

The rows are made inside the database from one list of items (COPY); columns that nobody names get the model's default.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from django.db import connection, models, transaction
from django.utils import timezone

from careloop.accounts.models import Organization, Practitioner
from careloop.kernel.actions import seeding
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Encounter, Patient
from careloop.plans.models import CarePlan, PlanDefinition
from careloop.plans.reads import pages
from careloop.simulation.quarter import Quarter
from careloop.tasks.models import Task

BY = Viewer.system("simulation.plan_quarter")
PORTION = 1000  # rows in one statement
_WORK_BEGINS, _WORK_ENDS = time(8, 0), time(17, 30)
# Ids are the numbers of patients, runs and items, so that no list of them is needed.
_ID = "('0000000{kind}-0000-7000-8000-' || lpad(to_hex({number}), 12, '0'))::uuid"
_PATIENT, _STAY, _RUN, _TASK, _NURSE = (_ID.replace("{kind}", str(kind)) for kind in (1, 2, 3, 4, 5))


@dataclass(frozen=True, slots=True)
class Stored:
    """What the product's own queries say about the quarter."""

    plans: Mapping[str, int]  # plans by state
    tasks: Mapping[str, int]  # planned items by state
    enrolled: int
    planned: int
    agree: bool
    doubled: int  # steps with more than one open item


@contextmanager
def stored(quarter: Quarter, *, nurses: int) -> Iterator[Stored]:
    """Write, count, and take everything back."""
    with transaction.atomic(), seeding():
        _people(nurses)
        definitions = _definitions(quarter)
        at = _at(quarter.last, time(23, 59))
        before = _count(definitions, None, at)
        _write(quarter, definitions)
        yield _count(definitions, before, at)
        transaction.set_rollback(True)


def _people(nurses: int) -> None:
    root = Organization.objects.create(code="QUARTER", name="QUARTER", kind="hospital", path="/QUARTER/")
    Practitioner.objects.bulk_create(
        Practitioner(
            pk=UUID(f"00000005-0000-7000-8000-{n:012x}"), username=f"quarter-{n}", staff_number=f"Q{n}", name=f"N{n}",
            organization=root, password="!",
        )
        for n in range(nurses)
    )  # fmt: skip


def _definitions(quarter: Quarter) -> list[PlanDefinition]:
    """The versions in use; a programme that was never loaded is written for the run."""
    known = {definition.url: definition for definition in PlanDefinition.objects.active()}
    missing = [plan.url for plan in quarter.plans if plan.url not in known]
    if missing:
        raise LookupError(f"load the shipped plans first (careloop migrate): {', '.join(missing)}")
    return [known[plan.url] for plan in quarter.plans]


def _write(quarter: Quarter, definitions: Sequence[PlanDefinition]) -> None:
    _copy("quarter_run", "number int, patient int, plan int, discharged date, over boolean", (
        (n, run.patient, run.plan, run.discharged, n in quarter.over) for n, run in enumerate(quarter.runs)
    ))  # fmt: skip
    _copy("quarter_item", "number int, run int, step text, occurrence int, opens timestamptz, due timestamptz, closes timestamptz, ended timestamptz, nurse int", (
        (n, i.run, i.step, i.number, _at(i.opens, _WORK_BEGINS), _at(i.due, _WORK_ENDS), _at(i.closes, _WORK_ENDS),
         _at(i.ended, _WORK_ENDS) if i.ended else None, i.nurse)
        for n, i in enumerate(quarter.items)
    ))  # fmt: skip
    _copy("quarter_plan", "number int, definition uuid, url text", (
        (n, definition.pk, definition.url) for n, definition in enumerate(definitions)
    ))  # fmt: skip
    unit = "(SELECT id FROM accounts_organization WHERE code = 'QUARTER')"
    patient, run = _PATIENT.format(number="r.patient"), _RUN.format(number="r.number")
    stay = _STAY.format(number="r.patient")
    left = "r.discharged::timestamptz"
    people = "(SELECT DISTINCT ON (patient) patient, discharged FROM quarter_run ORDER BY patient, number) r"
    patients = max((one.patient for one in quarter.runs), default=-1) + 1
    _insert(
        Patient,
        {"id": patient, "name": "'Invented ' || r.patient", "birth_date": "DATE '1955-01-01'"},
        people,
    )
    stays = {
        "id": stay, "patient_id": patient, "system": "'QUARTER'", "visit_number": "'Q' || r.patient", "class_code": "'IMP'",
        "status": "'finished'", "department_id": unit, "discharged_at": left, "disposition": "'home'",
    }  # fmt: skip
    _insert(Encounter, stays, people, portions=("r.patient", patients))
    care_plans = {
        "id": run, "patient_id": patient, "encounter_id": stay, "definition_id": "p.definition", "definition_url": "p.url",
        "department_id": unit, "status": "CASE WHEN r.over THEN 'completed' ELSE 'active' END", "started_at": left,
        "ended_at": f"CASE WHEN r.over THEN {left} END", "end_reason": "CASE WHEN r.over THEN 'steps-done' ELSE '' END",
        "enrolled_on": "r.discharged", "discharged_on": "r.discharged",
    }  # fmt: skip
    _insert(CarePlan, care_plans, "quarter_run r JOIN quarter_plan p ON p.number = r.plan")
    tasks = {
        "id": _TASK.format(number="i.number"), "patient_id": patient, "department_id": unit,
        "key": "'quarter:' || i.run || ':' || i.step || ':' || i.occurrence", "kind": "'follow-up'",
        "status": "CASE WHEN i.ended IS NULL THEN 'requested' ELSE 'completed' END",
        "outcome": "CASE WHEN i.ended IS NULL THEN '' ELSE 'reached-patient' END", "care_plan_id": run,
        "encounter_id": stay, "step_code": "i.step", "occurrence": "i.occurrence", "available_at": "i.opens",
        "due_at": "greatest(i.due, i.opens)", "window_ends_at": "i.closes", "ended_at": "i.ended",
        "ended_by_id": f"CASE WHEN i.nurse IS NOT NULL THEN {_NURSE.format(number='i.nurse')} END",
        "owner_role": "'follow-up-centre'",
    }  # fmt: skip
    items = "quarter_item i JOIN quarter_run r ON r.number = i.run"
    _insert(Task, tasks, items, portions=("i.number", len(quarter.items)))


def _count(definitions: Sequence[PlanDefinition], before: Stored | None, at: datetime) -> Stored:
    """The same reconciliation line that the plan's page shows, added up; without what was there `before`."""
    sums = [pages.sums(definition.url, BY, at=at) for definition in definitions]
    plans, tasks = Counter[str](), Counter[str]()
    for one in sums:
        plans.update(one.plans)
        tasks.update(one.tasks)
    enrolled, planned = sum(one.enrolled for one in sums), sum(one.planned for one in sums)
    if before is not None:
        plans.subtract(before.plans)
        tasks.subtract(before.tasks)
        enrolled, planned = enrolled - before.enrolled, planned - before.planned
    return Stored(plans, tasks, enrolled, planned, all(one.agree for one in sums), _open_twice())


def _open_twice() -> int:
    """Steps of the invented plans with more than one open item."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM (SELECT care_plan_id, step_code FROM tasks_task WHERE status = 'requested' "
            "AND key LIKE 'quarter:%' GROUP BY care_plan_id, step_code HAVING count(*) > 1) twice"
        )
        return int(cursor.fetchone()[0])


def _copy(table: str, columns: str, rows: Iterator[tuple[Any, ...]]) -> None:
    names = ", ".join(column.strip().split(" ")[0] for column in columns.split(","))
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE {table} ({columns}) ON COMMIT DROP")
        with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        cursor.execute(f"CREATE INDEX ON {table} (number)")
        cursor.execute(f"ANALYZE {table}")


def _insert(
    model: type[models.Model], told: Mapping[str, str], source: str, *, portions: tuple[str, int] | None = None
) -> None:
    """INSERT … SELECT; columns that `told` does not name get the default that the model would give them.

    `portions`: a number of the source and how many there are. The dashboards' triggers look at each statement's rows
    one by one, so a statement over a hundred thousand of them would take an hour.
    """
    columns, expressions = list(told), list(told.values())
    values: list[Any] = []
    for field in model._meta.concrete_fields:
        if field.column in told:
            continue
        if field.name in ("created_at", "updated_at"):
            value: Any = timezone.now()
        elif field.null and not field.has_default():
            continue
        else:
            value = field.get_db_prep_save(field.get_default(), connection)
        columns.append(str(field.column))
        expressions.append("%s")
        values.append(value)
    quoted = ", ".join(f'"{column}"' for column in columns)
    statement = f'INSERT INTO "{model._meta.db_table}" ({quoted}) SELECT {", ".join(expressions)} FROM {source}'
    with connection.cursor() as cursor:
        if portions is None:
            cursor.execute(statement, values)
            return
        number, total = portions
        for begin in range(0, total, PORTION):
            cursor.execute(f"{statement} WHERE {number} >= %s AND {number} < %s", [*values, begin, begin + PORTION])


def _at(day: date, hour: time) -> datetime:
    return datetime.combine(day, hour, timezone.get_default_timezone()).astimezone(UTC)
