"""FHIR R4 Questionnaires in and out: every item type, nothing dropped, clear refusals with paths."""

import copy
import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careloop.questionnaires import rules
from careloop.questionnaires.rules.definition import HL7
from careloop.questionnaires.rules.fhir import MOST_BYTES, BadResource, as_fhir, from_fhir, read_file
from careloop.questionnaires.tests.forms import CALL

CONTENT = Path(__file__).parents[1] / "content"
SHIPPED = sorted(CONTENT.glob("*.json"))


def resource(*items, **more):
    return {
        "resourceType": "Questionnaire",
        "url": "http://x.example/q",
        "version": "2",
        "status": "active",
        "item": list(items),
        **more,
    }


def q(link, kind="string", **more):
    return {"linkId": link, "type": kind, "text": link, **more}


# One of everything R4 has.
EVERYTHING = resource(
    q("1", "group", prefix="A.", item=[
        q("1.1", "boolean", initial=[{"valueBoolean": True}]),
        q("/1/2", "decimal", extension=[{"url": HL7 + "minValue", "valueDecimal": 0.5}]),
        q("1.3", "integer", maxLength=3), q("1.4", "date", initial=[{"valueDate": "2026-01-01"}]), q("1.5", "dateTime"), q("1.6", "time"),
        q("1.7", "string", readOnly=True), q("1.8", "text", required=True), q("1.9", "url"),
        q("1.10", "choice", answerOption=[{"valueCoding": {"system": "a", "code": "x", "display": "X"}, "initialSelected": True}, {"valueCoding": {"system": "b", "code": "x"}}, {"valueCoding": {"display": "only words"}}]),
        q("1.11", "choice", answerOption=[{"valueInteger": 1}, {"valueDate": "2026-01-02"}, {"valueTime": "08:00:00"}, {"valueString": "s"}, {"valueReference": {"reference": "Patient/1"}}]),
        q("1.12", "open-choice", answerValueSet="#vs", repeats=True), q("1.13", "choice", answerValueSet="http://far.example/vs"),
        q("1.14", "attachment"), q("1.15", "reference"),
        q("1.16", "quantity", initial=[{"valueQuantity": {"value": 5, "unit": "kg"}}], extension=[{"url": HL7 + "questionnaire-unit", "valueCoding": {"code": "kg"}}]),
        q("1.17", "display", enableWhen=[{"question": "1.1", "operator": "=", "answerBoolean": True}]),
        q("1.18", "group", repeats=True, item=[q("1.18.1", item=[q("under", enableWhen=[{"question": "1.18.1", "operator": "exists", "answerBoolean": True}])])]),
        q("1.19", enableBehavior="any", enableWhen=[
            {"question": "1.3", "operator": ">", "answerInteger": 3}, {"question": "1.16", "operator": "<=", "answerQuantity": {"value": 3}},
            {"question": "1.10", "operator": "!=", "answerCoding": {"system": "a", "code": "x"}}, {"question": "1.4", "operator": "<", "answerDate": "2026-01-01"},
        ]),
        q("1.20", definition="http://x.example/StructureDefinition/a#b", code=[{"system": "http://loinc.org", "code": "1-1"}], extension=[{"url": "https://elsewhere.example/glow", "valueBoolean": True}], modifierExtension=[{"url": "https://elsewhere.example/not", "valueBoolean": True}]),
    ]),
    contained=[{"resourceType": "ValueSet", "id": "vs", "compose": {"include": [{"system": "s", "concept": [{"code": "c", "display": "C"}]}, {"system": "whole"}]}}],
    extension=[{"url": "https://elsewhere.example/form", "valueString": "kept"}], derivedFrom=["http://x.example/other"], identifier=[{"value": "1"}],
    _title={"extension": []}, title="Everything", publisher="Somebody", subjectType=["Patient"], useContext=[], text={"status": "empty"},
)  # fmt: skip


def test_one_of_everything_is_taken_and_comes_out_as_it_went_in():
    found = from_fhir(EVERYTHING)
    assert as_fhir(found.content) == EVERYTHING
    form = rules.parse(found.content)
    assert {one.type for one in form.walk()} >= {"group", "display", "boolean", "decimal", "integer", "date", "dateTime", "time", "string", "text", "url", "choice", "open-choice", "attachment", "reference", "quantity"}  # fmt: skip
    assert [o.code for o in form.item("1.10").options] == ["x", "b|x", "only words"]
    assert [o.code for o in form.item("1.11").options] == ["1", "2026-01-02", "08:00:00", "s", "Patient/1"]
    assert form.item("1.18").repeats
    assert form.item("1.19").when_any


