"""What a row would hold: changed columns, pinyin, stable keys, and whose turn it is to create it."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Field, Model
from pypinyin import lazy_pinyin

from careloop.patients.rules import names

M = TypeVar("M", bound=Model)


def romanised(name: str) -> tuple[str, str]:
    """Pinyin with spaces and initials, cut to the columns' widths."""
    parts = names.syllables(name, _read_aloud)
    return " ".join(parts)[:240], names.initials(parts)[:60]


@lru_cache(maxsize=4096)
def _read_aloud(given: str) -> list[str]:
    """What characters sound like. The same given names come again and again, and a word takes the dictionary 50 µs."""
    return list(lazy_pinyin(given))


def width(model: type[Model], column: str) -> int | None:
    """How many characters a column holds."""
    return column_of(model, column).max_length


def column_of(model: type[Model], column: str) -> Field[Any, Any]:
    """A column of a table; refuses the reverse side of a relation."""
    field = model._meta.get_field(column)
    if not isinstance(field, Field):
        raise TypeError(f"{model.__name__}.{column} is no column")
    return field


def assign(row: Model, values: dict[str, Any]) -> tuple[str, ...]:
    """Set the columns that differ; their names."""
    changed = tuple(column for column, value in values.items() if getattr(row, column) != value)
    for column in changed:
        setattr(row, column, values[column])
    return changed


def stored_key(source: str, key: str) -> str:
    """The unique key of something a sender numbered. Long ones are shortened by a hash, never cut."""
    whole = f"{source}|{key}"
    return whole if len(whole) <= 200 else f"{whole[:120]}|{hashlib.sha256(whole.encode()).hexdigest()}"


def wait_for_turn(*keys: str) -> None:
    """Hold the named locks until the transaction ends, in one order, so that two creators of one thing take turns."""
    numbers = sorted(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big", signed=True) for key in keys)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM (SELECT pg_advisory_xact_lock(k)"
            " FROM unnest(%s::bigint[]) WITH ORDINALITY u(k, n) ORDER BY n) held",
            [numbers],
        )
