"""The study of the indicators: reproducible, untidy where people are, and its targets hold on another seed."""

from __future__ import annotations

import json
import random

import pytest

from careloop.simulation import integrity as study
from careloop.supervision.reads.content import integrity as limits_of

LIMITS = limits_of()


@pytest.fixture
def luck() -> random.Random:
    return random.Random(5)


def somebody(luck: random.Random) -> tuple[study.Department, study.Nurse]:
    return study.department(luck), study.nurse(luck, "n")


def test_the_same_seed_gives_the_same_figures():
    one, other = (study.as_data(study.study(seed=3, departments=2, limits=LIMITS), 2) for _ in range(2))
    assert one == other
    assert one != study.as_data(study.study(seed=4, departments=2, limits=LIMITS), 2)


def test_a_month_has_as_many_records_as_the_nurse_has_contacts(luck: random.Random):
    where, who = somebody(luck)
    month = study.honest_month(luck, where, who)
    assert len(month) == who.contacts
    assert [one.at for one in month] == sorted(one.at for one in month)
    assert len({one.id for one in month}) == len(month)


def test_honest_reading_by_hand_prefers_noughts_and_a_device_does_not(luck: random.Random):
    where = study.department(luck)
    shares = {}
    for noughts, evens in ((0.6, True), (0.1, False)):
        who = study.Nurse("n", 400, noughts, evens, 0.05, 0, 1.0)
        digits = [int(one.readings[study.SBP]) % 10 for one in study.honest_month(luck, where, who)]
        shares[evens] = digits.count(0) / len(digits)
    assert shares[True] > 0.55
    assert shares[False] < 0.3


@pytest.mark.parametrize("trick", sorted(study.TRICKS))
def test_each_trick_changes_records_but_not_their_number(luck: random.Random, trick: str):
    where, who = somebody(luck)
    month = study.invented_month(luck, where, who, trick=trick, share=1.0)
    assert len(month) == who.contacts
    if trick == "shader":
        near = [one.readings[study.SBP] for one in month if study.SBP in one.readings]
        assert not [value for value in near if 140 <= value < 154]
    if trick == "copier":
        assert all(one.values == one.earlier for one in month if one.earlier is not None)
    if trick == "desk":
        assert not [one for one in month if one.call_seconds]


def test_nothing_is_invented_with_a_share_of_nought(luck: random.Random):
    where, who = somebody(luck)
    state = luck.getstate()
    honest = study.honest_month(luck, where, who)
    luck.setstate(state)
    assert study.invented_month(luck, where, who, trick="careful", share=0.0) == honest


def test_level_two_looks_at_a_few(luck: random.Random):
    where, who = somebody(luck)
    month = study.honest_month(luck, where, who)
    looks = [sum(bool(one.second_look) for one in study.checked(luck, month, month)) for _ in range(20)]
    assert max(looks) <= 10
    assert 0 in looks


@pytest.fixture(scope="module")
def small() -> study.Study:
    """A small study on a seed that the limits were not set on; the same numbers on any machine."""
    return study.study(seed=99, departments=14, limits=LIMITS)


def test_the_targets_hold_on_a_seed_that_the_limits_were_not_set_on(small: study.Study):
    """Wide enough apart from the targets: with so few departments chance has its share."""
    assert small.honest.people > 70
    assert small.false_alarms <= 0.05
    assert small.catch_rate() >= 0.87
    whole = [tally.by_end_of(0) for (_, share), tally in small.inventors.items() if share == 1.0]
    assert min(whole) >= 0.85


def test_three_months_find_more_than_one(small: study.Study):
    rates = [small.catch_rate(month) for month in range(study.MONTHS)]
    assert rates == sorted(rates)
    assert rates[-1] >= 0.95
    for tally in small.inventors.values():
        by_month = [tally.by_end_of(month) for month in range(study.MONTHS)]
        assert by_month == sorted(by_month)
        assert 0 <= by_month[0] <= by_month[-1] <= 1


def test_who_shades_half_of_the_records_is_found_by_the_third_month(small: study.Study):
    shader = small.inventors["shader", 0.5]
    assert shader.by_end_of(0) >= 0.5
    assert shader.by_end_of(2) >= 0.8
    assert shader.by_code[2]["written-down+"] > 0


def test_departments_joined_are_the_same_as_counted_at_once():
    whole = study.study(seed=8, departments=2, limits=LIMITS)
    parts = [study._of_department(8, LIMITS, number) for number in range(2)]
    assert sum(honest.people for honest, _ in parts) == whole.honest.people
    for kind, tally in whole.inventors.items():
        assert tally.people == 2
        for month in range(study.MONTHS):
            assert tally.fired_in[month] == sum(inventors[kind].fired_in[month] for _, inventors in parts)


def test_months_of_one_person_do_not_overlap(luck: random.Random):
    where, who = somebody(luck)
    ends = [study.honest_month(luck, where, who, month) for month in range(study.MONTHS)]
    for month, told in enumerate(ends):
        assert told[0].at >= study.begins(month)
    ids = [one.id for told in ends for one in told]
    assert len(ids) == len(set(ids))


def test_a_department_that_measures_again_has_fewer_high_pressures():
    luck = random.Random(2)
    who = study.Nurse("n", 450, 0.1, False, 0.05, 0, 1.0)
    high = {}
    for again in (0.0, 0.9):
        month = study.honest_month(luck, study.Department(136, 15, 0.2, 0.0, again), who)
        high[again] = sum(one.readings[study.SBP] >= 140 for one in month if one.readings) / len(month)
    assert high[0.9] < high[0.0] - 0.05


def test_a_long_tail_lies_on_the_high_side():
    luck = random.Random(4)
    usual = [
        study._usual(luck, study.Department(130, 16, 0.2, 1.0), study.Nurse("n", 1, 0, False, 0, 0, 1))
        for _ in range(4000)
    ]
    mean = sum(usual) / len(usual)
    assert mean == pytest.approx(130, abs=1)
    assert sum((value - mean) ** 3 for value in usual) > 0


def test_the_command_prints_and_saves_its_figures(capsys: pytest.CaptureFixture[str], tmp_path):
    code = study.main(["--seed", "3", "--departments", "2", "--processes", "1", "--save", str(tmp_path / "s.json")])
    told = capsys.readouterr().out
    assert code in (0, 1)
    assert "false alarm" in told
    assert "caught" in told
    saved = json.loads((tmp_path / "s.json").read_text())
    assert saved["version"] == LIMITS["version"]
    assert f"{saved['catch_rate']:.1%}" in told
    assert "least caught in one month" in told
    assert set(saved["caught"]) == {f"{trick}-{share:.0%}" for trick in study.TRICKS for share in study.SHARES}
    assert all(len(by_month) == study.MONTHS == saved["months"] for by_month in saved["caught"].values())
    assert saved["catch_rate_by_month"][0] == saved["catch_rate"]


def test_limits_that_always_fire_miss_the_target(tmp_path):
    loose = json.loads(json.dumps(LIMITS))
    for code in ("no-attempt", "tempo", "copied", "just-under", "last-digits", "nothing-found"):
        loose[code]["chance"] = 1.0
    path = tmp_path / "loose.json"
    path.write_text(json.dumps(loose))
    assert study.main(["--departments", "1", "--processes", "1", "--limits", str(path)]) == 1
