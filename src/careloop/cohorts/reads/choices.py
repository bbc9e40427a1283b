"""What the builder and the forms offer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from careloop.accounts.models import Organization
from careloop.cohorts.models import PatientTag
from careloop.cohorts.reads import wording
from careloop.kernel.prepared import Asked, prepared
from careloop.kernel.viewer import Viewer
from careloop.plans.models import PlanDefinition
from careloop.questionnaires.models import Questionnaire
from careloop.questionnaires.reads import form_of


@dataclass(frozen=True, slots=True)
class Question:
    """One question that can be a condition, with its answers."""

    url: str
    link_id: str
    form: str
    text: str
    options: tuple[tuple[str, str], ...]

    @property
    def key(self) -> str:
        return f"{self.url}#{self.link_id}"


def departments(viewer: Viewer) -> list[Organization]:
    """Those the viewer works for; at the follow-up centre all."""
    rows = Organization.objects.filter(
        is_active=True, kind__in=(Organization.Kind.DEPARTMENT, Organization.Kind.CLINIC)
    )
    if not viewer.hospital_wide:
        rows = rows.filter(pk__in=viewer.departments)
    return list(rows.order_by("name", "pk")[:200])


def plans() -> list[tuple[str, str]]:
    """Plans in use: address and title."""
    return [(one.url, wording.plan_title(one)) for one in PlanDefinition.objects.active().order_by("title", "pk")]


def forms() -> list[tuple[str, str]]:
    """Questionnaires in use: address and title."""
    language = "en" if wording.is_english() else "zh"
    rows = Questionnaire.objects.filter(status=Questionnaire.Status.ACTIVE).order_by("url", "-pk")
    return list({row.url: (row.url, form_of(row).title.say(language)) for row in rows}.values())


def questions() -> list[Question]:
    """Every question of the forms in use that has a code or a number for an answer."""
    language = "en" if wording.is_english() else "zh"
    found = []
    for row in Questionnaire.objects.filter(status=Questionnaire.Status.ACTIVE).order_by("url", "-pk"):
        form = form_of(row)
        for item in form.questions:
            if item.options or item.type in {"integer", "decimal", "quantity", "boolean"}:
                options = tuple((option.code, option.staff.say(language)) for option in item.options)
                found.append(
                    Question(row.url, item.link_id, form.title.say(language), item.staff.say(language), options)
                )
    return found


def tags(viewer: Viewer) -> list[str]:
    """Words in use on patients the viewer may see."""
    return _words_in_use(viewer=viewer)


def asked_by_tags(patient_id: UUID, viewer: Viewer) -> Asked[str]:
    """The words on one patient, to be asked with other questions of a page."""
    return _words_on.asked(viewer=viewer, patient_id=patient_id)


@prepared
def _words_on(viewer: Viewer, patient_id: UUID) -> QuerySet[PatientTag, Any]:
    mine = PatientTag.objects.visible_to(viewer).filter(patient_id=patient_id)
    return mine.order_by("tag").values_list("tag", flat=True)


@prepared
def _words_in_use(viewer: Viewer) -> QuerySet[PatientTag, Any]:
    return PatientTag.objects.visible_to(viewer).order_by("tag").values_list("tag", flat=True).distinct()[:200]
