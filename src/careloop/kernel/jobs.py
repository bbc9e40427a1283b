"""Background work: at least once, ids only, one action."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from careloop.kernel.errors import DeliveryFailed, Refused

Job = Any  # procrastinate's Task is generic over a signature we do not use; callers only `.defer(**ids)`


def job(*, queue: str = "default", attempts: int = 5) -> Callable[[Callable[..., None]], Job]:
    """Declare a job. A Refused ends it quietly (the domain said no); a permanent DeliveryFailed is not retried."""

    def declare(function: Callable[..., None]) -> Job:
        retry = RetryStrategy(max_attempts=attempts, exponential_wait=4)
        return app.task(queue=queue, retry=retry, name=_name(function))(_domain_says_no_is_an_end(function))

    return declare


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
