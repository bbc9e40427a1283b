"""The short code on a letter: what a person reads out, types or scans when the letter comes back.

Nine characters and a check character in Crockford's alphabet (no I, L, O, U), so that a code written by hand is read
right or refused, never read as another letter's.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 10
_VALUE = {letter: number for number, letter in enumerate(ALPHABET)} | {"O": 0, "I": 1, "L": 1}
_TOKEN = re.compile(r"/q/([A-Za-z0-9_-]{20,64})(?:[/?#\s]|$)")


class BadCode(ValueError):
    """What was typed is no reply code. `code` is empty, length, letter or check."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Scan:
    """What a scanner or a person gave: the short code of a letter, or the token of the link in its QR picture."""

    kind: Literal["code", "token"]
    value: str


def reply_code(letter_id: UUID, secret: str, *, attempt: int = 0) -> str:
    """The code of a letter, without dashes. `attempt` gives another one should two letters ever meet."""
    digest = hmac.new(secret.encode(), b"careloop letter:%d:" % attempt + letter_id.bytes, hashlib.sha256).digest()
    number = int.from_bytes(digest[:8], "big")
    letters = []
    for _n in range(LENGTH - 1):
        number, rest = divmod(number, 32)
        letters.append(ALPHABET[rest])
    body = "".join(letters)
    return body + _check_letter(body)


def shown(code: str) -> str:
    """7K3M9-QX2TZ: in two groups, as it is printed."""
    return f"{code[:5]}-{code[5:]}"


def read_code(text: str) -> str:
    """What was typed as a code without dashes; O is 0, I and L are 1. Raises BadCode."""
    plain = re.sub(r"[\s\-‐‑‒–—−_.·]", "", unicodedata.normalize("NFKC", text)).upper()
    if not plain:
        raise BadCode("empty")
    if len(plain) != LENGTH:
        raise BadCode("length")
    if any(letter not in _VALUE for letter in plain):
        raise BadCode("letter")
    read = "".join(ALPHABET[_VALUE[letter]] for letter in plain)
    if _check_letter(read[:-1]) != read[-1]:
        raise BadCode("check")
    return read


def read_scan(text: str) -> Scan:
    """A scanned link (its token) or a typed code. Raises BadCode."""
    link = _TOKEN.search(text.strip() + " ")
    return Scan("token", link[1]) if link else Scan("code", read_code(text))


def _check_letter(body: str) -> str:
    """Luhn's method with 32 digits: every wrong character and nearly every swapped pair is noticed."""
    total = 0
    for place, letter in enumerate(reversed(body)):
        value = _VALUE[letter] * (2 if place % 2 == 0 else 1)
        total += value // 32 + value % 32
    return ALPHABET[-total % 32]
