"""Changing a form, as pure rules: every change keeps the form usable, locked scales stay as they are, refusals have codes."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careloop.questionnaires import rules
from careloop.questionnaires.rules import designing
from careloop.questionnaires.rules.designing import BadEdit, change
from careloop.questionnaires.tests.forms import choice, content, item, number, rule, when

CONTENT = Path(__file__).parents[1] / "content"
PALETTE = {
    one["code"]: one["item"] for one in json.loads((CONTENT / "library" / "palette.json").read_text())["palette"]
}
PHQ = json.loads((CONTENT / "phq-9.json").read_text())
GAD = json.loads((CONTENT / "gad-7.json").read_text())


def form():
    return content(
        {"linkId": "one", "type": "group", "text": "第一部分", "item": [choice("pain", "no", "yes"), number("n", 0, 10)]},
        {"linkId": "two", "type": "group", "text": "第二部分", "item": [item("w", "text", enableWhen=[when("pain", "=", "yes")])]},
        rules=[rule("r", {"item": "pain", "op": "=", "value": "yes"})],
        scores=[{"code": "s", "title": {"zh": "分"}, "items": ["n"], "missing": "null", "bands": []}],
    )  # fmt: skip


def outline(made):
    return [(raw["linkId"], [one["linkId"] for one in raw.get("item", [])]) for raw in made["definition"]["item"]]


def refused(made, op, **params):
    with pytest.raises(BadEdit) as caught:
        change(made, op, params)
    return caught.value.code


# ---- the palette ----


@pytest.mark.parametrize("kind", list(PALETTE))
def test_every_tile_makes_a_form_that_can_be_published(kind):
    made = change(form(), "add-item", {"into": "one"}, material=PALETTE[kind])
    parsed = rules.parse(made)
    assert rules.proofread(parsed) == ()
    assert parsed.unsupported == ()
    fresh = [one for one in parsed.walk() if one.link_id not in {"one", "two", "pain", "n", "w"}]
    assert fresh
    assert all(one.staff.en for one in fresh), "every tile speaks English too"


@pytest.mark.parametrize("kind", list(PALETTE))
def test_a_tile_twice_gets_names_of_its_own(kind):
    made = form()
    for _n in range(3):
        made = change(made, "add-item", {}, material=PALETTE[kind])
    links = [one["linkId"] for one in designing.walk(made["definition"]["item"])]
    assert len(links) == len(set(links))


def test_where_new_things_go():
    pulse = PALETTE["pain"]
    assert outline(change(form(), "add-item", {"after": "pain"}, material=pulse))[0] == ("one", ["pain", "pain-2", "n"])
    assert outline(change(form(), "add-item", {"into": "two"}, material=pulse))[1] == ("two", ["w", "pain-2"])
    assert outline(change(form(), "add-item", {"after": "one"}, material=pulse))[0] == ("one", ["pain-2", "pain", "n"])
    assert outline(change(form(), "add-item", {"after": "n"}, material=PALETTE["group"])) == [
        ("one", ["pain", "n"]), ("s", []), ("two", ["w"]),
    ]  # fmt: skip
    inside = change(form(), "add-item", {"into": "one"}, material=PALETTE["blood-pressure"])
    assert outline(change(inside, "add-item", {"after": "sbp"}, material=pulse))[0] == (
        "one",
        ["pain", "n", "bp", "pain-2"],
    )


# ---- moving ----


def test_up_and_down_within_and_between_sections():
    made = change(form(), "move", {"link": "n", "way": "up"})
    assert outline(made)[0] == ("one", ["n", "pain"])
    made = change(form(), "move", {"link": "n", "way": "down"})
    assert outline(made) == [("one", ["pain"]), ("two", ["n", "w"])]
    assert outline(change(made, "move", {"link": "n", "way": "up"})) == [("one", ["pain", "n"]), ("two", ["w"])]
    assert outline(change(form(), "move", {"link": "two", "way": "up"}))[0][0] == "two"
    assert outline(change(form(), "move", {"link": "one", "way": "up"})) == outline(form())


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from(["pain", "n", "w", "one", "two"]), st.sampled_from(["up", "down"])), max_size=12)
)
def test_moving_loses_nothing_and_keeps_the_form_usable(moves):
    made = form()
    for link, way in moves:
        made = change(made, "move", {"link": link, "way": way})
    assert {one["linkId"] for one in designing.walk(made["definition"]["item"])} == {"pain", "n", "w", "one", "two"}
    assert rules.parse(made).questions


def test_dragging_and_what_it_refuses():
    assert outline(change(form(), "drop", {"link": "w", "after": "pain"})) == [("one", ["pain", "w", "n"]), ("two", [])]
    assert outline(change(form(), "drop", {"link": "w", "into": "one"}))[0] == ("one", ["pain", "n", "w"])
    assert refused(form(), "drop", link="one", into="one") == "into-itself"
    assert refused(form(), "drop", link="one", after="pain") == "into-itself"
    assert refused(form(), "drop", link="gone", after="pain") == "unknown-question"


# ---- words, limits, options ----


def test_three_wordings_in_two_languages():
    made = form()
    for field, value in {"text": "还疼吗？", "text-en": "Still in pain?", "script": "现在还疼吗", "script-en": "And now?", "patient": "疼吗", "patient-en": "Pain?"}.items():  # fmt: skip
        made = change(made, "set", {"link": "pain", "field": field, "value": value})
    found = rules.parse(made).item("pain")
    assert (found.staff, found.script, found.patient) == (
        rules.Words("还疼吗？", "Still in pain?"), rules.Words("现在还疼吗", "And now?"), rules.Words("疼吗", "Pain?"),
    )  # fmt: skip
    made = change(made, "set", {"link": "pain", "field": "patient", "value": ""})
    assert rules.parse(made).item("pain").patient.zh == "还疼吗？"


@pytest.mark.parametrize(
    ("field", "value", "attribute", "expected"),
    [
        ("required", "1", "required", True), ("repeats", "on", "repeats", True), ("may-skip", "1", "may_be_not_measured", True),
        ("minValue", "2.5", "minimum", 2.5), ("maxValue", "9", "maximum", 9), ("decimals", "1", "decimals", 1),
        ("maxLength", "40", "longest", 40), ("unit", "mmHg", "unit_display", "mmHg"), ("code", "8480-6", "code", "8480-6"),
        ("scale", "1", "control", "scale-0-10"), ("readOnly", "1", "read_only", True),
    ],
)  # fmt: skip
def test_properties_and_taking_them_back(field, value, attribute, expected):
    plain = change(form(), "set", {"link": "n", "field": field, "value": ""})
    made = change(plain, "set", {"link": "n", "field": field, "value": value})
    assert getattr(rules.parse(made).item("n"), attribute) == expected
    assert change(made, "set", {"link": "n", "field": field, "value": ""}) == plain


@pytest.mark.parametrize(
    ("op", "params", "code"),
    [
        ("set", {"link": "n", "field": "minValue", "value": "five"}, "not-a-number"),
        ("set", {"link": "n", "field": "maxValue", "value": "NaN"}, "not-a-number"),
        ("set", {"link": "n", "field": "maxValue", "value": "1e99"}, "not-a-number"),
        ("set", {"link": "n", "field": "decimals", "value": "99"}, "not-a-number"),
        ("set", {"link": "w", "field": "maxLength", "value": "0"}, "not-a-number"),
        ("set", {"link": "n", "field": "text", "value": "  "}, "empty-text"),
        ("set", {"link": "n", "field": "linkId", "value": "x"}, "unknown-field"),
        ("set", {"link": "gone", "field": "text", "value": "x"}, "unknown-question"),
        ("set-form", {"field": "version", "value": "v 1"}, "bad-version"),
        ("set-form", {"field": "title", "value": ""}, "empty-text"),
        ("set-form", {"field": "url", "value": "x"}, "unknown-field"),
        ("add-options", {"link": "n", "value": "x"}, "no-options-here"),
        ("add-options", {"link": "pain", "value": " \n"}, "empty-text"),
        ("remove-option", {"link": "pain", "place": "9"}, "unknown-option"),
        ("remove-option", {"link": "pain", "place": "1"}, "still-used"),
        ("remove", {"link": "pain"}, "still-used"),
        ("remove", {"link": "n"}, "still-used"),
        ("remove", {"link": "one"}, "still-used"),
        ("add-when", {"link": "pain", "question": "w", "operator": "exists", "value": "true"}, "breaks-form"),
        ("add-when", {"link": "w", "question": "gone", "value": "1"}, "unknown-question"),
        ("remove-when", {"link": "w", "place": "7"}, "unknown-line"),
        ("add-rule", {"link": "pain", "value": "yes", "severity": "terrible"}, "unknown-field"),
        ("add-rule", {"link": "n", "operator": ">", "value": "much"}, "not-a-number"),
        ("add-rule", {"link": "s", "about": "nonsense", "value": "1"}, "unknown-question"),
        ("set-rule", {"rule": "r", "field": "minutes", "value": "-1"}, "not-a-number"),
        ("set-rule", {"rule": "r", "field": "severity", "value": "awful"}, "unknown-field"),
        ("set-rule", {"rule": "gone", "field": "minutes", "value": "1"}, "unknown-rule"),
        ("remove-line", {"rule": "r", "place": "0"}, "last-line"),
        ("set-bands", {"score": "s", "value": "0-4 low\n4-9 high"}, "bad-band"),
        ("set-bands", {"score": "s", "value": "low"}, "bad-band"),
        ("set-bands", {"score": "gone", "value": ""}, "unknown-score"),
        ("eval", {"link": "n"}, "unknown-change"),
    ],
)
def test_refusals(op, params, code):
    before = form()
    untouched = copy.deepcopy(before)
    assert refused(before, op, **params) == code
    assert before == untouched, "a refused change changes nothing"


def test_options_in_bulk_with_points_moved_and_removed():
    made = change(form(), "add-options", {"link": "pain", "value": "有时|1\n经常|2.5\n\n"})
    found = rules.parse(made).item("pain").options
    assert [(o.code, o.staff.zh, o.weight and float(o.weight)) for o in found[2:]] == [
        ("o1", "有时", 1.0),
        ("o2", "经常", 2.5),
    ]
    made = change(made, "move-option", {"link": "pain", "place": "3", "way": "up"})
    assert [o.code for o in rules.parse(made).item("pain").options] == ["no", "yes", "o2", "o1"]
    made = change(made, "remove-option", {"link": "pain", "place": "2"})
    made = change(made, "set-option", {"link": "pain", "place": "2", "field": "text", "value": "偶尔"})
    made = change(made, "set-option", {"link": "pain", "place": "2", "field": "weight", "value": ""})
    made = change(made, "set-option", {"link": "pain", "place": "2", "field": "patient", "value": "少"})
    last = rules.parse(made).item("pain").options[2]
    assert (last.staff.zh, last.weight, last.patient.zh) == ("偶尔", None, "少")


def test_what_is_free_can_be_removed_and_copied():
    made = change(form(), "remove-rule", {"rule": "r"})
    made = change(made, "remove-when", {"link": "w", "place": "0"})
    made = change(made, "remove", {"link": "pain"})
    assert outline(made)[0] == ("one", ["n"])
    copied = change(form(), "copy", {"link": "one"})
    assert outline(copied)[1] == ("one-2", ["pain-2", "n-2"])
    section = change(form(), "copy", {"link": "two"})
    assert rules.parse(section).item("w-2").when[0].question == "pain"


# ---- logic, rules, scores ----


@pytest.mark.parametrize(
    ("question", "value", "operator", "answer"),
    [("pain", "yes", "=", "yes"), ("n", "5", ">", 5), ("n", "2.5", "<=", 2.5), ("pain", "true", "exists", True)],
)
def test_asked_only_when(question, value, operator, answer):
    made = change(form(), "add-when", {"link": "w", "question": question, "operator": operator, "value": value})
    lines = rules.parse(made).item("w").when
    assert (lines[-1].question, lines[-1].operator, lines[-1].answer) == (question, operator, answer)
    made = change(made, "set-behavior", {"link": "w", "value": "any"})
    assert rules.parse(made).item("w").when_any
    made = change(change(made, "remove-when", {"link": "w", "place": "0"}), "remove-when", {"link": "w", "place": "0"})
    assert rules.parse(made).item("w").when == ()


def test_a_rule_line_by_line_fires_as_it_reads():
    made = change(
        form(), "add-rule", {"link": "n", "operator": ">=", "value": "7", "severity": "critical", "sentence": "很疼"}
    )
    code = made["rules"][-1]["code"]
    made = change(made, "add-line", {"rule": code, "link": "pain", "operator": "=", "value": "yes"})
    assert {f.rule_code for f in rules.judge(rules.parse(made), {"n": 8, "pain": "no"})} == set()
    assert code in {f.rule_code for f in rules.judge(rules.parse(made), {"n": 8, "pain": "yes"})}
    made = change(made, "set-rule", {"rule": code, "field": "join", "value": "any"})
    assert code in {f.rule_code for f in rules.judge(rules.parse(made), {"n": 8, "pain": "no"})}
    for field, value in {"severity": "high", "owner_role": "department-duty", "minutes": "45", "sentence": "疼", "sentence-en": "Pain", "advice": "问", "source": "本院", "safety-title": "休息"}.items():  # fmt: skip
        made = change(made, "set-rule", {"rule": code, "field": field, "value": value})
    fired = next(f for f in rules.judge(rules.parse(made), {"n": 8}) if f.rule_code == code)
    assert (fired.severity, fired.owner_role, fired.respond_within_minutes, fired.sentence, fired.source) == (
        "high", "department-duty", 45, rules.Words("疼", "Pain"), "本院",
    )  # fmt: skip
    assert rules.proofread(rules.parse(made)) == ()
    off = change(made, "pause-rule", {"rule": code})
    assert code not in {f.rule_code for f in rules.judge(rules.parse(off), {"n": 8})}
    assert change(off, "pause-rule", {"rule": code})["rules"] == made["rules"]
    made = change(made, "remove-line", {"rule": code, "place": "0"})
    assert len(designing.lines_of(made["rules"][-1])[1]) == 1


def test_a_deep_condition_is_shown_and_not_broken():
    deep = form()
    deep["rules"][0]["when"] = {
        "all": [{"any": [{"item": "pain", "value": "yes"}]}, {"item": "n", "op": ">", "value": 3}]
    }
    assert designing.lines_of(deep["rules"][0]) is None
    assert refused(deep, "add-line", rule="r", link="n", operator=">", value="1") == "deep-condition"


def test_a_score_with_bands_and_who_uses_it():
    made = change(form(), "add-score", {"value": "总分", "items": "n", "missing": "prorate"})
    code = made["scores"][-1]["code"]
    made = change(made, "set-bands", {"score": code, "value": "0-4 无\n5–10 有"})
    assert rules.score(rules.parse(made), {"n": 6})[-1].band_title.zh == "有"
    made = change(made, "add-rule", {"link": "n", "operator": ">", "value": "9"})
    made["rules"][-1]["when"] = {"score": code, "op": ">", "value": 3}
    assert refused(made, "remove-score", score=code) == "still-used"
    assert refused(made, "add-score", value="x", items="gone") == "unknown-question"


# ---- locked scales ----


def with_scale():
    return change(form(), "add-scale", {"into": "two"}, material=PHQ)


def test_a_scale_brings_its_points_and_rules_and_works_as_alone():
    parsed = rules.parse(with_scale())
    answers = {f"phq-9.q{n}": "2" for n in range(1, 10)}
    total = next(s for s in rules.score(parsed, answers) if s.code.startswith("phq-9."))
    alone = rules.score(rules.parse(PHQ), {f"q{n}": "2" for n in range(1, 10)})[0]
    assert (total.value, total.band) == (alone.value, alone.band)
    fired = {f.rule_code for f in rules.judge(parsed, answers)}
    assert fired >= {f.rule_code for f in rules.judge(rules.parse(PHQ), {f"q{n}": "2" for n in range(1, 10)})}
    both = change(with_scale(), "add-scale", {}, material=GAD)
    assert len(rules.parse(both).scores) == 3


@pytest.mark.parametrize(
    ("op", "params"),
    [
        ("set", {"link": "phq-9.q1", "field": "text", "value": "x"}), ("set", {"link": "phq-9", "field": "text", "value": "x"}),
        ("remove", {"link": "phq-9.q1"}), ("copy", {"link": "phq-9.q1"}), ("copy", {"link": "phq-9"}),
        ("move", {"link": "phq-9.q1", "way": "down"}), ("drop", {"link": "phq-9.q1", "after": "pain"}),
        ("add-options", {"link": "phq-9.q1", "value": "x"}), ("set-option", {"link": "phq-9.q1", "place": "0", "field": "text", "value": "x"}),
        ("remove-option", {"link": "phq-9.q1", "place": "0"}), ("add-when", {"link": "phq-9.q2", "question": "pain", "value": "yes"}),
        ("set-rule", {"rule": "phq9-self-harm", "field": "minutes", "value": "9999"}), ("pause-rule", {"rule": "phq9-self-harm"}),
        ("remove-rule", {"rule": "phq9-self-harm"}), ("set-bands", {"score": "phq-9.total", "value": ""}), ("remove-score", {"score": "phq-9.total"}),
        ("add-item", {"into": "phq-9"}),
    ],
)  # fmt: skip
def test_nothing_of_a_scale_is_changed(op, params):
    with pytest.raises(BadEdit) as caught:
        change(with_scale(), op, params, material=PALETTE["pain"])
    assert caught.value.code == "locked-scale"


def test_around_a_scale_everything_is_allowed():
    made = change(with_scale(), "add-when", {"link": "phq-9", "question": "pain", "operator": "=", "value": "yes"})
    made = change(made, "move", {"link": "phq-9", "way": "up"})
    made = change(made, "add-item", {"after": "phq-9.q3"}, material=PALETTE["pain"])
    sources = {f"{PHQ['url']}|{PHQ['version']}": PHQ}
    assert list(designing.broken_locks(made, sources)) == []
    with pytest.raises(BadEdit, match="scale-twice"):
        change(made, "add-scale", {}, material=PHQ)
    gone = change(made, "remove", {"link": "phq-9"})
    assert gone["scores"] == form()["scores"]
    assert gone["rules"] == form()["rules"]


def test_a_part_with_a_scale_in_it_is_not_copied():
    """The copy would have the scale's questions under other names, without its points and rules."""
    assert refused(with_scale(), "copy", link="two") == "locked-scale"
    assert refused(with_scale(), "remove", link="two") == "still-used"


