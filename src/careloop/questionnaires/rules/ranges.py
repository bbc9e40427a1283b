"""Parts of a file: the players of iPhones ask for a recording piece by piece and play nothing else (RFC 9110, section 14)."""

from __future__ import annotations

import re

_ONE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class BadRange(ValueError):
    """Nothing of the file lies in the range that was asked for."""


def part_of(header: str, *, size: int) -> range | None:
    """The bytes that a Range header asks for; None is the whole file.

    A header that cannot be read, or asks for several parts, may be passed over: the answer is the whole file then.
    Raises BadRange for a part that lies behind the end.
    """
    found = _ONE.fullmatch(header.strip())
    if found is None or found[1] == found[2] == "":
        return None
    if found[1] == "":
        first, last = max(0, size - int(found[2])), size - 1
    else:
        first, last = int(found[1]), min(int(found[2] or size), size - 1)
        if found[2] and int(found[2]) < first:
            return None
    if first >= size:
        raise BadRange(header)
    return range(first, last + 1)
