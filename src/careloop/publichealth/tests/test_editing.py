"""Writing an opinion table row by row: every change, every refusal, comparisons, mistakes in words. No database."""

import copy
import json

import pytest
from django.utils import translation
from hypothesis import given, settings
from hypothesis import strategies as st

from careloop.publichealth import rules
from careloop.publichealth.reads import tables
from careloop.publichealth.rules.editing import MOST_LINES, OPERATIONS, answers_of, change_table
from careloop.publichealth.tests.factories import ONCOLOGY, shipped_forms, table_content
from careloop.questionnaires.rules import Mistake, condition_mistakes
from careloop.questionnaires.rules.designing import BadEdit

FORM = shipped_forms()[ONCOLOGY]


def changed(op, content=None, **params):
    return change_table(content or table_content(), op, {k: str(v) for k, v in params.items()}, FORM)


def codes(content):
    return [row["code"] for row in content["outcomes"]]


def refused(op, content=None, **params):
    before = content or table_content()
    kept = copy.deepcopy(before)
    with pytest.raises(BadEdit) as fault:
        change_table(before, op, {k: str(v) for k, v in params.items()}, FORM)
    assert before == kept, "a refused change changes nothing"
    for language in ("zh-hans", "en"):
        with translation.override(language):
            assert tables.edit_words(fault.value)
    return fault.value.code


# --- rows ------------------------------------------------------------------------------------------------------


def test_a_new_row_stands_before_the_closing_row_behind_the_chosen_one_or_at_the_end():
    assert codes(changed("add-row", code="new")) == ["relapse", "normal", "new", "worse"]
    assert codes(changed("add-row", code="new", row=1)) == ["relapse", "new", "normal", "worse"]
    content = table_content(outcomes=table_content()["outcomes"][:2])
    assert codes(changed("add-row", content, code="new")) == ["relapse", "normal", "new"]


def test_a_new_row_is_tried_last_and_has_to_be_finished():
    content = changed("add-row", code="improved")
    assert content["outcomes"][2] == {
        "code": "improved", "title": {"zh": "improved", "en": "improved"}, "reason": {"zh": "", "en": ""}, "when": {"all": []}, "else": True,
    }  # fmt: skip
    with pytest.raises(rules.BadTable, match="row 3: needs a reason"):
        rules.parse_table(content)


@pytest.mark.parametrize(
    ("row", "way", "order"),
    [
        (1, "up", ["relapse", "normal", "worse"]),
        (2, "up", ["normal", "relapse", "worse"]),
        (3, "down", ["relapse", "normal", "worse"]),
        (1, "down", ["normal", "relapse", "worse"]),
    ],
)
def test_rows_move_one_place_and_stay_at_the_ends(row, way, order):
    assert codes(changed("move-row", row=row, way=way)) == order


def test_rows_are_copied_and_removed():
    assert codes(changed("copy-row", row=2)) == ["relapse", "normal", "normal", "worse"]
    assert codes(changed("remove-row", row=1)) == ["normal", "worse"]


def test_a_copied_row_is_its_own():
    content = changed("copy-row", row=2)
    content = changed("set-row", content, row=3, field="title", value="新")
    assert content["outcomes"][1]["title"]["zh"] == "字"


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("title", "好转", {"title": {"zh": "好转", "en": "word"}}),
        ("title-en", "Better", {"title": {"zh": "字", "en": "Better"}}),
        ("reason", "因为", {"reason": {"zh": "因为", "en": "word"}}),
        ("reason-en", "why", {"reason": {"zh": "字", "en": "why"}}),
        ("code", "other", {"code": "other"}),
        ("else", "1", {"else": True}),
        ("clear", "", {"when": {"all": []}}),
        ("otherwise", "1", {"when": "otherwise"}),
    ],
)
def test_each_field_of_a_row_is_set(field, value, expected):
    row = changed("set-row", row=1, field=field, value=value)["outcomes"][0]
    assert row == table_content()["outcomes"][0] | expected


def test_otherwise_and_else_are_taken_back():
    content = changed("set-row", row=3, field="otherwise", value="")
    assert content["outcomes"][2]["when"] == {"all": []}
    assert "else" not in changed("set-row", row=2, field="else", value="")["outcomes"][1]


