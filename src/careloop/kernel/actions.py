"""An action is the only place that writes. It is one transaction and it leaves a record."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import transaction

P = ParamSpec("P")
R = TypeVar("R")


class WriteOutsideAction(RuntimeError):
    """A row was about to change outside an @action."""


class NothingRecorded(RuntimeError):
    """An action changed rows but recorded no fact, so nobody could ever explain the change."""


@dataclass(slots=True)
class Ledger:
    """What one action did so far: rows changed and facts recorded."""

    writes: int = 0
    records: int = 0


_ledger: ContextVar[Ledger | None] = ContextVar("ledger", default=None)


def action(function: Callable[P, R]) -> Callable[P, R]:
    """One transaction; keyword-only; `by` says who; if it wrote, it must have recorded.

    An inner action's records do not excuse the outer one: each action accounts for its own writes.
    """
    _check_signature(function)

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        mine = Ledger()
        token = _ledger.set(mine)
        try:
            with transaction.atomic():
                result = function(*args, **kwargs)
                if mine.writes and not mine.records:
                    raise NothingRecorded(f"{function.__module__}.{function.__name__} wrote but recorded nothing")
                return result
        finally:
            _ledger.reset(token)

    run.is_action = True  # type: ignore[attr-defined]
    return run


def _check_signature(function: Callable[..., object]) -> None:
    parameters = inspect.signature(function).parameters
    if "by" not in parameters or any(p.kind is not p.KEYWORD_ONLY for p in parameters.values()):
        raise TypeError(f"{function.__qualname__}: an action takes keyword-only arguments, one of them `by`")


def ledger(what: str) -> Ledger:
    """The running action's ledger. Raises WriteOutsideAction when there is none."""
    current = _ledger.get()
    if current is None:
        raise WriteOutsideAction(f"{what} may only be written inside an @action")
    return current


def wrote(table: str, rows: int) -> None:
    """Count rows changed by hand-written SQL, so that such an action must record too."""
    ledger(table).writes += rows


@contextmanager
def seeding() -> Iterator[None]:
    """For factories and bulk demo data only: write without an action."""
    token = _ledger.set(Ledger())
    try:
        yield
    finally:
        _ledger.reset(token)
