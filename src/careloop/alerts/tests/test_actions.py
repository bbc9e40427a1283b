"""Raised once, owned by one, acted on, closed, undone, escalated: states and recorded facts."""

import threading
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection, connections

from careloop.alerts import actions, reads, rules
from careloop.alerts.actions import Finding, Origin
from careloop.alerts.models import Absence, Alert, AlertAction, Duty, Notice
from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.kernel.viewer import Viewer
from careloop.messaging.actions import load_templates
from careloop.messaging.models import Communication
from careloop.patients.models import AccessLink
from careloop.tasks.models import Task
from tests.cast import LONG_AGO, NOW, make_cast

SYSTEM = Viewer.system("tests")
CHEST_PAIN = Finding(
    rule_code="chest-pain-at-rest",
    severity="critical",
    sentence_zh="静息时胸闷",
    sentence_en="Chest tightness at rest",
    evidence=({"link_id": "chest", "question": "胸闷什么时候出现", "answer": "静息时"},),
)
WEIGHT = Finding(rule_code="weight-gain", severity="high", sentence_zh="三天增重超过 2 kg")


def later(minutes):
    return NOW + timedelta(minutes=minutes)


def origin_of(cast, **more):
    values = {
        "patient_id": cast.zhang.pk, "department_id": cast.cardiology.pk, "encounter_id": cast.stay.pk,
        "response_id": uuid4(),
    } | more  # fmt: skip
    return Origin(**values)


def raise_one(cast, finding=CHEST_PAIN, at=NOW, **more):
    (alert,) = actions.raise_findings(origin=origin_of(cast, **more), findings=[finding], at=at, by=SYSTEM)
    return again(alert)


def again(alert):
    return Alert.objects.unscoped("test").get(pk=alert.pk)


def history(alert):
    rows = AlertAction.objects.unscoped("test").filter(alert=alert).order_by("created_at", "id")
    return list(rows.values_list("kind", flat=True))


def facts(name):
    return AuditEvent.objects.filter(name=name).count()


def work_order(alert):
    return Task.objects.unscoped("test").get(pk=alert.work_order_id)


def told(alert):
    rows = Notice.objects.unscoped("test").filter(alert=alert)
    return {(row.practitioner_id, row.why) for row in rows}


# --- raising


def test_raised_with_owner_deadline_work_order_and_notices(cast):
    with seeding():
        type(cast.stay).objects.unscoped("test").filter(pk=cast.stay.pk).update(nurse=cast.wang)
    alert = raise_one(cast)
    assert (alert.status, alert.owner_id, alert.found_role) == ("raised", cast.zhao.pk, rules.ATTENDING)
    assert (alert.respond_by, alert.close_by) == (later(30), later(240))
    assert alert.stand_in_id == cast.qian.pk
    assert told(alert) == {(cast.zhao.pk, "owner"), (cast.wang.pk, "nurse")}
    task = work_order(alert)
    assert (task.kind, task.owner_id, task.focus_id, task.due_at, task.risk) == (
        "alert", cast.zhao.pk, alert.pk, later(30), "critical",
    )  # fmt: skip
    assert history(alert) == ["raised"]
    assert facts("alerts.AlertRaised") == 1


def test_the_same_answers_judged_again_raise_nothing(cast):
    origin = origin_of(cast)
    first = actions.raise_findings(origin=origin, findings=[CHEST_PAIN, WEIGHT], at=NOW, by=SYSTEM)
    second = actions.raise_findings(origin=origin, findings=[CHEST_PAIN, WEIGHT], at=later(1), by=SYSTEM)
    assert (len(first), len(second)) == (2, 0)
    assert Task.objects.unscoped("test").filter(kind="alert").count() == 2
    assert actions.raise_findings(origin=origin, findings=[], at=NOW, by=SYSTEM) == ()


def test_a_rule_that_asks_for_the_nurse_copies_the_doctor(cast):
    with seeding():
        type(cast.stay).objects.unscoped("test").filter(pk=cast.stay.pk).update(nurse=cast.wang)
    finding = Finding(rule_code="x", severity="watch", sentence_zh="x", owner_role=rules.NURSE)
    alert = raise_one(cast, finding)
    assert (alert.owner_id, alert.copied_to_id) == (cast.wang.pk, cast.zhao.pk)
    assert told(alert) == {(cast.wang.pk, "owner"), (cast.zhao.pk, "copy")}


