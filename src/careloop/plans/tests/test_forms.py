"""What the designer's fields become in the plan's JSON: exact for every plan, and honest about what is no number."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from django.http import QueryDict

from careloop.plans.forms import end_values, head_values, rule_values, source_lines, step_values
from careloop.plans.rules import drafting
from careloop.plans.rules.content import parse_plan
from careloop.plans.tests.factories import PLAN_FILES, raw_plan, raw_step


def data(**fields: Any) -> QueryDict:
    return QueryDict(urlencode(fields, doseq=True))


def step_fields(step: dict[str, Any]) -> dict[str, Any]:
    """The fields as the page fills them from a step."""
    before, after = step.get("window", [0, 0])
    ladder = step.get("ladder", [{"channel": "phone"}])
    return {
        "title_zh": step["title"]["zh"], "title_en": step["title"]["en"], "purpose": step["purpose"],
        "activity": step.get("activity", "questionnaire"), "anchor": step.get("anchor", "discharge"),
        "first_from": step.get("first_from", ""), "of_step": step.get("of_step", ""), "schedule": step["schedule"],
        "before": before, "after": after, "times": step.get("times", ""), "until": step.get("until", ""),
        "shift": step.get("shift", "keep"), "owner": step.get("owner", "follow-up-centre"),
        "questionnaire": step.get("questionnaire", ""), "education": step.get("education", ""),
        "text_zh": step.get("text", {}).get("zh", ""), "text_en": step.get("text", {}).get("en", ""),
        "channel": [rung["channel"] for rung in ladder], "wait": [rung.get("wait_hours", "") for rung in ladder],
    } | ({"lapses": "1"} if step.get("lapses") else {})  # fmt: skip


def rule_fields(rule: dict[str, Any]) -> dict[str, Any]:
    """The same for the enrolment rule."""
    fields: dict[str, Any] = {"sex": rule.get("sex", ""), "encounter_classes": rule.get("encounter_classes", [])}
    for name in ("diagnoses", "procedures"):
        for key in ("any", "none"):
            fields[f"{name}_{key}"] = ", ".join(rule.get(name, {}).get(key, []))
    for name in ("departments", "dispositions"):
        for key in ("any", "none"):
            fields[f"{name}_{key}"] = rule.get(name, {}).get(key, [])
    fields |= {"age_from": rule.get("age", {}).get("from", ""), "age_to": rule.get("age", {}).get("to", "")}
    fields |= {"main_only": "1"} if rule.get("diagnoses", {}).get("main_only") else {}
    return fields | ({"either_code": "1"} if rule.get("either_code") else {})


@pytest.mark.parametrize("path", PLAN_FILES, ids=lambda path: path.stem)
def test_saving_every_part_of_a_shipped_plan_unchanged_keeps_its_meaning(path: Any) -> None:
    raw = json.loads(path.read_text())
    saved = raw
    for step in raw["steps"]:
        saved = drafting.set_step(saved, step["code"], step_values(data(**step_fields(step))))
    saved = drafting.set_part(saved, "enrolment", rule_values(data(**rule_fields(raw["enrolment"]))))
    ends = raw.get("ends", {})
    saved = drafting.set_part(saved, "ends", end_values(data(**{"causes": []} | ends)))
    head = {
        "title_zh": raw["title"]["zh"], "title_en": raw["title"]["en"], "description_zh": raw["description"]["zh"],
        "description_en": raw["description"]["en"], "version": raw["version"], "category": raw["category"],
        "group": raw["group"], "specialty": raw["specialty"], "valid_from": raw["valid_from"],
        "valid_to": raw.get("valid_to") or "", "sources": source_lines(raw["sources"]),
        "targets": "\n".join(f"{name} = {value}" for name, value in raw.get("targets", {}).items()),
    } | ({"covers_first_contact": "1"} if raw.get("covers_first_contact") else {})  # fmt: skip
    saved = drafting.set_part(saved, "", head_values(data(**head)))
    assert parse_plan(saved) == parse_plan(raw)


def saved_step(**fields: Any) -> dict[str, Any]:
    raw = raw_plan("x", raw_step("a", "3"))
    values = step_values(data(**(step_fields(raw["steps"][0]) | fields)))
    return drafting.set_step(raw, "a", values)["steps"][0]


def test_what_is_no_number_stays_a_text_for_the_parser_to_name() -> None:
    step = saved_step(before="one", after="２", times="many")
    assert (step["window"], step["times"]) == (["one", 2], "many")


@pytest.mark.parametrize("text", ["-1", "1.5", "99999999", "0x3"])
def test_odd_numbers_are_not_silently_changed(text: str) -> None:
    assert saved_step(after=text)["window"] == [0, text]


def test_what_holds_anyway_is_left_out() -> None:
    step = saved_step()
    assert {"anchor", "first_from", "of_step", "shift", "owner", "until", "times", "text", "lapses", "education"} & set(
        step
    ) == set()


def test_a_step_after_another_keeps_it_and_loses_it_with_the_anchor() -> None:
    assert saved_step(anchor="previous-completion", of_step="b")["of_step"] == "b"
    assert "of_step" not in saved_step(anchor="discharge", of_step="b")


def test_the_ladder_keeps_its_order_and_skips_empty_rungs() -> None:
    step = saved_step(channel=["sms", "", "phone"], wait=["12", "", ""])
    assert step["ladder"] == [{"channel": "sms", "wait_hours": 12}, {"channel": "phone"}]
    assert saved_step(channel=["sms"], wait=["soon"])["ladder"] == [{"channel": "sms", "wait_hours": "soon"}]


@pytest.mark.parametrize("typed", ["I21, I20-I25", "I21，I20-I25", "I21、I20-I25", "I21; I20-I25", "  I21   I20-I25 "])
def test_codes_are_separated_as_people_separate_them(typed: str) -> None:
    assert rule_values(data(diagnoses_any=typed))["diagnoses"] == {"any": ["I21", "I20-I25"]}


def test_an_empty_rule_has_no_conditions_left() -> None:
    raw = drafting.set_part({"enrolment": {"sex": "male", "age": {"from": 3}}}, "enrolment", rule_values(data()))
    assert raw["enrolment"] == {}


@pytest.mark.parametrize(
    ("line", "source"),
    [
        ("指南 | p. 3 | checked", {"title": "指南", "locator": "p. 3", "verified": True}),
        ("指南 | p. 3 | 已核对", {"title": "指南", "locator": "p. 3", "verified": True}),
        ("指南", {"title": "指南", "locator": "", "verified": False}),
        ("指南 || yes", {"title": "指南", "locator": "", "verified": True}),
        ("指南 | a | no", {"title": "指南", "locator": "a", "verified": False}),
    ],
)
def test_sources_are_one_a_line(line: str, source: dict[str, Any]) -> None:
    assert head_values(data(sources=f"{line}\n\n"))["sources"] == [source]


def test_source_lines_survive_odd_content() -> None:
    assert source_lines(None) == source_lines("x") == source_lines([3]) == ""


def test_targets_are_name_and_value() -> None:
    assert head_values(data(targets="weight = <70 kg\nldl-c=<1.4"))["targets"] == {"weight": "<70 kg", "ldl-c": "<1.4"}
