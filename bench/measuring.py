"""Clients, clocks and counters: how many units a second, how long each took, what it cost in processor time and memory."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Sample:
    """What one workload did while it was watched."""

    units: int = 0
    seconds: float = 0.0
    times: list[float] = field(default_factory=list)
    """Milliseconds of each unit."""
    app_cpu: float = 0.0
    database_cpu: float = 0.0
    """Processor seconds of the product's processes and of the database's."""
    wrong: int = 0
    """Answers that were not right: any makes the run void."""

    def add(self, other: Sample) -> None:
        """Two turns of the same workload."""
        self.units += other.units
        self.seconds += other.seconds
        self.times += other.times
        self.app_cpu += other.app_cpu
        self.database_cpu += other.database_cpu
        self.wrong += other.wrong

    @property
    def per_second(self) -> float:
        return self.units / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """Milliseconds that this share of the units stayed below."""
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    def row(self) -> dict[str, float | int]:
        """The figures of the report."""
        each = 1000 / self.units if self.units else 0.0
        return {
            "units": self.units, "per_second": round(self.per_second, 1), "p50_ms": round(self.percentile(0.5), 2),
            "p95_ms": round(self.percentile(0.95), 2), "p99_ms": round(self.percentile(0.99), 2),
            "app_cpu_ms": round(self.app_cpu * each, 3), "database_cpu_ms": round(self.database_cpu * each, 3),
            "wrong": self.wrong,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Watched:
    """The processes whose time is counted: the product's, and the database server with all its backends."""

    app: tuple[int, ...]
    postmaster: int

    def app_seconds(self) -> float:
        """Each process once, also where one of those named is another one's child; those that are gone through their parent."""
        return sum(
            cpu_seconds(pid, with_dead_children=True) for pid in {pid for root in self.app for pid in family(root)}
        )

    def database_seconds(self) -> float:
        """Backends that are gone count through their parent."""
        return cpu_seconds(self.postmaster, with_dead_children=True) + sum(
            cpu_seconds(pid) for pid in family(self.postmaster) if pid != self.postmaster
        )


def family(root: int) -> list[int]:
    """A process and all below it that still live."""
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        try:
            threads = list(Path(f"/proc/{pid}/task").iterdir())
        except OSError:
            continue
        found.append(pid)
        for thread in threads:
            with suppress(OSError):  # a thread that is over since; its process goes on
                waiting += [int(one) for one in (thread / "children").read_text().split()]
    return found


def cpu_seconds(pid: int, *, with_dead_children: bool = False) -> float:
    """Processor time of one process so far; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(one) for one in fields[11 : 15 if with_dead_children else 13]) / TICKS


def memory_mb(pids: Iterable[int]) -> float:
    """Proportional memory (PSS) of processes with all below them."""
    total = 0
    for pid in (one for root in pids for one in family(root)):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def in_threads(work: Sequence[Callable[[int], bool]], *, seconds: float, watched: Watched) -> Sample:
    """One thread for each client; `client(n)` does unit n and says whether its answer was right."""
    sample, lock, until = Sample(), threading.Lock(), time.perf_counter() + seconds

    def run(client: Callable[[int], bool], begin: int) -> None:
        times, wrong, number = [], 0, begin
        while (started := time.perf_counter()) < until:
            wrong += not client(number)
            times.append((time.perf_counter() - started) * 1000)
            number += len(work)
        with lock:
            sample.times += times
            sample.wrong += wrong

    def all_of_them() -> None:
        threads = [threading.Thread(target=run, args=(client, n)) for n, client in enumerate(work)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return _timed(sample, all_of_them, watched)


def in_tasks(work: Sequence[Callable[[int], Awaitable[bool]]], *, seconds: float, watched: Watched) -> Sample:
    """The same with coroutines: many connections, one thread."""
    sample, until = Sample(), time.perf_counter() + seconds

    async def run(client: Callable[[int], Awaitable[bool]], number: int) -> None:
        while (started := time.perf_counter()) < until:
            sample.wrong += not await client(number)
            sample.times.append((time.perf_counter() - started) * 1000)
            number += len(work)

    async def all_of_them() -> None:
        await asyncio.gather(*(run(client, n) for n, client in enumerate(work)))

    return _timed(sample, lambda: asyncio.get_event_loop().run_until_complete(all_of_them()), watched)


def counted_threads(work: Sequence[Callable[[int], bool]], units: int, watched: Watched) -> Sample:
    """Units 0 … n−1, each once, shared out over the clients."""
    sample, lock, numbers = Sample(), threading.Lock(), iter(range(units))

    def run(client: Callable[[int], bool]) -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            started = time.perf_counter()
            good = client(number)
            with lock:
                sample.times.append((time.perf_counter() - started) * 1000)
                sample.wrong += not good

    def all_of_them() -> None:
        threads = [threading.Thread(target=run, args=(client,)) for client in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return _timed(sample, all_of_them, watched)


def counted_tasks(client: Callable[[int], Awaitable[bool]], clients: int, units: int, watched: Watched) -> Sample:
    """The same with coroutines."""
    sample, numbers = Sample(), iter(range(units))

    async def run() -> None:
        for number in numbers:
            started = time.perf_counter()
            sample.wrong += not await client(number)
            sample.times.append((time.perf_counter() - started) * 1000)

    async def all_of_them() -> None:
        await asyncio.gather(*(run() for _ in range(clients)))

    return _timed(sample, lambda: asyncio.get_event_loop().run_until_complete(all_of_them()), watched)


def _timed(sample: Sample, run: Callable[[], None], watched: Watched) -> Sample:
    app, database, started = watched.app_seconds(), watched.database_seconds(), time.perf_counter()
    run()
    sample.seconds = time.perf_counter() - started
    sample.app_cpu, sample.database_cpu = watched.app_seconds() - app, watched.database_seconds() - database
    sample.units = len(sample.times)
    return sample


def interleaved(turns: int, *sides: Callable[[], Sample]) -> list[Sample]:
    """Each side in turn, several times: what disturbs the machine disturbs all."""
    totals = [Sample() for _ in sides]
    for _ in range(turns):
        for total, side in zip(totals, sides, strict=True):
            total.add(side())
    return totals
