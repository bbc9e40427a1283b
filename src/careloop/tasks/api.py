"""The due list as JSON, for other programs of the hospital: the same statement, the same scope as the page."""

from __future__ import annotations

from uuid import UUID

import orjson
from django.http import HttpResponse
from django.utils import timezone

from careloop.audit.record import list_seen
from careloop.kernel.pages import PageRequest, page
from careloop.tasks import access, reads

LARGEST_PAGE = 100


@page(access.VIEW)
def due(request: PageRequest) -> HttpResponse:
    """`?tab=todo&department=<id>&limit=50&offset=0` → {"counts": {…}, "tasks": […], "more": bool}. 400: not understood."""
    query = _query(request)
    if query is None:
        return HttpResponse(b'{"error":"bad-query"}', status=400, content_type="application/json")
    found = reads.work_list(query, viewer=request.viewer, at=timezone.now())
    list_seen(what="api.tasks.due", ids=[row.patient_id for row in found.rows], by=request.viewer)
    body = {"counts": found.counts, "tasks": [row._asdict() for row in found.rows], "more": found.more}
    return HttpResponse(orjson.dumps(body), content_type="application/json")


def _is_number(text: str) -> bool:
    """Digits, and few enough to be read as a number (`²` is a digit to Python, and 5,000 of them are an error)."""
    return text.isascii() and text.isdigit() and len(text) < 10


def _query(request: PageRequest) -> reads.ListQuery | None:
    tab, department = request.GET.get("tab", "todo"), request.GET.get("department", "")
    limit, offset = request.GET.get("limit", "50"), request.GET.get("offset", "0")
    if tab not in reads.TABS or not (_is_number(limit) and _is_number(offset)):
        return None
    try:
        where = UUID(department) if department else None
    except ValueError:
        return None
    return reads.ListQuery(
        tab=tab, department_id=where, limit=min(int(limit) or 1, LARGEST_PAGE), offset=min(int(offset), 100_000)
    )
