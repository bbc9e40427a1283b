"""Working through the inbox."""

from __future__ import annotations

import logging
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from typing import Any
from uuid import UUID

import psycopg
from django.db import close_old_connections, connection, connections
from django.db.utils import DatabaseError, InterfaceError
from django.utils import timezone

from careloop.integration import actions
from careloop.integration.actions import Processed, process_batch
from careloop.kernel.jobs import at_once, job, periodic
from careloop.kernel.listening import parameters
from careloop.kernel.viewer import Viewer

log = logging.getLogger(__name__)

BATCH = 200
"""Messages that share a commit and its statements: enough to be cheap, few enough that nobody waits long for a locked patient."""

TURN_SECONDS = 0.0005
"""How long a thread keeps the interpreter while others want it. With Python's five milliseconds each of the six steps to an
acknowledgement waited so long for its turn.
"""

LOOK_SECONDS = 1.0
"""How long a processor that is told nothing waits until it looks by itself."""
_CHANNEL = "careloop_inbox"
_SILENCE_SECONDS = 15.0
_HELPER_LOOKS_SECONDS = 0.02
_COPIES = multiprocessing.get_context("fork")
_ALL_STORED = b"."


def process_inbox(limit: int | None = None, *, at: datetime | None = None) -> Processed:
    """Apply waiting messages until none is left that may run now, or `limit` is reached. `at` is for tests."""
    by = Viewer.system("integration.process_inbox")
    total = Processed()
    while limit is None or total.total < limit:
        size = BATCH if limit is None else min(BATCH, limit - total.total)
        with at_once():
            done = process_batch(limit=size, at=at or timezone.now(), by=by)
        if not done.total:
            return total
        total += done
    return total


@periodic("* * * * *")
def process_waiting(*, timestamp: int) -> None:
    """Every minute, in the worker: retries, replays and files, on sites where no gateway runs."""
    process_inbox(limit=5_000)


@job()
def process_replayed(*, event: dict[str, Any]) -> None:
    """A person sent messages through again and looks at the page: run them now."""
    process_inbox(limit=5_000)


@job()
def import_sheet(*, event: dict[str, Any]) -> None:
    """A person had a list imported and looks at the page: its rows into the inbox, and what is there applied."""
    by = Viewer.system("integration.import_sheet")
    actions.store_sheet(sheet_id=UUID(event["sheet_id"]), at=timezone.now(), by=by)
    announce()
    process_inbox()


@periodic("50 18 * * *")
def drop_old_drafts(*, timestamp: int) -> None:
    """At night (02:50 in the hospital)."""
    actions.drop_old_drafts(at=datetime.fromtimestamp(timestamp, UTC), by=Viewer.system("integration.drop_old_drafts"))


class Helper:
    """A process that applies what is stored already while this one reads, stores or applies, so that both use a core each.
    They share the inbox as any two processes do: by locked rows, one message a patient at a time.

    It is a copy of this process, so it needs no start of its own; it has a connection of its own. When this process is gone
    without a word, it ends with the batch in hand.
    """

    def __init__(self) -> None:
        told, self._tell = _COPIES.Pipe(duplex=False)
        self._process = _COPIES.Process(target=_help, args=(told, self._tell), name="hl7-helper", daemon=True)
        self._process.start()
        told.close()

    def finish(self, *, at_once: bool) -> None:
        """Everything is stored: end when nothing is left to take; or end with the batch in hand."""
        with suppress(OSError):  # it is gone already
            if not at_once:
                self._tell.send_bytes(_ALL_STORED)
        self._tell.close()

    def join(self) -> None:
        """Wait until it has ended."""
        self._process.join()


def _help(told: Connection, tell: Connection) -> None:
    """All that a helper does, in its own process."""
    tell.close()  # else it would never hear that the other end is gone
    try:
        all_stored = False
        while True:
            if not all_stored and told.poll():
                if not _is_all_stored(told):
                    break
                all_stored = True
            if process_inbox(limit=BATCH).total:
                continue
            if all_stored:
                break
            told.poll(_HELPER_LOOKS_SECONDS)
    except Exception:
        # Its batch is taken back and waits in the inbox for the process it helped.
        log.exception("the helper stumbled and leaves its work to the others")
    finally:
        connection.close()


def _is_all_stored(told: Connection) -> bool:
    """False: whoever reads has broken off."""
    try:
        return told.recv_bytes() == _ALL_STORED
    except EOFError:
        return False


@contextmanager
def helped(helpers: int) -> Iterator[None]:
    """So many processes apply along, until the block has ended and nothing is left; if it breaks, until their batch is done.
    None inside a transaction: nobody else would see what it stores.
    """
    working: list[Helper] = []
    if helpers and not connection.in_atomic_block:
        connections.close_all()  # a connection belongs to one process
        working += [Helper() for _ in range(helpers)]
    broke = True
    try:
        yield
        broke = False
    finally:
        for each in working:
            each.finish(at_once=broke)
        for each in working:
            each.join()


def announce() -> None:
    """Tell the processes that only apply that something was stored; after its commit, and without holding up whoever
    stored it. Where nobody hears it, or the database is just gone, the processors look by themselves.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [_CHANNEL])
    except (DatabaseError, InterfaceError):
        log.warning("nobody was told of what was stored; it waits for the next look")


class Listener(threading.Thread):
    """Hears what others announce, on a connection of its own, and wakes a processor. Comes back when the database does, and
    wakes then, too: what was stored meanwhile was announced to nobody.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        super().__init__(name="hl7-listen", daemon=True)
        self._wake = wake

    def run(self) -> None:
        while True:
            try:
                self._hear()
            except psycopg.Error:
                log.warning("the database is away; processing looks by itself meanwhile")
                time.sleep(LOOK_SECONDS)

    def _hear(self) -> None:
        with psycopg.connect(**parameters(), autocommit=True, application_name="careloop hl7 process") as listening:
            listening.execute(f"LISTEN {_CHANNEL}")
            self._wake()
            while True:
                for _notice in listening.notifies(timeout=_SILENCE_SECONDS):
                    self._wake()
                listening.execute("SELECT 1")  # a quarter of a minute of silence: is anybody still there?


class Processor(threading.Thread):
    """Applies when told, and looks by itself every `look` seconds."""

    def __init__(self, look: float = LOOK_SECONDS) -> None:
        super().__init__(name="hl7-process", daemon=True)
        self._look = look
        self._wake = threading.Event()
        self._stopping = False

    def wake(self) -> None:
        """Something was stored."""
        self._wake.set()

    def stop(self) -> None:
        """Finish the batch in hand and end."""
        self._stopping = True
        self._wake.set()
        self.join(timeout=30)

    def run(self) -> None:
        while not self._stopping:
            self._wake.wait(self._look)
            self._wake.clear()
            try:
                # Fewer than a whole batch: process_inbox has looked again and found nothing.
                while not self._stopping and process_inbox(limit=BATCH).total >= BATCH:
                    pass
            except (DatabaseError, InterfaceError):
                # The transaction is gone, the messages are not: they wait in the inbox.
                log.warning("the database is away; processing waits")
                self._wake.wait(LOOK_SECONDS)
            except Exception:
                log.exception("processing stumbled and goes on")
                self._wake.wait(LOOK_SECONDS)
            finally:
                close_old_connections()
        close_old_connections()
