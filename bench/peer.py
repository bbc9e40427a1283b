"""`python -m bench.peer [--size 1e5]`: GNU Health on the same database server, driven from outside, beside our last run.

Its packages live in an environment of their own below `.data/`; its database is dropped at the end; its server is stopped
also when something fails or somebody presses Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from bench import beside, ending, gnuhealth, measuring, pace
from bench import peer_work as work
from bench import world as w
from bench.gnuhealth import Rpc, Server
from bench.measuring import Sample, Watched
from bench.place import ROOT, Place, machine, place, postmaster

CLIENTS, TURNS = 8, 2
KEPT = ROOT / ".data" / "bench"


def main() -> int:
    """Install, fill, measure, print; the JSON lies beside those of the product."""
    given = _options()
    ending.in_order()
    started, before = time.perf_counter(), pace.taken(KEPT)
    size = w.Size(given.size)
    print("GNU Health: its packages", flush=True)
    programs = gnuhealth.installed(KEPT / "gnuhealth")
    with place(f"gnuhealth_bench_{given.size}", keep=False, fresh=True) as here:
        print("GNU Health: its tables and its server", flush=True)
        with gnuhealth.running(programs, here.name, here.owner, KEPT / "logs" / "gnuhealth") as server:
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            outcome = _outcome(_Bench(here, server, given.seconds, loop), size)
    outcome |= {
        "when": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "machine": machine(), "tasks": given.size,
        "command": f"make bench-peer SIZE={given.size}", "seconds": round(time.perf_counter() - started),
        "pace": [before, pace.taken(KEPT)],
    }  # fmt: skip
    beside.keep(outcome)
    print(beside.table(outcome, beside.product(given.size)))
    print(f"\nJSON: {beside.file(given.size)}; `make bench-results` puts it into bench/RESULTS.md")
    return 1 if any(row["wrong"] for row in outcome["rows"]) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.peer", description=__doc__)
    parser.add_argument("--size", type=lambda text: int(float(text)), default=100_000, help="follow-ups, e.g. 1e5")
    parser.add_argument("--seconds", type=float, default=6.0, help="length of one turn; each workload has two")
    return parser.parse_args()


class _Bench:
    """The running peer, its database, and how long a turn lasts."""

    def __init__(self, here: Place, server: Server, seconds: float, loop: asyncio.AbstractEventLoop) -> None:
        self.here, self.server, self.seconds, self.loop = here, server, seconds, loop
        self.watched = Watched((server.pid,), postmaster(here))
        self.now = datetime.now(UTC).replace(tzinfo=None)

    def wait(self, what: Any) -> Any:
        return self.loop.run_until_complete(what)

    def client(self, of: work.Hospital | None = None) -> Rpc:
        rpc: Rpc = self.wait(_signed_in(self.server))
        if of:
            rpc.context["company"] = of.company
        return rpc

    def line(self, name: str, make: Callable[[int], work.Client]) -> dict[str, Any]:
        """Eight clients for two turns, then one alone."""
        clients = [make(n) for n in range(CLIENTS)]
        for each in clients:
            self.wait(each(0))  # what it loads once is not measured
        eight = Sample()
        for _ in range(TURNS):
            eight.add(measuring.in_tasks(clients, seconds=self.seconds, watched=self.watched))
        alone = measuring.in_tasks(clients[:1], seconds=self.seconds / 2, watched=self.watched)
        row = beside.row(name, eight, alone)
        print(f"  {name}: {row['per_second']}/s at eight clients, {row['alone_p50_ms']} ms alone", flush=True)
        return row


async def _signed_in(server: Server) -> Rpc:
    return await Rpc(server).sign_in()


def _outcome(bench: _Bench, size: w.Size) -> dict[str, Any]:
    first = bench.client()
    of: work.Hospital = bench.wait(work.hospital(first))
    model = bench.wait(work.discharge(first, of, 1, bench.now))
    began = time.perf_counter()
    rows = work.fill(bench.here.superuser, (*model[:4], model[4][0]), of, size)
    print(f"  {rows:,} rows in {time.perf_counter() - began:.0f} s", flush=True)
    clients = [bench.client(of) for _ in range(CLIENTS)]
    until, url = work.today_ends(), bench.here.superuser
    try:
        lines = [
            bench.line("W2", lambda n: work.due_list(
                clients[n], of.departments[n], until, work.expected_due(url, of.departments[n], until))),
            bench.line("W4", lambda n: work.patient_record(clients[n], work.patients(url, of.departments[n]))),
            bench.line("W1a", lambda n: work.discharges(clients[n], of, bench.now)),
        ]  # fmt: skip
        memory = round(measuring.memory_mb([bench.server.pid]))
    finally:
        for each in (first, *clients):
            bench.wait(each.close())
    return {"rows": lines, "memory_mb": memory, "sizes": work.sizes(url, size), "rows_written": rows}


if __name__ == "__main__":
    sys.exit(main())
