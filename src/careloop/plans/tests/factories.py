"""Small plans, written as the JSON that a plan file holds."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

from careloop.plans.rules.calendar import WorkCalendar, parse_calendars
from careloop.plans.rules.content import PlanContent, parse_plan

CONTENT = Path(__file__).parents[1] / "content"
PLAN_FILES = sorted(path for path in CONTENT.glob("*.json") if not path.name.startswith("calendar_"))
FORM = "https://careloop.org/Questionnaire/general-discharge"


def calendar() -> WorkCalendar:
    return parse_calendars([json.loads(path.read_text()) for path in sorted(CONTENT.glob("calendar_cn_*.json"))])


def raw_step(code: str = "call", schedule: str = "3", **more: Any) -> dict[str, Any]:
    step = {
        "code": code,
        "title": {"zh": f"节点 {code}", "en": f"Step {code}"},
        "purpose": "tracking",
        "activity": "questionnaire",
        "questionnaire": FORM,
        "schedule": schedule,
    }
    return step | more


def raw_plan(name: str = "example", *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    plan: dict[str, Any] = {
        "url": f"https://careloop.org/PlanDefinition/{name}",
        "version": "1.0",
        "title": {"zh": f"方案 {name}", "en": f"Plan {name}"},
        "description": {"zh": "说明", "en": "Description"},
        "category": "single-disease",
        "group": "example",
        "specialty": "general",
        "valid_from": "2025-01-01",
        "steps": [deepcopy(step) for step in steps] or [raw_step()],
        "sources": [{"title": "Example", "locator": "", "verified": True}],
    }
    return plan | more


def a_plan(name: str = "example", *steps: dict[str, Any], **more: Any) -> PlanContent:
    return parse_plan(raw_plan(name, *steps, **more))


def shipped(name: str) -> PlanContent:
    return parse_plan(json.loads((CONTENT / f"{name}.json").read_text()))


DISCHARGED = date(2026, 11, 13)
