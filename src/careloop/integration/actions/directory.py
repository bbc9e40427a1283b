"""Codes of the sender → our departments and people, for one batch of messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from careloop.accounts.actions import PractitionerExists, create_practitioner
from careloop.accounts.models import Organization, OrganizationCode, Practitioner
from careloop.integration.hl7v2.facts import Facts, Place, StaffRef
from careloop.kernel.prepared import Many, prepared, together
from careloop.kernel.viewer import Viewer

ANY_SENDER = ""
"""A mapping with this system holds for every sender."""


@dataclass(frozen=True, slots=True)
class Where:
    """The department and ward of a place; None where the sender did not say."""

    department_id: UUID | None = None
    ward_id: UUID | None = None


@dataclass(slots=True)
class Directory:
    """What the codes of one batch mean. Three questions in one journey for the whole batch."""

    mapped: dict[tuple[str, str], Organization] = field(default_factory=dict)
    own: dict[str, Organization] = field(default_factory=dict)
    staff: dict[str, UUID] = field(default_factory=dict)

    @classmethod
    def for_facts(cls, facts: Sequence[Facts], *, by: Viewer) -> Directory:
        """Look up every code the batch mentions; people we never heard of are written down first."""
        codes = Many({code for each in facts for code in _codes(each)})
        staff = {_number(who.number): who.name for each in facts for who in _people(each)}
        mapped, own, people = together(
            _mapped.asked(viewer=by, codes=codes), _own.asked(viewer=by, codes=codes),
            _staff.asked(viewer=by, numbers=Many(staff)),
        )  # fmt: skip
        made = cls(
            {(row.system, row.value): row.organization for row in mapped},
            {each.code: each for each in own},
            dict(people),
        )
        made._write_down(staff, by)
        return made

    def find(self, code: str, facility: str) -> Organization | None:
        """This sender's mapping, then one for every sender, then a department of ours with that very code."""
        for key in ((facility, code), (ANY_SENDER, code)):
            if key in self.mapped:
                return self.mapped[key]
        return self.own.get(code)

    def where(self, place: Place, facility: str) -> Where | str:
        """Department and ward of a place, or the code that nobody has mapped.

        One known code is enough: a message with a known service and an unknown ward is not held up.
        """
        found = [(code, self.find(code, facility)) for code in place.codes]
        known = [organization for _code, organization in found if organization is not None]
        if not known:
            return found[0][0] if found else Where()
        ward = next((each for each in known if each.kind == Organization.Kind.WARD), None)
        department = next((each for each in known if each.kind != Organization.Kind.WARD), None)
        if department is not None:
            return Where(department.pk, ward.pk if ward else None)
        return Where(_department_of(known[0]), known[0].pk)

    def person(self, who: StaffRef | None) -> UUID | None:
        return self.staff.get(_number(who.number)) if who else None

    def _write_down(self, names: dict[str, str], by: Viewer) -> None:
        for number in sorted(set(names) - set(self.staff)):  # sorted: two processes meet in the same order
            try:
                self.staff[number] = create_practitioner(name=names[number][:80], staff_number=number, by=by).pk
            except PractitionerExists:  # another process wrote this person down a moment ago
                self.staff.update(_staff(viewer=by, numbers=Many((number,))))


@prepared
def _mapped(viewer: Viewer, codes: Many) -> QuerySet[OrganizationCode]:
    rows = OrganizationCode.objects.filter(value__among=codes)
    return rows.select_related("organization__parent").order_by("pk")


@prepared
def _own(viewer: Viewer, codes: Many) -> QuerySet[Organization]:
    return Organization.objects.filter(code__among=codes, is_active=True).select_related("parent").order_by("pk")


@prepared
def _staff(viewer: Viewer, numbers: Many) -> QuerySet[Practitioner, Any]:
    found = Practitioner.objects.filter(staff_number__among=numbers)
    return found.order_by("pk").values_list("staff_number", "pk")


def _department_of(ward: Organization) -> UUID:
    """The department a ward belongs to; the ward itself when it hangs directly under the hospital."""
    parent = ward.parent
    return parent.pk if parent is not None and parent.kind == Organization.Kind.DEPARTMENT else ward.pk


def _codes(facts: Facts) -> Iterable[str]:
    yield from facts.place.codes
    yield from facts.appointment_place.codes
    yield from (record.department for record in facts.staff if record.department)
    yield from (code for record in facts.locations for code in (record.code, record.parent) if code)


def _people(facts: Facts) -> Iterable[StaffRef]:
    surgeons = (each.surgeon for each in facts.procedures or ())
    for who in (facts.attending, facts.family_doctor, facts.appointment_staff, *surgeons):
        if who is not None:
            yield who


def _number(number: str) -> str:
    return number.replace("\x00", "")[:40]