@pytest.mark.parametrize(
    ("op", "params", "code"),
    [
        ("fly", {}, "unknown-change"),
        *[(op, {"row": row}, "unknown-row") for op in ("copy-row", "remove-row", "move-row", "add-line") for row in ("0", "4", "x", "", "-1", "9" * 30)],
        ("add-row", {"code": " "}, "empty-text"),
        ("set-row", {"row": 1, "field": "colour", "value": "red"}, "unknown-field"),
        ("set-row", {"row": 1, "field": "code", "value": ""}, "empty-text"),
        ("set-row", {"row": 1, "field": "join", "value": "none"}, "unknown-field"),
        ("add-line", {"row": 1, "link": "piano", "value": "1"}, "unknown-question"),
        ("add-line", {"row": 1, "link": "pain", "value": "much"}, "not-a-number"),
        ("add-line", {"row": 1, "link": "pain", "value": "NaN"}, "not-a-number"),
        ("add-line", {"row": 1, "link": "pain", "value": "3", "operator": "~"}, "unknown-field"),
        ("add-line", {"row": 1, "link": "pain", "value": "3", "about": "tomorrow"}, "unknown-field"),
        ("add-line", {"row": 1, "link": "lump", "value": ""}, "empty-text"),
        ("add-line", {"row": 1, "link": "lump", "value": "maybe"}, "unknown-choice"),
        ("add-line", {"row": 1, "about": "previous", "link": "lump", "value": "maybe"}, "unknown-choice"),
        ("add-line", {"row": 1, "about": "score", "link": "total", "value": "3"}, "unknown-score"),
        ("add-line", {"row": 1, "about": "worst", "value": "terrible"}, "unknown-field"),
        ("add-part", {"row": 2, "place": "7", "link": "pain", "value": "1"}, "unknown-line"),
        ("remove-line", {"row": 2, "place": "x"}, "unknown-line"),
        ("remove-line", {"row": 2, "place": "0", "part": "9"}, "unknown-line"),
        ("remove-vector", {"vector": 3}, "unknown-row"),
        ("add-vector", {"value": "piano = 1", "opinion": "normal"}, "unknown-question"),
        ("add-vector", {"value": "pain", "opinion": "normal"}, "unknown-question"),
        ("add-vector", {"value": "lump = maybe", "opinion": "normal"}, "unknown-choice"),
        ("add-vector", {"value": "pain = x", "opinion": "normal"}, "not-a-number"),
        ("add-vector", {"value": "pain = 1", "opinion": "bliss"}, "unknown-opinion"),
        ("set-table", {"field": "colour"}, "unknown-field"),
    ],
)  # fmt: skip
def test_every_change_that_cannot_be_made_is_refused_with_its_code(op, params, code):
    assert refused(op, **params) == code


def test_limits_are_refused():
    rows = table_content()["outcomes"]
    assert refused("add-row", table_content(outcomes=rows * 14), code="x") == "too-many-rows"
    assert refused("copy-row", table_content(outcomes=rows * 14), row=1) == "too-many-rows"
    assert refused("remove-row", table_content(outcomes=rows[:1]), row=1) == "last-row"
    content = table_content()
    content["outcomes"][1]["when"] = {"all": [{"item": "pain", "op": "<=", "value": n % 10} for n in range(MOST_LINES)]}
    assert refused("add-line", content, row=2, link="pain", value=1) == "too-many-lines"
    content = table_content(vectors=[{"answers": {}, "opinion": None}] * 100)
    assert refused("add-vector", content, value="pain=1", opinion="normal") == "too-many-rows"


