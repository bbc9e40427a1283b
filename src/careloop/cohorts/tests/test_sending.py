"""A message to many with a link for each: who gets it, where the link leads, when it leaves, and taking it back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from careloop.audit.models import AuditEvent
from careloop.batches import jobs as batches_jobs
from careloop.batches.actions import undo_batch
from careloop.batches.models import Batch, BatchItem
from careloop.batches.reads import reasons
from careloop.cohorts import actions
from careloop.cohorts.models import Selection
from careloop.cohorts.reads import bulk, sending
from careloop.cohorts.reads.wording import exclusion_words
from careloop.cohorts.rules.bulk import LINK_LASTS, UNSENT_FOR, target_of
from careloop.cohorts.tests import factories as make
from careloop.kernel.actions import seeding
from careloop.messaging import actions as messaging
from careloop.messaging.models import Communication, MessageTemplate
from careloop.messaging.reads.texts import link_address
from careloop.messaging.tests.factories import claim, site
from careloop.patients.actions import set_consent
from careloop.patients.models import AccessLink, ContactPoint, Patient
from careloop.patients.rules.links import link_token, token_digest
from careloop.tasks.models import Task
from careloop.tasks.tests.factories import make_task
from tests.cast import NOW, SYSTEM, Cast

FORM = "https://careloop.org/fhir/Questionnaire/any"


@pytest.fixture(autouse=True)
def sends_sms(cast: Cast) -> Iterator[None]:
    with site(sms_quiet_hours=""):
        messaging.load_templates(at=NOW, by=SYSTEM)
        yield


def text(code: str = "follow-up-link", channel: str = "sms") -> MessageTemplate:
    return MessageTemplate.objects.get(code=code, channel=channel, state="approved")


def somebody(cast: Cast, *, asked: bool = True, home: bool = True, phone: bool = True) -> Patient:
    """A patient of Cardiology: discharged, with a telephone, with an open follow-up that has a form."""
    patient = make.person(cast.cardiology, phone=phone)
    if home:
        make.stay(patient, cast.cardiology)
    if asked:
        make_task(cast, patient=patient, questionnaire_url=FORM)
    return patient


def choose(cast: Cast, *people: Patient) -> Selection:
    return actions.select_rows(subject="patient", ids=[p.pk for p in people], came_from="cohort", by=cast.as_wang)


def told(cast: Cast, template: MessageTemplate, *people: Patient, at: datetime | None = None) -> bulk.Preview:
    values = {"template": str(template.pk)}
    return bulk.preview(choose(cast, *people), "send", values, viewer=cast.as_wang, at=at or timezone.now())


def begin(cast: Cast, template: MessageTemplate, *people: Patient) -> Batch:
    return actions.start_bulk(
        selection_id=choose(cast, *people).pk, verb="send", values={"template": str(template.pk)}, title="t",
        at=timezone.now(), by=cast.as_wang,
    )  # fmt: skip


def run(batch: Batch) -> Batch:
    assert batches_jobs.work_through(batch.pk, seconds=60)
    batch.refresh_from_db()
    return batch


def messages() -> list[Communication]:
    return list(Communication.objects.unscoped("test").select_related("link").order_by("pk"))


# ---- a link of one's own ------------------------------------------------------------------------------------------


def test_each_gets_a_link_of_their_own_to_their_own_follow_up(cast: Cast):
    people = [somebody(cast) for _n in range(4)]
    batch = run(begin(cast, text(), *people))
    assert (batch.done, batch.skipped, batch.failed) == (4, 0, 0)
    sent = messages()
    assert {one.patient_id for one in sent} == {p.pk for p in people}
    assert len({link_address(one.link_id) for one in sent}) == 4
    for one in sent:
        task = Task.objects.unscoped("test").get(patient_id=one.patient_id)
        assert (one.link.patient_id, one.link.task_id, one.link.purpose) == (one.patient_id, task.pk, "questionnaire")
        assert one.task_id == task.pk
        assert one.link.expires_at - one.requested_at == LINK_LASTS
        assert one.params["discharge_date"]


def test_only_the_digest_of_a_link_is_kept(cast: Cast, settings):
    run(begin(cast, text(), somebody(cast)))
    (one,) = messages()
    token = link_token(one.link_id, settings.SECRET_KEY)
    assert one.link.token_hash == token_digest(token)
    facts = str(list(AuditEvent.objects.values_list("payload", flat=True)))
    assert token not in facts + str(one.params) + str(list(BatchItem.objects.values_list("data", "result")))


def test_a_second_message_to_the_same_follow_up_has_another_link(cast: Cast):
    patient = somebody(cast)
    run(begin(cast, text(), patient))
    with seeding():
        Communication.objects.unscoped("test").update(requested_at=NOW - timedelta(days=40), state="delivered", delivered_at=NOW)  # fmt: skip
    run(begin(cast, text("follow-up-reminder"), patient))
    first, second = messages()
    assert first.link_id != second.link_id


@pytest.mark.parametrize(
    ("code", "purpose", "has_task"),
    [
        ("follow-up-link", "questionnaire", True),
        ("follow-up-reminder", "questionnaire", True),
        ("missed-call", "questionnaire", True),
        ("satisfaction-link", "questionnaire", True),
        ("measurement-link", "measurement", False),
        ("plan-link", "home", False),
        ("caring-message", "", False),
    ],
)
def test_where_the_link_of_each_text_leads(cast: Cast, code: str, purpose: str, has_task: bool):
    run(begin(cast, text(code), somebody(cast)))
    (one,) = messages()
    assert (one.link.purpose if one.link else "") == purpose
    assert (one.task_id is not None) == has_task


@pytest.mark.parametrize(("asked", "purpose"), [(True, "questionnaire"), (False, "home")])
def test_a_text_of_the_hospital_leads_to_the_form_or_to_the_patients_pages(cast: Cast, asked: bool, purpose: str):
    assert target_of("own-text") == "any"
    with seeding():
        MessageTemplate.objects.filter(pk=text().pk).update(code="own-text")
    run(begin(cast, text("own-text"), somebody(cast, asked=asked)))
    assert [one.link.purpose for one in messages()] == [purpose]


def test_the_follow_up_that_is_due_first_is_meant(cast: Cast):
    patient = somebody(cast, asked=False)
    make_task(cast, patient=patient, questionnaire_url=FORM, due_at=NOW + timedelta(days=9))
    first = make_task(cast, patient=patient, questionnaire_url=FORM, due_at=NOW + timedelta(days=1))
    make_task(cast, patient=patient, due_at=NOW)  # has no form
    run(begin(cast, text(), patient))
    assert [one.task_id for one in messages()] == [first.pk]


# ---- who is left out ----------------------------------------------------------------------------------------------


PATIENT = {"died": {"deceased": True}, "refused": {"do_not_contact": True}, "merged": {"active": False}}
NUMBER = {
    "landline": {"is_mobile": False}, "dead-number": {"last_result": "empty-number"},
    "wrong-person": {"last_result": "wrong-person"}, "no-phone": {"active": False},
}  # fmt: skip


def spoil(patient: Patient, how: str) -> None:
    """What may happen to somebody who could be written to."""
    with seeding():
        Patient.objects.unscoped("test").filter(pk=patient.pk).update(**PATIENT.get(how, {"name": patient.name}))
        if how in NUMBER:
            ContactPoint.objects.unscoped("test").filter(patient=patient).update(**NUMBER[how])
        if how == "answered":
            done = {"status": "completed", "outcome": "x", "ended_at": NOW}
            Task.objects.unscoped("test").filter(patient=patient).update(**done)
    if how == "no-consent":
        set_consent(patient=patient, scope="contact-sms", decision="deny", how="call", at=NOW, by=SYSTEM)
    if how == "told":
        messaging.queue_message(
            key="other", patient_id=patient.pk, channel="sms", template_code="caring-message", params={},
            at=timezone.now(), by=SYSTEM,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("died", "died"), ("refused", "refused"), ("no-consent", "no-consent"), ("landline", "no-number"),
        ("dead-number", "no-number"), ("wrong-person", "no-number"), ("no-phone", "no-number"),
        ("answered", "no-form"), ("told", "told-today"), ("merged", "not-visible"),
    ],
)  # fmt: skip
def test_who_is_left_out_and_why(cast: Cast, how: str, reason: str):
    good, bad = somebody(cast), somebody(cast)
    spoil(bad, how)
    found = told(cast, text(), good, bad)
    assert found.included == (good.pk,)
    assert dict(found.excluded) == {bad.pk: reason}
    assert exclusion_words(reason) != reason


@pytest.mark.parametrize("how", ["died", "no-consent", "landline", "answered", "told"])
def test_what_changed_since_the_preview_is_seen_when_it_comes_to_it(cast: Cast, how: str):
    good, bad = somebody(cast), somebody(cast)
    batch = begin(cast, text(), good, bad)
    spoil(bad, how)
    run(batch)
    assert (batch.done, batch.skipped) == (1, 1)
    (why,) = reasons(batch)
    assert why.code.startswith("excluded-")
    assert why.words == exclusion_words(why.code)
    mine = Communication.objects.unscoped("test").filter(key__startswith="bulk:")
    assert [one.patient_id for one in mine] == [good.pk]
    assert AccessLink.objects.unscoped("test").count() == 1  # nobody who is left out gets a link


def test_without_a_stay_a_text_that_names_its_day_cannot_go(cast: Cast):
    never, home = somebody(cast, home=False), somebody(cast)
    assert dict(told(cast, text(), never, home).excluded) == {never.pk: "no-stay"}
    assert told(cast, text("measurement-link"), never).included == (never.pk,)


def test_foreign_patients_are_not_yours(cast: Cast):
    assert dict(told(cast, text("plan-link"), cast.ma).excluded) == {cast.ma.pk: "not-visible"}


def test_a_site_without_a_gateway_says_so_before(cast: Cast):
    patient = somebody(cast)
    with site(sms_gateway_url=""):
        assert dict(told(cast, text(), patient).excluded) == {patient.pk: "channel-unavailable"}


def test_a_plan_that_writes_today_keeps_its_patient_for_itself(cast: Cast):
    from careloop.plans.models import LadderRun

    patient, other = somebody(cast), somebody(cast)
    stay = make.stay(patient, cast.cardiology)
    plan = make.care_plan(patient, stay, definition=make.plan_definition())
    at = timezone.now()
    with seeding():
        LadderRun.objects.create(patient=patient, care_plan=plan, task_id=uuid4(), starts_at=at, next_move_at=at)
        LadderRun.objects.create(
            patient=other, care_plan=plan, task_id=uuid4(), starts_at=at, next_move_at=at + timedelta(days=3)
        )
    assert dict(told(cast, text(), patient, other, at=at).excluded) == {patient.pk: "told-today"}


@pytest.mark.parametrize(
    ("hours", "free"), [(0, False), (-1, False), (-30, True)], ids=["now", "an hour ago", "the day before"]
)
def test_a_day_is_a_day_in_the_hospital(cast: Cast, hours: int, free: bool):
    """22:00 in the hospital; one hour ago is today, thirty hours ago is not."""
    at = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
    patient = somebody(cast)
    spoil(patient, "told")
    with seeding():
        Communication.objects.unscoped("test").update(
            state="delivered", claimed_at=at + timedelta(hours=hours), requested_at=at + timedelta(hours=hours),
            not_before=at + timedelta(hours=hours), sent_at=at, delivered_at=at,
        )  # fmt: skip
    assert bool(told(cast, text(), patient, at=at).included) is free


@pytest.mark.parametrize(("minute", "free"), [(15 * 60 + 59, False), (16 * 60, True)])
def test_the_day_ends_at_midnight_in_the_hospital(cast: Cast, minute: int, free: bool):
    """A message that left at 23:00 on the 20th; 23:59 is the same day, 00:00 the next (UTC+8)."""
    patient = somebody(cast)
    spoil(patient, "told")
    left = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
    with seeding():
        Communication.objects.unscoped("test").update(state="sent", claimed_at=left, requested_at=left, not_before=left, sent_at=left)  # fmt: skip
    at = datetime(2026, 11, 20, tzinfo=UTC) + timedelta(minutes=minute)
    assert bool(told(cast, text(), patient, at=at).included) is free


@pytest.mark.parametrize("state", ["suppressed", "failed"])
def test_a_message_that_did_not_go_keeps_nobody_out(cast: Cast, state: str):
    patient = somebody(cast)
    spoil(patient, "told")
    with seeding():
        Communication.objects.unscoped("test").update(state=state, reason="gave-up", ended_at=timezone.now())
    assert told(cast, text(), patient).included == (patient.pk,)


def test_the_inbox_of_the_patient_pages_disturbs_nobody(cast: Cast):
    patient = somebody(cast)
    spoil(patient, "told")
    assert told(cast, text("follow-up-link", "portal"), patient).included == (patient.pk,)


# ---- when it leaves, and back -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clock", "leaves", "quiet"),
    [
        ("10:00", "10:05", False), ("20:54", "20:59", False), ("20:55", "08:00", True), ("23:58", "08:00", True),
        ("00:00", "08:00", True), ("07:54", "08:00", True), ("07:55", "08:00", False), ("08:00", "08:05", False),
    ],
)  # fmt: skip
def test_when_the_first_message_leaves(cast: Cast, clock: str, leaves: str, quiet: bool):
    at = timezone.make_aware(datetime.fromisoformat(f"2026-11-20T{clock}"))
    with site(sms_quiet_hours="21:00-08:00"):
        assert f"{timezone.localtime(sending.first_leaves_at(text(), at=at)):%H:%M}" == leaves
        assert sending.is_quiet(text(), at=at) is quiet


def test_nothing_leaves_in_the_first_minutes(cast: Cast):
    run(begin(cast, text(), somebody(cast)))
    (one,) = messages()
    assert one.not_before - one.requested_at == UNSENT_FOR
    soon = one.requested_at + UNSENT_FOR
    assert not claim(soon - timedelta(seconds=1), channels=("sms",)).messages
    assert [m.id for m in claim(soon, channels=("sms",)).messages] == [one.pk]


def test_until_it_has_left_it_can_be_taken_back_and_its_link_is_shut(cast: Cast):
    people = [somebody(cast) for _n in range(3)]
    batch = run(begin(cast, text(), *people))
    gone = messages()[0]
    with seeding():
        Communication.objects.unscoped("test").filter(pk=gone.pk).update(state="sent", sent_at=NOW)
    undone = run(undo_batch(batch_id=batch.pk, at=timezone.now(), by=cast.as_wang))
    assert (undone.done, undone.skipped) == (2, 1)
    assert [r.code for r in reasons(undone)] == ["bulk-message-left"]
    held = [one for one in messages() if one.pk != gone.pk]
    assert {(one.state, one.reason) for one in held} == {("suppressed", "withdrawn")}
    assert all(one.link.revoked_at for one in held)
    assert messages()[0].link.revoked_at is None
    states = dict(Task.objects.unscoped("test").values_list("patient_id", "message_state"))
    assert states[gone.patient_id] == "sent"
    assert {states[one.patient_id] for one in held} == {""}


def test_taking_back_twice_is_told(cast: Cast):
    run(begin(cast, text(), somebody(cast)))
    (one,) = messages()
    actions.unsend_one(communication_id=one.pk, at=NOW, by=cast.as_wang)
    with pytest.raises(actions.MessageLeft):
        actions.unsend_one(communication_id=one.pk, at=NOW, by=cast.as_wang)


def test_a_stranger_takes_nothing_back(cast: Cast):
    run(begin(cast, text(), somebody(cast)))
    (one,) = messages()
    for pk in (one.pk, uuid4()):
        with pytest.raises(actions.MessageLeft):
            actions.unsend_one(communication_id=pk, at=NOW, by=cast.as_li)
    assert messages()[0].state == "queued"


# ---- once, and cheaply --------------------------------------------------------------------------------------------


def test_the_same_batch_again_writes_to_nobody_twice(cast: Cast):
    people = [somebody(cast) for _n in range(3)]
    given = {"patient_ids": [p.pk for p in people], "template_id": text().pk, "batch_id": uuid4(), "by": cast.as_wang}
    first = actions.send_to_many(at=timezone.now(), **given)
    again = actions.send_to_many(at=timezone.now(), **given)
    assert first == again
    assert (len(messages()), AccessLink.objects.unscoped("test").count()) == (3, 3)


def test_two_selections_of_the_same_people_on_one_day_disturb_them_once(cast: Cast):
    patient = somebody(cast)
    run(begin(cast, text(), patient))
    found = told(cast, text("plan-link"), patient)
    assert dict(found.excluded) == {patient.pk: "told-today"}


def test_a_chunk_reads_the_same_number_of_statements_for_many(cast: Cast):
    def cost(count: int) -> int:
        batch = begin(cast, text(), *[somebody(cast) for _n in range(count)])
        with CaptureQueriesContext(connection) as asked:
            run(batch)
        return len(asked)

    cost(1)
    assert cost(22) - cost(2) <= 2


def test_a_text_retired_since_the_preview_goes_to_nobody(cast: Cast):
    batch = begin(cast, text(), somebody(cast), somebody(cast))
    messaging.retire_template(template=text(), at=NOW, by=SYSTEM)
    run(batch)
    assert (batch.done, [r.code for r in reasons(batch)]) == (0, ["bulk-unknown"])


def test_the_page_says_when_it_leaves_and_who_is_left_out(cast: Cast):
    patient, dead = somebody(cast), somebody(cast)
    spoil(dead, "died")
    selection, client = choose(cast, patient, dead), cast.client(cast.wang)
    address, given = reverse("cohorts:bulk-work", args=[selection.pk, "send"]), {"template": str(text().pk)}
    page = client.get(address, given).content.decode()
    assert 'data-included="1"' in page
    assert 'data-reason="died"' in page
    assert 'data-leaves="soon"' in page
    with site(sms_quiet_hours="00:00-12:00,12:00-23:59"):
        assert 'data-leaves="quiet"' in client.get(address, given).content.decode()
    client.post(reverse("cohorts:bulk-start", args=[selection.pk, "send"]), given)
    run(Batch.objects.get(kind="cohorts.send"))
    assert len(messages()) == 1
