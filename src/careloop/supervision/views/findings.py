"""What is to be put right: the list, one finding, its evidence and its look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from careloop.audit.record import list_seen, seen
from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, page, render
from careloop.supervision import access, actions
from careloop.supervision.models import Finding, FindingStep
from careloop.supervision.reads import figures
from careloop.supervision.views.samples import tabs


@page(access.OWN)
def findings(request: PageRequest) -> HttpResponse:
    """What I have to put right, and what I supervise; the nearest deadline first."""
    closed = request.GET.get("closed") == "1"
    found = Finding.objects.visible_to(request.viewer).select_related("responsible", "department", "patient")
    found = found.filter(status="closed") if closed else found.exclude(status="closed")
    rows = list(found.order_by("due_at", "pk")[:100])
    list_seen(what="supervision.findings", ids=[row.patient_id for row in rows], by=request.viewer)
    context = {
        "title": _("Rectification"),
        "rows": [(row, figures.finding_label(row.code)) for row in rows],
        "closed": closed,
        "at": timezone.now(),
        "tabs": tabs(request, "findings"),
    }
    return render(request, "supervision/findings.html", context)


@page(access.OWN)
def finding(request: PageRequest, finding_id: UUID) -> HttpResponse:
    """One finding with everything that happened to it."""
    row = _of(request, finding_id)
    seen(patient_id=row.patient_id, what="supervision.finding", by=request.viewer)
    steps = FindingStep.objects.unscoped("of a finding the viewer may see").select_related("by_practitioner")
    context = {
        "title": figures.finding_label(row.code),
        "row": row,
        "steps": list(steps.filter(finding=row).order_by("at", "pk")),
        "is_mine": row.responsible_id == request.viewer.practitioner_id,
        "may_close": row.responsible_id != request.viewer.practitioner_id
        and (request.viewer.can(access.CHECK) or row.raised_by_id == request.viewer.practitioner_id),
        "late": row.status == Finding.Status.OPEN and row.due_at < timezone.now(),
        "tabs": tabs(request, "findings"),
    }
    return render(request, "supervision/finding.html", context)


def _of(request: PageRequest, finding_id: UUID) -> Finding:
    found = Finding.objects.visible_to(request.viewer)
    return get_or_404(
        found.select_related("responsible", "raised_by", "department", "patient", "closed_by"), pk=finding_id
    )


@page(access.OWN, methods=("POST",))
def answer(request: PageRequest, finding_id: UUID) -> HttpResponse:
    """What was done, with evidence."""
    return _said(
        request, finding_id, lambda row, text, told: actions.answer_finding(finding=row, evidence=text, **told)
    )


@page(access.OWN, methods=("POST",))
def send_back(request: PageRequest, finding_id: UUID) -> HttpResponse:
    """Not convincing yet."""
    return _said(request, finding_id, lambda row, text, told: actions.return_finding(finding=row, why=text, **told))


@page(access.OWN, methods=("POST",))
def close(request: PageRequest, finding_id: UUID) -> HttpResponse:
    """Looked at again and right."""
    return _said(request, finding_id, lambda row, text, told: actions.close_finding(finding=row, seen=text, **told))


def _said(request: PageRequest, finding_id: UUID, step: Callable[[Finding, str, Any], Finding]) -> HttpResponse:
    """One step with its words, and the page again."""
    row = _of(request, finding_id)
    step(row, request.POST.get("text", ""), {"at": timezone.now(), "by": request.viewer})
    return HttpResponseRedirect(reverse("supervision:finding", args=[row.pk]))
