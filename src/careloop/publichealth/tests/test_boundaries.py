"""Each national threshold one step below, at it and one step above; clocks over month ends, leap days and new year;
and the sentence that says why, in both languages."""

from dataclasses import asdict
from datetime import date, timedelta

import pytest

from careloop.publichealth import rules
from careloop.publichealth.tests.factories import HTN, Q, pack, shipped_forms
from careloop.questionnaires import rules as questionnaires

PACK, FORMS = pack(), shipped_forms()
DM, SMD, ELDERLY = Q + "diabetes-national", Q + "severe-mental-disorder-national", Q + "elderly-self-care-national"
FINE = {"symptoms": ["none"], "danger": ["none"], "adr": "no", "complication": "no"}
STABLE = {
    "contact": "visited", "symptoms": ["none"], "symptom-level": "gone", "insight": "full", "personal-care": "good",
    "housework": "good", "work": "na", "learning": "fair", "social": "fair", "adr": "no", "illness": "none",
}  # fmt: skip


def judged(url, answers, *, previous=None, on=date(2026, 3, 2)):
    form = FORMS[url]
    given = {"previous": previous or {}}
    found = questionnaires.classify(form, answers, **given)
    programme = PACK.programme_of(url)
    return rules.judge_visit(
        PACK, programme, role=programme.role_of(url), classed=asdict(found) if found else None,
        missing=questionnaires.missing_for_class(form, answers, **given), answers=answers, on=on,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sbp", "dbp", "code", "urgent"),
    [
        (139, 89, "1", False), (140, 89, "2", False), (141, 89, "2", False), (139, 90, "2", False), (139, 91, "2", False),
        (140, 90, "2", False), (179, 109, "2", False), (180, 109, "2", True), (181, 109, "2", True), (179, 110, "2", True),
        (179, 111, "2", True), (180, 110, "2", True), (100, 60, "1", False), (90, 60, "1", False),
    ],
)  # fmt: skip
def test_pressure_at_each_edge_with_its_reason(sbp, dbp, code, urgent):
    found = judged(HTN, {**FINE, "sbp": sbp, "dbp": dbp})
    assert found.urgent is urgent
    assert found.in_target is (code == "1")
    if not urgent:
        assert found.class_code == code
    for text in (found.reason.zh, found.reason.en):
        assert PACK.version in text or str(sbp) in text or str(dbp) in text
    if code == "2" and not urgent:
        shown = str(sbp) if sbp >= 140 else str(dbp)
        assert shown in found.reason.zh
        assert shown in found.reason.en


@pytest.mark.parametrize(
    ("fpg", "in_target", "urgent"),
    [("3.8", False, True), ("3.9", False, True), ("4.0", True, False), ("6.9", True, False), ("7.0", False, False), ("7.1", False, False), ("16.6", False, False), ("16.7", False, True), ("16.8", False, True)],
)  # fmt: skip
def test_glucose_at_each_edge(fpg, in_target, urgent):
    found = judged(DM, {**FINE, "sbp": 126, "dbp": 76, "fpg": fpg, "hypoglycaemia": "none"})
    assert found.urgent is urgent
    if not urgent:
        assert found.in_target is in_target
        assert found.reason.zh != found.reason.en


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(
    ("url", "answers"),
    [
        (HTN, {**FINE, "sbp": 152, "dbp": 80}), (HTN, {**FINE, "sbp": 128, "dbp": 78}), (HTN, {**FINE, "sbp": 128, "dbp": 78, "adr": "yes"}),
        (HTN, {**FINE, "sbp": 128, "dbp": 78, "complication": "yes"}), (DM, {**FINE, "sbp": 126, "dbp": 76, "fpg": "8.1", "hypoglycaemia": "none"}),
        (SMD, {**STABLE, "risk": "4"}), (SMD, {**STABLE, "risk": "0"}), (SMD, {**STABLE, "risk": "1"}),
    ],
)  # fmt: skip
def test_every_class_says_why_without_an_open_bracket(url, answers, language):
    found = judged(url, answers)
    text = getattr(found.reason, language)
    assert text
    assert "{" not in text
    assert "}" not in text
    chinese = any("\u4e00" <= letter <= "\u9fff" for letter in text)
    assert chinese is (language == "zh")


def test_twice_not_in_target_is_referred_once_is_seen_again():
    high = {**FINE, "sbp": 152, "dbp": 80}
    once, twice = judged(HTN, high), judged(HTN, high, previous=high)
    assert (once.referral, [clock.kind for clock in once.clocks]) == (False, ["recheck"])
    assert twice.referral
    assert "referral-check" in [clock.kind for clock in twice.clocks]
    below = judged(HTN, high, previous={**FINE, "sbp": 139, "dbp": 89})
    assert below.referral is False


