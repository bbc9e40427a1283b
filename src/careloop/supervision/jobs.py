"""What supervision does by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from careloop.accounts.reads import viewer_for
from careloop.kernel.jobs import job, periodic
from careloop.kernel.viewer import Viewer
from careloop.supervision import actions
from careloop.supervision.models import Sample


@job()
def widen_after_decision(*, event: dict[str, Any]) -> None:
    """SampleDecided: what was not accepted is drawn again, wider, in the name and scope of who drew it."""
    if event["accepted"]:
        return
    at = timezone.now()
    sample = (
        Sample.objects.unscoped("the sample that was judged")
        .select_related("drawn_by")
        .get(pk=UUID(event["sample_id"]))
    )
    actions.widen_sample(sample=sample, at=at, by=viewer_for(sample.drawn_by, at=at))


@periodic("20 19 * * *", queue="reports")
def roll_up_integrity(timestamp: int) -> None:
    """At night (03:20 in the hospital): this month, and last month while its second looks still come in."""
    at = datetime.fromtimestamp(timestamp, UTC)
    by = Viewer.system("supervision.roll_up_integrity")
    today = timezone.localtime(at).date()
    actions.roll_up_integrity(month=today.replace(day=1) - timedelta(days=1), at=at, by=by)
    actions.roll_up_integrity(month=today, at=at, by=by)
