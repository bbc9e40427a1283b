"""Many new rows in one statement whose text does not depend on how many there are: they travel as one JSON value.

Django binds each column of each row: a hundred discharges are forty thousand parameters, formatted one by one, in a
statement that is another one for every number of rows and so is never prepared. Here orjson writes the values and
PostgreSQL reads them (`json_to_recordset`): about a tenth of the processor time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar

import orjson
from django.contrib.postgres.fields import ArrayField
from django.db import connections, models, router, transaction
from django.db.models.base import Model, ModelState
from django.utils import timezone

from careloop.kernel.packed import PackedJSONField

M = TypeVar("M", bound=Model)

PORTION = 2_000
"""Rows of one statement: the server holds the value and what it read from it in memory."""
OLDEST_EXACT_YEAR = 1973
"""Until 1972 zones had offsets with seconds (the last was Liberia); orjson writes minutes."""

_PLAIN = (
    models.UUIDField, models.CharField, models.TextField, models.BooleanField, models.IntegerField,
    models.SmallIntegerField, models.BigIntegerField, models.PositiveIntegerField, models.PositiveSmallIntegerField,
    models.JSONField,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a new row of a model holds before anybody has said anything."""

    plain: dict[str, Any]  # attribute → default that is the same for every row
    made: tuple[tuple[str, Callable[[], Any]], ...]  # attribute → what makes one for each row
    relations: dict[str, str]  # field → attribute of its id

    @classmethod
    @cache
    def of(cls, model: type[Model]) -> _Shape:
        plain: dict[str, Any] = {}
        made: list[tuple[str, Callable[[], Any]]] = []
        for field in model._meta.concrete_fields:
            if field.has_default() and callable(field.default):
                made.append((field.attname, field.default))
            else:
                plain[field.attname] = field.get_default()
        relations = {field.name: field.attname for field in model._meta.concrete_fields if field.is_relation}
        return cls(plain, tuple(made), relations)


def new_row(model: type[M], **told: Any) -> M:
    """The row that `model(**told)` makes, in a fifth of the time: Django walks through every column and its descriptors.

    A relation is told as the object or as its id. No signals are sent (we have none). Refuses unknown columns.
    """
    shape = _Shape.of(model)
    row = model.__new__(model)
    row._state = ModelState()
    held = row.__dict__
    held.update(shape.plain)
    for name, make in shape.made:
        held[name] = None if name in told else make()
    for name, value in told.items():
        if name in held:
            held[name] = value
        elif name in shape.relations:
            held[shape.relations[name]] = value.pk if value is not None else None
            row._state.fields_cache[name] = value
            if value is not None:
                for each in (row, value):
                    each._state.db = each._state.db or router.db_for_write(model, instance=value)
        else:
            raise TypeError(f"{model.__name__} has no column {name}")
    return row


def known_row(model: type[M], using: str, names: Sequence[str], values: Sequence[Any]) -> M:
    """The row that `model.from_db` makes of what the database told; columns that are not named are read when asked for."""
    row = model.__new__(model)
    row._state = ModelState()
    row._state.adding, row._state.db = False, using
    row.__dict__.update(zip(names, values, strict=True))
    return row


