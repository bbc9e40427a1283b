"""Definitions, quotients and identities, without a database."""

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.reports import rules
from careloop.reports.rules import Identity, Value

TEXT = (Path(rules.__file__).parent / "content" / "indicators.json").read_text(encoding="utf-8")
ALL = rules.parse_definitions(TEXT)


def indicator(code):
    found = ALL.indicator(code)
    assert found is not None
    return found


def test_every_indicator_says_what_it_counts_in_both_languages():
    for one in ALL.indicators:
        for texts in (one.names, one.numerator_text, one.denominator_text):
            assert texts["zh"]
            assert texts["en"]
        assert one.source
        assert one.unit in {"percent", "hours"}
        assert one.better in {"higher", "lower"}
    assert len({one.code for one in ALL.indicators}) == len(ALL.indicators)


def test_the_exclusions_named_are_defined():
    defined = {exclusion.code for exclusion in ALL.exclusions}
    assert {code for one in ALL.indicators for code in one.excludes} <= defined
    assert {"died", "against-advice", "cancelled", "refused", "transferred"} <= defined


def test_no_reason_belongs_to_two_exclusions():
    reasons = [reason for exclusion in ALL.exclusions for reason in exclusion.reasons]
    assert len(reasons) == len(set(reasons))


def test_a_measure_that_nobody_counts_is_refused():
    data = json.loads(TEXT)
    data["indicators"][0]["numerator"] = ["happiness"]
    with pytest.raises(ValueError, match="happiness"):
        rules.parse_definitions(json.dumps(data))


@pytest.mark.parametrize(
    ("code", "measures", "expected"),
    [
        ("follow-up-rate", {"planned": 100, "excluded": 10, "followed": 81}, Value(81, 90, 90.0)),
        ("follow-up-rate", {"planned": 100, "excluded": 10, "not_yet_due": 80, "followed": 5}, Value(5, 10, 50.0)),
        ("follow-up-rate", {"planned": 3, "excluded": 3}, Value(0, 0, None)),
        ("effective-rate", {}, Value(0, 0, None)),
        ("alert-closure-time", {"alert_close_seconds": 7200, "alerts_closed": 4}, Value(7200, 4, 0.5)),
        ("invalid-number-rate", {"calls": 200, "calls_invalid": 21}, Value(21, 200, 10.5)),
        ("first-contact-72h", {"discharges": 5, "discharges_waiting": 1, "contacted_72h": 3}, Value(3, 4, 75.0)),
    ],
)
def test_values(code, measures, expected):
    assert rules.value_of(indicator(code), measures) == expected


@pytest.mark.parametrize(
    ("code", "number", "met"),
    [
        ("follow-up-rate", 90.0, True),
        ("follow-up-rate", 89.9, False),
        ("invalid-number-rate", 10.0, True),
        ("invalid-number-rate", 10.1, False),
        ("invalid-number-rate", None, None),
    ],
)
def test_targets(code, number, met):
    assert rules.meets_target(indicator(code), Value(1, 1, number)) is met


@pytest.mark.parametrize(
    ("code", "now", "before", "expected"),
    [
        ("follow-up-rate", 93.4, 91.3, (2.1, True)),
        ("invalid-number-rate", 9.0, 11.5, (-2.5, True)),
        ("invalid-number-rate", 12.0, 11.5, (0.5, False)),
        ("follow-up-rate", 93.41, 93.40, None),
        ("follow-up-rate", None, 93.40, None),
        ("follow-up-rate", 93.4, None, None),
    ],
)
def test_change(code, now, before, expected):
    found = rules.change(indicator(code), Value(1, 1, now), Value(1, 1, before))
    assert (found and (found.amount, found.is_better)) == expected


counts = st.integers(0, 10_000)


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.fixed_dictionaries({"planned": counts, "done": counts})))
def test_departments_make_the_hospital(departments):
    hospital = rules.add(departments.values())
    assert rules.departments_make_the_hospital(departments, hospital, "planned").holds
    hospital["planned"] = hospital.get("planned", 0) + 1
    assert not rules.departments_make_the_hospital(departments, hospital, "planned").holds


def test_states_make_the_enrolled():
    assert rules.states_make_the_enrolled({"due": 2, "done": 3}, 5).holds
    assert not rules.states_make_the_enrolled({"due": 2, "done": 3}, 6).holds
    assert Identity("x", (), 0).holds


@given(st.fixed_dictionaries({name: counts for name in (*rules.STORED, *rules.BY_CLOCK)}))
def test_a_rate_never_divides_by_nothing(measures):
    for one in ALL.indicators:
        value = rules.value_of(one, measures)
        assert (value.number is None) == (value.denominator <= 0)


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)), st.integers(-500, 500))
def test_months_add_up(day, number):
    month = rules.month_of(day)
    assert rules.add_months(rules.add_months(month, number), -number) == month
    assert rules.add_months(month, number).day == 1


def test_last_months():
    assert rules.last_months(date(2026, 2, 1), 3) == (date(2025, 12, 1), date(2026, 1, 1), date(2026, 2, 1))


@pytest.mark.parametrize(
    ("text", "month"),
    [("2026-11", date(2026, 11, 1)), ("2026-13", None), ("x", None), ("", None), ("2026-0", None), ("26-01", None)],
)
def test_parse_month(text, month):
    assert rules.parse_month(text) == month
