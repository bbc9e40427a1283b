"""What the general subcommands of `careloop` do."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from careloop.config import env
from careloop.kernel import postgres
from careloop.kernel.assets import DIST

DATABASE_VERBS = ("start", "stop", "status", "destroy", "psql-url")
HEAPS = "2"
"""Heaps of the C library in a server process. It makes one for each thread otherwise, and each keeps what one page once took."""

# Django's own `migrate` with one of these changes no table.
ONLY_LOOKS = frozenset({"--plan", "--check", "--prune", "-h", "--help"})
# Options of Django's `migrate` that are followed by a value.
_WITH_VALUE = frozenset({"-v", "--verbosity", "--settings", "--pythonpath", "--database"})


def manage(arguments: list[str]) -> int:
    """careloop manage makemigrations …

    `manage migrate` brings the rights of the application's role with the tables, and with all tables the shipped content,
    as `careloop migrate` does: otherwise the site would start and refuse everything.
    """
    from django.core.management import execute_from_command_line

    changes_tables = arguments[:1] == ["migrate"] and ONLY_LOOKS.isdisjoint(arguments)
    if changes_tables:
        _mend_indexes()
    execute_from_command_line(["careloop manage", *arguments])
    if changes_tables:
        _complete(content=not names_a_room(arguments[1:]))
    return 0


def names_a_room(arguments: Sequence[str]) -> bool:
    """Whether Django's `migrate` was told to stop at one room: then not all tables need be there."""
    before = ("", *arguments)
    return any(
        not word.startswith("-") and previous not in _WITH_VALUE
        for previous, word in zip(before, arguments, strict=False)
    )


def migrate(arguments: list[str]) -> int:
    """Tables, then the application role's rights, then shipped content. Running it again changes nothing."""
    from django.core.management import call_command

    _mend_indexes()
    call_command("migrate", interactive=False, verbosity=1 if "-v" in arguments else 0)
    _complete(content=True)
    return 0


def _mend_indexes() -> None:
    from django.db import connection

    from careloop.config.indexes import mend_indexes

    connection.ensure_connection()
    for name in mend_indexes(connection.connection):
        print(f"careloop: index {name} was left half built; it was built anew or dropped", file=sys.stderr)


def _complete(*, content: bool) -> None:
    """What tables alone do not make a running product."""
    from careloop.config.grants import grant_application_role
    from careloop.config.shipped import load_shipped_content

    grant_application_role()
    if content:
        load_shipped_content()


def one_time_password(arguments: list[str]) -> int:
    """A one-time password for USERNAME, said once. For administrators, whose account nobody else may open in the browser;
    whoever may start this on the server has the database anyway, and the audit trail says that it was done here.
    """
    from django.utils import timezone

    from careloop.accounts.actions import issue_password
    from careloop.accounts.models import Practitioner
    from careloop.kernel.viewer import Viewer

    if len(arguments) != 1:
        print("usage: careloop one-time-password USERNAME", file=sys.stderr)
        return 2
    person = Practitioner.objects.filter(username=arguments[0], is_active=True).first()
    if person is None:
        print("careloop: nobody active has this user name", file=sys.stderr)
        return 1
    print(issue_password(practitioner=person, at=timezone.now(), by=Viewer.system("config.one_time_password")))
    return 0


def web(arguments: list[str]) -> int:
    """The staff site, served by granian."""
    return _serve("web", "careloop.config.asgi:application", env.load().web_port)


def portal(arguments: list[str]) -> int:
    """The patient portal, served by granian."""
    os.environ["CARELOOP_SURFACE"] = "portal"
    return _serve("portal", "careloop.config.asgi:application", env.load().portal_port)


def _serve(surface: str, target: str, port: int) -> int:
    settings = env.load()
    os.environ["CARELOOP_SURFACE"] = surface
    os.environ.setdefault("MALLOC_ARENA_MAX", HEAPS)
    DIST.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable, "-m", "granian", "--interface", "asgi", "--host", settings.web_host, "--port", str(port),
        "--workers", str(settings.web_workers), "--log-level", "warning", "--no-access-log",
        "--backpressure", "8192",  # each open live stream counts as a request
        "--static-path-route", "/static", "--static-path-mount", str(DIST.parent),
        "--static-path-expires", "31536000", target,  # names carry the hash of their content
    ]  # fmt: skip
    os.execv(sys.executable, command)


def worker(arguments: list[str]) -> int:
    """Background jobs of all queues."""
    from django.core.management import call_command

    call_command("procrastinate", "worker", "--concurrency", "4")
    return 0


def db(arguments: list[str]) -> int:
    """careloop db start | stop | status | destroy | psql-url"""
    what = arguments[0] if arguments else "status"
    if what not in DATABASE_VERBS or len(arguments) > 1:
        print(f"usage: careloop db {' | '.join(DATABASE_VERBS)}", file=sys.stderr)
        return 2
    embedded = postgres.cluster(env.load().data_dir)
    if what == "start":
        postgres.start(embedded)
        postgres.ensure_database(embedded)
    elif what == "stop":
        postgres.stop(embedded)
    elif what == "destroy":
        postgres.destroy(embedded)
    elif what == "psql-url":
        print(embedded.url(postgres.OWNER))
        return 0
    running = embedded.data.exists() and embedded.is_running
    print(f"{'running' if running else 'stopped'}: {embedded.data}")
    return 0
