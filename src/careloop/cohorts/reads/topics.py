"""How a topic stands: every patient of it in exactly one state, and who they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Max, Q

from careloop.accounts.models import Practitioner, RoleAssignment
from careloop.cohorts.models import Topic, TopicMember
from careloop.kernel.viewer import Viewer
from careloop.patients.models import CareRelationship, Encounter
from careloop.tasks.access import WORK
from careloop.tasks.models import ContactAttempt, Task
from careloop.tasks.reads import outcome_label
from careloop.tasks.rules import OUTCOMES

STATES = ("waiting", "open", "done", "refused", "unreachable", "ended", "excluded")
REFUSED = ("refused", "refused-for-ever", "refusal")
# Closed because nobody could be reached: by the ladder, by a person who gave up, or since no number is left.
UNREACHABLE = ("unreachable", "lost", "lost-to-follow-up", "no-number", "not-reached", "message-failed", "ladder-over")

_STATE = """CASE
    WHEN m.excluded <> '' THEN 'excluded'
    WHEN m.task_id IS NULL AND m.care_plan_id IS NULL THEN 'waiting'
    WHEN t.status = 'completed' OR c.status = 'completed' THEN 'done'
    WHEN t.closed_reason = ANY(%s) OR c.end_reason = ANY(%s) THEN 'refused'
    WHEN t.closed_reason = ANY(%s) OR c.end_reason = ANY(%s) THEN 'unreachable'
    WHEN t.status = 'cancelled' OR c.status = 'revoked' THEN 'ended'
    ELSE 'open' END"""
_PARAMS: list[Any] = [list(REFUSED), list(REFUSED), list(UNREACHABLE), list(UNREACHABLE)]
_JOINS = "LEFT JOIN tasks_task t ON t.id = m.task_id LEFT JOIN plans_careplan c ON c.id = m.care_plan_id"


@dataclass(frozen=True, slots=True)
class TopicProgress:
    """Counts by state. Their sum is the number of patients: counted, not assumed."""

    counts: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def included(self) -> int:
        return self.total - self.counts["excluded"]

    def shares(self) -> list[tuple[float, str]]:
        """Of the bar, in percent of those included."""
        whole = max(self.included, 1)
        kinds = (("done", "ok"), ("refused", "watch"), ("unreachable", "high"), ("ended", "watch"))
        return [(round(100 * self.counts[state] / whole, 1), kind) for state, kind in kinds]


def progress(topic: Topic, *, viewer: Viewer) -> TopicProgress:
    """Of the patients this viewer may see, in one statement."""
    base, params = _members(topic, viewer)
    sql = f"SELECT {_STATE} AS state, count(*) FROM ({base}) m {_JOINS} GROUP BY state"
    with connection.cursor() as cursor:
        cursor.execute(sql, [*_PARAMS, *params])
        found = dict(cursor.fetchall())
    return TopicProgress({state: found.get(state, 0) for state in STATES})


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One patient of a topic on its page."""

    patient_id: UUID
    name: str
    state: str
    excluded: str
    owner: str
    task_id: UUID | None
    due_at: datetime | None
    attempts: int
    outcome: str


def member_rows(topic: Topic, *, state: str, viewer: Viewer, offset: int, limit: int) -> list[MemberRow]:
    """Those in one state (empty: all), at most `limit`."""
    base, params = _members(topic, viewer)
    sql = f"""
        SELECT patient_id, name, state, excluded, owner, task_id, due_at, attempts, outcome FROM (
            SELECT m.id, m.patient_id, p.name, {_STATE} AS state, m.excluded, coalesce(w.name, '') AS owner, t.id AS task_id,
                t.due_at, coalesce(t.attempts, 0) AS attempts,
                coalesce(nullif(t.outcome, ''), nullif(t.closed_reason, ''), t.last_outcome, '') AS outcome
            FROM ({base}) m {_JOINS} JOIN patients_patient p ON p.id = m.patient_id
            LEFT JOIN accounts_practitioner w ON w.id = coalesce(t.owner_id, m.owner_id)
        ) told WHERE %s IN ('', state) ORDER BY id OFFSET %s LIMIT %s"""
    with connection.cursor() as cursor:
        cursor.execute(sql, [*_PARAMS, *params, state, offset, limit])
        return [MemberRow(*row) for row in cursor.fetchall()]


