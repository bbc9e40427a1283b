"""Signing in, passwords, rights: state and recorded facts."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.hashers import make_password

from careloop.accounts import actions
from careloop.accounts.models import Role, StaffSession
from careloop.accounts.reads import viewer_for
from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from tests.cast import SYSTEM

GOOD = "Rain-over-42-hills"


@pytest.fixture
def wang(cast):
    with seeding():
        cast.wang.password = make_password(GOOD)
        cast.wang.save()
    return cast.wang


def try_in(username, password, at, ip="10.0.0.9"):
    return actions.sign_in(username=username, password=password, ip=ip, at=at, by=SYSTEM)


def test_right_password_signs_in_and_wrong_does_not(wang, cast):
    assert try_in("wang", GOOD, cast.now) == wang
    assert try_in("wang", "nope", cast.now) is None
    assert try_in("nobody", GOOD, cast.now) is None
    why = list(AuditEvent.objects.filter(name="accounts.SignInFailed").values_list("payload__why", flat=True))
    assert why == ["unknown-or-wrong", "unknown-or-wrong"]


def test_five_failures_shut_the_account_for_half_an_hour(wang, cast):
    for _ in range(5):
        try_in("wang", "nope", cast.now)
    assert try_in("wang", GOOD, cast.now + timedelta(minutes=29)) is None
    assert try_in("wang", GOOD, cast.now + timedelta(minutes=31, seconds=1)) == wang


def test_throttle_keeps_no_name(wang, cast):
    from careloop.accounts.models import LoginAttempt

    try_in("wang", "nope", cast.now)
    assert "wang" not in str(list(LoginAttempt.objects.values()))


def test_disabled_person_is_out_at_once(wang, cast):
    client = cast.client(wang)
    assert client.get("/account/").status_code == 200
    actions.disable_practitioner(practitioner=wang, at=cast.now, by=SYSTEM)
    assert client.get("/account/").status_code == 302
    assert try_in("wang", GOOD, cast.now) is None


def test_password_must_be_good_and_new(wang, cast):
    with pytest.raises(actions.WrongPassword):
        actions.change_password(practitioner=wang, current="x", new="Another-1-good-one", at=cast.now, by=SYSTEM)
    with pytest.raises(actions.PasswordTooWeak):
        actions.change_password(practitioner=wang, current=GOOD, new="short", at=cast.now, by=SYSTEM)
    with pytest.raises(actions.PasswordUsedBefore):
        actions.change_password(practitioner=wang, current=GOOD, new=GOOD, at=cast.now, by=SYSTEM)
    actions.change_password(practitioner=wang, current=GOOD, new="Another-1-good-one", at=cast.now, by=SYSTEM)
    assert try_in("wang", "Another-1-good-one", cast.now) == wang


def test_issued_password_works_once_and_must_be_changed(wang, cast):
    password = actions.issue_password(practitioner=wang, at=datetime.now(UTC), by=SYSTEM)
    assert try_in("wang", password, cast.now) == wang
    wang.refresh_from_db()
    assert wang.must_change_password


def test_nobody_changes_own_rights_and_duties_stay_separate(cast):
    nurse = Role.objects.get(code="follow-up-nurse")
    audit = Role.objects.get(code="audit-administrator")
    with pytest.raises(actions.OwnRights):
        actions.grant_role(
            practitioner=cast.wang, role=nurse, organization=cast.cardiology, valid_from=cast.now, by=cast.as_wang
        )
    with pytest.raises(actions.SeparatedDuties):
        actions.grant_role(
            practitioner=cast.wang, role=audit, organization=cast.hospital, valid_from=cast.now, by=SYSTEM
        )
    with pytest.raises(actions.SeparatedDuties):
        actions.grant_role(
            practitioner=cast.system_admin, role=audit, organization=cast.hospital, valid_from=cast.now, by=SYSTEM
        )


def test_a_grant_ends_the_second_it_ends(cast):
    role = Role.objects.get(code="follow-up-nurse")
    actions.grant_role(
        practitioner=cast.wang,
        role=role,
        organization=cast.orthopaedics,
        valid_from=cast.now,
        valid_to=cast.now + timedelta(hours=1),
        by=SYSTEM,
    )
    assert cast.orthopaedics.pk in viewer_for(cast.wang, at=cast.now + timedelta(minutes=59)).departments
    assert cast.orthopaedics.pk not in viewer_for(cast.wang, at=cast.now + timedelta(minutes=60)).departments


def test_scope_is_a_subtree(cast):
    assert cast.as_wang.departments == {cast.cardiology.pk}
    assert cast.as_sun.hospital_wide
    assert not cast.as_wang.hospital_wide


def test_no_administrator_may_see_patients(cast):
    for person in (cast.system_admin, cast.security_admin, cast.audit_admin):
        assert not any(code.startswith(("patients.", "tasks.", "alerts.")) for code in cast.viewer(person).permissions)


def test_roles_load_twice_without_a_copy(cast):
    before = Role.objects.count()
    actions.load_shipped_roles(by=SYSTEM)
    assert Role.objects.count() == before


def test_ending_all_sessions_spares_the_given_one(cast):
    cast.client(cast.wang), cast.client(cast.wang)
    keep = StaffSession.objects.filter(practitioner=cast.wang).first()
    assert actions.end_sessions(practitioner=cast.wang, why="password", at=cast.now, by=SYSTEM, except_for=keep) == 1
    assert StaffSession.objects.get(practitioner=cast.wang, ended_at__isnull=True) == keep


def test_a_one_time_password_leads_to_the_page_where_it_is_changed(cast):
    actions.issue_password(practitioner=cast.wang, at=datetime.now(UTC), by=SYSTEM)
    answer = cast.client(cast.wang).get("/console/people/")
    assert (answer.status_code, answer.url) == (302, "/account/")
