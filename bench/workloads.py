"""The workloads on one running product: each gives the lines of the report it measured."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from bench import checks, discharge, limit, measuring, product, report
from bench import form as twenty
from bench import world as w
from bench.answers import sample
from bench.measuring import Sample, Watched
from bench.place import Place

CLIENTS, TURNS = 8, 2
IN_A_FILE = 500
"""Discharges that come in one file, for each second that a turn lasts."""
PAGED = 25
"""Questionnaires answered page by page, for each second; each is about twenty requests."""
SENT_WHOLE = 75
"""Questionnaires that a telephone sends at once, for each second."""
WAITS_SECONDS = 120
"""Longest wait for the part of a file that another process took."""
REPEATED = 50
"""Discharges sent a second time, at most."""
Row = dict[str, Any]


class Bench:
    """One running product, its database, and how long a turn lasts."""

    def __init__(
        self, here: Place, doors: product.Doors, seconds: float, loop: asyncio.AbstractEventLoop, postmaster: int
    ) -> None:
        self.here, self.doors, self.seconds, self.loop = here, doors, seconds, loop
        self.database_alone = Watched((), postmaster)

    def watched(self, *names: str) -> Watched:
        """The named processes of the product and the database."""
        return Watched(tuple(self.doors.pids[name] for name in names), self.database_alone.postmaster)

    def clients(self, make: Callable[[int], Awaitable[product.Client]]) -> list[product.Client]:
        """Eight signed-in browsers."""
        return [self.loop.run_until_complete(make(n)) for n in range(CLIENTS)]

    def against(self, name: str, what: str, clients: Sequence[product.Client], limits: Sequence[limit.Client]) -> Row:
        """One line: product and limit in turn at eight clients, then the product alone at one."""
        web = self.watched("web")
        ours, floor = measuring.interleaved(
            TURNS,
            lambda: measuring.in_tasks(clients, seconds=self.seconds, watched=web),
            lambda: measuring.in_threads(limits, seconds=self.seconds / 2, watched=self.database_alone),
        )
        alone = measuring.in_tasks(clients[:1], seconds=self.seconds / 2, watched=web)
        return report.row(name, what, ours, floor, alone)

    def w2(self) -> list[Row]:
        """The due list, as JSON and as the page's fragment."""
        limits = [limit.due_lists(self.here.owner) for _ in range(CLIENTS)]
        as_json = self.clients(partial(product.due_list, self.doors, as_json=True))
        as_html = self.clients(partial(product.due_list, self.doors, as_json=False))
        rows = [
            self.against("W2 JSON", "due list, 50 rows, exact count", as_json, limits),
            self.against("W2 HTML", "the same as the page's fragment", as_html, limits),
        ]
        rows[0]["wrong"] += checks.wrong_due_lists(self.doors, self.here.owner, self.loop)
        return rows

    def w4(self) -> list[Row]:
        """Everything about one patient."""
        ids = {n: patients_of(self.here, w.departments()[n]) for n in range(CLIENTS)}
        limits = [limit.patients(self.here.owner, ids[n]) for n in range(CLIENTS)]
        clients = self.clients(partial(product.patient_pages, self.doors, ids=ids))
        trail = checks.audit_position(self.here.owner)
        row = self.against("W4", "patient 360 with its fragments", clients, limits)
        row["wrong"] += max(0, row["units"] - (checks.audit_position(self.here.owner) - trail))  # each look is a fact
        return [row]

    def w5(self) -> list[Row]:
        """The month of the hospital; void unless the roll-up equals the recount."""
        limits = [limit.months(self.here.owner) for _ in range(CLIENTS)]
        clients = self.clients(partial(product.dashboard, self.doors))
        row = self.against("W5", "hospital dashboard, 40 departments", clients, limits)
        row["wrong"] += not rollup_is_exact()
        return [row]

    def w3(self) -> list[Row]:
        """Patients answer a whole form on the phone: page by page, and sent at once as a telephone does that had no
        network. The limit writes the same answers at once.
        """
        now, pages, whole = datetime.now(UTC), self._count(PAGED), self._count(SENT_WHOLE)
        form = twenty.publish(at=now)
        tasks = open_tasks(self.here, pages + 4 * whole)
        ask_instead(self.here, [task for task, _, _ in tasks], form.url)
        paged, sent, theirs = tasks[:pages], tasks[pages : pages + whole], tasks[pages + whole :]
        until, values = now + timedelta(days=7), twenty.answers()
        stored, facts = sample(form, at=now)
        written = (str(form.pk), form.canonical, json.dumps(stored))
        limits = [limit.answers(self.here.owner, theirs, written, len(facts)) for _ in range(CLIENTS)]
        opened = product.open_forms(product.issue_links(self.doors, sent, expires_at=until))
        phones = self.loop.run_until_complete(product.in_loop(product.whole_forms, opened, values))
        at_once, followed = self._with_what_follows(
            lambda: measuring.counted_tasks(phones, CLIENTS, len(opened), self.watched("portal"))
        )
        at_once.wrong += wrongly_stored(self.here, [task for task, _, _ in sent[: len(opened)]])
        floor = measuring.counted_threads(limits, len(theirs), self.database_alone)
        links = product.issue_links(self.doors, paged, expires_at=until)
        client = product.patient_answers(links)
        mine, _ = self._with_what_follows(
            lambda: measuring.counted_tasks(client, CLIENTS, len(links), self.watched("portal"))
        )
        return [
            report.row("W3", f"questionnaire of {twenty.QUESTIONS} questions, sent at once", at_once, floor, Sample()),
            report.row("W3 all", "the same until all that follows from it is done", followed, floor, Sample()),
            report.row("W3 pages", "the same on the phone, page by page", mine, floor, Sample()),
        ]

    def _count(self, each_second: int) -> int:
        """How many units a turn has that is counted instead of timed: one for each client at least."""
        return max(CLIENTS, int(self.seconds * each_second))

    def _with_what_follows(self, turn: Callable[[], Sample]) -> tuple[Sample, Sample]:
        """The turn, and the turn with the worker's part: until nothing is left to do, both processes counted."""
        wait_for_jobs(self.here)
        both = self.watched("portal", "worker")
        app, database, started = both.app_seconds(), both.database_seconds(), time.perf_counter()
        done = turn()
        wait_for_jobs(self.here)
        return done, Sample(
            units=done.units, seconds=time.perf_counter() - started,
            app_cpu=both.app_seconds() - app, database_cpu=both.database_seconds() - database,
        )  # fmt: skip

    def w1(self) -> list[Row]:
        """Discharges over the socket and from a file, each until its eight follow-ups are there."""
        discharge.publish(at=datetime.now(UTC))
        wait_for_jobs(self.here)  # what the answers of W3 still set off is not this workload's
        limits = [limit.discharges(self.here.owner) for _ in range(CLIENTS)]
        floor = measuring.in_threads(limits, seconds=self.seconds, watched=self.database_alone)
        watch = discharge.Watch(self.here.owner)
        try:
            ack, burst = self._all_at_once(watch)
            rows = [
                report.row("W1 ACK", "A03 over MLLP until stored and acknowledged", ack, floor, Sample()),
                report.row("W1 burst", "the same until the last of their follow-ups is there", burst, floor, Sample()),
                self._one_by_one(watch),
            ]
        finally:
            watch.close()
        return [*rows, report.row("W1b", "the same from one file", self._from_a_file(), self._bulk_limit(), Sample())]

    def _all_at_once(self, watch: discharge.Watch) -> tuple[Sample, Sample]:
        """Every client sends as fast as it is acknowledged: how fast that is, and when all of it has been worked off."""
        run, count = f"W{int(time.time()) % 100000}x", self._count(40)
        both, senders = self.watched("hl7", "worker"), discharge.lines(self.doors, run, datetime.now(UTC), CLIENTS)
        app, database, started = both.app_seconds(), both.database_seconds(), time.perf_counter()
        ack = measuring.counted_threads(senders, count, self.database_alone)
        watch.wait([discharge.visit(run, number) for number in range(count)])
        burst = Sample(
            units=count, seconds=time.perf_counter() - started, app_cpu=both.app_seconds() - app,
            database_cpu=both.database_seconds() - database, wrong=discharge.wrongly_stored(self.here.owner, run, count),
        )  # fmt: skip
        burst.wrong += self._made_by_repeating(senders, run)
        return ack, burst

    def _one_by_one(self, watch: discharge.Watch) -> Row:
        """Eight senders, each waiting for the follow-ups of one discharge before it sends the next, as the limit does."""
        run, both = f"E{int(time.time()) % 100000}x", self.watched("hl7", "worker")
        senders = discharge.lines(self.doors, run, datetime.now(UTC), CLIENTS)
        clients = discharge.until_written(senders, run, watch)
        limits = [limit.discharges(self.here.owner) for _ in range(CLIENTS)]
        sent = Numbered(clients)
        ours, floor = measuring.interleaved(
            TURNS,
            lambda: measuring.in_threads(sent.clients, seconds=self.seconds, watched=both),
            lambda: measuring.in_threads(limits, seconds=self.seconds / 2, watched=self.database_alone),
        )
        ours.wrong += discharge.wrongly_stored(self.here.owner, run, sent.units)
        alone = measuring.in_threads(sent.clients[:1], seconds=self.seconds / 2, watched=both)
        return report.row("W1a", "A03 over MLLP until its eight follow-ups are there", ours, floor, alone)

    def _made_by_repeating(self, senders: Sequence[Callable[[int], bool]], run: str) -> int:
        """Rows that came of sending the same messages once more: there must be none."""
        before = checks.rows_of_run(self.here.owner, run)
        measuring.counted_threads(senders, min(REPEATED, self._count(40)), self.database_alone)
        time.sleep(2)  # longer than a message takes from the inbox to its plan
        return sum(abs(now - then) for now, then in zip(checks.rows_of_run(self.here.owner, run), before, strict=True))

    def _bulk_limit(self) -> Sample:
        """The same discharges a hundred at a time by COPY, counted one by one."""
        limits = [limit.discharges_in_bulk(self.here.owner) for _ in range(CLIENTS)]
        batches = measuring.in_threads(limits, seconds=self.seconds, watched=self.database_alone)
        batches.units *= limit.IN_A_BATCH
        return batches

    def _from_a_file(self) -> Sample:
        """A file of discharges as `careloop hl7 ingest` takes it, until every plan and task is there."""
        from careloop.integration.jobs.ingest import HELPERS, ingest
        from careloop.kernel.memory import settle

        run, count = f"F{int(time.time()) % 100000}x", self._count(IN_A_FILE)
        with tempfile.NamedTemporaryFile(suffix=".hl7") as file:
            file.write(b"\r".join(discharge.message(n, run, datetime.now(UTC)) for n in range(count)))
            file.flush()
            settle()  # as the command does before it reads a file
            watched = Watched((*self.watched("hl7", "worker").app, os.getpid()), self.database_alone.postmaster)
            app, database, started = watched.app_seconds(), watched.database_seconds(), time.perf_counter()
            done = ingest([Path(file.name)], helpers=HELPERS)
            wrong = discharge.wrongly_stored(self.here.owner, run, count)
            while wrong and done.waiting and time.perf_counter() < started + WAITS_SECONDS:
                time.sleep(0.02)  # the gateway, which looks into the inbox too, has taken a part of the file
                wrong = discharge.wrongly_stored(self.here.owner, run, count)
            return Sample(
                units=count, seconds=time.perf_counter() - started, app_cpu=watched.app_seconds() - app,
                database_cpu=watched.database_seconds() - database, wrong=wrong + count - done.stored,
            )  # fmt: skip


