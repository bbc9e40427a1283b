"""When a gateway is down, stop asking it; try with little after a while (F48)."""

from __future__ import annotations

from dataclasses import dataclass

FAILURES = 5
WAITS = (5.0, 10.0, 20.0, 40.0, 60.0)  # seconds; stays at the last


@dataclass(slots=True)
class Breaker:
    """Closed, open until a time, or half open. Time is whatever monotonic seconds the caller counts."""

    failures: int = 0
    opened: int = 0  # times in a row
    open_until: float = 0.0

    def allows(self, now: float) -> bool:
        """Whether messages may be claimed for this gateway."""
        return now >= self.open_until

    @property
    def is_trying(self) -> bool:
        """Open before and not yet proved well: claim a few only."""
        return self.opened > 0

    def worked(self) -> None:
        """The gateway answered."""
        self.failures, self.opened, self.open_until = 0, 0, 0.0

    def failed(self, now: float) -> None:
        """The gateway could not be reached. Failures while already open are old news."""
        if now < self.open_until:
            return
        self.failures += 1
        if self.failures >= FAILURES or self.opened:
            self.open_until = now + WAITS[min(self.opened, len(WAITS) - 1)]
            self.opened += 1
            self.failures = 0
