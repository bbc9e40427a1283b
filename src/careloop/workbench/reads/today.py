"""Today's list as the page shows it: rows in sections, figures of the strip, the chips' choices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from careloop.kernel.prepared import prepared, together
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Sex
from careloop.plans.reads.titles import Titles
from careloop.tasks import rules
from careloop.tasks.models import ContactAttempt, SavedFilter
from careloop.tasks.reads import Counts, ListQuery, Row, WorkList, asked_list, departments_and_plans, outcome_label
from careloop.workbench.reads.people import age

ENOUGH_TO_FORECAST = 5
REACHED = frozenset(code for code, outcome in rules.OUTCOMES.items() if outcome.reached)


class Line(NamedTuple):
    """One row in words, in the order in which the template takes them. A page shows sixty: nothing is worked out there."""

    task_id: str
    status: str
    risk: str
    name: str
    sex: str
    age: str
    department: str
    diagnosis: str
    plan: str
    step: str
    also: tuple[tuple[str, str], ...]  # plan and step of what else the same call does
    doctor: str
    last_done: str
    due: str
    due_look: str  # classes of the cell
    contact: str
    is_busy: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading and its rows."""

    code: str
    title: str
    lines: list[Line]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The strip: how far the day is, how well people are reached, how long a call takes, when it will be done."""

    total: int
    done: int
    unreached: int
    reach_rate: float | None
    seconds: int | None
    finished_at: datetime | None


def sections(rows: list[Row], *, tab: str, titles: Titles, viewer: Viewer, at: datetime) -> list[Section]:
    """Promised calls, then what is urgent, then the rest; other tabs are one section without a heading."""
    found: list[Section] = []
    here, language = timezone.localtime(at), get_language()
    for row in rows:
        code = _SECTIONS[row.section] if tab == "todo" else tab
        if not found or found[-1].code != code:
            found.append(Section(code=code, title=_title(code, row, at) if tab == "todo" else "", lines=[]))
        found[-1].lines.append(_line(row, titles, viewer, here, language))
    return found


_SECTIONS = ("promised", "first", "rest")


def _title(code: str, row: Row, at: datetime) -> str:
    if code == "promised" and row.promised_at is not None:
        clock = f"{timezone.localtime(row.promised_at):%H:%M}"
        minutes = int((row.promised_at - at).total_seconds() // 60)
        if minutes > 0:
            return ngettext(
                "%(time)s promised call · in %(n)d minute", "%(time)s promised call · in %(n)d minutes", minutes
            ) % {"time": clock, "n": minutes}
        return _("Promised calls · from %(time)s, due now") % {"time": clock}
    return _("First of all") if code == "first" else _("Due · by priority and best hour")


def _line(row: Row, titles: Titles, viewer: Viewer, here: datetime, language: str | None) -> Line:
    """`here` is the moment in the zone of the hospital."""
    years, waits = age(row.birth_date, on=here.date()), row.status == "requested"
    last, is_busy = row.last_done_at, row.claimed_by is not None and row.claimed_by != viewer.practitioner_id
    return Line(
        str(row.task_id), row.status, row.risk, row.name, _sexes(language).get(row.sex, ""),
        "" if years is None else str(years), row.department, row.diagnosis,
        titles.plan(row.plan), titles.step(row.plan, row.step),
        tuple([(titles.plan(plan), titles.step(plan, step)) for plan, step in row.also]), row.doctor,
        f"{last.astimezone(here.tzinfo):%m-%d}" if last else "–", _due(row, here, language),
        ("" if not waits else " is-late" if row.late_days > 0 else " b"), _contact(row, is_busy),
        is_busy,
    )  # fmt: skip


@lru_cache(maxsize=10)
def _sexes(_language: str | None) -> dict[str, str]:
    return {str(code): str(words) for code, words in Sex.choices}


def _due(row: Row, here: datetime, language: str | None) -> str:
    zone = here.tzinfo
    if row.status != "requested":
        return f"{row.ended_at.astimezone(zone):%H:%M}" if row.ended_at else ""
    if row.promised_at is not None:
        promised = row.promised_at.astimezone(zone)
        return f"{promised:%H:%M}" if promised.date() == here.date() else f"{promised:%m-%d %H:%M}"
    if row.late_days > 0:
        return _days_late(row.late_days, language)
    return _("Today") if row.late_days == 0 else f"{row.due_at.astimezone(zone):%m-%d}"


@lru_cache(maxsize=1000)
def _days_late(days: int, _language: str | None) -> str:
    return ngettext("%(n)d day late", "%(n)d days late", days) % {"n": days}


def _contact(row: Row, is_busy: bool) -> str:
    """What is known about reaching this patient, the most useful thing first."""
    if row.status != "requested":
        return outcome_label(row.outcome)
    if is_busy:
        return _("A colleague is calling")
    parts = []
    if row.self_report:
        parts.append(_("Worrying answers"))
    if row.promised_at is not None:
        parts.append(_("Promised"))
    elif row.attempts:
        parts.append(f"{row.attempts} × {outcome_label(row.last_outcome)}")
    elif row.message_state in ("sent", "opened"):
        parts.append(_("Online form not returned"))
    elif row.best_hour is not None:
        parts.append(_("Answers around %(n)d o'clock") % {"n": row.best_hour})
    return " · ".join(parts) or "–"


class Beside(NamedTuple):
    """What stands around the rows."""

    departments: list[tuple[UUID, str]]
    plans: list[str]
    saved: list[SavedFilter]
    progress: Progress


def whole_list(query: ListQuery, *, viewer: Viewer, at: datetime) -> tuple[WorkList, Beside]:
    """The list and what stands around it, asked together: departments and plans that have something on the list (nobody
    picks an empty chip), kept views, and how far the day is.
    """
    start = timezone.localtime(at).replace(hour=0, minute=0, second=0, microsecond=0)
    (found,), places, saved, mine = together(
        asked_list(query, viewer=viewer, at=at),
        departments_and_plans(viewer=viewer, at=at),
        _saved.asked(viewer=viewer),
        _attempts.asked(viewer=viewer, start=start),
    )
    departments = {department: name for department, name, _plan in places}
    by_name = sorted(departments.items(), key=lambda one: (one[1], one[0]))
    plans = sorted({plan for *_, plan in places if plan})
    return found, Beside(by_name, plans, saved, _progress(found.counts, mine, at))


def _progress(counts: Counts, mine: list[tuple[str, datetime, datetime | None]], at: datetime) -> Progress:
    """From one's own attempts of today; everything else is in the counts already."""
    spoke = [(begun, ended) for outcome, begun, ended in mine if outcome in REACHED]
    talks = [(ended - begun).total_seconds() for begun, ended in spoke if ended is not None]
    return Progress(
        total=counts.todo + counts.done + counts.snoozed,
        done=counts.done,
        unreached=counts.unreached,
        reach_rate=len(spoke) / len(mine) if mine else None,
        seconds=int(sum(talks) / len(talks)) if talks else None,
        finished_at=_forecast(min((begun for _o, begun, _e in mine), default=None), len(mine), counts.todo, at),
    )


@prepared
def _saved(viewer: Viewer) -> QuerySet[SavedFilter]:
    return SavedFilter.objects.filter(practitioner_id=viewer.practitioner_id).order_by("name", "pk")  # type: ignore[misc]  # None finds nothing, which is right


@prepared
def _attempts(viewer: Viewer, start: datetime) -> QuerySet[ContactAttempt, Any]:
    """A person makes some dozens a day."""
    mine = ContactAttempt.objects.unscoped("one's own attempts, as numbers").filter(
        by_practitioner_id=viewer.practitioner_id, started_at__gte=start, undone_at__isnull=True, channel="phone"
    )
    return mine.values_list("outcome", "started_at", "ended_at")


def _forecast(first: datetime | None, tried: int, left: int, at: datetime) -> datetime | None:
    """At the pace of today so far."""
    if first is None or tried < ENOUGH_TO_FORECAST or not left:
        return None
    return at + (at - first) / tried * left
