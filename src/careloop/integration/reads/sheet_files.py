"""Spreadsheets handed out: an empty list to fill in, and rows to mend."""

from __future__ import annotations

import io
from collections.abc import Sequence

import xlsxwriter

_WIDTH = 18


def blank(headings: Sequence[str]) -> bytes:
    """One row of headings; every column is text, so that Excel rounds no number and turns none into a day."""
    return _book([list(headings)])


def with_reasons(headings: Sequence[str], rows: Sequence[tuple[Sequence[str], str]], *, heading: str) -> bytes:
    """The rows as they came, with one column more that says what is wrong with each."""
    return _book([[*headings, heading], *([*cells, why] for cells, why in rows)])


def _book(rows: Sequence[Sequence[str]]) -> bytes:
    out = io.BytesIO()
    # What somebody typed stays text: a cell that begins with "=" is no formula of ours.
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(out, options) as book:
        sheet = book.add_worksheet()
        text, bold = book.add_format({"num_format": "@"}), book.add_format({"bold": True, "num_format": "@"})
        sheet.set_column(0, max(len(rows[0]) - 1, 0), _WIDTH, text)
        sheet.freeze_panes(1, 0)
        for n, row in enumerate(rows):
            for place, cell in enumerate(row):
                sheet.write_string(n, place, cell, bold if n == 0 else text)
    return out.getvalue()
