"""Pages about messages: what went, what did not, what came back, and the texts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from careloop.accounts import access as accounts_access
from careloop.audit.record import list_seen, seen
from careloop.kernel.errors import Refused
from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, page, render
from careloop.messaging import access, actions
from careloop.messaging.forms import FilterForm, SettleForm, StepForm, TemplateForm
from careloop.messaging.models import Channel, Communication, InboundMessage, MessageTemplate
from careloop.messaging.reads import pages, staff
from careloop.messaging.reads.checking import check_texts
from careloop.messaging.reads.health import outbox_health
from careloop.messaging.rules.wording import PLACEHOLDERS
from careloop.patients.models import Patient


def _language() -> str:
    return "en" if (translation.get_language() or "").startswith("en") else "zh"


def _frame(request: PageRequest, tab: str) -> dict[str, Any]:
    """What every tab shows: the tabs themselves and how the outbox is doing."""
    health = outbox_health(at=timezone.now())
    viewer = request.viewer
    tabs = [
        ("list", "messaging:list", _("Records"), None, access.VIEW),
        (
            "dead",
            "messaging:dead",
            _("Needs attention"),
            health.need_a_person if viewer.hospital_wide else None,
            access.VIEW,
        ),
        (
            "replies",
            "messaging:replies",
            _("Replies"),
            health.unread_replies if viewer.hospital_wide else None,
            access.VIEW,
        ),
        ("templates", "messaging:templates", _("Templates"), None, access.OPERATE),
    ]
    return {
        "health": health,
        "tabs": [
            {"url": reverse(name), "label": label, "count": count, "hot": code == "dead", "active": code == tab}
            for code, name, label, count, permission in tabs
            if viewer.can(permission)
        ],
    }


@page(access.VIEW)
def message_list(request: PageRequest) -> HttpResponse:
    """The newest messages, by state and way."""
    form = FilterForm(request.GET)
    wanted = {name: value for name, value in form.cleaned_data.items() if value} if form.is_valid() else {}
    rows = pages.message_page(request.viewer, language=_language(), **wanted)
    shown = rows[: pages.PAGE]
    list_seen(what="messages", ids=[row.id for row in shown], by=request.viewer)
    context = {
        "rows": shown,
        "more": shown[-1].id if len(rows) > pages.PAGE else None,
        "state": wanted.get("state", ""),
        "channel": wanted.get("channel", ""),
        "states": Communication.State.choices,
        "channels": Channel.choices,
        "is_filtered": bool(wanted),
    }
    return render(request, "messaging/list.html", _frame(request, "list") | context)


@page(access.VIEW)
def dead_list(request: PageRequest) -> HttpResponse:
    """Failed and unclear messages until somebody has settled them."""
    mine = request.GET.get("mine") == "1"
    rows = pages.attention_page(request.viewer, mine=mine, language=_language())
    list_seen(what="messages-attention", ids=[row.id for row in rows], by=request.viewer)
    context = {"rows": rows[: pages.PAGE], "more": len(rows) > pages.PAGE, "mine": mine}
    return render(request, "messaging/attention.html", _frame(request, "dead") | context)


@page(access.VIEW)
def reply_list(request: PageRequest) -> HttpResponse:
    """What patients wrote and nobody has read yet."""
    replies = pages.open_replies(request.viewer)
    list_seen(what="replies", ids=[reply.pk for reply in replies], by=request.viewer)
    return render(request, "messaging/replies.html", _frame(request, "replies") | {"replies": replies[: pages.PAGE]})


@page(access.SEND, methods=("POST",))
def reply_handled(request: PageRequest, inbound_id: UUID) -> HttpResponse:
    """Read and dealt with: the row goes away."""
    inbound = get_or_404(InboundMessage.objects.visible_to(request.viewer).select_related("patient"), pk=inbound_id)
    actions.handle_reply(inbound=inbound, at=timezone.now(), by=request.viewer)
    inbound.refresh_from_db(fields=["handled_at"])
    return render(request, "messaging/_reply_row.html", {"reply": inbound})


@page(access.VIEW)
def message_detail(request: PageRequest, communication_id: UUID) -> HttpResponse:
    """One message with everything that happened to it."""
    communication = get_or_404(pages.one_message(request.viewer, communication_id), pk=communication_id)
    seen(patient_id=communication.patient_id, what="message", by=request.viewer)
    row = pages.message_rows([communication], language=_language())[0]
    context = {
        "row": row,
        "message": communication,
        "receipts": pages.receipts_of(communication),
        "frame": _frame(request, "list"),
    }
    return render(request, "messaging/detail.html", context | _frame(request, "list"))


@page(access.VIEW)
def patient_messages(request: PageRequest, patient_id: UUID) -> HttpResponse:
    """Fragment for the patient's page: the last messages and answers. The page itself records that it was seen."""
    patient = get_or_404(Patient.objects.visible_to(request.viewer), pk=patient_id)
    entries = [
        {"row": entry, "is_message": isinstance(entry, pages.MessageRow)}
        for entry in pages.patient_conversation(request.viewer, patient.pk, language=_language())
    ]
    return render(request, "messaging/_patient_messages.html", {"entries": entries, "patient_id": patient.pk})


