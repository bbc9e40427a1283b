"""Forms in and out as FHIR R4 Questionnaires, versions side by side, favourites."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, page, render
from careloop.questionnaires import access, actions
from careloop.questionnaires.models import Questionnaire
from careloop.questionnaires.reads import designer as reading
from careloop.questionnaires.reads import library
from careloop.questionnaires.reads.wording import asked_when, both, condition_text, said
from careloop.questionnaires.rules import Form, Item, parse
from careloop.questionnaires.rules.comparing import Part, compare
from careloop.questionnaires.rules.fhir import MOST_BYTES, as_fhir
from careloop.questionnaires.views.designing import draft_of

MEDIA = "application/fhir+json"


@page(access.DESIGN, methods=("GET", "POST"))
def take_in(request: PageRequest) -> HttpResponse:
    """The form to choose a file; refused files come back with every path."""
    context: dict[str, Any] = {"title": _("Import a questionnaire"), "troubles": ()}
    if request.method != "POST":
        return render(request, "questionnaires/import.html", context)
    sent = request.FILES.get("file")
    if sent is None:
        return render(request, "questionnaires/import.html", {**context, "troubles": [_("Choose a file.")]}, status=422)
    department_id = None if request.viewer.hospital_wide else request.viewer.organization_id
    try:
        draft = actions.import_draft(
            data=sent.read(MOST_BYTES + 1), department_id=department_id, at=timezone.now(), by=request.viewer
        )
    except actions.ImportRefused as refusal:
        troubles = str(refusal).splitlines()
        return render(request, "questionnaires/import.html", {**context, "troubles": troubles}, status=422)
    return HttpResponseRedirect(reverse("questionnaires:designer", args=[draft.pk]), status=303)


@page(access.VIEW)
def resource(request: PageRequest, questionnaire_id: UUID) -> HttpResponse:
    """A published version as a FHIR resource."""
    questionnaire = get_or_404(Questionnaire.objects.all(), pk=questionnaire_id)
    content = questionnaire.content
    found = as_fhir(content) if "definition" in content else content
    return _download(found, f"{questionnaire.name}-{questionnaire.version}")


@page(access.DESIGN)
def draft_resource(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """A draft as a FHIR resource."""
    draft = draft_of(request, draft_id)
    return _download(as_fhir(draft.content), f"draft-{draft.version}")


def _download(found: dict[str, Any], name: str) -> HttpResponse:
    safe = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-.") else "-" for sign in name)
    answer = HttpResponse(json.dumps(found, ensure_ascii=False, indent=1), content_type=f"{MEDIA}; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{safe}.json"'
    return answer


@page(access.VIEW)
def side_by_side(request: PageRequest, questionnaire_id: UUID, other_id: UUID) -> HttpResponse:
    """Two published versions."""
    old = get_or_404(Questionnaire.objects.all(), pk=questionnaire_id)
    new = get_or_404(Questionnaire.objects.all(), pk=other_id)
    return _compared(
        request, parse(old.content), parse(new.content), back=reverse("questionnaires:version", args=[new.pk])
    )


@page(access.DESIGN)
def draft_beside_version(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """A draft and the version it was made from; 404 when it was made from none."""
    draft = draft_of(request, draft_id)
    old = get_or_404(Questionnaire.objects.all(), pk=draft.based_on_id)
    return _compared(
        request, parse(old.content), parse(draft.content), back=reverse("questionnaires:designer", args=[draft.pk])
    )


def _compared(request: PageRequest, old: Form, new: Form, *, back: str) -> HttpResponse:
    found = compare(old, new)
    context = {
        "title": _("Versions side by side"), "old": old, "new": new, "found": found, "back": back,
        "rows": [_row(row.kind, old, row.old, new, row.new, row.changed) for row in found.rows],
        "parts": [_part(part, old, new) for part in found.parts],
        "only_changes": request.GET.get("all") != "1",
    }  # fmt: skip
    return render(request, "questionnaires/compare.html", context)


def _row(
    kind: str, old_form: Form, old: Item | None, new_form: Form, new: Item | None, changed: tuple[str, ...]
) -> dict[str, Any]:
    shown = new or old
    return {
        "kind": kind, "link": shown.link_id if shown else "", "changed": [_field_words(name) for name in changed],
        "old": _described(old_form, old), "new": _described(new_form, new),
    }  # fmt: skip


def _described(form: Form, item: Item | None) -> dict[str, Any] | None:
    if item is None:
        return None
    return {
        "text": said(item.staff), "script": said(item.script), "patient": said(item.patient) if item.is_question else "",
        "kind": reading.kind_words(item, item.locked), "when": asked_when(form, item) if item.when else "",
        "options": [said(option.staff) for option in item.options], "required": item.required,
        "range": " – ".join("" if limit is None else f"{limit.normalize():f}" for limit in (item.minimum, item.maximum)).strip(" –"),
    }  # fmt: skip


def _field_words(name: str) -> str:
    words = {
        "staff": _("Staff wording"), "script": _("Spoken wording"), "patient": _("Patient's wording"), "options": _("Options"),
        "when": _("Asked when"), "when_any": _("Asked when"), "required": _("Required"), "type": _("Kind"),
        "minimum": _("Smallest value"), "maximum": _("Largest value"), "unit": _("Unit"), "unit_display": _("Unit"), "code": _("Code"),
    }  # fmt: skip
    return words.get(name, _("Other details"))


def _part(part: Part, old: Form, new: Form) -> dict[str, Any]:
    return {
        "what": part.what,
        "code": part.code,
        "kind": part.kind,
        "old": _part_words(part, old, part.old),
        "new": _part_words(part, new, part.new),
    }


def _part_words(part: Part, form: Form, value: Any) -> str:
    if value is None:
        return ""
    if part.what == "rules":
        return f"{both(value.get('sentence'))}: {condition_text(form, value['when'])} · {value['severity']} · {value['respond_within_minutes']} min"
    if part.what == "scores":
        bands = "; ".join(f"{band['from']}–{band['to']} {both(band['title'])}" for band in value.get("bands", ()))
        return f"{both(value.get('title'))} ({len(value['items'])}) {bands}"
    if part.what == "checks":
        return both(value.get("message"))
    return both(value.get("title")) or _("Classification")


@page(access.VIEW, methods=("POST",))
def favourite(request: PageRequest, questionnaire_id: UUID) -> HttpResponse:
    """In or out of one's favourites; answers with the button."""
    questionnaire = get_or_404(Questionnaire.objects.all(), pk=questionnaire_id)
    kept = request.POST.get("kept") == "1"
    actions.keep_favourite(url=questionnaire.url, kept=kept, by=request.viewer)
    return render(request, "questionnaires/_favourite.html", {"row": questionnaire, "is_favourite": kept})


@page(access.VIEW)
def forms_list(request: PageRequest) -> HttpResponse:
    """The library: forms of the hospital and one's departments, drafts, favourites, or everything with its versions."""
    viewer = request.viewer
    show = request.GET.get("show", "own")
    mine = library.favourites(viewer)
    rows = Questionnaire.objects.select_related("department").order_by("name", "-published_at", "pk")
    if show == "favourites":
        rows = rows.filter(url__in=mine, status=Questionnaire.Status.ACTIVE)
    elif show == "own" and not viewer.hospital_wide:
        rows = rows.filter(library.own_forms(viewer))
    may_design = viewer.can(access.DESIGN)
    drafts = reading.open_drafts(viewer) if may_design else []
    found = list(rows) if show != "drafts" else []
    context = {
        "title": _("Questionnaires"), "rows": found, "in_force": sum(row.status == "active" for row in found), "show": show,
        "favourites": mine, "drafts": drafts, "may_design": may_design,
        "waiting": sum(row.draft.status == "in-review" for row in drafts),
    }  # fmt: skip
    return render(request, "questionnaires/list.html", context)
