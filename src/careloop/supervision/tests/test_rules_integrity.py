"""Each indicator: fires on what it looks for, stays quiet on honest work, and judges nothing from too little."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.supervision.reads.content import CONTENT, measured, sampling
from careloop.supervision.reads.content import integrity as limits_of
from careloop.supervision.rules import integrity
from careloop.supervision.rules.integrity import Peers
from careloop.supervision.rules.records import Record
from careloop.supervision.rules.weighing import is_copy, perfect_streaks, too_fast, weigh

LIMITS = limits_of()
START = datetime(2026, 10, 1, 1, tzinfo=UTC)
PEERS = Peers(under=60, in_band=100, with_findings=50, records=200)


def record(number: int, **given: object) -> Record:
    """An ordinary call: five minutes after the one before, two minutes long, 132/84."""
    values = {"pain": "no", "sbp": 132, "dbp": 84}
    plain = Record(
        id=f"r{number}", author="wang", patient=f"p{number}", form="f", mode="phone",
        at=START + timedelta(minutes=5 * number), values=values, readings={"8480-6": 132.0, "8462-4": 84.0},
        call_seconds=120.0, findings=int(number % 4 == 0),
    )  # fmt: skip
    return replace(plain, **given)


def month(count: int = 60, **given: object) -> list[Record]:
    return [record(n, **given) for n in range(count)]


def pressures(*systolic: float) -> list[Record]:
    return [record(n, readings={"8480-6": value}) for n, value in enumerate(systolic)]


def found(records: list[Record], code: str, peers: Peers = PEERS) -> integrity.Indicator:
    return next(one for one in integrity.indicators(records, peers, LIMITS) if one.code == code)


def test_every_code_has_its_indicator_in_order():
    assert tuple(one.code for one in integrity.indicators([], Peers(), LIMITS)) == integrity.CODES


def test_no_records_are_not_judged():
    assert not [one for one in integrity.indicators([], Peers(), LIMITS) if one.fires or one.chance is not None]


@pytest.mark.parametrize("seconds", [None, 0.0, 9.0])
def test_records_without_a_call(seconds: float | None):
    many = found([record(n, call_seconds=seconds if n < 40 else 120.0) for n in range(60)], "no-attempt")
    assert (many.fires, many.cases, many.out_of) == (True, 40, 60)
    assert set(many.evidence) == {f"r{n}" for n in range(40)}
    few = found([record(n, call_seconds=seconds if n < 15 else 120.0) for n in range(60)], "no-attempt")
    assert (few.fires, few.cases) == (False, 15)


def test_visits_and_paper_need_no_call():
    assert found(month(call_seconds=None, mode="visit"), "no-attempt").out_of == 0


def test_twelve_forms_in_nine_minutes_day_after_day():
    fast = [record(n, at=START + timedelta(seconds=9 * n)) for n in range(40)]
    assert found(fast, "tempo").fires
    assert found(month(), "tempo").cases == 0


def test_an_afternoon_of_typing_in_notes_is_no_reason():
    notes = [record(n, at=START + timedelta(seconds=9 * n if n < 8 else 3600 * n)) for n in range(60)]
    assert not found(notes, "tempo").fires


def test_two_forms_of_one_call_are_not_too_fast():
    same = [record(0), record(1, patient="p0", at=START + timedelta(seconds=3))]
    assert too_fast(same, seconds_per_question=1.5) == []
    other = [record(0), record(1, at=START + timedelta(seconds=3))]
    assert too_fast(other, seconds_per_question=1.5) == ["r1"]


def test_repeating_the_last_record_in_everything():
    copies = [record(n, earlier=dict(record(n).values)) for n in range(30)]
    assert found(copies, "copied").fires
    steady = [
        record(n, earlier=dict(record(n).values) if n % 8 == 0 else {**record(n).values, "sbp": 128}) for n in range(30)
    ]
    assert not found(steady, "copied").fires


def test_a_copy_needs_numbers_and_every_answer():
    assert is_copy(record(0, earlier=dict(record(0).values)))
    assert not is_copy(record(0, earlier={**record(0).values, "pain": "yes"}))
    assert not is_copy(record(0, earlier=None))
    assert not is_copy(record(0, readings={}, earlier=dict(record(0).values)))


def test_readings_that_gather_just_under_the_limit():
    shaded = pressures(*([138.0] * 38), *([142.0] * 2))
    assert found(shaded, "just-under").fires
    assert (found(shaded, "just-under").cases, found(shaded, "just-under").out_of) == (38, 40)


def test_colleagues_with_the_same_share_are_the_yardstick():
    """Well-treated patients: nine of ten readings near the limit lie under it, at the colleagues' as well."""
    treated = pressures(*([135.0] * 33), *([143.0] * 7))
    assert found(treated, "just-under", Peers(under=50, in_band=100)).fires
    assert not found(treated, "just-under", Peers(under=75, in_band=100)).fires