class Numbered:
    """Clients that take the next number, whoever is free: turns go on where the one before ended, none is sent twice."""

    def __init__(self, clients: Sequence[Callable[[int], bool]]) -> None:
        self._numbers, self._lock = itertools.count(), threading.Lock()
        self.units = 0
        self.clients = [partial(self._next, client) for client in clients]

    def _next(self, client: Callable[[int], bool], _number: int) -> bool:
        with self._lock:
            number = next(self._numbers)
            self.units = number + 1
        return client(number)


def patients_of(here: Place, department: str) -> list[str]:
    """Some patients of a department."""
    sql = "SELECT DISTINCT patient_id FROM tasks_task WHERE department_id = %s LIMIT 300"
    return [str(row[0]) for row in ask(here, sql, department)]


def open_tasks(here: Place, count: int) -> list[tuple[str, str, str]]:
    """Open tasks with a form, one for each patient: (task, patient, department)."""
    sql = (
        "SELECT DISTINCT ON (patient_id) id, patient_id, department_id FROM tasks_task WHERE status = 'requested'"
        " AND available_at <= now() AND questionnaire_url <> '' AND key LIKE 'b:%%' ORDER BY patient_id, due_at LIMIT %s"
    )
    return [(str(a), str(b), str(c)) for a, b, c in ask(here, sql, count)]


