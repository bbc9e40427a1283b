"""Memory and delay of live streams: `python bench/live_clients.py [clients] [alerts]`, from the project's root.

Starts the real server on a throw-away database, opens that many streams as one doctor, raises alerts, and prints the
memory of the server before and with the streams (PSS), the delay from commit to arrival, the connections held, and
the same as one line of JSON.
The clients run on the same machine, so the delays include their own work.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

import django

from bench import ending

ending.in_order()
with ending.whole():
    boot = import_module("tests.boot")  # it starts the database and names the settings
    if boot.started:
        atexit.register(boot.stop)
django.setup()

import aiohttp
from django.db import connection
from django.test.utils import setup_databases, teardown_databases


def pss(pid: int) -> float:
    """Proportional memory of a process and its children, MB."""
    pids = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    total = 0
    for one in pids:
        lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def serve(port: int) -> subprocess.Popen[bytes]:
    """The server as `careloop web` starts it, one worker."""
    name = connection.settings_dict["NAME"]
    url = urlsplit(os.environ["CARELOOP_DATABASE_URL"])._replace(path=f"/{name}").geturl()
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port)]
    return subprocess.Popen(
        [*command, "--backpressure", "8192", "--no-ws", "careloop.config.asgi:application"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "CARELOOP_DATABASE_URL": url},
        stdout=subprocess.DEVNULL,
    )


def wait_until_open(port: int) -> None:
    """The server has started."""
    for _ in range(1200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError


def held_connections() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


async def listen(session: aiohttp.ClientSession, url: str, cookies: dict[str, str], arrived: list[float]) -> None:
    async with session.get(url, cookies=cookies) as stream:
        assert stream.status == 200, stream.status
        async for line in stream.content:
            if line.startswith(b"data:"):
                arrived.append(time.monotonic())


async def measure(port: int, pid: int, clients: int, alerts: int, cookies: dict[str, str], raise_one: object) -> None:
    arrived: list[float] = []
    delays: list[float] = []
    idle, idle_connections = pss(pid), held_connections()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session:
        started = time.monotonic()
        tasks = [
            asyncio.create_task(listen(session, f"http://127.0.0.1:{port}/live/", cookies, arrived))
            for _ in range(clients)
        ]
        await asyncio.sleep(3 + clients / 200)
        loaded = pss(pid)
        print(f"{clients} streams opened in at most {time.monotonic() - started:.1f} s")
        for _ in range(alerts):
            arrived.clear()
            await asyncio.get_running_loop().run_in_executor(None, raise_one)
            committed = time.monotonic()
            while len(arrived) < clients and time.monotonic() - committed < 10:
                await asyncio.sleep(0.01)
            delays += [max(0.0, moment - committed) for moment in arrived]
        each = (loaded - idle) * 1024 / clients
        print(f"server memory: {idle:.0f} MB idle, {loaded:.0f} MB with streams: {each:.0f} kB each")
        print(f"database connections: {idle_connections} idle, {held_connections()} with streams")
        print(f"events: {len(delays)} of {clients * alerts} delivered")
        ordered = sorted(delays)
        print(
            f"delay: p50 {statistics.median(ordered) * 1000:.0f} ms,"
            f" p95 {ordered[int(len(ordered) * 0.95)] * 1000:.0f} ms, worst {ordered[-1] * 1000:.0f} ms"
        )
        print(json.dumps({
            "clients": clients, "delivered": len(delays), "expected": clients * alerts,
            "idle_mb": round(idle), "loaded_mb": round(loaded), "p50_ms": round(statistics.median(ordered) * 1000),
            "p95_ms": round(ordered[int(len(ordered) * 0.95)] * 1000),
        }))  # fmt: skip
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def main() -> None:
    clients = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    alerts = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    databases = setup_databases(verbosity=0, interactive=False)
    from datetime import UTC, datetime

    from careloop.alerts.actions import raise_findings
    from careloop.alerts.tests.test_actions import CHEST_PAIN, SYSTEM, origin_of
    from tests.cast import make_cast, signed_in

    cast = make_cast()
    cookies = {"careloop_staff": signed_in(cast.zhao).cookies["careloop_staff"].value}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with ending.whole():
        server = serve(port)

    def raise_one() -> None:
        try:
            raise_findings(origin=origin_of(cast), findings=[CHEST_PAIN], at=datetime.now(UTC), by=SYSTEM)
        finally:
            connection.close()  # this thread's own

    try:
        wait_until_open(port)
        asyncio.run(measure(port, server.pid, clients, alerts, cookies, raise_one))
    finally:
        server.terminate()
        server.wait(15)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        connection.close()
        teardown_databases(databases, verbosity=0)


if __name__ == "__main__":
    main()
