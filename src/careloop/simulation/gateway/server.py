"""The HTTP side: the contract for senders, the script for tests, the inbox for people."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from django.utils import timezone

from careloop.simulation.gateway import pages
from careloop.simulation.gateway.callbacks import Callbacks
from careloop.simulation.gateway.phones import NUMBER_KINDS, Fault, Message, Phones, from_row, to_row


@dataclass(frozen=True, slots=True)
class Options:
    """How this gateway behaves. An empty token lets everybody in; an empty callback address tells nobody."""

    host: str = "127.0.0.1"
    port: int = 8190
    token: str = ""
    callback_url: str = ""
    callback_secret: str = ""
    knows_key: bool = True
    can_be_asked: bool = True
    receipt_delay: float = 0.3  # seconds
    latency: float = 0.0  # seconds before every answer
    state_file: Path | None = None


class Gateway:
    """One running gateway: its memory, its callbacks and its routes."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.phones = Phones(knows_key=options.knows_key)
        self.callbacks = Callbacks(options.callback_url, options.callback_secret)
        self.version = 0
        self._dirty: dict[str, Message] = {}
        self._file = asyncio.Lock()

    def app(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(client_max_size=1_000_000, middlewares=[_safe_headers])
        app.cleanup_ctx.append(self._life)
        app.add_routes(
            [
                web.post("/messages", self.post_message),
                web.get("/messages/{key}", self.get_message),
                web.get("/", self.page),
                web.post("/reply", self.reply_form),
                web.get("/inbox.css", _file("inbox.css", "text/css")),
                web.get("/inbox.js", _file("inbox.js", "text/javascript")),
                web.get("/demo/version", self.get_version),
                web.get("/demo/stats", self.get_stats),
                web.get("/demo/messages", self.list_messages),
                web.delete("/demo/messages", self.clear),
                web.post("/demo/replies", self.post_reply),
                web.post("/demo/faults", self.post_faults),
                web.post("/demo/numbers", self.post_numbers),
                web.post("/demo/callback", self.post_callback),
            ]
        )
        return app

    # ---- the contract --------------------------------------------------------------------------------------

    async def post_message(self, request: web.Request) -> web.StreamResponse:
        """`{key, to, text}` → 202 `{ref, status}`; the same key again → 200 and the same ref."""
        self._let_in(request)
        self.phones.requests += 1
        key, to, text = _fields(await _json(request), "key", "to", "text")
        fault = self.phones.next_fault(key, to) if self.phones.faults else None
        if self.options.latency:
            await asyncio.sleep(self.options.latency)
        if fault:
            early = await _fault_before(fault)
            if early is not None:
                return early
        refused = self.phones.refused_at_once(to)
        if refused:
            return web.json_response({"code": refused}, status=422)
        message, new = self.phones.accept(
            key=key,
            to=to,
            text=text,
            at=timezone.now().timestamp(),
            copies=2 if fault and fault.do == "duplicate" else 1,
        )
        self._changed(message)
        if new:
            await self._plan_receipts(message, fault.do if fault else "")
        if fault:
            await _fault_after(fault, request)
        return web.json_response({"ref": message.ref, "status": message.status}, status=202 if new else 200)

    async def get_message(self, request: web.Request) -> web.StreamResponse:
        """`{ref, status, code}`, or 404 when this key was never accepted."""
        self._let_in(request)
        if not self.options.can_be_asked:
            raise web.HTTPMethodNotAllowed("GET", ["POST"])
        message = self.phones.by_key.get(request.match_info["key"])
        if message is None or message.incoming:
            return web.json_response({"code": "no-such-key"}, status=404)
        return web.json_response({"ref": message.ref, "status": message.status, "code": message.code})

    async def _plan_receipts(self, message: Message, fault: str) -> None:
        status, code = ("failed", "rejected") if fault == "failed-receipt" else self.phones.final_status(message)
        if fault == "no-receipt":
            message.status, message.code = status, code
            return
        if fault == "receipt-first":
            await self.callbacks.tell_now(self._receipt(message, status, code))
            return
        loop = asyncio.get_running_loop()
        loop.call_later(self.options.receipt_delay, self._tell_receipts, message, status, code, fault)

    def _tell_receipts(self, message: Message, status: str, code: str, fault: str) -> None:
        event = self._receipt(message, status, code)
        self.callbacks.tell(event)
        if fault == "duplicate-receipt":
            self.callbacks.tell(event)
        if fault == "contradicting-receipts":
            self.callbacks.tell(event | {"id": f"{event['id']}x", "status": "failed", "code": "expired-at-carrier"})

    def _receipt(self, message: Message, status: str, code: str) -> dict[str, Any]:
        message.status, message.code = status, code
        self._changed(message)
        return {
            "type": "receipt",
            "id": f"{message.ref}-{status}-{message.copies}",
            "key": message.key,
            "ref": message.ref,
            "status": status,
            "code": code,
            "at": timezone.now().timestamp(),
        }

    def _let_in(self, request: web.Request) -> None:
        if self.options.token and not hmac.compare_digest(
            request.headers.get("Authorization", "").encode(), f"Bearer {self.options.token}".encode()
        ):
            raise web.HTTPUnauthorized

    # ---- the patients --------------------------------------------------------------------------------------

    def _answer(self, number: str, text: str) -> Message:
        message = self.phones.answer(number=number, text=text[:500], at=timezone.now().timestamp())
        self._changed(message)
        self.callbacks.tell(
            {"type": "reply", "id": message.ref, "from": number, "text": message.text, "at": message.at}
        )
        return message

    async def page(self, request: web.Request) -> web.StreamResponse:
        """The phones."""
        return web.Response(text=pages.inbox(self.phones, request.query.get("n", "")), content_type="text/html")

    async def reply_form(self, request: web.Request) -> web.StreamResponse:
        """The patient presses send."""
        form = await request.post()
        number, text = str(form.get("number", "")), str(form.get("text", "")).strip()
        if number in self.phones.by_phone and text:
            self._answer(number, text)
        raise web.HTTPSeeOther(f"/?n={number.replace('+', '%2B')}")

    # ---- the script ----------------------------------------------------------------------------------------

    async def post_reply(self, request: web.Request) -> web.StreamResponse:
        """`{number, text}`: a patient answers."""
        number, text = _fields(await _json(request), "number", "text")
        return web.json_response({"ref": self._answer(number, text).ref}, status=201)

    async def post_faults(self, request: web.Request) -> web.StreamResponse:
        """`{faults: [{do, times, skip, to, key, seconds}]}` replaces the script."""
        try:
            self.phones.faults[:] = [Fault(**fault) for fault in (await _json(request))["faults"]]
        except (TypeError, ValueError, KeyError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response({"faults": len(self.phones.faults)})

    async def post_numbers(self, request: web.Request) -> web.StreamResponse:
        """`{numbers: {number: bad | empty | off | blocked}}`: what is wrong with some phones."""
        told = (await _json(request)).get("numbers")
        if not isinstance(told, dict) or not all(kind in [*NUMBER_KINDS] for kind in told.values()):
            return web.json_response({"error": f"numbers: {{number: {' | '.join(NUMBER_KINDS)}}}"}, status=400)
        self.phones.numbers.update(told)
        return web.json_response({"numbers": len(self.phones.numbers)})

    async def post_callback(self, request: web.Request) -> web.StreamResponse:
        """`{url}`: where to tell receipts and answers from now on."""
        url = (await _json(request)).get("url")
        if not isinstance(url, str):
            return web.json_response({"error": "url: an address, or an empty text for nobody"}, status=400)
        self.callbacks.url = url
        return web.json_response({"url": self.callbacks.url})

    async def get_version(self, request: web.Request) -> web.StreamResponse:
        """Changes whenever a phone changes."""
        return web.json_response({"version": self.version})

    async def get_stats(self, request: web.Request) -> web.StreamResponse:
        """Counts."""
        return web.json_response(self.phones.stats() | {"callbacks": self.callbacks.delivered})

    async def list_messages(self, request: web.Request) -> web.StreamResponse:
        """All messages, or those of `?to=`; oldest first."""
        to = request.query.get("to")
        some = self.phones.by_phone.get(to, []) if to else self.phones.messages
        return web.json_response({"messages": [to_row(m) for m in some]})

    async def clear(self, request: web.Request) -> web.StreamResponse:
        """Forget everything."""
        self.phones.clear()
        self.version += 1
        self._dirty.clear()
        if self.options.state_file:
            async with self._file:  # after a save that is under way
                await asyncio.to_thread(_forget, self.options.state_file)
        return web.json_response({})

    # ---- memory that outlives a restart ----------------------------------------------------------------------

    def _changed(self, message: Message) -> None:
        self.version += 1
        if self.options.state_file:
            self._dirty[message.key] = message

    async def _life(self, app: web.Application) -> AsyncIterator[None]:
        path = self.options.state_file
        if path:
            for message in await asyncio.to_thread(_load, path):
                self.phones.keep(message)
        self.callbacks.start()
        saver = asyncio.create_task(self._save_often(path)) if path else None
        yield
        await self.callbacks.stop()
        if saver and path:
            saver.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await saver
            await self._save(path)

    async def _save_often(self, path: Path) -> None:
        while True:
            await asyncio.sleep(0.5)
            await self._save(path)

    async def _save(self, path: Path) -> None:
        rows = [(m.key, json.dumps(to_row(m), ensure_ascii=False)) for m in self._dirty.values()]
        self._dirty.clear()
        if rows:
            async with self._file:
                await asyncio.to_thread(_store, path, rows)


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("create table if not exists message (key text primary key, row text not null)")
    return connection


def _load(path: Path) -> list[Message]:
    with contextlib.closing(_open(path)) as connection:
        return [from_row(json.loads(row)) for (row,) in connection.execute("select row from message order by rowid")]


def _store(path: Path, rows: list[tuple[str, str]]) -> None:
    with contextlib.closing(_open(path)) as connection, connection:
        connection.executemany(
            "insert into message values (?, ?) on conflict (key) do update set row = excluded.row", rows
        )


def _forget(path: Path) -> None:
    with contextlib.closing(_open(path)) as connection, connection:
        connection.execute("delete from message")


async def _fault_before(fault: Fault) -> web.StreamResponse | None:
    if fault.do in ("500", "503", "429"):
        return web.json_response({"code": "fault"}, status=int(fault.do))
    if fault.do == "reject":
        return web.json_response({"code": "rejected"}, status=422)
    if fault.do == "garbage":
        return web.Response(text="<html>OK</html>", content_type="text/html")
    if fault.do in ("timeout", "delay"):
        await asyncio.sleep(fault.seconds)
    return web.Response(status=504) if fault.do == "timeout" else None


async def _fault_after(fault: Fault, request: web.Request) -> None:
    if fault.do == "500-after-accept":
        raise web.HTTPInternalServerError
    if fault.do == "timeout-after-accept":
        await asyncio.sleep(fault.seconds)
    if fault.do in ("timeout-after-accept", "close-after-accept") and request.transport:
        request.transport.abort()


async def _json(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text='{"code": "bad-json"}', content_type="application/json")
    return body


def _fields(body: dict[str, Any], *names: str) -> tuple[str, ...]:
    values = tuple(body.get(name) for name in names)
    if not all(isinstance(value, str) and value and len(value) <= 2000 for value in values):
        raise web.HTTPBadRequest(text='{"code": "bad-fields"}', content_type="application/json")
    return tuple(str(value) for value in values)


def _file(name: str, kind: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(request: web.Request) -> web.StreamResponse:
        return web.Response(text=pages.asset(name), content_type=kind)

    return serve


@web.middleware
async def _safe_headers(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    response = await handler(request)
    response.headers["Content-Security-Policy"] = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def serve(options: Options) -> None:
    """Run until interrupted. Listens on this machine only unless told otherwise: it shows every message to anybody."""
    web.run_app(Gateway(options).app(), host=options.host, port=options.port, access_log=None, print=None)


async def started(options: Options) -> tuple[web.AppRunner, Gateway, str]:
    """For tests: a gateway on a free port in this event loop, and its address."""
    gateway = Gateway(options)
    runner = web.AppRunner(gateway.app(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, options.host, options.port)
    await site.start()
    sockets = site._server.sockets  # type: ignore[union-attr]  # a started site has a server
    return runner, gateway, f"http://{options.host}:{sockets[0].getsockname()[1]}"
