"""What happens to alerts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from careloop.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRaised(Event):
    """A finding became an alert, with or without somebody who owns it yet."""

    alert_id: UUID
    severity: str
    rule_code: str
    owner_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSeen(Event):
    alert_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertAccepted(Event):
    alert_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertHandedOver(Event):
    alert_id: UUID
    to_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertActed(Event):
    alert_id: UUID
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertClosed(Event):
    alert_id: UUID
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertStepUndone(Event):
    alert_id: UUID
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertEscalated(Event):
    """Nobody acted in time: the next rung of the ladder was told."""

    alert_id: UUID
    level: int
    role: str
    to_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyPhoneRung(Event):
    alert_id: UUID
    to_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyChanged(Event):
    organization_id: UUID
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsenceChanged(Event):
    """Somebody is away, or back: `valid_to` = `valid_from` when it was taken back before it began."""

    practitioner_id: UUID
    absence_id: UUID
    valid_from: datetime
    valid_to: datetime | None
