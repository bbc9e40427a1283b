"""The planning quarter: the same seed gives the same quarter, every item is in one state, and the work is even."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest
from django.utils import timezone

from careloop.config import cli
from careloop.plans.actions import load_shipped_content
from careloop.plans.models import CarePlan
from careloop.plans.rules.calendar import WEEKDAYS_ONLY
from careloop.simulation import quarter as planning
from careloop.simulation.quarter_command import main
from careloop.simulation.quarter_store import stored
from careloop.tasks.models import Task
from tests.cast import SYSTEM

FIRST = date(2027, 1, 1)


def play(patients: int = 400, nurses: int = 3, per_day: int = 10, seed: int = 7) -> planning.Quarter:
    runs = planning.population(patients, seed=seed, first=FIRST)
    return planning.play(planning.plans(), runs, first=FIRST, nurses=nurses, per_day=per_day)


def test_the_same_seed_gives_the_same_quarter() -> None:
    first, second = play(), play()
    assert first.items == second.items
    assert first.person_days == second.person_days
    assert play(seed=8).items != first.items


def test_every_item_is_in_exactly_one_state_and_planned_once() -> None:
    quarter = play()
    assert sum(quarter.states().values()) == len(quarter.items) > 400
    assert set(planning.keys(quarter.items).values()) == {1}
    assert set(planning.open_per_step(quarter).values()) == {1}


def test_done_items_are_followed_by_the_next_occurrence() -> None:
    quarter = play()
    numbers: dict[tuple[int, str], list[int]] = {}
    for item in quarter.items:
        numbers.setdefault((item.run, item.step), []).append(item.number)
    assert any(len(found) > 1 for found in numbers.values())
    for found in numbers.values():
        assert found == sorted(found)


@pytest.mark.parametrize(("nurses", "per_day"), [(3, 10), (2, 4), (5, 60), (1, 1)])
def test_the_work_is_even_and_never_above_capacity(nurses: int, per_day: int) -> None:
    quarter = play(nurses=nurses, per_day=per_day)
    assert quarter.fairness.widest <= 1
    assert quarter.fairness.most <= per_day
    given = Counter(day.day for day in quarter.person_days)
    assert all(WEEKDAYS_ONLY.is_workday(day) for day in given)


def test_nobody_works_on_a_rest_day_and_nothing_is_done_before_it_is_due() -> None:
    quarter = play()
    assert {item.ended.weekday() for item in quarter.items if item.ended} <= {0, 1, 2, 3, 4, 5, 6}
    for item in quarter.items:
        assert item.opens <= item.due <= item.closes
        assert item.ended is None or item.ended >= quarter.first


def test_too_few_nurses_leave_work_over_and_it_is_told() -> None:
    calm, busy = play(nurses=5, per_day=60), play(nurses=1, per_day=1)
    assert calm.late == 0
    assert busy.late > 0
    assert busy.states()["done"] < calm.states()["done"]


def test_one_patients_work_of_a_day_is_one_call() -> None:
    quarter = play(nurses=5, per_day=60)
    calls = {(quarter.runs[item.run].patient, item.ended) for item in quarter.items if item.ended}
    assert quarter.contacts == len(calls)
    assert quarter.contacts <= quarter.states()["done"]


def test_patients_mostly_meet_the_nurse_they_know() -> None:
    quarter = play(patients=2000, nurses=4, per_day=60)
    assert quarter.continuity / quarter.contacts > 0.5


def test_the_database_counts_the_same_and_nothing_stays(db: None) -> None:
    load_shipped_content(at=timezone.now(), by=SYSTEM)
    quarter = play(patients=120, nurses=2)
    with stored(quarter, nurses=2) as found:
        pass
    assert {state: count for state, count in found.tasks.items() if count} == dict(quarter.states())
    assert (found.enrolled, found.planned, found.agree, found.doubled) == (
        len(quarter.runs),
        len(quarter.items),
        True,
        0,
    )
    assert not CarePlan.objects.unscoped("test").exists()
    assert not Task.objects.unscoped("test").exists()


def test_the_command_prints_time_balance_and_identity(db: None, capsys: pytest.CaptureFixture[str]) -> None:
    load_shipped_content(at=timezone.now(), by=SYSTEM)
    assert main(["--patients", "60", "--nurses", "2", "--first", "2027-01-01"]) == 0
    said = capsys.readouterr().out
    for word in ("Time", "Balance", "max - min per nurse-day", "State identity", "In the database", "none twice"):
        assert word in said
    assert "FAULT" not in said


def test_without_the_shipped_plans_it_says_so(db: None) -> None:
    with pytest.raises(LookupError, match="load the shipped plans"):
        main(["--patients", "5", "--nurses", "1", "--first", "2027-01-01"])


def test_in_memory_only_needs_no_plans(db: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--patients", "5", "--nurses", "1", "--first", "2027-01-01", "--memory-only"]) == 0
    assert "In the database" not in capsys.readouterr().out


@pytest.mark.parametrize("odd", [["--patients", "0"], ["--nurses", "9999"], ["--per-day", "-1"], ["--first", "soon"]])
def test_odd_numbers_are_refused(odd: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(odd)
    assert odd[0] in capsys.readouterr().err


def test_it_is_a_command_of_the_product() -> None:
    assert cli.COMMANDS["plan-quarter"][1].endswith("quarter_command:main")
