"""A check that is switched off for a line says why beside it, everywhere; and only a few are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("src", "tests", "bench", "tools")
OFF = re.compile(
    r"#\s*(?:ruff:\s*)?(?:noqa(?::\s*[A-Z]+[0-9]+(?:,\s*[A-Z]+[0-9]+)*)?|type:\s*ignore(?:\[[a-z, -]*\])?)(?![\w:])"
)
"""The switch itself: `noqa`, with its codes or without, for a line or a file; `type: ignore` likewise."""
MOST = 60
"""So many are left, nearly all about what Django's type stubs do not know. A new one wants a better type first."""


def switched_off(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if OFF.search(line)]


def is_silent(line: str) -> bool:
    """Whether nothing but marks for other tools follows the switch."""
    said = line[next(OFF.finditer(line)).end() :]
    return not re.search(r"\w", OFF.sub("", said).replace("fmt: skip", ""))


@pytest.fixture(scope="module")
def lines() -> dict[str, list[str]]:
    """Of each file that switches something off: those lines."""
    files = [path for place in PLACES for path in (ROOT / place).rglob("*.py") if path != Path(__file__)]
    assert len(files) > 1000
    found = {str(path.relative_to(ROOT)): switched_off(path.read_text(encoding="utf-8")) for path in files}
    return {name: off for name, off in found.items() if off}


def test_no_check_is_switched_off_without_a_reason(lines: dict[str, list[str]]) -> None:
    assert [f"{name}: {line}" for name, off in lines.items() for line in off if is_silent(line)] == []


def test_few_checks_are_switched_off(lines: dict[str, list[str]]) -> None:
    assert sum(map(len, lines.values())) <= MOST


def test_nothing_is_switched_off_where_nothing_is_checked(lines: dict[str, list[str]]) -> None:
    """mypy does not look at tests, at the bench and at the tools; a `type: ignore` there only looks like care."""
    free = [
        f"{name}: {line}" for name, off in lines.items() for line in off if "type: ignore" in line and _is_free(name)
    ]
    assert free == []


def _is_free(name: str) -> bool:
    return not name.startswith("src/") or "/tests/" in name or "/migrations/" in name


@pytest.mark.parametrize(
    ("line", "silent"),
    [
        ("x = 1  # noqa", True), ("import a  # noqa: E402", True), ("x: int = y  # type: ignore[assignment]", True),
        ("# ruff: noqa: E402", True), ("import a  # noqa: E402, F401", True), ("x = y  # type: ignore", True),
        ("x = y  # type: ignore[misc]  # fmt: skip", True), ("x = y  # type: ignore[misc]  # noqa: E731", True),
        ("x = 1  # noqa: E402  (Django first)", False), ("x = y  # type: ignore[misc]  # the library has no types", False),
        ("x = y  # noqa: E731 - two ways, named alike", False), ("# ruff: noqa: E402  (the path first)", False),
    ],
)  # fmt: skip
def test_the_check_itself_tells_them_apart(line: str, silent: bool) -> None:
    assert is_silent(line) is silent


def test_a_remark_switches_nothing_off() -> None:
    assert switched_off("x = 1  # a remark\n# what noqa does is told elsewhere\ny = 2  # type: int") == []
