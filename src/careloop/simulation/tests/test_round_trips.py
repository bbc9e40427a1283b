"""What leaves the invented hospital comes back the same: messages read again, phones beside a model, people who answer."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from careloop.accounts.reads import viewer_for
from careloop.integration.hl7v2.charsets import decode
from careloop.integration.hl7v2.message import Message
from careloop.integration.hl7v2.orders import read_medications
from careloop.integration.hl7v2.person import read_person
from careloop.integration.hl7v2.results import read_observations
from careloop.integration.hl7v2.schedule import read_appointment
from careloop.integration.hl7v2.visit import read_diagnoses, read_procedures, read_visit
from careloop.kernel.actions import seeding
from careloop.messaging.tests.factories import site
from careloop.patients.models import Patient
from careloop.simulation import messages, run, setup
from careloop.simulation.gateway import command, pages
from careloop.simulation.gateway.phones import FAULTS, NUMBER_KINDS, Fault, Phones, from_row, to_row
from careloop.simulation.messages import FACILITY, Sender
from careloop.simulation.quarter import keys, open_per_step, population
from careloop.simulation.quarter_command import _next_quarter, _share
from careloop.simulation.report import Report, _faults
from careloop.simulation.staff import Hospital, Tally, doctors_round, nurse_shift
from careloop.simulation.tests.test_gateway import run as play
from careloop.simulation.tests.test_gateway import running, stats
from careloop.simulation.world import City, Stay
from careloop.tasks.actions import TaskNotOpen
from careloop.tasks.models import ContactAttempt, Task
from careloop.tasks.tests.factories import make_task
from tests.cast import NOW, Cast

SHANGHAI = ZoneInfo("Asia/Shanghai")
FIRST = date(2028, 2, 27)  # over a leap day


@pytest.fixture(scope="module")
def stays() -> list[Stay]:
    return list(City(41, settings.ENV.shared_data).stays(first_day=FIRST, days=4, per_day=15))


def read(sent: messages.Outgoing) -> Message:
    return Message(decode(sent.content).text)


# ---- HL7: stay → message → facts → the same segments -------------------------------------------------------------------


def test_a_person_comes_back_as_the_segment_said(stays: list[Stay]) -> None:
    """PID → person → PID is the same line, in both charsets of the hospital."""
    for number, stay in enumerate(stays):
        sent = Sender("R").message("ADT_A01", stay.admitted_at, [messages.pid(stay.person, "7"), *messages.nk1(stay.person)], old_system=bool(number % 2))  # fmt: skip
        message = read(sent)
        person = read_person(message, message.first("PID"), facility=FACILITY, zone=SHANGHAI)
        told = {one.type: one.value for one in person.identifiers}
        assert told == {"MR": "7", "NNCHN": stay.person.identity_number}
        again = replace(
            stay.person, name=str(person.name), born=person.birth_date, sex=str(person.sex),
            identity_number=told["NNCHN"], address=str(person.address), phone=person.phones[0].value,
        )  # fmt: skip
        assert messages.pid(again, told["MR"]) == messages.pid(stay.person, "7")
        relatives = person.related or ()
        assert [one.name for one in relatives] == ([stay.person.relative.name] if stay.person.relative else [])


def test_a_discharge_comes_back_with_its_hour_diagnosis_and_operation(stays: list[Stay]) -> None:
    seen = set()
    for stay in stays:
        sent = Sender("R").message(
            "ADT_A03", stay.discharged_at,
            [messages.pid(stay.person, "7"), messages.pv1(stay, discharged=stay.discharged_at), *messages.dg1(stay), *messages.pr1(stay)],
            old_system=False,
        )  # fmt: skip
        message = read(sent)
        visit = read_visit(
            message, event="discharged", identifiers=(), facility=FACILITY, occurred_at=None, zone=SHANGHAI
        )
        assert visit is not None
        assert visit.number == stay.visit_number
        assert visit.discharged_at == stay.discharged_at.replace(tzinfo=SHANGHAI)
        assert visit.admitted_at == stay.admitted_at.replace(tzinfo=SHANGHAI, microsecond=0)
        assert visit.disposition == ("against-advice" if stay.against_advice else "home")
        (diagnosis,) = read_diagnoses(message, event="discharged", zone=SHANGHAI) or ()
        assert (diagnosis.code, diagnosis.system, diagnosis.rank) == (stay.profile["icd"], "ICD-10", 1)
        operations = read_procedures(message, zone=SHANGHAI) or ()
        assert [one.procedure.code for one in operations] == (
            [stay.profile["operation"]] if "operation" in stay.profile else []
        )
        seen.add(stay.discharged_at.date())
    assert date(2028, 2, 29) in seen


def test_results_medicines_and_appointments_come_back(stays: list[Stay]) -> None:
    for stay in (one for one in stays if one.profile.get("medicines")):
        report = read(Sender("R").message("ORU_R01", stay.admitted_at, [messages.pid(stay.person, "7"), *messages.results(stay)], old_system=True))  # fmt: skip
        found = {one.code: one for one in read_observations(report, zone=SHANGHAI)}
        assert set(found) == {"K", "CREA", "CRP"}
        lines = {line.split("|")[3].split("^")[0]: line.split("|") for line in messages.results(stay)[1:]}
        for code, one in found.items():
            assert (one.value, one.unit, one.reference_range, one.flag) == tuple(lines[code][n] for n in (5, 6, 7, 8))
        order = read(Sender("R").message("RDE_O11", stay.discharged_at, [messages.pid(stay.person, "7"), *messages.medicines(stay, stay.discharged_at)], old_system=False))  # fmt: skip
        drugs = read_medications(order, zone=SHANGHAI)
        assert [f"{one.text} {one.dose}{one.dose_unit} {one.frequency}" for one in drugs] == stay.profile["medicines"]
        assert len({one.key for one in drugs}) == len(drugs)
    when = datetime(2028, 2, 29, 23, 45)
    for event, name in (("SIU_S12", "booked"), ("SIU_S26", "no-show")):
        booked = read(messages.appointment(stays[0], Sender("R"), event, "YY1", when, when))
        told = read_appointment(booked, event=name, occurred_at=None, zone=SHANGHAI)
        assert told is not None
        assert told.starts_at == when.replace(tzinfo=SHANGHAI)
        assert told.ends_at == datetime(2028, 3, 1, 0, 15, tzinfo=SHANGHAI)


def test_what_the_hospital_hears_of_later_is_in_order_and_never_before_the_discharge(stays: list[Stay]) -> None:
    sent = list(run._all_messages(stays, 3))
    assert len({one.control_id for one in sent}) == len(sent)
    by_patient: dict[str, list[messages.Outgoing]] = {}
    for one in sent:
        by_patient.setdefault(read(one).first("PID").field(3).first(1), []).append(one)
    for mine in by_patient.values():
        ends = [one.at for one in mine if one.event == "ADT_A03"]
        for one in mine:
            if one.event in ("SIU_S12", "SIU_S26", "ADT_A31"):
                assert not ends or one.at > min(ends)


# ---- the command line --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "fine"),
    [
        (["--days", "1"], True), (["--days", "730"], True), (["--days", "0"], False), (["--days", "731"], False),
        (["--days", "-1"], False), (["--days", "٣"], True), (["--days", "1.5"], False), (["--days", ""], False),
        (["--discharges-per-day", "5000"], True), (["--discharges-per-day", "5001"], False), (["--seed", "x"], False),
        (["--seed", "-7"], True), (["--people-file", "x.json"], True), (["--unknown"], False), ([], True),
    ],
)  # fmt: skip
def test_the_words_of_the_simulation(words: list[str], fine: bool, capsys: pytest.CaptureFixture[str]) -> None:
    if fine:
        assert run._options(words).days >= 1
        return
    with pytest.raises(SystemExit) as end:
        run._options(words)
    assert end.value.code == 2
    assert words[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("repeat", "knows", "asked"), [("key", True, True), ("ask", False, True), ("none", False, False)]
)
def test_the_words_of_the_gateway(repeat: str, knows: bool, asked: bool, tmp_path: Path) -> None:
    told = command.options(["--port", "8190", "--repeat", repeat, "--state", str(tmp_path / "g.sqlite")])
    assert (told.port, told.knows_key, told.can_be_asked, told.state_file) == (
        8190,
        knows,
        asked,
        tmp_path / "g.sqlite",
    )
    assert command.options(["--state", "none"]).state_file is None
    assert command.options([]).host == "127.0.0.1"  # it shows every message: only to this machine
    with pytest.raises(SystemExit):
        command.options(["--repeat", "sometimes"])


@pytest.mark.parametrize(
    ("today", "first"),
    [
        (date(2026, 1, 1), date(2026, 4, 1)), (date(2026, 3, 31), date(2026, 4, 1)), (date(2026, 4, 1), date(2026, 7, 1)),
        (date(2026, 12, 31), date(2027, 1, 1)), (date(2028, 2, 29), date(2028, 4, 1)), (date(2026, 10, 1), date(2027, 1, 1)),
    ],
)  # fmt: skip
def test_the_next_quarter(today: date, first: date) -> None:
    assert _next_quarter(today) == first


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_share_is_words_whatever_the_numbers(part: int, whole: int) -> None:
    assert _share(part, whole).endswith(" %")
    assert _share(0, whole) in ("0 %", "0.0 %")


@given(st.integers(0, 60), st.integers(0, 10**6))
def test_the_same_seed_is_the_same_population_and_nobody_was_discharged_in_the_future(patients: int, seed: int) -> None:
    first = date(2028, 2, 29)
    found = population(patients, seed=seed, first=first)
    assert found == population(patients, seed=seed, first=first)
    assert {one.patient for one in found} == set(range(patients))
    assert all(one.discharged < first for one in found)
    assert not keys([])
    assert not open_per_step(SimpleNamespace(items=[]))


# ---- phones beside a model -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("knows_key", [True, False])
@given(told=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["1", "2"]), st.text(max_size=5)), max_size=25))
def test_phones_count_what_reached_them(knows_key: bool, told: list[tuple[str, str, str]]) -> None:
    """A gateway that knows keys shows each key once; one that does not shows a repeat again. Nothing is lost in the file."""
    phones, model = Phones(knows_key=knows_key), {}
    for key, to, text in told:
        message, new = phones.accept(key=key, to=to, text=text, at=0)
        assert new is (key not in model or not knows_key)
        model[key] = 1 if knows_key else model.get(key, 0) + 1
        assert message.copies == model[key]
    counted = phones.stats()
    assert (counted["messages"], counted["reached"]) == (len(model), sum(model.values()))
    assert counted["doubled"] == sum(copies > 1 for copies in model.values())
    again = Phones(knows_key=knows_key)
    for one in phones.messages:
        again.keep(from_row({**json.loads(json.dumps(to_row(one))), "of-a-newer-version": 1}))
    assert again.messages == phones.messages
    assert again.stats() == counted


@given(st.lists(st.builds(Fault, st.sampled_from(sorted(FAULTS)), st.integers(1, 3), st.integers(0, 2), st.sampled_from(["", "x"]), st.sampled_from(["", "a"])), max_size=5))  # fmt: skip
def test_a_script_of_faults_is_used_up_exactly(faults: list[Fault]) -> None:
    phones = Phones(faults=list(faults))
    wanted = sum(one.times for one in faults)
    given_out = sum(phones.next_fault("a1", "x") is not None for _n in range(wanted + sum(f.skip for f in faults) + 5))
    assert given_out == wanted
    assert phones.faults == []


@given(st.text(min_size=1, max_size=40), st.text(max_size=40))
def test_no_text_breaks_the_inbox(number: str, text: str) -> None:
    phones = Phones()
    phones.accept(key="k", to=number, text=text, at=0)
    page = pages.inbox(phones, number)
    assert page.count("<script") == 1
    assert page.count("<form") == 1
    assert page.count('<li class="theirs"') == 1


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("/demo/numbers", {}), ("/demo/numbers", {"numbers": []}), ("/demo/numbers", {"numbers": {"+86170": "gone"}}),
        ("/demo/numbers", {"numbers": "bad"}), ("/demo/numbers", {"numbers": {"+86170": ["bad"]}}), ("/demo/callback", {}), ("/demo/callback", {"url": 5}),
        ("/demo/faults", {}), ("/demo/faults", {"faults": [{"do": "explode"}]}), ("/demo/faults", {"faults": 3}),
        ("/demo/faults", {"faults": [{"do": "500", "often": 2}]}), ("/demo/replies", {"number": "+86170"}),
        ("/demo/replies", {"number": "", "text": "x"}),
    ],
)  # fmt: skip
def test_a_script_that_cannot_be_read_is_refused_and_changes_nothing(address: str, body: dict[str, Any]) -> None:
    async def test() -> None:
        async with running() as (client, gateway, _h):
            before = (dict(gateway.phones.numbers), list(gateway.phones.faults), gateway.callbacks.url)
            answer = await client.post(address, json=body)
            assert answer.status == 400
            assert (dict(gateway.phones.numbers), list(gateway.phones.faults), gateway.callbacks.url) == before
            assert (await stats(client))["messages"] == 0

    play(test)


def test_every_kind_of_bad_number_has_its_end() -> None:
    phones = Phones(numbers={f"+8617000000{n}0": kind for n, kind in enumerate(NUMBER_KINDS)})
    ends = {}
    for number, kind in phones.numbers.items():
        message, _new = phones.accept(key=number, to=number, text="x", at=0)
        ends[kind] = phones.refused_at_once(number) or phones.final_status(message)
    assert ends == {
        "bad": "bad-number", "empty": ("failed", "empty-number"), "off": ("failed", "expired-at-carrier"),
        "blocked": ("failed", "blocked-by-carrier"),
    }  # fmt: skip
    for odd in ("", "12", "+86", "abc1234567", "１７０００００００００", "1" * 16, "+86 17000000000"):
        assert phones.refused_at_once(odd) == "bad-number", odd


# ---- the proof -------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"sent": 3, "stored": 2, "by_state": {"done": 2}}, "sent 3 but stored 2"),
        ({"sent": 2, "stored": 2, "by_state": {"done": 1, "received": 1}}, "stored 2 but applied + ignored + dead is 1"),
        ({"sent": 1, "stored": 1, "by_state": {"dead": 1}, "dead": {"no-header": 1}}, "1 dead messages"),
        ({"items": {"done": 1}}, "0 planned items but 1 states"), ({"discharges": 2, "decisions": 1}, "2 discharges but 1"),
        ({"gateway_doubled": 1}, "1 messages reached a phone twice"), ({"never_arrived": 4}, "4 messages count as sent"),
        ({"orphans": 5}, "5 open tasks belong to no active plan"),
    ],
)  # fmt: skip
def test_each_broken_identity_is_named_alone(broken: dict[str, Any], words: str) -> None:
    faults = _faults(Report(**broken))
    assert len(faults) == 1
    assert faults[0].startswith(words)
    assert _faults(Report()) == []


# ---- people at work --------------------------------------------------------------------------------------------------------


def behaves(stay: Stay, **behaviour: Any) -> Stay:
    calm = {
        "number": "good", "picks_up": 1.0, "worsens_on_day": None, "dies_on_day": None, "refuses": False, "opts_out": False
    }  # fmt: skip
    person = replace(stay.person, behaviour=replace(stay.person.behaviour, **calm | behaviour), relative=None)
    home = timezone.localtime(NOW - timedelta(days=3)).replace(tzinfo=None)
    return replace(stay, person=person, discharged_at=home)


class Steady(random.Random):
    """Dice that always fall on the same side."""

    def __init__(self, side: float) -> None:
        super().__init__(1)
        self.side = side

    def random(self) -> float:
        return self.side


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("behaviour", "side", "outcome", "count"),
    [
        ({}, 0.5, "reached-patient", "completed"), ({"picks_up": 0.1}, 0.5, None, "calls"),
        ({"number": "wrong"}, 0.5, "wrong-person", "calls"), ({"number": "empty"}, 0.5, "empty-number", "calls"),
        ({"dies_on_day": 1}, 0.5, "died", "calls"), ({"refuses": True}, 0.5, "refused", "calls"),
        ({"refuses": True}, 0.2, "refused-for-ever", "calls"), ({}, 0.01, "call-later", "calls"),
    ],
    ids=["answers", "nobody", "wrong", "empty", "died", "refuses", "for-ever", "later"],
)  # fmt: skip
def test_a_nurse_calls_and_what_happens_is_in_the_record(
    cast: Cast, stays: list[Stay], behaviour: dict[str, Any], side: float, outcome: str | None, count: str
) -> None:
    stay = behaves(stays[0], **behaviour)
    make_task(cast)
    hospital = Hospital({"2026110347": stay}, Steady(side))
    told: list[datetime] = []
    with site():
        nurse_shift(cast.wang, hospital, start=NOW, calls=1, tell=told.append)
    assert hospital.tally.refusals == {}
    tried = ContactAttempt.objects.unscoped("test").get()
    assert tried.outcome == outcome or (outcome is None and tried.outcome in {"no-answer", "busy", "off"})
    assert hospital.tally.calls == 1
    assert getattr(hospital.tally, count) == 1
    assert told == [NOW]
    task = Task.objects.unscoped("test").get(kind="follow-up")
    assert task.claimed_by_id is None  # nobody keeps a patient in hand after the shift
    if behaviour.get("dies_on_day"):
        assert Patient.objects.unscoped("test").get(pk=cast.zhang.pk).deceased or task.status != "requested"


@pytest.mark.django_db
def test_a_shift_ends_when_the_list_is_empty_and_strangers_work_is_only_put_aside(cast: Cast) -> None:
    make_task(cast)
    hospital = Hospital({}, random.Random(1))  # nobody of the run lies behind this number
    nurse_shift(cast.wang, hospital, start=NOW, calls=50, tell=lambda _at: None)
    assert (hospital.tally.calls, hospital.tally.other_tasks) == (0, 1)
    nurse_shift(cast.wang, hospital, start=NOW, calls=50, tell=lambda _at: None)
    assert hospital.tally.other_tasks == 1
    doctors_round(hospital, at=NOW)  # no alert: nothing happens
    assert hospital.tally.alerts_closed == 0


def test_refusals_are_counted_by_their_code() -> None:
    tally = Tally()
    for _n in range(3):
        tally.refused(TaskNotOpen())
    assert tally.refusals == {TaskNotOpen.code: 3}


@pytest.mark.django_db
def test_passwords_are_made_for_those_who_are_there_and_work_once(cast: Cast) -> None:
    with seeding():
        cast.wang.username = "hushi1"
        cast.wang.save()
    (told,) = setup.issue_demo_passwords(at=NOW)
    assert (told["username"], told["name"]) == ("hushi1", "Wang")
    cast.wang.refresh_from_db()
    assert cast.wang.check_password(told["password"])
    assert cast.wang.must_change_password
    (again,) = setup.issue_demo_passwords(at=NOW)
    assert again["password"] != told["password"]
    assert viewer_for(cast.wang, at=NOW).practitioner_id == cast.wang.pk


def test_the_same_city_whoever_looks_first(stays: list[Stay]) -> None:
    again = list(City(41, settings.ENV.shared_data).stays(first_day=FIRST, days=4, per_day=15))
    assert again == stays
    checks: list[Callable[[Stay], bool]] = [
        lambda one: one.admitted_at < one.discharged_at, lambda one: len(one.person.identity_number) == 18,
        lambda one: one.person.phone.isdigit(), lambda one: one.discharged_at.date() >= FIRST,
    ]  # fmt: skip
    assert all(check(one) for one in again for check in checks)
