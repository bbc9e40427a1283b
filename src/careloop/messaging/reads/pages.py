"""Rows for the pages about messages: frozen, with their words, fetched in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from careloop.kernel.viewer import Viewer
from careloop.messaging.models import Communication, DeliveryReceipt, InboundMessage, MessageTemplate
from careloop.messaging.reads import policy
from careloop.messaging.reads.texts import shown_text
from careloop.messaging.rules import wording

PAGE = 50
LONG_AGO = timedelta(days=90)

REASON_WORDS: dict[str, str | Promise] = {
    "no-contact": _("No usable number or address"),
    "do-not-contact": _("The patient wants no contact"),
    "no-consent": _("The patient refused this way"),
    "patient-dead": _("The patient has died"),
    "patient-merged": _("The record was merged"),
    "task-closed": _("The task is closed"),
    "plan-closed": _("The plan has ended"),
    "link-expired": _("The link has expired"),
    "too-late": _("Too late to send"),
    "channel-unavailable": _("This way is not set up"),
    "template-not-approved": _("The template is not approved"),
    "template-withdrawn": _("The template was withdrawn"),
    "forbidden-word": _("The text would tell too much"),
    "cap-reached": _("Enough messages for now"),
    "withdrawn": _("Withdrawn"),
    "bad-number": _("Not a valid number"),
    "empty-number": _("Number not in service"),
    "switched-off": _("Phone is off"),
    "blocked-by-carrier": _("Blocked by the carrier"),
    "rejected": _("Rejected by the gateway"),
    "gave-up": _("Gateway refused too often"),
    "no-answer-from-gateway": _("The gateway did not answer"),
    "sender-died": _("The sender was interrupted"),
    "expired-at-carrier": _("Phone was off too long"),
    "letter-returned": _("The letter came back"),
}
STATE_KIND = {
    "preparation": "plain", "queued": "plain", "sending": "brand", "sent": "brand", "delivered": "ok",
    "failed": "crit", "unknown": "high", "suppressed": "none",
}  # fmt: skip
SETTLED_WORDS: dict[str, str | Promise] = {
    "resent": _("sent again"),
    "was-sent": _("it had been sent"),
    "was-not-sent": _("it had not been sent"),
    "closed": _("closed"),
}


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One message as a list shows it. The address is masked; the text has dots for the link."""

    id: UUID
    at: datetime
    patient_id: UUID
    patient_name: str
    channel: str
    channel_word: str
    title: str
    text: str
    address: str
    state: str
    state_word: str
    state_kind: str
    reason: str
    reason_word: str
    attempts: int
    owner_id: UUID | None
    owner_name: str
    since: datetime | None
    settled_how: str


def reason_word(reason: str) -> str:
    """What a reason code says to a person. Codes of a gateway's own stay as they are."""
    return str(REASON_WORDS.get(reason, reason))


def message_rows(communications: Iterable[Communication], *, language: str) -> list[MessageRow]:
    """Rows of messages whose patient, template and owner were fetched with them."""
    titles = _titles(language)
    return [_row(c, titles) for c in communications]


def _row(c: Communication, titles: dict[str, str]) -> MessageRow:
    return MessageRow(
        id=c.pk,
        at=c.requested_at,
        patient_id=c.patient_id,
        patient_name=c.patient.name,
        channel=c.channel,
        channel_word=c.get_channel_display(),
        title=titles.get(c.template_code) or _own_title(c),
        text=shown_text(c),
        address=masked(c.channel, c.address),
        state=c.state,
        state_word=c.get_state_display(),
        state_kind=STATE_KIND[c.state],
        reason=c.reason,
        reason_word=reason_word(c.reason) if c.reason else "",
        attempts=c.attempts,
        owner_id=c.owner_id,
        owner_name=c.owner.name if c.owner else "",
        since=c.ended_at,
        settled_how=str(SETTLED_WORDS.get(c.settled_how, "")),
    )


def _own_title(c: Communication) -> str:
    """A letter brings its title along: its text stands in the room of letters."""
    titles = c.params.get("titles", {}) if c.channel == "letter" else {}
    language = "en" if (get_language() or "").startswith("en") else "zh"
    return str(titles.get(language) or titles.get("zh") or c.template_code)


def masked(channel: str, address: str) -> str:
    """A number or mail address as lists may show it."""
    if channel == "email":
        name, _at, host = address.partition("@")
        return f"{name[:1]}***@{host}" if host else ""
    return wording.masked_phone(address)


def _titles(language: str) -> dict[str, str]:
    newest = MessageTemplate.objects.order_by("code", "-version").values_list("code", "title")
    found: dict[str, str] = {}
    for code, title in newest:
        found.setdefault(code, title.get(language) or title.get("zh", code))
    return found


def _with_names(rows: QuerySet[Communication]) -> QuerySet[Communication]:
    return rows.select_related("patient", "template", "owner")


