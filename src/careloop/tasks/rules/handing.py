"""What a distribution decided about one task."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOut:
    """This task goes to this person (None = back to everybody), provided it still belongs to `before`."""

    task_id: UUID
    owner_id: UUID | None
    before: UUID | None
    why: str
