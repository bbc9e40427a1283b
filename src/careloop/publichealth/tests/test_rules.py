"""The pack as pure rules: every public vector, every threshold ± 1, gaps, overlaps, what is missing, and time."""

import copy
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.publichealth import rules
from careloop.publichealth.reads import packs
from careloop.publichealth.rules.pack import FORMULAS, KINDS, MEASURES
from careloop.publichealth.tests.factories import HTN, Q, pack, pack_content, shipped_forms, table_content
from careloop.questionnaires import rules as questionnaires

SCENES = packs.shipped_scenes()
FORMS = shipped_forms()
PACK = pack()


def scenes():
    return [pytest.param(scene, id=f"{scene['programme']}-{scene['name']}") for scene in SCENES]


@pytest.mark.parametrize("scene", scenes())
def test_every_public_vector(scene):
    assert rules.play(PACK, FORMS, [scene]) == ()


def test_the_vectors_show_every_programme_kind_of_clock_and_every_class():
    seen = {scene["programme"] for scene in SCENES}
    assert seen == {programme.code for programme in PACK.programmes}
    clocks = {clock["kind"] for scene in SCENES for visit in scene["visits"] for clock in visit["expect"]["clocks"]}
    assert clocks == set(KINDS) - {"first-visit"}, "the first visit starts with a notice, not with a visit"
    classes = {(s["programme"], v["expect"]["class"]) for s in SCENES for v in s["visits"]}
    for programme in PACK.programmes[:3]:
        shown = {code for name, code in classes if name == programme.code}
        assert programme.in_target | programme.not_in_target <= shown


def test_the_shipped_pack_has_no_mistakes_and_says_what_is_not_verified():
    assert rules.proofread_pack(PACK, FORMS) == ()
    assert PACK.verified is False
    for programme in PACK.programmes:
        assert all(source.document and source.section for source in programme.sources)
        assert all(rule.source.section for rule in programme.clocks.values())
        assert all(one.numerator_text.zh and one.denominator_text.en for one in programme.indicators)
    unsure = [note.code for programme in PACK.programmes for note in programme.notes if not note.source.verified]
    assert unsure == ["age-65", "bands"]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("class", {"class": "9"}),
        ("clocks", {"clocks": []}),
        ("because", {"because": "别的"}),
        ("nobody knows", {"weather": "fine"}),
        ("in_target", {"in_target": False}),
    ],
)
def test_a_vector_that_comes_out_differently_is_told(name, change):
    scene = copy.deepcopy(SCENES[0])
    scene["visits"][0]["expect"] |= change
    lines = rules.play(PACK, FORMS, [scene])
    assert len(lines) == 1
    assert name in lines[0]


def test_a_scene_of_an_unknown_programme_or_form_or_with_refused_answers_is_told():
    assert "no programme" in rules.play(PACK, FORMS, [{"programme": "x", "name": "n", "visits": []}])[0]
    odd = copy.deepcopy(SCENES[0])
    odd["visits"][0]["form"] = "nothing"
    assert "not there" in rules.play(PACK, FORMS, [odd])[0]
    impossible = copy.deepcopy(SCENES[0])
    impossible["visits"][0]["answers"] |= {"sbp": 70, "dbp": 90}
    assert any("refused by the form" in line for line in rules.play(PACK, FORMS, [impossible]))


# --- thresholds ± 1 --------------------------------------------------------------------------------------------


def judged(url, answers, *, on=date(2026, 1, 5), previous=None):
    form = FORMS[url]
    programme = PACK.programme_of(url)
    found = questionnaires.classify(form, answers, previous=previous)
    missing = questionnaires.missing_for_class(form, answers, previous=previous)
    stored = None if found is None else {
        "code": found.code, "title": {"zh": found.title.zh, "en": found.title.en}, "clock": found.clock,
        "reason": {"zh": found.reason.zh, "en": found.reason.en}, "next_days": found.next_days,
        "referral": found.referral, "urgent": found.urgent,
    }  # fmt: skip
    return rules.judge_visit(
        PACK, programme, role=programme.role_of(url), classed=stored, missing=missing, answers=answers, on=on
    )


PRESSURE = {"symptoms": ["none"], "danger": ["none"], "adr": "no", "complication": "no"}