def test_a_whole_department_cannot_hide_in_itself():
    shaded = pressures(*([138.0] * 60))
    assert found(shaded, "just-under", Peers(under=100, in_band=100)).fires


def test_the_bands_end_where_they_end():
    under, over = integrity.band_counts(pressures(129.9, 130, 139.9, 140, 149.9, 150), LIMITS["bands"])
    assert (under, over) == (["r1", "r2"], ["r3", "r4"])


@pytest.mark.parametrize(
    ("ends", "fires", "kind"),
    [
        ([2, 4, 6, 8, 3, 7], True, "few-round"),
        ([0], True, "many-noughts"),
        ([0, 0, 0, 2, 6], False, None),  # six in ten by hand
        ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], False, None),  # a device
    ],
)
def test_last_digits(ends: list[int], fires: bool, kind: str | None):
    one = found(pressures(*[120.0 + ends[n % len(ends)] for n in range(120)]), "last-digits")
    assert one.fires is fires
    assert kind in (None, one.facts["kind"])


def test_hardly_ever_a_finding_where_colleagues_have_plenty():
    perfect = month(findings=0)
    assert found(perfect, "nothing-found").fires
    assert not found(perfect, "nothing-found", Peers(with_findings=2, records=200)).fires
    assert not found(month(), "nothing-found").fires


def test_a_small_department_has_no_yardstick():
    assert found(month(findings=0), "nothing-found", Peers(with_findings=20, records=40)).chance is None


def test_second_looks_that_say_otherwise():
    looks = ["serious"] * 5 + ["agrees"] * 3
    told = [record(n, second_look=looks[n] if n < len(looks) else "") for n in range(40)]
    assert found(told, "contradicted").fires
    assert found(told, "contradicted").out_of == 8
    one = [record(n, second_look="serious" if n == 0 else "agrees") for n in range(8)]
    assert not found(one, "contradicted").fires


def test_evidence_is_kept_short_and_names_each_record_once():
    many = found(month(200, call_seconds=None), "no-attempt")
    assert many.cases == 200
    assert len(many.evidence) == len(set(many.evidence)) == integrity.MOST_EVIDENCE


@given(st.integers(0, 60), st.integers(0, 60), st.floats(0, 1))
def test_the_tails_are_probabilities_that_add_up(k: int, n: int, p: float):
    upper, lower = integrity.at_least(k, n, p), integrity.at_most(k - 1, n, p) if k else 0.0
    assert 0 <= upper <= 1
    assert 0 <= lower <= 1
    if k <= n:
        assert upper + lower == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("k", "n", "p", "expected"), [(9, 10, 0.5, 11 / 1024), (3, 3, 0.1, 0.001), (0, 5, 0.3, 1.0), (1, 4, 0.0, 0.0), (4, 4, 1.0, 1.0)])  # fmt: skip
def test_tails_that_can_be_counted_by_hand(k: int, n: int, p: float, expected: float):
    assert integrity.at_least(k, n, p) == pytest.approx(expected)


@given(st.integers(1, 50), st.floats(0.01, 0.99))
def test_more_cases_are_never_more_likely(n: int, p: float):
    chances = [integrity.at_least(k, n, p) for k in range(n + 1)]
    assert all(a >= b - 1e-12 for a, b in zip(chances, chances[1:], strict=False))
    assert not any(math.isnan(chance) for chance in chances)


