"""Who is under management, what is due, one patient's programme, the paper form, and why a task is there."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from careloop.audit.record import list_seen, seen
from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, page, render
from careloop.patients.models import Patient
from careloop.publichealth import access, actions, rules
from careloop.publichealth.forms import ENDING_LABELS, EndManagementForm, RegisterForm
from careloop.publichealth.models import EpisodeOfCare
from careloop.publichealth.reads import packs, pages
from careloop.questionnaires.reads import patient_number
from careloop.questionnaires.rules import whole_number
from careloop.tasks.models import Task

PAGE = 50


def state_words() -> dict[str, str]:
    """The states of the list in words."""
    return {
        "all": _("All under management"), "overdue": _("Overdue"), "due": _("Due within 7 days"), "out": _("Not in target"),
        "unknown": _("Without a class"), "urgent": _("Urgent referral"), "ended": _("Ended"),
    }  # fmt: skip


def pack_in_force(today: date) -> rules.Pack:
    """The rules of today; without any, there is no such page."""
    row = packs.pack_on(today)
    if row is None:
        raise Http404
    return row.pack()


def end_words(reason: str) -> str:
    """Why the management ended, in words."""
    words = dict(ENDING_LABELS) | {
        "death": _("Died"), "course-closed": _("Course of treatment closed"), "merged": _("Merged into another record"),
    }  # fmt: skip
    return str(words.get(reason, reason))


@page(access.VIEW)
def programme_list(request: PageRequest) -> HttpResponse:
    """The patients of a programme: last and next visit, control, due and overdue, counted."""
    today = timezone.localdate()
    pack = pack_in_force(today)
    chosen = pack.programme(request.GET.get("programme", "")) or pack.programmes[0]
    state = request.GET.get("state", "all") if request.GET.get("state") in pages.STATES else "all"
    start = _start(request.GET.get("from", ""))
    found = pages.episodes(request.viewer, programme=chosen.code, state=state, today=today)
    rows = list(found[start : start + PAGE + 1])
    shown = rows[:PAGE]
    list_seen(what="publichealth.list", ids=[row.pk for row in shown], by=request.viewer)
    counted = pages.counts(request.viewer, today=today)
    mine = counted.get(chosen.code, dict.fromkeys(pages.STATES, 0))
    context = {
        "title": _("Public health follow-up"),
        "pack": pack,
        "chosen": chosen,
        "state": state,
        "rows": shown,
        "today": today,
        "say": pages.say,
        "end_words": end_words,
        "tabs": [
            {
                "url": _here(one.code, "all"), "label": pages.say(one.title), "active": one.code == chosen.code,
                "count": counted.get(one.code, {}).get("all", 0),
            }
            for one in pack.programmes
        ],
        "chips": [(code, state_words()[code], mine[code], _here(chosen.code, code)) for code in pages.STATES],
        "total": mine[state],
        "older": _here(chosen.code, state, start + PAGE) if len(rows) > PAGE else None,
        "newer": _here(chosen.code, state, max(0, start - PAGE)) if start else None,
    }  # fmt: skip
    return render(request, "publichealth/list.html", context)


def _start(text: str) -> int:
    return whole_number(text, 100_000) or 0


def _here(programme: str, state: str, start: int = 0) -> str:
    query = {"programme": programme, "state": state} | ({"from": str(start)} if start else {})
    return f"{reverse('publichealth:list')}?{urlencode(query)}"


def _episode(request: PageRequest, episode_id: UUID) -> EpisodeOfCare:
    mine = EpisodeOfCare.objects.visible_to(request.viewer).select_related("patient", "department", "doctor")
    found = get_or_404(mine, pk=episode_id)
    seen(patient_id=found.patient_id, what="publichealth.episode", by=request.viewer)
    return found


def _programme_of(episode: EpisodeOfCare) -> tuple[rules.Pack, rules.Programme]:
    pack = pack_in_force(timezone.localdate())
    programme = pack.programme(episode.programme)
    if programme is None:
        raise Http404
    return pack, programme


def _episode_context(request: PageRequest, episode: EpisodeOfCare) -> dict[str, Any]:
    pack, programme = _programme_of(episode)
    visits = pages.visit_lines(episode, request.viewer)
    age = _age(episode.patient, timezone.localdate())
    return {
        "title": f"{episode.patient.name} · {pages.say(programme.title)}",
        "episode": episode,
        "patient": episode.patient,
        "age": age,
        "pack": pack,
        "programme": programme,
        "visits": visits,
        "pairs": pages.pair_lines(programme, visits),
        "trends": pages.trend_lines(programme, visits),
        "clocks": pages.clock_lines(episode, request.viewer),
        "notes": [n for n in programme.notes if n.age_from is None or (age is not None and age >= n.age_from)],
        "say": pages.say,
        "end_words": end_words,
        "form": EndManagementForm(),
        "today": timezone.localdate(),
    }


def _age(patient: Patient, today: date) -> int | None:
    born = patient.birth_date
    return None if born is None else today.year - born.year - ((today.month, today.day) < (born.month, born.day))


@page(access.VIEW)
def episode_page(request: PageRequest, episode_id: UUID) -> HttpResponse:
    """One patient's programme: class and why, now and target, trend, clocks, every visit."""
    return render(request, "publichealth/episode.html", _episode_context(request, _episode(request, episode_id)))


