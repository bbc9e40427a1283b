"""Acceptance: computed from two risks, checked against exact fractions, published plans and what a plan must never do."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from math import comb, factorial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.supervision import rules
from careloop.supervision.reads.content import CONTENT, sampling
from careloop.supervision.rules.acceptance import AcceptancePlan, chance_of, passes

PLAN = AcceptancePlan.from_data(sampling())
ENDLESS = 10**7  # so long a list that drawing is drawing with replacement


def exactly(found: int, size: int, serious: int, population: int) -> Fraction:
    """Counting: so many ways of so many. Another formula than the product's logarithms."""
    if found > serious or size - found > population - serious:
        return Fraction(0)
    return Fraction(comb(serious, found) * comb(population - serious, size - found), comb(population, size))


def binomially(accepted: int, size: int, share: Fraction) -> Fraction:
    return sum(
        (Fraction(factorial(size), factorial(k) * factorial(size - k)) * share**k * (1 - share) ** (size - k) for k in range(accepted + 1)),
        Fraction(0),
    )  # fmt: skip


# ---- the distribution ---------------------------------------------------------------------------------------------------


@given(st.data())
def test_each_chance_is_the_counted_one(data: st.DataObject):
    population = data.draw(st.integers(1, 300))
    size, serious = data.draw(st.integers(0, population)), data.draw(st.integers(0, population))
    found = data.draw(st.integers(0, size))
    assert chance_of(found, size, serious, population) == pytest.approx(
        float(exactly(found, size, serious, population)), rel=1e-9, abs=1e-12
    )


@pytest.mark.parametrize("population", [1, 4, 7])
def test_every_sample_there_is_was_counted(population: int):
    for size in range(population + 1):
        for serious in range(population + 1):
            drawn = [sum(one < serious for one in sample) for sample in combinations(range(population), size)]
            for accepted in range(size + 1):
                share = sum(found <= accepted for found in drawn) / len(drawn)
                assert passes(accepted, size, serious, population) == pytest.approx(share)


@given(st.data())
def test_all_chances_are_one(data: st.DataObject):
    population = data.draw(st.integers(1, 20000))
    size = data.draw(st.integers(0, min(400, population)))
    assert passes(size, size, data.draw(st.integers(0, population)), population) == pytest.approx(1, abs=1e-7)


@pytest.mark.parametrize(("size", "serious", "population"), [(5, 1, 4), (-1, 0, 4), (1, 5, 4), (1, -1, 4)])
def test_what_does_not_fit_is_refused(size: int, serious: int, population: int):
    with pytest.raises(ValueError, match="does not fit"):
        chance_of(0, size, serious, population)


# ---- the plan --------------------------------------------------------------------------------------------------------


