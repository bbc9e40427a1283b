"""Temporary rights to one record: lent by a supervisor, or taken in an emergency and reviewed afterwards."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.patients import access, events
from careloop.patients.models import AccessGrant, Patient

BREAK_GLASS_HOURS: Final = 4
SHORTEST_REASON: Final = 5


class ReasonNeeded(Refused):
    code = "reason-needed"
    message = _("Write why you need this record now; at least five characters.")
    status = 422


class NotForYou(Refused):
    code = "not-allowed"
    message = _("Your role does not include emergency access.")


class OwnReview(Refused):
    code = "own-review"
    message = _("Nobody may review their own emergency access.")


@action
def break_glass(*, patient_id: UUID, reason: str, at: datetime, by: Viewer) -> AccessGrant:
    """Open a record that is not yours, in an emergency: for four hours, with a reason, to be reviewed.

    Refuses without a reason and without the permission. While a grant runs, asking again returns it.
    """
    if by.practitioner_id is None or not by.can(access.BREAK_GLASS):
        raise NotForYou
    if len(reason.strip()) < SHORTEST_REASON:
        raise ReasonNeeded
    patient = Patient.objects.unscoped("the record is not the viewer's: that is what is being asked for").get(
        pk=patient_id
    )
    running = AccessGrant.objects.unscoped("the viewer's own grants").filter(
        patient=patient, practitioner_id=by.practitioner_id, kind=AccessGrant.Kind.BREAK_GLASS, valid_to__gt=at
    )
    existing = running.order_by("-valid_to", "id").first()
    if existing is not None:
        return existing
    grant = AccessGrant.objects.create(
        patient=patient, practitioner_id=by.practitioner_id, kind=AccessGrant.Kind.BREAK_GLASS,
        reason=reason.strip()[:300], valid_from=at, valid_to=at + timedelta(hours=BREAK_GLASS_HOURS),
    )  # fmt: skip
    record(events.GlassBroken(patient_id=patient.pk, grant_id=grant.pk, practitioner_id=by.practitioner_id), by=by)
    return grant


@action
def grant_access(
    *, patient: Patient, practitioner_id: UUID, reason: str, until: datetime, at: datetime, by: Viewer
) -> AccessGrant:
    """Lend a person the view of one patient until a time. Only for a patient the lender sees."""
    if len(reason.strip()) < SHORTEST_REASON:
        raise ReasonNeeded
    visible = Patient.objects.visible_to(by).get(pk=patient.pk)
    grant = AccessGrant.objects.create(
        patient=visible, practitioner_id=practitioner_id, kind=AccessGrant.Kind.TEMPORARY, reason=reason.strip()[:300],
        valid_from=at, valid_to=until, granted_by_id=by.practitioner_id,
    )  # fmt: skip
    record(events.AccessGranted(patient_id=visible.pk, grant_id=grant.pk, practitioner_id=practitioner_id), by=by)
    return grant


@action
def review_access(*, grant: AccessGrant, at: datetime, by: Viewer) -> None:
    """A second person has looked at an emergency access. Refuses the person who took it."""
    if grant.practitioner_id == by.practitioner_id:
        raise OwnReview
    rows = AccessGrant.objects.visible_to(by).filter(pk=grant.pk, reviewed_at=None)
    if rows.update(reviewed_at=at, reviewed_by_id=by.practitioner_id):
        record(events.AccessReviewed(patient_id=grant.patient_id, grant_id=grant.pk), by=by)
