"""What is asked for when letters are to be made."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterWanted:
    """One letter. The `key` makes asking twice harmless; `task_id` is the follow-up it is about, if any."""

    key: str
    patient_id: UUID
    task_id: UUID | None = None