@pytest.mark.parametrize(
    "listed",
    [
        "elsewhere.example/glow", "elsewhere.example/form", "modifierExtension", "definition", "far.example/vs", "x.example/other",
        "1.15: a reference", "code system (whole)", "1.10: two code systems",
    ],
)  # fmt: skip
def test_what_has_no_effect_is_listed(listed):
    assert any(listed in note for note in from_fhir(EVERYTHING).notes), listed


def test_what_r4_leaves_open_is_filled_in_and_said():
    found = from_fhir({"resourceType": "Questionnaire", "item": [q("a")]}, url="urn:uuid:new")
    assert (found.content["url"], found.content["version"]) == ("urn:uuid:new", "1")
    assert len([note for note in found.notes if "was missing" in note]) == 3


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_our_own_forms_come_back_with_rules_scores_and_classes(path):
    content = json.loads(path.read_text())
    sent = json.dumps(as_fhir(content)).encode()
    found = from_fhir(read_file(sent))
    assert found.content == content
    assert rules.content_hash(found.content) == rules.content_hash(content)


def test_the_export_is_plain_fhir_for_others():
    sent = as_fhir(CALL)
    assert set(sent) - {"extension"} == set(CALL["definition"])
    assert [one["url"] for one in sent["extension"]] == ["https://careloop.org/fhir/StructureDefinition/content"]


# ---- the property: whatever is valid comes back ----

WORD = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), min_size=1, max_size=12)
LEAF = st.sampled_from(
    [
        "boolean",
        "decimal",
        "integer",
        "date",
        "dateTime",
        "time",
        "string",
        "text",
        "url",
        "attachment",
        "reference",
        "quantity",
        "display",
    ]
)
EXTENSION = st.builds(
    lambda name, value: {"url": f"https://any.example/{name}", "valueString": value}, st.sampled_from("abc"), WORD
)


@st.composite
def forms(draw):
    links = iter(draw(st.lists(WORD, min_size=12, max_size=12, unique=True)))
    asked: list[str] = []

    def one(depth):
        link = next(links, None)
        if link is None:
            return None
        kind = draw(st.sampled_from(["leaf", "choice", "group"]) if depth < 3 else st.sampled_from(["leaf", "choice"]))
        made = {"linkId": link, "type": draw(LEAF) if kind == "leaf" else kind, "text": draw(WORD)}
        if asked and draw(st.booleans()):
            made["enableWhen"] = [
                {"question": draw(st.sampled_from(asked)), "operator": "exists", "answerBoolean": draw(st.booleans())}
            ]
        if draw(st.booleans()):
            made["extension"] = draw(st.lists(EXTENSION, min_size=1, max_size=2))
        if kind == "choice":
            codes = draw(st.lists(WORD, min_size=1, max_size=4, unique=True))
            made["answerOption"] = [{"valueCoding": {"code": code, "display": draw(WORD)}} for code in codes]
        if draw(st.booleans()):
            made |= {
                "required": draw(st.booleans()),
                "repeats": draw(st.booleans()),
                f"_{draw(st.sampled_from(['text', 'prefix']))}": {"id": "x"},
            }
        if kind == "group":
            made["item"] = [child for _n in range(draw(st.integers(0, 3))) if (child := one(depth + 1))]
        else:
            asked.append(link)
        return made

    items = [found for _n in range(draw(st.integers(1, 4))) if (found := one(0))]
    more = draw(
        st.dictionaries(
            st.sampled_from(["publisher", "purpose", "copyright", "title", "name", "myOwnField"]), WORD, max_size=3
        )
    )
    return resource(*items, **more)


@settings(max_examples=120, deadline=None)
@given(forms())
def test_nothing_is_dropped_whatever_the_form(made):
    before = copy.deepcopy(made)
    found = from_fhir(read_file(json.dumps(made, ensure_ascii=False).encode()))
    assert as_fhir(found.content) == before
    again = from_fhir(as_fhir(found.content))
    assert again.content == found.content
    asked = {extension["url"] for one in _all(made["item"]) for extension in one.get("extension", [])}
    assert all(any(url in note for note in found.notes) for url in asked), "what has no effect is listed"


def _all(items):
    for one in items:
        yield one
        yield from _all(one.get("item", []))


# ---- refusals ----


