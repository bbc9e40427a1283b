"""What "ask only when" means, as tables: every comparison on every type, any and all, chains, circles; and points."""

import itertools
from decimal import Decimal

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from careloop.questionnaires import rules
from careloop.questionnaires.reads import wording
from careloop.questionnaires.rules.logic import compare
from careloop.questionnaires.rules.mistakes import Mistake
from careloop.questionnaires.rules.proofreading import DEEPEST_CONDITION, condition_mistakes
from careloop.questionnaires.tests.forms import choice, content, form, item, number, rule, when

# type → (how the answer is written in FHIR, smaller, the expected one, greater)
TYPES = {
    "integer": ("answerInteger", 4, 5, 6),
    "decimal": ("answerDecimal", "4.9", 5.0, "5.1"),
    "quantity": ("answerQuantity", "4.9", {"value": 5, "unit": "kg"}, "5.1"),
    "date": ("answerDate", "2024-02-28", "2024-02-29", "2024-03-01"),
    "dateTime": ("answerDateTime", "2026-01-31T23:59:00Z", "2026-02-01T00:00:00Z", "2026-02-01T00:01:00Z"),
    "time": ("answerTime", "08:59:59", "09:00:00", "09:00:01"),
    "string": ("answerString", "a", "b", "c"),
}
HOLDS = {  # operator → (smaller, equal, greater, not answered)
    "=": (False, True, False, False),
    "!=": (True, False, True, True),
    ">": (False, False, True, False),
    "<": (True, False, False, False),
    ">=": (False, True, True, False),
    "<=": (True, True, False, False),
}


def asked(question, line, answers):
    made = form(question, item("later", enableWhen=[line]))
    return made.index["later"] in rules.enabled_items(made, answers)


def value_of(expected):
    return expected["value"] if isinstance(expected, dict) else expected


@pytest.mark.parametrize("kind", sorted(TYPES))
@pytest.mark.parametrize("operator", sorted(HOLDS))
def test_every_comparison_on_every_type_below_at_and_above(kind, operator):
    name, smaller, expected, greater = TYPES[kind]
    line = {"question": "q", "operator": operator, name: expected}
    given_answers = [{"q": smaller}, {"q": value_of(expected)}, {"q": greater}, {}]
    assert tuple(asked(item("q", kind), line, answers) for answers in given_answers) == HOLDS[operator]


@pytest.mark.parametrize("kind", [*sorted(TYPES), "boolean", "choice", "text", "url", "open-choice"])
@pytest.mark.parametrize("wanted", [True, False])
def test_exists_asks_only_whether_there_is_an_answer(kind, wanted):
    question = choice("q", "a", "b") if kind == "choice" else item("q", kind)
    line = {"question": "q", "operator": "exists", "answerBoolean": wanted}
    filled = {"boolean": False, "choice": "a"}.get(kind, "x")
    assert asked(question, line, {"q": filled}) is wanted
    for empty in ({}, {"q": None}):
        assert asked(question, line, empty) is not wanted


@pytest.mark.parametrize(("given_value", "operator", "expected", "holds"), [
    (True, "=", True, True), (False, "=", True, False), (False, "=", False, True), (None, "=", False, False),
    (True, "!=", True, False), (None, "!=", True, True), (1, "=", True, False), ("true", "=", True, False), (True, "=", 1, False),
])  # fmt: skip
def test_yes_and_no_are_neither_numbers_nor_words(given_value, operator, expected, holds):
    assert compare(given_value, operator, expected) is holds


@pytest.mark.parametrize(("chosen", "operator", "code", "holds"), [
    ("a", "=", "a", True), ("a", "=", "b", False), (["a", "b"], "=", "b", True), (["a", "b"], "!=", "b", False),
    (["a"], "!=", "b", True), ([], "=", "a", False), ([], "!=", "a", True), (["a", "b"], "contains", "a", True), ("10", "=", "10.0", True),
    ("not-measured", ">", 5, False), ("not-measured", "<", 5, False), ("not-measured", "=", "not-measured", True), ("not-measured", "!=", 5, True),
])  # fmt: skip
def test_one_of_several_is_enough_and_not_equal_means_none_of_them(chosen, operator, code, holds):
    assert compare(chosen, operator, code) is holds


@pytest.mark.parametrize("behaviour", ["all", "any"])
@pytest.mark.parametrize("facts", list(itertools.product([True, False], repeat=3)))
def test_all_and_any_of_three(behaviour, facts):
    questions = [choice(name, "yes", "no") for name in "abc"]
    lines = [when(name, "=", "yes") for name in "abc"]
    made = form(*questions, item("later", enableWhen=lines, enableBehavior=behaviour))
    answers = {name: "yes" if fact else "no" for name, fact in zip("abc", facts, strict=True)}
    expected = all(facts) if behaviour == "all" else any(facts)
    assert (made.index["later"] in rules.enabled_items(made, answers)) is expected


