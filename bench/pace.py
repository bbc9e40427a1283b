"""How fast the machine itself was while a run was made: rented cores are halved and doubled by their neighbours."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

STEPS, WRITES, PAGE = 1_000_000, 50, 8192


def taken(folder: Path) -> dict[str, float]:
    """Milliseconds for a million steps of Python on one core and for one page that is on the disk for good (medians),
    measured in this folder's file system.
    """
    return {"python_ms": round(_python(), 1), "disk_ms": round(_disk(folder), 2)}


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
    """What a reader compares two runs by; nothing of a run that was made before this was measured."""
    if "pace" not in outcome:
        return []
    before, after = outcome["pace"]
    return [
        f"Pace of the machine, before → after the run: a million steps of Python {before['python_ms']:g} → {after['python_ms']:g} ms,"
        f" a page written for good {before['disk_ms']:g} → {after['disk_ms']:g} ms\n"
    ]
