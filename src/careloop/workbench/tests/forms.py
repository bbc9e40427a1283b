"""A form of nine questions after a heart stent, as a call asks them: choices, one that depends on another, numbers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from careloop.questionnaires.actions import publish_questionnaire
from careloop.questionnaires.models import Questionnaire
from careloop.questionnaires.rules import definition
from tests.cast import SYSTEM

URL = "https://careloop.example/Questionnaire/call-test"


def _choice(link_id: str, text: str, *options: str, say: str = "", **more: Any) -> dict[str, Any]:
    wording = [{"url": "script", "valueString": say}] if say else []
    return {
        "linkId": link_id, "text": text, "type": "choice", "required": True,
        "extension": [{"url": definition.OURS + "wording", "extension": wording}] if wording else [],
        "answerOption": [
            {"valueCoding": {"code": f"{link_id}-{n}", "display": words}} for n, words in enumerate(options, start=1)
        ],
        **more,
    }  # fmt: skip


def content() -> dict[str, Any]:
    """The content file of the form."""

    def number(link_id: str, text: str, low: int, high: int) -> dict[str, Any]:
        return {
            "linkId": link_id, "text": text, "type": "integer", "required": False,
            "extension": [
                {"url": definition.HL7 + "minValue", "valueInteger": low},
                {"url": definition.HL7 + "maxValue", "valueInteger": high},
            ],
        }  # fmt: skip

    items = [
        _choice("who", "接听人身份", "本人", "家属", "其他"),
        _choice("pain", "出院后有无胸痛、胸闷？", "无", "有", say="出院以后，有没有觉得胸口疼、胸口闷？"),
        _choice(
            "when", "胸闷一般在什么时候出现？", "剧烈活动后", "日常活动即有", "静息时也有", "说不清",
            say="您说的胸闷，是走路、上楼时有，还是坐着躺着也有？",
            enableWhen=[{"question": "pain", "operator": "=", "answerCoding": {"code": "pain-2"}}],
        ),
        _choice("wound", "穿刺部位有无红肿、渗血？", "无", "有"),
        _choice("drugs", "服药情况", "按时按量", "偶尔漏服", "自行停药", "不清楚"),
        _choice("sleep", "睡眠情况", "好", "一般", "差"),
        _choice("salt", "饮食是否低盐？", "是", "否", "不清楚"),
        _choice("smoke", "是否吸烟？", "否", "是"),
        {"linkId": "bp", "text": "今日血压", "type": "group", "item": [
            number("sbp", "高压", 40, 300), number("dbp", "低压", 20, 200),
        ]},
        _choice("visit", "是否知道复诊时间？", "知道", "不知道"),
    ]  # fmt: skip
    return {
        "url": URL, "version": "1.0.0", "title": {"zh": "PCI 术后 7 天随访", "en": "Day 7 after PCI"}, "source": "test",
        "definition": {
            "resourceType": "Questionnaire", "url": URL, "version": "1.0.0", "name": "call-test", "status": "active",
            "item": items,
        },
        "rules": [
            {
                "code": "angina-again", "severity": "critical", "owner_role": "attending-doctor",
                "respond_within_minutes": 30, "when": {"item": "when", "op": "=", "value": "when-2"},
                "sentence": {"zh": "术后再发心绞痛", "en": "Angina after the operation"},
                "advice": {"zh": "若伴大汗、持续超过 15 分钟，请指导拨打 120。", "en": "Sweat, over 15 minutes: call 120."},
            }
        ],
    }  # fmt: skip


def publish() -> Questionnaire:
    """Put it in force."""
    return publish_questionnaire(content=content(), at=datetime(2026, 1, 1, tzinfo=UTC), by=SYSTEM)