@pytest.mark.parametrize(
    ("bad", "path", "code"),
    [
        ({"resourceType": "Patient"}, "resourceType", "not-a-questionnaire"),
        (resource(q("a", "slider")), "item[0].type", "unknown-type"),
        (resource(q("a", "question")), "item[0].type", "unknown-type"),
        (resource(q("g", "group", item=[{"linkId": "x", "type": None}])), "item[0].item[0].type", "unknown-type"),
        (resource(q("a"), q("g", "group", item=[q("a")])), "item[1].item[0].linkId", "link-twice"),
        (resource({"type": "string"}), "item[0].linkId", "missing"),
        (resource(q("x" * 300)), "item[0].linkId", "too-long"),
        (resource("text"), "item[0]", "wrong-kind"),
        (resource(q("a", repeats="yes")), "item[0].repeats", "wrong-kind"),
        (resource(q("a", item={"linkId": "b"})), "item[0].item", "wrong-kind"),
        (resource(q("a", maxLength="3")), "item[0].maxLength", "wrong-kind"),
        (resource(q("a", answerOption=["x"])), "item[0].answerOption[0]", "wrong-kind"),
        (resource(q("a", enableBehavior="some")), "item[0].enableBehavior", "unknown-code"),
        (resource(status="great"), "status", "unknown-code"),
        (resource(contained=["x"]), "contained[0]", "wrong-kind"),
        (resource(title=5), "title", "wrong-kind"),
        (resource(q("a", enableWhen=[{"question": "b", "operator": "=", "answerString": "x"}])), "item[0].enableWhen[0].question", "unknown-question"),
        (resource(q("b"), q("a", enableWhen=[{"question": "b", "operator": "~", "answerString": "x"}])), "item[1].enableWhen[0].operator", "unknown-code"),
        (resource(q("b"), q("a", enableWhen=[{"question": "b", "operator": "="}])), "item[1].enableWhen[0].answer", "missing"),
        (resource(q("b"), q("a", enableWhen=[{"question": "b", "operator": "exists", "answerString": "x"}])), "item[1].enableWhen[0].answer", "wrong-kind"),
        (resource(q("a", text="x\x00y")), "item[0].text", "unstorable-text"),
        (resource(q("a", "choice", answerValueSet="#gone")), "item[0]", "breaks-form"),
        (resource(q("a", "choice", answerOption=[{"valueCoding": {"code": "x"}}] * 2)), "item[0]", "breaks-form"),
    ],
)  # fmt: skip
def test_a_bad_form_is_refused_with_its_place(bad, path, code):
    with pytest.raises(BadResource) as caught:
        from_fhir(bad)
    assert (path, code) in [(one.path, one.code) for one in caught.value.troubles]


def waits(link, on):
    return q(link, enableWhen=[{"question": on, "operator": "exists", "answerBoolean": True}])


@pytest.mark.parametrize(
    ("items", "circle"),
    [
        ([waits("a", "a")], "a → a"),
        ([waits("a", "b"), waits("b", "a"), q("free")], "a → b → a"),
        ([waits("a", "b"), waits("b", "c"), waits("c", "b"), waits("d", "a")], "b → c → b"),
        ([{**waits("g", "in"), "type": "group", "item": [q("in")]}], "g → in → g"),
    ],
)
def test_a_circle_is_shown(items, circle):
    with pytest.raises(BadResource) as caught:
        from_fhir(resource(*items))
    assert [one.detail for one in caught.value.troubles if one.code == "circle"] == [circle]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"resourceType": "Questionnaire"', "broken-json"),
        (b"", "broken-json"),
        (b"<Questionnaire/>", "broken-json"),
        (b"[]", "not-an-object"),
        (b'"Questionnaire"', "not-an-object"),
        (b'{"a": 1, "a": 2}', "key-twice"),
        (b'{"a": NaN}', "broken-json"),
        (b'{"a": 1e999}', "broken-json"),
        (b'{"a": ' + b"9" * 6000 + b"}", "broken-json"),
        ('{"a": "问卷"}'.encode("gb18030"), "not-utf-8"),
        (b"[" * 100_000, "too-deep"),
        (b" " * (MOST_BYTES + 1), "too-big"),
        (b" " * (10 * 1024 * 1024), "too-big"),
    ],
)
def test_what_is_no_file_of_ours(data, code):
    with pytest.raises(BadResource) as caught:
        read_file(data)
    assert caught.value.troubles[0].code == code


def test_a_byte_order_mark_is_no_trouble_and_broken_json_says_where():
    assert read_file(b"\xef\xbb\xbf{}") == {}
    with pytest.raises(BadResource) as caught:
        read_file(b'{\n "a": }')
    assert caught.value.troubles[0].path.startswith("line 2")


