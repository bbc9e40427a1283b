"""The drawn way through a form: every question a box, every condition an arrow, and reading aloud switched off."""

from hypothesis import given
from hypothesis import strategies as st

from careloop.questionnaires import rules
from careloop.questionnaires.reads import drawing
from careloop.questionnaires.reads.asking import field_of
from careloop.questionnaires.rules import designing, fhir
from careloop.questionnaires.tests.forms import CALL, choice, content, form, item, when


def drawn(made):
    titles = {one.link_id: one.staff.zh for one in made.questions}
    return drawing.drawing(made, titles=titles, severities={}, words={})


@given(st.lists(st.integers(0, 30), max_size=12))
def test_boxes_never_touch_and_arrows_go_to_the_right(earlier):
    items = [choice("q0", "yes")]
    for place, chosen in enumerate(earlier, start=1):
        more = {"enableWhen": [when(f"q{chosen % place}", "=", "yes")]} if chosen % 3 else {}
        items.append(choice(f"q{place}", "yes", **more))
    made = form(*items)
    shown = drawn(made)
    assert [node.number for node in shown.nodes] == list(range(1, len(items) + 1))
    places = {(node.x, node.y) for node in shown.nodes}
    assert len(places) == len(items)
    assert all(abs(a.y - b.y) >= drawing.HEIGHT for a in shown.nodes for b in shown.nodes if a != b and a.x == b.x)
    assert len(shown.arrows) == sum(1 for one in made.questions if one.when)
    level = drawing.levels(made)
    for one in made.questions:
        assert all(level[line.question] < level[one.link_id] for line in one.when)
    assert all(node.x + drawing.WIDTH < shown.width and node.y + drawing.HEIGHT < shown.height for node in shown.nodes)


def test_a_question_waits_for_what_its_section_waits_for():
    part = {"linkId": "part", "type": "group", "text": "p", "enableWhen": [when("a", "=", "yes")], "item": [item("b")]}
    made = form(choice("a", "yes"), part)
    assert drawing.waits_of(made, made.item("b")) == [("a", "=", "yes")]
    assert drawing.levels(made) == {"a": 0, "b": 1}


def test_an_empty_form_is_an_empty_drawing():
    assert drawn(form()).nodes == ()


def test_reading_aloud_is_on_until_it_is_switched_off_and_travels_with_fhir():
    assert field_of(rules.parse(CALL), rules.parse(CALL).item("pain")).spoken
    off = designing.change(CALL, "set-form", {"field": "read-aloud", "value": ""})
    again = rules.parse(fhir.from_fhir(fhir.as_fhir(off)).content)
    assert not again.read_aloud
    assert field_of(again, again.item("pain")).spoken == ""
    on = designing.change(off, "set-form", {"field": "read-aloud", "value": "1"})
    assert rules.parse(on).read_aloud
    assert rules.parse(content(item("a"), read_aloud=None)).read_aloud
