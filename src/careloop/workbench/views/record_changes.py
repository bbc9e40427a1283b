"""What is mended on the record besides numbers: particulars, a relative, a death by mistake, who may see it; documents."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from careloop.accounts.models import Practitioner
from careloop.audit.record import seen
from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, page, render
from careloop.patients import access, actions
from careloop.patients.models import DocumentReference, Patient, RelatedPerson
from careloop.workbench.forms.patient import GrantForm, ParticularsForm, RelativeForm, SensitivityForm
from careloop.workbench.reads import p360
from careloop.workbench.reads.relations import RELATIONS

# What a browser may show as it is. Everything else is text, or is offered as a file.
SHOWN_AS_IS: Final = frozenset({"application/pdf", "image/png", "image/jpeg"})
GONE: Final = ("superseded", "entered-in-error")


@page(access.EDIT_CONTACT, methods=("POST",))
def edit_relative(request: PageRequest, patient_id: UUID, related_id: UUID) -> HttpResponse:
    """Another name, relation or right of a relative; `retire` takes the relative off the record's front."""
    found = _patient(request, patient_id)
    row = get_or_404(RelatedPerson.objects.visible_to(request.viewer), pk=related_id, patient=found)
    form = RelativeForm(request.POST)
    error = ""
    if form.is_valid():
        given = form.cleaned_data
        own_words = row.relation if row.relation not in RELATIONS else ""  # the sender's word is on no list
        actions.set_related_person(
            patient=found, related_person_id=row.pk, name=given["name"], relation=given["relation"] or own_words,
            may_answer=given["may_answer"], may_receive=given["may_receive"], active=not request.POST.get("retire"),
            by=request.viewer,
        )  # fmt: skip
    else:
        error = _("Write the name of the relative.")
    context = {
        "patient_id": patient_id,
        "family": p360.family(found, viewer=request.viewer),
        "relations": RELATIONS,
        "may_edit": True,
        "error": error,
    }
    return render(request, "workbench/_p360_family.html", context, status=422 if error else 200)


@page(access.EDIT_CONTACT, methods=("POST",))
def particulars(request: PageRequest, patient_id: UUID) -> HttpResponse:
    """Address, employer and the like as the patient says they are; letters go to the address written here."""
    living = Patient.objects.visible_to(request.viewer).filter(merged_into=None)
    found, form = get_or_404(living, pk=patient_id), ParticularsForm(request.POST)
    if form.is_valid():
        actions.correct_particulars(patient=found, given=form.given(), by=request.viewer)
        found.refresh_from_db()
    context = {
        "patient": found,
        "particulars": p360.particulars(found),
        "may_edit": True,
        "typed": {} if form.is_valid() else request.POST,
        "error": "" if form.is_valid() else _("A word is too long or cannot be stored. Shorten it."),
    }
    return render(request, "workbench/_p360_particulars.html", context, status=200 if form.is_valid() else 422)


@page(access.EDIT_CONTACT, methods=("POST",))
def withdraw_death(request: PageRequest, patient_id: UUID) -> HttpResponse:
    """The death was reported by mistake: plans that it ended go on by themselves."""
    actions.withdraw_death(patient=_patient(request, patient_id), at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(reverse("workbench:patient", args=[patient_id]))


@page(access.REVIEW_ACCESS, methods=("POST",))
def lend(request: PageRequest, patient_id: UUID) -> HttpResponse:
    """Lend a colleague the view of this record for some hours, with a reason."""
    found, form = _patient(request, patient_id), GrantForm(request.POST)
    if not form.is_valid():
        return _special(request, found, error=next(str(e) for errors in form.errors.values() for e in errors))
    at = timezone.now()
    try:
        actions.grant_access(
            patient=found, practitioner_id=form.cleaned_data["person"].pk, reason=form.cleaned_data["reason"],
            until=at + timedelta(hours=form.cleaned_data["hours"]), at=at, by=request.viewer,
        )  # fmt: skip
    except actions.ReasonNeeded as refusal:
        return _special(request, found, error=str(refusal))
    return _special(request, found)


@page(access.SEE_SENSITIVE, methods=("POST",))
def sensitivity(request: PageRequest, patient_id: UUID) -> HttpResponse:
    """Close the record to everybody without the right to sensitive ones, or open it again."""
    found, form = _patient(request, patient_id), SensitivityForm(request.POST)
    if not form.is_valid():
        return _special(request, found, error=_("Choose one of the two."))
    actions.set_sensitivity(patient=found, sensitivity=form.cleaned_data["sensitivity"], by=request.viewer)
    found.refresh_from_db(fields=["sensitivity"])
    return _special(request, found)


def special_context(request: PageRequest, found: Patient) -> dict[str, object]:
    """Who outside the care team sees the record, and what the viewer may change about that."""
    may_lend = request.viewer.can(access.REVIEW_ACCESS)
    return {
        "patient": found,
        "grants": p360.grants(found, viewer=request.viewer),
        "may_lend": may_lend,
        "may_label": request.viewer.can(access.SEE_SENSITIVE),
        "people": list(Practitioner.objects.filter(is_active=True).order_by("name", "pk")[:500]) if may_lend else [],
        "hours": GrantForm.HOURS,
        "special_error": "",
    }


def _special(request: PageRequest, found: Patient, *, error: str = "") -> HttpResponse:
    context = special_context(request, found) | {"special_error": error}
    return render(request, "workbench/_p360_special.html", context, status=422 if error else 200)


@page(access.VIEW)
def document(request: PageRequest, patient_id: UUID, document_id: UUID) -> HttpResponse:
    """One document to read. Reading it is recorded by itself, because it tells more than the list of visits."""
    found, shown = _patient(request, patient_id), _document(request, patient_id, document_id)
    seen(patient_id=found.pk, what="document", by=request.viewer)
    context = {
        "patient": found,
        "document": shown,
        "banner": p360.read_record(found, viewer=request.viewer, at=timezone.now()).banner,
        "has_file": shown.content is not None,
        "is_picture": shown.content_type.startswith("image/") and shown.content_type in SHOWN_AS_IS,
        "is_pdf": shown.content_type == "application/pdf",
    }
    return render(request, "workbench/document.html", context)


@page(access.VIEW)
def document_file(request: PageRequest, patient_id: UUID, document_id: UUID) -> HttpResponse:
    """The PDF or picture itself; of other kinds only as a download, so that nothing in it is ever run here."""
    shown = _document(request, patient_id, document_id)
    if shown.content is None:
        raise Http404
    seen(patient_id=patient_id, what="document.file", by=request.viewer)
    as_is = shown.content_type in SHOWN_AS_IS
    response = HttpResponse(
        bytes(shown.content), content_type=shown.content_type if as_is else "application/octet-stream"
    )
    ending = {"application/pdf": "pdf", "image/png": "png", "image/jpeg": "jpg"}.get(shown.content_type, "bin")
    response["Content-Disposition"] = f'{"inline" if as_is else "attachment"}; filename="document.{ending}"'
    response["Content-Security-Policy"] = "default-src 'none'; sandbox; frame-ancestors 'self'"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    return response


def _patient(request: PageRequest, patient_id: UUID) -> Patient:
    return get_or_404(Patient.objects.visible_to(request.viewer), pk=patient_id)


def _document(request: PageRequest, patient_id: UUID, document_id: UUID) -> DocumentReference:
    rows = DocumentReference.objects.visible_to(request.viewer).exclude(status__in=GONE)
    return get_or_404(rows, pk=document_id, patient_id=patient_id)
