"""Shading: fitted against counted probabilities, quiet on honest rounding, found when it is there, robust to nonsense."""

from __future__ import annotations

import math
import random
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careloop.supervision.reads.content import integrity as limits_of
from careloop.supervision.rules import shading
from careloop.supervision.rules.shading import OVER, UNDER, ZONES, Band, Shape, cells_of, fit, together

LIMITS = limits_of()
LIMIT = LIMITS["written-down"]
BANDS = {code: Band.from_data(band) for code, band in LIMITS["bands"].items()}
SBP, DBP, GLUCOSE = (BANDS[code] for code in ("8480-6", "8462-4", "1558-6"))


def people(
    luck: random.Random, count: int, *, level: float = 132, spread: float = 15, tens: float = 0.4
) -> list[float]:
    """Readings of one person as they would be written, some rounded to a full ten."""
    values = [luck.gauss(level, spread) for _ in range(count)]
    return [float(round(v / 10) * 10 if luck.random() < tens else round(v)) for v in values]


def shade(luck: random.Random, values: list[float], share: float, *, at: float = 140, over: float = 15) -> list[float]:
    """Of the readings over the limit, this share is written just under it."""
    return [at - luck.choice([2, 4, 6, 8]) if at <= v < at + over and luck.random() < share else v for v in values]


def told(values: list[float], others: list[float] | None = None) -> shading.Shading:
    mine = {"8480-6": cells_of(values, SBP)}
    found = shading.shading(mine, {"8480-6": cells_of(others, SBP)} if others else {}, {"8480-6": SBP}, LIMIT)
    assert found is not None
    return found


# ---- zones ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "zone"),
    [(60, 0), (109.9, 0), (110, 1), (119, 1), (120, 2), (130, 3), (139.99, 3), (140, 4), (154, 4), (155, 5), (164, 5), (165, 6), (260, 6)],
)  # fmt: skip
def test_where_a_reading_lies(value: float, zone: int):
    assert SBP.zone(value) == zone


@pytest.mark.parametrize(("value", "zone"), [(6.4, 2), (6.5, 3), (6.9, 3), (7.0, 4), (7.9, 4), (8.0, 5), (8.5, 6)])
def test_a_limit_in_tenths_is_not_moved_by_the_computers_arithmetic(value: float, zone: int):
    assert GLUCOSE.zone(value) == zone
    assert not GLUCOSE.is_rounded(value)


@pytest.mark.parametrize(("value", "rounded"), [(120, True), (125, False), (120.5, False), (0.0, True)])
def test_what_ends_in_nought(value: float, rounded: bool):
    assert SBP.is_rounded(value) is rounded


@given(st.lists(st.floats(-50, 400), max_size=60))
def test_every_possible_reading_is_counted_once(values: list[float]):
    cells = cells_of(values, SBP)
    assert len(cells) == 2 * ZONES
    assert sum(cells) == sum(value > 0 for value in values)


@given(st.lists(st.lists(st.integers(60, 220), max_size=30), max_size=5))
def test_several_people_together_are_all_their_readings(months: list[list[int]]):
    each = [cells_of(map(float, month), SBP) for month in months]
    assert together(each) == cells_of([float(v) for month in months for v in month], SBP)


# ---- the model against counting --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("band", [SBP, DBP, GLUCOSE], ids=["systolic", "diastolic", "glucose"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, -0.2])
def test_the_cells_are_a_distribution_and_the_slopes_are_its_slopes(band: Band, share: float):
    shape = Shape.of(band)
    level = math.log(6.8) if band.skewed else band.at - 4
    at = {"level": level, "spread": math.log(1.3 * shape.unit), "rounding": 0.3 if band.tens else 0.0, "share": share}
    value, slopes = shading._model(shape, at)
    assert sum(value) == pytest.approx(1)
    step = 1e-6
    for name, slope in slopes.items():
        if name == "rounding" and not band.tens:
            continue
        above, _ = shading._model(shape, {**at, name: at[name] + step})
        below, _ = shading._model(shape, {**at, name: at[name] - step})
        assert slope == pytest.approx([(a - b) / (2 * step) for a, b in zip(above, below, strict=True)], abs=1e-6)


