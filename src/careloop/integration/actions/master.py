"""Staff and location files of the hospital (MFN)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from careloop.accounts.actions import create_organization, map_organization_code
from careloop.accounts.events import PractitionerChanged
from careloop.accounts.models import Organization, Practitioner
from careloop.audit.record import record
from careloop.integration.actions.directory import Directory
from careloop.integration.hl7v2.facts import LocationRecord, StaffRecord
from careloop.kernel.actions import action
from careloop.kernel.viewer import Viewer


@action
def apply_staff(
    *, records: Sequence[StaffRecord], directory: Directory, facility: str, at: datetime, by: Viewer
) -> None:
    """People known from the staff file. A person with an account keeps name and place as administrators set them."""
    for each in records:
        number = each.number[:40]
        person = Practitioner.objects.filter(staff_number=number).first()
        if person is not None and person.username is not None:
            continue
        where = directory.find(each.department, facility) if each.department else None
        person = person or Practitioner(staff_number=number, must_change_password=False)
        told = {"name": each.name[:80] or number, "title": each.title[:60], "phone": each.phone[:30]}
        changed = [name for name, value in told.items() if value and getattr(person, name) != value]
        if where is not None and person.organization_id != where.pk:
            person.organization = where
            changed.append("organization")
        if person.is_active != each.is_active:
            changed.append("is_active")
        if not changed:
            continue
        for name in changed:
            if name in told:
                setattr(person, name, told[name])
        person.is_active = each.is_active
        if not person.password:
            person.set_unusable_password()
        person.save()
        record(PractitionerChanged(practitioner_id=person.pk, what="staff-file"), by=by)


@action
def apply_locations(
    *, records: Sequence[LocationRecord], directory: Directory, facility: str, at: datetime, by: Viewer
) -> None:
    """New places are added under their department, or under the hospital; known ones keep the place we gave them.

    Switching a place off is left to a person: patients may still be in it.
    """
    root = Organization.objects.filter(parent__isnull=True).order_by("path").first()
    for each in records:
        if directory.find(each.code, facility) is not None or not each.is_active or root is None:
            continue
        parent = (directory.find(each.parent, facility) if each.parent else None) or root
        made = create_organization(
            code=each.code[:40], name=(each.name or each.code)[:120], kind=each.kind, parent=parent, by=by
        )
        map_organization_code(system=facility, value=each.code, organization=made, by=by)
        directory.own[each.code] = made
