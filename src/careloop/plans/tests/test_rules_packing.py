"""The explanation of a decision comes back from its packed form exactly, whatever it is; and it is worth packing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from careloop.plans.rules.packing import BEGINNING, pack, unpack

names = st.sampled_from(["copd", "pci-12-months", "", "~", "a b", "随访", "~copd"])
urls = st.builds("{}{}".format, st.sampled_from([BEGINNING, "", "https://example.org/"]), names)
values = st.dictionaries(st.sampled_from(["code", "url", "pattern"]), urls | st.text(max_size=5), max_size=2)
codes = st.sampled_from(["diagnosis-differs", "age-fits", ""])
reasons = st.builds(lambda code: {"code": code}, codes) | st.builds(
    lambda code, told: {"code": code, "values": told}, codes, values
)
entries = st.lists(
    st.builds(
        lambda url, fits, why: {"url": url, "fits": fits, "reasons": why},
        urls,
        st.booleans(),
        st.lists(reasons, max_size=3),
    ),
    max_size=6,
)
sorted_entries = entries.map(lambda found: sorted(found, key=lambda entry: entry["url"]))


def through_the_database(value: Any) -> Any:
    """As jsonb gives it back: keys in an order of its own."""
    return json.loads(json.dumps(value, sort_keys=True))


@given(entries | sorted_entries)
@example([{"url": BEGINNING + "copd", "fits": False, "reasons": [{"code": "x", "values": {}}, {"code": "x"}]}])
@example([{"url": "~copd", "fits": False, "reasons": [{"code": "x"}]}])
def test_it_comes_back_as_it_was(told: list[dict[str, Any]]) -> None:
    assert unpack(through_the_database(pack(told))) == told


@pytest.mark.parametrize(
    "odd", [[], [{}], [{"url": 1}], [{"url": "a", "fits": False, "reasons": [], "more": 1}], [3], ["a"]]
)
def test_what_has_another_shape_is_stored_as_it_is(odd: list[Any]) -> None:
    assert pack(odd) == odd
    assert unpack(odd) == odd


def test_a_row_from_before_is_read_as_it_is() -> None:
    old = [{"url": BEGINNING + "copd", "fits": True, "reasons": [{"code": "class-fits", "values": {}}]}]
    assert unpack(old) == old


def test_the_verdict_of_a_dozen_plans_takes_a_third_of_the_bytes() -> None:
    against = [
        {"url": f"{BEGINNING}plan-number-{n:02d}", "fits": False, "reasons": [{"code": "diagnosis-differs"}]}
        for n in range(11)
    ]
    why = [
        {"code": "diagnosis-fits", "values": {"code": "I21.0", "pattern": "I20-I25"}},
        {"code": "class-fits", "values": {}},
    ]
    told = [*against, {"url": f"{BEGINNING}the-one", "fits": True, "reasons": why}]
    assert len(json.dumps(pack(told))) * 3 < len(json.dumps(told))