# --- conditions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "leaf"),
    [
        ({"link": "pain", "operator": ">=", "value": "4"}, {"item": "pain", "op": ">=", "value": 4}),
        ({"link": "pain", "operator": "=", "value": "not-measured"}, {"item": "pain", "op": "=", "value": "not-measured"}),
        ({"link": "lump", "operator": "=", "value": "yes"}, {"item": "lump", "op": "=", "value": "yes"}),
        ({"link": "lump", "operator": "exists", "value": "true"}, {"item": "lump", "op": "exists", "value": True}),
        ({"link": "lump", "operator": "exists", "value": "false"}, {"item": "lump", "op": "exists", "value": False}),
        ({"link": "pain", "about": "previous", "value": "2"}, {"previous": "pain", "op": "=", "value": 2}),
        ({"link": "pain", "about": "change", "operator": ">", "value": "2", "days": "30"}, {"change": "pain", "op": ">", "value": 2, "days": 30}),
        ({"about": "worst", "value": "high"}, {"worst": "high"}),
    ],
)  # fmt: skip
def test_each_kind_of_line_is_added_and_can_be_read(params, leaf):
    content = changed("add-line", row=2, **params)
    assert content["outcomes"][1]["when"] == {"all": [{"item": "pain", "op": "<=", "value": 3}, leaf]}
    assert condition_mistakes(FORM, content["outcomes"][1]["when"], kind="row", place=2) == ()
    with translation.override("en"):
        assert tables.sentence(FORM, content["outcomes"][1]["when"])


def test_several_options_are_alternatives_and_parts_are_added_and_taken_away():
    content = changed("set-row", row=2, field="clear")
    content = changed("add-line", content, row=2, link="condition", value="normal,limited")
    both = [{"item": "condition", "op": "=", "value": name} for name in ("normal", "limited")]
    assert content["outcomes"][1]["when"] == {"all": [{"any": both}]}
    content = changed("add-part", content, row=2, place=0, link="condition", value="bed")
    assert len(content["outcomes"][1]["when"]["all"][0]["any"]) == 3
    content = changed("remove-line", content, row=2, place=0, part=1)
    assert [leaf["value"] for leaf in content["outcomes"][1]["when"]["all"][0]["any"]] == ["normal", "bed"]
    content = changed("remove-line", content, row=2, place=0, part=0)
    assert content["outcomes"][1]["when"] == {"all": [{"item": "condition", "op": "=", "value": "bed"}]}
    content = changed("remove-line", content, row=2, place=0, part=0)
    assert content["outcomes"][1]["when"] == {"all": []}


def test_in_a_row_joined_by_or_several_options_are_lines_of_their_own():
    content = changed("set-row", row=2, field="join", value="any")
    content = changed("add-line", content, row=2, link="condition", value="normal,bed")
    assert [len(line) for line in rules.row_lines(content["outcomes"][1])[1]] == [1, 1, 1]


def test_all_and_any_change_places_only_while_there_is_nothing_inside():
    content = changed("set-row", row=1, field="join", value="any")
    assert list(content["outcomes"][0]["when"]) == ["any"]
    content = changed("add-part", row=1, place=0, link="pain", value=1)
    assert refused("set-row", content, row=1, field="join", value="any") == "deep-row"


@pytest.mark.parametrize(
    "when",
    [
        {"not": {"item": "pain", "op": "=", "value": 1}},
        {"all": [{"not": {"item": "pain", "op": "=", "value": 1}}]},
        {"any": [{"all": [{"any": [{"item": "pain", "op": "=", "value": 1}]}]}]},
        {"all": [{"item": "pain", "op": "<", "value_of": "pain"}]},
        {"all": "x"}, "sometimes", 5, None,
    ],
)  # fmt: skip
def test_a_condition_too_deep_for_lines_is_kept_until_it_is_cleared(when):
    content = table_content()
    content["outcomes"][1]["when"] = when
    assert rules.row_lines(content["outcomes"][1]) is None
    assert refused("add-line", content, row=2, link="pain", value=1) == "deep-row"
    assert changed("set-row", content, row=2, field="clear")["outcomes"][1]["when"] == {"all": []}


LEAVES = st.one_of(
    st.builds(
        lambda op, n: {"item": "pain", "op": op, "value": n}, st.sampled_from(["=", "<=", ">"]), st.integers(0, 10)
    ),
    st.builds(lambda code: {"previous": "lump", "op": "=", "value": code}, st.sampled_from(["yes", "no"])),
    st.builds(lambda level: {"worst": level}, st.sampled_from(["high", "none"])),
)


