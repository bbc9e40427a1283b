"""An unanswered form as patients see it: the same fields and the same macro as the real page."""

from __future__ import annotations

from dataclasses import dataclass

from careloop.questionnaires.reads.asking import Field, field_of, spoken_language
from careloop.questionnaires.rules import Form


@dataclass(frozen=True, slots=True)
class PatientScreen:
    """One page of a telephone."""

    title: str
    fields: tuple[Field, ...]


def patient_screens(form: Form) -> list[PatientScreen]:
    """Every page, those too that depend on an answer, in the order of form.screens."""
    found = []
    for items in form.screens:
        parent = form.item(items[0].parent) if len(items) > 1 and items[0].parent else items[0]
        title = parent.patient.say(spoken_language())
        found.append(PatientScreen(title, tuple(field_of(form, item, group=title) for item in items)))
    return found
