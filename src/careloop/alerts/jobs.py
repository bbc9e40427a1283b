"""Background work of alerts."""

from __future__ import annotations

from datetime import UTC, datetime

from careloop.alerts import actions, reads
from careloop.kernel.jobs import periodic
from careloop.kernel.viewer import Viewer


@periodic("* * * * *")
def escalate_due(timestamp: int) -> None:
    """Every minute: what nobody accepted in time goes up. Each alert has its own transaction."""
    at = datetime.fromtimestamp(timestamp, UTC)
    by = Viewer.system("alerts.escalate_due")
    for alert_id in reads.unaccepted_ids(at=at):
        actions.escalate(alert_id=alert_id, at=at, by=by)
