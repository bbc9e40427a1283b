"""Fragments about a patient's work that other pages show."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone

from careloop.audit.record import seen
from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, page, render
from careloop.patients.models import Patient
from careloop.tasks import access, reads
from careloop.tasks.models import ContactAttempt


@page(access.VIEW)
def patient_followups(request: PageRequest, patient_id: UUID) -> HttpResponse:
    """For the patient's record: every item with its state and reason, and every try to reach the patient."""
    patient = get_or_404(Patient.objects.visible_to(request.viewer), pk=patient_id)
    seen(patient_id=patient.pk, what="tasks.followups", by=request.viewer)
    items = reads.explain_patient(patient.pk, viewer=request.viewer, at=timezone.now())
    attempts = (
        ContactAttempt.objects.visible_to(request.viewer)
        .filter(patient_id=patient.pk, undone_at__isnull=True)
        .select_related("by_practitioner", "task")
        .order_by("-started_at", "-pk")[:50]
    )
    context = {
        "items": [(item, reads.why_label(item.why)) for item in items],
        "attempts": [(one, reads.outcome_label(one.outcome)) for one in attempts],
    }
    return render(request, "tasks/_patient_followups.html", context)