def test_while_the_doctor_is_away_the_stand_in_owns_it(cast):
    with seeding():
        Absence.objects.create(practitioner=cast.zhao, stand_in=cast.qian, valid_from=LONG_AGO)
    alert = raise_one(cast)
    assert (alert.owner_id, alert.found_role) == (cast.qian.pk, rules.STAND_IN)


def test_a_duty_list_comes_before_roles(cast):
    with seeding():
        Duty.objects.create(organization=cast.cardiology, kind=rules.DUTY, practitioner=cast.wang, valid_from=LONG_AGO)
    alert = raise_one(cast, encounter_id=None)
    assert (alert.owner_id, alert.found_role) == (cast.wang.pk, rules.DUTY)


def test_a_doctor_who_cannot_sign_in_does_not_own(cast):
    with seeding():
        cast.zhao.username = None
        cast.zhao.save()
    assert raise_one(cast).owner_id == cast.qian.pk


def test_without_anybody_it_is_unowned_but_on_the_list(cast):
    alert = raise_one(cast, department_id=cast.orthopaedics.pk, encounter_id=cast.other_stay.pk, patient_id=cast.ma.pk)
    assert alert.owner_id is None
    assert alert.work_order_id is not None


# --- seen, accepted


def test_seen_when_the_owner_opens_it_not_when_others_do(cast):
    alert = raise_one(cast)
    assert actions.mark_seen(alert=alert, at=later(1), by=cast.as_wang) is False
    assert again(alert).seen_at is None
    assert actions.mark_seen(alert=alert, at=later(2), by=cast.as_zhao) is True
    assert actions.mark_seen(alert=alert, at=later(3), by=cast.as_zhao) is False
    assert (again(alert).status, again(alert).seen_at) == ("seen", later(2))
    assert Notice.objects.unscoped("test").filter(practitioner=cast.zhao, seen_at=later(2)).count() == 1


def test_who_accepts_owns_it_and_its_work_order(cast):
    alert = raise_one(cast)
    taken = actions.accept(alert=alert, at=later(3), by=cast.viewer(cast.qian))
    assert (taken.status, taken.owner_id, taken.accepted_by_id) == ("accepted", cast.qian.pk, cast.qian.pk)
    assert (taken.accepted_at, taken.seen_at) == (later(3), later(3))
    assert work_order(taken).owner_id == cast.qian.pk
    with pytest.raises(actions.AlertTaken):
        actions.accept(alert=alert, at=later(4), by=cast.as_zhao)
    assert facts("alerts.AlertAccepted") == 1


def test_an_alert_out_of_sight_cannot_be_accepted(cast):
    alert = raise_one(cast)
    with pytest.raises(actions.AlertNotYours):
        actions.accept(alert=alert, at=later(1), by=cast.as_li)


# --- hand over


def test_hand_over_starts_again_with_a_new_owner_and_a_little_time(cast):
    alert = raise_one(cast)
    actions.accept(alert=alert, at=later(25), by=cast.as_zhao)
    given = actions.hand_over(alert=alert, to=cast.qian.pk, note="手术中", at=later(28), by=cast.as_zhao)
    assert (given.status, given.owner_id, given.accepted_at) == ("raised", cast.qian.pk, None)
    assert given.respond_by == later(38)
    assert (cast.qian.pk, "owner") in told(given)
    assert work_order(given).owner_id == cast.qian.pk


@pytest.mark.parametrize("to", ["nobody", "owner"])
def test_hand_over_to_nobody_is_refused(cast, to):
    alert = raise_one(cast)
    target = uuid4() if to == "nobody" else cast.zhao.pk
    with pytest.raises(actions.NobodyToHandOverTo):
        actions.hand_over(alert=alert, to=target, at=later(1), by=cast.as_zhao)


