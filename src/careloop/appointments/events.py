"""Facts about appointments."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from careloop.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class AppointmentBooked(Event):
    """A revisit was booked."""

    appointment_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AppointmentChanged(Event):
    """Its time, place or person changed."""

    appointment_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AppointmentCancelled(Event):
    """It will not take place."""

    appointment_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AppointmentNoShow(Event):
    """The patient did not come."""

    appointment_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AppointmentConfirmed(Event):
    """The source said later once more what is known already."""

    appointment_id: UUID
