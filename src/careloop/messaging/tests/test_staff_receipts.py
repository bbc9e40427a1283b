"""Receipts of messages to staff: matched to the message, in any order, each once, and shown to whom it was for."""

from __future__ import annotations

import itertools
from datetime import timedelta
from uuid import uuid4

import pytest
from django.urls import reverse

from careloop.accounts.models import Practitioner
from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.messaging import actions
from careloop.messaging.models import DeliveryReceipt, StaffMessage
from careloop.messaging.reads import staff
from careloop.messaging.rules.requests import ReceiptData
from careloop.messaging.rules.staff import gateway_key, message_of
from careloop.messaging.rules.states import Outcome
from careloop.messaging.tests.factories import queue, site
from tests.cast import NOW, SYSTEM, Cast

NOBODY = "2765fd0c-fb45-4792-b736-4167c47ae1c7"
pytestmark = pytest.mark.django_db
PARAMS = {"severity": "critical", "department": "心内科", "minutes": 15}


@pytest.fixture(autouse=True)
def reachable(cast: Cast):
    with site():
        with seeding():
            Practitioner.objects.filter(pk=cast.zhao.pk).update(phone="138 1234 6721")
        actions.load_templates(at=NOW, by=SYSTEM)
        yield


def an_sms(cast: Cast, key: str = "a", state: str = "sent") -> StaffMessage:
    """A text to doctor Zhao that came as far as `state`."""
    __, sms = actions.queue_staff_message(
        key=key, template_code="alert-owner", params=PARAMS, recipient_id=cast.zhao.pk, at=NOW, by=SYSTEM
    )
    if state != "queued":
        actions.take_staff_message(message_id=sms.pk, at=NOW, by=SYSTEM)
    if state == "sent":
        actions.settle_staff_message(message_id=sms.pk, outcome=Outcome.accepted("g"), at=NOW, by=SYSTEM)
    sms.refresh_from_db()
    assert sms.state == state
    return sms


def tell(key: str, *statuses: str, code: str = "", name: str = "") -> int:
    """One call of the gateway with these receipts."""
    receipts = [
        ReceiptData(
            receipt_id=f"{name or key}-{status}", key=key, status=status, code=code if status == "failed" else "",
            occurred_at=NOW + timedelta(seconds=n),
        )
        for n, status in enumerate(statuses)
    ]  # fmt: skip
    return actions.store_receipts(gateway="sms", receipts=receipts, at=NOW + timedelta(minutes=1), by=SYSTEM)


def fresh(row: StaffMessage) -> StaffMessage:
    return StaffMessage.objects.get(pk=row.pk)


def unmatched() -> list[int]:
    rows = AuditEvent.objects.filter(name="messaging.ReceiptsStored").order_by("pk")
    return [row.payload["unmatched"] for row in rows]


def test_a_receipt_finds_its_message_and_is_no_stray_any_more(cast: Cast):
    sms = an_sms(cast)
    assert tell(gateway_key(sms.pk), "delivered") == 1
    found = fresh(sms)
    assert (found.state, found.delivered_at, found.reason) == ("delivered", NOW, "")
    receipt = DeliveryReceipt.objects.unscoped("test").get()
    assert (receipt.staff_message_id, receipt.communication_id, receipt.patient_id) == (sms.pk, None, None)
    assert unmatched() == [0]
    fact = AuditEvent.objects.filter(name="messaging.StaffMessageSettled").latest("pk")
    assert (fact.payload["message_id"], fact.payload["state"], fact.patient_id) == (str(sms.pk), "delivered", None)


@pytest.mark.parametrize("order", list(itertools.permutations(["sent", "failed", "delivered"])))
def test_the_order_of_receipts_does_not_matter(cast: Cast, order: tuple[str, ...]):
    one, other = an_sms(cast, "one"), an_sms(cast, "other")
    tell(gateway_key(one.pk), *order, code="switched-off")  # in one call
    for status in order:  # and one after the other
        tell(gateway_key(other.pk), status, code="switched-off")
    assert fresh(one).state == fresh(other).state == "delivered"
    assert fresh(one).reason == fresh(other).reason == ""
    assert fresh(one).delivered_at is not None


@pytest.mark.parametrize("code", ["switched-off", "", "x" * 90])
def test_a_failure_keeps_its_reason(cast: Cast, code: str):
    sms = an_sms(cast)
    tell(gateway_key(sms.pk), "failed", code=code[:40])
    assert (fresh(sms).state, fresh(sms).reason) == ("failed", code[:40] or "rejected")
    assert fresh(sms).delivered_at is None


