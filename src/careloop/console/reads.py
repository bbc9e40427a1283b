"""What the administrators' pages show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Prefetch, Q
from django.utils.functional import Promise
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Organization, Practitioner, RoleAssignment
from careloop.audit.models import AuditEvent

PAGE = 100


@dataclass(frozen=True, slots=True)
class Branch:
    """One line of the department tree. `organization` is None for those whose department nobody told yet."""

    organization: Organization | None
    depth: int
    people: list[Practitioner]


def tree(*, at: datetime) -> list[Branch]:
    """The hospital's tree in order, with its people and the roles that run at `at`, those for a time too; last come
    people without a department. Three queries, whatever the size.
    """
    running = (
        RoleAssignment.objects.select_related("role", "organization")
        .filter(Q(valid_to__isnull=True) | Q(valid_to__gt=at), valid_from__lte=at)
        .order_by("valid_from", "pk")
    )
    people = Practitioner.objects.prefetch_related(Prefetch("assignments", running, to_attr="running")).order_by(
        "name", "pk"
    )
    by_place: dict[UUID | None, list[Practitioner]] = {}
    for person in people:
        by_place.setdefault(person.organization_id, []).append(person)
    branches = [
        Branch(place, place.path.count("/") - 2, by_place.get(place.pk, []))
        for place in Organization.objects.order_by("path")
    ]
    return branches + ([Branch(None, 0, by_place[None])] if None in by_place else [])


SESSION_ENDINGS = {
    "logout": _("signed out"), "password": _("password changed"), "disabled": _("account disabled"),
    "role": _("role taken away"), "administrator": _("signed out by an administrator"),
    "idle": _("away too long"), "absolute": _("open too long"),
}  # fmt: skip
"""Why a session ended, in words."""


def audit_events(filters: dict[str, Any]) -> list[AuditEvent]:
    """The newest PAGE rows that match. `before_id` pages on."""
    found = AuditEvent.objects.all()
    if filters.get("actor"):
        found = found.filter(Q(actor=filters["actor"]) | Q(actor__in=_actors_named(filters["actor"])))
    if filters.get("name"):
        found = found.filter(Q(name__startswith=filters["name"]) | Q(name__in=_facts_called(filters["name"])))
    if filters.get("patient_id"):
        found = found.filter(patient_id=filters["patient_id"])
    if filters.get("outcome"):
        found = found.filter(outcome=filters["outcome"])
    if filters.get("since"):
        found = found.filter(at__date__gte=filters["since"])
    if filters.get("before_id"):
        found = found.filter(pk__lt=filters["before_id"])
    return list(found.order_by("-pk")[:PAGE])


def trail_words() -> Mapping[str, str]:
    """What each fact is called, in the language of the page."""
    words: Mapping[str, str | Promise] = import_string(settings.TRAIL_WORDS)
    return {name: str(told) for name, told in words.items()}


def _facts_called(text: str) -> list[str]:
    wanted = text.strip().casefold()
    return [name for name, told in trail_words().items() if wanted and wanted in told.casefold()]


def _actors_named(text: str) -> list[str]:
    people = Practitioner.objects.filter(Q(name=text) | Q(username=text) | Q(staff_number=text))
    return [f"staff:{pk}" for pk in people.values_list("pk", flat=True)]


def names_of(actors: set[str]) -> dict[str, str]:
    """Readable names for `staff:<id>`; the machine's own names stay as they are."""
    ids = [actor.removeprefix("staff:") for actor in actors if actor.startswith("staff:")]
    return {f"staff:{person.pk}": person.name for person in Practitioner.objects.filter(pk__in=ids)}


@dataclass(frozen=True, slots=True)
class Health:
    """Counts and ages that say whether the machine keeps up."""

    database_bytes: int
    jobs: dict[str, int]
    oldest_job_at: datetime | None
    tables: list[tuple[str, int]]


def health() -> Health:
    """Sizes from the catalogue (estimates, cheap at any size) and the job queue by state."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        size = cursor.fetchone()[0]
        cursor.execute(
            "SELECT status::text, count(*) FROM procrastinate_jobs WHERE status <> 'succeeded' GROUP BY 1 ORDER BY 1"
        )
        jobs = dict(cursor.fetchall())
        cursor.execute("SELECT min(coalesce(scheduled_at, now())) FROM procrastinate_jobs WHERE status = 'todo'")
        oldest = cursor.fetchone()[0]
        cursor.execute(
            "SELECT relname, greatest(reltuples, 0)::bigint FROM pg_class WHERE relkind = 'r' "
            "AND relnamespace = 'public'::regnamespace ORDER BY pg_total_relation_size(oid) DESC LIMIT 12"
        )
        tables = cursor.fetchall()
    return Health(database_bytes=size, jobs=jobs, oldest_job_at=oldest, tables=tables)