@given(sbp=st.integers(81, 300), dbp=st.integers(20, 80))
def test_systolic_alone_decides_at_140_and_180(sbp, dbp):
    found = judged(HTN, {**PRESSURE, "sbp": sbp, "dbp": dbp})
    assert found.in_target is (sbp < 140)
    assert found.urgent is (sbp >= 180)
    assert [clock.kind for clock in found.clocks] == (
        ["referral-check", "recheck"] if sbp >= 180 else ["recheck"] if sbp >= 140 else ["routine"]
    )


@given(dbp=st.integers(20, 129))
def test_diastolic_alone_decides_at_90_and_110(dbp):
    found = judged(HTN, {**PRESSURE, "sbp": 130, "dbp": dbp})
    assert found.in_target is (dbp < 90)
    assert found.urgent is (dbp >= 110)


@given(tenths=st.integers(6, 500))
def test_glucose_decides_at_7_and_is_urgent_at_both_ends(tenths):
    fpg = Decimal(tenths) / 10
    answers = {**PRESSURE, "fpg": str(fpg), "sbp": 126, "dbp": 76, "hypoglycaemia": "none"}
    found = judged(Q + "diabetes-national", answers)
    assert found.urgent is (fpg >= Decimal("16.7") or fpg <= Decimal("3.9"))
    if not found.urgent:
        assert found.in_target is (fpg < 7)


SMD = {
    "contact": "visited", "symptoms": ["none"], "symptom-level": "gone", "insight": "full", "personal-care": "good",
    "housework": "good", "work": "na", "learning": "fair", "social": "fair", "adr": "no", "illness": "none",
}  # fmt: skip


@pytest.mark.parametrize(("risk", "code"), [("0", "3"), ("1", "2"), ("2", "2"), ("3", "1"), ("4", "1"), ("5", "1")])
def test_the_risk_grade_of_mental_disorder(risk, code):
    found = judged(Q + "severe-mental-disorder-national", {**SMD, "risk": risk})
    assert found.class_code == code
    assert found.urgent is (code == "1")


ELDERLY = ("eating", "grooming", "dressing", "toilet", "activity")
WEIGHTS = {
    "eating": (0, 0, 3, 5), "grooming": (0, 1, 3, 7), "dressing": (0, 0, 3, 5), "toilet": (0, 1, 5, 10),
    "activity": (0, 1, 5, 10),
}  # fmt: skip


@given(levels=st.tuples(*[st.integers(0, 3)] * 5))
def test_the_bands_of_self_care_have_no_hole_and_no_overlap(levels):
    codes = ("self", "mild", "moderate", "dependent")
    answers = {name: codes[level] for name, level in zip(ELDERLY, levels, strict=True)}
    total = sum(WEIGHTS[name][level] for name, level in zip(ELDERLY, levels, strict=True))
    found = judged(Q + "elderly-self-care-national", answers)
    assert found.class_code == ("1" if total <= 3 else "2" if total <= 8 else "3" if total <= 18 else "4")
    assert str(total) in found.reason.zh


@given(due=st.integers(1, 2000), share=st.floats(0, 1))
def test_the_dose_rate_is_never_rounded_over_its_threshold(due, share):
    taken = int(due * share)
    found = judged(
        Q + "tuberculosis-closing-national", {"stop-reason": "completed", "doses-due": due, "doses-taken": taken}
    )
    assert found.in_target is (taken * 100 >= 90 * due)
    assert found.closes
    assert found.clocks == ()


# --- what is missing, what is explained ------------------------------------------------------------------------


@given(st.sets(st.sampled_from(["sbp", "dbp", "adr", "complication"]), min_size=1))
def test_missing_values_are_named_and_nothing_is_guessed(gone):
    whole = {**PRESSURE, "sbp": 128, "dbp": 78}
    found = judged(HTN, {name: value for name, value in whole.items() if name not in gone})
    assert (found.class_code, found.in_target, found.clocks) == (None, None, ())
    assert set(found.missing) == gone


def test_not_measured_is_no_value_for_a_class():
    found = judged(HTN, {**PRESSURE, "sbp": "not-measured", "dbp": 80})
    assert found.missing == ("sbp",)


