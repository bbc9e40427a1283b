"""SCH, TQ1, AIS, AIL, AIG and AIP → an appointment."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from careloop.appointments.rules import AppointmentData, AppointmentEvent
from careloop.integration.hl7v2.facts import Place, StaffRef
from careloop.integration.hl7v2.message import Message, Segment
from careloop.integration.hl7v2.person import read_staff
from careloop.integration.hl7v2.values import code_text, read_time

EVENTS: dict[str, AppointmentEvent] = {
    "S12": "booked", "S13": "changed", "S14": "changed", "S15": "cancelled", "S16": "cancelled", "S17": "cancelled",
    "S26": "no-show",
}  # fmt: skip
_MINUTES = {"": 1.0, "M": 1.0, "MIN": 1.0, "MINS": 1.0, "MINUTES": 1.0, "分钟": 1.0, "S": 1 / 60, "H": 60.0, "HR": 60.0}


def read_appointment(
    message: Message, *, event: AppointmentEvent, occurred_at: datetime | None, zone: tzinfo
) -> AppointmentData | None:
    """None when the message gives the appointment no number (SCH-2, SCH-1)."""
    sch = message.first("SCH")
    number = sch.field(2).first(1).strip() or sch.field(1).first(1).strip()
    if not number:
        return None
    starts_at, ends_at = _period(message, sch, zone)
    code, words, _ = _service(message, sch)
    return AppointmentData(
        number=number,
        event=event,
        starts_at=starts_at,
        ends_at=ends_at,
        service_code=code,
        service_text=words,
        reason=_words(sch, 7) or _words(sch, 6),
        place=read_appointment_place(message).text,
        practitioner_name=(who.name if (who := read_appointment_staff(message)) else ""),
        occurred_at=occurred_at,
    )


def read_appointment_place(message: Message) -> Place:
    """The first AIL-3: where to go."""
    field = message.first("AIL").field(3)
    unit, room, facility = field.first(1).strip(), field.first(2).strip(), field.first(4).strip()
    return Place(unit=unit, facility=facility, text=" ".join(part for part in (facility, unit, room) if part))


def read_appointment_staff(message: Message) -> StaffRef | None:
    """The first AIP-3: whom to see."""
    return read_staff(message.first("AIP").field(3))


def _period(message: Message, sch: Segment, zone: tzinfo) -> tuple[datetime | None, datetime | None]:
    """TQ1-7/-8 (2.5 on), else SCH-11.4/.5 (to 2.4), else the start of the first resource and the duration."""
    tq1 = message.first("TQ1")
    if starts := read_time(tq1.get(7, 1), zone=zone):
        return starts, read_time(tq1.get(8, 1), zone=zone)
    if starts := read_time(sch.get(11, 4), zone=zone):
        return starts, read_time(sch.get(11, 5), zone=zone) or _after(starts, sch.get(9, 1), sch.get(10, 1))
    for name, field in (("AIS", 4), ("AIL", 6), ("AIP", 6), ("AIG", 8)):
        segment = message.first(name)
        if starts := read_time(segment.get(field, 1), zone=zone):
            return starts, _after(starts, segment.get(field + 3, 1), segment.get(field + 4, 1))
    return None, None


def _after(starts: datetime, amount: str, unit: str) -> datetime | None:
    minutes = _MINUTES.get(unit.strip().upper())
    if minutes is None or not amount.strip().isdecimal() or len(amount) > 5:
        return None
    return starts + timedelta(minutes=int(amount) * minutes)


def _service(message: Message, sch: Segment) -> tuple[str, str, str]:
    service = code_text(message.first("AIS").field(3))
    return service if service[0] or service[1] else code_text(sch.field(8))


def _words(segment: Segment, field: int) -> str:
    code, words, _ = code_text(segment.field(field))
    return words or code
