"""HTTP/1.1 to one gateway over kept connections: what a sender of small messages needs, and no more (ADR 0033).

No redirects, cookies, proxies or compression: the gateway contract has none. One request at a time on a connection, so
that an answer is never taken for another message's; a connection on which anything was odd is not used again.
"""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from collections import deque
from typing import NamedTuple, cast
from urllib.parse import unquote, urlsplit

KEPT_SECONDS = 15.0
"""A connection idle for longer may be closed by the gateway at any moment; a message sent then would end unclear."""
FIRST_ROOM = 4 * 1024
LARGEST_ANSWER = 1024 * 1024
_BLANK_LINE = b"\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: .*)?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*")
_LENGTH = re.compile(rb"[0-9]{1,9}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Unreachable(Exception):
    """No connection was made, so nothing can have been sent."""


class LineLost(Exception):
    """The connection ended, or what came was no HTTP, before the answer was whole."""


class Answer(NamedTuple):
    """A whole answer. `keeps`: another request may go on this connection."""

    status: int
    body: bytes
    keeps: bool


class Lines:
    """The connections to one gateway. As many requests at once as there are callers: the sender has a fixed number.

    `seconds` are for the whole exchange, `connect_seconds` for name, connection and TLS, whose certificate is verified.
    """

    def __init__(self, url: str, headers: dict[str, str], *, seconds: float, connect_seconds: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("a gateway's address begins with http:// or https:// and names a host")
        self._seconds, self._connect_seconds = seconds, connect_seconds
        self._host = parts.hostname if ":" in parts.hostname else parts.hostname.encode("idna").decode()
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._path = parts.path.rstrip("/")
        name = f"[{self._host}]" if ":" in self._host else self._host
        fields = {"Host": f"{name}:{parts.port}" if parts.port else name, "Accept-Encoding": "identity"} | headers
        if parts.username:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            fields.setdefault("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}")
        if any(_CONTROL.search(text) for text in (self._path, *fields.values())):
            raise ValueError("a gateway's address or token holds a line break or another control character")
        self._head = "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode()
        self._idle: deque[_Line] = deque()

    def posting(self, path: str) -> bytes:
        """The ready head of every POST to this path; `post` adds length and body."""
        return f"POST {self._path}{path} HTTP/1.1\r\n".encode() + self._head + b"Content-Length: "

    async def post(self, head: bytes, body: bytes) -> Answer:
        """Send one message. Raises Unreachable, LineLost or TimeoutError; after the last two it may have arrived."""
        return await self._exchange(b"%b%d\r\n\r\n%b" % (head, len(body), body))

    async def get(self, path: str) -> Answer:
        """Ask something; raises like `post`."""
        return await self._exchange(f"GET {self._path}{path} HTTP/1.1\r\n".encode() + self._head + b"\r\n")

    def close(self) -> None:
        """Let go of the idle connections."""
        while self._idle:
            self._idle.pop().abort()

    async def _exchange(self, request: bytes) -> Answer:
        deadline = asyncio.get_running_loop().time() + self._seconds
        line = self._kept() or await self._connect()
        try:
            answer = await line.ask(request, deadline)
        except BaseException:  # also when the sender stops: whatever comes later must not meet another message
            line.abort()
            raise
        if answer.keeps and not line.is_closed:
            self._idle.append(line)
        else:
            line.abort()
        return answer

    def _kept(self) -> _Line | None:
        """The connection used last; the old ones at the other end go."""
        too_old = asyncio.get_running_loop().time() - KEPT_SECONDS
        while self._idle and (self._idle[0].used < too_old or self._idle[0].is_closed):
            self._idle.popleft().abort()
        while self._idle:
            line = self._idle.pop()
            if not line.is_closed:
                return line
        return None

    async def _connect(self) -> _Line:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_seconds):
                _transport, line = await loop.create_connection(
                    _Line, self._host, self._port, ssl=self._tls, happy_eyeballs_delay=0.25
                )
        except OSError as error:  # refused, no such host, a certificate that does not hold, too slow
            raise Unreachable(type(error).__name__) from None
        return line


class _Line(asyncio.BufferedProtocol):
    """One connection. The kernel writes answers straight into its room; one timer watches all its requests."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._room = bytearray(FIRST_ROOM)
        self._filled = 0
        self._answer: asyncio.Future[Answer] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.is_closed = False
        self.used = 0.0

    def ask(self, request: bytes, deadline: float) -> asyncio.Future[Answer]:
        """Send the request; what comes back. TimeoutError after `deadline` (the loop's time)."""
        self._filled, self._deadline = 0, deadline
        self._answer = self._loop.create_future()
        if self._timer is None:
            self._timer = self._loop.call_at(deadline, self._look_at_clock)
        cast(asyncio.Transport, self._transport).write(request)
        return self._answer

    def abort(self) -> None:
        """Close at once; nothing more is read."""
        self.is_closed, self._answer = True, None
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._transport:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The end is the end of an answer only where the answer gave no length and nothing broke."""
        self.is_closed = True
        if self._answer is not None:
            self._read(ended=exc is None)
            self._fail(LineLost("the connection ended before the answer was whole"))
        self.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        if self._filled == len(self._room):
            self._room = self._room + bytes(len(self._room))
        return memoryview(self._room)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes came. Nobody asked for them when no request is under way: the connection is not to be trusted."""
        self._filled += nbytes
        if self._answer is None or self._filled > LARGEST_ANSWER:
            self._fail(LineLost("more than an answer came"))
            self.abort()
        else:
            self._read(ended=False)

    def _read(self, *, ended: bool) -> None:
        try:
            answer = read_answer(self._room, self._filled, ended=ended)
        except LineLost as lost:
            self._fail(lost)
            return
        if answer is not None:
            self.used = self._loop.time()
            waiting, self._answer = self._answer, None
            if waiting is not None and not waiting.done():
                waiting.set_result(answer)

    def _fail(self, error: Exception) -> None:
        waiting, self._answer = self._answer, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)

    def _look_at_clock(self) -> None:
        """One timer for all requests of this connection: when it rings early for the one under way, it is set again."""
        self._timer = None
        if self._answer is None:
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._look_at_clock)
        else:
            self._fail(TimeoutError())
            self.abort()


