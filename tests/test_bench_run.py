"""The benchmark itself, small: it fills a database with today's tables, starts the product, and finds nothing wrong.

Rates of so short a run say nothing and are not looked at.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from careloop.config import env

ROOT = Path(__file__).resolve().parents[1]
ALL = {"W2 JSON", "W2 HTML", "W4", "W5", "W3", "W3 all", "W3 pages", "W1 ACK", "W1 burst", "W1a", "W1b"}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What a run on eight thousand follow-ups wrote."""
    written = tmp_path_factory.mktemp("bench") / "outcome.json"
    command = [
        sys.executable, "-m", "bench", "--size", "8e3", "--seconds", "0.2", "--only", "W1,W2,W3,W4,W5", "--json", str(written),
    ]  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CARELOOP_", "DJANGO_"))}
    kept["CARELOOP_DATA_DIR"] = str(env.load().data_dir)  # the server that the tests use anyway
    done = subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, timeout=600)
    assert written.exists(), done.stdout[-3000:] + done.stderr[-3000:]
    return json.loads(written.read_text()) | {"returncode": done.returncode, "printed": done.stdout}


def test_every_workload_is_measured_and_nothing_is_wrong(outcome: dict) -> None:
    rows = {row["name"]: row for row in outcome["rows"]}
    assert set(rows) == ALL
    assert {name: row["wrong"] for name, row in rows.items() if row["wrong"]} == {}
    assert outcome["returncode"] == 0
    assert [
        name for name, row in rows.items() if not (row["units"] and row["per_second"] and row["limit_per_second"])
    ] == []


def test_size_and_memory_are_told(outcome: dict) -> None:
    sizes = outcome["sizes"]
    assert set(sizes["memory"]) == {"web", "portal", "hl7", "worker"}
    assert sizes["bare_discharge"] < sizes["per_discharge"]
    assert sizes["tables"]["tasks_task"] > 0
    assert "| W3 all: the same until all that follows from it is done |" in outcome["printed"]
