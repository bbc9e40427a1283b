"""今日出院: the list, the drawer of one discharge, and each small change in it. Changes take effect at once and can be undone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import segno
from django.conf import settings
from django.forms import Form
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from careloop.audit.record import list_seen, seen
from careloop.kernel.choices import choices_of
from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, page, render
from careloop.kernel.viewer import Viewer
from careloop.messaging import access as messaging_access
from careloop.messaging.models import Communication
from careloop.messaging.reads.texts import link_address
from careloop.patients import access as patients_access
from careloop.patients import actions as patients_actions
from careloop.patients.models import ContactPoint, Encounter, RelatedPerson
from careloop.plans import access as plans_access
from careloop.plans import actions as plans_actions
from careloop.plans.models import CarePlan, PlanDefinition
from careloop.workbench import actions
from careloop.workbench.forms import discharges as forms
from careloop.workbench.forms.patient import NumberForm, RelativeForm
from careloop.workbench.models import DischargeReview
from careloop.workbench.reads import discharges as reads
from careloop.workbench.reads.goals import kinds
from careloop.workbench.reads.people import medicines
from careloop.workbench.reads.relations import RELATIONS
from careloop.workbench.rules import GoalError, parse_goal


@page(patients_access.VIEW)
def discharges(request: PageRequest) -> HttpResponse:
    """The page: list on the left, the drawer of `open` on the right."""
    context = _list(request)
    form = forms.ListForm(request.GET)
    form.is_valid()
    opened = form.cleaned_data.get("open")
    if opened:
        encounter = _encounter(request, opened)
        seen(patient_id=encounter.patient_id, what="discharge", by=request.viewer)
        context |= _drawer(request, encounter)
    return render(request, "workbench/discharges.html", context)


@page(patients_access.VIEW)
def rows(request: PageRequest) -> HttpResponse:
    """The list alone, after a decision."""
    return render(request, "workbench/_discharges.html", _list(request))


@page(patients_access.VIEW)
def drawer(request: PageRequest, encounter_id: UUID) -> HttpResponse:
    """One discharge: the suggested plan with its reason, and what may be changed."""
    encounter = _encounter(request, encounter_id)
    seen(patient_id=encounter.patient_id, what="discharge", by=request.viewer)
    return render(request, "workbench/_discharge_drawer.html", _drawer(request, encounter))


@dataclass(frozen=True)
class Asked:
    """One change that somebody asks for in the drawer: of which discharge, with what input, when."""

    request: PageRequest
    encounter: Encounter
    given: Mapping[str, Any]
    at: datetime

    @property
    def by(self) -> Viewer:
        """Who asks."""
        return self.request.viewer


@dataclass(frozen=True)
class AskedOfPlan(Asked):
    """A change of one plan of the discharge."""

    plan: CarePlan


def reads_form(form_class: type[Form]) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """For the views below: find the discharge and its plan, then say what is wrong with the input (422) or go on."""

    def around(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def found(
            request: PageRequest, encounter_id: UUID, care_plan_id: UUID | None = None, **names: Any
        ) -> HttpResponse:
            encounter, form = _encounter(request, encounter_id), form_class(request.POST)
            plan = _plan(request, encounter, care_plan_id) if care_plan_id else None
            if not form.is_valid():
                return _again(request, encounter, form=form)
            told = (request, encounter, form.cleaned_data, timezone.now())
            return view(AskedOfPlan(*told, plan) if plan else Asked(*told), **names)

        return found

    return around


@page(plans_access.PERSONALISE, methods=("POST",))
@reads_form(forms.ConfirmForm)
def confirm(asked: Asked) -> HttpResponse:
    """The second click: the plan is right. A patient without one gets the chosen one."""
    review = actions.confirm_discharge(
        encounter=asked.encounter, definition=asked.given["definition"], at=asked.at, by=asked.by
    )
    return _decided(asked.encounter, review, _("%(name)s: plan confirmed"))


@page(plans_access.PERSONALISE, methods=("POST",))
@reads_form(forms.DeclineForm)
def decline(asked: Asked) -> HttpResponse:
    """No follow-up, with a reason."""
    review = actions.decline_discharge(
        encounter=asked.encounter, reason=asked.given["reason"], at=asked.at, by=asked.by
    )
    return _decided(asked.encounter, review, _("%(name)s: no follow-up"))


@page(plans_access.PERSONALISE, methods=("POST",))
def undo(request: PageRequest, review_id: UUID) -> HttpResponse:
    """Take a decision back; the discharge waits again and its drawer opens."""
    review = get_or_404(DischargeReview.objects.visible_to(request.viewer), pk=review_id)
    actions.undo_review(review=review, at=timezone.now(), by=request.viewer)
    events = {"discharges": {"open": str(review.encounter_id)}, "toast": {"text": _("Taken back.")}}
    return HttpResponse(status=204, headers={"HX-Trigger": json.dumps(events)})


@page(plans_access.PERSONALISE, methods=("POST",))
def choose(request: PageRequest, encounter_id: UUID, definition_id: UUID) -> HttpResponse:
    """Another plan for this patient, in place of `instead_of` or beside nothing."""
    encounter = _encounter(request, encounter_id)
    definition = get_or_404(PlanDefinition.objects.active(), pk=definition_id)
    plans = CarePlan.objects.visible_to(request.viewer).running().filter(encounter=encounter)
    instead = plans.order_by("started_at", "pk").select_related("definition").first()
    plans_actions.choose_plan(
        encounter=encounter, definition=definition, instead_of=instead, at=timezone.now(), by=request.viewer
    )
    back = reverse("workbench:discharge-plan", args=[encounter.pk, instead.definition_id]) if instead else ""
    return _again(request, encounter, told=_("Plan changed"), undo_url=back)


@page(plans_access.PERSONALISE, methods=("POST",))
@reads_form(forms.TickForm)
def tick(asked: AskedOfPlan, step: str) -> HttpResponse:
    """Tick or untick one step."""
    if asked.given["on"]:
        plans_actions.restore_step(care_plan=asked.plan, step=step, at=asked.at, by=asked.by)
        return _again(asked.request, asked.encounter, told=_("Step is planned again"))
    change = plans_actions.tick_off_step(care_plan=asked.plan, step=step, at=asked.at, by=asked.by)
    return _changed(asked, change, _("Step left out"))


@page(plans_access.PERSONALISE, methods=("POST",))
@reads_form(forms.MoveForm)
def move(asked: AskedOfPlan, step: str) -> HttpResponse:
    """The open contact of a step on another day."""
    change = plans_actions.move_occurrence(
        care_plan=asked.plan, step=step, day=asked.given["day"], at=asked.at, by=asked.by
    )
    return _changed(asked, change, _("Date changed"))


@page(plans_access.PERSONALISE, methods=("POST",))
@reads_form(forms.VisitForm)
def visit(asked: AskedOfPlan) -> HttpResponse:
    """One more contact for this patient."""
    given = asked.given
    change = plans_actions.add_visit(
        care_plan=asked.plan, title=given["title"], day=timezone.localdate(asked.at) + timedelta(days=given["days"]),
        channel=given["channel"], at=asked.at, by=asked.by,
    )  # fmt: skip
    return _changed(asked, change, _("Visit added"))


@page(plans_access.PERSONALISE, methods=("POST",))
@reads_form(forms.OwnerChoice)
def owner(asked: AskedOfPlan) -> HttpResponse:
    """Who does the contacts from now on."""
    is_me = asked.given["owner"] == forms.OwnerChoice.MYSELF
    change = plans_actions.set_owner(
        care_plan=asked.plan, rule="attending-doctor" if is_me else asked.given["owner"],
        practitioner_id=asked.by.practitioner_id if is_me else None, at=asked.at, by=asked.by,
    )  # fmt: skip
    return _changed(asked, change, _("Handed over"))


@page(plans_access.PERSONALISE, methods=("POST",))
@reads_form(forms.GoalForm)
def goal(asked: AskedOfPlan) -> HttpResponse:
    """A personal goal. What cannot be meant is refused with words and stays in the field."""
    try:
        told = parse_goal(kinds(), asked.given["name"], asked.given["value"])
    except GoalError as error:
        return _again(asked.request, asked.encounter, error=GOAL_FAULTS[error.code]())
    change = plans_actions.set_target(
        care_plan=asked.plan, name=told.code, value=told.written(), at=asked.at, by=asked.by
    )
    return _changed(asked, change, _("Target set"))


GOAL_FAULTS: dict[str, Callable[[], str]] = {
    "unknown-goal": lambda: _("There is no such goal."),
    "wrong-shape": lambda: _("Write the goal as a number; blood pressure as 130/80."),
    "wrong-unit": lambda: _("This unit does not belong to this goal."),
    "out-of-range": lambda: _("This goal is outside what a person can have. Check the digits."),
    "wrong-order": lambda: _("The lower value must be below the upper one, as in 130/80."),
}


@page(patients_access.EDIT_CONTACT, methods=("POST",))
def relative(request: PageRequest, encounter_id: UUID, related_id: UUID) -> HttpResponse:
    """Whom to tell: a relative who knows the condition and may answer, or who gets the reminders."""
    encounter = _encounter(request, encounter_id)
    row = get_or_404(RelatedPerson.objects.visible_to(request.viewer), pk=related_id, patient_id=encounter.patient_id)
    patients_actions.set_related_person(
        patient=encounter.patient, related_person_id=row.pk, name=row.name, relation=row.relation,
        may_answer=bool(request.POST.get("may_answer")), may_receive=bool(request.POST.get("may_receive")),
        by=request.viewer,
    )  # fmt: skip
    return _again(request, encounter, told=_("%(name)s: saved") % {"name": row.name})


@page(patients_access.EDIT_CONTACT, methods=("POST",))
def add_relative(request: PageRequest, encounter_id: UUID) -> HttpResponse:
    """A relative the patient names at the bedside."""
    encounter, form = _encounter(request, encounter_id), RelativeForm(request.POST)
    if not form.is_valid():
        return _again(request, encounter, error=_("Write the name of the relative."))
    patients_actions.set_related_person(patient=encounter.patient, by=request.viewer, **form.cleaned_data)
    return _again(request, encounter, told=_("%(name)s: saved") % {"name": form.cleaned_data["name"]})


@page(patients_access.EDIT_CONTACT, methods=("POST",))
def knowledge(request: PageRequest, encounter_id: UUID, contact_id: UUID) -> HttpResponse:
    """Whether whoever answers this number knows the diagnosis."""
    encounter = _encounter(request, encounter_id)
    known = {"yes": True, "no": False}.get(request.POST.get("knows", ""))
    patients_actions.note_knowledge(
        contact_point=_point(request, encounter, contact_id), knows_condition=known, by=request.viewer
    )
    return _numbers(request, encounter)


@page(patients_access.VIEW)
def numbers(request: PageRequest, encounter_id: UUID) -> HttpResponse:
    """The numbers alone: asked again while a test message is on its way or a QR code is shown."""
    return _numbers(request, _encounter(request, encounter_id))


@page(patients_access.EDIT_CONTACT, methods=("POST",))
def add_number(request: PageRequest, encounter_id: UUID) -> HttpResponse:
    """The number the patient says now, at the bedside."""
    encounter, form = _encounter(request, encounter_id), NumberForm(request.POST)
    if not form.is_valid():
        raise patients_actions.NotANumber
    patients_actions.add_contact_point(
        patient=encounter.patient, number=form.cleaned_data["number"], owner_note=form.cleaned_data["owner"],
        source="discharge", at=timezone.now(), by=request.viewer,
    )  # fmt: skip
    return _numbers(request, encounter)


@page(messaging_access.SEND, methods=("POST",))
def test_number(request: PageRequest, encounter_id: UUID, contact_id: UUID) -> HttpResponse:
    """A message with a code to this number; the patient reads the code out (B07)."""
    encounter = _encounter(request, encounter_id)
    actions.send_number_check(
        contact_point=_point(request, encounter, contact_id), at=timezone.now(), by=request.viewer
    )
    return _numbers(request, encounter)


@page(patients_access.EDIT_CONTACT, methods=("POST",))
def check_code(request: PageRequest, encounter_id: UUID, contact_id: UUID) -> HttpResponse:
    """The code as the patient read it out."""
    encounter, form = _encounter(request, encounter_id), forms.CodeForm(request.POST)
    point = _point(request, encounter, contact_id)
    if not form.is_valid():
        raise actions.CodeWrong
    actions.confirm_number(
        contact_point=point, communication_id=form.cleaned_data["communication"], typed=form.cleaned_data["code"],
        at=timezone.now(), by=request.viewer,
    )  # fmt: skip
    return _numbers(request, encounter)


@page(patients_access.EDIT_CONTACT, methods=("POST",))
def qr(request: PageRequest, encounter_id: UUID) -> HttpResponse:
    """A QR code: the patient scans it and types the last digits of the own number; the right ones prove the number."""
    encounter, at = _encounter(request, encounter_id), timezone.now()
    link = patients_actions.issue_link(
        patient_id=encounter.patient_id, purpose="verify", task_id=None, expires_at=at + forms.LINK_LASTS,
        by=request.viewer,
    )  # fmt: skip
    picture = segno.make(link_address(link.pk), error="m").svg_inline(scale=4, border=2)
    return _numbers(request, encounter, qr=picture)


@page(messaging_access.SEND, methods=("POST",))
def send(request: PageRequest, encounter_id: UUID) -> HttpResponse:
    """The plan to the patient's phone, as a link."""
    encounter = _encounter(request, encounter_id)
    sent = actions.send_plan(encounter=encounter, at=timezone.now(), by=request.viewer)
    if sent.state == Communication.State.SUPPRESSED:
        return _again(request, encounter, error=_("Nothing was sent: no number may be written to. Print the plan."))
    return _again(request, encounter, told=_("The plan is on its way to the patient"))


