"""Opening a spreadsheet safely: in a program of its own (`cells`), because the file is somebody else's.

Whatever a broken or hostile file makes of it (a bomb of zeros, a cell in the last column of the last row) stays in that
process, whose memory and time are limited; the site's own does not grow with it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

MOST_BYTES: Final = 20 * 1024 * 1024
MOST_ROWS: Final = 10_000
MOST_COLUMNS: Final = 200
MOST_SECONDS: Final = 60
HEADINGS: Final = 30
"""Rows above the first patient: a title, a date, an empty line. So many more are read than are patients."""
_PROGRAM: Final = "careloop.integration.sheets.cells"

Grid = list[list[str]]


class Unreadable(Exception):
    """The file cannot be taken in; `code` says why: too-large, too-many-rows, too-many-columns, not-a-sheet, no-rows."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def grid_of(data: bytes) -> Grid:
    """The cells of the first sheet that has any, row by row. Excel (.xlsx, .xls), OpenDocument, or text with separators.

    Raises Unreadable.
    """
    if len(data) > MOST_BYTES:
        raise Unreadable("too-large")
    try:
        done = subprocess.run(
            [sys.executable, "-m", _PROGRAM], input=data, capture_output=True, timeout=MOST_SECONDS + 5, check=False
        )
    except subprocess.TimeoutExpired:
        raise Unreadable("not-a-sheet") from None
    if done.returncode:
        raise Unreadable("not-a-sheet")
    told = json.loads(done.stdout)
    if isinstance(told, str):
        raise Unreadable(told)
    return [[str(cell) for cell in row] for row in told]
