"""One patient on one page, with tabs; contact data, consents and relatives are mended in place."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from careloop.alerts.reads import asked_by_banner
from careloop.audit.record import denied, one_visit, seen
from careloop.cohorts.reads.choices import asked_by_tags
from careloop.kernel.addresses import address
from careloop.kernel.display import Words
from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, asked_by_frame, page, part, render
from careloop.kernel.prepared import Asked, ahead
from careloop.patients import access, actions
from careloop.patients.models import AccessGrant, ContactPoint, Patient
from careloop.patients.reads.finding import at_record, find, find_or_404
from careloop.patients.rules.masking import mask_phone
from careloop.patients.rules.phones import plain_number
from careloop.plans.reads.pages import asked_by_sheet
from careloop.workbench.forms.patient import ConsentForm, NumberForm, RelativeForm, TrendForm
from careloop.workbench.reads import p360, timeline
from careloop.workbench.reads.relations import RELATIONS
from careloop.workbench.views.record_changes import special_context

TABS: tuple[tuple[str, str | Promise], ...] = (
    ("overview", gettext_lazy("Overview")),
    ("follow-up", gettext_lazy("Follow-up records")),
    ("visits", gettext_lazy("Visits")),
    ("results", gettext_lazy("Results")),
    ("medicines", gettext_lazy("Medicines")),
    ("questionnaires", gettext_lazy("Scales and questionnaires")),
    ("messages", gettext_lazy("Communication")),
    ("dossier", gettext_lazy("Health record")),
    ("family", gettext_lazy("Family and consent")),
)
TAB_WORDS = Words(dict(TABS))
# Parts that other rooms show on this page: (place, address name, permission). A room that is not there leaves no gap.
FRAGMENTS: tuple[tuple[str, str, str], ...] = (
    ("alerts", "alerts:patient_banner", "alerts.view"),
    ("tags", "cohorts:tags", "cohorts.view"),
    ("plan", "plans:patient_card", "plans.view"),
    ("questionnaires", "questionnaires:patient_responses", "questionnaires.view"),
    ("programmes", "publichealth:patient_programmes", "publichealth.view"),
    ("messages", "messaging:patient_messages", "messaging.view"),
    ("follow-up", "tasks:patient_followups", "tasks.view"),
)

INLINE = ("alerts", "tags", "plan")  # what the first look needs comes with the page, in the same request


@page(access.VIEW)
def patient(request: PageRequest, patient_id: UUID, tab: str = "overview") -> HttpResponse:
    """The record. Reading it is audited; a record that is not the viewer's is not there, and can be opened in need."""
    found = _find(request, patient_id)
    if found is None or tab not in CONTENTS:
        return _closed(request, patient_id)
    if found.merged_into_id is not None:
        return HttpResponseRedirect(reverse("workbench:patient", args=[found.merged_into_id]))
    # From here on the page is about this record and no other.
    request.viewer = at_record(found, viewer=request.viewer)
    with one_visit():
        seen(patient_id=found.pk, what=f"p360.{tab}", by=request.viewer)
        return _page(request, found, tab)


def _page(request: PageRequest, found: Patient, tab: str) -> HttpResponse:
    at = timezone.now()
    if tab != "overview":
        return _shown(request, found, tab, at)
    with ahead(*_asked_by_overview(request, found, at)):
        return _shown(request, found, tab, at)


def _asked_by_overview(request: PageRequest, found: Patient, at: datetime) -> list[Asked[Any]]:
    """What the first look at a record and the parts on it will ask: one journey instead of a dozen."""
    viewer, asked = request.viewer, [*p360.asked_by_overview(found, viewer=request.viewer, at=at)]
    if viewer.can("alerts.view"):
        asked.append(asked_by_banner(found.pk, viewer=viewer))
    if viewer.can("cohorts.view"):
        asked.append(asked_by_tags(found.pk, viewer))
    if viewer.can("plans.view"):
        asked += asked_by_sheet(found, viewer)
    kind, before = _chosen(request)
    asked += timeline.asked(found, kind=kind, viewer=viewer, before=before)
    return [*asked, *asked_by_frame(viewer)]


