"""The nurse's list: one statement gives the rows of a tab and the exact counts of all tabs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Literal, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import get_language

from careloop.kernel.prepared import Asked, prepared, question
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Encounter
from careloop.tasks import rules
from careloop.tasks.models import QUEUE_KINDS, Task, TaskQuerySet

Tab = Literal["todo", "overdue", "promised", "unreached", "abnormal", "done"]
TABS: tuple[Tab, ...] = ("todo", "overdue", "promised", "unreached", "abnormal", "done")
PAGE = 60
SOON = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """What the list is narrowed to. Everything is optional; the counts follow the same narrowing."""

    tab: Tab = "todo"
    mine: bool = False
    department_id: UUID | None = None
    plan: str = ""
    risk: str = ""
    discharged_from: date | None = None
    discharged_to: date | None = None
    merged: bool = False  # one row per patient: all of a patient's work of today is one call (pain 16)
    offset: int = 0
    limit: int = PAGE


class Row(NamedTuple):
    """One line of the list, in the order in which the statement answers it."""

    task_id: UUID
    patient_id: UUID
    name: str
    sex: str
    birth_date: date | None
    risk: str
    self_report: str
    department: str
    diagnosis: str
    plan: str
    step: str
    kind: str
    due_at: datetime
    promised_at: datetime | None
    snoozed_until: datetime | None
    attempts: int
    last_outcome: str
    message_state: str
    priority: int
    status: str
    outcome: str
    ended_at: datetime | None
    claimed_by: UUID | None
    doctor: str
    last_done_at: datetime | None
    best_hour: int | None
    section: int
    late_days: int
    also: tuple[tuple[str, str], ...] = ()  # plan and step of what else the same call does


@dataclass(frozen=True, slots=True)
class Counts:
    """Exact numbers of every tab; `patients` = people behind the tab that is shown."""

    todo: int = 0
    overdue: int = 0
    promised: int = 0
    unreached: int = 0
    abnormal: int = 0
    done: int = 0
    snoozed: int = 0
    patients: int = 0
    online_done: int = 0
    online_asked: int = 0

    def of(self, tab: str) -> int:
        """The count of one tab by name."""
        return int(getattr(self, tab))


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkList:
    """The list as one question to the database answered it."""

    counts: Counts
    rows: list[Row] = field(default_factory=list)
    more: bool = False


# base: what this viewer may see and the chips leave (compiled from the ORM, so the scope cannot be forgotten), in columns
# that stand in the index `task_listed`; tabs: to which tabs each row belongs; page: the rows of the tab. The tasks
# themselves, and everything beside them, are read for the rows shown, never for all.
_LIST = """
WITH base AS ({base}),
tabs AS MATERIALIZED (
    SELECT id, patient_id, due_at, promised_at, priority, ended_at, message_state, is_done, is_online,
        CASE WHEN promised_at <= %(soon)s THEN 0 WHEN priority >= %(first)s THEN 1 ELSE 2 END AS section,
        {due} AS in_todo,
        {due} AND due_at < %(today)s AS in_overdue,
        NOT is_done AND promised_at < %(tomorrow)s AS in_promised,
        NOT is_done AND last_outcome <> '' AND last_outcome = ANY(%(unreached)s) AS in_unreached,
        NOT is_done AND self_report <> '' AS in_abnormal,
        is_done AS in_done
    FROM base
),
{ranking}
counts AS (
    SELECT count(*) FILTER (WHERE in_todo), count(*) FILTER (WHERE in_overdue), count(*) FILTER (WHERE in_promised),
        count(*) FILTER (WHERE in_unreached), count(*) FILTER (WHERE in_abnormal), count(*) FILTER (WHERE in_done),
        count(*) FILTER (WHERE NOT is_done AND NOT in_todo),
        (SELECT count(*) FROM {people}),
        count(*) FILTER (WHERE is_online),
        count(*) FILTER (WHERE is_online OR message_state IN ('sent', 'opened'))
    FROM tabs
),
page AS (
    SELECT tabs.*, row_number() OVER (ORDER BY {order}) AS place
    FROM (SELECT * FROM {rows} AS tabs WHERE in_{tab} ORDER BY {order} LIMIT %(limit)s OFFSET %(offset)s) AS tabs
){calls}
SELECT counts.*, t.id, t.patient_id, p.name, p.sex, p.birth_date, t.risk, t.self_report, d.name,
    t.diagnosis_text, {plan}, {step}, t.kind, t.due_at, t.promised_at,
    t.snoozed_until, t.attempts, t.last_outcome, t.message_state, t.priority, t.status,
    t.outcome, t.ended_at,
    CASE WHEN t.claimed_until > %(at)s THEN t.claimed_by_id END, COALESCE(doctor.name, ''), before.ended_at,
    reach.best_hour, page.section, {also}
