"""From a list to work in bulk: tick rows of today's list or of the patients, or take all that match."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from careloop.audit.record import list_seen
from careloop.cohorts import access as cohorts_access
from careloop.cohorts.actions import select_rows
from careloop.kernel.lookup import ids_from
from careloop.kernel.pages import PageRequest, page, render
from careloop.patients import access as patients_access
from careloop.patients.reads import discharged_page, search_patients
from careloop.tasks import access as tasks_access
from careloop.tasks.reads import work_list
from careloop.workbench.forms.patient import ListForm as PatientsForm
from careloop.workbench.forms.today import ListForm

SHOWN = 200


@page(tasks_access.WORK, methods=("GET", "POST"))
def tasks(request: PageRequest) -> HttpResponse:
    """Today's list as it is narrowed at the moment, with boxes."""
    given = request.POST if request.method == "POST" else request.GET
    form = ListForm(given)
    query = form.query(at=timezone.now())
    if request.method == "POST":
        ids = ids_from(request.POST.getlist("row"))
        if request.POST.get("all"):
            every = replace(query, offset=0, limit=settings.ENV.cohort_limit + 1)
            found = work_list(every, viewer=request.viewer, at=timezone.now())
            ids = [row.task_id for row in found.rows]
        return _chosen(request, "task", ids, "today")
    found = work_list(replace(query, offset=0, limit=SHOWN), viewer=request.viewer, at=timezone.now())
    list_seen(what="worklist.choose", ids=[row.patient_id for row in found.rows], by=request.viewer)
    kept = {**form.chips(), "tab": query.tab}
    rows = [(r.task_id, r.name, r.department, f"{r.plan} {r.step}".strip(), r.due_at) for r in found.rows]
    return _page(
        request, rows, kept, total=found.counts.of(query.tab), back="workbench:today", here="workbench:choose-tasks"
    )


@page(patients_access.VIEW, methods=("GET", "POST"))
def patients(request: PageRequest) -> HttpResponse:
    """The list of patients as it is narrowed at the moment, with boxes."""
    form = PatientsForm(request.POST if request.method == "POST" else request.GET)
    most = settings.ENV.cohort_limit + 1 if request.POST.get("all") else SHOWN
    wanted, query = form.wanted(), form.cleaned_data.get("q", "")
    if query:
        hits = search_patients(query, viewer=request.viewer, limit=min(most, 1000))
    else:
        hits = discharged_page(wanted, viewer=request.viewer, at=timezone.now(), limit=most).hits
    if request.method == "POST":
        ids = [hit.id for hit in hits] if request.POST.get("all") else ids_from(request.POST.getlist("row"))
        return _chosen(request, "patient", ids, "patients")
    list_seen(what="patients.choose", ids=[hit.id for hit in hits], by=request.viewer)
    kept = {k: str(v) for k, v in request.GET.items() if k in form.fields and k != "after" and v}
    rows = [(hit.id, hit.name, hit.department, hit.diagnosis, hit.discharged_at) for hit in hits]
    total = len(rows) if len(rows) < SHOWN else None
    return _page(request, rows, kept, total=total, back="workbench:patients", here="workbench:choose-patients")


def _chosen(request: PageRequest, subject: str, ids: list[UUID], came_from: str) -> HttpResponse:
    selection = select_rows(subject=subject, ids=ids, came_from=came_from, by=request.viewer)
    return HttpResponseRedirect(reverse("cohorts:bulk", args=[selection.pk]))


def _page(
    request: PageRequest, rows: list[Any], kept: dict[str, str], *, total: int | None, back: str, here: str
) -> HttpResponse:
    context = {
        "rows": rows,
        "kept": kept,
        "total": total,
        "back": f"{reverse(back)}?{urlencode(kept)}",
        "here": reverse(here),
        "may": request.viewer.can(cohorts_access.VIEW),
    }
    return render(request, "workbench/choose.html", context)
