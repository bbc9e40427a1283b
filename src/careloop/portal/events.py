"""What happened on patient pages. Ids and codes only."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from careloop.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkChecked(Event):
    """Somebody opened a link and knew the second factor."""

    link_id: UUID
    purpose: str
    task_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkCheckFailed(Event):
    """Somebody did not know the second factor, or the link is unknown, revoked or over (then without ids)."""

    link_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedChecksForgotten(Event):
    """Old wrong tries were deleted."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementEntered(Event):
    """The patient wrote down a measurement; `level` is what our limits say."""

    measurement: str
    level: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DangerAnswered(Event):
    """An answer tripped a critical rule: safety page shown, alerts raised, before the form was done."""

    response_id: UUID
    link_id: str
    rules: tuple[str, ...]
