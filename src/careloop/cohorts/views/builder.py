"""The cohort builder: conditions, the number at once, the members, and keeping the search."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from careloop.audit.record import list_seen
from careloop.cohorts import access, actions
from careloop.cohorts.forms import KeepForm, builder_state, builder_step
from careloop.cohorts.models import Cohort
from careloop.cohorts.reads import choices, listing, members, wording
from careloop.cohorts.reads.exclusions import Purpose, sort_members
from careloop.cohorts.rules.bulk import WORKS
from careloop.cohorts.rules.definition import (
    CLASSES,
    COMPARISONS,
    DEEPEST,
    KINDS,
    MODES,
    PLAN_STATES,
    RISKS,
    SEXES,
    BadDefinition,
    Definition,
    parse,
)
from careloop.kernel.errors import Refused
from careloop.kernel.lookup import get_or_404, id_from
from careloop.kernel.pages import PageRequest, page, render
from careloop.patients.models import Encounter
from careloop.plans.models import CarePlan

PAGE = 50
EMPTY: dict[str, Any] = {"groups": [{"mode": "all", "conditions": []}]}


@page(access.VIEW)
def new(request: PageRequest) -> HttpResponse:
    """An empty builder."""
    return render(request, "cohorts/builder.html", {"state": EMPTY, **_choices(request), **_counted(request, EMPTY)})


@page(access.VIEW)
def change(request: PageRequest, cohort_id: UUID) -> HttpResponse:
    """The builder filled with a cohort's conditions; what comes out is a new search."""
    state = _of(request, cohort_id).definition
    return render(request, "cohorts/builder.html", {"state": state, **_choices(request), **_counted(request, state)})


@page(access.VIEW, methods=("POST",))
def build(request: PageRequest) -> HttpResponse:
    """A condition or block was added, taken away, or that was undone: the builder again, the cursor at what is new."""
    state, before = builder_step(request.POST)
    context = {"state": state, "fresh": _fresh(request.POST.get("do", ""), state)}
    if before:
        context["undo"] = json.dumps(before, ensure_ascii=False)
    return render(request, "cohorts/_builder.html", {**_choices(request), **_counted(request, state), **context})


@page(access.VIEW, methods=("POST",))
def count(request: PageRequest) -> HttpResponse:
    """A value changed: sentences, faults and the number."""
    return render(request, "cohorts/_count.html", _counted(request, builder_state(request.POST)))


@page(access.VIEW, methods=("POST",))
def ask(request: PageRequest) -> HttpResponse:
    """Show who it is: the search gets an address. 422 with the builder when a condition cannot be used."""
    state = builder_state(request.POST)
    try:
        definition = parse(state)
    except BadDefinition:
        context = {"state": state, "told_off": True, **_choices(request), **_counted(request, state)}
        return render(request, "cohorts/builder.html", context, status=422)
    cohort = actions.ask(definition=definition, by=request.viewer)
    return HttpResponseRedirect(reverse("cohorts:cohort", args=[cohort.pk]))


@page(access.VIEW)
def cohort(request: PageRequest, cohort_id: UUID) -> HttpResponse:
    """Sentences, number, members, and what can be done with them."""
    found = _of(request, cohort_id)
    at = timezone.now()
    patients = members.members_of(found, viewer=request.viewer, at=at)
    total = members.count(patients)
    after = id_from(request.GET.get("after", ""))
    ids = members.first(patients.filter(pk__gt=after) if after else patients, PAGE + 1)
    lines = listing.lines(ids[:PAGE], viewer=request.viewer)
    list_seen(what="cohorts.members", ids=[line.id for line in lines], by=request.viewer)
    today = timezone.localtime(at).date()
    here = reverse("cohorts:cohort", args=[found.pk])
    context = {
        "cohort": found,
        "is_mine": found.owner_id == request.viewer.practitioner_id,
        "sentences": wording.sentences(found.conditions()),
        "is_everyone": found.conditions().is_everyone,
        "total": total,
        "limit": settings.ENV.cohort_limit,
        "lines": [(line, line.age(today), wording.sex_words(line.sex)) for line in lines],
        "next_url": f"{here}?{urlencode({'after': str(ids[PAGE - 1])})}" if len(ids) > PAGE else None,
        "first_url": here if after else None,
        "may_start": request.viewer.can(access.START),
        "may_write": request.viewer.can(WORKS["letter"].permission),
        "may_export": request.viewer.can(access.EXPORT),
    }
    return render(request, "cohorts/cohort.html", context)


