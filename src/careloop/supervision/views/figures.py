"""Agreement, and the indicators of integrity."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from careloop.accounts.models import Organization
from careloop.kernel.pages import PageRequest, page, render
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.supervision import access
from careloop.supervision.forms import MonthForm
from careloop.supervision.reads import content, figures
from careloop.supervision.reads.records import Period
from careloop.supervision.views.samples import tabs


@page(access.VIEW)
def agreement(request: PageRequest) -> HttpResponse:
    """Agreement by department, person and question over the last year, with intervals."""
    today = timezone.localdate()
    period = Period(first=today - timedelta(days=365), last=today)
    form = MonthForm(request.GET)
    department = _department(request, form)
    context = {
        "title": _("Agreement of answers"),
        "period": period,
        "groups": figures.agreement(viewer=request.viewer, period=period, department_id=department),
        "tabs": tabs(request, "agreement"),
    }
    return render(request, "supervision/agreement.html", context)


def _department(request: PageRequest, form: MonthForm) -> UUID | None:
    """The chosen department, if it is one of the viewer's; otherwise all of them."""
    chosen: UUID | None = form.cleaned_data.get("department") if form.is_valid() else None
    return chosen if chosen and (request.viewer.hospital_wide or chosen in request.viewer.departments) else None


@page(access.INTEGRITY)
def integrity(request: PageRequest) -> HttpResponse:
    """Each person's month: how many indicators are reasons to look. One indexed query."""
    form = MonthForm(request.GET)
    month, department = form.month_or_this(), _department(request, form)
    departments = Organization.objects.filter(is_active=True).order_by("name", "pk")
    if not request.viewer.hospital_wide:
        departments = departments.filter(pk__in=request.viewer.departments)
    context = {
        "title": _("Integrity indicators"),
        "people": figures.people_of_month(viewer=request.viewer, month=month, department_id=department),
        "departments": list(departments),
        "department": department,
        "measured": content.measured(),
        "caught": figures.caught(),
        "tabs": tabs(request, "integrity"),
        **_months(month),
    }
    return render(request, "supervision/integrity.html", context)


def _months(month: date) -> dict[str, Any]:
    return {"month": month, "before": month - timedelta(days=1), "after": (month + timedelta(days=32)).replace(day=1)}


@page(access.INTEGRITY)
def person(request: PageRequest, practitioner_id: UUID) -> HttpResponse:
    """One person's month with sentences and the records to look at."""
    month = MonthForm(request.GET).month_or_this()
    found = figures.people_of_month(viewer=request.viewer, month=month, practitioner_id=practitioner_id)
    if not found:
        raise Http404
    return _person(request, found, month, reverse("supervision:person", args=[practitioner_id]), "integrity")


@page(access.OWN)
def mine(request: PageRequest) -> HttpResponse:
    """One's own month, exactly as supervisors see it."""
    month = MonthForm(request.GET).month_or_this()
    found = figures.people_of_month(viewer=request.viewer, month=month, practitioner_id=request.viewer.practitioner_id)
    return _person(request, found, month, reverse("supervision:mine"), "mine")


def _person(
    request: PageRequest, found: list[figures.PersonMonth], month: date, address: str, tab: str
) -> HttpResponse:
    wanted = {id_ for one in found for shown in one.firing for id_ in shown.row.evidence}
    evidence = {
        str(row.pk): row
        for row in QuestionnaireResponse.objects.visible_to(request.viewer)
        .select_related("questionnaire", "patient")
        .filter(pk__in=wanted)
    }
    context = {
        "title": _("My indicators") if tab == "mine" else _("Integrity indicators"),
        "people": found,
        "evidence": evidence,
        "address": address,
        "measured": content.measured(),
        "caught": figures.caught(),
        "tabs": tabs(request, tab),
        **_months(month),
    }
    return render(request, "supervision/person.html", context)