FROM counts
LEFT JOIN page ON true
LEFT JOIN tasks_task t ON t.id = page.id
LEFT JOIN patients_patient p ON p.id = t.patient_id
LEFT JOIN accounts_organization d ON d.id = t.department_id
LEFT JOIN patients_encounter e ON e.id = t.encounter_id
LEFT JOIN accounts_practitioner doctor ON doctor.id = e.attending_id
LEFT JOIN LATERAL (
    SELECT b.ended_at FROM tasks_task b
    WHERE b.patient_id = t.patient_id AND b.status = 'completed' AND b.kind = 'follow-up' AND b.id <> t.id
    ORDER BY b.due_at DESC LIMIT 1
) before ON true
LEFT JOIN LATERAL (
    SELECT c.best_hour FROM patients_contactpoint c
    WHERE c.patient_id = t.patient_id AND c.active AND c.best_hour IS NOT NULL
    ORDER BY c.last_result_at DESC NULLS LAST LIMIT 1
) reach ON true
{joined}
ORDER BY page.place
"""
_DUE = (
    "NOT is_done AND (promised_at IS NULL OR promised_at <= %(soon)s)"
    " AND (snoozed_until IS NULL OR snoozed_until <= %(at)s)"
)

# Of each patient the first row stands for all; `also` lists the steps of the same call in the list's own order.
_RANKING = """
ranked AS MATERIALIZED (
    SELECT DISTINCT ON (patient_id) tabs.* FROM tabs WHERE in_{tab} ORDER BY patient_id, {order}
),"""
_CALLS = """,
calls AS MATERIALIZED (
    SELECT tabs.patient_id AS whose, array_agg(ARRAY[{plan}::text, {step}::text] ORDER BY {order}) AS steps
    FROM tabs JOIN tasks_task t ON t.id = tabs.id
    WHERE in_{tab} AND tabs.patient_id IN (SELECT page.patient_id FROM page)
    GROUP BY tabs.patient_id HAVING count(*) > 1
)"""

_COLUMNS = (
    "id", "patient_id", "due_at", "promised_at", "snoozed_until", "priority", "last_outcome", "self_report", "message_state",
)  # fmt: skip
_OPENED = f"SELECT {', '.join(_COLUMNS)}, NULL::timestamptz AS ended_at, false AS is_done, false AS is_online FROM ({{part}}) AS t"
_DONE = f"SELECT {', '.join(_COLUMNS)}, ended_at, true, outcome = 'answered-online' FROM ({{part}}) AS t"
_ENDED_COLUMNS = (*_COLUMNS, "ended_at", "outcome")
_NOTHING = f"SELECT {', '.join(_COLUMNS)} FROM tasks_task WHERE false"
_ORDERS: dict[str, str] = {
    "done": "tabs.ended_at DESC, tabs.id",
    "promised": "tabs.promised_at, tabs.priority DESC, tabs.id",
    "overdue": "tabs.due_at, tabs.priority DESC, tabs.id",
}
_FIGURES = 10  # how many columns of `counts` come before the row
_DUE_AT = _FIGURES + Row._fields.index("due_at")
_BY_PRIORITY = (
    "tabs.section, CASE WHEN tabs.section = 0 THEN tabs.promised_at END, tabs.priority DESC, tabs.due_at, tabs.id"
)
_CHOICES = """
SELECT found.department_id, d.name, found.plan_title
FROM (SELECT DISTINCT department_id, plan_title FROM ({parts}) AS listed) AS found
JOIN accounts_organization d ON d.id = found.department_id
"""
UNREACHED = sorted(
    code for code, outcome in rules.OUTCOMES.items() if outcome.effect == "retry" and code != "reached-uninformed"
)


def work_list(query: ListQuery, *, viewer: Viewer, at: datetime) -> WorkList:
    """The rows of one tab and the counts of all, as this viewer may see them, in one statement."""
    return asked_list(query, viewer=viewer, at=at).fetch()[0]


def asked_list(query: ListQuery, *, viewer: Viewer, at: datetime) -> Asked[WorkList]:
    """The same as a question that can be sent with others; its answer is the one list."""
    local = timezone.localtime(at)
    today = local.replace(hour=0, minute=0, second=0, microsecond=0)
    chips = _chips(query)
    waiting, done = _waiting(viewer, at, chips), _done(viewer, today, chips)
    sql = _sql(_texts(waiting), _texts(done), query.tab, merging=query.merged, english=_is_english())
    params = _params(query, at, today)
    for part in (*waiting, *done):
        params |= part.params
    return question(sql, params, rows_of=lambda found: [_read(found, query.limit, local)])


def _read(found: Sequence[tuple[Any, ...]], limit: int, local: datetime) -> WorkList:
    """What the statement answered; a list without rows still has its counts."""
    rows = [_row(line, local) for line in found if line[_FIGURES] is not None]
    return WorkList(counts=Counts(*found[0][:_FIGURES]), rows=rows[:limit], more=len(rows) > limit)


def departments_and_plans(*, viewer: Viewer, at: datetime) -> Asked[tuple[UUID, str, str]]:
    """What the chips offer: each department (with its name) and plan that has something on this viewer's whole list."""
    parts = _waiting(viewer, at, _chips(ListQuery()), chips_only=True)
    params: dict[str, Any] = {}
    for part in parts:
        params |= part.params
    return question(_choices_sql(_texts(parts)), params)


