"""JSON that stands in the database in fewer bytes than the program reads it in.

PostgreSQL writes each key of each object again in each row, and compresses nothing below two kilobytes. What a table holds
once or eight times a discharge is packed by rules that belong to the column, and unpacked when it is read: nobody else
sees the packed form. A row from before is read as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.db import models


class PackedJSONField(models.JSONField):
    """A JSON column with its two rules. `unpack(pack(value)) == value` for every value, and `unpack` leaves alone what is
    not packed. Not for columns that SQL looks into.
    """

    def __init__(
        self, *args: Any, pack: Callable[[Any], Any] | None = None, unpack: Callable[[Any], Any] | None = None, **options: Any
    ) -> None:  # fmt: skip
        super().__init__(*args, **options)
        self.pack = pack or _as_it_is
        self.unpack = unpack or _as_it_is

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        """For migrations it is JSON like any other: what stands in it is no matter of the table's shape."""
        name, _path, args, options = super().deconstruct()
        return name, "django.db.models.JSONField", args, options

    def get_prep_value(self, value: Any) -> Any:
        return super().get_prep_value(value if value is None or hasattr(value, "as_sql") else self.pack(value))

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        stored = super().from_db_value(value, expression, connection)
        return None if stored is None else self.unpack(stored)  # nothing: a row beside which there is none


def _as_it_is(value: Any) -> Any:
    return value
