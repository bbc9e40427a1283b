"""A slider on the patient's page, also without scripts: an empty field is no answer."""

import pytest

from careloop.portal.tests.conftest import visitor
from careloop.portal.tests.forms import make_task as portal_task
from careloop.questionnaires.actions import publish_questionnaire
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.questionnaires.tests.forms import content, number
from careloop.questionnaires.tests.test_sliders import STEP, slider
from tests.cast import NOW, SYSTEM

pytestmark = pytest.mark.django_db
FORM = content(
    {**slider(0, 100, STEP), "required": True}, number("n", 0, 9), url="https://careloop.example/Questionnaire/slide"
)


@pytest.fixture
def asked(portal, cast):
    publish_questionnaire(content=FORM, at=NOW, by=SYSTEM)
    task = portal_task(cast, questionnaire_url=FORM["url"])
    came = visitor(cast.zhang, purpose="questionnaire", task_id=task.pk)
    came.enter()
    came.task = task
    return came


def test_it_is_a_number_field_that_a_slider_fills(asked):
    address = f"/t/{asked.task.pk}/q/s/"
    page = asked.client.get(address).content.decode()
    assert '<input type="range" min="0" max="100" step="5"' in page
    assert 'name="s"' in page
    assert page.count('name="s"') == 1  # the slider itself sends nothing
    for typed, status in (("", 422), ("101", 422), ("x", 422), ("65", 303)):
        assert asked.client.post(address, {"s": typed}).status_code == status
    assert QuestionnaireResponse.objects.visible_to(SYSTEM).get(task_id=asked.task.pk).values == {"s": 65}


def test_the_whole_form_without_network_has_it_too(asked):
    assert 'type="range"' in asked.client.get(f"/t/{asked.task.pk}/whole/").content.decode()
