"""The nurse's list: one statement gives the rows of a tab and the exact counts of all tabs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal
from uuid import UUID

from django.db import connection
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import get_language

from careloop.kernel.prepared import Asked, ask, prepared
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the list."""

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


# base: what this viewer may see and the chips leave (compiled from the ORM, so the scope cannot be forgotten);
# told: to which tabs each row belongs; page: the rows of the tab. Joins happen for the rows shown, never for all.
_LIST = """
WITH base AS MATERIALIZED ({base}),
told AS MATERIALIZED (
    SELECT base.*,
        status = 'requested' AND (promised_at IS NULL OR promised_at <= %(soon)s)
            AND (snoozed_until IS NULL OR snoozed_until <= %(at)s) AS is_due,
        CASE WHEN promised_at <= %(soon)s THEN 0 WHEN priority >= %(first)s THEN 1 ELSE 2 END AS section
    FROM base
),
tabs AS MATERIALIZED (
    SELECT told.*,
        is_due AS in_todo,
        is_due AND due_at < %(today)s AS in_overdue,
        status = 'requested' AND promised_at < %(tomorrow)s AS in_promised,
        status = 'requested' AND last_outcome = ANY(%(unreached)s) AS in_unreached,
        status = 'requested' AND self_report <> '' AS in_abnormal,
        status = 'completed' AS in_done
    FROM told
),
counts AS (
    SELECT count(*) FILTER (WHERE in_todo), count(*) FILTER (WHERE in_overdue), count(*) FILTER (WHERE in_promised),
        count(*) FILTER (WHERE in_unreached), count(*) FILTER (WHERE in_abnormal), count(*) FILTER (WHERE in_done),
        count(*) FILTER (WHERE status = 'requested' AND NOT is_due),
        count(DISTINCT patient_id) FILTER (WHERE in_{tab}),
        count(*) FILTER (WHERE in_done AND outcome = 'answered-online'),
        count(*) FILTER (WHERE message_state IN ('sent', 'opened') OR (in_done AND outcome = 'answered-online'))
    FROM tabs
),
{merging}
page AS (
    SELECT tabs.*, row_number() OVER (ORDER BY {order}) AS place
    FROM {rows} AS tabs WHERE in_{tab} ORDER BY {order} LIMIT %(limit)s OFFSET %(offset)s
)
SELECT counts.*, page.id, page.patient_id, p.name, p.sex, p.birth_date, page.risk, page.self_report, d.name,
    page.diagnosis_text, {plan}, {step}, page.kind, page.due_at, page.promised_at,
    page.snoozed_until, page.attempts, page.last_outcome, page.message_state, page.priority, page.status,
    page.outcome, page.ended_at,
    CASE WHEN page.claimed_until > %(at)s THEN page.claimed_by_id END, COALESCE(doctor.name, ''), before.ended_at,
    reach.best_hour, page.section, {also}
FROM counts
LEFT JOIN page ON true
LEFT JOIN patients_patient p ON p.id = page.patient_id
LEFT JOIN accounts_organization d ON d.id = page.department_id
LEFT JOIN patients_encounter e ON e.id = page.encounter_id
LEFT JOIN accounts_practitioner doctor ON doctor.id = e.attending_id
LEFT JOIN LATERAL (
    SELECT t.ended_at FROM tasks_task t
    WHERE t.patient_id = page.patient_id AND t.status = 'completed' AND t.kind = 'follow-up' AND t.id <> page.id
    ORDER BY t.due_at DESC LIMIT 1
) before ON true
LEFT JOIN LATERAL (
    SELECT c.best_hour FROM patients_contactpoint c
    WHERE c.patient_id = page.patient_id AND c.active AND c.best_hour IS NOT NULL
    ORDER BY c.last_result_at DESC NULLS LAST LIMIT 1
) reach ON true
ORDER BY page.place
"""

