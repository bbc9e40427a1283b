"""What people decide on these pages."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from careloop.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class DischargeReviewed(Event):
    """A person confirmed the plan of a discharge, or said that it needs none."""

    encounter_id: UUID
    decision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DischargeReviewUndone(Event):
    """The decision was taken back; the discharge waits again."""

    encounter_id: UUID
    decision: str
