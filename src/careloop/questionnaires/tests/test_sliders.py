"""A slider: read from FHIR and written back, its marks, and that one nobody touched is no answer."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.questionnaires import rules
from careloop.questionnaires.reads.asking import field_of, kind_of
from careloop.questionnaires.reads.sliding import slider_of
from careloop.questionnaires.rules import designing, fhir
from careloop.questionnaires.rules.definition import HL7
from careloop.questionnaires.tests.forms import content, form, number

CONTROL = {
    "url": HL7 + "questionnaire-itemControl",
    "valueCodeableConcept": {
        "coding": [{"system": "http://hl7.org/fhir/questionnaire-item-control", "code": "slider"}]
    },
}
STEP = {"url": HL7 + "questionnaire-sliderStepValue", "valueInteger": 5}


def slider(low=0, high=100, *extension, kind="integer", **more):
    return number("s", low, high, kind, extension=[CONTROL, *extension], **more)


def changed(made, field, value):
    return designing.change(made, "set", {"link": "s", "field": field, "value": value})


def test_it_comes_from_fhir_and_goes_back_without_loss():
    resource = content(slider(0, 100, STEP))["definition"]
    brought = fhir.from_fhir(resource)
    assert brought.notes == ()
    item = rules.parse(brought.content).item("s")
    assert (item.is_slider, item.slider_step, kind_of(item)) == (True, 5, "slider")
    assert fhir.as_fhir(brought.content) == resource


@pytest.mark.parametrize(
    ("low", "high", "kind"), [(None, 100, "integer"), (0, None, "integer"), (5, 5, "integer"), (9, 1, "decimal")]
)
def test_without_two_ends_it_is_typed_and_not_published(low, high, kind):
    made = form(slider(low, high, kind=kind))
    assert kind_of(made.item("s")) != "slider"
    assert [one.code for one in rules.proofread(made)] == ["slider-ends"]


def test_a_step_longer_than_the_way_is_a_mistake():
    assert [one.code for one in rules.proofread(form(slider(0, 4, STEP)))] == ["slider-step"]


def test_other_controls_of_fhir_change_nothing():
    other = {"url": CONTROL["url"], "valueCodeableConcept": {"coding": [{"code": "spinner"}]}}
    bare = {"url": CONTROL["url"], "valueCodeableConcept": {}}
    for extension in (other, bare, {"url": CONTROL["url"]}):
        assert kind_of(form(number("s", 0, 100, extension=[extension])).item("s")) == "number"


@pytest.mark.parametrize(
    ("low", "high", "kind", "extension", "marks"),
    [
        (0, 100, "integer", (STEP,), "0 10 20 30 40 50 60 70 80 90 100"),
        (0, 10, "integer", (), "0 1 2 3 4 5 6 7 8 9 10"),
        (0, 1, "decimal", (), "0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1"),
        (-5, 5, "integer", (STEP,), "-5 0 5"),
        (0, 7, "integer", (STEP,), "0 7"),
    ],
)
def test_the_numbers_under_it(low, high, kind, extension, marks):
    assert " ".join(slider_of(form(slider(low, high, *extension, kind=kind)).item("s")).marks) == marks


@given(low=st.integers(-1000, 1000), way=st.integers(1, 2000), step=st.integers(1, 50))
def test_never_more_than_eleven_marks_and_both_ends_among_them(low, way, step):
    extension = {**STEP, "valueInteger": step}
    marks = slider_of(form(slider(low, low + way, extension)).item("s")).marks
    assert 2 <= len(marks) <= 11
    assert (marks[0], marks[-1]) == (str(low), str(low + way))
    assert [Decimal(one) for one in marks] == sorted({Decimal(one) for one in marks})


def test_untouched_it_has_no_value_and_a_value_out_of_its_ends_is_a_fault():
    made = form(slider(0, 100, STEP))
    field = field_of(made, made.item("s"))
    assert (field.kind, field.value, field.slider.step) == ("slider", "", "5")
    assert field_of(made, made.item("s"), given=0).value == 0
    assert rules.clean_value(made.item("s"), "") is None
    assert [one.code for one in rules.faults(made, {"s": 101}, complete=False)] == ["too-high"]
    assert rules.faults(made, {"s": 37}, complete=True) == ()  # a nurse may type between the marks


def test_the_designer_makes_one_and_takes_it_back():
    made = content(number("s", 0, 1, "decimal"))
    on = changed(changed(made, "slider", "1"), "step", "0.25")
    item = rules.parse(on).item("s")
    assert (item.is_slider, item.slider_step) == (True, Decimal("0.25"))
    whole = changed(on, "step", "1")
    assert rules.parse(whole).item("s").slider_step == 1
    off = changed(changed(whole, "step", ""), "slider", "")
    assert off["definition"] == made["definition"]


@pytest.mark.parametrize(("kind", "value"), [("integer", "0.5"), ("integer", "0"), ("decimal", "-1"), ("decimal", "x")])
def test_a_step_that_is_none_is_refused(kind, value):
    with pytest.raises(designing.BadEdit) as caught:
        changed(content(slider(0, 10, kind=kind)), "step", value)
    assert caught.value.code == "not-a-number"


def test_only_plain_numbers_can_be_sliders():
    for kind in ("quantity", "string", "date"):
        with pytest.raises(designing.BadEdit):
            changed(content({"linkId": "s", "type": kind, "text": "s"}), "slider", "1")
