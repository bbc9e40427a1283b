"""The indicators of a month are counted at night and kept, so that the page is one indexed query.

Each month is judged by itself and, for whoever has records in the two months before it, together with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.viewer import Viewer
from careloop.supervision import events
from careloop.supervision.models import IntegrityIndicator
from careloop.supervision.reads import content
from careloop.supervision.reads.records import Found, Period, level_one, month_of
from careloop.supervision.rules import integrity

KEPT = ("records", "cases", "out_of", "chance", "fires", "facts", "evidence", "version", "counted_at", "updated_at")


@action
def roll_up_integrity(*, month: date, at: datetime, by: Viewer) -> int:
    """Count every indicator of every person and department of this month again. Gives back for how many people.

    Counting twice changes nothing but the time; a person without records any more keeps no old figures.
    """
    period, limits = month_of(month), content.integrity()
    found = level_one(viewer=by, period=period, departments=None)
    window = _window(period, int(limits["window_months"]), by)
    now = _groups(found)
    rows = _rows(now, period, limits, at, months=1)
    both = {key: [*window.get(key, ()), *now.get(key, ())] for key in {**window, **now}}
    again = _rows(both, period, limits, at, months=int(limits["window_months"]))
    rows += [row for row in again if (key := (row.practitioner_id, row.department_id)) in now and key in window]
    kept = IntegrityIndicator.objects.unscoped("counted again").filter(month=period.first)
    kept.exclude(practitioner__in={row.practitioner_id for row in rows}).delete()
    kept.exclude(version=str(limits["version"])).delete()  # codes that a later version does not have
    IntegrityIndicator.objects.unscoped("counted again").bulk_create(
        rows, update_conflicts=True, unique_fields=["practitioner", "department", "month", "months", "code"],
        update_fields=list(KEPT), batch_size=500,
    )  # fmt: skip
    people = len({(row.practitioner_id, row.department_id) for row in rows})
    record(
        events.IntegrityRolledUp(month=period.first.isoformat(), people=people, version=str(limits["version"])), by=by
    )
    return people


def _window(period: Period, months: int, by: Viewer) -> dict[tuple[UUID, UUID], list[Found]]:
    """Each person's records of the months before this one that are judged together with it."""
    first = period.first
    for _month in range(months - 1):
        first = (first - timedelta(days=1)).replace(day=1)
    before = Period(first=first, last=period.first - timedelta(days=1))
    return _groups(level_one(viewer=by, period=before, departments=None)) if months > 1 else {}


def _groups(found: Iterable[Found]) -> dict[tuple[UUID, UUID], list[Found]]:
    """Each person's records in each department."""
    groups: dict[tuple[UUID, UUID], list[Found]] = {}
    for one in found:
        groups.setdefault((one.author_id, one.department_id), []).append(one)
    return {key: groups[key] for key in sorted(groups, key=str)}


def _rows(
    groups: Mapping[tuple[UUID, UUID], list[Found]],
    period: Period,
    limits: dict[str, Any],
    at: datetime,
    *,
    months: int,
) -> list[IntegrityIndicator]:
    """The indicators of everybody, each against the colleagues of the same department."""
    by_department: dict[UUID, list[tuple[UUID, integrity.Peers]]] = {}
    for (author, department), mine in groups.items():
        own = integrity.Peers.of([one.record for one in mine], limits)
        by_department.setdefault(department, []).append((author, own))
    rows = []
    for (author, department), mine in groups.items():
        others = [peers for other, peers in by_department[department] if other != author]
        told = integrity.indicators(
            [one.record for one in mine], integrity.Peers.sum(others), limits, months=months
        )  # fmt: skip
        rows += [
            IntegrityIndicator(
                practitioner_id=author, department_id=department, month=period.first, months=months, code=one.code,
                records=len(mine), cases=one.cases, out_of=one.out_of, chance=one.chance, fires=one.fires,
                facts=dict(one.facts), evidence=list(one.evidence), version=str(limits["version"]), counted_at=at,
                updated_at=at,
            )
            for one in told
        ]  # fmt: skip
    return rows
