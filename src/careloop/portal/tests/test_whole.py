"""The whole form at once: what a telephone kept without network arrives in one piece, once, or not at all."""

from __future__ import annotations

import json
import re
import threading
import uuid
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from careloop.alerts.models import Alert
from careloop.audit.models import AuditEvent
from careloop.config.reactions import IN_TURN
from careloop.kernel.actions import seeding
from careloop.plans.actions import finish_follow_up, finishing
from careloop.portal import actions, forms, reads
from careloop.portal.actions import answering
from careloop.portal.tests.conftest import PHONE_ZHANG, make_link, visitor
from careloop.portal.tests.forms import CONTENT, URL, make_task
from careloop.portal.views import questions
from careloop.questionnaires.actions import prefill, save_answer, start_response
from careloop.questionnaires.models import AnswerFact, QuestionnaireResponse
from careloop.questionnaires.reads import current, form_of
from careloop.questionnaires.rules import parse
from tests.cast import SYSTEM, make_cast
from tests.queue import turns

ALL = {
    "breath": "good", "chest": "no", "pain": "2", "sbp": "128", "dbp": "76", "pills": "all", "signs": "none",
    "weight": "61.2", "words": "谢谢",
}  # fmt: skip


@pytest.fixture
def asked(portal, cast):
    task = make_task(cast)
    came = visitor(cast.zhang, purpose="questionnaire", task_id=task.pk)
    came.enter()
    came.task = task
    return came


def post(client, task, values, *, key=None, finish=True, **more):
    data = {**values, "key": str(key or uuid.uuid4()), "finish": "1" if finish else "0", **more}
    answer = client.post(f"/t/{task.pk}/whole/", data)
    return answer.status_code, json.loads(answer.content)


def responses(task):
    return list(QuestionnaireResponse.objects.visible_to(SYSTEM).filter(task_id=task.pk))


@pytest.mark.django_db
def test_everything_is_written_in_one_piece(asked):
    assert post(asked.client, asked.task, ALL) == (200, {"state": "done", "url": f"/t/{asked.task.pk}/done/"})
    asked.task.refresh_from_db()
    assert (asked.task.status, asked.task.outcome, asked.task.channel) == ("completed", "answered-online", "online")
    (stored,) = responses(asked.task)
    assert (stored.status, stored.mode) == ("completed", "portal")
    assert stored.values == {**ALL, "pain": 2, "sbp": 128, "dbp": 76, "signs": ["none"], "weight": 61.2}
    assert {one["source"] for one in stored.answers.values()} == {"portal"}
    assert AnswerFact.objects.visible_to(SYSTEM).filter(response=stored).count() == 9
    told = set(AuditEvent.objects.filter(patient_id=stored.patient_id).values_list("name", flat=True))
    assert told >= {
        "questionnaires.ResponseStarted", "questionnaires.AnswerSaved", "questionnaires.AnswersSent",
        "questionnaires.ResponseCompleted", "tasks.TaskCompleted", "plans.FollowUpFinished",
    }  # fmt: skip


@pytest.mark.django_db
def test_page_by_page_and_at_once_store_the_same(asked, cast):
    other = make_task(cast, key="t2")
    home = visitor(cast.zhang)
    home.enter()
    for page in ("breath", "chest", "pain", "sbp", "pills", "signs", "weight", "words"):
        data = {"sbp": "128", "dbp": "76"} if page == "sbp" else {page: ALL[page]}
        assert home.client.post(f"/t/{other.pk}/q/{page}/", data).status_code == 303
    home.client.post(f"/t/{other.pk}/answers/")
    post(asked.client, asked.task, ALL)
    one, two = responses(asked.task)[0], responses(other)[0]
    for name in ("values", "scores", "findings", "classification", "dropped", "mode", "status", "canonical"):
        assert getattr(one, name) == getattr(two, name), name
    facts = [
        list(
            AnswerFact.objects.visible_to(SYSTEM).filter(response=each).order_by("link_id")
            .values_list("link_id", "code", "number", "text", "unit")
        )
        for each in (one, two)
    ]  # fmt: skip
    assert facts[0] == facts[1]


