"""What staff put right on a record, and what a later message of the hospital system may still change about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from careloop.patients.rules.data import Change, changed

CORRECTABLE: Final = (
    "address",
    "employer",
    "occupation",
    "insurance",
    "ethnicity",
    "language",
    "marital_status",
)
"""Particulars people tell at a contact. Name, sex and date of birth say who is meant: only their source changes those."""


def tidy(text: str) -> str:
    """One line without spaces around it, as it is printed on an envelope."""
    return " ".join(text.split())


def after_message(
    told: Change[str], *, now: str, replaced: str | None, longest: int | None = None
) -> tuple[str, str | None]:
    """The value after a sender spoke, and the word that a correction by hand still holds against (None: none).

    `replaced` is what the sender had said before staff corrected it. Saying that again is no news, so the correction
    stays; any other word is news, so it counts and the correction is over. Without a correction the last word counts.
    """
    said = str(changed(told, now=now, empty=""))[:longest]
    if replaced is None:
        return said, None
    if told is None or said == replaced:
        return now, replaced
    return said, None


def corrected(now: Mapping[str, str], given: Mapping[str, str], before: Mapping[str, str]) -> dict[str, str]:
    """column → the sender's word, after staff wrote `given` over `now`; `before` are the corrections so far.

    A word that staff correct twice is still held against the sender's, not against the first correction. Writing the
    sender's own word again ends the correction.
    """
    replaced = {column: before.get(column, now[column]) for column in given if given[column] != now[column]}
    kept = dict(before) | replaced
    return {column: word for column, word in kept.items() if given.get(column, now[column]) != word}