CLASS = {"code": "1", "title": {"zh": "一", "en": "one"}, "reason": {"zh": "一", "en": "one"}, "next_days": 7}


def classed(*conditions, **more):
    return form() | {"classification": {"outcomes": [{**CLASS, "when": one} for one in conditions], **more}}


SCORED = {"score": "s", "op": ">", "value": 3}
YES = {"item": "pain", "op": "=", "value": "yes"}


@pytest.mark.parametrize(
    ("made", "op", "params", "user"),
    [
        (classed(SCORED), "remove-score", {"score": "s"}, "1"),
        (classed({"any": [{"not": SCORED}]}), "remove-score", {"score": "s"}, "1"),
        (classed(YES, overrides=[{"when": SCORED}]), "remove-score", {"score": "s"}, "classification"),
        (form() | {"checks": [{"code": "c", "when": SCORED}]}, "remove-score", {"score": "s"}, "c"),
        (form() | {"rules": [], "paused_rules": [rule("p", SCORED)]}, "remove-score", {"score": "s"}, "p"),
        (classed(YES) | {"rules": []}, "remove-option", {"link": "pain", "place": "1"}, "w"),
        (classed({"item": "pain", "op": "=", "value": "no"}), "remove-option", {"link": "pain", "place": "0"}, "1"),
        (classed({"previous": "pain", "op": "=", "value": "no"}), "remove-option", {"link": "pain", "place": "0"}, "1"),
        (form() | {"checks": [{"code": "c", "when": {"not": {"item": "pain", "op": "=", "value": "no"}}}]}, "remove-option", {"link": "pain", "place": "0"}, "c"),
        (form() | {"rules": [rule("r", {"previous": "w", "op": "exists", "value": True})]}, "remove", {"link": "w"}, "r"),
        (form() | {"scores": [], "rules": [rule("r", {"change": "n", "op": ">", "value": 2})]}, "remove", {"link": "n"}, "r"),
        (form() | {"scores": [], "rules": [rule("r", {"item": "pain", "op": "=", "value_of": "n"})]}, "remove", {"link": "n"}, "r"),
        (classed(YES, overrides=[{"when": {"item": "w", "op": "exists", "value": True}}]), "remove", {"link": "w"}, "classification"),
    ],
)  # fmt: skip
def test_what_somebody_still_looks_at_stays(made, op, params, user):
    with pytest.raises(BadEdit) as caught:
        change(made, op, params)
    assert (caught.value.code, caught.value.detail) == ("still-used", user)


