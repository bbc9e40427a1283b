"""The national forms against a second reckoning: the norm's own sentences written down once more, without a look at the
forms' tables, and played against them with every answer at its edges. A slip in one of the two shows here.
"""

from dataclasses import asdict
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from careloop.publichealth import rules
from careloop.publichealth.tests.factories import HTN, Q, pack, shipped_forms
from careloop.questionnaires import rules as questionnaires

PACK, FORMS = pack(), shipped_forms()
ON = date(2026, 3, 2)
YES_NO = st.sampled_from(["yes", "no"])
SBP, DBP = st.sampled_from([100, 139, 140, 179, 180, 220]), st.sampled_from([60, 89, 90, 109, 110, 129])


def judged(url, answers, previous=None):
    form, programme = FORMS[url], PACK.programme_of(url)
    found = questionnaires.classify(form, answers, previous=previous or {})
    return rules.judge_visit(
        PACK, programme, role=programme.role_of(url), classed=asdict(found) if found else None, missing=(),
        answers=answers, on=ON,
    )  # fmt: skip


def clocks(found):
    return {clock.kind: (clock.due_on - ON).days for clock in found.clocks}


def due(code, *, urgent, referral, days=90):
    """The clocks of hypertension and diabetes: two weeks unless controlled, and a look at the referral."""
    kinds = {"referral-check": 14} if urgent or referral else {}
    return kinds | ({"routine": days} if code == "1" and not urgent else {"recheck": 14})


def danger_of(url):
    return [option.code for option in FORMS[url].item("danger").options if not option.exclusive]


def high(sbp, dbp):
    return sbp >= 140 or dbp >= 90


@settings(max_examples=200)
@given(
    SBP, DBP, YES_NO, YES_NO, st.sampled_from([None, *danger_of(HTN)]),
    st.none() | st.tuples(SBP, DBP, YES_NO),
)  # fmt: skip
@example(145, 80, "yes", "no", None, (150, 80, "no"))
@example(145, 80, "yes", "no", None, (130, 80, "no"))
def test_hypertension(sbp, dbp, adr, complication, danger, before):
    answers = {
        "sbp": sbp, "dbp": dbp, "adr": adr, "complication": complication, "symptoms": ["none"], "danger": [danger or "none"],
    }  # fmt: skip
    previous = dict(zip(("sbp", "dbp", "adr"), before, strict=True)) if before else {}
    code = "4" if complication == "yes" else "3" if adr == "yes" else "2" if high(sbp, dbp) or danger else "1"
    urgent = sbp >= 180 or dbp >= 110 or danger is not None
    twice_high = before is not None and high(sbp, dbp) and high(*before[:2])
    twice_adr = before is not None and adr == before[2] == "yes"
    referral = urgent or complication == "yes" or twice_high or twice_adr
    found = judged(HTN, answers, previous)
    assert (found.class_code, found.urgent, found.referral, found.in_target) == (code, urgent, referral, code == "1")
    assert clocks(found) == due(code, urgent=urgent, referral=referral)


DM = Q + "diabetes-national"
FPG = st.sampled_from(["2.0", "3.9", "4.0", "6.9", "7.0", "16.6", "16.7", "30"])


@settings(max_examples=200)
@given(FPG, SBP, DBP, YES_NO, YES_NO, st.sampled_from([None, *danger_of(DM)]), st.none() | st.tuples(FPG, YES_NO))
@example("7.0", 120, 70, "yes", "no", None, ("7.0", "no"))
@example("7.0", 120, 70, "yes", "no", None, ("6.9", "no"))
def test_diabetes(fpg, sbp, dbp, adr, complication, danger, before):
    answers = {
        "fpg": fpg, "sbp": sbp, "dbp": dbp, "adr": adr, "complication": complication, "symptoms": ["none"],
        "danger": [danger or "none"], "hypoglycaemia": "none",
    }  # fmt: skip
    sugar = Decimal(fpg)
    previous = dict(zip(("fpg", "adr"), before, strict=True)) if before else {}
    unsatisfied = sugar >= 7 or sugar <= Decimal("3.9") or danger is not None
    code = "4" if complication == "yes" else "3" if adr == "yes" else "2" if unsatisfied else "1"
    urgent = sugar >= Decimal("16.7") or sugar <= Decimal("3.9") or sbp >= 180 or dbp >= 110 or danger is not None
    twice_high = before is not None and sugar >= 7 and Decimal(before[0]) >= 7
    twice_adr = before is not None and adr == before[1] == "yes"
    referral = urgent or complication == "yes" or twice_high or twice_adr
    found = judged(DM, answers, previous)
    assert (found.class_code, found.urgent, found.referral, found.in_target) == (code, urgent, referral, code == "1")
    assert clocks(found) == due(code, urgent=urgent, referral=referral)


