"""The inbox: kept once, in order, applied in full or not at all, mended and run again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.db import DataError, OperationalError, connection

from careloop.accounts.models import OrganizationCode, Practitioner
from careloop.audit.models import AuditEvent
from careloop.integration import reads
from careloop.integration.actions import (
    Incoming,
    MessageNotFinished,
    OnlyTheSenderCanMend,
    Receipt,
    ignore_messages,
    map_department,
    process_batch,
    receive_messages,
    replay_messages,
)
from careloop.integration.actions import process as process_module
from careloop.integration.hl7v2.answer import read_answer
from careloop.integration.hl7v2.facts import Site
from careloop.integration.hl7v2.framing import Frame
from careloop.integration.hl7v2.intake import take_in
from careloop.integration.hl7v2.server import Arrived
from careloop.integration.jobs import gateway, process_inbox
from careloop.integration.models import InboxMessage
from careloop.integration.rules import MAX_ATTEMPTS, next_try, worst_wait
from careloop.integration.tests.factories import adt, oru, receive
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Condition, Encounter, Observation, Patient, PatientIdentifier
from tests.cast import SYSTEM, Cast

AT = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
STATE = InboxMessage.State


def inbox() -> Any:
    return InboxMessage.objects.unscoped("test").order_by("seq")


def run(limit: int | None = None, at: datetime = AT) -> Any:
    return process_inbox(limit, at=at)


@pytest.fixture(autouse=True)
def _reactions_run_elsewhere(db: None) -> None:
    """These tests look at the inbox; what follows an admission is other rooms' business."""


class TestKeeping:
    def test_any_bytes_in_the_order_they_came(self, cast: Cast) -> None:
        """Text travels as one value, bytes beside it: quotes, braces, every byte there is, and none of them moves a row."""
        every = bytes(range(256))
        odd = [
            f'MSH|^~\\&|H"{{}},\\\\|{name}|||1||ADT^A01|{name}|P|2.4\r'.encode() + every[n:] + every[:n]
            for n, name in enumerate(['a"b', "{NULL}", "NULL", "\\", "", "随访", "a,b"])
        ]
        site = reads.site()
        incoming = [Incoming(take_in(raw, site=site), InboxMessage.Channel.FILE, 'x"y,{z}') for raw in odd]
        told = receive_messages(incoming=incoming, at=AT, by=SYSTEM)
        kept = list(inbox())
        assert [row.pk for row in kept] == [receipt.message_id for receipt in told]
        assert [bytes(row.raw) for row in kept] == odd
        assert [bytes(row.sha256) for row in kept] == [each.intake.sha256 for each in incoming]
        assert [row.control_id for row in kept] == [each.intake.header.control_id for each in incoming]
        assert [row.sender for row in kept] == [each.intake.header.sender for each in incoming]
        assert {(row.peer, row.received_at, row.created_at, row.updated_at) for row in kept} == {
            ('x"y,{z}', AT, AT, AT)
        }
        assert not any(receipt.is_new for receipt in receive_messages(incoming=incoming, at=AT, by=SYSTEM))

    def test_bytes_header_and_key(self, cast: Cast) -> None:
        raw = adt("A01", name="王韡").encode("gb18030")
        receive(raw)
        (row,) = inbox()
        assert bytes(row.raw) == raw
        assert (row.sender, row.facility, row.event_type, row.charset) == ("HIS/YX", "YX", "ADT^A01", "gb18030")
        assert row.partition_key == "YX|9001"
        assert (row.state, row.size, row.flags) == (STATE.RECEIVED, len(raw), [])

    def test_again_is_counted_not_kept_twice(self, cast: Cast) -> None:
        first = receive(adt("A01"))
        again = receive(adt("A01"))
        assert (first.is_new, again.is_new) == (True, False)
        assert first.message_id == again.message_id
        assert inbox().get().duplicates == 1

    def test_again_within_one_batch(self, cast: Cast) -> None:
        raw = adt("A01").encode()
        incoming = [Incoming(take_in(raw, site=Site()), "mllp", "x") for _ in range(3)]
        receipts = receive_messages(incoming=incoming, at=AT, by=SYSTEM)
        assert [receipt.is_new for receipt in receipts] == [True, False, False]
        assert inbox().get().duplicates == 2

    def test_again_after_it_was_applied_has_no_second_effect(self, cast: Cast) -> None:
        receive(adt("A03", control="M1"))
        run()
        facts = AuditEvent.objects.count()
        receive(adt("A03", control="M1"))
        assert run().total == 0
        assert inbox().get().state == STATE.DONE
        assert AuditEvent.objects.count() == facts + 1  # received, nothing more

    def test_same_control_id_other_content_keeps_both_and_says_so(self, cast: Cast) -> None:
        receive(adt("A01", control="M1"))
        receive(adt("A08", control="M1"))
        one, two = inbox()
        assert (one.flags, two.flags) == ([], ["control-id-reused"])

    @pytest.mark.parametrize(
        ("raw", "code"),
        [
            (b"PID|1||10\r", "no-header"),
            (b"\x00\x01\x02", "no-header"),
            (b"MSH|^~\\&|A|B|||1|||M1|P|2.4\r", "no-message-type"),
        ],
    )
    def test_what_nobody_can_read_is_kept_with_its_reason(self, cast: Cast, raw: bytes, code: str) -> None:
        receive(raw)
        row = inbox().get()
        assert (row.state, row.error_code, bytes(row.raw)) == (STATE.DEAD, code, raw)
        assert row.error_text

    def test_nul_bytes_do_no_harm(self, cast: Cast) -> None:
        receive(adt("A01", control="M\x001", name="Zhang\x00San"))
        assert run().total == 1

    def test_stored_in_the_order_given(self, cast: Cast) -> None:
        raws = [adt("A08", control=f"M{n}") for n in range(30)]
        receive_messages(
            incoming=[Incoming(take_in(raw.encode(), site=Site()), "mllp", "") for raw in raws], at=AT, by=SYSTEM
        )
        assert [row.control_id for row in inbox()] == [f"M{n}" for n in range(30)]


