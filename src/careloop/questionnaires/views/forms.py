"""Pages of forms and answers, and the autosave of one answer.

Forms are open to everybody who works with them; answers are patient data and need the permission to see records.
"""

from __future__ import annotations

import json
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import get_language

from careloop.audit.record import seen
from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, page, render
from careloop.patients import access as patients_access
from careloop.patients.models import Patient
from careloop.questionnaires import access, actions, reads, rules
from careloop.questionnaires.models import Questionnaire, QuestionnaireResponse
from careloop.questionnaires.reads import library, previewing, wording

MOST_ON_A_PHONE = 10  # questions of one sending (ux R21)


@page(access.VIEW)
def version(request: PageRequest, questionnaire_id: UUID) -> HttpResponse:
    """One version as staff, patients and paper see it, with its rules as sentences and their sources."""
    questionnaire = get_or_404(Questionnaire.objects.all(), pk=questionnaire_id)
    form = reads.form_of(questionnaire)
    at = timezone.now()
    context = {
        "may_design": request.viewer.can(access.DESIGN),
        "is_locked": library.is_scale(questionnaire.url),
        "title": questionnaire.title if get_language() != "en" else questionnaire.title_en or questionnaire.title,
        "questionnaire": questionnaire,
        "screens": reads.preview(questionnaire, at=at),
        "fields": previewing.patient_screens(form),
        "form": form,
        "opening": reads.opening_words(form, nurse=request.viewer.name),
        "mode": request.GET.get("mode", "staff"),
        "versions": list(Questionnaire.objects.filter(url=questionnaire.url).order_by("-published_at", "pk")),
        "too_long": len(form.screens) > MOST_ON_A_PHONE,
        "rules": wording.rule_lines(form),
        "classes": wording.class_lines(form),
        "class_title": wording.both((form.classification or {}).get("title")),
        "scores": [(wording.both(score["title"]), [(wording.both(band["title"]), band["from"], band["to"]) for band in score.get("bands", ())]) for score in form.scores],
    }  # fmt: skip
    return render(request, "questionnaires/version.html", context)


@page(patients_access.VIEW)
def response_page(request: PageRequest, response_id: UUID) -> HttpResponse:
    """Answers exactly as they were given, in the version they were given to."""
    return _read_only(request, response_id, "questionnaires/response.html")


@page(patients_access.VIEW)
def response_print(request: PageRequest, response_id: UUID) -> HttpResponse:
    """The same for paper."""
    return _read_only(request, response_id, "questionnaires/print.html")


def _read_only(request: PageRequest, response_id: UUID, template: str) -> HttpResponse:
    mine = QuestionnaireResponse.objects.visible_to(request.viewer)
    response = get_or_404(mine.select_related("questionnaire", "patient", "author"), pk=response_id)
    seen(patient_id=response.patient_id, what="questionnaires.response", by=request.viewer)
    findings = [rules.finding_from(stored) for stored in response.findings]
    view = reads.form_view(response.questionnaire, response=response, at=timezone.now(), findings=findings)
    context = {
        "title": view.title,
        "response": response,
        "view": view,
        "number": reads.patient_number(response.patient_id),
        "later": reads.amendment_of(response, viewer=request.viewer),
        "scores": reads.score_lines(response),
        "classification": reads.classification_line(response),
    }
    return render(request, template, context)


@page(access.ANSWER, methods=("POST",))
def save_answer(request: PageRequest, response_id: UUID, link_id: str) -> HttpResponse:
    """Autosave: answers with the changed question. What is asked now travels in the header HX-Trigger `answers`."""
    mine = QuestionnaireResponse.objects.visible_to(request.viewer).select_related("questionnaire")
    response = get_or_404(mine, pk=response_id)
    at = timezone.now()
    value = request.POST.getlist("value")
    saved = actions.save_answer(
        response=response, link_id=link_id, value=value, source=response.mode, at=at, by=request.viewer
    )
    view = reads.form_view(saved.questionnaire, response=saved, at=at)
    screen = next(s for s in view.screens if any(q.link_id == link_id for q in s.questions))
    answer = render(request, "questionnaires/_screen.html", {"screen": screen, "response": saved})
    answer.headers["HX-Trigger"] = json.dumps(
        {
            "answers": {
                "asked": [q.link_id for s in view.screens for q in s.questions if q.enabled],
                "answered": view.answered,
                "total": view.total,
                "alerts": [alert.rule_code for alert in view.findings],
                "critical": any(alert.severity == "critical" for alert in view.findings),
                "saved": f"{timezone.localtime(at):%H:%M}",
            }
        }
    )
    return answer


@page(patients_access.VIEW)
def patient_responses(request: PageRequest, patient_id: UUID) -> HttpResponse:
    """Fragment for the patient's page: all answers, newest first."""
    patient = get_or_404(Patient.objects.visible_to(request.viewer), pk=patient_id)
    seen(patient_id=patient.pk, what="questionnaires.patient_responses", by=request.viewer)
    rows = [
        (row, reads.score_lines(row), reads.classification_line(row))
        for row in reads.responses_of(patient.pk, viewer=request.viewer)
    ]
    return render(request, "questionnaires/_patient_responses.html", {"rows": rows})
