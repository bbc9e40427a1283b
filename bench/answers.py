"""A filled form exactly as the product stores it: made by the product's own actions in a transaction that is undone."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Facts = tuple[tuple[str, str, object], ...]
NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Filled:
    """One completed response: answers and scores as they are stored, its facts as (link, code, number)."""

    answers: dict[str, Any]
    scores: dict[str, Any]
    facts: Facts


class _Undo(Exception):
    """Ends the transaction of the sample."""


def sample(form: Any, *, at: datetime) -> tuple[dict[str, Any], Facts]:
    """The stored answers of one response, and its facts."""
    found = filled(form, at=at)
    return found.answers, found.facts


def filled(form: Any, *, at: datetime, said: Mapping[str, str] = NOTHING) -> Filled:
    """One response in which these questions are answered so, and the others as somebody who is well would."""
    from django.db import transaction

    from careloop.kernel.viewer import Viewer

    by = Viewer.system("bench")
    kept: list[Filled] = []
    try:
        with transaction.atomic():
            kept.append(_fill(form, at=at, by=by, said=said))
            raise _Undo
    except _Undo:
        return kept[0]


def _fill(form: Any, *, at: datetime, by: Any, said: Mapping[str, str]) -> Filled:
    from careloop.patients.actions import upsert_patient
    from careloop.patients.rules import IdentifierData, PersonData
    from careloop.questionnaires.actions import complete_response, start_response
    from careloop.questionnaires.models import AnswerFact

    person = PersonData(identifiers=(IdentifierData(value="BSAMPLE", authority="HIS"),), name="样本")
    patient = upsert_patient(person=person, source="bench", at=at, by=by)
    response = start_response(questionnaire=form, patient_id=patient.pk, task_id=None, mode="phone", at=at, by=by)
    answer_all(response, at=at, by=by, said=said)
    response = complete_response(response=response, at=at, by=by)
    rows = AnswerFact.objects.unscoped("the sample's own").filter(response=response).order_by("link_id")
    facts = tuple((row.link_id, row.code, row.number) for row in rows)
    return Filled(response.answers, response.scores, facts)


def answer_all(response: Any, *, at: datetime, by: Any, said: Mapping[str, str] = NOTHING) -> None:
    """Answer every question that is asked, and those that the answers bring up, as somebody who is well would."""
    from careloop.questionnaires.actions import save_answer
    from careloop.questionnaires.reads import form_view

    dice = random.Random(1)
    done: set[str] = set()
    while True:
        view = form_view(response.questionnaire, response=response, at=at, findings=())
        waiting = [q for screen in view.screens if screen.enabled for q in screen.questions if q.link_id not in done]
        if not waiting:
            return
        for question in waiting:
            done.add(question.link_id)
            value = said.get(question.link_id) or answer(question, dice)
            if value is not None:
                response = save_answer(
                    response=response, link_id=question.link_id, value=value, source="phone", at=at, by=by
                )


def answer(question: Any, dice: random.Random) -> str | None:
    """What an invented patient says to this question; None to free text."""
    from careloop.simulation.answering import choose, number

    codes = [option.code for option in question.options]
    if codes:
        return choose(question.link_id, codes, worse=False, random=dice)
    if question.type in {"integer", "decimal", "quantity"}:
        return f"{number(question.link_id, worse=False, random=dice, decimals=int(question.type == 'decimal')):g}"
    return None
