"""Django as WSGI in threads, behind an ASGI door.

Django's own ASGI handler runs synchronous views through a slower path and would hold a thread for each live stream.
So pages go through this bridge (one thread per running request, from a fixed pool), and live streams never enter it.

What it promises: a request body of any declared or chunked length up to a limit, kept in memory only while small;
responses sent as they are produced, never faster than the client reads; `close()` called exactly once, in the thread
that made the response, also when the client has gone (Django returns its database connection there).
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import IO, Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Environ = dict[str, Any]
Headers = list[tuple[bytes, bytes]]
Wsgi = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

IN_MEMORY = 1024 * 1024
MAX_BODY = 64 * 1024 * 1024


class ClientGone(Exception):
    """The client closed the connection before we were done."""


class BodyTooLarge(Exception):
    """The request body is longer than this server takes."""


class WsgiBridge:
    """An ASGI application that runs a WSGI one."""

    def __init__(self, application: Wsgi, *, threads: int = 16, max_body: int = MAX_BODY) -> None:
        self._application = application
        self._max_body = max_body
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="page")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _is_bare(scope):
            exchange = _Exchange(self._application, environ_of(scope, BytesIO(), 0), receive, send)
            await exchange.run(self._pool)
            return
        with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as body:
            try:
                length = await _read_body(receive, body, limit=_limit(scope, self._max_body))
            except ClientGone:
                return
            except BodyTooLarge:
                await _send_all(send, 413, [(b"content-type", b"text/plain; charset=utf-8")], b"Body too large.\n")
                return
            exchange = _Exchange(self._application, environ_of(scope, body, length), receive, send)
            await exchange.run(self._pool)

    def shut_down(self) -> None:
        """Take no more requests; running ones end."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _is_bare(scope: Scope) -> bool:
    """A page that is asked for, nothing sent along: nine requests of ten. There is nothing to wait for."""
    if scope["method"] not in ("GET", "HEAD"):
        return False
    return not any(name in (b"content-length", b"transfer-encoding") for name, _value in scope["headers"])


def _limit(scope: Scope, max_body: int) -> int:
    """Refuse at once what says that it is too long, before a byte of it is stored."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > max_body:
            return -1
    return max_body


async def _read_body(receive: Receive, body: IO[bytes], *, limit: int) -> int:
    length = 0
    if limit < 0:
        raise BodyTooLarge
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk = message.get("body", b"")
        length += len(chunk)
        if length > limit:
            raise BodyTooLarge
        body.write(chunk)
        if not message.get("more_body", False):
            body.seek(0)
            return length


def environ_of(scope: Scope, body: IO[bytes], length: int) -> Environ:
    """PEP 3333's dictionary for one request."""
    host, port = scope.get("server") or ("localhost", 80)
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": _latin(scope.get("root_path", "")),
        "PATH_INFO": _latin(scope["path"]),
        "QUERY_STRING": scope.get("query_string", b"").decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or 80),
        "SERVER_PROTOCOL": f"HTTP/{scope.get('http_version', '1.1')}",
        "REMOTE_ADDR": (scope.get("client") or ("", 0))[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        _add_header(environ, name.decode("latin-1"), value.decode("latin-1"))
    # The length that really came: a chunked upload has none, and a wrong one must not make Django read on.
    environ["CONTENT_LENGTH"] = str(length) if length or "CONTENT_LENGTH" in environ else ""
    return environ


def _latin(path: str) -> str:
    return path.encode("utf-8").decode("latin-1")


def _add_header(environ: Environ, name: str, value: str) -> None:
    if "_" in name:  # X_Forwarded_For would overwrite X-Forwarded-For, which only our proxy may set
        return
    key = name.upper().replace("-", "_")
    if key not in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
        key = f"HTTP_{key}"
    if key in environ and key.startswith("HTTP_"):
        value = environ[key] + ("; " if key == "HTTP_COOKIE" else ",") + value
    environ[key] = value


class _Exchange:
    """One request on its way through a thread."""

    def __init__(self, application: Wsgi, environ: Environ, receive: Receive, send: Send) -> None:
        self._application = application
        self._environ = environ
        self._receive = receive
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._gone = threading.Event()
        self._watcher: asyncio.Future[None] | None = None
        self._status = 500
        self._headers: Headers = []

    async def run(self, pool: ThreadPoolExecutor) -> None:
        try:
            whole = await self._loop.run_in_executor(pool, self._in_thread)
            if whole is not None:
                await _send_all(self._send, self._status, self._headers, whole)
        except ClientGone:
            return
        finally:
            if self._watcher is not None:
                self._watcher.cancel()

    def _begin_to_watch(self) -> None:
        self._watcher = asyncio.ensure_future(self._watch())

    async def _watch(self) -> None:
        """Only who is sent a long answer piece by piece may leave in the middle of it."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone.set()

    def _in_thread(self) -> bytes | None:
        """The whole body of a short response, or None when it was streamed from here."""
        response = self._application(self._environ, self._start_response)
        try:
            parts: Iterator[bytes] = iter(response)
            first = next(parts, b"")
            second = next(parts, None)
            if self._environ["REQUEST_METHOD"] == "HEAD":
                return b""
            if second is None:
                return first
            self._stream(first, second, parts)
            return None
        finally:
            close = getattr(response, "close", None)
            if close is not None:
                close()

    def _stream(self, first: bytes, second: bytes, rest: Iterator[bytes]) -> None:
        self._loop.call_soon_threadsafe(self._begin_to_watch)
        self._hand_over({"type": "http.response.start", "status": self._status, "headers": self._headers})
        self._hand_over({"type": "http.response.body", "body": first, "more_body": True})
        self._hand_over({"type": "http.response.body", "body": second, "more_body": True})
        for part in rest:
            if part:
                self._hand_over({"type": "http.response.body", "body": part, "more_body": True})
        self._hand_over({"type": "http.response.body", "body": b"", "more_body": False})

    def _hand_over(self, message: Message) -> None:
        """Wait until the server has taken it: a slow client slows the producer, not the memory."""
        if self._gone.is_set():
            raise ClientGone
        asyncio.run_coroutine_threadsafe(_sending(self._send, message), self._loop).result()

    def _start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[..., Any]:
        if exc_info is not None:
            exc_info = None
        self._status = int(status.split(" ", 1)[0])
        self._headers = [(name.lower().encode("latin-1"), value.strip().encode("latin-1")) for name, value in headers]
        return _no_write


def _no_write(data: bytes) -> None:
    raise RuntimeError("the old write() of WSGI is not offered")


async def _sending(send: Send, message: Message) -> None:
    try:
        await send(message)
    except (OSError, RuntimeError) as error:  # the server's way to say that nobody reads any more
        raise ClientGone from error


async def _send_all(send: Send, status: int, headers: Headers, body: bytes) -> None:
    await _sending(send, {"type": "http.response.start", "status": status, "headers": headers})
    await _sending(send, {"type": "http.response.body", "body": body, "more_body": False})