class TestStumbling:
    """The gateway's store function, when a message is more than our program can bear."""

    def arrived(self, *raws: str) -> list[Arrived]:
        return [Arrived(Frame(raw.encode()), "10.0.0.1") for raw in raws]

    def test_a_message_we_cannot_look_at_is_kept_as_bytes(self, cast: Cast, monkeypatch: Any) -> None:
        def stumble(raw: bytes, **settings: Any) -> Any:
            if b"POISON" in raw:
                raise RecursionError
            return take_in(raw, **settings)

        monkeypatch.setattr(gateway, "take_in", stumble)
        answers = gateway.store(self.arrived(adt("A01", control="good"), adt("A01", control="POISON")))
        assert len(answers) == 2
        assert [(row.control_id, row.state, row.error_code) for row in inbox()] == [
            ("good", "received", ""), ("", "dead", "unexpected"),
        ]  # fmt: skip
        assert b"POISON" in bytes(inbox().last().raw)

    def test_a_message_the_table_refuses_does_not_hold_up_the_others(self, cast: Cast, monkeypatch: Any) -> None:
        real = gateway.receive_messages

        def refuse(*, incoming: Any, **rest: Any) -> Any:
            if any(each.intake.header.control_id == "POISON" for each in incoming):
                raise DataError("too odd")
            return real(incoming=incoming, **rest)

        monkeypatch.setattr(gateway, "receive_messages", refuse)
        raws = [adt("A01", control="one"), adt("A08", control="POISON"), adt("A03", control="two")]
        answers = gateway.store(self.arrived(*raws))
        assert [read_answer(answer)[0] for answer in answers] == ["AA", "AA", "AA"]
        assert [row.control_id for row in inbox()] == ["one", "", "two"]

    def test_without_a_database_nobody_is_answered(self, cast: Cast, monkeypatch: Any) -> None:
        monkeypatch.setattr(gateway, "receive_messages", raising(OperationalError("away")))
        with pytest.raises(OperationalError):
            gateway.store(self.arrived(adt("A01")))


