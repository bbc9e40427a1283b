"""Texts with `{name}` in them, written by people and filled in by a machine: messages, letters.

A mini-language with names only: no attribute access, no index, no format specification, no conversion, no expression. One
pass over the text, one table of names. A value is filled in once and never looked at again, so no name, address or note of a
person can bring a placeholder, markup or code of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

_NAME = re.compile(r"\{([a-z][a-z_]{0,30})\}")
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One name that a text may use. `longest` bounds what it may grow to; `sample` is for previews."""

    name: str
    longest: int
    sample: str
    sample_en: str
    secret: bool = False  # made by us when the text leaves, never stored and never cut


class BadField(ValueError):
    """A text that may not be saved: `bad-brace` or `unknown-field`, at `offset`; `detail` is what stands there."""

    def __init__(self, code: str, offset: int, detail: str) -> None:
        super().__init__(f"{code} at {offset}")
        self.code = code
        self.offset = offset
        self.detail = detail


class Hole(ValueError):
    """A name without a value: nothing leaves with a hole in it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@lru_cache(maxsize=2048)
def pieces(text: str, allowed: frozenset[str]) -> tuple[tuple[str, str], ...]:
    """`((literal, name), …)`, the last name empty. Raises BadField at the first brace that is no allowed `{name}`."""
    found: list[tuple[str, str]] = []
    end = 0
    for match in _NAME.finditer(text):
        found.append((_literal(text, end, match.start()), match[1]))
        if match[1] not in allowed:
            raise BadField("unknown-field", match.start(), match[1])
        end = match.end()
    found.append((_literal(text, end, len(text)), ""))
    return tuple(found)


def _literal(text: str, start: int, end: int) -> str:
    for offset in range(start, end):
        if text[offset] in "{}":
            raise BadField("bad-brace", offset, text[offset:end])
    return text[start:end]


def fill(text: str, values: Mapping[str, str], known: Mapping[str, Placeholder], allowed: frozenset[str]) -> str:
    """The text with its names filled in once, each value on one line and cut to its length. Raises Hole."""
    out: list[str] = []
    for literal, name in pieces(text, allowed):
        out.append(literal)
        if name:
            if name not in values:
                raise Hole(name)
            place = known[name]
            out.append(values[name] if place.secret else clean(values[name], longest=place.longest))
    return "".join(out)


def clean(value: str, *, longest: int) -> str:
    """A value as it may stand in a text: one line, no control or direction characters, cut to its length."""
    if value.isprintable():  # the usual case, without looking at each character twice
        return value[:longest]
    return _LONE_SURROGATE.sub("", _UNSAFE.sub("", value))[:longest]
