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


def test_the_targets_hold_on_a_seed_that_the_limits_were_not_set_on():
    """A small study: wide enough apart from the targets to hold on any machine, the same numbers each time."""
    found = study.study(seed=99, departments=40, limits=LIMITS)
    assert found.honest.months > 200
    assert found.honest.share <= 0.03
    assert found.catch_rate >= 0.88
    whole = [tally.share for (_, share), tally in found.inventors.items() if share == 1.0]
    assert min(whole) >= 0.95


def test_the_command_prints_and_saves_its_figures(capsys: pytest.CaptureFixture[str], tmp_path):
    code = study.main(["--seed", "3", "--departments", "2", "--save", str(tmp_path / "s.json")])
    told = capsys.readouterr().out
    assert code in (0, 1)
    assert "false alarm" in told
    assert "caught" in told
    saved = json.loads((tmp_path / "s.json").read_text())
    assert saved["version"] == LIMITS["version"]
    assert f"{saved['catch_rate']:.1%}" in told


def test_limits_that_always_fire_miss_the_target(tmp_path):
    loose = json.loads(json.dumps(LIMITS))
    for code in ("no-attempt", "tempo", "copied", "just-under", "last-digits", "nothing-found"):
        loose[code]["chance"] = 1.0
    path = tmp_path / "loose.json"
    path.write_text(json.dumps(loose))
    assert study.main(["--departments", "1", "--limits", str(path)]) == 1