def test_a_scale_whose_total_the_form_itself_uses_stays():
    line = {"about": "score", "link": "phq-9.total", "operator": ">", "value": "10", "sentence": "抑郁"}
    made = change(with_scale(), "add-rule", line)
    assert refused(made, "remove", link="phq-9") == "still-used"
    off = change(made, "pause-rule", {"rule": made["rules"][-1]["code"]})
    assert refused(off, "remove", link="phq-9") == "still-used"
    gone = change(change(off, "remove-rule", {"rule": made["rules"][-1]["code"]}), "remove", {"link": "phq-9"})
    assert (gone["scores"], gone["rules"], gone["paused_rules"]) == (form()["scores"], form()["rules"], [])


def test_english_words_of_an_option_come_and_go():
    english = change(form(), "set-option", {"link": "pain", "place": "0", "field": "text-en", "value": "No"})
    assert rules.parse(english).item("pain").options[0].staff == rules.Words("NO", "No")
    assert change(english, "set-option", {"link": "pain", "place": "0", "field": "text-en", "value": " "}) == form()


@pytest.mark.parametrize("field", ["sentence", "advice"])
def test_the_other_language_follows_until_it_has_its_own_words(field):
    def said(made):
        return made["rules"][0][field]

    made = form() | {"rules": [rule("r", {"item": "pain", "op": "=", "value": "yes"}) | {field: {}}]}
    for words in ("甲", "乙"):
        made = change(made, "set-rule", {"rule": "r", "field": field, "value": words})
        assert said(made) == {"zh": words, "en": words}
    made = change(made, "set-rule", {"rule": "r", "field": f"{field}-en", "value": "B"})
    made = change(made, "set-rule", {"rule": "r", "field": field, "value": "丙"})
    assert said(made) == {"zh": "丙", "en": "B"}


