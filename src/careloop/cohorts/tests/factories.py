"""Small worlds of patients with everything a condition can ask about."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from careloop.accounts.models import Organization, Practitioner
from careloop.cohorts.models import Cohort, PatientTag
from careloop.cohorts.rules.definition import parse
from careloop.kernel.actions import seeding
from careloop.kernel.models import uuid7
from careloop.patients.models import (
    CareRelationship,
    Condition,
    ContactPoint,
    Encounter,
    Observation,
    Patient,
    Procedure,
)
from careloop.plans.models import CarePlan, PlanDefinition
from careloop.questionnaires.models import AnswerFact, Questionnaire, QuestionnaireResponse
from tests.cast import NOW

_numbers = itertools.count(1)
FORM = "https://careloop.org/Questionnaire/cohort-test"
PLAN = "https://careloop.org/PlanDefinition/cohort-test"


def person(
    where: Organization | Sequence[Organization], name: str = "", *, phone: bool = True, **given: Any
) -> Patient:
    """A patient whom these departments care for, with a telephone unless told otherwise."""
    number = next(_numbers)
    values = {"name": name or f"Patient{number}", "sex": "male", "birth_date": date(1960, 6, 1), **given}
    with seeding():
        patient = Patient.objects.create(**values)
        for place in [where] if isinstance(where, Organization) else where:
            CareRelationship.objects.create(patient=patient, department=place, since=NOW)
        if phone:
            ContactPoint.objects.create(patient=patient, value=f"+8613{number:09d}", is_mobile=True, rank=1)
    return patient


def stay(patient: Patient, where: Organization, *, days_ago: int = 10, **given: Any) -> Encounter:
    """A finished stay."""
    left = NOW - timedelta(days=days_ago)
    values = {"class_code": "IMP", "status": "finished", "discharged_at": left, "discharge_cycle": 1, **given}
    with seeding():
        return Encounter.objects.create(
            patient=patient, system="HIS", visit_number=f"C{next(_numbers)}", department=where,
            admitted_at=left - timedelta(days=5), **values,
        )  # fmt: skip


def diagnosis(patient: Patient, code: str, *, rank: int = 1, active: bool = True) -> None:
    with seeding():
        Condition.objects.create(patient=patient, code=code, code_key=code, text=code, rank=rank, active=active)


def operation(patient: Patient, code: str, *, active: bool = True) -> None:
    with seeding():
        Procedure.objects.create(patient=patient, code=code, code_key=code, text=code, active=active)


def result(patient: Patient, concept: str, value: str | None, *, days_ago: int = 5, status: str = "final") -> None:
    with seeding():
        Observation.objects.create(
            patient=patient, key=f"o{next(_numbers)}", code=concept, concept=concept, status=status,
            value_number=Decimal(value) if value is not None else None, effective_at=NOW - timedelta(days=days_ago),
        )  # fmt: skip


def answer(patient: Patient, link_id: str, *, code: str = "", number: str | None = None, days_ago: int = 5) -> None:
    at = NOW - timedelta(days=days_ago)
    with seeding():
        response = QuestionnaireResponse.objects.create(
            questionnaire=form(), patient=patient, mode="phone", started_at=at
        )
        AnswerFact.objects.create(
            patient=patient, response=response, questionnaire_url=FORM, link_id=link_id, code=code,
            number=Decimal(number) if number is not None else None, answered_at=at,
        )  # fmt: skip


def form() -> Questionnaire:
    """One form in use."""
    content = {
        "definition": {
            "resourceType": "Questionnaire", "url": FORM, "version": "1", "name": "cohort-test", "title": "Cohort test",
            "status": "active",
            "item": [
                {"linkId": "pain", "text": "Pain", "type": "choice", "answerOption": [
                    {"valueCoding": {"code": "none", "display": "None"}},
                    {"valueCoding": {"code": "severe", "display": "Severe"}},
                ]},
                {"linkId": "weight", "text": "Weight", "type": "decimal"},
            ],
        }
    }  # fmt: skip
    found = Questionnaire.objects.filter(url=FORM).first()
    if found is not None:
        return found
    with seeding():
        return Questionnaire.objects.create(
            url=FORM, version="1", name="cohort-test", title="Cohort test", status="active", content=content,
            content_hash=uuid7().hex, valid_from=date(2026, 1, 1), published_at=NOW,
        )  # fmt: skip


def care_plan(
    patient: Patient, encounter: Encounter, *, status: str = "active", definition: PlanDefinition
) -> CarePlan:
    ended = NOW if status in {"completed", "revoked"} else None
    with seeding():
        return CarePlan.objects.create(
            patient=patient, encounter=encounter, definition=definition, definition_url=definition.url,
            department=encounter.department, status=status, started_at=NOW, ended_at=ended,
            end_reason="steps-done" if ended else "", held_at=NOW if status == "on-hold" else None,
            enrolled_on=NOW.date(), discharged_on=NOW.date(),
        )  # fmt: skip


def plan_definition(url: str = PLAN) -> PlanDefinition:
    """A plan in use with one call on day 3."""
    from careloop.plans.actions import publish_plan
    from careloop.plans.tests.factories import raw_plan, raw_step
    from tests.cast import SYSTEM

    found = PlanDefinition.objects.filter(url=url).first()
    if found is not None:
        return found
    raw = raw_plan("cohort-test", raw_step(schedule="90")) | {"url": url}
    return publish_plan(raw=raw, enrols=False, at=NOW, by=SYSTEM)


def tag(patient: Patient, word: str) -> None:
    with seeding():
        PatientTag.objects.create(patient=patient, tag=word)


def everyone_here(*conditions: Mapping[str, Any], mode: str = "all") -> dict[str, Any]:
    """A definition of one group."""
    return {"groups": [{"mode": mode, "conditions": list(conditions)}]}


def cohort(owner: Practitioner, *conditions: Mapping[str, Any], **given: Any) -> Cohort:
    """A search of this person; without a condition: all men."""
    told = conditions or ({"kind": "sex", "sexes": ["male"]},)
    with seeding():
        return Cohort.objects.create(owner=owner, definition=parse(everyone_here(*told)).as_json(), **given)


def at(days_ago: int = 0) -> datetime:
    return NOW - timedelta(days=days_ago)
