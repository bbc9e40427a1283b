"""How fast the machine itself was while a run was made: rented cores are halved and doubled by their neighbours."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CORES = Path("/proc/stat")
STEPS, WRITES, PAGE = 1_000_000, 50, 8192


def taken(folder: Path) -> dict[str, float]:
    """Milliseconds for a million steps of Python on one core and for one page that is on the disk for good (medians,
    in this folder's file system), and since the machine's start the ticks of its cores that worked and those that its
    host gave to other guests meanwhile (`man 5 proc_stat`: steal).
    """
    user, nice, system, __, __, irq, softirq, stolen, *__ = map(int, CORES.read_text().split("\n")[0].split()[1:])
    return {
        "python_ms": round(_python(), 1), "disk_ms": round(_disk(folder), 2),
        "worked": user + nice + system + irq + softirq, "stolen": stolen,
    }  # fmt: skip


def _python() -> float:
    return statistics.median(_loop() for _ in range(5))


def _loop() -> float:
    begun, sum_ = time.perf_counter(), 0
    for step in range(STEPS):
        sum_ += step
    return (time.perf_counter() - begun) * 1000


def _disk(folder: Path) -> float:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        return statistics.median(_write(file.fileno()) for _ in range(WRITES))


def _write(file: int) -> float:
    begun = time.perf_counter()
    os.write(file, bytes(PAGE))
    os.fsync(file)
    return (time.perf_counter() - begun) * 1000


def lines(outcome: Mapping[str, Any]) -> list[str]:
    """What a reader compares two runs by, of all looks at the machine; nothing of a run made before this was measured."""
    looks = outcome.get("pace")
    if not looks:
        return []
    worked, stolen = (looks[-1][what] - looks[0][what] for what in ("worked", "stolen"))
    return [
        f"Pace of the machine, {len(looks)} looks during the run: a million steps of Python {_span(looks, 'python_ms')},"
        f" a page written for good {_span(looks, 'disk_ms')};"
        f" {stolen / max(worked + stolen, 1):.0%} of the time it wanted to work went to other guests of its host\n"
    ]


def _span(looks: Sequence[Mapping[str, float]], what: str) -> str:
    times = [look[what] for look in looks]
    return f"{min(times):g}–{max(times):g} ms (median {statistics.median(times):.3g})"
