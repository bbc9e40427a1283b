"""Receipts and answers: each once, in any order; forged ones not at all (case F44; security.md §6.8)."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from careloop.audit.models import AuditEvent
from careloop.messaging import actions
from careloop.messaging.models import Communication, DeliveryReceipt, InboundMessage
from careloop.messaging.rules.requests import ReceiptData, ReplyData
from careloop.messaging.rules.signing import signature
from careloop.messaging.rules.states import Outcome
from careloop.patients.models import Consent, ContactPoint
from tests.cast import NOW, SYSTEM

from .factories import change, claim, fresh, more_patients, queue, record, site

pytestmark = pytest.mark.django_db
SECRET = "callback-secret"


@pytest.fixture(autouse=True)
def _site(db):
    with site():
        actions.load_templates(at=NOW, by=SYSTEM)
        yield


def facts(name):
    return AuditEvent.objects.filter(name=f"messaging.{name}").count()


def tell(key, status, receipt_id=None, *, code="", at=NOW):
    receipt = ReceiptData(receipt_id=receipt_id or f"{key}-{status}", key=key, status=status, code=code, occurred_at=at)
    return actions.store_receipts(gateway="sms", receipts=[receipt], at=at, by=SYSTEM)


def answer(text, message_id="r1", *, address="+8613800110347", at=NOW):
    reply = ReplyData(message_id=message_id, address=address, text=text, occurred_at=at)
    return actions.store_replies(gateway="sms", replies=[reply], at=at, by=SYSTEM)


def sent(patient, key="k1", **values):
    made = queue(patient, key, **values)
    record(claim(), Outcome.accepted("g"))
    return made


def test_delivered_once_however_often_told(cast):
    made = sent(cast.zhang)
    assert [tell("k1", "delivered"), tell("k1", "delivered")] == [1, 0]
    made = fresh(made)
    assert (made.state, made.delivered_at) == ("delivered", NOW)
    assert facts("CommunicationsDelivered") == 1
    assert DeliveryReceipt.objects.unscoped("t").count() == 1


@pytest.mark.parametrize("order", [("failed", "delivered"), ("delivered", "failed"), ("sent", "failed", "delivered")])
def test_out_of_order_receipts_end_delivered(cast, order):
    made = sent(cast.zhang)
    for status in order:
        tell("k1", status, code="expired-at-carrier" if status == "failed" else "")
    made = fresh(made)
    assert (made.state, made.reason, made.ended_at) == ("delivered", "", None)
    assert DeliveryReceipt.objects.unscoped("t").count() == len(order)


def test_a_receipt_before_the_gateways_answer(cast):
    made = queue(cast.zhang)
    taken = claim()
    tell("k1", "delivered")
    assert record(taken, Outcome.uncertain("http-500")) == 0
    assert fresh(made).state == "delivered"
    assert claim(NOW + timedelta(days=1)).is_empty


def test_a_receipt_settles_what_was_unclear_and_stops_a_repeat(cast):
    with site(sms_gateway_repeat="none"):
        unclear = queue(cast.zhang, "a")
        record(claim(), Outcome.uncertain("timeout"))
        assert fresh(unclear).state == "unknown"
    waiting = queue(cast.ma, "b")
    record(claim(), Outcome.uncertain("timeout"))
    assert fresh(waiting).state == "queued"
    for key in "ab":
        tell(key, "delivered")
    assert fresh(unclear).state == fresh(waiting).state == "delivered"
    assert claim(NOW + timedelta(days=1)).is_empty


@pytest.mark.parametrize(
    ("code", "last_result"),
    [
        ("empty-number", "empty-number"),
        ("expired-at-carrier", "off"),
        ("blocked-by-carrier", "undeliverable"),
        ("rejected", ""),
    ],
)
def test_a_failure_tells_about_the_number(cast, code, last_result):
    made = sent(cast.zhang)
    tell("k1", "failed", code=code)
    assert (fresh(made).state, fresh(made).reason) == ("failed", code)
    contact = ContactPoint.objects.unscoped("t").get(patient=cast.zhang)
    assert contact.last_result == last_result
    assert facts("CommunicationFailed") == 1
    assert contact.is_valid == (code != "empty-number")


def test_receipts_for_unknown_keys_are_kept(cast):
    assert tell("nobody", "delivered") == 1
    assert DeliveryReceipt.objects.unscoped("t").get().communication is None
    assert AuditEvent.objects.get(name="messaging.ReceiptsStored").payload["unmatched"] == 1


def test_suppressed_stays_suppressed(cast):
    change(cast.zhang, do_not_contact=True)
    made = queue(cast.zhang)
    tell("k1", "delivered")
    assert fresh(made).state == "suppressed"


# ---- answers ----------------------------------------------------------------------------------------------------


def test_stop_withdraws_consent_confirms_once_and_stops_what_waits(cast):
    sent(cast.zhang)
    waiting = queue(cast.zhang, "later", not_before=NOW + timedelta(hours=1))
    assert [answer("退订"), answer("退订")] == [1, 0]
    assert Consent.objects.unscoped("t").get(patient=cast.zhang).decision == "deny"
    inbound = InboundMessage.objects.unscoped("t").get()
    assert (inbound.intent, inbound.patient_id, inbound.handled_at) == ("stop", cast.zhang.pk, NOW)
    taken = claim(NOW + timedelta(hours=2))
    assert [m.key for m in taken.messages] == []
    assert fresh(waiting).reason == "no-consent"
    confirmation = Communication.objects.unscoped("t").get(template_code="stopped")
    assert confirmation.reason == "too-late"
    assert queue(cast.zhang, "new").reason == "no-consent"
    answer("Y", "r2")
    assert queue(cast.zhang, "again").state == "queued"


def test_stop_speaks_for_everybody_on_that_phone_that_we_wrote_to(cast):
    from careloop.kernel.actions import seeding

    with seeding():
        ContactPoint.objects.create(
            patient=cast.ma, value="+8613800110347", last4="0347", is_mobile=True, rank=0, verified_at=NOW
        )
    other = more_patients(1, cast.cardiology)[0]
    with seeding():
        ContactPoint.objects.create(patient=other, value="+8613800110347", last4="0347", is_mobile=True, rank=9)
    sent(cast.zhang, "a"), sent(cast.ma, "b")
    answer("T")
    assert set(Consent.objects.unscoped("t").values_list("patient_id", flat=True)) == {cast.zhang.pk, cast.ma.pk}


def test_one_asks_for_a_call_and_names_the_task(cast):
    task = uuid4()
    made = sent(cast.zhang, task_id=task)
    answer("１")
    inbound = InboundMessage.objects.unscoped("t").get()
    assert (inbound.intent, inbound.answers_id, inbound.handled_at) == ("call-me", made.pk, None)
    payload = AuditEvent.objects.get(name="messaging.ReplyReceived").payload
    assert payload == {"inbound_id": str(inbound.pk), "intent": "call-me", "task_id": str(task)}


def test_an_unknown_number_is_kept_without_a_patient(cast):
    answer("您是谁", address="+8613711112222")
    inbound = InboundMessage.objects.unscoped("t").get()
    assert inbound.patient_id is None
    assert inbound.intent == "text"
    assert not InboundMessage.objects.visible_to(cast.as_wang).exists()


# ---- the door ----------------------------------------------------------------------------------------------------


def call(body, *, secret=SECRET, off=timedelta(0), nonce="n", **headers):
    body = body if isinstance(body, bytes) else json.dumps({"events": body}).encode()
    timestamp = str(int((timezone.now() + off).timestamp()))
    signed = {
        "X-Gateway-Timestamp": timestamp,
        "X-Gateway-Nonce": nonce,
        "X-Gateway-Signature": signature(secret, timestamp=timestamp, nonce=nonce, body=body),
    } | headers
    return Client(enforce_csrf_checks=True).post("/hooks/sms/", body, content_type="application/json", headers=signed)


RECEIPT = {"type": "receipt", "id": "x1", "key": "k1", "status": "delivered", "at": 1795324513.5}


def test_a_genuine_callback_counts_once(cast):
    made = sent(cast.zhang)
    assert call([RECEIPT]).json() == {"stored": 1, "known": 0, "skipped": 0}
    assert call([RECEIPT]).json() == {"stored": 0, "known": 1, "skipped": 0}
    assert fresh(made).state == "delivered"


@pytest.mark.parametrize(
    "values",
    [
        {"secret": "guess"},
        {"off": timedelta(minutes=-6)},
        {"off": timedelta(minutes=6)},
        {"nonce": ""},
        {"X-Gateway-Signature": ""},
        {"X-Gateway-Timestamp": "0"},
    ],
)
def test_forged_stale_or_unsigned_changes_nothing(cast, values):
    made = sent(cast.zhang)
    assert call([RECEIPT], **values).status_code == 403
    assert fresh(made).state == "sent"
    assert not DeliveryReceipt.objects.unscoped("t").exists()


def test_without_a_secret_the_door_is_shut(cast):
    with site(sms_gateway_secret=""):
        assert call([RECEIPT], secret="").status_code == 403


def test_only_from_allowed_addresses(cast):
    with site(sms_gateway_peers="10.0.0.9"):
        assert call([RECEIPT]).status_code == 403
    with site(sms_gateway_peers="10.0.0.9, 127.0.0.1"):
        assert call([RECEIPT]).status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"events": {}}', b'{"events": [1]}', b"[" * 100_000, b"\xff\xfe"])
def test_what_is_not_understood_gets_400(cast, body):
    assert call(body).status_code == 400


def test_too_many_and_too_large(cast):
    assert call([RECEIPT] * 1001).status_code == 400
    assert call(b" " * 1_000_001).status_code == 413
    assert Client().get("/hooks/sms/").status_code == 405


ODD = [
    {"type": "receipt"},
    {"type": "receipt", "id": "a", "key": "k", "status": "eaten"},
    {"type": "receipt", "id": 1, "key": "k", "status": "sent"},
    {"type": "reply", "id": "b"},
    {"type": "poem"},
    {},
]


def test_odd_events_do_not_block_good_ones(cast):
    made = sent(cast.zhang)
    assert call([*ODD, RECEIPT]).json() == {"stored": 1, "known": 0, "skipped": len(ODD)}
    assert fresh(made).state == "delivered"


def test_hostile_texts_are_kept_as_they_are(cast):
    sent(cast.zhang)
    text = "<script>alert(1)</script>\x00\ud800 '; drop table --"
    body = json.dumps(
        {"events": [{"type": "reply", "id": "r" * 500, "from": "+8613800110347", "text": text, "at": "soon"}]}
    )
    assert call(body.encode()).json()["stored"] == 1
    assert call(body.encode()).json()["stored"] == 0
    kept = InboundMessage.objects.unscoped("t").get()
    assert kept.text.startswith("<script>")
    assert "\x00" not in kept.text
    assert len(kept.message_id) == 64


def test_no_number_or_text_in_audit(cast):
    sent(cast.zhang)
    answer("我胸口闷")
    tell("k1", "failed", code="empty-number")
    everything = json.dumps(list(AuditEvent.objects.values_list("payload", flat=True)), ensure_ascii=False)
    assert "138001103" not in everything
    assert "胸口" not in everything
    assert "Zhang" not in everything
