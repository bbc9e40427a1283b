"""Work in bulk: choose rows, see what would happen, start it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from careloop.audit.record import list_seen
from careloop.cohorts import access, actions
from careloop.cohorts.forms import BulkForm
from careloop.cohorts.models import Cohort, Selection, Topic
from careloop.cohorts.reads import bulk as reads
from careloop.cohorts.reads import choices, members, sending, topics, wording
from careloop.cohorts.rules.bulk import CLOSE_REASONS, WORKS, works_on
from careloop.kernel.lookup import get_or_404, ids_from
from careloop.kernel.pages import PageRequest, page, render


@page(access.VIEW, methods=("POST",))
def choose_from_cohort(request: PageRequest, cohort_id: UUID) -> HttpResponse:
    """Ticked patients of a cohort, or all of it."""
    cohort = get_or_404(Cohort.objects.of(request.viewer), pk=cohort_id)
    ids = ids_from(request.POST.getlist("row"))
    if request.POST.get("all"):
        found = members.members_of(cohort, viewer=request.viewer, at=timezone.now())
        ids = members.first(found, settings.ENV.cohort_limit + 1)
    return _chosen(request, Selection.Subject.PATIENT, ids, "cohort", verb=request.POST.get("verb", ""))


@page(access.VIEW, methods=("POST",))
def choose_from_topic(request: PageRequest, topic_id: UUID) -> HttpResponse:
    """Ticked patients of a topic, or all in one state."""
    topic = get_or_404(Topic.objects.of(request.viewer), pk=topic_id)
    ids = ids_from(request.POST.getlist("row"))
    if request.POST.get("all"):
        state = request.POST.get("state", "")
        ids = topics.member_ids(topic, state=state, viewer=request.viewer, limit=settings.ENV.cohort_limit + 1)
    return _chosen(request, Selection.Subject.PATIENT, ids, "topic")


def _chosen(request: PageRequest, subject: str, ids: list[UUID], came_from: str, *, verb: str = "") -> HttpResponse:
    """Leads to the preview; of one kind of work at once when the button said which."""
    selection = actions.select_rows(subject=subject, ids=ids, came_from=came_from, by=request.viewer)
    if verb in WORKS:
        return HttpResponseRedirect(reverse("cohorts:bulk-work", args=[selection.pk, verb]))
    return HttpResponseRedirect(reverse("cohorts:bulk", args=[selection.pk]))


@page(access.VIEW)
def preview(request: PageRequest, selection_id: UUID, verb: str = "") -> HttpResponse:
    """What can be done with these rows; for one kind of work who is in, who is out and why."""
    selection = _mine(request, selection_id)
    works = [work for work in works_on(selection.subject) if request.viewer.can(work.permission)]
    context: dict[str, Any] = {
        "selection": selection,
        "rows": len(selection.ids),
        "tabs": [
            {
                "url": reverse("cohorts:bulk-work", args=[selection.pk, work.verb]),
                "label": str(wording.VERB_WORDS[work.verb]),
                "active": work.verb == verb,
            }
            for work in works
        ],
        "verb": verb,
    }
    if verb:
        if verb not in {work.verb for work in works}:
            raise Http404 if verb not in WORKS else PermissionDenied
        context |= _work(request, selection, verb)
    template = "cohorts/_bulk_preview.html" if verb and request.headers.get("HX-Request") else "cohorts/bulk.html"
    return render(request, template, context)


@page(access.VIEW, methods=("POST",))
def start(request: PageRequest, selection_id: UUID, verb: str) -> HttpResponse:
    """Begin; leads to the progress."""
    selection = _mine(request, selection_id)
    if verb not in WORKS:
        raise Http404
    batch = actions.start_bulk(
        selection_id=selection.pk, verb=verb, values=BulkForm(request.POST).values(verb),
        title=str(wording.VERB_WORDS[verb]), at=timezone.now(), by=request.viewer,
    )  # fmt: skip
    return HttpResponseRedirect(reverse("batches:detail", args=[batch.pk]))


def _mine(request: PageRequest, selection_id: UUID) -> Selection:
    mine = Selection.objects.filter(owner_id=request.viewer.practitioner_id)
    return get_or_404(mine, pk=selection_id)


def _work(request: PageRequest, selection: Selection, verb: str) -> dict[str, Any]:
    values = BulkForm(request.GET).values(verb)
    at = timezone.now()
    told = reads.preview(selection, verb, values, viewer=request.viewer, at=at)
    names = reads.named(told, verb, viewer=request.viewer)
    list_seen(what="cohorts.bulk", ids=[patient for patient, _name, _why in names], by=request.viewer)
    return {
        "work": WORKS[verb],
        "named": [(patient, name, wording.exclusion_words(why)) for patient, name, why in names],
        "values": values,
        "usable": reads.are_usable(verb, values, viewer=request.viewer, at=at) and told.included,
        "included": len(told.included),
        "counts": [(code, wording.exclusion_words(code), n) for code, n in told.counts],
        "total": len(told.included) + len(told.excluded),
        "options": _options(request, verb),
        "leaves": _leaves(verb, values, at),
    }


def _leaves(verb: str, values: Mapping[str, str], at: datetime) -> dict[str, Any] | None:
    """When the first message would leave, and whether quiet hours make it wait."""
    template = sending.template_of(values.get("template", "")) if verb == "send" else None
    if template is None:
        return None
    return {"at": sending.first_leaves_at(template, at=at), "quiet": sending.is_quiet(template, at=at)}


def _options(request: PageRequest, verb: str) -> list[tuple[str, str]]:
    if verb == "assign":
        return [(str(one.pk), one.name) for one in reads.people(request.viewer, at=timezone.now())]
    if verb == "close":
        return [(code, str(wording.CLOSE_WORDS[code])) for code in CLOSE_REASONS]
    if verb == "send":
        language = "en" if wording.is_english() else "zh"
        return [
            (str(one.pk), f"{one.title.get(language) or one.code} · {one.get_channel_display()}")
            for one in reads.templates()
        ]
    return choices.plans() if verb == "enrol" else reads.choices_of(verb, viewer=request.viewer)