def _shown(request: PageRequest, found: Patient, tab: str, at: datetime) -> HttpResponse:
    record = p360.read_record(found, viewer=request.viewer, at=at)
    context = {
        "patient": found,
        "record": record,
        "tab": tab,
        "tabs": _tabs(found, tab),
        "fragments": _fragments(request, found),
        "may_edit": request.viewer.can(access.EDIT_CONTACT),
        "call_url": _call_url(request, record),
    }
    template, contents = CONTENTS[tab]
    return render(request, template, context | contents(request, record, at))


def _find(request: PageRequest, patient_id: UUID) -> Patient | None:
    return find(patient_id, viewer=request.viewer)


def _closed(request: PageRequest, patient_id: UUID, *, error: str = "", status: int = 404) -> HttpResponse:
    """The same answer for a stranger's record and for one that does not exist; both can be asked for with a reason."""
    denied(what="patients.record", by=request.viewer)
    context = {"patient_id": patient_id, "may_break": request.viewer.can(access.BREAK_GLASS), "error": error}
    return render(request, "workbench/p360_closed.html", context, status=status)


def _tabs(found: Patient, tab: str) -> list[dict[str, Any]]:
    here = address("workbench:patient", found.pk)
    return [
        {"url": here if code == "overview" else f"{here}{code}/", "label": label, "active": code == tab}
        for code, label in TAB_WORDS.said().items()
    ]


def _fragments(request: PageRequest, found: Patient) -> dict[str, str]:
    addresses: dict[str, str] = {}
    for place, name, permission in FRAGMENTS:
        try:
            where = address(name, found.pk)
        except NoReverseMatch:
            continue
        if request.viewer.can(permission):
            addresses[place] = where
    return addresses


def _call_url(request: PageRequest, record: p360.Record) -> str:
    """The call screen of the next open follow-up, for those who may work on it."""
    if record.next_task_id is None or not request.viewer.can("tasks.work") or record.patient.deceased:
        return ""
    return reverse("workbench:call", args=[record.next_task_id])


def _overview(request: PageRequest, record: p360.Record, at: datetime) -> dict[str, Any]:
    viewer, found = request.viewer, record.patient
    boxes, parts = p360.vitals(found, viewer=viewer, at=at)
    days = _days(request)
    return {
        "boxes": boxes,
        "days": days,
        "trend": p360.blood_pressure_trend(found, parts, record.stays, days=days, viewer=viewer, at=at),
        "team": p360.care_team(record),
        "family": p360.family(found, viewer=viewer),
        "consents": [c for c in p360.consents(found, viewer=viewer) if c["row"] is not None],
        "contacts": p360.contacts(found.pk, viewer=viewer, at=at),
        "parts": {
            place: part(request, name, found.pk) if viewer.can(permission) else None
            for place, name, permission in FRAGMENTS
            if place in INLINE
        },
    } | _timeline_context(request, found)


def _days(request: PageRequest) -> int:
    if "days" not in request.GET:
        return 30
    form = TrendForm(request.GET)
    return (form.cleaned_data["days"] or 30) if form.is_valid() else 30


def _timeline_context(request: PageRequest, found: Patient) -> dict[str, Any]:
    kind, before = _chosen(request)
    return {"kind": kind, "timeline": timeline.timeline(found, kind=kind, viewer=request.viewer, before=before)}


def _chosen(request: PageRequest) -> tuple[str, datetime | None]:
    """Which entries of the time line, and before when."""
    kind = request.GET.get("kind", "all")
    return kind if kind in timeline.KINDS else "all", _instant(request.GET.get("before", ""))


def _instant(text: str) -> datetime | None:
    try:
        parsed = parse_datetime(text.replace(" ", "+"))
    except ValueError:
        return None
    return parsed if parsed and parsed.tzinfo else None


def _follow_up(request: PageRequest, record: p360.Record, at: datetime) -> dict[str, Any]:
    shown = timeline.timeline(
        record.patient, kind="follow-up", viewer=request.viewer, before=_instant(request.GET.get("before", ""))
    )
    return {"kind": "follow-up", "timeline": shown}


def _visits(request: PageRequest, record: p360.Record, at: datetime) -> dict[str, Any]:
    return {"details": p360.diagnoses_of(record.stays, viewer=request.viewer)}


def _results(request: PageRequest, record: p360.Record, at: datetime) -> dict[str, Any]:
    code = request.GET.get("code", "")[:60]
    rows = p360.results(record.patient, code=code, viewer=request.viewer)
    return {
        "code": code,
        "rows": [(row, p360.test_name(row)) for row in rows],
        "trend": p360.result_trend(rows, at=at) if code else None,
    }