@pytest.mark.parametrize("who", ["li", "he", "system_admin", "audit_admin"])
def test_nobody_gets_an_alert_who_could_not_handle_it(cast, who):
    """Another department's nurse would see a patient of ours; a manager's or administrator's would lie there."""
    alert = raise_one(cast)
    with pytest.raises(actions.NobodyToHandOverTo):
        actions.hand_over(alert=alert, to=getattr(cast, who).pk, at=later(1), by=cast.as_zhao)


def test_a_colleague_passes_on_what_the_owner_left_behind(cast):
    alert = raise_one(cast)
    actions.accept(alert=alert, at=later(1), by=cast.as_zhao)
    given = actions.hand_over(alert=alert, to=cast.qian.pk, note="交班", at=later(2), by=cast.as_wang)
    assert given.owner_id == cast.qian.pk
    entry = given.actions.order_by("-at", "-pk").first()
    assert (entry.kind, entry.by_practitioner_id, entry.to_practitioner_id) == (
        "handed-over",
        cast.wang.pk,
        cast.qian.pk,
    )
    with pytest.raises(actions.AlertNotYours):
        actions.act(alert=alert, code="phone-contact", at=later(3), by=cast.as_zhao)


# --- act and close


def test_the_whole_way_with_its_times(cast):
    alert = raise_one(cast)
    actions.mark_seen(alert=alert, at=later(1), by=cast.as_zhao)
    actions.accept(alert=alert, at=later(2), by=cast.as_zhao)
    actions.act(alert=alert, code="phone-contact", note="已通话", at=later(5), by=cast.as_zhao)
    done = actions.close(alert=alert, code="resolved", note="胸闷缓解", at=later(9), by=cast.as_zhao)
    assert (done.seen_at, done.accepted_at, done.acted_at, done.closed_at) == tuple(map(later, (1, 2, 5, 9)))
    assert (done.status, done.closing_code, done.closed_by_id) == ("closed", "resolved", cast.zhao.pk)
    task = work_order(done)
    assert (task.status, task.closed_reason, task.ended_at) == ("cancelled", "alert-handled", later(9))
    assert history(done) == ["raised", "seen", "accepted", "acted", "closed"]
    assert facts("alerts.AlertClosed") == 1


def test_only_the_owner_acts_and_closes(cast):
    alert = raise_one(cast)
    with pytest.raises(actions.AlertNotYours):  # not yet accepted
        actions.act(alert=alert, code="phone-contact", at=later(1), by=cast.as_zhao)
    actions.accept(alert=alert, at=later(1), by=cast.as_zhao)
    for step in (actions.act, actions.close):
        with pytest.raises(actions.AlertNotYours):
            step(alert=alert, code="phone-contact" if step is actions.act else "resolved", at=later(2), by=cast.as_wang)


def test_codes_are_checked(cast):
    alert = raise_one(cast)
    actions.accept(alert=alert, at=later(1), by=cast.as_zhao)
    with pytest.raises(actions.UnknownChoice):
        actions.act(alert=alert, code="pray", at=later(2), by=cast.as_zhao)
    with pytest.raises(actions.UnknownChoice):
        actions.close(alert=alert, code="whatever", at=later(2), by=cast.as_zhao)
    with pytest.raises(actions.ClosingNeedsAction):
        actions.close(alert=alert, code="resolved", at=later(2), by=cast.as_zhao)
    assert actions.close(alert=alert, code="duplicate", at=later(2), by=cast.as_zhao).status == "closed"
    for step, code in ((actions.act, "phone-contact"), (actions.close, "duplicate")):
        with pytest.raises(actions.AlertIsClosed):
            step(alert=alert, code=code, at=later(3), by=cast.as_zhao)
    with pytest.raises(actions.AlertIsClosed):
        actions.accept(alert=alert, at=later(3), by=cast.as_zhao)


def test_an_extra_visit_is_on_the_list_at_once_and_undo_takes_it_back(cast):
    alert = raise_one(cast)
    actions.accept(alert=alert, at=later(1), by=cast.as_zhao)
    actions.act(alert=alert, code="extra-visit", days=3, at=later(2), by=cast.as_zhao)
    visit = Task.objects.unscoped("test").get(kind="follow-up", focus_id=alert.pk)
    assert (visit.due_at, visit.status) == (later(2) + timedelta(days=3), "requested")
    actions.undo(alert=alert, at=later(2.5), by=cast.as_zhao)
    visit.refresh_from_db()
    assert (visit.status, again(alert).status) == ("cancelled", "accepted")


