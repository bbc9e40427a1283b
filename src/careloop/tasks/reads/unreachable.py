"""Who cannot be reached, and what to do next: one query for the page of rows, one set of look-ups for what is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from careloop.kernel.viewer import Viewer
from careloop.patients.models import ContactPoint
from careloop.tasks import rules
from careloop.tasks.models import QUEUE_KINDS, ContactAttempt, Task, TaskQuerySet
from careloop.tasks.reads.facts import number
from careloop.tasks.reads.ladder import ladder_in_force, reach_of
from careloop.tasks.reads.worklist import UNREACHED

PAGE = 50
STEPS = ("call", "letter", "visit", "contact-check", "review", "no-number")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """One follow-up whose patient could not be reached. `step`: what comes next; `may_be_lost`: everything was tried."""

    task: Task
    step: str
    when: datetime | None
    tries: int
    last_outcome: str
    last_at: datetime | None
    numbers: int
    dead_numbers: int
    reach: rules.Reach | None
    may_be_lost: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreachableQuery:
    """What the list is narrowed to."""

    department_id: UUID | None = None
    outcome: str = ""
    at_least: int = 1
    no_number: bool = False
    offset: int = 0


def unreachable_tasks(query: UnreachableQuery, *, viewer: Viewer, at: datetime) -> TaskQuerySet:
    """Open follow-ups whose last try failed, or (chip) whose patient has no number that could be dialled at all."""
    tasks = Task.objects.visible_to(viewer).open().filter(kind__in=QUEUE_KINDS).exclude(kind=Task.Kind.CONTACT_CHECK)
    if query.department_id:
        tasks = tasks.filter(department_id=query.department_id)
    if query.no_number:
        usable = ContactPoint.objects.unscoped("asked per visible task").filter(
            patient_id=OuterRef("patient_id"), system=ContactPoint.System.PHONE, active=True, is_valid=True
        )
        return tasks.filter(~Exists(usable), available_at__lte=at)
    failed = Q(last_outcome=query.outcome) if query.outcome in UNREACHED else Q(last_outcome__in=UNREACHED)
    return tasks.filter(failed, attempts__gte=max(1, query.at_least))


def unreachable(query: UnreachableQuery, *, viewer: Viewer, at: datetime) -> tuple[list[Unreachable], bool]:
    """One page, the most often tried first; and whether there are more."""
    found = list(
        unreachable_tasks(query, viewer=viewer, at=at)
        .select_related("patient", "department", "owner")
        .order_by("-attempts", "due_at", "pk")[query.offset : query.offset + PAGE + 1]
    )
    page = found[:PAGE]
    ladder = ladder_in_force(timezone.localtime(at).date())
    patients = {task.patient_id for task in page}
    reach = reach_of(patients, viewer=viewer, at=at, ladder=ladder)
    numbers, tries = _numbers(patients, viewer), _tries([task.pk for task in page], viewer)
    rows = [
        _row(task, numbers.get(task.patient_id, []), tries.get(task.pk, []), reach.get(task.patient_id), ladder)
        for task in page
    ]
    return rows, len(found) > PAGE


def _row(
    task: Task, numbers: list[rules.Number], tries: Sequence[rules.Try], reach: rules.Reach | None, ladder: rules.Ladder
) -> Unreachable:
    known = rules.alive(numbers, tries)
    rung = rules.rung_after(tries, ladder)
    step = "no-number" if rules.best_number(known) is None else rung.do if rung else "call"
    return Unreachable(
        task=task, step=step, when=rules.wakes_at(snoozed_until=task.snoozed_until, promised_at=task.promised_at),
        tries=task.attempts, last_outcome=task.last_outcome, last_at=task.last_attempt_at, numbers=len(known),
        dead_numbers=sum(one.dead for one in known), reach=reach,
        may_be_lost=rules.is_exhausted(numbers=numbers, tries=tries, ladder=ladder),
    )  # fmt: skip


def _numbers(patients: set[UUID], viewer: Viewer) -> dict[UUID, list[rules.Number]]:
    points = ContactPoint.objects.visible_to(viewer).filter(
        patient_id__in=patients, system=ContactPoint.System.PHONE, active=True
    )
    found: dict[UUID, list[rules.Number]] = {}
    for point in points.order_by("patient_id", "rank", "pk"):
        mine = found.setdefault(point.patient_id, [])
        mine.append(number(point, len(mine)))
    return found


def _tries(tasks: list[UUID], viewer: Viewer) -> dict[UUID, list[rules.Try]]:
    rows = ContactAttempt.objects.visible_to(viewer).filter(task_id__in=tasks, undone_at__isnull=True)
    found: dict[UUID, list[rules.Try]] = {}
    for one in rows.order_by("started_at", "pk"):
        found.setdefault(one.task_id, []).append(
            rules.Try(number_id=one.contact_point_id, outcome=one.outcome, at=one.started_at)
        )
    return found