@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_a_chain_breaks_where_the_first_link_breaks(links):
    questions = [choice("q0", "yes", "no")]
    for place in range(1, len(links)):
        questions.append(choice(f"q{place}", "yes", "no", enableWhen=[when(f"q{place - 1}", "=", "yes")]))
    made = form(*questions)
    answers = {f"q{place}": "yes" if link else "no" for place, link in enumerate(links)}
    first_no = next((place for place, link in enumerate(links) if not link), len(links))
    names = {one.link_id for one in rules.enabled_items(made, answers)}
    assert names == {f"q{place}" for place in range(min(first_no + 1, len(links)))}


@pytest.mark.parametrize("outer", ["yes", "no", None])
@pytest.mark.parametrize("inner", ["yes", "no", None])
def test_a_group_in_a_group_is_asked_when_both_fit(outer, inner):
    made = form(
        choice("a", "yes", "no"), choice("b", "yes", "no"),
        {"linkId": "g", "type": "group", "text": "g", "enableWhen": [when("a", "=", "yes")], "item": [
            {"linkId": "h", "type": "group", "text": "h", "enableWhen": [when("b", "=", "yes")], "item": [item("x"), item("y", enableWhen=[when("a", "exists", True)])]},
        ]},
    )  # fmt: skip
    answers = {name: value for name, value in (("a", outer), ("b", inner)) if value}
    names = {one.link_id for one in rules.enabled_items(made, answers)}
    assert ("x" in names) is (outer == inner == "yes")
    assert ("y" in names) is (outer == inner == "yes")


@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_questions_that_wait_for_each_other_are_refused_whatever_the_length_of_the_circle(length):
    names = [f"q{place}" for place in range(length)]
    questions = [
        choice(name, "yes", enableWhen=[when(names[(place + 1) % length], "=", "yes")])
        for place, name in enumerate(names)
    ]
    with pytest.raises(rules.BadQuestionnaire):
        form(*questions)


def test_a_question_inside_a_group_that_waits_for_it_is_a_circle_too():
    group = {
        "linkId": "g",
        "type": "group",
        "text": "g",
        "enableWhen": [when("x", "exists", True)],
        "item": [choice("x", "a")],
    }
    with pytest.raises(rules.BadQuestionnaire):
        form(group)


# --- points ----------------------------------------------------------------------------------------------------

QUESTIONS = [choice(f"s{n}", "none", "some", "much", weights=(0, 1, 3)) for n in range(4)]


def scored(answers, **policy):
    line = {"code": "t", "title": {"zh": "总分", "en": "Total"}, "items": [f"s{n}" for n in range(4)], "bands": [
        {"code": "low", "from": 0, "to": 3, "title": {"zh": "低", "en": "Low"}}, {"code": "high", "from": 4, "to": 12, "title": {"zh": "高", "en": "High"}},
    ], **policy}  # fmt: skip
    [found] = rules.score(form(*QUESTIONS, scores=[line]), answers)
    return found


@pytest.mark.parametrize(("given_codes", "value", "band"), [
    (["none"] * 4, 0, "low"), (["some", "some", "some", "none"], 3, "low"), (["some"] * 4, 4, "high"), (["much"] * 4, 12, "high"), (["much", "none", "none", "none"], 3, "low"),
])  # fmt: skip
def test_points_and_bands_at_their_edges(given_codes, value, band):
    found = scored({f"s{n}": code for n, code in enumerate(given_codes)})
    assert (found.value, found.band, found.missing) == (Decimal(value), band, ())


@given(
    st.lists(st.sampled_from(["none", "some", "much", None, "", "no-answer"]), min_size=4, max_size=4),
    st.integers(0, 4),
)
def test_missing_points_are_named_and_prorated_only_up_to_the_limit(codes, most):
    answers = {f"s{n}": code for n, code in enumerate(codes) if code is not None}
    known = [{"none": 0, "some": 1, "much": 3}[code] for code in codes if code in ("none", "some", "much")]
    plain, prorated = scored(answers), scored(answers, missing="prorate", max_missing=most)
    gone = 4 - len(known)
    assert len(plain.missing) == gone == len(prorated.missing)
    assert plain.value == (sum(known) if not gone else None)
    if not gone:
        assert prorated.value == sum(known)
    elif gone > most or not known:
        assert (prorated.value, prorated.band) == (None, "")
    else:
        assert prorated.value is not None
        assert abs(prorated.value - Decimal(sum(known) * 4) / len(known)) <= Decimal("0.5")


def test_an_answer_to_a_question_that_is_not_asked_gives_no_points():
    questions = [
        choice("gate", "yes", "no"),
        choice("s", "a", "b", weights=(1, 5), enableWhen=[when("gate", "=", "yes")]),
    ]
    line = {"code": "t", "title": {"zh": "分", "en": "n"}, "items": ["s"], "bands": []}
    made = form(*questions, scores=[line])
    assert rules.score(made, {"gate": "yes", "s": "b"})[0].value == 5
    assert rules.score(made, {"gate": "no", "s": "b"})[0].value is None


# --- mistakes, in both languages -------------------------------------------------------------------------------

