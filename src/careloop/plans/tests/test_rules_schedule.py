from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careloop.plans.rules.calendar import WEEKDAYS_ONLY, Shift
from careloop.plans.rules.changes import Change, ChangeKind, Changes, fold
from careloop.plans.rules.content import PlanContent, Step
from careloop.plans.rules.schedule import (
    Anchors,
    NoMore,
    Occurrence,
    Past,
    Progress,
    instants,
    last_day,
    next_occurrence,
    occurrences,
    plan_occurrences,
)
from careloop.plans.tests.factories import DISCHARGED, a_plan, calendar, raw_step

CHINA = calendar()
ANCHORS = Anchors(discharge=DISCHARGED, enrolment=DISCHARGED)
DAYS = st.dates(date(2024, 1, 1), date(2030, 12, 31))
SHIFTS = st.sampled_from(list(Shift))


def step(schedule: str = "3", **more: object) -> Step:
    return a_plan("p", raw_step("call", schedule, **more)).steps[0]


def found(answer: Occurrence | NoMore) -> Occurrence:
    assert isinstance(answer, Occurrence), answer
    return answer


def nth(done: int, ended_on: date) -> Progress:
    return Progress({"call": [Past(number, ended_on) for number in range(done)]})


def test_one_contact_three_days_after_discharge() -> None:
    occurrence = found(next_occurrence(step("3", window=[1, 2]), ANCHORS, Progress(), CHINA))
    assert (occurrence.number, occurrence.due) == (0, date(2026, 11, 16))
    assert (occurrence.opens, occurrence.closes) == (date(2026, 11, 15), date(2026, 11, 18))
    assert next_occurrence(step("3"), ANCHORS, nth(1, date(2026, 11, 16)), CHINA) is NoMore.USED_UP


def test_each_anchor_counts_from_its_own_day() -> None:
    anchors = Anchors(date(2026, 11, 13), date(2026, 11, 14), operation=date(2026, 11, 8), diagnosis=date(2026, 11, 1))
    due = {
        anchor: found(next_occurrence(step("10", anchor=anchor), anchors, Progress(), CHINA)).due.isoformat()
        for anchor in ("discharge", "enrolment", "operation", "diagnosis")
    }
    assert due == {
        "discharge": "2026-11-23",
        "enrolment": "2026-11-24",
        "operation": "2026-11-18",
        "diagnosis": "2026-11-11",
    }


def test_a_step_waits_for_an_operation_date_that_is_not_known() -> None:
    answer = next_occurrence(step("10", anchor="operation"), ANCHORS, Progress(), CHINA)
    assert answer is NoMore.ANCHOR_MISSING
    assert not NoMore.ANCHOR_MISSING.is_final


def test_days_since_the_one_before_was_done() -> None:
    series = step("30, +150, every 150", anchor="previous-completion")
    assert found(next_occurrence(series, ANCHORS, Progress(), CHINA)).due == DISCHARGED + timedelta(days=30)
    done_late = date(2027, 1, 5)
    second = found(next_occurrence(series, ANCHORS, nth(1, done_late), CHINA))
    assert (second.number, second.due) == (1, done_late + timedelta(days=150))


def test_a_step_may_count_from_the_completion_of_another() -> None:
    plan = a_plan("p", raw_step("first", "3"), raw_step("second", "14", anchor="previous-completion", of_step="first"))
    second = plan.steps[1]
    assert next_occurrence(second, ANCHORS, Progress(), CHINA) is NoMore.WAITS_FOR_STEP
    done = Progress({"first": [Past(0, date(2026, 11, 20))]})
    assert found(next_occurrence(second, ANCHORS, done, CHINA)).due == date(2026, 12, 4)


@pytest.mark.parametrize(
    ("more", "done", "expected"),
    [
        ({"times": 2}, 2, NoMore.USED_UP),
        ({"until": "20"}, 2, NoMore.UNTIL_REACHED),
        ({}, 2, None),
    ],
)
def test_times_and_until_end_a_step(more: dict[str, object], done: int, expected: NoMore | None) -> None:
    answer = next_occurrence(step("every 7", **more), ANCHORS, nth(done, DISCHARGED), CHINA)
    assert answer is expected or (expected is None and found(answer).number == 2)


