"""Is what the product answered true? Asked of the tables by plain SQL and sorted in Python; one wrong answer voids its line."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg

from bench import product
from bench import world as w

PAGE = 50
SAMPLES = [(n, "todo", 0) for n in range(w.DEPARTMENTS)] + [(n, "overdue", 0) for n in range(w.DEPARTMENTS)]
SAMPLES += [(n, "todo", PAGE) for n in range(100 - len(SAMPLES))]
"""A hundred lists: (nurse, tab, offset)."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An open follow-up whose window is open."""

    task: str
    due_at: datetime
    priority: int
    snoozed_until: datetime | None
    promised_at: datetime | None


def wrong_due_lists(doors: product.Doors, owner: str, loop: asyncio.AbstractEventLoop) -> int:
    """How many of a hundred lists differ in their rows, their order or their exact count."""
    return loop.run_until_complete(_compare(doors, owner))


async def _compare(doors: product.Doors, owner: str) -> int:
    wrong = 0
    nurses: dict[int, Callable[[str, int], Awaitable[dict[str, Any]]]] = {}
    for number, tab, offset in SAMPLES:
        if number not in nurses:
            nurses[number] = await _nurse(doors, number)
        answer = await nurses[number](tab, offset)
        expected = by_hand(owner, product.nurse(number)[1], tab)
        shown = [str(row["task_id"]) for row in answer["tasks"]]
        wrong += shown != expected[offset : offset + PAGE] or answer["counts"][tab] != len(expected)
    return wrong


async def _nurse(doors: product.Doors, number: int) -> Callable[[str, int], Awaitable[dict[str, Any]]]:
    username, department = product.nurse(number)
    session = await product.sign_in(doors, username)

    async def ask(tab: str, offset: int) -> dict[str, Any]:
        address = f"{doors.staff}/tasks/api/due/?department={department}&limit={PAGE}&offset={offset}&tab={tab}"
        async with session.get(address) as answer:
            found: dict[str, Any] = await answer.json()
            return found

    return ask


def by_hand(owner: str, department: str, tab: str) -> list[str]:
    """The whole list of a department as its order is written down: promised calls first, then pressing, then by due time."""
    sql = (
        "SELECT id::text, due_at, priority, snoozed_until, promised_at FROM tasks_task WHERE department_id = %s"
        " AND status = 'requested' AND available_at <= now()"
        " AND kind IN ('follow-up', 'revisit', 'education', 'reminder', 'contact-check')"
    )
    with psycopg.connect(owner) as database:
        row = database.execute("SELECT now(), (now() AT TIME ZONE 'Asia/Shanghai')::date").fetchone()
        assert row
        now, rows = row[0], [Waiting(*one) for one in database.execute(sql, (department,)).fetchall()]
    midnight = datetime.combine(row[1], datetime.min.time(), now.tzinfo) - timedelta(hours=8)
    return ordered(rows, tab, now=now, midnight=midnight)


def ordered(rows: list[Waiting], tab: str, *, now: datetime, midnight: datetime) -> list[str]:
    """Ids of the rows that the tab shows, in its order. `midnight` is today's first moment in Shanghai."""
    due = [one for one in rows if one.promised_at is None and (one.snoozed_until is None or one.snoozed_until <= now)]
    if tab == "overdue":
        late = [one for one in due if one.due_at < midnight]
        return [one.task for one in sorted(late, key=lambda one: (one.due_at, -one.priority, one.task))]
    first = _first_section()
    return [one.task for one in sorted(due, key=lambda o: (o.priority < first, -o.priority, o.due_at, o.task))]


def _first_section() -> int:
    from careloop.tasks.rules import shipped_weights

    return int(shipped_weights().limits["first-section-from"])


def audit_position(owner: str) -> int:
    """Where the audit trail ends now."""
    with psycopg.connect(owner) as database:
        row = database.execute("SELECT coalesce(max(id), 0) FROM audit_auditevent").fetchone()
    return int(row[0]) if row else 0


def rows_of_run(owner: str, run: str) -> tuple[int, int, int]:
    """Patients, stays and follow-ups that came of one run's messages."""
    sql = (
        "SELECT count(DISTINCT e.patient_id), count(DISTINCT e.id), count(t.id) FROM patients_encounter e"
        " LEFT JOIN plans_careplan p ON p.encounter_id = e.id LEFT JOIN tasks_task t ON t.care_plan_id = p.id"
        " WHERE e.visit_number LIKE %s"
    )
    with psycopg.connect(owner) as database:
        row = database.execute(sql, (f"V{run}%",)).fetchone()
    assert row
    return int(row[0]), int(row[1]), int(row[2])
