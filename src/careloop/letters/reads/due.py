"""Who is due when: the rows of the page, the paper and the spreadsheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from careloop.kernel.viewer import Viewer
from careloop.letters.reads import frame, site
from careloop.patients.models import ContactPoint, PatientIdentifier
from careloop.patients.rules.masking import mask_phone
from careloop.tasks.models import QUEUE_KINDS, Task
from careloop.tasks.reads import channel_label
from careloop.tasks.rules.channels import is_in_person

PAGE = 100
MOST = 5000  # rows of one paper or spreadsheet
DEFAULT_DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class DueQuery:
    """Which open tasks: due from…to (overdue ones too unless left out), of a department, only one's own."""

    first: date
    last: date
    overdue: bool = True
    mine: bool = False
    department_id: UUID | None = None
    plan: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DueRow:
    """One line."""

    task_id: UUID
    patient_id: UUID
    due_on: date
    late: bool
    name: str
    sex: str
    age: str
    number: str
    phone: str
    department: str
    plan: str
    step: str
    kind: str
    attempts: int
    owner: str
    has_address: bool
    way: str = ""  # at home or in the clinic; nothing on the telephone, which is the rule


def default_query(*, at: datetime) -> DueQuery:
    today = timezone.localdate(at)
    return DueQuery(first=today, last=today + timedelta(days=DEFAULT_DAYS))


def due_tasks(query: DueQuery, *, viewer: Viewer) -> Any:
    """The open tasks of the query, the earliest first."""
    tasks = Task.objects.visible_to(viewer).open().filter(kind__in=QUEUE_KINDS, due_at__lt=_after(query.last))
    if not query.overdue:
        tasks = tasks.filter(due_at__gte=_start(query.first))
    if query.mine:
        tasks = tasks.filter(Q(owner_id=viewer.practitioner_id) | Q(claimed_by_id=viewer.practitioner_id))
    if query.department_id:
        tasks = tasks.filter(department_id=query.department_id)
    if query.plan:
        tasks = tasks.filter(plan_title=query.plan)
    return tasks.order_by("due_at", "pk")


def due_rows(query: DueQuery, *, viewer: Viewer, at: datetime, limit: int = MOST, offset: int = 0) -> list[DueRow]:
    """Lines with everything the list says: three queries, however many lines."""
    tasks = list(
        due_tasks(query, viewer=viewer).select_related("patient", "department", "owner")[offset : offset + limit]
    )
    return rows_of(tasks, at=at)


def rows_of(tasks: Sequence[Task], *, at: datetime) -> list[DueRow]:
    """The same for tasks that were read for this viewer before."""
    ids = {task.patient_id for task in tasks}
    numbers = _first_of(
        PatientIdentifier.objects.unscoped("of patients just read for the viewer")
        .filter(patient_id__in=ids, type="MR").order_by("pk").values_list("patient_id", "value")
    )  # fmt: skip
    phones = _first_of(
        ContactPoint.objects.unscoped("of patients just read for the viewer")
        .filter(patient_id__in=ids, system="phone", active=True, is_valid=True)
        .order_by("rank", "pk").values_list("patient_id", "value")
    )  # fmt: skip
    today = timezone.localdate(at)
    return [_row(task, numbers, phones, today) for task in tasks]


def _row(task: Task, numbers: dict[UUID, str], phones: dict[UUID, str], today: date) -> DueRow:
    due_on = timezone.localdate(task.due_at)
    return DueRow(
        task_id=task.pk, patient_id=task.patient_id, due_on=due_on, late=due_on < today, name=task.patient.name,
        sex=str(task.patient.get_sex_display()), age=frame.age_words(task.patient, on=today),
        number=numbers.get(task.patient_id, ""), phone=mask_phone(phones.get(task.patient_id, "")),
        department=site.department_name(task.department), plan=task.plan_words, step=task.step_words,
        kind=str(task.get_kind_display()), attempts=task.attempts, owner=task.owner.name if task.owner else "",
        has_address=bool(task.patient.address.strip()),
        way=channel_label(task.channel) if is_in_person(task.channel) else "",
    )  # fmt: skip


def _first_of(pairs: Any) -> dict[UUID, str]:
    found: dict[UUID, str] = {}
    for patient_id, value in pairs:
        found.setdefault(patient_id, value)
    return found


def _start(day: date) -> datetime:
    return timezone.make_aware(datetime(day.year, day.month, day.day))


def _after(day: date) -> datetime:
    return _start(day + timedelta(days=1))


COLUMNS = ("due", "name", "sex", "age", "number", "phone", "department", "plan", "step", "kind", "attempts", "owner")


def heads() -> list[str]:
    """The head of the list, in the order of `cells`."""
    return [
        _("Due"), _("Name"), _("Sex"), _("Age"), _("Record number"), _("Telephone"), _("Department"), _("Plan"),
        _("Step"), _("Kind"), _("Tries"), _("Done by"),
    ]  # fmt: skip


def cells(row: DueRow) -> list[Any]:
    """One line for paper and spreadsheet."""
    return [
        row.due_on, row.name, row.sex, row.age, row.number, row.phone, row.department, row.plan, row.step,
        row.way or row.kind,
        row.attempts, row.owner,
    ]  # fmt: skip


def due_sheet(rows: Sequence[DueRow], query: DueQuery, *, viewer: Viewer, at: datetime) -> dict[str, Any]:
    """The list on paper, across, with a box to tick."""
    widths = ("22mm", "24mm", "11mm", "15mm", "26mm", "27mm", "1fr", "1.3fr", "1fr", "20mm", "12mm", "20mm")
    columns = [{"head": head, "width": width} for head, width in zip(heads(), widths, strict=True)]
    lines = [[_cell(value, row) for value in cells(row)] for row in rows]
    note = _("%(first)s to %(last)s") % {"first": query.first.isoformat(), "last": query.last.isoformat()}
    note += " · " + _("%(n)d rows") % {"n": len(rows)}
    if query.overdue:
        note += " · " + _("with overdue ones")
    table = {"kind": "table", "columns": columns, "rows": lines}
    return frame.sheet(
        heading=_("Follow-up due dates"), blocks=[table], viewer=viewer, at=at, note=note, flipped=True
    ) | {"small": True}


def _cell(value: Any, row: DueRow) -> Any:
    if isinstance(value, date):
        text = value.isoformat() + ("\n" + _("overdue") if row.late else "")
        return {"text": text, "strong": row.late}
    return str(value)