def test_the_last_day_of_the_plan_ends_its_steps() -> None:
    plan = a_plan("p", raw_step("call", "every 30"), ends={"after": "2m"})
    progress = Progress(last_day=last_day(plan, ANCHORS))
    due = [o.due for o in occurrences(plan.steps[0], ANCHORS, progress, CHINA, until=date(2030, 1, 1))]
    assert due == [date(2026, 12, 13), date(2027, 1, 12)]


def test_late_enrolment_skips_windows_that_have_closed() -> None:
    late = Progress(not_before=date(2026, 12, 20))
    weekly = found(next_occurrence(step("every 7", window=[1, 1]), ANCHORS, late, CHINA))
    assert (weekly.number, weekly.skipped, weekly.due) == (5, 5, date(2026, 12, 25))
    assert next_occurrence(step("3"), ANCHORS, late, CHINA) is NoMore.MISSED_BEFORE_START


def test_late_enrolment_inside_the_window_is_due_at_once_and_not_in_the_past() -> None:
    late = Progress(not_before=date(2026, 11, 18))
    occurrence = found(next_occurrence(step("3", window=[1, 5]), ANCHORS, late, CHINA))
    assert (occurrence.planned, occurrence.due) == (date(2026, 11, 16), date(2026, 11, 18))


def test_a_repeating_step_done_very_late_does_not_pile_up() -> None:
    after = found(next_occurrence(step("every 1m", window=[3, 3]), ANCHORS, nth(1, date(2027, 4, 1)), CHINA))
    assert (after.number, after.planned, after.skipped) == (4, date(2027, 4, 13), 3)


def test_ticked_off_and_moved_by_hand() -> None:
    off = Changes(ticked_off=frozenset({"call"}))
    assert next_occurrence(step(), ANCHORS, Progress(), CHINA, off) is NoMore.TICKED_OFF
    moved = Changes(moved={("call", 0): date(2026, 11, 21)})  # a Saturday on purpose: a person decided it
    occurrence = found(
        next_occurrence(step("3", window=[1, 2], shift="next-workday"), ANCHORS, Progress(), CHINA, moved)
    )
    assert (occurrence.due, occurrence.opens, occurrence.closes) == (
        date(2026, 11, 21),
        date(2026, 11, 20),
        date(2026, 11, 23),
    )
    assert occurrence.due != occurrence.planned


def test_a_move_into_the_past_of_the_plan_is_kept() -> None:
    moved = Changes(moved={("call", 0): date(2026, 11, 14)})
    late = Progress(not_before=date(2026, 12, 20))
    assert found(next_occurrence(step("3"), ANCHORS, late, CHINA, moved)).due == date(2026, 11, 14)


def test_the_spring_festival_moves_the_due_day_and_widens_the_window() -> None:
    anchors = Anchors(date(2026, 2, 10), date(2026, 2, 10))
    occurrence = found(next_occurrence(step("7", shift="next-workday", window=[1, 1]), anchors, Progress(), CHINA))
    assert (occurrence.planned, occurrence.due) == (date(2026, 2, 17), date(2026, 2, 24))
    assert occurrence.closes == date(2026, 2, 24)


def test_dates_in_a_year_without_published_holidays_are_provisional() -> None:
    assert not found(next_occurrence(step("3"), ANCHORS, Progress(), CHINA)).is_provisional
    assert found(next_occurrence(step("1y"), ANCHORS, Progress(), CHINA)).is_provisional


def test_instants_are_in_the_hospitals_zone() -> None:
    occurrence = found(next_occurrence(step("3", window=[1, 2]), ANCHORS, Progress(), CHINA))
    shanghai = ZoneInfo("Asia/Shanghai")
    opens, due, closes = instants(occurrence, zone=shanghai, start=time(8), end=time(18))
    assert opens == datetime(2026, 11, 15, 0, tzinfo=ZoneInfo("UTC"))
    assert (due - opens, closes - due) == (timedelta(days=1, hours=10), timedelta(days=2))


def test_the_whole_plan_is_projected_in_order_with_waiting_steps() -> None:
    plan = a_plan(
        "p",
        raw_step("after", "5", anchor="previous-completion", of_step="first"),
        raw_step("first", "3"),
        raw_step("weekly", "every 7 x 2"),
    )
    found_ = plan_occurrences(plan, ANCHORS, Progress(), CHINA, until=date(2027, 1, 1))
    assert [(o.step, o.number, o.due.day) for o in found_] == [
        ("first", 0, 16),
        ("weekly", 0, 20),
        ("after", 0, 21),
        ("weekly", 1, 27),
    ]