# ---- risk weights ------------------------------------------------------------------------------------------------------


def test_an_ordinary_record_weighs_one_and_reasons_add_up():
    told = [
        record(0),
        record(1, call_seconds=None),
        record(2, call_seconds=0.0, at=record(1).at + timedelta(seconds=4)),
    ]
    weights = weigh(told, sampling())
    assert weights["r0"] == (1.0, ())
    assert weights["r1"] == (4.0, ("no-attempt",))
    assert weights["r2"] == (1.0 + 3.0 + 2.0, ("zero-seconds", "tempo"))


def test_a_streak_ends_with_a_finding():
    told = [record(n, findings=int(n == 20)) for n in range(30)]
    assert perfect_streaks(told, least=15) == [f"r{n}" for n in range(20)]
    assert perfect_streaks(told, least=21) == []


def test_a_streak_belongs_to_one_person():
    told = [record(n, findings=0, author="wang" if n % 2 else "li") for n in range(20)]
    assert perfect_streaks(told, least=11) == []
    assert len(perfect_streaks(told, least=10)) == 20


# ---- what is told about the indicators ----------------------------------------------------------------------------------


def test_the_measured_figures_belong_to_the_limits_in_force_and_meet_the_targets():
    told = measured()
    assert told["version"] == LIMITS["version"]
    false, months = told["any_false_alarm"], told["honest_months"]
    assert false + 1.64 * (false * (1 - false) / months) ** 0.5 <= 0.02  # whatever the seed, not only with the one kept
    assert told["catch_rate"] >= 0.90
    assert set(told["false_alarms"]) == set(told["false_alarms_over_months"]) == set(integrity.CODES)
    assert told["honest_months"] >= 1000


def test_the_measured_power_grows_with_the_months_and_is_told_for_each_kind():
    told = measured()
    assert told["catch_rate_by_month"] == sorted(told["catch_rate_by_month"])
    assert len(told["caught"]) == 15
    for name, by_month in told["caught"].items():
        assert by_month == sorted(by_month), name
        assert by_month[-1] >= 0.88, name  # the weakest kind, by the third month
    assert told["caught"]["shader-50%"][0] >= 0.7


@pytest.mark.parametrize("version", ["2026-11-22", "2026-11-22.2"])
def test_the_versions_before_are_kept(version: str):
    old = json.loads((CONTENT / "superseded" / f"integrity-{version}.json").read_text(encoding="utf-8"))
    study = json.loads((CONTENT / "superseded" / f"integrity-study-{version}.json").read_text(encoding="utf-8"))
    assert old["version"] == study["version"] == version != LIMITS["version"]


# ---- written down, over months, together -------------------------------------------------------------------------------------


def shaded(count: int, share: float, luck: random.Random) -> list[Record]:
    """Calls with pressures read by hand, of which this share of the high ones is written down."""
    found = []
    for n in range(count):
        value = float(round(luck.gauss(133, 15)))
        if luck.random() < 0.4:
            value = float(round(value / 10) * 10)
        if 140 <= value < 155 and luck.random() < share:
            value = 138.0 - luck.choice([0, 2, 4])
        found.append(record(n, readings={"8480-6": value}))
    return found


def test_shading_says_its_share_and_shows_the_records_under_the_limit():
    told = shaded(260, 0.9, random.Random(4))
    one = found(told, "written-down", Peers())
    under, over = integrity.band_counts(told, LIMITS["bands"])
    assert one.fires
    assert one.facts["shaded"] > 0.6 > one.facts["honest_share"]
    assert (one.cases, one.out_of) == (len(under), len(under) + len(over))
    assert set(one.evidence) <= set(under)


def test_honest_readings_are_not_shading():
    assert not found(shaded(260, 0.0, random.Random(4)), "written-down", Peers()).fires


def test_nobody_is_judged_by_ten_readings():
    assert found(pressures(*([138.0] * 9)), "written-down").chance is None