class TestApplying:
    def test_stay_from_admission_to_discharge(self, cast: Cast) -> None:
        receive(adt("A01"))
        receive(adt("A03", discharged="20261120100000", dx="I21.001^急性前壁心肌梗死^ICD-10"))
        assert run().applied == 2
        stay = Encounter.objects.unscoped("test").get(visit_number="V9001")
        assert stay.status == "finished"
        assert stay.discharged_at == datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
        assert stay.department == cast.cardiology
        assert stay.patient.name == "周国强"
        assert stay.attending is not None
        assert (stay.attending.staff_number, stay.attending.username) == ("D77", None)
        assert Condition.objects.unscoped("test").get(encounter=stay).code == "I21.001"
        assert inbox().filter(state=STATE.DONE, patient=stay.patient).count() == 2

    def test_update_never_changes_the_status(self, cast: Cast) -> None:
        for raw in (adt("A01"), adt("A03"), adt("A08", dx="I50.900^心力衰竭^ICD-10", occurred="20261121")):
            receive(raw)
        run()
        stay = Encounter.objects.unscoped("test").get(visit_number="V9001")
        assert stay.status == "finished"
        assert Condition.objects.unscoped("test").filter(encounter=stay, active=True, code="I50.900").exists()

    def test_cancelled_discharge(self, cast: Cast) -> None:
        for raw in (adt("A01"), adt("A03"), adt("A13", occurred="20261121")):
            receive(raw)
        run()
        assert Encounter.objects.unscoped("test").get(visit_number="V9001").status == "in-progress"

    def test_death_by_disposition(self, cast: Cast) -> None:
        receive(adt("A03", disposition="5"))
        run()
        assert Patient.objects.unscoped("test").get(name="周国强").deceased

    def test_merge_pairs(self, cast: Cast) -> None:
        for number in ("9001", "9002", "9003", "9004"):
            receive(adt("A28", number=number, control=f"N{number}"))
        receive(adt("A40", number="9001", merges=[("9001", "9002"), ("9003", "9004")]))
        assert run().applied == 5
        holders = {
            row.value: row.patient_id
            for row in PatientIdentifier.objects.unscoped("test").filter(value__startswith="900", type="MR")
        }
        assert holders["9001"] == holders["9002"] != holders["9003"] == holders["9004"]

    def test_merge_of_a_number_never_seen_is_remembered(self, cast: Cast) -> None:
        receive(adt("A40", number="9001", merges=[("9001", "9002")]))
        receive(adt("A01", number="9002", visit="V9002"))
        run()
        stay = Encounter.objects.unscoped("test").get(visit_number="V9002")
        numbers = (
            PatientIdentifier.objects.unscoped("test").filter(patient=stay.patient).values_list("value", flat=True)
        )
        assert {"9001", "9002"} <= set(numbers)

    def test_result_goes_to_the_stay_it_names_and_creates_none(self, cast: Cast) -> None:
        receive(oru("9001", "V-unknown", "O1", [("2823-3^钾^LN", "5.6", "mmol/L", "H")]))
        receive(adt("A01"))
        receive(oru("9001", "V9001", "O2", [("2823-3^钾^LN", "<3.0", "mmol/L", "L")]))
        run()
        assert Encounter.objects.unscoped("test").filter(visit_number="V-unknown").count() == 0
        one, two = Observation.objects.unscoped("test").filter(code="2823-3").order_by("created_at", "key")
        assert (one.encounter, one.value_text) == (None, "5.6")
        assert two.encounter is not None
        assert two.comparator == "<"

    def test_not_needed_is_counted_by_type(self, cast: Cast) -> None:
        receive("MSH|^~\\&|HIS|YX|||20261120||DFT^P03|F1|P|2.4\rPID|1||9001^^^YX^MR\r")
        assert run().ignored == 1
        assert reads.outcome_of([inbox().get().pk]).ignored == {"DFT^P03": 1}

    def test_bad_identity_number_is_kept_and_flagged(self, cast: Cast) -> None:
        receive(adt("A28", card="11010119900307001Z"))
        assert run().applied == 1
        bad = PatientIdentifier.objects.unscoped("test").get(value__startswith="110101")
        assert bad.is_suspect

    def test_staff_file(self, cast: Cast) -> None:
        receive(
            "MSH|^~\\&|HIS|YX|||20261120||MFN^M02|F1|P|2.5\rMFI|STF||UPD\r"
            "MFE|MAD|||D88\rSTF|D88||欧阳^娜||F||A|CARD||^^^^^^13800000088||||||||主治医师\r"
            "MFE|MDC|||D89\rSTF|D89||李四|||||\r"
        )
        assert run().applied == 1
        doctor = Practitioner.objects.get(staff_number="D88")
        assert (doctor.name, doctor.organization, doctor.title) == ("欧阳娜", cast.cardiology, "主治医师")
        assert not Practitioner.objects.get(staff_number="D89").is_active

    def test_location_file(self, cast: Cast) -> None:
        receive(
            "MSH|^~\\&|HIS|YX|||20261120||MFN^M05|F2|P|2.5\rMFI|LOC||UPD\r"
            "MFE|MAD|||W12\rLOC|W12|心内一病区|N\rLDP|W12|CARD\r"
        )
        assert run().applied == 1
        receive(adt("A01", unit="W12", service=""))
        run()
        stay = Encounter.objects.unscoped("test").get(visit_number="V9001")
        assert stay.department == cast.cardiology


