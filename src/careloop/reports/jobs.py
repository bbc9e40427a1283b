"""The roll-up's housekeeping."""

from __future__ import annotations

from datetime import UTC, datetime

from django.utils import timezone

from careloop.kernel.jobs import job, periodic
from careloop.kernel.viewer import Viewer
from careloop.reports import actions


@periodic("*/5 * * * *", queue="reports")
def fold_rollup(timestamp: int) -> None:
    """Every five minutes."""
    actions.fold_rollup(by=Viewer.system("reports.fold_rollup"))


@periodic("40 18 * * *", queue="reports")
def check_rollup(timestamp: int) -> None:
    """At night (02:40 in the hospital): the recount, and the balance if there is a difference."""
    at = datetime.fromtimestamp(timestamp, UTC)
    actions.align_programmes(at=at, by=Viewer.system("reports.check_rollup"))
    actions.check_rollup(at=at, by=Viewer.system("reports.check_rollup"))


@job(queue="reports")
def align_programmes(*, event: dict[str, object]) -> None:
    """A new rule pack may count other visits, hours or diagnoses."""
    actions.align_programmes(at=timezone.now(), by=Viewer.system("reports.align_programmes"))
