"""A form of nine questions with a critical rule on a choice, one on a number and one that needs two answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from careloop.kernel.actions import seeding
from careloop.questionnaires.actions import publish_questionnaire
from careloop.tasks.models import Task
from tests.cast import SYSTEM

URL = "https://careloop.org/fhir/Questionnaire/test-pci"
OURS = "https://careloop.org/fhir/StructureDefinition/"
HL7 = "http://hl7.org/fhir/StructureDefinition/"
NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


def choice(link_id: str, text: str, *options: tuple[str, str], **more: Any) -> dict[str, Any]:
    return {
        "linkId": link_id, "type": "choice", "text": text, "required": True,
        "answerOption": [{"valueCoding": {"code": code, "display": display}} for code, display in options], **more,
    }  # fmt: skip


def number(link_id: str, text: str, low: int, high: int, unit: str, **more: Any) -> dict[str, Any]:
    return {
        "linkId": link_id, "type": "integer", "text": text,
        "extension": [
            {"url": HL7 + "minValue", "valueInteger": low}, {"url": HL7 + "maxValue", "valueInteger": high},
            {"url": HL7 + "questionnaire-unit", "valueCoding": {"code": unit, "display": unit}},
        ], **more,
    }  # fmt: skip


YES_NO = (("yes", "有"), ("no", "没有"), ("unknown", "说不清楚"))
SAFETY = {
    "zh": {"title": "请现在停下来休息", "text": "您说平常走路也会胸闷。这可能需要马上看医生。", "signs": ["胸闷超过 15 分钟不缓解", "出大汗、喘不上气", "疼到肩膀、后背或下巴"]},
    "en": {"title": "Please stop and rest now", "text": "You feel it even when walking. You may have to see a doctor at once.", "signs": ["longer than 15 minutes"]},
}  # fmt: skip


def rule(code: str, when: dict[str, Any], severity: str = "critical") -> dict[str, Any]:
    return {
        "code": code, "severity": severity, "when": when, "owner_role": "attending-doctor", "respond_within_minutes": 30,
        "sentence": {"zh": "日常活动即有胸闷", "en": "Chest tightness in daily life"}, "safety": SAFETY,
    }  # fmt: skip


CONTENT: dict[str, Any] = {
    "url": URL, "version": "1", "title": {"zh": "出院第 7 天问卷", "en": "Day 7 after discharge"}, "source": "test",
    "valid_from": "2026-01-01",
    "definition": {
        "resourceType": "Questionnaire", "url": URL, "version": "1", "name": "test-pci", "status": "active",
        "item": [
            choice("breath", "这几天喘气怎么样？", ("good", "和平常一样"), ("worse", "比平常喘"), ("unknown", "说不清楚")),
            choice("chest", "这几天有胸闷或胸痛吗？", *YES_NO),
            choice("when", "胸闷一般什么时候出现？", ("hard", "跑步、上楼这样用力时"), ("walk", "走路、做家务时就有"), ("rest", "坐着躺着不动也有"), ("unknown", "说不清楚"), enableWhen=[{"question": "chest", "operator": "=", "answerCoding": {"code": "yes"}}]),
            {"linkId": "pain", "type": "integer", "text": "难受的程度有几分？", "required": True, "extension": [{"url": OURS + "control", "valueCode": "scale-0-10"}, {"url": HL7 + "minValue", "valueInteger": 0}, {"url": HL7 + "maxValue", "valueInteger": 10}]},
            {"linkId": "bp", "type": "group", "text": "今天的血压是多少？", "item": [
                number("sbp", "高压", 60, 280, "mmHg", required=True), number("dbp", "低压", 30, 180, "mmHg", required=True),
            ]},
            choice("pills", "支架的药每天都吃了吗？", ("all", "都吃了"), ("some", "漏了几次"), ("stopped", "停了"), ("unknown", "说不清楚")),
            choice("signs", "下面哪些您有？", ("swelling", "腿肿"), ("bleeding", "牙龈出血"), ("none", "都没有"), repeats=True, required=False),
            {"linkId": "weight", "type": "decimal", "text": "体重多少公斤？", "extension": [{"url": OURS + "may-be-not-measured", "valueBoolean": True}, {"url": HL7 + "minValue", "valueDecimal": 20}, {"url": HL7 + "maxValue", "valueDecimal": 300}]},
            {"linkId": "words", "type": "text", "text": "还有什么想告诉我们？", "maxLength": 300},
        ],
    },
    "rules": [
        rule("chest-daily", {"any": [{"item": "when", "op": "=", "value": "walk"}, {"item": "when", "op": "=", "value": "rest"}]}),
        rule("pressure", {"item": "sbp", "op": ">=", "value": 200}),
        rule("breath-and-swelling", {"all": [{"item": "breath", "op": "=", "value": "worse"}, {"item": "signs", "op": "=", "value": "swelling"}]}),
        rule("pills", {"item": "pills", "op": "=", "value": "stopped"}, severity="high"),
    ],
    "checks": [{"code": "dia-below-sys", "when": {"all": [{"item": "sbp", "op": "<", "value": 90}, {"item": "dbp", "op": ">", "value": 90}]}, "items": ["sbp", "dbp"], "message": {"zh": "低压不能高于高压，请再看一下", "en": "The lower pressure lies below the upper one"}}],
}  # fmt: skip


def make_task(people: Any, *, patient: Any = None, key: str = "t1", **more: Any) -> Task:
    """An open follow-up of patient Zhang with this form, due now."""
    publish_questionnaire(content=CONTENT, at=NOW, by=SYSTEM)
    patient = patient or people.zhang
    now = datetime.now(UTC)
    with seeding():
        return Task.objects.create(**{
            "patient": patient, "department": people.cardiology, "key": key, "kind": "follow-up", "questionnaire_url": URL,
            "plan_title": "PCI 术后", "step_title": "出院第 7 天问卷", "available_at": now - timedelta(days=1),
            "due_at": now + timedelta(days=1), "encounter_id": people.stay.pk, **more,
        })  # fmt: skip
