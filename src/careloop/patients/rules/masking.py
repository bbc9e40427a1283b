"""How personal data looks where the whole of it is not needed."""

from __future__ import annotations

import re


def mask_phone(number: str) -> str:
    """`13812346721` → `138****6721`; short numbers keep their last two digits."""
    digits = re.sub(r"\D", "", number.removeprefix("+86"))
    if len(digits) >= 11:
        return f"{digits[:3]}****{digits[-4:]}"
    return f"{'*' * max(len(digits) - 2, 3)}{digits[-2:]}" if digits else ""


def mask_identity_number(number: str) -> str:
    """First three and last four characters; of a short number only the last two."""
    if len(number) >= 10:
        return f"{number[:3]}{'*' * (len(number) - 7)}{number[-4:]}"
    return f"{'*' * max(len(number) - 2, 2)}{number[-2:]}" if number else ""
