"""A check that is switched off for a line says why beside it, in the rooms that everything else stands on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLACES = (
    "kernel", "accounts", "audit", "console", "config", "integration", "simulation", "questionnaires", "publichealth",
    "alerts", "appointments", "batches", "cohorts", "letters", "messaging", "supervision",
)  # fmt: skip
SILENT = re.compile(r"#\s*(?:noqa(?::\s*[A-Z0-9, ]+?)?|type:\s*ignore(?:\[[a-z, -]*\])?)\s*$", re.M)


@pytest.mark.parametrize("place", [*(f"src/careloop/{room}" for room in PLACES), "tools"])
def test_no_check_is_switched_off_without_a_reason(place: str) -> None:
    files = [path for path in (ROOT / place).rglob("*.py") if not {"tests", "migrations"} & set(path.parts)]
    assert files
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in files
        for line in path.read_text(encoding="utf-8").splitlines()
        if SILENT.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("line", "is_silent"),
    [
        ("x = 1  # noqa", True), ("import a  # noqa: E402", True), ("x: int = y  # type: ignore[assignment]", True),
        ("x = 1  # noqa: E402  (Django first)", False), ("x = y  # type: ignore[misc]  # the library has no types", False),
        ("x = 1  # a remark", False),
    ],
)  # fmt: skip
def test_the_check_itself_tells_them_apart(line: str, is_silent: bool) -> None:
    assert bool(SILENT.search(line)) is is_silent
