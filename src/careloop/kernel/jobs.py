"""Background work: at least once, ids only, one action."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from careloop.kernel.actions import one_piece, savepoint
from careloop.kernel.errors import DeliveryFailed, Refused

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
Job = Any  # procrastinate's Task is generic over a signature we do not use; callers only `.defer(**ids)`


def job(*, queue: str = "default", attempts: int = 5) -> Callable[[Callable[..., None]], Job]:
    """Declare a job. A Refused ends it quietly (the domain said no); a permanent DeliveryFailed is not retried."""

    def declare(function: Callable[..., None]) -> Job:
        retry = RetryStrategy(max_attempts=attempts, exponential_wait=4)
        return app.task(queue=queue, retry=retry, name=_name(function))(_domain_says_no_is_an_end(function))

    return declare


def gathering_job(
    *, most: int, about: str, queue: str = "default", attempts: int = 5
) -> Callable[[Callable[..., None]], Job]:
    """Declare a job whose action takes many facts for the price of one: it receives `events`, at most `most`.

    The facts of one commit come together, so twenty discharges are judged in one transaction; of several facts about
    the same thing (the value of their column `about`) it receives the first. When a gathered run fails or is refused,
    each of its facts is queued alone: the one at fault falls alone. Inside `at_once` it joins the transaction of its
    facts instead.
    """

    def declare(function: Callable[..., None]) -> Job:
        retry = RetryStrategy(max_attempts=attempts, exponential_wait=4)
        task = app.task(queue=queue, retry=retry, name=_name(function))(_alone_when_it_fails(function))
        _GATHERING[task.name] = _Gathering(most, about, function)
        return task

    return declare


@dataclass(frozen=True, slots=True)
class _Gathering:
    most: int
    about: str
    run: Callable[..., None]

    def portions(self, payloads: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
        firsts: dict[Any, dict[str, Any]] = {}
        for payload in payloads:
            about = payload.get(self.about)
            firsts.setdefault(tuple(about) if isinstance(about, list) else about, payload)
        kept = list(firsts.values())
        return [kept[start : start + self.most] for start in range(0, len(kept), self.most)]


_GATHERING: dict[str, _Gathering] = {}
_at_once: ContextVar[bool] = ContextVar("at_once", default=False)


@contextmanager
def at_once() -> Iterator[None]:
    """For a machine that works through many facts: gathering jobs that follow run at the end of the transaction of
    their facts, not after it. One commit, no row in the queue, and nobody sees a discharge without its plan.

    A run that fails is taken back alone and queued like any other: the facts stand, and what follows is tried again.
    """
    token = _at_once.set(True)
    try:
        yield
    finally:
        _at_once.reset(token)


def defer_events(following: Mapping[Job, Sequence[dict[str, Any]]], turns: Sequence[Sequence[Job]] = ()) -> None:
    """Queue each job for each of its facts, or as few as it gathers: all in one statement of the running transaction.

    `turns`: jobs that take their turn in one (`in_turn`) where the commit set off several of them for one patient.
    """
    left = {job: list(payloads) for job, payloads in following.items()}
    folded = [pieces for turn in turns for pieces in _taken_together(turn, left)]
    queued: list[Any] = []
    if folded:
        turn_of: Any = in_turn.configure()
        queued += [turn_of.make_new_job(pieces=pieces) for pieces in folded]
    for job, payloads in left.items():
        make = job.configure()
        queued += [make.make_new_job(**arguments) for arguments in _arguments(job, payloads)]
    if queued:
        make.job_manager.batch_defer_jobs(jobs=queued)


def _arguments(job: Job, payloads: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is left to be queued for this job."""
    gathering = _GATHERING.get(job.name)
    if gathering is None:
        return [{"event": payload} for payload in payloads]
    portions = gathering.portions(payloads)
    if _at_once.get():
        portions = [portion for portion in portions if not _has_run(gathering, portion)]
    return [{"events": portion} for portion in portions]


