"""Writing to the follow-up centre: kept once, asks for an answer, never promises to be read at night."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from careloop.audit.models import AuditEvent
from careloop.messaging.models import InboundMessage
from careloop.portal.tests.conftest import visitor
from careloop.tasks.models import Task
from tests.cast import SYSTEM

pytestmark = pytest.mark.django_db


def test_a_message_is_kept_and_asks_a_nurse_for_an_answer(zhang, cast):
    zhang.enter()
    answer = zhang.client.post("/messages/", {"text": "刀口有点红", "once": uuid4()})
    assert answer.url == "/messages/?sent=1"
    text = zhang.client.get(answer.url).content.decode()
    assert 'data-state="sent"' in text
    assert "刀口有点红" in text
    message = InboundMessage.objects.visible_to(SYSTEM).get()
    assert (message.patient_id, message.gateway, message.intent) == (cast.zhang.pk, "portal", "text")
    task = Task.objects.visible_to(cast.as_wang).get()
    assert (task.kind, task.focus_id, task.department_id) == ("message", message.pk, cast.cardiology.pk)
    assert task.due_at - task.available_at == timedelta(days=1)
    event = AuditEvent.objects.get(name="messaging.ReplyReceived")
    assert "刀口" not in str(event.payload)


def test_sending_the_same_form_again_is_one_message(zhang):
    zhang.enter()
    form = {"text": "再问一次", "once": uuid4()}
    assert {zhang.client.post("/messages/", form).status_code for _ in range(3)} == {303}
    assert InboundMessage.objects.visible_to(SYSTEM).count() == 1
    assert Task.objects.visible_to(SYSTEM).count() == 1


@pytest.mark.parametrize(("text", "code"), [("", "empty"), ("   ", "empty"), ("长" * 501, "too-long")])
def test_an_empty_or_endless_message_is_refused_and_kept_in_the_field(zhang, text, code):
    zhang.enter()
    answer = zhang.client.post("/messages/", {"text": text, "once": uuid4()})
    assert answer.status_code == 422
    assert f'data-code="{code}"' in answer.content.decode()
    assert text.strip() in answer.content.decode()
    assert not InboundMessage.objects.visible_to(SYSTEM).exists()


def test_a_message_is_text_whatever_it_holds(zhang):
    zhang.enter()
    zhang.client.post("/messages/", {"text": "<script>alert(1)</script>", "once": uuid4()})
    text = zhang.client.get("/messages/").content.decode()
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_nobody_reads_the_messages_of_another_patient(zhang, cast):
    zhang.enter()
    zhang.client.post("/messages/", {"text": "只有我能看", "once": uuid4()})
    other = visitor(cast.ma, token="of-ma")
    other.enter("0999")
    assert "只有我能看" not in other.client.get("/messages/").content.decode()
    assert datetime.now(UTC) > cast.now
