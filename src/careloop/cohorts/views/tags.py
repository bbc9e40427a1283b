"""The tags of one patient, as a part of other rooms' pages."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse

from careloop.cohorts import access, actions
from careloop.cohorts.models import PatientTag
from careloop.cohorts.reads import choices
from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, page, render
from careloop.patients.models import Patient


@page(access.VIEW, methods=("GET", "POST"))
def tags(request: PageRequest, patient_id: UUID) -> HttpResponse:
    """Show them; POST `add` puts one on, `remove` takes one away. The same again changes nothing."""
    patient = get_or_404(Patient.objects.visible_to(request.viewer).only("pk"), pk=patient_id)
    if request.method == "POST" and (gone := request.POST.get("remove", "")):
        actions.untag_patient(patient_id=patient.pk, tag=gone, by=request.viewer)
    elif request.method == "POST":
        actions.tag_patient(patient_id=patient.pk, tag=request.POST.get("add", ""), by=request.viewer)
    rows = PatientTag.objects.visible_to(request.viewer).filter(patient_id=patient.pk).order_by("tag")
    context = {"patient_id": patient.pk, "words": list(rows.values_list("tag", flat=True))}
    return render(request, "cohorts/_tags.html", {**context, "known": choices.tags(request.viewer)})
