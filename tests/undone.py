"""What would be stored: looked at inside a transaction that is taken back at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.db import transaction

Seen = TypeVar("Seen")


def seen_after(write: Callable[[], object], look: Callable[[], Seen]) -> Seen:
    """What `look` sees when `write` has been done; afterwards everything is as before."""
    with transaction.atomic():
        write()
        seen = look()
        transaction.set_rollback(True)
    return seen
