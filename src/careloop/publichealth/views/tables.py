"""The editor of opinion tables: one page, whose rows are changed by small posts that answer with the page as it is now."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from careloop.audit.record import list_seen
from careloop.kernel.lookup import get_or_404, id_from
from careloop.kernel.pages import PageRequest, page, render
from careloop.publichealth import access, actions
from careloop.publichealth.models import OpinionDraft, OpinionTable
from careloop.publichealth.reads import tables as reading
from careloop.questionnaires.models import Questionnaire
from careloop.questionnaires.reads import form_of
from careloop.questionnaires.reads.replaying import DAYS, MOST_RESPONSES
from careloop.questionnaires.rules import whole_number

SIGNS = ("=", "!=", ">=", "<=", ">", "<", "exists", "contains")
LONGEST = 8000  # characters of one typed value
MOST_FILE = 1_000_000  # bytes of a table written by hand


def draft_of(request: PageRequest, draft_id: UUID) -> OpinionDraft:
    """A draft of the viewer's departments; 404 for others."""
    return get_or_404(reading.drafts_of(request.viewer), pk=draft_id)


def department_asked(request: PageRequest) -> UUID | None:
    """The department a table is written for: the one asked for, else one's own (the hospital for who answers for it)."""
    text = request.POST.get("department")
    if text is None:
        return None if request.viewer.hospital_wide else request.viewer.organization_id
    try:
        return UUID(text) if text else None
    except ValueError:
        raise Http404 from None


@page(access.WRITE_TABLES, methods=("POST",))
def start(request: PageRequest, table_id: UUID) -> HttpResponse:
    """The next version of a published table, or the first one for a form (`table_id` is then the form)."""
    table = OpinionTable.objects.filter(pk=table_id).first()
    url = table.questionnaire_url if table else get_or_404(Questionnaire.objects.all(), pk=table_id).url
    draft = actions.start_table_draft(
        questionnaire_url=url,
        department_id=department_asked(request),
        based_on=table,
        at=timezone.now(),
        by=request.viewer,
    )
    return _to(draft)


@page(access.WRITE_TABLES, methods=("POST",))
def begin(request: PageRequest) -> HttpResponse:
    """A first table for a form chosen from the list; from the table in force there, if there is one."""
    chosen = id_from(request.POST.get("questionnaire", ""))
    if chosen is None:
        raise Http404
    return start(request, chosen)


@page(access.WRITE_TABLES, methods=("POST",))
def take_in(request: PageRequest) -> HttpResponse:
    """A table written by hand (a file or pasted JSON) as a draft, or as the next step of one."""
    sent = request.FILES.get("file")
    data = sent.read(MOST_FILE + 1) if sent else request.POST.get("content", "").encode()
    into = request.POST.get("draft", "")
    draft = draft_of(request, UUID(into)) if id_from(into) else None
    try:
        made = actions.import_table_draft(
            data=data, department_id=department_asked(request), into=draft, at=timezone.now(), by=request.viewer
        )
    except actions.BadOpinionTable as refusal:
        context = {
            "title": _("This table cannot be taken in"), "troubles": str(refusal).splitlines(),
            "json": data[:MOST_FILE].decode("utf-8", "replace"), "draft": draft,
            "department": request.POST.get("department", ""),
        }  # fmt: skip
        return render(request, "publichealth/table_import.html", context, status=422)
    return _to(made)


def _to(draft: OpinionDraft) -> HttpResponse:
    return HttpResponseRedirect(reverse("publichealth:draft", args=[draft.pk]), status=303)


