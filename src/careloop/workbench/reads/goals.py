"""Goals of a patient's running plans: the plan's own, with personal ones in their place."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Final
from uuid import UUID

from careloop.kernel.viewer import Viewer
from careloop.plans.models import CarePlan
from careloop.plans.reads.pages import running_plans
from careloop.workbench.rules import Goal, GoalError, GoalKind, parse_goal, parse_kinds

GOALS_FILE: Final = Path(__file__).parent.parent / "content" / "goals.json"


@cache
def kinds() -> Mapping[str, GoalKind]:
    """What can have a goal."""
    return parse_kinds(json.loads(GOALS_FILE.read_text(encoding="utf-8")))


def goals_of(plans: Iterable[CarePlan]) -> dict[str, str]:
    """Goal by code, as written. A personal one beats the plan's; the plan listed first beats the others."""
    found: dict[str, str] = {}
    for plan in plans:
        for code, text in {**plan.definition.plan().targets, **plan.personal().targets}.items():
            found.setdefault(code, text)
    return found


def pressure_goal(patient_id: UUID, *, viewer: Viewer) -> Goal | None:
    """The blood-pressure goal in force for this patient, or None. One that an old plan wrote differently is left out."""
    text = goals_of(running_plans(patient_id, viewer)).get("blood-pressure", "")
    try:
        return parse_goal(kinds(), "blood-pressure", text)
    except GoalError:
        return None
