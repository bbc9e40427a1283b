"""A spreadsheet → its cells as text: `python -m careloop.integration.sheets.cells` takes the file and gives JSON.

Only ever run as a program (`opening`), with its memory and time limited.
"""

from __future__ import annotations

import csv
import io
import json
import resource
import sys
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from itertools import islice
from typing import Final

import python_calamine

from careloop.integration.sheets.opening import HEADINGS, MOST_COLUMNS, MOST_ROWS, MOST_SECONDS, Grid, Unreadable

_MOST_MEMORY: Final = 1024 * 1024 * 1024
_LONGEST_CELL: Final = 2_000
_DIGITS_OF_A_NUMBER: Final = 15
"""A cell that is a number holds so many digits; of an identity number kept as one the last three are lost."""
_SPREADSHEETS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")


def main() -> None:
    """The program: bytes in, JSON out; a text instead of rows is the code of what is wrong."""
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    data = sys.stdin.buffer.read()
    told: Grid | str
    try:
        told = _cells(data)
    except Unreadable as refused:
        told = refused.code
    except (ValueError, UnicodeError, csv.Error):
        told = "not-a-sheet"
    sys.stdout.write(json.dumps(told))


def _cells(data: bytes) -> Grid:
    rows = _spreadsheet(data) if data.startswith(_SPREADSHEETS) else _text(data)
    grid = [[cell_text(cell) for cell in row] for row in islice(rows, MOST_ROWS + HEADINGS + 1)]
    while grid and not any(grid[-1]):
        grid.pop()
    if not grid:
        raise Unreadable("no-rows")
    if len(grid) > MOST_ROWS + HEADINGS:
        raise Unreadable("too-many-rows")
    if max(map(len, grid)) > MOST_COLUMNS:
        raise Unreadable("too-many-columns")
    return grid


def _spreadsheet(data: bytes) -> Iterable[Sequence[object]]:
    try:
        book = python_calamine.load_workbook(io.BytesIO(data))
        for name in book.sheet_names:
            sheet = book.get_sheet_by_name(name)
            if sheet.start is not None:
                return sheet.to_python(skip_empty_area=False, nrows=MOST_ROWS + HEADINGS + 1)
    except python_calamine.CalamineError as error:
        raise Unreadable("not-a-sheet") from error
    raise Unreadable("no-rows")


def _text(data: bytes) -> Iterable[Sequence[object]]:
    """Lines with separators, in UTF-8 or GB 18030: what Chinese Excel writes as "CSV"."""
    if b"\x00" in data:
        raise Unreadable("not-a-sheet")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("gb18030")
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(",\t;|", key=first.count)
    return csv.reader(io.StringIO(text), delimiter=separator)


def cell_text(cell: object) -> str:
    """What a person reads in a cell. A day without a time stays a day, 12.0 is 12; what a number cell has rounded says so
    by its exponent.
    """
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell)) if abs(cell) < 10**_DIGITS_OF_A_NUMBER else f"{cell:.10E}"
    if isinstance(cell, bool):
        return "1" if cell else "0"
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat(" ", "seconds")
    if isinstance(cell, date | time):
        return cell.isoformat()
    return str(cell).replace("\x00", "").strip()[:_LONGEST_CELL] if cell is not None else ""


if __name__ == "__main__":
    main()