def test_the_patient_is_asked_to_measure_by_a_message_that_says_nothing_of_the_alert(cast):
    load_templates(at=NOW, by=SYSTEM)
    alert = raise_one(cast)
    actions.accept(alert=alert, at=later(1), by=cast.as_zhao)
    actions.act(alert=alert, code="ask-to-measure", at=later(2), by=cast.as_zhao)
    message = Communication.objects.unscoped("test").get(patient=alert.patient)
    link = AccessLink.objects.unscoped("test").get(pk=message.link_id)
    assert (message.template_code, message.channel, link.purpose) == ("measurement-link", "sms", "measurement")
    assert alert.sentence_zh not in str(message.params)
    assert again(alert).status == "acted"


def test_a_message_that_left_is_not_taken_back_by_undo(cast):
    load_templates(at=NOW, by=SYSTEM)
    alert = raise_one(cast)
    actions.accept(alert=alert, at=later(1), by=cast.as_zhao)
    actions.act(alert=alert, code="ask-to-measure", at=later(2), by=cast.as_zhao)
    with pytest.raises(actions.NothingToUndo):
        actions.undo(alert=alert, at=later(2.5), by=cast.as_zhao)
    assert Communication.objects.unscoped("test").filter(patient=alert.patient).count() == 1


def test_that_the_family_was_told_stands_in_the_history(cast):
    alert = raise_one(cast)
    actions.accept(alert=alert, at=later(1), by=cast.as_zhao)
    actions.act(alert=alert, code="family-told", note="daughter", at=later(2), by=cast.as_zhao)
    actions.close(alert=alert, code="resolved", at=later(3), by=cast.as_zhao)
    assert history(alert) == ["raised", "accepted", "acted", "closed"]


# --- undo


def test_undo_of_a_close_opens_it_again_with_a_work_order(cast):
    alert = raise_one(cast)
    actions.accept(alert=alert, at=later(1), by=cast.as_zhao)
    actions.close(alert=alert, code="duplicate", at=later(2), by=cast.as_zhao)
    back = actions.undo(alert=alert, at=later(3), by=cast.as_zhao)
    assert (back.status, back.closed_at, back.closing_code) == ("accepted", None, "")
    task = work_order(again(alert))
    assert (task.status, task.owner_id) == ("requested", cast.zhao.pk)
    assert history(alert) == ["raised", "accepted", "closed", "undone"]


def test_undo_of_an_accept_gives_it_back(cast):
    alert = raise_one(cast)
    actions.accept(alert=alert, at=later(1), by=cast.viewer(cast.qian))
    back = actions.undo(alert=alert, at=later(2), by=cast.viewer(cast.qian))
    assert (back.status, back.owner_id, back.accepted_at) == ("raised", cast.zhao.pk, None)
    assert work_order(back).owner_id == cast.zhao.pk


def test_undo_is_short_and_ones_own(cast):
    alert = raise_one(cast)
    with pytest.raises(actions.NothingToUndo):
        actions.undo(alert=alert, at=later(1), by=cast.as_zhao)
    actions.accept(alert=alert, at=later(1), by=cast.as_zhao)
    with pytest.raises(actions.NothingToUndo):
        actions.undo(alert=alert, at=later(1), by=cast.viewer(cast.qian))
    with pytest.raises(actions.NothingToUndo):
        actions.undo(alert=alert, at=later(4), by=cast.as_zhao)


# --- escalation


def test_the_ladder_is_climbed_once_and_the_duty_phone_rings_once(cast):
    alert = raise_one(cast)
    assert actions.escalate(alert_id=alert.pk, at=later(5), by=SYSTEM) == 0
    for minutes, steps in ((6, 1), (7, 0), (31, 1), (32, 0), (61, 1), (90, 0)):
        assert actions.escalate(alert_id=alert.pk, at=later(minutes), by=SYSTEM) == steps
    found = again(alert)
    assert (found.escalation_level, found.duty_phone_at) == (2, later(6))
    assert history(alert) == ["raised", "duty-phone", "escalated", "escalated"]
    assert (cast.qian.pk, "escalation") in told(alert)


