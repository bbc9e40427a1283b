"""A clock that can be moved, for simulations only.

Rules and actions take time as an argument; only doors read the clock. A simulation that plays ninety days in minutes
moves what those doors read: eight bytes in a file, shared by all processes of the run. Production refuses it.
"""

from __future__ import annotations

import mmap
import os
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

VARIABLE = "CARELOOP_CLOCK_FILE"
_OFFSET = struct.Struct("<d")  # seconds to add to the machine's clock


class MovableClock:
    """The shared offset, mapped into memory so that reading it costs nothing."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Several processes begin at once: each makes sure of the length, none writes over what another has set.
        with path.open("ab") as file:
            file.truncate(_OFFSET.size)
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _OFFSET.size)

    def now(self) -> datetime:
        """The simulated instant, in UTC."""
        return datetime.now(UTC) + timedelta(seconds=_OFFSET.unpack_from(self._memory)[0])

    def set(self, at: datetime) -> None:
        """Make every process of the run believe it is `at`."""
        _OFFSET.pack_into(self._memory, 0, (at - datetime.now(UTC)).total_seconds())


def install(mode: str) -> MovableClock | None:
    """Put the shared clock in place of Django's when the run has one. Production refuses to start with it."""
    path = os.environ.get(VARIABLE)
    if not path:
        return None
    if mode == "production":
        raise ImproperlyConfigured(f"{VARIABLE} is for simulations; production tells the real time.")
    clock = MovableClock(Path(path))
    timezone.now = clock.now
    return clock
