"""The gateway process for real: TCP, the database, and kill -9 at the worst moments."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection

from careloop.audit.models import AuditEvent
from careloop.integration.actions import process as process_actions
from careloop.integration.actions import process_batch
from careloop.integration.hl7v2.answer import read_answer
from careloop.integration.hl7v2.framing import END, START, FrameReader, wrap
from careloop.integration.jobs import ingest as ingest_job
from careloop.integration.jobs import process as process_job
from careloop.integration.jobs import process_inbox
from careloop.integration.models import InboxMessage
from careloop.integration.tests.factories import AT, adt, oru, receive
from careloop.patients.models import Encounter, Patient
from tests.cast import SYSTEM, make_cast

ROOT = Path(__file__).resolve().parents[4]
STATE = InboxMessage.State

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.kill]


def inbox() -> Any:
    return InboxMessage.objects.unscoped("test").order_by("seq")


def database_url() -> str:
    s = connection.settings_dict
    return f"postgresql://{s['USER']}@/{s['NAME']}?host={s['HOST']}"


@contextmanager
def gateway(*arguments: str, **settings: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`careloop hl7 listen` as its own process, on a port of the system's choice."""
    with command("listen", "--port", "0", *arguments, **settings) as (process, line):
        assert "listens" in line
        yield process, int(line.rsplit(":", 1)[1])


def started(*arguments: str, **settings: str) -> subprocess.Popen[str]:
    """`careloop hl7 …` as its own process."""
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT / "src"), "CARELOOP_DATABASE_URL": database_url(),
        "PYTHONUNBUFFERED": "1", **settings,
    }  # fmt: skip
    code = "import sys; from careloop.config.cli import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.Popen(
        [sys.executable, "-c", code, "hl7", *arguments],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@contextmanager
def command(*arguments: str, **settings: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`careloop hl7 …` as its own process, and the first line it prints."""
    process = started(*arguments, **settings)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.stderr.read() if process.stderr else ""
    try:
        yield process, line
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


class Sender:
    """A hospital system: sends, and waits for the answer to each message."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.frames = FrameReader()
        self.answers: list[bytes] = []

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, message: str | bytes) -> tuple[str, str, str]:
        self.socket.sendall(wrap(message if isinstance(message, bytes) else message.encode()))
        return read_answer(self.answer())

    def answer(self) -> bytes:
        while not self.answers:
            data = self.socket.recv(65_536)
            if not data:
                raise ConnectionError("closed")
            self.answers += [frame.body for frame in self.frames.feed(data)]
        return self.answers.pop(0)


