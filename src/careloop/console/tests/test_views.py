"""The administrators' pages: each duty does its own part and nothing else."""

import pytest
from django.contrib.auth.hashers import check_password
from django.urls import reverse

from careloop.accounts.models import Organization, Practitioner, Role, RoleAssignment
from careloop.audit.models import AuditEvent
from careloop.audit.record import seen

NAMES = ("people", "audit", "health")
WHO_MAY = {
    "people": {"system_admin", "security_admin", "audit_admin"},
    "audit": {"audit_admin"},
    "health": {"system_admin"},
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("who", ["system_admin", "security_admin", "audit_admin", "wang", "zhao", "he"])
def test_page_opens_only_for_its_duty(cast, name, who):
    status = cast.client(getattr(cast, who)).get(reverse(f"console:{name}")).status_code
    assert status == (200 if who in WHO_MAY[name] else 403)


def test_system_administrator_adds_a_person_who_may_nothing(cast):
    client = cast.client(cast.system_admin)
    answer = client.post(
        reverse("console:add-person"), {"name": "New", "username": "newone", "organization": cast.cardiology.pk}
    )
    person = Practitioner.objects.get(username="newone")
    assert answer.url == reverse("console:person", args=[person.pk])
    assert client.get(answer.url).status_code == 200
    assert not person.assignments.exists()


def test_incomplete_person_is_refused_with_the_form(cast):
    answer = cast.client(cast.system_admin).post(reverse("console:add-person"), {"name": ""})
    assert answer.status_code == 422


def test_only_security_administrator_grants_and_revokes(cast):
    nurse = Role.objects.get(code="ward-nurse")
    url = reverse("console:grant", args=[cast.li.pk])
    data = {"role": nurse.pk, "organization": cast.cardiology.pk, "reason": "cover"}
    assert cast.client(cast.system_admin).post(url, data).status_code == 403
    assert cast.client(cast.security_admin).post(url, data).status_code == 302
    given = RoleAssignment.objects.get(practitioner=cast.li, role=nurse)
    assert cast.cardiology.pk in cast.as_li.departments
    cast.client(cast.security_admin).post(reverse("console:revoke", args=[given.pk]))
    assert RoleAssignment.objects.get(pk=given.pk).valid_to is not None


def test_one_time_password_is_shown_once(cast):
    client = cast.client(cast.system_admin)
    page = client.post(reverse("console:issue-password", args=[cast.wang.pk])).content.decode()
    password = page.split("data-password>")[1].split("<")[0]
    cast.wang.refresh_from_db()
    assert check_password(password, cast.wang.password)
    assert password not in client.get(reverse("console:person", args=[cast.wang.pk])).content.decode()


def test_disabling_ends_sessions(cast):
    wang = cast.client(cast.wang)
    cast.client(cast.system_admin).post(reverse("console:set-active", args=[cast.wang.pk]), {"active": "0"})
    assert wang.get("/account/").status_code == 302
    cast.client(cast.system_admin).post(reverse("console:set-active", args=[cast.wang.pk]), {"active": "1"})
    assert Practitioner.objects.get(pk=cast.wang.pk).is_active


def test_security_administrator_signs_people_out(cast):
    wang = cast.client(cast.wang)
    cast.client(cast.security_admin).post(reverse("console:end-sessions", args=[cast.wang.pk]))
    assert wang.get("/account/").status_code == 302


def test_new_department_gets_its_place_in_the_tree(cast):
    data = {"code": "NEURO", "name": "Neurology", "kind": "department", "parent": cast.hospital.pk}
    client = cast.client(cast.system_admin)
    assert client.post(reverse("console:add-organization"), data).status_code == 302
    assert Organization.objects.get(code="NEURO").path == "/H/NEURO/"
    assert client.post(reverse("console:add-organization"), data).status_code == 409


def test_audit_log_finds_by_person_patient_and_pages(cast):
    for _ in range(3):
        seen(patient_id=cast.zhang.pk, what="record", by=cast.as_wang)
    client = cast.client(cast.audit_admin)
    found = client.get(reverse("console:audit"), {"actor": "wang", "name": "audit.RecordSeen"})
    assert found.content.count(b'data-event="audit.RecordSeen"') == 3
    found = client.get(reverse("console:audit"), {"patient_id": str(cast.ma.pk)})
    assert b"data-event" not in found.content
    oldest = AuditEvent.objects.order_by("pk").first().pk
    assert b"data-event" not in client.get(reverse("console:audit"), {"before_id": oldest}).content


def test_audit_log_shows_no_name_of_a_patient(cast):
    seen(patient_id=cast.zhang.pk, what="record", by=cast.as_wang)
    assert b"Zhang" not in cast.client(cast.audit_admin).get(reverse("console:audit")).content
