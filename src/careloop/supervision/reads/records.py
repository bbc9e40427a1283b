"""Records of level 1: answers that a member of staff completed, with the traces of how they came about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery, UUIDField, Value
from django.db.models.functions import Coalesce
from django.http import Http404
from django.utils import timezone

from careloop.kernel.viewer import Viewer
from careloop.patients.models import Patient
from careloop.questionnaires.models import Questionnaire, QuestionnaireResponse
from careloop.questionnaires.reads import form_of
from careloop.supervision.models import SampledRecord
from careloop.supervision.rules.records import Record
from careloop.tasks import rules as task_rules
from careloop.tasks.models import ContactAttempt, Task

REACHED = tuple(code for code, outcome in task_rules.OUTCOMES.items() if outcome.reached)
CHUNK = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One record with the rows it stands on. `task_id` None: nothing on a list asked for it."""

    response: QuestionnaireResponse
    task_id: UUID | None
    department_id: UUID
    author_id: UUID
    record: Record
    origin: str = "no-task"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """The records of level 1, and of all others that were finished in the same time, how many and why not.

    Found and left out together are every finished record of the period: nothing is dropped without being counted.
    """

    found: list[Found]
    left_out: dict[str, int]

    @property
    def finished(self) -> int:
        return len(self.found) + sum(self.left_out.values())


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
    *, viewer: Viewer, period: Period, departments: Iterable[UUID] | None, most: int | None = None
) -> list[Found]:
    """The records of `gather`, oldest first, without counting what is left out."""
    return _read(_told(_finished(period, departments)).filter(place__isnull=False), viewer, most)


def gather(
    *,
    viewer: Viewer,
    period: Period,
    departments: Iterable[UUID] | None,
    author_id: UUID | None = None,
    url: str = "",
    mode: str = "",
    most: int | None = None,
) -> Gathered:
    """Every record of these departments (None: of all) that a member of staff finished in this period, oldest first.

    However it came about: asked for by a plan, a topic, a single follow-up, or by nothing on a list at all (a programme's
    visit, a letter's answer typed in). Left out, and counted: answers that patients gave themselves; second looks; records
    of nobody's department; patients whom the viewer may not see now. Answers that were replaced or entered in error are no
    finished records.
    """
    whole = _finished(period, departments, author_id=author_id, url=url, mode=mode)
    told = Q(author__isnull=False) & ~Q(kind=Task.Kind.RE_CHECK)
    counts = whole.aggregate(
        by_patient=Count("pk", filter=Q(author=None)),
        second_look=Count("pk", filter=Q(author__isnull=False, kind=Task.Kind.RE_CHECK)),
        homeless=Count("pk", filter=told & Q(place=None)),
        placed=Count("pk", filter=told & Q(place__isnull=False)),
    )
    placed = _told(whole).filter(place__isnull=False)
    found = _read(placed, viewer, most)
    seen = placed.filter(_may_be_seen(viewer)).count() if most is not None and len(found) >= most else len(found)
    left_out = {
        "by-patient": counts["by_patient"], "second-look": counts["second_look"], "no-department": counts["homeless"],
        "not-visible": counts["placed"] - seen,
    }  # fmt: skip
    return Gathered(found=found, left_out={why: count for why, count in left_out.items() if count})


def _told(whole: QuerySet[Any]) -> QuerySet[Any]:
    """What members of staff recorded, second looks left aside."""
    return whole.filter(author__isnull=False).exclude(kind=Task.Kind.RE_CHECK)


def _read(placed: QuerySet[Any], viewer: Viewer, most: int | None) -> list[Found]:
    seen = placed.filter(_may_be_seen(viewer)).select_related("questionnaire")
    rows = list(seen.order_by("authored_at", "pk")[:most])
    return [one for start in range(0, len(rows), CHUNK) for one in _found(rows[start : start + CHUNK])]


def _finished(
    period: Period,
    departments: Iterable[UUID] | None,
    *,
    author_id: UUID | None = None,
    url: str = "",
    mode: str = "",
) -> QuerySet[Any]:
    """All completed answers of the period, each with its task's kind and the department it belongs to (`place`)."""
    own_task = Task.objects.unscoped("which department and kind, nothing else").filter(pk=OuterRef("task_id"))
    rows: QuerySet[Any] = QuestionnaireResponse.objects.unscoped("counted; what is shown is limited by gather").filter(
        status=QuestionnaireResponse.Status.COMPLETED, authored_at__gte=period.begin, authored_at__lt=period.end
    )
    rows = rows.annotate(
        kind=Coalesce(Subquery(own_task.values("kind")), Value("")),
        place=Coalesce(
            Subquery(own_task.values("department_id")), F("author__organization_id"), output_field=UUIDField()
        ),
    )
    if departments is not None:
        rows = rows.filter(place__in=list(departments))
    if author_id:
        rows = rows.filter(author_id=author_id)
    if url:
        rows = rows.filter(questionnaire__url=url)
    return rows.filter(mode=mode) if mode else rows


def _may_be_seen(viewer: Viewer) -> Q:
    """A record is seen with its task; without one, with its patient by whoever supervises its author's department."""
    tasks = Task.objects.visible_to(viewer).filter(pk=OuterRef("task_id"))
    if viewer.everything:
        return Q()
    patients = Patient.objects.visible_to(viewer).filter(pk=OuterRef("patient_id"))
    return Q(Exists(tasks)) | (Q(kind="") & Q(Exists(patients)))


def _found(rows: Sequence[Any]) -> list[Found]:
    """Rows of `_finished`, which know their department (`place`)."""
    ids = [row.task_id for row in rows if row.task_id]
    tasks = Task.objects.unscoped("how records the viewer may see came about").filter(pk__in=ids)
    origins = {pk: _origin(kind, plan) for pk, kind, plan in tasks.values_list("pk", "kind", "care_plan_id")}
    calls = _calls(ids)
    earlier = _earlier(rows)
    looks = dict(
        SampledRecord.objects.unscoped("what the second look said, of records the viewer may see")
        .filter(response__in=[row.pk for row in rows], status=SampledRecord.Status.SETTLED)
        .values_list("response_id", "verdict")
    )
    return [
        Found(
            response=row, task_id=row.task_id, department_id=row.place, author_id=row.author_id,
            origin=origins.get(row.task_id, "no-task"),
            record=as_record(
                row, call_seconds=calls.get(row.task_id), earlier=earlier.get(row.pk),
                second_look=looks.get(row.pk, ""),
            ),
        )
        for row in rows
        if row.author_id is not None
    ]  # fmt: skip


def _origin(kind: str, care_plan_id: UUID | None) -> str:
    """What asked for a record: a plan's step, a single follow-up (a topic, one added by hand), another kind of task."""
    if kind != Task.Kind.FOLLOW_UP:
        return kind
    return "plan" if care_plan_id else "single"


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
        is_logged=row.task_id is not None,
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


def _calls(task_ids: Sequence[UUID]) -> dict[UUID | None, float]:
    """Task → seconds of its longest call in which somebody was reached."""
    tries = (
        ContactAttempt.objects.unscoped("calls of tasks the viewer may see")
        .filter(task_id__in=list(task_ids), undone_at=None, outcome__in=REACHED, by_practitioner__isnull=False)
        .values_list("task_id", "started_at", "ended_at")
    )
    longest: dict[UUID | None, float] = {}
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
