"""What the general subcommands of `careloop` do."""

from __future__ import annotations

import os
import sys

from careloop.config import env
from careloop.kernel import postgres
from careloop.kernel.assets import DIST

DATABASE_VERBS = ("start", "stop", "status", "destroy", "psql-url")


def manage(arguments: list[str]) -> int:
    """careloop manage makemigrations …"""
    from django.core.management import execute_from_command_line

    execute_from_command_line(["careloop manage", *arguments])
    return 0


def migrate(arguments: list[str]) -> int:
    """Tables, then the application role's rights, then shipped content. Running it again changes nothing."""
    from django.core.management import call_command

    from careloop.config.grants import grant_application_role
    from careloop.config.shipped import load_shipped_content

    call_command("migrate", interactive=False, verbosity=1 if "-v" in arguments else 0)
    grant_application_role()
    load_shipped_content()
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
