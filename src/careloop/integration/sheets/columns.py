"""What the headings of a list mean, and where its rows begin."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

CONTENT: Final = Path(__file__).resolve().parent.parent / "content" / "sheet-columns.json"
_LOOKED_THROUGH: Final = 30
_HEADING_HAS: Final = 2
"""A line of headings names at least so many columns we know; a title names none."""


@dataclass(frozen=True, slots=True)
class Column:
    """One thing a list may say of a patient, its name on the screen and the headings that mean it."""

    code: str
    label: Mapping[str, str]
    names: tuple[str, ...]
    otherwise: tuple[str, ...]
    is_required: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One row under the headings. `number` is the one the spreadsheet shows beside it."""

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Headings and rows of a list."""

    headings: tuple[str, ...]
    lines: tuple[Line, ...]


@cache
def columns() -> tuple[Column, ...]:
    """Every column we know, in the order of content/sheet-columns.json."""
    told = json.loads(CONTENT.read_text(encoding="utf-8"))["columns"]
    return tuple(
        Column(
            each["code"],
            each["label"],
            tuple(map(plain, each["names"])),
            tuple(map(plain, each.get("otherwise", ()))),
            each.get("required", False),
        )
        for each in told
    )


def plain(heading: str) -> str:
    """A heading without what people decorate it with: `＊联系电话（手机）` is `联系电话`."""
    text = unicodedata.normalize("NFKC", heading).lower()
    text = re.sub(r"\([^)]*\)|\[[^\]]*\]|【[^】]*】", "", text)
    return "".join(letter for letter in text if letter.isalnum())


def table_of(grid: Sequence[Sequence[str]]) -> Table:
    """The headings are the first line that names columns we know, else the first that says anything. Empty lines go."""
    start = next((n for n, row in enumerate(grid[:_LOOKED_THROUGH]) if len(meaning(row)) >= _HEADING_HAS), None)
    if start is None:
        start = next((n for n, row in enumerate(grid) if any(row)), 0)
    width = max((n for n, heading in enumerate(grid[start], 1) if heading), default=0) if grid else 0
    lines = (Line(n, _of_width(row, width)) for n, row in enumerate(grid[start + 1 :], start + 2) if any(row[:width]))
    return Table(_of_width(grid[start], width) if grid else (), tuple(lines))


def meaning(headings: Sequence[str]) -> dict[str, int]:
    """Column code → place of the heading that means it. One heading means one thing."""
    found: dict[str, int] = {}
    said = [plain(heading) for heading in headings]
    for column in columns():
        for name in (*column.names, *column.otherwise):
            place = next((n for n, heading in enumerate(said) if heading == name and n not in found.values()), None)
            if place is not None:
                found[column.code] = place
                break
    return found


def _of_width(row: Sequence[str], width: int) -> tuple[str, ...]:
    return (*row[:width], *[""] * (width - len(row)))