# ---- settling -----------------------------------------------------------------------------------------------------


@page(access.SEND, methods=("POST",))
def take_over(request: PageRequest, communication_id: UUID) -> HttpResponse:
    """I look after it."""
    communication = get_or_404(pages.one_message(request.viewer, communication_id), pk=communication_id)
    actions.take_over(communication=communication, by=request.viewer)
    return _attention_row(request, communication_id)


@page(access.SEND, methods=("POST",))
def resend(request: PageRequest, communication_id: UUID) -> HttpResponse:
    """Again, as a new message."""
    communication = get_or_404(pages.one_message(request.viewer, communication_id), pk=communication_id)
    actions.resend(communication=communication, at=timezone.now(), by=request.viewer)
    return _attention_row(request, communication_id)


@page(access.SEND, methods=("POST",))
def settle(request: PageRequest, communication_id: UUID) -> HttpResponse:
    """A person found out, or it does not matter any more."""
    communication = get_or_404(pages.one_message(request.viewer, communication_id), pk=communication_id)
    form = SettleForm(request.POST)
    if not form.is_valid():
        return HttpResponse(status=422)
    actions.settle_unknown(
        communication=communication, how=form.cleaned_data["how"], at=timezone.now(), by=request.viewer
    )
    return _attention_row(request, communication_id)


def _attention_row(request: PageRequest, communication_id: UUID) -> HttpResponse:
    communication = get_or_404(pages.one_message(request.viewer, communication_id), pk=communication_id)
    row = pages.message_rows([communication], language=_language())[0]
    return render(request, "messaging/_attention_row.html", {"row": row})


# ---- templates ----------------------------------------------------------------------------------------------------


def _template_frame(request: PageRequest) -> dict[str, Any]:
    return _frame(request, "templates") | {"may_operate": request.viewer.can(access.OPERATE)}


@page(access.OPERATE)
def template_list(request: PageRequest) -> HttpResponse:
    """Every text with its state at the carrier."""
    context = {"rows": pages.template_rows(language=_language())}
    return render(request, "messaging/templates.html", _template_frame(request) | context)


@page(access.OPERATE)
def template_detail(request: PageRequest, template_id: UUID) -> HttpResponse:
    """One version: its words with sample values, and its history."""
    template = get_or_404(MessageTemplate.objects.all(), pk=template_id)
    return render(request, "messaging/template.html", _template_context(request, template))


def _template_context(request: PageRequest, template: MessageTemplate, error: str = "") -> dict[str, Any]:
    return _template_frame(request) | {
        "template": template,
        "title": template.title.get(_language()) or template.code,
        "previews": pages.previews(template.texts, sms=template.channel == "sms"),
        "versions": pages.versions_of(template),
        "error": error,
    }