class TestOrder:
    def test_a_later_message_waits_for_an_earlier_one_of_its_patient(self, cast: Cast, monkeypatch: Any) -> None:
        receive(adt("A01", control="first"))
        receive(adt("A03", control="second"))
        receive(adt("A01", control="other", number="9009", visit="V9009"))
        fail_once(monkeypatch, "ADT^A01", "9001")
        done = process_batch(limit=10, at=AT, by=SYSTEM)
        assert (done.applied, done.retried) == (1, 1)
        assert {row.control_id: row.state for row in inbox()} == {
            "first": STATE.RETRY, "second": STATE.RECEIVED, "other": STATE.DONE,
        }  # fmt: skip
        assert process_batch(limit=10, at=AT, by=SYSTEM).total == 0  # not yet time, and nobody overtakes
        later = AT + timedelta(seconds=2)
        assert run(at=later).applied == 2

    def test_a_merge_waits_for_both_and_both_wait_for_it(self, cast: Cast, monkeypatch: Any) -> None:
        receive(adt("A01", number="9002", visit="V9002", control="gone"))
        receive(adt("A40", number="9001", merges=[("9001", "9002")], control="merge"))
        receive(adt("A08", number="9002", visit="V9002", control="after"))
        fail_once(monkeypatch, "ADT^A01", "9002")
        process_batch(limit=10, at=AT, by=SYSTEM)
        assert [row.state for row in inbox()] == [STATE.RETRY, STATE.RECEIVED, STATE.RECEIVED]
        run(at=AT + timedelta(seconds=2))
        assert [row.state for row in inbox()] == [STATE.DONE] * 3
        stay = Encounter.objects.unscoped("test").get(visit_number="V9002")
        assert PatientIdentifier.objects.unscoped("test").get(value="9001", type="MR").patient_id == stay.patient_id

    def test_a_dead_letter_holds_nobody_up(self, cast: Cast) -> None:
        receive(adt("A01", unit="NOWHERE", service=""))
        receive(adt("A28", control="next"))
        assert (done := run()).applied == 1
        assert done.dead == 1


class TestFailing:
    def test_backs_off_and_gives_up_with_a_reason(self, cast: Cast, monkeypatch: Any) -> None:
        receive(adt("A01"))
        fail_always(monkeypatch, OperationalError("lost"))
        at, waits = AT, []
        for _ in range(MAX_ATTEMPTS):
            assert run(at=at).total == 1
            row = inbox().get()
            if row.state == STATE.DEAD:
                break
            waits.append((row.next_try - at).total_seconds())
            assert run(at=at).total == 0
            at = row.next_try
        assert row.state == STATE.DEAD
        assert (row.error_code, row.attempts) == ("database", MAX_ATTEMPTS)
        assert waits == sorted(waits)
        assert AuditEvent.objects.filter(name="integration.MessageParked").count() == 1

    def test_a_bug_of_ours_stops_one_message_only(self, cast: Cast, monkeypatch: Any) -> None:
        receive(adt("A01", control="bad"))
        receive(adt("A01", control="good", number="9009", visit="V9009"))
        fail_once(monkeypatch, "ADT^A01", "9001", RuntimeError("a bug with 周国强 in it"))
        run()
        bad, good = inbox()
        assert (bad.state, bad.error_code, bad.error_text) == (STATE.RETRY, "unexpected", "RuntimeError")
        assert good.state == STATE.DONE

    def test_nothing_half_written(self, cast: Cast, monkeypatch: Any) -> None:
        from careloop.patients import actions as patients

        receive(adt("A03"))
        monkeypatch.setattr(patients, "upsert_encounters", raising(RuntimeError("in the middle")))
        run()
        assert not Patient.objects.unscoped("test").filter(name="周国强").exists()

    def test_rules_of_waiting(self) -> None:
        tries = [next_try(attempts=n, at=AT, seed="m") for n in range(1, MAX_ATTEMPTS + 1)]
        waits = [(each - AT).total_seconds() for each in tries if each]
        assert tries[-1] is None
        assert 0.8 <= waits[0] <= 1.2
        assert max(waits) <= 3600 * 1.2
        assert next_try(attempts=3, at=AT, seed="m") == next_try(attempts=3, at=AT, seed="m")
        assert timedelta(hours=1) < worst_wait() < timedelta(hours=6)


