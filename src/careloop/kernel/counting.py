"""Counting among all patients of a hospital: settings for one large question."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import connection, transaction

SETTINGS = (
    # No time spent on compiling it, and room to hash (three million patients are 200 MB).
    "jit = off", "work_mem = '64MB'", "hash_mem_multiplier = 8",
    # The planner takes a union for 200 rows and a code with a condition for one in two hundred: it would look 200,000
    # patients up one by one, sort them, or make each unique before joining. Sets are hashed and streamed, from indexes,
    # by as many processors as there are.
    "enable_nestloop = off", "enable_mergejoin = off", "enable_hashagg = off", "random_page_cost = 1.1",
    "parallel_setup_cost = 100", "parallel_tuple_cost = 0.01",
)  # fmt: skip


@contextmanager
def large_question(patience: timedelta | None = None) -> Iterator[None]:
    """For the statements inside only; taken back at the end, so that what follows in the transaction is planned as ever.

    A statement that takes longer than `patience` ends with OperationalError ("statement timeout").
    """
    settings = SETTINGS + ((f"statement_timeout = {int(patience.total_seconds() * 1000)}",) if patience else ())
    names = [setting.partition(" =")[0] for setting in settings]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("; ".join(f"SET LOCAL {one}" for one in settings))
        yield
        cursor.execute("; ".join(f"SET LOCAL {name} TO DEFAULT" for name in names))
