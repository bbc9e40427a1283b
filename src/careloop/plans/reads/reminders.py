"""The words of a plan's reminders, for the patient they were sent to (L23): on the page behind the link, never in a text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from careloop.kernel.viewer import Viewer
from careloop.plans.models import CarePlan
from careloop.tasks.models import Task

SHOWN_FOR: Final = timedelta(days=30)
MOST: Final = 5


@dataclass(frozen=True, slots=True)
class Words:
    """One reminder that was sent."""

    task_id: UUID
    title: str
    text: str


def reminders_sent(*, language: str, viewer: Viewer, at: datetime) -> list[Words]:
    """What was reminded of within `SHOWN_FOR`, newest first, each step once; steps without words of their own are not."""
    tasks = list(
        Task.objects.visible_to(viewer)
        .filter(kind=Task.Kind.REMINDER, due_at__gt=at - SHOWN_FOR, care_plan_id__isnull=False)
        .exclude(message_state="")
        .order_by("-due_at", "-pk")[: 4 * MOST]
    )
    of_plans = {task.care_plan_id for task in tasks if task.care_plan_id}
    plans = CarePlan.objects.visible_to(viewer).filter(pk__in=of_plans).select_related("definition")
    steps = {(one.pk, step.code): step for one in plans for step in one.definition.plan().steps}
    english = language.startswith("en")
    shown: dict[tuple[UUID | None, str], Words] = {}
    for task in tasks:
        step = steps.get((task.care_plan_id, task.step_code)) if task.care_plan_id else None
        if step is not None and step.text is not None:
            words = step.text.en if english else step.text.zh
            shown.setdefault((task.care_plan_id, task.step_code), Words(task.pk, task.step_words, words))
    return list(shown.values())[:MOST]