class TestUnknownDepartment:
    def test_dead_letter_then_mapped_then_applied(self, cast: Cast) -> None:
        receive(adt("A01", unit="0417", service=""))
        receive(adt("A03", unit="0417", service=""))
        assert run().dead == 2
        (group,) = reads.dead_groups(by=SYSTEM)
        assert (group.code, group.subject, group.facility, group.count) == ("unknown-department", "0417", "YX", 2)
        count = map_department(facility="YX", value="0417", organization=cast.orthopaedics, at=AT, by=SYSTEM)
        assert count == 2
        assert OrganizationCode.objects.get(value="0417").organization == cast.orthopaedics
        assert run().applied == 2
        stay = Encounter.objects.unscoped("test").get(visit_number="V9001")
        assert (stay.department, stay.status) == (cast.orthopaedics, "finished")

    def test_another_sender_is_not_meant(self, cast: Cast) -> None:
        receive(adt("A01", unit="0417", service=""))
        run()
        assert map_department(facility="LAB", value="0417", organization=cast.orthopaedics, at=AT, by=SYSTEM) == 0
        assert inbox().get().state == STATE.DEAD

    def test_a_known_service_is_enough(self, cast: Cast) -> None:
        receive(adt("A01", unit="0417", service="CARD"))
        assert run().applied == 1

    def test_a_death_is_never_held_up(self, cast: Cast) -> None:
        receive(adt("A01"))
        receive(adt("A03", unit="0417", service="", disposition="5"))
        assert run().applied == 2
        assert Patient.objects.unscoped("test").get(name="周国强").deceased

    def test_sites_that_keep_the_text(self, cast: Cast, monkeypatch: Any) -> None:
        monkeypatch.setattr(settings, "ENV", replaced(hl7_unknown_department="keep"))
        receive(adt("A01", unit="0417", service=""))
        assert run().applied == 1
        stay = Encounter.objects.unscoped("test").get(visit_number="V9001")
        assert stay.department is None
        assert "0417" in stay.department_text


class TestReplay:
    def test_applied_ones_change_nothing_more(self, cast: Cast) -> None:
        receive(adt("A01"))
        receive(adt("A03", dx="I21.001^x^ICD-10"))
        run()
        before = (Encounter.objects.unscoped("t").count(), Condition.objects.unscoped("t").count())
        assert replay_messages(ids=[row.pk for row in inbox()], at=AT, by=SYSTEM) == 2
        assert run().applied == 2
        assert (Encounter.objects.unscoped("t").count(), Condition.objects.unscoped("t").count()) == before
        assert Encounter.objects.unscoped("test").get(visit_number="V9001").status == "finished"

    def test_waiting_ones_are_refused(self, cast: Cast) -> None:
        receive(adt("A01"))
        with pytest.raises(MessageNotFinished):
            replay_messages(ids=[inbox().get().pk], at=AT, by=SYSTEM)

    def test_without_a_header_it_stays_dead(self, cast: Cast) -> None:
        receive(b"nothing to read")
        with pytest.raises(OnlyTheSenderCanMend):
            replay_messages(ids=[inbox().get().pk], at=AT, by=SYSTEM)

    def test_only_what_the_viewer_may_see(self, cast: Cast) -> None:
        receive(adt("A01", unit="0417", service=""))
        run()
        with pytest.raises(MessageNotFinished):
            replay_messages(ids=[inbox().get().pk], at=AT, by=cast.as_wang)

    def test_put_aside(self, cast: Cast) -> None:
        receive(adt("A01", unit="0417", service=""))
        run()
        row = inbox().get()
        assert ignore_messages(ids=[row.pk], at=AT, by=SYSTEM) == 1
        assert reads.dead_groups(by=SYSTEM) == []
        assert replay_messages(ids=[row.pk], at=AT, by=SYSTEM) == 1


