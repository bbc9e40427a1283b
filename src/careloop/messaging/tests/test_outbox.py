"""Queueing, claiming, writing back: states and recorded facts (security.md §6, cases F33, F34, A28; pains 5, 6)."""

import re
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from careloop.audit.models import AuditEvent
from careloop.messaging import actions
from careloop.messaging.models import Communication, MessageTemplate
from careloop.messaging.reads.texts import link_address, shown_text
from careloop.messaging.rules.requests import MessageRequest
from careloop.messaging.rules.states import Outcome
from careloop.patients.actions import set_consent
from careloop.patients.models import ContactPoint, RelatedPerson
from tests.cast import NOW, SYSTEM

from .factories import change, claim, fresh, guard, link_for, more_patients, queue, record, site

pytestmark = pytest.mark.django_db
NIGHT = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)  # 22:00 in the hospital
MORNING = datetime(2026, 11, 21, 0, 0, tzinfo=UTC)  # 08:00


@pytest.fixture(autouse=True)
def _site(db):
    with site():
        actions.load_templates(at=NOW, by=SYSTEM)
        yield


def facts(name):
    return AuditEvent.objects.filter(name=f"messaging.{name}").count()


def test_queued_message_has_no_token_and_its_words_when_sent(cast):
    link = link_for(cast.zhang)
    made = queue(
        cast.zhang, template_code="follow-up-link", params={"discharge_date": date(2026, 11, 13)}, link_id=link.pk
    )
    assert (made.state, made.address, made.language) == ("queued", "+8613800110347", "zh")
    assert made.params["discharge_date"] == "11月13日"
    token = link_address(link.pk).rpartition("/")[2]
    assert token not in str(made.__dict__)
    assert token not in str(AuditEvent.objects.values_list("payload", flat=True))
    assert shown_text(made).count("•••") == 1
    taken = claim()
    assert len(taken.messages) == 1
    text = taken.messages[0].text
    assert text.startswith("【云溪市第一人民医院】")
    assert link_address(link.pk) in text
    assert "11月13日" in text
    assert link_address(link.pk).startswith("http://localhost:8001/q/")
    assert facts("CommunicationQueued") == 1
    assert facts("CommunicationsClaimed") == 1


def test_the_same_key_gives_the_same_message(cast):
    first, second = queue(cast.zhang), queue(cast.zhang, template_code="stopped")
    assert first.pk == second.pk
    assert second.template_code == "caring-message"
    assert facts("CommunicationQueued") == 1
    twice = [
        MessageRequest(key="k2", patient_id=cast.zhang.pk, channel="sms", template_code="caring-message") for _ in "ab"
    ]
    pair = actions.queue_messages(requests=twice, at=NOW, by=SYSTEM)
    assert pair[0].pk == pair[1].pk
    assert facts("CommunicationQueued") == 2


@pytest.mark.parametrize(
    ("reason", "channel"),
    [
        ("patient-dead", "sms"),
        ("patient-dead", "portal"),
        ("do-not-contact", "sms"),
        ("do-not-contact", "portal"),
        ("no-contact", "sms"),
        ("no-contact", "email"),
        ("no-consent", "sms"),
        ("channel-unavailable", "wechat"),
        ("forbidden-word", "sms"),
    ],
)
def test_never_silently(cast, reason, channel):
    params = {}
    template = "caring-message" if channel != "email" else "revisit-reminder"
    if template == "revisit-reminder":
        params = {"due_date": "11月20日"}
    if reason == "patient-dead":
        change(cast.zhang, deceased=True)
    elif reason == "do-not-contact":
        change(cast.zhang, do_not_contact=True)
    elif reason == "no-contact":
        change(ContactPoint.objects.unscoped("t").get(patient=cast.zhang), is_valid=False)
    elif reason == "no-consent":
        set_consent(patient=cast.zhang, scope="contact-sms", decision="deny", how="call", at=NOW, by=SYSTEM)
    elif reason == "forbidden-word":
        template, params = "appointment-reminder", {"due_date": "1", "due_time": "09:30", "place": "肿瘤科门诊"}
    made = queue(cast.zhang, channel=channel, template_code=template, params=params)
    assert (made.state, made.reason) == ("suppressed", reason)
    assert made.ended_at == NOW
    assert facts("CommunicationSuppressed") == 1
    assert claim().is_empty