def test_the_model_says_what_writing_down_a_million_readings_gives():
    """Probabilities by adding up a fine grid of what a device shows, rounding each as people do: no formula shared."""
    level, spread, rounding, share = 134.0, 14.0, 0.4, 0.5
    normal = NormalDist(level, spread)
    grid = [0.0] * (2 * ZONES)
    for shown in range(40, 240):  # what a device shows, in whole units
        p = normal.cdf(shown + 0.5) - normal.cdf(shown - 0.5)
        own = (1 - rounding) * p
        zone = SBP.zone(shown)
        grid[zone] += own * (1 - shading.BY_ITSELF)
        grid[zone + ZONES] += own * shading.BY_ITSELF
    for ten in range(40, 240, 10):
        grid[SBP.zone(ten) + ZONES] += rounding * (normal.cdf(ten + 5) - normal.cdf(ten - 5))
    grid[UNDER] += share * (grid[OVER] + grid[OVER + ZONES])
    grid[OVER] *= 1 - share
    grid[OVER + ZONES] *= 1 - share
    value, _ = shading._model(
        Shape.of(SBP), {"level": level, "spread": math.log(spread), "rounding": rounding, "share": share}
    )
    assert value == pytest.approx(grid, abs=2e-3)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.6])
@pytest.mark.parametrize("tens", [0.1, 0.6])
def test_a_share_that_is_there_is_found(share: float, tens: float):
    luck = random.Random(8)
    values = shade(luck, people(luck, 6000, tens=tens), share)
    found = fit(cells_of(values, SBP), SBP)
    assert found.share == pytest.approx(share, abs=max(0.04, 3 * found.error))
    assert 0 < found.error < 0.08


def test_a_given_share_is_never_more_likely_than_the_best_one():
    luck = random.Random(3)
    cells = cells_of(shade(luck, people(luck, 150), 0.4), SBP)
    best = fit(cells, SBP)
    for share in (0.0, 0.2, 0.4, 0.6, 0.9):
        assert fit(cells, SBP, share=share).fit <= best.fit + 1e-6


def test_no_readings_cannot_be_fitted():
    with pytest.raises(ValueError, match="no readings"):
        fit((0,) * (2 * ZONES), SBP)


@settings(max_examples=80)
@given(
    st.lists(st.integers(0, 30), min_size=2 * ZONES, max_size=2 * ZONES).filter(any), st.sampled_from([None, 0.0, 0.35])
)
def test_whatever_the_readings_the_fit_ends_with_numbers(cells: list[int], share: float | None):
    for band in (SBP, GLUCOSE):
        counted = tuple(cells[:ZONES]) + (tuple(cells[ZONES:]) if band.tens else (0,) * ZONES)
        if not any(counted):
            continue
        found = fit(counted, band, share=share)
        assert math.isfinite(found.fit)
        assert shading.FEWEST_SHARE <= found.share <= shading.MOST_SHARE
        assert math.isfinite(found.error)


@pytest.mark.parametrize("value", [120.0, 130.0, 138.0, 139.0, 140.0, 300.0, 1.0])
def test_always_the_same_reading_is_no_fault_of_the_arithmetic(value: float):
    """Found on a simulated person who always wrote 120: the spread must not become nothing."""
    assert math.isfinite(fit(cells_of([value] * 200, SBP), SBP).fit)


# ---- the test ----------------------------------------------------------------------------------------------------------------


def test_too_few_readings_near_the_limit_are_not_judged():
    few = {"8480-6": cells_of([138.0] * 9 + [100.0] * 50, SBP)}
    assert shading.shading(few, {}, {"8480-6": SBP}, LIMIT) is None
    assert shading.shading({}, {}, BANDS, LIMIT) is None


