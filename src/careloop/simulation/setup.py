"""The hospital before its first day: departments, people, roles, duties. Through actions, like an administrator would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from careloop.accounts import actions as accounts
from careloop.accounts.models import Organization, Practitioner, Role
from careloop.alerts.actions import set_duty
from careloop.kernel.viewer import Viewer
from careloop.simulation.world import City

BY = Viewer.system("simulation.setup")


@dataclass(frozen=True, slots=True)
class Staff:
    """Everybody who works in the run."""

    nurses: Sequence[Practitioner]
    demo_people: Sequence[dict[str, str]]


def open_hospital(city: City, *, at: datetime) -> Staff:
    """Create the hospital, or find the one of an earlier run. The second time nothing changes but the passwords."""
    if not Organization.objects.filter(code=city.hospital["hospital"]["code"]).exists():
        _create(city, at=at)
    nurses = Practitioner.objects.filter(username__startswith="hushi").order_by("username")
    return Staff(nurses=list(nurses), demo_people=[])


def _create(city: City, *, at: datetime) -> None:
    told = city.hospital
    root = _unit(told["hospital"], Organization.Kind.HOSPITAL, None)
    centre = _unit(told["centre"], Organization.Kind.CENTRE, root)
    inspector = _person(city, "zhikong", "医务部", root, "hospital-inspector", root, at)
    _on_duty(root, "hospital-oversight", inspector, at)
    _person(city, "guanli", "医务部主任", root, "manager", root, at)
    for username, role in (
        ("xitong", "system-administrator"),
        ("anquan", "security-administrator"),
        ("shenji", "audit-administrator"),
    ):
        _person(city, username, "信息科", root, role, root, at)
    for number in range(1, told["centre"]["nurses"] + 1):
        _person(city, f"hushi{number}", "随访护士", centre, "follow-up-nurse", root, at)
    for department in told["departments"]:
        _staff_department(city, department, _unit(department, Organization.Kind.DEPARTMENT, root), at)


def _staff_department(city: City, told: dict[str, Any], unit: Organization, at: datetime) -> None:
    for number in range(1, told["doctors"] + 1):
        doctor = _person(city, f"{told['code'].lower()}d{number}", "主任医师" if number == 1 else "主治医师", unit, "ward-doctor", unit, at,
                         staff_number=f"{told['code']}D{number}")  # fmt: skip
        if number == 1:
            for kind in ("department-duty", "department-head"):
                _on_duty(unit, kind, doctor, at)
    for number in range(1, told["nurses"] + 1):
        _person(city, f"{told['code'].lower()}n{number}", "护师", unit, "ward-nurse", unit, at)
    _person(city, f"{told['code'].lower()}s", "护士长", unit, "department-supervisor", unit, at)


def _on_duty(where: Organization, kind: str, who: Practitioner, at: datetime) -> None:
    set_duty(
        organization_id=where.pk,
        kind=kind,
        practitioner_id=who.pk,
        phone="",
        valid_from=at,
        valid_to=None,
        at=at,
        by=BY,
    )


def _unit(told: dict[str, Any], kind: str, parent: Organization | None) -> Organization:
    return accounts.create_organization(
        code=told["code"],
        name=told["name"],
        name_en=told["name_en"],
        kind=kind,
        parent=parent,
        phone=told["phone"],
        by=BY,
    )


def _person(
    city: City, username: str, title: str, unit: Organization, role: str, where: Organization, at: datetime,
    staff_number: str | None = None,
) -> Practitioner:  # fmt: skip
    person = accounts.create_practitioner(
        name=city.name(city.random.choice("FFFM") if role.endswith("nurse") else city.random.choice("FM")),
        username=username, staff_number=staff_number or username.upper(), title=title, organization=unit,
        daily_capacity=120, by=BY,
    )  # fmt: skip
    accounts.grant_role(
        practitioner=person,
        role=Role.objects.get(code=role),
        organization=where,
        valid_from=at,
        by=BY,
        reason="example",
    )
    return person


SHOWN = ("hushi1", "hushi2", "xnkd1", "xnkn1", "xnks", "zhikong", "guanli", "xitong", "anquan", "shenji")


def issue_demo_passwords(*, at: datetime) -> list[dict[str, str]]:
    """One-time passwords for one person of each role, to be printed once."""
    people = []
    for person in Practitioner.objects.filter(username__in=SHOWN).order_by("pk"):
        given = person.assignments.select_related("role").first()
        people.append({
            "username": str(person.username), "name": person.name, "role": given.role.name if given else "",
            "password": accounts.issue_password(practitioner=person, at=at, by=BY),
        })  # fmt: skip
    return people