def test_a_new_permission_counts_over_an_old_refusal(cast):
    for hours, decision in ((2, "deny"), (1, "permit")):
        set_consent(
            patient=cast.zhang,
            scope="contact",
            decision=decision,
            how="call",
            at=NOW - timedelta(hours=hours),
            by=SYSTEM,
        )
    assert queue(cast.zhang).state == "queued"


def test_a_code_the_patient_asked_for_is_sent_in_spite_of_a_refusal(cast):
    set_consent(patient=cast.zhang, scope="contact-sms", decision="deny", how="call", at=NOW, by=SYSTEM)
    assert queue(cast.zhang, template_code="one-time-code").state == "queued"


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"template_code": "nothing"}, actions.TemplateMissing),
        ({"template_code": "revisit-reminder"}, actions.ParameterMissing),
        ({"params": {"diagnosis": "x"}}, actions.ParameterUnknown),
        ({"params": {"link": "http://evil"}}, actions.ParameterUnknown),
        ({"template_code": "follow-up-link", "params": {"discharge_date": "1"}}, actions.LinkMissing),
    ],
)
def test_refused(cast, values, error):
    with pytest.raises(error):
        queue(cast.zhang, **values)
    assert not Communication.objects.unscoped("t").exists()


def test_a_link_of_another_patient_is_refused(cast):
    with pytest.raises(actions.LinkMissing):
        queue(cast.zhang, template_code="follow-up-link", params={"discharge_date": "1"}, link_id=link_for(cast.ma).pk)


def test_another_departments_patient_cannot_be_written_to(cast):
    from careloop.patients.models import Patient

    with pytest.raises(Patient.DoesNotExist):
        queue(cast.ma, by=cast.as_wang)
    assert queue(cast.zhang, by=cast.as_wang).owner_id == cast.wang.pk


def test_the_verified_number_first_a_relative_only_if_allowed(cast):
    from careloop.kernel.actions import seeding

    with seeding():
        daughter = RelatedPerson.objects.create(patient=cast.zhang, name="周敏", may_receive=False)
        theirs = ContactPoint.objects.create(
            patient=cast.zhang, value="+8615900000348", is_mobile=True, related_person=daughter, verified_at=NOW
        )
        verified = ContactPoint.objects.create(
            patient=cast.zhang, value="+8613700000001", is_mobile=True, rank=5, verified_at=NOW
        )
        ContactPoint.objects.create(patient=cast.zhang, value="057188880000", is_mobile=False, rank=1, verified_at=NOW)
    assert queue(cast.zhang, "a").address == "+8613700000001"
    change(verified, last_result="empty-number")
    assert queue(cast.zhang, "b").address == "+8613800110347"
    change(ContactPoint.objects.unscoped("t").get(value="+8613800110347"), active=False)
    assert queue(cast.zhang, "c").reason == "no-contact"
    change(daughter, may_receive=True)
    assert queue(cast.zhang, "d").address == theirs.value
    assert queue(cast.zhang, "e", contact_point_id=uuid4()).reason == "no-contact"


# ---- the last look ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reason",
    [
        "patient-dead",
        "do-not-contact",
        "no-consent",
        "no-contact",
        "link-expired",
        "too-late",
        "template-withdrawn",
        "task-closed",
    ],
)
def test_what_became_true_after_queueing_stops_it(cast, reason):
    link = link_for(cast.zhang)
    made = queue(
        cast.zhang, template_code="follow-up-link", params={"discharge_date": "1"}, link_id=link.pk,
        task_id=uuid4(), expires_at=NOW + timedelta(hours=2),
    )  # fmt: skip
    at = NOW + timedelta(hours=1)
    if reason == "patient-dead":
        change(cast.zhang, deceased=True)
    elif reason == "do-not-contact":
        change(cast.zhang, do_not_contact=True)
    elif reason == "no-consent":
        set_consent(patient=cast.zhang, scope="contact-sms", decision="deny", how="call", at=at, by=SYSTEM)
    elif reason == "no-contact":
        change(ContactPoint.objects.unscoped("t").get(patient=cast.zhang), last_result="empty-number")
    elif reason == "link-expired":
        change(link, revoked_at=NOW)
    elif reason == "too-late":
        at = NOW + timedelta(hours=2)
    elif reason == "template-withdrawn":
        actions.retire_template(template=made.template, at=NOW, by=SYSTEM)
    closed = (
        "careloop.messaging.tests.test_outbox.nothing_is_open"
        if reason == "task-closed"
        else "careloop.messaging.tests.test_outbox.all_are_open"
    )
    with guard(closed):
        taken = claim(at)
    assert (taken.messages, taken.stopped) == ((), 1)
    made = fresh(made)
    assert (made.state, made.reason, made.attempts) == ("suppressed", reason, 0)
    assert facts("CommunicationSuppressed") == 1


