"""Coordinates of server-drawn charts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.kernel import svg

values = st.lists(st.floats(min_value=-1e6, max_value=1e6, allow_nan=False), max_size=40)


@given(values, st.none() | st.floats(min_value=-1e6, max_value=1e6))
def test_every_point_lies_in_the_picture(numbers, target):
    line = svg.sparkline(numbers, target=target)
    assert len(line.points) == len(numbers)
    assert all(0 <= point.x <= line.width and 0 <= point.y <= line.height for point in line.points)
    if target is not None:
        assert 0 <= line.target_y <= line.height


@given(st.lists(st.floats(min_value=-1e6, max_value=1e6), min_size=2, max_size=40))
def test_higher_values_are_drawn_higher_and_time_runs_to_the_right(numbers):
    points = svg.sparkline(numbers).points
    assert [p.x for p in points] == sorted(p.x for p in points)
    top, bottom = max(points, key=lambda p: p.value), min(points, key=lambda p: p.value)
    assert top.y <= bottom.y


def test_a_flat_line_is_drawn_in_the_middle():
    assert {point.y for point in svg.sparkline([5, 5, 5], height=30).points} == {15.0}


def test_one_value_stands_in_the_middle_and_none_draws_nothing():
    assert svg.sparkline([7], width=100).points[0].x == 50.0
    assert svg.sparkline([]).points == ()
    assert svg.sparkline([]).polyline == ""


def test_the_normal_band_covers_its_values():
    line = svg.sparkline([80, 120, 160], normal=(90, 130))
    inside = line.points[1].y
    assert line.band_y <= inside <= line.band_y + line.band_height


def test_a_gap_breaks_the_line():
    chart = svg.line_chart(["1", "2", "3", "4"], [("rate", [90, None, 92, 93])])
    assert [len(piece) for piece in chart.series[0].pieces] == [1, 2]
    assert [point.label for point in chart.series[0].points] == ["1", "3", "4"]
    assert len(chart.series[0].polylines) == 2


def test_a_series_must_fit_its_labels():
    with pytest.raises(ValueError):
        svg.line_chart(["1", "2"], [("rate", [1])])


def test_long_axes_lose_labels_not_points():
    labels = [str(n) for n in range(90)]
    chart = svg.line_chart(labels, [("bp", [float(n) for n in range(90)])])
    assert len(chart.x_ticks) <= 12
    assert len(chart.series[0].points) == 90


@given(st.floats(min_value=-1e5, max_value=1e5), st.floats(min_value=0.01, max_value=1e5))
def test_steps_cover_the_values_and_are_few(low, span):
    steps = svg.nice_steps(low, low + span)
    assert steps[0] <= low + 1e-6
    assert steps[-1] >= low + span - span * 1e-6
    assert 2 <= len(steps) <= 7