def test_many_levels_are_taken_and_too_many_refused():
    def nested(depth):
        made = q("leaf")
        for level in range(depth):
            made = {"linkId": f"g{level}", "type": "group", "item": [made]}
        return resource(made)

    assert from_fhir(nested(40)).content
    with pytest.raises(BadResource) as caught:
        from_fhir(nested(80))
    assert caught.value.troubles[-1].code == "too-deep"


def test_not_more_than_twenty_troubles_are_told():
    with pytest.raises(BadResource) as caught:
        from_fhir(resource(*[q(f"i{n}", "strange") for n in range(60)]))
    assert len(caught.value.troubles) == 20


@pytest.mark.parametrize("text", ["{", "[]", '{"definition": {}}'])
def test_our_extension_edited_by_hand_is_refused(text):
    made = resource(
        q("a"), extension=[{"url": "https://careloop.org/fhir/StructureDefinition/content", "valueString": text}]
    )
    with pytest.raises(BadResource):
        from_fhir(made)


OURS_IN = "https://careloop.org/fhir/StructureDefinition/content"
FIRES = {"item": "a", "op": "=", "value": "x"}
RULE = {
    "code": "r", "severity": "high", "owner_role": "follow-up-nurse", "respond_within_minutes": 60, "when": FIRES,
    "sentence": {"zh": "甲", "en": "A"},
}  # fmt: skip


@pytest.mark.parametrize("where", ["rules", "paused_rules"])
@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"when": {"item": "gone", "op": "=", "value": "x"}}, "gone"), ({"when": {"score": "gone", "op": ">", "value": 1}}, "gone"),
        ({"when": {"all": [FIRES, {"not": {"previous": "gone", "op": "=", "value": "x"}}]}}, "gone"), ({"when": [1, 2]}, "condition"),
        ({"when": None}, "condition"), ({"when": {"all": []}}, "condition"), ({"when": {"worst": "terrible"}}, "worst"),
        ({"when": {"item": "a", "op": "~", "value": 1}}, "operator"), ({"severity": "awful"}, "severity"), ({"owner_role": "porter"}, "owner_role"),
        ({"respond_within_minutes": "soon"}, "respond_within_minutes"), ({"safety": {"zh": 3}}, "safety"), ({"code": None}, "code"),
    ],
)  # fmt: skip
def test_rules_edited_by_hand_that_no_page_could_say_are_refused_on_or_off(where, change, names):
    def file(rule):
        return resource(q("a"), extension=[{"url": OURS_IN, "valueString": json.dumps({where: [rule]})}])

    assert from_fhir(file(RULE)).content[where] == [RULE]
    with pytest.raises(BadResource) as refused:
        from_fhir(file({**RULE, **change}))
    assert names in str(refused.value)


@pytest.mark.parametrize("value", [3, "x", {"r": 1}, [3], [None], [[]], [{}]])
@pytest.mark.parametrize("where", ["rules", "paused_rules", "checks", "scores"])
def test_lists_of_another_kind_are_refused_by_name(where, value):
    made = resource(q("a"), extension=[{"url": OURS_IN, "valueString": json.dumps({where: value})}])
    with pytest.raises(BadResource, match=where):
        from_fhir(made)


def test_a_class_and_a_check_that_ask_for_nothing_are_refused():
    words = {"zh": "甲", "en": "A"}
    outcome = {
        "code": "1",
        "title": words,
        "reason": words,
        "next_days": 7,
        "when": {"score": "gone", "op": ">", "value": 1},
    }
    check = {"code": "c", "items": ["a"], "message": words, "when": {"item": "gone", "op": "exists", "value": True}}
    for rest in ({"classification": {"outcomes": [outcome]}}, {"checks": [check]}):
        made = resource(q("a"), extension=[{"url": OURS_IN, "valueString": json.dumps(rest)}])
        with pytest.raises(BadResource, match="gone"):
            from_fhir(made)


@settings(max_examples=150, deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=6), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["item", "linkId", "type", "enableWhen", "answerOption", "extension", "url", "initial", "code", "contained", "question"]), inner, max_size=5), max_leaves=25))  # fmt: skip
def test_no_json_breaks_the_import(anything):
    made = {"resourceType": "Questionnaire", **(anything if isinstance(anything, dict) else {"item": anything})}
    with suppress(BadResource):
        assert from_fhir(made, url="urn:x").content["url"]


def test_conditions_that_are_no_list_are_named_by_their_place():
    made = {
        "resourceType": "Questionnaire",
        "status": "active",
        "item": [{"linkId": "a", "type": "string", "enableWhen": True}],
    }
    with pytest.raises(BadResource) as refused:
        from_fhir(made, url="urn:x")
    assert ("item[0].enableWhen", "wrong-kind") in {(one.path, one.code) for one in refused.value.troubles}
