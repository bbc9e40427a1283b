"""Telling staff: once per key, never about a patient, in the own inbox at once, by SMS through one careful try after another."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.urls import reverse

from careloop.accounts.models import Practitioner
from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.kernel.errors import DeliveryFailed
from careloop.messaging import actions, jobs
from careloop.messaging.channels.contract import GatewayDown
from careloop.messaging.jobs import staff as staff_jobs
from careloop.messaging.models import StaffMessage
from careloop.messaging.reads import policy, staff
from careloop.messaging.rules import staff as rules
from careloop.messaging.rules.states import Outcome
from careloop.messaging.tests.factories import site
from tests.cast import NOW, SYSTEM, make_cast

pytestmark = pytest.mark.django_db
PARAMS = {"severity": "critical", "department": "心内科", "minutes": 15}


class Way:
    """A gateway that answers what the test says."""

    code, at_once = "sms", 1

    def __init__(self, answer):
        self.answer, self.got = answer, []

    async def open(self):
        self.got.append("open")

    async def close(self):
        self.got.append("close")

    async def send(self, message):
        self.got.append(message)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture(autouse=True)
def _site():
    with site():
        yield


@pytest.fixture
def phone(cast):
    with seeding():
        Practitioner.objects.filter(pk=cast.zhao.pk).update(phone="138 1234 6721")


def tell(cast, key="alert:1:owner", **given):
    values = {
        "template_code": "alert-owner",
        "params": PARAMS,
        "recipient_id": cast.zhao.pk,
        "url": "/alerts/",
        **given,
    }
    return actions.queue_staff_message(key=key, at=NOW, by=SYSTEM, **values)


def send(message, answer):
    way = Way(answer)
    outgoing = actions.take_staff_message(message_id=message.pk, at=NOW, by=SYSTEM)
    outcome = staff_jobs.try_once(outgoing, lambda: way)
    return way, actions.settle_staff_message(message_id=message.pk, outcome=outcome, at=NOW, by=SYSTEM)


# --- asking ---------------------------------------------------------------------------------------------------------------


def test_a_person_gets_it_in_the_own_inbox_and_on_the_telephone(cast, phone):
    inbox, sms = tell(cast)
    assert (inbox.way, inbox.state) == ("inbox", "sent")
    assert (sms.way, sms.state, sms.address) == ("sms", "queued", "+8613812346721")
    assert AuditEvent.objects.filter(name="messaging.StaffMessageQueued").count() == 2


def test_the_same_key_again_tells_nobody_twice(cast, phone):
    first = tell(cast)
    again = tell(cast)
    assert [one.pk for one in first] == [one.pk for one in again]
    assert StaffMessage.objects.count() == 2


def test_a_duty_phone_needs_no_person(cast):
    (sms,) = tell(cast, recipient_id=None, phone="13912346722")
    assert (sms.recipient_id, sms.address, sms.state) == (None, "+8613912346722", "queued")


def test_a_duty_phone_comes_before_the_persons_own(cast, phone):
    assert tell(cast, phone="13912346722")[1].address == "+8613912346722"


@pytest.mark.parametrize(
    ("gateway", "number", "reason"), [("", "13912346722", "channel-unavailable"), ("http://x", "", "no-contact"), ("http://x", "12", "no-contact")]
)  # fmt: skip
def test_what_cannot_go_by_sms_says_why_and_the_inbox_has_it_all_the_same(cast, gateway, number, reason):
    with site(sms_gateway_url=gateway):
        inbox, sms = tell(cast, phone=number)
    assert inbox.state == "sent"
    assert (sms.state, sms.reason) == ("suppressed", reason)


def test_somebody_who_left_is_not_told(cast):
    with seeding():
        Practitioner.objects.filter(pk=cast.zhao.pk).update(is_active=False, phone="13912346722")
    (sms,) = tell(cast)
    assert (sms.state, sms.recipient_id) == ("suppressed", None)


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"template_code": "gossip"}, actions.StaffTemplateMissing),
        ({"params": {"severity": "high"}}, actions.StaffValueMissing),
        ({"params": {**PARAMS, "name": "Zhang"}}, actions.StaffValueMissing),
    ],
)
def test_an_unknown_text_a_missing_or_a_foreign_value_is_refused(cast, given, refusal):
    with pytest.raises(refusal):
        tell(cast, **given)
    assert StaffMessage.objects.count() == 0


def test_every_text_is_there_in_both_languages_with_the_same_allowed_values():
    for texts in policy.staff_texts().values():
        assert rules.wanted(texts["zh"]) == rules.wanted(texts["en"])
        assert rules.wanted(texts["zh"]) <= set(rules.LONGEST)


def test_a_value_cannot_bring_lines_or_length_into_the_text():
    text = rules.written("{department}!", {"department": "a\nb {severity} " + "x" * 99}, "zh")
    assert "\n" not in text
    assert len(text) == rules.LONGEST["department"] + 1
    with pytest.raises(rules.StaffValueMissing):
        rules.written("{count}", {}, "zh")


# --- sending --------------------------------------------------------------------------------------------------------------


def test_sent_signed_and_settled(cast, phone):
    way, state = send(tell(cast)[1], Outcome.accepted("ref-1"))
    opened, message, closed = way.got
    assert (opened, closed, state) == ("open", "close", "sent")
    assert message.text.startswith("【云溪市第一人民医院】")
    assert message.to == "+8613812346721"


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        (Outcome.rejected("bad-number"), "failed", "bad-number"),
        (Outcome.postponed("http-429"), "queued", ""),
        (GatewayDown("refused"), "queued", ""),
        (Outcome.uncertain("connection-lost"), "queued", ""),  # this gateway knows our keys: again is harmless
    ],
)
def test_what_the_gateway_says_decides(cast, phone, answer, state, reason):
    sms = tell(cast)[1]
    _way, settled = send(sms, answer)
    sms.refresh_from_db()
    assert (settled, sms.state, sms.reason) == (state, state, reason)


def test_a_gateway_that_knows_no_keys_never_gets_it_twice(cast, phone):
    sms = tell(cast)[1]
    with site(sms_gateway_repeat="none"):
        _way, state = send(sms, Outcome.uncertain("connection-lost"))
        assert state == "unknown"
        assert actions.take_staff_message(message_id=sms.pk, at=NOW, by=SYSTEM) is None


def test_after_enough_tries_it_failed(cast, phone):
    sms = tell(cast)[1]
    states = [send(sms, GatewayDown("x"))[1] for _n in range(rules.MOST_TRIES)]
    assert states == ["queued"] * (rules.MOST_TRIES - 1) + ["failed"]
    sms.refresh_from_db()
    assert sms.reason == "gave-up"


def test_a_settled_message_is_not_taken_and_not_settled_again(cast, phone):
    sms = tell(cast)[1]
    send(sms, Outcome.accepted("r"))
    assert actions.take_staff_message(message_id=sms.pk, at=NOW, by=SYSTEM) is None
    assert actions.settle_staff_message(message_id=sms.pk, outcome=Outcome.rejected("x"), at=NOW, by=SYSTEM) == "sent"


def test_a_sender_that_died_is_followed_by_another(cast, phone):
    sms = tell(cast)[1]
    actions.take_staff_message(message_id=sms.pk, at=NOW, by=SYSTEM)
    assert actions.take_staff_message(message_id=sms.pk, at=NOW + timedelta(seconds=30), by=SYSTEM) is None
    again = actions.take_staff_message(message_id=sms.pk, at=NOW + timedelta(minutes=3), by=SYSTEM)
    assert again.maybe_sent
    assert again.attempts == 2


def test_the_job_tries_again_when_the_gateway_is_away(cast, phone, monkeypatch):
    sms = tell(cast)[1]
    event = {"way": "sms", "message_id": str(sms.pk)}
    monkeypatch.setattr(jobs, "try_once", lambda _outgoing: Outcome.postponed("gateway-down"))
    with pytest.raises(DeliveryFailed):
        jobs.send_staff_message.func(event=event)
    monkeypatch.setattr(jobs, "try_once", lambda _outgoing: Outcome.accepted("r"))
    jobs.send_staff_message.func(event=event)
    jobs.send_staff_message.func(event=event)  # at least once
    jobs.send_staff_message.func(event={"way": "none", "message_id": str(sms.pk)})
    sms.refresh_from_db()
    assert (sms.state, sms.attempts) == ("sent", 2)


def test_what_was_left_behind_is_found(cast, phone):
    sms = tell(cast)[1]
    assert staff.waiting(at=NOW) == []
    assert staff.waiting(at=NOW + timedelta(minutes=6)) == [sms.pk]
    send(sms, Outcome.accepted("r"))
    assert staff.waiting(at=NOW + timedelta(days=1)) == []


def test_without_a_way_out_it_is_said():
    assert staff_jobs.try_once(None, lambda: None).kind == "rejected"


@pytest.mark.django_db(transaction=True)
def test_eight_askers_and_eight_senders_at_once_send_one():
    cast = make_cast()
    with seeding():
        Practitioner.objects.filter(pk=cast.zhao.pk).update(phone="13812346721")

    def both(_n):
        try:
            sms = tell(cast)[1]
            return actions.take_staff_message(message_id=sms.pk, at=NOW, by=SYSTEM)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        taken = [one for one in pool.map(both, range(8)) if one]
    assert len(taken) == 1
    assert StaffMessage.objects.count() == 2


# --- the own inbox ---------------------------------------------------------------------------------------------------------


def test_one_sees_ones_own_messages_only_and_marks_them_read(cast, phone):
    inbox, _sms = tell(cast)
    doctor, nurse = cast.client(cast.zhao), cast.client(cast.wang)
    page = doctor.get(reverse("messaging:own")).content.decode()
    assert f'data-message="{inbox.pk}"' in page
    assert 'data-unread="1"' in page
    assert f'data-message="{inbox.pk}"' not in nurse.get(reverse("messaging:own")).content.decode()
    nurse.post(reverse("messaging:own"))
    assert staff.unread(cast.as_zhao) == 1
    assert doctor.post(reverse("messaging:own")).status_code == 302
    assert staff.unread(cast.as_zhao) == 0
    assert doctor.get(reverse("messaging:own-bell")).status_code == 200


def test_the_inbox_says_what_became_of_the_sms(cast, phone):
    _inbox, sms = tell(cast)
    send(sms, Outcome.accepted("r"))
    (line,) = staff.inbox(cast.as_zhao, language="en")
    assert line.sms
    assert line.is_new
    assert "15" in line.text


def test_nothing_about_a_patient_is_kept_or_recorded(cast, phone):
    tell(cast)
    row = StaffMessage.objects.first()
    kept = json.dumps(
        [row.params, *AuditEvent.objects.values_list("payload", flat=True)], ensure_ascii=False, default=str
    )
    assert cast.zhang.name not in kept
    assert {field.name for field in StaffMessage._meta.fields}.isdisjoint({"patient", "patient_id"})


def test_the_inbox_asks_no_more_with_more_messages(cast, phone, django_assert_num_queries):
    for n in range(5):
        tell(cast, key=f"k{n}")
    viewer = cast.as_zhao
    with django_assert_num_queries(2):
        assert len(staff.inbox(viewer, language="zh")) == 5
