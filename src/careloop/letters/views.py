"""Paper: handed out as PDF or spreadsheet, and the pages around letters, their templates and reports."""

from __future__ import annotations

import io
from typing import Any, cast
from uuid import UUID, uuid4

from django.db.models import Case, When
from django.http import FileResponse, Http404, HttpResponse, HttpResponseRedirect
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from careloop.accounts.models import Organization
from careloop.audit.record import denied, list_seen, seen
from careloop.batches.actions import start_batch
from careloop.batches.models import Batch
from careloop.batches.rules import Item
from careloop.kernel.errors import Refused
from careloop.kernel.lookup import get_or_404, id_from
from careloop.kernel.pages import PageRequest, page, render
from careloop.letters import access, actions
from careloop.letters.forms import (
    DueForm,
    MakeForm,
    ReportForm,
    ReturnForm,
    ScanForm,
    StepForm,
    TemplateForm,
)
from careloop.letters.models import FollowUpReport, Letter, LetterTemplate
from careloop.letters.reads import adoptions, pdf, record, report, sheets, site
from careloop.letters.reads import due as due_reads
from careloop.letters.reads import letters as letters_reads
from careloop.letters.reads import plan as plan_reads
from careloop.letters.reads.checking import LetterRefused, check_texts
from careloop.letters.reads.planning import MOST_LETTERS
from careloop.letters.rules import wording
from careloop.letters.rules.codes import BadCode, read_scan, shown
from careloop.patients.models import Patient
from careloop.plans.models import VersionAdoption
from careloop.questionnaires.models import Questionnaire, QuestionnaireResponse
from careloop.tasks.models import Task

PDF, XLSX = "application/pdf", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PREVIEW_PPI = 70
ENDED_LAST = Case(When(status=Task.Status.REQUESTED, then=0), default=1)


# ---- handing out --------------------------------------------------------------------------------------------------


def _file(data: bytes, name: str, content_type: str = PDF, *, download: bool = False) -> HttpResponse:
    """A file that no cache keeps. Its name says what it is and when, never whose."""
    answer = FileResponse(
        io.BytesIO(data), content_type=content_type, as_attachment=download, filename=f"{name}-{timezone.localdate():%Y%m%d}"
        + (".xlsx" if content_type == XLSX else ".pdf"),
    )  # fmt: skip
    answer["Cache-Control"] = "no-store"
    answer["X-Content-Type-Options"] = "nosniff"
    return cast(HttpResponse, answer)  # Django's answers share a base but not a type


def _patient(request: PageRequest, patient_id: UUID) -> Patient:
    return get_or_404(Patient.objects.visible_to(request.viewer), pk=patient_id)


def _task(request: PageRequest, task_id: UUID) -> Task:
    return get_or_404(Task.objects.visible_to(request.viewer).select_related("patient", "department"), pk=task_id)


@page(access.PRINT)
def task_record(request: PageRequest, task_id: UUID) -> HttpResponse:
    """The record sheet of one follow-up, filled as far as it went."""
    task = _task(request, task_id)
    return _record(request, record.of_task(task, viewer=request.viewer))


@page(access.PRINT)
def response_record(request: PageRequest, response_id: UUID) -> HttpResponse:
    """The record sheet of one set of answers."""
    mine = QuestionnaireResponse.objects.visible_to(request.viewer).select_related("patient", "questionnaire", "author")
    response = get_or_404(mine, pk=response_id)
    return _record(request, record.of_response(response, viewer=request.viewer))


def _record(request: PageRequest, subject: record.Subject) -> HttpResponse:
    row = subject.response or subject.task
    actions.note_printed(
        patient_id=subject.patient.pk, document="record", subject_id=row.pk if row else None, by=request.viewer
    )
    return _file(pdf.pdf("sheet", record.record_sheet(subject, viewer=request.viewer, at=timezone.now())), "record")


