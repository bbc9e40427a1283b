"""One record being checked. Until the second answers stand, nothing on these pages comes from the first ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from careloop.accounts.models import Practitioner
from careloop.audit.record import seen
from careloop.kernel.lookup import get_or_404, id_from
from careloop.kernel.pages import PageRequest, page, render
from careloop.questionnaires.actions import ResponseIncomplete
from careloop.questionnaires.reads import FormView, fault_text
from careloop.questionnaires.reads import form_view as plain_view
from careloop.supervision import access, actions
from careloop.supervision.actions.checking import ENOUGH_TRIES
from careloop.supervision.forms import FindingForm
from careloop.supervision.models import AnswerPair, Finding, SampledRecord
from careloop.supervision.reads import checks as reads
from careloop.supervision.reads import content, figures
from careloop.supervision.views.samples import tabs
from careloop.tasks import reads as tasks_reads
from careloop.tasks import rules as task_rules


def record_of(request: PageRequest, record_id: UUID) -> SampledRecord:
    """The record, if the viewer checks or supervises it."""
    rows = SampledRecord.objects.visible_to(request.viewer)
    return get_or_404(rows.select_related("patient", "author", "checker", "department", "sample", "task"), pk=record_id)


@page(access.VIEW)
def check(request: PageRequest, record_id: UUID) -> HttpResponse:
    """The call while it is blind; the comparison afterwards; the record itself when it is read instead."""
    row = record_of(request, record_id)
    seen(patient_id=row.patient_id, what="supervision.check", by=request.viewer)
    return _page(request, row)


def _page(
    request: PageRequest, row: SampledRecord, *, faults: dict[str, str] | None = None, status: int = 200
) -> HttpResponse:
    common = {
        "title": _("Re-check") if row.is_blind else _("Record to read"),
        "row": row,
        "is_mine": row.checker_id == request.viewer.practitioner_id,
        "tabs": tabs(request, "home"),
        "faults": faults or {},
    }
    if row.hides_first_answers:
        return render(request, "supervision/check_blind.html", {**common, **_blind(request, row)}, status=status)
    return render(request, "supervision/check_open.html", {**common, **_open(request, row)}, status=status)


def _blind(request: PageRequest, row: SampledRecord) -> dict[str, Any]:
    """Everything about the call, nothing about the first answers."""
    begun = row.second_id is not None
    mine = row.checker_id == request.viewer.practitioner_id
    return {
        "view": reads.form_view(row, at=timezone.now(), viewer=request.viewer) if begun and mine else None,
        "numbers": reads.numbers(row) if mine else [],
        "outcomes": [
            (code, tasks_reads.outcome_label(code))
            for code in (*task_rules.NOT_REACHED, "wrong-person", "refused", "moved", "died")
        ],
        "tries": row.task.attempts if row.task else 0,
        "enough": ENOUGH_TRIES,
        "colleagues": _colleagues(request, row) if request.viewer.can(access.SAMPLE) and not begun else [],
        "today_age": _age(row),
    }


def _open(request: PageRequest, row: SampledRecord) -> dict[str, Any]:
    first = reads.first_answers(row)
    pairs = list(AnswerPair.objects.unscoped("of a check the viewer may see").filter(record=row).order_by("pk"))
    findings = list(Finding.objects.visible_to(request.viewer).filter(response=first).order_by("raised_at", "pk"))
    return {
        "first": first,
        "view": plain_view(first.questionnaire, response=first, at=timezone.now(), findings=[]),
        "lines": reads.comparison(row, pairs),
        "agreement": figures.line_of("", pairs),
        "differences": [(code, figures.difference_label(code)) for code in content.sampling()["differences"]],
        "verdicts": SampledRecord.Verdict.choices,
        "findings": [(one, figures.finding_label(one.code)) for one in findings],
        "finding_form": FindingForm(initial={"key": f"record:{row.pk}:{len(findings)}", "severity": "serious"}),
        "may_raise": request.viewer.can(access.CHECK) and row.author_id != request.viewer.practitioner_id,
        "reason_labels": {code: figures.difference_label(code) for code in content.sampling()["differences"]},
        "today_age": _age(row),
    }


def _age(row: SampledRecord) -> int | None:
    born, today = row.patient.birth_date, timezone.localdate()
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day)) if born else None


def _colleagues(request: PageRequest, row: SampledRecord) -> list[Practitioner]:
    """Who could check it instead: people with a role that may, of this department or the hospital."""
    people = Practitioner.objects.filter(
        is_active=True, assignments__role__permissions__contains=[access.CHECK.code], assignments__valid_to=None
    ).exclude(pk__in=[row.author_id, row.checker_id])
    if not request.viewer.hospital_wide:
        people = people.filter(organization__in=request.viewer.departments)
    return list(people.distinct().order_by("name", "pk")[:50])


@page(access.CHECK, methods=("POST",))
def begin(request: PageRequest, record_id: UUID) -> HttpResponse:
    """Take the call in hand."""
    return _done(request, record_id, actions.begin_re_check)


@page(access.CHECK, methods=("POST",))
def number(request: PageRequest, record_id: UUID, contact_id: UUID) -> HttpResponse:
    """Show the whole number of this one patient to the checker. Who saw it is recorded."""
    shown = actions.show_number(row=record_of(request, record_id), contact_point_id=contact_id, by=request.viewer)
    return render(request, "supervision/_number.html", {"number": shown})


@page(access.CHECK, methods=("POST",))
def answer(request: PageRequest, record_id: UUID, link_id: str) -> HttpResponse:
    """Keep one answer at once. The form is drawn again only when other questions are asked now, or one is at fault."""
    row = record_of(request, record_id)
    if _stands_already(request, row, link_id):
        return HttpResponse(status=204)
    before = _shape(row, request)
    try:
        actions.save_second_answer(
            row=row, link_id=link_id, value=_given(request, link_id), at=timezone.now(), by=request.viewer
        )
    except actions.AlreadySubmitted:  # the whole form was faster
        if _stands_already(request, record_of(request, record_id), link_id):
            return HttpResponse(status=204)
        raise
    row = record_of(request, record_id)
    view = reads.form_view(row, at=timezone.now(), viewer=request.viewer)
    response = render(request, "supervision/_progress.html", {"view": view})
    if _shape_of(view) != before:
        response = render(
            request, "supervision/_questions.html", {"view": view, "row": row, "faults": {}, "swapped": True}
        )
        response.headers["HX-Retarget"], response.headers["HX-Reswap"] = "#recheck-form", "innerHTML"
    return response


def _stands_already(request: PageRequest, row: SampledRecord, link_id: str) -> bool:
    """The last field's own saving may arrive after the whole form, which carried the same value: nothing is refused then."""
    if row.submitted_at is None or row.checker_id != request.viewer.practitioner_id:
        return False
    second = reads.second_answers(row)
    stands = second.values.get(link_id) if second else None
    told = stands if isinstance(stands, list) else [] if stands is None else [stands]
    return [str(value) for value in told] == _given(request, link_id)


