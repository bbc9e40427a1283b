"""Schedules that never end, collide, or meet the odd days of the calendar; and plan files changed by hand."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from careloop.plans.reads.facts import local_day
from careloop.plans.rules.calendar import WEEKDAYS_ONLY, Shift
from careloop.plans.rules.content import PlanContentError, content_hash, parse_plan
from careloop.plans.rules.diff import diff_future
from careloop.plans.rules.review import MOST_CONTACTS, check, contacts
from careloop.plans.rules.schedule import (
    Anchors,
    NoMore,
    Occurrence,
    Past,
    Progress,
    instants,
    next_occurrence,
    occurrences,
)
from careloop.plans.tests.factories import PLAN_FILES, a_plan, raw_plan, raw_step

DISCHARGED = date(2026, 11, 13)
FAR = date(2040, 1, 1)


def of(day: date) -> Anchors:
    return Anchors(day, day, day, day)


def days(schedule: str, *, start: date = DISCHARGED, until: date | None = None, **step: Any) -> list[date]:
    one = a_plan("x", raw_step("a", schedule, **step)).steps[0]
    progress = Progress(not_before=start)
    return [o.planned for o in occurrences(one, of(start), progress, WEEKDAYS_ONLY, until=until or FAR)]


# --- the calendar's odd days -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "schedule", "first"),
    [
        (date(2024, 2, 28), "1", date(2024, 2, 29)), (date(2023, 2, 28), "1", date(2023, 3, 1)),
        (date(2024, 2, 29), "12m", date(2025, 2, 28)), (date(2024, 2, 29), "4y", date(2028, 2, 29)),
        (date(2024, 2, 29), "1y", date(2025, 2, 28)), (date(2026, 1, 31), "1m", date(2026, 2, 28)),
        (date(2024, 1, 31), "1m", date(2024, 2, 29)), (date(2026, 3, 31), "1m", date(2026, 4, 30)),
        (date(2026, 8, 31), "6m", date(2027, 2, 28)), (date(2026, 12, 31), "1", date(2027, 1, 1)),
        (date(2026, 12, 31), "2m", date(2027, 2, 28)),
    ],
)  # fmt: skip
def test_months_and_leap_days(start: date, schedule: str, first: date) -> None:
    assert days(schedule, start=start)[0] == first


def test_every_month_from_the_31st_never_skips_a_month() -> None:
    found = days("every 1m until 24m", start=date(2026, 1, 31))
    assert [(day.year, day.month) for day in found] == [divmod(2026 * 12 + n, 12)[0:1] + (divmod(2026 * 12 + n, 12)[1] + 1,) for n in range(1, 25)]  # fmt: skip
    assert all(day.day == min(31, (date(day.year + day.month // 12, day.month % 12 + 1, 1) - timedelta(days=1)).day) for day in found)  # fmt: skip


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        (datetime(2026, 11, 12, 15, 59, 59, tzinfo=UTC), date(2026, 11, 12)),
        (datetime(2026, 11, 12, 16, 0, 0, tzinfo=UTC), date(2026, 11, 13)),
        (datetime(2026, 11, 13, 15, 59, 59, tzinfo=UTC), date(2026, 11, 13)),
        (datetime(2026, 12, 31, 16, 0, 0, tzinfo=UTC), date(2027, 1, 1)),
        (datetime(2024, 2, 28, 16, 0, 0, tzinfo=UTC), date(2024, 2, 29)),
    ],
)
def test_the_hospitals_day_turns_at_its_own_midnight(instant: datetime, day: date) -> None:
    assert local_day(instant) == day


@given(st.dates(min_value=date(2024, 1, 1), max_value=date(2030, 12, 31)))
def test_no_day_of_the_hospital_is_longer_than_another(day: date) -> None:
    """No summer time: midnight to midnight is 24 hours, and the working day is where it always is."""
    zone = timezone.get_default_timezone()
    one = Occurrence("a", 0, day, day, day, day, 0, False)
    opens, due, closes = instants(one, zone=zone, start=time(8, 0), end=time(17, 30))
    assert opens.astimezone(UTC).time() == time(0, 0)
    assert due.astimezone(UTC).time() == closes.astimezone(UTC).time() == time(9, 30)
    assert local_day(opens) == local_day(due) == day


# --- endless and impossible --------------------------------------------------------------------------------------------


def faults(*steps: dict[str, Any], **more: Any) -> set[str]:
    return {fault.path for fault in check(raw_plan("x", *steps, enrolment={"diagnoses": {"any": ["I21"]}}, **more))}


@pytest.mark.parametrize(
    "schedule", ["every 1", "every 150", "30, every 150", "30, +150, 每 150", "every 1m", "every 1y"]
)
def test_a_schedule_that_never_ends_is_named(schedule: str) -> None:
    assert "steps[0].schedule" in faults(raw_step("a", schedule))


@pytest.mark.parametrize(
    ("schedule", "more"),
    [
        ("every 150 until 24m", {}), ("every 150 x 4", {}), ("every 150", {"ends": {"after": "2y"}}),
        ("every 150", {"ends": {"after_completed": 5}}), ("every 150", {"ends": {"on": "2027-01-01"}}),
    ],
)  # fmt: skip
def test_the_same_with_an_end_is_not(schedule: str, more: dict[str, Any]) -> None:
    assert "steps[0].schedule" not in faults(raw_step("a", schedule), **more)


def test_more_contacts_than_anybody_can_bear_are_named() -> None:
    assert "steps[0].schedule" in faults(raw_step("a", f"every 1 x {MOST_CONTACTS + 1}", window=[0, 0]))
    assert "steps[0].schedule" not in faults(raw_step("a", f"every 1 x {MOST_CONTACTS}", window=[0, 0]))


@pytest.mark.parametrize(("window", "wrong"), [([0, 6], False), ([3, 3], False), ([0, 7], True), ([4, 3], True), ([7, 7], True)])  # fmt: skip
def test_windows_that_overlap_are_named_at_the_very_day(window: list[int], wrong: bool) -> None:
    assert ("steps[0].window" in faults(raw_step("a", "every 7 x 4", window=window))) == wrong


def test_a_step_after_the_end_of_the_plan_is_named() -> None:
    assert "steps[0].schedule" in faults(raw_step("a", "400"), ends={"after": "12m"})


def test_two_steps_that_ask_the_same_on_the_same_day_are_named_and_a_day_apart_not() -> None:
    assert "steps[1].schedule" in faults(raw_step("a", "7"), raw_step("b", "7"))
    assert "steps[1].schedule" not in faults(raw_step("a", "7"), raw_step("b", "8"))


# --- properties --------------------------------------------------------------------------------------------------------

INTERVALS = st.one_of(
    st.integers(0, 400).map(str),
    st.tuples(st.integers(1, 90), st.integers(1, 20)).map(lambda one: f"every {one[0]} x {one[1]}"),
    st.tuples(st.integers(0, 60), st.integers(1, 90), st.integers(1, 12)).map(lambda t: f"{t[0]}, +{t[1]}, every {t[1]} x {t[2]}"),
    st.integers(1, 12).map(lambda n: f"every {n}m until 36m"),
)  # fmt: skip
STARTS = st.dates(min_value=date(2023, 1, 1), max_value=date(2029, 12, 31))


@given(INTERVALS, STARTS)
@settings(max_examples=60)
def test_planned_days_rise_and_never_lie_before_the_discharge(schedule: str, start: date) -> None:
    found = days(schedule, start=start)
    assert found == sorted(set(found))
    assert all(day >= start for day in found)
    assert len(found) <= 500


@given(INTERVALS, STARTS, st.sampled_from(list(Shift)))
@settings(max_examples=60)
def test_done_one_by_one_gives_the_same_days_as_seen_ahead(schedule: str, start: date, shift: Shift) -> None:
    """The next occurrence, done on its due day, again and again: the preview promised nothing else."""
    step = a_plan("x", raw_step("a", schedule, shift=shift.value)).steps[0]
    ahead = [
        (o.number, o.due) for o in occurrences(step, of(start), Progress(not_before=start), WEEKDAYS_ONLY, until=FAR)
    ]
    past: list[Past] = []
    one_by_one = []
    while True:
        found = next_occurrence(step, of(start), Progress({"a": past}, not_before=start), WEEKDAYS_ONLY)
        if isinstance(found, NoMore) or found.due > FAR:
            break
        one_by_one.append((found.number, found.due))
        past = [*past, Past(found.number, found.due)]
    assert one_by_one == ahead


@given(INTERVALS, INTERVALS, STARTS)
@settings(max_examples=40)
def test_a_difference_counts_every_contact_of_both_sides_once(old: str, new: str, start: date) -> None:
    before, after = (
        a_plan("x", raw_step("a", old), raw_step("b", "5")),
        a_plan("x", raw_step("a", new), raw_step("c", "6")),
    )
    progress, until = Progress(not_before=start), start + timedelta(days=700)
    diff = diff_future(before, after, of(start), progress, WEEKDAYS_ONLY, until=until)

    def planned(plan: Any) -> int:
        return sum(len(list(occurrences(s, of(start), progress, WEEKDAYS_ONLY, until=until))) for s in plan.steps)

    both = len(diff.moved) + len(diff.changed) + len(diff.kept)
    assert len(diff.removed) + both == planned(before)
    assert len(diff.added) + both == planned(after)


@given(INTERVALS, STARTS)
@settings(max_examples=30)
def test_a_plan_compared_with_itself_has_no_difference(schedule: str, start: date) -> None:
    plan = a_plan("x", raw_step("a", schedule))
    diff = diff_future(
        plan, plan, of(start), Progress(not_before=start), WEEKDAYS_ONLY, until=start + timedelta(days=900)
    )
    assert diff.is_empty


# --- changed by hand ----------------------------------------------------------------------------------------------------

JUNK: list[Any] = [
    None,
    True,
    7,
    -1,
    3.5,
    "",
    "x" * 5000,
    "\x00",
    "每",
    [],
    [[]],
    {},
    {"zh": 1},
    {"x": {"y": []}},
    "DROP TABLE",
]


def paths(raw: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a JSON value."""
    inner = raw.items() if isinstance(raw, dict) else enumerate(raw) if isinstance(raw, list) else ()
    return [*([at] if at else []), *(path for key, value in inner for path in paths(value, (*at, key)))]


