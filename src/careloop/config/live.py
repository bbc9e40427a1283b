"""Live events for browsers: one stream each, server-sent, without a thread or a database connection per stream.

One background connection per process LISTENs on `careloop_live`. A payload carries ids only; what it is about is read
by the page through its usual, scoped door. After the connection was lost, what happened meanwhile is read again; a
browser that may have missed something is told to `poll`, which means: fetch your fragments anew.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import psycopg

from careloop.config.bridge import Message, Receive, Scope, Send

log = logging.getLogger(__name__)

CHANNEL: Final = "careloop_live"
REMEMBERED: Final = 4096
BACKLOG: Final = 200
OVERLAP: Final = 60.0  # seconds: longer than any transaction that may still be about to commit
CONNECTED: Final = ""
STILL_THERE: Final = "."
HEARTBEAT: Final = b": here\n\n"
RESYNC: Final = b'data: {"type":"poll"}\n\n'
END: Final = b""


@dataclass(frozen=True, slots=True)
class Audience:
    """Who listens, as far as filtering needs it."""

    practitioner_id: UUID | None
    departments: frozenset[UUID]
    hospital_wide: bool = False


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """One thing that happened, by ids. `departments` and `people` say who may be told."""

    id: str
    topic: str
    departments: frozenset[UUID]
    people: frozenset[UUID]
    data: str

    @classmethod
    def parse(cls, payload: str) -> LiveEvent:
        """Read a notification. Raises ValueError or KeyError for anything that is not one of ours."""
        found = json.loads(payload)
        return cls(
            id=str(found["id"]),
            topic=str(found["topic"]),
            departments=frozenset(UUID(item) for item in found.get("departments", ()) if item),
            people=frozenset(UUID(item) for item in found.get("people", ()) if item),
            data=json.dumps({"type": found["topic"], **found.get("data", {})}, separators=(",", ":")),
        )

    def is_for(self, audience: Audience) -> bool:
        """Whether this listener may be told."""
        if audience.hospital_wide or not self.departments.isdisjoint(audience.departments):
            return True
        return audience.practitioner_id is not None and audience.practitioner_id in self.people

    def frame(self) -> bytes:
        """As a server-sent event."""
        return f"id: {self.id}\ndata: {self.data}\n\n".encode()


@dataclass(slots=True, eq=False)
class Listener:
    """One open stream."""

    audience: Audience
    cookie: str = ""
    queue: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(BACKLOG))

    def offer(self, frame: bytes) -> None:
        """Never waits. A browser that cannot keep up is told to read everything again; an end is an end."""
        if self.queue.full():
            waiting = [frame]
            while not self.queue.empty():
                waiting.append(self.queue.get_nowait())
            frame = END if END in waiting else RESYNC
        self.queue.put_nowait(frame)


class Hub:
    """Knows who listens and what was said lately."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._said: OrderedDict[str, LiveEvent] = OrderedDict()

    def __len__(self) -> int:
        return len(self._listeners)

    def join(self, listener: Listener, *, last_event_id: str = "") -> None:
        """Add a listener; one that comes back is given what it missed, or told to resync when we no longer know."""
        self._listeners.add(listener)
        if not last_event_id:
            return
        if last_event_id not in self._said:
            listener.offer(RESYNC)
            return
        for event in self._after(last_event_id):
            if event.is_for(listener.audience):
                listener.offer(event.frame())

    def _after(self, event_id: str) -> Iterable[LiveEvent]:
        seen = False
        for key, event in self._said.items():
            if seen:
                yield event
            seen = seen or key == event_id

    def leave(self, listener: Listener) -> None:
        """Forget a listener."""
        self._listeners.discard(listener)

    def tell(self, event: LiveEvent) -> None:
        """Pass an event on to everybody it is for; the second time it is not news."""
        if event.id in self._said:
            return
        self._said[event.id] = event
        while len(self._said) > REMEMBERED:
            self._said.popitem(last=False)
        frame = event.frame()
        for listener in self._listeners:
            if event.is_for(listener.audience):
                listener.offer(frame)

    def cookies(self) -> frozenset[str]:
        """Whose streams are open."""
        return frozenset(listener.cookie for listener in self._listeners)

    def end_all_of(self, cookies: frozenset[str]) -> None:
        """End the streams of these sessions."""
        for listener in self._listeners:
            if listener.cookie in cookies:
                listener.offer(END)

    def tell_all(self, frame: bytes) -> None:
        """The same frame to every stream (heartbeat, resync)."""
        for listener in self._listeners:
            listener.offer(frame)


Authenticate = Callable[[str], Awaitable[Audience | None]]
Notifications = Callable[[], AsyncIterator[str]]
Missed = Callable[[float], Awaitable[Iterable[str]]]
Ended = Callable[[frozenset[str]], Awaitable[frozenset[str]]]


