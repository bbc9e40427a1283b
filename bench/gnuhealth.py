"""GNU Health as its own users meet it: an environment of its own, its own server at its defaults, its own JSON-RPC.

Nothing of it is ever imported here. `bench/peer-requirements.txt` pins what is installed; every process started here is
stopped here.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import signal
import socket
import subprocess
import time
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

LOCK = Path(__file__).with_name("peer-requirements.txt")
READY_SECONDS, STOP_SECONDS = 90.0, 10.0
ADMIN = "admin"
Json = Any
"""What JSON-RPC takes and gives."""


class PeerFailed(RuntimeError):
    """Something of the peer did not work; the message says what and where its log is."""


# --- its environment


def installed(folder: Path) -> Path:
    """The folder of its programs; made when it is not there or the lock file has changed since."""
    marker, wanted = folder / "installed", hashlib.sha256(LOCK.read_bytes()).hexdigest()
    programs = folder / "bin"
    is_whole = marker.exists() and marker.read_text() == wanted and (programs / "trytond-admin").exists()
    if not is_whole:
        venv.create(folder, clear=True, with_pip=True)
        # Without dependencies: the lock names them all, and `psycopg2-binary` stands in for `psycopg2`, which needs a compiler.
        quiet = ("-q", "--disable-pip-version-check", "--no-deps", "--require-hashes", "-r", str(LOCK))
        _run([str(programs / "pip"), "install", *quiet], "its packages could not be installed")
        marker.write_text(wanted)
    return programs


def _run(command: Sequence[str], complaint: str, environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment and {**environment})
    if done.returncode:
        raise PeerFailed(f"{complaint}:\n{(done.stderr or done.stdout)[-2000:]}")


def configuration(database_url: str, port: int) -> str:
    """Its defaults, but for the two things that must be ours: where the database is and where it listens."""
    at = urlsplit(database_url)
    server = at._replace(scheme="postgresql", path="/").geturl()
    return f"[web]\nlisten = 127.0.0.1:{port}\n\n[database]\nuri = {server}\n"


# --- its server


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its address, its process, and the administrator's password."""

    address: str
    pid: int
    password: str


@contextmanager
def running(programs: Path, database: str, database_url: str, logs: Path) -> Iterator[Server]:
    """Its tables (once for a database) and its server. Stopped at the end, whatever happened."""
    logs.mkdir(parents=True, exist_ok=True)
    port, secret = _free_port(), logs / "password"
    settings = logs / "trytond.conf"
    settings.write_text(configuration(database_url, port))
    password = secrets.token_urlsafe(16)
    secret.touch(mode=0o600)
    secret.write_text(password)
    # The variable names the file with the password; a proxy or a setting of this shell must not reach it.
    plain = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment = {**plain, "TRYTONPASSFILE": str(secret)}
    admin = [str(programs / "trytond-admin"), "-c", str(settings), "-d", database, "--email", "peer@example.org"]
    try:
        _run([*admin, "-u", "health", "--activate-dependencies", "-p"], "its tables could not be made", environment)
        yield from _served([str(programs / "trytond"), "-c", str(settings), "-d", database], environment, logs,
                           port=port, address=f"http://127.0.0.1:{port}/{database}/", password=password)  # fmt: skip
    finally:
        secret.unlink(missing_ok=True)


def _served(
    command: Sequence[str], environment: Mapping[str, str], logs: Path, *, port: int, address: str, password: str
) -> Iterator[Server]:
    log = logs / "trytond.log"
    with log.open("w") as file:
        server = subprocess.Popen(
            command, env={**environment}, stdout=file, stderr=file, stdin=subprocess.DEVNULL, start_new_session=True
        )
    try:
        _wait(server, port, log)
        yield Server(address, server.pid, password)
    finally:
        stop(server)


def stop(server: subprocess.Popen[bytes]) -> None:
    """End a process with all below it: asked first, then without asking."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, how)
            server.wait(STOP_SECONDS)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
        break
    server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + READY_SECONDS
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if server.poll() is not None or time.monotonic() > until:
            raise PeerFailed(f"its server does not listen; see {log}")
        time.sleep(0.1)


# --- its JSON-RPC


def instant(at: datetime) -> Json:
    """A moment as its clients send it (UTC, without a zone)."""
    return {
        "__class__": "datetime", "year": at.year, "month": at.month, "day": at.day, "hour": at.hour,
        "minute": at.minute, "second": at.second, "microsecond": at.microsecond,
    }  # fmt: skip


def day(on: date) -> Json:
    """A date as its clients send it."""
    return {"__class__": "date", "year": on.year, "month": on.month, "day": on.day}


class Rpc:
    """One signed-in client with one kept connection."""

    def __init__(self, server: Server) -> None:
        self.server, self.number = server, 0
        self.context: dict[str, Json] = {"language": "en"}
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=1, keepalive_timeout=300), timeout=aiohttp.ClientTimeout(total=300)
        )

    async def sign_in(self) -> Rpc:
        """With user name and password; every later call carries the session it gives."""
        user, key = await self.send("common.db.login", [ADMIN, {"password": self.server.password}, "en"])
        token = base64.b64encode(f"{ADMIN}:{user}:{key}".encode()).decode()
        self.session.headers["Authorization"] = f"Session {token}"
        return self

    async def send(self, method: str, parameters: Sequence[Json]) -> Json:
        """One call. An answer that is an error stops the run: there is no figure for work that was not done."""
        self.number += 1
        body = {"id": self.number, "method": method, "params": list(parameters)}
        async with self.session.post(self.server.address, json=body) as answer:
            if answer.status != 200:
                raise PeerFailed(f"{method}: {answer.status} {(await answer.text())[:500]}")
            # It compresses by the header and names its own content type.
            found = await answer.json(content_type=None)
        if isinstance(found, dict) and found.get("error"):
            raise PeerFailed(f"{method}: {str(found['error'])[:1500]}")
        return found["result"] if isinstance(found, dict) and "result" in found else found

    async def call(self, model: str, method: str, *parameters: Json) -> Json:
        """A method of one of its models, with the user's context as its own client sends it."""
        return await self.send(f"model.{model}.{method}", [*parameters, self.context])

    async def close(self) -> None:
        """Give the connection back."""
        await self.session.close()
