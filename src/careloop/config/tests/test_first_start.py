"""Several processes start at once on an empty machine."""

import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.core.exceptions import ImproperlyConfigured

from careloop.config import clock
from careloop.config.secrets import SHORTEST, secret_key


def at_once(work, count=8):
    """What each of them got, all let go at the same moment."""
    gate = threading.Barrier(count)

    def run(_n):
        gate.wait()
        return work()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@pytest.mark.parametrize("attempt", range(25))
def test_all_get_the_same_whole_key(tmp_path, attempt):
    env = SimpleNamespace(secret_key="", mode="demo", data_dir=tmp_path / "new" / "deep")
    keys = set(at_once(lambda: secret_key(env)))
    assert len(keys) == 1
    assert len(keys.pop()) >= SHORTEST
    assert [path.name for path in env.data_dir.iterdir()] == ["secret-key"]


def test_the_key_is_kept_and_nobody_else_reads_it(tmp_path):
    env = SimpleNamespace(secret_key="", mode="demo", data_dir=tmp_path)
    first = secret_key(env)
    assert secret_key(env) == first
    assert stat.S_IMODE((tmp_path / "secret-key").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("mode", "given", "taken"),
    [
        ("production", "x" * SHORTEST, True),
        ("production", "x" * (SHORTEST - 1), False),
        ("production", "", False),
        ("dev", "short", True),
    ],
)
def test_a_given_key(tmp_path, mode, given, taken):
    env = SimpleNamespace(secret_key=given, mode=mode, data_dir=tmp_path)
    if taken:
        assert secret_key(env) == given
    else:
        with pytest.raises(ImproperlyConfigured, match="CARELOOP_SECRET_KEY"):
            secret_key(env)
    assert not list(tmp_path.iterdir())


# --- the clock of simulations


@pytest.mark.parametrize("attempt", range(10))
def test_all_open_one_clock(tmp_path, attempt):
    path = tmp_path / "deep" / "clock"
    clocks = at_once(lambda: clock.MovableClock(path))
    then = datetime(2031, 2, 3, tzinfo=UTC)
    clocks[0].set(then)
    assert all(abs(one.now() - then) < timedelta(seconds=30) for one in clocks)


def test_a_late_comer_keeps_the_time_that_was_set(tmp_path):
    first = clock.MovableClock(tmp_path / "clock")
    first.set(datetime(2020, 2, 29, tzinfo=UTC))
    assert clock.MovableClock(tmp_path / "clock").now().date() == datetime(2020, 2, 29, tzinfo=UTC).date()
    assert first.now().year == 2020


def test_a_damaged_clock_file_is_no_end(tmp_path):
    (tmp_path / "clock").write_bytes(b"\0\0\0")
    assert abs(clock.MovableClock(tmp_path / "clock").now() - datetime.now(UTC)) < timedelta(seconds=30)


def test_production_refuses_a_clock(tmp_path, monkeypatch):
    monkeypatch.setenv(clock.VARIABLE, str(tmp_path / "clock"))
    with pytest.raises(ImproperlyConfigured, match=clock.VARIABLE):
        clock.install("production")
    monkeypatch.delenv(clock.VARIABLE)
    assert clock.install("production") is None
