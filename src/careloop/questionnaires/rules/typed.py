"""Whole numbers as they come from addresses, posted fields and files edited by hand."""

from __future__ import annotations


def whole_number(text: str, most: int = 999_999) -> int | None:
    """The number written in plain digits, up to `most`; None for everything else.

    `str.isdigit` alone also says yes to “²” and to thousands of digits, and `int` then fails on both.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most))):
        return None
    return number if (number := int(text)) <= most else None
