"""What the builder and the forms offer."""

from __future__ import annotations

from dataclasses import dataclass

from careloop.accounts.models import Organization
from careloop.cohorts.models import PatientTag
from careloop.cohorts.reads import wording
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
    return list(PatientTag.objects.visible_to(viewer).order_by("tag").values_list("tag", flat=True).distinct()[:200])
