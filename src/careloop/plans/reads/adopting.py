"""Running plans of an older version, and what a newer one would change for them: shown by group before anybody adopts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Count
from django.utils.module_loading import import_string

from careloop.kernel.models import ScopedQuerySet
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Patient
from careloop.plans.models import CarePlan, CarePlanQuerySet, LadderRun, PlanDefinition, VersionAdoption
from careloop.plans.reads import facts, wording
from careloop.plans.reads.facts import local_day
from careloop.plans.reads.pages import HORIZON
from careloop.plans.rules.adoption import UNDO_WITHIN, Item, Standing, Stands, undo_until, why_it_stands
from careloop.plans.rules.calendar import shipped_calendar
from careloop.plans.rules.diff import Diff, diff_future
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.tasks.models import Task

MOST_SHOWN = 100
MOST_COMPARED = 300  # beyond, the page says on how many plans its sums stand
MOST_CHOSEN = 20_000
MOST_JUDGED = 2_000  # adoptions of one day whose standing a page counts


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


def page(viewer: Viewer, definition: PlanDefinition, *, at: datetime, department: str, group: str) -> dict[str, Any]:
    """Departments, and the difference for one of them (or for all): sums, and the first patients. `group` narrows all of
    it to a kept group of patients.
    """
    everyone = _of_group(_older(viewer, definition), group, viewer=viewer, at=at)
    groups = _groups(everyone)
    known = {group.id for group in groups}
    wanted = department if department in known else ""
    older = everyone
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
    total = sum(one.plans for one in groups if not wanted or one.id == wanted)
    return {
        "groups": groups, "department": wanted, "total": total, "compared": len(rows), "sums": sums,
        "rows": rows[:MOST_SHOWN], "all_plans": sum(one.plans for one in groups), "group": group,
        "kept_groups": import_string(settings.PATIENT_GROUPS)(viewer),
    }  # fmt: skip


def chosen(
    viewer: Viewer,
    definition: PlanDefinition,
    departments: Sequence[str],
    plans: Sequence[str],
    *,
    group: str,
    at: datetime,
) -> list[UUID]:
    """Which running plans a form means: those ticked, else those of the departments, else ("all") everyone's; of a kept
    group of patients only its own.
    """
    older = _of_group(_older(viewer, definition), group, viewer=viewer, at=at)
    if plans:
        older = older.filter(pk__in=_ids(plans))
    elif "all" not in departments:
        older = older.filter(department_id__in=_ids(departments))
    return list(older.order_by("pk").values_list("pk", flat=True)[:MOST_CHOSEN])


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken over in one department within the time of the undo."""

    id: str
    name: str
    plans: int
    can: int  # of these, how many go back now
    until: datetime  # when the undo of the first of them ends
    standing: tuple[tuple[str, int], ...]  # why the others stay: words, how many


def lately(viewer: Viewer, definition: PlanDefinition, *, at: datetime) -> list[Taken]:
    """By department, what was taken over within the last 24 hours and has not been taken back."""
    rows = list(_takeable(viewer, definition, at=at).select_related("care_plan__department")[:MOST_JUDGED])
    why = why_they_stand(rows, at=at)
    by_department: dict[UUID, list[VersionAdoption]] = defaultdict(list)
    for row in rows:
        by_department[row.care_plan.department_id].append(row)
    found = []
    for pk, group in by_department.items():
        stands = Counter(reason for row in group if (reason := why[row.pk]) is not None)
        found.append(
            Taken(
                str(pk), group[0].care_plan.department.name, len(group), len(group) - stands.total(),
                undo_until(min(row.adopted_at for row in group)),
                tuple((wording.adoption_words(reason), n) for reason, n in stands.most_common()),
            )
        )  # fmt: skip
    return sorted(found, key=lambda one: (one.name, one.id))


def is_taken_lately(viewer: Viewer, definition: PlanDefinition, *, at: datetime) -> bool:
    """Is there anything to take back?"""
    return _takeable(viewer, definition, at=at).exists()


def takeable(viewer: Viewer, definition: PlanDefinition, departments: Sequence[str], *, at: datetime) -> list[UUID]:
    """The adoptions that a form means: those of the departments, or ("all") everyone's. Each is judged when its turn comes."""
    rows = _takeable(viewer, definition, at=at)
    if "all" not in departments:
        rows = rows.filter(care_plan__department_id__in=_ids(departments))
    return list(rows.values_list("pk", flat=True)[:MOST_CHOSEN])