def by_definition(size: int, population: int) -> int:
    """The fewest accepted that keep the producer's risk; fewer when that would break the consumer's. In fractions."""
    good = int(Fraction("0.04") * population)
    bad = -int(-Fraction("0.25") * population // 1)
    kept = [
        sum((exactly(k, size, good, population) for k in range(c + 1)), Fraction(0)) >= Fraction("0.95")
        for c in range(size + 1)
    ]
    wanted = kept.index(True)
    while wanted and sum((exactly(k, size, bad, population) for k in range(wanted + 1)), Fraction(0)) > Fraction("0.1"):
        wanted -= 1
    return wanted


@pytest.mark.parametrize("population", [1, 2, 5, 12, 24, 25, 26, 60, 200, 500])
def test_the_number_is_the_one_that_follows_from_the_risks(population: int):
    sizes = [size for size in (0, 1, 2, 7, 8, 12, 13, 15, 20, 24, 25, 40, 60, 120, 200, 500) if size <= population]
    assert [PLAN.accepts(size, population) for size in sizes] == [by_definition(size, population) for size in sizes]


# What GB/T 2828.1-2012 (ISO 2859-1:1999), table 2-A, accepts at an acceptance quality limit of 4.0, normal inspection.
STANDARD = [(3, 0), (13, 1), (20, 2), (32, 3), (50, 5), (80, 7), (125, 10), (200, 14), (315, 21)]


@pytest.mark.parametrize(("size", "accept"), STANDARD)
@pytest.mark.parametrize("population", [400, 3000, 20000])
def test_never_more_than_the_standard_accepts(size: int, accept: int, population: int):
    assert PLAN.accepts(size, population) <= accept


@pytest.mark.parametrize(("size", "accept"), STANDARD)
def test_the_standard_holds_the_risk_by_which_it_is_known(size: int, accept: int):
    """Its plans pass a lot just good enough in about nine cases of ten or more: the table is read right."""
    assert 0.88 <= binomially(accept, size, Fraction("0.04")) < 0.999
    assert passes(accept, size, ENDLESS // 25, ENDLESS) == pytest.approx(
        float(binomially(accept, size, Fraction("0.04"))), abs=1e-4
    )


def test_everything_looked_at_is_judged_by_its_own_share():
    for population in (10, 24, 25, 100, 1000):
        assert PLAN.accepts(population, population) == int(population * 0.04)
        assert PLAN.risks(population, population) == (pytest.approx(0, abs=1e-9), pytest.approx(0, abs=1e-9))


def test_nothing_looked_at_accepts_nothing_wrong():
    assert PLAN.accepts(0, 500) == 0
    assert PLAN.risks(0, 500) == (0.0, 1.0)  # a sample nobody was reached of says nothing: another rule widens it


@given(st.integers(1, 3000), st.data())
def test_the_consumers_risk_holds_or_nothing_is_accepted(population: int, data: st.DataObject):
    size = data.draw(st.integers(1, min(population, 300)))
    accepted = PLAN.accepts(size, population)
    producer, consumer = PLAN.risks(size, population)
    assert accepted == 0 or consumer <= PLAN.consumer_risk + 1e-6
    assert 0 <= accepted <= size
    if producer > PLAN.producer_risk + 1e-6:  # then one more would break the consumer's
        bad = -(-population // 4)
        assert passes(accepted + 1, size, bad, population) > PLAN.consumer_risk


@given(st.integers(2, 1500), st.data())
def test_a_larger_sample_never_accepts_fewer(population: int, data: st.DataObject):
    size = data.draw(st.integers(1, min(population, 250) - 1))
    assert (
        PLAN.accepts(size, population) <= PLAN.accepts(size + 1, population) + 1
    )  # the list's own steps are at most one


@pytest.mark.parametrize("size", [5000, 20000])
def test_a_long_list_needs_no_long_time(size: int):
    assert 0.03 * size < PLAN.accepts(size, 20000) <= 0.05 * size


# ---- the decision --------------------------------------------------------------------------------------------------------


def judged(*outcomes: str, kappa_high: float | None = None, blind: int = 0, left: int = 1000) -> rules.Decision:
    return rules.decide(
        plan=PLAN, drawn=len(outcomes), outcomes=outcomes, kappa_high=kappa_high, blind_records=blind,
        population=left + len(outcomes),
    )  # fmt: skip


def test_one_serious_record_of_ten_widens_but_one_of_fifteen_does_not():
    assert judged(*["agrees"] * 9, "serious").reasons == ("too-many-serious",)
    assert judged(*["agrees"] * 14, "serious").accepted
    assert not judged(*["agrees"] * 13, "serious", "serious").accepted


def test_the_decision_says_what_it_cost():
    told = judged(*["agrees"] * 20)
    assert (told.allowed, told.checked, told.serious) == (2, 20, 0)
    assert (told.producer_risk, told.consumer_risk) == PLAN.risks(20, 1020)


def test_a_small_difference_is_no_reason():
    assert judged(*["differs"] * 10).accepted


def test_a_widened_sample_is_twice_as_large_but_not_larger_than_what_is_left():
    assert judged("serious", "agrees").next_size == 4
    assert judged("serious", "agrees", left=3).next_size == 3
    assert judged("serious", "agrees", left=0).next_size == 0


@pytest.mark.parametrize("factor", [1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("drawn", [1, 2, 5, 30])
def test_widening_always_draws_more_than_before(factor: float, drawn: int):
    told = rules.decide(
        plan=replace(PLAN, widen_factor=factor), drawn=drawn, outcomes=["serious"] * drawn, kappa_high=None,
        blind_records=0, population=1000,
    )  # fmt: skip
    assert told.next_size == max(drawn + 1, round(drawn * factor))


def test_kappa_speaks_when_enough_were_asked_and_even_its_upper_end_is_low():
    low = {"kappa_high": 0.39}
    assert judged(*["agrees"] * 10, **low, blind=10).reasons == ("low-kappa",)
    assert judged(*["agrees"] * 10, **low, blind=9).accepted
    assert judged(*["agrees"] * 10, kappa_high=0.41, blind=10).accepted
    assert judged(*["agrees"] * 10, kappa_high=None, blind=10).accepted


def test_patients_who_were_not_reached_prove_nothing():
    assert judged("agrees", "not-reached", "not-reached").reasons == ("too-few-reached",)
    assert judged("agrees", "agrees", "not-reached").accepted
    assert judged("agrees", "not-reached").accepted  # just half
    assert judged(*["not-reached"] * 3).reasons == ("too-few-reached",)


def test_all_reasons_are_named():
    told = judged("serious", *["not-reached"] * 9, kappa_high=0.1, blind=10)
    assert told.reasons == ("too-many-serious", "low-kappa", "too-few-reached")


def test_an_unfinished_sample_cannot_be_judged():
    with pytest.raises(ValueError, match="open"):
        rules.decide(plan=PLAN, drawn=3, outcomes=["agrees"], kappa_high=None, blind_records=0, population=3)


@given(st.lists(st.sampled_from(["agrees", "differs", "serious", "not-reached"]), min_size=1, max_size=60))
def test_one_more_serious_record_never_helps(outcomes: list[str]):
    if "agrees" in outcomes and judged(*outcomes).accepted is False:
        worse = [*outcomes]
        worse[worse.index("agrees")] = "serious"
        assert not judged(*worse).accepted


# ---- the content -----------------------------------------------------------------------------------------------------------


def test_the_version_that_went_before_is_kept_as_it_was():
    old = json.loads((CONTENT / "superseded" / "sampling-2026-11-22.json").read_text(encoding="utf-8"))
    assert old["version"] == "2026-11-22" != sampling()["version"]
    assert [(line["from"], line["accept"]) for line in old["acceptance"]["limits"]][-1] == (315, 21)
    assert {name: value for name, value in old.items() if name not in ("acceptance", "version", "source")} == {
        name: value for name, value in sampling().items() if name not in ("acceptance", "version", "source")
    }
