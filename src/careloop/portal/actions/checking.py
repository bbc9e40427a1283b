"""The second factor: counting wrong tries, letting the right one in."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from enum import Enum

from django.db import connection
from django.db.models import F

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.viewer import Viewer
from careloop.patients.actions import verify_contact_point
from careloop.patients.models import AccessLink
from careloop.portal import reads
from careloop.portal.events import FailedChecksForgotten, LinkChecked, LinkCheckFailed
from careloop.portal.models import FailedCheck
from careloop.portal.rules import TRY_WINDOW, factor_matches, too_many


class Check(Enum):
    """What became of a try."""

    PASSED = "passed"
    WRONG = "wrong"
    TOO_MANY = "too-many"


@action
def try_check(*, link: AccessLink | None, given: str, fingerprints: Sequence[str], at: datetime, by: Viewer) -> Check:
    """One try at the second factor of a link; None is a link that does not exist or is over, and costs the same.

    Tries of one network and of one link wait for each other, so a thousand at the same moment are still counted: ten
    wrong ones in ten minutes, then even the right digits are turned away.
    """
    _wait_for_turn(fingerprints)
    if too_many(reads.wrong_tries(fingerprints, at=at)):
        return Check.TOO_MANY
    fits = factor_matches(given, reads.known_factors(link))
    if not fits or link is None:
        _count(link, fingerprints, at, by)
        return Check.WRONG
    patient = Viewer.patient(link.patient_id, ip=by.ip, request_id=by.request_id)
    mine = AccessLink.objects.visible_to(patient).filter(pk=link.pk, passed_at__isnull=True)
    mine.update(first_opened_at=at, passed_at=at)
    fact = LinkChecked(link_id=link.pk, purpose=link.purpose, task_id=link.task_id, patient_id=link.patient_id)
    record(fact, by=patient)
    proven = reads.proven_number(link, given, patient)
    if proven is not None:
        verify_contact_point(contact_point=proven, how="portal", at=at, by=patient)
    return Check.PASSED


def _wait_for_turn(fingerprints: Sequence[str]) -> None:
    with connection.cursor() as cursor:
        for one in sorted(fingerprints):
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [int(one[:15], 16)])


def _count(link: AccessLink | None, fingerprints: Sequence[str], at: datetime, by: Viewer) -> None:
    FailedCheck.objects.bulk_create([FailedCheck(fingerprint=one, failed_at=at) for one in fingerprints])
    known = AccessLink.objects.unscoped("the link itself is checked").filter(pk=link.pk if link else uuid.UUID(int=0))
    known.update(failures=F("failures") + 1)
    record(LinkCheckFailed(link_id=link.pk if link else None, patient_id=link.patient_id if link else None), by=by)


@action
def forget_failed_checks(*, at: datetime, by: Viewer) -> int:
    """Deletes wrong tries that no longer count. Gives back how many."""
    gone, _ = FailedCheck.objects.filter(failed_at__lte=at - TRY_WINDOW).delete()
    if gone:
        record(FailedChecksForgotten(count=gone), by=by)
    return gone