def nothing_is_open(task_ids):
    return []


def all_are_open(task_ids):
    assert all(isinstance(task_id, UUID) for task_id in task_ids)
    return task_ids


def test_quiet_hours_hold_until_morning_but_not_what_is_urgent(cast):
    held, code = queue(cast.zhang, at=NIGHT), queue(cast.ma, "otp", template_code="one-time-code", at=NIGHT)
    inbox = queue(cast.zhang, "in", channel="portal", at=NIGHT)
    taken = claim(NIGHT)
    assert {m.id for m in taken.messages} == {code.pk, inbox.pk}
    assert taken.held == 1
    record(taken, Outcome.accepted("g"), NIGHT)
    assert (fresh(held).state, fresh(held).not_before) == ("queued", MORNING)
    assert claim(MORNING - timedelta(seconds=1)).is_empty
    assert [m.id for m in claim(MORNING).messages] == [held.pk]


def test_caps_count_the_same_batch_and_earlier_days(cast):
    made = [queue(cast.zhang, f"k{n}") for n in range(4)] + [queue(cast.ma, "other")]
    taken = claim()
    assert {m.id for m in taken.messages} == {made[0].pk, made[1].pk, made[4].pk}
    assert taken.held == 2
    record(taken, Outcome.accepted("g"))
    assert fresh(made[2]).reason == "cap-reached"
    assert fresh(made[2]).not_before == MORNING
    again = claim(MORNING)
    assert {m.id for m in again.messages} == {made[2].pk, made[3].pk}


def test_merged_record_waits_for_its_job_and_goes_with_the_survivor(cast):
    made = queue(cast.zhang)
    change(cast.zhang, active=False, merged_into=cast.ma)
    assert claim().held == 1
    actions.follow_merge(survivor_id=cast.ma.pk, gone_id=cast.zhang.pk, by=SYSTEM)
    made = fresh(made)
    assert made.patient_id == cast.ma.pk
    assert len(claim(NOW + timedelta(minutes=3)).messages) == 1
    actions.release_batch(token=fresh(made).token, ids=[made.pk], at=NOW, by=SYSTEM)
    assert actions.undo_merge(survivor_id=cast.ma.pk, gone_id=cast.zhang.pk, by=SYSTEM) == 1
    assert fresh(made).patient_id == cast.zhang.pk


# ---- leases, tokens, results -----------------------------------------------------------------------------------


def test_a_claim_is_exclusive_until_its_lease_ends(cast):
    made = queue(cast.zhang)
    first = claim()
    assert claim().is_empty
    assert claim(NOW + timedelta(seconds=59)).is_empty
    second = claim(NOW + timedelta(seconds=61))
    assert [m.id for m in second.messages] == [made.pk]
    assert second.messages[0].maybe_sent
    assert second.messages[0].attempts == 2
    assert record(first, Outcome.rejected("bad-number")) == 0, "the old claim is fenced off"
    assert record(second, Outcome.accepted("g7")) == 1
    made = fresh(made)
    assert (made.state, made.gateway_ref, made.token) == ("sent", "g7", None)
    assert record(second, Outcome.accepted("g8")) == 0


def test_released_messages_were_not_tried(cast):
    made = queue(cast.zhang)
    taken = claim()
    assert actions.release_batch(token=taken.token, ids=[made.pk], at=NOW, by=SYSTEM) == 1
    assert actions.release_batch(token=taken.token, ids=[made.pk], at=NOW, by=SYSTEM) == 0
    assert (fresh(made).state, fresh(made).attempts, fresh(made).maybe_sent) == ("queued", 0, False)


