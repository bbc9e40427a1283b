"""What the call screen got besides: messages after the call, the patient's own goal on the chart, English titles."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from careloop.kernel.actions import seeding
from careloop.kernel.svg import line_chart
from careloop.messaging import actions as messaging
from careloop.messaging.models import Communication
from careloop.messaging.tests.factories import site
from careloop.patients.models import AccessLink, ContactPoint, Observation
from careloop.plans import actions as plans
from careloop.plans.models import CarePlan
from careloop.plans.reads.titles import Titles, titles_in
from careloop.plans.tests.factories import Scene
from careloop.tasks import actions as tasks
from careloop.tasks.models import Task
from careloop.tasks.rules import OUTCOMES
from careloop.workbench.reads.questions import after_call
from careloop.workbench.tests import forms
from careloop.workbench.tests.discharging import left_hospital, load_content, plan_of
from careloop.workbench.tests.test_today import due_now
from tests.cast import SYSTEM

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def gateway():
    """A site that can send at any hour."""
    with site(sms_quiet_hours=""):
        messaging.load_templates(at=timezone.now(), by=SYSTEM)
        yield


@pytest.fixture
def task(cast) -> Task:
    forms.publish()
    found = due_now(cast, questionnaire_url=forms.URL)
    tasks.claim_task(task=found, at=timezone.now(), by=cast.as_wang)
    return found


def finish(cast, task, *send, outcome="call-later", **more):
    point = ContactPoint.objects.unscoped("test").filter(patient=task.patient).first()
    fields = {"outcome": outcome, "contact_point": point.pk, "send": list(send), **more}
    if outcome == "call-later":
        fields |= {"when": "2h"}
    return cast.client(cast.wang).post(reverse("workbench:finish", args=[task.pk]), fields)


def sent() -> dict[str, str]:
    rows = Communication.objects.unscoped("test").filter(key__startswith="after-call:")
    return dict(rows.values_list("template_code", "state"))


# ---- after the call ----


def test_the_questions_go_out_with_a_promise_and_lead_to_this_task(cast, task):
    assert finish(cast, task, "questionnaire").status_code == 200
    assert sent() == {"follow-up-link": "queued"}
    link = AccessLink.objects.unscoped("test").get()
    assert (link.purpose, link.task_id) == ("questionnaire", task.pk)


def test_several_at_once_and_each_once(cast, task):
    finish(cast, task, "plan", "measurement", "plan")
    assert sent() == {"plan-link": "queued", "measurement-link": "queued"}


def test_nothing_leaves_before_the_undo_is_over_and_undo_holds_it_back(cast, task):
    answer = finish(cast, task, "plan")
    message = Communication.objects.unscoped("test").get(template_code="plan-link")
    assert message.not_before - message.requested_at >= tasks.UNDO_WITHIN
    undo = json.loads(answer.headers["HX-Trigger"])["toast"]["undo"]
    assert cast.client(cast.wang).post(undo).status_code == 204
    message.refresh_from_db()
    assert (message.state, message.reason) == ("suppressed", "withdrawn")


def test_what_left_already_stays(cast, task):
    answer = finish(cast, task, "plan")
    with seeding():
        Communication.objects.unscoped("test").update(state="sent", sent_at=timezone.now())
    cast.client(cast.wang).post(json.loads(answer.headers["HX-Trigger"])["toast"]["undo"])
    assert sent() == {"plan-link": "sent"}


@pytest.mark.parametrize("outcome", ["refused", "refused-for-ever", "wrong-person", "empty-number", "died"])
def test_nothing_is_sent_to_who_refused_died_or_is_somebody_else(cast, task, outcome):
    finish(cast, task, "plan", "measurement", "questionnaire", outcome=outcome)
    assert sent() == {}


@pytest.mark.parametrize("send", [["nonsense"], [""], ["plan-link"]])
def test_unknown_words_send_nothing(cast, task, send):
    assert finish(cast, task, *send).status_code == 200
    assert sent() == {}


def test_who_may_not_send_sends_nothing(cast, task):
    Scene(cast).take_role(cast.wang, "messaging.send")
    finish(cast, task, "plan")
    assert sent() == {}
    html = cast.client(cast.wang).get(reverse("workbench:call", args=[task.pk])).content.decode()
    assert "data-send=" not in html


def test_offered_are_the_three_and_the_questions_only_where_there_are_any(cast, task):
    html = cast.client(cast.wang).get(reverse("workbench:call", args=[task.pk])).content.decode()
    assert all(f'data-send="{code}"' in html for code in ("questionnaire", "plan", "measurement"))
    other = due_now(cast, questionnaire_url="")
    assert "questionnaire" not in after_call(other)


@pytest.mark.parametrize("outcome", sorted(OUTCOMES))
def test_questions_never_go_out_for_a_contact_that_is_complete(cast, task, outcome):
    found = after_call(task, outcome)
    if OUTCOMES[outcome].effect == "complete" or OUTCOMES[outcome].number_failed:
        assert "questionnaire" not in found
    assert found <= {"questionnaire", "plan", "measurement"}


# ---- the goal on the chart ----


def measured(cast, upper: int, lower: int) -> None:
    now = timezone.now()
    with seeding():
        for code, concept, value in (("8480-6", "systolic", upper), ("8462-4", "diastolic", lower)):
            Observation.objects.create(
                patient=cast.zhang, key=f"{code}{now}", code=code, concept=concept, value_number=Decimal(value),
                effective_at=now,
            )  # fmt: skip


def test_the_chart_shows_the_goal_of_the_plan_and_says_when_it_is_missed(cast):
    forms.publish()
    load_content()
    stay = left_hospital(cast)
    measured(cast, 132, 78)
    task = Task.objects.unscoped("test").filter(care_plan_id=plan_of(stay).pk).first()
    html = cast.client(cast.wang).get(reverse("workbench:call", args=[task.pk])).content.decode()
    assert 'class="band"' in html
    assert "&lt;130/80 mmHg" in html
    assert '<b class="num is-late">132/78</b>' in html


def test_without_a_goal_the_usual_zone_is_drawn(cast, task):
    measured(cast, 128, 78)
    html = cast.client(cast.wang).get(reverse("workbench:call", args=[task.pk])).content.decode()
    assert 'class="band"' in html
    assert "data-goal" not in html


@pytest.mark.parametrize("band", [(60, 130), (80, 81), (0, 300)])
def test_a_band_lies_inside_the_picture(band):
    chart = line_chart(["1", "2"], [("", [120, 140])], band=band)
    assert chart.top <= chart.band_y <= chart.band_y + chart.band_height <= chart.bottom
    assert line_chart(["1"], [("", [120])]).band_y is None


# ---- English titles ----


def test_english_pages_say_english_titles(cast):
    forms.publish()
    load_content()
    stay = left_hospital(cast)
    plan = plan_of(stay)
    with seeding():
        Task.objects.unscoped("test").filter(care_plan_id=plan.pk).update(
            available_at=timezone.now() - timedelta(hours=1), due_at=timezone.now() + timedelta(hours=1)
        )
    Scene(cast).speaks(cast.wang, "en")
    first = plan.definition.plan().steps[0]
    client = cast.client(cast.wang)
    task = Task.objects.unscoped("test").get(care_plan_id=plan.pk, step_code=first.code)
    pages = [
        reverse("workbench:today"), reverse("workbench:call", args=[task.pk]), reverse("workbench:call-plan", args=[task.pk]),
        f"{reverse('workbench:why')}?patient={cast.zhang.pk}",
    ]  # fmt: skip
    for address in pages:
        html = client.get(address).content.decode()
        assert plan.definition.title_en in html, address
        assert plan.definition.title not in html, address


def test_in_chinese_nothing_is_asked(cast, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert titles_in("zh-hans") == Titles()


def test_words_no_plan_knows_stay(cast):
    load_content()
    known = titles_in("en")
    assert known.plan("出院常规随访") != "出院常规随访"
    assert known.plan("own words") == "own words"
    assert known.step("出院常规随访", "own words") == "own words"


def test_titles_of_replaced_versions_are_known_too(cast):
    load_content()
    definition = Scene(cast).definition("pci-12-months")
    raw = json.loads(json.dumps(definition.content))
    raw["version"], raw["title"] = "9.0", {"zh": "新名称", "en": "New name"}
    plans.publish_plan(raw=raw, enrols=None, at=timezone.now(), by=SYSTEM)
    known = titles_in("en")
    assert known.plan(definition.title) == definition.title_en
    assert known.plan("新名称") == "New name"
    assert not CarePlan.objects.unscoped("test").exists()


def test_who_must_not_hear_the_diagnosis_is_marked_beside_the_number(cast, task):
    address = reverse("workbench:call", args=[task.pk])
    client = cast.client(cast.wang)
    assert "eye-off" not in client.get(address).content.decode().split('id="numbers"', 1)[1].split("</div></div>", 1)[0]
    with seeding():
        ContactPoint.objects.unscoped("test").filter(patient=task.patient).update(knows_condition=False)
    assert "eye-off" in client.get(address).content.decode().split('id="numbers"', 1)[1]
