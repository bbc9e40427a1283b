"""Spreadsheets of lists. Text stays text: nothing a person typed ever becomes a formula, a link or a number."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

import xlsxwriter

RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
LONGEST = 32_767  # what one cell takes


def xlsx(*, title: str, heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """One sheet with a fixed head and a filter; row by row in constant memory. Its properties name no person."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(
        out,
        {
            "constant_memory": True, "in_memory": False, "strings_to_formulas": False, "strings_to_urls": False,
            "strings_to_numbers": False, "default_date_format": "yyyy-mm-dd",
        },
    )  # fmt: skip
    book.set_properties({"title": title, "author": "", "comments": ""})
    sheet = book.add_worksheet(_tab(title))
    head = book.add_format({"bold": True, "bg_color": "#f0f0f0", "bottom": 1})
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    quoted = book.add_format({"quote_prefix": True})
    for column, words in enumerate(heads):
        sheet.set_column(column, column, 14)
        sheet.write_string(0, column, words, head)
    last = 0
    for last, row in enumerate(rows, start=1):
        for column, value in enumerate(row):
            _write(sheet, last, column, value, day, quoted)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, max(last, 1), max(len(heads) - 1, 0))
    book.close()
    return out.getvalue()


def _write(sheet: Any, row: int, column: int, value: Any, day: Any, quoted: Any) -> None:
    if isinstance(value, bool) or value is None or value == "":
        sheet.write_string(row, column, "" if value in (None, "") else str(value))
    elif isinstance(value, int | float):
        sheet.write_number(row, column, value)
    elif isinstance(value, datetime | date):
        sheet.write_datetime(row, column, datetime(value.year, value.month, value.day), day)
    else:
        text = str(value)[:LONGEST]
        # The mark keeps it text when somebody edits the cell or saves the sheet as CSV from Excel.
        sheet.write_string(row, column, text, quoted if text.startswith(RISKY) else None)


def _tab(title: str) -> str:
    """A sheet's name: at most 31 characters, none of []:*?/\\."""
    return "".join("-" if c in "[]:*?/\\" else c for c in title)[:31] or "list"
