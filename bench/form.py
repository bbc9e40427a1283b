"""The questionnaire of W3 as performance.md words it: twenty questions, four of them behind skip logic, one score, three
alert rules. Invented for measuring: it says nothing about anybody's health.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

URL = "https://careloop.org/Questionnaire/bench-twenty"
SYSTEM = "https://careloop.org/CodeSystem/bench"
QUESTIONS = 20
BEHIND = (5, 10, 15, 20)  # asked only when the question before was answered with 2 or more
_SCORED = tuple(n for n in range(1, QUESTIONS + 1) if n not in BEHIND)
OPTIONS = ("0", "1", "2", "3")
WORDS = {"0": "没有", "1": "轻", "2": "中", "3": "重"}


def publish(*, at: datetime) -> Any:
    """The form in force, published by the product's own action; again: the same form."""
    from careloop.kernel.viewer import Viewer
    from careloop.questionnaires.actions import publish_questionnaire

    return publish_questionnaire(content=content(), at=at, by=Viewer.system("bench"))


def answers() -> dict[str, str]:
    """What each telephone sends: two of the four are asked, two were answered before their reason was taken back."""
    asked = {link(n - 1): "2" for n in BEHIND[:2]}
    return {link(n): asked.get(link(n), "1") for n in range(1, QUESTIONS + 1)}


def kept() -> int:
    """How many answers are stored of those that are sent."""
    return QUESTIONS - 2


def total() -> int:
    """The score of these answers."""
    return sum(int(answers()[link(n)]) for n in _SCORED)


def link(number: int) -> str:
    """q1 … q20."""
    return f"q{number}"


def content() -> dict[str, Any]:
    """As a file of questionnaires/content holds it."""
    return {
        "url": URL, "version": "1.0", "name": "bench-twenty", "title": _say("二十题", "Twenty questions"), "source": "bench",
        "verified": False, "why": _say("用于测速，与临床无关。", "Made for measuring; no clinical meaning."),
        "valid_from": "2026-01-01", "valid_to": None, "departments": [], "minutes": {"phone": 3, "mobile": 3},
        "scores": [_score()], "rules": _rules(), "classification": None, "checks": [], "opening": None,
        "definition": {
            "resourceType": "Questionnaire", "url": URL, "version": "1.0", "name": "bench-twenty", "status": "active",
            "title": "二十题", "item": [_item(n) for n in range(1, QUESTIONS + 1)],
        },
    }  # fmt: skip


def _say(zh: str, en: str) -> dict[str, str]:
    return {"zh": zh, "en": en}


def _item(number: int) -> dict[str, Any]:
    item: dict[str, Any] = {
        "linkId": link(number), "type": "choice", "text": f"第 {number} 题", "required": True,
        "answerOption": [_option(code) for code in OPTIONS],
    }  # fmt: skip
    if number in BEHIND:
        item["enableWhen"] = [
            {"question": link(number - 1), "operator": "=", "answerCoding": {"system": SYSTEM, "code": code}}
            for code in ("2", "3")
        ]
        item["enableBehavior"] = "any"
    return item


def _option(code: str) -> dict[str, Any]:
    weight = {"url": "http://hl7.org/fhir/StructureDefinition/itemWeight", "valueDecimal": int(code)}
    return {"valueCoding": {"system": SYSTEM, "code": code, "display": WORDS[code], "extension": [weight]}}


def _score() -> dict[str, Any]:
    bands = [
        {"from": 0, "to": 24, "code": "low", "title": _say("低", "Low")},
        {"from": 25, "to": 48, "code": "high", "title": _say("高", "High")},
    ]
    return {
        "code": "total", "title": _say("总分", "Total"), "method": "sum", "items": [link(n) for n in _SCORED], "missing": "null", "max_missing": 0,
        "reverse": [], "bands": bands,
    }  # fmt: skip


def _rules() -> list[dict[str, Any]]:
    worst = {"score": "total", "op": ">=", "value": 40}
    either = {"any": [{"item": link(1), "op": "=", "value": "3"}, {"item": link(2), "op": "=", "value": "3"}]}
    return [
        _rule("bench-total", "critical", "总分 ≥ 40", "Total of 40 or more", worst),
        _rule("bench-first", "high", "前两题为重", "One of the first two is severe", either),
        _rule("bench-last", "watch", "末题为重", "The last one is severe", {"item": link(20), "op": "=", "value": "3"}),
    ]


def _rule(code: str, severity: str, zh: str, en: str, when: dict[str, Any]) -> dict[str, Any]:
    return {
        "code": code, "severity": severity, "sentence": _say(zh, en), "when": when, "owner_role": "responsible-nurse",
        "respond_within_minutes": 2880, "source": "bench", "verified": False,
        "why": _say("用于测速，与临床无关。", "Made for measuring; no clinical meaning."),
    }  # fmt: skip
