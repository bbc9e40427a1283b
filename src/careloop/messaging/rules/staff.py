"""Messages to staff: a closed list of texts with a closed list of values, none of them about a patient."""

from __future__ import annotations

import re
from collections.abc import Mapping
from uuid import UUID

LONGEST: Mapping[str, int] = {"severity": 10, "department": 30, "minutes": 4, "count": 4}
"""The whole allow-list of values, with how long each may be. No name, number, diagnosis or free text is on it."""
MOST_TRIES = 8
_NAME = re.compile(r"\{([a-z]+)\}")
_SEVERITY = {
    "zh": {"critical": "危急", "high": "高危", "watch": "关注"},
    "en": {"critical": "critical", "high": "high-risk", "watch": "watch"},
}


_KEY = re.compile(r"staff:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


def gateway_key(message_id: UUID) -> str:
    """Under which a gateway knows a message to staff; never the key of a message to a patient."""
    return f"staff:{message_id}"


def message_of(key: str) -> UUID | None:
    """The message that a gateway means with this key. None: it is none of these."""
    found = _KEY.fullmatch(key)
    return UUID(found[1]) if found else None


class StaffValueMissing(ValueError):
    """The text would have a hole in it."""


def wanted(text: str) -> frozenset[str]:
    """The values a text uses."""
    return frozenset(_NAME.findall(text))


def written(text: str, values: Mapping[str, str | int], language: str) -> str:
    """The text with its values, each cut to its length and on one line; codes of severity in words."""
    missing = wanted(text) - set(values)
    if missing:
        raise StaffValueMissing(", ".join(sorted(missing)))

    def value(match: re.Match[str]) -> str:
        name = match[1]
        plain = " ".join(str(values[name]).split())
        plain = _SEVERITY[language].get(plain, plain) if name == "severity" else plain
        return plain[: LONGEST[name]]

    return _NAME.sub(value, text)
