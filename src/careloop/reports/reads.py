"""What the dashboards read: the roll-up, the few counts that depend on the clock, and the lists behind the numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.expressions import RawSQL

from careloop.accounts.models import Organization, Practitioner
from careloop.alerts.models import Alert
from careloop.kernel.prepared import ask, prepared, question, together
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Encounter
from careloop.reports import rules
from careloop.reports.models import FirstContact, RollupCheck
from careloop.tasks.models import ContactAttempt, Task

CONTENT = Path(__file__).parent / "content"
NOBODY = UUID(int=0)

Key = tuple[date, UUID]
Groups = dict[Key, dict[str, int]]


@cache
def definitions() -> rules.Definitions:
    """The indicators in force."""
    return rules.parse_definitions((CONTENT / "indicators.json").read_text(encoding="utf-8"))


# --- numbers ---------------------------------------------------------------------------------------------------

_SUMS = ", ".join(f"sum({name})::bigint" for name in rules.STORED)
_HERE = "(%(all)s OR department_id = ANY(%(departments)s))"
# On the source tables always by the list, also for the whole hospital: their indexes begin with the department.
_LISTED_HERE = """department_id = ANY(ARRAY(
    SELECT id FROM accounts_organization WHERE %(all)s OR id = ANY(%(departments)s)))"""

# Departments of the shown month, earlier months as a whole.
_ROLLUP = f"""
SELECT month, CASE WHEN month = %(last)s THEN department_id END, {_SUMS} FROM reports_rollup
WHERE month BETWEEN %(first)s AND %(last)s AND {_HERE} GROUP BY 1, 2
"""
_HOSPITAL = f"SELECT {_SUMS} FROM reports_rollup WHERE month = %(last)s AND {_HERE}"
_PEOPLE = f"""
SELECT practitioner_id, {_SUMS} FROM reports_rollup WHERE month = %(last)s AND {_HERE} GROUP BY practitioner_id
"""

# What depends on the clock. Each looks only at rows that are still open or very recent.
_MONTH = "date_trunc('month', {} AT TIME ZONE 'Asia/Shanghai')::date"
_BY_CLOCK = f"""
SELECT {_MONTH.format("due_at")}, department_id, count(*), 0, 0, 0 FROM tasks_task
WHERE status = 'requested' AND kind = 'follow-up' AND due_at > %(at)s AND due_at < %(end)s AND {_LISTED_HERE}
    GROUP BY 1, 2
UNION ALL
SELECT {_MONTH.format("raised_at")}, department_id, 0, count(*), 0, 0 FROM alerts_alert
WHERE status <> 'closed' AND close_by > %(at)s AND {_LISTED_HERE} GROUP BY 1, 2
UNION ALL
SELECT {_MONTH.format("e.discharged_at")}, coalesce(department_id, %(nobody)s), 0, 0,
    count(*) FILTER (WHERE e.discharged_at > %(at)s - interval '72 hours'), count(*)
FROM patients_encounter e LEFT JOIN reports_firstcontact f ON f.encounter_id = e.id
WHERE e.status = 'finished' AND e.class_code IN ('IMP', 'SS') AND e.discharged_at > %(at)s - interval '14 days'
    AND e.discharged_at <= %(at)s AND f.encounter_id IS NULL AND NOT reports_excluded_disposition(e.disposition)
    AND ({_LISTED_HERE} OR %(all)s AND department_id IS NULL) GROUP BY 1, 2
