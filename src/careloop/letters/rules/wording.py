"""The words of a letter: the mini-language of messages with its own list of names, and faults with their place.

How names are found and filled in stands in kernel/fields.py; here are the names, the limits and the faults of letters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from careloop.kernel import fields
from careloop.kernel.fields import Hole as MissingField
from careloop.kernel.fields import Placeholder
from careloop.messaging.rules.wording import forbidden_words

__all__ = [
    "FIELDS", "LONGEST_BODY", "LONGEST_SUBJECT", "LetterFault", "MissingField", "Place", "check_letter", "fields_of",
    "paragraphs", "pieces", "place_of", "render", "sample_values",
]  # fmt: skip

FIELDS: Mapping[str, Placeholder] = {
    p.name: p
    for p in (
        Placeholder("hospital", 40, "云溪市第一人民医院", "Yunxi First People's Hospital"),
        Placeholder("salutation", 16, "周先生", "Mr Zhou"),
        Placeholder("phone", 30, "0571-88880000", "0571-88880000"),
        Placeholder("department", 40, "心内科", "Cardiology"),
        Placeholder("doctor", 30, "张明远", "Zhang Mingyuan"),
        Placeholder("discharge_date", 20, "2026年11月13日", "13 November 2026"),
        Placeholder("due_date", 20, "2026年11月20日", "20 November 2026"),
        Placeholder("reply_until", 20, "2026年12月4日", "4 December 2026"),
        Placeholder("reply_code", 12, "7K3M9-QX2TZ", "7K3M9-QX2TZ"),
        Placeholder("today", 20, "2026年11月20日", "20 November 2026"),
    )
}
"""The whole allow-list. No diagnosis, plan title, identity number, telephone or address of the patient is on it."""

LONGEST_SUBJECT = 30
LONGEST_BODY = 1500  # what stays on one sheet in readable type
_ALLOWED = frozenset(FIELDS)
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]")


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a text, counted from 1."""

    line: int
    column: int


class LetterFault(ValueError):
    """A text that may not be saved. `code` says why, `place` where, `detail` what stands there."""

    def __init__(self, code: str, place: Place, detail: str = "") -> None:
        super().__init__(f"{code} at {place.line}:{place.column}")
        self.code = code
        self.place = place
        self.detail = detail


def place_of(text: str, offset: int) -> Place:
    """Line and column of a character."""
    before = text[:offset]
    return Place(before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1)


def pieces(text: str) -> tuple[tuple[str, str], ...]:
    """`((literal, field), …)`, the last field empty. Raises LetterFault at the first brace that is no allowed field."""
    try:
        return fields.pieces(text, _ALLOWED)
    except fields.BadField as fault:
        detail = fault.detail if fault.code == "unknown-field" else fault.detail[:12].split("\n")[0]
        raise LetterFault(fault.code, place_of(text, fault.offset), detail) from None


def fields_of(text: str) -> frozenset[str]:
    """The fields a text uses."""
    return frozenset(name for _literal, name in pieces(text) if name)


def render(text: str, values: Mapping[str, str]) -> str:
    """The text with its fields filled in once. Raises MissingField, for an empty value too."""
    pieces(text)
    return fields.fill(text, {name: value for name, value in values.items() if value}, FIELDS, _ALLOWED)


def sample_values(language: str) -> dict[str, str]:
    """An invented patient's values, for previews."""
    return {p.name: p.sample if language == "zh" else p.sample_en for p in FIELDS.values()}


def paragraphs(text: str) -> list[list[str]]:
    """Paragraphs (an empty line between them) and their lines."""
    return [block.split("\n") for block in re.split(r"\n\s*\n", text.strip()) if block.strip()]


def check_letter(*, subject: str, body: str, banned: Mapping[str, Iterable[str]]) -> None:
    """What must hold before a text is saved; raises LetterFault with the first fault.

    The subject stands above the window's edge and is read by whoever opens the letter, so it names no illness,
    treatment or telling department. Identity numbers stand nowhere.
    """
    for text, longest in ((subject, LONGEST_SUBJECT), (body, LONGEST_BODY)):
        _check_text(text, longest)
    told = forbidden_words(render(subject, sample_values("zh")), banned)
    if told:
        raise LetterFault("telling-subject", _where(subject, told[0].word), told[0].word)
    identity = forbidden_words(render(body, sample_values("zh")), {})
    if identity:
        raise LetterFault("identity-number", _where(body, ""), "")


def _check_text(text: str, longest: int) -> None:
    if not text.strip():
        raise LetterFault("empty", Place(1, 1))
    hidden = _HIDDEN.search(text)
    if hidden:
        raise LetterFault("hidden-character", place_of(text, hidden.start()), f"U+{ord(hidden[0]):04X}")
    pieces(text)
    if len(text) > longest:
        raise LetterFault("too-long", place_of(text, longest), str(longest))


def _where(text: str, word: str) -> Place:
    number = re.search(r"\d{15,}", text)
    offset = text.casefold().find(word.casefold()) if word else number.start() if number else 0
    return place_of(text, max(offset, 0))
