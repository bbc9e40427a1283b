"""`python -m bench [--size 1e6]`: seeds, measures product and limit in turn, prints the table, writes the JSON beside it."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from bench import ending, measuring, pace, report, results
from bench import world as w
from bench.place import ROOT, Place, machine, place, postmaster, tables

SEED = 7
OUTBOX_RUNS = (
    ("W6", "due reminders to a loopback gateway, one sender", ("--messages", "50000", "--limit")),
    ("W6 50 ms", "the same, the gateway answers after 50 ms", ("--messages", "50000", "--limit", "--latency", "0.05", "--at-once", "400")),
    ("W6 kill", "the same, the sender killed halfway and started again", ("--messages", "50000", "--kill")),
)  # fmt: skip


def main() -> int:
    given = _options()
    ending.in_order()
    name = f"careloop_bench_{given.size}"
    started, looks = time.perf_counter(), [pace.taken(results.KEPT)]
    with place(name, keep=given.keep) as here:
        sizes = _prepare(here, w.Size(given.size))
        rows = _measure(here, given, sizes, looks)
    if not given.only or "W6" in given.only.upper():
        rows += [_outbox(*each) for each in OUTBOX_RUNS]
        looks.append(pace.taken(results.KEPT))
    live = None if given.only and "LIVE" not in given.only.upper() else _live()
    outcome = {
        "when": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "machine": machine(), "tasks": given.size,
        "command": f"python -m bench --size {given.size:g} --seconds {given.seconds:g}", "seconds": round(time.perf_counter() - started), "rows": rows,
        "sizes": sizes, "live": live, "pace": [*looks, pace.taken(results.KEPT)],
    }  # fmt: skip
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_text(json.dumps(outcome, indent=1, ensure_ascii=False))
    print(report.table(outcome))
    print(f"\nJSON: {given.json}")
    if not given.only:
        results.keep(outcome)
        print(f"Kept for {results.FILE.relative_to(ROOT)}; `make bench-results` writes it")
    return 1 if any(row["wrong"] for row in rows) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--size", type=lambda text: int(float(text)), default=1_000_000, help="follow-ups, e.g. 1e6")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one turn; each side has two")
    parser.add_argument("--only", default="", help="workloads, e.g. W2,W4")
    parser.add_argument("--keep", action="store_true", help="keep the filled database for the next run")
    parser.add_argument("--json", type=Path, default=ROOT / ".data" / "bench" / "last.json")
    return parser.parse_args()


def _prepare(here: Place, size: w.Size) -> dict[str, object]:
    """Tables, shipped content and rows; a kept database is used as it is."""
    tables()
    os.environ["CARELOOP_DATABASE_ROLE"] = "owner"
    import django

    django.setup()
    from bench import seeding
    from careloop.tasks.models import Task

    have = Task.objects.unscoped("is it filled?").exists()
    print(f"{size.tasks:,} follow-ups" + (" (kept)" if have else ""), flush=True)
    if not have:
        seeding.fill(here.superuser, size, seed=SEED, now=datetime.now(UTC), say=lambda text: print(text, flush=True))
    return seeding.sizes(here.owner, size)


def _measure(
    here: Place, given: argparse.Namespace, sizes: dict[str, object], looks: list[dict[str, float]]
) -> list[dict[str, object]]:
    """The lines of the workloads; adds a look at the machine before each of them, and the processes' memory."""
    from bench import product, workloads

    only = {name for name in given.only.upper().split(",") if name}
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    rows: list[dict[str, object]] = []
    with product.running(here, ROOT / ".data" / "bench" / "logs") as doors:
        bench = workloads.Bench(here, doors, given.seconds, loop, postmaster(here))
        for workload in (bench.w2, bench.w4, bench.w5, bench.w3, bench.w1):
            if not only or workload.__name__.upper() in only:
                looks.append(pace.taken(results.KEPT))
                for row in workload():
                    rows.append(row)
                    print("  " + report.line(row), flush=True)
        sizes["memory"] = {name: round(measuring.memory_mb([pid])) for name, pid in doors.pids.items()}
        loop.run_until_complete(product.close_sessions())
    return rows


def _outbox(name: str, what: str, options: tuple[str, ...]) -> dict[str, object]:
    """W6 on a server of its own: each key reaches the gateway exactly once, or the line is void."""
    command = [sys.executable, "-m", "bench.outbox", *options]
    told = ending.answer_of(command, cwd=ROOT, environment={**os.environ, "PYTHONPATH": "src"})
    found = json.loads(told.strip().splitlines()[-1])
    row = report.outbox_row(name, what, found)
    print("  " + report.line(row), flush=True)
    return row


def _live() -> dict[str, object]:
    """A thousand open streams on one server process, and how late ten alerts reach all of them."""
    command = [sys.executable, "bench/live_clients.py"]
    # On a database of its own, so nothing of this run's place may reach it.
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("CARELOOP_", "DJANGO_"))}
    told = ending.answer_of(command, cwd=ROOT, environment={**plain, "PYTHONPATH": "src"})
    found: dict[str, object] = json.loads(told.strip().splitlines()[-1])
    print("  " + report.live_line(found), flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
