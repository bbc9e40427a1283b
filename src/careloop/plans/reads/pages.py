"""What the pages show: plans in use with their numbers, one version, one patient's plans, decisions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery

from careloop.kernel.prepared import Asked, at_once, prepared
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Encounter, Patient
from careloop.plans.models import CarePlan, EnrolmentDecision, PlanDefinition, VersionAdoption
from careloop.plans.reads import wording
from careloop.plans.reads.catalogue import STAMP, Catalogue, catalogue
from careloop.plans.reads.facts import REOPENING, histories, histories_of, local_day
from careloop.plans.rules.adoption import UNDO_WITHIN
from careloop.plans.rules.calendar import shipped_calendar
from careloop.plans.rules.changes import Change
from careloop.plans.rules.content import PlanContent, Step
from careloop.plans.rules.diff import Diff, diff_future
from careloop.plans.rules.schedule import Anchors, Occurrence, Progress, last_day, plan_occurrences
from careloop.tasks.models import Task, in_language
from careloop.tasks.rules import state_of

HORIZON = timedelta(days=400)
MOST_NODES = 14
VISIT = "visit-"


@dataclass(frozen=True, slots=True)
class Row:
    """One plan in the list: the version in use and its numbers."""

    definition: PlanDefinition
    content: PlanContent
    title: str
    category: str
    rule: list[str]
    first: str  # the first contact in words
    numbers: Mapping[str, int]

    @property
    def running(self) -> int:
        return self.numbers.get("active", 0) + self.numbers.get("on-hold", 0)


@dataclass(frozen=True, slots=True)
class Sums:
    """Enrolled = Σ states, and planned = Σ states of the tasks: both sides are counted apart, so they can disagree."""

    enrolled: int
    plans: Mapping[str, int]
    planned: int
    tasks: Mapping[str, int]

    @property
    def agree(self) -> bool:
        return self.enrolled == sum(self.plans.values()) and self.planned == sum(self.tasks.values())


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step of a version, in words."""

    step: Step
    title: str
    when: str
    written: str
    window: str
    shift: str
    channels: str
    owner: str
    activity: str
    purpose: str
    form: str


@dataclass(frozen=True, slots=True)
class Node:
    """One dot of a patient's time line."""

    day: date
    title: str
    state: str  # scheduled | due | overdue | snoozed | done | closed | planned | off
    note: str = ""
    step: str = ""
    task_id: UUID | None = None
    is_open: bool = False
    change_id: str = ""


@dataclass(frozen=True, slots=True)
class PlanCard:
    """One patient's run of a plan."""

    plan: CarePlan
    title: str
    status: str
    ends: str
    reasons: list[str]
    nodes: list[Node]
    changes: list[tuple[Change, str]]
    off: list[tuple[str, str]]
    newer: PlanDefinition | None
    targets: Mapping[str, str]
    visits_added: int


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """Why one discharge is in a plan or in none."""

    decision: EnrolmentDecision
    outcome: str
    summary: list[str]
    explained: list[tuple[str, bool, list[str]]] = field(default_factory=list)


def list_rows(viewer: Viewer, *, language: str) -> list[Row]:
    """Every plan with its version in use and how many of the viewer's patients are in it."""
    numbers: dict[str, Counter[str]] = defaultdict(Counter)
    counted = CarePlan.objects.visible_to(viewer).values_list("definition_url", "status").annotate(Count("pk"))
    for url, status, count in counted.order_by("definition_url", "status"):
        numbers[url][status] += count
    order = {"single-disease": 0, "specialty": 1, "routine": 2}
    rows = []
    for definition in PlanDefinition.objects.active().order_by("group", "url"):
        content = definition.plan()
        rows.append(
            Row(
                definition=definition,
                content=content,
                title=title_of(definition, language),
                category=wording.category_words(definition.category),
                rule=wording.rule_words(content.enrolment),
                first=wording.schedule_words(content.steps[0]),
                numbers=numbers[definition.url],
            )
        )
    return sorted(rows, key=lambda row: (not row.definition.enrols, order.get(row.definition.category, 9)))


def step_rows(content: PlanContent, *, language: str) -> list[StepRow]:
    """The steps of a version in words."""
    return [
        StepRow(
            step=step,
            title=step.title.in_language(language),
            when=wording.schedule_words(step),
            written=step.schedule.text if wording.has_text(step.schedule) else "",
            window=wording.window_words(step),
            shift=wording.shift_words(step),
            channels=wording.ladder_words(step),
            owner=wording.owner_words(step.owner.value),
            activity=wording.activity_words(step),
            purpose=wording.purpose_words(step),
            form=(step.questionnaire or "").rsplit("/", 1)[-1],
        )
        for step in content.steps
    ]


