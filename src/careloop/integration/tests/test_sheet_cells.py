"""Opening somebody else's file: what a person reads in it, and that nothing hostile gets further than its own process."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from datetime import date, datetime, time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.integration.sheets import opening
from careloop.integration.sheets.cells import cell_text
from careloop.integration.sheets.columns import columns, meaning, plain, table_of
from careloop.integration.sheets.opening import MOST_ROWS, Unreadable, grid_of
from careloop.integration.tests.sheets import HEADINGS, csv_of, person, xlsx_of


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (12.0, "12"), (36.5, "36.5"), (13800000007.0, "13800000007"), (4.40106195903081e17, "4.4010619590E+17"), (True, "1"),
        (None, ""), ("  王 ", "王"), ("a\x00b", "ab"), (datetime(2026, 11, 18), "2026-11-18"), (7, "7"),
        (datetime(2026, 11, 18, 9, 5), "2026-11-18 09:05:00"), (date(2026, 11, 18), "2026-11-18"), (time(9, 5), "09:05:00"),
    ],
)  # fmt: skip
def test_a_cell_says_what_a_person_reads_in_it(cell: object, text: str) -> None:
    assert cell_text(cell) == text


@given(st.integers(min_value=-(10**15) + 1, max_value=10**15 - 1))
def test_a_number_that_fits_keeps_every_digit(number: int) -> None:
    assert cell_text(float(number)) == str(number)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_text_files_in_the_ways_excel_writes_them(encoding: str) -> None:
    assert grid_of(csv_of(person(), encoding=encoding))[1][:2] == ["7001", "沈若溪"]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators(separator: str) -> None:
    data = csv_of(person()).replace(b",", separator.encode())
    assert grid_of(data) == [list(HEADINGS), list(person())]


def test_a_spreadsheet_with_numbers_and_days() -> None:
    data = xlsx_of((), ("病案号", "姓名", "出院日期"), (7001, "沈若溪", datetime(2026, 11, 18)))
    assert grid_of(data)[-1] == ["7001", "沈若溪", "2026-11-18"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "no-rows"), (b"\n\n", "no-rows"), (b"\x89PNG\r\n\x1a\n\x00\x00", "not-a-sheet"), (b"PK\x03\x04broken", "not-a-sheet"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600, "not-a-sheet"), (b"a," * 300 + b"a", "too-many-columns"),
        (b"a,b\n" * (MOST_ROWS + 200), "too-many-rows"), (b"\xff\xfe\xfd\x81", "not-a-sheet"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_why(data: bytes, code: str) -> None:
    with pytest.raises(Unreadable) as refused:
        grid_of(data)
    assert refused.value.code == code


def test_too_large_is_refused_before_a_process_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "MOST_BYTES", 10)
    monkeypatch.setattr(opening.subprocess, "run", lambda *_args, **_rest: pytest.fail("it was opened"))
    with pytest.raises(Unreadable, match="too-large"):
        grid_of(b"a" * 11)


def with_sheet(xml: str) -> bytes:
    """A workbook whose only sheet is this."""
    source, out = zipfile.ZipFile(io.BytesIO(xlsx_of(("a",)))), io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, xml if name.endswith("sheet1.xml") else source.read(name))
    return out.getvalue()


SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'
)


def test_a_hostile_file_stays_in_its_own_process() -> None:
    """Two cells, in the first and the last place there is: a reader makes room for all between them."""
    corner = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    with pytest.raises(Unreadable):
        grid_of(with_sheet(SHEET.format(corner)))


def test_a_file_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_args: Any, timeout: float, **_rest: Any) -> None:
        raise subprocess.TimeoutExpired("cells", timeout)

    monkeypatch.setattr(opening.subprocess, "run", never)
    with pytest.raises(Unreadable, match="not-a-sheet"):
        grid_of(b"a,b")


def test_the_site_itself_never_loads_the_reader() -> None:
    told = "import sys, careloop.integration.sheets.opening as o; sys.exit('python_calamine' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", told], check=False).returncode == 0


# --- headings


def test_headings_are_found_under_a_title_and_empty_lines() -> None:
    grid = [["2026年11月出院患者一览表"], [""], [*HEADINGS, "备注", ""], [*person(), "x"], [""], [*person("7002")]]
    table = table_of(grid)
    assert table.headings == (*HEADINGS, "备注")
    assert [(line.number, line.cells[0]) for line in table.lines] == [(4, "7001"), (6, "7002")]
    assert all(len(line.cells) == len(table.headings) for line in table.lines)


def test_headings_nobody_knows_are_kept_for_a_person_to_say() -> None:
    table = table_of([["甲", "乙"], ["1", "2"]])
    assert table.headings == ("甲", "乙")
    assert meaning(table.headings) == {}


@pytest.mark.parametrize("heading", ["联系电话", "* 联系电话", "联系电话（手机）", "联系 电话：", "【必填】联系电话"])
def test_decoration_does_not_hide_a_heading(heading: str) -> None:
    assert meaning([heading]) == {"phone": 0}


def test_one_heading_means_one_thing() -> None:
    assert meaning(["住院号", "姓名"]) == {"number": 0, "name": 1}
    assert meaning(["住院号", "病案号", "姓名"]) == {"number": 1, "name": 2, "admission": 0}


def test_every_column_is_told_in_both_languages_and_no_heading_means_two() -> None:
    names = [name for column in columns() for name in column.names]
    assert len(names) - len(set(names)) == 0
    for column in columns():
        assert column.label["zh"]
        assert column.label["en"].isascii()
        assert plain(column.label["zh"]) in column.names or plain(column.label["zh"]) in column.otherwise
        assert plain(column.label["en"]) in (*column.names, *column.otherwise)


@given(st.lists(st.lists(st.text(max_size=5), max_size=6), max_size=8))
def test_any_grid_is_a_table_of_even_rows(grid: list[list[str]]) -> None:
    table = table_of(grid)
    assert all(len(line.cells) == len(table.headings) for line in table.lines)
    assert all(0 <= place < len(table.headings) for place in meaning(table.headings).values())
