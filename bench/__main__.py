"""`python -m bench [--size 1e6]`: seeds, measures product and limit in turn, prints the table, writes the JSON beside it."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench import limit, measuring, report
from bench import world as w
from bench.measuring import Sample, Watched
from bench.place import ROOT, Place, place

CLIENTS = 8
TURNS = 2
SEED = 7


def main() -> int:
    given = _options()
    name = f"careloop_bench_{given.size}"
    os.environ.setdefault("CARELOOP_SECRET_KEY", secrets.token_urlsafe(60))
    started = time.perf_counter()
    with place(name, keep=given.keep) as here:
        sizes = _prepare(here, w.Size(given.size))
        rows = _measure(here, given, sizes)
    outcome = {
        "when": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "machine": _machine(), "tasks": given.size,
        "command": f"python -m bench --size {given.size}", "seconds": round(time.perf_counter() - started), "rows": rows,
        "sizes": sizes,
    }  # fmt: skip
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_text(json.dumps(outcome, indent=1, ensure_ascii=False))
    print(report.table(outcome))
    print(f"\nJSON: {given.json}")
    return 1 if any(row["wrong"] for row in rows) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--size", type=lambda text: int(float(text)), default=1_000_000, help="follow-ups, e.g. 1e6")
    parser.add_argument("--seconds", type=float, default=6.0, help="length of one turn; each side has two")
    parser.add_argument("--only", default="", help="workloads, e.g. W2,W4")
    parser.add_argument("--keep", action="store_true", help="keep the filled database for the next run")
    parser.add_argument("--json", type=Path, default=ROOT / ".data" / "bench" / "last.json")
    return parser.parse_args()


def _machine() -> str:
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        "",
    )
    return (
        f"{os.cpu_count()} cores {model}, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


def _prepare(here: Place, size: w.Size) -> dict[str, object]:
    """Tables, shipped content and rows; a kept database is used as it is."""
    subprocess.run(
        [sys.executable, "-m", "careloop", "migrate"], check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": "src"}
    )
    os.environ["CARELOOP_DATABASE_ROLE"] = "owner"
    import django  # noqa: PLC0415  (only now the address of the database is known)

    django.setup()
    from bench import seeding  # noqa: PLC0415
    from careloop.tasks.models import Task  # noqa: PLC0415

    have = Task.objects.unscoped("is it filled?").exists()
    print(f"{size.tasks:,} follow-ups" + (" (kept)" if have else ""), flush=True)
    if not have:
        seeding.fill(here.superuser, size, seed=SEED, now=datetime.now(UTC), say=lambda text: print(text, flush=True))
    return seeding.sizes(here.owner, size)


def _measure(here: Place, given: argparse.Namespace, sizes: dict[str, object]) -> list[dict[str, object]]:
    from bench import product  # noqa: PLC0415

    only = {name for name in given.only.upper().split(",") if name}
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    rows: list[dict[str, object]] = []
    with product.running(here, ROOT / ".data" / "bench" / "logs") as doors:
        bench = Bench(here, doors, given.seconds, loop, _postmaster(here))
        for workload in (bench.w2, bench.w4, bench.w5, bench.w3, bench.w1):
            if not only or workload.__name__.upper() in only:
                for row in workload():
                    rows.append(row)
                    print("  " + report.line(row), flush=True)
        sizes["memory"] = {name: round(measuring.memory_mb([pid])) for name, pid in doors.pids.items()}
        loop.run_until_complete(product.close_sessions())
    return rows


def _postmaster(here: Place) -> int:
    import psycopg  # noqa: PLC0415

    with psycopg.connect(here.superuser) as database:
        (folder,) = database.execute("SHOW data_directory").fetchone() or ("",)
    return int((Path(str(folder)) / "postmaster.pid").read_text().splitlines()[0])


class Bench:
    """The workloads on one running product."""

    def __init__(
        self, here: Place, doors: object, seconds: float, loop: asyncio.AbstractEventLoop, postmaster: int
    ) -> None:
        self.here, self.doors, self.seconds, self.loop = here, doors, seconds, loop
        self.postmaster = postmaster

    def watched(self, *names: str) -> Watched:
        return Watched(tuple(self.doors.pids[name] for name in names), self.postmaster)

    def against(
        self, name: str, what: str, target: str, clients: Sequence[object], limits: Sequence[limit.Client], app: str
    ) -> dict[str, object]:
        """One line: product and limit in turn, each at eight clients, then each alone at one."""
        watched = self.watched(app)
        none = Watched((), self.postmaster)
        product, floor = measuring.interleaved(
            TURNS,
            lambda: measuring.in_tasks(clients, seconds=self.seconds, watched=watched),
            lambda: measuring.in_threads(limits, seconds=self.seconds / 2, watched=none),
        )
        alone = measuring.in_tasks(clients[:1], seconds=self.seconds / 2, watched=watched)
        return report.row(name, what, target, product, floor, alone)

    def _clients(self, make: Callable[[int], object]) -> list[object]:
        return [self.loop.run_until_complete(make(n)) for n in range(CLIENTS)]

    def w2(self) -> list[dict[str, object]]:
        """The due list, as JSON and as the page's fragment."""
        from bench import product  # noqa: PLC0415

        limits = [limit.due_lists(self.here.owner) for _ in range(CLIENTS)]
        json_clients = self._clients(lambda n: product.due_list(self.doors, n, as_json=True))
        html_clients = self._clients(lambda n: product.due_list(self.doors, n, as_json=False))
        return [
            self.against(
                "W2 JSON", "due list, 50 rows, exact count", "≥ 700/s, p50 ≤ 3 ms", json_clients, limits, "web"
            ),
            self.against(
                "W2 HTML", "the same as the page's fragment", "≥ 300/s, p95 ≤ 40 ms", html_clients, limits, "web"
            ),
        ]

    def w4(self) -> list[dict[str, object]]:
        """Everything about one patient."""
        from bench import product  # noqa: PLC0415

        by_department = {n: _patients_of(self.here, w.departments()[n]) for n in range(CLIENTS)}
        limits = [limit.patients(self.here.owner, by_department[n]) for n in range(CLIENTS)]
        clients = self._clients(lambda n: product.patient_pages(self.doors, n, by_department))
        return [self.against("W4", "patient 360 with its fragments", "≥ 450/s, p50 ≤ 5 ms", clients, limits, "web")]

    def w5(self) -> list[dict[str, object]]:
        """The month of the hospital."""
        from bench import product  # noqa: PLC0415

        limits = [limit.months(self.here.owner) for _ in range(CLIENTS)]
        clients = self._clients(lambda n: product.dashboard(self.doors, n))
        row = self.against("W5", "hospital dashboard, 40 departments", "≤ 3 ms, exact", clients, limits, "web")
        row["exact"] = _rollup_is_exact()
        row["wrong"] = int(row["wrong"]) + (not row["exact"])
        return [row]

    def w3(self) -> list[dict[str, object]]:
        """A patient answers a whole form on the phone."""
        from bench import product, seeding  # noqa: PLC0415

        given = seeding.given(datetime.now(UTC))
        count = max(200, int(self.seconds * 1200))
        open_tasks = _open_tasks(self.here, count)
        half = min(len(open_tasks) // 2, 600)
        links = product.issue_links(self.doors, open_tasks[:half], expires_at=datetime.now(UTC) + timedelta(days=7))
        client = product.patient_answers(links)
        watched, none = self.watched("portal"), Watched((), self.postmaster)
        floor_client = limit.answers(
            self.here.owner, open_tasks[half:], (given.form, given.canonical, given.answers), len(given.facts)
        )
        product_side, done = Sample(), 0

        async def one(turn: int) -> bool:
            return await client(turn)

        product_side = measuring.counted_tasks(one, CLIENTS, min(half, 200), watched)
        floor = measuring.counted_threads(
            [floor_client]
            + [
                limit.answers(
                    self.here.owner, open_tasks[half:], (given.form, given.canonical, given.answers), len(given.facts)
                )
                for _ in range(CLIENTS - 1)
            ],
            len(open_tasks) - half,
            none,
        )
        alone = Sample()
        _ = done
        return [
            report.row(
                "W3",
                f"questionnaire on the phone, {len(given.facts)} answers, page by page",
                "≥ 700/s, p95 ≤ 20 ms",
                product_side,
                floor,
                alone,
            )
        ]

    def w1(self) -> list[dict[str, object]]:
        """Discharges over the socket until plan and tasks are there."""
        from bench import product  # noqa: PLC0415

        run, sent = f"W{int(time.time()) % 100000}x", {}
        lines = product.hl7_lines(self.doors, run, datetime.now(UTC), sent, CLIENTS)
        count = max(100, int(self.seconds * 40))
        watched = self.watched("hl7", "worker")
        sample = Sample()
        app, database, started = watched.app_seconds(), watched.database_seconds(), time.perf_counter()
        stored = measuring.counted_threads(lines, count, Watched((), self.postmaster))
        done = _wait_for_plans(self.here, run, count)
        sample.seconds = time.perf_counter() - started
        sample.app_cpu, sample.database_cpu = watched.app_seconds() - app, watched.database_seconds() - database
        sample.units = len(done)
        sample.times = [(at - sent[key]) * 1000 for key, at in done.items()]
        sample.wrong = stored.wrong + count - len(done)
        floor = measuring.in_threads(
            [limit.discharges(self.here.owner) for _ in range(CLIENTS)],
            seconds=self.seconds,
            watched=Watched((), self.postmaster),
        )
        return [
            report.row("W1 ACK", "A03 over MLLP until acknowledged (stored)", "", stored, floor, Sample()),
            report.row(
                "W1a", "A03 over MLLP until plan and task exist", "≥ 700/s, p95 ≤ 20 ms", sample, floor, Sample()
            ),
        ]


def _patients_of(here: Place, department: str) -> list[str]:
    return [
        str(row[0])
        for row in _ask(
            here, "SELECT DISTINCT patient_id FROM tasks_task WHERE department_id = %s LIMIT 300", department
        )
    ]


def _open_tasks(here: Place, count: int) -> list[tuple[str, str, str]]:
    rows = _ask(
        here,
        "SELECT DISTINCT ON (patient_id) id, patient_id, department_id FROM tasks_task"
        " WHERE status = 'requested' AND available_at <= now() AND questionnaire_url <> '' ORDER BY patient_id, due_at LIMIT %s",
        count,
    )
    return [(str(a), str(b), str(c)) for a, b, c in rows]


def _wait_for_plans(here: Place, run: str, count: int, *, seconds: float = 240.0) -> dict[str, float]:
    """Visit number → when the first task of its plan was written. Waits until all are there."""
    sql = (
        "SELECT e.visit_number, extract(epoch FROM min(t.created_at)) FROM patients_encounter e"
        " JOIN tasks_task t ON t.encounter_id = e.id WHERE e.visit_number LIKE %s GROUP BY 1"
    )
    until = time.monotonic() + seconds
    while True:
        rows = _ask(here, sql, f"V{run}%")
        if len(rows) >= count or time.monotonic() > until:
            return {str(visit)[1:]: float(str(at)) for visit, at in rows}
        time.sleep(0.2)


def _ask(here: Place, sql: str, *values: object) -> list[tuple[object, ...]]:
    import psycopg  # noqa: PLC0415

    with psycopg.connect(here.owner) as database:
        return database.execute(sql, values).fetchall()


def _rollup_is_exact() -> bool:
    """The stored month equals the recount from the rows: the product's own check finds no difference."""
    from django.utils import timezone  # noqa: PLC0415

    from careloop.kernel.viewer import Viewer  # noqa: PLC0415
    from careloop.reports.actions import check_rollup  # noqa: PLC0415

    return check_rollup(at=timezone.now(), by=Viewer.system("bench")).differing == 0


if __name__ == "__main__":
    sys.exit(main())
