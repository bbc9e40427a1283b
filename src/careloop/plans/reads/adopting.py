"""Running plans of an older version, and what a newer one would change for them: shown by group before anybody adopts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count

from careloop.kernel.viewer import Viewer
from careloop.patients.models import Patient
from careloop.plans.models import CarePlan, CarePlanQuerySet, PlanDefinition
from careloop.plans.reads import facts
from careloop.plans.reads.facts import local_day
from careloop.plans.reads.pages import HORIZON
from careloop.plans.rules.calendar import shipped_calendar
from careloop.plans.rules.diff import Diff, diff_future

MOST_SHOWN = 100
MOST_COMPARED = 300  # beyond, the page says on how many plans its sums stand
MOST_CHOSEN = 20_000


@dataclass(frozen=True, slots=True)
class Group:
    """The running plans of older versions in one department."""

    id: str
    name: str
    plans: int


@dataclass(frozen=True, slots=True)
class Row:
    """One running plan and its difference."""

    plan: CarePlan
    patient: Patient
    version: str
    diff: Diff


def page(viewer: Viewer, definition: PlanDefinition, *, at: datetime, department: str) -> dict[str, Any]:
    """Groups, and the difference for one of them (or for all): sums, and the first patients."""
    groups = _groups(viewer, definition)
    known = {group.id for group in groups}
    wanted = department if department in known else ""
    older = _older(viewer, definition)
    if wanted:
        older = older.filter(department_id=UUID(wanted))
    compared = list(older.with_plan().order_by("started_at", "pk")[:MOST_COMPARED])
    rows = _compared(compared, definition, at=at)
    sums = Counter[str]()
    for row in rows:
        sums.update(
            added=len(row.diff.added), removed=len(row.diff.removed), moved=len(row.diff.moved),
            changed=len(row.diff.changed), kept=len(row.diff.kept), touched=int(not row.diff.is_empty),
        )  # fmt: skip
    total = sum(group.plans for group in groups if not wanted or group.id == wanted)
    return {
        "groups": groups, "department": wanted, "total": total, "compared": len(rows), "sums": sums,
        "rows": rows[:MOST_SHOWN], "all_plans": sum(group.plans for group in groups),
    }  # fmt: skip


def chosen(viewer: Viewer, definition: PlanDefinition, departments: Sequence[str], plans: Sequence[str]) -> list[UUID]:
    """Which running plans a form means: those ticked, else those of the departments, else ("all") everyone's."""
    older = _older(viewer, definition)
    if plans:
        older = older.filter(pk__in=_ids(plans))
    elif "all" not in departments:
        older = older.filter(department_id__in=_ids(departments))
    return list(older.order_by("pk").values_list("pk", flat=True)[:MOST_CHOSEN])


def _older(viewer: Viewer, definition: PlanDefinition) -> CarePlanQuerySet:
    return (
        CarePlan.objects.visible_to(viewer)
        .running()
        .filter(definition_url=definition.url)
        .exclude(definition_id=definition.pk)
    )


def _groups(viewer: Viewer, definition: PlanDefinition) -> list[Group]:
    rows = _older(viewer, definition).values_list("department_id", "department__name").annotate(Count("pk"))
    return [Group(str(pk), name, count) for pk, name, count in rows.order_by("department__name", "department_id")]


def _compared(plans: Sequence[CarePlan], definition: PlanDefinition, *, at: datetime) -> list[Row]:
    histories = facts.histories(plans) if plans else {}
    until, new = local_day(at) + HORIZON, definition.plan()
    rows = []
    for plan in plans:
        progress = histories[plan.pk].progress(plan)
        diff = diff_future(
            plan.definition.plan(), new, plan.anchors(), progress, shipped_calendar(), plan.personal(), until=until
        )
        rows.append(Row(plan, plan.patient, plan.definition.version, diff))
    return rows


def _ids(texts: Sequence[str]) -> list[UUID]:
    found = []
    for text in texts:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found
