"""Today's list as the page shows it: rows in sections, figures of the strip, the chips' choices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from careloop.kernel.prepared import prepared, together
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Sex
from careloop.tasks import rules
from careloop.tasks.models import QUEUE_KINDS, ContactAttempt, SavedFilter, Task
from careloop.tasks.reads import Counts, Row, outcome_label
from careloop.workbench.reads.people import age

ENOUGH_TO_FORECAST = 5
REACHED = frozenset(code for code, outcome in rules.OUTCOMES.items() if outcome.reached)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row in words."""

    row: Row
    sex: str
    age: int | None
    due: str
    due_is_late: bool
    contact: str
    busy: bool


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


def sections(rows: list[Row], *, tab: str, viewer: Viewer, at: datetime) -> list[Section]:
    """Promised calls, then what is urgent, then the rest; other tabs are one section without a heading."""
    found: list[Section] = []
    for row in rows:
        code = {0: "promised", 1: "first", 2: "rest"}[row.section] if tab == "todo" else tab
        if not found or found[-1].code != code:
            found.append(Section(code=code, title=_title(code, row, at) if tab == "todo" else "", lines=[]))
        found[-1].lines.append(_line(row, viewer, at))
    return found


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


def _line(row: Row, viewer: Viewer, at: datetime) -> Line:
    today = timezone.localtime(at).date()
    return Line(
        row=row,
        sex=str(dict(Sex.choices).get(row.sex, "")),
        age=age(row.birth_date, on=today),
        due=_due(row, at),
        due_is_late=row.late_days > 0 and row.status == "requested",
        contact=_contact(row, viewer),
        busy=row.claimed_by is not None and row.claimed_by != viewer.practitioner_id,
    )


def _due(row: Row, at: datetime) -> str:
    if row.status != "requested":
        return f"{timezone.localtime(row.ended_at):%H:%M}" if row.ended_at else ""
    if row.promised_at is not None:
        promised = timezone.localtime(row.promised_at)
        same_day = promised.date() == timezone.localtime(at).date()
        return f"{promised:%H:%M}" if same_day else f"{promised:%m-%d %H:%M}"
    if row.late_days > 0:
        return ngettext("%(n)d day late", "%(n)d days late", row.late_days) % {"n": row.late_days}
    return _("Today") if row.late_days == 0 else f"{timezone.localtime(row.due_at):%m-%d}"


def _contact(row: Row, viewer: Viewer) -> str:
    """What is known about reaching this patient, the most useful thing first."""
    if row.status != "requested":
        return outcome_label(row.outcome)
    if row.claimed_by is not None and row.claimed_by != viewer.practitioner_id:
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


def beside_the_list(
    counts: Counts, *, viewer: Viewer, at: datetime
) -> tuple[list[tuple[UUID, str]], list[str], list[SavedFilter], Progress]:
    """What stands around the rows: departments and plans that have something on the list (nobody picks an empty chip),
    kept views, and how far the day is. Three small questions, asked together.
    """
    start = timezone.localtime(at).replace(hour=0, minute=0, second=0, microsecond=0)
    places, saved, mine = together(
        _choices.asked(viewer=viewer, at=at), _saved.asked(viewer=viewer), _attempts.asked(viewer=viewer, start=start)
    )
    departments = {department: name for department, name, _plan in places}
    by_name = sorted(departments.items(), key=lambda one: (one[1], one[0]))
    return by_name, sorted({plan for *_, plan in places if plan}), saved, _progress(counts, mine, at)


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
def _choices(viewer: Viewer, at: datetime) -> QuerySet[Task, Any]:
    waiting = Task.objects.visible_to(viewer).open().filter(kind__in=QUEUE_KINDS, available_at__lte=at)
    return waiting.order_by().values_list("department_id", "department__name", "plan_title").distinct()


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