def test_over_months_the_stricter_limits_count():
    told = [record(n, call_seconds=None if n < 40 else 120.0) for n in range(60)]
    one = found(told, "no-attempt")
    limits = {**LIMITS, "over_months": {"no-attempt": {"chance": (one.chance or 0) / 2}}}
    many = integrity.indicators(told, PEERS, limits, months=3)
    assert one.fires
    assert next(each for each in many if each.code == "no-attempt").fires is False
    assert next(each for each in many if each.code == "no-attempt").chance == one.chance


def test_every_indicator_has_its_limit_for_a_month_and_for_several():
    for code in integrity.CODES:
        assert 0 < LIMITS[code]["chance"] < 0.05
        assert 0 < LIMITS["over_months"][code]["chance"] <= LIMITS[code]["chance"]
    assert LIMITS["window_months"] == 3


@pytest.mark.parametrize(
    ("chances", "expected"),
    [([0.05], 0.05), ([1.0, 1.0], 1.0), ([0.05, 0.05], 0.0174786), ([0.01, 0.2, 0.3], 0.021562), ([0.0], 0.0)],
)
def test_fishers_sum_against_worked_figures(chances: list[float], expected: float):
    """For two chances the tail is p(1 - ln p) of their product p: 0.0025 (1 - ln 0.0025) = 0.0174786."""
    assert integrity.fisher(chances) == pytest.approx(expected, abs=2e-4)


@given(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=8))
def test_fishers_sum_is_the_tail_of_chi_squared(chances: list[float]):
    """Against numerical integration of the density of χ² with 2k degrees of freedom."""
    k, x = len(chances), -2 * sum(math.log(chance) for chance in chances)
    steps, end = 4000, x + 80 + 12 * k
    width = (end - x) / steps
    density = [math.exp((k - 1) * math.log(t) - t / 2 - k * math.log(2) - math.lgamma(k)) if t > 0 else (0.5 if k == 1 else 0.0) for t in (x + width * n for n in range(steps + 1))]  # fmt: skip
    tail = width / 3 * (density[0] + density[-1] + 4 * sum(density[1:-1:2]) + 2 * sum(density[2:-1:2]))
    assert integrity.fisher(chances) == pytest.approx(tail, abs=2e-4)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8), st.integers(0, 7), st.floats(0.0, 1.0))
def test_a_smaller_chance_never_makes_them_likelier_together(chances: list[float], which: int, factor: float):
    which %= len(chances)
    smaller = [*chances[:which], chances[which] * factor, *chances[which + 1 :]]
    assert integrity.fisher(smaller) <= integrity.fisher(chances) + 1e-9


def single(**chances: float | None) -> list[integrity.Indicator]:
    return [integrity.Indicator(code=code, chance=chance, evidence=(f"e-{code}",)) for code, chance in chances.items()]


def test_several_a_little_high_fire_together():
    one = integrity.together(single(a=0.02, b=0.03, c=0.04), LIMITS["together"])
    assert one.fires
    assert one.facts["raised"] == ["a", "b", "c"]
    assert one.evidence == ("e-a", "e-b", "e-c")


def test_one_very_unlikely_indicator_does_not_fire_as_several():
    """It is said by itself; here it counts as no less likely than the floor."""
    one = integrity.together(single(a=1e-12, b=0.6, c=0.9, d=1.0), LIMITS["together"])
    assert not one.fires
    assert one.cases == 1


def test_too_few_that_could_be_judged_are_not_taken_together():
    assert integrity.together(single(a=0.001, b=0.001, c=None), LIMITS["together"]).chance is None


def test_the_peers_of_several_months_are_all_of_them():
    months = [Peers.of(shaded(40, 0.2, random.Random(n)), LIMITS) for n in range(3)]
    whole = Peers.of([one for n in range(3) for one in shaded(40, 0.2, random.Random(n))], LIMITS)
    assert Peers.sum(months) == whole
    assert Peers.sum([]) == Peers()


def test_a_record_that_no_task_had_asked_for_is_not_asked_for_its_call():
    """Nothing could have logged a call: that is no trace of anything."""
    told = [record(n, call_seconds=None, is_logged=False, at=START + timedelta(seconds=n)) for n in range(60)]
    assert found(told, "no-attempt").out_of == 0
    assert found(told, "tempo").out_of == 0
    assert weigh(told[:3], sampling())["r0"] == (1.0, ())