"""


def _parameters(viewer: Viewer, departments: Sequence[UUID] | None) -> dict[str, Any]:
    """What this viewer may count: everything, or the own departments, narrowed to those asked for."""
    all_of_it = viewer.everything or viewer.hospital_wide
    allowed = None if all_of_it else set(viewer.departments)
    if departments is not None:
        allowed = set(departments) if allowed is None else allowed & set(departments)
    return {"all": allowed is None, "departments": sorted(allowed or (), key=str), "nobody": NOBODY}


def _rows(sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    return ask(sql, parameters)


@dataclass(frozen=True, slots=True)
class Dashboard:
    """The numbers of one page: thirteen months, the sum of the shown one without grouping, its open states, the check."""

    departments: Groups
    months: dict[date, dict[str, int]]
    whole: dict[str, int]
    states: dict[str, int]
    check: RollupCheck | None


def dashboard(
    *, viewer: Viewer, months: Sequence[date], begin: datetime, end: datetime, at: datetime,
    departments: Sequence[UUID] | None = None, adds_up: bool = True,
) -> Dashboard:  # fmt: skip
    """Everything the page counts, in one journey. Departments are told apart for the last of the months only.

    Without `adds_up` the page shows no identities, and what they are checked against is not counted.
    """
    first, last = months[0], months[-1]
    here = _parameters(viewer, departments)
    asked = here | {"first": first, "last": last, "at": at, "end": end, "begin": begin}
    other_side = (question(_HOSPITAL, asked), question(_STATES, asked), _newest_check.asked(viewer=viewer))
    rolled, by_clock, *others = together(
        question(_ROLLUP, asked),
        question(_BY_CLOCK, asked | {"end": rules.add_months(last, 1)}),
        *(other_side if adds_up else ()),
    )
    whole_of_it, states, checks = others or ([()], [()], [])
    groups: Groups = {}
    sums: dict[date, dict[str, int]] = {month: {} for month in months}
    for names, rows in ((rules.STORED, rolled), (rules.BY_CLOCK, by_clock)):
        for month, department, *numbers in rows:
            if first <= month <= last:
                _add(sums.setdefault(month, {}), names, numbers)
                if month == last:
                    _add(groups.setdefault((month, department), {}), names, numbers)
    return Dashboard(
        departments=groups, months=sums, whole=_measures(whole_of_it[0]),
        states=dict(zip(_OPEN_STATES, map(int, states[0]), strict=adds_up)), check=checks[0] if checks else None,
    )  # fmt: skip


def _add(total: dict[str, int], names: Iterable[str], numbers: Iterable[int]) -> None:
    for name, number in zip(names, numbers, strict=True):
        total[name] = total.get(name, 0) + int(number)


def _measures(row: Sequence[Any]) -> dict[str, int]:
    return {name: int(number or 0) for name, number in zip(rules.STORED, row, strict=bool(row))}


def by_person(*, viewer: Viewer, month: date, departments: Sequence[UUID] | None = None) -> dict[UUID, dict[str, int]]:
    """All stored measures of one month per person."""
    rows = _rows(_PEOPLE, _parameters(viewer, departments) | {"last": month})
    return {person: dict(zip(rules.STORED, map(int, numbers), strict=True)) for person, *numbers in rows}


_OPEN_STATES = ("scheduled", "snoozed", "due")
_STATES = f"""
SELECT count(*) FILTER (WHERE available_at > %(at)s),
    count(*) FILTER (WHERE available_at <= %(at)s AND greatest(snoozed_until, promised_at) > %(at)s),
    count(*) FILTER (WHERE available_at <= %(at)s AND NOT coalesce(greatest(snoozed_until, promised_at) > %(at)s, false))
FROM tasks_task
WHERE status = 'requested' AND kind = 'follow-up' AND due_at >= %(begin)s AND due_at < %(end)s AND {_LISTED_HERE}
"""


_REASONS = f"""
SELECT why, count(*) FROM (
    SELECT coalesce(nullif(last_outcome, ''), 'not-tried') AS why FROM tasks_task
    WHERE status = 'requested' AND kind = 'follow-up' AND due_at >= %(begin)s AND due_at < least(%(end)s, %(at)s)
        AND {_LISTED_HERE}
    UNION ALL
    SELECT coalesce(nullif(last_outcome, ''), 'not-tried') FROM tasks_task
    WHERE status = 'cancelled' AND kind = 'follow-up' AND due_at >= %(begin)s AND due_at < %(end)s
        AND ended_at >= %(begin)s - interval '60 days' AND {_LISTED_HERE}
        AND NOT reports_contact_made(outcome) AND NOT reports_excluded_reason(closed_reason)
) missing GROUP BY why ORDER BY count(*) DESC, why
"""


def reasons_not_followed(
    *, viewer: Viewer, begin: datetime, end: datetime, at: datetime, departments: Sequence[UUID] | None = None
) -> list[tuple[str, int]]:
    """Why follow-ups that were due were not made: the last result of each, the commonest first."""
    parameters = _parameters(viewer, departments) | {"at": at, "begin": begin, "end": end}
    return [(str(why), int(number)) for why, number in _rows(_REASONS, parameters)]


_REASONS_LOST = f"""
SELECT outcome, count(*) FROM tasks_task
WHERE status = 'cancelled' AND kind = 'follow-up' AND reports_lost(outcome)
    AND due_at >= %(begin)s AND due_at < %(end)s AND {_LISTED_HERE}
