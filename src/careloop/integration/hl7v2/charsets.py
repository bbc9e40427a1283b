"""Which characters the bytes of a message stand for.

The order matters. UTF-8 bytes decode as GB18030 without an error (张伟 becomes 寮犱紵), so the strict codec
is tried first and the site's own second. MSH-18 is only a hint: messages that declare 8859/1 and are UTF-8
are common. Latin-1 can decode anything and comes last, with a flag, so that no byte is lost.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass

SITE_DEFAULT = "gb18030"
LAST_RESORT = "latin-1"

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (b"\x84\x31\x95\x33", "gb18030"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True, slots=True)
class Decoded:
    """The text of a message and the codec that gave it; `guessed` when no codec but Latin-1 would take the bytes."""

    text: str
    charset: str
    guessed: bool = False


def decode(raw: bytes, *, site_default: str = SITE_DEFAULT) -> Decoded:
    """Byte order mark, then strict UTF-8, then the site's charset, then Latin-1. Never raises."""
    for mark, charset in _MARKS:
        if raw.startswith(mark):
            text = _try(raw[len(mark) :], charset)
            if text is not None:
                return Decoded(text, charset)
    for charset in ("utf-8", site_default):
        text = _try(raw, charset)
        if text is not None:
            return Decoded(text, charset)
    return Decoded(raw.decode(LAST_RESORT), LAST_RESORT, guessed=True)


def encode(text: str, charset: str) -> bytes:
    """An answer in the request's own charset; a character it lacks becomes `?` rather than a lost answer."""
    return text.encode(charset, errors="replace")


def _try(raw: bytes, charset: str) -> str | None:
    try:
        return raw.decode(charset)
    except UnicodeDecodeError:
        return None