@page(access.OPERATE, methods=("POST",))
def template_step(request: PageRequest, template_id: UUID) -> HttpResponse:
    """Hand in, approve, reject, retire."""
    template = get_or_404(MessageTemplate.objects.all(), pk=template_id)
    form = StepForm(request.POST)
    if not form.is_valid():
        error = str(next(iter(form.errors.values()))[0])
        return render(request, "messaging/template.html", _template_context(request, template, error), status=422)
    _take_step(template, form.cleaned_data, request)
    return HttpResponseRedirect(reverse("messaging:template", args=[template.pk]))


def _take_step(template: MessageTemplate, given: dict[str, str], request: PageRequest) -> None:
    at, by = timezone.now(), request.viewer
    steps = {
        "submit": lambda: actions.submit_template(template=template, at=at, by=by),
        "approve": lambda: actions.approve_template(template=template, carrier_id=given["carrier_id"], at=at, by=by),
        "reject": lambda: actions.reject_template(template=template, reason=given["reason"], at=at, by=by),
        "retire": lambda: actions.retire_template(template=template, at=at, by=by),
    }
    steps[given["step"]]()


@page(access.OPERATE, methods=("GET", "POST"))
def template_draft(request: PageRequest) -> HttpResponse:
    """A new text, or a new version of one: `?from=<id>` starts with its words."""
    form = TemplateForm(request.POST) if request.method == "POST" else TemplateForm(initial=_initial(request))
    if form.is_valid():
        try:
            template = actions.draft_template(
                code=form.cleaned_data["code"],
                channel=form.cleaned_data["channel"],
                category=form.cleaned_data["category"],
                title={"zh": form.cleaned_data["title"], "en": form.cleaned_data["title"]},
                texts=form.texts(),
                by=request.viewer,
            )
            return HttpResponseRedirect(reverse("messaging:template", args=[template.pk]))
        except actions.TemplateRefused as refused:
            form.add_error("zh", str(refused))
    status = 422 if form.is_bound else 200
    context = {"form": form, "placeholders": [(p.name, p.sample) for p in PLACEHOLDERS.values()]}
    return render(request, "messaging/template_draft.html", _template_frame(request) | context, status=status)


def _initial(request: PageRequest) -> dict[str, str]:
    try:
        source = MessageTemplate.objects.filter(pk=UUID(request.GET.get("from", ""))).first()
    except ValueError:
        return {}
    if source is None:
        return {}
    kept = {"code": source.code, "channel": source.channel, "category": source.category}
    return kept | {
        "title": source.title.get("zh", ""),
        "zh": source.texts.get("zh", ""),
        "en": source.texts.get("en", ""),
    }


@page(access.OPERATE, methods=("POST",))
def template_preview(request: PageRequest) -> HttpResponse:
    """Fragment while typing: how it will look, how many SMS it is, what is wrong with it."""
    texts = {language: request.POST.get(language, "").strip()[:1000] for language in ("zh", "en")}
    sms = request.POST.get("channel") == "sms"
    fault = ""
    try:
        check_texts({language: text for language, text in texts.items() if text}, sms=sms)
    except Refused as refused:
        fault = str(refused)
    shown = [] if fault else pages.previews({language: text for language, text in texts.items() if text}, sms=sms)
    return render(request, "messaging/_preview.html", {"previews": shown, "fault": fault})


# ---- one's own ---------------------------------------------------------------------------------------------------


@page(accounts_access.SELF, methods=("GET", "POST"))
def own_messages(request: PageRequest) -> HttpResponse:
    """What one was told oneself, newest first. POST: all of it is read."""
    if request.method == "POST":
        actions.read_staff_messages(at=timezone.now(), by=request.viewer)
        return HttpResponseRedirect(reverse("messaging:own"))
    rows = staff.inbox(request.viewer, language=_language())
    return render(request, "messaging/own.html", {"rows": rows, "unread": sum(row.is_new for row in rows)})


@page(accounts_access.SELF)
def own_bell(request: PageRequest) -> HttpResponse:
    """How many are new, for the frame of every page."""
    return render(request, "messaging/_own_bell.html", {"unread": staff.unread(request.viewer)})
