"""The people every test knows.

Nurse Wang and doctor Zhao work in Cardiology, nurse Li in Orthopaedics, Sun at the follow-up centre (whole hospital),
supervisor Qian supervises Cardiology, manager He sees numbers only. Patient Zhang is Wang's; patient Ma is Li's.
Three separate administrators: system, security, audit. All invented.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client

from careloop.accounts.actions import SHIPPED_ROLES, open_session
from careloop.accounts.models import Organization, Practitioner, Role, RoleAssignment
from careloop.accounts.reads import viewer_for
from careloop.kernel.actions import seeding
from careloop.kernel.viewer import Viewer
from careloop.patients.models import CareRelationship, Condition, ContactPoint, Encounter, Patient, PatientIdentifier

SYSTEM = Viewer.system("tests")
NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)  # Friday 10:00 in the hospital
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass
class Cast:
    """Everybody, by name. `as_x` is the viewer, `x` the row."""

    hospital: Organization
    cardiology: Organization
    orthopaedics: Organization
    centre: Organization
    wang: Practitioner
    zhao: Practitioner
    li: Practitioner
    sun: Practitioner
    qian: Practitioner
    he: Practitioner
    system_admin: Practitioner
    security_admin: Practitioner
    audit_admin: Practitioner
    zhang: Patient
    ma: Patient
    stay: Encounter
    other_stay: Encounter
    now: datetime = NOW

    def viewer(self, person: Practitioner) -> Viewer:
        return viewer_for(person, at=datetime.now(UTC))

    @property
    def as_wang(self) -> Viewer:
        return self.viewer(self.wang)

    @property
    def as_zhao(self) -> Viewer:
        return self.viewer(self.zhao)

    @property
    def as_li(self) -> Viewer:
        return self.viewer(self.li)

    @property
    def as_sun(self) -> Viewer:
        return self.viewer(self.sun)

    def client(self, person: Practitioner) -> Client:
        """A signed-in browser."""
        return signed_in(person)


def signed_in(person: Practitioner) -> Client:
    """A test client whose session belongs to this person."""
    client = Client()
    session = client.session
    session["practitioner"] = str(person.pk)
    session.save()
    client.cookies["careloop_staff"] = session.session_key
    open_session(
        practitioner=person, session_key=session.session_key, ip="127.0.0.1", user_agent="test",
        at=datetime.now(UTC), by=Viewer(actor=f"staff:{person.pk}", practitioner_id=person.pk),
    )  # fmt: skip
    return client


def _roles() -> None:
    """The shipped roles in one statement: every test needs them, few test how they are loaded."""
    Role.objects.bulk_create(
        Role(
            code=told["code"], name=told["name"]["zh"], name_en=told["name"]["en"], permissions=sorted(told["permissions"]),
            own_only=told.get("own_only", False), separated_duty=told.get("separated_duty", ""), is_shipped=True,
        )
        for told in json.loads(SHIPPED_ROLES.read_text())["roles"]
    )  # fmt: skip


def _organization(code: str, name: str, kind: str, parent: Organization | None) -> Organization:
    path = f"{parent.path if parent else '/'}{code}/"
    return Organization.objects.create(code=code, name=name, name_en=name, kind=kind, parent=parent, path=path)


def _person(username: str, name: str, where: Organization, *roles: str, at: Organization | None = None) -> Practitioner:
    person = Practitioner(
        username=username, staff_number=username.upper(), name=name, organization=where, must_change_password=False,
        password_changed_at=datetime.now(UTC),
    )  # fmt: skip
    person.set_unusable_password()
    person.save()
    for role in roles:
        RoleAssignment.objects.create(
            practitioner=person, role=Role.objects.get(code=role), organization=at or where, valid_from=LONG_AGO
        )
    return person


def _patient(
    name: str, number: str, department: Organization, doctor: Practitioner | None, code: str, text: str
) -> tuple[Patient, Encounter]:
    patient = Patient.objects.create(
        name=name, name_pinyin=name.lower(), name_initials=name[:2].lower(), sex="male", birth_date=date(1959, 3, 8)
    )
    PatientIdentifier.objects.create(patient=patient, system="HIS", type="MR", value=number)
    ContactPoint.objects.create(
        patient=patient,
        value=f"+8613800{number[-6:]}",
        raw=f"13800{number[-6:]}",
        last4=number[-4:],
        is_mobile=True,
        rank=1,
    )
    CareRelationship.objects.create(patient=patient, department=department, practitioner=doctor, since=NOW)
    stay = Encounter.objects.create(
        patient=patient, system="HIS", visit_number=f"V{number}", class_code="IMP", status="in-progress",
        department=department, attending=doctor, admitted_at=NOW - timedelta(days=8),
    )  # fmt: skip
    Condition.objects.create(
        patient=patient, encounter=stay, system="ICD-10", code=code, code_key=code, text=text, use="final", rank=1
    )
    return patient, stay


def make_cast() -> Cast:
    """Create everybody. Needs a database; call inside a transaction or flush afterwards."""
    with seeding():
        _roles()
        hospital = _organization("H", "Hospital", "hospital", None)
        cardiology = _organization("CARD", "Cardiology", "department", hospital)
        orthopaedics = _organization("ORTH", "Orthopaedics", "department", hospital)
        centre = _organization("FUC", "Follow-up centre", "centre", hospital)
        zhao = _person("zhao", "Zhao", cardiology, "ward-doctor")
        zhang, stay = _patient("Zhang", "2026110347", cardiology, zhao, "I21.0", "Acute anterior myocardial infarction")
        ma, other_stay = _patient("Ma", "2026110999", orthopaedics, None, "S72.0", "Fracture of neck of femur")
        return Cast(
            hospital=hospital, cardiology=cardiology, orthopaedics=orthopaedics, centre=centre,
            wang=_person("wang", "Wang", cardiology, "follow-up-nurse"), zhao=zhao,
            li=_person("li", "Li", orthopaedics, "follow-up-nurse"),
            sun=_person("sun", "Sun", centre, "follow-up-nurse", at=hospital),
            qian=_person("qian", "Qian", cardiology, "department-supervisor"),
            he=_person("he", "He", hospital, "manager"),
            system_admin=_person("sysadmin", "Sys", hospital, "system-administrator"),
            security_admin=_person("secadmin", "Sec", hospital, "security-administrator"),
            audit_admin=_person("audadmin", "Aud", hospital, "audit-administrator"),
            zhang=zhang, ma=ma, stay=stay, other_stay=other_stay,
        )  # fmt: skip


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: object) -> Iterator[None]:
    """Tests that commit are cleaned by TRUNCATE, which the audit trail rightly refuses; its own test puts this back.

    Threads of servers and workers may still hold a connection at the end, which would keep the database from being dropped.
    """
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_auditevent DISABLE TRIGGER audit_no_truncate")
    yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
        )