# Of each patient the first row stands for all; `also` lists the steps of the same call in the list's own order.
_MERGING = """
ranked AS (
    SELECT * FROM (
        SELECT tabs.*, row_number() OVER (PARTITION BY patient_id ORDER BY {order}) AS nth FROM tabs WHERE in_{tab}
    ) AS numbered WHERE nth = 1
),
calls AS (
    SELECT patient_id AS whose, array_agg(ARRAY[{plan}::text, {step}::text] ORDER BY {order}) AS steps
    FROM tabs WHERE in_{tab} GROUP BY patient_id HAVING count(*) > 1
),"""
_STEPS = "(SELECT calls.steps FROM calls WHERE calls.whose = page.patient_id)"

_COLUMNS = (
    "id", "patient_id", "department_id", "encounter_id", "risk", "self_report", "diagnosis_text", "plan_title",
    "step_title", "kind", "due_at", "promised_at", "snoozed_until", "attempts", "last_outcome", "message_state",
    "priority", "status", "outcome", "ended_at", "claimed_by_id", "claimed_until",
)  # fmt: skip
_ORDERS: dict[str, str] = {
    "done": "ended_at DESC, id",
    "promised": "promised_at, priority DESC, id",
    "overdue": "due_at, priority DESC, id",
}
_FIGURES = 10  # how many columns of `counts` come before the row
_BY_PRIORITY = "section, CASE WHEN section = 0 THEN promised_at END, priority DESC, due_at, id"
UNREACHED = sorted(
    code for code, outcome in rules.OUTCOMES.items() if outcome.effect == "retry" and code != "reached-uninformed"
)


def work_list(query: ListQuery, *, viewer: Viewer, at: datetime) -> WorkList:
    """The rows of one tab and the counts of all, as this viewer may see them, in one statement."""
    local = timezone.localtime(at)
    base = _base(query, viewer, at)
    parts = tuple(part.sql for part in base if part.sql)
    sql = _sql(parts, query.tab, merging=query.merged, english=_is_english())
    found = ask(sql, _params(query, at) | base[0].params | base[1].params)
    rows = [_row(line[_FIGURES:], local) for line in found if line[_FIGURES] is not None]
    return WorkList(counts=Counts(*found[0][:_FIGURES]), rows=rows[: query.limit], more=len(rows) > query.limit)


def _params(query: ListQuery, at: datetime) -> dict[str, Any]:
    local = timezone.localtime(at)
    today = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        "at": at, "soon": at + SOON, "today": today, "tomorrow": today + timedelta(days=1),
        "first": rules.shipped_weights().limits["first-section-from"], "unreached": UNREACHED,
        "limit": query.limit + 1, "offset": query.offset,
    }  # fmt: skip


def _base(query: ListQuery, viewer: Viewer, at: datetime) -> tuple[Asked[Any], Asked[Any]]:
    """Open tasks whose window is open, and what was done today. Two index ranges, one scope."""
    today = timezone.localtime(at).replace(hour=0, minute=0, second=0, microsecond=0)
    chips: dict[str, Any] = {
        "mine": query.mine, "department_id": query.department_id, "plan": query.plan or None, "risk": query.risk or None,
        "discharged_from": query.discharged_from, "discharged_to": query.discharged_to, "english": _is_english(),
    }  # fmt: skip
    return _waiting.asked(viewer=viewer, at=at, **chips), _done.asked(
        viewer=viewer, since=today, until=today + timedelta(days=1), **chips
    )


@prepared
def _waiting(viewer: Viewer, at: datetime, english: bool, **chips: Any) -> Any:
    listed = _listed(viewer, chips).filter(status=Task.Status.REQUESTED, available_at__lte=at)
    return listed.values_list(*_columns(english))


@prepared
def _done(viewer: Viewer, since: datetime, until: datetime, english: bool, **chips: Any) -> Any:
    """A day has two ends: told so, the server knows that it is little, whatever the day, and keeps its plan."""
    listed = _listed(viewer, chips).filter(status=Task.Status.COMPLETED, ended_at__gte=since, ended_at__lt=until)
    return listed.values_list(*_columns(english))


