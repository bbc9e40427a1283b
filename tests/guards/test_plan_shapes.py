"""At a million tasks no listed page walks a large table from end to end, and the busiest reads use the index made for them.

Plans, not times: the planner is told how large the tables would be (tests/believing.py) and shows what it would do with
the statements that the pages really make. One test asks all pages, so that the invented world is made once.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import connection
from django.urls import reverse

from careloop.patients.models import Patient
from careloop.tasks.models import Task
from careloop.tasks.reads import ListQuery, work_list
from careloop.tasks.tests.factories import make_task
from tests.believing import Node, believe_in_millions, kept_work, plans_of
from tests.cast import Cast
from tests.guards.test_matrix import World
from tests.guards.test_matrix import world as world
from tests.guards.test_statements import ASKED, LISTED, all_round, cohort_and_day

# Address → (table that may be walked, why). These count or sort what no index can: rare pages, one pass over one table.
MAY_WALK: dict[str, tuple[str, str]] = {
    "today/why/": ("tasks_task", "counts every task of the department by its state; opened by hand, not on the way"),
    "plans/versions/": ("plans_careplan", "counts the running and ended plans of each version"),
    "patients/duplicates/": ("patients_patient", "few pairs; the planner is told there are many"),
    "public-health/opinion-tables/": (
        "publichealth_opinion",
        "how often doctors agree with each version; opened by hand",
    ),
    "public-health/indicators/": (
        "publichealth_episodeofcare",
        "a year's figures look at everybody in a programme; opened by hand",
    ),
    "public-health/indicators/hypertension/control/denominator/": (
        "publichealth_episodeofcare",
        "the people behind one of these figures",
    ),
    "reports/lists/follow-up-rate/denominator/": ("tasks_task", "the rows behind one month's figure, opened by hand"),
}
# Address → what carries it: each entry is one index, or several of which one is enough.
CARRIED: dict[str, tuple[tuple[str, ...], ...]] = {
    "today/": (("task_listed",), ("task_open_owner",)),
    "today/list/": (("task_listed",), ("task_open_owner",)),
    "tasks/api/due/": (("task_listed",), ("task_open_owner",)),
    "tasks/unreachable/": (("task_unreached",),),
    "alerts/rows/": (("alert_open_department",), ("alert_open_owner",)),
    "discharges/rows/": (("encounter_discharges", "encounter_discharged", "cohort_discharge"),),
    "plans/decisions/": (("decision_by_time", "decision_of_department"),),
    "patients/": (("encounter_discharged", "encounter_discharges"), ("care_by_department",)),
    "search/?q=Zhang": (("patient_initials_c", "patient_pinyin_c"),),
    "search/?q=0347": (("contact_last4",),),
    "patients/<uuid:patient_id>/timeline/": (
        ("task_of_patient",), ("encounter_of_patient",), ("communication_of_patient",), ("response_of_patient",),
        ("attempt_of_patient",), ("alert_of_patient",), ("document_of_patient",),
    ),
    "patients/{patient_id}/results/": (("observation_by_time",),),
    "patients/access-reviews/": (("grant_unreviewed",),),
    "reports/": (("rollup_fresh",), ("clock_rollup_month",), ("task_listed",)),
    "reports/department/": (("rollup_fresh",), ("clock_rollup_month",), ("task_listed",)),
    "reports/lost/": (("rollup_fresh",), ("clock_rollup_month",), ("task_listed",)),
    "integration/health/": (("inbox_by_day",),),
    "console/audit/": (("audit_auditevent_pkey",),),
}  # fmt: skip
# Without a row among these the test would say nothing.
MUST_BE_LARGE = {
    "tasks_task", "tasks_contactattempt", "patients_patient", "patients_encounter", "patients_contactpoint",
    "patients_condition", "patients_observation", "messaging_communication", "audit_auditevent", "alerts_alert",
    "questionnaires_questionnaireresponse", "plans_careplan", "patients_carerelationship", "patients_patientidentifier",
}  # fmt: skip


def walked(nodes: list[Node], large: frozenset[str]) -> set[str]:
    return {node.table for node in nodes if node.kind in {"Seq Scan", "Parallel Seq Scan"} and node.table in large}


def test_pages_walk_no_large_table_and_use_their_indexes_at_a_million_tasks(world: World) -> None:
    client = all_round(world.cast)
    cohort_and_day(world)
    addresses = {door.route: world.path(door) for door in LISTED}
    addresses |= {address: "/" + address.format(**world.ids) for address in ASKED}
    assert not set(CARRIED) - set(addresses)
    assert not set(MAY_WALK) - set(addresses)
    for path in addresses.values():
        client.get(path)  # what is found out once per process is found out now
    large = believe_in_millions()
    assert large >= MUST_BE_LARGE

    wrong = []
    for address, path in addresses.items():
        plans = plans_of(partial(client.get, path))
        allowed = {MAY_WALK[address][0]} if address in MAY_WALK else set()
        for sql, nodes in plans:
            if stray := walked(nodes, large) - allowed:
                wrong.append(f"{address} walks {', '.join(sorted(stray))}: {sql[:300]}")
        used = {node.index for _, nodes in plans for node in nodes}
        wrong += [
            f"{address} does not use {' or '.join(one)}" for one in CARRIED.get(address, ()) if not used & set(one)
        ]
    assert wrong == []


def test_a_due_list_is_counted_by_indexes_alone_and_reads_tasks_only_for_the_rows_shown(cast: Cast) -> None:
    """Whoever looks and whatever the chips leave: no page of tasks is read for a task that is only counted."""
    make_task(cast)
    believe_in_millions()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_restore_relation_stats('schemaname', 'public', 'relname', 'tasks_task',"
            " 'relallvisible', (SELECT relpages FROM pg_class WHERE oid = 'tasks_task'::regclass))"
        )
        cursor.execute("SET LOCAL enable_bitmapscan = off")  # the table is one page here: any way to it looks cheap
    wang, here = cast.as_wang, cast.cardiology.pk
    viewers = {
        "one department": wang, "sensitive": replace(wang, may_see_sensitive=True), "own only": replace(wang, own_only=True),
        "two departments": replace(wang, departments=wang.departments | {cast.orthopaedics.pk}),
        "whole hospital": replace(wang, hospital_wide=True),
    }  # fmt: skip
    chips: tuple[dict[str, Any], ...] = (
        {}, {"department_id": here}, {"mine": True}, {"plan": "PCI"}, {"risk": "high"}, {"merged": True}, {"tab": "overdue"},
    )  # fmt: skip
    for_the_rows = {"tasks_task_pkey", "task_of_patient", "task_ended"}  # shown, called before, finished today
    for who, viewer in viewers.items():
        for chip in chips:
            run = partial(work_list, ListQuery(**chip), viewer=viewer, at=cast.now)
            run()
            ((_, nodes),) = plans_of(run)
            touched = {
                (node.kind, node.index) for node in nodes if node.index.startswith("task") or node.table == "tasks_task"
            }
            counted = {(kind, index) for kind, index in touched if index not in for_the_rows}
            assert {kind for kind, _ in counted} == {"Index Only Scan"}, (who, chip, counted)
            assert {index for _, index in counted} <= {"task_listed", "task_open_owner"}, (who, chip, counted)


A_DEPARTMENT = 6_000
"""Open follow-ups enough that an index with many columns is clearly the larger of two."""


def test_the_kept_plan_of_the_dashboard_reads_what_the_half_hour_moves_and_not_the_month(cast: Cast) -> None:
    """Real rows: a month of open follow-ups, of which a handful is shown in the running half hour. The two indexes look alike to a plan
    for all values, but for their sizes; at ten million it took the smaller one and read the month.
    """
    _a_month_of_follow_ups(make_task(cast, available_at=cast.now, due_at=cast.now + timedelta(hours=1)))
    client, path = cast.client(cast.he), reverse("reports:hospital")

    def work() -> int:
        read = kept_work("reports_by_clock", partial(client.get, path))
        return read["tasks_task"]

    assert work() <= 60  # a handful each half hour
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_functiondef('reports_by_clock'::regproc)")
        (fenced,) = cursor.fetchone()
        assert len(re.findall(r"OFFSET 0\s*\) shown_soon", fenced)) == 1
        cursor.execute(re.sub(r"OFFSET 0(\s*\) shown_soon)", r"\1", fenced).replace("%", "%%"))
    assert work() > A_DEPARTMENT / 2  # so the guard can fail


def _a_month_of_follow_ups(task: Task) -> None:
    """Copies of this one, due throughout this month, shown half a month before they are due."""
    columns = [field.column for field in Task._meta.concrete_fields]
    own = {
        "id": "gen_random_uuid()", "key": "'copy:' || n", "due_at": "due",
        "available_at": "due - interval '15 days'",
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE tasks_task DISABLE TRIGGER USER")  # what the roll-up says is not asked here
        cursor.execute(
            f"INSERT INTO tasks_task ({', '.join(columns)}) SELECT {', '.join(own.get(name, name) for name in columns)}"
            " FROM tasks_task, generate_series(1, %s) n, LATERAL (SELECT date_trunc('month', now()) + interval '28 days' * n / %s AS due) d"
            " WHERE id = %s",
            [A_DEPARTMENT, A_DEPARTMENT, task.pk],
        )
        cursor.execute("ALTER TABLE tasks_task ENABLE TRIGGER USER")
        cursor.execute("ANALYZE tasks_task")


def test_the_planner_believes_and_a_missing_index_would_be_seen(cast: Cast) -> None:
    """Without the index of last digits the same read walks the table: the guard can fail."""
    large = believe_in_millions()

    def read() -> list[Patient]:
        return list(Patient.objects.unscoped("test").filter(contact_points__last4="0347").order_by("pk"))

    ((_, nodes),) = plans_of(read)
    assert "contact_last4" in {node.index for node in nodes}
    assert walked(nodes, large) == set()
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX contact_last4")
    ((_, nodes),) = plans_of(read)
    assert walked(nodes, large) == {"patients_contactpoint"}