@pytest.mark.parametrize(
    ("repeat", "outcome", "state", "reason", "fact"),
    [
        ("key", Outcome.accepted("g"), "sent", "", "CommunicationsSent"),
        ("key", Outcome.delivered("g"), "delivered", "", "CommunicationsDelivered"),
        ("key", Outcome.rejected("bad-number"), "failed", "bad-number", "CommunicationFailed"),
        ("key", Outcome.postponed("http-503"), "queued", "http-503", "CommunicationsPostponed"),
        ("key", Outcome.uncertain("http-500"), "queued", "http-500", "CommunicationsPostponed"),
        ("ask", Outcome.uncertain("http-500"), "queued", "http-500", "CommunicationsPostponed"),
        ("none", Outcome.uncertain("http-500"), "unknown", "no-answer-from-gateway", "CommunicationUnknown"),
    ],
)
def test_results(cast, repeat, outcome, state, reason, fact):
    with site(sms_gateway_repeat=repeat):
        made = queue(cast.zhang)
        record(claim(), outcome)
    made = fresh(made)
    assert (made.state, made.reason) == (state, reason)
    assert made.maybe_sent == (outcome.kind == "uncertain")
    assert facts(fact) == 1
    if state == "queued":
        assert NOW < made.not_before <= NOW + timedelta(minutes=1)
    if state == "unknown":
        with site(sms_gateway_repeat=repeat):
            assert claim(NOW + timedelta(days=2)).is_empty, "never repeated blindly"


def test_a_dead_sender_at_a_blind_gateway_leaves_it_to_a_person(cast):
    with site(sms_gateway_repeat="none"):
        made = queue(cast.zhang)
        claim()
        later = claim(NOW + timedelta(minutes=2))
    assert later.stopped == 1
    assert (fresh(made).state, fresh(made).reason) == ("unknown", "sender-died")


def test_after_death_a_message_that_may_have_gone_is_unclear_not_held_back(cast):
    made = queue(cast.zhang)
    claim()
    change(cast.zhang, deceased=True)
    claim(NOW + timedelta(minutes=2))
    assert fresh(made).state == "unknown"


def test_tries_end(cast):
    made, at = queue(cast.zhang), NOW
    for _ in range(6):
        taken = claim(at)
        assert len(taken.messages) == 1
        record(taken, Outcome.postponed("http-503"), at)
        at = max(fresh(made).not_before, at)
    assert (fresh(made).state, fresh(made).reason, fresh(made).attempts) == ("failed", "gave-up", 6)


def test_urgent_first_then_the_oldest(cast):
    patients = more_patients(3, cast.cardiology)
    old = queue(patients[0], "old", at=NOW - timedelta(hours=1))
    new, code = queue(patients[1], "new"), queue(patients[2], "code", template_code="one-time-code")
    assert [m.id for m in claim().messages] == [code.pk, old.pk, new.pk]


def test_only_the_channels_asked_for(cast):
    queue(cast.zhang)
    assert claim(channels=("portal",)).is_empty
    assert claim(channels=()).is_empty
    assert len(claim(channels=("sms",)).messages) == 1


def test_suppress_open_takes_what_no_sender_holds(cast):
    task = uuid4()
    held, free = queue(cast.zhang, "held", task_id=task), None
    claim()
    free = queue(cast.zhang, "free", task_id=task)
    assert actions.suppress_open(task_ids=[task], reason="task-closed", at=NOW, by=SYSTEM) == 1
    assert fresh(held).state == "sending"
    assert fresh(free).reason == "task-closed"
    assert actions.suppress_open(task_ids=[task], reason="task-closed", at=NOW, by=SYSTEM) == 0


# ---- one-time codes (A28) ------------------------------------------------------------------------------------------


def test_codes_per_phone(cast):
    sent, reasons = 0, set()
    for minute in range(10):
        at = NOW + timedelta(minutes=minute)
        try:
            queue(cast.zhang, f"a{minute}", template_code="one-time-code", at=at)
            sent += 1
        except actions.CodeRefused as refusal:
            reasons.add(refusal.reason)
        with pytest.raises(actions.CodeRefused):
            queue(cast.zhang, f"b{minute}", template_code="one-time-code", at=at)
    assert sent == 5
    assert reasons == {"too-many-today"}


def test_codes_of_the_whole_hospital_have_a_budget(cast):
    with site(codes_per_hour=20):
        reasons = []
        for n, patient in enumerate(more_patients(30, cast.cardiology)):
            try:
                queue(patient, f"c{n}", template_code="one-time-code")
            except actions.CodeRefused as refusal:
                reasons.append(refusal.reason)
    assert reasons == ["budget-spent"] * 10
    assert Communication.objects.unscoped("t").count() == 20