def test_the_explanation_stands_in_both_languages_with_the_version():
    found = judged(HTN, {**PRESSURE, "sbp": 152, "dbp": 80})
    assert found.title.zh == "控制不满意"
    assert found.reason.en == "SBP 152 ≥ 140 mmHg"
    why = found.clocks[0].reason
    assert why.zh.startswith("控制不满意，因为收缩压 152 ≥ 140")
    assert why.en.startswith("Not controlled, because SBP 152 ≥ 140")
    assert PACK.version in why.zh
    assert PACK.version in why.en


@given(on=st.dates(date(2017, 3, 28), date(2090, 1, 1)))
def test_two_weeks_are_fourteen_days_whatever_the_calendar(on):
    found = judged(HTN, {**PRESSURE, "sbp": 152, "dbp": 80}, on=on)
    assert [clock.due_on - on for clock in found.clocks] == [timedelta(days=14)]


def test_derived_values_need_both_numbers_and_sense():
    programme = PACK.programme("hypertension")
    assert rules.derived_values(programme, {"weight": 70, "height": 170})["bmi"] == Decimal("24.2")
    for odd in ({"weight": 70}, {"weight": 70, "height": 0}, {"weight": "not-measured", "height": 170}):
        assert "bmi" not in rules.derived_values(programme, odd)


@given(st.lists(st.sampled_from([True, False, None]), max_size=12))
def test_the_streak_counts_misses_in_a_row_and_ignores_the_unknown(results):
    streak = 0
    for result in results:
        streak = rules.streak_after(streak, result)
    known = [result for result in results if result is not None]
    tail = len(known) - max((i + 1 for i, r in enumerate(known) if r), default=0)
    assert streak == tail


# --- proofreading ----------------------------------------------------------------------------------------------


def broken(change):
    content = pack_content()
    change(content)
    return rules.proofread_pack(rules.parse_pack(content), FORMS)


def hypertension(content):
    return content["programmes"][0]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda c: hypertension(c)["forms"].update({"follow-up": Q + "nowhere"}), "is not there"),
        (lambda c: hypertension(c)["forms"].update({"third": HTN}), "form role 'third'"),
        (lambda c: hypertension(c)["outcome"].update(in_target=["1", "2"]), "in target and not in target"),
        (lambda c: hypertension(c)["outcome"].update(in_target=["7"]), "class '7' is not given"),
        (lambda c: hypertension(c)["pairs"][0].update(target="wieght-target"), "pair weight names 'wieght-target'"),
        (lambda c: hypertension(c)["trend"][0].update(item="spb"), "trend spb"),
        (lambda c: hypertension(c)["derived"][0].update(formula="cube"), "needs one of"),
        (lambda c: hypertension(c)["derived"][0].update(items=["weight", "heigth"]), "'heigth'"),
        (lambda c: hypertension(c)["clocks"].pop("routine"), "needs a routine clock"),
        (lambda c: hypertension(c)["clocks"]["recheck"].update(form="closing"), "which the programme has not"),
        (lambda c: hypertension(c)["clocks"]["recheck"].update(window_days=-1), "below zero"),
        (lambda c: hypertension(c)["indicators"][0].update(numerator="rumours"), "nobody counts"),
        (lambda c: hypertension(c).update(sources=[]), "needs a source"),
        (lambda c: c["programmes"].append(copy.deepcopy(hypertension(c))), "stands twice"),
        (lambda c: c["data_elements"]["forms"][HTN].pop("sbp"), "'sbp' has no slot"),
        (lambda c: c["data_elements"]["forms"][HTN].update(abc={"code": ""}), "'abc' is not a question"),
        (lambda c: c["data_elements"]["forms"][HTN]["sbp"].update(code="DE4"), "is not written like"),
        (lambda c: c["programmes"][3].update(outcome={"in_target": [], "not_in_target": [], "at_closing": {"derived": "x", "at_least": 90}}), "not derived"),
        (lambda c: c["programmes"][3]["clocks"].pop("first-visit"), "hours but no clock"),
    ],
)  # fmt: skip
def test_each_mistake_is_named_with_its_place(change, told):
    assert any(told in line for line in broken(change)), broken(change)


@pytest.mark.parametrize(
    "content",
    [
        {}, {"version": "1"}, pack_content(valid_from="yesterday"), pack_content(programmes="x"),
        pack_content(programmes=[{}]), pack_content(data_elements=[]), pack_content(valid_to="2001-01-01"),
    ],
)  # fmt: skip
def test_what_is_no_pack_is_refused(content):
    with pytest.raises(rules.BadPack):
        rules.parse_pack(content)