@page(access.VIEW)
def left_out(request: PageRequest, cohort_id: UUID) -> HttpResponse:
    """Who of it could not be followed up, counted by reason, and for one reason listed."""
    found = _of(request, cohort_id)
    limit = settings.ENV.cohort_limit
    ids = members.first(members.members_of(found, viewer=request.viewer, at=timezone.now()), limit + 1)
    reason = request.GET.get("reason", "")
    context: dict[str, Any] = {"cohort": found, "too_many": len(ids) > limit, "limit": limit, "counts": [], "lines": []}
    if len(ids) <= limit:
        told = sort_members(ids, Purpose())
        context["counts"] = [(code, wording.exclusion_words(code), n) for code, n in told.counts.items()]
        context["included"], context["total"] = len(told.included), told.total
        chosen = [pk for pk, why in told.excluded.items() if why == reason][:PAGE]
        context["lines"] = listing.lines(chosen, viewer=request.viewer) if chosen else []
        if chosen:
            list_seen(what="cohorts.left-out", ids=chosen, by=request.viewer)
    return render(request, "cohorts/_left_out.html", context | {"reason": reason})


@page(access.VIEW, methods=("POST",))
def keep(request: PageRequest, cohort_id: UUID) -> HttpResponse:
    """Keep it under a name, living or frozen."""
    mine = _of(request, cohort_id)
    form = KeepForm(request.POST)
    form.is_valid()
    told = form.cleaned_data
    actions.keep_cohort(
        cohort_id=mine.pk, title=told.get("title", ""), frozen=told.get("frozen", False),
        shared=told.get("shared", False), at=timezone.now(), by=request.viewer,
    )  # fmt: skip
    return HttpResponseRedirect(reverse("cohorts:cohort", args=[mine.pk]))


@page(access.VIEW, methods=("POST",))
def archive(request: PageRequest, cohort_id: UUID) -> HttpResponse:
    """Take it off the list."""
    actions.archive_cohort(cohort_id=_of(request, cohort_id).pk, at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(f"{reverse('cohorts:ways')}?way=topic")


def _fresh(button: str, state: dict[str, Any]) -> str:
    """Where the condition or block stands that this button has just added, as its fields are named."""
    verb, __, rest = button.partition(":")
    where = rest.partition(":")[0]
    if verb == "group":
        return f"g{len(state['groups']) - 1}."
    if verb not in {"add", "block"}:
        return ""
    parts, names = state["groups"], []
    for step in where.split("."):
        if not step.isdecimal() or int(step) >= len(parts) or "conditions" not in parts[int(step)]:
            return ""
        parts = parts[int(step)]["conditions"]
        names.append(step)
    return "g" + ".c".join([*names, str(len(parts) - 1)]) + "."


def _of(request: PageRequest, cohort_id: UUID) -> Cohort:
    return get_or_404(Cohort.objects.of(request.viewer).select_related("owner"), pk=cohort_id)


def _counted(request: PageRequest, state: dict[str, Any]) -> dict[str, Any]:
    """The number, how long it took, the sentences; or what is wrong, by place."""
    told: dict[str, Any] = {
        "faults": {},
        "sentences": [],
        "total": None,
        "ms": None,
        "refused": "",
        "limit": settings.ENV.cohort_limit,
    }
    try:
        definition: Definition = parse(state)
    except BadDefinition as bad:
        return told | {"faults": {fault.place: wording.fault_words(fault.code) for fault in bad.faults}}
    told["sentences"] = wording.sentences(definition)
    begun = time.perf_counter()
    try:
        told["total"] = members.count(members.members(definition, viewer=request.viewer, at=timezone.now()))
    except Refused as refusal:
        told["refused"] = str(refusal)
    return told | {"ms": round((time.perf_counter() - begun) * 1000)}


def _choices(request: PageRequest) -> dict[str, Any]:
    """What the selects offer."""
    return {
        "kinds": [(kind, wording.KIND_WORDS[kind]) for kind in KINDS],
        "modes": MODES,
        "comparisons": [(code, wording.SIGNS[code]) for code in COMPARISONS],
        "concepts": list(wording.CONCEPT_WORDS.items()),
        "sexes": [(code, wording.sex_words(code)) for code in SEXES],
        "risks": [(code, wording.risk_words(code)) for code in RISKS],
        "classes": [(code, dict(Encounter.Class.choices)[code]) for code in CLASSES],
        "plan_states": [(code, dict(CarePlan.Status.choices)[code]) for code in PLAN_STATES],
        "departments": choices.departments(request.viewer),
        "plans": choices.plans(),
        "questions": choices.questions(),
        "tags": choices.tags(request.viewer),
        "deepest": DEEPEST,
        "undo": "",
        "fresh": "",
    }
