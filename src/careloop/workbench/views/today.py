"""今日随访: today's list, the patient beside it, and what can be done from the list without opening a patient."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from careloop.audit.record import list_seen
from careloop.kernel.addresses import address, around
from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, page, render
from careloop.patients.models import Risk
from careloop.plans.reads.titles import titles_in
from careloop.tasks import access, actions
from careloop.tasks import reads as tasks_reads
from careloop.tasks.models import ContactAttempt, SavedFilter, Task
from careloop.tasks.rules import NOT_REACHED
from careloop.workbench import actions as call_actions
from careloop.workbench.forms.today import AttemptForm, FilterForm, ListForm, read_list
from careloop.workbench.reads import people
from careloop.workbench.reads import today as reads

HOT = ("overdue", "abnormal")


def task_of(request: PageRequest, task_id: UUID) -> Task:
    """The task as this viewer may see it, else 404."""
    return get_or_404(Task.objects.visible_to(request.viewer).select_related("patient", "department"), pk=task_id)


@page(access.WORK)
def today(request: PageRequest) -> HttpResponse:
    """The whole page."""
    return render(request, "workbench/today.html", _page(request))


@page(access.WORK)
def worklist(request: PageRequest) -> HttpResponse:
    """Strip, tabs and rows alone: what changes after every step."""
    return render(request, "workbench/_worklist.html", _list(request))


@page(access.WORK)
def preview(request: PageRequest, task_id: UUID) -> HttpResponse:
    """The pane beside the list: why first, numbers with results, last contact."""
    task = task_of(request, task_id)
    at, viewer = timezone.now(), request.viewer
    stay = people.stay_of(task, viewer=viewer)
    numbers = people.numbers(task.patient_id, viewer=viewer)
    context = {
        "task": task,
        "banner": people.banner(task, stay, viewer=viewer, at=at),
        "reasons": [(reason, tasks_reads.reason_text(reason)) for reason in task.priority_reasons],
        "numbers": numbers,
        "last": next((one for one in people.attempts(task.patient_id, viewer=viewer) if one.note), None),
        "best": next((number for number in numbers if number.is_best), None),
    }
    return render(request, "workbench/_preview.html", context)


@page(access.WORK, methods=("POST",))
def record(request: PageRequest, task_id: UUID) -> HttpResponse:
    """A result straight from the list (F4, F8): not reached, or a promised time. Answers with the list."""
    task = task_of(request, task_id)
    form = AttemptForm(request.POST)
    if not form.is_valid():
        return render(request, "workbench/_form_errors.html", {"form": form}, status=422)
    at = timezone.now()
    done = actions.record_attempt(
        task=task, contact_point_id=form.cleaned_data["contact_point"], outcome=form.cleaned_data["outcome"], at=at,
        by=request.viewer, note=form.cleaned_data["note"], promised_at=form.promise(at=at),
    )  # fmt: skip
    response = render(request, "workbench/_worklist.html", _list(request))
    response["HX-Trigger"] = undo_toast(task, done.attempt)
    return response


@page(access.WORK, methods=("POST",))
def undo(request: PageRequest, attempt_id: UUID) -> HttpResponse:
    """Take the last result back. The toast's button; the page then asks for the list or the patient again."""
    attempt = get_or_404(ContactAttempt.objects.visible_to(request.viewer), pk=attempt_id)
    task = call_actions.take_back_call(attempt=attempt, at=timezone.now(), by=request.viewer)
    events = {"worklist": {}, "reopened": {"task": str(task.pk)}, "toast": {"text": _("Taken back.")}}
    return HttpResponse(status=204, headers={"HX-Trigger": json.dumps(events)})


def undo_toast(task: Task, attempt: ContactAttempt) -> str:
    """The header that shows the toast with its undo button. ASCII JSON, so it may stand in a header."""
    words = _("%(name)s: %(result)s") % {
        "name": task.patient.name, "result": tasks_reads.outcome_label(attempt.outcome, attempt.channel),
    }  # fmt: skip
    return json.dumps({"toast": {"text": words, "undo": reverse("workbench:undo", args=[attempt.pk])}})