def latest(viewer: Viewer, plans: Sequence[CarePlan], *, at: datetime) -> dict[UUID, tuple[VersionAdoption, str]]:
    """Of each plan the adoption of the last 24 hours, and in words why it stands (empty: it can be taken back).

    One that was taken back is told too, unless another one holds: paper with its dates may be on its way.
    """
    rows = (
        VersionAdoption.objects.visible_to(viewer)
        .filter(care_plan__in=plans, adopted_at__gte=at - UNDO_WITHIN)
        .order_by("adopted_at", "pk").select_related("from_definition", "to_definition")
    )  # fmt: skip
    newest = {row.care_plan_id: row for row in sorted(rows, key=lambda row: row.undone_at is None)}
    why = why_they_stand([row for row in newest.values() if row.undone_at is None], at=at)
    words = {pk: wording.adoption_words(reason) if reason else "" for pk, reason in why.items()}
    return {plan_id: (row, words.get(row.pk, "")) for plan_id, row in newest.items()}


def why_they_stand(adoptions: Sequence[VersionAdoption], *, at: datetime) -> dict[UUID, Stands | None]:
    """Each adoption judged by what became of its contacts since: five statements for any number."""
    if not adoptions:
        return {}
    wanted = [adoption.care_plan_id for adoption in adoptions]
    plans = CarePlan.objects.unscoped("a plan is judged by all its tasks").filter(pk__in=wanted)
    state = {pk: rest for pk, *rest in plans.values_list("pk", "definition_id", "status", "ended_at")}
    tasks: dict[UUID, dict[UUID, Task]] = defaultdict(dict)
    rows = Task.objects.unscoped("a plan is judged by all its tasks").filter(care_plan_id__in=wanted)
    for task in rows.exclude(step_code__startswith="visit-").order_by("pk"):
        if task.care_plan_id:
            tasks[task.care_plan_id][task.pk] = task
    made = [UUID(pk) for adoption in adoptions for pk in adoption.made]
    answered = set(_answered(made))
    sent = LadderRun.objects.unscoped("a plan is judged by all its tasks").filter(task_id__in=made).exclude(tried=[])
    messaged = set(sent.values_list("task_id", flat=True))
    found = {}
    for adoption in adoptions:
        definition_id, status, ended_at = state[adoption.care_plan_id]
        mine = tasks[adoption.care_plan_id]
        planned = [mine[UUID(pk)] for pk in adoption.made if UUID(pk) in mine]
        withdrawn = [mine.get(UUID(pk)) for pk in adoption.withdrawn]
        standing = Standing(
            adopted_at=adoption.adopted_at, is_undone=adoption.undone_at is not None, plan_is_over=ended_at is not None,
            is_in_version=definition_id == adoption.to_definition_id, status_as_then=status == adoption.plan_status,
            tasks_as_then=sum(task.closed_reason != "change-undone" for task in mine.values()) == adoption.tasks
            and all(task is not None and task.closed_reason == "version-adopted" for task in withdrawn),
            items=tuple(_item(task, answered, messaged, at=at) for task in planned),
        )  # fmt: skip
        found[adoption.pk] = why_it_stands(standing, at=at)
    return found


def _answered(task_ids: Sequence[UUID]) -> list[UUID]:
    """Contacts for which answers were begun, by whomever."""
    rows = QuestionnaireResponse.objects.unscoped("a plan is judged by all its tasks").filter(task_id__in=task_ids)
    return [pk for pk in rows.values_list("task_id", flat=True) if pk]


def _item(task: Task, answered: Collection[UUID], messaged: Collection[UUID], *, at: datetime) -> Item:
    return Item(
        is_open=task.status == Task.Status.REQUESTED, attempts=task.attempts,
        is_in_hand=task.claimed_until is not None and task.claimed_until > at,
        is_snoozed=task.snoozed_until is not None, is_promised=task.promised_at is not None,
        message_state=task.message_state, has_answers=task.pk in answered, has_message=task.pk in messaged,
    )  # fmt: skip


def _takeable(viewer: Viewer, definition: PlanDefinition, *, at: datetime) -> ScopedQuerySet[VersionAdoption]:
    since = at - UNDO_WITHIN
    rows = VersionAdoption.objects.visible_to(viewer).filter(to_definition=definition, undone_at=None)
    return rows.filter(adopted_at__gte=since).order_by("-adopted_at", "pk")


def _older(viewer: Viewer, definition: PlanDefinition) -> CarePlanQuerySet:
    return (
        CarePlan.objects.visible_to(viewer)
        .running()
        .filter(definition_url=definition.url)
        .exclude(definition_id=definition.pk)
    )


def _of_group(older: CarePlanQuerySet, group: str, *, viewer: Viewer, at: datetime) -> CarePlanQuerySet:
    """Nobody at all for a group that is gone or not this person's: a narrowing that fails must not widen."""
    if not group:
        return older
    found = [import_string(settings.PATIENTS_OF_GROUP)(pk, viewer=viewer, at=at) for pk in _ids([group])]
    patients = found[0] if found else None
    return older.none() if patients is None else older.filter(patient__in=patients.order_by().values("pk"))


def _groups(older: CarePlanQuerySet) -> list[Group]:
    rows = older.values_list("department_id", "department__name").annotate(Count("pk"))
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
