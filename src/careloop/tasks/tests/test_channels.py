"""Home visits and the outpatient clinic beside the telephone: what may be recorded, when, and what follows (A05)."""

from datetime import timedelta

import pytest

from careloop.patients.models import ContactPoint
from careloop.tasks import actions, reads, rules
from careloop.tasks.models import ContactAttempt, Task
from careloop.tasks.tests.factories import make_task
from tests.cast import NOW, SYSTEM

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
NUMBERS_ONLY = ("busy", "off", "left-message", "empty-number", "wrong-person")


def met(cast, task, outcome="reached-patient", channel="visit", **given):
    return actions.record_attempt(
        task=task, contact_point_id=given.pop("point", None), outcome=outcome, at=given.pop("at", NOW),
        by=given.pop("by", cast.as_wang), channel=channel, **given,
    )  # fmt: skip


def test_each_way_has_the_fhir_code_of_its_encounter():
    assert {code: one.encounter_class for code, one in rules.CHANNELS.items()} == {
        "phone": "VR", "visit": "HH", "clinic": "AMB",
    }  # fmt: skip
    assert rules.IN_PERSON == ("visit", "clinic")


@pytest.mark.parametrize("channel", [*rules.CHANNELS, "letter", "pigeon", ""])
@pytest.mark.parametrize("outcome", [*rules.OUTCOMES, "nonsense"])
def test_every_result_on_every_way(channel, outcome):
    allowed = rules.fits(channel, outcome)
    if outcome == "nonsense" or channel not in (*rules.CHANNELS, "letter"):
        assert not allowed
    elif channel == "letter":
        assert allowed == (outcome == "letter-sent")
    elif channel == "phone":
        assert allowed
    else:
        assert allowed == (outcome not in (*NUMBERS_ONLY, "answered-online", "letter-sent"))


@pytest.mark.parametrize("channel", rules.IN_PERSON)
def test_a_contact_in_person_completes_the_task_and_keeps_its_way(cast, channel):
    task = make_task(cast)
    done = met(cast, task, channel=channel, started_at=NOW - timedelta(hours=3), note="met at the door")
    task.refresh_from_db()
    assert (task.status, task.outcome, task.channel) == ("completed", "reached-patient", channel)
    assert (done.attempt.channel, done.attempt.started_at, done.attempt.ended_at) == (
        channel, NOW - timedelta(hours=3), NOW,
    )  # fmt: skip


def test_a_number_is_not_praised_for_a_visit(cast):
    point = ContactPoint.objects.unscoped("test").get(patient=cast.zhang)
    done = met(cast, make_task(cast), point=point.pk)
    point.refresh_from_db()
    assert (done.attempt.contact_point_id, point.last_result, point.last_result_at) == (None, "", None)


@pytest.mark.parametrize("outcome", NUMBERS_ONLY)
@pytest.mark.parametrize("channel", rules.IN_PERSON)
def test_what_only_a_telephone_can_say_is_refused_in_person(cast, channel, outcome):
    task = make_task(cast)
    with pytest.raises(actions.OutcomeNotOfChannel):
        met(cast, task, outcome, channel)
    task.refresh_from_db()
    assert (task.status, task.attempts) == ("requested", 0)
    assert not ContactAttempt.objects.unscoped("test").exists()


@pytest.mark.parametrize("channel", ["pigeon", "online", ""])
def test_an_unknown_way_is_refused(cast, channel):
    with pytest.raises(actions.OutcomeNotOfChannel):
        met(cast, make_task(cast), channel=channel)


@pytest.mark.parametrize(
    ("began", "channel", "refused"),
    [
        (NOW + timedelta(seconds=1), "visit", True),
        (NOW + timedelta(seconds=1), "phone", True),
        (NOW, "visit", False),
        (NOW - 31 * DAY, "visit", False),
        (NOW - 31 * DAY - timedelta(seconds=1), "visit", True),
        (NOW - 31 * DAY - timedelta(seconds=1), "clinic", True),
        (NOW - 40 * DAY, "phone", False),  # an import of old calls
    ],
)
def test_when_a_contact_may_have_been(cast, began, channel, refused):
    task = make_task(cast)
    if refused:
        with pytest.raises(actions.ContactAtNoTime):
            met(cast, task, channel=channel, started_at=began)
    else:
        assert met(cast, task, channel=channel, started_at=began).attempt.started_at == began


