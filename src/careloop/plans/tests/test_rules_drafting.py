"""Edits of a draft are pure: the old content stays as it was, unknown keys survive, codes stay unique."""

from __future__ import annotations

from copy import deepcopy
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.plans.rules import drafting
from careloop.plans.rules.content import parse_plan
from careloop.plans.rules.drafting import DROPPED, DraftError
from careloop.plans.rules.review import check
from careloop.plans.tests.factories import raw_plan, raw_step

URL = "https://careloop.org/PlanDefinition/heart"


def codes(raw: dict[str, Any]) -> list[str]:
    return [step["code"] for step in raw["steps"]]


def three() -> dict[str, Any]:
    return raw_plan("x", raw_step("a", "3"), raw_step("b", "7"), raw_step("c", "14"))


def test_a_blank_plan_lacks_only_its_rule_and_its_questionnaire() -> None:
    raw = drafting.blank_plan(url=URL, title_zh="心衰", title_en="Heart failure", valid_from=date(2026, 12, 1))
    assert [fault.path for fault in check(raw)] == ["steps[0].questionnaire"]
    mended = drafting.set_step(raw, "questionnaire-1", {"questionnaire": "https://careloop.org/Questionnaire/x"})
    assert [fault.path for fault in check(mended)] == ["enrolment"]
    assert parse_plan(mended).version == "1.0"


@pytest.mark.parametrize("activity", ["questionnaire", "education", "reminder", "revisit"])
def test_each_kind_of_step_begins_with_its_usual_settings(activity: str) -> None:
    raw = drafting.add_step(three(), activity=activity)
    step = raw["steps"][-1]
    assert step["activity"] == activity
    assert step["schedule"] == "21"  # a week after the last one
    wrong = {fault.key for fault in check(raw | {"enrolment": {"sex": "male"}})}
    assert wrong <= {"education"}  # the material must be chosen


def test_an_unknown_kind_of_step_is_refused() -> None:
    with pytest.raises(DraftError):
        drafting.add_step(three(), activity="dance")


def test_a_step_is_added_behind_the_chosen_one() -> None:
    assert codes(drafting.add_step(three(), activity="reminder", after="a")) == ["a", "reminder-1", "b", "c"]


def test_a_copy_stands_behind_its_original_under_a_new_code() -> None:
    raw = drafting.copy_step(three(), "b")
    assert codes(raw) == ["a", "b", "b-1", "c"]
    assert drafting.copy_step(raw, "b-1")["steps"][3]["code"] == "b-2"


def test_moving_up_and_down() -> None:
    raw = drafting.move_step(three(), "b", -1)
    assert codes(raw) == ["b", "a", "c"]
    assert codes(drafting.move_step(raw, "b", 1)) == ["a", "b", "c"]


@pytest.mark.parametrize(("code", "by"), [("a", -1), ("c", 1), ("b", 0), ("b", 2)])
def test_moving_out_of_the_list_is_refused(code: str, by: int) -> None:
    with pytest.raises(DraftError):
        drafting.move_step(three(), code, by)


@pytest.mark.parametrize(
    "edit",
    [
        lambda raw: drafting.remove_step(raw, "z"), lambda raw: drafting.copy_step(raw, "z"),
        lambda raw: drafting.move_step(raw, "z", 1), lambda raw: drafting.set_step(raw, "z", {}),
        lambda raw: drafting.add_step(raw, activity="reminder", after="z"),
    ],
)  # fmt: skip
def test_a_step_that_is_not_there_is_refused_by_name(edit: Any) -> None:
    with pytest.raises(DraftError) as caught:
        edit(three())
    assert caught.value.fault.values == {"code": "z"}


def test_unknown_keys_survive_every_edit() -> None:
    raw = three() | {"from_abroad": {"x": 1}}
    raw["steps"][0]["strange"] = [1, 2]
    raw["enrolment"] = {"old": True}
    changed = drafting.set_step(raw, "a", {"schedule": "5"})
    changed = drafting.set_part(changed, "enrolment", {"sex": "male"})
    changed = drafting.set_part(changed, "", {"version": "2.0"})
    assert changed["from_abroad"] == {"x": 1}
    assert changed["steps"][0]["strange"] == [1, 2]
    assert changed["enrolment"] == {"old": True, "sex": "male"}


def test_dropped_takes_a_key_out() -> None:
    raw = drafting.set_step(three(), "a", {"window": [1, 1], "until": "3m"})
    assert drafting.set_step(raw, "a", {"window": DROPPED})["steps"][0].get("window") is None
    assert drafting.set_part({"ends": {"after": "3m"}}, "ends", {"after": DROPPED})["ends"] == {}


def test_a_new_code_is_carried_to_steps_that_wait_for_it() -> None:
    raw = raw_plan("x", raw_step("a", "3"), raw_step("b", "7", anchor="previous-completion", of_step="a"))
    assert drafting.set_step(raw, "a", {"code": "first"})["steps"][1]["of_step"] == "first"


@pytest.mark.parametrize(
    ("version", "taken", "following"),
    [
        ("1.0", [], "1.1"), ("1.9", [], "1.10"), ("1.0", ["1.1", "1.2"], "1.3"), ("2", [], "1.3"), ("1.0.4", [], "1.0.5"),
        ("odd", [], "1.1"),
    ],
)  # fmt: skip
def test_the_next_version_is_free(version: str, taken: list[str], following: str) -> None:
    assert drafting.next_version({"version": version}, taken=taken)["version"] == following


def test_what_changed_is_told_by_part() -> None:
    before = three()
    after = drafting.set_step(drafting.remove_step(before, "c"), "a", {"schedule": "4"}) | {"version": "1.1"}
    assert drafting.changes_between(before, after) == ["version", "steps.a", "steps.c"]
    assert drafting.changes_between(before, before) == []
    assert drafting.changes_between(before, drafting.move_step(before, "a", 1)) == ["steps"]


edits = st.lists(
    st.tuples(
        st.sampled_from(["add", "copy", "remove", "up", "down", "set"]), st.integers(0, 9),
        st.sampled_from(["questionnaire", "education", "reminder", "revisit"]),
    ),
    max_size=12,
)  # fmt: skip


def apply(raw: dict[str, Any], do: str, code: str, number: int, activity: str) -> dict[str, Any]:
    if do == "add":
        return drafting.add_step(raw, activity=activity, after=code)
    if do == "copy":
        return drafting.copy_step(raw, code)
    if do == "remove":
        return drafting.remove_step(raw, code)
    if do == "set":
        return drafting.set_step(raw, code, {"schedule": str(number)})
    return drafting.move_step(raw, code, -1 if do == "up" else 1)


@given(edits)
def test_any_row_of_edits_keeps_codes_unique_and_leaves_the_past_alone(row: list[tuple[str, int, str]]) -> None:
    raw = three()
    for do, number, activity in row:
        before, old = raw, deepcopy(raw)
        code = codes(raw)[number % len(raw["steps"])] if raw["steps"] else ""
        is_refused = False
        try:
            raw = apply(before, do, code, number, activity)
        except DraftError:
            is_refused = True
        assert not is_refused or do in ("up", "down") or not before["steps"]
        assert before == old
        assert len(set(codes(raw))) == len(raw["steps"])
        assert bool(drafting.changes_between(before, raw)) == (before != raw)
