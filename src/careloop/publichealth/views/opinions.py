"""The suggested opinion on a response, the doctor's choice, and the tables behind it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from careloop.accounts.models import Organization
from careloop.audit.record import seen
from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, page, render
from careloop.publichealth import access, actions, rules
from careloop.publichealth.forms import ChooseForm, TableForm
from careloop.publichealth.models import Opinion, OpinionChoice, OpinionTable
from careloop.publichealth.reads import opinions as reads
from careloop.publichealth.reads import pages
from careloop.questionnaires.models import Questionnaire
from careloop.questionnaires.reads import display_value, form_of, wording


def _opinion(request: PageRequest, response_id: UUID) -> Opinion | None:
    found = Opinion.objects.visible_to(request.viewer)
    return found.select_related("response__questionnaire", "table").filter(response_id=response_id).first()


def _context(request: PageRequest, found: Opinion) -> dict[str, Any]:
    form = form_of(found.response.questionnaire)
    choices = OpinionChoice.objects.visible_to(request.viewer).filter(opinion=found).select_related("chosen_by")
    named = [
        (pages.say(form.item(name).staff), display_value(form.item(name), value))
        for name, value in found.evidence.items()
        if name in form.index
    ]
    return {
        "opinion": found,
        "replaces": False,
        "suggested": pages.say(found.suggested_title),
        "because": pages.say(found.reason),
        "evidence": named,
        "missing": [pages.say(form.item(name).staff) for name in found.missing if name in form.index],
        "choices": list(choices.order_by("-chosen_at", "-pk")),
        "options": [(code, pages.say(words)) for code, words in reads.options_for(found).items()],
        "may_choose": request.viewer.can(access.OPINE) and found.response.status == "completed",
        "say": pages.say,
    }  # fmt: skip


@page(access.VIEW)
def opinion(request: PageRequest, response_id: UUID) -> HttpResponse:
    """What the rules suggest to these answers and what the doctor decided. Nothing where no table speaks."""
    if pages.response_of(response_id, request.viewer) is None:
        raise Http404
    found = _opinion(request, response_id)
    if found is None:
        return HttpResponse(status=204)
    seen(patient_id=found.patient_id, what="publichealth.opinion", by=request.viewer)
    replaces = _stands_on_page(found)  # the form's own line gives way, once: after a choice it is gone already
    return render(request, "publichealth/_opinion.html", _context(request, found) | {"replaces": replaces})


def _stands_on_page(found: Opinion) -> bool:
    """Whether the page of the answers shows the opinion as the form's own class."""
    told = found.response.questionnaire.content.get("classification") or {}
    return bool(found.response.classification) and told.get("code") == "opinion"


@page(access.OPINE, methods=("POST",))
def choose(request: PageRequest, response_id: UUID) -> HttpResponse:
    """Confirm the suggestion or choose another opinion."""
    found, form = _opinion(request, response_id), ChooseForm(request.POST)
    if found is None:
        raise Http404
    if not form.is_valid():
        return render(request, "publichealth/_opinion.html", _context(request, found), status=422)
    actions.choose_opinion(
        opinion=found, code=form.cleaned_data["code"], note=form.cleaned_data["note"], at=timezone.now(),
        by=request.viewer,
    )  # fmt: skip
    return render(request, "publichealth/_opinion.html", _context(request, found))


@page(access.VIEW)
def tables(request: PageRequest) -> HttpResponse:
    """Every table in force, the tables that forms bring themselves, and how often doctors agree with each version."""
    rows = list(
        OpinionTable.objects.select_related("department").order_by(
            "questionnaire_url", "department__path", "-version", "pk"
        )
    )
    forms = {row.url: row for row in Questionnaire.objects.filter(status=Questionnaire.Status.ACTIVE)}
    own = [form for form in forms.values() if reads.table_of_form(form) is not None]
    context = {
        "title": _("Opinion tables"),
        "rows": [(row, _title(forms.get(row.questionnaire_url))) for row in rows],
        "own": sorted(((form, _title(form)) for form in own), key=lambda pair: pair[0].name),
        "agreement": [(one, _title(forms.get(one.questionnaire_url))) for one in reads.agreement(request.viewer)],
        "may_edit": request.viewer.can(access.EDIT_TABLES),
    }
    return render(request, "publichealth/tables.html", context)


def _title(row: Questionnaire | None) -> str:
    if row is None:
        return "–"
    return row.title_en if get_language() == "en" and row.title_en else row.title


@page(access.VIEW)
def table(request: PageRequest, table_id: UUID) -> HttpResponse:
    """One version in words: rows, reasons, vectors, source."""
    row = get_or_404(OpinionTable.objects.select_related("department", "published_by"), pk=table_id)
    form = get_or_404(Questionnaire.objects.all(), url=row.questionnaire_url, status=Questionnaire.Status.ACTIVE)
    context = _table_context(request, row.table(), form) | {
        "row": row, "vectors": row.content.get("vectors", []),
        "json": json.dumps(row.content, ensure_ascii=False, indent=1),
    }  # fmt: skip
    return render(request, "publichealth/table.html", context)


@page(access.VIEW)
def form_table(request: PageRequest, questionnaire_id: UUID) -> HttpResponse:
    """The table that a form brings itself; a department may begin its own from it."""
    form = get_or_404(Questionnaire.objects.all(), pk=questionnaire_id)
    own = reads.table_of_form(form)
    if own is None:
        raise Http404
    rows = [{**outcome, **({"else": True} if place else {})} for place, outcome in enumerate(own.outcomes)]
    draft = {"questionnaire": form.url, "title": {"zh": form.title, "en": form.title_en}, "source": own.source, "outcomes": rows, "vectors": []}  # fmt: skip
    context = _table_context(request, own, form) | {
        "row": None, "vectors": [], "json": json.dumps(draft, ensure_ascii=False, indent=1),
    }  # fmt: skip
    return render(request, "publichealth/table.html", context)


def _table_context(request: PageRequest, found: rules.Table, questionnaire: Questionnaire) -> dict[str, Any]:
    form = replace(form_of(questionnaire), classification={"outcomes": list(found.outcomes)})
    lines = wording.class_lines(form)
    reasons = [pages.say(outcome["reason"]) for outcome in found.outcomes]
    return {
        "title": _("Opinion table: %(form)s") % {"form": _title(questionnaire)},
        "questionnaire": questionnaire,
        "lines": list(zip(lines, reasons, [bool(outcome.get("else")) for outcome in found.outcomes], strict=True)),
        "source": found.source,
        "may_edit": request.viewer.can(access.EDIT_TABLES),
        "departments": _departments(request),
        "hospital_wide": request.viewer.hospital_wide,
    }


def _departments(request: PageRequest) -> list[Organization]:
    rows = Organization.objects.filter(kind=Organization.Kind.DEPARTMENT)
    mine = rows if request.viewer.hospital_wide else rows.filter(pk__in=request.viewer.departments)
    return list(mine.order_by("path", "pk"))


@page(access.EDIT_TABLES, methods=("POST",))
def new_version(request: PageRequest, table_id: UUID) -> HttpResponse:
    """Publish what was edited as a new version. `table_id` is the version, or the form, it was begun from."""
    form = TableForm(request.POST)
    if not form.is_valid():
        return HttpResponse("; ".join(str(error) for errors in form.errors.values() for error in errors), status=422)
    made = actions.publish_table(
        content=form.cleaned_data["content"], department_id=form.cleaned_data["department"], at=timezone.now(),
        by=request.viewer,
    )  # fmt: skip
    return HttpResponseRedirect(reverse("publichealth:table", args=[made.pk]))
