"""The invented city: repeatable, valid, and as imperfect as life."""

import random
from datetime import date, datetime, timedelta

import pytest
from django.conf import settings

from careloop.integration.hl7v2.charsets import decode
from careloop.integration.hl7v2.message import Message
from careloop.patients.rules.identity import read_identity_number
from careloop.simulation.answering import choose, number
from careloop.simulation.messages import Sender, death, discharge, of_stay, pid
from careloop.simulation.phone import Page
from careloop.simulation.wire import _code
from careloop.simulation.world import City

FIRST = date(2026, 9, 1)


def parse(content):
    return Message(decode(content).text)


def stays(seed=7, days=30, per_day=20):
    return list(City(seed, settings.ENV.shared_data).stays(first_day=FIRST, days=days, per_day=per_day))


@pytest.fixture(scope="module")
def many():
    return stays()


def test_the_same_seed_is_the_same_city(many):
    again = stays()
    assert [s.person for s in again] == [s.person for s in many]
    assert [s.person for s in stays(seed=8)] != [s.person for s in many]


def test_identity_numbers_are_valid_and_agree_with_birth_and_sex(many):
    for stay in many:
        found = read_identity_number(stay.person.identity_number, on=date(2027, 1, 1))
        assert found.is_valid, stay.person.identity_number
        assert found.birth_date == stay.person.born
        assert found.sex[:1].upper() == stay.person.sex


def test_about_one_number_in_ten_is_bad(many):
    share = sum(s.person.behaviour.number != "good" for s in many) / len(many)
    assert 0.06 < share < 0.14


def test_everything_that_goes_wrong_in_life_goes_wrong_here():
    many = stays(days=60, per_day=40)
    for trait in ("discharge_cancelled", "late_diagnosis", "duplicate_record", "discharged_twice", "against_advice"):
        assert any(getattr(s, trait) for s in many), trait
    for trait in ("worsens_on_day", "dies_on_day", "readmitted_on_day"):
        assert any(getattr(s.person.behaviour, trait) is not None for s in many), trait


def test_people_fit_their_illness(many):
    for stay in many:
        age = (stay.discharged_at.date() - stay.person.born).days / 365.25
        low, high = stay.profile["age"]
        assert low - 0.1 <= age <= high + 0.1
        if stay.profile.get("sex") == "female":
            assert stay.person.sex == "F"


def test_messages_of_a_stay_are_readable_and_in_order(many):
    send = Sender("T")
    for stay in many[:150]:
        sent = list(of_stay(stay, send))
        assert [m.event for m in sent][0] == "ADT_A01"
        assert "ADT_A03" in [m.event for m in sent]
        for message in sent:
            read = parse(message.content)
            assert read.get("MSH-10") == message.control_id
            assert stay.person.name in read.get("PID-5.1")


def test_numbers_of_messages_never_repeat(many):
    send = Sender("T")
    ids = [m.control_id for stay in many for m in of_stay(stay, send)]
    assert len(set(ids)) == len(ids)


def test_a_cancelled_discharge_comes_again_later(many):
    stay = next(s for s in stays(days=60, per_day=40) if s.discharge_cancelled)
    events = [m.event for m in discharge(stay, Sender("T"), pid(stay.person, "1"), stay.discharged_at, old=False)]
    assert events.index("ADT_A13") < len(events) - 1
    assert events.count("ADT_A03") == 2 + stay.discharged_twice


def test_death_carries_its_fields(many):
    read = parse(death(many[0], Sender("T"), datetime(2026, 9, 9, 8)).content)
    assert (read.get("PID-29")[:8], read.get("PID-30")) == ("20260909", "Y")


@pytest.mark.parametrize("worse", [True, False])
def test_answers_are_always_among_those_offered(worse):
    dice = random.Random(1)
    for codes in (["no", "yes", "unclear"], [str(n) for n in range(11)], ["only"]):
        assert {choose("q", codes, worse=worse, random=dice) for _ in range(200)} <= set(codes)


def test_worse_is_worse():
    dice = random.Random(1)
    well = [number("sbp", worse=False, random=dice) for _ in range(50)]
    bad = [number("sbp", worse=True, random=dice) for _ in range(50)]
    assert max(well) < min(bad)


def test_page_reads_the_form_and_leaves_the_header_alone():
    page = Page(
        '<header><form method="post" action="/large/"><input name="x" type="hidden" value="1"></form></header>'
        '<main><form method="post" id="f" action="/here/"><input type="hidden" name="t" value="abc">'
        '<input type="radio" name="q" value="no"><input type="radio" name="q" value="yes" checked>'
        '<input name="n" inputmode="decimal"></form><a href="/t/1/">go</a></main>'
    )
    assert page.action == "/here/"
    assert (page.fields["q"].options, page.fields["q"].checked) == (["no", "yes"], ["yes"])
    assert (page.fields["t"].value, page.fields["n"].type) == ("abc", "number")
    assert "x" not in page.fields
    assert page.links == ["/t/1/"]


def test_acknowledgement_code():
    assert _code(b"\x0bMSH|^~\\&|\rMSA|AE|1|why\r\x1c\r") == "AE"
    assert _code(b"nonsense") == ""


def test_weekends_are_quieter(many):
    by_day = {}
    for stay in many:
        by_day[stay.discharged_at.date()] = by_day.get(stay.discharged_at.date(), 0) + 1
    weekend = [n for day, n in by_day.items() if day.weekday() >= 5]
    week = [n for day, n in by_day.items() if day.weekday() < 5]
    assert sum(weekend) / len(weekend) < sum(week) / len(week)
    assert max(by_day) - min(by_day) == timedelta(days=29)
