"""数据对接: is everything arriving, what did not get in, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from careloop.accounts.models import Organization
from careloop.integration import access, actions, reads, rules
from careloop.integration.forms import DeadGroupForm, MapForm, MessageFilter
from careloop.integration.hl7v2.charsets import decode
from careloop.integration.hl7v2.message import Message
from careloop.integration.models import InboxMessage
from careloop.integration.sheets.rows import cells_of
from careloop.kernel.errors import Refused
from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, page, render

_SHOWN_SEGMENTS = 200
_SHOWN_CHARACTERS = 400

REASONS: dict[str, tuple[str | Promise, str | Promise]] = {
    rules.UNKNOWN_DEPARTMENT: (
        gettext_lazy("Department code not mapped"),
        gettext_lazy("Choose the department it means; the waiting messages then run."),
    ),
    "no-header": (
        gettext_lazy("No MSH segment"),
        gettext_lazy("The sender must mend it and send again. The original is kept."),
    ),
    "no-message-type": (
        gettext_lazy("No message type (MSH-9)"),
        gettext_lazy("The sender must name the event, such as ADT^A03."),
    ),
    "over-limit": (
        gettext_lazy("Larger than 32 MB"),
        gettext_lazy("The sender must send large files by reference."),
    ),
    "unknown-facility": (
        gettext_lazy("Facility may not send here"),
        gettext_lazy("If it should, add it to CARELOOP_HL7_FACILITIES and run it again."),
    ),
    "no-patient-number": (
        gettext_lazy("No patient number (PID-3)"),
        gettext_lazy("The sender must give the record number."),
    ),
    "no-visit-number": (
        gettext_lazy("No visit number (PV1-19)"),
        gettext_lazy("The sender must give the visit number, or at least the time of admission."),
    ),
    "no-merge-source": (
        gettext_lazy("Merge without the old number (MRG-1)"),
        gettext_lazy("Merge the two patients by hand, or let the sender send again."),
    ),
    "no-document-number": (
        gettext_lazy("Document without a number (TXA-12)"),
        gettext_lazy("The sender must give the document's number."),
    ),
    "no-appointment-number": (
        gettext_lazy("Appointment without a number (SCH-1, SCH-2)"),
        gettext_lazy("The sender must give the appointment's number."),
    ),
    "no-master-entry": (
        gettext_lazy("Master file without entries"),
        gettext_lazy("Nothing to do unless the sender expected a change."),
    ),
    "does-not-fit": (
        gettext_lazy("A value does not fit"),
        gettext_lazy("Look at the message; a field is far longer than it may be."),
    ),
    "database": (
        gettext_lazy("Database was not available"),
        gettext_lazy("Run it again when the database is well."),
    ),
    rules.UNEXPECTED: (
        gettext_lazy("Our program failed"),
        gettext_lazy("Tell the people who look after CareLoop; run it again after the repair."),
    ),
}
"""Dead-letter codes of our own, in words: what is wrong, what to do. Refusals of other rooms bring their own words."""


@dataclass(frozen=True, slots=True)
class DeadRow:
    """A line of the dead-letter table."""

    group: reads.DeadGroup
    title: str
    advice: str
    can_map: bool
    can_replay: bool
    url: str


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """One segment on the page: only the fields that say something."""

    name: str
    title: str
    fields: list[tuple[int | str, str]]


@page(access.VIEW)
def overview(request: PageRequest) -> HttpResponse:
    """Health, dead letters by reason, and the list of messages."""
    form = MessageFilter(request.GET)
    wanted = form.wanted
    before = form.cleaned_data.get("before") if form.is_valid() else None
    rows, older = reads.messages(wanted=wanted, before=before, by=request.viewer)
    context = {
        "title": _("Data connections"),
        **_health_context(request),
        **_dead_context(request),
        "form": form,
        "rows": rows,
        "reasons": {code: str(title) for code, (title, _advice) in REASONS.items()},
        "is_filtered": bool(wanted),
        "older_url": f"?{urlencode({**wanted, 'before': older})}" if older else None,
        "newest_url": f"?{urlencode(wanted)}" if before else None,
        "port": settings.ENV.hl7_port,
    }
    return render(request, "integration/overview.html", context)


@page(access.VIEW)
def health(request: PageRequest) -> HttpResponse:
    """The strip on top, which refreshes itself."""
    return render(request, "integration/_health.html", _health_context(request))


@page(access.OPERATE, methods=("POST",))
def map_code(request: PageRequest) -> HttpResponse:
    """Say which department a code means; its messages run."""
    form = MapForm(request.POST)
    if not form.is_valid():
        return _dead_part(request, _("Choose the department this code means."), bad=True, status=422)
    given = form.cleaned_data
    count = actions.map_department(
        facility=given["facility"],
        value=given["value"],
        organization=given["organization"],
        at=timezone.now(),
        by=request.viewer,
    )
    return _dead_part(request, _running(count))


@page(access.OPERATE, methods=("POST",))
def replay_group(request: PageRequest) -> HttpResponse:
    """Run all dead letters of one reason again."""
    ids = _ids_of_group(request)
    if not ids:
        return _dead_part(request, _("These messages are no longer here."), bad=True)
    return _dead_part(request, _running(actions.replay_messages(ids=ids, at=timezone.now(), by=request.viewer)))


@page(access.OPERATE, methods=("POST",))
def put_group_aside(request: PageRequest) -> HttpResponse:
    """These need no mending: off the list, still findable."""
    count = actions.ignore_messages(ids=_ids_of_group(request), at=timezone.now(), by=request.viewer)
    words = ngettext("%(count)d message put aside", "%(count)d messages put aside", count) % {"count": count}
    return _dead_part(request, words)


@page(access.VIEW)
def message(request: PageRequest, message_id: UUID) -> HttpResponse:
    """One message: what became of it, and for those who may, what it says. Reading that is recorded."""
    row = get_or_404(InboxMessage.objects.visible_to(request.viewer), pk=message_id)
    segments: list[SegmentRow] = []
    may_read = reads.may_read_content(row, by=request.viewer)
    if may_read:
        actions.content_seen(message=row, by=request.viewer)
        segments = (
            _row_of_a_list(bytes(row.raw))
            if row.channel == InboxMessage.Channel.SHEET
            else _segments(bytes(row.raw), row.charset)
        )
    title, advice = REASONS.get(row.error_code, (row.error_code, row.error_text))
    context = {
        "title": row.event_type or _("Unreadable message"),
        "row": row,
        "may_read": may_read,
        "segments": segments,
        "reason": title,
        "advice": advice,
        "may_operate": request.viewer.can(access.OPERATE),
        "can_replay": row.state not in InboxMessage.UNFINISHED and row.error_code not in rules.UNREADABLE,
    }
    return render(request, "integration/message.html", context)


@page(access.OPERATE, methods=("POST",))
def replay(request: PageRequest, message_id: UUID) -> HttpResponse:
    """Run one message again."""
    actions.replay_messages(ids=[message_id], at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(reverse("integration:message", args=[message_id]))


def _health_context(request: PageRequest) -> dict[str, Any]:
    at = timezone.now()
    local = timezone.localtime(at)
    found = reads.health(since=local.replace(hour=0, minute=0, second=0, microsecond=0), by=request.viewer)
    gateway = next((each.last_at for each in found.channels if each.channel == InboxMessage.Channel.MLLP), None)
    return {
        "health": found,
        "lag_minutes": int(found.lag(at=at).total_seconds() // 60),
        "is_late": rules.is_late(oldest=found.oldest_waiting, at=at),
        "silent_since": gateway if _is_silent(gateway, at, local) else None,
    }


def _is_silent(last_at: datetime | None, at: datetime, local: datetime) -> bool:
    return rules.is_silent(last_at=last_at, at=at, hour=local.hour, is_workday=local.weekday() < 5)


def _dead_context(request: PageRequest) -> dict[str, Any]:
    may_operate = request.viewer.can(access.OPERATE)
    groups = reads.dead_groups(by=request.viewer, limit=reads.MOST_GROUPS + 1)
    return {
        "dead": [_dead_row(group) for group in groups[: reads.MOST_GROUPS]],
        "dead_has_more": len(groups) > reads.MOST_GROUPS,
        "may_operate": may_operate,
        "organizations": _organizations() if may_operate and groups else [],
    }


def _dead_row(group: reads.DeadGroup) -> DeadRow:
    title, advice = REASONS.get(group.code, (group.text or group.code, ""))
    told = {"code": group.code, "subject": group.subject, "facility": group.facility}
    query = urlencode({"state": InboxMessage.State.DEAD, **{name: value for name, value in told.items() if value}})
    return DeadRow(
        group,
        str(title),
        str(advice),
        group.code == rules.UNKNOWN_DEPARTMENT,
        group.code not in rules.UNREADABLE,
        f"?{query}",
    )


def _organizations() -> list[tuple[UUID, str]]:
    rows = Organization.objects.filter(is_active=True, parent__isnull=False).order_by("path")
    return [(pk, f"{name} ({code})") for pk, name, code in rows.values_list("pk", "name", "code")]


def _dead_part(request: PageRequest, words: str, *, bad: bool = False, status: int = 200) -> HttpResponse:
    """The changed table for htmx; the whole page for a browser without scripts."""
    if not _is_htmx(request):
        return HttpResponseRedirect(reverse("integration:overview"))
    context = {**_dead_context(request), "note": words, "note_is_bad": bad}
    response = render(request, "integration/_dead.html", context, status=status)
    response.headers["HX-Trigger"] = "inbox-changed"  # the strip on top shows the new counts
    return response


def _is_htmx(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true"


def _ids_of_group(request: PageRequest) -> list[UUID]:
    form = DeadGroupForm(request.POST)
    if not form.is_valid():
        raise UnknownGroup
    given = form.cleaned_data
    return reads.group_ids(code=given["code"], facility=given["facility"], subject=given["subject"], by=request.viewer)


class UnknownGroup(Refused):
    code = "unknown-group"
    message = gettext_lazy("It is not clear which messages are meant. Load the page again.")


def _running(count: int) -> str:
    if not count:
        return _("Saved. No message was waiting for this code.")
    return ngettext("%(count)d message runs again", "%(count)d messages run again", count) % {"count": count}


def _segments(raw: bytes, charset: str) -> list[SegmentRow]:
    text = decode(raw, site_default=settings.ENV.hl7_charset).text
    found = Message(text).segments[:_SHOWN_SEGMENTS]
    return [
        SegmentRow(
            segment.name,
            str(SEGMENTS.get(segment.name, "")),
            [(n, value[:_SHOWN_CHARACTERS]) for n, value in enumerate(segment.raw_fields()) if n and value],
        )
        for segment in found
    ]


def _row_of_a_list(raw: bytes) -> list[SegmentRow]:
    """Every cell as it stood under its heading."""
    line, cells = cells_of(raw)
    said: list[tuple[int | str, str]] = [
        (heading, value[:_SHOWN_CHARACTERS]) for heading, value in cells.items() if value
    ]
    return [SegmentRow(str(line), _("Row of the list"), said)]


SEGMENTS: dict[str, str | Promise] = {
    "MSH": gettext_lazy("Header"),
    "EVN": gettext_lazy("Event"),
    "PID": gettext_lazy("Patient"),
    "PD1": gettext_lazy("Patient, more"),
    "NK1": gettext_lazy("Relative"),
    "PV1": gettext_lazy("Visit"),
    "PV2": gettext_lazy("Visit, more"),
    "DG1": gettext_lazy("Diagnosis"),
    "PR1": gettext_lazy("Operation"),
    "AL1": gettext_lazy("Allergy"),
    "MRG": gettext_lazy("Merged number"),
    "ORC": gettext_lazy("Order"),
    "OBR": gettext_lazy("Report"),
    "OBX": gettext_lazy("Test result"),
    "NTE": gettext_lazy("Note"),
    "RXE": gettext_lazy("Medicine, encoded"),
    "RXO": gettext_lazy("Medicine, ordered"),
    "RXD": gettext_lazy("Medicine, dispensed"),
    "RXR": gettext_lazy("Route"),
    "TQ1": gettext_lazy("Timing"),
    "SCH": gettext_lazy("Appointment"),
    "AIS": gettext_lazy("Appointment: service"),
    "AIL": gettext_lazy("Appointment: place"),
    "AIP": gettext_lazy("Appointment: person"),
    "TXA": gettext_lazy("Document"),
    "MFI": gettext_lazy("Master file"),
    "MFE": gettext_lazy("Master entry"),
    "STF": gettext_lazy("Staff"),
    "LOC": gettext_lazy("Location"),
    "IN1": gettext_lazy("Insurance"),
}
