"""Background work on teams: the nightly distribution, and what follows somebody's absence."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from careloop.kernel.jobs import job, periodic
from careloop.kernel.viewer import Viewer
from careloop.rosters import actions
from careloop.rosters.models import Distribution


@periodic("30 21 * * *")
def distribute_nightly(timestamp: int) -> None:
    """05:30 in the hospital: whoever comes in the morning finds their list."""
    at = datetime.fromtimestamp(timestamp, UTC)
    actions.distribute(
        day=timezone.localtime(at).date(), at=at, trigger=Distribution.Trigger.NIGHT,
        by=Viewer.system("rosters.distribute_nightly"),
    )  # fmt: skip


@job()
def give_to_others(*, event: dict[str, Any]) -> None:
    """After a change of leave: what cannot be done today by its owner goes to others now, not tomorrow."""
    at = timezone.now()
    today = timezone.localtime(at).date()
    if event["what"] != "ended" and date.fromisoformat(event["first_day"]) <= today:
        actions.distribute(
            day=today, at=at, trigger=Distribution.Trigger.ABSENCE, by=Viewer.system("rosters.give_to_others")
        )


@job()
def follow_absence(*, event: dict[str, Any]) -> None:
    """After an absence was recorded for alerts: the calling list knows, too."""
    begins = parse_datetime(str(event.get("valid_from") or ""))
    if begins is not None and event.get("absence_id"):
        actions.follow_absence(
            source_id=UUID(event["absence_id"]), practitioner_id=UUID(event["practitioner_id"]), begins=begins,
            ends=parse_datetime(str(event.get("valid_to") or "")), by=Viewer.system("rosters.follow_absence"),
        )  # fmt: skip
