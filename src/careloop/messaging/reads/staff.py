"""Messages to staff: the own inbox, the words, what still waits to be sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Q, QuerySet

from careloop.accounts.models import Organization
from careloop.kernel.prepared import Asked, prepared
from careloop.kernel.viewer import Viewer
from careloop.messaging.models import StaffMessage
from careloop.messaging.reads import policy
from careloop.messaging.rules import staff

SHOWN = 100
LATE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnMessage:
    """One line of the own inbox. `sms`: what became of the SMS that went with it."""

    id: UUID
    at: datetime
    text: str
    url: str
    urgent: bool
    is_new: bool
    sms: str
    sms_state: str
    sms_at: datetime | None  # when the telephone had it


def _words(row: StaffMessage | None) -> str:
    return str(row.get_state_display()) if row is not None else ""


def _state(row: StaffMessage | None) -> str:
    return row.state if row is not None else ""


def staff_text(row: StaffMessage, *, language: str, signed: bool = False) -> str:
    """The words of one message. Signed with the hospital's name where the carrier asks for it."""
    texts = policy.staff_texts().get(row.template_code)
    words = staff.written(texts[language], row.params, language) if texts else row.template_code
    return f"【{_hospital()}】{words}" if signed else words


def _hospital() -> str:
    if settings.ENV.hospital_name:
        return str(settings.ENV.hospital_name)
    root = Organization.objects.filter(kind="hospital", parent__isnull=True).order_by("id").first()
    return root.name if root else "CareLoop"


def inbox(viewer: Viewer, *, language: str) -> list[OwnMessage]:
    """What this person was told, newest first. Nobody reads somebody else's."""
    if viewer.practitioner_id is None:
        return []
    mine = StaffMessage.objects.filter(recipient_id=viewer.practitioner_id, way=StaffMessage.Way.INBOX)
    rows = list(mine.order_by("-requested_at", "-pk")[:SHOWN])
    keys = {row.key.removesuffix(":inbox") + ":sms": row.pk for row in rows}
    by_sms = {
        keys[one.key]: one
        for one in StaffMessage.objects.filter(key__in=keys)
        if one.state != StaffMessage.State.SUPPRESSED
    }
    return [
        OwnMessage(
            id=row.pk, at=row.requested_at, text=staff_text(row, language=language), url=row.url, urgent=row.urgent,
            is_new=row.read_at is None, sms=_words(by_sms.get(row.pk)), sms_state=_state(by_sms.get(row.pk)),
            sms_at=by_sms[row.pk].delivered_at if row.pk in by_sms else None,
        )
        for row in rows
    ]  # fmt: skip


def staff_messages_of(keys: Sequence[str]) -> dict[str, StaffMessage]:
    """Messages to staff by the key that a gateway knows, locked until the receipts about them are merged."""
    ids = {key: pk for key in keys if (pk := staff.message_of(key)) is not None}
    if not ids:
        return {}
    rows = StaffMessage.objects.filter(pk__in=ids.values(), way=StaffMessage.Way.SMS)
    held = {row.pk: row for row in rows.select_for_update(of=("self",), no_key=True).order_by("pk")}
    return {key: held[pk] for key, pk in ids.items() if pk in held}


def unread(viewer: Viewer) -> int:
    """How many of one's own are new."""
    return sum(sum(one.fetch()) for one in asked_by_bell(viewer))


def asked_by_bell(viewer: Viewer) -> tuple[Asked[int], ...]:
    """What `unread` asks, to be asked with other questions of a page."""
    return () if viewer.practitioner_id is None else (_unread.asked(viewer=viewer),)


@prepared
def _unread(viewer: Viewer) -> QuerySet[StaffMessage, Any]:
    mine = StaffMessage.objects.filter(recipient_id=viewer.practitioner_id, way=StaffMessage.Way.INBOX)
    new = mine.filter(read_at__isnull=True).order_by().values("recipient_id")
    return new.annotate(many=Count("pk")).values_list("many", flat=True)


def waiting(*, at: datetime, limit: int = 50) -> list[UUID]:
    """By SMS, asked for a while ago and still not settled."""
    late = Q(state=StaffMessage.State.QUEUED, requested_at__lte=at - LATE) | Q(
        state=StaffMessage.State.SENDING, tried_at__lte=at - LATE
    )
    found = StaffMessage.objects.filter(late, way=StaffMessage.Way.SMS).order_by("requested_at", "pk")
    return list(found.values_list("pk", flat=True)[:limit])