GROUP BY outcome ORDER BY count(*) DESC, outcome
"""


def reasons_lost(
    *, viewer: Viewer, begin: datetime, end: datetime, departments: Sequence[UUID] | None = None
) -> list[tuple[str, int]]:
    """Why the lost of a month are lost, counted from the follow-ups themselves; the sum is the measure `lost`."""
    parameters = _parameters(viewer, departments) | {"begin": begin, "end": end}
    return [(str(why), int(number)) for why, number in _rows(_REASONS_LOST, parameters)]


@prepared
def _newest_check(viewer: Viewer) -> QuerySet[RollupCheck]:
    """The newest nightly comparison of the roll-up with a recount."""
    return RollupCheck.objects.order_by("-at", "-id")[:1]


# --- public health ---------------------------------------------------------------------------------------------

_P_SUMS = ", ".join(f"sum({name})::bigint" for name in rules.PROGRAMME)
# Opinions stand in the year 0: they are counted since the beginning.
_PROGRAMMES = f"""
SELECT programme, {_P_SUMS} FROM reports_programmerollup
WHERE year IN (0, %(year)s) AND since <= %(day)s AND until >= %(day)s AND {_HERE} GROUP BY programme
"""


def below(department: str) -> list[UUID] | None:
    """The department and its wards; None for everything. What is no department has nobody."""
    if not department:
        return None
    try:
        head = Organization.objects.filter(pk=UUID(department)).first()
    except ValueError:
        head = None
    return list(Organization.objects.filter(path__startswith=head.path).values_list("pk", flat=True)) if head else []


def programmes(*, viewer: Viewer, day: date, departments: Sequence[UUID] | None = None) -> dict[str, dict[str, int]]:
    """What the indicators of every programme count in the year up to this day, from the roll-up."""
    rows = _rows(_PROGRAMMES, _parameters(viewer, departments) | {"year": day.year, "day": day})
    return {
        str(code): rules.programme_measures(dict(zip(rules.PROGRAMME, map(int, numbers), strict=True)))
        for code, *numbers in rows
    }


# --- departments and people ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Department:
    """A department with everything below it (wards, clinics)."""

    id: UUID
    name: str
    name_en: str
    members: tuple[UUID, ...]

    def label(self, language: str) -> str:
        """The name in this language, if there is one."""
        return self.name_en if language.startswith("en") and self.name_en else self.name


class _Place(NamedTuple):
    pk: UUID
    name: str
    name_en: str
    kind: str
    path: str


@prepared
def _places(viewer: Viewer) -> QuerySet[Organization, Any]:
    return Organization.objects.order_by("path", "pk").values_list(*_Place._fields)


def departments(viewer: Viewer) -> tuple[Department, ...]:
    """The departments this viewer may see numbers of; a ward counts in its department."""
    organizations = [_Place(*row) for row in _places(viewer=viewer)]
    heads = [one for one in organizations if one.kind == Organization.Kind.DEPARTMENT]
    wide = viewer.everything or viewer.hospital_wide
    visible = [one for one in organizations if wide or one.pk in viewer.departments]
    gathered: dict[UUID, list[UUID]] = {}
    named = {one.pk: one for one in organizations}
    for one in visible:
        head = max((h for h in heads if one.path.startswith(h.path)), key=lambda h: len(h.path), default=one)
        gathered.setdefault(head.pk, []).append(one.pk)
    departments_first = sorted(gathered.items(), key=lambda item: named[item[0]].kind != Organization.Kind.DEPARTMENT)
    return tuple(
        Department(id=pk, name=named[pk].name, name_en=named[pk].name_en, members=tuple(members))
        for pk, members in departments_first
    )


def names_of(people: Iterable[UUID]) -> dict[UUID, str]:
    """Names of staff."""
    return dict(Practitioner.objects.filter(pk__in=list(people)).values_list("pk", "name"))


# --- the lists behind the numbers ------------------------------------------------------------------------------

# measure → (what is listed, the view whose rows are counted)
_LISTED = {
    **dict.fromkeys(rules.OF_TASKS, ("task", "reports_task_counts")),
    **dict.fromkeys(rules.OF_CALLS, ("attempt", "reports_attempt_counts")),
    **dict.fromkeys(rules.OF_ALERTS, ("alert", "reports_alert_counts")),
    **dict.fromkeys(rules.OF_DISCHARGES, ("discharge", "reports_discharge_counts")),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a list behind a number."""

    row_id: UUID
    patient_id: UUID
    patient_name: str
    department: str
    when: datetime
    what: str
    code: str