def read_answer(room: bytearray, filled: int, *, ended: bool) -> Answer | None:
    """The answer in the first `filled` bytes; None while it is not whole. `ended`: no more will come.

    Raises LineLost for what is not one plain HTTP/1.x answer: two lengths, a folded field, an unknown transfer coding.
    """
    start = 0
    while True:
        end = room.find(_BLANK_LINE, start, filled)
        if end < 0:
            return None
        status, is_latest, fields = _head_of(bytes(room[start:end]))
        start = end + len(_BLANK_LINE)
        if status == 101:
            raise LineLost("the gateway changed the protocol")
        if status >= 200:  # below: a word in between, the answer follows
            break
    keeps = is_latest and b"close" not in fields.get(b"connection", b"").lower()
    coding, length = fields.get(b"transfer-encoding"), fields.get(b"content-length")
    if status in (204, 304):
        return Answer(status, b"", keeps and filled == start)
    if coding is not None:
        if coding.lower() != b"chunked":
            raise LineLost("a transfer coding that nobody asked for")
        return _of_chunks(status, room, start, filled, keeps=keeps and length is None)
    if length is not None:
        if not _LENGTH.fullmatch(length):
            raise LineLost("a length that is no number")
        end = start + int(length)
        return Answer(status, bytes(room[start:end]), keeps and filled == end) if filled >= end else None
    return Answer(status, bytes(room[start:filled]), keeps=False) if ended else None


def _head_of(head: bytes) -> tuple[int, bool, dict[bytes, bytes]]:
    """Status, whether the gateway speaks HTTP/1.1, and the fields by their small names."""
    first, *lines = head.split(b"\r\n")
    found = _STATUS.fullmatch(first)
    if not found:
        raise LineLost("no HTTP answer")
    fields: dict[bytes, bytes] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if not field:
            raise LineLost("a field that cannot be read")
        name = field[1].lower()
        if name in fields and name in (b"content-length", b"transfer-encoding"):
            raise LineLost("two lengths")
        fields[name] = field[2]
    return int(found[2]), found[1] == b"1", fields


def _of_chunks(status: int, room: bytearray, at: int, filled: int, *, keeps: bool) -> Answer | None:
    body = bytearray()
    while True:
        end = room.find(b"\r\n", at, filled)
        if end < 0:
            return None
        size = _CHUNK.fullmatch(room[at:end])
        if not size:
            raise LineLost("a chunk without its size")
        length, at = int(size[1], 16), end + 2
        if length == 0:
            break
        if filled < at + length + 2:
            return None
        if room[at + length : at + length + 2] != b"\r\n":
            raise LineLost("a chunk longer than its size")
        body += room[at : at + length]
        at += length + 2
    # Fields may follow; they say nothing that we need.
    end = at if room[at : min(at + 2, filled)] == b"\r\n" else room.find(_BLANK_LINE, at, filled) + 2
    return Answer(status, bytes(body), keeps and filled == end + 2) if end >= at else None
