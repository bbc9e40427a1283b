"""The roll-up's housekeeping."""

from __future__ import annotations

from datetime import UTC, datetime

from careloop.kernel.jobs import periodic
from careloop.kernel.viewer import Viewer
from careloop.reports import actions


@periodic("*/5 * * * *", queue="reports")
def fold_rollup(timestamp: int) -> None:
    """Every five minutes."""
    actions.fold_rollup(by=Viewer.system("reports.fold_rollup"))


@periodic("40 18 * * *", queue="reports")
def check_rollup(timestamp: int) -> None:
    """At night (02:40 in the hospital): the recount, and the balance if there is a difference."""
    actions.check_rollup(at=datetime.fromtimestamp(timestamp, UTC), by=Viewer.system("reports.check_rollup"))
