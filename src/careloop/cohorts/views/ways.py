"""Four ways into follow-up on one page (J11–J14): what is due, by name, by diagnosis, by special topic."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from careloop.audit.record import list_seen
from careloop.cohorts import access, actions
from careloop.cohorts.forms import QuickForm
from careloop.cohorts.models import Cohort, Topic
from careloop.cohorts.reads import choices, topics, wording
from careloop.cohorts.rules.definition import BadDefinition, parse
from careloop.kernel.pages import PageRequest, page, render
from careloop.patients.reads import PatientFilter, discharged_page, search_patients
from careloop.tasks.reads import TABS, ListQuery, work_list

WAYS = ("due", "name", "diagnosis", "topic")
SHOWN = 50


@page(access.VIEW)
def ways(request: PageRequest) -> HttpResponse:
    """The tab asked for; else the due list, and the special topics for whoever does not call."""
    first = "due" if request.viewer.can("tasks.work") else "topic"
    way = request.GET.get("way", first)
    way = way if way in WAYS else first
    context = {"way": way, "tabs": _tabs(way), **_WAYS[way](request)}
    return render(request, "cohorts/ways.html", context)


@page(access.VIEW, methods=("POST",))
def by_diagnosis(request: PageRequest) -> HttpResponse:
    """Diagnosis or operation codes become a search with an address of its own; 422 when the codes cannot be read."""
    form = QuickForm(request.POST)
    raw = form.raw()
    try:
        if raw is None:
            raise BadDefinition([])
        definition = parse(raw)
    except BadDefinition as bad:
        faults = [wording.fault_words(fault.code) for fault in bad.faults] or [wording.fault_words("empty")]
        context = {
            "way": "diagnosis",
            "tabs": _tabs("diagnosis"),
            **_diagnosis(request),
            "faults": faults,
            "sent": request.POST,
        }
        return render(request, "cohorts/ways.html", context, status=422)
    cohort = actions.ask(definition=definition, by=request.viewer)
    return HttpResponseRedirect(reverse("cohorts:cohort", args=[cohort.pk]))


def _tabs(active: str) -> list[dict[str, Any]]:
    labels = {
        "due": _("Due"), "name": _("By name"), "diagnosis": _("By diagnosis or operation"), "topic": _("By special topic"),
    }  # fmt: skip
    address = reverse("cohorts:ways")
    return [{"url": f"{address}?way={way}", "label": labels[way], "active": way == active} for way in WAYS]


def _due(request: PageRequest) -> dict[str, Any]:
    """How much is due, and the first of it; the list itself is worked through on its own page."""
    if not request.viewer.can("tasks.work"):
        return {"counts": None, "rows": []}
    found = work_list(ListQuery(limit=10), viewer=request.viewer, at=timezone.now())
    list_seen(what="cohorts.due", ids=[row.patient_id for row in found.rows], by=request.viewer)
    return {"counts": [(tab, found.counts.of(tab)) for tab in TABS], "rows": found.rows}


def _name(request: PageRequest) -> dict[str, Any]:
    """My patients, the last discharges first; with a query whoever fits it."""
    query = request.GET.get("q", "")[:60].strip()
    if query:
        hits = search_patients(query, viewer=request.viewer, limit=SHOWN)
    else:
        hits = discharged_page(PatientFilter(), viewer=request.viewer, at=timezone.now(), limit=SHOWN).hits
    list_seen(what="cohorts.by-name", ids=[hit.id for hit in hits], by=request.viewer)
    return {"query": query, "hits": hits}


def _diagnosis(request: PageRequest) -> dict[str, Any]:
    return {"departments": choices.departments(request.viewer), "faults": [], "sent": {}}


def _topic(request: PageRequest) -> dict[str, Any]:
    running = list(Topic.objects.of(request.viewer).order_by("state", "deadline", "-pk")[:SHOWN])
    kept = Cohort.objects.of(request.viewer).kept().select_related("owner").order_by("title", "pk")[:SHOWN]
    recent = Cohort.objects.filter(owner_id=request.viewer.practitioner_id, kind=Cohort.Kind.QUERY)
    return {
        "topics": [(one, topics.progress(one, viewer=request.viewer)) for one in running],
        "kept": [(one, wording.summary(one.conditions())) for one in kept],
        "recent": [(one, wording.summary(one.conditions())) for one in recent.order_by("-pk")[:5]],
    }


_WAYS = {"due": _due, "name": _name, "diagnosis": _diagnosis, "topic": _topic}