def test_the_patients_page_has_both_languages_and_neither_overwrites_the_other():
    made = change(form(), "set-rule", {"rule": "r", "field": "safety-title", "value": "坐下"})
    assert {one: page["title"] for one, page in made["rules"][0]["safety"].items()} == {"zh": "坐下", "en": "坐下"}
    made = change(made, "set-rule", {"rule": "r", "field": "safety-title-en", "value": "Sit down"})
    made = change(made, "set-rule", {"rule": "r", "field": "safety-title", "value": "坐下休息"})
    made = change(made, "set-rule", {"rule": "r", "field": "safety-text-en", "value": "Rest"})
    pages = made["rules"][0]["safety"]
    assert [(pages[one]["title"], pages[one]["text"]) for one in ("zh", "en")] == [("坐下休息", "Rest"), ("Sit down", "Rest")]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "value", "taken"),
    [
        ("date", "2026-02-28", True), ("dateTime", "2026-02-28T08:30", True), ("time", "08:30", True), ("date", "", True),
        ("date", "soon", False), ("date", "2026-2-8", False), ("dateTime", "2026-02-28Txx", False), ("date", "28.02.2026", False),
    ],
)  # fmt: skip
def test_the_earliest_day_is_a_day(kind, value, taken):
    made, params = content(item("d", kind)), {"link": "d", "field": "minValue", "value": value}
    if taken:
        assert rules.parse(change(made, "set", params)).item("d").earliest == value
    else:
        assert refused(made, "set", **params) == "not-a-date"


