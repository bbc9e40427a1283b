"""From the picture on a letter to the answered letter: what the patient does on the telephone ends the waiting on paper."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.kernel.viewer import Viewer
from careloop.letters import actions as letters
from careloop.letters import jobs as letters_jobs
from careloop.letters.models import Letter, LetterTemplate
from careloop.letters.reads.letters import letter_data
from careloop.letters.tests.factories import ADDRESS, change, run_queued, site
from careloop.messaging.models import Communication
from careloop.messaging.reads.texts import link_address
from careloop.patients.models import AccessLink
from careloop.plans import actions as plans
from careloop.portal.tests.conftest import PHONE_ZHANG, make_link
from careloop.portal.tests.forms import make_task
from careloop.portal.tests.test_questions import answer_all
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.tasks.models import Task
from tests.cast import NOW, SYSTEM, Cast

pytestmark = pytest.mark.django_db
LETTERS = "careloop.letters.jobs.settle_by_answers"


@pytest.fixture(autouse=True)
def reachable_hospital() -> Iterator[None]:
    with site(hospital_phone="0571-88880000", hospital_name="云溪市第一人民医院"):
        yield


@pytest.fixture
def home(portal, cast: Cast) -> SimpleNamespace:
    """Zhang at home, with an open follow-up; letters of nurse Wang."""
    change(cast.stay, status="finished", discharged_at=NOW - timedelta(days=7), discharge_cycle=1)
    change(cast.zhang, address=ADDRESS)
    letters.load_letter_templates(at=NOW, by=SYSTEM)
    return SimpleNamespace(cast=cast, task=make_task(cast), by=cast.as_wang)


def write(home: SimpleNamespace, code: str = "not-reached", *, task: Task | None = None, about: bool = True) -> Letter:
    template = LetterTemplate.objects.get(code=code, state="approved")
    about_task = (task or home.task).pk if about else None
    return letters.make_letter(
        key=uuid4().hex, patient_id=home.cast.zhang.pk, template_id=template.pk, task_id=about_task, at=timezone.now(),
        by=home.by,
    )  # fmt: skip


def post(home: SimpleNamespace, letter: Letter) -> Letter:
    return letters.post_letter(letter_id=letter.pk, at=timezone.now(), by=home.by)


def scan(letter: Letter) -> tuple[Client, str]:
    """What a telephone does with the picture: it opens the address; the patient types the four digits."""
    assert letter.link is not None
    address = link_address(letter.link_id)
    client = Client()
    path = "/q/" + address.rsplit("/q/", 1)[1]
    assert client.get(path).status_code == 200
    answer = client.post(path, {"factor": PHONE_ZHANG})
    assert answer.status_code == 303
    return client, answer.url


def finish(client: Client, task: Task) -> None:
    url, _seen = answer_all(client, task)
    assert client.post(url).status_code == 303


def after_answers() -> int:
    """What the fact of the completed answers has queued for letters; says how often."""
    return run_queued(LETTERS)


def fresh(letter: Letter) -> Letter:
    return Letter.objects.unscoped("test").select_related("link").get(pk=letter.pk)


def message(letter: Letter) -> Communication:
    return Communication.objects.unscoped("test").get(key=f"letter:{letter.pk}")


# ---- the whole way ------------------------------------------------------------------------------------------------


def test_from_the_picture_to_the_answered_letter(home):
    letter = post(home, write(home))
    client, start = scan(letter)
    assert start == f"/t/{home.task.pk}/"
    finish(client, home.task)
    home.task.refresh_from_db()
    assert (home.task.status, home.task.outcome) == ("completed", "answered-online")
    assert after_answers() == 1
    found = fresh(letter)
    assert (found.state, found.answered_how, found.ended_by_id) == ("answered", "link", None)
    assert message(letter).state == "delivered"
    fact = AuditEvent.objects.get(name="letters.LetterAnswered")
    assert fact.payload["how"] == "link"
    assert fact.patient_id == home.cast.zhang.pk


def test_the_picture_on_the_paper_holds_the_letters_own_link(home):
    letter = write(home)
    from careloop.letters.reads.pdf import qr

    (page,) = letter_data([fresh(letter)])["letters"]
    assert page["qr"] == qr(link_address(letter.link_id))
    assert link_address(letter.link_id) not in str(letter.params)


def test_nothing_reminds_of_it_any_more(home):
    from careloop.messaging.actions import queue_message
    from careloop.tasks.reads import still_open

    letter = post(home, write(home))
    waiting = queue_message(
        key="remind", patient_id=home.cast.zhang.pk, channel="portal", template_code=_reminder(), params={},
        task_id=home.task.pk, link_id=letter.link_id, at=timezone.now(), by=SYSTEM,
    )  # fmt: skip
    client, _start = scan(letter)
    finish(client, home.task)
    after_answers()
    assert waiting.state == "queued"
    assert not set(still_open([home.task.pk]))  # the guard that every sender asks before a message leaves
    assert plans.climb_ladders(patient_id=home.cast.zhang.pk, at=timezone.now(), by=SYSTEM) == 0


def _reminder() -> str:
    from careloop.messaging.actions import load_templates

    load_templates(at=NOW, by=SYSTEM)
    return "follow-up-reminder"


def test_answers_told_twice_answer_the_letter_once(home):
    letter = post(home, write(home))
    client, _start = scan(letter)
    finish(client, home.task)
    assert after_answers() == 1
    assert after_answers() == 1  # the same job again, as after a crash
    assert AuditEvent.objects.filter(name="letters.LetterAnswered").count() == 1


def test_sending_the_form_twice_answers_once(home):
    letter = post(home, write(home))
    client, _start = scan(letter)
    url, _seen = answer_all(client, home.task)
    assert [client.post(url).status_code for _n in range(3)] == [303, 303, 303]
    assert after_answers() == 1
    assert fresh(letter).state == "answered"


def test_a_half_filled_form_leaves_the_letter_waiting(home):
    letter = post(home, write(home))
    client, start = scan(letter)
    client.post(client.get(start).url, {"breath": "good"})
    assert after_answers() == 0
    assert fresh(letter).state == "posted"


# ---- which letters wait no longer ---------------------------------------------------------------------------------


def test_answers_by_the_link_of_a_message_end_the_letter_too(home):
    letter = post(home, write(home))
    token, _link = make_link(home.cast.zhang, purpose="questionnaire", task_id=home.task.pk)
    client = Client()
    client.post(f"/q/{token}", {"factor": PHONE_ZHANG})
    finish(client, home.task)
    after_answers()
    assert (fresh(letter).state, fresh(letter).answered_how) == ("answered", "online")


def test_a_letter_nobody_posted_is_withdrawn_and_its_link_shut(home):
    letter = write(home)
    token, _link = make_link(home.cast.zhang, purpose="questionnaire", task_id=home.task.pk)
    client = Client()
    client.post(f"/q/{token}", {"factor": PHONE_ZHANG})
    finish(client, home.task)
    after_answers()
    found = fresh(letter)
    assert found.state == "withdrawn"
    assert found.link.revoked_at is not None


def test_a_letter_handed_over_without_being_marked_posted_is_answered_by_its_link(home):
    letter = write(home)
    client, _start = scan(letter)
    finish(client, home.task)
    after_answers()
    assert (fresh(letter).state, fresh(letter).answered_how) == ("answered", "link")


def test_a_covering_letter_asks_for_nothing_and_stays(home):
    letter = write(home, "plan-cover")
    token, _link = make_link(home.cast.zhang, purpose="questionnaire", task_id=home.task.pk)
    client = Client()
    client.post(f"/q/{token}", {"factor": PHONE_ZHANG})
    finish(client, home.task)
    after_answers()
    assert fresh(letter).state == "made"


def test_a_letter_about_another_follow_up_waits_on(home):
    other = make_task(home.cast, key="t2", due_at=timezone.now() + timedelta(days=30))
    letter = post(home, write(home, "coming-due", task=other))
    mine = post(home, write(home))
    client, _start = scan(mine)
    finish(client, home.task)
    after_answers()
    assert (fresh(mine).state, fresh(letter).state) == ("answered", "posted")


def test_a_letter_about_nothing_in_particular_is_answered_by_whatever_its_picture_leads_to(home):
    letter = post(home, write(home, about=False))
    assert letter.link.purpose == "home"
    client, start = scan(letter)
    assert start == "/"
    finish(client, home.task)
    after_answers()
    assert (fresh(letter).state, fresh(letter).answered_how) == ("answered", "link")


def test_an_unopened_letter_about_nothing_waits_on(home):
    letter = post(home, write(home, about=False))
    asked = write(home)
    client, _start = scan(asked)
    finish(client, home.task)
    after_answers()
    assert fresh(letter).state == "posted"


def test_a_letter_that_came_back_and_is_answered_did_arrive(home):
    letter = post(home, write(home))
    letters.return_letter(letter_id=letter.pk, reason="unclaimed", at=timezone.now(), by=home.by)
    search = Task.objects.unscoped("test").get(kind="contact-check")
    client, _start = scan(letter)
    finish(client, home.task)
    after_answers()
    found = fresh(letter)
    search.refresh_from_db()
    assert (found.state, found.return_reason, found.answered_how) == ("answered", "", "link")
    assert (search.status, search.closed_reason) == ("cancelled", "not-needed")
    assert message(letter).state == "delivered"


def test_a_letter_that_came_back_is_not_answered_by_a_message(home):
    letter = post(home, write(home))
    letters.return_letter(letter_id=letter.pk, reason="moved", at=timezone.now(), by=home.by)
    token, _link = make_link(home.cast.zhang, purpose="questionnaire", task_id=home.task.pk)
    client = Client()
    client.post(f"/q/{token}", {"factor": PHONE_ZHANG})
    finish(client, home.task)
    after_answers()
    assert fresh(letter).state == "returned"


@pytest.mark.parametrize(
    ("code", "posted", "due_in"), [("not-reached", "coming-due", 3), ("overdue", "not-reached", -3)]
)
def test_answers_given_on_the_telephone_stop_a_letter_that_is_not_posted(home, code: str, posted: str, due_in: int):
    due_at = timezone.now() + timedelta(days=due_in)
    change(home.task, due_at=due_at, available_at=due_at - timedelta(days=1))
    unposted, on_its_way = write(home, code), post(home, write(home, posted))
    letters.settle_by_answers(
        patient_id=home.cast.zhang.pk, task_id=home.task.pk, online=False, at=timezone.now(), by=SYSTEM
    )
    assert (fresh(unposted).state, fresh(on_its_way).state) == ("withdrawn", "posted")


def test_nobody_elses_letter_is_touched(home):
    change(home.cast.ma, address=ADDRESS)
    template = LetterTemplate.objects.get(code="plan-cover", state="approved")
    foreign = letters.make_letter(
        key="ma", patient_id=home.cast.ma.pk, template_id=template.pk, at=timezone.now(), by=home.cast.as_li
    )
    assert not letters.settle_by_answers(
        patient_id=home.cast.zhang.pk, task_id=None, online=True, at=timezone.now(), by=SYSTEM
    )
    assert fresh(foreign).state == "made"


@pytest.mark.parametrize("event", [{}, {"patient_id": None}, {"patient_id": str(UUID(int=5)), "task_id": None}])
def test_a_fact_about_nobody_does_nothing(home, event: dict):
    letter = write(home)
    letters_jobs.settle_by_answers.func(event=event)
    assert fresh(letter).state == "made"


# ---- the slip, on paper -------------------------------------------------------------------------------------------


def test_no_more_letters_is_kept_and_obeyed(home):
    letter = post(home, write(home))
    letters.answer_letter(letter_id=letter.pk, no_more=True, at=timezone.now(), by=home.by)
    assert (fresh(letter).state, fresh(letter).answered_how) == ("answered", "slip")
    with pytest.raises(letters.NoContactWished):
        write(home, "overdue")
    home.cast.zhang.refresh_from_db()
    assert not home.cast.zhang.do_not_contact  # letters only: nobody said that calls are not wished


# ---- the link of a letter: guessed, old, shut, of somebody else ---------------------------------------------------


def enter(token: str, factor: str = PHONE_ZHANG) -> int:
    return Client().post(f"/q/{token}", {"factor": factor}).status_code


def token_of(letter: Letter) -> str:
    return link_address(letter.link_id).rsplit("/q/", 1)[1]


def test_a_link_opens_with_the_right_digits_only(home):
    token = token_of(write(home))
    assert [enter(token, "0000"), enter(token, ""), enter(token)] == [422, 422, 303]


@pytest.mark.parametrize("spoil", [lambda t: t[:-1], lambda t: t + "A", lambda t: t.swapcase(), lambda t: "0" * len(t)])
def test_a_token_that_is_nearly_right_is_wrong(home, spoil):
    assert enter(spoil(token_of(write(home)))) == 422


def test_the_reply_code_of_staff_opens_nothing(home):
    letter = write(home)
    assert [enter(letter.reply_code), enter(letter.params["reply_code"])] == [422, 422]


def test_guessing_is_stopped_and_even_the_right_digits_wait(home):
    token = token_of(write(home))
    codes = [enter(token, f"{n:04}") for n in range(11)]
    assert codes[-1] == 429
    assert enter(token) == 429


def test_a_withdrawn_letter_opens_nothing(home):
    letter = write(home)
    letters.withdraw_letter(letter_id=letter.pk, at=timezone.now(), by=home.by)
    assert enter(token_of(letter)) == 422


def test_a_letters_link_ends_with_its_last_day(home):
    letter = write(home)
    last = timezone.localdate(letter.made_at) + timedelta(days=settings.ENV.letter_reply_days)
    assert timezone.localdate(letter.link.expires_at) == last
    with seeding():
        AccessLink.objects.unscoped("test").filter(pk=letter.link_id).update(expires_at=timezone.now())
    assert enter(token_of(letter)) == 422


def test_a_used_link_can_be_opened_again_and_shows_the_end(home):
    letter = post(home, write(home))
    client, _start = scan(letter)
    finish(client, home.task)
    again, start = scan(letter)
    assert again.get(start).url == f"/t/{home.task.pk}/done/"
    assert QuestionnaireResponse.objects.unscoped("test").count() == 1


def test_a_letters_link_opens_its_own_follow_up_and_no_other(home):
    other = make_task(home.cast, key="t2")
    client, _start = scan(write(home))
    assert client.get(f"/t/{other.pk}/").status_code == 404
    assert client.get("/").status_code == 404


def test_without_a_telephone_there_is_no_picture(home):
    from careloop.patients.models import ContactPoint

    with seeding():
        ContactPoint.objects.unscoped("test").filter(patient=home.cast.zhang).update(active=False)
    letter = write(home)
    assert letter.link is None
    (page,) = letter_data([fresh(letter)])["letters"]
    assert page["qr"] == ""


def test_a_patient_may_not_end_a_letter_alone(home):
    letter = post(home, write(home))
    with pytest.raises(letters.LetterNotOpen):
        letters.answer_letter(letter_id=letter.pk, at=timezone.now(), by=Viewer.patient(home.cast.ma.pk))