def example_nodes(content: PlanContent, *, discharged_on: date, language: str) -> list[Node]:
    """The first year of a patient discharged on this day: what the version would plan."""
    anchors = Anchors(discharged_on, discharged_on, discharged_on, discharged_on)
    progress = Progress(not_before=discharged_on, last_day=last_day(content, anchors))
    future = plan_occurrences(content, anchors, progress, shipped_calendar(), until=discharged_on + HORIZON)
    return [_planned_node(content, occurrence, language) for occurrence in future[:MOST_NODES]]


def sums(definition_url: str, viewer: Viewer, *, at: datetime) -> Sums:
    """The reconciliation line of one plan (pain 1)."""
    plans = CarePlan.objects.visible_to(viewer).filter(definition_url=definition_url)
    by_status = dict(plans.values_list("status").annotate(Count("pk")).order_by("status"))
    ids = plans.values("pk")
    tasks = Task.objects.unscoped("of the plans this viewer sees").filter(care_plan_id__in=ids)
    return Sums(plans.count(), by_status, tasks.count(), tasks.aggregate(**_state_counts(at)))


def _state_counts(at: datetime) -> dict[str, Count]:
    """tasks.rules.state_of as conditions, so that the database counts (a test holds both together)."""
    waiting = Q(status=Task.Status.REQUESTED)
    opened = waiting & Q(available_at__lte=at)
    asleep = Q(snoozed_until__gt=at) | Q(promised_at__gt=at)
    awake = (Q(snoozed_until=None) | Q(snoozed_until__lte=at)) & (Q(promised_at=None) | Q(promised_at__lte=at))
    conditions = {
        "scheduled": waiting & Q(available_at__gt=at),
        "due": opened & awake,
        "snoozed": opened & asleep,
        "done": Q(status=Task.Status.COMPLETED),
        "closed": Q(status=Task.Status.CANCELLED),
    }
    return {state: Count("pk", filter=condition) for state, condition in conditions.items()}


@dataclass(frozen=True, slots=True)
class Sheet:
    """A patient's plans, and what one might do with them."""

    cards: list[PlanCard]  # running ones first
    adopted: list[CarePlan]  # running, and went over to another version so lately that it might be undone, or was
    stay: Encounter | None  # the latest finished stay: where a plan that is started by hand counts from
    choices: list[PlanDefinition]  # what could be started


def patient_cards(patient: Patient, viewer: Viewer, *, at: datetime, language: str) -> list[PlanCard]:
    """All plans of a patient, running ones first: three questions in one statement."""
    plans, stamp, tasks = at_once(*_asked_by_cards(patient, viewer))
    versions = catalogue(stamp[0][0])
    return _cards(_with_versions(plans, versions), versions, tasks, at=at, language=language)


def patient_sheet(patient: Patient, viewer: Viewer, *, at: datetime, language: str) -> Sheet:
    """The cards, and for the buttons on them what could be undone and what could be started: four questions."""
    plans, stamp, tasks, stays = at_once(*asked_by_sheet(patient, viewer))
    versions, since = catalogue(stamp[0][0]), at - UNDO_WITHIN
    running = [plan for plan in plans if plan.ended_at is None]
    return Sheet(
        cards=_cards(_with_versions(plans, versions), versions, tasks, at=at, language=language),
        adopted=[plan for plan in running if plan.last_adopted_at and plan.last_adopted_at >= since],
        stay=stays[0] if stays else None,
        choices=_to_start(versions, {plan.definition_url for plan in running}),
    )


def running_plans(patient_id: UUID, viewer: Viewer) -> list[CarePlan]:
    """The plans of a patient that are not over, the newest first, with their versions."""
    plans, stamp = at_once(*asked_by_running(patient_id, viewer))
    return _with_versions([plan for plan in plans if plan.ended_at is None], catalogue(stamp[0][0]))


def asked_by_running(patient_id: UUID, viewer: Viewer) -> list[Asked[Any]]:
    """What `running_plans` asks, to be asked with other questions of a page."""
    return [_plans_of.asked(viewer=viewer, patient_id=patient_id), STAMP]


def _asked_by_cards(patient: Patient, viewer: Viewer) -> list[Asked[Any]]:
    return [*asked_by_running(patient.pk, viewer), _task_rows.asked(viewer=viewer, patient_id=patient.pk)]


def asked_by_sheet(patient: Patient, viewer: Viewer) -> list[Asked[Any]]:
    """What `patient_sheet` asks, to be asked with other questions of a page."""
    return [*_asked_by_cards(patient, viewer), _finished_stay.asked(viewer=viewer, patient_id=patient.pk)]


def latest_stay(patient: Patient, viewer: Viewer) -> Encounter | None:
    """The latest finished stay: a plan that is started by hand counts from its discharge."""
    stays: list[Encounter] = _finished_stay(viewer=viewer, patient_id=patient.pk)
    return stays[0] if stays else None


