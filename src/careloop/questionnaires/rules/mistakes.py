"""One mistake in a form or a table: the English line for files and commands, and its parts for a page in any language."""

from __future__ import annotations

from typing import Any


class Mistake(str):
    """`code` says what is wrong, `kind` and `place` where, `detail` what is named in it. It is its own English line."""

    __slots__ = ("code", "detail", "kind", "place")

    code: str
    kind: str
    place: str
    detail: dict[str, Any]

    def __new__(cls, code: str, kind: str, place: Any, line: str, **detail: Any) -> Mistake:
        """`line` is the English text with {names} of the details; before it stands the place."""
        where = f"{kind} {place}".strip()
        text = line.format(**detail)
        made = super().__new__(cls, f"{where}: {text}" if where else text)
        made.code, made.kind, made.place, made.detail = code, kind, str(place), detail
        return made