@page(patients_access.VIEW)
def plan_print(request: PageRequest, encounter_id: UUID) -> HttpResponse:
    """The patient's own plan on paper."""
    encounter = _encounter(request, encounter_id)
    seen(patient_id=encounter.patient_id, what="discharge.plan", by=request.viewer)
    context = reads.print_view(encounter, viewer=request.viewer, at=timezone.now())
    context |= {
        "encounter": encounter,
        "medicines": [m for m in medicines(encounter.patient_id, viewer=request.viewer) if m.status == "active"],
        "phone": settings.ENV.hospital_phone,
    }
    return render(request, "workbench/discharge_plan_print.html", context)


def _encounter(request: PageRequest, encounter_id: UUID) -> Encounter:
    rows = Encounter.objects.visible_to(request.viewer).filter(status=Encounter.Status.FINISHED)
    return get_or_404(rows.select_related("patient", "department", "attending", "nurse"), pk=encounter_id)


def _plan(request: PageRequest, encounter: Encounter, care_plan_id: UUID) -> CarePlan:
    plans = CarePlan.objects.visible_to(request.viewer).filter(encounter=encounter)
    return get_or_404(plans.select_related("definition", "patient"), pk=care_plan_id)


def _point(request: PageRequest, encounter: Encounter, contact_id: UUID) -> ContactPoint:
    points = ContactPoint.objects.visible_to(request.viewer).filter(patient_id=encounter.patient_id)
    return get_or_404(points, pk=contact_id)