def test_told_twice_it_counts_once(cast: Cast):
    sms = an_sms(cast)
    settled = AuditEvent.objects.filter(name="messaging.StaffMessageSettled")
    before = settled.count()
    assert [tell(gateway_key(sms.pk), "delivered"), tell(gateway_key(sms.pk), "delivered")] == [1, 0]
    assert settled.count() == before + 1
    assert (
        tell(gateway_key(sms.pk), "delivered", name="again") == 1
    )  # a new receipt with the same news: kept, no new fact
    assert settled.count() == before + 1


@pytest.mark.parametrize("outcome", [Outcome.accepted("g"), Outcome.uncertain("timeout"), Outcome.postponed("busy")])
def test_a_receipt_that_is_faster_than_the_answer_wins(cast: Cast, outcome: Outcome):
    sms = an_sms(cast, state="sending")
    tell(gateway_key(sms.pk), "delivered")
    assert actions.settle_staff_message(message_id=sms.pk, outcome=outcome, at=NOW, by=SYSTEM) == "delivered"
    assert fresh(sms).state == "delivered"
    assert actions.take_staff_message(message_id=sms.pk, at=NOW + timedelta(days=1), by=SYSTEM) is None


def test_an_unclear_one_becomes_clear(cast: Cast):
    sms = an_sms(cast, state="sending")
    with seeding():
        StaffMessage.objects.filter(pk=sms.pk).update(state="unknown", reason="sender-died")
    tell(gateway_key(sms.pk), "sent")
    assert (fresh(sms).state, fresh(sms).reason) == ("sent", "")


def test_one_that_was_never_sent_stays_held_back(cast: Cast):
    with site(sms_gateway_url=""):
        __, sms = actions.queue_staff_message(
            key="b", template_code="alert-owner", params=PARAMS, recipient_id=cast.zhao.pk, at=NOW, by=SYSTEM
        )
    tell(gateway_key(sms.pk), "delivered")
    assert (fresh(sms).state, fresh(sms).reason) == ("suppressed", "channel-unavailable")


def test_the_inbox_row_of_the_same_person_is_no_sms(cast: Cast):
    inbox, __ = actions.queue_staff_message(
        key="c", template_code="alert-owner", params=PARAMS, recipient_id=cast.zhao.pk, at=NOW, by=SYSTEM
    )
    tell(gateway_key(inbox.pk), "failed")
    assert fresh(inbox).state == "sent"
    assert unmatched() == [1]


@pytest.mark.parametrize(
    "key",
    [
        "staff:",
        "staff:x",
        f"staff:{NOBODY}",
        f"staff:{NOBODY}x",
        f"STAFF:{NOBODY}",
        NOBODY,
        "staff:" + "0" * 36,
    ],
)
def test_keys_of_nothing_are_kept_and_counted_as_strays(cast: Cast, key: str):
    an_sms(cast)
    assert tell(key, "delivered") == 1
    assert unmatched() == [1]
    assert DeliveryReceipt.objects.unscoped("test").get().staff_message_id is None


def test_one_call_may_tell_about_patients_staff_and_strangers(cast: Cast):
    sms = an_sms(cast)
    made = queue(cast.zhang, "k1")
    receipts = [
        ReceiptData(receipt_id=str(n), key=key, status="delivered", occurred_at=NOW)
        for n, key in enumerate([gateway_key(sms.pk), "k1", "nobody"])
    ]
    assert actions.store_receipts(gateway="sms", receipts=receipts, at=NOW, by=SYSTEM) == 3
    made.refresh_from_db()
    assert (fresh(sms).state, made.state, unmatched()) == ("delivered", "delivered", [1])


def test_who_was_told_sees_whether_the_telephone_had_it(cast: Cast):
    first, second = an_sms(cast, "one"), an_sms(cast, "two")
    tell(gateway_key(first.pk), "delivered")
    tell(gateway_key(second.pk), "failed", code="switched-off")
    page = cast.client(cast.zhao).get(reverse("messaging:own")).content.decode()
    assert 'data-sms="delivered"' in page
    assert 'data-sms="failed"' in page
    rows = {row.sms_state: row for row in staff.inbox(cast.as_zhao, language="zh")}
    assert rows["delivered"].sms_at == NOW
    assert rows["failed"].sms_at is None


def test_the_own_page_asks_the_same_number_of_questions_for_many(cast: Cast, django_assert_max_num_queries):
    for n in range(12):
        tell(gateway_key(an_sms(cast, f"k{n}").pk), "delivered")
    viewer = cast.as_zhao
    with django_assert_max_num_queries(2):
        assert len(staff.inbox(viewer, language="en")) == 12


def test_a_key_leads_back_to_its_message():
    pk = uuid4()
    assert message_of(gateway_key(pk)) == pk
    assert message_of("k1") is None
