"""A whole form written in one row leaves behind what beginning, saving and completing it leave behind."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from careloop.audit.models import AuditEvent
from careloop.patients.models import Observation
from careloop.questionnaires import actions
from careloop.questionnaires.models import AnswerFact, Questionnaire, QuestionnaireResponse
from careloop.questionnaires.tests.forms import CALL
from tests.cast import NOW, SYSTEM, Cast

TASK = uuid.UUID("0190a0c0-0000-7000-8000-000000000001")
KEY = uuid.UUID(int=7)
ROWS = (
    "values", "answers", "dropped", "scores", "findings", "classification", "mode", "status", "canonical", "sent_key",
    "started_at", "authored_at", "author_id", "task_id", "instances",
)  # fmt: skip
FACTS = (
    "link_id",
    "instance",
    "code",
    "absent_reason",
    "number",
    "text",
    "date",
    "unit",
    "answered_at",
    "questionnaire_url",
)
SAID = st.one_of(
    st.sampled_from(["yes", "no", "walk", "rest", "none", "120", "80", "999", "-1", "3.14159", "not-measured", "", "张三 🙂"]),
    st.integers(-5, 300), st.booleans(), st.lists(st.sampled_from(["yes", "no", "none"]), max_size=3), st.text(max_size=12),
).filter(lambda value: "\x00" not in str(value))  # fmt: skip
GOOD = st.fixed_dictionaries(
    {"pain": st.sampled_from(["no", "yes", "unclear"])},
    optional={
        "where": st.sampled_from(["chest", "back"]), "sbp": st.sampled_from([120, "140", 200, "not-measured"]),
        "dbp": st.sampled_from([80, "90.5", 130]), "words": st.sampled_from(["谢谢 🙂", "", "x" * 20]),
        "signs": st.lists(st.sampled_from(["none", "fever", "bleeding"]), unique=True, max_size=2),
    },
)  # fmt: skip


@pytest.fixture
def form(cast: Cast) -> Questionnaire:
    return actions.publish_questionnaire(content=CALL, at=NOW, by=SYSTEM)


def stepwise(form: Questionnaire, patient_id: uuid.UUID, answers: dict[str, Any]) -> QuestionnaireResponse:
    same = {"at": NOW, "by": SYSTEM}
    begun = actions.start_response(questionnaire=form, patient_id=patient_id, task_id=TASK, mode="portal", **same)
    kept = actions.save_answers(response=begun, answers=answers, source="portal", key=KEY, **same)
    return actions.complete_response(response=kept, **same)


def at_once(form: Questionnaire, patient_id: uuid.UUID, answers: dict[str, Any]) -> QuestionnaireResponse | None:
    return actions.answer_whole(
        questionnaire=form, patient_id=patient_id, task_id=TASK, answers=answers, mode="portal", source="portal",
        key=KEY, at=NOW, by=SYSTEM,
    )  # fmt: skip


def left_behind(work: Any, *arguments: Any) -> dict[str, Any]:
    """What it stored and told, or how it was refused; then it never happened."""
    mark = transaction.savepoint()
    try:
        known = AuditEvent.objects.order_by("-id").values_list("id", flat=True).first() or 0
        try:
            done = work(*arguments)
        except (actions.ResponseIncomplete, actions.UnknownQuestion, actions.AnswerTooLong) as refused:
            return {"refused": refused.code, "faults": getattr(refused, "faults", ())}
        stored = QuestionnaireResponse.objects.unscoped("test").get(pk=done.pk)
        facts = AnswerFact.objects.unscoped("test").filter(response=stored, patient_id=stored.patient_id)
        measured = Observation.objects.unscoped("test").filter(patient_id=stored.patient_id)
        told = AuditEvent.objects.filter(id__gt=known).order_by("id").values_list("name", "payload")
        found = {
            "row": {name: getattr(stored, name) for name in ROWS},
            "given back": {name: getattr(done, name) for name in ROWS},
            "facts": sorted(map(repr, facts.values_list(*FACTS))),
            "measured": sorted(map(repr, measured.values_list("code", "value_text", "unit", "effective_at", "source"))),
            "told": [
                (name, {key: value for key, value in payload.items() if not key.startswith(("response_id", "observation"))})
                for name, payload in told
            ],
        }  # fmt: skip
        return found
    finally:
        transaction.savepoint_rollback(mark)


@pytest.mark.django_db
def test_at_once_and_step_by_step_are_the_same(form: Questionnaire, cast: Cast) -> None:
    links = ["pain", "where", "sbp", "dbp", "signs", "words", "nothing-like-it"]
    stored = []

    @settings(max_examples=40, deadline=None)
    @given(GOOD, st.one_of(st.just({}), st.dictionaries(st.sampled_from(links), SAID, max_size=2)))
    def each(good: dict[str, Any], odd: dict[str, Any]) -> None:
        answers = good | odd
        one, other = (
            left_behind(at_once, form, cast.zhang.pk, answers),
            left_behind(stepwise, form, cast.zhang.pk, answers),
        )
        stored.append("row" in one)
        assert one == other

    each()
    assert sum(stored) > 5


@pytest.mark.django_db
def test_one_that_was_begun_meanwhile_is_not_written_a_second_time(form: Questionnaire, cast: Cast) -> None:
    begun = actions.start_response(
        questionnaire=form, patient_id=cast.zhang.pk, task_id=TASK, mode="phone", at=NOW, by=SYSTEM
    )
    known = AuditEvent.objects.count()
    assert at_once(form, cast.zhang.pk, {"pain": "no"}) is None
    assert [one.pk for one in QuestionnaireResponse.objects.unscoped("test")] == [begun.pk]
    assert AuditEvent.objects.count() == known
