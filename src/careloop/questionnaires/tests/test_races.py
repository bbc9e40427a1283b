"""Many hands at once, on the real database."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from careloop.kernel.viewer import Viewer
from careloop.questionnaires import actions
from careloop.questionnaires.models import AnswerFact, Questionnaire, QuestionnaireResponse
from careloop.questionnaires.tests.forms import CALL, content, item
from tests.cast import NOW, SYSTEM, make_cast

pytestmark = pytest.mark.django_db(transaction=True)
TASK = "0190a0c0-0000-7000-8000-000000000001"


def in_parallel(work, arguments):
    def run(argument):
        try:
            return work(argument)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(run, arguments))


def both_sides(cast):
    """A nurse, and the patient on a telephone, who saves without a lock what nobody changed meanwhile."""
    return (cast.as_wang, Viewer.patient(cast.zhang.pk))


def begin(cast, questionnaire, by):
    return actions.start_response(
        questionnaire=questionnaire, patient_id=cast.zhang.pk, task_id=TASK, mode="phone", at=NOW, by=by
    )


def test_eight_browsers_start_one_response():
    cast = make_cast()
    by = cast.as_wang
    questionnaire = actions.publish_questionnaire(content=CALL, at=NOW, by=SYSTEM)
    started = in_parallel(lambda _n: begin(cast, questionnaire, by).pk, range(8))
    assert len(set(started)) == 1
    assert QuestionnaireResponse.objects.unscoped("test").count() == 1


@pytest.mark.parametrize("side", [0, 1], ids=["nurse", "patient"])
def test_different_answers_saved_at_once_are_all_kept(side):
    cast = make_cast()
    by = both_sides(cast)[side]
    names = [f"q{n}" for n in range(16)]
    questionnaire = actions.publish_questionnaire(content=content(*map(item, names)), at=NOW, by=SYSTEM)
    response = begin(cast, questionnaire, by)
    in_parallel(
        lambda name: actions.save_answer(response=response, link_id=name, value=name, source="phone", at=NOW, by=by),
        names,
    )
    response.refresh_from_db()
    assert response.values == {name: name for name in names}


def test_sending_eight_times_completes_once():
    cast = make_cast()
    by = cast.as_wang
    response = begin(cast, actions.publish_questionnaire(content=CALL, at=NOW, by=SYSTEM), by)
    actions.save_answer(response=response, link_id="pain", value="no", source="phone", at=NOW, by=by)
    done = in_parallel(lambda _n: actions.complete_response(response=response, at=NOW, by=by).status, range(8))
    assert set(done) == {"completed"}
    assert AnswerFact.objects.unscoped("test").count() == 1


@pytest.mark.parametrize("side", [0, 1], ids=["nurse", "patient"])
def test_saving_and_completing_at_once_loses_nothing_silently(side):
    cast = make_cast()
    by = both_sides(cast)[side]
    names = [f"q{n}" for n in range(7)]
    questionnaire = actions.publish_questionnaire(content=content(*map(item, names)), at=NOW, by=SYSTEM)
    response = begin(cast, questionnaire, by)

    def work(name):
        if name == "complete":
            return actions.complete_response(response=response, at=NOW, by=by) and None
        try:
            actions.save_answer(response=response, link_id=name, value="x", source="phone", at=NOW, by=by)
        except actions.ResponseClosed:
            return None
        return name

    kept = {name for name in in_parallel(work, [*names[:3], "complete", *names[3:]]) if name}
    response.refresh_from_db()
    assert set(response.values) == kept
    assert {fact.link_id for fact in AnswerFact.objects.unscoped("test")} == kept


def test_two_versions_published_at_once_leave_one_in_force():
    def publish(version):
        try:
            return actions.publish_questionnaire(content=content(item("a"), version=str(version)), at=NOW, by=SYSTEM)
        except actions.PublishedMeanwhile:
            return None

    made = [one for one in in_parallel(publish, range(6)) if one]
    assert made
    assert Questionnaire.objects.filter(status="active").count() == 1


def test_one_answer_is_amended_once():
    cast = make_cast()
    by = cast.as_wang
    response = begin(cast, actions.publish_questionnaire(content=CALL, at=NOW, by=SYSTEM), by)
    actions.save_answer(response=response, link_id="pain", value="no", source="phone", at=NOW, by=by)
    actions.complete_response(response=response, at=NOW, by=by)

    def amend(number):
        try:
            return actions.amend_response(response=response, answers={"sbp": 120 + number}, at=NOW, by=by)
        except actions.ResponseClosed:
            return None

    assert len([one for one in in_parallel(amend, range(6)) if one]) == 1
    assert QuestionnaireResponse.objects.unscoped("test").filter(status="completed").count() == 1
