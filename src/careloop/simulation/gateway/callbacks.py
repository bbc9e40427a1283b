"""Telling the hospital what became of a message: signed, in batches, again and again until it is heard."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from typing import Any

import aiohttp
from django.utils import timezone

from careloop.messaging.rules.signing import signature

BATCH = 200
PAUSE = 0.1  # seconds to gather events
WAITS = (0.5, 1, 2, 5, 10, 30, 60, 120)  # seconds between tries; then every two minutes


class Callbacks:
    """A queue of events for one address. Without an address events are dropped: nobody listens."""

    def __init__(self, url: str, secret: str) -> None:
        self.url = url
        self.secret = secret
        self.delivered = 0
        self._waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def tell(self, event: dict[str, Any]) -> None:
        """Queue one event."""
        if self.url:
            self._waiting.put_nowait(event)

    async def tell_now(self, event: dict[str, Any]) -> None:
        """Deliver one event before going on, once; a failure is left to `tell`."""
        if self.url:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
                if not await self._post(session, [event]):
                    self.tell(event)

    def start(self) -> None:
        """Begin to deliver."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop; what is undelivered is asked for by query instead."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            while True:
                events = [await self._waiting.get()]
                await asyncio.sleep(PAUSE)
                while len(events) < BATCH and not self._waiting.empty():
                    events.append(self._waiting.get_nowait())
                await self._until_heard(session, events)

    async def _until_heard(self, session: aiohttp.ClientSession, events: list[dict[str, Any]]) -> None:
        tries = 0
        while not await self._post(session, events):
            await asyncio.sleep(WAITS[min(tries, len(WAITS) - 1)])
            tries += 1

    async def _post(self, session: aiohttp.ClientSession, events: list[dict[str, Any]]) -> bool:
        body = json.dumps({"events": events}, ensure_ascii=False).encode()
        timestamp, nonce = str(int(timezone.now().timestamp())), secrets.token_hex(12)
        headers = {
            "Content-Type": "application/json",
            "X-Gateway-Timestamp": timestamp,
            "X-Gateway-Nonce": nonce,
            "X-Gateway-Signature": signature(self.secret, timestamp=timestamp, nonce=nonce, body=body),
        }
        try:
            async with session.post(self.url, data=body, headers=headers) as response:
                heard = response.status < 300
        except (aiohttp.ClientError, TimeoutError):
            return False
        self.delivered += len(events) if heard else 0
        return heard