@lru_cache(maxsize=256)
def _choices_sql(parts: tuple[str, ...]) -> str:
    return " ".join(_CHOICES.format(parts=" UNION ALL ".join(parts)).split()) if parts else ""


def _params(query: ListQuery, at: datetime, today: datetime) -> dict[str, Any]:
    return {
        "at": at, "soon": at + SOON, "today": today, "tomorrow": today + timedelta(days=1),
        "first": rules.shipped_weights().limits["first-section-from"], "unreached": UNREACHED,
        "limit": query.limit + 1, "offset": query.offset,
    }  # fmt: skip


def _chips(query: ListQuery) -> dict[str, Any]:
    """The chips as values to ask with; days as the instants they begin and end at, so that an index finds them."""
    first, last = query.discharged_from, query.discharged_to
    return {
        "mine": query.mine, "department_id": query.department_id, "plan": query.plan or None, "risk": query.risk or None,
        "discharged_since": _midnight(first) if first else None,
        "discharged_before": _midnight(last + timedelta(days=1)) if last else None,
    }  # fmt: skip


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, timezone.get_current_timezone())


def _waiting(viewer: Viewer, at: datetime, chips: dict[str, Any], *, chips_only: bool = False) -> list[Asked[Any]]:
    """Open tasks whose window is open."""
    questions = {"anywhere": _anywhere, "here": _here, "elsewhere": _elsewhere}
    given: dict[str, Any] = {"viewer": viewer, "at": at, "chips_only": chips_only, **chips}
    return [questions[part].asked(**given) for part in _parts(viewer, chips["department_id"])]


