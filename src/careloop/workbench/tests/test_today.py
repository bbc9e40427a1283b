"""Today's list as pages: happy, refused, somebody else's, and how much each page asks of the database."""

import json
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from careloop.audit.models import AuditEvent
from careloop.tasks import actions
from careloop.tasks.models import SavedFilter
from careloop.tasks.tests.factories import make_patient, make_task

pytestmark = pytest.mark.django_db


def due_now(cast, patient=None, **given):
    """A task that is due at the real time of the test."""
    now = timezone.now()
    return make_task(
        cast, patient, **{"available_at": now - timedelta(days=1), "due_at": now + timedelta(hours=1), **given}
    )


def page(client, name, *args, **query):
    return client.get(reverse(f"workbench:{name}", args=args), query)


def test_home_sends_everybody_to_their_work(cast):
    from django.test import Client

    assert Client().get("/").headers["Location"].startswith("/login/")
    assert cast.client(cast.wang).get("/").headers["Location"] == reverse("workbench:today")
    assert cast.client(cast.audit_admin).get("/").status_code == 302


def test_the_list_shows_who_is_due(cast):
    task = due_now(cast, risk="high", priority=300)
    response = page(cast.client(cast.wang), "today")
    html = response.content.decode()
    assert response.status_code == 200
    assert f'data-task="{task.pk}"' in html
    assert 'data-risk="high"' in html
    assert 'data-section="first"' in html
    assert AuditEvent.objects.filter(name="audit.ListSeen").exists()


@pytest.mark.parametrize("tab", ["todo", "overdue", "promised", "unreached", "abnormal", "done", "nonsense"])
def test_every_tab_opens_empty_and_full(cast, tab):
    client = cast.client(cast.wang)
    assert 'data-state="empty' in page(client, "today", tab=tab).content.decode()
    due_now(
        cast, due_at=timezone.now() - timedelta(days=2), available_at=timezone.now() - timedelta(days=3),
        promised_at=timezone.now(), last_outcome="busy", attempts=1, self_report="high",
    )  # fmt: skip
    assert page(client, "today", tab=tab).status_code == 200


def test_li_sees_none_of_it(cast):
    task = due_now(cast)
    client = cast.client(cast.li)
    assert f'data-task="{task.pk}"' not in page(client, "today").content.decode()
    assert page(client, "preview", task.pk).status_code == 404
    assert client.post(reverse("workbench:record", args=[task.pk]), {"outcome": "busy"}).status_code == 404


def test_who_does_not_call_is_refused(cast):
    assert page(cast.client(cast.he), "today").status_code == 403


def test_queries_do_not_grow_with_the_list(cast, django_assert_max_num_queries):
    client = cast.client(cast.wang)
    for _n in range(12):
        due_now(cast, make_patient(cast))
    page(client, "worklist")
    with django_assert_max_num_queries(14):  # session, rights, list, strip, chips, audit
        page(client, "worklist")


def test_the_preview_says_why_first_and_whom_to_call(cast, django_assert_max_num_queries):
    task = due_now(cast, risk="critical")
    actions.refresh_priorities(at=timezone.now(), by=cast.as_wang)
    client = cast.client(cast.wang)
    page(client, "preview", task.pk)
    with django_assert_max_num_queries(14):
        html = page(client, "preview", task.pk).content.decode()
    assert 'data-reason="risk"' in html
    assert f'data-preview-of="{task.pk}"' in html
    assert "138****0347" in html
    assert "13800110347" not in html


def test_not_reached_from_the_list_answers_with_the_list_and_an_undo(cast):
    task = due_now(cast)
    client = cast.client(cast.wang)
    response = client.post(reverse("workbench:record", args=[task.pk]), {"outcome": "no-answer"})
    task.refresh_from_db()
    assert (response.status_code, task.attempts) == (200, 1)
    assert task.snoozed_until is not None
    undo = json.loads(response.headers["HX-Trigger"])["toast"]["undo"]
    taken_back = client.post(undo)
    task.refresh_from_db()
    assert (taken_back.status_code, task.attempts, task.snoozed_until) == (204, 0, None)
    assert client.post(undo).status_code == 409


@pytest.mark.parametrize("when", ["30m", "2h", "afternoon", "tomorrow"])
def test_a_quick_promise_lies_ahead(cast, when):
    task = due_now(cast)
    fields = {"outcome": "call-later", "when": when}
    assert cast.client(cast.wang).post(reverse("workbench:record", args=[task.pk]), fields).status_code == 200
    task.refresh_from_db()
    assert task.promised_at > timezone.now()


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"outcome": "nonsense"}, 422),
        ({}, 422),
        ({"outcome": "call-later"}, 409),
        ({"outcome": "call-later", "when": "at", "promised_at": "2020-01-01T10:00"}, 422),
    ],
)
def test_a_slip_changes_nothing(cast, fields, status):
    task = due_now(cast)
    assert cast.client(cast.wang).post(reverse("workbench:record", args=[task.pk]), fields).status_code == status
    task.refresh_from_db()
    assert task.attempts == 0


def test_views_are_kept_and_thrown_away_by_their_owner(cast):
    client = cast.client(cast.wang)
    client.post(reverse("workbench:keep-filter"), {"name": "High", "risk": "high"})
    saved = SavedFilter.objects.get()
    assert saved.query == {"risk": "high"}
    assert "risk=high" in page(client, "today").content.decode()
    assert cast.client(cast.zhao).post(reverse("workbench:drop-filter", args=[saved.pk])).status_code == 404
    client.post(reverse("workbench:drop-filter", args=[saved.pk]))
    assert not SavedFilter.objects.exists()


def test_why_explains_every_item_and_the_sum_holds(cast):
    task = due_now(cast)
    due_now(cast, snoozed_until=timezone.now() + timedelta(days=1), snooze_reason="busy")
    client = cast.client(cast.wang)
    html = page(client, "why", patient=cast.zhang.pk).content.decode()
    assert f'data-item="{task.pk}" data-item-state="due" data-why="due"' in html
    assert 'data-item-state="snoozed" data-why="busy"' in html
    assert 'data-total="2"' in html
    assert 'data-item="' in page(client, "why", q="Zhang").content.decode()
    assert 'data-state="empty-filtered"' in page(client, "why", q="Nobody").content.decode()
    assert 'data-item="' not in page(cast.client(cast.li), "why", patient=cast.zhang.pk).content.decode()


def test_a_patient_without_a_plan_is_told_so(cast):
    assert "data-no-items" in page(cast.client(cast.wang), "why", patient=cast.zhang.pk).content.decode()