@pytest.mark.parametrize(
    ("op", "params", "code"),
    [
        ("set", {"link": "n", "field": "code", "value": "http://loinc.org|"}, "empty-text"),
        ("set", {"link": "w", "field": "slider", "value": "1"}, "unknown-field"),
        ("set", {"link": "n", "field": "step", "value": "0"}, "not-a-number"),
        ("set", {"link": "n", "field": "step", "value": "0.5"}, "not-a-number"),
        ("set-option", {"link": "pain", "place": "0", "field": "text", "value": " "}, "empty-text"),
        ("set-option", {"link": "pain", "place": "0", "field": "colour", "value": "red"}, "unknown-field"),
        ("set-option", {"link": "pain", "place": "-1", "field": "text", "value": "x"}, "unknown-option"),
        ("add-options", {"link": "pain", "value": "a\n" * 99}, "too-many-items"),
        ("add-options", {"link": "pain", "value": "a|much"}, "not-a-number"),
        ("add-rows", {"link": "one", "value": "x"}, "not-a-group"),
        ("drop", {"link": "w", "into": "pain"}, "not-a-group"),
        ("drop", {"link": "w", "into": "gone"}, "unknown-question"),
        ("add-when", {"link": "w", "question": "n", "operator": ">", "value": ""}, "empty-text"),
        ("add-when", {"link": "n", "question": "n", "operator": "exists"}, "breaks-form"),
        ("add-when", {"link": "w", "question": "pain", "operator": "~", "value": "yes"}, "breaks-form"),
        ("add-rule", {"about": "score", "link": "gone", "value": "1"}, "unknown-score"),
        ("add-rule", {"about": "colour", "link": "n", "value": "1"}, "unknown-field"),
        ("add-rule", {"link": "w", "operator": "=", "value": ""}, "empty-text"),
        ("add-line", {"rule": "gone", "link": "n", "value": "1"}, "unknown-rule"),
        ("remove-line", {"rule": "r", "place": "9"}, "unknown-line"),
        ("set-rule", {"rule": "r", "field": "sentence", "value": ""}, "unknown-field"),
        ("set-rule", {"rule": "r", "field": "join", "value": "some"}, "unknown-field"),
        ("add-score", {"items": ""}, "empty-text"),
        ("set-bands", {"score": "s", "value": "9-4 x"}, "bad-band"),
    ],
)
def test_more_refusals(op, params, code):
    assert refused(form(), op, **params) == code


