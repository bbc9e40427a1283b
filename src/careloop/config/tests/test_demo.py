"""The demo's own care: what an interrupted filling leaves behind."""

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
