"""Today's list as the page shows it: rows in sections, figures of the strip, the chips' choices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Avg, Count, F, Min, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from careloop.accounts.models import Organization
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Sex
from careloop.tasks import rules
from careloop.tasks.models import QUEUE_KINDS, ContactAttempt, Task
from careloop.tasks.reads import Counts, Row, outcome_label
from careloop.workbench.reads.people import age

ENOUGH_TO_FORECAST = 5


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


def progress(counts: Counts, *, viewer: Viewer, at: datetime) -> Progress:
    """One small query over one's own attempts of today; everything else is in the counts already."""
    start = timezone.localtime(at).replace(hour=0, minute=0, second=0, microsecond=0)
    reached = Q(outcome__in=[code for code, outcome in rules.OUTCOMES.items() if outcome.reached])
    mine = ContactAttempt.objects.unscoped("one's own attempts, as numbers").filter(
        by_practitioner_id=viewer.practitioner_id, started_at__gte=start, undone_at__isnull=True, channel="phone"
    )
    figures = mine.aggregate(
        tried=Count("pk"), reached=Count("pk", filter=reached), first=Min("started_at"),
        talk=Avg(F("ended_at") - F("started_at"), filter=reached),
    )  # fmt: skip
    tried, spoke = figures["tried"], figures["reached"]
    return Progress(
        total=counts.todo + counts.done + counts.snoozed,
        done=counts.done,
        unreached=counts.unreached,
        reach_rate=spoke / tried if tried else None,
        seconds=int(figures["talk"].total_seconds()) if figures["talk"] else None,
        finished_at=_forecast(figures["first"], tried, counts.todo, at),
    )


def _forecast(first: datetime | None, tried: int, left: int, at: datetime) -> datetime | None:
    """At the pace of today so far."""
    if first is None or tried < ENOUGH_TO_FORECAST or not left:
        return None
    return at + (at - first) / tried * left


def choices(*, viewer: Viewer, at: datetime) -> tuple[list[tuple[UUID, str]], list[str]]:
    """Departments and plans that have something on the list: nobody picks an empty chip."""
    found = (
        Task.objects.visible_to(viewer)
        .open()
        .filter(kind__in=QUEUE_KINDS, available_at__lte=at)
        .order_by("department_id", "plan_title")
        .values_list("department_id", "plan_title")
        .distinct()
    )
    pairs = list(found)
    departments = Organization.objects.filter(pk__in={department for department, _plan in pairs}).order_by("name", "pk")
    return [(one.pk, one.name) for one in departments], sorted({plan for _department, plan in pairs if plan})
