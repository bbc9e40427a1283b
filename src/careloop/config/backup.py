"""A copy of the whole database in a file, and a database out of such a file: PostgreSQL's own programs, with care around."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from careloop.kernel import postgres

# Who owns what, and who may do what, belongs to the database it comes into; `restore` grants the rights anew.
NEUTRAL = ("--no-owner", "--no-privileges")
TABLES = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"


class CannotCopy(RuntimeError):
    """What stands in the way of a copy; the words are for whoever typed the command."""


def backup(arguments: list[str]) -> int:
    """careloop backup FILE"""
    return _told(arguments, "backup", _backup)


def restore(arguments: list[str]) -> int:
    """careloop restore FILE"""
    return _told(arguments, "restore", _restore)


def _told(arguments: list[str], name: str, work: Any) -> int:
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(f"usage: careloop {name} FILE", file=sys.stderr)
        return 2
    try:
        print(work(Path(arguments[0])))
    except (CannotCopy, OSError) as fault:
        print(f"careloop {name}: {fault}", file=sys.stderr)
        return 1
    return 0


def _backup(file: Path) -> str:
    from careloop.audit.record import copied
    from careloop.kernel.viewer import Viewer

    if file.exists():
        raise CannotCopy(f"{file} is there already and stays as it is. Choose another name.")
    partial = file.with_name(f"{file.name}.partial")
    partial.unlink(missing_ok=True)  # of a copy that was killed
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        _run("pg_dump", "--format=custom", *NEUTRAL, f"--file={partial}")
        _run("pg_restore", "--list", str(partial))  # it can be read again
        digest = _digest(partial)
        copied(digest=digest, by=Viewer.system("config.backup"))  # no copy that nobody knows of
        os.link(partial, file)  # unlike a renaming, refused when somebody else made the file meanwhile
    finally:
        partial.unlink(missing_ok=True)
    return f"{file}: {file.stat().st_size} bytes, SHA-256 {digest}"


def _restore(file: Path) -> str:
    from django.db import connection

    from careloop.audit.record import restored
    from careloop.config.grants import grant_application_role
    from careloop.kernel.viewer import Viewer

    _run("pg_restore", "--list", str(file))
    digest = _digest(file)
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        if cursor.fetchone() != (0,):
            raise CannotCopy("the database is not empty and stays as it is. Restore into an empty one.")
        target = f"--dbname={connection.settings_dict['NAME']}"
        _run("pg_restore", "--single-transaction", "--exit-on-error", *NEUTRAL, target, str(file))
        grant_application_role()
        cursor.execute("ANALYZE")  # a copy brings no statistics, and plans without them are bad plans
        cursor.execute(TABLES)
        tables = cursor.fetchone()
    restored(digest=digest, by=Viewer.system("config.restore"))
    return f"{tables[0] if tables else 0} tables from {file}, SHA-256 {digest}"


def _run(program: str, *arguments: str) -> None:
    from django.db import connection

    done = subprocess.run(
        [postgres.program(program), *arguments], env={**os.environ, **_address(connection.settings_dict)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise CannotCopy(f"{program} failed: {done.stderr.strip()[-600:]}")


def _address(told: Mapping[str, Any]) -> dict[str, str]:
    """Where the database is, as libpq reads it: never on a command line, which every account of the machine can read."""
    named = {"PGHOST": "HOST", "PGPORT": "PORT", "PGUSER": "USER", "PGPASSWORD": "PASSWORD", "PGDATABASE": "NAME"}
    found = {variable: str(told[name]) for variable, name in named.items() if told.get(name)}
    encryption = {f"PG{name.upper()}": str(value) for name, value in told["OPTIONS"].items() if name.startswith("ssl")}
    return {**found, **encryption}


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