def _has_run(gathering: _Gathering, events: list[dict[str, Any]]) -> bool:
    try:
        with savepoint(), one_piece():
            gathering.run(events=events)
    except Exception as error:
        log.warning("%s: %d facts go to the queue (%s)", _name(gathering.run), len(events), type(error).__name__)
        return False
    return True


def _taken_together(turn: Sequence[Job], left: dict[Job, list[dict[str, Any]]]) -> Iterator[list[Piece]]:
    """For each patient what these jobs have to do, in the order of the turn; it is taken out of what is left."""
    of_patient: dict[Any, list[Piece]] = defaultdict(list)
    for job in turn:
        for payload in left.get(job, ()):
            of_patient[payload.get("patient_id")].append([job.name, payload])
    together = {who: pieces for who, pieces in of_patient.items() if who and len(pieces) > 1}
    for job in turn:
        if job in left:
            left[job] = [payload for payload in left[job] if payload.get("patient_id") not in together]
    yield from together.values()


Piece = list[Any]  # [name of a job, the event it receives], as it stands in the queue


@app.task(queue="default", retry=RetryStrategy(max_attempts=5, exponential_wait=4), name=f"{__name__}.in_turn")
def in_turn(*, pieces: Sequence[Piece]) -> None:
    """The pieces of one commit about one patient, each as if it were a job of its own, in transactions of its own.

    A piece that fails is queued alone, at once, with all the tries it would have had; the others go on. Killed halfway,
    all of them run again: jobs are idempotent, as they have to be.
    """
    with reading_once():
        for name, event in pieces:
            try:
                app.tasks[name].func(event=event)
            except Exception as error:
                log.warning("%s is tried again alone (%s)", name, type(error).__name__)
                app.tasks[name].defer(event=event)


_read: ContextVar[dict[Any, Any] | None] = ContextVar("read", default=None)


@contextmanager
def reading_once() -> Iterator[None]:
    """While pieces take their turn, what `read_once` marks is read by the first that asks."""
    token = _read.set({})
    try:
        yield
    finally:
        _read.reset(token)


def read_once(read: Callable[P, T]) -> Callable[P, T]:
    """Mark a read whose answer does not change any more (answers that were completed), so that pieces may share it.

    What could change still, whoever writes reads it himself, under his lock. "Not there" is not remembered.
    """

    @wraps(read)
    def ask(*args: P.args, **kwargs: P.kwargs) -> T:
        kept = _read.get()
        if kept is None:
            return read(*args, **kwargs)
        key = (read, args, tuple(kwargs.items()))
        if kept.get(key) is None:
            kept[key] = read(*args, **kwargs)
        found: T = kept[key]
        return found

    return ask


def periodic(cron: str, *, queue: str = "default") -> Callable[[Callable[..., None]], Job]:
    """Declare a job that runs by the clock (`cron` in UTC minutes). It receives `timestamp` (Unix seconds)."""

    def declare(function: Callable[..., None]) -> Job:
        task = app.task(queue=queue, name=_name(function), queueing_lock=_name(function))(function)
        return app.periodic(cron=cron)(task)

    return declare


def _name(function: Callable[..., None]) -> str:
    return f"{function.__module__}.{function.__name__}"


def _domain_says_no_is_an_end(function: Callable[..., None]) -> Callable[..., None]:
    @wraps(function)
    def run(**kwargs: Any) -> None:
        try:
            function(**kwargs)
        except Refused:
            return
        except DeliveryFailed as failure:
            if not failure.permanent:
                raise

    return run


def _alone_when_it_fails(function: Callable[..., None]) -> Callable[..., None]:
    guarded = _domain_says_no_is_an_end(function)

    @wraps(function)
    def run(*, events: list[dict[str, Any]]) -> None:
        if len(events) < 2:
            return guarded(events=events)
        try:
            function(events=events)
        except Exception as error:
            log.warning("%s: %d facts are tried one by one (%s)", _name(function), len(events), type(error).__name__)
            alone: list[Any] = [{"events": [one]} for one in events]
            app.tasks[_name(function)].batch_defer(*alone)

    return run
