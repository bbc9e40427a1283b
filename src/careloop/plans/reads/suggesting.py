"""Which plans would suit one discharge, and why: for whoever chooses by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from careloop.patients.models import Encounter
from careloop.plans.models import PlanDefinition
from careloop.plans.reads import facts, wording
from careloop.plans.reads.pages import title_of, titles_by_url
from careloop.plans.rules.enrolment import match


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One plan for this discharge. `fits` says whether its own rule would take the patient; `why` in words."""

    definition: PlanDefinition
    title: str
    fits: bool
    why: list[str]
    specificity: int


def suggestions(encounter: Encounter, *, at: datetime, language: str) -> list[Suggestion]:
    """Every plan in use, those that fit first and of these the most specific. Switched-off plans can be chosen too."""
    (stay,) = facts.stays([encounter.pk])
    told = stay.facts(today=facts.local_day(at))
    titles = titles_by_url(language)
    found = []
    for definition in PlanDefinition.objects.active().defer("content").order_by("group", "url"):
        verdict = match(definition.plan(), told)
        why = [wording.reason_words(reason.code, reason.values, titles) for reason in verdict.reasons]
        found.append(Suggestion(definition, title_of(definition, language), verdict.fits, why, verdict.specificity))
    return sorted(found, key=lambda one: (not one.fits, -one.specificity, one.title))