@pytest.mark.parametrize(("hours", "refused"), [(1, False), (0, False), (-1, True)])
def test_a_visit_before_the_discharge_is_no_follow_up_of_it(cast, hours, refused):
    left = NOW - 5 * DAY
    task = make_task(cast, discharged_at=left)
    began = left + timedelta(hours=hours)
    if refused:
        with pytest.raises(actions.ContactAtNoTime):
            met(cast, task, started_at=began)
    else:
        met(cast, task, started_at=began)


@pytest.mark.parametrize("channel", rules.IN_PERSON)
def test_nobody_at_home_climbs_the_same_ladder(cast, channel):
    task = make_task(cast)
    moves = [met(cast, task, "no-answer", channel, at=NOW + n * DAY).decision.move for n in range(3)]
    assert moves[-1] == "review"  # a person decides after the last step, as after three calls
    task.refresh_from_db()
    assert (task.status, task.attempts, task.last_outcome, task.channel) == ("requested", 3, "no-answer", "phone")
    assert rules.is_exhausted(
        numbers=reads.numbers_of(task.patient_id, viewer=cast.as_wang),
        tries=reads.tries_of(task.pk, viewer=cast.as_wang), ladder=rules.shipped_ladder(),
    )  # fmt: skip


def test_a_visit_in_vain_says_nothing_about_the_hours_of_the_telephone(cast):
    met(cast, make_task(cast), "no-answer", started_at=NOW - timedelta(hours=1))
    met(cast, make_task(cast), "reached-patient", "clinic")
    assert reads.reach_of([cast.zhang.pk], viewer=cast.as_wang, at=NOW, ladder=rules.shipped_ladder()) == {}


def test_undo_gives_the_planned_way_back(cast):
    task = make_task(cast, channel="clinic")
    done = met(cast, task, channel="visit")
    actions.undo_attempt(attempt=done.attempt, at=NOW + timedelta(seconds=5), by=cast.as_wang)
    task.refresh_from_db()
    assert (task.status, task.channel, task.attempts) == ("requested", "clinic", 0)


@pytest.mark.parametrize(
    ("planned", "outcome", "given", "kept"),
    [
        ("visit", "reached-patient", "", "visit"),
        ("visit", "reached-patient", "phone", "phone"),
        ("phone", "answered-online", "", "online"),
        ("clinic", "answered-online", "visit", "online"),
    ],
)
def test_what_is_done_says_how_it_was_done(cast, planned, outcome, given, kept):
    task = make_task(cast, channel=planned)
    actions.complete_task(task=task, outcome=outcome, at=NOW, by=cast.as_wang, channel=given)
    task.refresh_from_db()
    assert task.channel == kept


def test_a_task_is_asked_for_with_its_way_and_without_one_it_is_a_call(cast):
    def asked(key, **more):
        return rules.TaskRequest(
            key=key,
            patient_id=cast.zhang.pk,
            department_id=cast.cardiology.pk,
            available_at=NOW,
            due_at=NOW + DAY,
            **more,
        )

    actions.request_tasks(requests=[asked("home", channel="visit"), asked("call")], by=SYSTEM)
    assert dict(Task.objects.unscoped("test").values_list("key", "channel")) == {"home": "visit", "call": "phone"}


@pytest.mark.parametrize("outcome", ["died", "refused-for-ever"])
def test_what_is_learned_at_the_door_reaches_the_record(cast, outcome):
    other = make_task(cast)
    met(cast, make_task(cast), outcome)
    cast.zhang.refresh_from_db()
    other.refresh_from_db()
    assert other.status == "cancelled"
    assert cast.zhang.deceased if outcome == "died" else cast.zhang.do_not_contact


def test_words_of_ways_and_of_a_door_that_stayed_shut():
    assert reads.outcome_label("no-answer") != reads.outcome_label("no-answer", "visit")
    assert reads.outcome_label("no-answer", "visit") == reads.outcome_label("no-answer", "clinic")
    assert reads.outcome_label("refused", "visit") == reads.outcome_label("refused")
    assert {reads.channel_label(code) for code in ("phone", "visit", "clinic", "letter", "online")} == {
        "电话", "上门", "门诊", "信件", "在线作答",
    }  # fmt: skip
    assert reads.channel_label("pigeon") == "pigeon"


def test_another_department_cannot_record_a_visit(cast):
    with pytest.raises(actions.TaskNotOpen):
        met(cast, make_task(cast), by=cast.as_li)
