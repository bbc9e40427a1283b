"""Appointments as the scheduling system tells them (FHIR Appointment)."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Organization, Practitioner
from careloop.patients.models import Patient, PatientRow


class Appointment(PatientRow):
    """One appointment. Key = the source and its number there."""

    class Status(models.TextChoices):
        BOOKED = "booked", _("Booked")
        FULFILLED = "fulfilled", _("Kept")
        CANCELLED = "cancelled", _("Cancelled")
        NO_SHOW = "noshow", _("Did not come")

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="appointments", db_index=False)
    source = models.CharField(max_length=120)
    number = models.CharField(max_length=80)
    status = models.CharField(max_length=10, choices=Status, default=Status.BOOKED)
    starts_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)
    department = models.ForeignKey(Organization, models.PROTECT, null=True, related_name="appointments")
    practitioner = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="appointments")
    practitioner_text = models.CharField(max_length=120, blank=True, default="")
    place_text = models.CharField(max_length=160, blank=True, default="")
    service_code = models.CharField(max_length=60, blank=True, default="")
    service_text = models.CharField(max_length=200, blank=True, default="")
    reason = models.CharField(max_length=200, blank=True, default="")
    last_said_at = models.DateTimeField(null=True)  # when the source said what we hold

    privacy = {
        "source": "none", "number": "direct", "starts_at": "quasi", "ends_at": "quasi", "practitioner_text": "quasi",
        "place_text": "quasi", "service_code": "clinical", "service_text": "clinical", "reason": "clinical",
        "last_said_at": "none",
    }  # fmt: skip

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "number"], name="appointment_once")]
        indexes = [
            models.Index(fields=["patient", "-starts_at"], name="appointment_of_patient"),
            models.Index(fields=["department", "starts_at"], name="appointment_coming", condition=Q(status="booked")),
        ]
