"""The call screen as pages: taking, looking, finishing, the next one, somebody else's."""

import json
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from careloop.alerts.models import Alert
from careloop.audit.models import AuditEvent
from careloop.patients.models import ContactPoint
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.tasks import actions
from careloop.tasks.models import ContactAttempt
from careloop.tasks.tests.factories import make_patient, make_task
from careloop.workbench.tests import forms
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
    client = cast.client(cast.wang)
    back = post(client, "start").headers["Location"]
    assert back.startswith(reverse("workbench:today"))
    assert 'class="toast"' in client.get(back).content.decode()


def test_the_screen_shows_the_patient_and_is_recorded(cast, django_assert_max_num_queries):
    task = due_now(cast)
    client = cast.client(cast.wang)
    post(client, "open", task.pk)
    page(client, "call", task.pk)
    with django_assert_max_num_queries(30):
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
    refused = post(client, "open", task.pk)
    assert (refused.status_code, b'data-code="task-taken"' in refused.content, b"<html" in refused.content) == (
        409, True, True,
    )  # fmt: skip


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
    assert "data-result-bar" in body["html"]
    assert (attempt.note, (attempt.ended_at - attempt.started_at).seconds) == ("fine", 95)
    assert "undo" in json.loads(response.headers["HX-Trigger"])["toast"]


def test_what_was_drawn_ahead_is_used_when_nothing_changed(cast):
    first, second = due_now(cast, priority=9), due_now(cast, make_patient(cast))
    client = cast.client(cast.wang)
    post(client, "start")
    ahead = page(client, "upcoming", first.pk).json()
    assert ahead["task"] == str(second.pk)
    assert "data-result-bar" in ahead["html"]  # as it will look once the patient is taken
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


# --- answers ---------------------------------------------------------------------------------------------------------

GOOD = {
    "who": "who-1", "pain": "pain-1", "wound": "wound-1", "drugs": "drugs-1", "sleep": "sleep-1", "salt": "salt-1",
    "smoke": "smoke-1", "visit": "visit-1",
}  # fmt: skip


def asked(cast, client):
    forms.publish()
    task = due_now(cast, questionnaire_url=forms.URL)
    post(client, "start")
    return task


def responses():
    return list(QuestionnaireResponse.objects.unscoped("test").order_by("started_at", "pk"))


def test_looking_at_the_form_begins_no_answers(cast):
    client = cast.client(cast.wang)
    task = asked(cast, client)
    html = page(client, "call", task.pk).content.decode()
    assert html.count("data-question ") == 10
    assert 'data-link-id="when"' in html
    assert responses() == []


def test_an_answer_is_kept_at_once_and_says_what_follows(cast, django_assert_max_num_queries):
    client = cast.client(cast.wang)
    task = asked(cast, client)
    body = post(client, "answer", task.pk, link_id="pain", value="pain-2").json()
    assert (body["answered"], "when" in body["asked"]) == (1, True)
    with django_assert_max_num_queries(34):
        body = post(client, "answer", task.pk, link_id="when", value="when-2").json()
    assert 'data-alert="angina-again"' in body["blocks"]["when"]
    assert 'data-rule="angina-again"' in body["advice"]
    (response,) = responses()
    assert (response.status, response.values, response.mode) == (
        "in-progress", {"pain": "pain-2", "when": "when-2"}, "phone",
    )  # fmt: skip
    body = post(client, "answer", task.pk, link_id="pain", value="pain-1").json()
    assert "when" not in body["asked"]
    assert "angina-again" not in str(body["blocks"])


def test_a_colleagues_call_takes_no_answers(cast):
    client = cast.client(cast.wang)
    task = asked(cast, client)
    assert post(cast.client(cast.zhao), "answer", task.pk, link_id="pain", value="pain-1").status_code == 409
    assert post(cast.client(cast.li), "answer", task.pk, link_id="pain", value="pain-1").status_code == 404
    assert post(client, "answer", task.pk, link_id="nonsense", value="1").status_code == 409


def test_completing_needs_the_required_answers_and_writes_both_or_neither(cast):
    client = cast.client(cast.wang)
    task = asked(cast, client)
    post(client, "answer", task.pk, link_id="who", value="who-1")
    assert post(client, "finish", task.pk, outcome="reached-patient").status_code == 422
    task.refresh_from_db()
    assert (task.status, ContactAttempt.objects.unscoped("test").count()) == ("requested", 0)
    for link_id, value in GOOD.items():
        post(client, "answer", task.pk, link_id=link_id, value=value)
    assert post(client, "finish", task.pk, outcome="reached-patient").status_code == 200
    task.refresh_from_db()
    assert (task.status, responses()[0].status) == ("completed", "completed")


def test_not_reached_asks_for_no_answer(cast):
    client = cast.client(cast.wang)
    task = asked(cast, client)
    assert post(client, "finish", task.pk, outcome="no-answer").status_code == 200
    assert responses() == []


def test_after_undo_the_answers_can_be_corrected(cast):
    client = cast.client(cast.wang)
    task = asked(cast, client)
    for link_id, value in GOOD.items():
        post(client, "answer", task.pk, link_id=link_id, value=value)
    done = post(client, "finish", task.pk, outcome="reached-patient")
    client.post(json.loads(done.headers["HX-Trigger"])["toast"]["undo"])
    assert post(client, "answer", task.pk, link_id="sleep", value="sleep-3").status_code == 200
    assert [r.status for r in responses()] == ["amended", "completed"]
    assert post(client, "finish", task.pk, outcome="reached-patient").status_code == 200


def test_a_critical_answer_is_reported_at_once_and_once(cast):
    client = cast.client(cast.wang)
    task = asked(cast, client)
    assert post(client, "report", task.pk).status_code == 409
    post(client, "answer", task.pk, link_id="pain", value="pain-2")
    post(client, "answer", task.pk, link_id="when", value="when-2")
    body = post(client, "report", task.pk).json()
    assert "data-reported" in body["blocks"]["when"]
    assert post(client, "report", task.pk).status_code == 200
    alert = Alert.objects.unscoped("test").get()
    assert (alert.rule_code, alert.severity, alert.source_task_id) == ("angina-again", "critical", task.pk)


def test_the_plan_beside_the_call(cast):
    task = due_now(cast)
    client = cast.client(cast.wang)
    assert page(client, "call-plan", task.pk).status_code == 200
    assert page(cast.client(cast.li), "call-plan", task.pk).status_code == 404


def test_one_call_shows_every_step_of_the_patient_and_leads_to_each(cast):
    now = timezone.now()
    times = {"available_at": now - timedelta(days=1), "due_at": now + timedelta(hours=1)}
    patient = make_patient(cast)
    first, second = (make_task(cast, patient, priority=p, **times) for p in (9, 1))
    client = cast.client(cast.wang)
    client.post(reverse("workbench:open", args=[first.pk]))
    page = client.get(reverse("workbench:call", args=[first.pk])).content.decode()
    assert f'data-same-call="{first.pk}"' in page
    assert f'data-same-call="{second.pk}"' in page
    assert reverse("workbench:call", args=[second.pk]) in page
    assert 'data-together="1"' in page
    assert (
        "data-result-bar" in client.get(reverse("workbench:call", args=[second.pk])).content.decode()
    )  # still in hand
    listed = client.get(reverse("workbench:today")).content.decode()
    assert 'data-also="1"' in listed
    assert f'data-task="{second.pk}"' not in listed
