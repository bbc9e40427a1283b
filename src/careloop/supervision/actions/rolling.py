"""The indicators of a month are counted at night and kept, so that the page is one indexed query."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.viewer import Viewer
from careloop.supervision import events
from careloop.supervision.models import IntegrityIndicator
from careloop.supervision.reads import content
from careloop.supervision.reads.records import Found, level_one, month_of
from careloop.supervision.rules import integrity

KEPT = ("records", "cases", "out_of", "chance", "fires", "facts", "evidence", "version", "counted_at", "updated_at")


@action
def roll_up_integrity(*, month: date, at: datetime, by: Viewer) -> int:
    """Count every indicator of every person and department of this month again. Gives back for how many people.

    Counting twice changes nothing but the time; a person without records any more keeps no old figures.
    """
    period = month_of(month)
    limits = content.integrity()
    found = level_one(viewer=by, period=period, departments=None)
    rows = [row for mine in _groups(found) for row in _rows(mine, found, period.first, limits, at)]
    IntegrityIndicator.objects.unscoped("counted again").filter(month=period.first).exclude(
        practitioner__in={row.practitioner_id for row in rows}
    ).delete()
    IntegrityIndicator.objects.unscoped("counted again").bulk_create(
        rows, update_conflicts=True, unique_fields=["practitioner", "department", "month", "code"],
        update_fields=list(KEPT), batch_size=500,
    )  # fmt: skip
    people = len({(row.practitioner_id, row.department_id) for row in rows})
    record(
        events.IntegrityRolledUp(month=period.first.isoformat(), people=people, version=str(limits["version"])), by=by
    )
    return people


def _groups(found: Iterable[Found]) -> list[list[Found]]:
    """Each person's records in each department."""
    groups: dict[tuple[UUID, UUID], list[Found]] = {}
    for one in found:
        groups.setdefault((one.author_id, one.department_id), []).append(one)
    return [groups[key] for key in sorted(groups, key=str)]


def _rows(
    mine: list[Found], everybody: list[Found], month: date, limits: dict[str, object], at: datetime
) -> list[IntegrityIndicator]:
    department, author = mine[0].department_id, mine[0].author_id
    others = [one.record for one in everybody if one.department_id == department and one.author_id != author]
    peers = integrity.Peers.of(others, limits)
    return [
        IntegrityIndicator(
            practitioner_id=author, department_id=department, month=month, code=one.code, records=len(mine),
            cases=one.cases, out_of=one.out_of, chance=one.chance, fires=one.fires, facts=dict(one.facts),
            evidence=list(one.evidence), version=str(limits["version"]), counted_at=at, updated_at=at,
        )
        for one in integrity.indicators([found.record for found in mine], peers, limits)
    ]  # fmt: skip
