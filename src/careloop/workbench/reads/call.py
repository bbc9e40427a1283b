"""Everything the call screen shows about one patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import get_language

from careloop.kernel.svg import LineChart, line_chart
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Observation
from careloop.plans.reads.pages import Node, patient_cards
from careloop.plans.reads.titles import titles_in
from careloop.questionnaires.reads import responses_of
from careloop.tasks.models import Task
from careloop.tasks.reads import channel_label, outcome_label, reason_text, same_call
from careloop.workbench.reads import people, questions
from careloop.workbench.reads.goals import pressure_goal
from careloop.workbench.reads.p360 import usual_zone
from careloop.workbench.rules import Goal, pressure_band


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """Blood pressure of the last days: a small chart and the newest reading in words."""

    chart: LineChart
    newest: str
    at: datetime
    high: bool
    goal: str  # as written, "" when the usual zone is drawn


def screen(task: Task, *, viewer: Viewer, at: datetime) -> dict[str, Any]:
    """The parts of the screen, each fetched once."""
    stay = people.stay_of(task, viewer=viewer)
    shown = people.banner(task, stay, viewer=viewer, at=at)
    names = people.diagnoses(task, stay, viewer=viewer)
    if names:
        shown["diagnosis"] = " · ".join(names)
    form = questions.call_form(task, viewer=viewer, at=at)
    held = task.claimed_until is not None and task.claimed_until > at
    return {
        **numbers_context(task, viewer=viewer),
        "banner": shown,
        "reasons": [reason_text(reason) for reason in task.priority_reasons],
        "is_mine": held and task.claimed_by_id == viewer.practitioner_id,
        "is_taken": held and task.claimed_by_id != viewer.practitioner_id,
        "same_call": same_call(task, viewer=viewer, at=at),
        "medicines": people.medicines(task.patient_id, viewer=viewer),
        "pressure": pressure(
            people.blood_pressure(task.patient_id, viewer=viewer), pressure_goal(task.patient_id, viewer=viewer)
        ),
        "history": people.attempts(task.patient_id, viewer=viewer),
        "outcome_label": outcome_label,
        "channel_words": channel_label,
        "form": form,
        "script": questions.script(form),
        "advice": questions.advice(form),
        "responses": responses_of(task.patient_id, viewer=viewer)[:5],
        "stamp": stamp(task),
        "titles": titles_in(get_language() or "zh-hans"),
    }


def plan_nodes(task: Task, *, viewer: Viewer, at: datetime, shown: int = 6) -> list[Node]:
    """The steps of this task's plan, some before and some after it. Empty for a contact without a plan."""
    if task.care_plan_id is None:
        return []
    cards = patient_cards(task.patient, viewer, at=at, language=get_language() or "zh-hans")
    nodes = next((card.nodes for card in cards if card.plan.pk == task.care_plan_id), [])
    here = next((index for index, node in enumerate(nodes) if node.task_id == task.pk), 0)
    start = max(min(here - 1, len(nodes) - shown), 0)
    return nodes[start : start + shown]


def numbers_context(task: Task, *, viewer: Viewer) -> dict[str, Any]:
    """The list of phone numbers, the one to dial first marked."""
    found = people.numbers(task.patient_id, viewer=viewer)
    return {"task": task, "numbers": found, "best": next((number for number in found if number.is_best), None)}


def stamp(task: Task) -> str:
    """Changes whenever the task does: a page drawn ahead is used only while this is the same."""
    return f"{task.updated_at.timestamp():.6f}-{task.patient.updated_at.timestamp():.6f}"


def pressure(readings: Sequence[Observation], goal: Goal | None = None) -> Pressure | None:
    """Systolic and diastolic by day, newest last, over the zone of the patient's goal; None when nothing was measured."""
    by_moment: dict[datetime, dict[str, float]] = {}
    for reading in readings:
        if reading.value_number is not None:
            by_moment.setdefault(reading.effective_at, {})[reading.concept] = float(reading.value_number)
    if not by_moment:
        return None
    moments = sorted(by_moment)[-7:]
    upper, lower = ([by_moment[moment].get(code) for moment in moments] for code in people.BLOOD_PRESSURE)
    newest = by_moment[moments[-1]]
    systolic, diastolic = (newest.get(code) for code in people.BLOOD_PRESSURE)
    labels = [f"{timezone.localtime(moment):%d}" for moment in moments]
    return Pressure(
        chart=line_chart(
            labels, [("", upper), ("", lower)], width=258, height=84, band=pressure_band(goal, default=usual_zone())
        ),
        newest="/".join(f"{value:g}" if value is not None else "–" for value in (systolic, diastolic)),
        at=moments[-1],
        goal=goal.written() if goal else "",
        high=_is_high(systolic, diastolic, goal)
        or any(reading.effective_at == moments[-1] and reading.interpretation in ("H", "HH") for reading in readings),
    )


def _is_high(systolic: float | None, diastolic: float | None, goal: Goal | None) -> bool:
    """Above the patient's own goal: `<130/80` is missed by 130 or by 80."""
    if goal is None:
        return False
    return any(
        value is not None and value >= limit for value, limit in zip((systolic, diastolic), goal.below, strict=True)
    )
