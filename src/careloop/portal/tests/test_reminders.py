"""The words of a plan's reminder stand on the page behind the link of its message (L23)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from careloop.kernel.actions import seeding
from careloop.plans import actions as plans
from careloop.plans.tests.factories import Scene, raw_plan, raw_step
from careloop.portal.tests.conftest import PHONE_MA, visitor
from careloop.tasks.models import Task
from tests.cast import SYSTEM, Cast

pytestmark = pytest.mark.django_db

WORDS = {"zh": "请每天早上称体重并记下来。<b>", "en": "Weigh yourself every morning."}


def remind(cast: Cast, at: datetime) -> Task:
    """A plan whose reminder was sent and is over, as it is after the ladder."""
    raw = raw_step("tip", "10", window=[3, 5], activity="reminder", questionnaire=None, text=WORDS)
    step = {key: value for key, value in raw.items() if value is not None}
    definition = plans.publish_plan(raw=raw_plan("weight", step), enrols=False, at=at, by=SYSTEM)
    plans.start_care_plan(encounter=Scene(cast).discharge(), definition=definition, at=at, by=SYSTEM)
    task = Task.objects.unscoped("test").get(kind="reminder")
    with seeding():
        Task.objects.unscoped("test").filter(pk=task.pk).update(
            due_at=at, message_state="sent", status="cancelled", closed_reason="message-sent", ended_at=at
        )
    return task


def test_the_patient_reads_the_words_and_nobody_else(zhang, cast: Cast):
    task = remind(cast, timezone.now() - timedelta(days=1))
    assert zhang.enter().status_code == 303
    page = zhang.client.get("/").content.decode()
    assert f'data-reminder="{task.pk}"' in page
    assert "请每天早上称体重并记下来。&lt;b&gt;" in page
    other = visitor(cast.ma)
    assert other.enter(PHONE_MA).status_code == 303
    assert "data-reminder" not in other.client.get("/").content.decode()