@page(access.VIEW)
def episode_print(request: PageRequest, episode_id: UUID) -> HttpResponse:
    """The national form on paper: up to four visits side by side."""
    episode = _episode(request, episode_id)
    context = _episode_context(request, episode)
    columns, rows = pages.paper(context["visits"], context["programme"])
    context |= {"columns": columns, "paper": rows, "number": patient_number(episode.patient_id)}
    return render(request, "publichealth/print.html", context)


@page(access.MANAGE, methods=("POST",))
def end_management(request: PageRequest, episode_id: UUID) -> HttpResponse:
    """The patient leaves the programme, for a reason."""
    episode, form = _episode(request, episode_id), EndManagementForm(request.POST)
    if not form.is_valid():
        context = _episode_context(request, episode) | {"form": form}
        return render(request, "publichealth/episode.html", context, status=422)
    actions.end_episode(episode=episode, reason=form.cleaned_data["reason"], at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(reverse("publichealth:episode", args=[episode.pk]))


def _patient(request: PageRequest, patient_id: UUID) -> Patient:
    return get_or_404(Patient.objects.visible_to(request.viewer), pk=patient_id)


def _programmes_context(request: PageRequest, patient: Patient, form: RegisterForm | None = None) -> dict[str, Any]:
    pack = pack_in_force(timezone.localdate())
    rows = pages.of_patient(patient.pk, request.viewer)
    running = {row.programme for row in rows if row.status == EpisodeOfCare.Status.ACTIVE}
    titles = {one.code: pages.say(one.title) for one in pack.programmes}
    return {
        "patient": patient,
        "rows": [(row, titles.get(row.programme, row.programme)) for row in rows],
        "open": [one for one in pack.programmes if one.code not in running],
        "form": form or RegisterForm(initial={"started_on": timezone.localdate()}),
        "may_register": request.viewer.can(access.MANAGE) and not patient.deceased and patient.active,
        "say": pages.say,
        "end_words": end_words,
    }


@page(access.VIEW)
def patient_programmes(request: PageRequest, patient_id: UUID) -> HttpResponse:
    """The card of the patient's record: programmes, control, next visit, and registering by hand."""
    patient = _patient(request, patient_id)
    if packs.pack_on(timezone.localdate()) is None:
        return HttpResponse(status=204)  # the record goes on without the national rules
    seen(patient_id=patient.pk, what="publichealth.patient_programmes", by=request.viewer)
    return render(request, "publichealth/_patient.html", _programmes_context(request, patient))


@page(access.MANAGE, methods=("POST",))
def register(request: PageRequest, patient_id: UUID) -> HttpResponse:
    """Take a patient into a programme."""
    patient, form = _patient(request, patient_id), RegisterForm(request.POST)
    department = _department(request, patient)
    if not form.is_valid() or department is None:
        return render(request, "publichealth/_patient.html", _programmes_context(request, patient, form), status=422)
    given = form.cleaned_data
    actions.register_patient(
        patient=patient, programme=given["programme"], department_id=department, started_on=given["started_on"],
        noticed_at=given["noticed_at"], at=timezone.now(), by=request.viewer,
    )  # fmt: skip
    return render(request, "publichealth/_patient.html", _programmes_context(request, patient))


def _department(request: PageRequest, patient: Patient) -> UUID | None:
    """Of the latest stay; else of the person who registers."""
    stay = patient.encounters.filter(department__isnull=False).order_by("-admitted_at", "-pk").first()
    return stay.department_id if stay else request.viewer.organization_id


@page(access.VIEW)
def why(request: PageRequest, task_id: UUID) -> HttpResponse:
    """Why this task is on the list: the visit, the rule, its version and source."""
    get_or_404(Task.objects.visible_to(request.viewer), pk=task_id)
    clock = pages.clock_of_task(task_id, request.viewer)
    if clock is None:
        return HttpResponse(status=204)
    row = packs.pack_by_version(clock.pack_version)
    programme = row.pack().programme(clock.episode.programme) if row else None
    rule = programme.clocks.get(clock.kind) if programme else None
    context = {"clock": clock, "rule": rule, "programme": programme, "say": pages.say}
    return render(request, "publichealth/_why.html", context)
