"""Staff hear of urgent alerts and of emergency access by message: once, without a patient's name."""

from dataclasses import replace
from datetime import timedelta

import pytest

from careloop.accounts.models import Practitioner
from careloop.alerts import actions, jobs
from careloop.alerts.tests.test_actions import WEIGHT, later, raise_one
from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.kernel.viewer import Viewer
from careloop.messaging.models import StaffMessage
from careloop.patients.actions import break_glass
from tests.cast import NOW

pytestmark = pytest.mark.django_db
BY = Viewer.system("tests")


def told(way="inbox", **narrow):
    return StaffMessage.objects.filter(way=way, **narrow).order_by("requested_at", "key")


def raised(alert):
    jobs.text_new_owner.func(event={"alert_id": str(alert.pk), "owner_id": str(alert.owner_id)})


def test_the_owner_of_an_urgent_alert_hears_of_it_once(cast):
    alert = raise_one(cast)
    for _ in range(3):
        raised(alert)
    assert [one.recipient_id for one in told()] == [alert.owner_id]
    assert told().get().template_code == "alert-owner"


def test_a_message_to_staff_says_nothing_about_the_patient(cast):
    alert = raise_one(cast)
    raised(alert)
    text = str(told().get().params)
    assert cast.zhang.name not in text
    assert alert.sentence_zh not in text
    assert set(told().get().params) == {"severity", "department", "minutes"}


def test_a_watch_rings_in_nobodys_pocket(cast):
    alert = raise_one(cast, finding=replace(WEIGHT, severity="watch"))
    assert alert.severity == "watch"
    raised(alert)
    assert not told().exists()


def test_who_took_it_already_is_left_alone(cast):
    alert = raise_one(cast)
    actions.accept(alert=alert, at=later(1), by=cast.as_zhao)
    raised(alert)
    assert not told().exists()


def test_handed_over_the_new_owner_hears_of_it(cast):
    alert = raise_one(cast)
    raised(alert)
    actions.accept(alert=alert, at=later(1), by=cast.as_zhao)
    actions.hand_over(alert=alert, to=cast.wang.pk, at=later(2), by=cast.as_zhao)
    jobs.text_new_owner.func(event={"alert_id": str(alert.pk), "to_id": str(cast.wang.pk)})
    assert {one.recipient_id for one in told()} == {alert.owner_id, cast.wang.pk}


def test_each_rung_tells_its_person_once(cast):
    alert = raise_one(cast)
    for level in (1, 1, 2):
        actions.text_escalation(
            alert_id=alert.pk, to_id=cast.qian.pk, level=level, role="department-head", at=later(31), by=BY
        )
    assert [one.template_code for one in told()] == ["alert-escalated"] * 2


def test_the_duty_phone_is_the_number_of_the_duty_list(cast):
    alert = raise_one(cast)
    actions.set_duty(
        organization_id=cast.cardiology.pk, kind="department-duty", practitioner_id=cast.zhao.pk, phone="13800000009",
        valid_from=NOW - timedelta(days=1), valid_to=None, at=NOW, by=cast.viewer(cast.qian),
    )  # fmt: skip
    actions.text_duty_phone(alert_id=alert.pk, to_id=cast.zhao.pk, at=later(6), by=BY)
    assert told("sms").get().address == "+8613800000009"


def test_nobody_is_rung_for_a_closed_alert(cast):
    alert = raise_one(cast)
    actions.accept(alert=alert, at=later(1), by=cast.as_zhao)
    actions.close(alert=alert, code="duplicate", at=later(2), by=cast.as_zhao)
    assert actions.text_duty_phone(alert_id=alert.pk, to_id=cast.zhao.pk, at=later(6), by=BY) == 0
    assert actions.text_escalation(alert_id=alert.pk, to_id=cast.qian.pk, level=1, role="x", at=later(6), by=BY) == 0


def test_climbing_says_to_whom_in_the_fact(cast):
    alert = raise_one(cast)
    actions.escalate(alert_id=alert.pk, at=later(40), by=BY)
    fact = AuditEvent.objects.filter(name="alerts.AlertEscalated").latest("id")
    assert fact.payload["to_id"] == str(cast.qian.pk)


def test_emergency_access_is_told_to_who_answers_and_never_to_who_did_it(cast):
    grant = break_glass(patient_id=cast.zhang.pk, reason="collapsed in the hall", at=NOW, by=cast.as_li)
    for _ in range(2):
        jobs.tell_of_emergency_access.func(event={"grant_id": str(grant.pk)})
    recipients = [one.recipient_id for one in told(template_code="glass-broken")]
    assert cast.qian.pk in recipients
    assert cast.li.pk not in recipients
    assert len(recipients) == len(set(recipients))


def test_a_person_who_left_is_told_nothing(cast):
    alert = raise_one(cast)
    with seeding():
        Practitioner.objects.filter(pk=alert.owner_id).update(is_active=False)
    raised(alert)
    assert not told().exists()
