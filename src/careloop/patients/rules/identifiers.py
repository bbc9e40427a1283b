"""Numbers of patients: which ones identify, and how an identity number is filed."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import date
from typing import Final

from careloop.patients.rules.data import IdentifierData
from careloop.patients.rules.identity import IdentityNumber, read_identity_number

IDENTITY: Final = "NI"
NATIONAL: Final = "CN"
"""System of a valid resident identity number: one for the whole country, whoever sent it."""
IDENTITY_TYPES: Final = frozenset({"NI", "NNCHN", "NNCN", "IDCARD", "SFZ", "CNID"})
NO_KEYS: Final = frozenset({"VN", "AN", "SS", "SN", "AC", "XX", "U", IDENTITY})
"""Types that do not say who a person is by themselves: visit and account numbers, insurance numbers (families share
cards), and identity numbers, which need the name beside them."""


@dataclass(frozen=True, slots=True)
class Identifier:
    """A number as it is stored. `problem` marks a suspect identity number."""

    system: str
    type: str
    value: str
    problem: str = ""
    identity: IdentityNumber | None = None

    @property
    def last4(self) -> str:
        return self.value[-4:] if self.type == IDENTITY and len(self.value) >= 15 else ""


def read_identifier(told: IdentifierData, *, on: date) -> Identifier:
    """A told number as it is filed. Valid identity numbers get the national system, suspect ones stay the sender's."""
    value = unicodedata.normalize("NFKC", told.value).strip()[:80]
    kind = told.type.strip().upper()[:12] or "MR"
    if kind not in IDENTITY_TYPES:
        return Identifier(told.authority[:160], kind, value)
    number = read_identity_number(value, on=on)
    if number.is_valid:
        return Identifier(NATIONAL, IDENTITY, number.number, identity=number)
    return Identifier(told.authority[:160] or "unknown", IDENTITY, number.number[:80], number.problem, number)


def is_key(identifier: Identifier) -> bool:
    """Does this number alone say who is meant?"""
    return bool(identifier.value) and identifier.type not in NO_KEYS
