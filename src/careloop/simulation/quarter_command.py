"""`careloop plan-quarter`: how long a quarter of planning takes, how even the work is, and whether every item is accounted for."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from datetime import date

from django.utils import timezone

from careloop.simulation.quarter import Quarter, keys, open_per_step, plans, play, population
from careloop.simulation.quarter_store import Stored, stored


def main(arguments: list[str]) -> int:
    """careloop plan-quarter [--patients N] [--nurses N] [--per-day N] [--seed S] [--first YYYY-MM-DD] [--memory-only]"""
    options = _options(arguments)
    clock = time.monotonic()
    contents = plans()
    runs = population(options.patients, seed=options.seed, first=options.first)
    quarter = play(contents, runs, first=options.first, nurses=options.nurses, per_day=options.per_day)
    planned_in = time.monotonic() - clock
    fair, states = quarter.fairness, quarter.states()
    doubled = max(keys(quarter.items).values(), default=0) > 1 or max(open_per_step(quarter).values(), default=0) > 1
    accounted = sum(states.values()) == len(quarter.items) and not doubled
    print(
        f"Quarter           {quarter.first} to {quarter.last}, {options.patients:,} patients, {len(runs):,} plans, seed {options.seed}"
    )
    print(
        f"Time              {planned_in:.1f} s for {len(quarter.items):,} planned items ({len(quarter.items) / planned_in:,.0f} a second)"
    )
    print(
        f"Calls             {quarter.contacts:,} on {fair.nurse_days:,} nurse-days of {options.nurses} nurses, {fair.per_nurse_day:.1f} each (room for {options.per_day})"
    )
    print(
        f"Balance           max - min per nurse-day {fair.widest}, most {fair.most}, Gini {fair.gini:.3f}; {_share(quarter.continuity, quarter.contacts)} with the nurse the patient knows"
    )
    print(
        f"Overdue           {quarter.late:,} items ({_share(quarter.late, len(quarter.items))}) done after their window or still open after it"
    )
    print(
        f"State identity    planned {len(quarter.items):,} = "
        + " + ".join(f"{state} {count:,}" for state, count in sorted(states.items()))
    )
    held = Held(True, "")
    if not options.memory_only:
        held = _in_database(quarter, options.nurses)
        print(held.text)
    fine = accounted and held.agrees and fair.widest <= 1
    print("Every planned item is in exactly one state, none twice." if fine else "FAULT: the sums do not agree.")
    return 0 if fine else 1


@dataclass(frozen=True, slots=True)
class Held:
    """What the database said."""

    agrees: bool
    text: str


def _in_database(quarter: Quarter, nurses: int) -> Held:
    clock = time.monotonic()
    with stored(quarter, nurses=nurses) as found:
        seconds = time.monotonic() - clock
    told = {state: count for state, count in found.tasks.items() if count}
    same = told == dict(quarter.states()) and found.enrolled == len(quarter.runs) and not found.doubled
    return Held(found.agree and same, _words(found, seconds))


def _words(found: Stored, seconds: float) -> str:
    tasks = " + ".join(f"{state} {count:,}" for state, count in sorted(found.tasks.items()))
    states = " + ".join(f"{state} {count:,}" for state, count in sorted(found.plans.items()))
    return "\n".join((
        f"In the database   {seconds:.1f} s to write and count it in the product's own tables (taken back afterwards)",
        f"                  enrolled {found.enrolled:,} = {states}",
        f"                  planned {found.planned:,} = {tasks}; open twice {found.doubled}",
    ))  # fmt: skip


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="careloop plan-quarter", description=main.__doc__)
    parser.add_argument("--patients", type=int, default=110_000)
    parser.add_argument("--nurses", type=int, default=40)
    parser.add_argument("--per-day", type=int, default=60)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--first", type=date.fromisoformat, default=_next_quarter(timezone.localdate()))
    parser.add_argument("--memory-only", action="store_true", help="do not count it in the database as well")
    found = parser.parse_args(arguments)
    for name, low, high in (("patients", 1, 1_000_000), ("nurses", 1, 2_000), ("per_day", 1, 500)):
        if not low <= getattr(found, name) <= high:
            parser.error(f"--{name.replace('_', '-')} must be from {low} to {high}")
    return found


def _next_quarter(today: date) -> date:
    """The first day of the next quarter of the year."""
    month = 3 * ((today.month - 1) // 3) + 4
    return date(today.year + (month > 12), (month - 1) % 12 + 1, 1)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "0 %"