def _with_versions(plans: list[CarePlan], versions: Catalogue) -> list[CarePlan]:
    for plan in plans:
        plan.definition = versions.by_id[plan.definition_id]
    return plans


def _cards(
    plans: list[CarePlan], versions: Catalogue, rows: Sequence[tuple[Any, ...]], *, at: datetime, language: str
) -> list[PlanCard]:
    tasks = [PlanTask._make(row) for row in rows]
    plans.sort(key=lambda plan: plan.ended_at is not None)
    past = histories_of(plans, tasks)
    shown = _shown(tasks)
    titles = versions.titles_in(language)
    return [
        _card(plan, shown[plan.pk], past[plan.pk].progress(plan), versions.in_use.get(plan.definition_url), titles, at, language)
        for plan in plans
    ]  # fmt: skip


def _to_start(versions: Catalogue, running: Collection[str]) -> list[PlanDefinition]:
    """The versions in use of the plans that do not run."""
    found = [definition for url, definition in versions.in_use.items() if url not in running]
    return sorted(found, key=lambda definition: (definition.group, definition.url))


@prepared
def _plans_of(viewer: Viewer, patient_id: UUID) -> QuerySet[CarePlan]:
    """Without their versions: those come from the catalogue. `last_adopted_at`: when a version was last taken over, so
    that it may be worth asking whether that can be undone.
    """
    adoptions = VersionAdoption.objects.unscoped("of the plans this viewer sees").filter(care_plan_id=OuterRef("pk"))
    last = Subquery(adoptions.order_by("-adopted_at").values("adopted_at")[:1])
    mine = CarePlan.objects.visible_to(viewer).filter(patient_id=patient_id)
    return mine.annotate(last_adopted_at=last).order_by("ended_at", "-started_at", "pk")


@prepared
def _finished_stay(viewer: Viewer, patient_id: UUID) -> QuerySet[Encounter]:
    stays = Encounter.objects.visible_to(viewer).filter(patient_id=patient_id, status=Encounter.Status.FINISHED)
    return stays.order_by("-discharged_at", "pk")[:1]


class PlanTask(NamedTuple):
    """What the cards need of a task."""

    pk: UUID
    care_plan_id: UUID
    kind: str
    status: str
    step_code: str
    occurrence: int
    step_title: str
    step_title_en: str
    closed_reason: str
    ended_at: datetime | None
    ended_by_id: UUID | None
    attempts: int
    due_at: datetime
    available_at: datetime
    snoozed_until: datetime | None
    promised_at: datetime | None


@prepared
def _task_rows(viewer: Viewer, patient_id: UUID) -> QuerySet[Task, Any]:
    """All tasks of the plans this viewer sees: for the dots of the time line, and for how far each plan has come."""
    plans = CarePlan.objects.visible_to(viewer).filter(patient_id=patient_id)
    tasks = Task.objects.unscoped("of plans this viewer sees").filter(care_plan_id__in=plans.values("pk"))
    return tasks.order_by("due_at", "pk").values_list(*PlanTask._fields)


def adoption(plan: CarePlan, definition: PlanDefinition, *, at: datetime) -> Diff:
    """What would change in the next 400 days if this plan took the other version over."""
    progress = histories([plan])[plan.pk].progress(plan)
    until = local_day(at) + HORIZON
    return diff_future(
        plan.definition.plan(),
        definition.plan(),
        plan.anchors(),
        progress,
        shipped_calendar(),
        plan.personal(),
        until=until,
    )


