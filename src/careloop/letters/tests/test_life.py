"""The life of letters as one model: whatever is pressed in whatever order, state, message, link and search agree."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from careloop.accounts.models import Practitioner
from careloop.audit.models import AuditEvent
from careloop.batches.models import BatchItem
from careloop.kernel.actions import seeding
from careloop.kernel.errors import Refused
from careloop.letters import actions
from careloop.letters.models import FollowUpReport, Letter, LetterTemplate
from careloop.letters.reads.desk import NOT_AGAIN_WITHIN
from careloop.letters.tests.factories import ADDRESS, a_letter, a_task, at_home, change, shipped, site
from careloop.letters.tests.test_jobs import neighbours
from careloop.letters.views import NotYourStep
from careloop.messaging.models import Communication
from careloop.patients.models import AccessLink
from careloop.tasks import actions as tasks
from careloop.tasks.models import ContactAttempt, Task
from tests.cast import NOW, SYSTEM, Cast
from tests.refusals import refusals_of, words_in_both

pytestmark = pytest.mark.django_db
FORM = "https://careloop.org/Questionnaire/x"
MADE, POSTED, ANSWERED, RETURNED, WITHDRAWN = (state.value for state in Letter.State)


@pytest.fixture
def home(cast: Cast) -> Cast:
    at_home(cast)
    return cast


@dataclass
class Told:
    """What the model expects of one letter."""

    letter: Letter
    task: Task
    has_slip: bool
    state: str = MADE
    was_posted: bool = False
    is_opened: bool = False  # the patient passed the second check behind its picture


class Desk:
    """Presses the buttons and keeps the books beside the database."""

    def __init__(self, cast: Cast, luck: random.Random) -> None:
        self.cast, self.luck, self.told = cast, luck, []
        templates = [shipped(), shipped("plan-cover")]
        for number in range(5):
            template = templates[number == 4]
            task = a_task(cast, questionnaire_url=FORM)
            letter = a_letter(cast, template=template, task=task)
            self.told.append(Told(letter, task, template.has_slip))

    def step(self) -> None:
        one = self.luck.choice(self.told)
        before = AuditEvent.objects.count()
        doing: Callable[[Told], bool] = self.luck.choice(
            [self.post, self.answer, self.bring_back, self.withdraw, self.open_link, self.settle]
        )
        happened = doing(one)
        if not happened:
            assert AuditEvent.objects.count() == before, doing.__name__  # what is refused leaves no fact

    def attempt(self, one: Told, allowed: set[str], after: str, act: Callable[[], Any]) -> bool:
        if one.state in allowed:
            act()
            one.state = after
            return True
        with pytest.raises(actions.LetterNotOpen):
            act()
        return False

    def post(self, one: Told) -> bool:
        happened = self.attempt(
            one, {MADE}, POSTED, lambda: actions.post_letter(letter_id=one.letter.pk, at=NOW, by=self.cast.as_wang)
        )
        one.was_posted = one.was_posted or happened
        return happened

    def answer(self, one: Told) -> bool:
        return self.attempt(
            one, {MADE, POSTED, RETURNED}, ANSWERED,
            lambda: actions.answer_letter(letter_id=one.letter.pk, at=NOW, by=self.cast.as_wang),
        )  # fmt: skip

    def bring_back(self, one: Told) -> bool:
        reason = self.luck.choice(Letter.Return.values)
        return self.attempt(
            one, {MADE, POSTED}, RETURNED,
            lambda: actions.return_letter(letter_id=one.letter.pk, reason=reason, at=NOW, by=self.cast.as_wang),
        )  # fmt: skip

    def withdraw(self, one: Told) -> bool:
        happened = actions.withdraw_letter(letter_id=one.letter.pk, at=NOW, by=self.cast.as_wang)
        assert happened is (one.state == MADE)
        one.state = WITHDRAWN if happened else one.state
        return happened

    def open_link(self, one: Told) -> bool:
        change(AccessLink.objects.unscoped("test").get(pk=one.letter.link_id), passed_at=NOW)
        one.is_opened = True
        return True

    def settle(self, one: Told) -> bool:
        """Answers about this task came in, online or by telephone."""
        online = self.luck.random() < 0.5
        expected = one.state
        if one.state in (MADE, POSTED, RETURNED):
            if online and (one.is_opened or one.state == POSTED):
                expected = ANSWERED
            elif one.state == MADE and one.has_slip:
                expected = WITHDRAWN
        ended = actions.settle_by_answers(
            patient_id=self.cast.zhang.pk, task_id=one.task.pk, online=online, at=NOW, by=SYSTEM
        )
        assert ended == (expected != one.state)
        happened, one.state = expected != one.state, expected
        return happened

    def agree(self) -> None:
        """The database says what the model says."""
        letters = {row.pk: row for row in Letter.objects.unscoped("test").select_related("link")}
        sent = {row.key: row for row in Communication.objects.unscoped("test").filter(channel="letter")}
        searches = set(
            Task.objects.unscoped("test").open().filter(step_code="address-check").values_list("focus_id", flat=True)
        )
        tries = list(ContactAttempt.objects.unscoped("test").filter(channel="letter").values_list("task_id", flat=True))
        for one in self.told:
            row = letters[one.letter.pk]
            assert row.state == one.state
            assert (row.ended_at is None) is (one.state in (MADE, POSTED))
            assert (row.link.revoked_at is not None) is (one.state == WITHDRAWN), one.state
            assert (f"letter:{row.pk}" in sent) is one.was_posted
            assert (row.pk in searches) is (one.state == RETURNED)
            assert tries.count(one.task.pk) == one.was_posted
            if one.was_posted and one.state in (ANSWERED, RETURNED):
                arrived = sent[f"letter:{row.pk}"].state
                assert (arrived == "delivered") is (one.state == ANSWERED), arrived


def test_in_any_order_of_buttons_everything_about_a_letter_agrees(home: Cast) -> None:
    seen: set[str] = set()
    for seed in range(4):
        desk = Desk(home, random.Random(seed))
        for _step in range(25):
            desk.step()
        desk.agree()
        seen |= {one.state for one in desk.told}
    assert seen >= {POSTED, ANSWERED, RETURNED, WITHDRAWN}


# ---- a follow-up that is over -------------------------------------------------------------------------------------


def over(task: Task, status: str) -> None:
    """The follow-up was done, or closed with a reason."""
    if status == "cancelled":
        tasks.close_tasks(task_ids=[task.pk], reason="not-needed", at=NOW, by=SYSTEM)
    else:
        change(task, status=status, ended_at=NOW, outcome="reached-patient")


@pytest.mark.parametrize("status", ["completed", "cancelled"])
@pytest.mark.parametrize(("code", "refused"), [("not-reached", True), ("overdue", True), ("plan-cover", False)])
def test_nobody_is_asked_for_answers_that_are_there_already(home: Cast, status: str, code: str, refused: bool) -> None:
    task = a_task(home, due_at=NOW - timedelta(days=2), available_at=NOW - timedelta(days=3))
    over(task, status)
    if not refused:
        assert a_letter(home, template=shipped(code), task=task).state == MADE
        return
    with pytest.raises(actions.FollowUpOver) as no:
        a_letter(home, template=shipped(code), task=task)
    assert no.value.code == "letter-follow-up-over"
    assert not Letter.objects.unscoped("test").exists()


def test_ticked_rows_that_ended_meanwhile_stand_in_the_job_with_their_reason(home: Cast) -> None:
    """Two rows were ticked; one follow-up was done on the telephone before the button was pressed."""
    now = timezone.now()
    times = {"available_at": now - timedelta(days=3), "due_at": now - timedelta(days=2)}
    done, other = a_task(home, **times), a_task(home, patient=neighbours(home, 1)[0], **times)
    over(done, "completed")
    data = {"template": str(shipped("overdue").pk), "key": str(uuid4()), "chosen": [str(done.pk), str(other.pk)]}
    assert home.client(home.wang).post(reverse("letters:make"), data).status_code == 303
    rows = {row.key: row for row in BatchItem.objects.all()}
    assert set(rows) == {str(done.pk), str(other.pk)}


def test_of_two_ticked_rows_of_a_patient_the_open_one_gets_the_letter(home: Cast) -> None:
    now = timezone.now()
    done = a_task(home, available_at=now - timedelta(days=9), due_at=now - timedelta(days=8))
    still = a_task(home, available_at=now - timedelta(days=3), due_at=now - timedelta(days=2))
    over(done, "completed")
    data = {"template": str(shipped("overdue").pk), "key": str(uuid4()), "chosen": [str(done.pk), str(still.pk)]}
    assert home.client(home.wang).post(reverse("letters:make"), data).status_code == 303
    assert [row.key for row in BatchItem.objects.all()] == [str(still.pk)]


# ---- two weeks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "allowed"),
    [
        (timedelta(0), False),
        (NOT_AGAIN_WITHIN - timedelta(microseconds=1), False),
        (NOT_AGAIN_WITHIN, True),
        (NOT_AGAIN_WITHIN + timedelta(days=1), True),
    ],
)
def test_two_weeks_to_the_microsecond(home: Cast, after: timedelta, allowed: bool) -> None:
    template = shipped()
    a_letter(home, template=template)
    if allowed:
        assert a_letter(home, template=template, at=NOW + after).pk
    else:
        with pytest.raises(actions.LetterRecent):
            a_letter(home, template=template, at=NOW + after)


@pytest.mark.parametrize(("hour", "minute"), [(15, 59), (16, 0), (16, 1)])
def test_the_picture_opens_until_the_end_of_a_hospital_day(home: Cast, hour: int, minute: int) -> None:
    """16:00 UTC is midnight in the hospital: the last day is counted from the day that people there call today."""
    made = NOW.replace(hour=hour, minute=minute)
    link = a_letter(home, at=made).link
    assert link is not None
    local = timezone.localtime(link.expires_at)
    assert (local.hour, local.minute, local.second) == (23, 59, 59)
    assert (local.date() - timezone.localtime(made).date()).days == 30


def test_the_longest_reply_time_may_cross_a_leap_day(home: Cast) -> None:
    made = NOW.replace(year=2028, month=2, day=20)
    with site(letter_reply_days=14, hospital_phone="0571-88880000", hospital_name="H"):
        letter = a_letter(home, at=made)
    assert letter.link is not None
    assert timezone.localtime(letter.link.expires_at).date().isoformat() == "2028-03-05"
    assert letter.params["reply_until"] == "2028年3月5日"


# ---- every refusal of what was not refused in a test yet ----------------------------------------------------------


def test_a_report_is_signed_by_a_person(home: Cast) -> None:
    with pytest.raises(Refused) as no:
        actions.write_report(
            patient=home.zhang, period_from=NOW.date(), period_to=NOW.date(), assessment="fine", advice="", at=NOW, by=SYSTEM
        )  # fmt: skip
    assert no.value.code == "report-needs-author"
    assert not FollowUpReport.objects.unscoped("test").exists()


def test_the_same_report_twice_is_one_and_another_one_replaces_it(home: Cast) -> None:
    def write(words: str, by: Any) -> FollowUpReport:
        return actions.write_report(
            patient=home.zhang, period_from=NOW.date() - timedelta(days=30), period_to=NOW.date(), assessment=words,
            advice="", at=NOW, by=by,
        )  # fmt: skip

    first = write("fine", home.as_zhao)
    assert write("fine", home.as_zhao).pk == first.pk
    second = write("not so fine", home.as_zhao)
    assert second.replaces_id == first.pk
    assert write("fine", home.as_wang).replaces_id is None  # another author's word stands beside it


STEPS = {  # what may follow each state of a template, and what each step leads to
    "draft": {"submit": "submitted", "retire": "retired"},
    "submitted": {"approve": "approved", "reject": "rejected", "retire": "retired"},
    "approved": {"retire": "retired"},
    "rejected": {"retire": "retired"},
    "retired": {},
}


def in_state(state: str) -> LetterTemplate:
    """A template of the product's own, put into a state."""
    template = LetterTemplate.objects.filter(code="plan-cover").first() or shipped("plan-cover")
    with seeding():
        decided = None if state in ("draft", "submitted") else NOW
        LetterTemplate.objects.filter(pk=template.pk).update(state=state, decided_at=decided)
    template.refresh_from_db()
    return template