def edited_by_hand(what):
    made = with_scale()
    if what == "words":
        designing.find(made, "phq-9.q1")["text"] = "另一句话"
    elif what == "points":
        designing.find(made, "phq-9.q1")["answerOption"].pop()
    elif what == "bands":
        next(one for one in made["scores"] if one.get("locked"))["bands"] = []
    elif what == "rules":
        made["rules"] = [one for one in made["rules"] if one["code"] != "phq9-self-harm"]
    elif what == "source":
        made["definition"]["item"][1]["item"][1]["extension"][0]["valueString"] = "https://x.example/other|1"
    return made


@pytest.mark.parametrize("what", ["words", "points", "bands", "rules", "source"])
def test_a_scale_edited_by_hand_is_noticed(what):
    sources = {f"{PHQ['url']}|{PHQ['version']}": PHQ}
    assert list(designing.broken_locks(edited_by_hand(what), sources))


@pytest.mark.parametrize(
    ("version", "following"),
    [("1.4", "1.5"), ("3", "4"), ("1.9", "1.10"), ("spring", "spring-2"), ("2026-01", "2026-2")],
)
def test_the_next_version(version, following):
    assert designing.next_version(version) == following


def test_a_form_has_an_end():
    made = form()
    many = {"linkId": "g", "type": "group", "text": "x", "item": [item(f"i{n}") for n in range(500)]}
    with pytest.raises(BadEdit, match="too-many-items"):
        change(made, "add-item", {}, material=many)