async def none_ended(cookies: frozenset[str]) -> frozenset[str]:
    """For tests and tools without sessions."""
    return frozenset()


class LiveApp:
    """The ASGI application behind /live/."""

    def __init__(
        self,
        *,
        authenticate: Authenticate,
        notifications: Notifications,
        missed: Missed,
        ended: Ended = none_ended,
        heartbeat: float = 15.0,
        lifetime: float = 300.0,
    ) -> None:
        self.hub = Hub()
        self._authenticate = authenticate
        self._notifications = notifications
        self._missed = missed
        self._ended = ended
        self._heartbeat = heartbeat
        self._lifetime = lifetime
        self._background: list[asyncio.Task[None]] = []
        self._heard_at: float | None = None

    # --- the two background tasks of a process

    def start(self) -> None:
        """Begin to listen. Called by the server's start, or by the first stream if the server has none."""
        if not self._background:
            self._background = [asyncio.create_task(self._listen()), asyncio.create_task(self._beat())]

    async def stop(self) -> None:
        """End every stream and give the connection back."""
        self.hub.tell_all(END)
        for task in self._background:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._background = []

    async def _listen(self) -> None:
        wait = 0.5
        while True:
            try:
                async with aclosing(self._notifications()) as stream:  # type: ignore[type-var]  # an async generator has aclose, its protocol does not say so
                    async for payload in stream:
                        wait = 0.5
                        if payload == CONNECTED:  # what was said meanwhile was not heard
                            await self._read_missed()
                        elif payload != STILL_THERE:
                            self._tell(payload)
                        self._heard_at = time.monotonic()
            except (OSError, RuntimeError, ConnectionError) as error:
                log.warning("live events: connection lost (%s), again in %.1f s", type(error).__name__, wait)
            await asyncio.sleep(wait)
            wait = min(wait * 2, 10.0)

    async def _read_missed(self) -> None:
        """From a while before the connection was last known to be alive; at the start, a little way back."""
        silent = 0.0 if self._heard_at is None else time.monotonic() - self._heard_at
        for payload in await self._missed(silent + OVERLAP):
            self._tell(payload)

    def _tell(self, payload: str) -> None:
        try:
            self.hub.tell(LiveEvent.parse(payload))
        except (ValueError, KeyError, TypeError, AttributeError):
            log.error("live events: a notification could not be read (%d characters)", len(payload))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat)
            self.hub.tell_all(HEARTBEAT)
            # Who signed out, was disabled or was idle too long hears nothing more; one look for all streams.
            try:
                self.hub.end_all_of(await self._ended(self.hub.cookies()))
            except Exception:
                log.exception("live events: sessions could not be checked")

    # --- one stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET":
            await _answer(send, 405)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        cookie = headers.get(b"cookie", "")
        audience = await self._authenticate(cookie)
        if audience is None:
            await _answer(send, 401)
            return
        self.start()
        await self._stream(Listener(audience, cookie), headers.get(b"last-event-id", ""), receive, send)

    async def _stream(self, listener: Listener, last_event_id: str, receive: Receive, send: Send) -> None:
        self.hub.join(listener, last_event_id=last_event_id)
        loop = asyncio.get_running_loop()
        gone = asyncio.ensure_future(_until_gone(receive, listener))
        # A stream ends after a while and the browser comes back by itself: rights are checked again that way.
        end = loop.call_later(self._lifetime, listener.offer, END)
        try:
            await _start(send)
            while (frame := await listener.queue.get()) != END:
                await send({"type": "http.response.body", "body": frame, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except (OSError, RuntimeError):
            pass  # the browser has gone in the middle of a frame
        finally:
            self.hub.leave(listener)
            end.cancel()
            gone.cancel()


async def _until_gone(receive: Receive, listener: Listener) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    listener.offer(END)


async def _start(send: Send) -> None:
    headers = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"retry: 2000\n\n", "more_body": True})


async def _answer(send: Send, status: int) -> None:
    message: Message = {"type": "http.response.start", "status": status, "headers": [(b"cache-control", b"no-store")]}
    await send(message)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def notifications_of(connect: Callable[[], dict[str, Any]]) -> Notifications:
    """What PostgreSQL says on our channel; CONNECTED first, each time a connection stands."""

    async def stream() -> AsyncIterator[str]:
        try:
            connection = await psycopg.AsyncConnection.connect(**connect(), autocommit=True)
        except psycopg.Error as error:
            raise ConnectionError(type(error).__name__) from error
        try:
            await connection.execute(f"LISTEN {CHANNEL}")
            yield CONNECTED
            while True:
                async for notice in connection.notifies(timeout=15):
                    yield notice.payload
                await connection.execute("SELECT 1")  # a quarter of a minute of silence: is anybody still there?
                yield STILL_THERE
        except psycopg.Error as error:
            raise ConnectionError(type(error).__name__) from error
        finally:
            await connection.close()

    return stream
