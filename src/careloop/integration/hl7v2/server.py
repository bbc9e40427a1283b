"""The MLLP server: frames in, answers out, in order, on any number of connections.

It knows sockets and nothing else. `store` gets what arrived, commits it and returns the answers; until it has returned,
nobody is told anything. Messages of all connections that arrive while one commit runs share the next one.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from careloop.integration.hl7v2.framing import MAX_MESSAGE_BYTES, Frame, FrameReader, wrap

log = logging.getLogger(__name__)

QUIET_SECONDS = 2.0
"""A message that began and then stopped for this long has no end mark coming (a sender that never writes FS)."""

_COMMIT_COUNT = 200
_COMMIT_BYTES = 16 * 1024 * 1024
_PENDING_COUNT = 500
_PENDING_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Arrived:
    """One frame and where it came from."""

    frame: Frame
    peer: str


Store = Callable[[Sequence[Arrived]], Sequence[bytes]]
"""Commit these and give an answer for each. If it raises, nobody is answered and the senders will send again."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How the server treats its peers."""

    message_bytes: int = MAX_MESSAGE_BYTES
    idle_seconds: float = 300.0
    quiet_seconds: float = QUIET_SECONDS
    peers: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks that may connect; empty = any that can reach the port."""

    def allows(self, host: str) -> bool:
        """Whether this address may send. What cannot be read as an address may not."""
        if not self.peers:
            return True
        try:
            address = ip_address(host)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any(
            (mapped or address) in network for network in self.peers if network.version == (mapped or address).version
        )


def read_peers(setting: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """`10.1.2.3, 10.2.0.0/16` → networks. A wrong entry raises ValueError: a gateway must not start half-open."""
    return tuple(ip_network(part.strip(), strict=False) for part in setting.split(",") if part.strip())


@dataclass(slots=True)
class Committer:
    """One line of commits for all connections."""

    store: Store
    _queue: asyncio.Queue[tuple[Connection, Arrived]] = field(default_factory=asyncio.Queue)
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "hl7-store"))

    def put(self, connection: Connection, arrived: Arrived) -> None:
        self._queue.put_nowait((connection, arrived))

    async def run(self) -> None:
        """Until cancelled: take what waits, commit it, answer it."""
        loop = asyncio.get_running_loop()
        while True:
            batch = [await self._queue.get()]
            size = len(batch[0][1].frame.body)
            while not self._queue.empty() and len(batch) < _COMMIT_COUNT and size < _COMMIT_BYTES:
                batch.append(self._queue.get_nowait())
                size += len(batch[-1][1].frame.body)
            try:
                answers = await loop.run_in_executor(self._thread, self.store, [arrived for _, arrived in batch])
            except Exception:
                log.exception("messages could not be stored; their senders get no answer and will send again")
                for connection, arrived in batch:
                    connection.give_up(len(arrived.frame.body))
            else:
                for (connection, arrived), answer in zip(batch, answers, strict=True):
                    connection.answer(answer, len(arrived.frame.body))
            for _ in batch:
                self._queue.task_done()

    async def drained(self) -> None:
        """Everything taken has been answered."""
        await self._queue.join()

    def close(self) -> None:
        self._thread.shutdown(wait=True)


class Connection(asyncio.Protocol):
    """One sender. Answers go out in the order of its messages because there is one line of commits."""

    def __init__(self, committer: Committer, limits: Limits, open_connections: set[Connection]) -> None:
        self._committer = committer
        self._limits = limits
        self._all = open_connections
        self._reader = FrameReader(limit=limits.message_bytes)
        self._transport: asyncio.Transport | None = None
        self._peer = ""
        self._pending = 0
        self._pending_bytes = 0
        self._ended = False
        self._last = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._peer = str((transport.get_extra_info("peername") or ("",))[0])
        if not self._limits.allows(self._peer):
            log.warning("refused an HL7 connection from %s: not in CARELOOP_HL7_PEERS", self._peer)
            transport.abort()
            return
        self._transport = transport
        self._all.add(self)
        self._last = self._now()
        self._schedule()

    def data_received(self, data: bytes) -> None:
        self._last = self._now()
        self._take(self._reader.feed(data))

    def eof_received(self) -> bool:
        """The sender has finished; what it began is taken, and it still gets its answers."""
        self._ended = True
        self._take(self._reader.flush())
        return self._pending > 0

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._all.discard(self)
        if self._timer:
            self._timer.cancel()

    def answer(self, body: bytes, size: int) -> None:
        """Send one answer; a sender that went away is not told, its message is kept all the same."""
        if self._transport is not None:
            self._transport.write(wrap(body))
        self._done(size)

    def give_up(self, size: int) -> None:
        """Nothing was stored: close without an answer, so that the sender sends again."""
        if self._transport is not None:
            self._transport.abort()
        self._done(size)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _take(self, frames: list[Frame]) -> None:
        for frame in frames:
            self._pending += 1
            self._pending_bytes += len(frame.body)
            self._committer.put(self, Arrived(frame, self._peer))
        if self._transport is not None and self._is_full():
            self._transport.pause_reading()

    def _done(self, size: int) -> None:
        self._pending -= 1
        self._pending_bytes -= size
        self._last = self._now()
        if self._transport is None:
            return
        if self._ended and not self._pending:
            self._transport.close()
        elif not self._is_full() and not self._ended:
            self._transport.resume_reading()

    def _is_full(self) -> bool:
        return self._pending > _PENDING_COUNT or self._pending_bytes > _PENDING_BYTES

    def _check(self) -> None:
        if self._transport is None:
            return
        quiet = self._now() - self._last
        if self._reader.has_part and quiet >= self._limits.quiet_seconds:
            self._take(self._reader.flush())
        elif quiet >= self._limits.idle_seconds and not self._pending:
            self._transport.close()
            return
        self._schedule()

    def _schedule(self) -> None:
        wait = min(self._limits.quiet_seconds, self._limits.idle_seconds) / 2
        self._timer = asyncio.get_running_loop().call_later(wait, self._check)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


class Gateway:
    """A listening server and its line of commits."""

    def __init__(self, store: Store, limits: Limits | None = None) -> None:
        self._committer = Committer(store)
        self._limits = limits or Limits()
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> int:
        """Listen; the port, which the system chooses when 0 was asked for."""
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._committer.run())
        self._server = await loop.create_server(
            lambda: Connection(self._committer, self._limits, self._connections), host, port, ssl=tls, backlog=256
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Take no more, answer what was taken, close."""
        if self._server is not None:
            self._server.close()
        await self._committer.drained()
        for connection in list(self._connections):
            connection.close()
        if self._task is not None:
            self._task.cancel()
        self._committer.close()
