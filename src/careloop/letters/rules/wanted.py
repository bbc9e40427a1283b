"""What is asked for when letters are to be made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

COMING, PASSED = frozenset({"coming-due"}), frozenset({"overdue"})
"""Letters that speak of a follow-up's date as still to come, and as gone by. The others leave it open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterWanted:
    """One letter. The `key` makes asking twice harmless; `task_id` is the follow-up it is about, if any."""

    key: str
    patient_id: UUID
    task_id: UUID | None = None


def fits_date(template_code: str, due_on: date, *, today: date) -> bool:
    """Whether the letter says something true about a follow-up of this date. Today's is still to come."""
    if template_code in COMING:
        return due_on >= today
    return template_code not in PASSED or due_on < today