def _done(viewer: Viewer, since: datetime, chips: dict[str, Any]) -> list[Asked[Any]]:
    """What was done today. A day has two ends: told so, the server knows that it is little, whatever the day."""
    questions = {"anywhere": _done_anywhere, "here": _done_here, "elsewhere": _done_elsewhere}
    given: dict[str, Any] = {"viewer": viewer, "since": since, "until": since + timedelta(days=1), **chips}
    return [questions[part].asked(**given) for part in _parts(viewer, chips["department_id"])]


def _parts(viewer: Viewer, department_id: UUID | None) -> list[str]:
    """The parts of a list, which have no task in common.

    Whoever sees departments sees one's own tasks elsewhere, too. Asked together ("mine or here") two indexes lead to
    the rows and every row is read; asked apart each index answers alone.
    """
    whole = viewer.patient_id or viewer.narrowed_to or viewer.hospital_wide or viewer.own_only
    if whole or not viewer.is_staff or not viewer.departments or not viewer.practitioner_id:
        return ["anywhere"]
    if department_id is None:
        return ["here", "elsewhere"]
    return ["here"] if department_id in viewer.departments else ["elsewhere"]


def _texts(parts: list[Asked[Any]]) -> tuple[str, ...]:
    """Their statements; an empty one can have no row."""
    return tuple(part.sql for part in parts if part.sql)


@prepared
def _anywhere(viewer: Viewer, at: datetime, chips_only: bool, **chips: Any) -> Any:
    return _open(viewer, at, chips).values_list(*_wanted(chips_only))


@prepared
def _here(viewer: Viewer, at: datetime, chips_only: bool, **chips: Any) -> Any:
    return _open(viewer, at, chips).filter(department_id__in=viewer.departments).values_list(*_wanted(chips_only))


@prepared
def _elsewhere(viewer: Viewer, at: datetime, chips_only: bool, **chips: Any) -> Any:
    return _own_elsewhere(_open(viewer, at, chips), viewer).values_list(*_wanted(chips_only))


@prepared
def _done_anywhere(viewer: Viewer, since: datetime, until: datetime, **chips: Any) -> Any:
    return _ended(viewer, since, until, chips).values_list(*_ENDED_COLUMNS)


@prepared
def _done_here(viewer: Viewer, since: datetime, until: datetime, **chips: Any) -> Any:
    here = _ended(viewer, since, until, chips).filter(department_id__in=viewer.departments)
    return here.values_list(*_ENDED_COLUMNS)


@prepared
def _done_elsewhere(viewer: Viewer, since: datetime, until: datetime, **chips: Any) -> Any:
    return _own_elsewhere(_ended(viewer, since, until, chips), viewer).values_list(*_ENDED_COLUMNS)


def _open(viewer: Viewer, at: datetime, chips: dict[str, Any]) -> TaskQuerySet:
    return _listed(viewer, chips).filter(status=Task.Status.REQUESTED, available_at__lte=at)


def _ended(viewer: Viewer, since: datetime, until: datetime, chips: dict[str, Any]) -> TaskQuerySet:
    found = _listed(viewer, chips).ended_between(since, until)
    return found.filter(status=Task.Status.COMPLETED, ended_at__gte=since, ended_at__lt=until)


def _own_elsewhere(tasks: TaskQuerySet, viewer: Viewer) -> TaskQuerySet:
    return tasks.filter(owner_id=viewer.practitioner_id).exclude(department_id__in=viewer.departments)


def _wanted(chips_only: bool) -> tuple[str, ...]:
    return ("department_id", "plan_title") if chips_only else _COLUMNS


def _listed(viewer: Viewer, chips: dict[str, Any]) -> TaskQuerySet:
    return Task.objects.visible_to(viewer).filter(_narrowed(viewer, **chips), kind__in=QUEUE_KINDS).order_by()


