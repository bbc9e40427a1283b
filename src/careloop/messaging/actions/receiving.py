"""What comes back: receipts and answers. Each counts once, in any order, however often it is told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from careloop.audit.record import record, record_all
from careloop.kernel.actions import action, wrote
from careloop.kernel.events import Event
from careloop.kernel.models import uuid7
from careloop.kernel.viewer import Viewer
from careloop.messaging.actions.queueing import queue_message
from careloop.messaging.events import (
    CommunicationFailed,
    CommunicationsDelivered,
    CommunicationsRead,
    ReceiptsStored,
    ReplyReceived,
    StaffMessageSettled,
)
from careloop.messaging.models import Communication, DeliveryReceipt, InboundMessage, StaffMessage
from careloop.messaging.reads.staff import staff_messages_of
from careloop.messaging.rules.replies import START, STOP, intent_of
from careloop.messaging.rules.requests import ReceiptData, ReplyData
from careloop.messaging.rules.states import merge_receipt
from careloop.patients.actions import report_contact_result, set_consent
from careloop.patients.models import ContactPoint, Patient

State = Communication.State
_BY_RECEIPT = ["state", "reason", "token", "lease_until", "sent_at", "delivered_at", "ended_at", "updated_at"]
ANSWERS_WITHIN = timedelta(days=30)
# What a carrier's code says about the number itself. Other failures say nothing about it.
NUMBER_RESULTS = {
    "bad-number": "empty-number",
    "empty-number": "empty-number",
    "expired-at-carrier": "off",
    "switched-off": "off",
    "blocked-by-carrier": "undeliverable",
}


@action
def store_receipts(*, gateway: str, receipts: Sequence[ReceiptData], at: datetime, by: Viewer) -> int:
    """Keep what a gateway told and let it take effect. Says how many were new; the rest was told before."""
    by_key = {
        c.key: c
        for c in Communication.objects.unscoped("a gateway knows our keys only")
        .filter(key__in=[r.key for r in receipts])
        .select_for_update(of=("self",), no_key=True)
        .order_by("pk")
    }
    to_staff = staff_messages_of([r.key for r in receipts if r.key not in by_key])
    fresh = _keep_receipts(gateway, receipts, by_key, to_staff, at=at)
    if not fresh:
        return 0
    changed = _apply(fresh, by_key, at=at)
    unmatched = sum(r.key not in by_key and r.key not in to_staff for r in fresh)
    record(ReceiptsStored(gateway=gateway, count=len(fresh), unmatched=unmatched), by=by)
    record_all([*_facts(changed), *_told_to_staff(fresh, to_staff, at=at)], by=by)
    for communication in changed:
        if communication.state == State.FAILED:
            _tell_about_number(communication, at=at, by=by)
    return len(fresh)


def _keep_receipts(
    gateway: str,
    receipts: Sequence[ReceiptData],
    by_key: dict[str, Communication],
    to_staff: dict[str, StaffMessage],
    *,
    at: datetime,
) -> list[ReceiptData]:
    ids = [r.receipt_id for r in receipts]
    known = set(
        DeliveryReceipt.objects.unscoped("a gateway's own ids")
        .filter(gateway=gateway, receipt_id__in=ids)
        .values_list("receipt_id", flat=True)
    )
    fresh = list({r.receipt_id: r for r in receipts if r.receipt_id not in known}.values())
    rows = [
        DeliveryReceipt(
            id=uuid7(),
            patient_id=by_key[r.key].patient_id if r.key in by_key else None,
            communication=by_key.get(r.key),
            staff_message_id=to_staff[r.key].pk if r.key in to_staff else None,
            gateway=gateway,
            receipt_id=r.receipt_id,
            key=r.key,
            status=r.status,
            code=r.code,
            occurred_at=r.occurred_at,
            received_at=at,
        )
        for r in fresh
    ]
    DeliveryReceipt.objects.bulk_create(rows, ignore_conflicts=True)
    stored = set(
        DeliveryReceipt.objects.unscoped("which of ours were first")
        .filter(pk__in=[row.pk for row in rows])
        .values_list("receipt_id", flat=True)
    )
    wrote("messaging_deliveryreceipt", len(stored) - len(rows))
    return [r for r in fresh if r.receipt_id in stored]


def _apply(fresh: Sequence[ReceiptData], by_key: dict[str, Communication], *, at: datetime) -> list[Communication]:
    """Merge into the states; the rows that changed."""
    codes: dict[UUID, str] = {}
    before: dict[UUID, str] = {}
    for receipt in fresh:
        communication = by_key.get(receipt.key)
        if communication is None:
            continue
        merged = merge_receipt(communication.state, receipt.status)
        if merged != communication.state:
            before.setdefault(communication.pk, communication.state)
            communication.state = State(merged)
            codes[communication.pk] = receipt.code
            _set_times(communication, receipt, at=at)
    changed = [c for c in by_key.values() if c.pk in before]
    for communication in changed:
        communication.reason = (codes[communication.pk] or "rejected") if communication.state == State.FAILED else ""
        communication.token, communication.lease_until = None, None
        communication.updated_at = at
    Communication.objects.unscoped("found by key above").bulk_update(changed, _BY_RECEIPT)
    return changed


def _told_to_staff(
    fresh: Sequence[ReceiptData], to_staff: dict[str, StaffMessage], *, at: datetime
) -> list[StaffMessageSettled]:
    """Merge into the messages to staff, which a duty phone may have or not."""
    before = {row.pk: row.state for row in to_staff.values()}
    for receipt in fresh:
        row = to_staff.get(receipt.key)
        merged = merge_receipt(row.state, receipt.status) if row is not None else ""
        if row is None or merged == row.state:
            continue
        row.state, row.updated_at = StaffMessage.State(merged), at
        row.sent_at = row.sent_at or receipt.occurred_at
        row.delivered_at = receipt.occurred_at if merged == State.DELIVERED else None
        row.reason = (receipt.code or "rejected")[:40] if merged == State.FAILED else ""
    changed = [row for row in to_staff.values() if row.state != before[row.pk]]
    StaffMessage.objects.bulk_update(changed, ["state", "reason", "sent_at", "delivered_at", "updated_at"])
    return [StaffMessageSettled(message_id=row.pk, state=row.state) for row in changed]


def _set_times(communication: Communication, receipt: ReceiptData, *, at: datetime) -> None:
    communication.sent_at = communication.sent_at or receipt.occurred_at
    delivered = communication.state == State.DELIVERED
    communication.delivered_at = receipt.occurred_at if delivered else None
    communication.ended_at = at if communication.state == State.FAILED else None


def _facts(changed: Sequence[Communication]) -> list[Event]:
    delivered = [c for c in changed if c.state == State.DELIVERED]
    facts: list[Event] = [
        CommunicationFailed(
            patient_id=c.patient_id, communication_id=c.pk, task_id=c.task_id, channel=c.channel, reason=c.reason
        )
        for c in changed
        if c.state == State.FAILED
    ]
    if delivered:
        facts.append(
            CommunicationsDelivered(
                communication_ids=tuple(str(c.pk) for c in delivered),
                task_ids=tuple(str(c.task_id or "") for c in delivered),
            )
        )
    return facts


def _tell_about_number(communication: Communication, *, at: datetime, by: Viewer) -> None:
    result = NUMBER_RESULTS.get(communication.reason)
    if result and communication.contact_point_id:
        contact = ContactPoint.objects.unscoped("the number that this message went to").get(
            pk=communication.contact_point_id
        )
        report_contact_result(contact_point=contact, result=result, at=at, by=by)


# ---- answers ----------------------------------------------------------------------------------------------------


@action
def store_replies(*, gateway: str, replies: Sequence[ReplyData], at: datetime, by: Viewer) -> int:
    """Keep what patients wrote. Stop and start take effect at once; everything else waits for a person or a job."""
    fresh = 0
    for reply in replies:
        known = InboundMessage.objects.unscoped("a gateway's own id").filter(
            gateway=gateway, message_id=reply.message_id
        )
        if not known.exists():
            fresh += _store_reply(gateway, reply, at=at, by=by)
    return fresh


def _store_reply(gateway: str, reply: ReplyData, *, at: datetime, by: Viewer) -> int:
    written_to = _written_to(reply.address, at=at)
    newest = written_to[0] if written_to else None
    intent = intent_of(reply.text)
    patient_id = newest.patient_id if newest else _only_patient_with(reply.address)
    inbound = InboundMessage(
        id=uuid7(),
        patient_id=patient_id,
        gateway=gateway,
        message_id=reply.message_id,
        address=reply.address,
        text=reply.text[:1000],
        intent=intent,
        answers=newest,
        occurred_at=reply.occurred_at,
        received_at=at,
        handled_at=at if intent in (STOP, START) and patient_id else None,
    )
    InboundMessage.objects.bulk_create([inbound], ignore_conflicts=True)
    if not InboundMessage.objects.unscoped("did we come first?").filter(pk=inbound.pk).exists():
        wrote("messaging_inboundmessage", -1)
        return 0
    record(
        ReplyReceived(
            patient_id=patient_id, inbound_id=inbound.pk, intent=intent, task_id=newest.task_id if newest else None
        ),
        by=by,
    )
    if intent in (STOP, START):
        _change_consent(written_to, patient_id, intent, inbound, at=at, by=by)
    return 1


def _written_to(address: str, *, at: datetime) -> list[Communication]:
    """The newest message to each patient that we wrote to under this number lately, newest first."""
    patients = _patients_with(address)
    recent = (
        Communication.objects.unscoped("who was written to under this number")
        .filter(patient_id__in=patients, address=address, claimed_at__gt=at - ANSWERS_WITHIN)
        .order_by("-claimed_at", "-pk")
    )
    newest: dict[UUID, Communication] = {}
    for communication in recent[:200]:
        newest.setdefault(communication.patient_id, communication)
    return list(newest.values())


def _patients_with(address: str) -> list[UUID]:
    return list(
        ContactPoint.objects.unscoped("whose number is this?")
        .filter(last4=address[-4:], value=address)
        .values_list("patient_id", flat=True)[:50]
    )


def _only_patient_with(address: str) -> UUID | None:
    found = _patients_with(address)
    return found[0] if len(found) == 1 else None


def _change_consent(
    written_to: Sequence[Communication],
    patient_id: UUID | None,
    intent: str,
    inbound: InboundMessage,
    *,
    at: datetime,
    by: Viewer,
) -> None:
    """Whoever holds the phone says stop for every patient that we write to on it."""
    ids = [c.patient_id for c in written_to] or ([patient_id] if patient_id else [])
    patients = Patient.objects.unscoped("the phone's own patients").filter(pk__in=ids).order_by("pk")
    for patient in patients:
        decision = "deny" if intent == STOP else "permit"
        set_consent(patient=patient, scope="contact-sms", decision=decision, how="sms-reply", at=at, by=by)
    if intent == STOP and written_to:
        queue_message(
            key=f"stopped:{inbound.pk}",
            patient_id=written_to[0].patient_id,
            channel="sms",
            template_code="stopped",
            params={},
            contact_point_id=written_to[0].contact_point_id,
            expires_at=at + timedelta(hours=1),
            at=at,
            by=by,
        )


@action
def mark_read(*, patient_id: UUID, at: datetime, by: Viewer) -> int:
    """The patient looked into the inbox of the patient pages."""
    count = (
        Communication.objects.visible_to(by)
        .filter(patient_id=patient_id, channel="portal", state=State.DELIVERED, read_at__isnull=True)
        .update(read_at=at, updated_at=at)
    )
    if count:
        record(CommunicationsRead(patient_id=patient_id, count=count), by=by)
    return count