def test_vocabularies_have_no_strays():
    used = {m for p in PACK.programmes for one in p.indicators for m in (one.numerator, one.denominator)}
    assert used == set(MEASURES)
    assert {d.formula for p in PACK.programmes for d in p.derived} == set(FORMULAS)


# --- periods ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("started", "ended", "needed"),
    [
        ("2020-01-01", None, 4),
        ("2026-01-01", None, 4),
        ("2026-04-01", None, 3),
        ("2026-10-02", None, 1),
        ("2026-10-03", None, 0),
        ("2026-12-31", None, 0),
        ("2020-01-01", "2026-04-01", 1),
        ("2020-01-01", "2025-12-31", 0),
        ("2027-01-01", None, 0),
    ],
)
def test_one_visit_for_each_full_quarter(started, ended, needed):
    period = rules.Period(date(2026, 1, 1), date(2026, 12, 31))
    end = date.fromisoformat(ended) if ended else None
    assert rules.required_visits(4, started_on=date.fromisoformat(started), ended_on=end, period=period) == needed


def test_once_a_year_is_asked_of_everybody_who_was_there():
    period = rules.Period(date(2026, 1, 1), date(2026, 12, 31))
    assert rules.required_visits(1, started_on=date(2026, 12, 30), ended_on=None, period=period) == 1
    assert rules.required_visits(1, started_on=date(2027, 1, 1), ended_on=None, period=period) == 0


@pytest.mark.parametrize(
    ("text", "last"),
    [("2025", date(2025, 12, 31)), ("2026", date(2026, 5, 1)), ("2999", date(2026, 5, 1)), ("x", date(2026, 5, 1))],
)
def test_a_year_ends_today_at_the_latest(text, last):
    assert rules.year_of(text, today=date(2026, 5, 1)).last == last


# --- opinion tables --------------------------------------------------------------------------------------------

ONCOLOGY = FORMS[Q + "oncology-post-op"]


def mistakes(**changes):
    return rules.proofread_table(rules.parse_table(table_content(**changes)), ONCOLOGY)


def row(code, when, **more):
    words = {"zh": "字", "en": "word"}
    return {"code": code, "title": words, "reason": words, "when": when, **more}


LOW, HIGH = {"item": "pain", "op": "<=", "value": 3}, {"item": "pain", "op": ">=", "value": 4}
GOOD = [{"answers": {"pain": 1}, "opinion": "normal"}]


def test_a_good_table_has_no_mistakes():
    assert mistakes() == ()
    assert mistakes(outcomes=[row("normal", LOW), row("worse", HIGH)], vectors=GOOD) == ()


@pytest.mark.parametrize(
    ("outcomes", "told"),
    [
        ([row("normal", LOW), row("worse", {"item": "pain", "op": ">=", "value": 5})], "gap: no row fits when pain = 4"),
        ([row("normal", LOW), row("worse", {"item": "pain", "op": ">=", "value": 3})], "overlap: row 1 and row 2"),
        ([row("normal", "otherwise"), row("worse", HIGH, **{"else": True})], "row 2 never applies"),
        ([row("normal", {"item": "piano", "op": "=", "value": 1}), row("worse", "otherwise")], "'piano'"),
        ([row("normal", {"item": "lump", "op": "=", "value": "maybe"}), row("worse", "otherwise")], "'maybe'"),
        ([row("normal", {"item": "pain", "op": "~", "value": 1}), row("worse", "otherwise")], "operator '~'"),
        ([row("normal", {"item": "chemo", "op": "=", "value": "no"}), row("worse", "otherwise")], "not asked"),
    ],
)  # fmt: skip
def test_gap_overlap_unknown_and_unreachable_are_refused_with_an_example(outcomes, told):
    found = mistakes(outcomes=outcomes, vectors=GOOD)
    assert any(told in line for line in found), found


def test_vectors_are_needed_and_must_agree():
    assert any("needs test vectors" in line for line in mistakes(vectors=[]))
    assert any(
        "should give 'worse'" in line for line in mistakes(vectors=[{"answers": {"pain": 1}, "opinion": "worse"}])
    )
    assert any("is not in the form" in line for line in mistakes(vectors=[{"answers": {"x": 1}, "opinion": "worse"}]))


