"""Deciding whether two records are one person; and taking a merge back."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, page, render
from careloop.patients import access, actions
from careloop.patients.models import DuplicateCandidate, Patient, PatientMerge
from careloop.workbench.reads import duplicates as reads


@page(access.MERGE)
def duplicates(request: PageRequest) -> HttpResponse:
    """Open pairs side by side, and the last merges."""
    context = {
        "pairs": reads.open_pairs(viewer=request.viewer),
        "merges": reads.recent_merges(viewer=request.viewer),
    }
    return render(request, "workbench/duplicates.html", context)


@page(access.MERGE, methods=("POST",))
def decide(request: PageRequest, candidate_id: UUID) -> HttpResponse:
    """`keep` names the record that stays; without it they are two people."""
    pair = get_or_404(DuplicateCandidate.objects.visible_to(request.viewer), pk=candidate_id)
    both = {
        row.pk: row
        for row in Patient.objects.visible_to(request.viewer).filter(pk__in=(pair.patient_id, pair.other_id))
    }
    if len(both) < 2:
        raise Http404
    keep = request.POST.get("keep", "")
    if not keep:
        actions.dismiss_duplicate(candidate=pair, by=request.viewer)
    else:
        survivor = next((row for pk, row in both.items() if str(pk) == keep), None)
        if survivor is None:
            raise Http404
        gone = next(row for pk, row in both.items() if pk != survivor.pk)
        actions.merge_patients(survivor=survivor, gone=gone, source="staff", at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(reverse("workbench:duplicates"))


@page(access.MERGE, methods=("POST",))
def undo_merge(request: PageRequest, merge_id: UUID) -> HttpResponse:
    """Every row that moved goes back."""
    merge = get_or_404(PatientMerge.objects.visible_to(request.viewer), pk=merge_id)
    reason = request.POST.get("reason", "")[:200]
    actions.unmerge_patients(merge=merge, reason=reason, at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(reverse("workbench:duplicates"))
