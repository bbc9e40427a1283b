"""The demo's own care: what an interrupted filling leaves behind."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from careloop.config import demo
from careloop.kernel import postgres


@pytest.fixture
def destroyed(monkeypatch):
    gone = []
    monkeypatch.setattr(postgres, "destroy", gone.append)
    return gone


def data_of(tmp_path: Path, *files: str) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    for name in files:
        (data / name).write_text("")
    return data


def test_an_interrupted_filling_begins_anew(tmp_path, destroyed):
    data = data_of(tmp_path, demo.FILLING, "secret-key")
    demo.forget_unfinished("the cluster", data)
    assert destroyed == ["the cluster"]
    assert not data.exists()


def test_a_finished_history_is_kept(tmp_path, destroyed):
    data = data_of(tmp_path, "demo-people.json", "secret-key")
    demo.forget_unfinished("the cluster", data)
    assert destroyed == []
    assert (data / "secret-key").exists()


def test_a_second_demo_waits_for_the_first_and_says_so_in_the_end(tmp_path):
    data = tmp_path / "data"
    with demo.only_one(data):
        with pytest.raises(SystemExit, match="Another `make demo`"), demo.only_one(data, seconds=0.3):
            pytest.fail("two demos at once")
        with demo.only_one(tmp_path / "other", seconds=0):
            pass


def test_a_second_demo_goes_on_when_the_first_has_stopped(tmp_path):
    data = tmp_path / "data"
    with ThreadPoolExecutor() as pool:
        with demo.only_one(data):
            second = pool.submit(entered, data)
            with pytest.raises(TimeoutError):
                second.result(timeout=0.5)
        assert second.result() is True


def entered(data: Path) -> bool:
    with demo.only_one(data):
        return True


def test_settings_of_the_user_win_over_the_demo(tmp_path, monkeypatch):
    monkeypatch.setenv("CARELOOP_HOSPITAL_NAME", "Another hospital")
    given = demo.demo_environment(type("Env", (), {"data_dir": data_of(tmp_path)})())
    assert given["CARELOOP_HOSPITAL_NAME"] == "Another hospital"
    assert len(given["CARELOOP_SMS_GATEWAY_SECRET"]) >= 40


def test_the_secret_of_the_gateway_is_made_once_and_kept_private(tmp_path, monkeypatch):
    monkeypatch.delenv("CARELOOP_SMS_GATEWAY_SECRET", raising=False)
    env = type("Env", (), {"data_dir": data_of(tmp_path)})()
    first = demo.demo_environment(env)["CARELOOP_SMS_GATEWAY_SECRET"]
    assert demo.demo_environment(env)["CARELOOP_SMS_GATEWAY_SECRET"] == first
    assert (env.data_dir / "sms-secret").stat().st_mode & 0o077 == 0


def test_a_subcommand_that_fails_stops_the_demo_with_its_name():
    with pytest.raises(SystemExit, match="careloop no-such-thing failed"):
        demo.careloop("no-such-thing")
