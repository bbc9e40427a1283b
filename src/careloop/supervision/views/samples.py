"""Samples: the list, drawing one, and one with its records."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from careloop.kernel.errors import Refused
from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, page, render
from careloop.supervision import access, actions
from careloop.supervision.forms import SampleForm
from careloop.supervision.models import AnswerPair, Sample, SampledRecord
from careloop.supervision.reads import figures
from careloop.supervision.reads import samples as reads

MOST = 50


@page(access.VIEW)
def home(request: PageRequest) -> HttpResponse:
    """My open checks and the samples, newest first."""
    mine = (
        SampledRecord.objects.visible_to(request.viewer)
        .select_related("department", "author")
        .filter(checker_id=request.viewer.practitioner_id, status__in=["waiting", "comparing"])
    )
    samples = Sample.objects.visible_to(request.viewer).select_related("department", "drawn_by").defer("population")
    context = {
        "title": _("QA re-check"),
        "mine": list(mine.order_by("created_at", "order")[:MOST]),
        "samples": list(samples.order_by("-drawn_at", "pk")[:MOST]),
        "may_sample": request.viewer.can(access.SAMPLE),
        "tabs": tabs(request, "home"),
    }
    return render(request, "supervision/home.html", context)


def tabs(request: PageRequest, active: str) -> list[dict[str, object]]:
    """The pages of supervision that this viewer may open."""
    pages = (
        ("home", _("Samples"), access.VIEW), ("findings", _("Rectification"), access.OWN),
        ("records", _("Records of colleagues"), access.REVIEW), ("agreement", _("Agreement of answers"), access.VIEW),
        ("integrity", _("Integrity indicators"), access.INTEGRITY), ("mine", _("My indicators"), access.OWN),
    )  # fmt: skip
    return [
        {"url": reverse(f"supervision:{name}"), "label": label, "active": name == active}
        for name, label, permission in pages
        if request.viewer.can(permission)
    ]


@page(access.SAMPLE, methods=("GET", "POST"))
def new_sample(request: PageRequest) -> HttpResponse:
    """Draw a sample. What cannot be drawn is said on the form, with what can."""
    viewer = request.viewer
    if request.method != "POST":
        return _form(request, SampleForm(initial=SampleForm.start(viewer), viewer=viewer))
    form = SampleForm(request.POST, viewer=viewer)
    if not form.is_valid():
        return _form(request, form, status=422)
    told = form.cleaned_data
    try:
        drawn = actions.draw_sample(
            key=f"{viewer.practitioner_id}:{told['key']}"[:80], wanted=form.wanted(), size=told["size"],
            percent=told["percent"], blind_percent=told["blind_percent"], seed=form.seed_to_use(),
            checker_id=form.checker_id(), at=timezone.now(), by=viewer,
        )  # fmt: skip
    except Refused as refused:
        form.add_error(None, str(refused))
        return _form(request, form, status=refused.status)
    return HttpResponseRedirect(reverse("supervision:sample", args=[drawn.pk]))


def _form(request: PageRequest, form: SampleForm, *, status: int = 200) -> HttpResponse:
    context = {"title": _("Draw a sample"), "form": form, "tabs": tabs(request, "home")}
    return render(request, "supervision/new_sample.html", context, status=status)


@page(access.SAMPLE)
def population(request: PageRequest) -> HttpResponse:
    """How many records this selection has, by group, and what is left out and why."""
    form = SampleForm(request.GET, viewer=request.viewer)
    form.is_valid()
    found = None
    if not {"department", "period_from", "period_to", "author", "form", "mode", "strata"} & set(form.errors):
        wanted = form.wanted()
        if request.viewer.hospital_wide or wanted.department_id in request.viewer.departments:
            found = reads.population(wanted, viewer=request.viewer)
    context = {
        "found": found,
        "left_out": figures.left_out_words(found.left_out) if found else [],
        "risky": sum(one.weight > 1 for one in found.candidates) if found else 0,
    }
    return render(request, "supervision/_population.html", context)


@page(access.VIEW)
def sample(request: PageRequest, sample_id: UUID) -> HttpResponse:
    """One sample: how it was drawn, its records, what came out, and the proof that it can be drawn again."""
    found = get_or_404(
        Sample.objects.visible_to(request.viewer).select_related("department", "drawn_by", "widens"), pk=sample_id
    )
    rows = list(
        SampledRecord.objects.visible_to(request.viewer)
        .select_related("author", "department", "checker", "patient")
        .filter(sample=found)
        .order_by("order")
    )
    pairs = list(
        AnswerPair.objects.unscoped("of a sample the viewer supervises").filter(record__in=rows).order_by("pk")
    )
    context = {
        "title": _("Sample of %(day)s") % {"day": timezone.localdate(found.drawn_at)},
        "sample": found,
        "rows": rows,
        "reasons": {row.pk: [figures.reason_label(code) for code in row.reasons] for row in rows},
        "settled": sum(row.status in ("settled", "not-reached") for row in rows),
        "left_out": figures.left_out_words(found.left_out),
        "redrawn": reads.draw_again(found, rows) if len(rows) == found.size else None,
        "agreement": figures.line_of("", pairs),
        "why": figures.decision_words(found.decision) if found.decision else [],
        "plan": figures.plan_of(found),
        "wider": Sample.objects.visible_to(request.viewer).filter(widens=found).only("pk").first(),
        "tabs": tabs(request, "home"),
        "may_sample": request.viewer.can(access.SAMPLE),
    }
    return render(request, "supervision/sample.html", context)


@page(access.SAMPLE, methods=("POST",))
def widen(request: PageRequest, sample_id: UUID) -> HttpResponse:
    """Draw the wider sample now, in case the background work has not done so."""
    found = get_or_404(Sample.objects.visible_to(request.viewer), pk=sample_id)
    wider = actions.widen_sample(sample=found, at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(reverse("supervision:sample", args=[wider.pk]))
