"""Kappa against published tables, its bounds and symmetry, and what it says when it says nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careloop.supervision import rules
from careloop.supervision.rules import Pair, Question
from careloop.supervision.rules.agreement import pooled

CONTENT = Path(__file__).resolve().parents[1] / "content"
VECTORS = json.loads((CONTENT / "vectors" / "kappa.json").read_text())["vectors"]

tables = st.integers(2, 5).flatmap(
    lambda size: st.lists(st.lists(st.integers(0, 30), min_size=size, max_size=size), min_size=size, max_size=size)
)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
@pytest.mark.parametrize("weights", ["none", "linear"])
def test_published_examples(vector, weights):
    if weights not in vector:
        assert weights == "linear"
        return
    found = rules.kappa(vector["table"], weights=weights)
    for name, expected in vector[weights].items():
        digits = len(str(expected).split(".")[1])
        assert getattr(found, name) == pytest.approx(expected, abs=0.51 * 10**-digits), name


@given(tables, st.sampled_from(["none", "linear", "quadratic"]))
def test_kappa_stays_within_its_bounds(table, weights):
    found = rules.kappa(table, weights=weights)
    if found.value is None:
        assert found.undefined in ("no-pairs", "one-category")
        return
    assert -1 - 1e-9 <= found.value <= 1 + 1e-9
    assert -1 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 1


@given(tables, st.sampled_from(["none", "linear", "quadratic"]))
def test_it_does_not_matter_who_is_called_first(table, weights):
    turned = [list(row) for row in zip(*table, strict=True)]
    one, other = rules.kappa(table, weights=weights), rules.kappa(turned, weights=weights)
    assert one.undefined == other.undefined
    if one.value is not None:
        assert one.value == pytest.approx(other.value)
        assert one.error == pytest.approx(other.error, abs=1e-6)


@given(tables)
def test_the_names_of_categories_do_not_matter_without_an_order(table):
    size = len(table)
    order = list(reversed(range(size)))
    shuffled = [[table[i][j] for j in order] for i in order]
    one, other = rules.kappa(table), rules.kappa(shuffled)
    assert (one.value is None) == (other.value is None)
    if one.value is not None:
        assert one.value == pytest.approx(other.value)


def test_perfect_agreement_is_one_and_its_interval_still_has_a_width():
    found = rules.kappa([[5, 0], [0, 5]])
    assert found.value == 1
    assert found.low < 0.7  # ten pairs prove little
    wider = rules.kappa([[50, 0], [0, 50]])
    assert wider.low > found.low


def test_agreement_by_chance_alone_is_nought():
    assert rules.kappa([[25, 25], [25, 25]]).value == pytest.approx(0)


def test_always_the_opposite_is_minus_one():
    assert rules.kappa([[0, 10], [10, 0]]).value == pytest.approx(-1)


@pytest.mark.parametrize(
    ("table", "why"), [([], "no-pairs"), ([[0, 0], [0, 0]], "no-pairs"), ([[9]], "one-category"), ([[9, 0], [0, 0]], "one-category")]
)  # fmt: skip
def test_kappa_says_why_there_is_none(table, why):
    found = rules.kappa(table)
    assert (found.value, found.low, found.undefined) == (None, None, why)


def test_everybody_says_no_but_once():
    """The known paradox: 96 % agreement, kappa near nought. It must be shown with the share beside it."""
    found = rules.kappa([[48, 1], [1, 0]])
    assert found.observed == pytest.approx(0.96)
    assert found.value < 0.05


def test_a_table_that_is_not_square_is_refused():
    with pytest.raises(ValueError, match="square"):
        rules.kappa([[1, 2], [3]])


def test_a_near_miss_on_a_scale_counts_more_than_a_far_one():
    near, far = [[5, 5, 0], [0, 5, 0], [0, 0, 5]], [[5, 0, 5], [0, 5, 0], [0, 0, 5]]
    assert rules.kappa(near, weights="linear").value > rules.kappa(far, weights="linear").value


def pairs(question: str, *answers: tuple[str, str], categories: tuple[str, ...] = ("yes", "no")) -> list[Pair]:
    return [
        Pair(record=f"r{n}", question=question, first=one, second=other, categories=categories)
        for n, (one, other) in enumerate(answers)
    ]


def test_the_table_of_pairs_keeps_the_order_of_the_scale_and_adds_strange_answers():
    table, names = rules.table_of(pairs("q", ("no", "yes"), ("yes", "yes"), ("gone", "no")))
    assert names == ("yes", "no", "gone")
    assert table == [[1, 0, 0], [1, 0, 0], [0, 1, 0]]


def test_one_question_pooled_is_its_own_kappa():
    mine = pairs("q", *[("yes", "yes")] * 20, *[("yes", "no")] * 5, *[("no", "yes")] * 10, *[("no", "no")] * 15)
    assert pooled(mine).value == pytest.approx(0.40)
    assert rules.agreement_of(mine).questions[0][1].value == pytest.approx(0.40)


def test_the_pooled_kappa_is_that_of_the_mean_agreements():
    """De Vries 2008: (mean observed − mean expected) / (1 − mean expected)."""
    first = pairs("a", *[("yes", "yes")] * 20, *[("yes", "no")] * 5, *[("no", "yes")] * 10, *[("no", "no")] * 15)
    second = pairs("b", *[("yes", "yes")] * 25, *[("no", "no")] * 25)
    assert pooled(first + second).value == pytest.approx(((0.7 + 1.0) / 2 - 0.5) / (1 - 0.5))


def test_the_interval_narrows_with_more_records():
    few = pairs("q", *[("yes", "yes")] * 4, ("no", "yes"), *[("no", "no")] * 4)
    many = [
        Pair(
            record=f"{pair.record}-{n}", question="q", first=pair.first, second=pair.second, categories=pair.categories
        )
        for n in range(8)
        for pair in few
    ]
    assert pooled(few).value == pytest.approx(pooled(many).value)
    assert pooled(many).high - pooled(many).low < (pooled(few).high - pooled(few).low) / 2


def test_the_interval_has_a_width_on_both_sides_however_alike_the_records_are():
    """One of four says otherwise: kappa is 0, but four records cannot exclude good agreement."""
    found = pooled(pairs("q", ("yes", "no"), *[("no", "no")] * 3))
    assert found.value == pytest.approx(0)
    assert found.low < -0.5
    assert found.high > 0.4


def test_one_record_has_a_kappa_but_no_interval():
    found = pooled([*pairs("a", ("yes", "yes")), *pairs("b", ("no", "no")), *pairs("c", ("yes", "no"))])
    assert found.low is None
    assert found.undefined in ("one-record", "one-category")


def test_nothing_compared_is_said():
    nothing = rules.agreement_of([])
    assert (nothing.pairs, nothing.pooled.undefined) == (0, "no-pairs")
    assert (nothing.share_low, nothing.share_high) == (0.0, 1.0)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.sampled_from("xyz")), min_size=1, max_size=25)
)
def test_agreement_of_anything_is_in_order(told):
    found = rules.agreement_of(
        [
            Pair(record=f"r{n // 2}", question=question, first=one, second=other, categories=("x", "y", "z"))
            for n, (question, one, other) in enumerate(told)
        ]
    )
    assert 0 <= found.agreeing <= found.pairs == len(told)
    assert found.share_low <= found.agreeing / found.pairs + 1e-9 <= found.share_high + 2e-9
    assert sum(count for _, _, count, _ in found.questions) == found.pairs
    if found.pooled.low is not None:
        assert -1 <= found.pooled.low <= found.pooled.high <= 1


@pytest.mark.parametrize(("hits", "n", "low", "high"), [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0)])  # fmt: skip
def test_wilson(hits, n, low, high):
    assert rules.wilson(hits, n) == pytest.approx((low, high), abs=1e-4)


# ---- comparing ------------------------------------------------------------------------------------------------------

PAIN = Question(link_id="pain", scale="nominal", categories=("yes", "no"))
LEVEL = Question(link_id="level", scale="ordinal", categories=tuple("01234"))
SBP = Question(link_id="sbp", scale="number", tolerance=15)
SIGNS = Question(link_id="signs", scale="many")
WORDS = Question(link_id="words", scale="words")


@pytest.mark.parametrize(
    ("question", "first", "second", "agrees", "counts"),
    [
        (PAIN, "no", "no", True, True),
        (PAIN, "no", "yes", False, True),
        (PAIN, False, "false", True, True),
        (LEVEL, 3, "4", False, True),
        (SBP, "138", 150, True, False),
        (SBP, 138, 154, False, False),
        (SBP, 138, "not-measured", None, False),
        (SBP, 138, "nan", None, False),
        (SIGNS, ["b", "a"], ["a", "b"], True, False),
        (SIGNS, ["a"], ["a", "b"], False, False),
        (WORDS, "fine", "very well", None, False),
        (PAIN, None, "yes", None, False),
        (PAIN, "yes", "", None, False),
    ],
)
def test_two_answers(question, first, second, agrees, counts):
    (found,) = rules.compare([question], {question.link_id: first}, {question.link_id: second})
    assert (found.agrees, found.counts_for_kappa) == (agrees, counts)


def test_what_nobody_answered_is_left_out():
    assert rules.compare([PAIN, SBP], {}, {"sbp": []}) == ()
