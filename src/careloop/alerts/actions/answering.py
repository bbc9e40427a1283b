"""Who answers for a department, and who is away."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Practitioner
from careloop.alerts import access
from careloop.alerts.actions.handling import NobodyToHandOverTo
from careloop.alerts.events import (
    AbsenceChanged,
    DutyChanged,
)
from careloop.alerts.models import Absence, Duty
from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer


class NotYourDepartment(Refused):
    """Duty lists are kept by those who oversee the department."""

    code = "duty-not-yours"
    message = _("This department or this colleague is not in your care.")


@action
def set_duty(
    *,
    organization_id: UUID,
    kind: str,
    practitioner_id: UUID,
    phone: str,
    valid_from: datetime,
    valid_to: datetime | None,
    at: datetime,
    by: Viewer,
) -> Duty:
    """Somebody answers for a department from now on or for a while. The latest entry counts first."""
    _refuse_foreign_department(organization_id, by)
    _refuse_nobody(practitioner_id)
    duty = Duty(
        organization_id=organization_id,
        kind=kind,
        practitioner_id=practitioner_id,
        phone=phone[:30],
        valid_from=valid_from,
        valid_to=valid_to,
    )
    duty.save(force_insert=True)
    record(DutyChanged(organization_id=organization_id, kind=kind), by=by)
    return duty


@action
def end_duty(*, duty: Duty, at: datetime, by: Viewer) -> None:
    """Over from now on; one that has not begun is taken back. Ending it again changes nothing."""
    _refuse_foreign_department(duty.organization_id, by)
    running = Duty.objects.filter(pk=duty.pk, valid_from__lt=at).exclude(valid_to__lte=at)
    changed = running.update(valid_to=at) or Duty.objects.filter(pk=duty.pk, valid_from__gte=at).delete()[0]
    if changed:
        record(DutyChanged(organization_id=duty.organization_id, kind=duty.kind), by=by)


@action
def set_absence(
    *,
    practitioner_id: UUID,
    stand_in_id: UUID | None,
    valid_from: datetime,
    valid_to: datetime | None,
    at: datetime,
    by: Viewer,
) -> Absence:
    """Somebody is away; new alerts go to the stand-in. One's own absence needs no further right."""
    if practitioner_id != by.practitioner_id:
        _refuse_foreign_colleague(practitioner_id, by)
    if stand_in_id is not None:
        _refuse_nobody(stand_in_id)
    absence = Absence(
        practitioner_id=practitioner_id, stand_in_id=stand_in_id, valid_from=valid_from, valid_to=valid_to
    )
    absence.save(force_insert=True)
    record(_absence_fact(absence, ends=valid_to), by=by)
    return absence


@action
def end_absence(*, absence: Absence, at: datetime, by: Viewer) -> None:
    """Back again. An absence that has not begun is taken back."""
    if absence.practitioner_id != by.practitioner_id:
        _refuse_foreign_colleague(absence.practitioner_id, by)
    running = Absence.objects.filter(pk=absence.pk, valid_from__lt=at).exclude(valid_to__lte=at)
    changed = running.update(valid_to=at) or Absence.objects.filter(pk=absence.pk, valid_from__gte=at).delete()[0]
    if changed:
        record(_absence_fact(absence, ends=max(at, absence.valid_from)), by=by)


def _absence_fact(absence: Absence, *, ends: datetime | None) -> AbsenceChanged:
    return AbsenceChanged(
        practitioner_id=absence.practitioner_id, absence_id=absence.pk, valid_from=absence.valid_from, valid_to=ends
    )


def _refuse_foreign_department(organization_id: UUID, by: Viewer) -> None:
    by = by.within(access.OVERSEE)
    wide = by.everything or by.hospital_wide
    if not (by.can(access.OVERSEE) and (wide or organization_id in by.departments)):
        raise NotYourDepartment


def _refuse_foreign_colleague(practitioner_id: UUID, by: Viewer) -> None:
    home = Practitioner.objects.filter(pk=practitioner_id).values_list("organization_id", flat=True).first()
    if home is None:
        raise NotYourDepartment
    _refuse_foreign_department(home, by)


def _refuse_nobody(practitioner_id: UUID) -> None:
    if not Practitioner.objects.filter(pk=practitioner_id, is_active=True, username__isnull=False).exists():
        raise NobodyToHandOverTo
