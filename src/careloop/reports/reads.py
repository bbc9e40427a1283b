"""What the dashboards read: the roll-up, the few counts that depend on the clock, and the lists behind the numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.db.models.expressions import RawSQL
from django.utils import timezone

from careloop.accounts.models import Organization, Practitioner
from careloop.alerts.models import Alert
from careloop.kernel.prepared import Asked, ask, prepared, question, together
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Encounter
from careloop.questionnaires.models import Questionnaire, QuestionnaireResponse
from careloop.questionnaires.reads import form_of
from careloop.questionnaires.rules import Form, Item, Words
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

_HERE = "(%(all)s OR department_id = ANY(%(departments)s))"
# On the source tables always by the list, also for the whole hospital: their indexes begin with the department.
_LISTED_HERE = """department_id = ANY(ARRAY(
    SELECT id FROM accounts_organization WHERE %(all)s OR id = ANY(%(departments)s)))"""


def _sums(names: Iterable[str]) -> str:
    return ", ".join(f"sum({name})::bigint" for name in names)


_EACH = ", ".join(rules.STORED)
# The months of a trend as a whole and the last of them by department: the sums, and what was not folded into them yet.
_ROLLUP = f"""
SELECT month, department_id, {_sums(rules.STORED)} FROM (
    SELECT month, department_id, {_EACH} FROM reports_monthrollup WHERE month = %(last)s AND department_id IS NOT NULL AND {_HERE}
    UNION ALL
    SELECT month, department_id, {_EACH} FROM reports_rollup WHERE NOT folded AND month = %(last)s AND {_HERE}
) shown GROUP BY month, department_id
UNION ALL
SELECT month, NULL, {_sums(rules.STORED)} FROM (
    SELECT month, {_EACH} FROM reports_monthrollup WHERE month >= %(first)s AND month < %(last)s
        AND CASE WHEN %(all)s THEN department_id IS NULL ELSE department_id = ANY(%(departments)s) END
    UNION ALL
    SELECT month, {_EACH} FROM reports_rollup WHERE NOT folded AND month >= %(first)s AND month < %(last)s AND {_HERE}
) earlier GROUP BY month
"""
_PEOPLE = f"""
SELECT practitioner_id, {_sums(rules.STORED)} FROM (
    SELECT * FROM reports_rollup WHERE folded AND month = %(last)s AND {_HERE}
    UNION ALL SELECT * FROM reports_rollup WHERE NOT folded AND month = %(last)s AND {_HERE}
) people GROUP BY practitioner_id
"""

# What depends on the clock is counted by a function, whose plan the server keeps (migration 0011). Its values in order.
_CLOCK_VALUES = {
    "all": "boolean", "departments": "uuid[]", "nobody": "uuid", "last": "date", "begin": "timestamptz", "end": "timestamptz",
    "now": "timestamptz", "now_day": "date", "now_slot": "integer", "now_end": "timestamptz", "hours": "timestamptz", "hours_day": "date",
    "hours_slot": "integer", "hours_end": "timestamptz", "weeks": "timestamptz", "weeks_day": "date", "weeks_slot": "integer", "weeks_end": "timestamptz",
    "open_months": "date[]", "waiting_months": "date[]", "window_month": "date", "window_slot": "integer", "window_months": "date[]",
}  # fmt: skip
_BY_CLOCK = (
    f"SELECT * FROM reports_by_clock({', '.join(f'%({name})s::{kind}' for name, kind in _CLOCK_VALUES.items())})"
)
_OPEN_NUMBERS = ("open", "scheduled", "snoozed")
FIRST_HOURS, FIRST_WEEKS = timedelta(hours=72), timedelta(days=14)  # a discharge so young may wait for its contact


def _clock(at: datetime, *, last: date, first: date) -> dict[str, Any]:
    """The instants that are compared with the clock, each with its day, its half hour and the end of that."""
    values: dict[str, Any] = {}
    for name, instant in (("now", at), ("hours", at - FIRST_HOURS), ("weeks", at - FIRST_WEEKS)):
        local = timezone.localtime(instant, timezone.get_default_timezone())
        begun = local.replace(minute=local.minute // 30 * 30, second=0, microsecond=0)
        values |= {
            name: instant, f"{name}_day": local.date(), f"{name}_slot": local.hour * 2 + local.minute // 30,
            f"{name}_end": begun + timedelta(minutes=30),
        }  # fmt: skip
    this = rules.month_of(values["now_day"])
    values["waiting_months"] = list(rules.months_between(rules.month_of(values["weeks_day"]), this))
    window = values["now_day"] - rules.WINDOW
    values |= {
        "window_month": rules.month_of(window), "window_slot": window.day - 1,
        "window_months": list(rules.months_between(rules.month_of(window), max(this, last))),
    }  # fmt: skip
    values["open_months"] = sorted({last, *rules.months_between(max(this, first), last)})
    return values


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


def asked_by_dashboard(
    *, viewer: Viewer, months: Sequence[date], begin: datetime, end: datetime, at: datetime,
    departments: Sequence[UUID] | None = None, adds_up: bool = True,
) -> tuple[Asked[Any], ...]:  # fmt: skip
    """The questions behind `dashboard`."""
    first, last = months[0], months[-1]
    here = _parameters(viewer, departments)
    asked = here | {"first": first, "last": last}
    by_clock = here | {"last": last, "begin": begin, "end": end} | _clock(at, first=first, last=last)
    return (
        question(_ROLLUP, asked), question(_BY_CLOCK, by_clock), *((_newest_check.asked(viewer=viewer),) if adds_up else ()),
    )  # fmt: skip


class Counted(NamedTuple):
    """What came of the months and of the clock, as it came: the same rows make the same figures."""

    months: tuple[date, ...]
    rolled: tuple[tuple[Any, ...], ...]
    by_clock: tuple[tuple[Any, ...], ...]


def counted(
    *, viewer: Viewer, months: Sequence[date], begin: datetime, end: datetime, at: datetime,
    departments: Sequence[UUID] | None = None, adds_up: bool = True, also: Sequence[Asked[Any]] = (),
) -> tuple[Counted, RollupCheck | None, list[list[Any]]]:  # fmt: skip
    """Everything the page counts and the newest check, in one journey with what else the page asks (`also`).

    Without `adds_up` the page does not show whether its numbers were checked, and that is not asked.
    """
    asked = asked_by_dashboard(
        viewer=viewer, months=months, begin=begin, end=end, at=at, departments=departments, adds_up=adds_up
    )
    rolled, by_clock, *others = together(*asked, *also)
    checks = others.pop(0) if adds_up else []
    return Counted(tuple(months), tuple(rolled), tuple(by_clock)), checks[0] if checks else None, others


def dashboard(
    *, viewer: Viewer, months: Sequence[date], begin: datetime, end: datetime, at: datetime,
    departments: Sequence[UUID] | None = None, adds_up: bool = True,
) -> Dashboard:  # fmt: skip
    """The numbers of one page. Departments are told apart for the last of the months only."""
    rows, check, _others = counted(
        viewer=viewer, months=months, begin=begin, end=end, at=at, departments=departments, adds_up=adds_up
    )
    return figures_of(rows, check)


def figures_of(rows: Counted, check: RollupCheck | None = None) -> Dashboard:
    """The rows under their names, added up."""
    months, rolled, by_clock = rows
    last = months[-1]
    groups: Groups = {}
    sums: dict[date, dict[str, int]] = {month: {} for month in months}
    for month, department, *numbers in rolled:
        measures = dict(zip(rules.STORED, numbers, strict=True))
        if month == last:
            groups[month, department] = measures
        else:
            sums[month] = measures
    whole = _added_up(rules.STORED, [row[2:] for row in rolled if row[0] == last])
    sums[last] = dict(whole)
    for month, department, *numbers in by_clock:
        if months[0] <= month <= last:
            _add(sums.setdefault(month, {}), rules.BY_CLOCK, numbers)
        if month == last:
            groups.setdefault((month, department), {}).update(zip(rules.BY_CLOCK, numbers, strict=False))
    first = 2 + len(rules.BY_CLOCK)
    open_ones = _added_up(_OPEN_NUMBERS, [row[first:] for row in by_clock if row[0] == last])
    due = open_ones.pop("open") - open_ones["scheduled"] - open_ones["snoozed"]
    return Dashboard(departments=groups, months=sums, whole=whole, states={**open_ones, "due": due}, check=check)


def _added_up(names: Sequence[str], rows: Sequence[Sequence[int]]) -> dict[str, int]:
    """The sum of each column under its name; zeros without a row."""
    return dict(zip(names, map(sum, zip(*rows, strict=True)) if rows else (0,) * len(names), strict=True))


def _add(total: dict[str, int], names: Iterable[str], numbers: Iterable[int]) -> None:
    for name, number in zip(names, numbers, strict=False):
        total[name] = total.get(name, 0) + number


def by_person(*, viewer: Viewer, month: date, departments: Sequence[UUID] | None = None) -> dict[UUID, dict[str, int]]:
    """All stored measures of one month per person."""
    rows = _rows(_PEOPLE, _parameters(viewer, departments) | {"last": month})
    return {person: dict(zip(rules.STORED, map(int, numbers), strict=True)) for person, *numbers in rows}


_ENDED_DAY = "(({} AT TIME ZONE 'Asia/Shanghai')::date)"  # as the index task_ended counts days; only for finding
_REASONS = f"""
SELECT why, count(*) FROM (
    SELECT coalesce(nullif(last_outcome, ''), 'not-tried') AS why FROM tasks_task
    WHERE status = 'requested' AND kind = 'follow-up' AND due_at >= %(begin)s AND due_at < least(%(end)s, %(at)s)
        AND {_LISTED_HERE}
    UNION ALL
    SELECT coalesce(nullif(last_outcome, ''), 'not-tried') FROM tasks_task
    WHERE status = 'cancelled' AND kind = 'follow-up' AND due_at >= %(begin)s AND due_at < %(end)s
        AND {_ENDED_DAY.format("ended_at")} >= {_ENDED_DAY.format("(%(begin)s - interval '60 days')")}
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


# --- surveys, question by question -----------------------------------------------------------------------------

# The same answers as the measure `surveyed` (migration 0007), found by the index of the few surveys among all responses.
_SURVEYS_HERE = """FROM questionnaires_questionnaireresponse r LEFT JOIN tasks_task t ON t.id = r.task_id
WHERE r.status = 'completed' AND r.scores ? 'satisfaction' AND r.scores -> 'satisfaction' ->> 'value' IS NOT NULL
    AND r.authored_at >= %(begin)s AND r.authored_at < %(end)s
    AND (%(all)s OR coalesce(t.department_id, %(nobody)s) = ANY(%(departments)s))"""
_SURVEY_FORMS = f"SELECT r.questionnaire_id, count(*) {_SURVEYS_HERE} GROUP BY r.questionnaire_id"
_SURVEY_ANSWERS = f"""
SELECT s.questionnaire_id, s.department_id, q.link_id, s.answers -> q.link_id ->> 'value' AS code, count(*)
FROM (SELECT r.questionnaire_id, coalesce(t.department_id, %(nobody)s) AS department_id, r.answers {_SURVEYS_HERE}) s
CROSS JOIN unnest(%(questions)s::text[]) AS q (link_id) WHERE s.answers ? q.link_id GROUP BY 1, 2, 3, 4
"""


@dataclass(frozen=True, slots=True)
class Survey:
    """A form about satisfaction with its questions, over all versions that were answered in the period."""

    url: str
    title: Words
    answered: int
    questions: tuple[rules.Choice, ...]
    labels: Mapping[str, Words]
    answers: Mapping[str, Mapping[str, Words]]
    counts: Mapping[str, Mapping[UUID, Mapping[str, int]]]
    """question → department → answer → how often"""

    def share(self, question: rules.Choice, departments: Iterable[UUID] | None = None) -> rules.Share:
        """What was answered, in all departments or in these."""
        told = self.counts.get(question.code, {})
        here = told.values() if departments is None else [told[one] for one in departments if one in told]
        return rules.share_of(question, here)


def surveys(
    *, viewer: Viewer, begin: datetime, end: datetime, departments: Sequence[UUID] | None = None
) -> list[Survey]:
    """The answers of a period to each question of the forms about satisfaction; the form answered most comes first."""
    parameters = _parameters(viewer, departments) | {"begin": begin, "end": end}
    answered = {form: int(number) for form, number in _rows(_SURVEY_FORMS, parameters)}
    forms = [form for form in Questionnaire.objects.filter(pk__in=answered) if _about_satisfaction(form_of(form))]
    asked = {form.pk: _choices(form_of(form)) for form in forms}
    names = sorted({choice.code for choices in asked.values() for choice in choices})
    rows = _rows(_SURVEY_ANSWERS, parameters | {"questions": names}) if names else []
    grouped: dict[str, list[Questionnaire]] = {}
    for form in sorted(forms, key=lambda one: (one.valid_from, one.version), reverse=True):
        grouped.setdefault(form.url, []).append(form)
    found = [_survey(versions, answered, asked, rows) for versions in grouped.values()]
    return sorted(found, key=lambda one: (-one.answered, one.url))


def _survey(
    versions: Sequence[Questionnaire], answered: Mapping[UUID, int], asked: Mapping[UUID, Sequence[rules.Choice]],
    rows: Iterable[tuple[Any, ...]],
) -> Survey:  # fmt: skip
    """The newest version's words; a question that only an older one asked stands behind them."""
    mine = {form.pk for form in versions}
    counts: dict[str, dict[UUID, dict[str, int]]] = {}
    for form_id, department, link_id, code, number in rows:
        if form_id in mine and code is not None:
            told = counts.setdefault(link_id, {}).setdefault(department, {})
            told[code] = told.get(code, 0) + int(number)
    questions = {choice.code: choice for form in reversed(versions) for choice in asked[form.pk]}
    newest = [choice.code for choice in asked[versions[0].pk]]
    order = [*newest, *(code for code in questions if code not in newest)]
    items = {item.link_id: item for form in reversed(versions) for item in form_of(form).walk()}
    return Survey(
        url=versions[0].url,
        title=form_of(versions[0]).title,
        answered=sum(answered[form] for form in mine),
        questions=tuple(questions[code] for code in order),
        labels={code: items[code].staff for code in order},
        answers={code: {option.code: option.staff for option in items[code].options} for code in order},
        counts=counts,
    )


def _about_satisfaction(form: Form) -> bool:
    return any(score["code"] == "satisfaction" for score in form.scores)


def _choices(form: Form) -> tuple[rules.Choice, ...]:
    """The single choices with points, judged as the form judges its own score: from which points on somebody is satisfied."""
    score = next(score for score in form.scores if score["code"] == "satisfaction")
    good = [
        (Decimal(str(band["from"])), Decimal(str(band["to"]))) for band in score["bands"] if band["code"] == "satisfied"
    ]
    return tuple(
        rules.Choice(
            code=item.link_id,
            points={option.code: option.weight for option in item.options if option.weight is not None},
            good=good,
            is_whole=item.link_id in score["items"],
        )
        for item in form.walk()
        if item.type == "choice" and not item.repeats and len(item.weights()) > 1
    )


@dataclass(frozen=True, slots=True)
class Comment:
    """What somebody wrote, or gave as a picture or recording, beside the choices. Says no name."""

    response_id: UUID
    patient_id: UUID
    when: datetime
    department: str
    form: Words
    texts: tuple[str, ...]
    files: int


def survey_comments(
    *, viewer: Viewer, begin: datetime, end: datetime, departments: Sequence[UUID] | None, limit: int
) -> list[Comment]:
    """The newest remarks of a period, of patients this viewer may see."""
    parameters = _parameters(viewer, departments) | {"begin": begin, "end": end}
    forms = Questionnaire.objects.filter(pk__in=[form for form, _number in _rows(_SURVEY_FORMS, parameters)])
    open_items = {form.pk: [i for i in form_of(form).walk() if i.type in OPEN_ENDED] for form in forms}
    names = sorted({item.link_id for items in open_items.values() for item in items})
    tasks = Task.objects.unscoped("whose department the answer counts for").filter(pk=OuterRef("task_id"))
    rows = (
        QuestionnaireResponse.objects.visible_to(viewer)
        .filter(questionnaire_id__in=open_items, status="completed", authored_at__gte=begin, authored_at__lt=end)
        .filter(scores__has_key="satisfaction", answers__has_any_keys=names)
        .annotate(asked_by=Subquery(tasks.values("department__name")[:1]))
        .annotate(asked_in=Subquery(tasks.values("department_id")[:1]))
        .select_related("questionnaire")
        .order_by("-authored_at", "-pk")
    )
    if departments is not None:
        rows = rows.filter(asked_in__in=list(departments))
    return [_comment(row, open_items[row.questionnaire_id]) for row in rows[:limit]] if names else []


OPEN_ENDED = frozenset({"string", "text", "attachment"})


def _comment(row: Any, items: Sequence[Item]) -> Comment:
    given = [(item, row.values[item.link_id]) for item in items if row.values.get(item.link_id)]
    texts = [str(value) for item, value in given if item.type != "attachment"]
    files = [value if isinstance(value, list) else [value] for item, value in given if item.type == "attachment"]
    return Comment(
        row.pk, row.patient_id, row.authored_at, row.asked_by or "", form_of(row.questionnaire).title, tuple(texts),
        sum(map(len, files)),
    )  # fmt: skip


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


def asked_by_departments(viewer: Viewer) -> Asked[Any]:
    """The question behind `departments`."""
    return _places.asked(viewer=viewer)


def departments(viewer: Viewer, rows: Sequence[Any] | None = None) -> tuple[Department, ...]:
    """The departments this viewer may see numbers of; a ward counts in its department. `rows`: what was asked already."""
    rows = _places(viewer=viewer) if rows is None else rows
    return _gathered(tuple(rows), None if viewer.everything or viewer.hospital_wide else viewer.departments)


@lru_cache(maxsize=200)
def _gathered(rows: tuple[tuple[Any, ...], ...], allowed: frozenset[UUID] | None) -> tuple[Department, ...]:
    """These places as departments; all of them, or those that are allowed."""
    organizations = [_Place(*row) for row in rows]
    heads = {one.path: one for one in organizations if one.kind == Organization.Kind.DEPARTMENT}
    visible = [one for one in organizations if allowed is None or one.pk in allowed]
    gathered: dict[UUID, list[UUID]] = {}
    named = {one.pk: one for one in organizations}
    for one in visible:
        gathered.setdefault(_head(one, heads).pk, []).append(one.pk)
    departments_first = sorted(gathered.items(), key=lambda item: named[item[0]].kind != Organization.Kind.DEPARTMENT)
    return tuple(
        Department(id=pk, name=named[pk].name, name_en=named[pk].name_en, members=tuple(members))
        for pk, members in departments_first
    )


def _head(place: _Place, heads: Mapping[str, _Place]) -> _Place:
    """The nearest department above or itself; the place itself where there is none."""
    path = place.path
    while path and path not in heads:
        path = path[: path.rfind("/", 0, -1) + 1]
    return heads.get(path, place)


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
    **dict.fromkeys(rules.OF_READMISSIONS, ("discharge", "reports_readmission_counts")),
    **dict.fromkeys(rules.OF_SURVEYS, ("survey", "reports_survey_counts")),
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
    if "stays_open" in without:  # the whole day on which the thirty days began
        running = timezone.localtime(at, timezone.get_default_timezone()).date() - rules.WINDOW
        rows = rows.exclude(discharged_at__gte=timezone.make_aware(datetime(running.year, running.month, running.day)))
    return _discharge_line, rows.order_by("-discharged_at", "-pk")


def _discharge_line(row: Encounter) -> Line:
    department = row.department.name if row.department else row.department_text
    return Line(
        row.pk, row.patient_id, row.patient.name, department, row.discharged_at or row.created_at, "", row.disposition
    )


def _surveys(ids: RawSQL, viewer: Viewer, without: frozenset[str], at: datetime) -> Listing:
    rows = (
        QuestionnaireResponse.objects.visible_to(viewer).filter(pk__in=ids).select_related("patient", "questionnaire")
    )
    tasks = Task.objects.unscoped("whose department the answer counts for").filter(pk=OuterRef("task_id"))
    asked_by = Subquery(tasks.values("department__name")[:1])
    return _survey_line, rows.annotate(asked_by=asked_by).order_by("-authored_at", "-pk")


def _survey_line(row: Any) -> Line:
    band = (row.scores.get("satisfaction") or {}).get("band", "")
    return Line(
        row.pk, row.patient_id, row.patient.name, row.asked_by or "", row.authored_at, row.questionnaire.title, band
    )


_LISTS = {"survey": _surveys, "task": _tasks, "attempt": _attempts, "alert": _alerts, "discharge": _discharges}


def _line(row: Task | Alert, when: datetime, what: str, code: str) -> Line:
    return Line(row.pk, row.patient_id, row.patient.name, row.department.name, when, what, code)
