"""Which table speaks for a response, and how often doctors agree with it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet

from careloop.accounts.models import Organization
from careloop.kernel.jobs import read_once
from careloop.kernel.prepared import prepared
from careloop.kernel.viewer import NOBODY, Viewer
from careloop.patients.models import Encounter
from careloop.publichealth import rules
from careloop.publichealth.models import Opinion, OpinionTable
from careloop.publichealth.reads.packs import CONTENT
from careloop.questionnaires.models import Questionnaire, QuestionnaireResponse
from careloop.questionnaires.reads import form_of
from careloop.questionnaires.rules import Words
from careloop.tasks.models import Task
from careloop.tasks.reads import ended_task

OWN = "opinion"  # the code of a classification that is an opinion, not a class of a national form
WHY = "the department of a response says which table speaks"


@cache
def common_opinions() -> dict[str, Words]:
    """The opinions a doctor may always choose, whatever the table suggests."""
    listed = json.loads((CONTENT / "opinions.json").read_text(encoding="utf-8"))["opinions"]
    return {one["code"]: Words(one["title"]["zh"], one["title"]["en"]) for one in listed}


def shipped_tables() -> Sequence[Mapping[str, Any]]:
    """The tables that come with the product."""
    return [json.loads(p.read_text(encoding="utf-8")) for p in sorted((CONTENT / "opinion-tables").glob("*.json"))]


def department_of(response: QuestionnaireResponse) -> UUID | None:
    """Of the task it was asked at, else of the patient's last stay."""
    if response.task_id:
        ended = ended_task(response.task_id)
        if ended is not None:
            return ended.department_id
        found = Task.objects.unscoped(WHY).filter(pk=response.task_id).values_list("department_id", flat=True).first()
        if found:
            return UUID(str(found))
    stays = Encounter.objects.unscoped(WHY).filter(patient_id=response.patient_id, department__isnull=False)
    return stays.order_by("-admitted_at", "-pk").values_list("department_id", flat=True).first()


def tables_speak(response: QuestionnaireResponse) -> bool:
    """Whether an opinion may follow from these answers: a hospital's table for this form, or the form brings its own."""
    return bool(tables_in_force(response.questionnaire.url)) or table_of_form(response.questionnaire) is not None


@read_once
def tables_in_force(url: str) -> list[OpinionTable]:
    """The tables for this form, of departments and of the hospital."""
    found: list[OpinionTable] = _in_force(viewer=NOBODY, url=url)
    return found


@prepared
def _in_force(viewer: Viewer, url: str) -> QuerySet[OpinionTable]:
    """Without their content, which is parsed once per content and process."""
    mine = OpinionTable.objects.filter(questionnaire_url=url, status=OpinionTable.Status.ACTIVE)
    return mine.order_by("pk").defer("content")


def table_for(url: str, department_id: UUID | None) -> OpinionTable | None:
    """The department's own table in force, or one of a department above it, or the hospital's."""
    tables = {table.department_id: table for table in tables_in_force(url)}
    if not tables:
        return None
    mine = Organization.objects.filter(pk=department_id) if department_id else Organization.objects.none()
    path = mine.values_list("path", flat=True).first() or ""
    above = Organization.objects.filter(pk__in=[pk for pk in tables if pk]).order_by("-path")
    for place in above:
        if path.startswith(place.path):
            return tables[place.pk]
    return tables.get(None)


def table_of_form(questionnaire: Questionnaire) -> rules.Table | None:
    """The table a form brings itself: its classification, when that is an opinion."""
    found = form_of(questionnaire).classification
    if found is None or found.get("code") != OWN:
        return None
    return rules.Table(questionnaire.url, Words("", ""), tuple(found["outcomes"]), (), str(found.get("source", "")))


def draft_of_form(questionnaire: Questionnaire) -> dict[str, Any] | None:
    """The form's own table as the content of a table to begin from; None when it brings none."""
    own = table_of_form(questionnaire)
    if own is None:
        return None
    rows = [{**outcome, **({"else": True} if place else {})} for place, outcome in enumerate(own.outcomes)]
    title = {"zh": questionnaire.title, "en": questionnaire.title_en or questionnaire.title}
    return {"questionnaire": questionnaire.url, "title": title, "source": own.source, "outcomes": rows, "vectors": []}


def options_for(opinion: Opinion) -> dict[str, Words]:
    """What the doctor may choose: what the table knows first, then the common opinions."""
    table = opinion.table.table() if opinion.table else table_of_form(opinion.response.questionnaire)
    own = table.options() if table else {}
    return {**own, **{code: words for code, words in common_opinions().items() if code not in own}}


_OF_TABLE = re.compile(r"table (\d+) · ")  # as actions.opinions writes it


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often the doctor chose what was suggested."""

    rule_version: str
    questionnaire_url: str
    suggested: int
    decided: int
    agreed: int
    underivable: int

    @property
    def table_version(self) -> str | None:
        """The number of the published table; None when it was the table that the form brings."""
        found = _OF_TABLE.match(self.rule_version)
        return found[1] if found else None

    @property
    def percent(self) -> float | None:
        """Of the decided ones; None when nobody decided."""
        return round(100 * self.agreed / self.decided, 1) if self.decided else None


def agreement(viewer: Viewer) -> list[Agreement]:
    """Per version of a table: suggestions, decisions, agreements. Only of patients this viewer may see."""
    agrees = Q(chosen_at__isnull=False, suggested__gt="", chosen=F("suggested"))
    rows = (
        Opinion.objects.visible_to(viewer)
        .filter(response__status="completed")
        .values("rule_version", "response__questionnaire__url")
        .annotate(
            suggested_count=Count("pk", filter=~Q(suggested="")),
            decided=Count("pk", filter=Q(chosen_at__isnull=False) & ~Q(suggested="")),
            agreed=Count("pk", filter=agrees),
            underivable=Count("pk", filter=Q(suggested="")),
        )
        .order_by("response__questionnaire__url", "rule_version")
    )
    return [
        Agreement(r["rule_version"], r["response__questionnaire__url"], r["suggested_count"], r["decided"], r["agreed"], r["underivable"])
        for r in rows
    ]  # fmt: skip