def _given(request: PageRequest, link_id: str) -> list[str]:
    return [value for value in request.POST.getlist(link_id) if value != ""]


def _shape(row: SampledRecord, request: PageRequest) -> tuple[object, ...]:
    return _shape_of(reads.form_view(row, at=timezone.now(), viewer=request.viewer)) if row.second_id else ()


def _shape_of(view: FormView) -> tuple[object, ...]:
    """What of the form is to be seen: which questions are asked, and which are at fault."""
    return tuple((q.link_id, q.enabled, q.fault) for screen in view.screens for q in screen.questions)


@page(access.CHECK, methods=("POST",))
def submit(request: PageRequest, record_id: UUID) -> HttpResponse:
    """The second answers stand; the page shows both. What is missing is named at its question."""
    row, at = record_of(request, record_id), timezone.now()
    if row.hides_first_answers and row.second_id is not None and row.checker_id == request.viewer.practitioner_id:
        _keep_typed(request, row)
    try:
        actions.submit_re_check(
            row=row, contact_point_id=_contact(request), started_at=_began(row), at=at, by=request.viewer
        )
    except ResponseIncomplete as refused:
        faults = {fault.link_id: fault_text(fault) for fault in refused.faults}
        return _page(request, record_of(request, record_id), faults=faults, status=422)
    return _back(row)


