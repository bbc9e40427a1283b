"""Lists of an invented hospital, as bytes of a spreadsheet."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime

import xlsxwriter

HEADINGS = (
    "病案号",
    "姓名",
    "性别",
    "出生日期",
    "联系电话",
    "出院科室",
    "入院日期",
    "出院日期",
    "诊断编码",
    "出院诊断",
)


def person(number: str = "7001", name: str = "沈若溪", **told: str) -> tuple[str, ...]:
    """One row under HEADINGS."""
    said = {
        "性别": "女", "出生日期": "1958-03-02", "联系电话": "13800000007", "出院科室": "心内科", "入院日期": "2026-11-10",
        "出院日期": "2026-11-18", "诊断编码": "I50.9", "出院诊断": "心力衰竭", **told,
    }  # fmt: skip
    return (number, name, *(said[heading] for heading in HEADINGS[2:]))


def csv_of(*rows: Sequence[str], headings: Sequence[str] = HEADINGS, encoding: str = "utf-8") -> bytes:
    """As a text file with commas."""
    return "\r\n".join(",".join(row) for row in (headings, *rows)).encode(encoding)


def xlsx_of(*rows: Sequence[object]) -> bytes:
    """As Excel writes it: texts, numbers and days in cells of their own kinds."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        sheet, day = book.add_worksheet(), book.add_format({"num_format": "yyyy-mm-dd"})
        for n, row in enumerate(rows):
            for place, cell in enumerate(row):
                if isinstance(cell, datetime):
                    sheet.write_datetime(n, place, cell, day)
                else:
                    sheet.write(n, place, cell)
    return out.getvalue()
