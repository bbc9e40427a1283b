"""A search becomes a special topic, and how the topic stands."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from careloop.audit.record import list_seen
from careloop.cohorts import access, actions
from careloop.cohorts.forms import TopicForm
from careloop.cohorts.models import Cohort, Topic
from careloop.cohorts.reads import choices, members, topics, wording
from careloop.cohorts.reads.exclusions import Purpose, sort_members
from careloop.cohorts.rules.definition import parse
from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, page, render
from careloop.kernel.viewer import Viewer

PAGE = 50
USUAL = timedelta(days=14)  # the deadline that is filled in


@page(access.START, methods=("GET", "POST"))
def start(request: PageRequest, cohort_id: UUID) -> HttpResponse:
    """One page: title, form or plan, staff, deadline, who is left out. Its button starts the topic."""
    cohort = get_or_404(Cohort.objects.of(request.viewer), pk=cohort_id)
    at = timezone.now()
    staff = {str(one.pk): one.name for one in topics.staff_choices(request.viewer, at=at)}
    form = TopicForm(request.POST or None, staff=staff, auto_id="f-%s")
    if request.method == "POST" and form.is_valid():
        told = form.cleaned_data
        by_plan = told["what"] == "plan"
        topic = actions.start_topic(
            cohort_id=cohort.pk, title=told["title"], questionnaire_url="" if by_plan else told["questionnaire"],
            plan_url=told["plan"] if by_plan else "", staff=told["staff"], deadline=form.deadline_day,
            key=str(told["key"]), at=at, by=request.viewer,
        )  # fmt: skip
        return HttpResponseRedirect(reverse("cohorts:topic", args=[topic.pk]))
    context = {"cohort": cohort, "form": form, "staff": staff, **_offer(request, cohort)}
    return render(request, "cohorts/start_topic.html", context, status=422 if request.method == "POST" else 200)


@page(access.START, methods=("POST",))
def offer(request: PageRequest, cohort_id: UUID) -> HttpResponse:
    """Another form or plan was chosen: how many can be followed up with it, and who is left out why. Nothing is started."""
    cohort = get_or_404(Cohort.objects.of(request.viewer), pk=cohort_id)
    return render(request, "cohorts/_topic_offer.html", {"cohort": cohort, **_offer(request, cohort)})


@page(access.VIEW)
def topic(request: PageRequest, topic_id: UUID) -> HttpResponse:
    """How it stands, and its patients by state."""
    return render(request, "cohorts/topic.html", _context(request, _of(request.viewer, topic_id)))


@page(access.VIEW)
def progress(request: PageRequest, topic_id: UUID) -> HttpResponse:
    """The same without the frame; the page asks for it again while patients are being enrolled."""
    return render(request, "cohorts/_topic.html", _context(request, _of(request.viewer, topic_id)))


@page(access.START, methods=("POST",))
def close(request: PageRequest, topic_id: UUID) -> HttpResponse:
    """End it: only who started it."""
    mine = Topic.objects.filter(requested_by_id=request.viewer.practitioner_id)
    found = get_or_404(mine, pk=topic_id)
    actions.close_topic(topic_id=found.pk, at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(reverse("cohorts:topic", args=[found.pk]))


def _of(viewer: Viewer, topic_id: UUID) -> Topic:
    return get_or_404(Topic.objects.of(viewer).select_related("requested_by", "batch"), pk=topic_id)


def _offer(request: PageRequest, cohort: Cohort) -> dict[str, Any]:
    at = timezone.now()
    limit = settings.ENV.cohort_limit
    ids = members.first(members.members_of(cohort, viewer=request.viewer, at=at), limit + 1)
    purpose = Purpose(
        plan_url=request.POST.get("plan", "") if request.POST.get("what") == "plan" else "",
        questionnaire_url="" if request.POST.get("what") == "plan" else request.POST.get("questionnaire", ""),
    )
    told = sort_members(ids, purpose) if len(ids) <= limit else None
    return {
        "sentences": wording.sentences(cohort.conditions()),
        "is_everyone": cohort.conditions().is_everyone and cohort.kind != Cohort.Kind.FROZEN,
        "limit": limit,
        "too_many": told is None,
        "included": len(told.included) if told else 0,
        "total": told.total if told else None,
        "counts": [(code, wording.exclusion_words(code), n) for code, n in told.counts.items()] if told else [],
        "forms": choices.forms(),
        "plans": choices.plans(),
        "deadline": (timezone.localtime(at) + USUAL).date().isoformat(),
        "today": timezone.localtime(at).date().isoformat(),
        "key": request.POST.get("key") or uuid4(),
        "sent": request.POST,
        "sent_staff": request.POST.getlist("staff"),
    }


def _context(request: PageRequest, found: Topic) -> dict[str, Any]:
    state = request.GET.get("state", "")
    state = state if state in topics.STATES else ""
    offset = int(request.GET["offset"]) if request.GET.get("offset", "").isdecimal() else 0
    rows = topics.member_rows(found, state=state, viewer=request.viewer, offset=min(offset, 1_000_000), limit=PAGE + 1)
    list_seen(what="cohorts.topic", ids=[row.patient_id for row in rows[:PAGE]], by=request.viewer)
    told = topics.progress(found, viewer=request.viewer)
    here = reverse("cohorts:topic", args=[found.pk])
    forms, plans = dict(choices.forms()), dict(choices.plans())
    return {
        "topic": found,
        "progress": told,
        "states": [(code, str(wording.STATE_WORDS[code]), told.counts[code]) for code in topics.STATES],
        "state": state,
        "rows": [(row, str(wording.STATE_WORDS[row.state]), _outcome(row)) for row in rows[:PAGE]],
        "next_url": f"{here}?{urlencode({'state': state, 'offset': str(offset + PAGE)})}" if len(rows) > PAGE else None,
        "previous_url": f"{here}?{urlencode({'state': state, 'offset': str(max(offset - PAGE, 0))})}"
        if offset
        else None,
        "what": plans.get(found.plan_url, found.plan_url)
        if found.plan_url
        else forms.get(found.questionnaire_url, found.questionnaire_url),
        "sentences": wording.sentences(parse(found.definition)),
        "is_mine": found.requested_by_id == request.viewer.practitioner_id,
        "is_enrolling": bool(found.batch and found.batch.is_under_way),
        "may_batch": request.viewer.can("batches.view"),
    }


def _outcome(row: topics.MemberRow) -> str:
    if row.excluded:
        return wording.exclusion_words(row.excluded)
    return topics.outcome_words(row.outcome)