@page(access.PRINT)
def task_blank(request: PageRequest, task_id: UUID) -> HttpResponse:
    """The empty form of a task with the patient's lines filled in, to be written by hand."""
    task = _task(request, task_id)
    form = Questionnaire.objects.filter(url=task.questionnaire_url, status=Questionnaire.Status.ACTIVE).first()
    if form is None:
        return _record(request, record.Subject(patient=task.patient, task=task, response=None))
    subject = record.of_task(task, viewer=request.viewer)
    actions.note_printed(patient_id=task.patient_id, document="blank", subject_id=task.pk, by=request.viewer)
    data = record.blank_sheet(form, subject=subject, viewer=request.viewer, at=timezone.now())
    return _file(pdf.pdf("sheet", data), "form")


@page(access.PRINT)
def blank_form(request: PageRequest, questionnaire_id: UUID) -> HttpResponse:
    """The empty form for anybody."""
    form = get_or_404(Questionnaire.objects.all(), pk=questionnaire_id)
    data = record.blank_sheet(form, subject=None, viewer=request.viewer, at=timezone.now())
    return _file(pdf.pdf("sheet", data), "form")


@page(access.PRINT)
def plan(request: PageRequest, patient_id: UUID) -> HttpResponse:
    """The patient's own plan in large type."""
    patient = _patient(request, patient_id)
    actions.note_printed(patient_id=patient.pk, document="plan", by=request.viewer)
    return _file(pdf.pdf("plan", plan_reads.plan_paper(patient, viewer=request.viewer, at=timezone.now())), "plan")


@page(access.PRINT)
def dates(request: PageRequest, patient_id: UUID) -> HttpResponse:
    """All dates of one patient's plans, for the file."""
    patient = _patient(request, patient_id)
    actions.note_printed(patient_id=patient.pk, document="dates", by=request.viewer)
    return _file(pdf.pdf("sheet", plan_reads.dates_sheet(patient, viewer=request.viewer, at=timezone.now())), "dates")


@page(access.PRINT)
def of_adoption(request: PageRequest, adoption_id: UUID) -> HttpResponse:
    """For the plan card: which paper went out with the dates of a version that is taken back. Nothing when there is none."""
    mine = VersionAdoption.objects.visible_to(request.viewer).select_related("to_definition")
    found = get_or_404(mine, pk=adoption_id)
    papers = adoptions.printed_after(found, viewer=request.viewer)
    if not papers:
        return HttpResponse(status=204)
    seen(patient_id=found.patient_id, what="letters.of-adoption", by=request.viewer)
    is_undone = found.undone_at is not None
    context = {"papers": papers, "version": found.to_definition.version, "is_undone": is_undone}
    return render(request, "letters/_of_adoption.html", context)


# ---- report -------------------------------------------------------------------------------------------------------


@page(access.PRINT, methods=("GET", "POST"))
def report_page(request: PageRequest, patient_id: UUID) -> HttpResponse:
    """Write the assessment; saving leads to the paper."""
    patient, at = _patient(request, patient_id), timezone.now()
    form = ReportForm(request.POST) if request.method == "POST" else ReportForm(initial=_report_start(request, patient))
    if form.is_valid():
        made = actions.write_report(patient=patient, at=at, by=request.viewer, **form.cleaned_data)
        return HttpResponseRedirect(
            f"{reverse('letters:report', args=[patient.pk])}?{urlencode({'made': str(made.pk)})}"
        )
    seen(patient_id=patient.pk, what="letters.report", by=request.viewer)
    rows = FollowUpReport.objects.visible_to(request.viewer).filter(patient=patient)
    context = {
        "patient": patient,
        "form": form,
        "reports": list(rows.select_related("author").order_by("-written_at", "-pk")[:20]),
        "made": request.GET.get("made", ""),
    }
    return render(request, "letters/report.html", context, status=422 if form.is_bound else 200)


def _report_start(request: PageRequest, patient: Patient) -> dict[str, Any]:
    at = timezone.now()
    first, last = report.default_period(at=at)
    newest = report.newest_report(patient, viewer=request.viewer)
    return {
        "period_from": first.isoformat(),
        "period_to": last.isoformat(),
        "assessment": report.draft_assessment(patient, viewer=request.viewer, at=at),
        "advice": newest.advice if newest else "",
    }


@page(access.PRINT)
def report_now(request: PageRequest, patient_id: UUID) -> HttpResponse:
    """The report with the newest assessment, or with room to write one."""
    patient = _patient(request, patient_id)
    return _report_file(request, patient, report.newest_report(patient, viewer=request.viewer))


