"""A patient's answers are saved without a lock when nobody wrote since they were read; else as everybody's are."""

from __future__ import annotations

import random
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from careloop.audit.models import AuditEvent
from careloop.kernel.viewer import Viewer
from careloop.questionnaires import actions
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.questionnaires.reads import asked_form
from careloop.questionnaires.tests.forms import CALL, content, item
from tests.cast import NOW, SYSTEM, Cast

NAMES = [f"q{n}" for n in range(6)]
MEDICINES = content(
    item("any"),
    {"linkId": "med", "type": "group", "text": "药品", "repeats": True, "item": [item("drug")]},
    url="https://careloop.example/Questionnaire/medicines",
)

pytestmark = pytest.mark.django_db


def begin(cast: Cast, form: dict[str, Any]) -> QuestionnaireResponse:
    made = actions.publish_questionnaire(content=form, at=NOW, by=SYSTEM)
    return actions.start_response(
        questionnaire=made,
        patient_id=cast.zhang.pk,
        task_id=None,
        mode="portal",
        at=NOW,
        by=Viewer.patient(cast.zhang.pk),
    )


def save(response: QuestionnaireResponse, by: Viewer, **answers: Any) -> QuestionnaireResponse:
    return actions.save_answers(response=response, answers=answers, source="portal", at=NOW, by=by)


def stored(response: QuestionnaireResponse) -> QuestionnaireResponse:
    return QuestionnaireResponse.objects.unscoped("test").get(pk=response.pk)


def statements(response: QuestionnaireResponse, by: Viewer, **answers: Any) -> list[str]:
    with CaptureQueriesContext(connection) as seen:
        save(response, by, **answers)
    return [one["sql"].split()[0] for one in seen.captured_queries if "questionnaireresponse" in one["sql"]]


def test_one_statement_where_nobody_wrote_meanwhile_and_a_lock_where_somebody_did(cast: Cast) -> None:
    response, by = begin(cast, content(*map(item, NAMES))), Viewer.patient(cast.zhang.pk)
    assert statements(response, by, q0="a") == ["UPDATE"]
    assert statements(response, by, q1="b") == ["UPDATE", "SELECT", "UPDATE"]  # read before q0 was saved
    assert statements(stored(response), by, q2="c") == ["UPDATE"]
    assert statements(stored(response), by, q2="c") == ["SELECT"]  # the same again: looked at, not written
    assert statements(stored(response), cast.as_wang, q3="d") == ["SELECT", "UPDATE"]  # staff lock, as before
    assert stored(response).values == {"q0": "a", "q1": "b", "q2": "c", "q3": "d"}
    assert AuditEvent.objects.filter(name="questionnaires.AnswerSaved").count() == 4


@pytest.mark.parametrize("seed", range(12))
def test_whoever_saves_from_whatever_was_read_every_last_answer_stands(cast: Cast, seed: int) -> None:
    dice, by = random.Random(seed), Viewer.patient(cast.zhang.pk)
    read = [begin(cast, content(*map(item, NAMES)))]  # as several tabs and people have it before them
    said: dict[str, str] = {}
    for step in range(25):
        chosen = dice.sample(NAMES, dice.randint(1, 3))
        answers = {name: None if dice.random() < 0.2 else f"{step} 张三🙂\"'\\" for name in chosen}
        who = dice.choice([by, by, cast.as_wang, SYSTEM])
        read.append(save(dice.choice(read), who, **answers))
        said = {name: value for name, value in (said | answers).items() if value is not None}
        assert stored(read[0]).values == said == read[-1].values
    assert {one.values == said for one in (stored(read[0]), read[-1])} == {True}


@pytest.mark.parametrize("end", ["completed", "entered-in-error"])
def test_answers_that_were_closed_meanwhile_stay_as_they_are(cast: Cast, end: str) -> None:
    by = Viewer.patient(cast.zhang.pk)
    response = save(begin(cast, CALL), by, pain="no")
    if end == "completed":
        actions.complete_response(response=response, at=NOW, by=SYSTEM)
    else:
        actions.mark_entered_in_error(response=response, by=SYSTEM)
    known = AuditEvent.objects.count()
    with pytest.raises(actions.ResponseClosed):
        save(response, by, pain="yes")
    assert (stored(response).values, AuditEvent.objects.count()) == ({"pain": "no"}, known)


def test_somebody_elses_answers_are_not_there_and_what_is_refused_leaves_nothing(cast: Cast) -> None:
    response, by = begin(cast, CALL), Viewer.patient(cast.zhang.pk)
    with pytest.raises(QuestionnaireResponse.DoesNotExist):
        save(response, Viewer.patient(cast.ma.pk), pain="no")
    forged = stored(response)
    forged.patient_id = cast.ma.pk
    with pytest.raises(QuestionnaireResponse.DoesNotExist):
        save(forged, Viewer.patient(cast.ma.pk), pain="no")
    for refusal, answers in (
        (actions.UnknownQuestion, {"pain": "no", "nothing-like-it": "1"}),
        (actions.AnswerTooLong, {"pain": "no", "words": "x" * 5000}),
    ):
        with pytest.raises(refusal):
            save(response, by, **answers)
    assert stored(response).answers == {}


def test_a_question_that_came_up_meanwhile_is_answered(cast: Cast) -> None:
    by = Viewer.patient(cast.zhang.pk)
    before = save(begin(cast, MEDICINES), by, any="yes")
    actions.add_instance(response=before, group="med", at=NOW, by=by)
    second = next(one.link_id for one in asked_form(stored(before)).questions if one.instance == 2)
    assert save(before, by, **{second: "aspirin"}).values == {"any": "yes", second: "aspirin"}