def wait_until(done: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def test_from_the_socket_to_the_record() -> None:
    cast = make_cast()
    with gateway() as (_, port), Sender(port) as sender:
        assert sender.send(adt("A01", name="王韡", control="M1").encode("gb18030")) == ("AA", "M1", "")
        assert sender.send(adt("A03", control="M2")) == ("AA", "M2", "")
        wait_until(lambda: inbox().filter(state=STATE.DONE).count() == 2)
    stay = Encounter.objects.unscoped("test").get(visit_number="V9001")
    assert (stay.status, stay.department) == ("finished", cast.cardiology)
    assert [row.charset for row in inbox()] == ["gb18030", "utf-8"]


def test_the_answer_is_in_the_charset_of_the_request() -> None:
    make_cast()
    with gateway("--no-process") as (_, port), Sender(port) as sender:
        raw = adt("A01", control="消息一").encode("gb18030")
        sender.socket.sendall(wrap(raw))
        assert "MSA|AA|消息一".encode("gb18030") in sender.answer()


def test_what_the_sender_must_mend() -> None:
    make_cast()
    with gateway("--no-process", CARELOOP_HL7_FACILITIES="YX,LAB") as (_, port), Sender(port) as sender:
        assert sender.send(b"no header")[0] == "AR"
        assert sender.send(b"MSH|^~\\&|HIS|YX|||1|||M1|P|2.4\r")[:2] == ("AE", "M1")
        assert sender.send(b"MSH|^~\\&|HIS|ELSE|||1||ADT^A01|M2|P|2.4\r")[:2] == ("AR", "M2")
        assert sender.send(adt("A01", control="M3"))[:2] == ("AA", "M3")
    assert [(row.state, row.error_code) for row in inbox()] == [
        ("dead", "no-header"), ("dead", "no-message-type"), ("dead", "unknown-facility"), ("received", ""),
    ]  # fmt: skip


def test_again_is_accepted_and_changes_nothing() -> None:
    make_cast()
    with gateway() as (_, port), Sender(port) as sender:
        for _again in range(3):
            assert sender.send(adt("A01", control="M1"))[:2] == ("AA", "M1")
        assert sender.send(adt("A08", control="M1"))[:2] == ("AA", "M1")
        wait_until(lambda: inbox().filter(state=STATE.DONE).count() == 2)
    first, second = inbox()
    assert (first.duplicates, second.flags) == (2, ["control-id-reused"])


def test_pipelined_on_many_connections_all_kept_in_order() -> None:
    make_cast()

    def speak(n: int, port: int) -> None:
        with Sender(port) as sender:
            raws = [adt("A08", number=str(9000 + n), visit=f"V{n}", control=f"{n}-{k}").encode() for k in range(30)]
            sender.socket.sendall(b"".join(wrap(raw) for raw in raws))
            assert [read_answer(sender.answer())[1] for _ in raws] == [f"{n}-{k}" for k in range(30)]

    with gateway("--no-process") as (_, port):
        threads = [threading.Thread(target=speak, args=(n, port)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    rows = list(inbox().values_list("control_id", flat=True))
    assert len(rows) == 180
    for n in range(6):
        assert [row for row in rows if row.startswith(f"{n}-")] == [f"{n}-{k}" for k in range(30)]


def test_five_megabytes_and_no_end_mark_with_carriage_return() -> None:
    make_cast()
    big = oru("9001", "V9001", "O1", [("718-7^Hb^LN", "132", "g/L", "N")]) + "NTE|1||" + "长" * 1_700_000 + "\r"
    with gateway() as (_, port), Sender(port) as sender:
        assert len(big.encode()) > 5_000_000
        sender.socket.sendall(START + big.encode() + END)
        assert read_answer(sender.answer())[0] == "AA"
        wait_until(lambda: inbox().filter(state=STATE.DONE).count() == 1)
    assert bytes(inbox().get().raw) == big.encode()


def test_killed_between_store_and_process() -> None:
    """What was acknowledged is in the inbox, whatever happens to the process; the next one carries on."""
    make_cast()
    with gateway("--no-process") as (process, port), Sender(port) as sender:
        for n in range(20):
            assert sender.send(adt("A01", number=str(9000 + n), visit=f"V{9000 + n}", control=f"K{n}"))[0] == "AA"
        process.kill()
        process.wait()
    assert inbox().filter(state=STATE.RECEIVED).count() == 20
    with gateway():
        wait_until(lambda: inbox().filter(state=STATE.DONE).count() == 20)
    assert Encounter.objects.unscoped("test").filter(visit_number__startswith="V90").count() == 20


def test_killed_again_and_again_while_it_works() -> None:
    """Nothing acknowledged is lost, nothing is applied by halves, and each stay exists once."""
    make_cast()
    acknowledged: list[str] = []
    waiting = [
        adt(t, number=str(8000 + n), visit=f"V{8000 + n}", control=f"{t}{n}") for n in range(40) for t in ("A01", "A03")
    ]
    for _round in range(3):
        with gateway() as (process, port):
            killer = threading.Timer(0.25, process.kill)
            killer.start()
            try:
                with Sender(port) as sender:
                    while waiting:
                        code, control, _words = sender.send(waiting[0])
                        assert code == "AA"
                        acknowledged.append(control)
                        waiting.pop(0)
            except (ConnectionError, TimeoutError):
                pass
            killer.cancel()
            process.kill()
            process.wait()
    with gateway() as (_, port), Sender(port) as sender:
        for raw in waiting:
            acknowledged.append(sender.send(raw)[1])
        wait_until(lambda: not inbox().unfinished().exists())
    assert set(inbox().values_list("control_id", flat=True)) == set(acknowledged)
    assert inbox().exclude(state=STATE.DONE).count() == 0
    stays = Encounter.objects.unscoped("test").filter(visit_number__startswith="V80")
    assert (stays.count(), stays.filter(status="finished", discharge_cycle=1).count()) == (40, 40)
    assert Patient.objects.unscoped("test").filter(name="周国强").count() == 40


def test_processes_that_only_apply() -> None:
    make_cast()
    for n in range(10):
        receive(adt("A01", number=str(6000 + n), visit=f"V{6000 + n}"))
        receive(adt("A03", number=str(6000 + n), visit=f"V{6000 + n}"))
    with command("process") as (one, _), command("process") as (two, _line):
        wait_until(lambda: inbox().filter(state=STATE.DONE).count() == 20)
        for process in (one, two):
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0
    assert Encounter.objects.unscoped("test").filter(visit_number__startswith="V60", status="finished").count() == 10


NEVER = "1000000"
"""Seconds between two looks: whoever applies something has been told."""


def listeners() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'careloop hl7 process'")
        return [pid for (pid,) in cursor.fetchall()]


def test_a_process_that_only_applies_is_told_of_each_message_also_after_it_lost_its_ear(tmp_path: Path) -> None:
    make_cast()
    receive(adt("A01", number="6100", visit="V6100"))  # before anybody listened
    with command("process", "--look", NEVER) as (process, _), gateway("--no-process") as (_gateway, port):
        with Sender(port) as sender:
            for n in range(4):
                wait_until(lambda n=n: inbox().filter(state=STATE.DONE).count() == n + 1)
                if n == 2:
                    with connection.cursor() as cursor:
                        cursor.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS pid", [listeners()])
                assert sender.send(adt("A01", number=str(6101 + n), visit=f"V{6101 + n}", control=f"T{n}"))[0] == "AA"
        wait_until(lambda: inbox().filter(state=STATE.DONE).count() == 5)
        assert len(listeners()) == 1
        ingest_job.ingest([comings_and_goings(tmp_path, 2)], process=False)
        wait_until(lambda: inbox().filter(state=STATE.DONE).count() == 9)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


def test_who_is_told_nothing_looks_by_himself() -> None:
    make_cast()
    processor = process_job.Processor(look=0.01)
    processor.start()
    try:
        receive(adt("A01"))
        wait_until(lambda: inbox().filter(state=STATE.DONE).count() == 1)
    finally:
        processor.stop()


def test_nobody_stumbles_over_telling_nobody(monkeypatch: Any) -> None:
    def away() -> Any:
        raise OperationalError("the database is just gone")

    with monkeypatch.context() as gone:
        gone.setattr(process_job.connection, "cursor", away)
        process_job.announce()


def test_two_processors_share_the_work() -> None:
    """Rows one has locked are skipped by the other; order within a patient holds."""
    make_cast()
    for n in range(30):
        receive(adt("A01", number=str(7000 + n), visit=f"V{7000 + n}"))
        receive(adt("A03", number=str(7000 + n), visit=f"V{7000 + n}"))
    done: list[int] = []

    def work() -> None:
        try:
            done.append(process_inbox().applied)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    process_inbox()
    assert inbox().exclude(state=STATE.DONE).count() == 0
    assert Encounter.objects.unscoped("test").filter(visit_number__startswith="V70", status="finished").count() == 30


def comings_and_goings(folder: Path, count: int) -> Path:
    """A file in which each of so many patients comes and goes, all comings first."""
    path = folder / "a.hl7"
    told = [adt(t, number=str(8500 + n), visit=f"V{8500 + n}") for t in ("A01", "A03") for n in range(count)]
    path.write_text("\n".join(told), encoding="utf-8")
    return path


def assert_each_came_and_went_once(count: int) -> None:
    stays = Encounter.objects.unscoped("test").filter(visit_number__startswith="V8")
    assert (stays.count(), stays.filter(status="finished", discharge_cycle=1).count()) == (count, count)
    assert Patient.objects.unscoped("test").filter(name="周国强").count() == count
    assert inbox().exclude(state=STATE.DONE).count() == 0
    facts = AuditEvent.objects.filter(name__in=["patients.EncounterStarted", "patients.EncounterFinished"])
    assert sorted(facts.order_by("id").values_list("name", flat=True)) == [
        *["patients.EncounterFinished"] * count, *["patients.EncounterStarted"] * count
    ]  # fmt: skip
    for stay in stays:  # in their order: nobody went before he came
        came, went = AuditEvent.objects.filter(
            patient_id=stay.patient_id, name__startswith="patients.Encounter"
        ).order_by("id")
        assert (came.name, went.name) == ("patients.EncounterStarted", "patients.EncounterFinished")


def is_helper() -> bool:
    return multiprocessing.current_process().name == "hl7-helper"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # newer Pythons warn of a fork beside threads
@pytest.mark.parametrize("end", [None, "stumbles", "is-killed"])
def test_helpers_apply_along_and_whoever_stumbles_leaves_nothing_undone(
    monkeypatch: Any, tmp_path: Path, end: str | None
) -> None:
    make_cast()
    path = comings_and_goings(tmp_path, 12)
    monkeypatch.setattr(process_job, "BATCH", 3)
    monkeypatch.setattr(ingest_job, "_BATCH_COUNT", 4)
    finish = process_actions._finish

    def breaks(*given: Any) -> None:
        finish(*given)
        if is_helper():
            (
                tmp_path / f"{os.getpid()}.stumbled"
            ).touch()  # once each: then it is gone, and its batch waits for the others
            if end == "is-killed":
                os.kill(os.getpid(), signal.SIGKILL)
            raise RuntimeError("power cut before the commit")

    if end:
        monkeypatch.setattr(process_actions, "_finish", breaks)
        monkeypatch.setattr(ingest_job, "process_inbox", waiting_for(tmp_path, 2))
    report = ingest_job.ingest([path], helpers=2)
    assert (report.stored, report.applied, report.waiting, report.dead) == (24, 24, 0, {})
    assert len(list(tmp_path.glob("*.stumbled"))) == (2 if end else 0)
    assert not multiprocessing.active_children()
    assert_each_came_and_went_once(12)


def waiting_for(folder: Path, helpers: int) -> Callable[[], None]:
    """Applies when so many helpers have stumbled: whoever is quicker otherwise, the work would be done before they came."""

    def process() -> None:
        wait_until(lambda: len(list(folder.glob("*.stumbled"))) == helpers)
        process_job.process_inbox()

    return process


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_helper_alone_applies_what_another_process_stores(monkeypatch: Any, tmp_path: Path) -> None:
    """It has a connection of its own, sees each commit, and goes when it is told that nothing comes any more."""
    make_cast()
    monkeypatch.setattr(ingest_job, "_BATCH_COUNT", 4)
    monkeypatch.setattr(ingest_job, "process_inbox", lambda: None)
    report = ingest_job.ingest([comings_and_goings(tmp_path, 12)], helpers=1)
    assert (report.stored, report.applied, report.waiting) == (24, 24, 0)
    assert_each_came_and_went_once(12)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_import_that_breaks_takes_its_helpers_along(monkeypatch: Any, tmp_path: Path) -> None:
    """What was stored before waits in the inbox, whole; nobody works on behind the error."""
    make_cast()
    monkeypatch.setattr(ingest_job, "_BATCH_COUNT", 4)
    real, portions = ingest_job.receive_messages, []

    def breaks(**given: Any) -> Any:
        portions.append(1)
        if len(portions) == 3:
            raise OSError("the disk is gone")
        return real(**given)

    monkeypatch.setattr(ingest_job, "receive_messages", breaks)
    with pytest.raises(OSError, match="the disk"):
        ingest_job.ingest([comings_and_goings(tmp_path, 6)], helpers=1)
    assert not multiprocessing.active_children()
    assert set(inbox().values_list("state", flat=True)) <= {STATE.DONE, STATE.RECEIVED}
    monkeypatch.undo()
    assert ingest_job.ingest([tmp_path / "a.hl7"], helpers=1).waiting == 0
    assert_each_came_and_went_once(6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_file_whose_import_is_killed_halfway_is_taken_again(tmp_path: Path) -> None:
    make_cast()
    path = comings_and_goings(tmp_path, 150)
    process = started("ingest", str(path))
    try:
        wait_until(lambda: inbox().exists() or process.poll() is not None)
    finally:
        process.kill()
        process.communicate()  # its helper writes there too: until that has heard and is gone
    report = ingest_job.ingest([path], helpers=1)
    assert (report.received, report.waiting, report.dead) == (300, 0, {})
    assert_each_came_and_went_once(150)


def test_a_rolled_back_batch_leaves_everything_waiting(monkeypatch: Any) -> None:
    make_cast()
    receive(adt("A01"))

    def stumble(*_: object) -> None:
        raise RuntimeError("power cut before the commit")

    monkeypatch.setattr(process_actions, "_finish", stumble)
    with pytest.raises(RuntimeError):
        process_batch(limit=5, at=AT, by=SYSTEM)
    assert inbox().get().state == STATE.RECEIVED
    assert not Patient.objects.unscoped("test").filter(name="周国强").exists()