SMD = Q + "severe-mental-disorder-national"
FUNCTIONS = ("personal-care", "housework", "work", "learning", "social")
STATE = st.fixed_dictionaries(
    {
        "risk": st.sampled_from("012345"), "symptom-level": st.sampled_from(["gone", "some", "florid"]),
        "insight": st.sampled_from(["full", "partial", "absent"]), **{name: st.sampled_from(["good", "fair", "poor"]) for name in FUNCTIONS},
        "adr": YES_NO, "adr-acute": YES_NO, "illness": st.sampled_from(["none", "stable", "severe"]),
    }
)  # fmt: skip


def unstable(told):
    acute = told["adr"] == told["adr-acute"] == "yes"
    worst = (told["symptom-level"], told["insight"], told["illness"])
    return told["risk"] in "345" or acute or any(one in {"florid", "absent", "severe"} for one in worst)


def basically(told):
    impaired = told["symptom-level"] == "some" or told["insight"] == "partial"
    return told["risk"] in "12" or impaired or any(told[name] == "poor" for name in FUNCTIONS)


@settings(max_examples=200)
@given(STATE, st.none() | STATE)
def test_severe_mental_disorder(told, before):
    answers = {"contact": "visited", "symptoms": ["none"], **told}
    if told["adr"] == "no":
        del answers["adr-acute"]
    found = judged(SMD, answers, before)
    if unstable(told):
        assert (found.class_code, found.urgent, found.referral, found.in_target) == ("1", True, True, False)
        assert clocks(found) == {"referral-check": 14, "recheck": 14}
    elif basically(told):
        twice = before is not None and basically(before)
        assert (found.class_code, found.urgent, found.referral, found.in_target) == ("2", False, twice, False)
        assert clocks(found) == ({"referral-check": 14, "recheck": 30} if twice else {"recheck": 14})
    else:
        assert (found.class_code, found.urgent, found.referral, found.in_target) == ("3", False, False, True)
        assert clocks(found) == {"routine": 90}


@pytest.mark.parametrize("contact", ["lost", "died"])
def test_who_was_not_seen_has_no_class_of_health_and_no_clock(contact):
    found = judged(SMD, {"contact": contact})
    assert (found.class_code, found.in_target, found.clocks) == ("0", None, ())


FOLLOW_UP = Q + "tuberculosis-follow-up-national"


@settings(max_examples=200)
@given(
    st.sampled_from(["doctor", "family", "self", "other"]), st.sampled_from(["intensive", "continuation"]), st.booleans(),
    YES_NO, YES_NO,
)  # fmt: skip
def test_tuberculosis(supervisor, phase, blood, adr, complication):
    answers = {
        "supervisor": supervisor, "phase": phase, "symptoms": ["blood" if blood else "cough"], "adr": adr,
        "complication": complication, "mode": "home", "month": 2, "missed": 0,
    }  # fmt: skip
    found = judged(FOLLOW_UP, answers)
    refer = blood or adr == "yes" or complication == "yes"
    assert (found.referral, found.urgent, found.in_target) == (refer, blood, None)
    days = 30 if supervisor == "doctor" or phase == "continuation" else 10
    assert clocks(found) == ({"referral-check": 14, "recheck": 14} if refer else {"routine": days})


@pytest.mark.parametrize(("supervisor", "days"), [("doctor", 30), ("family", 10), ("self", 10), ("other", 10)])
def test_the_first_visit_of_tuberculosis_starts_the_intensive_phase(supervisor, days):
    found = judged(Q + "tuberculosis-first-visit-national", {"supervisor": supervisor})
    assert clocks(found) == {"routine": days}
    assert found.clocks[0].due_on == ON + timedelta(days=days)
