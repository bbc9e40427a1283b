"""Nobody becomes another administrator by knowing a password they made themselves."""

from datetime import timedelta

import pytest
from django.contrib.auth.hashers import is_password_usable, make_password
from django.urls import reverse

from careloop.accounts import actions
from careloop.accounts.models import Practitioner, Role, RoleAssignment, StaffSession
from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from tests.cast import SYSTEM

ADMINS = ("system_admin", "security_admin", "audit_admin")


@pytest.mark.parametrize("whose", [*ADMINS, "wang", "qian"])
@pytest.mark.parametrize("issuer", ADMINS)
def test_a_password_comes_from_the_same_administration_only(cast, issuer, whose):
    target = getattr(cast, whose)
    before = target.password
    by = cast.viewer(getattr(cast, issuer))
    if whose in ADMINS and whose != issuer:
        with pytest.raises(actions.OtherAdministration):
            actions.issue_password(practitioner=target, at=cast.now, by=by)
        target.refresh_from_db()
        assert target.password == before
        assert not AuditEvent.objects.filter(name="accounts.PasswordChanged").exists()
    else:
        assert actions.issue_password(practitioner=target, at=cast.now, by=by)


@pytest.mark.parametrize(
    ("begin", "end", "apart"),
    [(-2, -1, False), (-2, 0, False), (-1, None, True), (-1, 1, True), (0, None, True), (5, None, True)],
    ids=["over", "just-over", "running", "until-tomorrow", "from-now", "next-week"],
)
def test_only_a_duty_that_runs_or_comes_sets_apart(cast, begin, end, apart):
    person = actions.create_practitioner(name="钱多多", username="dora", by=SYSTEM)
    day = timedelta(days=1)
    with seeding():
        RoleAssignment.objects.create(
            practitioner=person, role=Role.objects.get(code="audit-administrator"), organization=cast.hospital,
            valid_from=cast.now + begin * day, valid_to=None if end is None else cast.now + end * day,
        )  # fmt: skip
    by = cast.viewer(cast.system_admin)
    if apart:
        with pytest.raises(actions.OtherAdministration):
            actions.issue_password(practitioner=person, at=cast.now, by=by)
    else:
        assert actions.issue_password(practitioner=person, at=cast.now, by=by)


def test_two_of_one_administration_help_each_other_out(cast):
    second = actions.create_practitioner(name="孙二", username="audit2", by=SYSTEM)
    audit = Role.objects.get(code="audit-administrator")
    actions.grant_role(practitioner=second, role=audit, organization=cast.hospital, valid_from=cast.now, by=SYSTEM)
    assert actions.issue_password(practitioner=cast.audit_admin, at=cast.now, by=cast.viewer(second))


@pytest.mark.parametrize("duty", ["system-administrator", "security-administrator", "audit-administrator"])
def test_a_new_duty_forgets_the_password_that_somebody_may_know(cast, duty):
    """The other way round: make an account, know its password, have it made an administrator, sign in."""
    person = actions.create_practitioner(name="周一", username="monday", by=cast.viewer(cast.system_admin))
    known = actions.issue_password(practitioner=person, at=cast.now, by=cast.viewer(cast.system_admin))
    browser = cast.client(person)
    actions.grant_role(
        practitioner=person, role=Role.objects.get(code=duty), organization=cast.hospital, valid_from=cast.now,
        by=cast.viewer(cast.security_admin),
    )  # fmt: skip
    person.refresh_from_db()
    assert not is_password_usable(person.password)
    assert actions.sign_in(username="monday", password=known, ip="10.0.0.1", at=cast.now, by=SYSTEM) is None
    assert browser.get("/account/").status_code == 302
    assert StaffSession.objects.get(practitioner=person).ended_reason == "role"


def test_the_password_of_a_nurse_outlives_a_new_role(cast):
    with seeding():
        cast.wang.password = make_password("Rain-over-42-hills")
        cast.wang.save()
    actions.grant_role(
        practitioner=cast.wang, role=Role.objects.get(code="ward-nurse"), organization=cast.orthopaedics,
        valid_from=cast.now, by=cast.viewer(cast.security_admin),
    )  # fmt: skip
    assert is_password_usable(Practitioner.objects.get(pk=cast.wang.pk).password)


@pytest.mark.parametrize("whose", ["security_admin", "audit_admin"])
def test_the_page_does_not_offer_what_is_refused(cast, whose):
    client, who = cast.client(cast.system_admin), getattr(cast, whose)
    page = client.get(reverse("console:person", args=[who.pk])).content.decode()
    form = page.split(reverse("console:issue-password", args=[who.pk]))[1].split("</form>")[0]
    assert " disabled" in form
    answer = client.post(reverse("console:issue-password", args=[who.pk]))
    assert answer.status_code == 409
    assert "data-password>" not in answer.content.decode()
    colleague = client.get(reverse("console:person", args=[cast.wang.pk])).content.decode()
    assert (
        " disabled"
        not in colleague.split(reverse("console:issue-password", args=[cast.wang.pk]))[1].split("</form>")[0]
    )
