"""How long a form takes, and what differs between two versions."""

import json
from pathlib import Path

import pytest

from careloop.questionnaires import rules
from careloop.questionnaires.reads import library
from careloop.questionnaires.rules.comparing import compare
from careloop.questionnaires.rules.definition import OURS
from careloop.questionnaires.rules.length import lengths
from careloop.questionnaires.tests.forms import CALL, choice, content, form, item, number, rule, when

CONTENT = Path(__file__).parents[1] / "content"


def by_channel(parsed):
    return {one.channel: one for one in lengths(parsed, library.speeds())}


def test_questions_that_depend_are_counted_apart_and_a_pressure_once():
    found = by_channel(rules.parse(CALL))
    assert {name: (one.questions, one.always) for name, one in found.items()} == dict.fromkeys(
        ("phone", "mobile", "paper"), (5, 4)
    )


def test_a_longer_wording_takes_longer_and_nothing_takes_nothing():
    def script(words):
        return item("a", extension=[{"url": OURS + "wording", "extension": [{"url": "script", "valueString": words}]}])

    short, long = by_channel(form(script("好吗"))), by_channel(form(script("好吗" * 40)))
    assert long["phone"].seconds - short["phone"].seconds == pytest.approx(78 / 4, abs=1)
    assert long["mobile"].seconds == short["mobile"].seconds
    assert [one.seconds for one in lengths(form(), library.speeds())] == [0, 0, 0]


def test_a_picture_is_not_asked_for_on_the_telephone():
    found = by_channel(form(item("p", "attachment"), choice("c", "a")))
    assert (found["phone"].questions, found["mobile"].questions) == (1, 2)


@pytest.mark.parametrize("path", sorted(CONTENT.glob("*.json")), ids=lambda path: path.stem)
def test_shipped_forms_take_between_five_seconds_and_half_an_hour(path):
    for one in lengths(rules.parse(json.loads(path.read_text())), library.speeds()):
        assert 5 <= one.seconds <= 1800  # the shortest is a scale of one question
        assert one.always <= one.questions


OLD = form(choice("a", "x", "y"), item("b"), item("c"), {"linkId": "g", "type": "group", "text": "g", "item": [number("n", 0, 9)]}, rules=[rule("r", {"item": "a", "value": "x"}), rule("s", {"item": "a", "value": "y"})])  # fmt: skip


def kinds(found):
    return {row.link_id: row.kind for row in found.rows if row.kind != "same"}


def test_the_same_form_has_no_difference():
    assert compare(OLD, OLD).is_same


def test_what_was_added_removed_moved_and_changed():
    new = form(item("c"), choice("a", "x", "z", enableWhen=[when("c", "=", "q")]), item("new"), {"linkId": "g", "type": "group", "text": "g", "item": [number("n", 0, 10)]}, rules=[rule("r", {"item": "a", "value": "z"})])  # fmt: skip
    found = compare(OLD, new)
    seen = kinds(found)
    assert seen["b"] == "removed"
    assert seen["new"] == "added"
    assert seen["n"] == "changed"
    assert "moved" in {seen.get("a"), seen.get("c")}
    row = next(one for one in found.rows if one.link_id == "a")
    assert {"options", "when"} <= set(row.changed)
    assert {(part.what, part.code, part.kind) for part in found.parts} == {
        ("rules", "r", "changed"),
        ("rules", "s", "removed"),
    }
    assert found.counts["removed"] == 2


def test_into_another_group_is_a_move():
    new = form(
        choice("a", "x", "y"),
        item("b"),
        {"linkId": "g", "type": "group", "text": "g", "item": [item("c"), number("n", 0, 9)]},
    )
    assert kinds(compare(OLD, new))["c"] == "moved"


def test_forward_and_back_are_mirror_images():
    new = rules.parse(content(item("c"), choice("a", "x"), item("q")))
    there, back = compare(OLD, new), compare(new, OLD)
    assert {r.link_id for r in there.rows if r.kind == "added"} == {r.link_id for r in back.rows if r.kind == "removed"}
    assert {r.link_id for r in there.rows} == {r.link_id for r in back.rows}
