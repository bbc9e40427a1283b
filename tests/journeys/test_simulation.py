"""A small hospital for three days, over real sockets and pages: nothing may be lost or doubled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from careloop.kernel import postgres

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.journey
def test_three_days_of_a_small_hospital(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARELOOP_")}
    environment |= {
        "PYTHONPATH": str(ROOT / "src"),
        "CARELOOP_DATA_DIR": str(tmp_path / "data"),
        "CARELOOP_SHARED_DATA": os.environ["CARELOOP_SHARED_DATA"],
    }
    cluster = postgres.cluster(tmp_path / "data")

    def careloop(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "careloop", *arguments], env=environment, capture_output=True, text=True, timeout=420
        )

    try:
        assert careloop("migrate").returncode == 0
        people = tmp_path / "people.json"
        done = careloop(
            "simulate", "--days", "3", "--discharges-per-day", "4", "--seed", "11", "--people-file", str(people)
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert "Nothing lost, nothing doubled." in done.stdout
        assert {p["username"] for p in json.loads(people.read_text())["people"]} >= {"hushi1", "guanli", "shenji"}
    finally:
        postgres.destroy(cluster)
