"""Lists to be taken away, and who took which."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from careloop.cohorts import access, actions
from careloop.cohorts.forms import ExportForm
from careloop.cohorts.models import Cohort, ListExport
from careloop.cohorts.reads import taking, wording
from careloop.cohorts.rules.columns import COLUMNS, DEFAULT
from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, page, render

SHOWN = 100


@page(access.EXPORT, methods=("GET", "POST"))
def export(request: PageRequest, cohort_id: UUID) -> HttpResponse:
    """Choose columns and say what for; then the file is made in the background."""
    cohort = get_or_404(Cohort.objects.of(request.viewer), pk=cohort_id)
    form = ExportForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        told = form.cleaned_data
        made = actions.request_export(
            cohort_id=cohort.pk, columns=told["columns"], purpose=told["purpose"], key=str(told["key"]),
            at=timezone.now(), by=request.viewer,
        )  # fmt: skip
        return HttpResponseRedirect(reverse("batches:detail", args=[made.batch_id]))
    context: dict[str, Any] = {
        "cohort": cohort,
        "form": form,
        "summary": wording.summary(cohort.conditions()),
        "columns": [(c, wording.column_words(c.code)) for c in COLUMNS],
        "chosen": request.POST.getlist("columns") or DEFAULT,
        "may_identify": request.viewer.can(access.IDENTIFY),
        "purpose": request.POST.get("purpose", ""),
        "key": request.POST.get("key") or uuid4(),
    }
    return render(request, "cohorts/export.html", context, status=422 if request.method == "POST" else 200)


@page(access.EXPORT)
def exports(request: PageRequest) -> HttpResponse:
    """Who took what, when, how many rows, which columns: one's own; who reads the audit log sees everybody's."""
    rows = ListExport.objects.select_related("requested_by", "batch").order_by("-pk")
    if not request.viewer.can("audit.view"):
        rows = rows.filter(requested_by_id=request.viewer.practitioner_id)
    shown = list(rows[:SHOWN])
    taken = taking.times_taken([one.batch_id for one in shown if one.batch_id])
    context = {
        "rows": [
            (
                one,
                ", ".join(wording.column_words(c) for c in one.columns),
                taken.get(one.batch_id) if one.batch_id else None,
            )
            for one in shown
        ]
    }
    return render(request, "cohorts/exports.html", context)
