"""Personal goals: the vectors of the content file, and nothing typed ever raises anything but GoalError."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.workbench.reads.goals import GOALS_FILE, kinds
from careloop.workbench.rules import Goal, GoalError, parse_goal, pressure_band

VECTORS = json.loads(GOALS_FILE.read_text(encoding="utf-8"))["vectors"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: f"{one['code']} {one['typed']}")
def test_vectors(vector):
    if "fault" in vector:
        with pytest.raises(GoalError) as refused:
            parse_goal(kinds(), vector["code"], vector["typed"])
        assert refused.value.code == vector["fault"]
    else:
        assert parse_goal(kinds(), vector["code"], vector["typed"]).written() == vector["written"]


FAULTS = {"unknown-goal", "wrong-shape", "wrong-unit", "out-of-range", "wrong-order"}


def read(code: str, typed: str) -> Goal | str:
    """The goal, or the code of its fault."""
    try:
        return parse_goal(kinds(), code, typed)
    except GoalError as error:
        return error.code


@given(st.sampled_from(["blood-pressure", "ldl-c", "fasting-glucose", "weight", "x"]), st.text(max_size=40))
def test_anything_typed_is_a_goal_or_a_named_fault(code, typed):
    found = read(code, typed)
    assert found in FAULTS if isinstance(found, str) else read(code, found.written()) == found


@given(st.integers(90, 180), st.integers(50, 110))
def test_a_written_pressure_goal_reads_back(upper, lower):
    if lower >= upper:
        return
    goal = parse_goal(kinds(), "blood-pressure", f"{upper}/{lower}")
    assert goal.below == (upper, lower)
    assert pressure_band(goal, default=(60, 134)) == (60, upper)


def test_the_band_without_a_goal_is_the_usual_one():
    assert pressure_band(None, default=(60, 134)) == (60, 134)
    assert pressure_band(Goal("ldl-c", (1.4,), "mmol/L"), default=(60, 134)) == (60, 134)


def test_a_unit_of_another_goal_is_refused():
    with pytest.raises(GoalError) as refused:
        parse_goal(kinds(), "ldl-c", "1.4 mmHg")
    assert refused.value.code == "wrong-unit"
