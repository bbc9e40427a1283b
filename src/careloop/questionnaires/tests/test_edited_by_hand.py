"""Content edited by hand: whatever stands in whatever place, it is used or refused with its place; nothing breaks."""

import copy
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from careloop.kernel.errors import Refused
from careloop.questionnaires import rules
from careloop.questionnaires.actions._proofing import proofed
from careloop.questionnaires.reads import designer, wording
from careloop.questionnaires.rules import designing, fhir

CONTENT = Path(__file__).parents[1] / "content"
AT = datetime(2026, 11, 20, tzinfo=UTC)
SHIPPED = {
    name: json.loads((CONTENT / f"{name}.json").read_text())
    for name in ("pci-follow-up", "barthel", "hypertension-national", "tuberculosis-closing-national")
}
NASTY = st.sampled_from(
    [None, True, False, 0, -1, 10**30, 1.5, float("nan"), "", " ", "x", "²", "9" * 5000, "\x00", "\ud800", "otherwise", [], [[]], [None], ["x"],
     {}, {"": None}, {"zh": 1, "en": []}, {"item": "sbp", "op": ">=", "value": "many"}, {"any": "x"}, {"all": [{}]}, {"not": None},
     {"change": "sbp", "op": ">", "value": 1, "days": 10**12}, {"linkId": "sbp", "type": "choice"}, {"valueInteger": "1"}]
)  # fmt: skip


def places(value, path=()):
    """The path of every value in a file."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        yield from places(one, (*path, key))


PLACES = {name: [path for path in places(content) if path] for name, content in SHIPPED.items()}


def put(content, path, value):
    """The content with another value in one place; the place is taken out for the value `...`."""
    changed = copy.deepcopy(content)
    *way, last = path
    target = changed
    for key in way:
        target = target[key]
    if value is ...:
        del target[last]
    else:
        target[last] = copy.deepcopy(value)
    return changed


@st.composite
def edits(draw):
    """One or two changed places of a shipped form: name, and pairs of path and value."""
    name = draw(st.sampled_from(sorted(SHIPPED)))
    change = st.tuples(st.sampled_from(PLACES[name]), st.one_of(NASTY, st.just(...)))
    return name, draw(st.lists(change, min_size=1, max_size=2))


def edited(name, changes):
    content = SHIPPED[name]
    for path, value in changes:
        try:
            content = put(content, path, value)
        except (KeyError, IndexError, TypeError):  # the first change took this place away
            continue
    return content


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(change=edits())
def test_a_form_edited_by_hand_is_refused_or_can_be_asked_scored_and_judged(change):
    content = edited(*change)
    try:
        form = proofed(content)
    except Refused as refusal:
        assert str(refusal).strip()  # noqa: PT017  (a refusal is one of two right outcomes)
        return
    for answers in ({}, {item.link_id: item.options[0].code for item in form.questions if item.options}, {item.link_id: 200 for item in form.questions}):  # fmt: skip
        assert len(list(rules.enabled_items(form, answers))) <= len(form.index)
        rules.faults(form, answers, complete=True)
        rules.judge(form, answers, previous=answers, previous_at=AT - timedelta(days=3), at=AT)
        rules.classify(form, answers, previous=answers, previous_at=AT - timedelta(days=3), at=AT)
        rules.score(form, answers)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(change=edits())
def test_a_file_edited_by_hand_is_taken_in_or_refused_with_every_path(change):
    content = edited(*change)
    try:
        text = json.dumps(content).encode()
    except ValueError:
        return
    try:
        resource = fhir.resource_of(fhir.read_file(text))
        found = fhir.from_fhir(resource, url="https://careloop.example/Questionnaire/x")
    except fhir.BadResource as fault:
        assert fault.troubles  # noqa: PT017  (a refusal is one of two right outcomes)
        return
    json.dumps(found.content)
    form = rules.parse(found.content)
    assert len(list(designer._rule_cards(form, found.content))) >= len(form.rules), "the page can say every rule"
    wording.class_lines(form)
    assert (found.content["url"], found.content["version"]) == (
        found.content["definition"]["url"],
        found.content["definition"]["version"],
    )


NEW = {"linkId": "new", "type": "integer", "text": "新题"}
OPS = ("set-form", "set", "add-item", "move", "copy", "remove", "add-options", "set-option", "move-option", "add-when", "remove-when",
       "add-rule", "set-rule", "add-line", "remove-line", "add-score", "set-score", "set-behavior", "no-such-op", "")  # fmt: skip
VALUES = st.one_of(st.sampled_from(["", "0", "1", "-1", "²", "9" * 5000, "1e9", "NaN", "sbp", "chest-pain", "up", "down", "text", "weight", "minValue",
                                    "maxLength", "decimals", "minutes", "severity", ">=", "exists", "\x00", "😀" * 50]), st.text(max_size=12))  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    op=st.sampled_from(OPS),
    params=st.dictionaries(st.sampled_from(["link", "field", "value", "place", "way", "about", "operator", "days", "rule", "score", "after", "into", "question"]), VALUES),
)  # fmt: skip
def test_no_posted_change_breaks_the_designer(op, params):
    try:
        changed = designing.change(SHIPPED["pci-follow-up"], op, params, material=NEW if op == "add-item" else None)
    except designing.BadEdit as fault:
        assert fault.code  # noqa: PT017  (a refusal is one of two right outcomes)
        return
    json.dumps(changed)
    rules.parse(changed)


@pytest.mark.parametrize(
    "text", ["", " ", "-1", "+1", "1.0", "1e3", "²", "٣", "１", "9" * 5000, "1000001", "0x1", "1_0"]
)
def test_what_is_no_plain_whole_number_is_none(text):
    assert rules.whole_number(text) is None


@pytest.mark.parametrize(
    ("text", "most", "number"), [("0", 9, 0), ("9", 9, 9), ("10", 9, None), ("007", 999, 7), ("43200", 43_200, 43_200)]
)
def test_a_plain_whole_number_up_to_the_most(text, most, number):
    assert rules.whole_number(text, most) == number
