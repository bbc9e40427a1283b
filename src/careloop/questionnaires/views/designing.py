"""The designer: one page, whose parts are changed by small posts that answer with the page as it is now."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, page, render
from careloop.questionnaires import access, actions, reads
from careloop.questionnaires.models import LibraryItem, Questionnaire, QuestionnaireDraft
from careloop.questionnaires.reads import designer as reading
from careloop.questionnaires.reads import library, previewing, replaying, wording
from careloop.questionnaires.rules import whole_number
from careloop.questionnaires.rules.designing import walk


def draft_of(request: PageRequest, draft_id: UUID) -> QuestionnaireDraft:
    """A draft of the viewer's departments; 404 for others."""
    return get_or_404(library.drafts_of(request.viewer), pk=draft_id)


@page(access.DESIGN, methods=("POST",))
def new(request: PageRequest) -> HttpResponse:
    """An empty form with this title."""
    title = request.POST.get("title", "") or _("New questionnaire")
    draft = actions.start_draft(title=title, department_id=_home(request), at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(reverse("questionnaires:designer", args=[draft.pk]), status=303)


def _home(request: PageRequest) -> UUID | None:
    """Where a new form belongs: the department of who makes it, unless it is made for the hospital."""
    return None if request.viewer.hospital_wide else request.viewer.organization_id


@page(access.DESIGN, methods=("POST",))
def new_version(request: PageRequest, questionnaire_id: UUID) -> HttpResponse:
    """The next version of this form, or a form of one's own made from it."""
    questionnaire = get_or_404(Questionnaire.objects.all(), pk=questionnaire_id)
    draft = actions.start_version(questionnaire=questionnaire, at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(reverse("questionnaires:designer", args=[draft.pk]), status=303)


@page(access.DESIGN)
def designer(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """The page; for htmx only the part that changes."""
    draft = draft_of(request, draft_id)
    whole = request.headers.get("HX-Request") != "true"
    return _show(request, draft, request.GET, whole=whole)


@page(access.DESIGN, methods=("POST",))
def change(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """One change; answers with the designer as it is now, the changed or new part selected."""
    draft = draft_of(request, draft_id)
    params = {name: str(value)[:8000] for name, value in request.POST.items()}
    before = {item["linkId"] for item in _links(draft)}
    changed = actions.change_draft(
        draft=draft,
        revision=_revision(request),
        op=params.get("op", ""),
        params=params,
        at=timezone.now(),
        by=request.viewer,
    )
    state = request.POST.copy()
    fresh = [item["linkId"] for item in _links(changed) if item["linkId"] not in before]
    if fresh:
        state["selected"] = fresh[0]
    return _show(request, draft_of(request, changed.pk), state)


def _links(draft: QuestionnaireDraft) -> list[dict[str, Any]]:
    return list(walk(draft.content["definition"].get("item", [])))


def _revision(request: PageRequest) -> int:
    number = whole_number(request.POST.get("revision", ""))
    return -1 if number is None else number


@page(access.DESIGN, methods=("POST",))
def step(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """Undo or redo."""
    draft = draft_of(request, draft_id)
    back = request.POST.get("way") != "redo"
    actions.take_step(draft=draft, revision=_revision(request), back=back, at=timezone.now(), by=request.viewer)
    return _show(request, draft_of(request, draft_id), request.POST)


def _show(request: PageRequest, draft: QuestionnaireDraft, state: Any, *, whole: bool = False) -> HttpResponse:
    at = timezone.now()
    view = state.get("view", "edit") if state.get("view") in reading.VIEWS else "edit"
    tab = state.get("tab", "question") if state.get("tab") in reading.TABS else "question"
    board = reading.board(draft, selected=state.get("selected", ""), at=at)
    context = {
        "title": wording.said(board.form.title) or draft.title, "draft": draft, "board": board, "view": view, "tab": tab,
        "selected": board.selected.link if board.selected else board.section.link if board.section else "",
        "may_publish": request.viewer.can(access.PUBLISH), "is_own": request.viewer.practitioner_id in {draft.author_id, draft.editor_id},
        "owners": reading.owner_choices(), "signs": reading.SIGNS, "scores": reading.score_words(board.form),
        "is_open": draft.status == "editing", **_preview(draft, board, view, at),
    }  # fmt: skip
    if whole:
        context |= {
            "palette": library.palette(),
            "scales": library.scales(),
            "kept": list(library.kept_items(request.viewer)[:60]),
        }
    answer = render(request, "questionnaires/designer.html" if whole else "questionnaires/_designer.html", context)
    answer.headers["HX-Trigger"] = json.dumps(
        {"designed": {"selected": context["selected"], "revision": draft.revision}}
    )
    return answer


def _preview(draft: QuestionnaireDraft, board: reading.Board, view: str, at: Any) -> dict[str, Any]:
    if view == "logic":
        return {"logic": reading.logic_lines(board), "drawn": reading.drawn_logic(board)}
    if view == "edit":
        return {}
    questionnaire = reading.preview_of(draft)
    return {
        "screens": reads.preview(questionnaire, at=at),
        "fields": previewing.patient_screens(board.form),
        "opening": reads.opening_words(board.form, nurse=""),
    }


@page(access.DESIGN)
def replay(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """Fragment: the rules of this draft on the answers of the last 90 days that the viewer may see."""
    draft = draft_of(request, draft_id)
    urls = [draft.url, *([draft.based_on.url] if draft.based_on else [])]
    tried = replaying.try_on_past(draft.content, urls, viewer=request.viewer, at=timezone.now())
    rules = {rule.code: rule for rule in reading.board(draft, selected="", at=timezone.now()).rules}
    context = {
        "draft": draft, "tried": tried, "days": replaying.DAYS, "rules": rules, "most": replaying.MOST_RESPONSES,
        "may_see": request.viewer.can("patients.view"),
    }  # fmt: skip
    return render(request, "questionnaires/_replay.html", context)


@page(access.DESIGN, methods=("POST",))
def submit(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """Ready for the reviewer."""
    draft = draft_of(request, draft_id)
    actions.submit_draft(draft=draft, revision=_revision(request), at=timezone.now(), by=request.viewer)
    return _show(request, draft_of(request, draft_id), request.POST)


@page(access.DESIGN, methods=("POST",))
def give_back(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """Back to the author, with a remark."""
    draft = draft_of(request, draft_id)
    actions.return_draft(draft=draft, remark=request.POST.get("remark", ""), at=timezone.now(), by=request.viewer)
    return _show(request, draft_of(request, draft_id), request.POST)


@page(access.PUBLISH, methods=("POST",))
def publish(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """Into force; the page of the new version follows."""
    made = actions.publish_draft(draft=draft_of(request, draft_id), at=timezone.now(), by=request.viewer)
    return _go(request, reverse("questionnaires:version", args=[made.pk]))


@page(access.DESIGN, methods=("POST",))
def discard(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """Thrown away."""
    actions.discard_draft(draft=draft_of(request, draft_id), by=request.viewer)
    return _go(request, f"{reverse('questionnaires:list')}?show=drafts")


def _go(request: PageRequest, address: str) -> HttpResponse:
    if request.headers.get("HX-Request") == "true":
        return HttpResponse(status=204, headers={"HX-Redirect": address})
    return HttpResponseRedirect(address, status=303)


@page(access.DESIGN, methods=("POST",))
def keep(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """A question into one's own library or the department's."""
    draft = draft_of(request, draft_id)
    department = request.POST.get("for") == "department"
    actions.keep_item(draft=draft, link=request.POST.get("link", ""), department=department, by=request.viewer)
    answer = render(request, "questionnaires/_kept.html", {"kept": list(library.kept_items(request.viewer)[:60])})
    answer.headers["HX-Trigger"] = json.dumps({"toast": {"text": _("Kept for other forms.")}})
    return answer


@page(access.DESIGN, methods=("POST",))
def forget(request: PageRequest, item_id: UUID) -> HttpResponse:
    """Out of the library."""
    item = get_or_404(LibraryItem.objects.filter(pk__in=library.kept_items(request.viewer).values("pk")), pk=item_id)
    actions.remove_kept_item(item=item, by=request.viewer)
    return render(request, "questionnaires/_kept.html", {"kept": list(library.kept_items(request.viewer)[:60])})