@lru_cache(maxsize=256)
def _sql(waiting: tuple[str, ...], done: tuple[str, ...], tab: Tab, *, merging: bool, english: bool) -> str:
    """The whole statement for one shape of the base; built once."""
    opened = [_OPENED.format(part=part) for part in waiting or (_NOTHING,)]
    ended = [_DONE.format(part=part) for part in done]
    order = _ORDERS.get(tab, _BY_PRIORITY)
    merged = merging and tab != "done"
    plan, step = _title("t.plan_title", english), _title("t.step_title", english)
    text = _LIST.format(
        base=" UNION ALL ".join([*opened, *ended]), due=_DUE, tab=tab, order=order, plan=plan, step=step,
        rows="ranked" if merged else "tabs", ranking=_RANKING.format(order=order, tab=tab) if merged else "",
        calls=_CALLS.format(order=order, tab=tab, plan=plan, step=step) if merged else "",
        also="calls.steps" if merged else "NULL::text[][]",
        joined="LEFT JOIN calls ON calls.whose = t.patient_id" if merged else "",
        people="ranked" if merged else f"(SELECT DISTINCT patient_id FROM tabs WHERE in_{tab}) AS people",
    )  # fmt: skip
    return " ".join(text.split())


def _title(column: str, english: bool) -> str:
    """A title in the language of the screen; what has no English words keeps its own."""
    return f"COALESCE(NULLIF({column}_en, ''), {column})" if english else column


def _is_english() -> bool:
    return (get_language() or "").startswith("en")


def narrowing(query: ListQuery, viewer: Viewer) -> Q:
    """The chips above the list, as a condition on tasks."""
    return _narrowed(viewer, **_chips(query))


def _narrowed(
    viewer: Viewer, *, mine: bool, department_id: UUID | None, plan: str | None, risk: str | None,
    discharged_since: datetime | None, discharged_before: datetime | None,
) -> Q:  # fmt: skip
    chosen = Q()
    if mine:
        chosen &= Q(owner=viewer.practitioner_id) | Q(claimed_by=viewer.practitioner_id)
    if department_id:
        chosen &= Q(department_id=department_id)
    if plan:
        chosen &= Q(plan_title=plan)
    if risk:
        chosen &= Q(risk=risk)
    if discharged_since or discharged_before:
        chosen &= Q(encounter_id__in=_discharged(discharged_since, discharged_before))
    return chosen


def _discharged(since: datetime | None, before: datetime | None) -> Any:
    stays = Encounter.objects.unscoped("narrows tasks that are scoped themselves").filter(
        status=Encounter.Status.FINISHED
    )
    if since:
        stays = stays.filter(discharged_at__gte=since)
    if before:
        stays = stays.filter(discharged_at__lt=before)
    return stays.values("pk")


def _row(line: tuple[Any, ...], local: datetime) -> Row:
    """The figures come before the row, what else the same call does after it."""
    steps = line[-1]
    also = tuple((plan, step) for plan, step in steps[1:]) if steps else ()
    return Row._make((*line[_FIGURES:-1], rules.days_overdue(due_at=line[_DUE_AT], at=local), also))


def state_counts(*, viewer: Viewer, at: datetime) -> dict[str, int]:
    """Every item this viewer may see, by state. Their sum is the number of items: the list's invariant, counted."""
    base, params = (
        Task.objects.visible_to(viewer)
        .order_by()
        .values_list("status", "available_at", "snoozed_until", "promised_at")
        .query.sql_with_params()
    )
    sql = f"""
        SELECT CASE
            WHEN status = 'completed' THEN 'done' WHEN status = 'cancelled' THEN 'closed'
            WHEN available_at > %s THEN 'scheduled'
            WHEN GREATEST(snoozed_until, promised_at) > %s THEN 'snoozed' ELSE 'due' END AS state, count(*)
        FROM ({base}) AS items GROUP BY state"""
    with connection.cursor() as cursor:
        cursor.execute(sql, [at, at, *params])
        found = dict(cursor.fetchall())
    return {state: found.get(state, 0) for state in rules.STATES}
