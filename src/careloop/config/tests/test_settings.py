"""Settings, secrets, clock, supervisor, command line."""

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from careloop.config import cli, clock, env
from careloop.config.secrets import secret_key
from careloop.config.settings import database
from careloop.kernel.supervisor import Process, Supervisor

ROOT = Path(__file__).resolve().parents[4]


def test_values_are_typed():
    found = env.load({"CARELOOP_WEB_PORT": "8100", "CARELOOP_BEHIND_HTTPS": "yes", "CARELOOP_DATA_DIR": "/x"})
    assert (found.web_port, found.behind_https, found.data_dir) == (8100, True, Path("/x"))


@pytest.mark.parametrize(
    "variables", [{"CARELOOP_WEB_PORT": "eight"}, {"CARELOOP_BEHIND_HTTPS": "perhaps"}, {"CARELOOP_PORT": "1"}]
)
def test_bad_or_unknown_values_stop_the_start(variables):
    with pytest.raises(env.BadSetting) as refusal:
        env.load(variables)
    assert next(iter(variables)) in str(refusal.value)


def test_production_needs_a_real_secret(tmp_path):
    with pytest.raises(ImproperlyConfigured):
        secret_key(env.Env(mode="production", data_dir=tmp_path))
    with pytest.raises(ImproperlyConfigured):
        secret_key(env.Env(mode="production", data_dir=tmp_path, secret_key="short"))
    assert secret_key(env.Env(mode="production", data_dir=tmp_path, secret_key="x" * 50)) == "x" * 50


def test_demo_secret_is_made_once_and_private(tmp_path):
    settings = env.Env(data_dir=tmp_path / "data")
    first = secret_key(settings)
    assert secret_key(settings) == first
    assert len(first) >= 50
    assert (tmp_path / "data" / "secret-key").stat().st_mode & 0o077 == 0


def test_database_address_becomes_djangos_form():
    found = database("postgresql://me:p%40ss@db.example:5433/name?sslmode=require")
    assert (found["NAME"], found["USER"], found["PASSWORD"], found["HOST"], found["PORT"]) == (
        "name",
        "me",
        "p@ss",
        "db.example",
        "5433",
    )
    assert found["OPTIONS"]["sslmode"] == "require"
    assert database("postgresql://me@/name?host=/sock")["HOST"] == "/sock"
    with pytest.raises(ImproperlyConfigured):
        database("mysql://x/y")


def test_clock_moves_for_everybody_who_shares_the_file(tmp_path):
    one, other = clock.MovableClock(tmp_path / "c"), clock.MovableClock(tmp_path / "c")
    there = datetime(2026, 8, 1, tzinfo=UTC)
    one.set(there)
    assert timedelta(0) <= other.now() - there < timedelta(seconds=5)


def test_production_refuses_a_movable_clock(tmp_path, monkeypatch):
    monkeypatch.setenv(clock.VARIABLE, str(tmp_path / "c"))
    with pytest.raises(ImproperlyConfigured):
        clock.install("production")


def test_unknown_command_says_what_there_is(capsys):
    assert cli.main(["dance"]) == 2
    assert "simulate" in capsys.readouterr().err
    assert cli.main(["--help"]) == 0


def test_every_command_can_be_imported():
    import importlib

    for _text, target in cli.COMMANDS.values():
        module, name = target.split(":")
        assert callable(getattr(importlib.import_module(module), name))


def sleeper(tmp_path, name):
    """A process that notes each start and then sleeps."""
    log = tmp_path / f"{name}.starts"
    program = f"import time; open({str(log)!r}, 'a').write('x'); time.sleep(60)"
    process = Process(name, ("unused",))
    process.start = lambda: _start(process, program)
    return process, log


def _start(process, program):
    process.running = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
    process.starts += 1


def test_supervisor_starts_again_what_was_killed_and_stops_all(tmp_path):
    process, log = sleeper(tmp_path, "one")
    supervisor = Supervisor([process])
    supervisor.start()
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def crash_then_stop():
        while not log.exists():
            time.sleep(0.02)
        process.running.kill()
        while len(log.read_text()) < 2:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=crash_then_stop, daemon=True).start()
    supervisor.watch()
    for number, handler in previous.items():
        signal.signal(number, handler)
    supervisor.stop()
    assert process.starts == 2
    assert not process.is_alive


def test_log_lines_cannot_be_forged():
    import json
    import logging

    from careloop.config.logs import SafeFormatter

    record = logging.LogRecord("x", logging.INFO, "", 1, 'a\n{"level": "fake"}\x1b[31m', (), None)
    line = SafeFormatter().format(record)
    assert "\n" not in line
    assert "\x1b" not in line
    assert json.loads(line)["level"] == "INFO"


@pytest.mark.parametrize(("address", "threshold"), [("postgresql:///x", 3), ("postgresql:///x?prepare=off", None)])
def test_statements_are_prepared_unless_the_address_says_not(address, threshold):
    options = database(address)["OPTIONS"]
    assert options["prepare_threshold"] == threshold
    assert options["server_side_binding"] is True
    assert "prepare" not in options  # the driver would refuse a word it does not know