@pytest.mark.parametrize("state", STEPS)
def test_a_template_takes_only_the_steps_of_its_state(home: Cast, state: str) -> None:
    acts: dict[str, Callable[[LetterTemplate], LetterTemplate]] = {
        "submit": lambda row: actions.submit_template(template=row, at=NOW, by=home.as_wang),
        "approve": lambda row: actions.approve_template(template=row, at=NOW, by=home.viewer(home.qian)),
        "reject": lambda row: actions.reject_template(template=row, reason="no", at=NOW, by=home.viewer(home.qian)),
        "retire": lambda row: actions.retire_template(template=row, at=NOW, by=home.viewer(home.qian)),
    }
    for step, act in acts.items():
        template = in_state(state)
        facts = AuditEvent.objects.filter(name="letters.LetterTemplateChanged")
        before = facts.count()
        if step in STEPS[state]:
            assert act(template).state == STEPS[state][step]
            assert facts.count() == before + 1
        else:
            with pytest.raises(actions.TemplateStateRefused) as no:
                act(template)
            assert no.value.code == "letter-template-state", (state, step)
            template.refresh_from_db()
            assert template.state == state
            assert facts.count() == before


@pytest.mark.parametrize(
    ("who", "step", "status"),
    [
        ("wang", "submit", 303), ("wang", "approve", 403), ("wang", "reject", 403), ("wang", "retire", 303),
        ("qian", "approve", 409), ("zhao", "submit", 403), ("zhao", "retire", 403), ("li", "approve", 403),
    ],
)  # fmt: skip
def test_each_step_asks_for_its_own_right(home: Cast, who: str, step: str, status: int) -> None:
    template = in_state("draft")
    answer = home.client(getattr(home, who)).post(
        reverse("letters:template-step", args=[template.pk]), {"step": step, "reason": "because"}
    )
    assert answer.status_code == status
    if status == 403:
        assert NotYourStep.code in answer.content.decode()
        template.refresh_from_db()
        assert template.state == "draft"


