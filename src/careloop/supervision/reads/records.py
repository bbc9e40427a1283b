"""Records of level 1: follow-ups that a member of staff completed, with answers and the traces of how they came about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.http import Http404
from django.utils import timezone

from careloop.kernel.viewer import Viewer
from careloop.questionnaires.models import Questionnaire, QuestionnaireResponse
from careloop.questionnaires.reads import form_of
from careloop.supervision.models import SampledRecord
from careloop.supervision.rules.records import Record
from careloop.tasks import rules as task_rules
from careloop.tasks.models import QUEUE_KINDS, ContactAttempt, Task

REACHED = tuple(code for code, outcome in task_rules.OUTCOMES.items() if outcome.reached)
CHUNK = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One record with the rows it stands on."""

    response: QuestionnaireResponse
    task_id: UUID
    department_id: UUID
    author_id: UUID
    record: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Whole days in the hospital's time, both included."""

    first: date
    last: date

    @property
    def begin(self) -> datetime:
        return _midnight(self.first)

    @property
    def end(self) -> datetime:
        return _midnight(self.last + timedelta(days=1))


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def month_of(day: date) -> Period:
    """The calendar month of this day."""
    first = day.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return Period(first=first, last=following - timedelta(days=1))


def level_one(
    *,
    viewer: Viewer,
    period: Period,
    departments: Iterable[UUID] | None,
    author_id: UUID | None = None,
    url: str = "",
    mode: str = "",
    most: int | None = None,
) -> list[Found]:
    """The records of these departments (None: of all) in this period, oldest first. What the viewer may not see is out.

    Starts from the finished follow-ups, which are indexed by department and end; their answers come by task.
    """
    tasks = _tasks(viewer, period, departments, most)
    found: list[Found] = []
    keys = list(tasks)
    for start in range(0, len(keys), CHUNK):
        found += _of_tasks({pk: tasks[pk] for pk in keys[start : start + CHUNK]}, author_id, url, mode)
    return sorted(found, key=lambda one: (one.record.at, one.record.id))


def _tasks(
    viewer: Viewer, period: Period, departments: Iterable[UUID] | None, most: int | None
) -> dict[UUID, tuple[UUID, UUID]]:
    done = Task.objects.visible_to(viewer).filter(
        status=Task.Status.COMPLETED, ended_by__isnull=False, kind__in=QUEUE_KINDS,
        ended_at__gte=period.begin, ended_at__lt=period.end,
    )  # fmt: skip
    if departments is not None:
        done = done.filter(department_id__in=list(departments))
    rows = done.order_by("ended_at", "pk").values_list("pk", "department_id", "ended_by_id")
    return {pk: (department, by) for pk, department, by in (rows[:most] if most else rows)}


def _of_tasks(tasks: Mapping[UUID, tuple[UUID, UUID]], author_id: UUID | None, url: str, mode: str) -> list[Found]:
    answers = (
        QuestionnaireResponse.objects.unscoped("answers of tasks the viewer may see")
        .select_related("questionnaire")
        .filter(task_id__in=list(tasks), status=QuestionnaireResponse.Status.COMPLETED, author__isnull=False)
    )
    if author_id:
        answers = answers.filter(author_id=author_id)
    if url:
        answers = answers.filter(questionnaire__url=url)
    if mode:
        answers = answers.filter(mode=mode)
    rows = list(answers.order_by("authored_at", "pk"))
    calls = _calls([row.task_id for row in rows if row.task_id])
    earlier = _earlier(rows)
    looks = dict(
        SampledRecord.objects.unscoped("what the second look said, of records the viewer may see")
        .filter(response__in=[row.pk for row in rows], status=SampledRecord.Status.SETTLED)
        .values_list("response_id", "verdict")
    )
    return [
        Found(
            response=row, task_id=task_id, department_id=tasks[task_id][0], author_id=row.author_id,
            record=as_record(
                row, call_seconds=calls.get(task_id), earlier=earlier.get(row.pk), second_look=looks.get(row.pk, "")
            ),
        )
        for row in rows
        if (task_id := row.task_id) is not None and row.author_id is not None
    ]  # fmt: skip


def as_record(
    row: QuestionnaireResponse,
    *,
    call_seconds: float | None,
    earlier: Mapping[str, Any] | None,
    second_look: str = "",
) -> Record:
    """A stored response as the rules read it."""
    codes = _codes(row.questionnaire)
    values = row.values
    return Record(
        id=str(row.pk), author=str(row.author_id), patient=str(row.patient_id), form=row.questionnaire.url, mode=row.mode,
        at=row.authored_at or row.started_at, values=values, earlier=earlier, call_seconds=call_seconds,
        readings={code: number for name, code in codes.items() if (number := _number(values.get(name))) is not None},
        findings=len(row.findings), second_look=second_look,
    )  # fmt: skip


def _codes(questionnaire: Questionnaire) -> dict[str, str]:
    """linkId → LOINC code of what is measured."""
    return {item.link_id: item.code for item in form_of(questionnaire).questions if item.code}


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _calls(task_ids: Sequence[UUID]) -> dict[UUID, float]:
    """Task → seconds of its longest call in which somebody was reached."""
    tries = (
        ContactAttempt.objects.unscoped("calls of tasks the viewer may see")
        .filter(task_id__in=list(task_ids), undone_at=None, outcome__in=REACHED, by_practitioner__isnull=False)
        .values_list("task_id", "started_at", "ended_at")
    )
    longest: dict[UUID, float] = {}
    for task_id, started, ended in tries:
        seconds = (ended - started).total_seconds() if ended else 0.0
        longest[task_id] = max(longest.get(task_id, 0.0), seconds)
    return longest


def _earlier(rows: Sequence[QuestionnaireResponse]) -> dict[UUID, dict[str, Any]]:
    """Response → what the same patient answered to the same form the time before."""
    before = (
        QuestionnaireResponse.objects.unscoped("earlier answers of patients the viewer may see")
        .filter(
            patient__in={row.patient_id for row in rows}, questionnaire__url__in={row.questionnaire.url for row in rows},
            status=QuestionnaireResponse.Status.COMPLETED,
        )
        .order_by("authored_at", "pk")
        .values_list("pk", "patient_id", "questionnaire__url", "authored_at", "answers")
    )  # fmt: skip
    histories: dict[tuple[UUID, str], list[tuple[UUID, datetime, dict[str, Any]]]] = {}
    for pk, patient, url, at, answers in before:
        if at is not None:
            histories.setdefault((patient, url), []).append((pk, at, answers))
    found: dict[UUID, dict[str, Any]] = {}
    for row in rows:
        history = histories.get((row.patient_id, row.questionnaire.url), [])
        older = [answers for pk, at, answers in history if pk != row.pk and at < (row.authored_at or row.started_at)]
        if older:
            found[row.pk] = {name: answer["value"] for name, answer in older[-1].items()}
    return found


def department_of(response: QuestionnaireResponse, *, viewer: Viewer) -> UUID:
    """Whose record it is: the department of its follow-up, else of its author, else the viewer's."""
    if response.task_id is not None:
        task = Task.objects.unscoped("which department, nothing else").filter(pk=response.task_id).first()
        if task is not None:
            return task.department_id
    of_author = response.author.organization_id if response.author else None
    found = of_author or viewer.organization_id
    if found is None:
        raise Http404
    return found
