"""Why is this patient on my list, or not? The answer for every item: state, rule, fact. And the sum that must hold."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import get_language

from careloop.kernel.pages import PageRequest, page, render
from careloop.patients.models import Patient
from careloop.plans.reads.titles import titles_in
from careloop.tasks import access
from careloop.tasks import reads as tasks_reads
from careloop.workbench.forms.today import WhyForm


@page(access.VIEW)
def why(request: PageRequest) -> HttpResponse:
    """Search by name or number, choose, read. Without a patient: the states of everything, with their sum."""
    at, viewer = timezone.now(), request.viewer
    form = WhyForm(request.GET)
    form.is_valid()
    patient_id: UUID | None = form.cleaned_data.get("patient")
    words: str = form.cleaned_data.get("q") or ""
    found = list(_search(words, request)) if words and not patient_id else []
    patient = Patient.objects.visible_to(viewer).filter(pk=patient_id).first() if patient_id else None
    if patient is None and len(found) == 1:
        patient = found[0]
    items = tasks_reads.explain_patient(patient.pk, viewer=viewer, at=at) if patient else []
    states = tasks_reads.state_counts(viewer=viewer, at=at)
    context = {
        "words": words,
        "titles": titles_in(get_language() or "zh-hans"),
        "found": found,
        "patient": patient,
        "items": [(item, tasks_reads.why_label(item.why), _facts(item)) for item in items],
        "states": states,
        "total": sum(states.values()),
        "nobody": bool(words or patient_id) and patient is None and not found,
    }
    return render(request, "workbench/why.html", context)


def _facts(item: tasks_reads.Explained) -> list[tuple[object, str]]:
    return [(at, tasks_reads.event_label(name)) for at, name in item.facts]


def _search(words: str, request: PageRequest) -> list[Patient]:
    """By name, pinyin initials, or a number of the patient."""
    visible = Patient.objects.visible_to(request.viewer).filter(merged_into__isnull=True)
    by_name = visible.filter(name__startswith=words) | visible.filter(name_initials__startswith=words.lower())
    by_number = visible.filter(identifiers__value=words)
    return list((by_name | by_number).distinct().order_by("name", "pk")[:20])