def _medicines(request: PageRequest, record: p360.Record, at: datetime) -> dict[str, Any]:
    return {"rows": p360.medications(record.patient, viewer=request.viewer)}


def _messages(request: PageRequest, record: p360.Record, at: datetime) -> dict[str, Any]:
    shown = timeline.timeline(
        record.patient, kind="message", viewer=request.viewer, before=_instant(request.GET.get("before", ""))
    )
    return {"kind": "message", "timeline": shown}


def _dossier(request: PageRequest, record: p360.Record, at: datetime) -> dict[str, Any]:
    return p360.personal(record.patient, viewer=request.viewer)


def _family(request: PageRequest, record: p360.Record, at: datetime) -> dict[str, Any]:
    return {
        "contacts": p360.contacts(record.patient.pk, viewer=request.viewer, at=at),
        "family": p360.family(record.patient, viewer=request.viewer),
        "consents": p360.consents(record.patient, viewer=request.viewer),
        "relations": RELATIONS,
    } | special_context(request, record.patient)


CONTENTS: dict[str, tuple[str, Callable[[PageRequest, p360.Record, datetime], dict[str, Any]]]] = {
    "overview": ("workbench/p360_overview.html", _overview),
    "follow-up": ("workbench/p360_follow-up.html", _follow_up),
    "visits": ("workbench/p360_visits.html", _visits),
    "results": ("workbench/p360_results.html", _results),
    "medicines": ("workbench/p360_medicines.html", _medicines),
    "questionnaires": ("workbench/p360_questionnaires.html", lambda request, record, at: {}),
    "messages": ("workbench/p360_messages.html", _messages),
    "dossier": ("workbench/p360_dossier.html", _dossier),
    "family": ("workbench/p360_family.html", _family),
}


@page(access.VIEW)
def trend(request: PageRequest, patient_id: UUID) -> HttpResponse:
    """The blood-pressure card alone, for another length of time."""
    found = find_or_404(patient_id, viewer=request.viewer)
    request.viewer = at_record(found, viewer=request.viewer)
    at, days = timezone.now(), _days(request)
    record = p360.read_record(found, viewer=request.viewer, at=at)
    __, parts = p360.vitals(found, viewer=request.viewer, at=at)
    drawn = p360.blood_pressure_trend(found, parts, record.stays, days=days, viewer=request.viewer, at=at)
    return render(request, "workbench/_p360_trend.html", {"patient": found, "days": days, "trend": drawn})


@page(access.VIEW)
def events(request: PageRequest, patient_id: UUID) -> HttpResponse:
    """The timeline card alone: another kind, or older entries."""
    found = find_or_404(patient_id, viewer=request.viewer)
    request.viewer = at_record(found, viewer=request.viewer)
    template = "workbench/_p360_entries.html" if request.GET.get("before") else "workbench/_p360_timeline.html"
    return render(request, template, {"patient": found} | _timeline_context(request, found))


@page(access.BREAK_GLASS, methods=("POST",))
def break_glass(request: PageRequest, patient_id: UUID) -> HttpResponse:
    """Emergency access: with a reason, for four hours, to be reviewed."""
    reason = request.POST.get("reason", "")
    try:
        actions.break_glass(patient_id=patient_id, reason=reason, at=timezone.now(), by=request.viewer)
    except Patient.DoesNotExist:
        return _closed(request, patient_id)
    except actions.ReasonNeeded as refusal:
        return _closed(request, patient_id, error=str(refusal), status=422)
    return HttpResponseRedirect(reverse("workbench:patient", args=[patient_id]))


@page(access.REVIEW_ACCESS)
def access_reviews(request: PageRequest) -> HttpResponse:
    """Emergency accesses that wait for a second person."""
    return render(request, "workbench/access_reviews.html", {"grants": p360.unreviewed(viewer=request.viewer)})


