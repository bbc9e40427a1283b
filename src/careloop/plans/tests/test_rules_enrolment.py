from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careloop.plans.actions.enrolment import _explained
from careloop.plans.rules.codes import normalise_code, parse_code_pattern
from careloop.plans.rules.content import PlanContent, parse_plan
from careloop.plans.rules.enrolment import Diagnosis, DischargeFacts, Match, Outcome, choose, match
from careloop.plans.tests.factories import DISCHARGED, a_plan, every_shipped, raw_plan, shipped

MI = DischargeFacts(
    discharged_on=DISCHARGED,
    diagnoses=(Diagnosis("I21.001", is_main=True), Diagnosis("E11.900")),
    procedures=("36.0600x004",),
    departments=frozenset({"CARD-3", "CARD"}),
    encounter_class="IMP",
    disposition="home",
    sex="male",
    age=67,
)
TODAY = date(2026, 11, 14)


def rule(name: str = "example", **enrolment: Any) -> PlanContent:
    return parse_plan(raw_plan(name, enrolment=enrolment))


def codes(verdict: Match) -> list[str]:
    return [reason.code for reason in verdict.reasons]


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("I21.0", "I210"),
        (" i21.001 ", "I21001"),
        ("I21.000x001", "I21000X001"),
        ("Ｉ２１．０", "I210"),
        ("E11.3†", "E113"),
        ("H36.0*", "H360"),
        ("36.0600x004", "360600X004"),
        ("0.66", "0066"),
        ("00.66", "0066"),
        ("", ""),
    ],
)
def test_codes_are_compared_in_one_form(written: str, plain: str) -> None:
    assert normalise_code(written) == plain


@pytest.mark.parametrize(
    ("pattern", "code", "fits"),
    [
        ("I21", "I21.9", True),
        ("I21", "I22.0", False),
        ("I21.0", "I21", False),
        ("I20-I25", "I25.103", True),
        ("I20-I25", "I26", False),
        ("I20-I25", "I19.9", False),
        ("36.0", "36.06", True),
        ("36.0", "36.1", False),
        ("81.51-81.55", "81.5400x001", True),
        ("81.51-81.55", "81.56", False),
        ("I21", "", False),
    ],
)
def test_prefixes_and_ranges(pattern: str, code: str, fits: bool) -> None:
    assert parse_code_pattern(pattern).matches(code) is fits


@pytest.mark.parametrize(
    ("enrolment", "fits", "reason"),
    [
        ({}, True, "fits-everybody"),
        ({"diagnoses": {"any": ["I21"]}}, True, "diagnosis-fits"),
        ({"diagnoses": {"any": ["E11"]}}, True, "diagnosis-fits"),
        ({"diagnoses": {"any": ["E11"], "main_only": True}}, False, "diagnosis-differs"),
        ({"diagnoses": {"any": ["I21"], "none": ["E11"]}}, False, "diagnosis-excluded"),
        ({"procedures": {"any": ["36.0"]}}, True, "procedure-fits"),
        ({"procedures": {"any": ["81.5"]}}, False, "procedure-differs"),
        ({"procedures": {"none": ["36"]}}, False, "procedure-excluded"),
        ({"departments": {"any": ["CARD"]}}, True, "department-fits"),
        ({"departments": {"any": ["ORTH"]}}, False, "department-differs"),
        ({"departments": {"none": ["CARD"]}}, False, "department-excluded"),
        ({"dispositions": {"any": ["home"]}}, True, "disposition-fits"),
        ({"dispositions": {"none": ["home"]}}, False, "disposition-excluded"),
        ({"encounter_classes": ["IMP"]}, True, "class-fits"),
        ({"encounter_classes": ["SS"]}, False, "class-differs"),
        ({"sex": "male"}, True, "sex-fits"),
        ({"sex": "female"}, False, "sex-differs"),
        ({"age": {"from": 67, "to": 67}}, True, "age-fits"),
        ({"age": {"from": 68}}, False, "age-differs"),
        ({"age": {"to": 66}}, False, "age-differs"),
    ],
)
def test_each_condition_is_explained(enrolment: dict[str, Any], fits: bool, reason: str) -> None:
    verdict = match(rule(**enrolment), MI)
    assert verdict.fits is fits
    assert reason in codes(verdict)


def test_all_failing_conditions_are_named() -> None:
    verdict = match(rule(diagnoses={"any": ["J44"]}, sex="female", age={"from": 80}), MI)
    assert codes(verdict) == ["diagnosis-differs", "age-differs", "sex-differs"]


def test_either_code_is_enough_when_the_plan_says_so() -> None:
    wanted = {"diagnoses": {"any": ["J44"]}, "procedures": {"any": ["36.0"]}}
    assert not match(rule(**wanted), MI).fits
    assert match(rule(**wanted, either_code=True), MI).fits


def test_missing_codes_and_age_are_said_to_be_unknown() -> None:
    bare = replace(MI, diagnoses=(), age=None)
    assert codes(match(rule(diagnoses={"any": ["I21"]}, age={"from": 18}), bare)) == [
        "diagnosis-unknown",
        "age-unknown",
    ]


