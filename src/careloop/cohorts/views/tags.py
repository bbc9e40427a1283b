"""The tags of one patient, as a part of other rooms' pages."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse

from careloop.cohorts import access, actions
from careloop.cohorts.reads import choices
from careloop.kernel.pages import PageRequest, page, render
from careloop.patients.reads.finding import find_or_404


@page(access.VIEW, methods=("GET", "POST"))
def tags(request: PageRequest, patient_id: UUID) -> HttpResponse:
    """Show them; POST `add` puts one on, `remove` takes one away. The same again changes nothing."""
    patient = find_or_404(patient_id, viewer=request.viewer)
    if request.method == "POST" and (gone := request.POST.get("remove", "")):
        actions.untag_patient(patient_id=patient.pk, tag=gone, by=request.viewer)
    elif request.method == "POST":
        actions.tag_patient(patient_id=patient.pk, tag=request.POST.get("add", ""), by=request.viewer)
    words = choices.asked_by_tags(patient.pk, request.viewer).fetch()
    return render(request, "cohorts/_tags.html", {"patient_id": patient.pk, "words": words})


@page(access.VIEW)
def tag_words(request: PageRequest) -> HttpResponse:
    """What is in use already, for whoever begins to write a tag: asked for then, not on every record that is opened."""
    return render(request, "cohorts/_tag_words.html", {"known": choices.tags(request.viewer)})
