"""The processes of a run: gateway, portal, sender and the demo SMS gateway, for real; jobs in the run's own process."""

from __future__ import annotations

import json
import os
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django import app

from careloop.integration.models import InboxMessage
from careloop.kernel.supervisor import Process, Supervisor
from careloop.messaging.models import Communication

MOST_SECONDS = 600.0


class Stuck(RuntimeError):
    """Something did not finish in time; the message says what to look at."""


@contextmanager
def processes(ports: dict[str, int], logs: Path) -> Iterator[None]:
    """Start the outside doors on these ports; stop them at the end, whatever happens."""
    logs.mkdir(parents=True, exist_ok=True)
    environment = {
        "CARELOOP_PORTAL_PORT": str(ports["portal"]),
        "CARELOOP_HL7_PORT": str(ports["hl7"]),
        "CARELOOP_PUBLIC_URL": f"http://127.0.0.1:{ports['portal']}",
        "CARELOOP_SMS_GATEWAY_URL": f"http://127.0.0.1:{ports['sms']}",
        "CARELOOP_LOG_LEVEL": "ERROR",
    }
    wanted = {
        "sms gateway": ("demo-gateway", "--port", str(ports["sms"])),
        "portal": ("portal",),
        "hl7 gateway": ("hl7", "listen"),
        "sender": ("sender",),
    }
    run = Supervisor(
        [
            Process(name, arguments, environment, logs / f"{name.replace(' ', '-')}.log")
            for name, arguments in wanted.items()
        ]
    )
    try:
        run.start()
        for name, port in ports.items():
            _until(partial(_listens, port), f"{name} does not listen on port {port}; see {logs}", seconds=60)
        yield
    finally:
        run.stop()


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def chosen_ports() -> dict[str, int]:
    """The site's own ports where they are free (so that links in messages go on working), else any."""
    wanted = {"portal": settings.ENV.portal_port, "hl7": settings.ENV.hl7_port, "sms": _gateway_port()}
    return {name: free_port() if _listens(port) else port for name, port in wanted.items()}


def _gateway_port() -> int:
    address = os.environ.get("CARELOOP_SMS_GATEWAY_URL", "")
    return int(address.rsplit(":", 1)[-1]) if address else 8002


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.3)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def drain_inbox() -> None:
    """Until the gateway has applied everything it stored."""
    waiting = InboxMessage.objects.unscoped("the run waits for the gateway").filter(state__in=InboxMessage.UNFINISHED)
    _until(lambda: not waiting.exists(), "messages stay in the inbox; see the gateway's log")


def drain_outbox() -> None:
    """Until no message waits to leave now. What waits for its hour stays."""
    on_the_way = Communication.objects.unscoped("the run waits for the sender").filter(state="sending")
    ready = Communication.objects.unscoped("the run waits for the sender").filter(
        state="queued", channel="sms", not_before__lte=timezone.now()
    )
    with suppress(Stuck):  # a message the sender puts off again (quiet hours, caps) is not stuck
        _until(lambda: not on_the_way.exists() and not ready.exists(), "outbox", seconds=20)


def drain_jobs() -> int:
    """Run every waiting job here, in order, until none is left. Returns how many ran."""
    app.perform_import_paths()  # type: ignore[no-untyped-call]  # the library has no types here
    count = 0
    while rows := _waiting_jobs():
        for pk, name, arguments in rows:
            app.tasks[name].func(**arguments)
            with connection.cursor() as cursor:
                cursor.execute("SELECT procrastinate_finish_job_v1(%s, 'succeeded', true)", [pk])
            count += 1
    return count


def _waiting_jobs() -> list[tuple[int, str, dict[str, object]]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, task_name, args FROM procrastinate_jobs WHERE status = 'todo' ORDER BY id LIMIT 500")
        return [(pk, name, json.loads(args) if isinstance(args, str) else args) for pk, name, args in cursor.fetchall()]


def _until(ready: Callable[[], bool], complaint: str, *, seconds: float = MOST_SECONDS) -> None:
    until = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > until:
            raise Stuck(complaint)
        time.sleep(0.05)


def post_json(address: str, text: str) -> None:
    """Tell the demo gateway something."""
    request = urllib.request.Request(
        address, data=text.encode(), headers={"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=10):
        pass