@page(access.REVIEW_ACCESS, methods=("POST",))
def review(request: PageRequest, grant_id: UUID) -> HttpResponse:
    """Looked at and found in order."""
    grant = get_or_404(AccessGrant.objects.visible_to(request.viewer), pk=grant_id)
    actions.review_access(grant=grant, at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(reverse("workbench:access-reviews"))


def _point(request: PageRequest, patient_id: UUID, contact_id: UUID) -> ContactPoint:
    return get_or_404(ContactPoint.objects.visible_to(request.viewer), pk=contact_id, patient_id=patient_id)


def _contacts(request: PageRequest, patient_id: UUID) -> HttpResponse:
    shown = p360.contacts(patient_id, viewer=request.viewer, at=timezone.now())
    context = {"patient_id": patient_id, "contacts": shown, "may_edit": True}
    return render(request, "workbench/_p360_contacts.html", context)


@page(access.EDIT_CONTACT, methods=("POST",))
def verify(request: PageRequest, patient_id: UUID, contact_id: UUID) -> HttpResponse:
    """The number was checked with the patient."""
    point = _point(request, patient_id, contact_id)
    actions.verify_contact_point(contact_point=point, how="staff", at=timezone.now(), by=request.viewer)
    return _contacts(request, patient_id)


@page(access.EDIT_CONTACT, methods=("POST",))
def correct(request: PageRequest, patient_id: UUID, contact_id: UUID) -> HttpResponse:
    """The right number in place of a wrong one."""
    point = _point(request, patient_id, contact_id)
    form = NumberForm(request.POST)
    if not form.is_valid():
        raise actions.NotANumber
    actions.correct_contact_point(
        contact_point=point, number=form.cleaned_data["number"], at=timezone.now(), by=request.viewer
    )
    return _contacts(request, patient_id)


@page(access.EDIT_CONTACT, methods=("POST",))
def retire(request: PageRequest, patient_id: UUID, contact_id: UUID) -> HttpResponse:
    """No longer used."""
    point = _point(request, patient_id, contact_id)
    actions.retire_contact_point(contact_point=point, at=timezone.now(), by=request.viewer)
    return _contacts(request, patient_id)


@page(access.EDIT_CONTACT, methods=("POST",))
def reveal(request: PageRequest, patient_id: UUID, contact_id: UUID) -> HttpResponse:
    """The whole number, recorded."""
    number = actions.reveal_contact_point(contact_point=_point(request, patient_id, contact_id), by=request.viewer)
    return render(
        request, "workbench/_p360_number.html", {"number": plain_number(number), "masked": mask_phone(number)}
    )


@page(access.EDIT_CONTACT, methods=("POST",))
def add_number(request: PageRequest, patient_id: UUID) -> HttpResponse:
    """One more number."""
    found = get_or_404(Patient.objects.visible_to(request.viewer), pk=patient_id)
    form = NumberForm(request.POST)
    if not form.is_valid():
        raise actions.NotANumber
    actions.add_contact_point(
        patient=found, number=form.cleaned_data["number"], owner_note=form.cleaned_data["owner"], source="staff",
        at=timezone.now(), by=request.viewer,
    )  # fmt: skip
    return _contacts(request, patient_id)


@page(access.EDIT_CONTACT, methods=("POST",))
def consent(request: PageRequest, patient_id: UUID) -> HttpResponse:
    """What the patient allows or refuses, as said to staff."""
    found = get_or_404(Patient.objects.visible_to(request.viewer), pk=patient_id)
    form = ConsentForm(request.POST)
    if not form.is_valid():
        raise actions.UnknownConsentScope
    actions.set_consent(patient=found, how="staff", at=timezone.now(), by=request.viewer, **form.cleaned_data)
    shown = p360.consents(found, viewer=request.viewer)
    context = {"patient_id": patient_id, "consents": shown, "may_edit": True}
    return render(request, "workbench/_p360_consents.html", context)


@page(access.EDIT_CONTACT, methods=("POST",))
def relative(request: PageRequest, patient_id: UUID) -> HttpResponse:
    """A relative and what they may do."""
    found = get_or_404(Patient.objects.visible_to(request.viewer), pk=patient_id)
    form = RelativeForm(request.POST)
    status = 200
    if form.is_valid():
        actions.set_related_person(patient=found, by=request.viewer, **form.cleaned_data)
    else:
        status = 422
    context = {
        "patient_id": patient_id,
        "family": p360.family(found, viewer=request.viewer),
        "relations": RELATIONS,
        "may_edit": True,
        "error": "" if status == 200 else _("Write the name of the relative."),
    }
    return render(request, "workbench/_p360_family.html", context, status=status)