@given(
    join=st.sampled_from(["all", "any"]),
    lines=st.lists(st.lists(LEAVES, min_size=1, max_size=3), min_size=1, max_size=4),
)
def test_lines_that_are_read_and_written_again_mean_the_same(join, lines):
    inner = {"all": "any", "any": "all"}[join]
    row = {"when": {join: [line[0] if len(line) == 1 else {inner: line} for line in lines]}}
    found_join, found = rules.row_lines(row)
    content = table_content(outcomes=[{**table_content()["outcomes"][0], **row}])
    # adding a line and removing it again writes the row anew
    there = changed("add-line", content, row=1, link="pain", value=1) if len(found) < MOST_LINES else content
    back = changed("remove-line", there, row=1, place=len(found))
    assert rules.row_lines(back["outcomes"][0]) == (found_join, found)
    assert back["outcomes"][0]["when"] == row["when"]


@settings(max_examples=60)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(sorted(OPERATIONS)),
            st.fixed_dictionaries(
                {},
                optional={
                    "row": st.sampled_from(["1", "2", "3", "9", ""]), "code": st.text(max_size=8), "value": st.text(max_size=8) | st.sampled_from(["3", "yes", "pain=2"]),
                    "field": st.sampled_from(["title", "reason-en", "else", "otherwise", "join", "clear", "code", "x"]),
                    "link": st.sampled_from(["pain", "lump", "condition", "nothing"]), "operator": st.sampled_from(["=", "<=", "exists", "?"]),
                    "place": st.sampled_from(["0", "1", "x"]), "way": st.sampled_from(["up", "down"]), "opinion": st.sampled_from(["normal", "", "?"]), "vector": st.sampled_from(["1", "2"]),
                },
            ),
        ),
        max_size=8,
    )
)  # fmt: skip
def test_whatever_is_done_the_table_can_be_shown_stored_and_judged(steps):
    content, told = table_content(), []
    for op, params in steps:
        try:
            content = change_table(content, op, params, FORM)
        except BadEdit as fault:
            told.append(tables.edit_words(fault))
    assert json.loads(json.dumps(content)) == content
    for row in content["outcomes"]:
        assert isinstance(tables.sentence(FORM, row["when"]), str)
    try:
        table = rules.parse_table(content)
    except rules.BadTable as fault:
        told += [tables.table_words(one) for one in fault.mistakes]
    else:
        told += [tables.table_words(one, FORM) for one in rules.proofread_table(table, FORM)]
    assert all(told)


# --- examples --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("pain = 3; lump = no", {"pain": 3, "lump": "no"}),
        ("pain=3；lump=yes\n", {"pain": 3, "lump": "yes"}),
        ("pain = 2.5", {"pain": 2.5}),
        ("", {}),
        (" ; ", {}),
    ],
)
def test_typed_answers_are_read(text, answers):
    assert answers_of(text, FORM) == answers


def test_answers_are_read_by_the_words_of_the_question_and_the_option():
    item = FORM.item("lump")
    assert answers_of(f"{item.staff.zh} = {item.options[0].staff.zh}", FORM) == {"lump": item.options[0].code}


def test_examples_are_proposed_for_rows_without_one_and_then_nothing_is_missing():
    bare = table_content(vectors=[])
    made = changed("propose-vectors", bare)
    table = rules.parse_table(made)
    assert {one["opinion"] for one in made["vectors"]} == {"relapse", "normal", "worse"}
    assert rules.proofread_table(table, FORM) == ()
    assert changed("propose-vectors", made)["vectors"] == made["vectors"], "again: nothing more"


def test_no_examples_while_the_conditions_are_wrong():
    content = changed("add-row", code="x")
    assert refused("propose-vectors", content) == "mend-first"


# --- two versions ----------------------------------------------------------------------------------------------


def test_the_same_table_has_no_difference():
    assert {kind for kind, *_rest in rules.compare_tables(table_content(), table_content())} == {"same"}


@pytest.mark.parametrize(
    ("op", "params", "expected"),
    [
        ("remove-row", {"row": 1}, [("same", 2, 1), ("same", 3, 2), ("removed", 1, None)]),
        ("add-row", {"code": "new"}, [("same", 1, 1), ("same", 2, 2), ("added", None, 3), ("same", 3, 4)]),
        ("set-row", {"row": 2, "field": "reason", "value": "x"}, [("same", 1, 1), ("changed", 2, 2), ("same", 3, 3)]),
        ("set-row", {"row": 2, "field": "code", "value": "x"}, [("same", 1, 1), ("changed", 2, 2), ("same", 3, 3)]),
        ("add-line", {"row": 2, "link": "lump", "value": "no"}, [("same", 1, 1), ("changed", 2, 2), ("same", 3, 3)]),
    ],
)
def test_each_change_is_seen_as_what_it_is(op, params, expected):
    assert rules.compare_tables(table_content(), changed(op, **params)) == expected