class TestCounting:
    def test_every_message_is_in_exactly_one_state(self, cast: Cast) -> None:
        receive(adt("A01"))
        receive(adt("A01", control="d", number="7", visit="V7", unit="0417", service=""))
        receive("MSH|^~\\&|HIS|YX|||20261120||DFT^P03|F1|P|2.4\r")
        run()
        receive(adt("A08", control="late"))
        health = reads.health(since=datetime(2020, 1, 1, tzinfo=UTC), by=SYSTEM)
        (mllp,) = [each for each in health.channels if each.channel == "mllp"]
        assert (mllp.received, mllp.applied, mllp.ignored, mllp.waiting, mllp.dead) == (4, 1, 1, 1, 1)
        assert mllp.received == mllp.applied + mllp.ignored + mllp.waiting + mllp.dead
        assert (health.waiting, health.dead, health.retrying) == (1, 1, 0)
        assert health.oldest_waiting is not None

    def test_the_last_message_of_a_channel_is_its_newest_and_a_silent_channel_has_none(self, cast: Cast) -> None:
        for hours, control in ((2, "a"), (5, "b"), (1, "c")):
            receive(adt("A08", control=control), at=AT + timedelta(hours=hours))
        health = reads.health(since=AT + timedelta(hours=6), by=SYSTEM)
        assert {each.channel: each.last_at for each in health.channels} == {
            "mllp": AT + timedelta(hours=5),
            "file": None,
            "sheet": None,
        }

    def test_a_big_batch_takes_few_queries(self, cast: Cast, django_assert_max_num_queries: Any) -> None:
        raws = [adt("A08", control=f"M{n}").encode() for n in range(100)]
        incoming = [Incoming(take_in(raw, site=Site()), "mllp", "") for raw in raws]
        with django_assert_max_num_queries(6):
            receive_messages(incoming=incoming, at=AT, by=SYSTEM)

    def test_claiming_uses_the_small_indexes(self, cast: Cast) -> None:
        receive(adt("A01"))
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {process_module._CLAIM}", {"at": AT, "limit": 20})
            plan = "\n".join(line for (line,) in cursor.fetchall())
        assert "inbox_open" in plan
        assert "Seq Scan" not in plan


def raising(error: Exception) -> Any:
    def fail(**_: Any) -> None:
        raise error

    return fail


def fail_always(monkeypatch: Any, error: Exception) -> None:
    """Nothing can be applied, neither with others nor alone."""
    monkeypatch.setattr(process_module, "apply_facts", raising(error))
    monkeypatch.setattr(process_module, "apply_together", raising(error))


def fail_once(monkeypatch: Any, event: str, number: str, error: Exception | None = None) -> None:
    """Applying this event of this patient fails with the others, and the first time alone."""
    alone, together, left = process_module.apply_facts, process_module.apply_together, [1]

    def is_meant(facts: Any) -> bool:
        numbers = [each.value for each in facts.person.identifiers] if facts.person else []
        return bool(left[0] and facts.event == event and number in numbers)

    def sometimes(**kwargs: Any) -> Any:
        if is_meant(kwargs["facts"]):
            left[0] -= 1
            raise error or OperationalError("the connection was lost")
        return alone(**kwargs)

    def sometimes_together(**kwargs: Any) -> Any:
        if any(is_meant(facts) for facts in kwargs["several"]):
            raise error or OperationalError("the connection was lost")
        return together(**kwargs)

    monkeypatch.setattr(process_module, "apply_facts", sometimes)
    monkeypatch.setattr(process_module, "apply_together", sometimes_together)


def replaced(**values: object) -> SimpleNamespace:
    return SimpleNamespace(**{**{f: getattr(settings.ENV, f) for f in settings.ENV.__dataclass_fields__}, **values})


def test_receipt_is_plain() -> None:
    assert Receipt.__dataclass_params__.frozen
    assert Viewer.system("x").everything