class NotAsJson(TypeError):
    """These rows hold something JSON cannot carry exactly; Django's own way writes them."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """What happens to a row that is there already: refused by the database (the default), left, or changed."""

    ignore: bool = False
    update: tuple[str, ...] = ()
    unique: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Table:
    """How the rows of one model are read from their objects and written."""

    plain: tuple[tuple[str, str], ...]  # (attribute, column)
    dates: tuple[tuple[str, str], ...]
    instants: tuple[tuple[str, str], ...]
    decimals: tuple[tuple[str, str], ...]
    packed: tuple[tuple[str, str, Callable[[Any], Any]], ...]  # and how
    set_now: tuple[str, ...]  # attributes of creation and change times
    sql: str

    def values(self, row: Model) -> dict[str, Any]:
        """One row as JSON will carry it. Refuses what would not arrive as Django would have written it."""
        held = row.__dict__
        for name in self.set_now:
            held[name] = timezone.now()
        try:
            told = {column: held[name] for name, column in self.plain}
            for name, column in self.dates:
                told[column] = _date(held[name])
            for name, column in self.instants:
                told[column] = _instant(held[name])
            for name, column in self.decimals:
                told[column] = _decimal(held[name])
            for name, column, pack in self.packed:
                told[column] = None if held[name] is None else pack(held[name])
        except KeyError as missing:
            raise NotAsJson(str(missing)) from missing
        return told


def insert_rows(rows: Sequence[Model], *, conflict: Conflict) -> int:
    """Write new rows of one model, each kind of conflict as Django's `bulk_create` knows it. How many were written.

    Refuses with NotAsJson, before anything is sent, models and values that JSON does not carry exactly.
    """
    model = type(rows[0])
    table = _table(model, conflict)
    sent = [_json(table, rows[start : start + PORTION]) for start in range(0, len(rows), PORTION)]
    using, written = router.db_for_write(model), 0
    with transaction.atomic(using=using, savepoint=False), connections[using].cursor() as cursor:
        for portion in sent:
            cursor.execute(table.sql, [portion])
            written += cursor.rowcount
    for row in rows:
        row._state.adding, row._state.db = False, using
    return written


def as_json(value: Any) -> str:
    """A value for `json_to_recordset`."""
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


def _json(table: _Table, rows: Sequence[Model]) -> str:
    try:
        return as_json([table.values(row) for row in rows])
    except NotAsJson:
        raise
    except TypeError as error:  # an expression, a lazy text, half a character
        raise NotAsJson(str(error)) from error


@cache
def _table(model: type[Model], conflict: Conflict) -> _Table:
    """Read once a process from the model."""
    meta = model._meta
    if meta.proxy or meta.parents or not isinstance(meta.pk, models.UUIDField):
        raise NotAsJson(meta.label)
    kinds: dict[str, list[tuple[str, str]]] = {"plain": [], "dates": [], "instants": [], "decimals": []}
    types: list[str] = []
    packed: list[tuple[str, str, Callable[[Any], Any]]] = []
    for field in meta.concrete_fields:
        if isinstance(field, PackedJSONField):
            packed.append((field.attname, str(field.column), field.pack))
        else:
            kinds[_kind(field)].append((field.attname, str(field.column)))
        types.append(f'"{field.column}" {field.db_type(connections[router.db_for_write(model)])}')
    now = [
        field.attname for field in meta.concrete_fields
        if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
    ]  # fmt: skip
    columns = ", ".join(f'"{field.column}"' for field in meta.concrete_fields)
    sql = (
        f'INSERT INTO "{meta.db_table}" ({columns}) SELECT {columns}'
        f" FROM json_to_recordset(%s::json) AS told ({', '.join(types)}){_on_conflict(model, conflict)}"
    )
    lists = {kind: tuple(names) for kind, names in kinds.items()}
    return _Table(**lists, packed=tuple(packed), set_now=tuple(now), sql=sql)


def _kind(field: models.Field[Any, Any]) -> str:
    """Which way a column's values go. Refuses kinds we have not looked at, and ids that are given only by the database."""
    if isinstance(field, models.ForeignKey):
        if isinstance(field.target_field, models.UUIDField):
            return "plain"
    elif type(field) is ArrayField:
        if type(field.base_field) in (models.CharField, models.TextField, models.UUIDField):
            return "plain"
    elif type(field) is models.DateTimeField:
        return "instants"
    elif type(field) is models.DateField:
        return "dates"
    elif type(field) is models.DecimalField:
        return "decimals"
    elif type(field) in _PLAIN:
        return "plain"
    raise NotAsJson(f"{field.model._meta.label}.{field.name}")


def _on_conflict(model: type[Model], conflict: Conflict) -> str:
    if conflict.ignore:
        return " ON CONFLICT DO NOTHING"
    if not conflict.update:
        return ""

    columns = {field.name: f'"{field.column}"' for field in model._meta.concrete_fields}
    unique = ", ".join(columns[name] for name in conflict.unique)
    changes = ", ".join(f"{columns[name]} = EXCLUDED.{columns[name]}" for name in conflict.update)
    return f" ON CONFLICT ({unique}) DO UPDATE SET {changes}"


def _date(value: Any) -> Any:
    if isinstance(value, datetime):  # Django asks the zone which day that is
        raise NotAsJson("an instant for a date")
    return value


def _instant(value: Any) -> Any:
    if value is not None and not (
        isinstance(value, datetime) and value.tzinfo is not None and value.year >= OLDEST_EXACT_YEAR
    ):
        raise NotAsJson("no instant")
    return value


def _decimal(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value