@page(access.PRINT)
def report_paper(request: PageRequest, report_id: UUID) -> HttpResponse:
    """The report with exactly this assessment."""
    mine = FollowUpReport.objects.visible_to(request.viewer).select_related("patient", "author")
    found = get_or_404(mine, pk=report_id)
    return _report_file(request, found.patient, found)


def _report_file(request: PageRequest, patient: Patient, found: FollowUpReport | None) -> HttpResponse:
    actions.note_printed(
        patient_id=patient.pk, document="report", subject_id=found.pk if found else None, by=request.viewer
    )
    data = report.report_sheet(patient, found, viewer=request.viewer, at=timezone.now())
    return _file(pdf.pdf("sheet", data), "report")


# ---- due dates ----------------------------------------------------------------------------------------------------


@page(access.PRINT)
def due(request: PageRequest) -> HttpResponse:
    """Who is due when; print it, take it along as a spreadsheet, or write letters."""
    at, form = timezone.now(), DueForm(request.GET)
    query = form.query(at=at)
    offset = form.cleaned_data.get("offset") or 0
    rows = due_reads.due_rows(query, viewer=request.viewer, at=at, limit=due_reads.PAGE + 1, offset=offset)
    page_rows = rows[: due_reads.PAGE]
    list_seen(what="letters.due", ids=[row.task_id for row in page_rows], by=request.viewer)
    given = _query_text(query)
    context = {
        "rows": page_rows,
        "query": query,
        "given": given,
        "next": f"{given}&offset={offset + due_reads.PAGE}" if len(rows) > due_reads.PAGE else "",
        "previous": f"{given}&offset={max(offset - due_reads.PAGE, 0)}" if offset else "",
        "total": due_reads.due_tasks(query, viewer=request.viewer).count(),
        "templates": letters_reads.approved_templates(),
        "key": uuid4(),
        "departments": _departments(request),
        "most": MOST_LETTERS,
    }
    return render(request, "letters/due.html", context)


def _query_text(query: due_reads.DueQuery) -> str:
    given = {
        "first": query.first.isoformat(), "last": query.last.isoformat(), "late": "1" if query.overdue else "0",
        "mine": "1" if query.mine else "", "department": str(query.department_id or ""), "plan": query.plan,
    }  # fmt: skip
    return urlencode({name: value for name, value in given.items() if value})


def _departments(request: PageRequest) -> list[tuple[str, str]]:
    rows = Organization.objects.filter(is_active=True, kind="department")
    if not request.viewer.hospital_wide:
        rows = rows.filter(pk__in=request.viewer.departments)
    return [(str(row.pk), site.department_name(row)) for row in rows.order_by("path")]


@page(access.PRINT)
def due_paper(request: PageRequest) -> HttpResponse:
    """The list as PDF or, with ?form=xlsx, as spreadsheet. Who took which rows is kept."""
    at = timezone.now()
    query = DueForm(request.GET).query(at=at)
    rows = due_reads.due_rows(query, viewer=request.viewer, at=at)
    form = "xlsx" if request.GET.get("form") == "xlsx" else "pdf"
    actions.note_list_taken(document="due", form=form, ids=[row.task_id for row in rows], by=request.viewer)
    if form == "pdf":
        return _file(pdf.pdf("sheet", due_reads.due_sheet(rows, query, viewer=request.viewer, at=at)), "due-dates")
    data = sheets.xlsx(title=_("Follow-up due dates"), heads=due_reads.heads(), rows=map(due_reads.cells, rows))
    return _file(data, "due-dates", XLSX, download=True)


# ---- making letters -----------------------------------------------------------------------------------------------


