"""What the invented hospital system writes: right by the standard, by its own ranges, and as odd as it says it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from django.conf import settings

from careloop.integration.hl7v2.charsets import decode
from careloop.integration.hl7v2.message import Message
from careloop.simulation import messages
from careloop.simulation.messages import Outgoing, Sender, discharge, of_stay, pid
from careloop.simulation.world import City, Stay

AT = datetime(2026, 9, 9, 8, 30)


@pytest.fixture(scope="module")
def stays() -> list[Stay]:
    return list(City(3, settings.ENV.shared_data).stays(first_day=date(2026, 9, 1), days=10, per_day=30))


@pytest.fixture
def plain(stays: list[Stay]) -> Stay:
    """A stay to which nothing odd happened, with medicines."""
    found = next(stay for stay in stays if stay.profile.get("medicines"))
    return replace(
        found, discharge_cancelled=False, late_diagnosis=False, duplicate_record=None, discharged_twice=False,
        against_advice=False, visit_number="ZY00000001",
    )  # fmt: skip


def read(sent: Outgoing) -> Message:
    return Message(decode(sent.content).text)


def results(stays: list[Stay]) -> Iterator[list[str]]:
    for stay in stays:
        yield from (line.split("|") for line in messages.results(stay) if line.startswith("OBX"))


def test_every_flag_agrees_with_the_range_beside_it(stays: list[Stay]) -> None:
    everyone = [
        replace(stays[0], visit_number=f"ZY{number:08d}") for number in range(3060)
    ]  # each remainder of 17, 40, 90
    seen = set()
    for fields in results(everyone):
        value, (low, high), flag = fields[5], map(float, fields[7].split("-")), fields[8]
        if fields[2] == "ST":
            assert (value, flag) == ("<5.0", "")
            continue
        assert flag == ("L" if float(value) < low else "H" if float(value) > high else ""), fields
        seen.add((fields[3].split("^")[0], flag))
    assert seen == {("K", ""), ("K", "L"), ("CREA", ""), ("CREA", "L"), ("CREA", "H"), ("CRP", ""), ("CRP", "H")}


def test_the_same_visit_has_the_same_results(plain: Stay) -> None:
    assert messages.results(plain) == messages.results(plain)
    assert messages.results(plain) != messages.results(replace(plain, visit_number="ZY00000002"))


def test_the_old_system_says_in_which_letters_it_writes(stays: list[Stay]) -> None:
    for stay in stays[:30]:
        is_old = int(stay.visit_number[2:]) % 3 == 0
        for sent in of_stay(stay, Sender("T")):
            said = read(sent).get("MSH-18")
            assert said == ("GB18030" if is_old else "UNICODE UTF-8")
            assert stay.person.name in sent.content.decode("gb18030" if is_old else "utf-8")


def test_a_plain_stay_comes_in_order_of_time(plain: Stay) -> None:
    sent = list(of_stay(plain, Sender("T")))
    assert [one.event for one in sent] == ["ADT_A01", "ORU_R01", "ADT_A03", "RDE_O11"]
    assert [one.at for one in sent] == sorted(one.at for one in sent)
    assert [one.control_id for one in sent] == [f"T{n:08d}" for n in range(1, 5)]


@pytest.mark.parametrize(
    ("odd", "events"),
    [
        ({"discharged_twice": True}, ["ADT_A03", "RDE_O11", "ADT_A03"]),
        ({"late_diagnosis": True}, ["ADT_A03", "RDE_O11", "ADT_A08"]),
        ({"discharge_cancelled": True}, ["ADT_A03", "RDE_O11", "ADT_A13", "ADT_A03"]),
        (
            {"late_diagnosis": True, "discharge_cancelled": True},
            ["ADT_A03", "RDE_O11", "ADT_A08", "ADT_A13", "ADT_A03"],
        ),
    ],
)
def test_what_goes_wrong_at_a_discharge(plain: Stay, odd: dict[str, bool], events: list[str]) -> None:
    stay = replace(plain, **odd)
    sent = list(discharge(stay, Sender("T"), pid(stay.person, "1"), AT, old=False))
    assert [one.event for one in sent] == events
    assert len({one.control_id for one in sent}) == len(sent)
    has_code = [bool(read(one).all("DG1")) for one in sent if one.event == "ADT_A03"]
    assert has_code[0] is not stay.late_diagnosis
    assert has_code[-1] is (not stay.late_diagnosis or stay.discharge_cancelled)


def test_a_second_record_is_merged_into_the_first(plain: Stay) -> None:
    sent = list(of_stay(replace(plain, duplicate_record="LS00000009"), Sender("T")))
    merge = read(sent[-1])
    assert sent[-1].event == "ADT_A40"
    assert merge.get("MRG-1").startswith("LS00000009")
    assert merge.get("PID-3").startswith(plain.person.record_number)
    assert all(read(one).get("PID-3").startswith("LS00000009") for one in sent[:-1])


@pytest.mark.parametrize(("against", "code"), [(True, "07"), (False, "01")])
def test_how_somebody_left(plain: Stay, against: bool, code: str) -> None:
    visit = messages.pv1(replace(plain, against_advice=against), discharged=AT).split("|")
    assert (visit[36], visit[45]) == (code, "20260909083000")
    inside = messages.pv1(plain).split("|")
    assert (len(inside), inside[19]) == (45, plain.visit_number)  # nothing of a discharge while somebody lies there


def test_a_readmission_is_a_stay_of_its_own(plain: Stay) -> None:
    back = read(messages.readmission(plain, Sender("T"), "ZR00000001", AT))
    over = read(messages.readmission_over(plain, Sender("T"), "ZR00000001", AT, AT + timedelta(days=5)))
    assert back.get("PV1-19") == over.get("PV1-19") == "ZR00000001"
    assert back.get("PV1-44") == over.get("PV1-44") == "20260909083000"
    assert (back.get("PV1-45"), over.get("PV1-45")) == ("", "20260914083000")


@pytest.mark.parametrize(("event", "status"), [("SIU_S12", "BOOKED"), ("SIU_S26", "NOSHOW")])
def test_an_appointment_says_when_and_what_became_of_it(plain: Stay, event: str, status: str) -> None:
    when = AT + timedelta(days=28)
    told = read(messages.appointment(plain, Sender("T"), event, "YY0000001", AT, when))
    assert told.get("SCH-25") == status
    assert told.get("SCH-1") == "YY0000001"
    assert told.get("SCH-11.4") == "20261007083000"


def test_doses_in_milligrams_have_their_unit_apart(plain: Stay) -> None:
    stay = replace(plain, profile={**plain.profile, "medicines": ["阿司匹林肠溶片 100mg qd", "二甲双胍片 0.5g bid"]})
    first, second = (line.split("|") for line in messages.medicines(stay, AT) if line.startswith("RXE"))
    assert (first[3], first[5]) == ("100", "mg")
    assert (second[3], second[5]) == ("0.5g", "")
    assert len(messages.medicines(stay, AT)) == 4


def test_shipped_medicines_have_three_parts(stays: list[Stay]) -> None:
    told = {text for stay in stays for text in stay.profile.get("medicines", ())}
    assert told
    assert [text for text in told if len(text.split(" ")) != 3] == []