def put(raw: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = deepcopy(raw)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


WHOLE = json.loads(next(path for path in PLAN_FILES if path.stem == "pci-12-months").read_text(encoding="utf-8"))


@pytest.mark.parametrize("junk", JUNK, ids=lambda value: repr(value)[:20])
def test_a_plan_with_junk_anywhere_is_read_or_refused_with_its_place_but_never_breaks(junk: Any) -> None:
    refused = 0
    for path in paths(WHOLE):
        changed = put(WHOLE, path, junk)
        try:
            parse_plan(changed)
        except PlanContentError:
            refused += 1
        assert isinstance(check(changed), tuple)
    assert refused


@pytest.mark.parametrize("key", sorted(WHOLE))
def test_a_part_left_out_is_either_optional_or_told(key: str) -> None:
    less = {name: value for name, value in WHOLE.items() if name != key}
    found = check(less)
    if key in ("url", "version", "title", "steps", "category", "group", "valid_from"):
        assert found
    assert isinstance(found, tuple)


def test_words_nobody_knows_are_told_not_dropped() -> None:
    assert check(WHOLE | {"surprise": 1})
    step = WHOLE["steps"][0] | {"surprise": 1}
    assert check(WHOLE | {"steps": [step, *WHOLE["steps"][1:]]})


@pytest.mark.parametrize("path", PLAN_FILES, ids=lambda path: path.stem)
def test_every_shipped_plan_is_free_of_faults_and_ends(path: Any) -> None:
    raw = json.loads(path.read_text(encoding="utf-8"))
    assert check({key: value for key, value in raw.items() if key != "in_force"}) == ()
    assert 0 < contacts(parse_plan(raw)) <= MOST_CONTACTS


def test_the_hash_knows_content_from_order() -> None:
    turned = dict(reversed(list(WHOLE.items())))
    assert content_hash(turned) == content_hash(WHOLE)
    assert content_hash(WHOLE | {"version": "9"}) != content_hash(WHOLE)