@page(access.PRINT, methods=("POST",))
def make(request: PageRequest) -> HttpResponse:
    """Letters for the ticked rows, or for the whole due list of the address: background work with its own page."""
    form = MakeForm({**request.POST.dict(), "chosen": ",".join(request.POST.getlist("chosen"))})
    if not form.is_valid():
        raise Selection(str(next(iter(form.errors.values()))[0]))
    at = timezone.now()
    template = get_or_404(
        LetterTemplate.objects.filter(state=LetterTemplate.State.APPROVED), pk=form.cleaned_data["template"]
    )
    tasks = due_reads.due_tasks(DueForm(request.GET).query(at=at), viewer=request.viewer)
    if form.cleaned_data["chosen"]:
        # Rows that ended since the list was loaded stay: they are told with their reason, not left out without a word.
        ticked = Task.objects.visible_to(request.viewer).filter(pk__in=form.cleaned_data["chosen"])
        tasks = ticked.order_by(ENDED_LAST, "due_at", "pk")
    found = list(tasks.values_list("pk", "patient_id")[: MOST_LETTERS + 1])
    if len(found) > MOST_LETTERS:
        raise Selection(_("At most %(most)d letters at once. Narrow the list.") % {"most": MOST_LETTERS})
    batch = start_batch(
        kind="letters.letters", title=_("Letters: %(title)s") % {"title": template.name(site.language())},
        key=f"letters:{form.cleaned_data['key']}",
        items=[Item(str(task_id), patient_id, {"task_id": str(task_id)}) for task_id, patient_id in _one_each(found)],
        parameters={"template_id": str(template.pk)}, at=at, by=request.viewer,
    )  # fmt: skip
    return HttpResponseRedirect(reverse("batches:detail", args=[batch.pk]), status=303)


class Selection(Refused):
    """What was chosen cannot be used."""

    code = "letters-selection"
    message = gettext_lazy("The selection cannot be read. Load the list again.")
    status = 422


def _one_each(found: list[tuple[UUID, UUID]]) -> list[tuple[UUID, UUID]]:
    """One letter a patient: about the task that is due first."""
    first: dict[UUID, UUID] = {}
    for task_id, patient_id in found:
        first.setdefault(patient_id, task_id)
    return [(task_id, patient_id) for patient_id, task_id in first.items()]


@page(access.PRINT, methods=("GET", "POST"))
def write_one(request: PageRequest, patient_id: UUID) -> HttpResponse:
    """A letter to one patient, with or without a task it is about."""
    patient = _patient(request, patient_id)
    if request.method != "POST":
        return HttpResponseRedirect(reverse("letters:patient", args=[patient.pk]))
    form = MakeForm(request.POST)
    if not form.is_valid():
        raise Selection(str(next(iter(form.errors.values()))[0]))
    letter = actions.make_letter(
        key=f"one:{form.cleaned_data['key']}", patient_id=patient.pk, template_id=form.cleaned_data["template"],
        task_id=form.cleaned_data["task"], at=timezone.now(), by=request.viewer,
    )  # fmt: skip
    return HttpResponseRedirect(reverse("letters:letter", args=[letter.pk]), status=303)


@page(access.PRINT)
def patient_papers(request: PageRequest, patient_id: UUID) -> HttpResponse:
    """Everything that can be printed about one patient, and the letters so far."""
    patient = _patient(request, patient_id)
    seen(patient_id=patient.pk, what="letters.patient", by=request.viewer)
    tasks = Task.objects.visible_to(request.viewer).filter(patient=patient, kind__in=["follow-up", "revisit"])
    # The open ones first: an old one that is still to be done is offered, however many came after it.
    latest = sorted(tasks.order_by(ENDED_LAST, "-due_at", "-pk")[:30], key=lambda task: task.due_at, reverse=True)
    context = {
        "patient": patient,
        "open_tasks": [task for task in reversed(latest) if task.status == Task.Status.REQUESTED],
        "rows": letters_reads.letter_rows(request.viewer, patient_id=patient.pk),
        "templates": letters_reads.approved_templates(),
        "tasks": latest,
        "key": uuid4(),
    }
    return render(request, "letters/patient.html", context)


# ---- letters ------------------------------------------------------------------------------------------------------


