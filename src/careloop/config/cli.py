"""The command `careloop`: every process and tool of the product starts here.

A subcommand is one line in COMMANDS: name → (help, import path of a function that takes the remaining arguments and
returns an exit code). Django is set up, and the embedded database runs, before the function is imported.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Sequence

from django.core.exceptions import ImproperlyConfigured

from careloop.config import clock, env
from careloop.kernel import postgres

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("a whole demo hospital in one terminal [--reset] [--dev]", "careloop.config.demo:demo"),
    "simulate": ("play a hospital over real sockets", "careloop.simulation.run:main"),
    "plan-quarter": (
        "plan a quarter for 110,000 chronic patients: time, balance, state identity",
        "careloop.simulation.quarter_command:main",
    ),
    "manage": ("Django's management commands", "careloop.config.commands:manage"),
    "migrate": ("create or update the tables, rights and shipped content", "careloop.config.commands:migrate"),
    "web": ("staff site", "careloop.config.commands:web"),
    "portal": ("patient portal", "careloop.config.commands:portal"),
    "worker": ("background jobs", "careloop.config.commands:worker"),
    "hl7": ("HL7 v2 gateway: listen | process | ingest PATH…", "careloop.integration.jobs.commands:hl7"),
    "sender": ("sends messages from the outbox", "careloop.messaging.jobs.sender:main"),
    "sweeper": (
        "rescues stalled jobs and raises the alarm about late messages",
        "careloop.messaging.jobs.sweeper:main",
    ),
    "demo-gateway": ("demo SMS gateway with a phone-like inbox --port N", "careloop.simulation.gateway.command:main"),
    "rulepack": ("national rule pack: check [FILE] | publish FILE", "careloop.config.rulepack:main"),
    "integrity-study": (
        "measures the integrity indicators: catch rate and false alarms [--seed N]",
        "careloop.simulation.integrity:main",
    ),
    "recount-newest": (
        "checks what cohorts count by, and writes it anew if it is wrong",
        "careloop.cohorts.jobs:recount",
    ),
    "one-time-password": (
        "a new one-time password for USERNAME; the only way for security and audit administrators",
        "careloop.config.commands:one_time_password",
    ),
    "backup": ("the whole database into FILE, which must not exist yet", "careloop.config.backup:backup"),
    "restore": ("FILE of `backup` into an empty database; nothing is overwritten", "careloop.config.backup:restore"),
    "db": ("embedded database: start | stop | status | destroy | psql-url", "careloop.config.commands:db"),
}
# Started as the role that owns the tables; everything else runs as the application's own role.
AS_OWNER = frozenset({"migrate", "manage", "backup", "restore"})
# These look after the database themselves, before Django.
BARE = frozenset({"db", "demo"})
# These tell their options themselves when asked with --help; for the others the line above is all there is to say.
TELL_THEMSELVES = frozenset({"simulate", "plan-quarter", "manage", "hl7", "demo-gateway", "integrity-study"})
# All that these may be told. A word they do not know is refused and not passed over: whoever types `migrate --plan` or
# `web --port 9000` would get what he did not ask for.
MAY_BE_TOLD: dict[str, frozenset[str]] = {
    "demo": frozenset({"--reset", "--dev"}),
    "migrate": frozenset({"-v"}),
    **dict.fromkeys(("web", "portal", "worker", "sender", "sweeper", "recount-newest"), frozenset()),
}
# These may be the first command on a machine: tables and shipped content come by themselves.
FROM_NOTHING = frozenset({"simulate"})
# These play with time: their processes share a clock that can be moved.
WITH_MOVABLE_CLOCK = frozenset({"simulate"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the console script. What the operator must mend is one line, not a traceback; then it ends with 2."""
    try:
        return _run(arguments)
    except (env.BadSetting, ImproperlyConfigured, postgres.DatabaseUnavailable) as fault:
        print(f"careloop: {fault}", file=sys.stderr)
        return 2


def _run(arguments: Sequence[str] | None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in {"-h", "--help"}:
        print(usage())
        return 0
    name, *rest = given
    if name not in COMMANDS:
        print(f"careloop: there is no command {name!r}\n\n{usage()}", file=sys.stderr)
        return 2
    if name not in TELL_THEMSELVES and not {"-h", "--help"}.isdisjoint(rest):
        print(f"usage: careloop {name} …\n\n{COMMANDS[name][0]}")
        return 0
    if name in MAY_BE_TOLD and (unknown := [word for word in rest if word not in MAY_BE_TOLD[name]]):
        print(f"careloop {name}: {' '.join(unknown)} means nothing here\n\n{COMMANDS[name][0]}", file=sys.stderr)
        return 2
    if name in WITH_MOVABLE_CLOCK and {"-h", "--help"}.isdisjoint(rest):
        os.environ.setdefault(clock.VARIABLE, str(env.load().data_dir.resolve() / "clock"))
        os.environ.setdefault("CARELOOP_SMS_GATEWAY_URL", "http://127.0.0.1:8002")  # the demo gateway it starts
        os.environ.setdefault("CARELOOP_SMS_GATEWAY_SECRET", "simulated-carrier")
        # An invented year may be lost in a power cut; not waiting for the disk at each commit makes it a third faster.
        os.environ.setdefault("PGOPTIONS", "-c synchronous_commit=off")
    prepare(owner=name in AS_OWNER, database=name not in BARE)
    if name in FROM_NOTHING and rest[:1] not in (["-h"], ["--help"]):
        subprocess.run([sys.executable, "-m", "careloop", "migrate"], check=True)  # as the role that owns the tables
    return int(_function(COMMANDS[name][1], bare=name in BARE)(rest) or 0)


def usage() -> str:
    """The list of commands."""
    lines = [f"  {name:<14} {text}" for name, (text, _) in COMMANDS.items()]
    return "usage: careloop COMMAND …\n\n" + "\n".join(lines)


def prepare(*, owner: bool = False, database: bool = True) -> None:
    """Point Django at the settings and the database; start the embedded server when no address is given."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "careloop.config.settings")
    if owner:
        os.environ["CARELOOP_DATABASE_ROLE"] = "owner"
    if database and not os.environ.get("CARELOOP_DATABASE_URL"):
        embedded = postgres.cluster(env.load().data_dir)
        postgres.start(embedded)
        postgres.ensure_database(embedded)
        os.environ["CARELOOP_DATABASE_URL"] = embedded.url()
        os.environ["CARELOOP_DATABASE_OWNER_URL"] = embedded.url(postgres.OWNER)


def _function(path: str, *, bare: bool) -> Callable[[list[str]], int | None]:
    if not bare:
        import django

        django.setup()
    module, name = path.split(":")
    found: Callable[[list[str]], int | None] = getattr(importlib.import_module(module), name)
    return found
