"""Readings and trends as pure rules."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.workbench.rules import Part, age_of, draw_trend, latest_readings, parse_measurements

ZONE = ZoneInfo("Asia/Shanghai")
AT = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
FILE = Path(__file__).parent.parent / "content" / "vitals.json"
WANTED = parse_measurements(json.loads(FILE.read_text(encoding="utf-8")))


def part(concept: str, value: str, hours: float = 0, flag: str = "", **more: str) -> Part:
    told = {"comparator": "", "unit": "mm[Hg]", "source": "device"} | more
    return Part(concept=concept, value=Decimal(value), flag=flag, at=AT - timedelta(hours=hours), **told)


def shown(*parts: Part) -> list[tuple[str, str, str]]:
    return [(r.code, r.text, r.direction) for r in latest_readings(WANTED, parts, at=AT, zone=ZONE)]


def test_two_parts_stand_together_only_when_taken_together() -> None:
    parts = [part("systolic", "150"), part("systolic", "128", 24), part("diastolic", "80", 24)]
    assert shown(*parts) == [("blood-pressure", "128/80", "")]


@pytest.mark.parametrize(
    ("upper", "lower", "direction"),
    [("134", "84", ""), ("135", "84", "high"), ("134", "85", "high"), ("89", "70", "low"), ("100", "59", "low")],
)
def test_limits_of_blood_pressure_at_their_edges(upper: str, lower: str, direction: str) -> None:
    assert shown(part("systolic", upper), part("diastolic", lower))[0][2] == direction


def test_the_flag_of_the_laboratory_decides_before_general_limits() -> None:
    assert shown(part("ejection-fraction", "48", flag="N"))[0][2] == ""
    assert shown(part("ejection-fraction", "48"))[0][2] == "low"
    assert shown(part("ldl-c", "2.414", flag="H")) == [("ldl-c", "2.41", "high")]
    assert shown(part("nt-probnp", "5", comparator="<")) == [("nt-probnp", "<5", "")]


def test_fresh_readings_come_before_stale_ones_and_five_are_enough() -> None:
    parts = [part("systolic", "120", 31 * 24), part("diastolic", "70", 31 * 24), part("weight", "74.5", 24)]
    assert [code for code, *__ in shown(*parts)] == ["weight", "blood-pressure"]
    many = [part(m.parts[0], "60") for m in WANTED if len(m.parts) == 1]
    assert len(shown(*many)) == 5


@pytest.mark.parametrize(
    ("days", "expected"), [(0, "today"), (1, "yesterday"), (2, "days"), (7, "days"), (8, "date"), (-1, "date")]
)
def test_age_in_words(days: int, expected: str) -> None:
    today = date(2026, 11, 20)
    assert age_of(today - timedelta(days=days), today=today)[0] == expected


FIRST, LAST = date(2026, 10, 21), date(2026, 11, 20)
points = st.lists(st.tuples(st.dates(FIRST, LAST), st.floats(20, 300)), min_size=1, max_size=60)


@given(
    points, points, st.lists(st.tuples(st.dates(date(2026, 1, 1), date(2027, 1, 1)), st.text(max_size=5)), max_size=5)
)
def test_everything_drawn_lies_inside_the_picture(
    upper: list[tuple[date, float]], lower: list[tuple[date, float]], events: list[tuple[date, str]]
) -> None:
    trend = draw_trend([("a", upper), ("b", lower)], first=FIRST, last=LAST, band=(60, 134), events=events)
    assert trend is not None
    for line in trend.lines:
        assert all(trend.left <= dot.x <= trend.right for dot in line.dots)
        assert all(trend.top <= dot.y <= trend.bottom for dot in line.dots)
        assert [dot.x for dot in line.dots] == sorted(dot.x for dot in line.dots)
    assert abs(trend.lines[0].end_y - trend.lines[1].end_y) >= 13
    assert len(trend.markers) == sum(FIRST <= day <= LAST for day, __ in events)
    assert trend.band is not None
    assert trend.band.height > 0
    assert 2 <= len(trend.y_ticks) <= 7


@given(points)
def test_higher_values_are_drawn_higher(told: list[tuple[date, float]]) -> None:
    trend = draw_trend([("a", told)], first=FIRST, last=LAST)
    assert trend is not None
    dots = trend.lines[0].dots
    ordered = sorted(told)
    for (__, one), (___, two), left, right in zip(ordered, ordered[1:], dots, dots[1:], strict=False):
        assert (one <= two) == (left.y >= right.y) or abs(left.y - right.y) <= 0.1


def test_nothing_in_that_time_draws_nothing() -> None:
    assert draw_trend([("a", [(date(2026, 1, 1), 120.0)])], first=FIRST, last=LAST) is None
    assert draw_trend([], first=FIRST, last=LAST) is None
