"""How much everybody has and did (J19), and how even it was. Figures about people, never about patients."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, Q
from django.utils import timezone

from careloop.kernel.viewer import Viewer
from careloop.rosters import rules
from careloop.rosters.models import Assignment
from careloop.rosters.reads.people import Colleague
from careloop.rosters.reads.situation import REACHED, end_of
from careloop.tasks.models import QUEUE_KINDS, ContactAttempt, Task

LONGEST = timedelta(days=92)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One person's day so far."""

    colleague: Colleague
    open: int
    done: int
    attempts: int
    reached: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRow:
    """One nurse-day: how many contacts were given, how many of them stayed with the nurse who knows the patient."""

    day: date
    practitioner_id: UUID
    name: str
    team: str
    group: UUID | None
    capacity: int
    given: int
    kept: int
    done: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Numerator:
    """One task behind a figure of a nurse-day."""

    task: Task
    why: str


def loads(people: Iterable[Colleague], *, day: date) -> list[Load]:
    """What these people have open, did and tried on this day."""
    people = list(people)
    ids = [one.practitioner.pk for one in people]
    begin, until = _span(day, day)
    tasks = Task.objects.unscoped("counts per person, no patient is shown")
    opened = _counted(tasks.open().filter(owner__in=ids, kind__in=QUEUE_KINDS, available_at__lte=until), "owner_id")
    done = _counted(
        tasks.ended_between(begin, until).filter(
            status=Task.Status.COMPLETED, ended_at__range=(begin, until), ended_by__in=ids
        ),
        "ended_by_id",
    )
    tried = ContactAttempt.objects.unscoped("counts per person, no patient is shown").filter(
        by_practitioner__in=ids, started_at__range=(begin, until), undone_at__isnull=True, channel="phone"
    )
    attempts = _counted(tried, "by_practitioner_id")
    reached = _counted(tried.filter(outcome__in=REACHED), "by_practitioner_id")
    return [
        Load(
            colleague=one, open=opened.get(one.practitioner.pk, 0), done=done.get(one.practitioner.pk, 0),
            attempts=attempts.get(one.practitioner.pk, 0), reached=reached.get(one.practitioner.pk, 0),
        )
        for one in people
    ]  # fmt: skip


def _counted(rows: Any, column: str) -> dict[UUID, int]:
    return dict(rows.values_list(column).annotate(n=Count("pk")).order_by(column))


def _span(first: date, last: date) -> tuple[datetime, datetime]:
    return end_of(first - timedelta(days=1)) + timedelta(microseconds=1), end_of(last)


# The last assignment of a task on a day counts: what was taken from somebody away is not theirs.
_NURSE_DAYS = """
WITH last AS (
    SELECT DISTINCT ON (a.task_id, a.day) a.task_id, a.day, a.practitioner_id, a.patient_id, a.why
    FROM rosters_assignment a WHERE a.day BETWEEN %(first)s AND %(last)s
    ORDER BY a.task_id, a.day, a.id DESC
),
given AS (
    SELECT day, practitioner_id, count(DISTINCT patient_id) AS given,
        count(DISTINCT patient_id) FILTER (WHERE why = 'continuity') AS kept
    FROM last GROUP BY day, practitioner_id
),
done AS (
    SELECT (t.ended_at AT TIME ZONE %(zone)s)::date AS day, t.ended_by_id, count(*) AS done
    FROM tasks_task t
    WHERE t.status = 'completed' AND t.ended_at BETWEEN %(begin)s AND %(until)s AND t.ended_by_id = ANY(%(people)s)
        AND (t.ended_at AT TIME ZONE 'Asia/Shanghai')::date -- as task_ended counts days
            BETWEEN (%(begin)s::timestamptz AT TIME ZONE 'Asia/Shanghai')::date AND (%(until)s::timestamptz AT TIME ZONE 'Asia/Shanghai')::date
    GROUP BY 1, 2
)
SELECT n.day, n.practitioner_id, p.name, COALESCE(team.name, home.name, ''), COALESCE(n.team_id, p.organization_id),
    n.capacity, COALESCE(given.given, 0), COALESCE(given.kept, 0), COALESCE(done.done, 0)
FROM rosters_nurseday n
JOIN accounts_practitioner p ON p.id = n.practitioner_id
LEFT JOIN accounts_organization home ON home.id = p.organization_id
LEFT JOIN rosters_team team ON team.id = n.team_id
LEFT JOIN given ON given.day = n.day AND given.practitioner_id = n.practitioner_id
LEFT JOIN done ON done.day = n.day AND done.ended_by_id = n.practitioner_id
WHERE n.day BETWEEN %(first)s AND %(last)s AND n.practitioner_id = ANY(%(people)s)
ORDER BY n.day DESC, COALESCE(team.name, home.name, ''), p.name, n.practitioner_id
"""


def nurse_days(*, people: Iterable[UUID], first: date, last: date) -> list[DayRow]:
    """Every nurse-day of these people in a period, newest first."""
    begin, until = _span(first, last)
    params: dict[str, Any] = {
        "first": first, "last": last, "begin": begin, "until": until, "people": list(people),
        "zone": timezone.get_current_timezone_name(),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_NURSE_DAYS, params)
        return [
            DayRow(
                day=day, practitioner_id=person, name=name, team=team, group=group, capacity=capacity, given=given,
                kept=kept, done=done,
            )
            for day, person, name, team, group, capacity, given, kept, done in cursor.fetchall()
        ]  # fmt: skip


def fairness_of(rows: Iterable[DayRow]) -> rules.Fairness:
    """The fairness report over nurse-days."""
    return rules.fairness(
        rules.PersonDay(
            person=row.practitioner_id, day=row.day, capacity=row.capacity, given=row.given, group=row.group
        )
        for row in rows
    )


def nurse_day_tasks(*, practitioner_id: UUID, day: date, viewer: Viewer) -> tuple[list[Numerator], int]:
    """The tasks behind one figure, as far as this viewer may see the patients; and how many there are in all."""
    last = (
        Assignment.objects.unscoped("only which assignment of a task is the last")
        .filter(day=day)
        .order_by("task_id", "-pk")
        .distinct("task_id")
        .values("pk")
    )
    mine = Q(pk__in=last, practitioner_id=practitioner_id, day=day)
    shown = (
        Assignment.objects.visible_to(viewer)
        .filter(mine)
        .select_related("task__patient", "task__department")
        .order_by("task__patient__name", "pk")
    )
    total = Assignment.objects.unscoped("a count, no patient").filter(mine).count()
    return [Numerator(task=one.task, why=one.get_why_display()) for one in shown[:500]], total