@page(access.WRITE_TABLES)
def draft(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """The page; for htmx only the part that changes."""
    return _show(request, draft_of(request, draft_id), request.GET.get("selected", ""))


@page(access.WRITE_TABLES, methods=("POST",))
def change(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """One change; answers with the editor as it is now, the changed or new row selected."""
    found = draft_of(request, draft_id)
    params = {name: str(value).replace("\x00", "")[:LONGEST] for name, value in request.POST.items()}
    op, before = params.get("op", ""), len(found.content["outcomes"])
    changed = actions.change_table_draft(
        draft=found, revision=_revision(request), op=op, params=params, at=timezone.now(), by=request.viewer
    )
    return _show(request, draft_of(request, draft_id), _selected(op, params, before, len(changed.content["outcomes"])))


def _selected(op: str, params: dict[str, str], before: int, after: int) -> str:
    """The row that is chosen after the change."""
    row = whole_number(params.get("row", "")) or 0
    moved = {"copy-row": 1, "add-row": 1, "move-row": -1 if params.get("way") == "up" else 1}.get(op)
    if moved is None:
        return str(min(row, after)) if row else params.get("selected", "")
    if not row:  # added at the end, before the closing row if there is one
        return str(max(1, after - 1)) if after > before else ""
    return str(min(max(row + moved, 1), after))


def _revision(request: PageRequest) -> int:
    number = whole_number(request.POST.get("revision", ""))
    return -1 if number is None else number


@page(access.WRITE_TABLES, methods=("POST",))
def undo(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """The last change is taken back."""
    found = draft_of(request, draft_id)
    actions.take_back_table_change(draft=found, revision=_revision(request), at=timezone.now(), by=request.viewer)
    return _show(request, draft_of(request, draft_id), request.POST.get("selected", ""))


def _show(request: PageRequest, found: OpinionDraft, selected: str) -> HttpResponse:
    questionnaire = reading.questionnaire_of(found.questionnaire_url)
    if questionnaire is None:
        raise Http404
    whole = request.headers.get("HX-Request") != "true"
    board = reading.board(found, questionnaire, selected=selected)
    context = {
        "title": _("Opinion table: %(form)s") % {"form": form_title(questionnaire)},
        "draft": found, "board": board, "questionnaire": questionnaire, "signs": SIGNS,
        "is_open": found.status == OpinionDraft.Status.EDITING,
        "is_own": str(request.viewer.practitioner_id) in found.writers,
        "may_publish": request.viewer.can(access.EDIT_TABLES),
        "json": json.dumps(found.content, ensure_ascii=False, indent=1) if whole else "",
    }  # fmt: skip
    return render(request, "publichealth/draft.html" if whole else "publichealth/_draft.html", context)


def form_title(row: Questionnaire | None) -> str:
    """The form's name in the language of the request."""
    if row is None:
        return "–"
    return row.title_en if get_language() == "en" and row.title_en else row.title


@page(access.WRITE_TABLES)
def trial(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """Fragment: the draft on the answers of the last 90 days that the viewer may see."""
    found = draft_of(request, draft_id)
    questionnaire = reading.questionnaire_of(found.questionnaire_url)
    if questionnaire is None:
        raise Http404
    tried = reading.try_table(found, questionnaire, viewer=request.viewer, at=timezone.now())
    may_see = request.viewer.can("patients.view")
    if tried is not None and may_see:
        ids = [one.response.patient_id for one in tried.shown]
        list_seen(what="publichealth.table-trial", ids=ids, by=request.viewer)
    context = {"tried": tried, "days": DAYS, "most": MOST_RESPONSES, "may_see": may_see}
    return render(request, "publichealth/_trial.html", context)


@page(access.WRITE_TABLES, methods=("POST",))
def submit(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """Ready for the reviewer."""
    found = draft_of(request, draft_id)
    actions.submit_table_draft(draft=found, revision=_revision(request), at=timezone.now(), by=request.viewer)
    return _show(request, draft_of(request, draft_id), request.POST.get("selected", ""))


@page(access.WRITE_TABLES, methods=("POST",))
def give_back(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """Back to the author, with a remark."""
    found = draft_of(request, draft_id)
    actions.return_table_draft(draft=found, remark=request.POST.get("remark", ""), by=request.viewer)
    return _show(request, draft_of(request, draft_id), request.POST.get("selected", ""))


@page(access.EDIT_TABLES, methods=("POST",))
def publish(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """Into force; the page of the new version follows."""
    found = draft_of(request, draft_id)
    made = actions.publish_table_draft(draft=found, at=timezone.now(), by=request.viewer)
    return _go(request, reverse("publichealth:table", args=[made.pk]))


@page(access.WRITE_TABLES, methods=("POST",))
def discard(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """Thrown away."""
    actions.discard_table_draft(draft=draft_of(request, draft_id), by=request.viewer)
    return _go(request, reverse("publichealth:tables"))


def _go(request: PageRequest, address: str) -> HttpResponse:
    if request.headers.get("HX-Request") == "true":
        return HttpResponse(status=204, headers={"HX-Redirect": address})
    return HttpResponseRedirect(address, status=303)


# ---- two versions ----


@page(access.VIEW)
def compare(request: PageRequest, table_id: UUID) -> HttpResponse:
    """A published version and the one before it (or `with`: another version of the same questionnaire)."""
    new = get_or_404(OpinionTable.objects.select_related("department"), pk=table_id)
    asked = request.GET.get("with", "")
    same_form = OpinionTable.objects.filter(questionnaire_url=new.questionnaire_url)
    old = same_form.filter(pk=asked).first() if id_from(asked) else reading.earlier_of(new)
    if old is None:
        raise Http404
    back = reverse("publichealth:table", args=[new.pk])
    return _compared(
        request, old.content, new.content, new.questionnaire_url, f"v{old.version}", f"v{new.version}", back
    )


@page(access.WRITE_TABLES)
def draft_compare(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """A draft and the version it was made from; 404 when it was made from none."""
    found = draft_of(request, draft_id)
    if found.based_on is None:
        raise Http404
    old, back = found.based_on, reverse("publichealth:draft", args=[found.pk])
    return _compared(request, old.content, found.content, found.questionnaire_url, f"v{old.version}", _("Draft"), back)


def _compared(
    request: PageRequest, old: Any, new: Any, url: str, old_name: str, new_name: str, back: str
) -> HttpResponse:
    questionnaire = reading.questionnaire_of(url)
    if questionnaire is None:
        raise Http404
    lines = reading.compared(old, new, form_of(questionnaire))
    kinds = [line.kind for line in lines]
    context = {
        "title": _("Opinion table: %(form)s") % {"form": form_title(questionnaire)}, "lines": lines, "back": back,
        "old_name": old_name, "new_name": new_name, "is_same": set(kinds) <= {"same"},
        "counts": {kind: kinds.count(kind) for kind in ("changed", "added", "removed", "moved")},
    }  # fmt: skip
    return render(request, "publichealth/table_compare.html", context)
