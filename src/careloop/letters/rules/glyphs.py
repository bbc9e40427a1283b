"""Which characters a font file can draw: read from its `cmap`, so that no name is ever printed as an empty box."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

CONTROLS = {
    n: None
    for n in (*range(0x00, 0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0), 0x202A, 0x202B, 0x202D, 0x202E, 0xFEFF)
}
GETA = "〓"  # what printers put where a character is missing


def characters(font: bytes) -> frozenset[int]:
    """Every code point of an OpenType or TrueType font; of a collection (.ttc) those of its first font."""
    start = struct.unpack(">I", font[12:16])[0] if font[:4] == b"ttcf" else 0
    count = struct.unpack(">H", font[start + 4 : start + 6])[0]
    for n in range(count):
        tag, _sum, offset, _length = struct.unpack(">4sIII", font[start + 12 + 16 * n : start + 28 + 16 * n])
        if tag == b"cmap":
            return frozenset(_of_cmap(font, offset))
    return frozenset()


def _of_cmap(font: bytes, base: int) -> Iterator[int]:
    for n in range(struct.unpack(">H", font[base + 2 : base + 4])[0]):
        _platform, _encoding, offset = struct.unpack(">HHI", font[base + 4 + 8 * n : base + 12 + 8 * n])
        table = base + offset
        kind = struct.unpack(">H", font[table : table + 2])[0]
        if kind == 12:
            yield from _groups(font, table)
        elif kind == 4:
            yield from _segments(font, table)


def _groups(font: bytes, table: int) -> Iterator[int]:
    for n in range(struct.unpack(">I", font[table + 12 : table + 16])[0]):
        first, last, _glyph = struct.unpack(">III", font[table + 16 + 12 * n : table + 28 + 12 * n])
        yield from range(first, last + 1)


def _segments(font: bytes, table: int) -> Iterator[int]:
    count = struct.unpack(">H", font[table + 6 : table + 8])[0] // 2
    ends = struct.unpack(f">{count}H", font[table + 14 : table + 14 + 2 * count])
    starts = struct.unpack(f">{count}H", font[table + 16 + 2 * count : table + 16 + 4 * count])
    for first, last in zip(starts, ends, strict=True):
        if first != 0xFFFF:
            yield from range(first, last + 1)


def missing(text: str, known: frozenset[int]) -> str:
    """The characters of a text that no font draws, each once. Line ends and joiners need no picture."""
    return "".join(c for c in dict.fromkeys(text) if ord(c) not in known and c not in "\n\t\r\u200d\ufe0e\ufe0f")


def with_geta(text: str, known: frozenset[int]) -> str:
    """The text with 〓(U+2A6D6) for each character that cannot be drawn: visible, and still said exactly."""
    lacking = missing(text, known)
    for character in lacking:
        text = text.replace(character, f"{GETA}(U+{ord(character):04X})")
    return text


def printable(value: Any) -> Any:
    """The same data without control and direction characters, which no paper shows and some would turn the text round."""
    if isinstance(value, str):
        return value.translate(CONTROLS)
    if isinstance(value, dict):
        return {key: printable(inner) for key, inner in value.items()}
    return [printable(inner) for inner in value] if isinstance(value, list | tuple) else value
