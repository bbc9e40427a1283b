"""Every setting: what it takes, what it refuses, and that the refusal says what would be right."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given, settings
from hypothesis import strategies as st

from careloop.accounts.rules import PROFILES
from careloop.config import cli, commands, env, rulepack
from careloop.config.checks import CHECKS
from careloop.kernel import postgres

SECRET = "hunter2-hunter2"
GOOD = {
    "mode": ("production", "demo", "dev", "test"),
    "surface": ("web", "portal"),
    "database_url": (
        "",
        "postgresql://u:p@h:5432/d",
        "postgres:///d?host=/run/pg",
        "postgresql:///careloop?prepare=off",
    ),
    "database_owner_url": ("", "postgresql:///d"),
    "allowed_hosts": ("follow-up.hospital.cn", "localhost,127.0.0.1,[::1]"),
    "public_url": ("https://sf.hospital.cn", "http://localhost:8001"),
    "staff_url": ("http://10.1.2.3:8000",),
    "trusted_proxies": ("0", "2"),
    "link_check": ("phone", "birth-year"),
    "time_zone": ("Asia/Shanghai", "Asia/Urumqi", "UTC"),
    "area_code": ("", "010", "0571"),
    "web_host": ("0.0.0.0", "::"),
    "web_port": ("1", "8000", "65535"),
    "portal_port": ("8001",),
    "web_workers": ("1", "16"),
    "web_threads": ("8",),
    "hl7_host": ("0.0.0.0",),
    "hl7_port": ("0", "2575"),
    "hl7_peers": ("", "10.1.2.3", "10.0.0.0/8, 192.168.1.7", "fd00::/8"),
    "hl7_charset": ("gb18030", "GBK", "utf-8", "big5", "latin-1"),
    "hl7_unknown_department": ("dead", "keep"),
    "hl7_idle_seconds": ("1", "300"),
    "sms_gateway_url": ("", "https://sms.example/api?x=1", "http://127.0.0.1:8002"),
    "sms_gateway_repeat": ("key", "ask", "none"),
    "sms_gateway_peers": ("", "1.2.3.4"),
    "sms_at_once": ("1", "32"),
    "sms_per_second": ("0", "200"),
    "sms_quiet_hours": ("", "21:00-08:00", "12:00-13:30,21:00-08:00"),
    "email_quiet_hours": ("",),
    "messages_per_day": ("0", "2"),
    "messages_per_week": ("5",),
    "survey_interval_days": ("0", "90"),
    "message_languages": ("zh", "en", "zh,en", "zh, en"),
    "codes_per_hour": ("500",),
    "outbox_lease_seconds": ("60",),
    "smtp_url": ("", "smtp://u:p@mail:25", "smtps://mail", "smtp://mail:587?starttls=1"),
    "idle_minutes": ("15",),
    "absolute_hours": ("12",),
    "password_profile": tuple(PROFILES),
    "cohort_limit": ("20000",),
    "dialler": ("manual", "tel"),
    "letter_shift_mm": ("0,0", "1.5,-2", " 1 , 2 "),
    "letter_reply_days": ("30",),
    "log_level": ("DEBUG", "INFO"),
}
BAD = {
    "mode": ("prod", "Production", "", "demo "),
    "surface": ("staff", ""),
    "database_url": ("mysql://u@h/d", "localhost", "/var/run/pg", "sqlite:///x"),
    "database_owner_url": ("oracle://h",),
    "allowed_hosts": ("", "  "),
    "public_url": ("", "sf.hospital.cn", "ftp://x", "https://", "http://h:notaport", "https://[::1"),
    "staff_url": ("", "//evil", "javascript:alert(1)"),
    "trusted_proxies": ("-1", "11", "x"),
    "link_check": ("none", "PHONE"),
    "time_zone": ("", "Beijing", "Asia/Nowhere", "../etc/passwd", "GMT+8"),
    "area_code": ("571", "05710", "０５７１", "0571 "),
    "web_host": ("",),
    "web_port": ("0", "65536", "-1", "80.5", "", "8k"),
    "portal_port": ("70000",),
    "web_workers": ("0", "-2", "1000"),
    "web_threads": ("0",),
    "hl7_host": ("",),
    "hl7_port": ("-1", "65536"),
    "hl7_peers": ("10.1.2", "his.hospital.cn", "10.0.0.0/33"),
    "hl7_charset": ("", "gb-eighteen", "base64", "rot13"),
    "hl7_unknown_department": ("drop", ""),
    "hl7_idle_seconds": ("0", "-5"),
    "sms_gateway_url": ("sms.example", "smtp://x", "https://u:p@"),
    "sms_gateway_repeat": ("twice", ""),
    "sms_gateway_peers": ("gateway",),
    "sms_at_once": ("0",),
    "sms_per_second": ("-1",),
    "sms_quiet_hours": ("21-8", "21:00", "24:00-08:00", "21:00–08:00", "9:00-10:00", "21:60-22:00"),
    "email_quiet_hours": ("night",),
    "messages_per_day": ("-1", "many"),
    "messages_per_week": ("-1",),
    "survey_interval_days": ("-1",),
    "message_languages": ("", "fr", "zh;en"),
    "codes_per_hour": ("-1",),
    "outbox_lease_seconds": ("0",),
    "smtp_url": ("mail.hospital.cn", "http://mail", "smtp://", "smtp://mail:port"),
    "idle_minutes": ("0", "-15", "15m"),
    "absolute_hours": ("0", "169"),
    "password_profile": ("strong", ""),
    "cohort_limit": ("0",),
    "dialler": ("softphone",),
    "letter_shift_mm": ("", "1", "1,2,3", "a,b", "1.5;-2", "nan,0", "1e9,0"),
    "letter_reply_days": ("0", "367"),
    "log_level": ("info", "VERBOSE", ""),
}


def variable(name: str) -> str:
    return f"CARELOOP_{name.upper()}"


def test_every_setting_but_free_text_is_tried() -> None:
    assert set(GOOD) == set(BAD) == set(CHECKS)
    assert set(CHECKS) <= {field.name for field in fields(env.Env)}
    numbers = {field.name for field in fields(env.Env) if isinstance(field.default, int)} - {"behind_https"}
    assert numbers <= set(CHECKS)  # no number without a range


def test_what_holds_without_a_single_variable_is_right() -> None:
    for field in fields(env.Env):
        assert field.name not in CHECKS or CHECKS[field.name](field.default) == "", field.name
    assert env.load({}) == env.Env()


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in GOOD.items() for value in values])
def test_takes(name: str, value: str) -> None:
    assert str(getattr(env.load({variable(name): value}), name)) == value


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_refuses_and_says_which_and_what_would_be_right(name: str, value: str) -> None:
    with pytest.raises(env.BadSetting) as refusal:
        env.load({variable(name): value})
    words = str(refusal.value)
    assert words.startswith(variable(name))
    assert " must be " in words or " is not " in words


@pytest.mark.parametrize(
    "value", ["1", "true", "TRUE", "yes", "0", "false", "No", ""],
)  # fmt: skip
def test_yes_and_no_in_the_usual_ways(value: str) -> None:
    assert env.load({"CARELOOP_BEHIND_HTTPS": value}).behind_https is (value.lower() in {"1", "true", "yes"})


@pytest.mark.parametrize("value", ["on", "2", "да", "是", " true"])
def test_another_yes_is_refused_rather_than_guessed(value: str) -> None:
    with pytest.raises(env.BadSetting, match="yes or no"):
        env.load({"CARELOOP_BEHIND_HTTPS": value})


@pytest.mark.parametrize(
    "name", ["database_url", "database_owner_url", "smtp_url", "sms_gateway_url"],
)  # fmt: skip
def test_a_refusal_never_repeats_a_password(name: str) -> None:
    with pytest.raises(env.BadSetting) as refusal:
        env.load({variable(name): f"gopher://me:{SECRET}@host"})
    assert SECRET not in str(refusal.value)
    assert variable(name) in str(refusal.value)


@pytest.mark.parametrize("name", ["CARELOOP_PORT", "CARELOOP_WEBPORT", "CARELOOP_", "CARELOOP_web_port"])
def test_a_name_that_does_not_exist_is_refused_by_name(name: str) -> None:
    with pytest.raises(env.BadSetting, match=f"unknown setting {name}"):
        env.load({name: "1"})


def test_variables_of_others_are_not_ours() -> None:
    assert env.load({"PATH": "/bin", "DJANGO_SETTINGS_MODULE": "x", "MYCARELOOP_MODE": "x"}) == env.Env()


@settings(max_examples=25)
@given(st.text(max_size=30) | st.sampled_from(["postgresql://[", "http://[x", "smtp://[::1", "\x00", "09:00-10:00,"]))
def test_any_text_as_any_value_is_taken_or_refused_and_nothing_else(text: str) -> None:
    for name in (*CHECKS, "behind_https", "data_dir", "hospital_name"):
        with contextlib.suppress(env.BadSetting):
            env.load({variable(name): text})


# ---- the command line


@pytest.mark.parametrize(
    ("variables", "arguments", "words"),
    [
        ({"CARELOOP_MODE": "prod"}, ["db", "status"], "CARELOOP_MODE='prod' must be one of"),
        ({"CARELOOP_COLOUR": "red"}, ["manage", "check"], "unknown setting CARELOOP_COLOUR"),
        ({"CARELOOP_MODE": "production", "CARELOOP_SECRET_KEY": ""}, ["manage", "check"], "CARELOOP_SECRET_KEY"),
    ],
)
def test_a_wrong_setting_is_one_line_and_no_traceback(
    variables: dict[str, str], arguments: list[str], words: str, tmp_path: Path
) -> None:
    """In a process of its own, as an operator meets it."""
    import os

    root = Path(__file__).resolve().parents[3]
    mine = {name: value for name, value in os.environ.items() if not name.startswith("CARELOOP_")}
    done = subprocess.run(
        [sys.executable, "-m", "careloop", *arguments], capture_output=True, text=True, timeout=60,
        env={**mine, "PYTHONPATH": str(root), "CARELOOP_DATA_DIR": str(tmp_path), "CARELOOP_DATABASE_URL": "postgresql:///none",
             **variables},
    )  # fmt: skip
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "fault", [env.BadSetting("x is wrong"), ImproperlyConfigured("x is wrong"), postgres.DatabaseUnavailable("x is wrong")]
)  # fmt: skip
def test_what_the_operator_must_mend_ends_with_two(fault: Exception, monkeypatch, capsys) -> None:
    def fail(**_: object) -> None:
        raise fault

    monkeypatch.setattr(cli, "prepare", fail)
    assert cli.main(["worker"]) == 2
    assert capsys.readouterr().err == "careloop: x is wrong\n"


def test_a_bug_is_not_hidden(monkeypatch) -> None:
    def fail(**_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "prepare", fail)
    with pytest.raises(ZeroDivisionError):
        cli.main(["worker"])


@pytest.mark.parametrize("arguments", [["stpo"], ["start", "now"], ["--help"], [""]])
def test_db_with_an_unknown_word_touches_nothing(arguments: list[str], monkeypatch, capsys) -> None:
    monkeypatch.setattr(postgres, "cluster", lambda *_: pytest.fail("touched"))
    assert commands.db(arguments) == 2
    assert "start | stop | status | destroy | psql-url" in capsys.readouterr().err


@pytest.mark.parametrize(("verb", "does"), [("start", ["start", "ensure_database"]), ("stop", ["stop"]), ("destroy", ["destroy"]), ("status", []), ("psql-url", [])])  # fmt: skip
def test_db_does_what_it_is_told(verb: str, does: list[str], monkeypatch, capsys, tmp_path) -> None:
    done: list[str] = []
    for name in ("start", "stop", "destroy", "ensure_database"):
        monkeypatch.setattr(postgres, name, lambda of, name=name: done.append(name))
    assert commands.db([verb]) == 0
    assert done == does
    assert capsys.readouterr().out.startswith("postgresql://" if verb == "psql-url" else ("running", "stopped"))


def test_usage_names_every_command() -> None:
    for name, (text, _) in cli.COMMANDS.items():
        assert f"  {name}" in cli.usage()
        assert text in cli.usage()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        ("{", "Expecting"),
        ("[1]", "no JSON object"),
        ("\udcff", "codec"),
        ('"x"', "no JSON object"),
    ],
)
def test_a_rule_pack_that_cannot_be_read_is_said_in_a_line(content, words, tmp_path, capsys) -> None:
    file = tmp_path / "pack.json"
    if content is not None:
        file.write_bytes(content.encode("utf-8", "surrogateescape"))
    for arguments in (["check", str(file)], ["publish", str(file)]):
        assert rulepack.main(arguments) == 2
        assert words in capsys.readouterr().err


@pytest.mark.parametrize("vectors", ["{}", '{"scenes": 3}', "[]"])
def test_vectors_without_scenes_are_refused(vectors: str, tmp_path, capsys) -> None:
    pack, told = tmp_path / "pack.json", tmp_path / "vectors.json"
    pack.write_text("{}")
    told.write_text(vectors)
    assert rulepack.main(["check", str(pack), "--vectors", str(told)]) == 2
    assert capsys.readouterr().err.startswith("careloop rulepack: ")


@pytest.mark.parametrize("arguments", [[], ["chek"], ["publish"], ["check", "a", "b"], ["check", "a", "--vectors"]])
def test_rulepack_asked_for_wrongly_shows_its_usage(arguments: list[str], capsys) -> None:
    assert rulepack.main(arguments) == 2
    assert rulepack.USAGE in capsys.readouterr().err


def test_an_empty_rule_pack_has_problems_and_ends_with_one(tmp_path, capsys) -> None:
    file = tmp_path / "pack.json"
    file.write_text("{}")
    assert rulepack.main(["check", str(file)]) == 1
    assert capsys.readouterr().out.strip()
