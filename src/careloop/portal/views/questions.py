"""Answering a form on a telephone: one question a page, resumed anywhere, the safety page, the check before sending."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from careloop.kernel.errors import Refused
from careloop.kernel.lookup import get_or_404
from careloop.portal import actions, forms, reads, rules
from careloop.portal.access import patient_page
from careloop.portal.views.home import day_words
from careloop.portal.views.link import message_page
from careloop.portal.views.showing import PatientRequest, show
from careloop.questionnaires.actions import FileRefused, TooManyFiles
from careloop.questionnaires.models import Attachment
from careloop.questionnaires.reads import FileView, asking, attachments_of
from careloop.questionnaires.rules import MOST_INSTANCES, Finding, Item
from careloop.questionnaires.views.files import file_answer


def _find(request: PatientRequest, task_id: UUID) -> reads.Sitting:
    """The form of this task; 404 for a task of somebody else or of another link (security A03)."""
    if not request.patient_session.opens(task_id):
        raise Http404
    found = reads.sitting(task_id, at=timezone.now(), viewer=request.viewer)
    if found is None:
        raise Http404
    return found


@patient_page("questions")
def task(request: PatientRequest, task_id: UUID) -> HttpResponse:
    """Where somebody who opens or reopens the form goes on: the first open question, the check, or the end."""
    return HttpResponseRedirect(_resume(_find(request, task_id)))


def _resume(found: reads.Sitting) -> str:
    if found.is_closed:
        return reverse("portal:done", args=[found.task.pk])
    key = found.next_open()
    if key is None:
        return reverse("portal:answers", args=[found.task.pk])
    return reverse("portal:question", args=[found.task.pk, key])


@patient_page("questions", methods=("GET", "POST"))
def question(request: PatientRequest, task_id: UUID, key: str) -> HttpResponse:
    """One question. Its answer is saved when it is sent; a dangerous one raises its alert in the same moment."""
    found = _find(request, task_id)
    page = found.page(key)
    if found.is_closed or page is None:  # answered elsewhere meanwhile, or an earlier answer made it fall away
        return HttpResponseRedirect(_resume(found), status=303)
    if request.method != "POST":
        return _question_page(request, found, page)
    if "remove-instance" in request.POST or "remove-file" in request.POST:
        return _taken_back(request, found, page)
    if page[0].type == "attachment":
        return _file_sent(request, found, page)
    entry = forms.read_answers(found.form, page, request.POST, found.answers)
    if not entry.is_good:
        return _question_page(request, found, page, entry=entry, status=422)
    family = request.patient_session.family
    saved = actions.answer(
        task=found.task,
        questionnaire=found.questionnaire,
        begun=found.response,
        last_time=found.last_time,
        answers=entry.values,
        source="relative" if family else "portal",
        at=timezone.now(),
        by=request.viewer,
    )
    if saved.dangers:
        return HttpResponseRedirect(reverse("portal:safety", args=[task_id, key]), status=303)
    return _go_on(request, reads.answered(found, saved.response), page)


def _go_on(request: PatientRequest, found: reads.Sitting, page: reads.Page) -> HttpResponse:
    """The next page; or, when the patient asked for one more of a group, its first question."""
    if "add-instance" in request.POST and page[0].group:
        group = page[0].group
        actions.another(
            task=found.task, questionnaire=found.questionnaire, group=group, at=timezone.now(), by=request.viewer
        )
        found = _find(request, found.task.pk)
        number = found.form.counts.get(group, 1)
        first = next(
            (one[0].link_id for one in found.pages if (one[0].group, one[0].instance) == (group, number)), None
        )
        if first:
            return HttpResponseRedirect(_question_url(found, first), status=303)
    return HttpResponseRedirect(_after(found, page[0].link_id), status=303)


def _taken_back(request: PatientRequest, found: reads.Sitting, page: reads.Page) -> HttpResponse:
    """One instance of a group, or one file, is taken away; the page comes again, or the first one that is open."""
    at, key = timezone.now(), page[0].link_id
    if found.response is not None and request.POST.get("remove-instance"):
        actions.without(response=found.response, group=page[0].group, number=page[0].instance, at=at, by=request.viewer)
    elif found.response is not None:
        actions.without_file(
            response=found.response, file_id=_uuid(request.POST["remove-file"]), at=at, by=request.viewer
        )
    fresh = _find(request, found.task.pk)
    return HttpResponseRedirect(_question_url(fresh, key) if fresh.page(key) else _resume(fresh), status=303)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None


def _file_sent(request: PatientRequest, found: reads.Sitting, page: reads.Page) -> HttpResponse:
    """A picture. Without one the way goes on when one was sent before, or when the question may stay open."""
    item, sent = page[0], request.FILES.getlist(page[0].link_id)
    typed = request.POST.get(item.link_id, "").strip() if item.is_voice else ""
    files = [one.read(forms.MOST_READ) for one in sent[:6]] or ([typed.encode("utf-8", "replace")] if typed else [])
    skipped = item.may_be_not_measured and request.POST.get("not-measured") == "1"
    entry = forms.AnswerEntry({}, (), {})
    if not files and not skipped and item.required and not found.answers.get(item.link_id):
        entry = forms.AnswerEntry({}, (forms.AnswerProblem(item.link_id, "required", forms.required_words(item)),), {})
        return _question_page(request, found, page, entry=entry, status=422)
    try:
        actions.send_files(
            task=found.task, questionnaire=found.questionnaire, link_id=item.link_id, files=files,
            skipped=skipped and not files, at=timezone.now(), by=request.viewer,
        )  # fmt: skip
    except (FileRefused, TooManyFiles) as refusal:
        code = getattr(refusal, "reason", refusal.code)
        entry = forms.AnswerEntry({}, (forms.AnswerProblem(item.link_id, code, str(refusal)),), {})
        return _question_page(request, _find(request, found.task.pk), page, entry=entry, status=422)
    return _go_on(request, _find(request, found.task.pk), page)


@patient_page("questions")
def file(request: PatientRequest, task_id: UUID, file_id: UUID) -> HttpResponse:
    """A picture the patient sent with these answers; never one of somebody else."""
    found = _find(request, task_id)
    if found.response is None:
        raise Http404
    mine = Attachment.objects.visible_to(request.viewer).filter(response_id=found.response.pk, removed_at=None)
    return file_answer(get_or_404(mine, pk=file_id), by=request.viewer, wanted=request.headers.get("Range", ""))


def _after(found: reads.Sitting, key: str) -> str:
    """The next page in order, so that going back and forth passes the same questions; after the last the check."""
    place = rules.position(key, found.keys)
    if place is None or place.after is None:
        missing = found.next_required()
        return _question_url(found, missing) if missing else reverse("portal:answers", args=[found.task.pk])
    return reverse("portal:question", args=[found.task.pk, place.after])


@patient_page("questions")
def safety(request: PatientRequest, task_id: UUID, key: str) -> HttpResponse:
    """What to do now, and who was told. Shown again whenever the address is opened while the answer stands."""
    found = _find(request, task_id)
    page = found.page(key)
    finding = reads.critical_finding(found, page, at=timezone.now()) if page else None
    if finding is None:
        return HttpResponseRedirect(_resume(found))
    context = {
        "safety": reads.safety_of(finding),
        "notified": _notified(found, finding),
        "go_on": "" if found.is_closed else _after(found, key),
    }
    return show(request, "portal/safety.html", context, title=_title(found), back=_question_url(found, key))


def _notified(found: reads.Sitting, finding: Finding) -> str:
    promise = reads.promised_call(found, finding)
    if promise is None:
        return _("A doctor or nurse calls you within %(minutes)s minutes. Keep your telephone on and do not drive.") % {
            "minutes": finding.respond_within_minutes
        }
    return _("%(name)s calls you before %(time)s. Keep your telephone on and do not drive.") % {
        "name": promise.name,
        "time": f"{timezone.localtime(promise.until):%H:%M}",
    }


@patient_page("questions", methods=("GET", "POST"))
def answers(request: PatientRequest, task_id: UUID) -> HttpResponse:
    """Every answer once more, each with its way back; sending closes the task."""
    found = _find(request, task_id)
    if found.is_closed:
        return HttpResponseRedirect(_resume(found), status=303)
    if found.response is None:
        return HttpResponseRedirect(_resume(found), status=303)
    if request.method != "POST":
        context = {
            "rows": [_row(found, page) for page in found.pages],
            "whole": reverse("portal:whole", args=[task_id]),
        }
        return show(
            request, "portal/answers.html", context, title=_title(found), back=_question_url(found, found.keys[-1])
        )
    try:
        actions.send_answers(task=found.task, response=found.response, at=timezone.now(), by=request.viewer)
    except Refused as refusal:
        return _refused(request, found, refusal)
    return HttpResponseRedirect(reverse("portal:done", args=[task_id]), status=303)


def _refused(request: PatientRequest, found: reads.Sitting, refusal: Refused) -> HttpResponse:
    """Sent twice, finished by telephone meanwhile, or a required question is open: show where it stands."""
    fresh = _find(request, found.task.pk)
    if fresh.is_closed:
        return HttpResponseRedirect(reverse("portal:done", args=[found.task.pk]), status=303)
    return message_page(request, _("That did not work"), str(refusal), go_on=_resume(fresh), status=refusal.status)


@patient_page("questions", methods=("GET", "POST"))
def whole(request: PatientRequest, task_id: UUID) -> HttpResponse:
    """The whole form at once. GET: every page of it, so that a telephone can go on without network. POST: what it kept
    meanwhile, stored in one transaction or not at all; the answer says what became of it and where to go on."""
    found = _find(request, task_id)
    if request.method != "POST":
        return show(request, "portal/whole.html", _everything(found), title=_title(found))
    key, finish = forms.read_key(request.POST), request.POST.get("finish") == "1"
    if key is None:
        return JsonResponse({"state": "unreadable"}, status=400)
    if found.is_closed:
        return _closed(found, key)
    entry = forms.read_whole(found.form, found.every_page, request.POST, found.answers, finish=finish)
    if not entry.is_good:
        return _problems(found, entry)
    return _store_whole(request, found, entry, key, finish=finish)


def _store_whole(
    request: PatientRequest, found: reads.Sitting, entry: forms.AnswerEntry, key: UUID, *, finish: bool
) -> HttpResponse:
    family = request.patient_session.family
    at = timezone.now()
    try:
        saved = actions.send_whole(
            task=found.task, questionnaire=found.questionnaire, begun=found.response, last_time=found.last_time,
            answers=entry.values, key=key, finish=finish, source="relative" if family else "portal", at=at,
            by=request.viewer,
        )  # fmt: skip
    except Refused as refusal:  # sent or finished elsewhere in the same moment
        fresh = _find(request, found.task.pk)
        if fresh.is_closed:
            return _closed(fresh, key)
        return JsonResponse({"state": "refused", "text": str(refusal), "url": _resume(fresh)}, status=refusal.status)
    now = reads.answered(found, saved.response)
    danger = (
        next((page for page in now.pages if reads.critical_finding(now, page, at=at)), None) if saved.dangers else None
    )
    if danger is not None:
        return JsonResponse(
            {"state": "danger", "url": reverse("portal:safety", args=[found.task.pk, danger[0].link_id])}
        )
    if finish:
        return JsonResponse({"state": "done", "url": reverse("portal:done", args=[found.task.pk])})
    return JsonResponse({"state": "saved", "url": _resume(now)})


def _closed(found: reads.Sitting, key: UUID) -> HttpResponse:
    """The same sending again is as good as the first; another one comes too late, and nothing of it is kept."""
    same = found.response is not None and found.response.sent_key == key
    url = reverse("portal:done", args=[found.task.pk])
    return JsonResponse({"state": "done" if same else "closed", "url": url}, status=200 if same else 409)


def _problems(found: reads.Sitting, entry: forms.AnswerEntry) -> HttpResponse:
    """What is wrong, question by question, each with the page it is asked on. Nothing was stored."""
    page_of = {item.link_id: page[0].link_id for page in found.every_page for item in page}
    said = [
        {
            "question": one.field, "page": page_of.get(one.field, one.field), "code": one.code, "text": one.text,
            "url": _question_url(found, page_of.get(one.field, one.field)),
        }
        for one in entry.problems
    ]  # fmt: skip
    return JsonResponse({"state": "problems", "problems": said}, status=422)


def _everything(found: reads.Sitting) -> dict[str, Any]:
    """Each page that could be asked, with what makes it be asked; files need the network and are left out."""
    pages = [page for page in found.every_page if page[0].type != "attachment"]
    at, shown = timezone.now(), []
    safeties: dict[str, dict[str, Any]] = {}
    for page in pages:
        dangers, words_of_help = reads.dangers_of(reads.as_if_asked(found, page), page, at=at)
        safeties |= {one["id"]: one for one in words_of_help}
        group = reads.group_title(found.form, page)
        shown.append({
            "key": page[0].link_id, "url": _question_url(found, page[0].link_id), "title": group or words(page[0]),
            "links": [item.link_id for item in page], "required": [item.link_id for item in page if item.required],
            "fields": [_field(item, found, None, group) for item in page],
            "dangers": [danger.as_json() for danger in dangers],
        })  # fmt: skip
    given = {name: value if isinstance(value, list) else [value] for name, value in found.answers.items()}
    return {
        "task_id": found.task.pk,
        "pages": shown,
        "safeties": list(safeties.values()),
        "logic": asking.logic(found.form),
        "given": {name: [asking.code_of(one) for one in values] for name, values in given.items()},
    }


@patient_page("questions")
def done(request: PatientRequest, task_id: UUID) -> HttpResponse:
    """Thanks, and what happens next. While the form is open it leads back into it."""
    found = _find(request, task_id)
    if not found.is_closed:
        return HttpResponseRedirect(_resume(found))
    at = timezone.now()
    coming = reads.coming_tasks(request.viewer, at=at)
    context = {
        "answered": found.is_done,
        "worrying": bool(reads.findings(found, at=at)),
        "next_date": day_words(coming[0].due_at) if coming else "",
        "home": request.patient_session.purpose == rules.HOME,
    }
    return show(request, "portal/done.html", context, title=_title(found))


# ---- showing ----


def _question_page(
    request: PatientRequest,
    found: reads.Sitting,
    page: reads.Page,
    *,
    entry: forms.AnswerEntry | None = None,
    status: int = 200,
) -> HttpResponse:
    key = page[0].link_id
    place = rules.position(key, found.keys)
    if place is None:
        raise Http404
    dangers, safeties = reads.dangers_of(found, page, at=timezone.now())
    group = reads.group_title(found.form, page)
    context = {
        "place": place,
        "key": key,
        "whole": reverse("portal:whole", args=[found.task.pk]),
        "title": group or words(page[0]),
        "help": "",
        "fields": [_field(item, found, entry, group) for item in page],
        "has_file": page[0].type == "attachment",
        **_instance(found, page),
        "before": _question_url(found, place.before) if place.before else "",
        "dangers": [danger.as_json() for danger in dangers],
        "safeties": safeties,
    }
    home = request.patient_session.purpose == rules.HOME
    return show(
        request,
        "portal/question.html",
        context,
        title=_title(found),
        back="/" if home else "",
        may_help=place.number == 1,
        status=status,
    )


def _instance(found: reads.Sitting, page: reads.Page) -> dict[str, Any]:
    """Whether this page ends or begins one of a group that repeats."""
    item, keys = page[0], found.keys
    if not item.group:
        return {"may_add": "", "may_remove": False}
    mine = [one[0].link_id for one in found.pages if one[0].group == item.group]
    own = [key for key in mine if found.form.item(key).instance == item.instance]
    title = found.form.item(item.group).patient.say(language())
    last = bool(keys) and item.link_id == mine[-1] and found.form.counts.get(item.group, 1) < MOST_INSTANCES
    return {"may_add": title if last else "", "may_remove": item.link_id == own[0] and item.instance > 1}


def _field(item: Item, found: reads.Sitting, entry: forms.AnswerEntry | None, group: str) -> asking.Field:
    typed = entry is not None and item.link_id in entry.raw
    given = entry.raw[item.link_id] if entry is not None and typed else found.answers.get(item.link_id)
    problem = next((one for one in entry.problems if one.field == item.link_id), None) if entry else None
    files = (
        [_shown(found, one) for one in attachments_of(found.response).get(item.link_id, [])]
        if item.type == "attachment"
        else []
    )
    return asking.field_of(found.form, item, given=given, group=group, error=problem, files=files)


def _shown(found: reads.Sitting, one: FileView) -> dict[str, Any]:
    address = reverse("portal:file", args=[found.task.pk, one.pk])
    return {
        "pk": one.pk,
        "url": address,
        "is_picture": one.is_picture,
        "is_voice": one.is_voice,
        "words": one.words,
        "kilobytes": one.kilobytes,
    }


def _row(found: reads.Sitting, page: reads.Page) -> dict[str, str]:
    given = [
        asking.answer_words(item, found.answers.get(item.link_id), language(), found.reason(item.link_id))
        for item in page
    ]
    return {
        "question": reads.group_title(found.form, page) or words(page[0]),
        "answer": " / ".join(one for one in given if one),
        "url": _question_url(found, page[0].link_id),
    }


def _question_url(found: reads.Sitting, key: str) -> str:
    return reverse("portal:question", args=[found.task.pk, key])


def _title(found: reads.Sitting) -> str:
    return found.task.step_words or found.form.title.say(language())


def words(item: Item) -> str:
    """The question as the patient reads it."""
    return item.patient.say(language())


def language() -> str:
    """`en` or `zh`, as forms know their words."""
    return asking.spoken_language()
