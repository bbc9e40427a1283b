"""Plans in use, one version, one patient's plans, and why a discharge is in a plan or in none."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from uuid import UUID

from django.forms import Form
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from careloop.audit.record import list_seen, seen
from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, page, render
from careloop.patients import access as patients_access
from careloop.patients.models import Patient
from careloop.patients.reads.finding import find_or_404
from careloop.plans import access, actions
from careloop.plans.forms import (
    OWNERS,
    REASONS,
    TARGETS,
    EndForm,
    MoveForm,
    OwnerForm,
    StartForm,
    TargetForm,
    VisitForm,
)
from careloop.plans.models import CarePlan, PlanDefinition, VersionAdoption
from careloop.plans.reads import adopting, drafts, pages, wording
from careloop.plans.rules.adoption import undo_until

PAGE = 50
COUNTED = timedelta(days=90)  # decisions in the numbers beside the choices; the list itself goes back to the first


@page(access.VIEW)
def definitions(request: PageRequest) -> HttpResponse:
    """All plans with their versions in use, rules in words, sources and numbers."""
    rows = pages.list_rows(request.viewer, language=_language())
    context = {
        "title": _("Follow-up plans"),
        "in_force": [row for row in rows if row.definition.enrols],
        "others": [row for row in rows if not row.definition.enrols],
        "drafts": drafts.open_drafts(),
        "excluded": wording.exclusion_words(),
    }
    return render(request, "plans/list.html", context)


@page(access.VIEW)
def definition(request: PageRequest, definition_id: UUID) -> HttpResponse:
    """One version: steps, time line, rule, ends, sources, and the reconciliation of its numbers."""
    found = get_or_404(PlanDefinition.objects.all(), pk=definition_id)
    return render(request, "plans/definition.html", _definition_context(request, found))


@page(access.PUBLISH, methods=("POST",))
def switch_enrolment(request: PageRequest, definition_id: UUID) -> HttpResponse:
    """Let discharges enter by rule, or no longer."""
    found = get_or_404(PlanDefinition.objects.all(), pk=definition_id)
    actions.switch_enrolment(definition=found, enrols=request.POST.get("enrols") == "1", by=request.viewer)
    return HttpResponseRedirect(reverse("plans:definition", args=[found.pk]))


@page(patients_access.VIEW)
def decisions(request: PageRequest) -> HttpResponse:
    """Why is this discharge in a plan, or in none?"""
    outcome, patient_id = request.GET.get("outcome", ""), _uuid(request.GET.get("patient", ""))
    rows = pages.decision_rows(
        request.viewer, language=_language(), outcome=outcome, patient_id=patient_id, before=_before(request),
        limit=PAGE + 1,
    )  # fmt: skip
    shown = rows[:PAGE]
    list_seen(what="plans.decisions", ids=[row.decision.pk for row in shown], by=request.viewer)
    numbers = pages.decision_numbers(request.viewer, since=timezone.now() - COUNTED)
    context = {
        "title": _("Enrolment decisions"),
        "rows": shown,
        "chips": [
            (code, wording.outcome_words(code), count)
            for code, count in sorted(numbers.items(), key=lambda item: (item[0] != "enrolled", -item[1]))
        ],
        "total": sum(numbers.values()),
        "counted": COUNTED.days,
        "outcome": outcome,
        "older": _older(request, shown) if len(rows) > PAGE else None,
    }
    return render(request, "plans/decisions.html", context)


@page(patients_access.VIEW)
def patient_card(request: PageRequest, patient_id: UUID) -> HttpResponse:
    """The plan card of the patient's record, as picture 03 shows it."""
    patient = _patient(request, patient_id)
    seen(patient_id=patient.pk, what="plans.patient_card", by=request.viewer)
    return _card(request, patient)


@page(access.PERSONALISE, methods=("POST",))
def start(request: PageRequest, patient_id: UUID) -> HttpResponse:
    """Start a plan by hand for the latest discharge."""
    patient = _patient(request, patient_id)
    form = StartForm(request.POST)
    stay = pages.latest_stay(patient, request.viewer)
    if not form.is_valid() or stay is None:
        return _card(request, patient, status=422)
    actions.start_care_plan(
        encounter=stay, definition=form.cleaned_data["definition"], at=timezone.now(), by=request.viewer
    )
    return _card(request, patient, told=_("Plan started"))


