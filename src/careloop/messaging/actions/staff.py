"""Telling somebody who works here: written down with its cause, in the own inbox at once, by SMS through a job."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Practitioner
from careloop.audit.record import record, record_all
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.messaging.events import StaffMessageQueued, StaffMessageSettled, StaffMessagesRead
from careloop.messaging.models import StaffMessage
from careloop.messaging.reads import policy
from careloop.messaging.reads.staff import staff_text
from careloop.messaging.rules import staff
from careloop.messaging.rules.requests import Outgoing
from careloop.messaging.rules.states import Outcome
from careloop.patients.reads.told import local_phones

State, Way = StaffMessage.State, StaffMessage.Way
STALE = timedelta(minutes=2)  # after that, whoever was sending is dead


class StaffTemplateMissing(Refused):
    code = "staff-template-missing"
    message = _("There is no such text for staff.")


class StaffValueMissing(Refused):
    code = "staff-value-missing"
    message = _("The text for staff needs other values.")


@action
def queue_staff_message(
    *,
    key: str,
    template_code: str,
    params: Mapping[str, str | int],
    at: datetime,
    by: Viewer,
    recipient_id: UUID | None = None,
    phone: str = "",
    url: str = "",
    urgent: bool = False,
) -> list[StaffMessage]:
    """Tell a person (own inbox, and SMS to their telephone) and/or a duty phone. The same key again changes nothing.

    What cannot go by SMS (no number, no gateway) is kept as suppressed with its reason. Refused: an unknown text, a
    value that is missing or not on the list of rules/staff.py. `url` is a path inside the staff site.
    """
    text = policy.staff_texts().get(template_code)
    if text is None:
        raise StaffTemplateMissing
    if not staff.wanted(text["zh"]) <= set(params) <= set(staff.LONGEST):
        raise StaffValueMissing
    person = Practitioner.objects.filter(pk=recipient_id, is_active=True).first() if recipient_id else None
    common = {
        "template_code": template_code, "params": dict(params), "url": url[:300], "urgent": urgent,
        "requested_at": at, "recipient": person,
    }  # fmt: skip
    wanted = [_inbox(key, at, common)] if person else []
    wanted.append(_sms(key, phone or (person.phone if person else ""), common))
    kept = {one.key: one for one in StaffMessage.objects.filter(key__in=[one.key for one in wanted])}
    fresh = [one for one in wanted if one.key not in kept]
    StaffMessage.objects.bulk_create(fresh, ignore_conflicts=True)
    stored = {one.key: one for one in StaffMessage.objects.filter(key__in=[one.key for one in wanted])}
    ours = [one for one in fresh if stored[one.key].pk == one.pk]
    record_all(
        [
            StaffMessageQueued(
                message_id=one.pk, way=one.way if one.state == State.QUEUED else "none", template=template_code
            )
            for one in ours
        ]
        or [StaffMessageQueued(message_id=stored[wanted[0].key].pk, way="none", template=template_code)],
        by=by,
    )
    return [stored[one.key] for one in wanted]


def _inbox(key: str, at: datetime, common: Mapping[str, object]) -> StaffMessage:
    return StaffMessage(key=f"{key}:inbox"[:200], way=Way.INBOX, state=State.SENT, sent_at=at, **common)


def _sms(key: str, phone: str, common: Mapping[str, object]) -> StaffMessage:
    usable = [one for one in local_phones(phone) if one.is_usable] if phone else []
    reason = "" if policy.is_available("sms") else "channel-unavailable"
    reason = reason or ("" if usable else "no-contact")
    return StaffMessage(
        key=f"{key}:sms"[:200], way=Way.SMS, address=usable[0].number[:40] if usable else "",
        state=State.SUPPRESSED if reason else State.QUEUED, reason=reason, **common,
    )  # fmt: skip


@action
def take_staff_message(*, message_id: UUID, at: datetime, by: Viewer) -> Outgoing | None:
    """Take one in hand to send it. None: somebody else has it, or it is settled already."""
    row = StaffMessage.objects.select_for_update(skip_locked=True).filter(pk=message_id, way=Way.SMS).first()
    if row is None or not _may_be_taken(row, at):
        return None
    again = row.state == State.SENDING
    if again and not policy.abilities("sms").knows_key:
        _settle(row, State.UNKNOWN, "sender-died", at, by)
        return None
    row.state, row.attempts, row.tried_at = State.SENDING, row.attempts + 1, at
    row.save(update_fields=["state", "attempts", "tried_at", "updated_at"])
    record(StaffMessageSettled(message_id=row.pk, state=row.state), by=by)
    return Outgoing(
        id=row.pk, key=staff.gateway_key(row.pk), channel="sms", to=row.address, subject="",
        text=staff_text(row, language="zh", signed=True), segments=1, attempts=row.attempts, maybe_sent=again,
    )  # fmt: skip


def _may_be_taken(row: StaffMessage, at: datetime) -> bool:
    dead = row.state == State.SENDING and row.tried_at is not None and at - row.tried_at >= STALE
    return row.state == State.QUEUED or dead


@action
def settle_staff_message(*, message_id: UUID, outcome: Outcome, at: datetime, by: Viewer) -> str:
    """What became of the try. Gives back the state: queued = try again, unless it was tried often enough."""
    row = StaffMessage.objects.select_for_update().get(pk=message_id)
    if row.state != State.SENDING:
        return row.state
    if outcome.kind in ("accepted", "delivered"):
        row.sent_at = at
        return _settle(row, State.SENT, "", at, by)
    if outcome.kind == "rejected":
        return _settle(row, State.FAILED, outcome.code or "rejected", at, by)
    if outcome.kind == "uncertain" and not policy.abilities("sms").knows_key:
        return _settle(row, State.UNKNOWN, outcome.code or "no-answer-from-gateway", at, by)
    if row.attempts >= staff.MOST_TRIES:
        return _settle(row, State.FAILED, "gave-up", at, by)
    return _settle(row, State.QUEUED, "", at, by)


def _settle(row: StaffMessage, state: str, reason: str, at: datetime, by: Viewer) -> str:
    row.state, row.reason = State(state), reason[:40]
    row.save(update_fields=["state", "reason", "sent_at", "updated_at"])
    record(StaffMessageSettled(message_id=row.pk, state=state), by=by)
    return state


@action
def read_staff_messages(*, at: datetime, by: Viewer) -> int:
    """The viewer has read what is in the own inbox."""
    mine = StaffMessage.objects.filter(recipient_id=by.practitioner_id, way=Way.INBOX, read_at__isnull=True)
    count = mine.update(read_at=at)
    if count:
        record(StaffMessagesRead(count=count), by=by)
    return count