def message_page(
    viewer: Viewer, *, state: str = "", channel: str = "", before: UUID | None = None, language: str
) -> list[MessageRow]:
    """The newest messages that this viewer may see, one page and one row more. Ids are in the order of time."""
    rows = _with_names(Communication.objects.visible_to(viewer))
    if state:
        rows = rows.filter(state=state)
    if channel:
        rows = rows.filter(channel=channel)
    if before:
        rows = rows.filter(pk__lt=before)
    return message_rows(rows.order_by("-pk")[: PAGE + 1], language=language)


def attention_page(viewer: Viewer, *, mine: bool, language: str) -> list[MessageRow]:
    """Failed and unclear messages that nobody has settled, newest first."""
    rows = _with_names(Communication.objects.visible_to(viewer).needing_a_person())
    if mine:
        rows = rows.filter(owner_id=viewer.practitioner_id)
    return message_rows(rows.order_by("-ended_at", "pk")[: PAGE + 1], language=language)


def one_message(viewer: Viewer, communication_id: UUID) -> QuerySet[Communication]:
    """For get_or_404."""
    return _with_names(Communication.objects.visible_to(viewer)).filter(pk=communication_id)


def receipts_of(communication: Communication) -> list[DeliveryReceipt]:
    """What the gateway told, in the order it was heard."""
    told = DeliveryReceipt.objects.unscoped("of a message already found in scope")
    return list(told.filter(communication=communication).order_by("received_at", "pk"))


def open_replies(viewer: Viewer) -> list[InboundMessage]:
    """Answers that nobody has dealt with, oldest first: they wait for us, not the other way round."""
    waiting = InboundMessage.objects.visible_to(viewer).filter(handled_at__isnull=True)
    return list(waiting.select_related("patient").order_by("received_at", "pk")[: PAGE + 1])


def patient_conversation(viewer: Viewer, patient_id: UUID, *, language: str) -> list[MessageRow | InboundMessage]:
    """The last messages to one patient and the patient's answers, newest first."""
    sent = message_rows(
        _with_names(Communication.objects.visible_to(viewer).filter(patient_id=patient_id)).order_by(
            "-requested_at", "-pk"
        )[:30],
        language=language,
    )
    answers = InboundMessage.objects.visible_to(viewer).filter(patient_id=patient_id).order_by("-received_at", "-pk")
    both: list[MessageRow | InboundMessage] = [*sent, *answers[:30]]
    return sorted(both, key=lambda row: row.at if isinstance(row, MessageRow) else row.received_at, reverse=True)[:30]


# ---- templates --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TextPreview:
    """One language of one text with sample values. `longest`: what it may grow to."""

    language: str
    raw: str
    shown: str
    length: int
    segments: int
    longest_segments: int


def previews(texts: dict[str, str], *, sms: bool) -> list[TextPreview]:
    """Chinese first. Texts are already known to be well-formed."""
    found = []
    for language in sorted(texts, key=lambda code: code != "zh"):
        shown = wording.preview(texts[language], language)
        size = wording.sms_size(shown)
        longest = wording.longest(texts[language]).segments if sms else 0
        found.append(TextPreview(language, texts[language], shown, size.length, size.segments if sms else 0, longest))
    return found


@dataclass(frozen=True, slots=True)
class TemplateRow:
    """The version of one template and channel that matters most, and whether a newer one is on its way."""

    template: MessageTemplate
    title: str
    preview: str
    segments: int
    newer: MessageTemplate | None
    missing_languages: tuple[str, ...]


def template_rows(*, language: str) -> list[TemplateRow]:
    """One row per template and channel: the approved version, else the newest."""
    rows: dict[tuple[str, str], list[MessageTemplate]] = {}
    for template in MessageTemplate.objects.order_by("code", "channel", "-version"):
        rows.setdefault((template.code, template.channel), []).append(template)
    return [_template_row(versions, language) for versions in rows.values()]


def _template_row(versions: Sequence[MessageTemplate], language: str) -> TemplateRow:
    newest = versions[0]
    current = next((v for v in versions if v.state == MessageTemplate.State.APPROVED), newest)
    shown = wording.preview(current.texts.get("zh") or next(iter(current.texts.values())), "zh")
    return TemplateRow(
        template=current,
        title=current.title.get(language) or current.title.get("zh", current.code),
        preview=shown,
        segments=wording.sms_size(shown).segments if current.channel == "sms" else 0,
        newer=newest if newest.pk != current.pk and newest.state in ("draft", "submitted", "rejected") else None,
        missing_languages=tuple(code for code in policy.languages() if code not in current.texts),
    )


def versions_of(template: MessageTemplate) -> list[MessageTemplate]:
    """All versions, newest first."""
    return list(MessageTemplate.objects.filter(code=template.code, channel=template.channel).order_by("-version"))