@page(access.PRINT)
def letter_list(request: PageRequest) -> HttpResponse:
    """Letters by state, the newest first; of one background job with ?batch=."""
    state, batch_id = request.GET.get("state", ""), id_from(request.GET.get("batch", ""))
    rows = letters_reads.letter_rows(
        request.viewer, state=state if state in Letter.State else "", batch_id=batch_id,
        before=id_from(request.GET.get("before", "")),
    )  # fmt: skip
    page_rows = rows[: letters_reads.PAGE]
    list_seen(what="letters.list", ids=[row.letter.pk for row in page_rows], by=request.viewer)
    batches = Batch.objects.of(request.viewer).filter(kind="letters.letters").order_by("-id")[:5]
    context = {
        "rows": page_rows,
        "more": page_rows[-1].letter.pk if len(rows) > letters_reads.PAGE else None,
        "state": state,
        "states": Letter.State.choices,
        "batch_id": batch_id,
        "batches": list(batches),
        "key": uuid4(),
        "form": ScanForm(),
    }
    return render(request, "letters/list.html", context)


@page(access.PRINT)
def letter(request: PageRequest, letter_id: UUID) -> HttpResponse:
    """One letter: what became of it, and what can be done next."""
    found = _letter(request, letter_id)
    seen(patient_id=found.patient_id, what="letters.letter", by=request.viewer)
    return render(request, "letters/letter.html", _letter_context(request, found))


def _letter(request: PageRequest, letter_id: UUID) -> Letter:
    mine = Letter.objects.visible_to(request.viewer)
    related = ("patient", "template", "department", "made_by", "posted_by", "ended_by", "link")
    return get_or_404(mine.select_related(*related), pk=letter_id)


def _letter_context(request: PageRequest, found: Letter) -> dict[str, Any]:
    texts = found.template.texts[found.language]
    task = Task.objects.visible_to(request.viewer).filter(pk=found.task_id).first() if found.task_id else None
    return {
        "letter": found,
        "title": found.template.name(site.language()),
        "code": shown(found.reply_code),
        "subject": wording.render(texts["subject"], found.params),
        "body": wording.render(texts["body"], found.params),
        "task": task,
        "task_url": _task_address(request, task),
        "reasons": Letter.Return.choices,
    }


def _task_address(request: PageRequest, task: Task | None) -> str:
    """The call screen of the open task, for those who may enter answers there."""
    if task is None or task.status != Task.Status.REQUESTED or not request.viewer.can("tasks.work"):
        return ""
    try:
        return reverse("workbench:call", args=[task.pk])
    except NoReverseMatch:
        return ""


@page(access.PRINT)
def letter_paper(request: PageRequest, letter_id: UUID) -> HttpResponse:
    """The letter again, exactly as it was made."""
    found = _letter(request, letter_id)
    actions.note_printed(patient_id=found.patient_id, document="letter", subject_id=found.pk, by=request.viewer)
    return _file(pdf.pdf("letter", letters_reads.letter_data([found])), "letter")


