"""Second factor, session, position, home measurements: no database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.portal import rules

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
MEASUREMENTS = rules.parse_measurements(
    (Path(rules.__file__).parent / "content" / "measurements.json").read_text(encoding="utf-8")
)


def test_full_width_digits_of_a_chinese_keyboard_are_digits():
    assert rules.digits_of(" ６７２１ ") == "6721"
    assert rules.factor_matches("６７２１", ["0348", "6721"])


@pytest.mark.parametrize("given", ["", "672", "67211", "abcd", "0000", "6721\n0348x9"])
def test_anything_but_the_four_digits_is_wrong(given):
    assert not rules.factor_matches(given, ["6721", "0348"])


def test_without_a_known_number_nothing_fits():
    assert not rules.factor_matches("", [])
    assert not rules.factor_matches("", [""])
    assert not rules.factor_matches("6721", [])


@given(st.text(max_size=12), st.lists(st.from_regex(r"[0-9]{4}", fullmatch=True), max_size=4))
def test_the_factor_fits_only_what_is_known(given, known):
    assert rules.factor_matches(given, known) == (rules.digits_of(given) in known)


@pytest.mark.parametrize("given", ["6721", "0348", "1111", ""])
def test_every_known_number_is_compared_whatever_fits(given, monkeypatch):
    """Counted, not timed: a clock in a test says more about the machine than about the code."""
    compared = []

    def compare(left, right):
        compared.append(right)
        return left == right

    monkeypatch.setattr(rules.hmac, "compare_digest", compare)
    rules.factor_matches(given, ["6721", "0348", "2290"])
    assert compared == [b"6721", b"0348", b"2290"]


@pytest.mark.parametrize(
    ("idle_minutes", "age_hours", "state"),
    [(0, 0, "open"), (9.9, 1, "open"), (10, 1, "locked"), (60, 11.9, "locked"), (0, 12, "ended"), (0, 40, "ended")],
)
def test_a_session_locks_after_ten_minutes_and_ends_after_twelve_hours(idle_minutes, age_hours, state):
    found = rules.session_state(
        started_at=NOW - timedelta(hours=age_hours), seen_at=NOW - timedelta(minutes=idle_minutes), at=NOW
    )
    assert found.value == state


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/t/1/", "/t/1/"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/q/sometoken", "/q/sometoken"),
        ("/a\r\nSet-Cookie: x", "/"),
        ("", "/"),
    ],
)
def test_only_paths_of_this_site_are_followed(path, expected):
    assert rules.next_path(path) == expected


def test_wrong_tries_are_counted_by_network_and_link_without_storing_either():
    first = rules.fingerprints(ip="203.0.113.9", token="abc")
    assert first == rules.fingerprints(ip="203.0.113.9", token="abc")
    assert first[0] != rules.fingerprints(ip="203.0.113.10", token="abc")[0]
    assert first[1] != rules.fingerprints(ip="203.0.113.9", token="abd")[1]
    assert "203" not in "".join(first)


def test_one_phone_owns_its_whole_ipv6_network():
    assert rules.network_of("2001:db8::1") == rules.network_of("2001:db8::ffff")
    assert rules.network_of("2001:db8:1::1") != rules.network_of("2001:db8:2::1")
    assert rules.network_of("not an address") == "unknown"


def test_the_tenth_wrong_try_shuts_the_door():
    assert not rules.too_many([9, 0])
    assert rules.too_many([10, 0])
    assert rules.too_many([0, 12])


def test_where_somebody_is():
    place = rules.position("b", ["a", "b", "c"])
    assert (place.number, place.total, place.before, place.after, place.percent) == (2, 3, "a", "c", 67)
    assert rules.position("a", ["a"]).before is None
    assert rules.position("x", ["a"]) is None


@given(st.lists(st.sampled_from("abcdefgh"), unique=True), st.sets(st.sampled_from("abcdefgh")))
def test_resuming_goes_to_the_first_question_without_an_answer(asked, answered):
    found = rules.first_open(asked, answered)
    left = [link_id for link_id in asked if link_id not in answered]
    assert found == (left[0] if left else None)


@pytest.mark.parametrize("code", sorted(MEASUREMENTS))
def test_every_measurement_gives_the_levels_its_source_says(code):
    measurement = MEASUREMENTS[code]
    assert measurement.vectors
    for vector in measurement.vectors:
        values = {name: Decimal(str(value)) for name, value in vector["values"].items()}
        earlier = []
        if "earlier" in vector:
            when = NOW - timedelta(days=vector["earlier"]["days"])
            earlier = [rules.Earlier(code, Decimal(str(vector["earlier"][code])), when)]
        assert rules.level_of(measurement, values, earlier=earlier, at=NOW) == vector["level"], vector
    assert {limit.level for limit in measurement.limits} <= {vector["level"] for vector in measurement.vectors}
    assert all(limit.source for limit in measurement.limits)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "missing"),
        ("abc", "not-a-number"),
        ("20", "out-of-range"),
        ("999", "out-of-range"),
        ("NaN", "out-of-range"),
        ("Infinity", "out-of-range"),
    ],
)
def test_a_number_nobody_can_have_is_refused_with_a_reason(text, reason):
    with pytest.raises(ValueError, match=reason):
        rules.number_in(MEASUREMENTS["blood-pressure"].field("systolic"), text)


def test_numbers_as_people_type_them():
    weight = MEASUREMENTS["weight"].field("weight")
    assert rules.number_in(weight, " ６１.２ ") == Decimal("61.2")
    assert rules.number_in(weight, "61。2") == Decimal("61.2")
    assert rules.number_in(weight, "61,25") == Decimal("61.2")
    assert rules.number_in(MEASUREMENTS["blood-pressure"].field("pulse"), "") is None


def test_the_lower_pressure_lies_below_the_upper():
    assert rules.plausible_pair({"systolic": Decimal(120), "diastolic": Decimal(80)})
    assert not rules.plausible_pair({"systolic": Decimal(80), "diastolic": Decimal(120)})
    assert rules.plausible_pair({"weight": Decimal(60)})


@given(st.decimals(min_value=60, max_value=280, places=0), st.decimals(min_value=30, max_value=180, places=0))
def test_every_possible_pressure_has_exactly_one_level(upper, lower):
    level = rules.level_of(MEASUREMENTS["blood-pressure"], {"systolic": upper, "diastolic": lower}, at=NOW)
    assert level in {"urgent", "above-target", "low", "ok"}
    if upper >= 180 or lower >= 110:
        assert level == "urgent"


def test_a_limit_about_an_unknown_field_is_refused():
    broken = '{"measurements": [{"code": "x", "on_home": true, "fields": [], "vectors": [], "limits": [{"level": "urgent", "source": "s", "verified": true, "any": [{"field": "y", "at_least": 1}]}]}]}'
    with pytest.raises(ValueError, match="unknown fields"):
        rules.parse_measurements(broken)
