"""The pure rules: parsing and its errors, which questions are asked, checks, scores, judgement."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.questionnaires import rules
from careloop.questionnaires.rules.conditions import BadCondition, Context, truth
from careloop.questionnaires.rules.definition import HL7
from careloop.questionnaires.rules.logic import compare, live_answers, number
from careloop.questionnaires.rules.validation import check_value
from careloop.questionnaires.tests.forms import CALL, choice, content, form, item, rule, when
from careloop.questionnaires.tests.forms import number as numeric

AT = datetime(2026, 11, 20, tzinfo=UTC)


def asked(parsed, **answers):
    return [one.link_id for one in rules.enabled_items(parsed, answers)]


# ---- parsing: what is wrong, and where ----


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({"resourceType": "Patient"}, "resourceType"),
        ([], "resourceType"),
        (content(item("a"), item("a")), "linkId a is used twice"),
        (content({"type": "string", "text": "?"}), "no linkId"),
        (content(item("a", "slider")), "type 'slider'"),
        (content(choice("a", "x", "x")), "same code"),
        (content(item("a", "choice", answerValueSet="#vs")), "not contained"),
        (content(item("a", enableWhen=[when("b", "exists", True)])), "'b', which is not in the form"),
        (content(choice("a", "x"), item("b", enableWhen=[when("a", "~", "x")])), "operator '~'"),
        (content(choice("a", "x"), item("b", enableWhen=[when("a", "exists", "x")])), "answerBoolean"),
        (content(item("a", enableWhen=[when("a", "exists", True)])), "circle"),
        (
            content(
                item("a", enableWhen=[when("b", "exists", True)]), item("b", enableWhen=[when("a", "exists", True)])
            ),
            "circle through a, b",
        ),
        (content(item("a", extension=[{"url": HL7 + "regex", "valueString": "("}])), "cannot be read"),
        (content(item("a", extension=[{"url": HL7 + "regex", "valueString": "(a+)+$"}])), "repeats a group"),
        (content(item("a", extension=[{"url": HL7 + "regex", "valueString": "(a|aa)*"}])), "repeats a group"),
        (content(numeric("a", extension=[{"url": HL7 + "minValue", "valueInteger": "low"}])), "has not the shape"),
        (content("a"), "has not the shape"),
        ({**content(item("a")), "definition": {"resourceType": "Questionnaire", "version": "1"}}, "needs a url"),
    ],
)
def test_a_broken_form_says_what_is_wrong(broken, says):
    with pytest.raises(rules.BadQuestionnaire, match=".*") as caught:
        rules.parse(broken) if isinstance(broken, dict) else rules.parse({"definition": broken})
    assert says in str(caught.value)


def test_groups_in_groups_have_an_end():
    nested = item("leaf")
    for depth in range(60):
        nested = {"linkId": f"g{depth}", "type": "group", "item": [nested]}
    with pytest.raises(rules.BadQuestionnaire, match="flatten"):
        form(nested)


def test_every_item_type_of_r4_is_read():
    kinds = ["group", "display", "boolean", "decimal", "integer", "date", "dateTime", "time", "string", "text", "open-choice", "quantity", "attachment", "reference", "url"]  # fmt: skip
    parsed = form(*[item(f"i-{kind}", kind) for kind in kinds], choice("i-choice", "x"))
    assert [one.type for one in parsed.walk()] == [*kinds, "choice"]
    assert {one.type for one in parsed.questions} == set(kinds) - {"group", "display"} | {"choice"}


def test_unknown_extensions_are_kept_and_listed_and_groups_repeat():
    strange = {"url": "https://elsewhere.example/glow", "valueBoolean": True}
    parsed = form(item("a", extension=[strange]), {"linkId": "g", "type": "group", "repeats": True, "item": []})
    assert parsed.unsupported == ("a: extension https://elsewhere.example/glow is kept but not acted on",)
    assert parsed.item("g").repeats


def test_options_come_from_a_contained_value_set_and_old_weights_are_read():
    concepts = [
        {"code": "0", "display": "no", "extension": [{"url": HL7 + "ordinalValue", "valueDecimal": 3}]},
        {"code": "1"},
    ]
    whole = content(item("a", "choice", answerValueSet="#vs"))
    whole["definition"]["contained"] = [
        {"resourceType": "ValueSet", "id": "vs", "compose": {"include": [{"concept": concepts}]}}
    ]
    options = rules.parse(whole).item("a").options
    assert [(option.code, option.weight) for option in options] == [("0", Decimal(3)), ("1", None)]


def test_the_same_content_has_the_same_hash_whatever_the_order_of_its_keys():
    one = content(item("a"))
    other = dict(reversed(list(one.items())))
    assert rules.content_hash(one) == rules.content_hash(other)
    assert rules.content_hash(one) != rules.content_hash(content(item("b")))


# ---- which questions are asked ----


@pytest.mark.parametrize(
    ("operator", "expected", "given", "fits"),
    [
        ("exists", True, None, False), ("exists", True, "x", True), ("exists", False, None, True), ("exists", False, "x", False),
        ("=", "x", "x", True), ("=", "x", "y", False), ("=", "x", None, False), ("=", "x", ["y", "x"], True),
        ("!=", "x", None, True), ("!=", "x", "y", True), ("!=", "x", "x", False), ("!=", "x", ["y", "x"], False),
        (">", 5, 6, True), (">", 5, 5, False), (">=", 5, 5, True), ("<", 5, 4, True), ("<=", 5, 5, True), ("<=", 5, 6, False),
        (">", 5, None, False), (">", 5, "not-measured", False), (">", 5, [1, 9], True), ("<", 5, [8, 9], False),
        (">", 5, "abc", False), ("=", True, True, True), ("=", True, "true", False), ("=", 5, 5.0, True),
        (">", "2026-01-01", "2026-02-01", True), ("contains", "x", ["x", "y"], True),
    ],
)  # fmt: skip
def test_compare_in_the_words_of_r5(operator, expected, given, fits):
    assert compare(given, operator, expected) is fits


def test_an_answer_on_a_question_that_is_not_asked_is_no_answer():
    chain = form(
        choice("a", "x", "y"),
        choice("b", "x", "y", enableWhen=[when("a", "=", "x")]),
        item("c", enableWhen=[when("b", "=", "x")]),
        item("d", enableWhen=[when("b", "!=", "x")]),
    )
    assert asked(chain, a="x", b="x") == ["a", "b", "c"]
    assert asked(chain, a="y", b="x") == ["a", "d"]
    assert live_answers(chain, {"a": "y", "b": "x", "c": "old", "stranger": 1}) == {"a": "y"}


def test_any_and_all_and_a_condition_on_a_later_question():
    lines = [when("x", "=", "1"), when("y", "=", "1")]
    both, either = item("both", enableWhen=lines), item("either", enableWhen=lines, enableBehavior="any")
    parsed = form(both, either, choice("x", "0", "1"), choice("y", "0", "1"))
    assert asked(parsed, x="1") == ["either", "x", "y"]
    assert asked(parsed, x="1", y="1") == ["both", "either", "x", "y"]


def test_children_of_a_hidden_group_are_not_asked():
    group = {"linkId": "g", "type": "group", "enableWhen": [when("a", "=", "x")], "item": [item("inside")]}
    parsed = form(choice("a", "x", "y"), group)
    assert asked(parsed, a="x") == ["a", "g", "inside"]
    assert asked(parsed, a="y", inside="left over") == ["a"]


# ---- one value ----


@pytest.mark.parametrize(
    ("question", "value", "code"),
    [
        (numeric("n", 0, 10), 11, "too-high"), (numeric("n", 0, 10), -1, "too-low"), (numeric("n", 0, 10), 10, None),
        (numeric("n"), 1.5, "type"), (numeric("n"), "seven", "type"), (numeric("n"), "1e9", "type"), (numeric("n"), True, "type"),
        (numeric("n", unmeasured=True), "not-measured", None), (numeric("n"), "not-measured", None),
        (numeric("n", kind="decimal", extension=[{"url": HL7 + "maxDecimalPlaces", "valueInteger": 1}]), 36.55, "too-many-decimals"),
        (numeric("n", kind="decimal", extension=[{"url": HL7 + "maxDecimalPlaces", "valueInteger": 1}]), 36.5, None),
        (choice("c", "x"), "y", "unknown-option"), (choice("c", "x", "y"), ["x", "y"], "type"),
        (choice("c", "x", "y", repeats=True), ["x", "y"], None), (choice("c", "no", "y", alone="no", repeats=True), ["no", "y"], "exclusive"),
        (item("b", "boolean"), "yes", "type"), (item("b", "boolean"), False, None),
        (item("t", "string", maxLength=3), "four", "too-long"), (item("t", "text"), "x" * 4001, "too-long"), (item("t"), 5, "type"),
        (item("d", "date"), "2026-02-30", "type"), (item("d", "date"), "2026-02-28", None), (item("d", "time"), "25:00", "type"),
        (item("d", "date", extension=[{"url": HL7 + "minValue", "valueDate": "2026-01-01"}]), "2025-12-31", "too-early"),
        (item("d", "date", extension=[{"url": HL7 + "maxValue", "valueDate": "2026-01-01"}]), "2026-01-02", "too-late"),
        (item("p", extension=[{"url": HL7 + "regex", "valueString": "[A-Z]\\d{2}"}]), "A1", "pattern"),
        (item("p", extension=[{"url": HL7 + "regex", "valueString": "[A-Z]\\d{2}"}]), "A12", None),
        (item("o", "open-choice"), "something of my own", None),
    ],
)  # fmt: skip
def test_one_value(question, value, code):
    fault = check_value(form(question).items[0], value)
    assert (fault and fault.code) == code


@pytest.mark.parametrize(
    ("question", "typed", "kept"),
    [
        (numeric("n"), " １４８ ", 148), (numeric("n", kind="decimal"), "36。5", 36.5), (numeric("n", kind="decimal"), "36，5", 36.5),
        (numeric("n"), "1e99999999", "1e99999999"), (numeric("n"), "", None), (numeric("n"), "1_000", "1_000"),
        (item("b", "boolean"), "true", True), (item("b", "boolean"), "0", False), (item("b", "boolean"), "perhaps", "perhaps"),
        (item("t", "text"), "a\x00b\r\nc\x07", "ab\nc"), (item("t", "text"), "   ", None),
        (choice("c", "x", "y", repeats=True), ["x", "", "y", "x"], ["x", "y"]), (choice("c", "x"), ["x"], "x"), (choice("c", "x"), [], None),
    ],
)  # fmt: skip
def test_what_is_typed_becomes_what_is_kept(question, typed, kept):
    assert rules.clean_value(form(question).items[0], typed) == kept


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.lists(st.text(), max_size=4), st.none()))
def test_nothing_typed_breaks_anything(typed):
    for question in form(numeric("n", 0, 9), numeric("d", kind="decimal"), choice("c", "x", repeats=True), item("t", "text"), item("b", "boolean"), item("w", "date")).questions:  # fmt: skip
        kept = rules.clean_value(question, typed)
        assert rules.clean_value(question, kept) == kept, "cleaning twice is cleaning once"
        if kept is not None:
            check_value(question, kept)


@pytest.mark.parametrize("text", ["1e5", "NaN", "inf", "1_0", "0x1", "", "--1", "9" * 16, "１e５", None, True])
def test_not_a_number(text):
    assert number(text) is None


@pytest.mark.parametrize(
    ("before", "now", "settled"),
    [
        (["fever"], ["none", "fever"], ["none"]), (["none"], ["none", "fever"], ["fever"]), (None, ["none", "fever"], ["none"]),
        (["none"], ["none"], ["none"]), (["fever"], ["fever", "bleeding"], ["fever", "bleeding"]),
    ],
)  # fmt: skip
def test_none_of_these_and_a_sign_cannot_both_stand(before, now, settled):
    signs = rules.parse(CALL).item("signs")
    assert rules.settle_exclusive(signs, before, now) == settled


# ---- a whole form ----


def codes(answers, *, complete=True):
    return [(fault.link_id, fault.code) for fault in rules.faults(rules.parse(CALL), answers, complete=complete)]


def test_required_counts_only_where_asked_and_only_at_the_end():
    assert codes({}) == [("pain", "required")]
    assert codes({}, complete=False) == []
    assert codes({"pain": "yes"}) == [("where", "required")]
    assert codes({"pain": "no", "where": "nonsense"}) == []


def test_a_check_across_two_answers_speaks_both_languages():
    found = rules.faults(rules.parse(CALL), {"pain": "no", "sbp": 80, "dbp": 90}, complete=True)
    assert [(fault.code, fault.items, fault.words.en) for fault in found] == [
        ("check", ("sbp", "dbp"), "Lower above upper")
    ]
    assert codes({"pain": "no", "sbp": "not-measured", "dbp": 90}) == []


# ---- scores ----

NINE = [choice(f"q{n}", "0", "1", "2", "3", weights=(0, 1, 2, 3)) for n in range(1, 10)]


def total(rule_more, **answers):
    rule = {"code": "s", "title": {"zh": "总分", "en": "Total"}, "items": [f"q{n}" for n in range(1, 10)], **rule_more}
    return rules.score(form(*NINE, scores=[rule]), answers)[0]


ALL = {f"q{n}": "1" for n in range(1, 10)}


def test_a_missing_answer_is_never_zero():
    assert total({"missing": "null"}, **ALL).value == 9
    one_short = {name: value for name, value in ALL.items() if name != "q9"}
    found = total({"missing": "null"}, **one_short)
    assert (found.value, found.missing, found.band) == (None, ("q9",), "")


@pytest.mark.parametrize(("left_out", "value"), [(0, 9), (1, 9), (2, 9), (3, None), (9, None)])
def test_prorating_has_a_limit(left_out, value):
    answers = dict(list(ALL.items())[left_out:])
    assert total({"missing": "prorate", "max_missing": 2}, **answers).value == value


@given(st.lists(st.integers(0, 3), min_size=9, max_size=9), st.sets(st.integers(1, 9)))
def test_reversing_is_highest_plus_lowest_minus_raw_and_the_sum_adds_up(raw, turned):
    answers = {f"q{n}": str(value) for n, value in enumerate(raw, start=1)}
    expected = sum(3 - value if n in turned else value for n, value in enumerate(raw, start=1))
    assert total({"reverse": [f"q{n}" for n in turned]}, **answers).value == expected


def test_reverse_uses_the_lowest_weight_too():
    parsed = form(
        choice("q", "a", "b", weights=(1, 5)),
        scores=[{"code": "s", "title": {"zh": "分"}, "items": ["q"], "reverse": ["q"]}],
    )
    assert rules.score(parsed, {"q": "a"})[0].value == 5
    assert rules.score(parsed, {"q": "b"})[0].value == 1


def test_bands_must_not_overlap():
    bands = [{"from": 0, "to": 4, "code": "low"}, {"from": 4, "to": 9, "code": "high"}]
    assert rules.overlapping_bands({"bands": bands}) == ("high",)
    bands[1]["from"] = 5
    assert rules.overlapping_bands({"bands": bands}) == ()


# ---- conditions: true, false, unknown ----

TRUE, FALSE = {"item": "t", "value": "x"}, {"item": "t", "value": "y"}
UNKNOWN = {"item": "missing", "value": "x"}
CONTEXT = Context({"t": "x", "n": 5, "gone": "not-measured"}, scores={"s": Decimal(3), "none": None}, previous={"n": 1})


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (TRUE, True), (FALSE, False), (UNKNOWN, None), ("otherwise", True),
        ({"all": [TRUE, UNKNOWN]}, None), ({"all": [FALSE, UNKNOWN]}, False), ({"all": [TRUE, TRUE]}, True),
        ({"any": [TRUE, UNKNOWN]}, True), ({"any": [FALSE, UNKNOWN]}, None), ({"any": [FALSE, FALSE]}, False),
        ({"not": TRUE}, False), ({"not": FALSE}, True), ({"not": UNKNOWN}, None),
        ({"item": "missing", "op": "exists", "value": False}, True), ({"item": "missing", "op": "!=", "value": "x"}, None),
        ({"item": "gone", "op": "<", "value": 140}, None), ({"not": {"item": "gone", "op": "<", "value": 140}}, None),
        ({"item": "gone", "op": "=", "value": "not-measured"}, True), ({"item": "n", "op": ">", "value_of": "missing"}, None),
        ({"score": "s", "op": ">=", "value": 3}, True), ({"score": "none", "op": ">=", "value": 0}, None),
        ({"previous": "n", "op": "=", "value": 1}, True), ({"previous": "never", "op": "=", "value": 1}, False),
        ({"change": "n", "op": ">=", "value": 4}, True), ({"change": "t", "op": ">=", "value": 4}, None),
        ({"worst": "none"}, True), ({"worst": "critical"}, False),
    ],
)  # fmt: skip
def test_truth(condition, expected):
    assert truth(condition, CONTEXT) is expected


@pytest.mark.parametrize("broken", [5, {}, {"question": "t"}, None])
def test_a_condition_that_says_nothing_is_refused(broken):
    with pytest.raises(BadCondition):
        truth(broken, CONTEXT)


leaves = st.builds(
    lambda name, op, value: {"item": name, "op": op, "value": value},
    st.sampled_from(["a", "b", "c"]), st.sampled_from(["=", "!=", "<", ">="]), st.integers(0, 3),
)  # fmt: skip
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda parts: {"all": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda parts: {"any": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda part: {"not": part}, inner),
    ),
    max_leaves=8,
)
some_answers = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(0, 3))


@given(trees, some_answers, st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(0, 3), min_size=3))
def test_what_is_certain_stays_certain_when_more_is_answered(tree, few, more):
    now = truth(tree, Context(few))
    if now is not None:
        assert truth(tree, Context({**more, **few})) is now


@given(trees)
def test_nothing_answered_makes_nothing_certain(tree):
    assert truth(tree, Context({})) is None


# ---- judgement ----

answers_of_call = st.fixed_dictionaries(
    {},
    optional={
        "pain": st.sampled_from(["no", "yes", "unclear"]),
        "where": st.sampled_from(["chest", "back"]),
        "sbp": st.one_of(st.integers(40, 300), st.just("not-measured")),
        "dbp": st.integers(20, 200),
        "signs": st.lists(st.sampled_from(["none", "fever", "bleeding"]), unique=True, min_size=1),
        "words": st.text(max_size=20),
    },
)


@given(answers_of_call, st.sampled_from(["chest", "back", None]))
def test_hidden_answers_never_influence(answers, hidden):
    parsed = rules.parse(CALL)
    shown = {**answers, "pain": "no"}
    without = {name: value for name, value in shown.items() if name != "where"}
    with_hidden = {**without, "where": hidden}
    for judged in (rules.judge, rules.classify, rules.score):
        assert judged(parsed, with_hidden) == judged(parsed, without)
    assert rules.faults(parsed, with_hidden, complete=True) == rules.faults(parsed, without, complete=True)


@given(answers_of_call, st.randoms(use_true_random=False))
def test_the_order_of_answers_means_nothing(answers, chance: random.Random):
    parsed = rules.parse(CALL)
    shuffled = list(answers.items())
    chance.shuffle(shuffled)
    assert rules.judge(parsed, dict(shuffled)) == rules.judge(parsed, answers)
    assert rules.enabled_items(parsed, dict(shuffled)) == rules.enabled_items(parsed, answers)


def test_findings_are_worst_first_with_their_evidence_and_survive_storage():
    from dataclasses import asdict

    found = rules.judge(rules.parse(CALL), {"pain": "yes", "where": "chest", "sbp": 190}, previous={"sbp": 150}, previous_at=AT - timedelta(days=3), at=AT)  # fmt: skip
    assert [(one.rule_code, one.severity, one.evidence) for one in found] == [
        ("chest", "critical", ("where",)), ("pressure", "high", ("sbp",)), ("rise", "watch", ("sbp",)),
    ]  # fmt: skip
    assert rules.finding_from(asdict(found[0])) == found[0]


@pytest.mark.parametrize(("days", "fires"), [(1, True), (7, True), (8, False)])
def test_a_change_counts_only_within_its_days(days, fires):
    found = rules.judge(
        rules.parse(CALL), {"sbp": 150}, previous={"sbp": 130}, previous_at=AT - timedelta(days=days), at=AT
    )
    assert bool(found) is fires


def test_an_earlier_class_that_is_not_yet_excluded_blocks_the_later_one():
    outcome = {"reason": {"zh": "因为 {n}", "en": "because {n}"}, "next_days": 14}
    parsed = form(
        choice("worse", "yes", "no"), numeric("n"),
        classification={"code": "c", "outcomes": [
            {"code": "4", "title": {"zh": "并发症"}, "when": {"item": "worse", "value": "yes"}, **outcome},
            {"code": "1", "title": {"zh": "满意"}, "when": {"item": "n", "op": "<", "value": 7}, **outcome},
        ]},
    )  # fmt: skip
    assert rules.classify(parsed, {"n": 5}) is None
    found = rules.classify(parsed, {"n": 5, "worse": "no"})
    assert (found.code, found.reason.zh, found.reason.en, found.next_days) == ("1", "因为 5", "because 5", 14)


# ---- proofreading ----


def mistakes(*items, **more):
    return rules.proofread(form(*items, **more))


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ({"item": "pian", "value": "yes"}, "'pian' is not in the form"),
        ({"item": "pain", "value": "yess"}, "'yess' is no option of question pain"),
        ({"item": "n", "op": ">", "value": "high"}, "which is no number"),
        ({"item": "n", "op": "=>", "value": 1}, "operator '=>'"),
        ({"score": "total", "op": ">", "value": 1}, "score 'total' is not in the form"),
        ({"any": []}, "holds no condition"),
        ({"all": [{"not": {"item": "pian"}}]}, "'pian' is not in the form"),
        ({"item": "n", "op": ">", "value_of": "m"}, "'m' is not in the form"),
        ({"qestion": "n"}, "names no item"),
        ({"worst": "bad"}, "worst must be"),
        (None, "is not a condition"),
    ],
)
def test_a_rule_that_could_never_fire_is_found(condition, says):
    found = mistakes(choice("pain", "yes", "no"), numeric("n"), rules=[rule("r", condition)])
    assert len(found) == 1
    assert says in found[0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"severity": "bad"}, "severity"), ({"owner_role": "somebody"}, "owner_role"), ({"respond_within_minutes": 0}, "from 1 to 43200"),
        ({"sentence": {"zh": "只有中文"}}, "sentence in zh and en"),
    ],
)  # fmt: skip
def test_a_rule_needs_level_owner_deadline_and_two_languages(change, says):
    found = mistakes(numeric("n"), rules=[{**rule("r", {"item": "n", "op": ">", "value": 1}), **change}])
    assert len(found) == 1
    assert says in found[0]


def test_what_we_ship_cites_its_source_and_tells_the_patient_what_to_do():
    critical = {**rule("r", {"item": "n", "op": ">", "value": 1}, "critical"), "source": ""}
    parsed = form(numeric("n"), rules=[critical])
    assert rules.proofread(parsed) == ()
    assert len(rules.proofread(parsed, shipped=True)) == 2


def test_scores_and_wordings_are_proofread_too():
    long = item("a")
    long["text"] = "这是一个太长太长太长太长太长太长太长太长太长太长太长太长太长太长的问题吗"
    bad = {
        "code": "s",
        "title": {"zh": "分"},
        "items": ["b"],
        "reverse": ["a"],
        "missing": "zero",
        "bands": [{"from": 3, "to": 1, "code": "x"}],
    }
    assert len(mistakes(long, scores=[bad])) == 5


@pytest.mark.parametrize(
    ("found", "classes", "expected"),
    [
        ([], None, False),
        ([rule("now", {"item": "pain", "op": ">", "value": 3})], None, False),
        ([rule("before", {"previous": "pain", "op": ">", "value": 3})], None, True),
        ([rule("deep", {"any": [{"not": {"all": [{"change": "weight", "op": ">=", "value": 2}]}}]})], None, True),
        (
            [],
            {
                "outcomes": [
                    {
                        "code": "1",
                        "title": {"zh": "一", "en": "One"},
                        "when": {"all": [{"previous": "pain", "op": "exists", "value": True}]},
                    }
                ]
            },
            True,
        ),
    ],
)
def test_only_a_form_that_compares_with_last_time_looks_back(found, classes, expected):
    """Without such a rule the earlier answers are not even asked for."""
    made = {
        "definition": {
            "resourceType": "Questionnaire", "url": "u", "version": "1",
            "item": [{"linkId": "pain", "type": "integer", "text": "?"}],
        },
        "rules": found, "classification": classes,
    }  # fmt: skip
    assert rules.parse(made).looks_back is expected
