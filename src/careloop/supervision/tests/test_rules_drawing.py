"""Drawing: without replacement, the same seed the same sample, strata and risk; whatever the list looks like."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careloop.supervision import rules
from careloop.supervision.rules import Candidate


def people(count: int, *, strata: int = 1, weight: float = 1.0) -> list[Candidate]:
    return [Candidate(id=f"r{n}", stratum=f"s{n % strata}", weight=weight) for n in range(count)]


lists = st.lists(
    st.builds(
        Candidate,
        id=st.uuids().map(str),
        stratum=st.sampled_from(["a", "b", "c", ""]),
        weight=st.floats(0.1, 50, allow_nan=False),
    ),
    min_size=1,
    max_size=60,
    unique_by=lambda one: one.id,
)


@given(lists, st.text(max_size=20), st.data())
def test_nothing_is_drawn_twice_and_nothing_that_is_not_on_the_list(candidates, seed, data):
    size = data.draw(st.integers(1, len(candidates)))
    drawn = rules.draw(candidates, size=size, seed=seed)
    ids = [one.candidate.id for one in drawn]
    assert len(ids) == len(set(ids)) == size
    assert set(ids) <= {one.id for one in candidates}
    assert [one.order for one in drawn] == list(range(1, size + 1))


@given(lists, st.text(max_size=20), st.randoms(), st.data())
def test_the_same_seed_draws_the_same_in_whatever_order_the_list_comes(candidates, seed, random, data):
    size = data.draw(st.integers(1, len(candidates)))
    shuffled = list(candidates)
    random.shuffle(shuffled)
    assert rules.draw(candidates, size=size, seed=seed) == rules.draw(shuffled, size=size, seed=seed)
    assert rules.fingerprint(candidates) == rules.fingerprint(shuffled)


def test_another_seed_draws_another_sample():
    list_ = people(200)
    drawn = {tuple(one.candidate.id for one in rules.draw(list_, size=20, seed=str(n))) for n in range(20)}
    assert len(drawn) == 20


def test_the_sample_of_a_known_seed_never_changes():
    """If this fails, samples that were drawn before can no longer be drawn again: that needs a decision, not a new number."""
    drawn = rules.draw(people(30, strata=3), size=6, seed="5f3a")
    assert [(one.candidate.id, one.is_blind) for one in rules.draw(people(30, strata=3), size=6, seed="5f3a")] == [
        (one.candidate.id, one.is_blind) for one in drawn
    ]
    assert sorted(one.candidate.id for one in drawn) == KNOWN


KNOWN = ["r18", "r20", "r25", "r26", "r28", "r6"]


@given(st.dictionaries(st.sampled_from("abcdefg"), st.integers(0, 40), min_size=1), st.data())
def test_shares_add_up_and_no_stratum_gives_more_than_it_has(sizes, data):
    total = data.draw(st.integers(0, sum(sizes.values())))
    got = rules.allocate(sizes, total)
    assert sum(got.values()) == total
    assert all(0 <= got[name] <= sizes[name] for name in sizes)
    filled = [name for name, size in sizes.items() if size]
    if total >= len(filled):
        assert all(got[name] >= 1 for name in filled)


@pytest.mark.parametrize(
    ("sizes", "total", "expected"),
    [
        ({"a": 10, "b": 10}, 4, {"a": 2, "b": 2}),
        ({"a": 90, "b": 10}, 10, {"a": 9, "b": 1}),
        ({"a": 99, "b": 1}, 10, {"a": 9, "b": 1}),  # the small stratum is not forgotten
        ({"a": 5, "b": 5, "c": 5}, 2, {"a": 1, "b": 1, "c": 0}),
        ({"a": 3, "b": 0}, 3, {"a": 3, "b": 0}),
    ],
)
def test_shares(sizes, total, expected):
    assert rules.allocate(sizes, total) == expected


def test_more_than_there_is_cannot_be_shared():
    with pytest.raises(ValueError, match="size-too-large"):
        rules.allocate({"a": 3}, 4)


def test_a_heavier_record_is_drawn_more_often():
    """With weight 4 beside 99 records of weight 1 and 10 draws: about 4 × as often as a light one (10 % of samples)."""
    list_ = [Candidate(id="heavy", stratum="s0", weight=4.0), *people(99)]
    hits: Counter[str] = Counter()
    for n in range(600):
        hits.update(one.candidate.id for one in rules.draw(list_, size=10, seed=str(n)))
    light = sum(count for name, count in hits.items() if name != "heavy") / 99
    assert 2.8 < hits["heavy"] / light < 5.2


def test_equal_weights_are_drawn_equally_often():
    hits: Counter[str] = Counter()
    for n in range(1000):
        hits.update(one.candidate.id for one in rules.draw(people(20), size=5, seed=str(n)))
    assert len(hits) == 20
    expected = 250
    chi_square = sum((count - expected) ** 2 / expected for count in hits.values())
    assert chi_square < 43.8  # 99.9 % of a chi-square with 19 degrees of freedom


@pytest.mark.parametrize(
    ("population", "size", "percent", "code"),
    [
        (0, 1, None, "nothing-to-draw"),
        (10, None, None, "size-or-percent"),
        (10, 3, 30.0, "size-or-percent"),
        (10, 0, None, "size-not-positive"),
        (10, -1, None, "size-not-positive"),
        (10, 11, None, "size-too-large"),
        (10, None, 0.0, "percent-out-of-range"),
        (10, None, -5.0, "percent-out-of-range"),
        (10, None, 100.1, "percent-out-of-range"),
        (10, None, float("nan"), "percent-out-of-range"),
        (10, None, float("inf"), "percent-out-of-range"),
        (10, 10, None, ""),
        (10, None, 100.0, ""),
    ],
)
def test_sizes_that_cannot_be_drawn(population, size, percent, code):
    assert rules.fault_of_size(population, size=size, percent=percent) == code
    if code:
        with pytest.raises(ValueError, match=code):
            rules.how_many(population, size=size, percent=percent)


@pytest.mark.parametrize(("population", "percent", "expected"), [(200, 5.0, 10), (7, 10.0, 1), (1, 0.1, 1), (3, 100.0, 3), (10, 30.0, 3)])  # fmt: skip
def test_a_percentage_is_rounded_up(population, percent, expected):
    assert rules.how_many(population, size=None, percent=percent) == expected


@given(st.integers(1, 5000), st.floats(0.001, 100))
def test_a_percentage_always_draws_something_that_is_there(population, percent):
    assert 1 <= rules.how_many(population, size=None, percent=percent) <= population


@given(lists, st.floats(0, 100), st.text(max_size=8))
def test_the_blind_part_is_as_large_as_asked(candidates, percent, seed):
    drawn = rules.draw(candidates, size=len(candidates), seed=seed, blind_percent=percent)
    blind = sum(one.is_blind for one in drawn)
    assert len(drawn) * percent / 100 - 1e-6 <= blind < len(drawn) * percent / 100 + 1


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_a_weight_that_is_none_is_refused(weight):
    with pytest.raises(ValueError, match="weight-not-positive"):
        rules.draw([Candidate(id="a", weight=weight)], size=1, seed="x")


def test_a_list_with_a_record_twice_is_refused():
    with pytest.raises(ValueError, match="drawn-twice"):
        rules.draw([Candidate(id="a"), Candidate(id="a")], size=1, seed="x")


@settings(max_examples=30)
@given(lists)
def test_the_fingerprint_tells_a_changed_list(candidates):
    changed = [*candidates[:-1], Candidate(id=candidates[-1].id, stratum="other", weight=candidates[-1].weight)]
    assert rules.fingerprint(changed) != rules.fingerprint(candidates)
