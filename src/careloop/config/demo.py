"""`careloop demo`: a whole demo hospital in one terminal. The second run goes on with the same data."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TextIO

from careloop.config import env
from careloop.kernel import postgres
from careloop.kernel.supervisor import Process, Supervisor

GATEWAY_PORT = 8002
READY_SECONDS = 60.0
STOPPING_SECONDS = 30.0
FILLING = "filling"
"""A file of this name in the data directory: the history is being played, nobody has worked there yet."""
HISTORY = ("--days", "90", "--discharges-per-day", "3", "--seed", "7", "--people-file")


def demo(arguments: list[str]) -> int:
    """careloop demo [--reset] [--dev]"""
    settings = env.load()
    with only_one(settings.data_dir):
        cluster = postgres.cluster(settings.data_dir)
        if "--reset" in arguments:
            return reset(cluster, settings.data_dir)
        return run(settings, cluster, arguments)


def run(settings: env.Env, cluster: postgres.Cluster, arguments: list[str]) -> int:
    """Everything up, until Ctrl-C; then everything down, the database last."""
    started = time.monotonic()
    forget_unfinished(cluster, settings.data_dir)
    os.environ.update(demo_environment(settings))
    people = settings.data_dir / "demo-people.json"
    with Step("Database"):
        mine = postgres.start(cluster)
        postgres.ensure_database(cluster)
        os.environ["CARELOOP_DATABASE_URL"] = cluster.url()
        os.environ["CARELOOP_DATABASE_OWNER_URL"] = cluster.url(postgres.OWNER)
    supervisor = None
    try:
        with Step("Tables and shipped content"):
            careloop("migrate")
        if not people.exists():
            print("  Demo hospital: 90 days of history, every message over a real socket …", flush=True)
            (settings.data_dir / FILLING).touch()
            careloop("simulate", *HISTORY, str(people), show=True)
            (settings.data_dir / FILLING).unlink()
        supervisor = Supervisor(processes(settings.data_dir, dev="--dev" in arguments))
        with Step("Web, portal, worker, gateways"):
            supervisor.start()
            wait_until_ready(settings)
        announce(settings, json.loads(people.read_text()), seconds=time.monotonic() - started)
        supervisor.watch()
    except KeyboardInterrupt:
        pass
    finally:
        print("\nStopping …", flush=True)
        if supervisor:
            supervisor.stop()
        if mine:
            postgres.stop(cluster)
    return 0


@contextmanager
def only_one(data: Path, *, seconds: float = STOPPING_SECONDS) -> Iterator[None]:
    """One demo at a time for these data: a second one would share a database that the first stops.

    Waits for one that is on its way out; `SystemExit` when the other one goes on running.
    """
    data.parent.mkdir(parents=True, exist_ok=True)
    with data.with_name(f"{data.name}.lock").open("w") as file:
        until = time.monotonic() + seconds
        while not _taken(file):
            if time.monotonic() > until:
                raise SystemExit("Another `make demo` runs with these data: stop it with Ctrl-C first.")
            time.sleep(0.2)
        yield


def _taken(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # given back when the file is closed, also by a kill -9
    except BlockingIOError:
        return False
    return True


def forget_unfinished(cluster: postgres.Cluster, data: Path) -> None:
    """A first filling that was interrupted is half a history, in which numbers cannot add up: begin it anew."""
    if (data / FILLING).exists():
        print("  The last filling was interrupted; it begins anew.", flush=True)
        postgres.destroy(cluster)
        shutil.rmtree(data, ignore_errors=True)


class Step:
    """One line of progress: what happens, then how long it took."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __enter__(self) -> None:
        self.started = time.monotonic()
        print(f"  {self.text} …", end="", flush=True)

    def __exit__(self, kind: object, *_: object) -> None:
        print(" failed" if kind else f" {time.monotonic() - self.started:.1f} s", flush=True)