def listed(
    measure: str,
    *,
    without: Sequence[str],
    viewer: Viewer,
    month: date,
    departments: Sequence[UUID] | None,
    practitioner_id: UUID | None,
    at: datetime,
    limit: int,
) -> tuple[list[Line], int]:
    """The rows that make up a measure, in the viewer's scope, and how many there are. `without`: measures left out."""
    kind, view = _LISTED[measure]
    parameters = _parameters(viewer, departments)
    where = f"month = %s AND {measure} > 0" + "".join(f" AND {name} = 0" for name in without if name in _LISTED)
    values: list[Any] = [month]
    if not parameters["all"]:
        where += " AND department_id = ANY(%s)"
        values.append(parameters["departments"])
    if practitioner_id is not None:
        where += " AND practitioner_id = %s"
        values.append(practitioner_id)
    ids = RawSQL(f"SELECT source_id FROM {view} WHERE {where}", values)
    lines, rows = _LISTS[kind](ids, viewer, frozenset(without), at)
    return [lines(row) for row in rows[:limit]], rows.count()


Listing = tuple[Callable[[Any], Line], QuerySet[Any]]


def _tasks(ids: RawSQL, viewer: Viewer, without: frozenset[str], at: datetime) -> Listing:
    rows = Task.objects.visible_to(viewer).filter(pk__in=ids).select_related("patient", "department")
    if "not_yet_due" in without:
        rows = rows.exclude(status=Task.Status.REQUESTED, due_at__gt=at)
    return _task_line, rows.order_by("-due_at", "-pk")


def _task_line(row: Task) -> Line:
    code = row.outcome or row.closed_reason or row.last_outcome or row.status
    return _line(row, row.due_at, row.step_words or row.plan_words, code)


def _attempts(ids: RawSQL, viewer: Viewer, without: frozenset[str], at: datetime) -> Listing:
    rows = ContactAttempt.objects.visible_to(viewer).filter(pk__in=ids).select_related("patient", "task__department")
    return _attempt_line, rows.order_by("-started_at", "-pk")


def _attempt_line(row: ContactAttempt) -> Line:
    return Line(row.pk, row.patient_id, row.patient.name, row.task.department.name, row.started_at, "", row.outcome)


def _alerts(ids: RawSQL, viewer: Viewer, without: frozenset[str], at: datetime) -> Listing:
    rows = Alert.objects.visible_to(viewer).filter(pk__in=ids).select_related("patient", "department")
    if "alerts_waiting" in without:
        rows = rows.exclude(closed_at__isnull=True, close_by__gt=at)
    return _alert_line, rows.order_by("-raised_at", "-pk")


def _alert_line(row: Alert) -> Line:
    return _line(row, row.raised_at, row.sentence_zh, row.closing_code or row.status)


def _discharges(ids: RawSQL, viewer: Viewer, without: frozenset[str], at: datetime) -> Listing:
    rows = Encounter.objects.visible_to(viewer).filter(pk__in=ids).select_related("patient", "department")
    for name, waiting in (("discharges_waiting", timedelta(hours=72)), ("discharges_waiting_14d", timedelta(days=14))):
        if name in without:
            contacted = FirstContact.objects.filter(encounter_id=OuterRef("pk"))
            rows = rows.exclude(~Exists(contacted), discharged_at__gt=at - waiting)
    return _discharge_line, rows.order_by("-discharged_at", "-pk")


def _discharge_line(row: Encounter) -> Line:
    department = row.department.name if row.department else row.department_text
    return Line(
        row.pk, row.patient_id, row.patient.name, department, row.discharged_at or row.created_at, "", row.disposition
    )


_LISTS = {"task": _tasks, "attempt": _attempts, "alert": _alerts, "discharge": _discharges}


def _line(row: Task | Alert, when: datetime, what: str, code: str) -> Line:
    return Line(row.pk, row.patient_id, row.patient.name, row.department.name, when, what, code)
