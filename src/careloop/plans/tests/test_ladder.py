"""Messages before calls, on the real outbox: one message a patient and day, then a person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from careloop.kernel.actions import seeding
from careloop.kernel.viewer import Viewer
from careloop.messaging.actions import load_templates
from careloop.messaging.models import Communication
from careloop.messaging.tests.factories import site
from careloop.patients.models import AccessLink, ContactPoint
from careloop.plans import actions, jobs
from careloop.plans.models import CarePlan, LadderRun
from careloop.plans.reads import due
from careloop.plans.reads.reminders import SHOWN_FOR, Words, reminders_sent
from careloop.plans.tests.factories import Scene, raw_plan, raw_step, tasks_of
from careloop.tasks.models import Task
from tests.cast import SYSTEM, Cast

AT = datetime(2026, 11, 13, 9, 0, tzinfo=UTC)
NINE = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)  # 09:00 in the hospital, when the ladders below start
HOUR = timedelta(hours=1)
LADDER = [{"channel": "wechat", "wait_hours": 24}, {"channel": "sms", "wait_hours": 24}, {"channel": "phone"}]


@pytest.fixture
def scene(cast: Cast) -> Any:
    with site():
        load_templates(at=AT, by=SYSTEM)
        yield Scene(cast)


def start(scene: Scene, *steps: dict[str, Any], name: str = "ladder") -> CarePlan:
    definition = actions.publish_plan(raw=raw_plan(name, *steps), enrols=False, at=AT, by=SYSTEM)
    return actions.start_care_plan(encounter=scene.discharge(), definition=definition, at=AT, by=SYSTEM)


def ask(code: str = "ask", schedule: str = "10", **more: Any) -> dict[str, Any]:
    return raw_step(code, schedule, window=[3, 5], ladder=LADDER, **more)


def climb(scene: Scene, at: datetime) -> int:
    return actions.climb_ladders(patient_id=scene.cast.zhang.pk, at=at, by=SYSTEM)


def messages() -> list[Communication]:
    return list(Communication.objects.unscoped("test").order_by("pk"))


def sent() -> list[Communication]:
    return [message for message in messages() if message.state != "suppressed"]


def test_before_its_time_nothing_happens(scene: Scene) -> None:
    start(scene, ask())
    assert due.patients_with_due_ladders(at=NINE - HOUR, limit=9) == []
    assert climb(scene, NINE - HOUR) == 0
    assert not messages()


def test_a_channel_that_is_not_there_costs_no_waiting(scene: Scene) -> None:
    plan = start(scene, ask())
    assert due.patients_with_due_ladders(at=NINE, limit=9) == [scene.cast.zhang.pk]
    climb(scene, NINE)
    assert [(m.channel, m.state) for m in messages()] == [("sms", "queued")]
    skipped, entry = LadderRun.objects.unscoped("test").get().tried  # no row in the outbox, but a word about it
    assert (skipped["channel"], skipped["why"]) == ("wechat", "no-adapter")
    assert entry["channel"] == "sms"
    message, (task,) = sent()[0], tasks_of(plan)
    assert (message.template_code, message.task_id) == ("follow-up-link", task.pk)
    assert (message.link_id is not None, task.message_state) == (True, "sent")
    link = AccessLink.objects.unscoped("test").get(pk=message.link_id)
    assert (link.purpose, link.task_id) == ("questionnaire", task.pk)
    assert LadderRun.objects.unscoped("test").get().next_move_at == NINE + 24 * HOUR


def test_again_is_harmless(scene: Scene) -> None:
    start(scene, ask())
    climb(scene, NINE)
    climb(scene, NINE + HOUR)
    with seeding():
        LadderRun.objects.unscoped("test").update(next_move_at=NINE, tried=[])
    climb(scene, NINE + HOUR)
    assert len(sent()) == 1


def test_without_an_answer_a_person_calls(scene: Scene) -> None:
    plan = start(scene, ask())
    climb(scene, NINE)
    climb(scene, NINE + 24 * HOUR)
    run, (task,) = LadderRun.objects.unscoped("test").get(), tasks_of(plan)
    assert (run.next_move_at, run.ended_how) == (None, "phone")
    assert task.available_at <= NINE + 24 * HOUR
    assert len(sent()) == 1


def test_without_a_number_a_person_sees_it_at_once(scene: Scene) -> None:
    plan = start(scene, ask())
    with seeding():
        ContactPoint.objects.unscoped("test").update(active=False)
    climb(scene, NINE)
    (task,) = tasks_of(plan)
    assert (task.available_at, sent()) == (NINE, [])
    assert LadderRun.objects.unscoped("test").get().ended_how == "phone"


def test_a_failed_message_does_not_wait_for_an_answer(scene: Scene) -> None:
    start(scene, ask())
    climb(scene, NINE)
    (message,) = sent()
    event = {"communication_id": str(message.pk), "patient_id": str(message.patient_id), "task_id": None}
    by = {"patient_id": message.patient_id, "communication_id": message.pk, "by": SYSTEM}
    assert actions.ladder_failed(at=NINE + HOUR, **by) == 1
    climb(scene, NINE + HOUR)
    assert LadderRun.objects.unscoped("test").get().ended_how == "phone"
    assert actions.ladder_failed(at=NINE + HOUR, **by) == 0
    jobs.message_failed.func(event=event)
    jobs.message_failed.func(event={**event, "patient_id": None})


def test_contacts_of_one_day_are_one_message_with_a_link_to_all(scene: Scene) -> None:
    plan = start(scene, ask("a"), ask("b"), name="first")
    climb(scene, NINE)
    (message,) = sent()
    assert AccessLink.objects.unscoped("test").get(pk=message.link_id).purpose == "home"
    tried = [run.tried[-1]["communication"] for run in LadderRun.objects.unscoped("test")]
    assert tried == [str(message.pk)] * 2
    assert len(tasks_of(plan)) == 2


def test_an_answered_task_is_left_alone(scene: Scene) -> None:
    plan = start(scene, ask())
    climb(scene, NINE)
    (task,) = tasks_of(plan)
    actions.finish_follow_up(task=task, response=None, outcome="answered-online", at=NINE + HOUR, by=SYSTEM)
    jobs.derive_next.func(event={"task_id": str(task.pk)})
    assert LadderRun.objects.unscoped("test").get().ended_how == "task-over"
    assert climb(scene, NINE + 24 * HOUR) == 0
    plan.refresh_from_db()
    assert plan.end_reason == "steps-done"


def test_a_reminder_is_done_when_it_was_sent(scene: Scene) -> None:
    text = {"zh": "请每天称体重。", "en": "Weigh yourself every day."}
    ladder = [{"channel": "sms", "wait_hours": 12}]
    reminder = raw_step("tip", "10", window=[3, 5], activity="reminder", questionnaire=None, text=text, ladder=ladder)
    plan = start(scene, {key: value for key, value in reminder.items() if value is not None})
    climb(scene, NINE)
    climb(scene, NINE + 12 * HOUR)
    (task,) = tasks_of(plan)
    assert (task.status, task.closed_reason) == ("cancelled", "message-sent")
    (message,) = sent()
    assert (message.template_code, message.link.purpose) == ("care-reminder", "home")
    assert "每天称体重" not in str(message.params)
    for language, words in (("zh-hans", text["zh"]), ("en", text["en"])):
        assert [one.text for one in reminded(scene.cast.as_wang, language)] == [words]
    assert reminded(scene.cast.as_li) == []
    assert reminded(scene.cast.as_wang, at=task.due_at + SHOWN_FOR) == []


def reminded(viewer: Viewer, language: str = "zh-hans", at: datetime = NINE) -> list[Words]:
    return reminders_sent(language=language, viewer=viewer, at=at)


def test_what_was_not_sent_yet_is_not_shown(scene: Scene) -> None:
    text = {"zh": "请每天称体重。", "en": "Weigh yourself every day."}
    later = raw_step("tip", "40", window=[3, 5], activity="reminder", questionnaire=None, text=text)
    start(scene, ask(), {key: value for key, value in later.items() if value is not None})
    climb(scene, NINE)
    assert reminded(scene.cast.as_wang) == []


def test_ended_plans_send_nothing_more(scene: Scene) -> None:
    plan = start(scene, ask())
    actions.end_care_plan(care_plan=plan, reason="recovered", at=AT, by=SYSTEM)
    assert due.patients_with_due_ladders(at=NINE, limit=9) == []


def test_a_missed_call_is_told_once(scene: Scene) -> None:
    plan = start(scene, raw_step("call", "3"))
    (task,) = tasks_of(plan)
    for _twice in range(2):
        actions.send_missed_call(task_id=task.pk, attempt_id=task.pk, at=NINE, by=SYSTEM)
    assert [m.template_code for m in sent()] == ["missed-call"]
    with seeding():
        Task.objects.unscoped("test").update(status="cancelled", closed_reason="x", ended_at=NINE)
    assert actions.send_missed_call(task_id=task.pk, attempt_id=plan.pk, at=NINE, by=SYSTEM) is None


def test_the_periodic_job_hands_patients_on(scene: Scene) -> None:
    from procrastinate.contrib.django.models import ProcrastinateJob

    start(scene, ask())
    jobs.run_channel_ladder.func(timestamp=int(NINE.timestamp()))
    queued = ProcrastinateJob.objects.filter(task_name="careloop.plans.jobs.climb_ladders")
    assert [job.args["patient_id"] for job in queued] == [str(scene.cast.zhang.pk)]


def test_a_lost_patient_ends_the_plan_and_only_this_one(scene: Scene) -> None:
    plan = start(scene, ask())
    assert actions.stop_for_loss(care_plan_id=plan.pk, at=NINE, by=SYSTEM) == 1
    assert actions.stop_for_loss(care_plan_id=plan.pk, at=NINE, by=SYSTEM) == 0
    plan.refresh_from_db()
    assert (plan.status, plan.end_reason) == ("revoked", "lost-to-follow-up")
    assert not [task for task in tasks_of(plan) if task.status == "requested"]
    assert actions.stop_for_loss(care_plan_id=uuid4(), at=NINE, by=SYSTEM) == 0
