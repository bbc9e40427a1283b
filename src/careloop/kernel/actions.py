"""An action is the only place that writes. It is one transaction and it leaves a record."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import transaction

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class WriteOutsideAction(RuntimeError):
    """A row was about to change outside an @action."""


class NothingRecorded(RuntimeError):
    """An action changed rows but recorded no fact, so nobody could ever explain the change."""


@dataclass(slots=True)
class Ledger:
    """What one action did so far: rows changed, facts recorded, and what is written in one go at the end."""

    writes: int = 0
    records: int = 0
    is_action: bool = True
    at_end: dict[Callable[[list[Any]], None], list[Any]] = field(default_factory=dict)

    def pass_on(self, to: Ledger) -> None:
        """An inner action went well: the outermost one writes for it."""
        for write, items in self.at_end.items():
            to.at_end.setdefault(write, []).extend(items)

    def write_out(self) -> None:
        """The outermost action is about to commit. What follows at once may gather facts of its own."""
        while self.at_end:
            gathered, self.at_end = self.at_end, {}
            for write, items in gathered.items():
                write(items)


_ledger: ContextVar[Ledger | None] = ContextVar("ledger", default=None)


def action(function: Callable[P, R]) -> Callable[P, R]:
    """One transaction; keyword-only; `by` says who; if it wrote, it must have recorded.

    An inner action's records do not excuse the outer one: each action accounts for its own writes.
    """
    _check_signature(function)

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        mine, outer = Ledger(), _ledger.get()
        token = _ledger.set(mine)
        try:
            with transaction.atomic(savepoint=not _one_piece.get()):
                result = function(*args, **kwargs)
                if mine.writes and not mine.records:
                    raise NothingRecorded(f"{function.__module__}.{function.__name__} wrote but recorded nothing")
                if outer is None or not outer.is_action:
                    mine.write_out()
        finally:
            _ledger.reset(token)
        if outer is not None and outer.is_action:
            mine.pass_on(outer)  # only now: what a savepoint took back leaves nothing behind
        return result

    vars(run)["is_action"] = True  # read by the guards
    return run


def look(function: Callable[P, R]) -> Callable[P, R]:
    """An action that only notes what was looked at: one statement, which PostgreSQL keeps whole without BEGIN and COMMIT.

    Inside another action it belongs to that one's transaction. It must record, and it writes nothing else.
    """
    _check_signature(function)

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        mine = Ledger()
        token = _ledger.set(mine)
        try:
            result = function(*args, **kwargs)
        finally:
            _ledger.reset(token)
        if mine.writes or not mine.records:
            raise NothingRecorded(f"{function.__module__}.{function.__name__} is no mere look")
        return result

    vars(run)["is_action"] = True  # read by the guards
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


def write_at_end(write: Callable[[list[T]], None], items: Sequence[T]) -> None:
    """Have `write` called once with everything the outermost action gathered, last in its transaction.

    Twenty messages or a hundred contacts then cost one statement for all their facts. What an inner action gathered
    before it failed is forgotten with its rows. Outside an action (`seeding`) it is written at once.
    """
    current = ledger(write.__name__)
    if current.is_action:
        current.at_end.setdefault(write, []).extend(items)
    else:
        write(list(items))


_one_piece: ContextVar[bool] = ContextVar("one_piece", default=False)


@contextmanager
def one_piece() -> Iterator[None]:
    """Inner actions that are never taken back alone: no savepoint for each, two statements less an action.

    For an action that stands or falls as a whole. Whoever catches a refusal inside it all the same loses everything:
    the next statement fails, and so does the outermost action. A `savepoint()` inside works as always.
    """
    ledger("one_piece")
    token = _one_piece.set(True)
    try:
        yield
    finally:
        _one_piece.reset(token)


@contextmanager
def savepoint() -> Iterator[None]:
    """A part of an action that may be taken back alone: when it raises, its rows go and its facts with them.

    For whoever catches what an inner action raised, or goes on after a part that broke. A bare `transaction.atomic()`
    would keep facts about rows that are gone.
    """
    outer = ledger("savepoint")
    mine = Ledger(is_action=outer.is_action)
    token = _ledger.set(mine)
    try:
        with transaction.atomic():
            yield
    finally:
        _ledger.reset(token)
    outer.writes += mine.writes
    outer.records += mine.records
    mine.pass_on(outer)


def wrote(table: str, rows: int) -> None:
    """Count rows changed by hand-written SQL, so that such an action must record too."""
    ledger(table).writes += rows


@contextmanager
def seeding() -> Iterator[None]:
    """For factories and bulk demo data only: write without an action."""
    token = _ledger.set(Ledger(is_action=False))
    try:
        yield
    finally:
        _ledger.reset(token)
