"""Records of level 1 for tests, made by the real actions: a call, its answers, its result."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from careloop.accounts.models import Organization, Practitioner
from careloop.kernel.viewer import Viewer
from careloop.patients.models import ContactPoint, Patient
from careloop.questionnaires import actions as questionnaires
from careloop.questionnaires.models import Questionnaire, QuestionnaireResponse
from careloop.questionnaires.rules import definition
from careloop.supervision import actions
from careloop.supervision.models import Sample, SampledRecord
from careloop.supervision.reads.records import Period
from careloop.supervision.reads.samples import Wanted
from careloop.tasks import actions as tasks
from careloop.tasks.tests.factories import make_patient, make_task
from tests.cast import NOW, SYSTEM, Cast

URL = "https://careloop.example/Questionnaire/supervised"
MONTH = Period(first=(NOW - timedelta(days=30)).date(), last=(NOW + timedelta(days=5)).date())
GOOD = {"pain": "no", "drugs": "always", "level": 0, "sbp": 128, "dbp": 76}


def content(version: str = "1.0.0") -> dict[str, Any]:
    """Pain (nominal), drugs (ordered), a level from 0 to 10, a blood pressure, words, and one that depends on pain."""

    def choice(link_id: str, *codes: str, weights: bool = False, **more: Any) -> dict[str, Any]:
        options = [
            {"valueCoding": {"code": code, "display": f"{link_id} {code}"}}
            | ({"extension": [{"url": definition.HL7 + "itemWeight", "valueDecimal": n}]} if weights else {})
            for n, code in enumerate(codes)
        ]
        return {"linkId": link_id, "text": link_id, "type": "choice", "required": True, "answerOption": options, **more}

    def number(link_id: str, code: str) -> dict[str, Any]:
        return {
            "linkId": link_id, "text": link_id, "type": "integer",
            "code": [{"system": "http://loinc.org", "code": code}],
            "extension": [
                {"url": definition.HL7 + "minValue", "valueInteger": 20},
                {"url": definition.HL7 + "maxValue", "valueInteger": 300},
            ],
        }  # fmt: skip

    items = [
        choice("pain", "yes", "no"),
        choice(
            "where", "chest", "arm",
            enableWhen=[{"question": "pain", "operator": "=", "answerCoding": {"code": "yes"}}],
        ),
        choice("drugs", "always", "sometimes", "never", weights=True),
        {
            "linkId": "level", "text": "level", "type": "integer",
            "extension": [{"url": definition.OURS + "control", "valueCode": "scale-0-10"}],
        },
        {"linkId": "bp", "text": "bp", "type": "group", "item": [number("sbp", "8480-6"), number("dbp", "8462-4")]},
        {"linkId": "words", "text": "words", "type": "text"},
    ]  # fmt: skip
    return {
        "url": URL, "version": version, "title": {"zh": "督查用问卷", "en": "Supervised form"}, "source": "test",
        "definition": {
            "resourceType": "Questionnaire", "url": URL, "version": version, "name": "supervised", "status": "active",
            "item": items,
        },
        "rules": [
            {
                "code": "pain-again", "severity": "high", "owner_role": "attending-doctor", "respond_within_minutes": 60,
                "when": {"item": "pain", "op": "=", "value": "yes"}, "sentence": {"zh": "又痛了", "en": "Pain again"},
            }
        ],
    }  # fmt: skip


def publish(version: str = "1.0.0") -> Questionnaire:
    return questionnaires.publish_questionnaire(content=content(version), at=NOW, by=SYSTEM)


def form() -> Questionnaire:
    return Questionnaire.objects.filter(url=URL, status="active").first() or publish()


def record_of(
    cast: Cast,
    author: Practitioner | None = None,
    *,
    patient: Patient | None = None,
    department: Organization | None = None,
    at: datetime | None = None,
    seconds: int | None = 90,
    answers: dict[str, Any] | None = None,
    mode: str = "phone",
) -> QuestionnaireResponse:
    """A finished follow-up of a patient of Cardiology by Wang. `seconds` None: no call is recorded."""
    where = department or cast.cardiology
    who = patient or make_patient(cast, department=where)
    by = cast.viewer(author or cast.wang)
    at = at or NOW - timedelta(days=3)
    task = make_task(cast, who, department=where, available_at=at - timedelta(days=1), due_at=at, questionnaire_url=URL)
    response = questionnaires.start_response(
        questionnaire=form(), patient_id=who.pk, task_id=task.pk, mode=mode, at=at, by=by
    )
    fill(response, answers or GOOD, at=at, by=by)
    if seconds is None:
        tasks.complete_task(task=task, outcome="reached-patient", at=at, by=by)
    else:
        tasks.record_attempt(
            task=task, contact_point_id=number(who), outcome="reached-patient", at=at, by=by,
            started_at=at - timedelta(seconds=seconds),
        )  # fmt: skip
    return questionnaires.complete_response(response=response, at=at, by=by)


def fill(response: QuestionnaireResponse, answers: dict[str, Any], *, at: datetime, by: Viewer) -> None:
    for link_id, value in answers.items():
        questionnaires.save_answer(response=response, link_id=link_id, value=value, source="phone", at=at, by=by)


def number(patient: Patient) -> Any:
    return ContactPoint.objects.unscoped("test").filter(patient=patient).values_list("pk", flat=True).first()


def wanted(cast: Cast, **given: Any) -> Wanted:
    return Wanted(**{"department_id": cast.cardiology.pk, "period": MONTH, **given})


def draw(cast: Cast, by: Practitioner | None = None, **given: Any) -> Sample:
    """A sample of Cardiology by its supervisor Qian: everything, blind, unless told otherwise."""
    values: dict[str, Any] = {
        "key": f"k{Sample.objects.unscoped('test').count()}", "wanted": wanted(cast), "size": None, "percent": 100.0,
        "blind_percent": 100.0, "seed": "5f3a", "at": NOW, **given,
    }  # fmt: skip
    return actions.draw_sample(by=cast.viewer(by or cast.qian), **values)


def rows(sample: Sample) -> list[SampledRecord]:
    return list(SampledRecord.objects.unscoped("test").filter(sample=sample).order_by("order"))


def ask_again(cast: Cast, row: SampledRecord, by: Practitioner | None = None, **changed: Any) -> SampledRecord:
    """The checker calls and hears the same, but for what changed."""
    viewer = cast.viewer(by or cast.qian)
    actions.begin_re_check(row=row, at=NOW, by=viewer)
    for link_id, value in {**GOOD, **changed}.items():
        actions.save_second_answer(row=row, link_id=link_id, value=value, at=NOW, by=viewer)
    return actions.submit_re_check(
        row=row, contact_point_id=number(row.patient), started_at=NOW - timedelta(minutes=2), at=NOW, by=viewer
    )