def test_the_code_is_made_when_it_is_sent_and_can_be_checked(cast):
    from careloop.messaging.reads.codes import code_is_right

    made = queue(cast.zhang, template_code="one-time-code")
    text = claim().messages[0].text
    code = re.findall(r"\d{6}", text)[0]
    assert code not in str(fresh(made).__dict__)
    assert code_is_right(made.pk, code, at=NOW + timedelta(minutes=9))
    assert not code_is_right(made.pk, code, at=NOW + timedelta(minutes=11))
    assert not code_is_right(made.pk, "000000" if code != "000000" else "1", at=NOW)
    assert not code_is_right(uuid4(), code, at=NOW)


# ---- templates (pain 21) ------------------------------------------------------------------------------------------


def test_shipped_templates_load_once(cast):
    assert actions.load_templates(at=NOW, by=SYSTEM) == 0
    assert MessageTemplate.objects.filter(state="approved").count() >= 20
    assert set(MessageTemplate.objects.filter(code="follow-up-link").values_list("channel", flat=True)) == {
        "sms",
        "email",
        "portal",
    }


def test_a_changed_shipped_text_is_a_new_version_and_a_hospitals_own_is_kept(cast):
    one = MessageTemplate.objects.get(code="caring-message", channel="sms")
    change_template(one, content_hash="older")
    own = actions.draft_template(
        code="caring-message", channel="portal", title={"zh": "问候"}, texts={"zh": "您好"}, by=SYSTEM
    )
    waiting = queue(cast.zhang)
    assert actions.load_templates(at=NOW, by=SYSTEM) == 1
    one.refresh_from_db()
    two = MessageTemplate.objects.get(code="caring-message", channel="sms", state="approved")
    assert (one.state, two.version, fresh(waiting).template_id) == ("retired", 2, two.pk)
    assert MessageTemplate.objects.filter(code="caring-message", channel="portal").order_by("-version").first() == own


def change_template(template, **values):
    from careloop.kernel.actions import seeding

    with seeding():
        MessageTemplate.objects.filter(pk=template.pk).update(**values)


def draft(text="【{hospital}】{salutation}，您好。", code="greeting", **more):
    return actions.draft_template(code=code, channel="sms", title={"zh": "问候"}, texts={"zh": text}, by=SYSTEM, **more)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{diagnosis}", "unknown-placeholder"),
        ("{x.y}", "bad-brace"),
        ("糖尿病", "forbidden-word"),
        (" ", "empty"),
        ("字" * 300, "too-long"),
    ],
)
def test_bad_texts_are_not_saved(text, fault):
    with pytest.raises(actions.TemplateRefused) as refused:
        draft(text)
    assert refused.value.fault == fault
    assert str(refused.value)
    assert not MessageTemplate.objects.filter(code="greeting").exists()


def test_life_of_a_template(cast):
    one = draft()
    assert draft().pk == one.pk, "the same content is the same version"
    waiting = queue(cast.zhang, template_code="greeting")
    assert (waiting.state, waiting.reason) == ("preparation", "template-not-approved")
    with pytest.raises(actions.TemplateStateRefused):
        actions.approve_template(template=one, at=NOW, by=SYSTEM)
    actions.submit_template(template=one, at=NOW, by=SYSTEM)
    actions.reject_template(template=one, reason="签名未报备", at=NOW, by=SYSTEM)
    two = draft("【{hospital}】{salutation}，祝您健康。")
    assert two.version == 2
    actions.submit_template(template=two, at=NOW, by=SYSTEM)
    actions.approve_template(template=two, carrier_id="C-1", at=NOW, by=SYSTEM)
    assert fresh(waiting).state == "queued"
    assert fresh(waiting).template_id == two.pk
    three = draft("【{hospital}】{salutation}，请来{place}。")
    actions.submit_template(template=three, at=NOW, by=SYSTEM)
    actions.approve_template(template=three, at=NOW, by=SYSTEM)
    two.refresh_from_db()
    assert two.state == "retired"
    assert fresh(waiting).template_id == two.pk, "it has no place, so it cannot take the new text"
    assert claim().stopped == 1
    assert fresh(waiting).reason == "template-withdrawn"


def test_a_language_that_the_hospital_needs_must_be_there(cast):
    with site(message_languages="zh,en"), pytest.raises(actions.TemplateRefused) as refused:
        actions.submit_template(template=draft(), at=NOW, by=SYSTEM)
    assert refused.value.fault == "language-missing"


def test_the_patients_language(cast):
    change(cast.zhang, language="en")
    cast.zhang.refresh_from_db()
    made = queue(cast.zhang, template_code="revisit-reminder", params={"due_date": date(2026, 12, 4)})
    assert made.language == "en"
    assert "4 Dec" in claim().messages[0].text
