"""Identity numbers: GB 11643-1999 (resident identity card) and the documents that look like it.

The check digit and the calendar decide whether a number is valid. The region never decides: counties are renamed and
abolished while their numbers live on. A bad number is stored and marked, it never blocks care.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK_DIGITS: Final = "10X98765432"

Holder = Literal["resident", "hong-kong", "macau", "taiwan", "foreigner", "unknown"]
HOLDERS: Final[dict[str, Holder]] = {"81": "hong-kong", "82": "macau", "83": "taiwan"}


@dataclass(frozen=True, slots=True)
class IdentityNumber:
    """What a number says. `problem` is empty when it is valid; a suspect number is kept as it was written."""

    number: str
    """18 characters when readable (15-digit numbers are converted), else the cleaned input."""
    problem: Literal["", "format", "check-digit", "birth-date", "future-birth"] = ""
    holder: Holder = "unknown"
    region: str = ""
    birth_date: date | None = None
    sex: Literal["", "male", "female"] = ""

    @property
    def is_valid(self) -> bool:
        return not self.problem


def clean_identity_number(text: str) -> str:
    """Full-width to ASCII, no spaces or dashes, upper-case X. Cleaning what is clean changes nothing."""
    bare = re.sub(r"[\s\-_.]", "", unicodedata.normalize("NFKC", text)).upper()
    return unicodedata.normalize("NFKC", bare)  # an accent may meet its letter only when the space between has gone


def check_digit(first_17: str) -> str:
    return CHECK_DIGITS[sum(int(digit) * weight for digit, weight in zip(first_17, WEIGHTS, strict=True)) % 11]


def read_identity_number(text: str, *, on: date) -> IdentityNumber:
    """Read a number on a day (`on` bounds the birth date). Never raises; a number it cannot read has a `problem`."""
    number = clean_identity_number(text)
    if re.fullmatch(r"[0-9]{15}", number):  # before 1999: two-digit year, no check digit; all holders are born 19xx
        number = number[:6] + "19" + number[6:]
        number += check_digit(number)
    if not re.fullmatch(r"[0-9]{17}[0-9X]", number):
        return IdentityNumber(number=number, problem="format")
    return _read_18(number, on=on)


def _read_18(number: str, *, on: date) -> IdentityNumber:
    birth = _calendar_date(number[6:14])
    problem: Literal["", "check-digit", "birth-date", "future-birth"] = ""
    if check_digit(number[:17]) != number[17]:
        problem = "check-digit"
    elif birth is None or birth.year < 1850:
        problem = "birth-date"
    elif birth > on:
        problem = "future-birth"
    return IdentityNumber(
        number=number,
        problem=problem,
        holder="foreigner" if number[0] == "9" else HOLDERS.get(number[:2], "resident"),
        region=number[:6],
        birth_date=birth,
        sex="male" if int(number[16]) % 2 else "female",
    )


def _calendar_date(digits: str) -> date | None:
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None


def identity_conflicts(number: IdentityNumber, *, birth_date: date | None, sex: str) -> tuple[str, ...]:
    """Where the number disagrees with what the sender says: "birth-date", "sex". Shown, never decided here."""
    if not number.is_valid:
        return ()
    found = []
    if birth_date is not None and number.birth_date != birth_date:
        found.append("birth-date")
    if sex in ("male", "female") and number.sex != sex:
        found.append("sex")
    return tuple(found)