@pytest.mark.django_db
def test_the_same_sending_again_is_the_first_one_and_another_comes_too_late(asked):
    key = uuid.uuid4()
    first = post(asked.client, asked.task, ALL, key=key)
    events = AuditEvent.objects.count()
    assert post(asked.client, asked.task, ALL, key=key) == first
    assert post(asked.client, asked.task, {"pain": "9"}, key=key) == first
    late = post(asked.client, asked.task, {**ALL, "pain": "9"})
    assert late == (409, {"state": "closed", "url": f"/t/{asked.task.pk}/done/"})
    assert responses(asked.task)[0].values["pain"] == 2
    assert AuditEvent.objects.count() == events


@pytest.mark.django_db
def test_what_is_wrong_is_said_question_by_question_and_nothing_is_stored(asked):
    status, told = post(asked.client, asked.task, {**ALL, "sbp": "900", "pills": "many", "pain": "", "breath": "good"})
    assert (status, told["state"]) == (422, "problems")
    assert {(one["question"], one["page"], one["code"]) for one in told["problems"]} == {
        ("sbp", "sbp", "too-high"), ("pills", "pills", "unknown-option"), ("pain", "pain", "required"),
    }  # fmt: skip
    assert all(one["text"] and one["url"].endswith(f"/q/{one['page']}/") for one in told["problems"])
    assert responses(asked.task) == []
    asked.task.refresh_from_db()
    assert (asked.task.status, asked.task.message_state) == ("requested", "")


@pytest.mark.django_db
def test_a_check_across_questions_names_their_page(asked):
    status, told = post(asked.client, asked.task, {**ALL, "sbp": "80", "dbp": "95"})
    assert status == 422
    assert [(one["page"], one["code"]) for one in told["problems"]] == [("sbp", "check")]


@pytest.mark.django_db
def test_a_part_is_kept_without_closing_and_only_what_was_asked_must_be_there(asked):
    status, told = post(asked.client, asked.task, {"breath": "good", "chest": "yes"}, finish=False)
    assert (status, told) == (200, {"state": "saved", "url": f"/t/{asked.task.pk}/q/when/"})
    assert responses(asked.task)[0].status == "in-progress"
    asked.task.refresh_from_db()
    assert (asked.task.status, asked.task.message_state) == ("requested", "opened")
    status, told = post(asked.client, asked.task, {"pain": ""}, finish=False)
    assert (status, [one["question"] for one in told["problems"]]) == (422, ["pain"])
    status, told = post(asked.client, asked.task, {name: ALL[name] for name in ("pain", "sbp", "dbp", "pills")})
    assert (status, [one["question"] for one in told["problems"]]) == (422, ["when"])


@pytest.mark.django_db
def test_answers_to_questions_that_are_not_asked_in_the_end_do_not_count(asked):
    assert post(asked.client, asked.task, {**ALL, "when": "rest"})[0] == 200
    (stored,) = responses(asked.task)
    assert "when" not in stored.values
    assert stored.dropped["when"]["value"] == "rest"
    assert not Alert.objects.visible_to(SYSTEM).exists()


@pytest.mark.django_db
def test_not_measured_is_said_by_name_and_only_where_it_may_be(asked):
    values = {name: value for name, value in ALL.items() if name != "weight"}
    data = {"not-measured": ["weight", "pain", "nothing"]}
    assert post(asked.client, asked.task, values, **data)[0] == 200
    stored = responses(asked.task)[0]
    assert (stored.values["weight"], stored.values["pain"]) == ("not-measured", 2)


@pytest.mark.django_db
@pytest.mark.parametrize("finish", [True, False])
def test_a_dangerous_answer_raises_its_alert_and_leads_to_the_safety_page(asked, finish):
    status, told = post(asked.client, asked.task, {**ALL, "chest": "yes", "when": "walk"}, finish=finish)
    assert (status, told) == (200, {"state": "danger", "url": f"/t/{asked.task.pk}/safety/when/"})
    assert [one.rule_code for one in Alert.objects.visible_to(SYSTEM)] == ["chest-daily"]
    assert responses(asked.task)[0].status == ("completed" if finish else "in-progress")
    assert "data-safety" in asked.client.get(told["url"]).content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", "7", "x" * 5000, "\x00"])
def test_a_sending_without_a_number_is_not_read(asked, key):
    data = {**ALL, "key": key, "finish": "1"}
    assert asked.client.post(f"/t/{asked.task.pk}/whole/", data).status_code == 400
    assert responses(asked.task) == []


