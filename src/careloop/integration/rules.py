"""When to try again, and what a failure means."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

MAX_ATTEMPTS = 8
FIRST_WAIT = timedelta(seconds=1)
LONGEST_WAIT = timedelta(hours=1)
QUIET_MINUTES = 30
"""A channel that sent something today and then nothing for this long on a working morning deserves a look."""

UNKNOWN_DEPARTMENT = "unknown-department"
OVER_LIMIT = "over-limit"
UNREADABLE = frozenset({"no-header", OVER_LIMIT})
"""Nothing we change here can make these good: the sender must send again."""

UNEXPECTED = "unexpected"


def next_try(*, attempts: int, at: datetime, seed: str) -> datetime | None:
    """When to try again after `attempts` failures: 1 s, 4 s, 16 s … 1 h, with jitter; None = give up.

    The jitter comes from the message, not from a global dice: the same input gives the same answer.
    """
    if attempts >= MAX_ATTEMPTS:
        return None
    wait = min(FIRST_WAIT * 4 ** (attempts - 1), LONGEST_WAIT)
    return at + wait * Random(f"{seed}:{attempts}").uniform(0.8, 1.2)


def worst_wait() -> timedelta:
    """How long a message that never succeeds stays before it is dead."""
    return sum((min(FIRST_WAIT * 4 ** (n - 1), LONGEST_WAIT) for n in range(1, MAX_ATTEMPTS)), timedelta()) * 1.2


LAG_WORTH_A_WORD = timedelta(minutes=5)


def is_late(*, oldest: datetime | None, at: datetime) -> bool:
    """Messages have waited so long that people working from the lists should know."""
    return oldest is not None and at - oldest > LAG_WORTH_A_WORD


def is_silent(*, last_at: datetime | None, at: datetime, hour: int, is_workday: bool) -> bool:
    """Nothing came for QUIET_MINUTES in working hours over a channel that is in use. `hour` is the hospital's clock."""
    if last_at is None or not is_workday or not 8 <= hour < 18:
        return False
    return timedelta(minutes=QUIET_MINUTES) < at - last_at < timedelta(days=7)
