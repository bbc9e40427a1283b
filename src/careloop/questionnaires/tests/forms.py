"""Small forms for the tests, made of the shortest FHIR that says it."""

from __future__ import annotations

from typing import Any

from careloop.questionnaires import rules
from careloop.questionnaires.rules.definition import HL7, OURS

URL = "https://careloop.example/Questionnaire/test"


def item(link_id: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    return {"linkId": link_id, "type": kind, "text": link_id, **more}


def choice(link_id: str, *codes: str, weights: tuple[float, ...] = (), alone: str = "", **more: Any) -> dict[str, Any]:
    options = []
    for place, code in enumerate(codes):
        coding: dict[str, Any] = {"code": code, "display": code.upper(), "extension": []}
        if weights:
            coding["extension"].append({"url": HL7 + "itemWeight", "valueDecimal": weights[place]})
        if code == alone:
            coding["extension"].append({"url": HL7 + "questionnaire-optionExclusive", "valueBoolean": True})
        options.append({"valueCoding": coding})
    return item(link_id, "choice", answerOption=options, **more)


def number(
    link_id: str, low: float | None = None, high: float | None = None, kind: str = "integer", **more: Any
) -> dict[str, Any]:
    extension = [
        {"url": HL7 + name, "valueDecimal": value}
        for name, value in (("minValue", low), ("maxValue", high))
        if value is not None
    ]
    if more.pop("unmeasured", False):
        extension.append({"url": OURS + "may-be-not-measured", "valueBoolean": True})
    return item(link_id, kind, extension=[*extension, *more.pop("extension", [])], **more)


def when(question: str, operator: str, answer: Any) -> dict[str, Any]:
    kind = (
        "answerBoolean" if isinstance(answer, bool) else "answerInteger" if isinstance(answer, int) else "answerCoding"
    )
    return {"question": question, "operator": operator, kind: {"code": answer} if kind == "answerCoding" else answer}


def content(*items: dict[str, Any], version: str = "1", url: str = URL, **more: Any) -> dict[str, Any]:
    return {
        "url": url, "version": version, "title": {"zh": "试用", "en": "Trial"}, "source": "test", "valid_from": "2026-01-01",
        "definition": {"resourceType": "Questionnaire", "url": url, "version": version, "name": "test", "status": "active", "item": list(items)},
        **more,
    }  # fmt: skip


def form(*items: dict[str, Any], **more: Any) -> rules.Form:
    return rules.parse(content(*items, **more))


def rule(code: str, condition: Any, severity: str = "high") -> dict[str, Any]:
    return {
        "code": code, "severity": severity, "when": condition, "owner_role": "attending-doctor",
        "respond_within_minutes": 30, "source": "test", "sentence": {"zh": "出事了", "en": "Something happened"},
    }  # fmt: skip


CALL = content(
    choice("pain", "no", "yes", "unclear", required=True),
    choice("where", "chest", "back", required=True, enableWhen=[when("pain", "=", "yes")]),
    {"linkId": "bp", "type": "group", "text": "血压", "item": [number("sbp", 40, 300, unmeasured=True, code=[{"code": "8480-6"}]), number("dbp", 20, 200, unmeasured=True)]},
    choice("signs", "none", "fever", "bleeding", alone="none", repeats=True),
    item("words", "text", maxLength=20),
    rules=[
        rule("chest", {"item": "where", "op": "=", "value": "chest"}, "critical"),
        rule("pressure", {"item": "sbp", "op": ">=", "value": 180}),
        rule("rise", {"change": "sbp", "op": ">=", "value": 20, "days": 7}, "watch"),
    ],
    checks=[{"code": "dia", "when": {"item": "dbp", "op": ">=", "value_of": "sbp"}, "items": ["sbp", "dbp"], "message": {"zh": "低压不能高于高压", "en": "Lower above upper"}}],
    scores=[{"code": "n", "title": {"zh": "高压", "en": "Upper"}, "items": ["sbp"], "missing": "null", "bands": []}],
)  # fmt: skip