def test_honest_readings_are_unlikely_only_as_often_as_said():
    luck = random.Random(21)
    chances = [told(people(luck, 90, level=luck.gauss(132, 5), tens=luck.random() * 0.8)).chance for _ in range(300)]
    assert sum(chance <= 0.05 for chance in chances) <= 0.05 * 300 + 3 * math.sqrt(300 * 0.05 * 0.95)
    assert sum(chance <= LIMIT["chance"] for chance in chances) <= 9


@pytest.mark.parametrize(("share", "least"), [(0.5, 0.6), (1.0, 0.97)])
def test_shading_is_mostly_found_in_one_month(share: float, least: float):
    luck = random.Random(34)
    found = [told(shade(luck, people(luck, 110), share)).chance <= LIMIT["chance"] for _ in range(120)]
    assert sum(found) / len(found) >= least


def test_power_grows_with_the_months():
    luck = random.Random(55)
    shares = []
    for months in (1, 2, 3):
        told_ = [told(shade(luck, people(luck, 60 * months), 0.5)).chance <= LIMIT["chance"] for _ in range(100)]
        shares.append(sum(told_) / 100)
    assert shares[0] < shares[1] < shares[2]
    assert shares[2] > 0.8


def test_colleagues_who_have_the_same_gap_are_the_yardstick():
    """A ward that measures high pressures again and writes the second one: nobody there is suspicious for it."""
    luck = random.Random(13)
    ward = shade(luck, people(luck, 900), 0.3)
    mine = shade(luck, people(luck, 120), 0.3)
    alone, among = told(mine), told(mine, ward)
    assert among.honest_share > 0.15
    assert among.z < alone.z


def test_a_whole_department_cannot_hide_in_itself():
    luck = random.Random(17)
    everybody = shade(luck, people(luck, 900), 1.0)
    found = told(shade(luck, people(luck, 150), 1.0), everybody)
    assert found.honest_share == LIMIT["most_share"]
    assert found.chance <= LIMIT["chance"]


def test_a_few_colleagues_are_no_yardstick():
    luck = random.Random(19)
    assert told(people(luck, 90), shade(luck, people(luck, 40), 1.0)).honest_share == LIMIT["honest_share"]


def test_moving_readings_up_is_no_reason():
    luck = random.Random(23)
    up = [v + 12 if 130 <= v < 140 and luck.random() < 0.5 else v for v in people(luck, 300)]
    assert told(up).chance > 0.5


def test_two_limits_say_more_than_one():
    luck = random.Random(29)
    systolic = shade(luck, people(luck, 110), 0.45)
    diastolic = shade(luck, people(luck, 110, level=84, spread=9), 0.45, at=90)
    one = shading.shading({"8480-6": cells_of(systolic, SBP)}, {}, BANDS, LIMIT)
    both = shading.shading({"8480-6": cells_of(systolic, SBP), "8462-4": cells_of(diastolic, DBP)}, {}, BANDS, LIMIT)
    assert one is not None
    assert both is not None
    assert both.z > one.z
    assert both.chance == pytest.approx(1 - NormalDist().cdf(both.z), rel=1e-6)


def test_glucose_has_a_limit_too():
    luck = random.Random(31)
    sugar = [round(luck.lognormvariate(math.log(6.8), 0.18), 1) for _ in range(300)]
    honest = shading.shading({"1558-6": cells_of(sugar, GLUCOSE)}, {}, BANDS, LIMIT)
    down = [
        round(6.9 - luck.choice([0, 0.1, 0.2, 0.3]), 1) if 7.0 <= v < 8.0 and luck.random() < 0.7 else v for v in sugar
    ]
    shaded = shading.shading({"1558-6": cells_of(down, GLUCOSE)}, {}, BANDS, LIMIT)
    assert honest is not None
    assert shaded is not None
    assert honest.chance > LIMIT["chance"] >= shaded.chance
    assert 0.5 < shaded.share < 0.95
