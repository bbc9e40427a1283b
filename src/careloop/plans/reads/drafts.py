"""Drafts for the designer: their faults, their list, the choices of its fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from careloop.accounts.models import Organization
from careloop.kernel.viewer import Viewer
from careloop.plans.models import CarePlan, PlanDefinition, PlanDraft, PlanReplay
from careloop.plans.reads import wording
from careloop.plans.reads.facts import local_day
from careloop.plans.reads.matching import matched_last_year
from careloop.plans.reads.pages import MOST_NODES, StepRow, step_rows
from careloop.plans.rules.calendar import shipped_calendar
from careloop.plans.rules.content import (
    EnrolmentRule,
    PlanContent,
    PlanContentError,
    content_hash,
    parse_enrolment,
    parse_plan,
    parse_step,
)
from careloop.plans.rules.drafting import changes_between, step_of
from careloop.plans.rules.faults import Fault, gettext_noop
from careloop.plans.rules.review import Matched, check
from careloop.plans.rules.schedule import Anchors, Progress, last_day, plan_occurrences
from careloop.questionnaires.models import Questionnaire


@dataclass(frozen=True, slots=True)
class Dot:
    """One dot of the time line of an example patient."""

    step: str
    day: int  # days after discharge
    date: date
    opens: int
    closes: int
    at: float  # per cent of the width
    left: float  # of the window
    width: float


@dataclass(frozen=True, slots=True)
class Choices:
    """What the fields of the designer offer."""

    questionnaires: list[tuple[str, str]]
    departments: list[tuple[str, str]]


def today(at: datetime) -> date:
    return local_day(at)


def shown_fields(raw: Mapping[str, Any]) -> dict[str, str]:
    """The columns that lists and constraints look at, from content that may still be wrong."""
    title = raw.get("title")
    words = title if isinstance(title, Mapping) else {}
    return {
        "url": str(raw.get("url", ""))[:200],
        "version": str(raw.get("version", ""))[:20],
        "title": str(words.get("zh", ""))[:120],
        "title_en": str(words.get("en", ""))[:120],
    }


def matched(raw: Mapping[str, Any], *, at: datetime) -> Matched | None:
    """Last year's discharges under the rule of this content; None while the rule cannot be read."""
    try:
        rule = parse_enrolment(raw.get("enrolment", {}))
    except PlanContentError:
        return None
    return matched_last_year(rule, at=at)


def faults_of(draft: PlanDraft, *, at: datetime, found: Matched | None = None) -> tuple[Fault, ...]:
    """Everything against handing it in: what cannot be read or meant, and names that this hospital does not have."""
    faults = check(draft.content, matched=found or matched(draft.content, at=at))
    plan = readable(draft.content)
    faults += tuple(_unknown_names(plan)) if plan else ()
    return faults + _taken_version(draft)


def readable(raw: Mapping[str, Any]) -> PlanContent | None:
    """The plan that a draft's content means; None while it is not one yet."""
    try:
        return parse_plan(raw)
    except PlanContentError:
        return None


def hands_in(draft: PlanDraft) -> set[UUID]:
    """Everybody who had a hand in a draft: they do not review it."""
    people = set(draft.history.values_list("by_practitioner_id", flat=True)) | {draft.author_id}
    return people | ({draft.submitted_by_id} if draft.submitted_by_id else set())


def choices(language: str) -> Choices:
    """Questionnaires in force and departments, by name."""
    forms = (
        Questionnaire.objects.filter(status="active").order_by("title", "pk").values_list("url", "title", "title_en")
    )
    english = language.startswith("en")
    units = Organization.objects.filter(is_active=True).exclude(kind=Organization.Kind.HOSPITAL).order_by("path", "pk")
    return Choices(
        questionnaires=[(url, (en if english and en else zh)) for url, zh, en in forms],
        departments=[
            (code, (en if english and en else zh)) for code, zh, en in units.values_list("code", "name", "name_en")
        ],
    )


def open_drafts() -> list[PlanDraft]:
    rows = PlanDraft.objects.filter(state__in=["editing", "in-review"]).select_related("author").defer("content")
    return list(rows.order_by("-updated_at", "pk"))


def last_replay(draft: PlanDraft) -> PlanReplay | None:
    return draft.replays.order_by("-created_at", "-pk").first()


def version_in_use(draft: PlanDraft) -> PlanDefinition | None:
    return PlanDefinition.objects.active().filter(url=draft.url).first()


def time_line(raw: Mapping[str, Any], *, discharged_on: date) -> list[Dot]:
    """The contacts of an example patient with their windows, as far as the content can be read."""
    plan = _as_far_as_readable(raw)
    if plan is None:
        return []
    anchors = Anchors(discharged_on, discharged_on, discharged_on, discharged_on)
    progress = Progress(not_before=discharged_on, last_day=last_day(plan, anchors))
    until = discharged_on + timedelta(days=5 * 366)
    found = plan_occurrences(plan, anchors, progress, shipped_calendar(), until=until)[: 4 * MOST_NODES]
    end = max(((o.closes - discharged_on).days for o in found), default=1) or 1
    return [
        Dot(
            step=o.step,
            day=(o.due - discharged_on).days,
            date=o.due,
            opens=(o.opens - discharged_on).days,
            closes=(o.closes - discharged_on).days,
            at=round(100 * (o.due - discharged_on).days / end, 2),
            left=round(100 * max((o.opens - discharged_on).days, 0) / end, 2),
            width=round(100 * max((o.closes - o.opens).days, 0) / end, 2),
        )
        for o in found
    ]


