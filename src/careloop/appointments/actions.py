"""Following what the scheduling system says."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from careloop.appointments import events
from careloop.appointments.models import Appointment
from careloop.appointments.rules import AppointmentData, is_stale, next_status
from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.events import Event
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Patient

_FACTS: dict[str, type[Event]] = {
    "booked": events.AppointmentBooked,
    "changed": events.AppointmentChanged,
    "cancelled": events.AppointmentCancelled,
    "no-show": events.AppointmentNoShow,
}


@action
def follow_appointment(
    *, patient: Patient, data: AppointmentData, source: str, at: datetime, by: Viewer
) -> Appointment:
    """Create or change the appointment. An older message and a repeated one change nothing; silence keeps what we know.

    A change or cancellation of one we never heard of creates it: the booking may have been before our time.
    """
    _one_at_a_time(source, data.number)
    known = (
        Appointment.objects.unscoped("found by the source's own number")
        .select_for_update(of=("self",), no_key=True)
        .filter(source=source, number=data.number)
        .first()
    )
    appointment = known or Appointment(source=source, number=data.number)
    if is_stale(occurred_at=data.occurred_at, last_said_at=appointment.last_said_at):
        return appointment
    before = _content(appointment) if known else None
    _write_into(appointment, patient, data)
    said_before = appointment.last_said_at
    appointment.last_said_at = max(filter(None, (said_before, data.occurred_at or at)))
    if _content(appointment) == before:
        return _heard_again(appointment, said_before, by)
    appointment.save()
    fact = _FACTS["booked" if before is None and data.event == "changed" else data.event]
    record(fact(appointment_id=appointment.pk, patient_id=patient.pk), by=by)  # type: ignore[call-arg]  # each fact has it
    return appointment


def _heard_again(appointment: Appointment, said_before: datetime | None, by: Viewer) -> Appointment:
    """The same said later moves the time of the last word: a message from in between must not count any more."""
    if appointment.last_said_at != said_before:
        appointment.save(update_fields=["last_said_at", "updated_at"])
        record(events.AppointmentConfirmed(appointment_id=appointment.pk, patient_id=appointment.patient_id), by=by)
    return appointment


def _one_at_a_time(source: str, number: str) -> None:
    """Two first messages of one appointment at the same moment: the second waits, and then finds it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s::text))", [f"appointment:{source}:{number}"])


def _write_into(appointment: Appointment, patient: Patient, data: AppointmentData) -> None:
    appointment.patient = patient
    appointment.status = next_status(now=appointment.status or "booked", event=data.event)
    told = {
        "starts_at": data.starts_at,
        "ends_at": data.ends_at,
        "department_id": data.department_id,
        "practitioner_id": data.practitioner_id,
        "practitioner_text": data.practitioner_name[:120],
        "place_text": data.place[:160],
        "service_code": data.service_code[:60],
        "service_text": data.service_text[:200],
        "reason": data.reason[:200],
    }
    for name, value in told.items():
        if value:
            setattr(appointment, name, value)


def _content(appointment: Appointment) -> tuple[object, ...]:
    return (
        appointment.patient_id, appointment.status, appointment.starts_at, appointment.ends_at,
        appointment.department_id, appointment.practitioner_id, appointment.practitioner_text,
        appointment.place_text, appointment.service_code, appointment.service_text, appointment.reason,
    )  # fmt: skip