# --- properties -----------------------------------------------------------------------------------------------------


@st.composite
def plans(draw: st.DrawFn) -> tuple[PlanContent, Anchors]:
    unit = draw(st.sampled_from(["d", "w", "m"]))
    first, gap = draw(st.integers(0, 60)), draw(st.integers(1, 60 if unit == "d" else 6))
    anchor = draw(st.sampled_from(["discharge", "operation", "enrolment", "previous-completion"]))
    more = {
        "anchor": anchor,
        "window": [draw(st.integers(0, 20)), draw(st.integers(0, 20))],
        "shift": draw(SHIFTS).value,
        "times": draw(st.integers(1, 12)),
    }
    discharge = draw(DAYS)
    anchors = Anchors(discharge, discharge, operation=discharge - timedelta(days=draw(st.integers(0, 20))))
    return a_plan(
        "p", raw_step("call", f"{first}, every {gap}{unit}" if first else f"every {gap}{unit}", **more)
    ), anchors


@settings(deadline=None)
@given(plans(), st.lists(st.integers(-10, 40), min_size=12, max_size=12))
def test_a_plan_lived_through_has_no_key_twice_and_ends(plan: tuple[PlanContent, Anchors], delays: list[int]) -> None:
    content, anchors = plan
    (call,) = content.steps
    past: list[Past] = []
    for delay in delays:
        answer = next_occurrence(call, anchors, Progress({"call": past}, anchors.enrolment), CHINA)
        if isinstance(answer, NoMore):
            break
        assert answer.opens <= answer.due <= answer.closes
        assert answer.number not in {done.number for done in past}
        assert answer.number < (call.times or 0)
        if call.shift is not Shift.KEEP:
            assert CHINA.is_workday(answer.due)
        latest = max((done.ended_on for done in past), default=anchors.enrolment)
        assert answer.due >= latest
        past.append(Past(answer.number, max(answer.due + timedelta(days=delay), anchors.enrolment, latest)))
    else:
        assert isinstance(next_occurrence(call, anchors, Progress({"call": past}, anchors.enrolment), CHINA), NoMore)


@settings(deadline=None)
@given(DAYS, st.integers(1, 200), st.integers(0, 8))
def test_done_on_time_or_not_the_series_from_discharge_keeps_its_rhythm(day: date, gap: int, done: int) -> None:
    anchors = Anchors(day, day)
    progress = nth(done, day + timedelta(days=gap * done)) if done else Progress()
    occurrence = found(next_occurrence(step(f"every {gap}"), anchors, progress, WEEKDAYS_ONLY))
    assert occurrence.planned == day + timedelta(days=gap * (done + 1))


@settings(deadline=None)
@given(DAYS, st.integers(0, 40), st.integers(1, 99), st.integers(0, 6))
def test_asking_again_gives_the_same_answer(day: date, first: int, gap: int, done: int) -> None:
    anchors, series = Anchors(day, day), step(f"{first}, +{gap}, every {gap}")
    progress = nth(done, day + timedelta(days=5 * done))
    assert next_occurrence(series, anchors, progress, CHINA) == next_occurrence(series, anchors, progress, CHINA)


@settings(deadline=None)
@given(plans())
def test_the_projection_starts_with_the_next_occurrence(plan: tuple[PlanContent, Anchors]) -> None:
    content, anchors = plan
    (call,) = content.steps
    progress = Progress(not_before=anchors.enrolment)
    future = list(occurrences(call, anchors, progress, CHINA, until=date(2060, 1, 1)))
    answer = next_occurrence(call, anchors, progress, CHINA)
    assert future[:1] == ([answer] if isinstance(answer, Occurrence) else [])
    assert len({o.number for o in future}) == len(future)
    assert [o.due for o in future] == sorted(o.due for o in future)


def test_changes_fold_and_undo() -> None:
    move = Change(
        id="c1", kind=ChangeKind.MOVE, at="2026-11-14T08:00:00+08:00", by="user:1", step="call", day=DISCHARGED
    )
    assert fold([move]).moved == {("call", 0): DISCHARGED}
