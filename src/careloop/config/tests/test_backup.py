"""A copy of the whole database comes back whole: rows, rights, what keeps the audit trail; nothing is overwritten."""

import hashlib
import os
import stat
import subprocess
import sys

import psycopg
import pytest
from django.db import connection

from careloop.audit.models import AuditEvent
from careloop.config import backup
from careloop.kernel import postgres
from careloop.kernel.actions import seeding
from careloop.patients.models import Patient
from tests.cast import SYSTEM, make_cast

NAME = "吕秀英'\"\\ 𠮷"


@pytest.fixture
def other():
    """An empty database on the same server, and its address."""
    told, name = connection.settings_dict, f"restored{os.environ.get('CARELOOP_TEST_DB', '')}"
    address = f"postgresql://{told['USER']}@/{{}}?host={told['HOST']}"
    with psycopg.connect(address.format("postgres"), autocommit=True) as server:
        server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        server.execute(f'CREATE DATABASE "{name}"')
        yield address.format(name)
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def restore(address, file):
    """The command itself, against another database."""
    told = {**os.environ, "CARELOOP_DATABASE_URL": address, "CARELOOP_DATABASE_OWNER_URL": address}
    command = [sys.executable, "-m", "careloop", "restore", str(file)]
    return subprocess.run(command, env=told, capture_output=True, text=True, check=False)


@pytest.mark.django_db(transaction=True)
def test_what_was_copied_comes_back_whole_and_once(tmp_path, capsys, other):
    people, file = make_cast(), tmp_path / "copy.dump"
    with seeding():
        Patient.objects.unscoped("an invented name").filter(pk=people.zhang.pk).update(name=NAME)
    assert backup.backup([str(file)]) == 0
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert digest in capsys.readouterr().out
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["copy.dump"]
    assert AuditEvent.objects.get(name="audit.DatabaseCopied").payload == {"digest": digest}

    assert backup.backup([str(file)]) == 1  # a copy is never written over
    assert "there already" in capsys.readouterr().err
    assert hashlib.sha256(file.read_bytes()).hexdigest() == digest

    came = restore(other, file)
    assert came.returncode == 0, came.stderr
    assert backup.restore([str(file)]) == 1  # into the database that is in use
    assert "not empty" in capsys.readouterr().err
    with psycopg.connect(other, autocommit=True) as restored:

        def ask(sql, *values):
            return restored.execute(sql, values).fetchone()[0]

        assert ask("SELECT name FROM patients_patient WHERE id = %s", people.zhang.pk) == NAME
        assert ask("SELECT count(*) FROM audit_auditevent WHERE name = 'audit.DatabaseRestored'") == 1
        for table in ("patients_patient", "patients_carerelationship", "accounts_practitioner", "django_migrations"):
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT count(*) FROM {table}")
                assert ask(f"SELECT count(*) FROM {table}") == cursor.fetchone()[0], table
        for kind in ("pg_trigger WHERE NOT tgisinternal", "pg_constraint", "pg_index WHERE indisvalid", "pg_proc"):
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT count(*) FROM {kind}")
                assert ask(f"SELECT count(*) FROM {kind}") == cursor.fetchone()[0], kind
        with pytest.raises(psycopg.Error, match="append-only"):
            restored.execute("DELETE FROM audit_auditevent")
        for right, may in (("SELECT", True), ("INSERT", True), ("UPDATE", False), ("DELETE", False)):
            assert ask("SELECT has_table_privilege(%s, 'audit_auditevent', %s)", postgres.APP, right) is may
    assert Patient.objects.visible_to(SYSTEM).get(pk=people.zhang.pk).name == NAME


@pytest.mark.django_db
def test_a_file_that_is_no_copy_is_refused_before_anything_is_looked_at(tmp_path, capsys):
    torn = tmp_path / "torn.dump"
    torn.write_bytes(b"PGDMP\x01\x0e")
    assert backup.restore([str(torn)]) == 1
    assert "pg_restore failed" in capsys.readouterr().err
    assert backup.restore([str(tmp_path / "absent")]) == 1


@pytest.mark.parametrize("arguments", [[], ["--help-me"], ["a", "b"]])
@pytest.mark.parametrize("command", [backup.backup, backup.restore])
def test_said_wrongly_nothing_happens(arguments, command, capsys):
    assert command(arguments) == 2
    assert "usage: careloop" in capsys.readouterr().err


@pytest.mark.django_db(transaction=True)
def test_a_copy_that_cannot_be_made_leaves_nothing_behind(tmp_path, monkeypatch, capsys):
    assert backup.backup([str(tmp_path / "nowhere" / "copy.dump")]) == 1
    monkeypatch.setattr(backup.postgres, "program", lambda _name: "/bin/false")
    assert backup.backup([str(tmp_path / "copy.dump")]) == 1
    assert "pg_dump failed" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert not AuditEvent.objects.filter(name="audit.DatabaseCopied").exists()


def test_a_password_stands_on_no_command_line():
    told = {
        "HOST": "db",
        "PORT": 5433,
        "USER": "o",
        "PASSWORD": "secret",
        "NAME": "c",
        "OPTIONS": {"sslmode": "require"},
    }
    assert backup._address(told) == {
        "PGHOST": "db", "PGPORT": "5433", "PGUSER": "o", "PGPASSWORD": "secret", "PGDATABASE": "c", "PGSSLMODE": "require",
    }  # fmt: skip


def test_a_program_that_nobody_has_is_named():
    with pytest.raises(postgres.DatabaseUnavailable, match="pg_nothing is not installed"):
        postgres.program("pg_nothing")
