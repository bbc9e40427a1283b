"""The sender process: claims from the outbox, sends many at once, writes back in bulk; all three overlap.

It may be killed at any instant. What it held comes back when its lease ends; what it wrote after losing the lease is
fenced off by the token. Run as many as you like, on as many machines as you like.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from careloop.kernel.viewer import Viewer
from careloop.messaging import actions
from careloop.messaging.channels.contract import Channel, GatewayDown
from careloop.messaging.channels.email_smtp import EmailSmtp
from careloop.messaging.channels.portal_inbox import PortalInbox
from careloop.messaging.channels.sms_http import SmsHttp
from careloop.messaging.jobs.breaker import Breaker
from careloop.messaging.reads import policy
from careloop.messaging.reads.claims import database_time
from careloop.messaging.rules.requests import Outgoing
from careloop.messaging.rules.states import Outcome

log = logging.getLogger(__name__)
T = TypeVar("T")

LARGEST_BATCH = 1000
FIRST_BATCH = 100
TRIAL_BATCH = 5
IDLE_SECONDS = 0.5
FLUSH_SECONDS = 0.03
WATCHDOG_SECONDS = 120.0
ANSWER_SECONDS = 10.0


def main(arguments: Sequence[str]) -> int:
    """careloop sender: until SIGTERM or Ctrl-C. What is under way is finished, the rest is given back."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run_sender(stop)
    return 0


def run_sender(stop: threading.Event) -> None:
    """Send until `stop` is set."""
    asyncio.run(Sender(open_channels(), lease_seconds=settings.ENV.outbox_lease_seconds).run(stop))


def open_channels() -> dict[str, Channel]:
    """The ways out that this site has."""
    env = settings.ENV
    ways: list[Channel] = [PortalInbox()]
    if policy.is_available("sms"):
        seconds = min(ANSWER_SECONDS, env.outbox_lease_seconds / 4)
        sms = SmsHttp(env.sms_gateway_url, env.sms_gateway_token, seconds=seconds, at_once=env.sms_at_once)
        ways.append(sms)
    if policy.is_available("email"):
        ways.append(EmailSmtp(env.smtp_url, env.email_from))
    return {way.code: way for way in ways}


@dataclass(slots=True)
class Held:
    """One claimed message and how long we may hold it (monotonic seconds)."""

    message: Outgoing
    token: UUID
    until: float


@dataclass(slots=True)
class Results:
    """What waits to be written back, by claim."""

    done: dict[UUID, list[tuple[Outgoing, Outcome]]] = field(default_factory=lambda: defaultdict(list))
    untried: dict[UUID, list[UUID]] = field(default_factory=lambda: defaultdict(list))

    def __bool__(self) -> bool:
        return bool(self.done or self.untried)


