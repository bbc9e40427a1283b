"""The keystroke-level model against its vectors, and what must hold of any run."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.workbench.rules.keystrokes import Press, estimate, operators

MODEL = json.loads((Path(__file__).parents[1] / "content" / "keystroke_model.json").read_text(encoding="utf-8"))
SECONDS = MODEL["seconds"]
presses = st.lists(
    st.builds(
        Press, st.sampled_from(["key", "mouse"]), st.sampled_from(["a", "b", "c"]), st.sampled_from(["desk", "heard"])
    ),
    max_size=30,
)


@pytest.mark.parametrize("vector", MODEL["vectors"], ids=lambda one: one["name"])
def test_vectors(vector):
    assert " ".join(operators(Press(*one) for one in vector["presses"])) == vector["operators"]


def test_the_published_times():
    assert SECONDS == {"K": 0.28, "P": 1.1, "B": 0.2, "H": 0.4, "M": 1.35}


def test_an_unanswered_call_by_hand():
    """F2, F4, F4 as three commands: 3 (M + K)."""
    found = estimate([Press("key", "F2"), Press("key", "F4"), Press("key", "F4")], SECONDS)
    assert (found.operators, found.record) == ("M K M K K", pytest.approx(2 * 1.35 + 3 * 0.28))


@given(presses)
def test_the_record_never_takes_longer_than_the_same_done_alone(run):
    found = estimate(run, SECONDS)
    assert 0 <= found.record <= found.alone
    assert found.keys + found.clicks == len(run)


@given(presses, presses)
def test_more_presses_never_take_less_time(first, more):
    assert estimate([*first, *more], SECONDS).record >= estimate(first, SECONDS).record


@given(presses, st.floats(0, 60))
def test_waiting_is_added_in_full(run, waited):
    assert estimate(run, SECONDS, waited=waited).record == pytest.approx(
        estimate(run, SECONDS).record + waited, abs=0.02
    )


@given(presses)
def test_the_mouse_costs_more_than_the_keyboard(run):
    keys = [Press("key", one.unit, one.when) for one in run]
    mouse = [Press("mouse", one.unit, one.when) for one in run]
    assert estimate(keys, SECONDS).record <= estimate(mouse, SECONDS).record
