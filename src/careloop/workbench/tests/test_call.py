"""The call screen as pages: taking, looking, finishing, the next one, somebody else's."""

import json
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from careloop.audit.models import AuditEvent
from careloop.patients.models import ContactPoint
from careloop.tasks import actions
from careloop.tasks.models import ContactAttempt
from careloop.tasks.tests.factories import make_patient
from careloop.workbench.tests.test_today import due_now, page

pytestmark = pytest.mark.django_db


def post(client, name, *args, **fields):
    return client.post(reverse(f"workbench:{name}", args=args), fields)


def phone(patient):
    return ContactPoint.objects.unscoped("test").filter(patient=patient).first()


def test_start_takes_the_most_urgent_of_the_narrowed_list(cast):
    due_now(cast, make_patient(cast), priority=900)
    high = due_now(cast, make_patient(cast), priority=100, risk="high")
    response = post(cast.client(cast.wang), "start", chips="risk=high")
    assert response.headers["Location"] == reverse("workbench:call", args=[high.pk])
    high.refresh_from_db()
    assert high.claimed_by_id == cast.wang.pk


def test_start_with_nobody_waiting_goes_back_to_the_list(cast):
    assert post(cast.client(cast.wang), "start").headers["Location"] == reverse("workbench:today")


def test_the_screen_shows_the_patient_and_is_recorded(cast, django_assert_max_num_queries):
    task = due_now(cast)
    client = cast.client(cast.wang)
    post(client, "open", task.pk)
    page(client, "call", task.pk)
    with django_assert_max_num_queries(24):
        html = page(client, "call", task.pk).content.decode()
    assert "data-result-bar" in html
    assert "138****0347" in html
    assert AuditEvent.objects.filter(name="audit.RecordSeen", patient_id=cast.zhang.pk).exists()


def test_who_has_not_taken_the_call_only_looks(cast):
    task = due_now(cast)
    client = cast.client(cast.wang)
    assert 'data-code="free"' in page(client, "call", task.pk).content.decode()
    actions.claim_task(task=task, at=timezone.now(), by=cast.as_zhao)
    html = page(client, "call", task.pk).content.decode()
    assert 'data-code="taken"' in html
    assert "data-result-bar" not in html
    assert post(client, "open", task.pk).status_code == 409


def test_li_gets_404_everywhere(cast):
    task = due_now(cast)
    client = cast.client(cast.li)
    for name in ("call", "call-screen"):
        assert page(client, name, task.pk).status_code == 404
    for name in ("open", "finish", "take", "dial", "add-number"):
        assert post(client, name, task.pk).status_code == 404, name
    assert post(client, "verify", task.pk, phone(cast.zhang).pk).status_code == 404


def test_finish_records_and_hands_out_the_next(cast):
    first, second = due_now(cast, priority=9), due_now(cast, make_patient(cast))
    client = cast.client(cast.wang)
    post(client, "start")
    point = phone(cast.zhang)
    response = post(
        client, "finish", first.pk, outcome="reached-patient", contact_point=point.pk, seconds="95", note="fine"
    )
    body = response.json()
    first.refresh_from_db()
    second.refresh_from_db()
    attempt = ContactAttempt.objects.unscoped("test").get()
    assert (first.status, second.claimed_by_id) == ("completed", cast.wang.pk)
    assert (body["task"], f'data-task="{second.pk}"' in body["html"]) == (str(second.pk), True)
    assert (attempt.note, (attempt.ended_at - attempt.started_at).seconds) == ("fine", 95)
    assert "undo" in json.loads(response.headers["HX-Trigger"])["toast"]


def test_what_was_drawn_ahead_is_used_when_nothing_changed(cast):
    first, second = due_now(cast, priority=9), due_now(cast, make_patient(cast))
    client = cast.client(cast.wang)
    post(client, "start")
    ahead = page(client, "upcoming", first.pk).json()
    assert ahead["task"] == str(second.pk)
    second.refresh_from_db()
    assert second.claimed_by_id is None  # looking takes nothing
    ready = f"{ahead['task']}:{ahead['stamp']}"
    body = post(client, "finish", first.pk, outcome="refused", ready=ready).json()
    assert (body["task"], "html" in body) == (str(second.pk), False)


def test_what_was_drawn_ahead_is_thrown_away_when_a_colleague_was_faster(cast):
    first, second = due_now(cast, priority=9), due_now(cast, make_patient(cast), priority=5)
    third = due_now(cast, make_patient(cast))
    client = cast.client(cast.wang)
    post(client, "start")
    ahead = page(client, "upcoming", first.pk).json()
    actions.claim_task(task=second, at=timezone.now(), by=cast.as_zhao)
    body = post(client, "finish", first.pk, outcome="refused", ready=f"{ahead['task']}:{ahead['stamp']}").json()
    assert (body["task"], "html" in body) == (str(third.pk), True)


def test_the_last_one_says_so(cast):
    task = due_now(cast)
    client = cast.client(cast.wang)
    post(client, "start")
    assert page(client, "upcoming", task.pk).status_code == 204
    body = post(client, "finish", task.pk, outcome="refused").json()
    assert body["task"] is None
    assert 'data-state="empty-done"' in body["html"]


def test_a_wrong_result_is_refused_and_changes_nothing(cast):
    task = due_now(cast)
    client = cast.client(cast.wang)
    post(client, "start")
    assert post(client, "finish", task.pk, outcome="").status_code == 422
    assert post(client, "finish", task.pk, outcome="call-later").status_code == 409
    task.refresh_from_db()
    assert (task.status, task.attempts) == ("requested", 0)


def test_dialling_shows_the_whole_number_and_records_it(cast):
    task = due_now(cast)
    body = post(cast.client(cast.wang), "dial", task.pk, contact_point=phone(cast.zhang).pk).json()
    assert body["shown"].replace(" ", "").endswith("110347")
    assert AuditEvent.objects.filter(name="patients.PhoneRevealed").count() == 1
    stranger = phone(make_patient(cast))
    assert post(cast.client(cast.wang), "dial", task.pk, contact_point=stranger.pk).status_code == 404


def test_numbers_are_verified_and_added(cast):
    task = due_now(cast)
    client = cast.client(cast.wang)
    assert post(client, "verify", task.pk, phone(cast.zhang).pk).status_code == 200
    assert phone(cast.zhang).verified_how == "call"
    html = post(client, "add-number", task.pk, number="13912345678", whose="Daughter").content.decode()
    assert "139****5678" in html
    assert post(client, "add-number", task.pk, number="12").status_code == 409


def test_a_lease_is_kept_or_lost(cast):
    task = due_now(cast)
    client = cast.client(cast.wang)
    post(client, "start")
    assert post(client, "take", task.pk).status_code == 204
    type(task).objects.unscoped("test")
    later = timezone.now() + timedelta(minutes=31)
    actions.claim_task(task=task, at=later, by=cast.as_zhao)
    assert post(client, "take", task.pk).status_code == 409


def test_leaving_gives_the_patient_back(cast):
    task = due_now(cast)
    client = cast.client(cast.wang)
    post(client, "start")
    post(client, "leave")
    task.refresh_from_db()
    assert task.claimed_by_id is None
