"""The designer: drafts written step by step, replayed, handed in, reviewed, published; and plans as files."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from careloop.audit.record import list_seen
from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, page, render
from careloop.plans import access, actions
from careloop.plans.forms import (
    NewPlanForm,
    ReplayForm,
    ReturnForm,
    end_values,
    head_values,
    rule_values,
    source_lines,
    step_values,
)
from careloop.plans.models import PlanDefinition, PlanDraft, PlanReplay
from careloop.plans.reads import adopting, charts, drafts, pages, replaying, wording
from careloop.plans.rules import drafting, fhir
from careloop.plans.rules.adoption import UNDO_WITHIN
from careloop.plans.rules.content import PlanContentError
from careloop.plans.rules.review import EVERYONE, FEWEST_TO_JUDGE

MOST_FILE = 1_000_000
PARTS = ("head", "rule", "ends")
# The parts of the page that a change redraws beside the canvas; each knows how to be found again (hx-swap-oob).
_VALUES: dict[str, Callable[[Any], dict[str, Any]]] = {"rule": rule_values, "ends": end_values, "head": head_values}
_PART_KEYS = {"rule": "enrolment", "ends": "ends", "head": ""}


@page(access.AUTHOR, methods=("GET", "POST"))
def new(request: PageRequest) -> HttpResponse:
    """Begin a plan: from nothing, or from a file."""
    form = NewPlanForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        draft = actions.start_draft(
            title_zh=given["title"],
            title_en=given["title_en"],
            name=given["name"],
            at=timezone.now(),
            by=request.viewer,
        )
        return HttpResponseRedirect(reverse("plans:draft", args=[draft.pk]))
    context = {"title": _("New plan"), "form": form}
    return render(request, "plans/new.html", context, status=422 if request.method == "POST" else 200)


@page(access.AUTHOR, methods=("POST",))
def import_file(request: PageRequest) -> HttpResponse:
    """A plan from a file or a pasted text: FHIR R4 PlanDefinition, or our own plan file."""
    uploaded = request.FILES.get("file")
    text = request.POST.get("text", "")
    try:
        if uploaded is not None:
            if (uploaded.size or 0) > MOST_FILE:
                raise actions.DraftTooLarge
            text = uploaded.read().decode("utf-8-sig")
        if len(text) > MOST_FILE:
            raise actions.DraftTooLarge
        imported = fhir.read_plan_file(text)
    except UnicodeDecodeError:
        raise actions.FileRefused(PlanContentError("", fhir.NOT_UTF8)) from None
    except PlanContentError as error:
        raise actions.FileRefused(error) from None
    draft = actions.import_draft(imported=imported, at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(reverse("plans:draft", args=[draft.pk]))


@page(access.AUTHOR, methods=("POST",))
def new_version(request: PageRequest, definition_id: UUID) -> HttpResponse:
    """Begin the next version of a plan."""
    found = get_or_404(PlanDefinition.objects.all(), pk=definition_id)
    draft = actions.start_version(definition=found, at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(reverse("plans:draft", args=[draft.pk]))


@page(access.VIEW)
def draft(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """The designer with one part open: the head, the rule, the end, or a step."""
    found = _draft(draft_id)
    return render(request, "plans/designer.html", _context(request, found, part=request.GET.get("part", "")))


@page(access.AUTHOR, methods=("POST",))
def change(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """Save what was typed in one part; the canvas comes back with what that means."""
    found, part = _draft(draft_id), request.POST.get("part", "")
    data = request.POST.copy()
    if part in _VALUES:
        edit = partial(drafting.set_part, part=_PART_KEYS[part], values=_VALUES[part](data))
    else:
        edit = partial(drafting.set_step, code=part, values=step_values(data))
    saved = actions.change_draft(
        draft=found, change=edit, revision=_revision(request), at=timezone.now(), by=request.viewer
    )
    return render(request, "plans/_canvas.html", _context(request, saved, part=part) | {"is_fragment": True})


@page(access.AUTHOR, methods=("POST",))
def steps(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """Add, copy, remove or move a step; then the page with that step open."""
    found, do, code = _draft(draft_id), request.POST.get("do", ""), request.POST.get("code", "")
    activity = request.POST.get("activity", "")
    edits: dict[str, Callable[[drafting.Raw], drafting.Raw]] = {
        "add": lambda raw: drafting.add_step(raw, activity=activity, after=code),
        "copy": lambda raw: drafting.copy_step(raw, code),
        "remove": lambda raw: drafting.remove_step(raw, code),
        "up": lambda raw: drafting.move_step(raw, code, -1),
        "down": lambda raw: drafting.move_step(raw, code, 1),
    }
    if do not in edits:
        return HttpResponse(status=400)
    before = {step["code"] for step in found.content.get("steps", []) if isinstance(step, dict) and "code" in step}
    saved = actions.change_draft(
        draft=found, change=edits[do], revision=_revision(request), at=timezone.now(), by=request.viewer
    )
    added = [step["code"] for step in saved.content["steps"] if step.get("code") not in before]
    opened = added[0] if added else ("head" if do == "remove" else code)
    return _page(request, saved, opened, told=_("Step removed") if do == "remove" else "")


@page(access.AUTHOR, methods=("POST",))
def undo(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """Take the last change back."""
    saved = actions.undo_draft_change(draft=_draft(draft_id), at=timezone.now(), by=request.viewer)
    part = request.POST.get("part", "")
    return _page(request, saved, part, told=_("Change undone"), undo=False)


@page(access.AUTHOR, methods=("POST",))
def wish_enrolment(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """Whether discharges shall enter by rule once it is published."""
    found = _draft(draft_id)
    actions.wish_enrolment(draft=found, enrols=request.POST.get("enrols") == "1", at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(f"{reverse('plans:draft', args=[found.pk])}?part=rule")


@page(access.AUTHOR, methods=("POST",))
def submit(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """Hand it in."""
    actions.submit_draft(draft=_draft(draft_id), at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(reverse("plans:differences", args=[draft_id]))


@page(access.AUTHOR, methods=("POST",))
def take_back(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """The author goes on writing."""
    actions.return_draft(draft=_draft(draft_id), note="", at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(reverse("plans:draft", args=[draft_id]))


@page(access.AUTHOR, methods=("POST",))
def discard(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """Throw it away."""
    actions.discard_draft(draft=_draft(draft_id), at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(reverse("plans:list"))


@page(access.VIEW)
def differences(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """What differs from the version in use: for the reviewer."""
    found = _draft(draft_id)
    return render(request, "plans/differences.html", _review_context(request, found))


@page(access.PUBLISH, methods=("POST",))
def give_back(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """The reviewer wants a change."""
    found, form = _draft(draft_id), ReturnForm(request.POST)
    if not form.is_valid():
        context = _review_context(request, found) | {"return_form": form}
        return render(request, "plans/differences.html", context, status=422)
    actions.return_draft(draft=found, note=form.cleaned_data["note"], at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(reverse("plans:list"))


@page(access.PUBLISH, methods=("POST",))
def publish(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """The second person brings it into use."""
    definition = actions.publish_draft(draft=_draft(draft_id), at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(reverse("plans:definition", args=[definition.pk]))


@page(access.AUTHOR, methods=("GET", "POST"))
def replay(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """Play the draft on past discharges, and what came of it."""
    found = _draft(draft_id)
    usual = replaying.usual_capacity()
    form = ReplayForm(request.POST or None, initial={"nurses": usual.nurses, "per_day": usual.per_day, "months": 6})
    if request.method == "POST" and form.is_valid():
        actions.request_replay(draft=found, **form.cleaned_data, at=timezone.now(), by=request.viewer)
        return HttpResponseRedirect(reverse("plans:replay", args=[draft_id]))
    last = drafts.last_replay(found)
    context = _frame(request, found, "replay") | {
        "form": form,
        "usual": usual,
        "answered": round(100 * usual.answered),
        **_replay_context(found, last),
    }
    return render(request, "plans/replay.html", context, status=422 if request.method == "POST" else 200)


@page(access.AUTHOR)
def replay_progress(request: PageRequest, replay_id: UUID) -> HttpResponse:
    """How far a replay is; at its end, the page is loaded again."""
    found = get_or_404(PlanReplay.objects.select_related("draft"), pk=replay_id)
    failure = wording.replay_failure_words(found.failure) if found.failure else ""
    response = render(request, "plans/_replay_progress.html", {"last": found, "failure": failure})
    if found.is_over:
        response["HX-Refresh"] = "true"
    return response


@page(access.AUTHOR, methods=("POST",))
def stop_replay(request: PageRequest, replay_id: UUID) -> HttpResponse:
    """No more of it."""
    found = get_or_404(PlanReplay.objects.all(), pk=replay_id)
    actions.stop_replay(replay=found, at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(reverse("plans:replay", args=[found.draft_id]))


@page(access.VIEW)
def draft_file(request: PageRequest, draft_id: UUID) -> HttpResponse:
    """The draft as FHIR R4 PlanDefinition. Refused: while it cannot be read as a plan."""
    found = _draft(draft_id)
    if drafts.readable(found.content) is None:
        raise actions.DraftFaulty(drafts.faults_of(found, at=timezone.now()))
    return _file(fhir.to_fhir(found.content, status="draft"), f"{found.name}-{found.version}")


@page(access.VIEW)
def definition_file(request: PageRequest, definition_id: UUID) -> HttpResponse:
    """A published version as FHIR R4 PlanDefinition."""
    found = get_or_404(PlanDefinition.objects.all(), pk=definition_id)
    return _file(fhir.to_fhir(found.content, status=found.status), f"{found.name}-{found.version}")


@page(access.PUBLISH, methods=("GET", "POST"))
def adoption(request: PageRequest, definition_id: UUID) -> HttpResponse:
    """Running plans of older versions: what would change, and taking it over for a department, a kept group of patients,
    for all, or for some.
    """
    found = get_or_404(PlanDefinition.objects.active(), pk=definition_id)
    now = timezone.now()
    if request.method == "POST":
        chosen = adopting.chosen(
            request.viewer, found, request.POST.getlist("department"), request.POST.getlist("plan"),
            group=request.POST.get("group", ""), at=now,
        )  # fmt: skip
        batch = actions.adopt_for_group(definition=found, care_plan_ids=chosen, at=now, by=request.viewer)
        return HttpResponseRedirect(reverse("batches:detail", args=[batch.pk]))
    narrowed = {name: request.GET.get(name, "") for name in ("department", "group")}
    shown = adopting.page(request.viewer, found, at=now, **narrowed)
    list_seen(what="plans.adoption", ids=[row.patient.pk for row in shown["rows"]], by=request.viewer)
    context = {
        "title": _("Take a new version over"),
        "found": found,
        "name": pages.title_of(found, _language()),
        "taken": adopting.lately(request.viewer, found, at=now),
        "hours": int(UNDO_WITHIN.total_seconds() // 3600),
        **shown,
    }
    return render(request, "plans/adoption.html", context)


@page(access.PUBLISH, methods=("POST",))
def undo_adoption(request: PageRequest, definition_id: UUID) -> HttpResponse:
    """Take back what was taken over in a department, or everywhere, within the last day."""
    found = get_or_404(PlanDefinition.objects.all(), pk=definition_id)
    now = timezone.now()
    chosen = adopting.takeable(request.viewer, found, request.POST.getlist("department"), at=now)
    batch = actions.undo_adoptions(definition=found, adoption_ids=chosen, at=now, by=request.viewer)
    return HttpResponseRedirect(reverse("batches:detail", args=[batch.pk]))


def _page(request: PageRequest, found: PlanDraft, part: str, *, told: str = "", undo: bool = True) -> HttpResponse:
    """The whole designer again, for htmx to put in its place; the address follows the part."""
    response = render(request, "plans/_designer.html", _context(request, found, part=part))
    response["HX-Push-Url"] = f"{reverse('plans:draft', args=[found.pk])}?part={part}"
    if told:
        toast: dict[str, str] = {"text": told}
        response["HX-Trigger"] = json.dumps({"toast": toast})
    return response


def _context(request: PageRequest, found: PlanDraft, *, part: str) -> dict[str, Any]:
    now, language = timezone.now(), _language()
    raw = found.content
    matched = drafts.matched(raw, at=now)
    faults = drafts.faults_of(found, at=now, found=matched)
    rows = _step_cards(raw, faults, language)
    codes = [row["code"] for row in rows]
    opened = part if part in (*codes, *PARTS) else (codes[0] if codes else "head")
    step = drafting.step_of(raw, opened)
    return _frame(request, found, "edit") | {
        "raw": raw,
        "part": opened,
        "step": step,
        "rows": rows,
        "other_steps": [(row["code"], row["title"]) for row in rows if row["code"] != opened],
        "dots": drafts.time_line(raw, discharged_on=timezone.localdate()),
        "faults": [(fault, wording.fault_words(fault)) for fault in faults],
        "part_faults": [wording.fault_words(fault) for fault in faults if _belongs(fault, opened, codes)],
        "part_marks": {name for name in PARTS if any(_belongs(fault, name, codes) for fault in faults)},
        "matched": matched,
        "takes_everyone": bool(matched and matched.of >= FEWEST_TO_JUDGE and matched.share >= EVERYONE),
        "choices": drafts.choices(language),
        "sources_text": source_lines(raw.get("sources")),
        "targets_text": "\n".join(f"{name} = {value}" for name, value in (raw.get("targets") or {}).items()),
        "dates": [(dot.day, dot.date) for dot in drafts.time_line(raw, discharged_on=timezone.localdate()) if dot.step == opened][:12],
        "is_fragment": False,
    }  # fmt: skip


def _frame(request: PageRequest, found: PlanDraft, tab: str) -> dict[str, Any]:
    """What every page about a draft shows above."""
    in_use = drafts.version_in_use(found)
    viewer = request.viewer
    worked_on_it = viewer.practitioner_id in drafts.hands_in(found)
    return {
        "title": found.title_en if _language().startswith("en") else found.title,
        "draft": found,
        "tab": tab,
        "in_use": in_use,
        "running": drafts.running_plans(in_use, viewer) if in_use else 0,
        "may_edit": viewer.can(access.AUTHOR) and found.state == PlanDraft.State.EDITING,
        "may_take_back": viewer.can(access.AUTHOR) and found.state == PlanDraft.State.IN_REVIEW and worked_on_it,
        "may_review": viewer.can(access.PUBLISH) and found.state == PlanDraft.State.IN_REVIEW and not worked_on_it,
        "worked_on_it": worked_on_it,
    }


def _review_context(request: PageRequest, found: PlanDraft) -> dict[str, Any]:
    language = _language()
    in_use = drafts.version_in_use(found)
    before = in_use.content if in_use else {}
    last = drafts.last_replay(found)
    return _frame(request, found, "differences") | {
        "rows": drafts.difference_rows(before, found.content, language),
        "faults": [wording.fault_words(fault) for fault in drafts.faults_of(found, at=timezone.now())],
        "history": drafts.history_rows(found, language),
        "return_form": ReturnForm(),
        **_replay_context(found, last),
    }


def _replay_context(found: PlanDraft, last: PlanReplay | None) -> dict[str, Any]:
    if last is None or last.state != PlanReplay.State.DONE:
        failure = wording.replay_failure_words(last.failure) if last and last.failure else ""
        return {"last": last, "failure": failure, "numbers": None, "chart": None, "is_old": False}
    return {
        "last": last,
        "failure": "",
        "numbers": last.result,
        "chart": charts.load(last.result),
        "days": charts.by_day(last.result),
        "fullest": charts.fullest(last.result),
        "peaks": charts.peaks(last.result),
        "owners": [(wording.owner_words(code), n) for code, n in sorted(last.result["by_owner"].items())],
        "met": charts.met(last.result, pages.titles_by_url(_language())),
        "is_old": last.content_hash != drafts.hash_of(found),
    }


def _step_cards(raw: dict[str, Any], faults: Any, language: str) -> list[dict[str, Any]]:
    """The steps as the canvas shows them, readable or not."""
    cards = []
    for number, step in enumerate(s for s in raw.get("steps", []) if isinstance(s, dict)):
        title = step.get("title")
        words = title if isinstance(title, dict) else {}
        wrong = [wording.fault_words(fault) for fault in faults if fault.step == number]
        cards.append({
            "number": number + 1, "code": str(step.get("code", "")), "faults": wrong, "raw": step,
            "title": str(words.get("en" if language.startswith("en") else "zh", "")) or str(step.get("code", "")),
            "parsed": drafts.step_in_words(step, language),
        })  # fmt: skip
    return cards


def _belongs(fault: Any, part: str, codes: list[str]) -> bool:
    if fault.step is not None:
        return fault.step < len(codes) and codes[fault.step] == part
    begin = fault.path.removeprefix("plan.").partition(".")[0].partition("[")[0]
    return {
        "rule": begin == "enrolment",
        "ends": begin == "ends",
        "head": begin not in ("enrolment", "ends", "steps"),
    }.get(part, False)


def _draft(draft_id: UUID) -> PlanDraft:
    return get_or_404(PlanDraft.objects.select_related("author", "submitted_by", "published_as"), pk=draft_id)


def _revision(request: PageRequest) -> int:
    text = request.POST.get("revision", "")
    return int(text) if text.isdigit() else 0


def _file(resource: dict[str, Any], name: str) -> HttpResponse:
    text = json.dumps(resource, ensure_ascii=False, indent=2)
    response = HttpResponse(text, content_type="application/fhir+json; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.json"'
    return response


def _language() -> str:
    return get_language() or "zh-hans"
