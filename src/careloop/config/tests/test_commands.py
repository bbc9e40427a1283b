"""What `careloop` commands do besides their work: they help without starting, and leave nothing half done."""

import contextlib

import psycopg
import pytest
from django.contrib.auth.hashers import check_password
from django.core import management
from django.db import connection

from careloop.accounts.models import Practitioner
from careloop.audit.models import AuditEvent
from careloop.config import cli, commands
from careloop.config.indexes import mend_indexes


class Started(Exception):
    """Something began that should only have been talked about."""


@pytest.fixture
def nothing_starts(monkeypatch):
    def start(*_args, **_kwargs):
        raise Started

    monkeypatch.setattr(cli, "prepare", start)


@pytest.mark.parametrize("asked", ["-h", "--help"])
@pytest.mark.parametrize("name", sorted(set(cli.COMMANDS) - cli.TELL_THEMSELVES))
def test_asked_for_help_nothing_starts(nothing_starts, capsys, name, asked):
    assert cli.main([name, asked]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: careloop {name}")
    assert cli.COMMANDS[name][0] in said


@pytest.mark.parametrize("name", sorted(cli.TELL_THEMSELVES - {"manage"}))
def test_the_others_tell_their_options_and_end(monkeypatch, capsys, name):
    monkeypatch.setattr(cli, "prepare", lambda **_: None)
    with pytest.raises(SystemExit) as end:
        cli.main([name, "--help"])
    assert end.value.code == 0
    assert f"careloop {name}" in capsys.readouterr().out


def test_every_command_that_tells_itself_exists():
    assert set(cli.COMMANDS) >= cli.TELL_THEMSELVES | set(cli.MAY_BE_TOLD)


@pytest.mark.parametrize(
    ("arguments", "unknown"),
    [
        (["migrate", "--plan"], "--plan"), (["migrate", "-v", "--check"], "--check"), (["web", "--port", "9000"], "--port 9000"),
        (["portal", "8001"], "8001"), (["worker", "--concurrency", "9"], "--concurrency 9"), (["sender", "now"], "now"),
        (["sweeper", ""], ""), (["recount-newest", "--dry-run"], "--dry-run"), (["demo", "--rest"], "--rest"),
        (["demo", "--dev", "--resett"], "--resett"),
    ],
)  # fmt: skip
def test_a_word_that_means_nothing_starts_nothing(nothing_starts, capsys, arguments, unknown):
    assert cli.main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"careloop {arguments[0]}: {unknown} means nothing here")


@pytest.mark.parametrize("arguments", [["migrate", "-v"], ["demo", "--reset"], ["demo", "--reset", "--dev"], ["web"]])
def test_what_a_command_knows_gets_through(nothing_starts, arguments):
    with pytest.raises(Started):
        cli.main(arguments)


# --- manage migrate is migrate


