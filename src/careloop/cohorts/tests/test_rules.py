"""Definitions read from anything, who is left out, who gets whom, and cells that are never formulas."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.cohorts.rules import bulk, columns
from careloop.cohorts.rules import definition as d
from careloop.cohorts.rules.exclusion import REASONS, deal, sort_out
from careloop.patients.rules.codes import icd_key, procedure_key


def one(**condition: object) -> dict[str, object]:
    return {"groups": [{"mode": "all", "conditions": [condition]}]}


def faults(raw: object) -> list[tuple[str, str]]:
    with pytest.raises(d.BadDefinition) as caught:
        d.parse(raw)
    return [(fault.place, fault.code) for fault in caught.value.faults]


# --- reading


@pytest.mark.parametrize(
    ("raw", "place", "code"),
    [
        (None, "groups", "missing"),
        ([], "groups", "missing"),
        ({"groups": "all"}, "groups", "missing"),
        ({"groups": [7]}, "groups.0", "missing"),
        ({"groups": [{"mode": "maybe", "conditions": []}]}, "groups.0.mode", "unknown"),
        ({"groups": [{"mode": "all", "conditions": "x"}]}, "groups.0.conditions", "missing"),
        ({"groups": [{"conditions": [None]}]}, "groups.0.conditions.0.kind", "missing"),
        (one(kind="astrology"), "groups.0.conditions.0.kind", "unknown"),
        (one(kind=["diagnosis"]), "groups.0.conditions.0.kind", "unknown"),
        (one(kind="diagnosis"), "groups.0.conditions.0.codes", "empty"),
        (one(kind="diagnosis", codes=" , ;"), "groups.0.conditions.0.codes", "empty"),
        (one(kind="diagnosis", codes="I25-I20"), "groups.0.conditions.0.codes", "reversed"),
        (one(kind="diagnosis", codes="'; DROP TABLE"), "groups.0.conditions.0.codes", "empty"),
        (one(kind="diagnosis", codes=["I21"] * 70 + [f"A{n}" for n in range(70)]), "groups.0.conditions.0.codes", "too-many"),
        (one(kind="operation", codes=5), "groups.0.conditions.0.codes", "unreadable"),
        (one(kind="stay"), "groups.0.conditions.0.departments", "empty"),
        (one(kind="stay", discharged_from="2026-02-30"), "groups.0.conditions.0.discharged_from", "unreadable"),
        (one(kind="stay", discharged_from="2026-02-02", discharged_to="2026-02-01"), "groups.0.conditions.0.discharged_to", "reversed"),
        (one(kind="stay", days="-3"), "groups.0.conditions.0.days", "unreadable"),
        (one(kind="stay", departments=["a"], days="0"), "groups.0.conditions.0.days", "unreadable"),
        (one(kind="result", concept="ldl-c", value="1", days=0), "groups.0.conditions.0.days", "unreadable"),
        (one(kind="stay", departments=["a"], days="36501"), "groups.0.conditions.0.days", "unreadable"),
        (one(kind="stay", classes=["XXX"]), "groups.0.conditions.0.classes", "unknown"),
        (one(kind="age"), "groups.0.conditions.0.low", "empty"),
        (one(kind="age", low="80", high="60"), "groups.0.conditions.0.high", "reversed"),
        (one(kind="age", low="sixty"), "groups.0.conditions.0.low", "unreadable"),
        (one(kind="age", low="999"), "groups.0.conditions.0.low", "unreadable"),
        (one(kind="sex", sexes=[]), "groups.0.conditions.0.sexes", "empty"),
        (one(kind="sex", sexes=["m"]), "groups.0.conditions.0.sexes", "unknown"),
        (one(kind="risk"), "groups.0.conditions.0.levels", "empty"),
        (one(kind="result", concept="ldl-c"), "groups.0.conditions.0.value", "empty"),
        (one(kind="result", value="1"), "groups.0.conditions.0.concept", "empty"),
        (one(kind="result", concept="ldl-c", value="NaN"), "groups.0.conditions.0.value", "unreadable"),
        (one(kind="result", concept="ldl-c", value="1e400"), "groups.0.conditions.0.value", "unreadable"),
        (one(kind="result", concept="ldl-c", value="1", comparison="!="), "groups.0.conditions.0.comparison", "unknown"),
        (one(kind="answer", link_id="x", code="a"), "groups.0.conditions.0.question", "empty"),
        (one(kind="answer", questionnaire="u", link_id="x"), "groups.0.conditions.0.code", "empty"),
        (one(kind="answer", questionnaire="u", link_id="x", code="a", number="1"), "groups.0.conditions.0.code", "one-only"),
        (one(kind="answer", questionnaire="u", link_id="x", code="a", comparison=">"), "groups.0.conditions.0.comparison", "code-equals-only"),
        (one(kind="tag"), "groups.0.conditions.0.tags", "empty"),
        (one(kind="plan"), "groups.0.conditions.0.states", "empty"),
        (one(kind="plan", states=["active", "dreaming"]), "groups.0.conditions.0.states", "unknown"),
        ({"groups": [{"conditions": [{"kind": "sex", "sexes": ["male"]}] * 31}]}, "groups", "too-many"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_its_place(raw: object, place: str, code: str):
    assert (place, code) in faults(raw)


def test_every_fault_is_told_at_once():
    raw = {"groups": [{"conditions": [{"kind": "age"}, {"kind": "sex", "sexes": ["male"]}, {"kind": "tag"}]}]}
    assert faults(raw) == [("groups.0.conditions.0.low", "empty"), ("groups.0.conditions.2.tags", "empty")]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from([*d.KINDS, "all", "none"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(["groups", "mode", "conditions", "kind", "codes", "low", "days", "value"]), inner, max_size=5),
    max_leaves=25,
)  # fmt: skip


@given(JSON)
def test_anything_is_read_or_refused_and_never_crashes(raw: object):
    try:
        read = d.parse(raw)
    except d.BadDefinition:
        assert faults(raw)
    else:
        assert d.parse(read.as_json()) == read


@pytest.mark.parametrize(
    "condition",
    [
        {"kind": "diagnosis", "codes": ["I21", "I20-I25"], "main_only": True},
        {"kind": "operation", "codes": ["36.06"]},
        {"kind": "stay", "departments": ["a"], "discharged_from": "2026-01-01", "days": 30, "classes": ["IMP"]},
        {"kind": "age", "low": 0, "high": 18},
        {"kind": "sex", "sexes": ["female"]},
        {"kind": "risk", "levels": ["high"]},
        {"kind": "result", "concept": "ldl-c", "comparison": ">=", "value": "1.80", "latest": False, "days": 90},
        {"kind": "answer", "questionnaire": "u", "link_id": "x", "comparison": "<", "number": "3"},
        {"kind": "tag", "tags": ["study a"]},
        {"kind": "plan", "states": ["active"], "url": "u"},
    ],
)  # fmt: skip
def test_what_is_stored_is_read_back_the_same(condition: dict[str, object]):
    first = d.parse(one(**condition))
    again = d.parse(json.loads(json.dumps(first.as_json())))
    assert again == first
    assert again.as_json() == first.as_json()


def test_nobody_asked_for_everybody_by_accident():
    assert d.parse({"groups": []}).is_everyone
    assert d.parse({"groups": [{"mode": "none", "conditions": []}]}).is_everyone
    only_not = {"groups": [{"mode": "none", "conditions": [{"kind": "sex", "sexes": ["male"]}]}]}
    assert not d.parse(only_not).is_everyone


# --- codes


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("I21", ["I21", "I21.0", "I21.900X001"], ["I2", "I20", "I22", "J21"]),
        ("I20-I25", ["I20", "I23.1", "I25.103"], ["I19.9", "I26", "I26.0"]),
        ("I21.0", ["I21.0", "I21.001"], ["I21", "I21.1"]),
        ("i21", ["I21.0"], ["I22"]),
        ("Z51", ["Z51.1"], ["Z52"]),
        ("A09", ["A09", "A09.9"], ["A10", "A0"]),
    ],
)
def test_a_heading_or_range_holds_what_is_under_it(text: str, inside: list[str], outside: list[str]):
    found = d.code_range(text, icd_key)
    assert all(found.holds(code) for code in inside)
    assert not any(found.holds(code) for code in outside)


def test_operations_are_read_as_they_are_stored():
    assert d.code_range("3606", procedure_key).holds("36.0601")
    assert not d.code_range("36.06", procedure_key).holds("36.07")


@given(st.from_regex(r"[A-Z][0-9]{2}(\.[0-9]{1,3})?", fullmatch=True), st.text("0123456789X.", max_size=5))
def test_a_prefix_is_exactly_a_prefix(prefix: str, rest: str):
    assert d.code_range(prefix, icd_key).holds(prefix + rest)


# --- age


LEAP_DAYS = [date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1), date(2026, 2, 28), date(2026, 3, 1)]


@given(
    st.dates(date(1900, 1, 1), date(2023, 11, 20)) | st.builds(date, st.integers(1900, 2023), st.just(3), st.just(1)),
    st.integers(0, 110), st.integers(0, 20), st.sampled_from([date(2026, 11, 20), *LEAP_DAYS]),
)  # fmt: skip
def test_born_between_is_what_completed_years_mean(born: date, low: int, more: int, today: date):
    years = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    first, last = d.born_between(d.Age(low, low + more), today)
    assert first is not None
    assert last is not None
    assert (first <= born <= last) == (low <= years <= low + more)


def test_a_leap_day_has_birthdays_too():
    assert d.years_before(date(2024, 2, 29), 1) == date(2023, 2, 28)
    assert d.years_before(date(2024, 2, 29), 4) == date(2020, 2, 29)
    # On the leap day whoever was born on 1 March eighteen years before is still seventeen, and in exactly one group.
    adults, minors = (d.born_between(age, date(2028, 2, 29)) for age in (d.Age(18, None), d.Age(None, 17)))
    assert (adults[1], minors[0]) == (date(2010, 2, 28), date(2010, 3, 1))
    assert d.born_between(d.Age(None, 5), date(2026, 11, 20)) == (date(2020, 11, 21), None)
    assert d.born_between(d.Age(5, None), date(2026, 11, 20)) == (None, date(2021, 11, 20))


# --- left out


IDS = st.lists(st.uuids(), max_size=30, unique=True)


@given(IDS, st.dictionaries(st.sampled_from(REASONS), st.lists(st.uuids(), max_size=8), max_size=8), st.data())
def test_everybody_is_in_or_out_for_one_reason(members: list[UUID], holds: dict, data: st.DataObject):
    holds = {reason: [*ids, *data.draw(st.lists(st.sampled_from(members), max_size=5) if members else st.just([]))] for reason, ids in holds.items()}  # fmt: skip
    told = sort_out(members, holds)
    assert len(told.included) + sum(told.counts.values()) == told.total == len(members)
    assert set(told.included).isdisjoint(told.excluded)
    for member, why in told.excluded.items():
        assert member in holds[why]
        assert not any(member in holds.get(r, ()) for r in REASONS[: REASONS.index(why)])


@given(IDS, st.lists(st.uuids(), min_size=1, max_size=7, unique=True), st.data())
def test_shares_differ_by_at_most_one_and_nobody_is_forgotten(
    members: list[UUID], staff: list[UUID], data: st.DataObject
):
    known = {m: data.draw(st.sampled_from(staff)) for m in members if data.draw(st.booleans())}
    dealt = deal(members, staff, known)
    shares = [sum(owner == person for owner in dealt.values()) for person in staff]
    assert set(dealt) == set(members)
    assert max(shares) - min(shares) <= 1
    assert dealt == deal(members, list(reversed(staff)), known)


def test_whoever_knows_a_patient_keeps_the_patient_while_it_is_fair():
    members = [UUID(int=n) for n in range(4)]
    ann, bob = UUID(int=100), UUID(int=101)
    assert deal(members, [ann, bob], {members[3]: ann, members[0]: bob})[members[3]] == ann
    everyone_knows_ann = deal(members, [ann, bob], dict.fromkeys(members, ann))
    assert sorted(everyone_knows_ann.values()) == [ann, ann, bob, bob]
    assert deal(members, [], {}) == {}


# --- lists


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1+1", "\r=cmd", '=HYPERLINK("x")', "正常\n第二行"]
)
def test_a_cell_is_one_line_of_text(text: str):
    cell = columns.cell_text(text)
    assert not set(cell) & set("\t\r\n\x00")
    assert cell == cell.strip()


@given(st.text(max_size=80))
def test_no_cell_breaks_the_file(text: str):
    assert columns.cell_text(text).isprintable()


def test_columns_come_once_in_their_order_and_unknown_ones_not_at_all():
    assert [c.code for c in columns.chosen(["age", "case", "age"])] == ["case", "age"]
    with pytest.raises(columns.UnknownColumn):
        columns.chosen(["age", "password"])
    assert columns.has_direct(columns.chosen(["age", "telephone"]))
    assert not columns.has_direct(columns.chosen(columns.DEFAULT))


def test_what_names_a_person_is_classed_so():
    named = {c.code for c in columns.COLUMNS if c.privacy == "direct"}
    assert named == {"name", "record-number", "telephone", "address"}


def test_tasks_may_be_worked_on_as_tasks_and_as_their_patients():
    assert {work.verb for work in bulk.works_on("task")} == {"assign", "close", "send", "letter", "enrol", "tag"}
    assert {work.verb for work in bulk.works_on("patient")} == {"send", "letter", "enrol", "tag"}


def test_a_number_is_exact():
    read = d.parse(one(kind="result", concept="ldl-c", value="1.80", comparison=">=")).groups[0].conditions[0]
    assert isinstance(read, d.Result)
    assert read.value == Decimal("1.80")
    assert read.latest
