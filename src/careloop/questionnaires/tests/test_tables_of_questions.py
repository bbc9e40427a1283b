"""A table of questions: rows share their options and stay questions of their own, for logic, scores and rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.questionnaires import rules
from careloop.questionnaires.models import Questionnaire
from careloop.questionnaires.reads import preview
from careloop.questionnaires.reads.asking import field_of
from careloop.questionnaires.rules import designing, fhir
from careloop.questionnaires.rules.definition import HL7
from careloop.questionnaires.tests.forms import choice, content, form, item, number, rule, when
from tests.cast import NOW


def control(code):
    coding = {"system": "http://hl7.org/fhir/questionnaire-item-control", "code": code}
    return {"url": HL7 + "questionnaire-itemControl", "valueCodeableConcept": {"coding": [coding]}}


def table(*rows, code="table", **more):
    rows = rows or tuple(choice(name, "no", "yes", weights=(0, 1)) for name in ("a", "b", "c"))
    return {
        "linkId": "m", "type": "group", "text": "最近一周", "extension": [control(code)], "item": list(rows), **more
    }  # fmt: skip


MADE = content(
    item("before"), table(), item("after"),
    rules=[rule("both", {"all": [{"item": "a", "op": "=", "value": "yes"}, {"item": "c", "op": "=", "value": "yes"}]})],
    scores=[{"code": "n", "title": {"zh": "总分", "en": "Sum"}, "items": ["a", "b", "c"], "missing": "null", "bands": []}],
)  # fmt: skip


def change(op, made=MADE, **params):
    return designing.change(made, op, params)


def refused(op, made=MADE, **params):
    with pytest.raises(designing.BadEdit) as caught:
        change(op, made, **params)
    return caught.value.code


def codes(made):
    return [[one.code for one in row.options] for row in rules.parse(made).item("m").items]


@pytest.mark.parametrize("code", ["table", "gtable"])
def test_it_comes_from_fhir_and_goes_back_without_loss(code):
    resource = content(table(code=code))["definition"]
    brought = fhir.from_fhir(resource)
    assert brought.notes == ()
    assert rules.parse(brought.content).item("m").is_matrix
    assert fhir.as_fhir(brought.content) == resource


@pytest.mark.parametrize(
    "made",
    [
        table(choice("a", "x", "y"), choice("b", "x", "z")),
        table(choice("a", "x"), item("b")),
        table(choice("a", "x", repeats=True)),
        table(choice("a", "x", item=[item("c")])),
        table(repeats=True),
    ],
)
def test_a_table_of_unlike_questions_is_asked_one_by_one_and_that_is_said(made):
    parsed = form(made)
    assert not parsed.item("m").is_matrix
    assert [line for line in parsed.unsupported if "unlike" in line]
    assert rules.proofread(parsed) == ()


def test_rows_are_ordinary_questions():
    parsed = rules.parse(MADE)
    assert [[one.link_id for one in screen] for screen in parsed.screens] == [
        ["before"],
        ["a"],
        ["b"],
        ["c"],
        ["after"],
    ]
    assert [one.rule_code for one in rules.judge(parsed, {"a": "yes", "c": "yes"})] == ["both"]
    assert rules.judge(parsed, {"a": "yes", "b": "yes"}) == ()
    field = field_of(parsed, parsed.item("b"))
    assert (field.kind, field.over) == ("radio", "最近一周")
    assert field.spoken.startswith("最近一周\n")


def test_the_desk_and_paper_know_where_it_begins(db):
    shown = preview(Questionnaire(content=MADE, status="draft"), at=NOW)
    opens = [line.screen.matrix and line.screen.matrix.opens for line in shown]
    assert opens == [None, True, False, False, None]
    first = shown[1].screen.matrix
    assert first.options == ("NO", "YES")
    assert first.rows == ((2, "a", ""), (3, "b", ""), (4, "c", ""))


@pytest.mark.parametrize(
    ("op", "params", "after"),
    [
        ("add-options", {"value": "也许|2"}, ["no", "yes", "o1"]),
        ("move-option", {"place": "0", "way": "down"}, ["yes", "no"]),
        ("set-option", {"place": "1", "field": "text", "value": "有"}, ["no", "yes"]),
    ],
)
def test_options_are_changed_in_every_row(op, params, after):
    made = change(op, link="b", **params)
    assert codes(made) == [after] * 3
    assert rules.parse(made).item("m").is_matrix


def test_an_option_that_a_rule_waits_for_in_another_row_stays():
    assert refused("remove-option", link="b", place="1") == "still-used"
    assert codes(change("remove-option", link="b", place="0")) == [["yes"]] * 3
    assert codes(MADE) == [["no", "yes"]] * 3  # a refused or made change touches no other content


def test_new_rows_bring_the_options_along_and_nothing_else():
    waits = content(table(choice("a", "x"), choice("b", "x", enableWhen=[when("a", "=", "x")], code=[{"code": "1"}])))
    made = change("add-rows", waits, link="m", value="第一\n\n 第二 ")
    rows = made["definition"]["item"][0]["item"]
    assert [(row["linkId"], row["text"]) for row in rows[2:]] == [("b-2", "第一"), ("b-2-2", "第二")]
    assert not {"enableWhen", "code"} & set(rows[2])
    assert refused("add-rows", link="m", value=" \n") == "empty-text"
    assert refused("add-rows", link="before", value="x") == "not-a-group"


def test_nothing_is_put_between_the_rows():
    pain = number("pain", 0, 10)
    made = designing.change(MADE, "add-item", {"after": "a"}, material=pain)
    assert [one["linkId"] for one in made["definition"]["item"]] == ["before", "m", "pain", "after"]
    assert not designing.is_section(MADE["definition"]["item"][1])


@given(texts=st.lists(st.text("甲乙abc", min_size=1, max_size=4), min_size=1, max_size=6))
def test_whatever_is_added_it_stays_a_table(texts):
    made = change("add-options", link="a", value="\n".join(texts))
    made = change("add-rows", made, link="m", value="\n".join(texts))
    parsed = rules.parse(made)
    assert parsed.item("m").is_matrix
    assert len(parsed.item("m").items) == 3 + len(texts)
    assert rules.parse(fhir.from_fhir(fhir.as_fhir(made)).content).items == parsed.items
