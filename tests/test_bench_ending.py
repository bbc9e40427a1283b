"""However a benchmark is told to end, no process of it is left and what it made is put away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from careloop.config import env
from careloop.kernel import postgres

ROOT = Path(__file__).resolve().parent.parent
MARK = "BENCH_MARK"  # not one of ours: CareLoop refuses settings it does not know
# A measurement that starts another one, which starts a server of its own and puts it away at its end.
INNER = """
import subprocess, sys, time
from pathlib import Path
from bench import ending
ending.in_order()
with ending.whole():
    server = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
try:
    Path(sys.argv[1]).touch()
    time.sleep(600)
finally:
    ending.put_away(server)
    Path(sys.argv[1]).unlink()
"""
OUTER = """
import os, sys
from pathlib import Path
from bench import ending
ending.in_order()
ending.answer_of([sys.executable, "-c", sys.argv[2], sys.argv[1]], cwd=Path.cwd(), environment=os.environ)
"""

# Whoever is still in a database when it is put away: here the application, as autovacuum may be a process the owner may not end.
STILL_IN = """
import sys
import psycopg
from bench.place import place
with place(sys.argv[1], keep=False, durable=False) as here:
    inside = psycopg.connect(here.app)
"""


def begun(command: list[str], mark: str, **given: str) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CARELOOP_", "DJANGO_"))}
    return subprocess.Popen(
        command, cwd=ROOT, env={**environment, "PYTHONPATH": "src", MARK: mark, **given}, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def alive(mark: str) -> list[str]:
    """What runs with this mark in its environment, however far from the process we started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # it has ended, or belongs to somebody else
    return found


def wait_until(done: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while not done():
        assert process.poll() is None, "it ended by itself"
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_measurement_inside_another_puts_its_server_away(tmp_path: Path, number: signal.Signals) -> None:
    mark, made = uuid4().hex, tmp_path / "made"
    process = begun([sys.executable, "-c", OUTER, str(made), INNER], mark)
    wait_until(made.exists, process)
    assert len(alive(mark)) == 3
    process.send_signal(number)
    assert process.wait(60) == 128 + number
    assert (alive(mark), made.exists()) == ([], False)


def test_timeout_tells_all_at_once_and_nothing_is_left(tmp_path: Path) -> None:
    """`timeout` tells its child, and then the whole group: the inner measurement hears it twice."""
    mark, made = uuid4().hex, tmp_path / "made"
    process = begun(["timeout", "600", sys.executable, "-c", OUTER, str(made), INNER], mark)
    wait_until(made.exists, process)
    process.terminate()
    process.wait(60)
    wait_until_none(mark)
    assert not made.exists()


def wait_until_none(mark: str) -> None:
    end = time.monotonic() + 60
    while alive(mark):
        assert time.monotonic() < end, alive(mark)
        time.sleep(0.05)


def test_what_is_begun_whole_is_whole_before_the_end(tmp_path: Path) -> None:
    program = """
import os, signal, sys
from bench import ending
ending.in_order()
with ending.whole():
    os.kill(os.getpid(), signal.SIGTERM)
    print("whole")
print("on")
"""
    environment = {**os.environ, "PYTHONPATH": "src"}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (143, b"whole\n")


def test_the_outbox_takes_its_database_server_along(tmp_path: Path) -> None:
    mark = uuid4().hex
    process = begun([sys.executable, "-m", "bench.outbox", "--messages", "10"], mark, TMPDIR=str(tmp_path))
    wait_until(lambda: any("careloop migrate" in command for command in alive(mark)), process)
    assert any("postgres" in command for command in alive(mark))
    (folder,) = tmp_path.iterdir()
    made = postgres.cluster(folder).data
    assert made.exists()
    process.terminate()
    assert process.wait(60) == 143
    wait_until_none(mark)
    assert (list(tmp_path.iterdir()), made.exists()) == ([], False)


def test_a_database_is_dropped_whoever_is_still_in_it() -> None:
    name, data = f"left_{uuid4().hex}", env.load().data_dir  # on the server that the tests use anyway
    ended = begun([sys.executable, "-c", STILL_IN, name], "left", CARELOOP_DATA_DIR=str(data))
    assert ended.wait(timeout=120) == 0
    with psycopg.connect(postgres.cluster(data, fsync=False).url(postgres.SUPERUSER)) as server:
        assert server.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None