def _keep_typed(request: PageRequest, row: SampledRecord) -> None:
    """Everything on the form counts, also what the browser had no time to save, and all of it without scripts."""
    view = reads.form_view(row, at=timezone.now(), viewer=request.viewer)
    for screen in view.screens:
        for question in screen.questions:
            if question.link_id in request.POST:
                actions.save_second_answer(
                    row=row, link_id=question.link_id, value=_given(request, question.link_id), at=timezone.now(),
                    by=request.viewer,
                )  # fmt: skip


def _contact(request: PageRequest) -> UUID | None:
    return id_from(request.POST.get("contact_point", ""))


def _began(row: SampledRecord) -> Any:
    second = reads.second_answers(row)
    return second.started_at if second else timezone.now()


@page(access.CHECK, methods=("POST",))
def not_reached(request: PageRequest, record_id: UUID) -> HttpResponse:
    """A try without answers."""
    outcome, contact = request.POST.get("outcome", ""), _contact(request)
    return _done(
        request, record_id, actions.record_not_reached, outcome=outcome, contact_point_id=contact,
        started_at=timezone.now(),
    )  # fmt: skip


@page(access.CHECK, methods=("POST",))
def stop(request: PageRequest, record_id: UUID) -> HttpResponse:
    """Tried often enough."""
    return _done(request, record_id, actions.stop_trying)


@page(access.CHECK, methods=("POST",))
def differences(request: PageRequest, record_id: UUID) -> HttpResponse:
    """Where each difference comes from."""
    reasons = {key[4:]: str(value) for key, value in request.POST.items() if key.startswith("why-")}
    return _done(request, record_id, actions.explain_differences, reasons=reasons, note=request.POST.get("note", ""))


@page(access.CHECK, methods=("POST",))
def verdict(request: PageRequest, record_id: UUID) -> HttpResponse:
    """What was found in a record that was read."""
    told = {name: request.POST.get(name, "") for name in ("verdict", "note")}
    return _done(request, record_id, actions.settle_read_record, **told)


@page(access.CHECK, methods=("POST",))
def unblind(request: PageRequest, record_id: UUID) -> HttpResponse:
    """The record must be seen now; the check is no longer blind."""
    return _done(request, record_id, actions.give_up_blindness, reason=request.POST.get("reason", ""))


def _done(request: PageRequest, record_id: UUID, step: Callable[..., SampledRecord], **told: Any) -> HttpResponse:
    """One step of the check, and its page again."""
    row = record_of(request, record_id)
    step(row=row, at=timezone.now(), by=request.viewer, **told)
    return _back(row)


@page(access.SAMPLE, methods=("POST",))
def hand_over(request: PageRequest, record_id: UUID) -> HttpResponse:
    """Somebody else checks it."""
    row = record_of(request, record_id)
    person = get_or_404(Practitioner.objects.filter(is_active=True), pk=id_from(request.POST.get("to", "")))
    actions.hand_over_check(row=row, to_id=person.pk, at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(reverse("supervision:sample", args=[row.sample_id]))


@page(access.CHECK, methods=("POST",))
def finding(request: PageRequest, record_id: UUID) -> HttpResponse:
    """Something to put right, about a record both of whose answers are open."""
    row = record_of(request, record_id)
    first = reads.first_answers(row)
    form = FindingForm(request.POST)
    if not form.is_valid():
        return _page(request, row, status=422)
    told = form.cleaned_data
    raised = actions.raise_finding(
        key=told["key"], response=first, department_id=row.department_id, code=told["code"], severity=told["severity"],
        note=told["note"], at=timezone.now(), by=request.viewer, row=row,
    )  # fmt: skip
    return HttpResponseRedirect(reverse("supervision:finding", args=[raised.pk]))


def _back(row: SampledRecord) -> HttpResponse:
    return HttpResponseRedirect(reverse("supervision:check", args=[row.pk]))