@pytest.mark.django_db
def test_strange_fields_change_nothing(asked):
    strange = {"patient": "x", "breath[]": "worse", "__proto__": "1", "dbp ": "9", "words": "a\x00b" * 900}
    assert post(asked.client, asked.task, {**ALL, **strange})[0] in {200, 422}
    for stored in responses(asked.task):
        assert set(stored.values) == set(ALL)


@pytest.mark.django_db
def test_somebody_elses_form_and_a_locked_telephone_get_nothing(asked, cast):
    other = make_task(cast, patient=cast.ma, key="t2")
    data = {**ALL, "key": str(uuid.uuid4()), "finish": "1"}
    assert asked.client.post(f"/t/{other.pk}/whole/", data).status_code == 404
    assert asked.client.get(f"/t/{other.pk}/whole/").status_code == 404
    assert Client().post(f"/t/{asked.task.pk}/whole/", data).status_code == 302
    assert asked.client.put(f"/t/{asked.task.pk}/whole/").status_code == 405
    assert responses(other) == responses(asked.task) == []


@pytest.mark.django_db
def test_a_form_sent_from_another_site_is_refused(asked):
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = asked.client.cookies
    data = {**ALL, "key": str(uuid.uuid4()), "finish": "1"}
    assert strict.post(f"/t/{asked.task.pk}/whole/", data).status_code == 403
    assert responses(asked.task) == []


@pytest.mark.django_db
def test_a_relative_is_written_down_as_the_source(asked):
    asked.client.post("/family/", {"family": "1", "next": "/"})
    post(asked.client, asked.task, ALL)
    assert {one["source"] for one in responses(asked.task)[0].answers.values()} == {"relative"}


@pytest.mark.django_db
def test_the_copy_holds_every_page_with_what_brings_it_up_and_what_is_dangerous_there(asked):
    text = asked.client.get(f"/t/{asked.task.pk}/whole/").content.decode()
    keys = re.findall(r'<template data-page="([^"]+)"', text)
    assert keys == ["breath", "chest", "when", "pain", "sbp", "pills", "signs", "weight", "words"]
    logic = json.loads(re.search(r'id="logic">(.*?)</script>', text)[1])
    assert logic["when"]["lines"] == [["chest", "=", "yes"]]
    assert 'data-safety="chest-daily"' in text
    assert "checked" not in text


def test_what_brings_a_question_up_is_found_through_all_levels():
    form = parse(CONTENT)
    found = reads.Sitting(None, None, form, None, {}, lambda: ({}, None))
    page = next(page for page in found.every_page if page[0].link_id == "when")
    assert reads.as_if_asked(found, page).answers == {"chest": "yes"}
    assert page in reads.as_if_asked(found, page).pages
    assert page not in found.pages


@pytest.mark.parametrize("text", ["", "no-number", "1" * 33])
def test_only_a_uuid_is_a_key(text):
    assert forms.read_key({"key": text}) is None
    assert forms.read_key({"key": str(uuid.UUID(int=5))}) == uuid.UUID(int=5)


def at_once(count, work):
    """`work(n)` in threads that start together; what each gave back."""
    ready, found = threading.Barrier(count), [None] * count

    def run(n):
        try:
            ready.wait(10)
            found[n] = work(n)
        except Exception as error:
            found[n] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return found


def phones(people, task, count):
    """Browsers with the same link open."""
    token, _link = make_link(people.zhang, purpose="questionnaire", task_id=task.pk)
    found = [Client() for _ in range(count)]
    for client in found:
        client.post(f"/q/{token}", {"factor": PHONE_ZHANG})
    return found


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_the_same_sending_four_times_at_once_is_one_form(portal):
    people = make_cast()
    task = make_task(people)
    clients, key = phones(people, task, 4), uuid.uuid4()
    told = at_once(4, lambda n: post(clients[n], task, ALL, key=key))
    assert told == [(200, {"state": "done", "url": f"/t/{task.pk}/done/"})] * 4
    (stored,) = responses(task)
    assert AnswerFact.objects.visible_to(SYSTEM).filter(response=stored).count() == 9
    assert AuditEvent.objects.filter(name="questionnaires.ResponseCompleted").count() == 1
    assert AuditEvent.objects.filter(name="plans.FollowUpFinished").count() == 1


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_two_telephones_at_once_one_form_counts_and_the_other_is_told(portal):
    people = make_cast()
    task = make_task(people)
    with seeding():
        task.message_state = "sent"
        task.save()
    clients = phones(people, task, 3)
    told = at_once(3, lambda n: post(clients[n], task, {**ALL, "pain": str(n + 1)}))
    assert sorted(status for status, _body in told) == [200, 409, 409]
    winner = next(n for n, (status, _body) in enumerate(told) if status == 200)
    (stored,) = responses(task)
    assert stored.values["pain"] == winner + 1


