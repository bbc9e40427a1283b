"""Titles of plans and steps in the language of the screen, for tasks that were made without English words of their own.

A task keeps both languages since it is made (`Task.plan_words`, `Task.step_words`); what was planned before then, and
titles that stand alone (a choice of plans), are looked up here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from careloop.plans.models import PlanDefinition


@dataclass(frozen=True, slots=True)
class Titles:
    """Looks up what a task is called. Words that no plan knows (a visit added by hand) stay as they are."""

    plans: Mapping[str, str] = field(default_factory=dict)
    steps: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def plan(self, title: str) -> str:
        return self.plans.get(title, title)

    def step(self, plan: str, title: str) -> str:
        return self.steps.get((plan, title), title)


def titles_in(language: str) -> Titles:
    """For Chinese nothing is asked; else one small query, and contents that this process has parsed already."""
    if not language.startswith("en"):
        return Titles()
    plans: dict[str, str] = {}
    steps: dict[tuple[str, str], str] = {}
    published = PlanDefinition.objects.exclude(status=PlanDefinition.Status.DRAFT)
    for definition in published.defer("content").order_by("published_at", "pk"):
        plans[definition.title] = definition.title_en
        for step in definition.plan().steps:
            steps[(definition.title, step.title.zh)] = step.title.en
    return Titles(plans, steps)