@pytest.mark.parametrize(
    ("arguments", "done"),
    [
        (["migrate"], ["mend", "django", "grants", "content"]),
        (["migrate", "-v", "2"], ["mend", "django", "grants", "content"]),
        (["migrate", "--database", "default", "--noinput"], ["mend", "django", "grants", "content"]),
        (["migrate", "tasks"], ["mend", "django", "grants"]),
        (["migrate", "-v", "2", "tasks", "0001"], ["mend", "django", "grants"]),
        (["migrate", "--plan"], ["django"]),
        (["migrate", "--check"], ["django"]),
        (["migrate", "--help"], ["django"]),
        (["makemigrations", "migrate"], ["django"]),
        ([], ["django"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_manage_migrate_brings_rights_and_content(monkeypatch, arguments, done):
    did = []
    monkeypatch.setattr(commands, "_mend_indexes", lambda: did.append("mend"))
    monkeypatch.setattr(management, "execute_from_command_line", lambda _line: did.append("django"))
    monkeypatch.setattr("careloop.config.grants.grant_application_role", lambda: did.append("grants"))
    monkeypatch.setattr("careloop.config.shipped.load_shipped_content", lambda: did.append("content"))
    assert commands.manage(arguments) == 0
    assert did == done


# --- half-built indexes


@pytest.fixture
def server(db):
    """A connection of its own, outside every transaction, and a table that is gone afterwards."""
    given = {name: connection.get_connection_params()[name] for name in ("dbname", "user", "host", "port", "password")
             if connection.get_connection_params().get(name)}  # fmt: skip
    with psycopg.connect(**given, autocommit=True) as database:
        database.execute("DROP TABLE IF EXISTS half_built")
        database.execute("CREATE TABLE half_built (n integer, m integer)")
        database.execute("INSERT INTO half_built VALUES (1, 1), (1, 2)")
        yield database
        database.execute("DROP TABLE half_built")


def valid(database):
    rows = database.execute(
        "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        " JOIN pg_class t ON t.oid = i.indrelid WHERE t.relname = 'half_built'"
    ).fetchall()
    return {str(name): bool(is_valid) for name, is_valid in rows}


def half_build(database, name, columns="n"):
    """What a killed command leaves, made the honest way: it fails in the middle."""
    with contextlib.suppress(psycopg.errors.UniqueViolation):
        database.execute(f'CREATE UNIQUE INDEX CONCURRENTLY "{name}" ON half_built ({columns})')


def test_if_not_exists_takes_a_half_built_index_for_finished(server):
    half_build(server, "half_n")
    server.execute("UPDATE half_built SET n = m")
    server.execute("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS half_n ON half_built (n)")
    assert valid(server) == {"half_n": False}  # this is the fault
    assert mend_indexes(server) == ["half_n"]
    assert valid(server) == {"half_n": True}
    assert mend_indexes(server) == []


def test_what_a_killed_rebuilding_left_is_dropped(server):
    for name in ("half_n_ccnew", "half_n_ccold1", "Half n"):
        half_build(server, name)
    server.execute("UPDATE half_built SET n = m")
    assert mend_indexes(server) == ["Half n", "half_n_ccnew", "half_n_ccold1"]
    assert valid(server) == {"Half n": True}


def test_an_index_that_cannot_be_built_says_why_and_waits(server):
    half_build(server, "half_n")
    with pytest.raises(psycopg.errors.UniqueViolation, match="half_n"):
        mend_indexes(server)
    server.execute("DELETE FROM half_built WHERE m = 2")
    assert "half_n" in mend_indexes(server)
    assert valid(server) == {"half_n": True}


def test_good_indexes_are_left_alone(server):
    server.execute("CREATE INDEX half_m ON half_built (m)")
    (before,) = server.execute("SELECT relfilenode FROM pg_class WHERE relname = 'half_m'").fetchone()
    assert mend_indexes(server) == []
    assert server.execute("SELECT relfilenode FROM pg_class WHERE relname = 'half_m'").fetchone() == (before,)


# --- a password from the server


def test_one_time_password_on_the_server(cast, capsys):
    assert commands.one_time_password([str(cast.audit_admin.username)]) == 0
    said = capsys.readouterr().out.strip()
    person = Practitioner.objects.get(pk=cast.audit_admin.pk)
    assert check_password(said, person.password)
    assert person.must_change_password
    assert AuditEvent.objects.get(name="accounts.PasswordChanged").actor == "job:config.one_time_password"


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["a", "b"], 2), (["nobody-here"], 1), ([""], 1)])
def test_one_time_password_asked_for_wrongly(cast, capsys, arguments, code):
    assert commands.one_time_password(arguments) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err


def test_no_password_for_an_account_that_is_closed(cast, capsys):
    from careloop.kernel.actions import seeding

    with seeding():
        cast.wang.is_active = False
        cast.wang.save()
    assert commands.one_time_password([str(cast.wang.username)]) == 1
    assert capsys.readouterr().out == ""