@pytest.mark.django_db
def test_a_whole_form_is_written_with_few_statements_and_sets_off_one_job(asked, cast):
    """The answers are written once and read never: task held and closed, answers, facts, audit, one job."""
    form_of(current(URL))  # parsed once per version and process
    with CaptureQueriesContext(connection) as seen:
        assert post(asked.client, asked.task, ALL)[0] == 200
    sql = [one["sql"] for one in seen.captured_queries]
    assert len(sql) <= 17, sql
    answers = [one for one in sql if "questionnaires_questionnaireresponse" in one]
    assert [one.split()[0] for one in answers] == ["SELECT", "INSERT"]
    (pieces,) = turns(cast.zhang.pk)
    assert [name.rpartition(".")[2] for name, _event in pieces] == [job.name.rpartition(".")[2] for job in IN_TURN[0]]


@pytest.mark.django_db
def test_a_form_begun_in_the_same_moment_keeps_every_answer_of_both(asked, monkeypatch):
    """The sending found no answers; before it writes, the first page of another sitting arrives."""
    task = asked.task
    find = questions.reads.sitting

    def sitting_then_begun(*given, **named):
        found = find(*given, **named)
        if found.response is None and not responses(task):
            start_response(
                questionnaire=found.questionnaire, patient_id=task.patient_id, task_id=task.pk, mode="portal",
                at=datetime.now(UTC), by=SYSTEM,
            )  # fmt: skip
            save_answer(
                response=responses(task)[0],
                link_id="words",
                value="first",
                source="portal",
                at=datetime.now(UTC),
                by=SYSTEM,
            )
        return found

    monkeypatch.setattr(questions.reads, "sitting", sitting_then_begun)
    sent = {name: value for name, value in ALL.items() if name != "words"}
    assert post(asked.client, task, sent)[0] == 200
    (stored,) = responses(task)
    assert (stored.status, stored.values["words"], stored.values["pain"]) == ("completed", "first", 2)
    assert AuditEvent.objects.filter(name="plans.FollowUpFinished").count() == 1


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_the_first_answer_and_the_end_of_a_call_do_not_wait_for_each_other(portal, monkeypatch):
    """Each holds what it takes first before the other goes on: with two orders this is a circle."""
    people = make_cast()
    task = make_task(people)
    by = people.as_wang
    response = start_response(
        questionnaire=current(URL), patient_id=task.patient_id, task_id=task.pk, mode="phone",
        at=datetime.now(UTC), by=by,
    )  # fmt: skip
    values = {**ALL, "pain": 2, "sbp": 128, "dbp": 76, "signs": ["none"], "weight": 61.2}
    prefill(response=response, values=values, source="phone", at=datetime.now(UTC), by=by)
    held = threading.Event()
    note, complete = answering.note_message, finishing.complete_response

    def note_when_the_call_holds_the_task(**given):
        held.wait(20)
        return note(**given)

    def complete_after_the_task(**given):
        held.set()
        return complete(**given)

    monkeypatch.setattr(answering, "note_message", note_when_the_call_holds_the_task)
    monkeypatch.setattr(finishing, "complete_response", complete_after_the_task)
    saves = threading.Event()
    save = answering.save_answers

    def save_and_say(**given):
        try:
            return save(**given)
        finally:
            saves.set()

    monkeypatch.setattr(answering, "save_answers", save_and_say)

    def phone():
        return actions.answer(
            task=task, questionnaire=response.questionnaire, answers={"words": "x"}, source="portal",
            at=datetime.now(UTC), by=SYSTEM, begun=response,
        )  # fmt: skip

    def call():
        saves.wait(2)  # with the old order the answers are held by now; with one order nobody comes here first
        return finish_follow_up(task=task, response=response, outcome="reached-patient", at=datetime.now(UTC), by=by)

    told = at_once(2, lambda n: phone() if n == 0 else call())
    assert [type(one).__name__ for one in told] == ["ResponseClosed", "NoneType"]
    assert responses(task)[0].status == "completed"
