"""Which columns a list may have, and how personal each is. A cell is text or number, never a formula."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Privacy = Literal["none", "quasi", "clinical", "direct"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an export. `direct` identifies the person: name, number, telephone, address."""

    code: str
    privacy: Privacy
    width: int = 14


COLUMNS: tuple[Column, ...] = (
    Column("case", "none", 8),
    Column("name", "direct", 12),
    Column("record-number", "direct", 16),
    Column("telephone", "direct", 16),
    Column("address", "direct", 30),
    Column("sex", "quasi", 8),
    Column("age", "quasi", 8),
    Column("birth-date", "quasi", 12),
    Column("department", "quasi", 16),
    Column("discharged", "quasi", 12),
    Column("diagnosis", "clinical", 30),
    Column("operation", "clinical", 30),
    Column("risk", "clinical", 10),
    Column("plan", "clinical", 24),
    Column("next-due", "clinical", 12),
    Column("last-contact", "clinical", 12),
    Column("tags", "clinical", 16),
)
BY_CODE = {column.code: column for column in COLUMNS}
DEFAULT = ("case", "sex", "age", "department", "discharged", "diagnosis")


class UnknownColumn(ValueError):
    """A column that is not in the list."""


def chosen(codes: Iterable[str]) -> tuple[Column, ...]:
    """The columns in the order of the list, each once. Raises UnknownColumn."""
    wanted = set(codes)
    if wanted - set(BY_CODE):
        raise UnknownColumn(", ".join(sorted(wanted - set(BY_CODE))))
    return tuple(column for column in COLUMNS if column.code in wanted)


def has_direct(columns: Iterable[Column]) -> bool:
    """Would this list name the persons in it?"""
    return any(column.privacy == "direct" for column in columns)


def cell_text(value: object) -> str:
    """As it may stand in a cell: one line, no control characters, never longer than a cell can be.

    A text that begins with = + - @ stays a text because it is written as one (never guessed); tab and carriage return
    at its beginning, with which some programs start a formula on import, are taken away with the other control characters.
    """
    text = "".join(c if c.isprintable() else " " for c in str(value if value is not None else ""))
    return text.strip()[:32_000]
