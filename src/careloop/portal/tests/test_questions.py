"""Answering on a telephone: order, resuming, danger, sending once, and nothing of anybody else."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from careloop.alerts.models import Alert
from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.kernel.viewer import Viewer
from careloop.portal import actions, reads
from careloop.portal.tests.conftest import PHONE_MA, PHONE_ZHANG, make_link, visitor
from careloop.portal.tests.forms import CONTENT, make_task
from careloop.questionnaires.actions import load_shipped_content
from careloop.questionnaires.models import Questionnaire, QuestionnaireResponse
from careloop.tasks.models import Task
from tests.cast import SYSTEM, make_cast

GOOD = {
    "breath": "good", "chest": "no", "pain": "2", "sbp": ["128", "76"], "pills": "all", "signs": "none",
    "weight": "61.2", "words": "谢谢",
}  # fmt: skip


@pytest.fixture
def asked(portal, cast):
    """A browser that came in by the link of one questionnaire, and its task."""
    task = make_task(cast)
    came = visitor(cast.zhang, purpose="questionnaire", task_id=task.pk)
    came.enter()
    came.task = task
    return came


def send(client, task, key, **values):
    return client.post(f"/t/{task.pk}/q/{key}/", values)


def answer_all(client, task, **changed):
    """Walks through the whole form as a patient would, by the addresses the server gives."""
    values = {**GOOD, **changed}
    url, seen = client.get(f"/t/{task.pk}/").url, []
    while "/q/" in url:
        key = url.rstrip("/").rsplit("/", 1)[-1]
        seen.append(key)
        data = {"sbp": values["sbp"][0], "dbp": values["sbp"][1]} if key == "sbp" else {key: values.get(key, "")}
        answer = client.post(url, data)
        assert answer.status_code == 303, (key, answer.content.decode()[:2000])
        url = answer.url
        assert len(seen) < 15
    return url, seen


def response_of(task):
    return QuestionnaireResponse.objects.visible_to(SYSTEM).get(task_id=task.pk)


@pytest.mark.django_db
def test_the_link_leads_straight_to_the_first_question(portal, cast):
    task = make_task(cast)
    came = visitor(cast.zhang, purpose="questionnaire", task_id=task.pk)
    answer = came.enter()
    assert answer.url == f"/t/{task.pk}/"
    first = came.client.get(answer.url)
    assert first.url == f"/t/{task.pk}/q/breath/"
    text = came.client.get(first.url).content.decode()
    assert "checked" not in text
    assert text.count('type="radio"') == 3
    assert not QuestionnaireResponse.objects.visible_to(SYSTEM).exists()


@pytest.mark.django_db
def test_the_whole_way_closes_task_and_response_together(asked):
    url, seen = answer_all(asked.client, asked.task)
    assert seen == ["breath", "chest", "pain", "sbp", "pills", "signs", "weight", "words"]
    assert url == f"/t/{asked.task.pk}/answers/"
    summary = asked.client.get(url).content.decode()
    assert "128 mmHg / 76 mmHg" in summary
    answer = asked.client.post(url)
    assert answer.url == f"/t/{asked.task.pk}/done/"
    assert 'data-state="done"' in asked.client.get(answer.url).content.decode()
    asked.task.refresh_from_db()
    assert (asked.task.status, asked.task.outcome) == ("completed", "answered-online")
    stored = response_of(asked.task)
    assert (stored.status, stored.mode) == ("completed", "portal")
    assert stored.values["sbp"] == 128
    assert stored.values["weight"] == 61.2
    assert {one["source"] for one in stored.answers.values()} == {"portal"}


@pytest.mark.django_db
def test_a_question_that_depends_on_another_comes_and_goes(asked):
    send(asked.client, asked.task, "breath", breath="good")
    answer = send(asked.client, asked.task, "chest", chest="yes")
    assert answer.url.endswith("/q/when/")
    assert "9" in asked.client.get(answer.url).content.decode()
    answer = send(asked.client, asked.task, "chest", chest="no")
    assert answer.url.endswith("/q/pain/")
    assert asked.client.get(f"/t/{asked.task.pk}/q/when/").status_code == 303


@pytest.mark.django_db
def test_going_back_shows_the_answer_and_loses_none(asked):
    send(asked.client, asked.task, "breath", breath="worse")
    send(asked.client, asked.task, "chest", chest="no")
    text = asked.client.get(f"/t/{asked.task.pk}/q/breath/").content.decode()
    assert 'value="worse" checked' in text
    send(asked.client, asked.task, "breath", breath="good")
    assert response_of(asked.task).values == {"breath": "good", "chest": "no"}


@pytest.mark.django_db
def test_somebody_goes_on_where_they_stopped_on_another_telephone(asked, cast):
    send(asked.client, asked.task, "breath", breath="good")
    send(asked.client, asked.task, "chest", chest="no")
    other = Client()
    other.post(asked.url, {"factor": PHONE_ZHANG})
    assert other.get(f"/t/{asked.task.pk}/").url.endswith("/q/pain/")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("key", "typed", "code"),
    [
        ("breath", {}, "required"),
        ("breath", {"breath": "invented"}, "unknown-option"),
        ("sbp", {"sbp": "1280", "dbp": "76"}, "too-high"),
        ("sbp", {"sbp": "abc", "dbp": "76"}, "type"),
        ("sbp", {"sbp": "", "dbp": "76"}, "required"),
        ("sbp", {"sbp": "80", "dbp": "95"}, "check"),
        ("weight", {"weight": "5"}, "too-low"),
        ("words", {"words": "x" * 301}, "too-long"),
    ],
)
def test_what_cannot_be_is_asked_again_with_what_was_typed(asked, key, typed, code):
    answer = send(asked.client, asked.task, key, **typed)
    text = answer.content.decode()
    assert answer.status_code == 422
    assert f'data-code="{code}"' in text
    for value in typed.values():
        if value and value != "invented":
            assert value in text
    assert not QuestionnaireResponse.objects.visible_to(SYSTEM).exists()


@pytest.mark.django_db
def test_full_width_digits_not_measured_and_several_choices(asked):
    assert send(asked.client, asked.task, "sbp", sbp="１２８", dbp="７６").status_code == 303
    assert send(asked.client, asked.task, "weight", **{"not-measured": "1", "weight": ""}).status_code == 303
    assert send(asked.client, asked.task, "signs", signs=["swelling", "bleeding"]).status_code == 303
    assert send(asked.client, asked.task, "pain", pain="0").status_code == 303
    assert response_of(asked.task).values == {
        "sbp": 128, "dbp": 76, "weight": "not-measured", "signs": ["swelling", "bleeding"], "pain": 0,
    }  # fmt: skip
    assert 'value="0" checked' in asked.client.get(f"/t/{asked.task.pk}/q/pain/").content.decode()


@pytest.mark.django_db
def test_a_dangerous_answer_shows_the_safety_page_and_raises_its_alert_at_once(asked, cast):
    send(asked.client, asked.task, "breath", breath="good")
    send(asked.client, asked.task, "chest", chest="yes")
    answer = send(asked.client, asked.task, "when", when="walk")
    assert answer.url == f"/t/{asked.task.pk}/safety/when/"
    page = asked.client.get(answer.url).content.decode()
    assert "data-safety" in page
    assert 'href="tel:120"' in page
    assert "请现在停下来休息" in page
    alert = Alert.objects.visible_to(SYSTEM).get()
    assert (alert.rule_code, alert.severity) == ("chest-daily", "critical")
    assert alert.patient_id == cast.zhang.pk
    assert response_of(asked.task).status == "in-progress"
    assert AuditEvent.objects.filter(name="portal.DangerAnswered").count() == 1


@pytest.mark.django_db
def test_the_same_danger_twice_is_one_alert_and_the_rest_can_still_be_answered(asked):
    send(asked.client, asked.task, "chest", chest="yes")
    for _ in range(2):
        send(asked.client, asked.task, "when", when="walk")
    assert Alert.objects.visible_to(SYSTEM).count() == 1
    send(asked.client, asked.task, "breath", breath="good")
    assert asked.client.get(f"/t/{asked.task.pk}/").url.endswith("/q/pain/")


@pytest.mark.django_db
def test_the_page_carries_what_would_be_dangerous(asked):
    send(asked.client, asked.task, "chest", chest="yes")
    text = asked.client.get(f"/t/{asked.task.pk}/q/when/").content.decode()
    assert '"answer": "walk"' in text
    assert '"answer": "rest"' in text
    assert '"answer": "hard"' not in text
    assert 'id="safety-chest-daily"' in text
    assert "出大汗、喘不上气" in text
    assert 'id="danger"' not in asked.client.get(f"/t/{asked.task.pk}/q/breath/").content.decode()


@pytest.mark.django_db
def test_numbers_ship_the_dangerous_range_and_pairs_depend_on_earlier_answers(asked):
    text = asked.client.get(f"/t/{asked.task.pk}/q/sbp/").content.decode()
    assert '"low": 200.0' in text or '"low": 200' in text
    assert 'id="danger"' not in asked.client.get(f"/t/{asked.task.pk}/q/signs/").content.decode()
    send(asked.client, asked.task, "breath", breath="worse")
    assert '"answer": "swelling"' in asked.client.get(f"/t/{asked.task.pk}/q/signs/").content.decode()


@pytest.mark.django_db
def test_what_ships_with_a_page_is_what_the_server_would_say(asked):
    """Every option of every choice: shipped as dangerous exactly when answering it raises a critical finding."""
    viewer = Viewer.patient(asked.task.patient_id)
    at = datetime.now(UTC)
    send(asked.client, asked.task, "chest", chest="yes")
    found = reads.sitting(asked.task.pk, at=at, viewer=viewer)
    for page in found.pages:
        dangers, _ = reads.dangers_of(found, page, at=at)
        shipped = {(danger.field, danger.answer) for danger in dangers if danger.answer is not None}
        for item in page:
            for option in item.options:
                given = [option.code] if item.repeats else option.code
                fired = [
                    one
                    for one in reads.sitting_with(found, {item.link_id: given}).findings(at=at)
                    if one.severity == "critical"
                ]
                assert ((item.link_id, option.code) in shipped) == bool(fired)


@pytest.mark.django_db
def test_sending_twice_is_harmless(asked):
    url, _ = answer_all(asked.client, asked.task)
    first, again = asked.client.post(url), asked.client.post(url)
    assert first.url == again.url == f"/t/{asked.task.pk}/done/"
    assert AuditEvent.objects.filter(name="questionnaires.ResponseCompleted").count() == 1
    assert AuditEvent.objects.filter(name="tasks.TaskCompleted").count() == 1
    answer = send(asked.client, asked.task, "breath", breath="worse")
    assert answer.url.endswith("/done/")
    assert response_of(asked.task).values["breath"] == "good"


@pytest.mark.django_db
def test_a_task_closed_by_telephone_meanwhile_takes_no_more_answers(asked):
    send(asked.client, asked.task, "breath", breath="good")
    with seeding():
        Task.objects.visible_to(SYSTEM).update(
            status="completed", outcome="reached-patient", ended_at=datetime.now(UTC)
        )
    assert send(asked.client, asked.task, "chest", chest="no").url.endswith("/done/")
    assert response_of(asked.task).values == {"breath": "good"}
    assert asked.client.get(f"/t/{asked.task.pk}/done/").status_code == 200


@pytest.mark.django_db
def test_an_unfinished_form_cannot_be_sent(asked):
    send(asked.client, asked.task, "breath", breath="good")
    answer = asked.client.post(f"/t/{asked.task.pk}/answers/")
    assert answer.status_code in {409, 422}
    asked.task.refresh_from_db()
    assert asked.task.status == "requested"
    assert response_of(asked.task).status == "in-progress"


@pytest.mark.django_db
def test_the_link_of_one_task_opens_no_other_task(asked, cast):
    second = make_task(cast, key="t2")
    of_ma = make_task(cast, patient=cast.ma, key="t3", department=cast.orthopaedics)
    for task in (second, of_ma):
        for path in ("", "q/breath/", "answers/", "done/", "safety/when/"):
            assert asked.client.get(f"/t/{task.pk}/{path}").status_code == 404
            assert asked.client.post(
                f"/t/{task.pk}/{path}", {"breath": "good", "patient": str(cast.ma.pk)}
            ).status_code in {404, 405}
    home = visitor(cast.zhang, token="home-of-zhang")
    home.enter()
    assert home.client.get(f"/t/{second.pk}/").status_code == 302
    assert home.client.get(f"/t/{of_ma.pk}/").status_code == 404
    ma = Client()
    token, _ = make_link(cast.ma, token="home-of-ma")
    ma.post(f"/q/{token}", {"factor": PHONE_MA})
    assert ma.get(f"/t/{asked.task.pk}/").status_code == 404
    assert not QuestionnaireResponse.objects.visible_to(SYSTEM).exists()


@pytest.mark.django_db
def test_reading_pages_writes_nothing(asked):
    send(asked.client, asked.task, "breath", breath="good")
    facts, before = AuditEvent.objects.count(), response_of(asked.task).updated_at
    for path in ("", "q/breath/", "q/chest/", "answers/", "done/", "safety/breath/"):
        asked.client.get(f"/t/{asked.task.pk}/{path}")
    assert AuditEvent.objects.count() == facts
    assert response_of(asked.task).updated_at == before


@pytest.mark.django_db
def test_answers_of_a_relative_say_so(portal, cast):
    task = make_task(cast)
    came = visitor(cast.zhang)
    came.enter()
    came.client.post("/family/", {"family": "1"})
    send(came.client, task, "breath", breath="good")
    assert response_of(task).answers["breath"]["source"] == "relative"


@pytest.mark.django_db
def test_home_shows_what_is_to_answer_and_that_it_was_begun(portal, cast):
    task = make_task(cast)
    make_task(cast, key="later", available_at=datetime(2030, 1, 1, tzinfo=UTC), due_at=datetime(2030, 1, 2, tzinfo=UTC))
    came = visitor(cast.zhang)
    came.enter()
    text = came.client.get("/").content.decode()
    assert text.count("data-task=") == 1
    assert f'data-task="{task.pk}" data-begun="no"' in text
    send(came.client, task, "breath", breath="good")
    assert f'data-task="{task.pk}" data-begun="yes"' in came.client.get("/").content.decode()


@pytest.mark.django_db
def test_a_form_that_is_not_there_is_a_missing_page(portal, cast):
    task = make_task(cast, questionnaire_url="https://careloop.org/fhir/Questionnaire/never-published")
    came = visitor(cast.zhang)
    came.enter()
    assert came.client.get(f"/t/{task.pk}/").status_code == 404


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_two_telephones_at_the_same_moment_lose_no_answer_and_start_one_response():
    people = make_cast()
    task = make_task(people)
    by, at = Viewer.patient(people.zhang.pk), datetime.now(UTC)
    questionnaire = reads.sitting(task.pk, at=at, viewer=by).questionnaire
    values = {"breath": "good", "chest": "no", "pain": "3", "pills": "all"}
    faults = []

    def tap(link_id, value):
        try:
            actions.answer(
                task=task, questionnaire=questionnaire, answers={link_id: value}, source="portal", at=at, by=by
            )
        except Exception as fault:
            faults.append(fault)
        finally:
            connection.close()

    threads = [threading.Thread(target=tap, args=one) for one in values.items()]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert faults == []
    assert response_of(task).values == {**values, "pain": 3}
    assert len(CONTENT["definition"]["item"]) == 9


@pytest.mark.django_db
def test_every_shipped_form_can_be_answered_on_a_telephone(portal, cast):
    """Each page of each form is shown, quickly, with what would be dangerous; the first option of every choice is taken."""
    load_shipped_content(at=datetime.now(UTC), by=SYSTEM)
    shipped = list(Questionnaire.objects.filter(status="active", is_shipped=True).order_by("url"))
    assert len(shipped) >= 10
    came = visitor(cast.zhang)
    came.enter()
    slowest = 0.0
    for number, questionnaire in enumerate(shipped):
        task = make_task(cast, key=f"shipped-{number}", questionnaire_url=questionnaire.url)
        url, pages = came.client.get(f"/t/{task.pk}/").url, 0
        while "/q/" in url:
            key, pages = url.rstrip("/").rsplit("/", 1)[-1], pages + 1
            assert pages < 60, (questionnaire.url, key)
            start = time.perf_counter()
            page = came.client.get(url)
            slowest = max(slowest, time.perf_counter() - start)
            assert page.status_code == 200, (questionnaire.url, key)
            found = reads.sitting(task.pk, at=datetime.now(UTC), viewer=Viewer.patient(cast.zhang.pk))
            data = {item.link_id: first_answer(item) for item in found.page(key)}
            answer = came.client.post(url, data)
            assert answer.status_code == 303, (questionnaire.url, key, data, answer.content.decode()[-1500:])
            url = answer.url
            if "/safety/" in url:
                assert came.client.get(url).status_code == 200
                url = came.client.get(f"/t/{task.pk}/").url
                if f"/q/{key}/" in url:
                    break
        assert pages, questionnaire.url
    assert slowest < 5.0  # a hang, not a speed: speed is measured in bench


def first_answer(item):
    if item.options:
        return item.options[0].code
    if item.type == "boolean":
        return "false"
    if item.type in {"integer", "decimal", "quantity"}:
        low, high = item.minimum or 0, item.maximum or 10
        return str(int((low + high) / 2))
    return "2026-11-01" if item.type == "date" else "–"


@pytest.mark.django_db
def test_a_relative_with_the_link_of_one_form_can_say_so(asked):
    first = f"/t/{asked.task.pk}/q/breath/"
    assert 'name="family" value="1"' in asked.client.get(first).content.decode()
    answer = asked.client.post("/family/", {"family": "1", "next": first})
    assert answer.url == first
    assert 'class="family"' in asked.client.get(first).content.decode()
    send(asked.client, asked.task, "breath", breath="good")
    assert response_of(asked.task).answers["breath"]["source"] == "relative"


@pytest.mark.django_db
def test_the_work_list_knows_that_somebody_began_online(asked):
    send(asked.client, asked.task, "breath", breath="good")
    asked.task.refresh_from_db()
    assert asked.task.message_state == "opened"


def routes_with_a_task():
    from careloop.portal.urls import urlpatterns

    return [one.name for one in urlpatterns if "task_id" in str(one.pattern)]


@pytest.mark.django_db
@pytest.mark.parametrize("name", routes_with_a_task())
@pytest.mark.parametrize("method", ["get", "post", "head", "put", "delete"])
def test_no_route_shows_or_takes_anything_of_another_patient(asked, cast, name, method):
    """Case A03: every route with an id, every method, also with the other patient in the body."""
    other = make_task(cast, patient=cast.ma, key="of-ma", department=cast.orthopaedics)
    home = visitor(cast.zhang, token="home-of-zhang")
    home.enter()
    key = {"question": {"key": "breath"}, "safety": {"key": "breath"}, "file": {"file_id": other.pk}}.get(name, {})
    url = reverse(f"portal:{name}", kwargs={"task_id": other.pk, **key}, urlconf="careloop.config.urls_portal")
    for client in (asked.client, home.client):
        answer = getattr(client, method)(url, {"breath": "good", "patient": str(cast.ma.pk), "task_id": str(other.pk)})
        assert answer.status_code in {404, 405}, (name, method)
        assert "问卷" not in answer.content.decode()
    assert not QuestionnaireResponse.objects.visible_to(SYSTEM).exists()


@pytest.mark.django_db
def test_the_address_of_a_button_opened_by_itself_says_so(asked, cast):
    answer = asked.client.get(reverse("portal:large", urlconf="careloop.config.urls_portal"))
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert "这一步不能单独打开" in answer.content.decode()