def _columns(english: bool) -> tuple[str, ...]:
    return (*_COLUMNS, "plan_title_en", "step_title_en") if english else _COLUMNS


def _listed(viewer: Viewer, chips: dict[str, Any]) -> TaskQuerySet:
    query = ListQuery(**{**chips, "plan": chips["plan"] or "", "risk": chips["risk"] or ""})
    return Task.objects.visible_to(viewer).filter(narrowing(query, viewer), kind__in=QUEUE_KINDS).order_by()


@lru_cache(maxsize=256)
def _sql(base: tuple[str, ...], tab: Tab, *, merging: bool, english: bool) -> str:
    """The whole statement for one shape of the base; built once. Without a base the viewer may see no task at all."""
    parts = base or (f"SELECT {', '.join(_columns(english))} FROM tasks_task WHERE false",)
    order = _ORDERS.get(tab, _BY_PRIORITY)
    merged = merging and tab != "done"
    text = _LIST.format(
        base=" UNION ALL ".join(f"({part})" for part in parts), tab=tab, order=order, rows="ranked" if merged else "tabs",
        merging=_merging(tab, order, english) if merged else "", also=_STEPS if merged else "NULL::text[][]",
        plan=_title("page.plan_title", english), step=_title("page.step_title", english),
    )  # fmt: skip
    return " ".join(text.split())


def _merging(tab: str, order: str, english: bool) -> str:
    plan, step = _title("plan_title", english), _title("step_title", english)
    return _MERGING.format(order=order, tab=tab, plan=plan, step=step)


def _title(column: str, english: bool) -> str:
    """A title in the language of the screen; what has no English words keeps its own."""
    return f"COALESCE(NULLIF({column}_en, ''), {column})" if english else column


def _is_english() -> bool:
    return (get_language() or "").startswith("en")


def narrowing(query: ListQuery, viewer: Viewer) -> Q:
    """The chips above the list, as a condition on tasks."""
    chosen = Q()
    if query.mine:
        chosen &= Q(owner=viewer.practitioner_id) | Q(claimed_by=viewer.practitioner_id)
    if query.department_id:
        chosen &= Q(department_id=query.department_id)
    if query.plan:
        chosen &= Q(plan_title=query.plan)
    if query.risk:
        chosen &= Q(risk=query.risk)
    if query.discharged_from or query.discharged_to:
        chosen &= Q(encounter_id__in=_discharged(query))
    return chosen


def _discharged(query: ListQuery) -> Any:
    stays = Encounter.objects.unscoped("narrows tasks that are scoped themselves").filter(
        status=Encounter.Status.FINISHED
    )
    if query.discharged_from:
        stays = stays.filter(discharged_at__date__gte=query.discharged_from)
    if query.discharged_to:
        stays = stays.filter(discharged_at__date__lte=query.discharged_to)
    return stays.values("pk")


def _row(line: tuple[Any, ...], local: datetime) -> Row:
    (
        task_id, patient_id, name, sex, birth_date, risk, self_report, department, diagnosis, plan, step, kind, due_at,
        promised_at, snoozed_until, attempts, last_outcome, message_state, priority, status, outcome, ended_at,
        claimed_by, doctor, last_done_at, best_hour, section, steps,
    ) = line  # fmt: skip
    return Row(
        task_id=task_id, patient_id=patient_id, name=name, sex=sex, birth_date=birth_date, risk=risk,
        self_report=self_report, department=department, diagnosis=diagnosis, plan=plan, step=step, kind=kind,
        due_at=due_at, promised_at=promised_at, snoozed_until=snoozed_until, attempts=attempts,
        last_outcome=last_outcome, message_state=message_state, priority=priority, status=status, outcome=outcome,
        ended_at=ended_at, claimed_by=claimed_by, doctor=doctor, last_done_at=last_done_at, best_hour=best_hour,
        section=section, also=tuple((plan, step) for plan, step in steps[1:]) if steps else (), late_days=rules.days_overdue(due_at=due_at, at=local),
    )  # fmt: skip


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
