"""Background work: at least once, ids only, one action."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from careloop.kernel.errors import DeliveryFailed, Refused

log = logging.getLogger(__name__)

Job = Any  # procrastinate's Task is generic over a signature we do not use; callers only `.defer(**ids)`


def job(*, queue: str = "default", attempts: int = 5) -> Callable[[Callable[..., None]], Job]:
    """Declare a job. A Refused ends it quietly (the domain said no); a permanent DeliveryFailed is not retried."""

    def declare(function: Callable[..., None]) -> Job:
        retry = RetryStrategy(max_attempts=attempts, exponential_wait=4)
        return app.task(queue=queue, retry=retry, name=_name(function))(_domain_says_no_is_an_end(function))

    return declare


def gathering_job(*, most: int, queue: str = "default", attempts: int = 5) -> Callable[[Callable[..., None]], Job]:
    """Declare a job whose action takes many facts for the price of one: it receives `events`, at most `most`.

    The facts of one commit come together, so twenty discharges are judged in one transaction. When a gathered run
    fails or is refused, each of its facts is queued alone: the one at fault falls alone.
    """

    def declare(function: Callable[..., None]) -> Job:
        retry = RetryStrategy(max_attempts=attempts, exponential_wait=4)
        task = app.task(queue=queue, retry=retry, name=_name(function))(_alone_when_it_fails(function))
        _MOST[task.name] = most
        return task

    return declare


_MOST: dict[str, int] = {}


def defer_events(following: Mapping[Job, Sequence[dict[str, Any]]]) -> None:
    """Queue each job for each of its facts, or as few as it gathers: all in one statement of the running transaction."""
    queued: list[Any] = []
    for job, payloads in following.items():
        make = job.configure()
        queued += [make.make_new_job(**arguments) for arguments in _arguments(job, payloads)]
    if queued:
        make.job_manager.batch_defer_jobs(jobs=queued)


def _arguments(job: Job, payloads: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    most = _MOST.get(job.name)
    if most is None:
        return [{"event": payload} for payload in payloads]
    return [{"events": list(payloads[start : start + most])} for start in range(0, len(payloads), most)]


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