def decision_rows(
    viewer: Viewer,
    *,
    language: str,
    outcome: str = "",
    patient_id: UUID | None = None,
    before: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> list[DecisionRow]:
    """Decisions, newest first, one page from `before` on."""
    rows = EnrolmentDecision.objects.visible_to(viewer).select_related("patient", "department", "encounter")
    if outcome:
        rows = rows.filter(outcome=outcome)
    if patient_id:
        rows = rows.filter(patient_id=patient_id)
    if before:
        rows = rows.filter(Q(decided_at__lt=before[0]) | Q(decided_at=before[0], id__gt=before[1]))
    titles = titles_by_url(language)
    return [_decision_row(row, titles) for row in rows.order_by("-decided_at", "id")[:limit]]


def decision_numbers(viewer: Viewer, *, since: datetime) -> dict[str, int]:
    """How many discharges were decided how since then. All of ten years would be one pass over a million rows."""
    recent = EnrolmentDecision.objects.visible_to(viewer).filter(decided_at__gte=since)
    rows = recent.values_list("outcome").annotate(Count("pk"))
    return dict(rows.order_by("outcome"))


def titles_by_url(language: str) -> dict[str, str]:
    """Plan titles of the newest version of each plan."""
    return dict(catalogue(STAMP.fetch()[0][0]).titles_in(language))


def title_of(definition: PlanDefinition, language: str) -> str:
    return definition.title_en if language.startswith("en") else definition.title


def _decision_row(row: EnrolmentDecision, titles: Mapping[str, str]) -> DecisionRow:
    explained = [
        (titles.get(entry["url"], entry["url"]), bool(entry["fits"]), _reason_lines(entry["reasons"], titles))
        for entry in row.explanation
    ]
    explained.sort(key=lambda entry: not entry[1])
    summary = [title for title, fits, _lines in explained if fits]
    return DecisionRow(row, wording.outcome_words(row.outcome), summary, explained)


def _reason_lines(reasons: Iterable[Mapping[str, Any]], titles: Mapping[str, str]) -> list[str]:
    return [wording.reason_words(reason["code"], reason.get("values", {}), titles) for reason in reasons]


def _shown(tasks: Iterable[PlanTask]) -> dict[UUID, list[PlanTask]]:
    """The tasks that are dots of a time line: not what was withdrawn and is planned again, and no question about a
    number ("where is one of hers?"), which belongs to a step and is none itself."""
    grouped: dict[UUID, list[PlanTask]] = defaultdict(list)
    for task in tasks:
        is_again = task.status == Task.Status.CANCELLED and task.closed_reason in REOPENING
        if not is_again and task.kind != Task.Kind.CONTACT_CHECK:
            grouped[task.care_plan_id].append(task)
    return grouped


def _card(
    plan: CarePlan,
    tasks: Sequence[PlanTask],
    progress: Progress,
    newest: PlanDefinition | None,
    titles: Mapping[str, str],
    at: datetime,
    language: str,
) -> PlanCard:
    content, personal = plan.definition.plan(), plan.personal()
    nodes = [_task_node(task, content, plan, at, language) for task in tasks]
    if plan.is_active:
        nodes += _future_nodes(plan, content, progress, tasks, at, language)
    steps = {step.code: step.title.in_language(language) for step in content.steps}
    return PlanCard(
        plan=plan,
        title=title_of(plan.definition, language),
        status=wording.status_words(plan.status),
        ends=wording.end_words(plan.end_reason) if plan.end_reason else "",
        reasons=_reason_lines(plan.reasons, titles),
        nodes=sorted(nodes, key=lambda node: (node.day, node.step))[:60],
        changes=[(change, _change_words(change, steps)) for change in plan.change_list() if not change.undone],
        off=[(code, steps[code]) for code in sorted(personal.ticked_off) if code in steps],
        newer=newest if newest and newest.pk != plan.definition_id and plan.ended_at is None else None,
        targets={wording.target_words(name): value for name, value in {**content.targets, **personal.targets}.items()},
        visits_added=personal.visits_added,
    )


def _change_words(change: Change, steps: Mapping[str, str]) -> str:
    value = (
        wording.owner_words(change.owner)
        if change.owner
        else f"{wording.target_words(change.name)} {change.value}".strip()
    )
    day = change.day.isoformat() if change.day else ""
    step = steps.get(change.step, change.step)
    return wording.change_words(change.kind.value, step=step, day=day, title=change.title, value=value)


def _task_node(task: PlanTask, content: PlanContent, plan: CarePlan, at: datetime, language: str) -> Node:
    state = state_of(
        status=task.status, available_at=task.available_at, snoozed_until=task.snoozed_until,
        promised_at=task.promised_at, at=at,
    )  # fmt: skip
    step = content.step(task.step_code)
    is_open = task.status == Task.Status.REQUESTED
    shown = "overdue" if is_open and task.due_at < at else state
    return Node(
        day=local_day(task.ended_at) if state == "done" and task.ended_at else local_day(task.due_at),
        title=step.title.in_language(language) if step else in_language(task.step_title, task.step_title_en),
        state=shown,
        note=wording.end_words(task.closed_reason) if state == "closed" else "",
        step=task.step_code,
        task_id=task.pk,
        is_open=is_open,
        change_id=task.step_code.removeprefix(VISIT) if task.step_code.startswith(VISIT) else "",
    )


def _future_nodes(
    plan: CarePlan, content: PlanContent, progress: Progress, tasks: Sequence[PlanTask], at: datetime, language: str
) -> list[Node]:
    known = {(task.step_code, task.occurrence) for task in tasks}
    future = plan_occurrences(
        content, plan.anchors(), progress, shipped_calendar(), plan.personal(), until=local_day(at) + HORIZON
    )
    nodes = [_planned_node(content, o, language) for o in future if (o.step, o.number) not in known]
    return nodes[:MOST_NODES]


def _planned_node(content: PlanContent, occurrence: Occurrence, language: str) -> Node:
    step = content.step(occurrence.step)
    title = step.title.in_language(language) if step else occurrence.step
    return Node(occurrence.due, title, "planned", step=occurrence.step)