def test_a_plan_outside_its_validity_does_not_fit() -> None:
    old = parse_plan(raw_plan("old", valid_to="2026-11-12"))
    assert codes(match(old, MI)) == ["not-in-force"]
    assert match(old, replace(MI, discharged_on=date(2026, 11, 12))).fits


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        ({"is_deceased": True}, Outcome.DIED),
        ({"disposition": "died"}, Outcome.DIED),
        ({"disposition": "against-advice"}, Outcome.AGAINST_ADVICE),
        ({"disposition": "other-hospital"}, Outcome.TRANSFERRED),
        ({"is_cancelled": True}, Outcome.ENCOUNTER_CANCELLED),
        ({"has_refused": True}, Outcome.REFUSED),
        ({"is_finished": False}, Outcome.NOT_FINISHED),
        ({"discharged_on": None}, Outcome.NOT_FINISHED),
        ({"discharged_on": date(2024, 1, 1)}, Outcome.TOO_LATE),
        ({}, Outcome.ENROLLED),
    ],
)
def test_who_is_not_contacted_at_all(changed: dict[str, Any], outcome: Outcome) -> None:
    chosen = choose([a_plan()], replace(MI, **changed), today=TODAY)
    assert chosen.outcome is outcome
    assert bool(chosen.taken) is (outcome is Outcome.ENROLLED)


def test_the_more_specific_plan_of_a_group_wins_and_the_other_says_why() -> None:
    chosen = choose(
        [shipped("chd-half-yearly"), shipped("pci-12-months"), shipped("routine-discharge")], MI, today=TODAY
    )
    assert [plan.url.rsplit("/", 1)[1] for plan in chosen.taken] == ["pci-12-months"]
    why = {m.url.rsplit("/", 1)[1]: codes(m)[-1] for m in chosen.matches}
    assert why["chd-half-yearly"] == "more-specific-plan"
    assert why["routine-discharge"] == "covered-by-plan"


def test_without_the_operation_the_general_coronary_plan_is_taken() -> None:
    plans = [shipped("chd-half-yearly"), shipped("pci-12-months"), shipped("routine-discharge")]
    chosen = choose(plans, replace(MI, procedures=()), today=TODAY)
    assert [plan.group for plan in chosen.taken] == ["coronary"]
    assert chosen.taken[0].url.endswith("chd-half-yearly")


def test_plans_of_different_groups_are_both_taken_most_important_first() -> None:
    plans = [shipped("diabetes-national"), shipped("routine-discharge")]
    facts = replace(MI, diagnoses=(Diagnosis("E11.9", is_main=True),), procedures=())
    taken = choose(plans, facts, today=TODAY).taken
    assert [plan.url.rsplit("/", 1)[1] for plan in taken] == ["diabetes-national", "routine-discharge"]


def test_nothing_fits_is_an_answer_too() -> None:
    chosen = choose([rule(diagnoses={"any": ["J44"]})], MI, today=TODAY)
    assert (chosen.outcome, chosen.taken) == (Outcome.NO_PLAN, ())
    assert codes(chosen.matches[0]) == ["diagnosis-differs"]


def test_the_choice_does_not_depend_on_the_order_of_the_plans() -> None:
    plans = [shipped(name) for name in ("chd-half-yearly", "pci-12-months", "diabetes-national", "routine-discharge")]
    assert choose(plans, MI, today=TODAY).taken == choose(plans[::-1], MI, today=TODAY).taken


LISTS = st.lists(
    st.sampled_from(["I21.001", "E11.900", "C50.9", "J44.1", "K80.2", "O80.0", "Z51.1", "XX", "36.06", "51.23"]),
    max_size=4,
)
DISCHARGES = st.builds(
    DischargeFacts,
    discharged_on=st.dates(date(2024, 12, 1), date(2026, 11, 14)),
    diagnoses=LISTS.map(lambda found: tuple(Diagnosis(code, is_main=not n) for n, code in enumerate(found))),
    procedures=LISTS.map(tuple),
    departments=st.frozensets(st.sampled_from(["CARD", "ICU", "ORTH", "PSY", "H"]), max_size=3),
    encounter_class=st.sampled_from(["IMP", "SS", "AMB", "EMER", ""]),
    disposition=st.sampled_from(["home", "community", "died", "against-advice", "other-hospital", ""]),
    sex=st.sampled_from(["male", "female", "unknown"]),
    age=st.none() | st.integers(0, 110),
    is_declined=st.booleans(),
)


@settings(max_examples=60)
@given(DISCHARGES)
def test_a_brief_choice_takes_the_same_plans_and_stores_the_same_explanation(facts: DischargeFacts) -> None:
    plans = every_shipped()
    full, brief = (choose(plans, facts, today=TODAY, latest_days=900, briefly=briefly) for briefly in (False, True))
    assert (brief.outcome, brief.taken) == (full.outcome, full.taken)
    enrolled = full.outcome is Outcome.ENROLLED
    assert [_explained(each, briefly=enrolled) for each in brief.matches] == [
        _explained(each, briefly=enrolled) for each in full.matches
    ]
    if not enrolled:
        assert brief == full  # whoever has no plan is told every reason


def test_a_plan_that_cannot_fit_is_asked_for_its_first_reason_only() -> None:
    plan = rule(diagnoses={"any": ["J44"]}, encounter_classes=["AMB"], sex="female")
    assert codes(match(plan, MI)) == ["diagnosis-differs", "class-differs", "sex-differs"]
    assert codes(match(plan, MI, in_full=False)) == ["diagnosis-differs"]
    fitting = rule(diagnoses={"any": ["I21"]}, encounter_classes=["IMP"])
    assert match(fitting, MI, in_full=False) == match(fitting, MI)
