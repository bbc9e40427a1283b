"""The second factor: counting wrong tries, letting the right one in."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from django.db.models import F

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.viewer import Viewer
from careloop.patients.models import AccessLink
from careloop.portal.events import FailedChecksForgotten, LinkChecked, LinkCheckFailed
from careloop.portal.models import FailedCheck
from careloop.portal.rules import TRY_WINDOW


@action
def fail_check(*, link: AccessLink | None, fingerprints: Sequence[str], at: datetime, by: Viewer) -> None:
    """Counts a wrong try, for the network and for the link. A link that is not known costs the same statements."""
    FailedCheck.objects.bulk_create([FailedCheck(fingerprint=one, failed_at=at) for one in fingerprints])
    AccessLink.objects.unscoped("the link itself is checked").filter(pk=link.pk if link else uuid.UUID(int=0)).update(
        failures=F("failures") + 1
    )
    record(LinkCheckFailed(link_id=link.pk if link else None, patient_id=link.patient_id if link else None), by=by)


@action
def pass_check(*, link: AccessLink, at: datetime, by: Viewer) -> None:
    """Notes when the link was first opened by its owner. Opening it again changes nothing but is a fact too."""
    AccessLink.objects.visible_to(by).filter(pk=link.pk, passed_at__isnull=True).update(
        first_opened_at=at, passed_at=at
    )
    record(LinkChecked(link_id=link.pk, purpose=link.purpose, task_id=link.task_id, patient_id=link.patient_id), by=by)


@action
def forget_failed_checks(*, at: datetime, by: Viewer) -> int:
    """Deletes wrong tries that no longer count. Gives back how many."""
    gone, _ = FailedCheck.objects.filter(failed_at__lte=at - TRY_WINDOW).delete()
    if gone:
        record(FailedChecksForgotten(count=gone), by=by)
    return gone
