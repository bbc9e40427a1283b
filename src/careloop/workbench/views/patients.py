"""Finding patients: the list with its filters, and the search in the top bar."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone

from careloop.accounts.models import Organization
from careloop.audit.record import list_seen
from careloop.kernel.pages import PageRequest, page, render
from careloop.kernel.viewer import Viewer
from careloop.patients import access, reads
from careloop.patients.models import Risk
from careloop.workbench.forms.patient import DAYS, ListForm
from careloop.workbench.reads.call_backs import CallBack, call_backs
from careloop.workbench.reads.people import age

OMNI_LIMIT = 8


@page(access.VIEW)
def patients(request: PageRequest) -> HttpResponse:
    """With a query: who fits it. Without: the last discharges of the viewer's departments, narrowed by filters."""
    form = ListForm(request.GET)
    wanted, at = form.wanted(), timezone.now()
    query = form.cleaned_data.get("q", "")
    next_url = ""
    if query:
        hits = reads.search_patients(query, viewer=request.viewer, limit=50)
    else:
        found = reads.discharged_page(wanted, viewer=request.viewer, at=at, after=form.after_key())
        hits = found.hits
        if found.next_key is not None:
            kept = {k: v for k, v in request.GET.items() if k in form.fields and k != "after" and v}
            next_url = "?" + urlencode(kept | {"after": f"{found.next_key[0].isoformat()}_{found.next_key[1]}"})
    list_seen(what="patients.list", ids=[hit.id for hit in hits], by=request.viewer)
    context: dict[str, Any] = {
        "query": query,
        "wanted": wanted,
        "rows": _rows(hits),
        "next_url": next_url,
        "departments": _departments(request.viewer),
        "risks": Risk.choices,
        "days": DAYS,
        "narrowed": any((query, wanted.department_id, wanted.risk, wanted.diagnosis, wanted.days)),
    }
    template = "workbench/_patients_rows.html" if request.headers.get("HX-Request") else "workbench/patients.html"
    return render(request, template, context)


def _rows(hits: list[reads.Hit]) -> list[tuple[reads.Hit, int | None]]:
    today = timezone.localdate()
    return [(hit, age(hit.birth_date, on=today)) for hit in hits]


def _departments(viewer: Viewer) -> list[Organization]:
    rows = Organization.objects.filter(
        is_active=True, kind__in=(Organization.Kind.DEPARTMENT, Organization.Kind.CLINIC)
    )
    if not viewer.hospital_wide:
        rows = rows.filter(pk__in=viewer.departments)
    return list(rows.order_by("name", "pk")[:200])


@page(access.VIEW)
def omni_search(request: PageRequest) -> HttpResponse:
    """Lines under the search field of the top bar; who was called in vain lately can be taken up at once (C04)."""
    query = request.GET.get("q", "")[:60].strip()
    hits = reads.search_patients(query, viewer=request.viewer, limit=OMNI_LIMIT) if query else []
    if hits:
        list_seen(what="patients.search", ids=[hit.id for hit in hits], by=request.viewer)
    expected: dict[UUID, CallBack] = {}
    if hits and request.viewer.can("tasks.work"):
        expected = call_backs([hit.id for hit in hits], viewer=request.viewer, at=timezone.now())
    context = {"query": query, "rows": _rows(hits), "call_backs": expected}
    return render(request, "workbench/_omni_results.html", context)