@page(access.PRINT, methods=("POST",))
def posted(request: PageRequest, letter_id: UUID) -> HttpResponse:
    """It was given to the post."""
    found = _letter(request, letter_id)
    actions.post_letter(letter_id=found.pk, at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(reverse("letters:letter", args=[found.pk]), status=303)


@page(access.PRINT, methods=("POST",))
def answered(request: PageRequest, letter_id: UUID) -> HttpResponse:
    """The slip came back: note it and go to the task, where the answers are entered."""
    found = _letter(request, letter_id)
    no_more = request.POST.get("no-more") == "1"
    actions.answer_letter(letter_id=found.pk, no_more=no_more, at=timezone.now(), by=request.viewer)
    task = Task.objects.visible_to(request.viewer).filter(pk=found.task_id).first() if found.task_id else None
    address = _task_address(request, task) or reverse("letters:letter", args=[found.pk])
    return HttpResponseRedirect(address, status=303)


@page(access.PRINT, methods=("POST",))
def returned(request: PageRequest, letter_id: UUID) -> HttpResponse:
    """The post brought it back."""
    found = _letter(request, letter_id)
    form = ReturnForm(request.POST)
    if not form.is_valid():
        raise Selection(_("Choose why the letter came back."))
    actions.return_letter(letter_id=found.pk, reason=form.cleaned_data["reason"], at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(reverse("letters:letter", args=[found.pk]), status=303)


@page(access.PRINT, methods=("POST",))
def withdraw(request: PageRequest, letter_id: UUID) -> HttpResponse:
    """Take it back before it is posted."""
    found = _letter(request, letter_id)
    if not actions.withdraw_letter(letter_id=found.pk, at=timezone.now(), by=request.viewer):
        raise actions.LetterNotOpen
    return HttpResponseRedirect(reverse("letters:letter", args=[found.pk]), status=303)


@page(access.PRINT, methods=("POST",))
def post_all(request: PageRequest) -> HttpResponse:
    """All letters of a background job were given to the post: background work again, one fact each."""
    batch_id, key = id_from(request.POST.get("batch", "")), id_from(request.POST.get("key", ""))
    if batch_id is None or key is None:
        raise Selection
    batch = get_or_404(Batch.objects.of(request.viewer), pk=batch_id)
    waiting = letters_reads.letter_ids_to_post(batch.pk, viewer=request.viewer)
    posting = start_batch(
        kind="letters.post", title=_("Posted: %(title)s") % {"title": batch.title}, key=f"post:{key}",
        items=[Item(str(letter_id), patient_id, {"letter_id": str(letter_id)}) for letter_id, patient_id in waiting],
        parameters={"batch_id": str(batch.pk)}, at=timezone.now(), by=request.viewer,
    )  # fmt: skip
    return HttpResponseRedirect(reverse("batches:detail", args=[posting.pk]), status=303)


@page(access.PRINT)
def scan(request: PageRequest) -> HttpResponse:
    """A code that was typed or scanned leads to its letter. The answer is the same for an unknown and a foreign one."""
    given = request.GET.get("scan", "")
    if not given:
        return render(request, "letters/scan.html", {"form": ScanForm(), "error": ""})
    try:
        found = letters_reads.letter_of_scan(read_scan(given[:300]), viewer=request.viewer)
    except BadCode as bad:
        return render(
            request, "letters/scan.html", {"form": ScanForm(request.GET), "error": _code_words(bad)}, status=422
        )
    if found is None:
        denied(what="letters.scan", by=request.viewer)
        words = _("No letter of your patients has this code. Compare it with the paper once more.")
        return render(request, "letters/scan.html", {"form": ScanForm(request.GET), "error": words}, status=404)
    return HttpResponseRedirect(reverse("letters:letter", args=[found.pk]))


def _code_words(bad: BadCode) -> str:
    return {
        "empty": _("Type the code under the address, or scan the picture."),
        "length": _("A code has ten characters, such as 7K3M9-QX2TZ."),
        "letter": _("A code has digits and letters only, without I, L, O and U."),
        "check": _("One character is wrong. Compare the code with the paper once more."),
    }[bad.code]


# ---- templates ----------------------------------------------------------------------------------------------------


@page(access.PRINT)
def template_list(request: PageRequest) -> HttpResponse:
    """Every letter with the version in use and the newest one."""
    rows = list(LetterTemplate.objects.select_related("author", "approver").order_by("code", "-version"))
    newest: dict[str, LetterTemplate] = {}
    in_use: dict[str, LetterTemplate] = {}
    for row in rows:
        newest.setdefault(row.code, row)
        if row.state == LetterTemplate.State.APPROVED:
            in_use[row.code] = row
    context = {
        "rows": [(newest[code], in_use.get(code), newest[code].name(site.language())) for code in newest],
        "may_write": request.viewer.can(access.TEMPLATES),
    }
    return render(request, "letters/templates.html", context)


@page(access.PRINT)
def template_detail(request: PageRequest, template_id: UUID) -> HttpResponse:
    """One version: how it looks, and its history."""
    found = _template(template_id)
    return render(request, "letters/template.html", _template_context(request, found))


def _template(template_id: UUID) -> LetterTemplate:
    return get_or_404(LetterTemplate.objects.select_related("author", "approver"), pk=template_id)


def _template_context(request: PageRequest, found: LetterTemplate, error: str = "") -> dict[str, Any]:
    versions = LetterTemplate.objects.filter(code=found.code).order_by("-version")
    own = found.author_id is not None and found.author_id == request.viewer.practitioner_id
    return {
        "template": found,
        "title": found.name(site.language()),
        "versions": list(versions),
        "languages": sorted(found.texts, reverse=True),
        "error": error,
        "may_write": request.viewer.can(access.TEMPLATES),
        "may_decide": request.viewer.can(access.APPROVE) and not own,
        "is_own": own,
    }


@page(access.PRINT)
def template_sample(request: PageRequest, template_id: UUID, language: str) -> HttpResponse:
    """The letter with an invented patient: a picture for the page, or with ?form=pdf the PDF."""
    found = _template(template_id)
    if language not in found.texts:
        raise Http404
    data = letters_reads.sample_data(found, language, at=timezone.now())
    if request.GET.get("form") == "pdf":
        return _file(pdf.pdf("letter", data), "letter-sample")
    answer = HttpResponse(pdf.pictures("letter", data, ppi=PREVIEW_PPI)[0], content_type="image/png")
    answer["Cache-Control"] = "private, max-age=60"
    return answer


@page(access.PRINT, methods=("POST",))
def template_step(request: PageRequest, template_id: UUID) -> HttpResponse:
    """Hand in, approve, reject, retire; each step asks for its own right."""
    found, form = _template(template_id), StepForm(request.POST)
    if not form.is_valid():
        error = str(next(iter(form.errors.values()))[0])
        return render(request, "letters/template.html", _template_context(request, found, error), status=422)
    at, by, step = timezone.now(), request.viewer, form.cleaned_data["step"]
    needed = access.APPROVE if step in ("approve", "reject") else access.TEMPLATES
    if not by.can(needed) and not (step == "retire" and by.can(access.APPROVE)):
        raise NotYourStep
    steps = {
        "submit": lambda: actions.submit_template(template=found, at=at, by=by),
        "approve": lambda: actions.approve_template(template=found, at=at, by=by),
        "reject": lambda: actions.reject_template(template=found, reason=form.cleaned_data["reason"], at=at, by=by),
        "retire": lambda: actions.retire_template(template=found, at=at, by=by),
    }
    steps[step]()
    return HttpResponseRedirect(reverse("letters:template", args=[found.pk]), status=303)


class NotYourStep(Refused):
    """Writing and approving are two rights."""

    code = "letter-template-not-your-step"
    message = gettext_lazy("You may not take this step. Ask somebody who may write or approve letters.")
    status = 403


@page(access.TEMPLATES, methods=("GET", "POST"))
def template_draft(request: PageRequest) -> HttpResponse:
    """A new letter, or a new version: ?from=<id> starts with its words."""
    form = TemplateForm(request.POST) if request.method == "POST" else TemplateForm(initial=_template_start(request))
    if form.is_valid():
        try:
            made = actions.draft_template(
                code=form.cleaned_data["code"], title=form.title(), texts=form.texts(),
                has_slip=form.cleaned_data["has_slip"], by=request.viewer,
            )  # fmt: skip
            return HttpResponseRedirect(reverse("letters:template", args=[made.pk]), status=303)
        except LetterRefused as refused:
            form.add_error(f"{refused.language}_{refused.part}", str(refused))
    context = {
        "form": form,
        "fields": [(f.name, f.sample if site.language() == "zh" else f.sample_en) for f in wording.FIELDS.values()],
    }
    return render(request, "letters/template_draft.html", context, status=422 if form.is_bound else 200)


def _template_start(request: PageRequest) -> dict[str, Any]:
    wanted = id_from(request.GET.get("from", ""))
    source = LetterTemplate.objects.filter(pk=wanted).first() if wanted else None
    return TemplateForm.initial_of(source) if source else {"has_slip": True}


@page(access.TEMPLATES, methods=("POST",))
def template_check(request: PageRequest) -> HttpResponse:
    """Fragment while typing: what is wrong and where, or the words with sample values."""
    form = TemplateForm(request.POST)
    form.is_valid()
    texts = {
        language: {
            part: request.POST.get(f"{language}_{part}", "")[: wording.LONGEST_BODY * 2] for part in ("subject", "body")
        }
        for language in ("zh", "en")
    }
    texts = {language: words for language, words in texts.items() if any(value.strip() for value in words.values())}
    fault, samples = "", []
    try:
        check_texts(texts)
        samples = [
            (language, *(wording.render(words[part], wording.sample_values(language)) for part in ("subject", "body")))
            for language, words in texts.items()
        ]
    except LetterRefused as refused:
        fault = str(refused)
    return render(request, "letters/_check.html", {"fault": fault, "samples": samples})
