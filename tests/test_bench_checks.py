"""The benchmark's own answer to "what should this list show": order and membership, row by row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bench.checks import SAMPLES, Waiting, ordered

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 21, 16, 0, tzinfo=UTC)  # in Shanghai


def waiting(
    task: str, *, hours: float = 0, priority: int = 10, snoozed: float | None = None, promised: bool = False
) -> Waiting:
    until = NOW + timedelta(hours=snoozed) if snoozed is not None else None
    return Waiting(task, NOW + timedelta(hours=hours), priority, until, NOW if promised else None)


@pytest.fixture(autouse=True)
def _pressing_from_fifty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.checks._first_section", lambda: 50)


def shown(*rows: Waiting, tab: str = "todo") -> list[str]:
    return ordered(list(rows), tab, now=NOW, midnight=MIDNIGHT)


def test_a_hundred_lists_of_every_department_are_compared() -> None:
    assert len(SAMPLES) == len(set(SAMPLES)) == 100
    assert {tab for _, tab, _ in SAMPLES} == {"todo", "overdue"}
    assert len({nurse for nurse, _, _ in SAMPLES}) == 40


def test_pressing_ones_come_first_then_priority_then_time_then_id() -> None:
    rows = [
        waiting("d"),
        waiting("c"),
        waiting("b", hours=-1),
        waiting("a", priority=20),
        waiting("e", priority=60, hours=9),
    ]
    assert shown(*rows) == ["e", "a", "b", "c", "d"]


def test_the_overdue_tab_goes_by_time_and_begins_before_todays_midnight() -> None:
    rows = [
        waiting("new", hours=-13),
        waiting("old", hours=-40),
        waiting("late", hours=-15),
        waiting("weighty", hours=-40, priority=60),
    ]
    assert shown(*rows, tab="overdue") == ["weighty", "old", "late"]


@pytest.mark.parametrize("tab", ["todo", "overdue"])
def test_put_off_ones_are_out_until_their_time(tab: str) -> None:
    rows = [
        waiting("later", hours=-30, snoozed=1),
        waiting("again", hours=-30, snoozed=-1),
        waiting("promised", hours=-30, promised=True),
    ]
    assert shown(*rows, tab=tab) == ["again"]
