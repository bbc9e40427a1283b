"""What the server runs: live events beside Django, in one process.

A path that is the live stream goes to the event app; everything else goes to Django as WSGI through the bridge.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "careloop.config.settings")
django.setup()

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import close_old_connections
from django.http import parse_cookie
from django.utils import timezone

from careloop.accounts.reads import live_viewer, open_keys
from careloop.alerts import access, reads
from careloop.config.bridge import Receive, Scope, Send, WsgiBridge
from careloop.config.live import Audience, LiveApp, notifications_of
from careloop.config.warm import warm_up
from careloop.kernel.listening import parameters
from careloop.kernel.memory import settle

LIVE_PATH: Final = "/live/"

# The live streams' only use of the database besides LISTEN: two threads, whatever the number of streams.
_lookups = ThreadPoolExecutor(max_workers=2, thread_name_prefix="live")


def audience_of(cookie_header: str) -> Audience | None:
    """Who asks for a stream; None without an open session or without the right to see alerts. Extends no session."""
    close_old_connections()
    key = parse_cookie(cookie_header).get(settings.SESSION_COOKIE_NAME, "")
    viewer = live_viewer(key, at=timezone.now()) if key else None
    if viewer is None or not viewer.can(access.VIEW):
        return None
    viewer = viewer.within(access.VIEW)
    departments = frozenset() if viewer.own_only else viewer.departments
    return Audience(viewer.practitioner_id, departments, viewer.hospital_wide)


def ended(cookies: frozenset[str]) -> frozenset[str]:
    """Which of these sessions are over, by one query."""
    if not cookies:
        return frozenset()
    close_old_connections()
    keys = {cookie: parse_cookie(cookie).get(settings.SESSION_COOKIE_NAME, "") for cookie in cookies}
    alive = open_keys(keys.values(), at=timezone.now())
    return frozenset(cookie for cookie, key in keys.items() if key not in alive)


def missed(seconds: float) -> list[str]:
    """The notifications of the last so many seconds, read from the history they were made from."""
    close_old_connections()
    return reads.live_payloads(seconds=seconds)


async def _authenticate(cookie_header: str) -> Audience | None:
    return await asyncio.get_running_loop().run_in_executor(_lookups, audience_of, cookie_header)


async def _missed(seconds: float) -> list[str]:
    return await asyncio.get_running_loop().run_in_executor(_lookups, missed, seconds)


async def _ended(cookies: frozenset[str]) -> frozenset[str]:
    return await asyncio.get_running_loop().run_in_executor(_lookups, ended, cookies)


class Door:
    """One process: pages and live events."""

    def __init__(self) -> None:
        self.pages = WsgiBridge(WSGIHandler(), threads=settings.ENV.web_threads)
        self.live = LiveApp(
            authenticate=_authenticate,
            notifications=notifications_of(parameters),
            missed=_missed,
            ended=_ended,
        )
        self._has_live = settings.ENV.surface == "web"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
        elif self._has_live and scope["path"] == LIVE_PATH:
            await self.live(scope, receive, send)
        else:
            await self.pages(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                warm_up(settings.ENV.surface)
                settle()
                if self._has_live:
                    self.live.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.live.stop()
                self.pages.shut_down()
                await send({"type": "lifespan.shutdown.complete"})
                return


application = Door()
