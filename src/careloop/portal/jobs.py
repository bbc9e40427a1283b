"""Work of the portal by the clock."""

from __future__ import annotations

from datetime import UTC, datetime

from careloop.kernel.jobs import periodic
from careloop.kernel.viewer import Viewer
from careloop.portal import actions


@periodic("17 * * * *")
def forget_failed_checks(timestamp: int) -> None:
    """Wrong tries count for ten minutes; an hour later nobody needs them."""
    by = Viewer.system("portal.forget_failed_checks")
    actions.forget_failed_checks(at=datetime.fromtimestamp(timestamp, UTC), by=by)