def ask_instead(here: Place, tasks: Sequence[str], form: str) -> None:
    """These follow-ups ask the questionnaire that is measured."""
    ask(here, "UPDATE tasks_task SET questionnaire_url = %s WHERE id = ANY(%s::uuid[]) RETURNING 1", form, list(tasks))


def wrongly_stored(here: Place, tasks: Sequence[str]) -> int:
    """Of these tasks, how many do not have their answers as sent: hidden ones dropped, judged, the task closed."""
    sql = (
        "SELECT count(*) FROM questionnaires_questionnaireresponse r JOIN tasks_task t ON t.id = r.task_id"
        " WHERE t.id = ANY(%s::uuid[]) AND r.status = 'completed' AND t.status = 'completed' AND r.canonical LIKE %s"
        " AND (SELECT count(*) FROM jsonb_object_keys(r.answers)) = %s AND (r.scores -> 'total' ->> 'value')::float = %s"
    )
    right = ask(here, sql, list(tasks), f"{twenty.URL}|%%", twenty.kept(), twenty.total())
    return len(tasks) - int(str(right[0][0]))


def wait_for_jobs(here: Place, *, seconds: float = 180.0) -> None:
    """Until the worker has nothing due left."""
    sql = (
        "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
        " AND (scheduled_at IS NULL OR scheduled_at <= now())"
    )
    until = time.monotonic() + seconds
    while int(str(ask(here, sql)[0][0])) and time.monotonic() < until:
        time.sleep(0.5)


def ask(here: Place, sql: str, *values: object) -> list[tuple[object, ...]]:
    """One question to the database, outside the product."""
    with psycopg.connect(here.owner) as database:
        return database.execute(sql, values).fetchall()


def rollup_is_exact() -> bool:
    """The stored months equal the recount from the rows: the product's own check finds no difference."""
    from django.utils import timezone

    from careloop.kernel.viewer import Viewer
    from careloop.reports.actions import check_rollup

    return check_rollup(at=timezone.now(), by=Viewer.system("bench")).differing == 0
