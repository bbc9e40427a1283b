"""Fragments and the JSON list: happy, refused, somebody else's."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from careloop.tasks import actions
from careloop.tasks.tests.factories import make_task

pytestmark = pytest.mark.django_db


def due_task(cast):
    now = timezone.now()
    return make_task(cast, available_at=now - timedelta(days=1), due_at=now + timedelta(hours=1))


def test_the_record_shows_every_item_and_every_contact(cast):
    task = due_task(cast)
    actions.record_attempt(task=task, contact_point_id=None, outcome="busy", at=timezone.now(), by=cast.as_wang)
    url = reverse("tasks:patient_followups", args=[cast.zhang.pk])
    html = cast.client(cast.wang).get(url).content.decode()
    assert f'data-item="{task.pk}" data-item-state="snoozed"' in html
    assert "data-attempt=" in html
    assert cast.client(cast.li).get(url).status_code == 404
    assert cast.client(cast.he).get(url).status_code == 403


@pytest.mark.parametrize(("occurrence", "shown"), [(0, None), (1, "2"), (11, "12")])
def test_the_record_says_which_time_it_is(cast, occurrence, shown):
    make_task(cast, occurrence=occurrence)
    html = cast.client(cast.wang).get(reverse("tasks:patient_followups", args=[cast.zhang.pk])).content.decode()
    assert re.findall(r'data-nth="(\d+)"', html) == ([shown] if shown else [])


def test_a_record_without_work_says_so(cast):
    url = reverse("tasks:patient_followups", args=[cast.zhang.pk])
    assert 'data-state="empty-first"' in cast.client(cast.wang).get(url).content.decode()


def test_the_list_as_json(cast):
    task = due_task(cast)
    body = cast.client(cast.wang).get(reverse("tasks:api-due")).json()
    assert (body["counts"]["todo"], body["more"]) == (1, False)
    assert body["tasks"][0]["task_id"] == str(task.pk)
    assert cast.client(cast.li).get(reverse("tasks:api-due")).json()["tasks"] == []
    assert cast.client(cast.he).get(reverse("tasks:api-due")).status_code == 403


@pytest.mark.parametrize("query", [{"tab": "x"}, {"limit": "-1"}, {"department": "y"}, {"offset": "z"}])
def test_a_query_that_is_not_understood(cast, query):
    assert cast.client(cast.wang).get(reverse("tasks:api-due"), query).status_code == 400