def member_ids(topic: Topic, *, state: str, viewer: Viewer, limit: int) -> list[UUID]:
    """Patients in one state, for work in bulk."""
    base, params = _members(topic, viewer)
    sql = f"SELECT m.patient_id FROM ({base}) m {_JOINS} WHERE %s IN ('', {_STATE}) ORDER BY m.id LIMIT %s"
    with connection.cursor() as cursor:
        cursor.execute(sql, [*params, state, *_PARAMS, limit])
        return [row[0] for row in cursor.fetchall()]


def open_task_ids(topic: Topic) -> list[UUID]:
    """Tasks of the topic's own; a plan goes its own way."""
    own = TopicMember.objects.unscoped("closing a topic closes all of it").filter(topic=topic, task_id__isnull=False)
    found = Task.objects.unscoped("closing a topic closes all of it").open().filter(pk__in=own.values("task_id"))
    return list(found.order_by("pk").values_list("pk", flat=True))


def _members(topic: Topic, viewer: Viewer) -> tuple[str, tuple[Any, ...]]:
    """The members this viewer may see, as a statement to build on; a viewer of no department sees an empty one."""
    mine = TopicMember.objects.visible_to(viewer).filter(topic=topic).order_by()
    columns = ("id", "patient_id", "excluded", "owner_id", "task_id", "care_plan_id")
    try:
        sql, params = mine.values(*columns).query.sql_with_params()
    except EmptyResultSet:
        none = TopicMember.objects.unscoped("no row at all").filter(pk=topic.pk, topic=topic).order_by()
        sql, params = none.values(*columns).query.sql_with_params()
    return sql, tuple(params)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a patient's new task belongs: the department of the last stay, else the one that cares."""

    department_id: UUID
    encounter: Encounter | None


def place_of(patient_id: UUID) -> Place | None:
    """None when neither a stay nor a department is known."""
    stays = Encounter.objects.unscoped("the work is for this patient").filter(
        patient_id=patient_id, status=Encounter.Status.FINISHED, department__isnull=False
    )
    last = stays.order_by("-discharged_at", "-pk").first()
    if last is not None and last.department_id is not None:
        return Place(last.department_id, last)
    cared = CareRelationship.objects.unscoped("the work is for this patient").filter(patient_id=patient_id)
    newest = cared.order_by("-since", "-pk").first()
    return Place(newest.department_id, None) if newest else None


def last_callers(patient_ids: Sequence[UUID], staff: Sequence[UUID]) -> dict[UUID, UUID]:
    """Which of these people spoke to each patient last."""
    tries = ContactAttempt.objects.unscoped("who knows whom").filter(
        patient_id__in=list(patient_ids), by_practitioner_id__in=list(staff), undone_at__isnull=True
    )
    rows = tries.values_list("patient_id", "by_practitioner_id").annotate(last=Max("started_at")).order_by("last")
    return {patient: person for patient, person, __ in rows if person}


def staff_choices(viewer: Viewer, *, at: datetime) -> list[Practitioner]:
    """Who may be given follow-ups: people whose role of now lets them call, of the viewer's departments or everywhere."""
    running = RoleAssignment.objects.filter(
        Q(valid_to__isnull=True) | Q(valid_to__gt=at),
        valid_from__lte=at,
        role__permissions__contains=[WORK.code],
    )
    people = Practitioner.objects.filter(pk__in=running.values("practitioner_id"), is_active=True)
    if not viewer.hospital_wide:
        here = Q(organization_id__in=viewer.departments)
        people = people.filter(here | Q(pk=viewer.practitioner_id) if viewer.practitioner_id else here)
    return list(people.order_by("name", "pk"))


def outcome_words(code: str) -> str:
    """How the contact ended, in words; of an end that is no outcome nothing is said here, its state says it."""
    return outcome_label(code) if code in OUTCOMES else ""
