"""The suggested opinion on a response, the doctor's choice, and the tables behind it."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from careloop.accounts.models import Organization
from careloop.audit.record import seen
from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, page, render
from careloop.publichealth import access, actions, rules
from careloop.publichealth.forms import ChooseForm
from careloop.publichealth.models import Opinion, OpinionChoice, OpinionDraft, OpinionTable
from careloop.publichealth.reads import opinions as reads
from careloop.publichealth.reads import pages
from careloop.publichealth.reads import tables as tables_reads
from careloop.publichealth.views.tables import form_title
from careloop.questionnaires.models import Questionnaire
from careloop.questionnaires.reads import display_value, form_of


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
        "rows": [(row, form_title(forms.get(row.questionnaire_url))) for row in rows],
        "own": sorted(((form, form_title(form)) for form in own), key=lambda pair: pair[0].name),
        "version_words": version_words,
        "agreement": [(one, form_title(forms.get(one.questionnaire_url))) for one in reads.agreement(request.viewer)],
        "drafts": [
            (draft, form_title(forms.get(draft.questionnaire_url)))
            for draft in tables_reads.drafts_of(request.viewer).filter(status__in=["editing", "in-review"]).order_by("-changed_at", "pk")[:100]
        ],
        "forms": sorted(((form, form_title(form)) for form in forms.values()), key=lambda pair: pair[1]),
        "may_write": request.viewer.can(access.WRITE_TABLES),
        "departments": _departments(request),
        "hospital_wide": request.viewer.hospital_wide,
    }  # fmt: skip
    return render(request, "publichealth/tables.html", context)


def version_words(one: reads.Agreement) -> str:
    """Which version of which kind of table a suggestion came from."""
    number = one.table_version
    if number is None:
        return _("table of the form, version %(version)s") % {"version": one.rule_version.rpartition("|")[2]}
    return _("published table, version %(version)s") % {"version": number}


@page(access.VIEW)
def table(request: PageRequest, table_id: UUID) -> HttpResponse:
    """One version in words: rows, reasons, vectors, source."""
    row = get_or_404(OpinionTable.objects.select_related("department", "published_by"), pk=table_id)
    form = tables_reads.questionnaire_of(row.questionnaire_url)
    if form is None:
        raise Http404
    context = _table_context(request, row.table(), form) | {
        "row": row, "vectors": tables_reads.vector_lines(row, form), "earlier": tables_reads.earlier_of(row),
        "json": json.dumps(row.content, ensure_ascii=False, indent=1),
        "author": OpinionDraft.objects.filter(published_as=row).select_related("author").first(),
    }  # fmt: skip
    return render(request, "publichealth/table.html", context)


@page(access.VIEW)
def form_table(request: PageRequest, questionnaire_id: UUID) -> HttpResponse:
    """The table that a form brings itself; a department may begin its own from it."""
    form = get_or_404(Questionnaire.objects.all(), pk=questionnaire_id)
    own = reads.table_of_form(form)
    if own is None:
        raise Http404
    content = json.dumps(reads.draft_of_form(form), ensure_ascii=False, indent=1)
    context = _table_context(request, own, form) | {
        "row": None,
        "vectors": [],
        "json": content,
        "earlier": None,
        "author": None,
    }
    return render(request, "publichealth/table.html", context)


def _table_context(request: PageRequest, found: rules.Table, questionnaire: Questionnaire) -> dict[str, Any]:
    form = form_of(questionnaire)
    titles = [pages.say(outcome["title"]) for outcome in found.outcomes]
    lines = [
        (title, tables_reads.sentence(form, one["when"])) for title, one in zip(titles, found.outcomes, strict=True)
    ]
    reasons = [pages.say(outcome["reason"]) for outcome in found.outcomes]
    return {
        "title": _("Opinion table: %(form)s") % {"form": form_title(questionnaire)},
        "questionnaire": questionnaire,
        "lines": list(zip(lines, reasons, [bool(outcome.get("else")) for outcome in found.outcomes], strict=True)),
        "source": found.source,
        "may_write": request.viewer.can(access.WRITE_TABLES),
        "departments": _departments(request),
        "hospital_wide": request.viewer.hospital_wide,
    }


def _departments(request: PageRequest) -> list[Organization]:
    rows = Organization.objects.filter(kind=Organization.Kind.DEPARTMENT)
    mine = rows if request.viewer.hospital_wide else rows.filter(pk__in=request.viewer.departments)
    return list(mine.order_by("path", "pk"))