@page(access.PERSONALISE, methods=("POST",))
def add_visit(request: PageRequest, care_plan_id: UUID) -> HttpResponse:
    """Add a visit for this patient."""
    plan, form = _plan(request, care_plan_id), VisitForm(request.POST)
    if not form.is_valid():
        return _card(request, plan.patient, form=form, status=422)
    given = form.cleaned_data
    change = actions.add_visit(
        care_plan=plan, title=given["title"], day=given["day"], at=timezone.now(), by=request.viewer
    )
    return _card(request, plan.patient, told=_("Visit added"), undo=reverse("plans:undo", args=[plan.pk, change]))


@page(access.PERSONALISE, methods=("POST",))
def set_owner(request: PageRequest, care_plan_id: UUID) -> HttpResponse:
    """Say who does the contacts from now on."""
    plan, form = _plan(request, care_plan_id), OwnerForm(request.POST)
    if not form.is_valid():
        return _card(request, plan.patient, form=form, status=422)
    chosen = form.cleaned_data["owner"]
    is_me = chosen == OwnerForm.MYSELF
    change = actions.set_owner(
        care_plan=plan,
        rule="attending-doctor" if is_me else chosen,
        practitioner_id=request.viewer.practitioner_id if is_me else None,
        at=timezone.now(),
        by=request.viewer,
    )
    return _card(request, plan.patient, told=_("Handed over"), undo=reverse("plans:undo", args=[plan.pk, change]))


@page(access.PERSONALISE, methods=("POST",))
def set_target(request: PageRequest, care_plan_id: UUID) -> HttpResponse:
    """Set a target for this patient."""
    plan, form = _plan(request, care_plan_id), TargetForm(request.POST)
    if not form.is_valid():
        return _card(request, plan.patient, form=form, status=422)
    change = actions.set_target(care_plan=plan, **form.cleaned_data, at=timezone.now(), by=request.viewer)
    return _card(request, plan.patient, told=_("Target set"), undo=reverse("plans:undo", args=[plan.pk, change]))


@page(access.PERSONALISE, methods=("POST",))
def move(request: PageRequest, care_plan_id: UUID, step: str) -> HttpResponse:
    """Move an open step to another day."""
    plan, form = _plan(request, care_plan_id), MoveForm(request.POST)
    if not form.is_valid():
        return _card(request, plan.patient, form=form, status=422)
    change = actions.move_occurrence(
        care_plan=plan, step=step, day=form.cleaned_data["day"], at=timezone.now(), by=request.viewer
    )
    return _card(request, plan.patient, told=_("Date changed"), undo=reverse("plans:undo", args=[plan.pk, change]))


@page(access.PERSONALISE, methods=("POST",))
def tick_off(request: PageRequest, care_plan_id: UUID, step: str) -> HttpResponse:
    """Leave a step out for this patient."""
    plan = _plan(request, care_plan_id)
    change = actions.tick_off_step(care_plan=plan, step=step, at=timezone.now(), by=request.viewer)
    return _card(request, plan.patient, told=_("Step left out"), undo=reverse("plans:undo", args=[plan.pk, change]))


@page(access.PERSONALISE, methods=("POST",))
def restore(request: PageRequest, care_plan_id: UUID, step: str) -> HttpResponse:
    """Take a step in again."""
    plan = _plan(request, care_plan_id)
    actions.restore_step(care_plan=plan, step=step, at=timezone.now(), by=request.viewer)
    return _card(request, plan.patient, told=_("Step is planned again"))


@page(access.PERSONALISE, methods=("POST",))
def undo(request: PageRequest, care_plan_id: UUID, change_id: str) -> HttpResponse:
    """Take one change back."""
    plan = _plan(request, care_plan_id)
    actions.undo_change(care_plan=plan, change_id=change_id, at=timezone.now(), by=request.viewer)
    return _card(request, plan.patient, told=_("Change undone"), is_undone=True)


@page(access.PERSONALISE, methods=("POST",))
def end(request: PageRequest, care_plan_id: UUID) -> HttpResponse:
    """End a plan with a reason."""
    plan, form = _plan(request, care_plan_id), EndForm(request.POST)
    if not form.is_valid():
        return _card(request, plan.patient, form=form, status=422)
    actions.end_care_plan(care_plan=plan, reason=form.cleaned_data["reason"], at=timezone.now(), by=request.viewer)
    return _card(request, plan.patient, told=_("Plan ended"))