@pytest.mark.parametrize(
    "content",
    [
        None, [], {}, {"outcomes": "x"}, table_content(outcomes=[]), table_content(questionnaire=""),
        table_content(outcomes=[{}]), table_content(outcomes=["x"]), table_content(vectors=["x"]),
        table_content(outcomes=[row("a", "otherwise")] * 41), table_content(outcomes=[{**row("a", LOW), "reason": {"zh": "只有中文"}}]),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused(content):
    with pytest.raises(rules.BadTable):
        rules.parse_table(content)


def test_the_suggestion_names_its_row_and_evidence_or_what_is_missing():
    table = rules.parse_table(table_content())
    found = rules.suggest(table, ONCOLOGY, {"pain": 2, "lump": "no"})
    assert (found.code, found.row, found.evidence) == ("normal", 2, {"pain": 2})
    assert found.reason.en == "pain 2"
    unknown = rules.suggest(table, ONCOLOGY, {"lump": "no"})
    assert (unknown.code, unknown.missing, unknown.evidence) == (None, ("pain",), {})


@given(pain=st.integers(0, 10), lump=st.sampled_from(["yes", "no", "unclear", None]))
def test_a_table_without_mistakes_answers_every_complete_case(pain, lump):
    table = rules.parse_table(table_content())
    answers = {"pain": pain} | ({"lump": lump} if lump else {})
    assert rules.suggest(table, ONCOLOGY, answers).code == (
        "relapse" if lump == "yes" else "normal" if pain <= 3 else "worse"
    )


def test_the_shipped_tables_have_no_mistakes():
    from careloop.publichealth.reads.opinions import shipped_tables

    for content in shipped_tables():
        table = rules.parse_table(content)
        assert rules.proofread_table(table, FORMS[table.questionnaire]) == ()
        assert {"normal", "improved", "relapse"} <= set(table.options())


def test_no_national_form_leaves_a_complete_record_without_a_class():
    for programme in PACK.programmes[3:]:
        for url in programme.forms.values():
            outcomes = (FORMS[url].classification or {}).get("outcomes", ())
            holes = [hole for hole in rules.examine(FORMS[url], outcomes) if hole.kind != "overlap"] if outcomes else []
            assert holes == [], (url, holes)


def test_too_many_cases_are_sampled_the_same_way_each_time():
    form = FORMS[Q + "severe-mental-disorder-national"]
    outcomes = form.classification["outcomes"][:3]
    assert rules.examine(form, outcomes) == rules.examine(form, outcomes)


# --- contradictory and impossible answers ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "answers", "refused"),
    [
        ("hypertension-national", {"sbp": 80, "dbp": 90}, {"sbp"}),
        ("hypertension-national", {"sbp": 400, "dbp": 90}, {"sbp"}),
        ("hypertension-national", {"symptoms": ["none", "headache"]}, {"symptoms"}),
        ("diabetes-national", {"fpg": "0.1"}, {"fpg"}),
        ("severe-mental-disorder-national", {**SMD, "risk": "0", "act-suicide": 1}, {"risk"}),
        ("severe-mental-disorder-national", {**SMD, "risk": "2", "act-self-harm": 2}, {"risk"}),
        ("severe-mental-disorder-national", {**SMD, "risk": "0", "symptom-level": "florid"}, {"symptom-level"}),
        ("severe-mental-disorder-national", {**SMD, "risk": "6"}, {"risk"}),
        ("tuberculosis-closing-national", {"doses-due": 180, "doses-taken": 181}, {"doses-taken"}),
        ("tuberculosis-closing-national", {"visits-due": 2, "visits-done": 3}, {"visits-done"}),
        ("tuberculosis-closing-national", {"doses-due": 0}, {"doses-due"}),
        ("tuberculosis-follow-up-national", {"month": 0}, {"month"}),
    ],
)
def test_contradictory_and_impossible_values_are_refused_at_the_form(name, answers, refused):
    found = questionnaires.faults(FORMS[Q + name], answers, complete=False)
    touched = {fault.link_id for fault in found} | {item for fault in found for item in fault.items}
    assert refused <= touched, found


def test_self_harm_with_grade_four_is_no_contradiction():
    answers = {**SMD, "risk": "4", "act-suicide": 1}
    assert questionnaires.faults(FORMS[Q + "severe-mental-disorder-national"], answers, complete=False) == ()
