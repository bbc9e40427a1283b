"""Paper is offered where people look for it, and only to those who may print."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from careloop.accounts.models import Role
from careloop.kernel.actions import seeding
from careloop.letters import actions
from careloop.letters.tests.factories import a_letter, a_task, at_home
from careloop.plans import actions as plans
from careloop.plans.tests.factories import Scene
from careloop.questionnaires import actions as questionnaires
from careloop.workbench.tests import forms
from tests.cast import SYSTEM, Cast


@pytest.fixture
def home(cast: Cast) -> Cast:
    at_home(cast)
    return cast


def without_print(cast: Cast) -> None:
    with seeding():
        for role in Role.objects.all():
            role.permissions = [code for code in role.permissions if not code.startswith("letters.")]
            role.save()


def offered(cast: Cast, page: str, link: str) -> tuple[bool, bool]:
    """Whether the link is there for the nurse, and whether it is there when nobody may print."""
    client = cast.client(cast.wang)
    with_right = link in client.get(page).content.decode()
    without_print(cast)
    return with_right, link in cast.client(cast.wang).get(page).content.decode()


def test_on_the_patients_record(home: Cast):
    page = reverse("workbench:patient", args=[home.zhang.pk])
    assert offered(home, page, reverse("letters:patient", args=[home.zhang.pk])) == (True, False)


def test_on_the_call_screen(home: Cast):
    task = a_task(home)
    page = reverse("workbench:call", args=[task.pk])
    assert offered(home, page, reverse("letters:task-record", args=[task.pk])) == (True, False)


def test_on_the_answers(home: Cast):
    form = forms.publish()
    response = questionnaires.start_response(
        questionnaire=form, patient_id=home.zhang.pk, task_id=None, mode="phone", at=timezone.now(), by=home.as_wang
    )
    page = reverse("questionnaires:response", args=[response.pk])
    assert offered(home, page, reverse("letters:response-record", args=[response.pk])) == (True, False)


def test_on_a_form(home: Cast):
    form = forms.publish()
    page = reverse("questionnaires:version", args=[form.pk])
    assert offered(home, page, reverse("letters:blank-form", args=[form.pk])) == (True, False)


def test_on_the_plan_card_of_the_record(home: Cast):
    at = timezone.now()
    plans.load_shipped_content(at=at, by=SYSTEM)
    stay = Scene(home).discharge(procedures=("36.06",), at=at, operated_at=at)
    plans.enrol_discharges(encounter_ids=[stay.pk], at=at, by=SYSTEM)
    page = reverse("plans:patient_card", args=[home.zhang.pk])
    assert offered(home, page, reverse("letters:plan", args=[home.zhang.pk])) == (True, False)


def test_on_each_follow_up_of_the_record(home: Cast):
    task = a_task(home)
    page = reverse("tasks:patient_followups", args=[home.zhang.pk])
    assert offered(home, page, reverse("letters:task-record", args=[task.pk])) == (True, False)


def test_on_the_days_list(home: Cast):
    assert offered(home, reverse("workbench:today"), f'href="{reverse("letters:due")}" data-due') == (True, False)


def test_a_letter_stands_on_the_time_line_as_a_letter(home: Cast):
    at = timezone.now()
    task = a_task(home, available_at=at - timedelta(days=1), due_at=at)
    letter = a_letter(home, task=task, at=at)
    actions.post_letter(letter_id=letter.pk, at=at, by=home.as_wang)
    page = home.client(home.wang).get(reverse("workbench:patient", args=[home.zhang.pk])).content.decode()
    assert "#mail" in page
    assert letter.template.title["zh"] in page
    messages = home.client(home.wang).get(reverse("messaging:list"), {"channel": "letter"}).content.decode()
    assert letter.template.title["zh"] in messages