@page(access.WORK, methods=("POST",))
def keep_filter(request: PageRequest) -> HttpResponse:
    """Keep the chips of the moment under a name."""
    form = FilterForm(request.POST)
    chips = ListForm(request.POST).chips()
    if form.is_valid():
        actions.save_filter(name=form.cleaned_data["name"], query=chips, by=request.viewer)
    return HttpResponseRedirect(f"{reverse('workbench:today')}?{urlencode(chips)}")


@page(access.WORK, methods=("POST",))
def drop_filter(request: PageRequest, filter_id: UUID) -> HttpResponse:
    """Throw a kept view away. Only one's own."""
    mine = SavedFilter.objects.filter(practitioner_id=request.viewer.practitioner_id)  # type: ignore[misc]  # None finds nothing, which is right
    actions.remove_filter(saved=get_or_404(mine, pk=filter_id), by=request.viewer)
    return HttpResponseRedirect(reverse("workbench:today"))


def _page(request: PageRequest) -> dict[str, Any]:
    return {
        **_list(request),
        "today": timezone.localtime(timezone.now()),
        "nobody": "nobody" in request.GET,
        "not_reached": [(code, tasks_reads.outcome_label(code)) for code in NOT_REACHED],
        "may_distribute": request.viewer.can(access.DISTRIBUTE),
    }


def _list(request: PageRequest) -> dict[str, Any]:
    at, viewer = timezone.now(), request.viewer
    form = read_list(request.GET)
    query = form.query(at=at)
    found, beside = reads.whole_list(query, viewer=viewer, at=at)
    list_seen(what="worklist", ids=[row.patient_id for row in found.rows], by=viewer)
    chips = form.chips()
    titles = titles_in(get_language() or "zh-hans")
    base = address("workbench:today")
    return {
        "departments": [(str(pk), name) for pk, name in beside.departments],
        "plans": [(plan, titles.plan(plan)) for plan in beside.plans],
        "risks": Risk.choices,
        "saved": [(one, urlencode(one.query)) for one in beside.saved],
        "query": query,
        "chips": chips,
        "chip_query": urlencode(chips),
        "tabs": [_tab(base, tab, query.tab, found.counts, chips) for tab in tasks_reads.TABS],
        "counts": found.counts,
        "sections": reads.sections(found.rows, tab=query.tab, titles=titles, viewer=viewer, at=at),
        "shown": len(found.rows),
        "next_url": _address(base, {**chips, "tab": query.tab, "offset": query.offset + query.limit})
        if found.more
        else None,
        "previous_url": _address(base, {**chips, "tab": query.tab, "offset": max(query.offset - query.limit, 0)})
        if query.offset
        else None,
        "progress": beside.progress,
        "asked_at": at,
        "chip_address": lambda name, value: _address(base, {"tab": query.tab, **chips, name: value}),
        "here": _address(base, {**chips, "tab": query.tab, **({"offset": query.offset} if query.offset else {})}),
        "places": {name: around(f"workbench:{name}") for name in ("preview", "record", "open")},
    }


def _tab(base: str, tab: str, active: str, counts: tasks_reads.Counts, chips: dict[str, str]) -> dict[str, Any]:
    return {
        "code": tab, "url": _address(base, {**chips, "tab": tab}), "label": tab_label(tab), "count": counts.of(tab),
        "hot": tab in HOT, "active": tab == active,
    }  # fmt: skip


TAB_LABELS: dict[str, str | Promise] = {
    "todo": gettext_lazy("To call"),
    "overdue": gettext_lazy("Overdue"),
    "promised": gettext_lazy("Promised calls"),
    "unreached": gettext_lazy("Not reached"),
    "abnormal": gettext_lazy("Worrying answers"),
    "done": gettext_lazy("Finished tasks"),
}


def tab_label(tab: str) -> str:
    """In the language of the moment, not of the import."""
    return str(TAB_LABELS[tab])


def _address(base: str, query: dict[str, str | int]) -> str:
    """The list with these filters; an empty one is left out."""
    return f"{base}?{_encoded(tuple([(name, value) for name, value in query.items() if value != '']))}"


@lru_cache(maxsize=2_000)
def _encoded(query: tuple[tuple[str, str | int], ...]) -> str:
    """A page has some twenty addresses that differ in one chip, and asks for the same ones after every step."""
    return urlencode(query)
