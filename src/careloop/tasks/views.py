"""Fragments about a patient's work that other pages show."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from careloop.accounts.models import Organization
from careloop.audit.record import list_seen, seen
from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, page, render
from careloop.patients.models import Patient
from careloop.tasks import access, actions, forms, reads, rules
from careloop.tasks.models import ContactAttempt, Task
from careloop.tasks.reads.worklist import UNREACHED


@page(access.VIEW)
def patient_followups(request: PageRequest, patient_id: UUID) -> HttpResponse:
    """For the patient's record: every item with its state and reason, and every try to reach the patient."""
    patient = get_or_404(Patient.objects.visible_to(request.viewer), pk=patient_id)
    seen(patient_id=patient.pk, what="tasks.followups", by=request.viewer)
    items = reads.explain_patient(patient.pk, viewer=request.viewer, at=timezone.now())
    attempts = (
        ContactAttempt.objects.visible_to(request.viewer)
        .filter(patient_id=patient.pk, undone_at__isnull=True)
        .select_related("by_practitioner", "task")
        .order_by("-started_at", "-pk")[:50]
    )
    at = timezone.now()
    ladder = reads.ladder_in_force(timezone.localtime(at).date())
    reach = reads.reach_of([patient.pk], viewer=request.viewer, at=at, ladder=ladder).get(patient.pk)
    context = {
        "reach": reads.reach_text(reach) if reach else "",
        "items": [(item, reads.why_label(item.why)) for item in items],
        "attempts": [
            (one, reads.outcome_label(one.outcome, one.channel), reads.channel_label(one.channel)) for one in attempts
        ],
    }
    return render(request, "tasks/_patient_followups.html", context)


@page(access.VIEW)
def unreachable(request: PageRequest) -> HttpResponse:
    """Patients who cannot be reached, the most often tried first, each with what to do next."""
    return _unreachable(request)


def _unreachable(request: PageRequest, refused: Any = None) -> HttpResponse:
    at, viewer = timezone.now(), request.viewer
    query = forms.UnreachableForm(request.GET).query()
    rows, more = reads.unreachable(query, viewer=viewer, at=at)
    list_seen(what="tasks.unreachable", ids=[row.task.patient_id for row in rows], by=viewer)
    chips = {
        "department": str(query.department_id or ""), "outcome": query.outcome,
        "at_least": str(query.at_least if query.at_least > 1 else ""), "no_number": "1" if query.no_number else "",
    }  # fmt: skip
    kept = {name: value for name, value in chips.items() if value}
    departments = Organization.objects.filter(is_active=True).exclude(kind=Organization.Kind.HOSPITAL)
    if not (viewer.hospital_wide or viewer.everything):
        departments = departments.filter(pk__in=viewer.departments)
    context = {
        "rows": [(row, reads.reach_text(row.reach) if row.reach else "") for row in rows],
        "chips": chips,
        "query": query,
        "outcomes": [(code, reads.outcome_label(code)) for code in UNREACHED],
        "departments": [(str(one.pk), one.name) for one in departments.order_by("path")],
        "outcome_label": reads.outcome_label,
        "step_label": reads.step_label,
        "reasons": [(code, reads.lost_label(code)) for code in actions.LOST_REASONS],
        "may_work": viewer.can(access.WORK),
        "next_url": _address(kept, query.offset + reads.UNREACHABLE_PAGE) if more else None,
        "previous_url": _address(kept, max(query.offset - reads.UNREACHABLE_PAGE, 0)) if query.offset else None,
    }
    return render(request, "tasks/unreachable.html", context)


def _address(kept: dict[str, str], offset: int) -> str:
    return f"{reverse('tasks:unreachable')}?{urlencode({**kept, 'offset': str(offset)})}"


@page(access.WORK, methods=("POST",))
def lose(request: PageRequest, task_id: UUID) -> HttpResponse:
    """Lost to follow-up, with a reason; refused while something is left to try."""
    task = get_or_404(Task.objects.visible_to(request.viewer), pk=task_id)
    form = forms.LossForm(request.POST)
    if not form.is_valid():
        raise actions.LossNeedsReason
    actions.lose_patient(
        task=task, reason=form.cleaned_data["reason"], note=form.cleaned_data["note"], at=timezone.now(),
        by=request.viewer,
    )  # fmt: skip
    return HttpResponseRedirect(reverse("tasks:unreachable"))


@page(access.VIEW)
def ladder(request: PageRequest) -> HttpResponse:
    """The retry rules in force, their history, and the form to change them."""
    return _ladder(request)


@page(access.EDIT_LADDER, methods=("POST",))
def publish_ladder(request: PageRequest) -> HttpResponse:
    """A new version. What is wrong with it stands above the form, which keeps what was typed (422)."""
    content = forms.ladder_content(request.POST, _base())
    head = forms.LadderHead(request.POST)
    if not head.is_valid():
        return _ladder(request, content=content, head=head, status=422)
    given = head.cleaned_data
    try:
        actions.publish_ladder(
            content=content, valid_from=given["valid_from"], note=given["note"], based_on=given["based_on"],
            today=timezone.localtime(timezone.now()).date(), at=timezone.now(), by=request.viewer,
        )  # fmt: skip
    except actions.LadderFaulty as refusal:
        return _ladder(request, content=content, head=head, faults=refusal.faults, status=422)
    return HttpResponseRedirect(reverse("tasks:ladder"))


def _base() -> dict[str, Any]:
    """What an edit begins with: the newest version, also one that is not in force yet."""
    newest = next(iter(reads.versions()), None)
    return newest.content if newest else reads.shipped_content()


def _ladder(
    request: PageRequest, content: Any = None, head: Any = None, faults: Any = (), status: int = 200
) -> HttpResponse:
    today = timezone.localtime(timezone.now()).date()
    in_force, history = reads.version_in_force(today), reads.versions()
    shown = content or _base()
    codes = [*shown["rungs"], *[""] * forms.SPARE_RUNGS]
    context = {
        "today": today,
        "in_force": in_force,
        "force": reads.ladder_in_force(today),
        "history": history,
        "content": shown,
        "rungs": [(code, shown["rungs"].get(code, {})) for code in codes],
        "faults": [(fault, reads.fault_text(fault.code)) for fault in faults],
        "head": head,
        "based_on": history[0].number if history else 0,
        "may_edit": request.viewer.can(access.EDIT_LADDER),
        "does": [(code, reads.step_label(code)) for code in rules.DOES],
        "waits": rules.WAITS,
        "follows": [(code, reads.step_label(code)) for code in rules.FOLLOW],
        "retried": [(code, reads.outcome_label(code)) for code in rules.RETRIED],
        "followed": [(code, reads.outcome_label(code)) for code in rules.FOLLOWED],
        "step_label": reads.step_label,
    }
    return render(request, "tasks/ladder.html", context, status=status)