# --- clocks ----------------------------------------------------------------------------------------------------

DAYS = [
    ("2026-01-31", "2026-02-14"), ("2026-02-14", "2026-02-28"), ("2026-02-15", "2026-03-01"), ("2028-02-14", "2028-02-28"),
    ("2028-02-15", "2028-02-29"), ("2028-02-16", "2028-03-01"), ("2028-02-29", "2028-03-14"), ("2026-12-18", "2027-01-01"),
    ("2026-12-31", "2027-01-14"), ("2000-02-15", "2000-02-29"), ("2100-02-15", "2100-03-01"), ("2026-04-30", "2026-05-14"),
]  # fmt: skip


@pytest.mark.parametrize(("on", "due"), DAYS)
@pytest.mark.parametrize(
    ("answers", "kind"), [({"sbp": 152, "dbp": 80}, "recheck"), ({"sbp": 185, "dbp": 80}, "referral-check")]
)
def test_two_weeks_end_on_this_day(on, due, answers, kind):
    found = judged(HTN, {**FINE, **answers}, on=date.fromisoformat(on))
    assert {clock.kind: clock.due_on for clock in found.clocks}[kind] == date.fromisoformat(due)


@pytest.mark.parametrize(
    "on", [date(2026, 11, 30), date(2027, 11, 30), date(2028, 2, 29), date(2026, 1, 31), date(2026, 8, 31)]
)
def test_the_regular_visit_of_a_controlled_patient_lies_within_the_quarter_that_follows(on):
    [clock] = judged(HTN, {**FINE, "sbp": 120, "dbp": 70}, on=on).clocks
    assert clock.kind == "routine"
    assert timedelta(days=80) <= clock.due_on - on <= timedelta(days=92)


# --- self-care -------------------------------------------------------------------------------------------------

POINTS = {
    "eating": (0, 0, 3, 5), "grooming": (0, 1, 3, 7), "dressing": (0, 0, 3, 5), "toilet": (0, 1, 5, 10), "activity": (0, 1, 5, 10),
}  # fmt: skip


def self_care(levels):
    form = FORMS[ELDERLY]
    answers = {name: form.item(name).options[level].code for name, level in zip(POINTS, levels, strict=True)}
    return judged(ELDERLY, answers), sum(POINTS[name][level] for name, level in zip(POINTS, levels, strict=True))


@pytest.mark.parametrize(
    ("levels", "total", "code"),
    [
        ((0, 0, 0, 0, 0), 0, "1"), ((0, 1, 0, 1, 1), 3, "1"), ((2, 1, 0, 0, 0), 4, "2"), ((2, 0, 0, 2, 0), 8, "2"), ((2, 1, 0, 2, 0), 9, "3"),
        ((2, 2, 3, 3, 0), 21, "4"), ((3, 2, 0, 3, 0), 18, "3"), ((2, 1, 0, 2, 3), 19, "4"), ((3, 3, 3, 3, 3), 37, "4"),
    ],
)  # fmt: skip
def test_the_bands_of_self_care_at_their_edges(levels, total, code):
    found, reckoned = self_care(levels)
    assert reckoned == total
    assert found.class_code == code


# --- what was checked against a second source ------------------------------------------------------------------


def sources():
    for programme in PACK.programmes:
        yield from ((f"{programme.code} source", one) for one in programme.sources)
        yield from ((f"{programme.code} {one.kind}", one.source) for one in programme.clocks.values())
        yield from ((f"{programme.code} {one.code}", one.source) for one in programme.indicators)
        yield from ((f"{programme.code} {one.code}", one.source) for one in programme.notes)
        if programme.at_closing:
            yield f"{programme.code} closing", programme.at_closing.source


@pytest.mark.parametrize(("where", "source"), [pytest.param(w, s, id=w) for w, s in sources() if not s.verified])
def test_what_is_not_verified_says_why_in_both_languages(where, source):
    assert source.why.zh, where
    assert source.why.en, where


def test_every_data_element_with_a_code_has_a_second_source_or_the_reason_why_not():
    for url, slots in PACK.elements.items():
        for name, slot in slots.items():
            if slot["code"] and not slot["verified"]:
                assert slot["why"]["zh"], (url, name)
                assert slot["why"]["en"], (url, name)
            if not slot["code"]:
                assert slot["verified"] is False, "without a code there is nothing to verify"


def test_one_code_is_judged_the_same_way_wherever_it_stands():
    said = {}
    for slots in PACK.elements.values():
        for slot in slots.values():
            if slot["code"]:
                assert said.setdefault(slot["code"], slot["verified"]) == slot["verified"], slot["code"]
