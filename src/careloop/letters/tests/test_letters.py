"""Letters from making to coming back: who gets one, what stands on it, what follows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from careloop.accounts.models import Organization
from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.letters import actions
from careloop.letters.models import Letter
from careloop.letters.rules.codes import read_code, shown
from careloop.letters.tests.factories import ADDRESS, a_letter, a_task, at_home, change, shipped, site
from careloop.messaging.models import Communication
from careloop.patients.models import AccessLink, CareRelationship, ContactPoint, Encounter
from careloop.tasks.models import ContactAttempt, Task
from tests.cast import NOW, SYSTEM, Cast


@pytest.fixture
def home(cast: Cast) -> Cast:
    at_home(cast)
    return cast


def facts(name: str) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(name=name).order_by("pk"))


# ---- making -------------------------------------------------------------------------------------------------------


def test_a_letter_holds_what_was_known_when_it_was_made(home: Cast):
    task = a_task(home, questionnaire_url="https://careloop.org/Questionnaire/x")
    letter = a_letter(home, task=task)
    assert letter.state == "made"
    assert letter.recipient["lines"][-1] == "周国强 先生 收"
    assert "".join(letter.recipient["lines"][:-1]).replace(" ", "") == ADDRESS.replace(" ", "")
    assert letter.params["discharge_date"] == "2026年11月13日"
    assert letter.params["salutation"] == "周先生"
    assert letter.params["reply_code"] == shown(letter.reply_code)
    assert read_code(shown(letter.reply_code)) == letter.reply_code
    assert letter.link is not None
    assert (letter.link.purpose, letter.link.task_id) == ("questionnaire", task.pk)
    assert letter.department_id == home.cardiology.pk


def test_its_fact_names_ids_only(home: Cast):
    letter = a_letter(home)
    (fact,) = facts("letters.LetterMade")
    assert fact.patient_id == home.zhang.pk
    assert fact.payload["letter_id"] == str(letter.pk)
    assert "周" not in str(fact.payload)
    assert "人民路" not in str(fact.payload)


def test_the_same_key_gives_the_same_letter(home: Cast):
    first = a_letter(home, key="k")
    assert a_letter(home, key="k").pk == first.pk
    assert Letter.objects.unscoped("test").count() == 1


def test_english_patients_get_the_english_letter(home: Cast):
    change(home.zhang, language="en", name="John Smith", address="Flat 5, 128 Renmin Road, Yunxi")
    letter = a_letter(home)
    assert letter.language == "en"
    assert letter.recipient["lines"][0] == "John Smith"
    assert letter.params["discharge_date"] == "13 November 2026"


@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        ({"address": ""}, actions.AddressMissing),
        ({"address": "不详"}, actions.AddressMissing),
        ({"address": "　 \n"}, actions.AddressMissing),
        ({"address": "123456789"}, actions.AddressMissing),
        ({"address": "某某路" * 90}, actions.AddressTooLong),
        ({"name": "周\U0002a6d6"}, actions.CharacterMissing),
        ({"deceased": True}, actions.PatientDied),
        ({"do_not_contact": True}, actions.NoContactWished),
        ({"active": False}, actions.PatientNotThere),
    ],
)
def test_who_gets_no_letter_and_why(home: Cast, values: dict[str, object], refusal: type[Exception]):
    change(home.zhang, **values)
    with pytest.raises(refusal):
        a_letter(home)
    assert not Letter.objects.unscoped("test").exists()
    assert not facts("letters.LetterMade")


def test_another_departments_patient_is_not_there(home: Cast):
    with pytest.raises(actions.PatientNotThere):
        a_letter(home, by=home.as_li)


def test_a_task_of_somebody_else_is_refused(home: Cast):
    with pytest.raises(actions.PatientNotThere):
        a_letter(home, task=a_task(home, patient=home.ma))


def test_a_field_without_a_value_is_no_hole_in_a_letter(cast: Cast):
    change(cast.zhang, address=ADDRESS)  # never discharged
    with pytest.raises(actions.FieldMissing):
        a_letter(cast)


def test_a_template_that_is_not_approved_is_refused(home: Cast):
    template = shipped()
    actions.retire_template(template=template, at=NOW, by=SYSTEM)
    with pytest.raises(actions.TemplateNotApproved):
        actions.make_letter(key="k", patient_id=home.zhang.pk, template_id=template.pk, at=NOW, by=home.as_wang)


def test_the_same_letter_is_not_written_twice_in_two_weeks(home: Cast):
    template = shipped()
    a_letter(home, template=template)
    with pytest.raises(actions.LetterRecent):
        a_letter(home, template=template, at=NOW + timedelta(days=13))
    assert a_letter(home, template=template, at=NOW + timedelta(days=15)).pk
    assert a_letter(home, template=shipped("plan-cover")).pk  # another one is no repetition


def test_a_withdrawn_letter_may_be_written_again(home: Cast):
    first = a_letter(home)
    assert actions.withdraw_letter(letter_id=first.pk, at=NOW, by=home.as_wang)
    assert a_letter(home).pk != first.pk


def test_without_a_telephone_the_picture_would_open_nothing(home: Cast):
    with seeding():
        ContactPoint.objects.unscoped("test").filter(patient=home.zhang).update(active=False)
    assert a_letter(home, key="a").link is None
    with site(link_check="birth-year"):
        assert a_letter(home, key="b", template=shipped("plan-cover")).link is not None


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_the_same_moment_make_one_letter(cast: Cast):
    at_home(cast)
    template, viewer = shipped(), cast.as_wang

    def click(_n: int) -> str:
        try:
            return str(
                actions.make_letter(key="one", patient_id=cast.zhang.pk, template_id=template.pk, at=NOW, by=viewer).pk
            )
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        made = set(pool.map(click, range(6)))
    assert len(made) == 1
    assert Letter.objects.unscoped("test").count() == 1


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_two_jobs_at_the_same_moment_write_to_a_patient_once(cast: Cast):
    at_home(cast)
    template, viewer = shipped(), cast.as_wang

    def run(n: int) -> bool:
        try:
            actions.make_letter(key=f"job-{n}", patient_id=cast.zhang.pk, template_id=template.pk, at=NOW, by=viewer)
            return True
        except actions.LetterRecent:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(run, range(6))) == 1


# ---- posted, answered, returned -----------------------------------------------------------------------------------


def test_posting_counts_as_a_message_and_as_a_try(home: Cast):
    task = a_task(home, last_outcome="no-answer", attempts=2)
    letter = a_letter(home, task=task)
    actions.post_letter(letter_id=letter.pk, at=NOW, by=home.as_wang)
    letter.refresh_from_db()
    message = Communication.objects.unscoped("test").get(key=f"letter:{letter.pk}")
    assert (letter.state, letter.posted_by_id) == ("posted", home.wang.pk)
    assert (message.channel, message.state, message.task_id) == ("letter", "sent", task.pk)
    attempt = ContactAttempt.objects.unscoped("test").get(task=task)
    assert (attempt.channel, attempt.outcome) == ("letter", "letter-sent")
    task.refresh_from_db()
    assert (task.attempts, task.last_outcome, task.status) == (3, "no-answer", "requested")
    assert len(facts("letters.LetterPosted")) == 1


def test_a_letter_is_posted_once(home: Cast):
    letter = a_letter(home)
    actions.post_letter(letter_id=letter.pk, at=NOW, by=home.as_wang)
    with pytest.raises(actions.LetterNotOpen):
        actions.post_letter(letter_id=letter.pk, at=NOW, by=home.as_wang)
    assert Communication.objects.unscoped("test").count() == 1


def test_a_closed_task_gets_no_further_try(home: Cast):
    task = a_task(home)
    letter = a_letter(home, task=task)
    change(task, status="completed", outcome="answered-online", ended_at=NOW)
    actions.post_letter(letter_id=letter.pk, at=NOW, by=home.as_wang)
    assert not ContactAttempt.objects.unscoped("test").exists()


def test_a_returned_letter_makes_somebody_look_for_the_address(home: Cast):
    letter = a_letter(home, task=a_task(home))
    actions.post_letter(letter_id=letter.pk, at=NOW, by=home.as_wang)
    actions.return_letter(letter_id=letter.pk, reason="moved", at=NOW + timedelta(days=5), by=home.as_wang)
    letter.refresh_from_db()
    message = Communication.objects.unscoped("test").get(key=f"letter:{letter.pk}")
    check = Task.objects.unscoped("test").get(kind="contact-check")
    assert (letter.state, letter.return_reason) == ("returned", "moved")
    assert (message.state, message.reason) == ("failed", "letter-returned")
    assert (check.focus_id, check.step_code, check.department_id) == (letter.pk, "address-check", home.cardiology.pk)
    with pytest.raises(actions.LetterNotOpen):
        actions.return_letter(letter_id=letter.pk, reason="moved", at=NOW, by=home.as_wang)


@pytest.mark.parametrize("known", ["caring", "stay", "nothing", "no-centre"])
def test_somebody_searches_the_address_also_of_a_patient_without_a_department(home: Cast, known: str):
    letter = a_letter(home)
    with seeding():
        Letter.objects.unscoped("test").filter(pk=letter.pk).update(department=None)
        if known != "caring":
            CareRelationship.objects.unscoped("test").filter(patient=home.zhang).delete()
            Encounter.objects.unscoped("test").filter(patient=home.zhang).update(department=None)
        if known == "stay":
            for day, place in ((9, home.centre), (5, home.orthopaedics), (2, None)):
                Encounter.objects.create(
                    patient=home.zhang, system="test", visit_number=f"V{day}", status="in-progress", department=place,
                    admitted_at=NOW - timedelta(days=day),
                )  # fmt: skip
        if known == "no-centre":
            Organization.objects.filter(pk=home.centre.pk).update(is_active=False)
    actions.return_letter(letter_id=letter.pk, reason="moved", at=NOW, by=replace(home.as_wang, hospital_wide=True))
    expected = {
        "caring": home.cardiology, "stay": home.orthopaedics, "nothing": home.centre, "no-centre": home.hospital,
    }[known]  # fmt: skip
    check = Task.objects.unscoped("test").get(kind="contact-check", focus_id=letter.pk)
    assert check.department_id == expected.pk


def test_nobody_writes_again_to_an_address_that_brought_a_letter_back(home: Cast):
    letter = a_letter(home)
    actions.post_letter(letter_id=letter.pk, at=NOW, by=home.as_wang)
    actions.return_letter(letter_id=letter.pk, reason="unknown-address", at=NOW, by=home.as_wang)
    with pytest.raises(actions.AddressReturned):
        a_letter(home, template=shipped("plan-cover"))
    change(home.zhang, address="浙江省云溪市东山区新华路 9 号")
    assert a_letter(home, template=shipped("plan-cover")).pk


def test_an_answered_letter_did_arrive_even_if_it_was_thought_lost(home: Cast):
    letter = a_letter(home)
    actions.post_letter(letter_id=letter.pk, at=NOW, by=home.as_wang)
    actions.return_letter(letter_id=letter.pk, reason="unclaimed", at=NOW, by=home.as_wang)
    actions.answer_letter(letter_id=letter.pk, at=NOW + timedelta(days=1), by=home.as_wang)
    letter.refresh_from_db()
    message = Communication.objects.unscoped("test").get(key=f"letter:{letter.pk}")
    assert (letter.state, letter.return_reason, message.state, message.reason) == ("answered", "", "delivered", "")
    assert message.delivered_at == NOW + timedelta(days=1)


def test_withdrawing_closes_the_link_and_is_refused_after_posting(home: Cast):
    letter = a_letter(home)
    assert actions.withdraw_letter(letter_id=letter.pk, at=NOW, by=home.as_wang)
    assert AccessLink.objects.unscoped("test").get(pk=letter.link_id).revoked_at is not None
    assert not actions.withdraw_letter(letter_id=letter.pk, at=NOW, by=home.as_wang)
    other = a_letter(home)
    actions.post_letter(letter_id=other.pk, at=NOW, by=home.as_wang)
    assert not actions.withdraw_letter(letter_id=other.pk, at=NOW, by=home.as_wang)


def test_strangers_can_do_nothing_to_a_letter(home: Cast):
    letter = a_letter(home)
    for act in (
        lambda: actions.post_letter(letter_id=letter.pk, at=NOW, by=home.as_li),
        lambda: actions.answer_letter(letter_id=letter.pk, at=NOW, by=home.as_li),
        lambda: actions.return_letter(letter_id=letter.pk, reason="moved", at=NOW, by=home.as_li),
    ):
        with pytest.raises(actions.LetterNotOpen):
            act()
    assert not actions.withdraw_letter(letter_id=letter.pk, at=NOW, by=home.as_li)
    letter.refresh_from_db()
    assert letter.state == "made"


@pytest.mark.parametrize(
    "values",
    [
        {"state": "posted"},
        {"state": "returned", "ended_at": NOW},
        {"state": "made", "ended_at": NOW},
        {"return_reason": "moved"},
    ],
)
def test_the_database_refuses_states_that_cannot_be(home: Cast, values: dict[str, object]):
    letter = a_letter(home)
    with pytest.raises(IntegrityError), transaction.atomic(), seeding():
        Letter.objects.unscoped("test").filter(pk=letter.pk).update(**values)


def test_codes_never_meet(home: Cast):
    letter = a_letter(home)
    with pytest.raises(IntegrityError), transaction.atomic(), seeding():
        Letter.objects.unscoped("test").filter(pk=letter.pk).update(key=f"x{uuid4()}")
        Letter.objects.create(
            patient=home.zhang, template=letter.template, template_code="x", key="y", address="z",
            envelope="dl-window", reply_code=letter.reply_code, made_at=NOW,
        )  # fmt: skip
