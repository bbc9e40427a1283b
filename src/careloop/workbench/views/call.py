"""随访通话: one patient at a time, keyboard only, the next one without a new page.

GET only looks. Taking a patient in hand, answers, results and undo are POSTs; each answers with what changed.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from careloop.alerts import access as alerts_access
from careloop.audit.record import seen
from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, page, render
from careloop.messaging import access as messaging_access
from careloop.patients import access as patients_access
from careloop.patients import actions as patients_actions
from careloop.patients.models import ContactPoint
from careloop.plans.reads.titles import titles_in
from careloop.questionnaires import access as questionnaires_access
from careloop.questionnaires.rules.attachments import MOST_BYTES
from careloop.tasks import access, actions, rules
from careloop.tasks import reads as tasks_reads
from careloop.tasks.models import Task
from careloop.workbench import actions as call_actions
from careloop.workbench.forms.today import AttemptForm, ListForm
from careloop.workbench.reads import call as reads
from careloop.workbench.reads import questions
from careloop.workbench.views.today import task_of, undo_toast


@page(access.WORK, methods=("POST",))
def start(request: PageRequest) -> HttpResponse:
    """F9 on the list: take the most urgent patient of the list as it is narrowed."""
    at = timezone.now()
    chips = {name: values[-1] for name, values in parse_qs(request.POST.get("chips", "")).items()}
    query = ListForm(chips).query(at=at)
    task = actions.claim_next(at=at, by=request.viewer, narrowed=tasks_reads.narrowing(query, request.viewer))
    if task is None:
        return HttpResponseRedirect(f"{reverse('workbench:today')}?{request.POST.get('chips', '')}&nobody=1")
    return HttpResponseRedirect(reverse("workbench:call", args=[task.pk]))


@page(access.WORK, methods=("POST",))
def open_call(request: PageRequest, task_id: UUID) -> HttpResponse:
    """Enter or F2 on a row: take this patient. Refused while a colleague has the patient."""
    task = task_of(request, task_id)
    actions.claim_task(task=task, at=timezone.now(), by=request.viewer)
    dial = "?dial=1" if request.POST.get("dial") else ""
    return HttpResponseRedirect(reverse("workbench:call", args=[task.pk]) + dial)


@page(access.WORK)
def call(request: PageRequest, task_id: UUID) -> HttpResponse:
    """The call screen. Whoever has not taken the patient in hand sees it without the result bar."""
    task = task_of(request, task_id)
    seen(patient_id=task.patient_id, what="call", by=request.viewer)
    return render(request, "workbench/call.html", _context(request, task))


@page(access.WORK)
def upcoming(request: PageRequest, task_id: UUID) -> HttpResponse:
    """The patient who will come next, drawn ahead while the nurse still talks. Nothing is taken in hand yet."""
    task = tasks_reads.next_for(viewer=request.viewer, at=timezone.now(), after=task_id)
    if task is None:
        return HttpResponse(status=204)
    return JsonResponse({"task": str(task.pk), "stamp": reads.stamp(task), "html": _drawn(request, task, ahead=True)})


@page(access.WORK, methods=("POST",))
def finish(request: PageRequest, task_id: UUID) -> HttpResponse:
    """F9: write the result down and hand out the next patient, whole or as "the one you have drawn already"."""
    task = task_of(request, task_id)
    form = AttemptForm(request.POST)
    if not form.is_valid():
        return render(request, "workbench/_form_errors.html", {"form": form}, status=422)
    at, data = timezone.now(), form.cleaned_data
    done = call_actions.finish_call(
        task=task, contact_point_id=data["contact_point"], outcome=data["outcome"], note=data["note"], at=at,
        started_at=form.began(at=at), promised_at=form.promise(at=at), channel=form.channel_code(), by=request.viewer,
        send=request.POST.getlist("send") if request.viewer.can(messaging_access.SEND) else (),
    )  # fmt: skip
    following = actions.claim_next(at=at, by=request.viewer, after=task.pk)
    return _handed_out(request, following, undo_toast(task, done.attempt))


def _handed_out(request: PageRequest, task: Task | None, trigger: str) -> HttpResponse:
    headers = {"HX-Trigger": trigger}
    if task is None:
        html = render_to_string("workbench/_call_none.html", {}, request)
        return JsonResponse({"task": None, "url": reverse("workbench:today"), "html": html}, headers=headers)
    seen(patient_id=task.patient_id, what="call", by=request.viewer)
    ready = request.POST.get("ready") == f"{task.pk}:{reads.stamp(task)}"
    body = {"task": str(task.pk), "url": reverse("workbench:call", args=[task.pk])}
    return JsonResponse(body if ready else {**body, "html": _drawn(request, task)}, headers=headers)


@page(access.WORK)
def fragment(request: PageRequest, task_id: UUID) -> HttpResponse:
    """The inside of the call screen alone, e.g. after an undo brought this patient back."""
    task = task_of(request, task_id)
    seen(patient_id=task.patient_id, what="call", by=request.viewer)
    return render(request, "workbench/_call.html", _context(request, task))


@page(access.WORK)
def plan(request: PageRequest, task_id: UUID) -> HttpResponse:
    """The steps of the plan around this one, as dots."""
    task = task_of(request, task_id)
    context = {
        "task": task,
        "titles": titles_in(get_language() or "zh-hans"),
        "nodes": reads.plan_nodes(task, viewer=request.viewer, at=timezone.now()),
    }
    return render(request, "workbench/_plan_nodes.html", context)


@page(access.WORK, methods=("POST",))
def take(request: PageRequest, task_id: UUID) -> HttpResponse:
    """Still here: the lease starts again. 409 when a colleague has the patient meanwhile."""
    task = task_of(request, task_id)
    if not actions.keep_claim(task=task, at=timezone.now(), by=request.viewer):
        actions.claim_task(task=task, at=timezone.now(), by=request.viewer)
    return HttpResponse(status=204)


@page(access.WORK, methods=("POST",))
def leave(request: PageRequest) -> HttpResponse:
    """Back to the list: the patient is free for others."""
    actions.release_claims(at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(reverse("workbench:today"))


@page(questionnaires_access.ANSWER, methods=("POST",))
def answer(request: PageRequest, task_id: UUID) -> HttpResponse:
    """One answer, kept at once. Says what it changed: faults, alerts with owner and deadline, advice, the count."""
    task = task_of(request, task_id)
    at = timezone.now()
    call_actions.save_call_answer(
        task=task,
        link_id=request.POST.get("link_id", ""),
        value=request.POST.getlist("value"),
        at=at,
        by=request.viewer,
    )
    return JsonResponse(_changes(request, task))


@page(questionnaires_access.ANSWER, methods=("POST",))
def form_part(request: PageRequest, task_id: UUID) -> HttpResponse:
    """One more or one less of a repeating group, a picture added or taken away. Answers with the form as it is now."""
    task = task_of(request, task_id)
    at = timezone.now()
    files = [one.read(MOST_BYTES + 1) for one in request.FILES.getlist("file")[:6]]
    call_actions.change_form_part(task=task, change=request.POST, files=files, at=at, by=request.viewer)
    form = questions.call_form(task, viewer=request.viewer, at=at)
    return render(request, "workbench/_questions.html", {"task": task, "form": form, "is_mine": True})


@page(alerts_access.RAISE, methods=("POST",))
def report(request: PageRequest, task_id: UUID) -> HttpResponse:
    """Alt A: raise the alerts of the answers so far now, without waiting for the end of the form."""
    task = task_of(request, task_id)
    raised = call_actions.report_now(task=task, at=timezone.now(), by=request.viewer)
    names = ", ".join(sorted({alert.owner.name for alert in raised if alert.owner})) or _("the doctor on duty")
    return JsonResponse({**_changes(request, task), "text": _("Reported to %(names)s.") % {"names": names}})


def _changes(request: PageRequest, task: Task) -> dict[str, Any]:
    """What the screen must show after an answer. Fields keep the focus: only the notes under them are sent."""
    form = questions.call_form(task, viewer=request.viewer, at=timezone.now())
    if form is None:
        return {}
    live = [screen for screen in form.view.screens if screen.enabled]
    blocks = {
        screen.questions[0].link_id: render_to_string(
            "workbench/_notes.html", {"screen": screen, "form": form}, request
        )
        for screen in live
    }
    return {
        "blocks": blocks,
        "asked": [question.link_id for screen in live for question in screen.questions if question.enabled],
        "done": [screen.questions[0].link_id for screen in live if screen.answered],
        "answered": form.view.answered,
        "total": form.view.total,
        "time": f"{timezone.localtime():%H:%M}",
        "saved": _("saved %(time)s") % {"time": f"{timezone.localtime():%H:%M}"},
        "advice": render_to_string("workbench/_advice.html", {"advice": questions.advice(form)}, request),
    }


@page(access.WORK, methods=("POST",))
def dial(request: PageRequest, task_id: UUID) -> HttpResponse:
    """Give out the whole number, for the dialler of this site. Who saw which number is recorded."""
    task = task_of(request, task_id)
    point = get_or_404(_numbers(request, task), pk=request.POST.get("contact_point") or None)
    number = patients_actions.reveal_contact_point(contact_point=point, by=request.viewer)
    dialling = rules.DIALLERS[settings.ENV.dialler]().start(number)
    return JsonResponse({"shown": dialling.shown, "href": dialling.href, "hears": dialling.hears_state})


@page(patients_access.EDIT_CONTACT, methods=("POST",))
def verify(request: PageRequest, task_id: UUID, contact_id: UUID) -> HttpResponse:
    """The person on the line said whose number it is: proven by this call."""
    task = task_of(request, task_id)
    point = get_or_404(_numbers(request, task), pk=contact_id)
    patients_actions.verify_contact_point(contact_point=point, how="call", at=timezone.now(), by=request.viewer)
    return render(request, "workbench/_numbers.html", reads.numbers_context(task, viewer=request.viewer))


@page(patients_access.EDIT_CONTACT, methods=("POST",))
def add_number(request: PageRequest, task_id: UUID) -> HttpResponse:
    """A number somebody told on the phone. Refused when it cannot be one."""
    task = task_of(request, task_id)
    patients_actions.add_contact_point(
        patient=task.patient, number=request.POST.get("number", "")[:40], source="call", at=timezone.now(),
        owner_note=request.POST.get("whose", "")[:60], by=request.viewer,
    )  # fmt: skip
    return render(request, "workbench/_numbers.html", reads.numbers_context(task, viewer=request.viewer))


def _numbers(request: PageRequest, task: Task) -> Any:
    return ContactPoint.objects.visible_to(request.viewer).filter(
        patient_id=task.patient_id, system=ContactPoint.System.PHONE, active=True
    )


def _drawn(request: PageRequest, task: Task, *, ahead: bool = False) -> str:
    """The inside of the screen as text. `ahead`: as it will look once this nurse has taken the patient."""
    context = _context(request, task) | ({"is_mine": True, "is_taken": False} if ahead else {})
    response = render(request, "workbench/_call.html", context)
    return response.content.decode()


def _context(request: PageRequest, task: Task) -> dict[str, Any]:
    return {
        **reads.screen(task, viewer=request.viewer, at=timezone.now()),
        "not_reached": [(code, tasks_reads.outcome_label(code)) for code in rules.NOT_REACHED],
        "ways": _ways(),
        "more": [(code, tasks_reads.outcome_label(code)) for code in rules.MORE],
        "may_edit_contact": request.viewer.can(patients_access.EDIT_CONTACT),
        "after": _after(task) if request.viewer.can(messaging_access.SEND) else [],
    }


def _ways() -> list[tuple[str, str, str, str]]:
    """(code, words, key, icon) of what a contact can be instead of a call; the planned one is chosen already."""
    keys = {"visit": ("H", "home"), "clinic": ("O", "stethoscope")}
    return [(code, tasks_reads.channel_label(code), *keys[code]) for code in rules.IN_PERSON]


def _after(task: Task) -> list[tuple[str, str, str]]:
    """(code, words, key) of what can be sent when the call is over."""
    offered = questions.after_call(task)
    words = {
        "questionnaire": (_("Questions by SMS"), "M"), "plan": (_("Plan by SMS"), "P"),
        "measurement": (_("Reminder to measure"), "B"),
    }  # fmt: skip
    return [(code, label, key) for code, (label, key) in words.items() if code in offered]