class Sender:
    """One sender. `channels` are the ways out; everything else comes from the database."""

    def __init__(self, channels: Mapping[str, Channel], *, lease_seconds: int, batch: int = LARGEST_BATCH) -> None:
        self.channels = channels
        self.lease_seconds = lease_seconds
        self.largest = batch
        self.batch = min(FIRST_BATCH, batch)
        self.by = Viewer.system("messaging.sender")
        self.breakers = {code: Breaker() for code in channels}
        self.queues: dict[str, asyncio.Queue[Held]] = {code: asyncio.Queue() for code in channels}
        self.results = Results()
        self.under_way = 0
        self.sent = 0
        self.progress = time.monotonic()
        self._claims = ThreadPoolExecutor(1, thread_name_prefix="claims")
        self._writes = ThreadPoolExecutor(1, thread_name_prefix="writes")

    async def run(self, stop: threading.Event) -> None:
        """Claim, send and write back until `stop` is set, then finish what is under way and give back the rest."""
        threading.Thread(target=self._watch, args=(stop,), daemon=True).start()
        for channel in self.channels.values():
            await channel.open()
        workers = [
            asyncio.create_task(self._work(channel))
            for channel in self.channels.values()
            for _ in range(channel.at_once)
        ]
        writer = asyncio.create_task(self._write_back())
        try:
            await self._feed(stop)
        finally:
            await self._finish([*workers, writer])

    # ---- claiming --------------------------------------------------------------------------------------------

    async def _feed(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.progress = time.monotonic()
            wanted = [code for code in self.channels if self._wants(code)]
            took = await self._claim(wanted) if wanted else False
            if not took:
                busy = self.under_way or any(queue.qsize() for queue in self.queues.values())
                await asyncio.sleep(0.005 if busy else IDLE_SECONDS)

    def _wants(self, code: str) -> bool:
        return self.breakers[code].allows(time.monotonic()) and self.queues[code].qsize() < max(self.batch // 2, 1)

    async def _claim(self, codes: Sequence[str]) -> bool:
        limit = TRIAL_BATCH if any(self.breakers[code].is_trying for code in codes) else self.batch
        started = time.monotonic()
        claim = await self._in_thread(self._claims, lambda: self._claim_now(codes, limit))
        if claim is None:
            await asyncio.sleep(1.0)
            return False
        # Half of the lease stays in hand, so that a slow gateway never makes us send what is somebody else's by now.
        until = started + self.lease_seconds / 2
        for message in claim.messages:
            self.queues[message.channel].put_nowait(Held(message, claim.token, until))
        return not claim.is_empty

    def _claim_now(self, codes: Sequence[str], limit: int) -> actions.Claim:
        return actions.claim_batch(
            channels=codes, limit=limit, lease_seconds=self.lease_seconds, at=_moment(), by=self.by
        )

    # ---- sending ---------------------------------------------------------------------------------------------

    async def _work(self, channel: Channel) -> None:
        queue = self.queues[channel.code]
        pace = Pace(settings.ENV.sms_per_second if channel.code == "sms" else 0)
        while True:
            held = await queue.get()
            self.under_way += 1
            try:
                await pace.wait()
                await self._try(channel, held)
            finally:
                self.under_way -= 1

    async def _try(self, channel: Channel, held: Held) -> None:
        breaker = self.breakers[channel.code]
        if time.monotonic() > held.until or not breaker.allows(time.monotonic()):
            self._give_back(held)
            return
        try:
            outcome = await self._deliver(channel, held.message)
        except GatewayDown as down:
            breaker.failed(time.monotonic())
            log.warning("the %s gateway cannot be reached: %s", channel.code, down)
            self._give_back(held)
            return
        except Exception:  # an adapter's bug must not stop the others; what it did is unclear
            log.exception("the %s adapter failed", channel.code)
            outcome = Outcome.uncertain("adapter-failed")
        breaker.worked()
        self.sent += 1
        self.results.done[held.token].append((held.message, outcome))

    async def _deliver(self, channel: Channel, message: Outgoing) -> Outcome:
        """Once tried and unclear: a gateway that does not know our key is asked before it gets the message again."""
        able = policy.abilities(channel.code)
        if message.maybe_sent and able.can_be_asked and not able.knows_key:
            known = await channel.ask(message.key)
            if known is not None:
                return known
        return await channel.send(message)

    def _give_back(self, held: Held) -> None:
        self.results.untried[held.token].append(held.message.id)
        if time.monotonic() > held.until:
            self.batch = max(self.batch // 2, TRIAL_BATCH)  # the gateway is slower than we claim

    # ---- writing back ------------------------------------------------------------------------------------------

    async def _write_back(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self._flush()

    async def _flush(self) -> None:
        if not self.results:
            return
        mine, self.results = self.results, Results()
        while await self._in_thread(self._writes, lambda: self._write_now(mine)) is None:
            await asyncio.sleep(1.0)  # the database is away; the lease decides whether our word still counts
        if not mine.untried:
            self.batch = min(self.batch * 2, self.largest)

    def _write_now(self, results: Results) -> bool:
        at = _moment()
        for token in list(results.done):
            actions.record_results(token=token, results=results.done[token], at=at, by=self.by)
            del results.done[token]
        for token in list(results.untried):
            actions.release_batch(token=token, ids=results.untried.pop(token), at=at, by=self.by)
        return True

    # ---- the end and the frame -----------------------------------------------------------------------------------

    async def _finish(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        for queue in self.queues.values():
            while not queue.empty():
                self.results.untried[(held := queue.get_nowait()).token].append(held.message.id)
        deadline = time.monotonic() + ANSWER_SECONDS
        while self.under_way and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        writer = tasks[-1]
        for task in tasks[:-1]:
            task.cancel()
        await asyncio.gather(*tasks[:-1], return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._flush(), timeout=ANSWER_SECONDS)
        await asyncio.sleep(FLUSH_SECONDS * 2)
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
        for channel in self.channels.values():
            await channel.close()
        for pool in (self._claims, self._writes):
            pool.submit(connection.close)
            pool.shutdown(wait=True)

    async def _in_thread(self, pool: ThreadPoolExecutor, work: Callable[[], T]) -> T | None:
        """None when the database is away; the connection is thrown away so that the next try gets a new one."""

        def run() -> T | None:
            try:
                return work()
            except DatabaseError as error:
                log.warning("the database did not answer: %s", type(error).__name__)
                connection.close()
                return None

        return await asyncio.get_running_loop().run_in_executor(pool, run)

    def _watch(self, stop: threading.Event) -> None:
        """A half-open connection can hang a process for hours; better to die and be started again."""
        while not stop.wait(5.0):
            if time.monotonic() - self.progress > WATCHDOG_SECONDS:
                log.critical("the sender hangs; leaving so that the supervisor starts it again")
                os._exit(70)


class Pace:
    """At most so many in a second, evenly. 0: no limit."""

    def __init__(self, per_second: int) -> None:
        self.gap = 1 / per_second if per_second else 0.0
        self.next = 0.0

    async def wait(self) -> None:
        """Until it is this caller's turn."""
        if self.gap:
            now = time.monotonic()
            mine = max(self.next, now)
            self.next = mine + self.gap
            await asyncio.sleep(mine - now)


def _moment() -> datetime:
    """The database's clock, so that several machines agree; the simulated one in a simulation."""
    return timezone.now() if settings.SIMULATED_CLOCK else database_time()
