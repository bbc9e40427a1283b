"""The peer of the benchmark: what is asked of it, what is compared, and that nothing of it stays behind."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import date, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from bench import beside, gnuhealth, peer_work, report, results
from bench import world as w
from bench.measuring import Sample

HOSPITAL = peer_work.Hospital(company=1, healthprof=2, departments=(11, 12, 13), diagnoses=(21, 22))
NOW = datetime(2026, 11, 22, 23, 59, 58)


def outcome(tasks: int = 100_000, per_second: float = 10.0) -> dict:
    eight = Sample(units=10, seconds=10 / per_second, times=[80.0] * 10, app_cpu=0.2, database_cpu=0.1)
    return {
        "when": "2026-11-22 10:00 UTC", "machine": "2 cores", "tasks": tasks, "command": f"make bench-peer SIZE={tasks}", "seconds": 99,
        "rows": [beside.row(name, eight, eight) for name in beside.WORK], "memory_mb": 90, "sizes": {"per_discharge": 4100.4},
    }  # fmt: skip


def ours(tasks: int = 100_000, names: tuple[str, ...] = ("W2 JSON", "W4", "W1a")) -> dict:
    mine = Sample(units=10, seconds=0.02, times=[5.0] * 10, app_cpu=0.02, database_cpu=0.03)
    return {
        "tasks": tasks, "rows": [report.row(name, "what", mine, mine, mine) for name in names],
        "sizes": {"per_discharge": 31190.2, "memory": {"web": 193}},
    }  # fmt: skip


# --- the table


def test_each_line_stands_beside_ours_with_what_corresponds() -> None:
    text = beside.table(outcome(), ours())
    w2 = next(line for line in text.splitlines() if line.startswith("| W2,"))
    assert "| 10.0 | 80.0 | 80.0 | 80.0/80.0 | 20.0 + 10.0 | 500.0 | 5.0/5.0 | 2.0 + 3.0 | 50.0 × | 0 |" in w2
    assert [line[4:].split("*")[0] for line in text.splitlines() if line.startswith("- **")] == list(beside.WORK)
    assert "90 MB (CareLoop: web 193 MB)" in text
    assert "4,100 B (CareLoop, with answers, messages and audit: 31,190 B)" in text


def test_both_runs_say_how_fast_the_machine_was() -> None:
    pace = {"python_ms": 40.5, "disk_ms": 0.6, "worked": 7, "stolen": 0}
    assert "Python 40.5–40.5 ms (median 40.5)" in beside.table(outcome() | {"pace": [pace, pace]}, ours())


@pytest.mark.parametrize(
    "product", [None, ours(names=()), ours(names=("W5",))], ids=["no-run", "no-lines", "other-lines"]
)
def test_what_we_have_not_measured_is_a_dash(product: dict | None) -> None:
    text = beside.table(outcome(), product)
    assert text.count("| – | – | – | – | 0 |") == len(beside.WORK)
    assert ("There is no full run of the product" in text) is (product is None)


def test_every_line_of_the_table_has_as_many_cells_as_its_head() -> None:
    lines = [line for line in beside.table(outcome(), ours()).splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {12}


def test_a_peer_that_did_nothing_has_no_ratio() -> None:
    text = beside.line(beside.row("W4", Sample(), Sample()), ours()["rows"][1])
    assert "÷" not in text
    assert " | – | 0 |" in text


def test_results_hold_the_newest_run_of_each_size(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "KEPT", tmp_path / "peer")
    assert results.peers([ours()]) == ""
    for each in (outcome(1_000_000, 3), outcome(per_second=9), outcome(per_second=12)):
        beside.keep(json.loads(json.dumps(each)))
    text = results.peers([ours()])
    assert text.index("100,000 follow-ups") < text.index("1,000,000 follow-ups")
    assert (text.count("| 12.0 |"), text.count("| 9.0 |"), text.count("There is no full run")) == (3, 0, 1)


# --- what is asked


def test_moments_and_days_as_tryton_reads_them() -> None:
    assert gnuhealth.instant(NOW) == {
        "__class__": "datetime", "year": 2026, "month": 11, "day": 22, "hour": 23, "minute": 59, "second": 58, "microsecond": 0,
    }  # fmt: skip
    assert gnuhealth.day(date(2024, 2, 29)) == {"__class__": "date", "year": 2024, "month": 2, "day": 29}


def test_eight_follow_ups_of_one_department() -> None:
    asked = peer_work.follow_ups(HOSPITAL, 7, 4, datetime(2026, 12, 30))
    assert [(each["appointment_date"]["month"], each["appointment_date"]["day"]) for each in asked][:2] == [
        (1, 2),
        (1, 6),
    ]
    assert {each["speciality"] for each in asked} == {12}
    assert len(asked) == w.TASKS_PER_DISCHARGE


def test_two_people_are_never_the_same() -> None:
    asked = [peer_work.person(n) for n in range(500)]
    numbers = {each["contact_mechanisms"][0][1][0]["value"] for each in asked}
    assert len(numbers) == 500
    assert all(each["name"] and each["lastname"] for each in asked)


@pytest.mark.parametrize(
    ("url", "uri"),
    [
        ("postgresql://owner@/db?host=/var/lib/x/s", "postgresql://owner@/?host=/var/lib/x/s"),
        ("postgres://owner:a%2Fb@[::1]:5433/db", "postgresql://owner:a%2Fb@[::1]:5433/"),
    ],
)
def test_its_settings_name_only_our_database_and_port(url: str, uri: str) -> None:
    assert gnuhealth.configuration(url, 8123) == f"[web]\nlisten = 127.0.0.1:8123\n\n[database]\nuri = {uri}\n"


# --- what is copied


def test_rows_are_copied_into_every_table_that_a_unit_writes() -> None:
    at = {name: 100 for name in peer_work.NAMES}
    copied = peer_work.tables(at, (1, 2, 3, 4, 5), HOSPITAL, w.Size(8000))
    assert tuple(table.name for table in copied) == peer_work.NAMES
    assert all("id" in table.columns for table in copied)
    people, stays = w.Size(8000).patients, w.Size(8000).discharges
    assert {table.each for table in copied} == {
        f"generate_series(1, {people}) AS n", f"generate_series(1, {stays}) AS n",
        f"generate_series(1, {stays}) AS n, generate_series(1, 8) AS k",
    }  # fmt: skip


# --- right answers only


class _Answers:
    """A peer that answers from a list."""

    def __init__(self, *answers: object) -> None:
        self.answers, self.asked = list(answers), []

    async def call(self, model: str, method: str, *parameters: object) -> object:
        self.asked.append((model, method))
        return self.answers.pop(0)


def _row(number: int, phone: str = "+86170") -> dict:
    return {"id": number, "patient.": {"rec_name": "王芳", "party.": {"phone": phone}}}


@pytest.mark.parametrize(
    ("rows", "count", "right"),
    [
        ([_row(1), _row(2)], 2, True),
        ([_row(2), _row(1)], 2, False),
        ([_row(1)], 2, False),
        ([_row(1), _row(2)], 3, False),
        ([_row(1), _row(2, phone="")], 2, False),
    ],
    ids=["right", "other-order", "row-missing", "other-count", "no-telephone"],
)
def test_a_due_list_must_equal_the_recount(rows: list, count: int, *, right: bool) -> None:
    rpc = _Answers(rows, count)
    assert asyncio.run(peer_work.due_list(rpc, 11, NOW, (2, (1, 2)))(0)) is right
    assert [method for _, method in rpc.asked] == ["search_read", "search_count"]


@pytest.mark.parametrize(("tasks", "conditions", "right"), [(8, [1], True), (7, [1], False), (8, [], False)])
def test_a_record_must_be_whole(tasks: int, conditions: list, *, right: bool) -> None:
    rpc = _Answers([{"rec_name": "王芳"}], conditions, [1], [0] * tasks)
    assert asyncio.run(peer_work.patient_record(rpc, {5: 8})(3)) is right
    assert len(rpc.asked) == 4


class _Door(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answers = {
            "common.db.login": {"result": [1, "key"]},
            "model.a.refused": {"error": ["UserError", "no"]},
            "model.a.who": {"result": self.headers.get("Authorization", "")},
            "model.a.context": {"result": asked["params"][-1]},
        }
        found = answers.get(asked["method"])
        self.send_response(200 if found else 403)
        self.end_headers()
        self.wfile.write(json.dumps({"id": asked["id"], **(found or {})}).encode())

    def log_message(self, *_: object) -> None:
        """Quiet."""


def test_calls_carry_session_and_context_and_an_error_stops_the_run() -> None:
    door = HTTPServer(("127.0.0.1", 0), _Door)
    thread = threading.Thread(target=door.serve_forever)
    thread.start()

    async def talk() -> tuple[object, object, list[str]]:
        rpc = await gnuhealth.Rpc(gnuhealth.Server(f"http://127.0.0.1:{door.server_port}/db/", 1, "secret")).sign_in()
        rpc.context["company"] = 4
        refused = []
        try:
            for method in ("refused", "unknown"):
                with pytest.raises(gnuhealth.PeerFailed) as problem:
                    await rpc.call("a", method)
                refused.append(str(problem.value))
            return await rpc.call("a", "who"), await rpc.call("a", "context"), refused
        finally:
            await rpc.close()

    try:
        who, context, (said, forbidden) = asyncio.run(talk())
    finally:
        door.shutdown()
        thread.join()
        door.server_close()
    assert who == "Session YWRtaW46MTprZXk="  # admin:1:key
    assert context == {"language": "en", "company": 4}
    assert "UserError" in said
    assert "403" in forbidden


# --- nothing stays behind


def _child(code: str) -> subprocess.Popen[bytes]:
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    assert child.stdout
    child.stdout.readline()  # it runs
    return child


@pytest.mark.parametrize("deaf", [False, True])
def test_a_server_is_stopped_also_when_it_does_not_listen(monkeypatch: pytest.MonkeyPatch, *, deaf: bool) -> None:
    monkeypatch.setattr(gnuhealth, "STOP_SECONDS", 0.2 if deaf else 10)
    ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN);" if deaf else ""
    child = _child(f"import signal, time; {ignore} print('up', flush=True); time.sleep(60)")
    gnuhealth.stop(child)
    assert child.returncode == (-9 if deaf else -15)
    gnuhealth.stop(child)  # again is harmless
    assert child.stdout
    child.stdout.close()


def test_a_failure_inside_stops_the_server_and_forgets_the_password(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "trytond-admin").write_text("#!/bin/sh\nexit 0\n")
    (programs / "trytond").write_text(
        f"#!{sys.executable}\nimport configparser, socket, sys, time\nc = configparser.ConfigParser(); c.read(sys.argv[2])\n"
        "s = socket.create_server(('127.0.0.1', int(c['web']['listen'].split(':')[1]))); time.sleep(60)\n"
    )
    for program in programs.iterdir():
        program.chmod(0o755)
    logs = tmp_path / "logs"
    seen = []
    monkeypatch.setattr(gnuhealth, "stop", lambda child, stop=gnuhealth.stop: (stop(child), seen.append(child.poll())))
    with (
        pytest.raises(RuntimeError, match="in the middle"),
        gnuhealth.running(programs, "db", "postgresql://o@/db", logs) as server,
    ):
        assert server.address.endswith("/db/")
        assert (logs / "password").stat().st_mode & 0o077 == 0
        raise RuntimeError("in the middle")
    assert seen == [-15]
    assert not (logs / "password").exists()


def test_tables_that_cannot_be_made_are_said_with_the_reason(tmp_path) -> None:
    (tmp_path / "trytond-admin").write_text("#!/bin/sh\necho no such module >&2\nexit 3\n")
    (tmp_path / "trytond-admin").chmod(0o755)
    with (
        pytest.raises(gnuhealth.PeerFailed, match="no such module"),
        gnuhealth.running(tmp_path, "db", "postgresql://o@/db", tmp_path / "logs"),
    ):
        pytest.fail("nothing runs")


@pytest.fixture
def installs(tmp_path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands by which packages would be installed; each leaves the program that a whole environment has."""
    runs: list[list[str]] = []

    def run(command: Sequence[str], _complaint: str) -> None:
        runs.append(list(command))
        programs = Path(command[0]).parent
        programs.mkdir(exist_ok=True)
        (programs / "trytond-admin").touch()

    monkeypatch.setattr(gnuhealth, "LOCK", tmp_path / "lock.txt")
    monkeypatch.setattr(gnuhealth, "_run", run)
    monkeypatch.setattr(gnuhealth.venv, "create", lambda folder, **_: folder.mkdir(exist_ok=True))
    return runs


def test_packages_are_installed_once_and_again_when_the_lock_changes(tmp_path, installs: list[list[str]]) -> None:
    for text, times in (("one", 1), ("one", 1), ("two", 2)):
        gnuhealth.LOCK.write_text(text)
        assert gnuhealth.installed(tmp_path / "peer") == tmp_path / "peer" / "bin"
        assert len(installs) == times
    assert {"--require-hashes", "--no-deps"} <= set(installs[0])


def test_an_environment_without_its_program_is_made_again(tmp_path, installs: list[list[str]]) -> None:
    gnuhealth.LOCK.write_text("one")
    programs = gnuhealth.installed(tmp_path / "peer")
    (programs / "trytond-admin").unlink()
    gnuhealth.installed(tmp_path / "peer")
    assert len(installs) == 2
    assert (programs / "trytond-admin").exists()


def test_the_lock_pins_the_version_we_name_and_no_registry() -> None:
    text = gnuhealth.LOCK.read_text()
    assert text.startswith("# GNU Health beside us")
    assert "\ngnuhealth==5.0.6 " in text
    assert "://" not in text
    assert "\npsycopg2==" not in text
