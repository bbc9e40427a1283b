"""The product's own server (granian, pages and live events in one process) on the test database, for tests."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from django.db import connection

SOURCE = Path(__file__).resolve().parents[1] / "src"


@contextmanager
def real_site() -> Iterator[str]:
    """Serves the staff site as `careloop web` does. What tests commit is seen; needs `transactional_db`."""
    port = _free_port()
    name = connection.settings_dict["NAME"]
    url = urlsplit(os.environ["CARELOOP_DATABASE_URL"])._replace(path=f"/{name}").geturl()
    static = SOURCE / "careloop" / "kernel" / "static"
    static.mkdir(exist_ok=True)
    command = [
        sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port), "--no-ws",
        "--backpressure", "4096", "--static-path-route", "/static", "--static-path-mount", str(static),
        "careloop.config.asgi:application",
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": str(SOURCE), "CARELOOP_DATABASE_URL": url, "CARELOOP_WEB_THREADS": "4"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_open(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_open(port: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("the server did not start within a minute")