def demo_environment(settings: env.Env) -> dict[str, str]:
    """Settings of the demo that the user did not set: the demo SMS gateway and its secret."""
    kept = settings.data_dir / "sms-secret"
    if not kept.exists():
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        kept.write_text(secrets.token_urlsafe(32))
        kept.chmod(0o600)
    given = {
        "CARELOOP_DATA_DIR": str(settings.data_dir.resolve()),
        "CARELOOP_SMS_GATEWAY_URL": f"http://127.0.0.1:{GATEWAY_PORT}",
        "CARELOOP_SMS_GATEWAY_SECRET": kept.read_text(),
        "CARELOOP_HOSPITAL_NAME": "云溪市第一人民医院（示例）",
        "CARELOOP_HOSPITAL_PHONE": "0571-55550100",  # invented; patient pages show a call button with it
    }
    return {name: os.environ.get(name, value) for name, value in given.items()}


def careloop(*arguments: str, show: bool = False) -> None:
    """Run a subcommand to its end; its output is shown only when asked for or when it failed."""
    done = subprocess.run([sys.executable, "-m", "careloop", *arguments], capture_output=not show, check=False)
    if done.returncode:
        if not show:
            sys.stderr.write((done.stdout + done.stderr).decode(errors="replace"))
        raise SystemExit(f"careloop {arguments[0]} failed")


def processes(data: Path, *, dev: bool) -> list[Process]:
    """Everything a hospital would run, plus the demo SMS gateway that plays the telephone network."""
    logs = data / "logs"
    logs.mkdir(exist_ok=True)
    wanted: list[tuple[str, tuple[str, ...], dict[str, str]]] = [
        ("sms gateway", ("demo-gateway", "--port", str(GATEWAY_PORT)), {}),
        ("web", ("web",), {}),
        ("portal", ("portal",), {"CARELOOP_SURFACE": "portal"}),
        ("worker", ("worker",), {}),
        ("sender", ("sender",), {}),
        ("sender", ("sender",), {}),
        ("sweeper", ("sweeper",), {}),
        ("hl7 gateway", ("hl7", "listen"), {}),
    ]
    if dev:
        wanted = [(n, a, {**e, "CARELOOP_MODE": "dev"}) for n, a, e in wanted]
    return [
        Process(name, arguments, environment, logs / f"{name.replace(' ', '-')}.log")
        for name, arguments, environment in wanted
    ]


def wait_until_ready(settings: env.Env) -> None:
    """Until staff site and portal answer, or a clear word about which does not."""
    for name, port, path in (("staff site", settings.web_port, "/login/"), ("portal", settings.portal_port, "/")):
        complaint = f"the {name} on port {port} does not answer; see {settings.data_dir}/logs"
        _until(partial(_answers, f"http://127.0.0.1:{port}{path}"), complaint)


def _until(ready: Callable[[], bool], complaint: str) -> None:
    until = time.monotonic() + READY_SECONDS
    while not ready():
        if time.monotonic() > until:
            raise SystemExit(complaint)
        time.sleep(0.1)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2):
            return True
    except urllib.error.HTTPError as answer:
        return answer.code < 500
    except OSError:
        return False


def announce(settings: env.Env, people: dict[str, list[dict[str, str]]], *, seconds: float) -> None:
    """Addresses and one-time passwords."""
    print(
        f"\nCareLoop 随访云 runs ({seconds:.0f} s).  Ctrl-C stops everything; `make demo` goes on with the same data.\n"
    )
    for label, address in (
        ("Staff site   员工端", settings.staff_url),
        ("Patient site 患者端", settings.public_url),
        ("Phone inbox  演示手机", f"http://localhost:{GATEWAY_PORT}"),
        ("HL7 (MLLP)", f"{settings.hl7_host}:{settings.hl7_port}"),
    ):
        print(f"  {label:<22} {address}")
    print("\n  Sign in with (one-time password, changed at first sign-in):")
    for person in people["people"]:
        print(f"    {person['username']:<12} {person['password']:<20} {person['role']} {person['name']}")
    print(flush=True)


def reset(cluster: postgres.Cluster, data: Path) -> int:
    """Delete the demo's database and everything it generated."""
    postgres.destroy(cluster)
    shutil.rmtree(data, ignore_errors=True)
    print("The demo hospital is gone; `make demo` builds a new one.")
    return 0
