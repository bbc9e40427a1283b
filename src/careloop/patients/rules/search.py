"""What somebody means who types into the patient search: a name, initials, four digits, a number."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from careloop.patients.rules.identity import clean_identity_number
from careloop.patients.rules.names import clean_name

TermKind = Literal["name", "initials", "last4", "phone", "identity", "number"]


@dataclass(frozen=True, slots=True)
class Term:
    kind: TermKind
    value: str


def read_query(text: str) -> tuple[Term, ...]:
    """The terms of a query; all must hold. `zgq 6721` = initials and last four digits. At most four terms."""
    words = unicodedata.normalize("NFKC", text).replace("\x00", "").split()
    joined = "".join(words)
    if re.fullmatch(r"[0-9\-]{6,22}[xX]?", joined):  # a number written with gaps
        words = [joined]
    return tuple(_term(word) for word in words[:4] if word.strip("%_*·-'"))


def _term(word: str) -> Term:
    identity = clean_identity_number(word)
    if re.fullmatch(r"[0-9]{17}[0-9X]|[0-9]{15}", identity):
        return Term("identity", identity)
    digits = word.replace("-", "").removeprefix("+86")
    if re.fullmatch(r"[0-9]{3}[0-9X]", digits.upper()):
        return Term("last4", digits.upper())
    if re.fullmatch(r"1[3-9][0-9]{9}|0[1-9][0-9]{8,11}", digits):
        return Term("phone", digits)
    if re.search(r"[0-9]", word):
        return Term("number", word)
    if re.fullmatch(r"[A-Za-zü']+", word):
        return Term("initials", word.lower().replace("ü", "v").replace("'", ""))
    return Term("name", clean_name(word))