@pytest.mark.parametrize("given", [{"step": "reject"}, {"step": "reject", "reason": " "}, {"step": "burn"}, {}])
def test_a_step_that_cannot_be_read_changes_nothing_and_says_what_is_missing(home: Cast, given: dict[str, str]) -> None:
    template = in_state("submitted")
    answer = home.client(home.qian).post(reverse("letters:template-step", args=[template.pk]), given)
    assert answer.status_code == 422
    template.refresh_from_db()
    assert template.state == "submitted"


REFUSALS = refusals_of(actions)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda one: one.code)
def test_every_refusal_speaks_both_languages_and_says_more_than_no(refusal: type[Refused]) -> None:
    assert len(words_in_both(refusal).split()) >= 4


# ---- scope: every address of one letter, one patient ---------------------------------------------------------------

ABOUT_LETTER = {
    "letter": "get", "letter-paper": "get", "posted": "post", "answered": "post", "returned": "post", "withdraw": "post"
}  # fmt: skip
ABOUT_PATIENT = {
    "patient": "get", "plan": "get", "dates": "get", "write": "get", "report": "get", "report-now": "get"
}  # fmt: skip


def test_another_department_finds_nothing_behind_any_address(home: Cast) -> None:
    letter, task = a_letter(home), a_task(home, questionnaire_url=FORM)
    report = actions.write_report(
        patient=home.zhang, period_from=NOW.date(), period_to=NOW.date(), assessment="fine", advice="", at=NOW,
        by=home.as_zhao,
    )  # fmt: skip
    before = (AuditEvent.objects.filter(name="letters.PaperPrinted").count(), letter.state)
    client = home.client(home.li)
    addresses = [
        *((method, reverse(f"letters:{name}", args=[letter.pk])) for name, method in ABOUT_LETTER.items()),
        *((method, reverse(f"letters:{name}", args=[home.zhang.pk])) for name, method in ABOUT_PATIENT.items()),
        *(("get", reverse(f"letters:{name}", args=[task.pk])) for name in ("task-record", "task-blank")),
        ("get", reverse("letters:report-paper", args=[report.pk])),
        ("post", reverse("letters:write", args=[home.zhang.pk])),
        ("post", reverse("letters:report", args=[home.zhang.pk])),
    ]
    for method, address in addresses:
        answer = getattr(client, method)(address, {"reason": "moved"} if method == "post" else {})
        assert answer.status_code == 404, address
    letter.refresh_from_db()
    assert (AuditEvent.objects.filter(name="letters.PaperPrinted").count(), letter.state) == before
    for listing in ("list", "due"):
        shown = client.get(reverse(f"letters:{listing}")).content.decode()
        assert "周国强" not in shown, listing
        assert ADDRESS not in shown, listing


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_every_page_of_the_room_in_both_languages(home: Cast, language: str) -> None:
    letter, template = a_letter(home), shipped("plan-cover")
    with seeding():
        Practitioner.objects.filter(pk=home.qian.pk).update(language=language)
    client = home.client(home.qian)
    pages = [
        ("list", []), ("due", []), ("scan", []), ("templates", []), ("template-draft", []), ("letter", [letter.pk]),
        ("patient", [home.zhang.pk]), ("report", [home.zhang.pk]), ("template", [template.pk]),
    ]  # fmt: skip
    for name, arguments in pages:
        answer = client.get(reverse(f"letters:{name}", args=arguments))
        assert answer.status_code == 200, name
        page = answer.content.decode()
        heading = page[page.index("<h1") : page.index("</h1>")]
        if name not in ("template", "letter", "patient", "report"):  # these are named after people and letters
            assert any("\u4e00" <= letter <= "\u9fff" for letter in heading) is (language == "zh-hans"), name
        assert "{{" not in page.replace("{{ ", "{{"), name
