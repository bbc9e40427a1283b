"""The next occurrence of each step becomes a task, just in time and exactly once (pain 12)."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any, cast
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from careloop.audit.record import record_all
from careloop.kernel.actions import action
from careloop.kernel.prepared import prepared
from careloop.kernel.viewer import NOBODY, Viewer
from careloop.plans.events import CarePlanEnded, LadderTimed
from careloop.plans.models import CarePlan, LadderRun
from careloop.plans.reads import facts
from careloop.plans.reads.facts import History
from careloop.plans.reads.locking import hold_patients
from careloop.plans.rules.calendar import shipped_calendar
from careloop.plans.rules.changes import Change, Changes
from careloop.plans.rules.content import Activity, OwnerRule, Step
from careloop.plans.rules.ending import PlanState, end_reason, nothing_follows
from careloop.plans.rules.ladder import channel_of_person, hours_before_phone
from careloop.plans.rules.schedule import NoMore, Occurrence, Progress, instants, next_occurrence
from careloop.plans.rules.surveys import SURVEYS
from careloop.tasks.actions import request_tasks
from careloop.tasks.models import Task
from careloop.tasks.rules import TaskRequest

WORK_BEGINS, WORK_ENDS = time(8, 0), time(17, 30)
MESSAGES_BEGIN = time(9, 0)
_NONE: Mapping[UUID, str] = {}
VISIT = "visit-"  # the step code of a visit added for one patient is this and the id of the change

_KINDS = {
    Activity.QUESTIONNAIRE: Task.Kind.FOLLOW_UP,
    Activity.REVISIT: Task.Kind.REVISIT,
    Activity.EDUCATION: Task.Kind.EDUCATION,
    Activity.REMINDER: Task.Kind.REMINDER,
}


@action
def derive_next(*, care_plan_ids: Sequence[UUID], at: datetime, by: Viewer) -> int:
    """See to it that each step of these plans has its next occurrence as one open task; end what is used up.

    Running it again, or by two workers at once, changes nothing. Gives back the number of new tasks.
    """
    chosen = CarePlan.objects.unscoped("derived by the machine").filter(pk__in=list(care_plan_ids))
    hold_patients(chosen.values("patient_id"))
    return _derive(_active(care_plan_ids), at=at, by=by)


def _active(ids: Sequence[UUID]) -> list[CarePlan]:
    wanted = list(ids)
    return list(_with_plan(viewer=NOBODY, ids=wanted) if len(wanted) == 1 else _with_plan.build(NOBODY, wanted))


@prepared
def _with_plan(viewer: Viewer, ids: list[UUID]) -> QuerySet[CarePlan]:
    return CarePlan.objects.unscoped("derived by the machine").filter(pk__in=ids).active().with_plan().order_by("pk")


def _derive(plans: Sequence[CarePlan], *, new: Mapping[UUID, str] = _NONE, at: datetime, by: Viewer) -> int:
    """The same inside a running action that holds the patients already. All tasks go out in one statement.

    `new`: of plans written a moment ago the diagnosis of their stay. They have no tasks yet: nothing is read for them.
    """
    active = [plan for plan in plans if plan.is_active]
    if not active:
        return 0
    histories = facts.histories(active, but=new)
    read = [plan for plan in active if plan.pk not in new]
    texts = facts.diagnosis_texts(read) if read else {}
    asked: list[_Asked] = []
    over: list[CarePlan] = []
    begun: _Begun = {}
    for plan in active:
        history = histories[plan.pk]
        text = new[plan.pk] if plan.pk in new else texts.get(plan.encounter_id, "")
        missing = list(_missing(plan, history, begun, text=text, at=at))
        asked += missing
        if not missing and _is_used_up(plan, history, at=at):
            over.append(plan)
    made = request_tasks(requests=[one.request for one in asked], by=by)
    _start_ladders(asked, by=by)
    _finish(over, at=at, by=by)
    return made


@dataclass(frozen=True, slots=True)
class _Asked:
    """One task to ask for, and when its messages start (None: nothing is sent for it)."""

    request: TaskRequest
    messages_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Due:
    """The next occurrence of a step, and what a task for it says whoever the patient is."""

    step: Step
    number: int
    told: dict[str, Any]
    messages_from: datetime | None


_Begun = dict[Hashable, Sequence[_Due]]
"""First occurrences of plans that have just begun: those of one version and one day have the same dates."""


def _missing(plan: CarePlan, history: History, begun: _Begun, *, text: str, at: datetime) -> Iterator[_Asked]:
    changes, common = plan.personal(), _common(plan, text)
    for due in _next(plan, history, changes, begun, at=at):
        if due.step.code not in history.open_steps:
            yield _step_asked(plan, history, due, changes, common)
    for visit in changes.added:
        code = VISIT + visit.id
        if code not in history.open_steps and not history.past.get(code):
            yield _Asked(_visit(plan, history, visit, common))


def _common(plan: CarePlan, text: str) -> dict[str, Any]:
    """What all tasks of a plan say alike."""
    return {
        "patient_id": plan.patient_id, "department_id": plan.department_id, "encounter_id": plan.encounter_id,
        "care_plan_id": plan.pk, "plan_title": plan.definition.title, "plan_title_en": plan.definition.title_en,
        "diagnosis_text": text, "risk": plan.patient.risk, "discharged_at": plan.encounter.discharged_at,
    }  # fmt: skip


def _next(plan: CarePlan, history: History, changes: Changes, begun: _Begun, *, at: datetime) -> Sequence[_Due]:
    progress = history.progress(plan)
    if history.past or plan.changes:
        return _dated(plan, progress, changes, but=history.open_steps, at=at)
    key = (plan.definition.content_hash, plan.anchors(), progress.not_before)
    if key not in begun:
        begun[key] = _dated(plan, progress, changes, at=at)
    return begun[key]


def _dated(
    plan: CarePlan, progress: Progress, changes: Changes, *, but: Collection[str] = (), at: datetime
) -> list[_Due]:
    wanted = (step for step in plan.definition.plan().steps if step.code not in but)
    answers = ((step, next_occurrence(step, plan.anchors(), progress, shipped_calendar(), changes)) for step in wanted)
    survey = plan.definition.group == SURVEYS
    return [_due(step, answer, survey=survey, at=at) for step, answer in answers if isinstance(answer, Occurrence)]


def _instants(occurrence: Occurrence) -> tuple[datetime, datetime, datetime]:
    return instants(occurrence, zone=timezone.get_default_timezone(), start=WORK_BEGINS, end=WORK_ENDS)


def _due(step: Step, occurrence: Occurrence, *, survey: bool, at: datetime) -> _Due:
    opens, due, closes = _instants(occurrence)
    hours = hours_before_phone(step.ladder)
    if hours is None:
        due = closes  # messages do it all: a person sees it only when they failed to the very end
    starts = max(opens.replace(hour=MESSAGES_BEGIN.hour, minute=MESSAGES_BEGIN.minute) if hours != 0 else opens, at)
    told = {
        "kind": Task.Kind.SURVEY if survey else _KINDS[step.activity], "channel": channel_of_person(step.ladder).value, "step_code": step.code,
        "occurrence": occurrence.number, "questionnaire_url": step.questionnaire or "", "step_title": step.title.zh,
        "step_title_en": step.title.en,
        "available_at": due if hours is None else min(_phone_from(hours, starts, due), due), "due_at": due,
        "window_ends_at": closes,
    }  # fmt: skip
    return _Due(step, occurrence.number, told, None if hours == 0 else starts)


def _step_asked(plan: CarePlan, history: History, due: _Due, changes: Changes, common: dict[str, Any]) -> _Asked:
    owner_id, role = _owner(plan, history, OwnerRule(changes.owner or due.step.owner))
    key = _key(plan, history, due.step.code, due.number)
    request = TaskRequest(**common, **due.told, key=key, owner_id=owner_id, owner_role=role)
    return _Asked(request, due.messages_from)


def _phone_from(hours: int, starts: datetime, due: datetime) -> datetime:
    """When a person should see it: after the messages had their time, but on the morning of the due day at the latest."""
    morning = due.replace(hour=WORK_BEGINS.hour, minute=WORK_BEGINS.minute)
    return min(starts + timedelta(hours=hours), max(morning, starts)) if hours else starts


def _visit(plan: CarePlan, history: History, visit: Change, common: dict[str, Any]) -> TaskRequest:
    assert visit.day is not None
    zone = timezone.get_default_timezone()
    owner_id, role = _owner(plan, history, OwnerRule(visit.owner or OwnerRule.FOLLOW_UP_CENTRE))
    return TaskRequest(
        **common,
        key=_key(plan, history, VISIT + visit.id, 0),
        kind=Task.Kind.REVISIT if visit.channel == "clinic" else Task.Kind.FOLLOW_UP,
        channel=visit.channel,
        owner_id=owner_id,
        owner_role=role,
        step_code=VISIT + visit.id,
        questionnaire_url=visit.questionnaire,
        step_title=visit.title,
        available_at=datetime.combine(visit.day, WORK_BEGINS, zone),
        due_at=datetime.combine(visit.day, WORK_ENDS, zone),
        window_ends_at=datetime.combine(visit.day, WORK_ENDS, zone),
    )


def _key(plan: CarePlan, history: History, code: str, number: int) -> str:
    """An occurrence that was withdrawn and is planned again is another task; the same question gives the same key.

    Twenty characters: when the plan was started (the beginning of its id, so that keys stand together in the index), and 72
    bits of what makes it this task. In full it was 53, in each of eight rows and once more in their index.
    """
    again = history.reopened.get((code, number), 0)
    told = blake2b(f"{_as_text(plan.pk)}:{code}:{number}:{again}".encode(), digest_size=9).digest()
    return urlsafe_b64encode(plan.pk.bytes[:6] + told).decode()


@lru_cache(maxsize=64)
def _as_text(plan_id: UUID) -> str:
    """Asked for each step of a plan in turn."""
    return str(plan_id)


def _owner(plan: CarePlan, history: History, rule: OwnerRule) -> tuple[UUID | None, str]:
    if plan.owner_id:
        return plan.owner_id, rule.value
    if rule is OwnerRule.ATTENDING_DOCTOR:
        return plan.encounter.attending_id, rule.value
    if rule is OwnerRule.WARD_NURSE:
        return plan.encounter.nurse_id, rule.value
    return history.last_person if rule is OwnerRule.SAME_NURSE else None, rule.value


def _start_ladders(asked: Sequence[_Asked], *, by: Viewer) -> None:
    by_key = {one.request.key: one for one in asked if one.messages_from is not None}
    if not by_key:
        return
    rows = Task.objects.unscoped("their ladders start").open().filter(key__in=list(by_key)).values_list("pk", "key")
    runs = [_run(task_id, by_key[key]) for task_id, key in rows]
    LadderRun.objects.bulk_create(runs, ignore_conflicts=True)
    record_all([LadderTimed(runs=len(runs))] if runs else [], by=by)


def _run(task_id: UUID, asked: _Asked) -> LadderRun:
    starts = cast(datetime, asked.messages_from)
    return LadderRun(
        patient_id=asked.request.patient_id,
        care_plan_id=cast(UUID, asked.request.care_plan_id),
        task_id=task_id,
        starts_at=starts,
        next_move_at=starts,
    )


def _is_used_up(plan: CarePlan, history: History, *, at: datetime) -> bool:
    content, progress = plan.definition.plan(), history.progress(plan)
    answers: list[NoMore] = []
    for step in content.steps:
        answer = next_occurrence(step, plan.anchors(), progress, shipped_calendar(), plan.personal())
        answers += [answer] if isinstance(answer, NoMore) else []
    state = PlanState(history.completed, history.open_tasks, nothing_follows(answers))
    return end_reason(content, plan.anchors(), state, today=facts.local_day(at)) == "steps-done"


def _finish(plans: Sequence[CarePlan], *, at: datetime, by: Viewer) -> None:
    ids = [plan.pk for plan in plans]
    if not ids:
        return
    CarePlan.objects.unscoped("held by their patients").active().filter(pk__in=ids).update(
        status=CarePlan.Status.COMPLETED, ended_at=at, end_reason="steps-done", updated_at=at
    )
    record_all([CarePlanEnded(care_plan_id=p.pk, patient_id=p.patient_id, reason="steps-done") for p in plans], by=by)
