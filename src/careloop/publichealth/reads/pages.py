"""What the pages show: the list of a programme, one patient's programme, the paper form, why a task is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from careloop.kernel import svg
from careloop.kernel.viewer import Viewer
from careloop.publichealth import rules
from careloop.publichealth.models import EpisodeOfCare, ProgrammeClock, ProgrammeVisit
from careloop.publichealth.reads import packs
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.questionnaires.reads import display_value, form_of
from careloop.questionnaires.rules import Form, Item, Words
from careloop.questionnaires.rules.logic import number
from careloop.tasks.models import Task

SOON = timedelta(days=7)
STATES = ("all", "overdue", "due", "out", "unknown", "urgent", "ended")
ON_PAPER = 4  # visits on one sheet of the national form


def say(words: Words | Mapping[str, str] | None) -> str:
    """In the language of the request."""
    if words is None:
        return ""
    both = words if isinstance(words, Words) else Words(words.get("zh", ""), words.get("en", ""))
    return both.say(get_language() or "zh-hans")


def _narrowed(state: str, today: date) -> Q:
    active = Q(status=EpisodeOfCare.Status.ACTIVE)
    return {
        "all": active,
        "overdue": active & Q(next_due_on__lt=today),
        "due": active & Q(next_due_on__gte=today, next_due_on__lte=today + SOON),
        "out": active & Q(control=EpisodeOfCare.Control.OUT),
        "unknown": active & Q(control__in=[EpisodeOfCare.Control.UNKNOWN, EpisodeOfCare.Control.NONE]),
        "urgent": active & Q(is_urgent=True),
        "ended": Q(status=EpisodeOfCare.Status.FINISHED),
    }[state]


def counts(viewer: Viewer, *, today: date) -> dict[str, dict[str, int]]:
    """How many patients are in each state, by programme: one statement for the whole page."""
    wanted = {state: Count("pk", filter=_narrowed(state, today)) for state in STATES}
    rows = EpisodeOfCare.objects.visible_to(viewer).values("programme").annotate(**wanted).order_by("programme")
    found: list[Any] = list(rows)  # the states are chosen at run time, so their columns have no type
    return {row["programme"]: {state: row[state] for state in STATES} for row in found}


def episodes(viewer: Viewer, *, programme: str, state: str, today: date) -> QuerySet[EpisodeOfCare]:
    """The patients of a programme in a state, who is due first stands first."""
    found = EpisodeOfCare.objects.visible_to(viewer).filter(_narrowed(state, today), programme=programme)
    return found.select_related("patient", "department", "doctor").order_by(F("next_due_on").asc(nulls_last=True), "pk")


@dataclass(frozen=True, slots=True)
class VisitLine:
    """One visit as shown."""

    visit: ProgrammeVisit
    title: str
    because: str
    missing: str
    values: Mapping[str, Any]
    author: str
    form: Form


@dataclass(frozen=True, slots=True)
class PairLine:
    """Now and target, and what was now and target the time before."""

    title: str
    unit: str
    now: str
    target: str
    before: str
    met: bool | None


@dataclass(frozen=True, slots=True)
class TrendLine:
    """One value over time."""

    title: str
    chart: svg.LineChart
    limit: float


def visit_lines(episode: EpisodeOfCare, viewer: Viewer) -> list[VisitLine]:
    """Every visit, the newest first, with its class explained."""
    rows = ProgrammeVisit.objects.visible_to(viewer).filter(episode=episode)
    found = rows.select_related("response__questionnaire", "response__author").order_by("-visited_at", "-pk")
    return [_visit_line(visit) for visit in found[:200]]


def _visit_line(visit: ProgrammeVisit) -> VisitLine:
    form = form_of(visit.response.questionnaire)
    named = [say(form.item(name).staff) for name in visit.missing if name in form.index]
    return VisitLine(
        visit=visit,
        title=say(visit.class_title),
        because=say(visit.reason),
        missing=_(", ").join(named),
        values=visit.response.values | {f"derived:{code}": value for code, value in visit.derived.items()},
        author=visit.response.author.name if visit.response.author else "",
        form=form,
    )


def pair_lines(programme: rules.Programme, visits: Sequence[VisitLine]) -> list[PairLine]:
    """The values agreed for the next visit beside what they are now; nothing where nothing was written."""
    current = [line for line in visits if line.visit.status == ProgrammeVisit.Status.CURRENT]
    if not current:
        return []
    newest, older = current[0], current[1] if len(current) > 1 else None
    found = []
    for pair in programme.pairs:
        now, target = newest.values.get(pair.now), newest.values.get(pair.target)
        if now is None and target is None:
            continue
        agreed = older.values.get(pair.target) if older else None
        found.append(
            PairLine(
                say(pair.title), pair.unit, _shown(newest.form, pair.now, now), _shown(newest.form, pair.target, target),
                _shown(older.form, pair.target, agreed) if older else "", _met(now, agreed),
            )
        )  # fmt: skip
    return found


def _met(now: Any, agreed: Any) -> bool | None:
    """Whether the target of the last time was reached. Only the number of exercises should rise; it is not judged."""
    left, right = number(now), number(agreed)
    return None if left is None or right is None else left <= right


def _shown(form: Form, name: str, value: Any) -> str:
    if value is None:
        return ""
    if name in form.index:
        return display_value(form.item(name), value)
    return f"{Decimal(str(value)).normalize():f}"


def trend_lines(programme: rules.Programme, visits: Sequence[VisitLine]) -> list[TrendLine]:
    """Each value over the visits that count, with the line it should stay below."""
    current = [line for line in reversed(visits) if line.visit.status == ProgrammeVisit.Status.CURRENT][-24:]
    found = []
    for trend in programme.trend:
        values = [_trend_value(line, trend.item) for line in current]
        if sum(value is not None for value in values) >= 2:
            labels = [line.visit.visited_on.strftime("%m-%d") for line in current]
            chart = svg.line_chart(labels, [(say(trend.title), values)], target=trend.limit)
            found.append(TrendLine(say(trend.title), chart, trend.limit))
    return found


def _trend_value(line: VisitLine, item: str) -> float | None:
    if item.startswith("score:"):
        stored = line.visit.response.scores.get(item.removeprefix("score:"), {}).get("value")
        return None if stored is None else float(stored)
    value = number(line.values.get(item))
    return None if value is None else float(value)


def clock_lines(episode: EpisodeOfCare, viewer: Viewer) -> list[tuple[ProgrammeClock, Task | None]]:
    """The clocks of an episode, running ones first, each with its task."""
    clocks = list(
        ProgrammeClock.objects.visible_to(viewer).filter(episode=episode).order_by("status", "due_on", "pk")[:100]
    )
    clocks.sort(key=lambda clock: (clock.status != ProgrammeClock.Status.RUNNING, clock.due_on))
    keys = [clock.task_key for clock in clocks]
    tasks = {task.key: task for task in Task.objects.visible_to(viewer).filter(key__in=keys)}
    return [(clock, tasks.get(clock.task_key)) for clock in clocks]


def clock_of_task(task_id: UUID, viewer: Viewer) -> ProgrammeClock | None:
    """The clock behind a task, if there is one."""
    task = Task.objects.visible_to(viewer).filter(pk=task_id, key__startswith="publichealth").first()
    if task is None or task.focus_id is None:
        return None
    found = ProgrammeClock.objects.visible_to(viewer).select_related("episode", "visit")
    return found.filter(pk=task.focus_id).first()


# --- paper -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PaperRow:
    """One line of the national form: the question with its numbered options, and a cell for each visit."""

    title: str
    options: str
    cells: tuple[str, ...]


def paper(visits: Sequence[VisitLine], programme: rules.Programme) -> tuple[list[VisitLine], list[PaperRow]]:
    """The newest four visits with the same form, oldest first, as lines of the form. "x / y" are now and target."""
    current = [line for line in visits if line.visit.status == ProgrammeVisit.Status.CURRENT]
    if not current:
        return [], []
    url = current[0].form.url
    columns = [line for line in current if line.form.url == url][:ON_PAPER][::-1]
    form = columns[-1].form
    targets = {pair.now: pair.target for pair in programme.pairs}
    hidden = set(targets.values())
    rows = [
        _paper_row(item, columns, targets.get(item.link_id))
        for item in form.questions
        if item.link_id not in hidden and _is_on_paper(item, columns)
    ]
    reckoned = [
        PaperRow(say(pair.title), pair.unit, tuple(_slash(line, pair.now, pair.target) for line in columns))
        for pair in programme.pairs
        if pair.now.startswith("derived:")
    ]
    return columns, rows + reckoned


def _is_on_paper(item: Item, columns: Sequence[VisitLine]) -> bool:
    """A question behind another one takes a line only where somebody answered it; the others always do."""
    return not item.when or any(line.values.get(item.link_id) is not None for line in columns)


def _paper_row(item: Item, columns: Sequence[VisitLine], target: str | None) -> PaperRow:
    options = " ".join(f"{place} {say(option.staff)}" for place, option in enumerate(item.options, start=1))
    cells = tuple(
        _slash(line, item.link_id, target) if target else _cell(item, line.values.get(item.link_id)) for line in columns
    )
    return PaperRow(say(item.staff), options or item.unit_display, cells)


def _slash(line: VisitLine, now: str, target: str) -> str:
    left, right = _plain(line, now), _plain(line, target)
    return f"{left or '  '} / {right or '  '}" if left or right else ""


def _plain(line: VisitLine, name: str) -> str:
    value = line.values.get(name)
    if value is None:
        return ""
    return _cell(line.form.item(name), value) if name in line.form.index else f"{value:g}"


def _cell(item: Item, value: Any) -> str:
    """On paper a choice is its number in a box."""
    if value is None:
        return ""
    if not item.options:
        return display_value(item, value)
    codes = [option.code for option in item.options]
    chosen = value if isinstance(value, list) else [value]
    return " ".join(f"□{codes.index(code) + 1}" if code in codes else str(code) for code in map(str, chosen))


# --- the patient's record --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Candidate:
    """A programme this patient could enter, with the diagnosis that says so."""

    programme: rules.Programme
    title: str
    because: str


def of_patient(patient_id: UUID, viewer: Viewer) -> list[EpisodeOfCare]:
    """The patient's programmes, running ones first."""
    rows = EpisodeOfCare.objects.visible_to(viewer).filter(patient_id=patient_id).select_related("department", "doctor")
    return list(rows.order_by("status", "-started_on", "pk"))


def titles(today: date) -> dict[str, str]:
    """The programmes of the pack in force, by code, in the language of the request."""
    row = packs.pack_on(today)
    return {one.code: say(one.title) for one in row.pack().programmes} if row else {}


def response_of(response_id: UUID, viewer: Viewer) -> QuestionnaireResponse | None:
    """One response this viewer may see."""
    found = QuestionnaireResponse.objects.visible_to(viewer).select_related("questionnaire", "patient")
    return found.filter(pk=response_id).first()