WORDS = {"zh": "字", "en": "word"}
FAULTY = {
    "no-text": {"items": [{"linkId": "a", "type": "string", "text": ""}]},
    "long-wording": {"items": [item("a", extension=[{"url": "https://careloop.org/fhir/StructureDefinition/wording", "extension": [{"url": "patient", "valueString": "长" * 31}]}])]},
    "no-options": {"items": [item("a", "choice")]},
    "limits-backwards": {"items": [number("a", 9, 3)]},
    "no-points": {"items": [item("a"), item("b")], "scores": [{"code": "s", "title": WORDS, "items": ["a"], "bands": []}]},
    "waits-for-no-option": {"items": [choice("a", "x"), item("b", enableWhen=[when("a", "=", "y")])]},
    "unknown-question": {"scores": [{"code": "s", "title": WORDS, "items": ["nowhere"], "bands": []}]},
    "reversed-not-counted": {"scores": [{"code": "s", "title": WORDS, "items": ["a"], "reverse": ["b"], "bands": []}]},
    "bad-missing": {"scores": [{"code": "s", "title": WORDS, "items": ["a"], "missing": "guess", "bands": []}]},
    "band-overlap": {"scores": [{"code": "s", "title": WORDS, "items": ["a"], "bands": [{"code": "x", "from": 0, "to": 3}, {"code": "y", "from": 3, "to": 5}]}]},
    "band-backwards": {"scores": [{"code": "s", "title": WORDS, "items": ["a"], "bands": [{"code": "x", "from": 3, "to": 0}]}]},
    "code-twice": {"rules": [rule("r", {"item": "a", "op": "exists", "value": True})] * 2},
    "bad-severity": {"rules": [rule("r", {"item": "a", "op": "exists", "value": True}, "terrible")]},
    "bad-owner": {"rules": [rule("r", {"item": "a", "op": "exists", "value": True}) | {"owner_role": "porter"}]},
    "bad-minutes": {"rules": [rule("r", {"item": "a", "op": "exists", "value": True}) | {"respond_within_minutes": 0}]},
    "needs-words": {"rules": [rule("r", {"item": "a", "op": "exists", "value": True}) | {"sentence": {"zh": "只有中文"}}]},
    "check-items": {"checks": [{"code": "c", "items": [], "message": WORDS, "when": {"item": "a", "op": "exists", "value": True}}]},
    "no-condition": {"rules": [rule("r", "sometimes")]},
    "empty-condition": {"rules": [rule("r", {"all": []})]},
    "bad-operator": {"rules": [rule("r", {"item": "a", "op": "~", "value": 1})]},
    "bad-worst": {"rules": [rule("r", {"worst": "terrible"})]},
    "names-nothing": {"rules": [rule("r", {"colour": "red"})]},
    "unknown-score": {"rules": [rule("r", {"score": "s", "op": ">", "value": 1})]},
    "bad-days": {"rules": [rule("r", {"change": "a", "op": ">", "value": 1, "days": "7"})]},
    "no-such-option": {"items": [choice("a", "x")], "rules": [rule("r", {"item": "a", "op": "=", "value": "y"})]},
    "no-number": {"items": [number("a")], "rules": [rule("r", {"item": "a", "op": ">", "value": "much"})]},
}  # fmt: skip


@pytest.mark.parametrize("code", sorted(FAULTY))
def test_every_mistake_is_found_by_its_code_and_said_in_both_languages(code):
    more = dict(FAULTY[code])
    found = [
        one
        for one in rules.proofread(rules.parse(content(*more.pop("items", [item("a")]), **more)))
        if one.code == code
    ]
    assert found, code
    said = {}
    for language in ("en", "zh-hans"):
        with translation.override(language):
            said[language] = wording.mistake_words(found[0])
    assert said["en"] != said["zh-hans"]
    assert any("\u4e00" <= letter <= "\u9fff" for letter in said["zh-hans"])
    assert found[0].place in said["en"]


@pytest.mark.parametrize("kind", ["item", "score", "rule", "check", "class", "row", "vector"])
def test_every_place_has_a_word(kind):
    with translation.override("zh-hans"):
        assert "a1" in wording.mistake_words(Mistake("no-source", kind, "a1", "needs a source"))


def test_a_mistake_nobody_put_into_words_is_shown_as_it_is():
    assert wording.mistake_words(Mistake("new", "rule", "r", "is odd: {what}", what="so")) == "rule r: is odd: so"


@given(st.recursive(st.none() | st.integers() | st.text(max_size=4) | st.sampled_from(["a", "otherwise", "="]), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["all", "any", "not", "item", "op", "value", "score", "worst", "previous", "change", "value_of", "days"]), inner, max_size=4), max_leaves=12))  # fmt: skip
def test_no_condition_written_by_hand_breaks_the_proofreading(condition):
    made = form(number("a"), choice("b", "x"))
    for one in condition_mistakes(made, condition, kind="rule", place="r"):
        assert wording.mistake_words(one)


def test_a_condition_may_be_deep_but_not_without_end():
    condition = {"item": "a", "op": "exists", "value": True}
    for _ in range(DEEPEST_CONDITION - 1):
        condition = {"not": condition}
    made = form(item("a"))
    assert condition_mistakes(made, condition, kind="rule", place="r") == ()
    assert [one.code for one in condition_mistakes(made, {"not": condition}, kind="rule", place="r")] == ["too-deep"]
