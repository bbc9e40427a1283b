"""What a run proves must be able to fail: every loss and every double is named, counts equal the database's own."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import pytest
from django.conf import settings
from django.db import connection

from careloop.integration.tests.factories import adt, receive
from careloop.kernel.actions import seeding
from careloop.messaging.tests.factories import change, queue, site
from careloop.patients.models import Encounter
from careloop.simulation import answering, messages, run
from careloop.simulation.report import Report, report
from careloop.simulation.world import City
from careloop.tasks.tests.factories import make_task
from tests.cast import NOW, SYSTEM

FIRST = date(2026, 3, 2)


# ---- the proof can fail


@pytest.fixture
def clean(cast) -> None:
    """The cast without the stays it brings, which nobody decided about."""
    with seeding():
        Encounter.objects.unscoped("test").update(status="in-progress")


def proof(*, sent: int = 0, texts: dict[str, int] | None = None) -> Report:
    return report(sent=sent, texts=texts or {}, at=NOW)


@pytest.mark.django_db
def test_a_quiet_hospital_has_no_fault(clean):
    assert proof().faults == []


@pytest.mark.django_db
@pytest.mark.parametrize(("sent", "has_fault"), [(1, True), (2, False), (3, True)])
def test_a_message_lost_or_invented_on_the_line_is_named(clean, cast, sent, has_fault):
    receive(adt("A08"))
    receive(adt("A08"))  # the same again: stored once, recognised once
    found = proof(sent=sent)
    assert (found.stored, found.repeated) == (1, 1)
    assert any(fault.startswith(f"sent {sent} but stored 1") for fault in found.faults) is has_fault


@pytest.mark.django_db
def test_a_message_that_waits_for_ever_and_a_dead_one_are_named(clean, cast):
    receive(adt("A08"))
    receive(b"no header")
    found = proof(sent=2)
    assert any("stored 2 but applied + ignored + dead is 1" in fault for fault in found.faults)
    assert any("1 dead messages: {'no-header': 1}" in fault for fault in found.faults)


@pytest.mark.django_db
def test_every_task_is_in_one_state_and_the_sum_is_the_databases(clean, cast):
    for given in (
        {"available_at": NOW + timedelta(days=3), "due_at": NOW + timedelta(days=4)}, {"snoozed_until": NOW + timedelta(hours=1)}, {"promised_at": NOW + timedelta(hours=2)},
        {"status": "completed", "ended_at": NOW, "outcome": "reached-patient"}, {"status": "cancelled", "ended_at": NOW, "closed_reason": "died"}, {}, {"available_at": NOW - timedelta(days=10), "due_at": NOW - timedelta(days=9)},
    ):  # fmt: skip
        make_task(cast, **given)
    found = proof()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM tasks_task")
        assert sum(found.items.values()) == cursor.fetchone()[0] == 7
    assert len(found.items) >= 4


@pytest.mark.django_db
def test_a_discharge_nobody_decided_about_is_named(clean, cast):
    with seeding():
        Encounter.objects.unscoped("test").filter(pk=cast.stay.pk).update(status="finished", discharged_at=NOW)
    found = proof()
    assert (found.discharges, found.decisions) == (1, 0)
    assert "1 discharges but 0 enrolment decisions" in found.faults


@pytest.mark.django_db
def test_a_text_that_came_twice_or_never_is_named(clean, cast):
    with site(sms_quiet_hours=""):
        from careloop.messaging.actions import load_templates

        load_templates(at=NOW, by=SYSTEM)
        one, other = queue(cast.zhang, "one"), queue(cast.ma, "other")
    change(one, state="sent")
    change(other, state="sent")
    found = proof(texts={"one": 3})
    assert (found.gateway, found.gateway_doubled, found.never_arrived) == (1, 2, 1)
    assert "2 messages reached a phone twice" in found.faults
    assert "1 messages count as sent but reached no phone" in found.faults
    assert proof(texts={"one": 1, "other": 1}).faults == []


# ---- the command


@pytest.mark.parametrize(
    "arguments",
    [
        ["--days", "0"], ["--days", "-3"], ["--days", "731"], ["--days", "many"], ["--days", "1.5"], ["--days", ""],
        ["--discharges-per-day", "0"], ["--discharges-per-day", "5001"], ["--seed", "x"], ["--dyas", "3"], ["3"],
    ],
)  # fmt: skip
def test_a_run_that_makes_no_sense_is_refused_with_two(arguments, capsys):
    with pytest.raises(SystemExit) as refusal:
        run._options(arguments)
    assert refusal.value.code == 2
    assert "careloop simulate: error" in capsys.readouterr().err


def test_what_holds_when_nothing_is_said():
    given = run._options([])
    assert (given.days, given.discharges_per_day, given.seed, given.people_file) == (30, 20, 7, None)
    assert run._options(["--days", "730"]).days == 730


def test_time_is_not_moved_outside_a_simulation(monkeypatch):
    monkeypatch.setattr(settings, "SIMULATED_CLOCK", None)
    with pytest.raises(SystemExit, match="movable clock"):
        run._set_clock(datetime(2026, 1, 1, tzinfo=UTC))


# ---- determinism


def stays(seed: int, days: int = 3, per_day: int = 6) -> list:
    return list(City(seed, settings.ENV.shared_data).stays(first_day=FIRST, days=days, per_day=per_day))


@pytest.mark.parametrize("seed", [0, 1, 7, 2**31])
def test_the_same_seed_is_the_same_hospital_to_the_byte(seed):
    one, other = stays(seed), stays(seed)
    assert one == other
    told = [
        [message for stay in each for message in messages.of_stay(stay, messages.Sender("r"))] for each in (one, other)
    ]
    assert told[0] == told[1]


def test_another_seed_is_another_hospital():
    assert {stay.person.name for stay in stays(1)} != {stay.person.name for stay in stays(2)}


def test_a_shorter_run_is_the_beginning_of_a_longer_one():
    short, long = stays(7, days=2), stays(7, days=4)
    assert long[: len(short)] == short


@pytest.mark.parametrize("worse", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_answers_follow_their_dice_alone(seed, worse):
    told = [
        [answering.choose("pain", ["a", "b", "c"], worse=worse, random=dice) for _ in range(30)]
        for dice in (random.Random(seed), random.Random(seed))
    ]
    assert told[0] == told[1]
    assert set(told[0]) <= {"a", "b", "c"}


def test_nobody_real_lives_there():
    """Phones and identity numbers of the example are of no real person: record numbers repeat for nobody."""
    people = [stay.person for stay in stays(7, days=5, per_day=10)]
    assert len({person.record_number for person in people}) == len(people)
    assert all(person.phone.isdecimal() for person in people)
