"""The sweeper: a small process of its own that looks after the others. Run it on every node; one of them acts.

It is no job, because a job is exactly what may be stuck.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import DatabaseError, connection
from django.utils import timezone

from careloop.kernel.viewer import Viewer
from careloop.messaging import actions
from careloop.messaging.reads.health import outbox_health

log = logging.getLogger(__name__)

EVERY_SECONDS = 10.0
STALLED_SECONDS = 60  # longer than any pause of a healthy machine
LATE_SECONDS = 300
ALARM_AGAIN_SECONDS = 600.0
_LOCK = 7_301_003


def main(arguments: Sequence[str]) -> int:
    """careloop sweeper: until SIGTERM or Ctrl-C."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run_sweeper(stop)
    return 0


def run_sweeper(stop: threading.Event, *, every: float = EVERY_SECONDS) -> None:
    """Sweep until `stop` is set. A database that is away is waited for."""
    sweeper = Sweeper()
    while not stop.is_set():
        try:
            if _is_mine():
                sweeper.sweep()
        except DatabaseError as error:
            log.warning("the database did not answer: %s", type(error).__name__)
            connection.close()
        stop.wait(every)
    connection.close()


def _is_mine() -> bool:
    """One sweeper acts: the lock lives as long as this connection, so a dead node frees it by itself."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_lock(%s) , pg_backend_pid()", [_LOCK])
        return bool(cursor.fetchone()[0])


@dataclass(slots=True)
class Sweeper:
    """What it remembers between two rounds: when it last raised the alarm."""

    by: Viewer = Viewer.system("messaging.sweeper")
    quiet_until: float = 0.0

    def sweep(self) -> None:
        """One round: rescue jobs of dead workers, look whether due messages leave."""
        rescued = actions.rescue_stalled_jobs(stalled_seconds=STALLED_SECONDS, by=self.by)
        if rescued:
            log.warning("%s jobs of dead workers were given to others", rescued)
        at = timezone.now()
        health = outbox_health(at=at)
        late = health.oldest_due_seconds
        if late > LATE_SECONDS and at.timestamp() >= self.quiet_until:
            log.error("messages are due for %s s and do not leave; %s wait", late, health.due)
            actions.raise_outbox_alarm(oldest_due_seconds=late, waiting=health.due, by=self.by)
            self.quiet_until = at.timestamp() + ALARM_AGAIN_SECONDS
