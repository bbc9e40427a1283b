"""Indexes built and dropped while people work: operations for migrations with `atomic = False`.

PostgreSQL builds CONCURRENTLY without holding up whoever writes. Each operation may be run again after it was cut off:
what is there already is passed over, and `careloop migrate` finishes what was left half built (config/indexes.py).

`where` is what stands behind ON: "tasks_task (patient_id)".
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db.migrations import RunSQL


def make_all(named: Mapping[str, str]) -> list[RunSQL]:
    """Makes these indexes, name → where; backwards they go."""
    return [RunSQL(_make(name, where), _drop(name)) for name, where in named.items()]


def drop_all(named: Mapping[str, str]) -> list[RunSQL]:
    """Drops these indexes, name → where they were; backwards they are made again."""
    return [RunSQL(_drop(name), _make(name, where)) for name, where in named.items()]


def replace_all(named: Mapping[str, tuple[str, str]]) -> list[RunSQL]:
    """Other indexes under the same names, name → (where now, where before). The new one is ready before the old one goes."""
    return [
        RunSQL(forwards, backwards)
        for name, (now, before) in named.items()
        for forwards, backwards in zip(_replace(name, now), reversed(_replace(name, before)), strict=True)
    ]


def _make(name: str, where: str) -> str:
    return f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {where}"


def _drop(name: str) -> str:
    return f"DROP INDEX CONCURRENTLY IF EXISTS {name}"


def _replace(name: str, where: str) -> list[str]:
    return [_make(f"{name}_new", where), _drop(name), f"ALTER INDEX IF EXISTS {name}_new RENAME TO {name}"]
