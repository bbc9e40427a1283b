"""What the roll-up costs a writer and saves a reader: `python bench/rollup.py [tasks]`, from the project's root.

Fills a throw-away database with that many follow-ups in 40 departments (each with a call; a discharge for every eight),
then times single completions with and without the triggers, the dashboard's reads, and the recount.
"""

from __future__ import annotations

import atexit
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

import django

from bench import ending

ending.in_order()
with ending.whole():
    boot = import_module("tests.boot")  # it starts the database and names the settings
    if boot.started:
        atexit.register(boot.stop)
django.setup()

from django.db import connection
from django.test.utils import setup_databases, teardown_databases
from django.utils import timezone

from careloop.kernel.viewer import Viewer
from careloop.reports import actions, reads, rules

FILL = """
INSERT INTO accounts_organization (id, created_at, updated_at, code, name, name_en, kind, path, phone, is_active)
    VALUES ('00000000-0000-0000-0000-000000000001', now(), now(), 'B', 'B', '', 'hospital', '/B/', '', true);
INSERT INTO accounts_organization (id, created_at, updated_at, code, name, name_en, kind, parent_id, path, phone, is_active)
    SELECT gen_random_uuid(), now(), now(), 'B' || n, 'B' || n, '', 'department',
        '00000000-0000-0000-0000-000000000001', '/B/B' || n || '/', '', true FROM generate_series(1, 40) n;
CREATE TEMPORARY TABLE d AS SELECT row_number() OVER () AS n, id FROM accounts_organization WHERE kind = 'department';
"""


def run(sql: str, *values: object) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else []


def fill(tasks: int) -> None:
    """One patient with one discharge for every eight follow-ups; each row a copy of a row that the product made."""
    from careloop.kernel.actions import seeding
    from careloop.tasks.models import ContactAttempt, Task
    from tests.cast import NOW, make_cast

    cast = make_cast()
    with seeding():
        task = Task.objects.create(
            patient=cast.zhang, department=cast.cardiology, key="b", kind="follow-up", available_at=NOW, due_at=NOW
        )
        call = ContactAttempt.objects.create(patient=cast.zhang, task=task, outcome="no-answer", started_at=NOW)
    run(FILL)
    run(
        "CREATE TEMPORARY TABLE m AS SELECT i, gen_random_uuid() AS patient, gen_random_uuid() AS stay, d.id AS department,"
        " now() - make_interval(hours => (i * 7 %% 9000)::int) AS left_at"
        " FROM generate_series(0, %s) i JOIN d ON d.n = i %% 40 + 1",
        tasks // 8 - 1,
    )
    copies = (
        ("patients_patient", cast.zhang.pk, "'id', patient", "m"),
        (
            "patients_encounter", cast.stay.pk,
            "'id', stay, 'patient_id', patient, 'visit_number', 'b' || i, 'status', 'finished', 'department_id', department,"
            " 'discharged_at', left_at, 'disposition', 'home'",
            "m",
        ),
        (
            "tasks_task", task.pk,
            "'id', gen_random_uuid(), 'key', 'b' || i || '-' || k, 'patient_id', patient, 'encounter_id', stay,"
            " 'department_id', department, 'due_at', left_at + make_interval(days => k * 5),"
            " 'available_at', left_at",
            "m, generate_series(1, 8) k",
        ),
        (
            "tasks_contactattempt", call.pk,
            "'id', gen_random_uuid(), 'task_id', t.id, 'patient_id', t.patient_id, 'started_at', t.due_at",
            f"tasks_task t WHERE t.id <> '{task.pk}'",
        ),
    )  # fmt: skip
    for table, like, columns, source in copies:
        where = "AND" if "WHERE" in source else "WHERE"
        run(
            f"INSERT INTO {table} SELECT (made).* FROM (SELECT jsonb_populate_record(p, jsonb_build_object({columns})) AS made"
            f" FROM {table} p, {source} {where} p.id = %s OFFSET 0) x",
            like,
        )
    run("ANALYZE")


def timed(times: int, call: Callable[[], object]) -> str:
    took = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        took.append((time.perf_counter() - started) * 1000)
    ordered = sorted(took)
    return f"p50 {statistics.median(ordered):.2f} ms, p95 {ordered[int(len(ordered) * 0.95)]:.2f} ms"


def completions(ids: list[object]) -> Callable[[], object]:
    waiting = iter(ids)

    def complete() -> object:
        return run(
            "UPDATE tasks_task SET status = 'completed', outcome = 'reached-patient', ended_at = now() WHERE id = %s",
            next(waiting),
        )

    return complete


def main() -> None:
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    databases = setup_databases(verbosity=0, interactive=False)
    by, at, this = Viewer.system("bench"), datetime.now(UTC), rules.month_of(date.today())
    try:
        started = time.perf_counter()
        fill(tasks)
        took = time.perf_counter() - started
        print(f"{tasks} follow-ups with calls and {tasks // 8} discharges filled in {took:.1f} s")
        actions.fold_rollup(by=by)
        ids = [row[0] for row in run("SELECT id FROM tasks_task WHERE status = 'requested' LIMIT 2000")]
        print("one completion with the triggers:   ", timed(1000, completions(ids[:1000])))
        run("ALTER TABLE tasks_task DISABLE TRIGGER reports_task_changed_u")
        print("one completion without the triggers:", timed(1000, completions(ids[1000:])))
        run("ALTER TABLE tasks_task ENABLE TRIGGER reports_task_changed_u")
        actions.check_rollup(at=at, by=by)
        actions.fold_rollup(by=by)
        begin = timezone.make_aware(datetime(this.year, this.month, 1))
        asked = {"viewer": by, "begin": begin, "end": begin + timedelta(days=31), "at": at}
        print("one month by department:            ", timed(200, lambda: reads.dashboard(months=(this,), **asked)))
        year = rules.last_months(this, 13)
        print("with the twelve months before it:   ", timed(50, lambda: reads.dashboard(months=year, **asked)))
        recount = "SELECT sum(done) FROM reports_recount WHERE month = %s"
        print("the same month counted again:       ", timed(3, lambda: run(recount, this)))
    finally:
        teardown_databases(databases, verbosity=0)


if __name__ == "__main__":
    main()