def test_a_moved_row_is_moved_and_the_others_stay():
    kinds = [kind for kind, *_rest in rules.compare_tables(table_content(), changed("move-row", row=1, way="down"))]
    assert sorted(kinds) == ["moved", "same", "same"]


@given(order=st.permutations(range(3)), drop=st.sets(st.integers(0, 2)))
def test_every_row_of_both_sides_stands_once_in_a_comparison(order, drop):
    rows = table_content()["outcomes"]
    new = table_content(outcomes=[rows[place] for place in order if place not in drop])
    found = rules.compare_tables(table_content(), new)
    assert sorted(old for _kind, old, _new in found if old) == [1, 2, 3]
    assert [at for _kind, _old, at in found if at] == list(range(1, len(new["outcomes"]) + 1))
    assert sum(kind == "removed" for kind, *_rest in found) == len(drop)


# --- mistakes in words -----------------------------------------------------------------------------------------

BROKEN = [
    {"all": []}, {"any": 5}, {"all": [3]}, {"item": ["pain"], "op": "=", "value": 1}, {"item": "pain", "op": ["="], "value": 1},
    {"item": "pain", "op": "=", "value": "much"}, {"item": "lump", "op": "=", "value": "maybe"}, {"item": "piano"}, {}, {"worst": ["x"]},
    {"score": {"a": 1}}, {"change": "pain", "op": ">", "value": 1, "days": "30"}, {"item": "pain", "value_of": "piano"}, 7, None, "never",
]  # fmt: skip


@pytest.mark.parametrize("when", BROKEN)
@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_a_condition_written_badly_by_hand_is_named_with_its_row_and_never_breaks_anything(when, language):
    content = table_content()
    content["outcomes"][1]["when"] = when
    table = rules.parse_table(content)
    found = rules.proofread_table(table, FORM)
    assert found
    with translation.override(language):
        lines = tables.condition_lines(FORM, table.outcomes) or [tables.table_words(one, FORM) for one in found]
        assert all("2" in line for line in lines), lines
        assert tables.sentence(FORM, when) is not None


def test_conditions_inside_conditions_without_end_are_refused():
    when = {"item": "pain", "op": "=", "value": 1}
    for _ in range(60):
        when = {"all": [when]}
    found = condition_mistakes(FORM, when, kind="row", place=1)
    assert [one.code for one in found] == ["too-deep"]


def test_a_mistake_is_its_english_line_and_has_its_parts():
    one = Mistake("unknown-question", "row", 3, "question {name!r} is not in the form", name="x")
    assert one == "row 3: question 'x' is not in the form"
    assert (one.code, one.kind, one.place, one.detail) == ("unknown-question", "row", "3", {"name": "x"})
    with translation.override("en"):
        assert tables.table_words(one) == "Row 3: question “x” is not in the form"
    with translation.override("zh-hans"):
        assert tables.table_words(one).startswith("第 3 行")


@pytest.mark.parametrize("name", ["title", "reason"])
def test_words_that_are_no_words_are_refused_with_the_row(name):
    for wrong in (None, "好", {}, {"zh": "好"}, {"zh": "好", "en": 5}, {"zh": " ", "en": "x"}):
        content = table_content()
        content["outcomes"][2][name] = wrong
        with pytest.raises(rules.BadTable, match=rf"row 3: needs a {name}"):
            rules.parse_table(content)


@pytest.mark.parametrize("code", ["", None, 5, ["x"], "x" * 41])
def test_a_code_that_could_not_be_kept_is_refused_with_the_row(code):
    content = table_content()
    content["outcomes"][0]["code"] = code
    with pytest.raises(rules.BadTable, match="row 1"):
        rules.parse_table(content)


@pytest.mark.parametrize("vector", [None, 5, "x", {}, {"answers": []}, {"answers": {}, "previous": []}])
def test_an_example_that_is_none_is_refused_with_its_number(vector):
    with pytest.raises(rules.BadTable, match="vector 2"):
        rules.parse_table(table_content(vectors=[{"answers": {}, "opinion": "normal"}, vector]))