def _list(request: PageRequest) -> dict[str, Any]:
    at, query = timezone.now(), forms.ListForm(request.GET).query()
    found = reads.discharges(query, viewer=request.viewer, at=at)
    list_seen(what="discharges", ids=[line.encounter.patient_id for line in found.lines], by=request.viewer)
    chips = {"days": query.days, "department": query.department_id or "", "state": query.state}
    return {
        "query": query,
        "chips": {name: str(value) for name, value in chips.items() if value and value != 1},
        "found": found,
        "departments": [(str(pk), name) for pk, name in reads.departments(viewer=request.viewer, at=at)],
        "today": timezone.localtime(at),
        "shown": None,
        "next_url": _address(chips, offset=query.offset + reads.PAGE) if found.more else None,
        "previous_url": _address(chips, offset=max(query.offset - reads.PAGE, 0)) if query.offset else None,
        "here": _address(chips, name="workbench:discharge-rows", offset=query.offset),
    }


def _address(chips: dict[str, Any], *, name: str = "workbench:discharges", **more: int) -> str:
    return f"{reverse(name)}?{urlencode({key: value for key, value in {**chips, **more}.items() if value})}"


def _drawer(request: PageRequest, encounter: Encounter) -> dict[str, Any]:
    viewer = request.viewer
    return {
        "shown": reads.drawer(encounter, viewer=viewer, at=timezone.now()),
        "may_change": viewer.can(plans_access.PERSONALISE),
        "may_edit_contact": viewer.can(patients_access.EDIT_CONTACT),
        "may_send": viewer.can(messaging_access.SEND),
        "owners": choices_of(forms.OwnerChoice().fields, "owner"),
        "reasons": forms.NO_FOLLOW_UP,
        "relations": RELATIONS,
        "error": "",
        "qr": "",
    }


