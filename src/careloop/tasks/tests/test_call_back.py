"""A patient answers "1" to a message: somebody calls."""

from datetime import timedelta
from uuid import uuid4

import pytest

from careloop.patients.models import CareRelationship
from careloop.tasks import actions, jobs
from careloop.tasks.models import Task
from careloop.tasks.rules.request import TaskRequest
from tests.cast import NOW, SYSTEM

pytestmark = pytest.mark.django_db


def open_task(cast):
    asked = TaskRequest(
        key="k",
        patient_id=cast.zhang.pk,
        department_id=cast.cardiology.pk,
        available_at=NOW,
        due_at=NOW + timedelta(days=2),
    )
    actions.request_tasks(requests=[asked], by=SYSTEM)
    return Task.objects.unscoped("t").get(key="k")


def ask(cast, task_id, inbound_id, at=NOW):
    actions.call_back(patient_id=cast.zhang.pk, task_id=task_id, inbound_id=inbound_id, at=at, by=SYSTEM)


def test_the_open_task_is_promised_for_now(cast):
    task = open_task(cast)
    ask(cast, task.pk, uuid4())
    task.refresh_from_db()
    assert task.promised_at == NOW
    assert task.due_at == NOW + timedelta(days=2)
    assert Task.objects.unscoped("t").count() == 1


def test_without_an_open_task_one_is_opened_once(cast):
    task, inbound = open_task(cast), uuid4()
    actions.close_tasks(task_ids=[task.pk], reason="plan-ended", at=NOW, by=SYSTEM)
    for _ in range(2):
        ask(cast, task.pk, inbound)
    asked = Task.objects.unscoped("t").get(kind="message")
    assert (asked.department_id, asked.focus_id, asked.due_at) == (cast.cardiology.pk, inbound, NOW)


def test_another_patients_task_is_not_touched(cast):
    task = open_task(cast)
    actions.call_back(patient_id=cast.ma.pk, task_id=task.pk, inbound_id=uuid4(), at=NOW, by=SYSTEM)
    task.refresh_from_db()
    assert task.promised_at is None
    assert Task.objects.unscoped("t").get(kind="message").patient_id == cast.ma.pk


def test_nobody_cares_for_the_patient(cast):
    from careloop.kernel.actions import seeding

    with seeding():
        CareRelationship.objects.unscoped("t").filter(patient=cast.zhang).delete()
    ask(cast, None, uuid4())
    assert not Task.objects.unscoped("t").exists()


@pytest.mark.parametrize(("intent", "made"), [("call-me", 1), ("text", 0), ("stop", 0)])
def test_the_job_acts_on_call_me_only(cast, intent, made):
    event = {"intent": intent, "patient_id": str(cast.zhang.pk), "task_id": None, "inbound_id": str(uuid4())}
    jobs.call_back_after_reply.func(event=event)
    jobs.call_back_after_reply.func(event=event)
    assert Task.objects.unscoped("t").count() == made
