"""Working through the inbox."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import close_old_connections, connection
from django.db.utils import DatabaseError, InterfaceError
from django.utils import timezone

from careloop.integration.actions import Processed, process_batch
from careloop.kernel.jobs import at_once, job, periodic
from careloop.kernel.viewer import Viewer

log = logging.getLogger(__name__)

BATCH = 200
"""Messages that share a commit and its statements: enough to be cheap, few enough that nobody waits long for a locked patient."""

TURN_SECONDS = 0.0005
"""How long a thread keeps the interpreter while others want it. With Python's five milliseconds each of the six steps to an
acknowledgement waited so long for its turn.
"""

_FALLBACK_SECONDS = 1.0
_LOOKS_SECONDS = 0.02


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


class Helper(threading.Thread):
    """Applies what is stored already while another thread reads, stores or applies: one works while the database answers
    the other. They share the inbox as any two processes do: by locked rows, one message a patient at a time.
    """

    def __init__(self) -> None:
        super().__init__(name="hl7-helper", daemon=True)
        self._all_stored = threading.Event()
        self._stopping = False

    def finish(self, *, at_once: bool) -> None:
        """Everything is stored: end when nothing is left to take, or with the batch in hand."""
        self._stopping = at_once
        self._all_stored.set()

    def run(self) -> None:
        try:
            while not self._stopping:
                if not process_inbox(limit=BATCH).total and self._all_stored.wait(_LOOKS_SECONDS):
                    break
        except Exception:
            # Its batch is taken back and waits in the inbox for the thread it helped.
            log.exception("the helper stumbled and leaves its work to the others")
        finally:
            connection.close()


@contextmanager
def helped(helpers: int) -> Iterator[None]:
    """Other threads apply along, until the block has ended and nothing is left; if it breaks, until their batch is done. They
    take turns of half a millisecond: with Python's five, whoever has his answer from the database would wait that long,
    forty times a batch.
    """
    before, working = sys.getswitchinterval(), [Helper() for _ in range(helpers)]
    if working:
        sys.setswitchinterval(TURN_SECONDS)
    for each in working:
        each.start()
    broke = True
    try:
        yield
        broke = False
    finally:
        for each in working:
            each.finish(at_once=broke)
        for each in working:
            each.join()
        sys.setswitchinterval(before)


class Processor(threading.Thread):
    """The processing half of the gateway: works when told, and looks by itself once a second."""

    def __init__(self) -> None:
        super().__init__(name="hl7-process", daemon=True)
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
            self._wake.wait(_FALLBACK_SECONDS)
            self._wake.clear()
            try:
                # Fewer than a whole batch: process_inbox has looked again and found nothing.
                while not self._stopping and process_inbox(limit=BATCH).total >= BATCH:
                    pass
            except (DatabaseError, InterfaceError):
                # The transaction is gone, the messages are not: they wait in the inbox.
                log.warning("the database is away; processing waits")
                self._wake.wait(_FALLBACK_SECONDS)
            except Exception:
                log.exception("processing stumbled and goes on")
                self._wake.wait(_FALLBACK_SECONDS)
            finally:
                close_old_connections()
        close_old_connections()