def _changed(asked: AskedOfPlan, change: str, words: str) -> HttpResponse:
    back = reverse("plans:undo", args=[asked.plan.pk, change])
    return _again(asked.request, asked.encounter, told=words, undo_url=back)


def _again(
    request: PageRequest, encounter: Encounter, *, told: str = "", undo_url: str = "", error: str = "",
    form: Form | None = None,
) -> HttpResponse:  # fmt: skip
    """The drawer after a change, or with what is wrong with the input."""
    if form is not None:
        error = next(str(one) for errors in form.errors.values() for one in errors)
    context = _drawer(request, encounter) | {"error": error}
    response = render(request, "workbench/_discharge_drawer.html", context, status=422 if error else 200)
    if told:
        response["HX-Trigger"] = json.dumps({"toast": {"text": told, "undo": undo_url}})
    return response


def _numbers(request: PageRequest, encounter: Encounter, *, qr: str = "") -> HttpResponse:
    context = {
        "encounter": encounter,
        "numbers": reads.numbers(encounter.patient_id, viewer=request.viewer, at=timezone.now()),
        "may_edit_contact": request.viewer.can(patients_access.EDIT_CONTACT),
        "may_send": request.viewer.can(messaging_access.SEND),
        "qr": qr,
    }
    return render(request, "workbench/_discharge_numbers.html", context)


def _decided(encounter: Encounter, review: DischargeReview, words: str) -> HttpResponse:
    """The drawer closes, the list shows the decision, and ten seconds it can be taken back."""
    back = reverse("workbench:discharge-undo", args=[review.pk])
    events = {
        "discharges": {"done": str(encounter.pk)},
        "toast": {"text": words % {"name": encounter.patient.name}, "undo": back},
    }
    return HttpResponse("", headers={"HX-Trigger": json.dumps(events)})