def _as_far_as_readable(raw: Mapping[str, Any]) -> PlanContent | None:
    """The plan without the steps that cannot be read: the others still show where they fall."""
    steps = []
    for number, item in enumerate(raw.get("steps") or ()):
        step = _with_content(item)
        try:
            parse_step(step, f"steps[{number}]")
        except PlanContentError:
            continue
        steps.append(step)
    try:
        plan = parse_plan({**_SHELL, "steps": steps, "ends": raw.get("ends", {})})
    except PlanContentError:
        return None
    return replace(plan, enrolment=EnrolmentRule())


def _with_content(step: object) -> object:
    """When it comes can be shown before anybody chose what it asks."""
    if not isinstance(step, Mapping):
        return step
    chosen = {key: step[key] for key in ("questionnaire", "education") if step.get(key)}
    return {**step, "questionnaire": "https://careloop.org/Questionnaire/none", "education": "none"} | chosen


_SHELL = {
    "url": "https://careloop.org/PlanDefinition/draft", "version": "1", "title": {"zh": "-", "en": "-"},
    "description": {"zh": "-", "en": "-"}, "category": "routine", "group": "draft", "specialty": "draft",
    "sources": [{"title": "-"}], "valid_from": "2025-01-01",
}  # fmt: skip


def _unknown_names(plan: PlanContent) -> list[Fault]:
    wanted = {step.questionnaire for step in plan.steps if step.questionnaire}
    known = set(Questionnaire.objects.filter(status="active", url__in=wanted).values_list("url", flat=True))
    faults = [
        Fault(f"steps[{n}].questionnaire", gettext_noop("no questionnaire in force has the URL `%(given)s`: publish it first"), {"given": step.questionnaire})
        for n, step in enumerate(plan.steps)
        if step.questionnaire and step.questionnaire not in known
    ]  # fmt: skip
    names = plan.enrolment.departments
    codes = set(Organization.objects.values_list("code", flat=True))
    missing = sorted((names.wanted | names.unwanted) - codes)
    if missing:
        faults.append(Fault("enrolment.departments", gettext_noop("no department has the code %(given)s"), {"given": ", ".join(missing)}))  # fmt: skip
    return faults


def _taken_version(draft: PlanDraft) -> tuple[Fault, ...]:
    if draft.is_open and PlanDefinition.objects.filter(url=draft.url, version=draft.version).exists():
        return (Fault("version", gettext_noop("version %(given)s is published already: give it a new number"), {"given": draft.version}),)  # fmt: skip
    return ()


def running_plans(definition: PlanDefinition, viewer: Viewer) -> int:
    """How many of the viewer's patients are in any version of this plan: a new version does not touch them."""
    return CarePlan.objects.visible_to(viewer).running().filter(definition_url=definition.url).count()


def plans_in_older_versions(definition: PlanDefinition, viewer: Viewer) -> int:
    """Running plans of the viewer's patients that could go on with this version."""
    if definition.status != PlanDefinition.Status.ACTIVE:
        return 0
    rows = CarePlan.objects.visible_to(viewer).running().filter(definition_url=definition.url)
    return rows.exclude(definition_id=definition.pk).count()


def hash_of(draft: PlanDraft) -> str:
    return content_hash(draft.content)


def step_in_words(step: Mapping[str, Any], language: str) -> StepRow | None:
    """One step in words; None while it cannot be read."""
    plan = _as_far_as_readable({"steps": [{key: value for key, value in step.items() if key != "of_step"}]})
    return step_rows(plan, language=language)[0] if plan else None


@dataclass(frozen=True, slots=True)
class Difference:
    """One part that differs from the version in use, in words or as JSON."""

    place: str
    before: str
    after: str


def difference_rows(before: Mapping[str, Any], after: Mapping[str, Any], language: str) -> list[Difference]:
    """Every part that differs, with both sides."""
    titles = _titles(before, language) | _titles(after, language)
    rows: list[Difference] = []
    for path in changes_between(before, after):
        place = wording.path_words(path, titles)
        if path.startswith("steps."):
            code = path.removeprefix("steps.")
            rows += _step_differences(place, step_of(before, code), step_of(after, code), language)
        elif path != "in_force":
            rows.append(Difference(place, _shown(before.get(path)), _shown(after.get(path))))
    return rows


def _step_differences(
    place: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, language: str
) -> list[Difference]:
    """A step on both sides: its fields that differ. A step on one side: the whole of it in words."""
    if old is None or new is None:
        return [Difference(place, _step_words(old, language), _step_words(new, language))]
    return [
        Difference(f"{place} · {wording.field_words(key)}", _shown(old.get(key)), _shown(new.get(key)))
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    ]


def _step_words(step: Mapping[str, Any] | None, language: str) -> str:
    if step is None:
        return ""
    row = step_in_words(step, language)
    if row is None:
        return _shown(step)
    return "\n".join(part for part in (row.title, row.activity, row.when, row.window, row.channels, row.owner) if part)


def _shown(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One change: who, when, which parts; `is_current` marks where the draft stands."""

    number: int
    by: str
    at: datetime
    parts: list[str]
    is_current: bool


def history_rows(draft: PlanDraft, language: str) -> list[HistoryRow]:
    """The last changes, newest first."""
    titles = _titles(draft.content, language)
    rows = draft.history.select_related("by_practitioner").defer("content").order_by("-number")[:30]
    return [
        HistoryRow(
            row.number, row.by_practitioner.name, row.created_at,
            [wording.path_words(path, titles) for path in row.paths], row.number == draft.position,
        )
        for row in rows
    ]  # fmt: skip


def _titles(raw: Mapping[str, Any], language: str) -> dict[str, str]:
    key = "en" if language.startswith("en") else "zh"
    steps = [step for step in raw.get("steps") or () if isinstance(step, Mapping)]
    return {
        str(step.get("code")): str(step["title"].get(key, ""))
        for step in steps
        if isinstance(step.get("title"), Mapping)
    }