@page(access.PERSONALISE, methods=("GET", "POST"))
def adopt(request: PageRequest, care_plan_id: UUID, definition_id: UUID) -> HttpResponse:
    """Show what another version would change (GET), and take it over (POST)."""
    plan = _plan(request, care_plan_id)
    newer = get_or_404(PlanDefinition.objects.active().filter(url=plan.definition_url), pk=definition_id)
    if request.method == "POST":
        adoption = actions.adopt_version(care_plan=plan, definition=newer, at=timezone.now(), by=request.viewer)
        back = reverse("plans:undo-adopt", args=[adoption.pk])
        return _card(request, plan.patient, told=_("New version taken over"), undo=back)
    diff = pages.adoption(plan, newer, at=timezone.now())
    titles = {s.code: s.title.in_language(_language()) for d in (plan.definition, newer) for s in d.plan().steps}
    return render(request, "plans/_adopt.html", {"plan": plan, "newer": newer, "diff": diff, "titles": titles})


@page(access.PERSONALISE, methods=("POST",))
def undo_adopt(request: PageRequest, adoption_id: UUID) -> HttpResponse:
    """Take the adoption of a version back for one patient."""
    adoptions = VersionAdoption.objects.visible_to(request.viewer).select_related("patient")
    found = get_or_404(adoptions, pk=adoption_id)
    actions.undo_adoption(adoption=found, at=timezone.now(), by=request.viewer)
    return _card(request, found.patient, told=_("The version before is back"), is_undone=True)


def _card(
    request: PageRequest,
    patient: Patient,
    *,
    form: Form | None = None,
    told: str = "",
    undo: str = "",
    is_undone: bool = False,
    status: int = 200,
) -> HttpResponse:
    at, may = timezone.now(), request.viewer.can(access.PERSONALISE)
    sheet = pages.patient_sheet(patient, request.viewer, at=at, language=_language())
    context = {
        "patient": patient,
        "adopted": adopting.latest(request.viewer, sheet.adopted, at=at) if sheet.adopted else {},
        "undo_until": undo_until,
        "running": [card for card in sheet.cards if card.plan.ended_at is None],
        "past": [card for card in sheet.cards if card.plan.ended_at is not None],
        "errors": [error for errors in form.errors.values() for error in errors] if form else [],
        "owners": OWNERS.said().items(),
        "targets": TARGETS.said().items(),
        "reasons": REASONS.said().items(),
        "stay": sheet.stay if may else None,
        "choices": [(choice.pk, pages.title_of(choice, _language())) for choice in sheet.choices] if may else [],
    }
    response = render(request, "plans/_patient_card.html", context, status=status)
    if told:
        events: dict[str, object] = {"toast": {"text": told, "undo": undo} if undo else {"text": told}}
        if is_undone:  # the toast's button swaps nothing: the card fetches itself
            events["plan-changed"] = str(patient.pk)
        response["HX-Trigger"] = json.dumps(events)
    return response


def _definition_context(request: PageRequest, found: PlanDefinition) -> dict[str, object]:
    content, language, now = found.plan(), _language(), timezone.now()
    versions = PlanDefinition.objects.filter(url=found.url).order_by("-published_at", "pk")
    return {
        "title": pages.title_of(found, language),
        "found": found,
        "content": content,
        "description": content.description.in_language(language),
        "category": wording.category_words(found.category),
        "rule": wording.rule_words(content.enrolment),
        "excluded": wording.exclusion_words(),
        "ends": wording.ends_words(content.ends),
        "steps": pages.step_rows(content, language=language),
        "nodes": pages.example_nodes(content, discharged_on=timezone.localdate(), language=language),
        "versions": list(versions),
        "sums": pages.sums(found.url, request.viewer, at=now),
        "checked": wording.source_words(content),
        "status_words": wording.status_words,
        "older": drafts.plans_in_older_versions(found, request.viewer),
        "taken_lately": adopting.is_taken_lately(request.viewer, found, at=now),
    }


def _patient(request: PageRequest, patient_id: UUID) -> Patient:
    return find_or_404(patient_id, viewer=request.viewer)


def _plan(request: PageRequest, care_plan_id: UUID) -> CarePlan:
    plans = CarePlan.objects.visible_to(request.viewer).select_related("patient", "definition", "encounter")
    return get_or_404(plans, pk=care_plan_id)


def _language() -> str:
    return get_language() or "zh-hans"


def _uuid(text: str) -> UUID | None:
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None


def _before(request: PageRequest) -> tuple[datetime, UUID] | None:
    at, last = parse_datetime(request.GET.get("before", "")), _uuid(request.GET.get("id", ""))
    return (at, last) if at and last else None


def _older(request: PageRequest, rows: list[pages.DecisionRow]) -> str:
    last = rows[-1].decision
    query = {"outcome": request.GET.get("outcome", ""), "before": last.decided_at.isoformat(), "id": str(last.pk)}
    return f"{reverse('plans:decisions')}?{urlencode(query)}"
