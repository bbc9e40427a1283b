"""What nobody should publish: plans without end, impossible overlaps, rules that fit everyone; each with its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.plans.rules.content import PlanContentError, parse_plan, parse_step
from careloop.plans.rules.faults import Fault, FaultError
from careloop.plans.rules.intervals import IntervalError, parse_intervals
from careloop.plans.rules.review import MOST_CONTACTS, MOST_STEPS, Matched, check, contacts, review
from careloop.plans.tests.factories import PLAN_FILES, a_plan, raw_plan, raw_step

RULE = {"encounter_classes": ["IMP"]}


def fine(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return raw_plan("example", *steps, **{"enrolment": RULE, "ends": {"after": "12m"}} | more)


def paths(raw: dict[str, Any], matched: Matched | None = None) -> list[str]:
    return [fault.path for fault in check(raw, matched=matched)]


@pytest.mark.parametrize("path", PLAN_FILES, ids=lambda path: path.stem)
def test_every_shipped_plan_could_be_handed_in(path: Any) -> None:
    assert check(json.loads(path.read_text())) == ()


def test_a_sensible_plan_has_no_fault() -> None:
    assert check(fine(raw_step("a", "3"), raw_step("b", "30, +150, 每150", window=[10, 20]))) == ()


# Never ends ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", ["every 30", "3, every 30", "30, +150, 每150", "每1周"])
def test_a_step_without_end_in_a_plan_without_end_is_refused(schedule: str) -> None:
    found = check(fine(raw_step("a", schedule), ends={}))
    assert [(fault.path, fault.values["item"]) for fault in found] == [("steps[0].schedule", schedule)]


@pytest.mark.parametrize(
    ("step", "ends"),
    [
        ({"schedule": "every 30"}, {"after": "2y"}),
        ({"schedule": "every 30"}, {"on": "2030-01-01"}),
        ({"schedule": "every 30"}, {"after_completed": 5}),
        ({"schedule": "every 30", "until": "24m"}, {}),
        ({"schedule": "every 30", "times": 6}, {}),
        ({"schedule": "every 30 until 24m"}, {}),
        ({"schedule": "every 30 x 12"}, {}),
    ],
)
def test_any_kind_of_end_is_enough(step: dict[str, Any], ends: dict[str, Any]) -> None:
    assert paths(fine(raw_step("a", **step), ends=ends)) == []


def test_more_contacts_than_a_life_has_days_for_are_refused() -> None:
    found = check(fine(raw_step("a", "every 1"), ends={"after": "5y"}))
    assert [(fault.path, fault.values.get("most")) for fault in found] == [("steps[0].schedule", MOST_CONTACTS)]


def test_a_step_that_comes_after_the_end_never_happens() -> None:
    assert paths(fine(raw_step("a", "3"), raw_step("late", "400"), ends={"after": "12m"})) == ["steps[1].schedule"]


def test_too_many_steps_are_told_once() -> None:
    steps = [raw_step(f"s-{n}", str(n + 1)) for n in range(MOST_STEPS + 1)]
    assert paths(fine(*steps)) == ["steps"]


# Overlaps impossibly ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "window", "wrong"),
    [
        ("every 7 until 8w", [3, 3], False),
        ("every 7 until 8w", [3, 4], True),
        ("every 7 until 8w", [0, 7], True),
        ("every 7 until 8w", [7, 0], True),
        ("7, 14, 1m", [3, 3], False),
        ("7, 9, 1m", [1, 1], True),
        ("every 1m until 12m", [14, 13], False),
        ("every 1m until 12m", [14, 14], True),  # February is short
        ("3", [30, 60], False),  # a single one cannot overlap itself
    ],
)
def test_windows_of_one_step_must_not_overlap(schedule: str, window: list[int], wrong: bool) -> None:
    found = check(fine(raw_step("a", schedule, window=window)))
    assert [fault.path for fault in found] == (["steps[0].window"] if wrong else [])


def test_the_fault_says_how_far_apart_and_how_wide() -> None:
    (found,) = check(fine(raw_step("a", "every 7 x 4", window=[3, 5])))
    assert (found.values["days"], found.values["width"]) == (7, 9)


def test_windows_are_judged_for_steps_that_follow_a_completion_too() -> None:
    step = raw_step("a", "every 7 x 4", window=[4, 4], anchor="previous-completion")
    assert paths(fine(step)) == ["steps[0].window"]


def test_two_steps_that_do_the_same_on_the_same_day_are_refused() -> None:
    found = check(fine(raw_step("a", "3, 30"), raw_step("b", "7, 30")))
    assert [(f.path, f.values["other"], f.values["day"]) for f in found] == [("steps[1].schedule", "a", 30)]


@pytest.mark.parametrize(
    "other",
    [
        {"questionnaire": "https://careloop.org/Questionnaire/phq-9"},
        {"activity": "education", "education": "stent", "questionnaire": None},
        {"activity": "reminder", "questionnaire": None, "text": {"zh": "药", "en": "Medicine"}},
    ],
)
def test_other_content_on_the_same_day_is_fine(other: dict[str, Any]) -> None:
    step = {key: value for key, value in (raw_step("b", "30") | other).items() if value is not None}
    assert paths(fine(raw_step("a", "30"), step)) == []


# Rules that match everyone ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("category", ["routine", "specialty", "single-disease"])
def test_a_rule_without_any_condition_is_refused_for_every_kind_of_plan(category: str) -> None:
    assert paths(fine(enrolment={}, category=category)) == ["enrolment"]


@pytest.mark.parametrize(
    ("category", "taken", "of", "wrong"),
    [
        ("single-disease", 95, 100, True),
        ("single-disease", 90, 100, True),
        ("single-disease", 89, 100, False),
        ("specialty", 100, 100, True),
        ("routine", 100, 100, False),  # that is what a routine plan is for
        ("single-disease", 49, 49, False),  # too few to say anything
        ("single-disease", 0, 0, False),
    ],
)
def test_a_rule_that_took_nearly_everyone_is_refused(category: str, taken: int, of: int, wrong: bool) -> None:
    found = check(fine(category=category), matched=Matched(taken, of))
    assert [fault.path for fault in found] == (["enrolment"] if wrong else [])
    if wrong:
        assert (found[0].values["taken"], found[0].values["of"]) == (taken, of)


# Readable at all -------------------------------------------------------------------------------------------------------


def test_every_unreadable_part_is_told_at_once() -> None:
    raw = fine(raw_step("a", "nonsense"), raw_step("b", "3", window=[1]), raw_step("c", "3"))
    raw |= {
        "title": {},
        "group": "No Code",
        "enrolment": {"age": {"from": 9, "to": 3}},
        "ends": {"after": "x"},
        "odd": 1,
    }
    assert sorted(paths(raw)) == [
        "ends.after", "enrolment.age", "plan", "plan.group", "steps[0].schedule", "steps[1].window", "title",
    ]  # fmt: skip


@pytest.mark.parametrize("wrong", [5, "text", None, [], [[]], {"steps": 3}])
def test_values_of_a_wrong_shape_are_refused_not_crashed_on(wrong: Any) -> None:
    for key in ("steps", "title", "enrolment", "ends", "sources", "valid_from", "url"):
        assert paths(fine() | {key: wrong}) != [] or wrong in ([], None)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 400) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("title", "steps", "enrolment", "ends", "sources", "group", "category", "valid_from", "valid_to", "targets")


@given(st.dictionaries(st.sampled_from(KEYS), json_values, max_size=4))
def test_whatever_somebody_types_is_judged_and_never_crashes(changed: dict[str, Any]) -> None:
    found = check(fine() | changed)
    for fault in found:
        assert fault.sentence
        assert str(fault).startswith(fault.path)


@given(
    st.dictionaries(
        st.sampled_from(["schedule", "window", "until", "times", "ladder", "anchor", "of_step"]), json_values
    )
)
def test_whatever_stands_in_a_step_is_judged_and_never_crashes(changed: dict[str, Any]) -> None:
    for fault in check(fine(raw_step("a", "3") | changed, raw_step("b", "9"))):
        assert fault.sentence


def test_checking_twice_says_the_same() -> None:
    raw = fine(raw_step("a", "every 7 x 4", window=[9, 9]), raw_step("b", "zz"))
    assert check(raw) == check(json.loads(json.dumps(raw)))


# Faults themselves -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "step", "key"),
    [
        ("steps[2].schedule", 2, "schedule"), ("steps[10].ladder[1].channel", 10, "channel"), ("steps", None, "steps"),
        ("enrolment.age", None, "age"), ("", None, ""), ("steps[x].a", None, "a"),
    ],
)  # fmt: skip
def test_a_fault_knows_its_step_and_field(path: str, step: int | None, key: str) -> None:
    fault = Fault(path, "wrong")
    assert (fault.step, fault.key) == (step, key)


def test_errors_carry_their_fault() -> None:
    with pytest.raises(PlanContentError) as caught:
        parse_step({"code": "a"}, "steps[4]")
    assert caught.value.fault.path.startswith("steps[4]")
    assert isinstance(caught.value, FaultError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "missing"), ("sometimes", "`sometimes`"), ("every 0", "more than nothing"), ("+0", "more than nothing"),
        ("3, 3", "after the one before"), ("9, 3", "after the one before"), ("every 3, 90", "nothing can follow"),
        ("3 x 4", "only `every …`"), ("500y", "more than 100 years"), ("every 3 x 0", "plans nothing"),
        ("30, +150, every", "`every`"), ("-3", "`-3`"), ("3.5", "`3.5`"), ("三天", "`三天`"),
    ],
)  # fmt: skip
def test_a_wrong_interval_says_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(IntervalError) as caught:
        parse_intervals(text)
    assert says in caught.value.fault.sentence


@given(st.lists(st.integers(1, 300), min_size=1, max_size=5), st.sampled_from(["", "d", "天"]), st.booleans())
def test_intervals_as_the_field_writes_them_are_read(steps: list[int], unit: str, full_width: bool) -> None:
    comma = "，" if full_width else ", "
    text = comma.join([f"{steps[0]}{unit}", *[f"+{n}{unit}" for n in steps[1:]], f"每{steps[-1]}{unit}"])
    table = parse_intervals(text)
    assert table == parse_intervals(text)
    offsets = [table.offset(n, anchor=a_plan().valid_from) for n in range(len(steps) + 2)]
    days = [offset.days for offset in offsets if offset]
    assert days[: len(steps)] == [sum(steps[: n + 1]) for n in range(len(steps))]
    assert days[len(steps) + 1] - days[len(steps)] == steps[-1]


def test_contacts_counts_what_one_patient_gets() -> None:
    assert contacts(parse_plan(fine(raw_step("a", "3, 7"), raw_step("b", "every 3m until 12m", window=[3, 3])))) == 6


def test_review_of_a_parsed_plan_is_the_same_as_check() -> None:
    raw = fine(raw_step("a", "every 30"), ends={})
    assert tuple(review(parse_plan(raw))) == check(raw)
