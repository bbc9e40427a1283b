"""Level 1 among colleagues: records of the department, read through by somebody who did not write them."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from careloop.audit.record import list_seen, seen
from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, page, render
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.questionnaires.reads import form_view
from careloop.supervision import access, actions
from careloop.supervision.forms import FindingForm
from careloop.supervision.models import RecordReview
from careloop.supervision.reads.records import Period, department_of, level_one
from careloop.supervision.views.samples import tabs

MOST = 200


@page(access.REVIEW)
def records(request: PageRequest) -> HttpResponse:
    """The last week's records of the viewer's departments, without the viewer's own."""
    today = timezone.localdate()
    found = level_one(
        viewer=request.viewer, period=Period(first=today - timedelta(days=7), last=today),
        departments=None if request.viewer.hospital_wide else request.viewer.departments, most=MOST,
    )  # fmt: skip
    others = [one for one in reversed(found) if one.author_id != request.viewer.practitioner_id]
    reviewed = dict(
        RecordReview.objects.visible_to(request.viewer)
        .filter(response__in=[one.response.pk for one in others])
        .values_list("response_id", "verdict")
    )
    names = dict(
        QuestionnaireResponse.objects.visible_to(request.viewer)
        .filter(pk__in=[one.response.pk for one in others])
        .values_list("pk", "author__name")
    )
    list_seen(what="supervision.records", ids=[one.response.patient_id for one in others], by=request.viewer)
    context = {
        "title": _("Records of colleagues"),
        "rows": [(one, names[one.response.pk], reviewed.get(one.response.pk, "")) for one in others if one.response.pk in names],
        "tabs": tabs(request, "records"),
    }  # fmt: skip
    return render(request, "supervision/records.html", context)


@page(access.REVIEW)
def record_page(request: PageRequest, response_id: UUID) -> HttpResponse:
    """One record to read through."""
    response = _of(request, response_id)
    seen(patient_id=response.patient_id, what="supervision.record", by=request.viewer)
    reviews = RecordReview.objects.visible_to(request.viewer).select_related("reviewer").filter(response=response)
    context = {
        "title": _("Record to read"),
        "response": response,
        "view": form_view(response.questionnaire, response=response, at=timezone.now(), findings=[]),
        "reviews": list(reviews.order_by("reviewed_at", "pk")),
        "is_own": response.author_id == request.viewer.practitioner_id,
        "form": FindingForm(initial={"key": "review", "severity": "minor"}),
        "tabs": tabs(request, "records"),
    }
    return render(request, "supervision/record.html", context)


def _of(request: PageRequest, response_id: UUID) -> QuestionnaireResponse:
    mine = QuestionnaireResponse.objects.visible_to(request.viewer)
    return get_or_404(mine.select_related("questionnaire", "patient", "author"), pk=response_id)


@page(access.REVIEW, methods=("POST",))
def review(request: PageRequest, response_id: UUID) -> HttpResponse:
    """Fine, or what is to be put right."""
    response = _of(request, response_id)
    actions.review_record(
        response=response, department_id=department_of(response, viewer=request.viewer),
        verdict=request.POST.get("verdict", ""), note=request.POST.get("note", ""),
        code=request.POST.get("code", "other"), severity=request.POST.get("severity", "minor"), at=timezone.now(),
        by=request.viewer,
    )  # fmt: skip
    return HttpResponseRedirect(reverse("supervision:record", args=[response.pk]))