def test_one_late_run_climbs_everything_that_is_due(cast):
    alert = raise_one(cast)
    assert actions.escalate(alert_id=alert.pk, at=later(200), by=SYSTEM) == 3


def test_what_is_accepted_or_gone_does_not_escalate(cast):
    alert = raise_one(cast)
    actions.accept(alert=alert, at=later(1), by=cast.as_zhao)
    assert actions.escalate(alert_id=alert.pk, at=later(100), by=SYSTEM) == 0
    assert actions.escalate(alert_id=uuid4(), at=later(100), by=SYSTEM) == 0


def test_an_accepted_alert_that_is_not_closed_in_time_is_told_to_the_head_once(cast):
    alert = raise_one(cast)
    actions.accept(alert=alert, at=later(1), by=cast.as_zhao)
    for minutes, steps in ((239, 0), (241, 1), (300, 0)):
        assert actions.escalate(alert_id=alert.pk, at=later(minutes), by=SYSTEM) == steps
    assert again(alert).owner_id == cast.zhao.pk
    assert (cast.qian.pk, "escalation") in told(alert)
    assert alert.pk in reads.overdue_ids(at=later(241))


def test_an_unowned_alert_gets_the_head_as_owner(cast):
    with seeding():
        Duty.objects.create(organization=cast.hospital, kind=rules.OVERSIGHT, practitioner=cast.he, valid_from=LONG_AGO)
    alert = raise_one(cast, patient_id=cast.ma.pk, department_id=cast.orthopaedics.pk, encounter_id=cast.other_stay.pk)
    assert alert.owner_id == cast.he.pk  # oversight is on every ladder


def test_the_job_escalates_all_that_are_due(cast):
    from careloop.alerts import jobs

    first, second = raise_one(cast), raise_one(cast, WEIGHT)
    jobs.escalate_due.func(timestamp=int(later(31).timestamp()))
    assert again(first).escalation_level == 1
    assert again(second).escalation_level == 0
    jobs.escalate_due.func(timestamp=int(later(121).timestamp()))
    assert again(second).escalation_level == 1


# --- the database itself


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "closed"},
        {"status": "closed", "closed_at": NOW, "accepted_at": NOW},
        {"status": "accepted"},
        {"accepted_at": NOW - timedelta(days=1), "status": "accepted"},
        {"seen_at": NOW},
        {"closing_code": "resolved"},
    ],
)
def test_impossible_rows_are_refused_by_the_database(cast, wrong):
    from django.db import IntegrityError, transaction

    alert = raise_one(cast)
    with seeding(), pytest.raises(IntegrityError), transaction.atomic():
        Alert.objects.unscoped("test").filter(pk=alert.pk).update(**wrong)


def test_a_live_notification_carries_ids_only(cast):
    alert = raise_one(cast)
    (text,) = reads.live_payloads(seconds=60)
    assert str(alert.pk) in text
    assert str(cast.cardiology.pk) in text
    for secret in ("Zhang", "胸闷", str(cast.zhang.pk), "chest"):
        assert secret not in text


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_of_eight_who_accept_at_once_one_wins():
    cast = make_cast()
    alert = raise_one(cast)
    viewers = [cast.viewer(person) for person in (cast.zhao, cast.wang, cast.qian, cast.sun)] * 2
    barrier, wins = threading.Barrier(8), []

    def try_it(viewer):
        try:
            barrier.wait()
            actions.accept(alert=alert, at=later(1), by=viewer)
            wins.append(viewer)
        except actions.AlertTaken:
            pass
        finally:
            connections.close_all()

    threads = [threading.Thread(target=try_it, args=[viewer]) for viewer in viewers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wins) == 1
    assert again(alert).owner_id == wins[0].practitioner_id


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_of_eight_judges_at_once_one_alert_comes():
    cast = make_cast()
    origin, barrier, made = origin_of(cast), threading.Barrier(8), []

    def judge():
        try:
            barrier.wait()
            made.extend(actions.raise_findings(origin=origin, findings=[CHEST_PAIN], at=NOW, by=SYSTEM))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=judge) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM tasks_task WHERE kind = 'alert'")
        assert cursor.fetchone()[0] == 1
