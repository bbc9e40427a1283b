"""Who a request comes from: one statement, right at this very moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from careloop.accounts import actions, reads
from careloop.accounts.models import RoleAssignment, StaffSession
from careloop.accounts.reads import MOST_GRANTS, identity, viewer_for
from careloop.kernel.actions import seeding
from careloop.patients.models import AccessGrant, Patient

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


def key_of(client):
    return client.cookies["careloop_staff"].value


def lend(cast, patient, person, *, begin, end):
    with seeding():
        return AccessGrant.objects.create(
            patient=patient, practitioner=person, kind="temporary", reason="stand-in", valid_from=begin, valid_to=end,
            granted_by=cast.qian,
        )  # fmt: skip


@pytest.mark.parametrize("who", ["wang", "zhao", "li", "sun", "qian", "he", "system_admin", "audit_admin"])
def test_the_rights_are_those_of_viewer_for(cast, who):
    person, at = getattr(cast, who), datetime.now(UTC)
    session, viewer = identity(key_of(cast.client(person)), at=at, ip="1.2.3.4", request_id="r")
    truth = viewer_for(person, at=at, session_id=session.pk, ip="1.2.3.4", request_id="r")
    for name in truth.__dataclass_fields__:
        if name != "granted":
            assert getattr(viewer, name) == getattr(truth, name), name
    assert viewer.granted == frozenset()
    assert truth.granted is None  # whoever keeps a viewer longer than a request asks the table


def test_one_statement_also_for_what_pages_look_at(cast, django_assert_num_queries):
    key = key_of(cast.client(cast.wang))
    with django_assert_num_queries(1):
        session, _viewer = identity(key, at=datetime.now(UTC))
        person = session.practitioner
        assert (person.name, person.language, person.organization.name) == ("Wang", "zh-hans", "Cardiology")
        assert (session.practitioner_id, person.must_change_password) == (cast.wang.pk, False)
    assert person.staff_number == "WANG"  # the rest is fetched when somebody asks


def test_somebody_without_a_place_can_sign_in(cast):
    with seeding():
        cast.wang.organization = None
        cast.wang.save()
    session, viewer = identity(key_of(cast.client(cast.wang)), at=datetime.now(UTC))
    assert (session.practitioner.organization, viewer.organization_id) == (None, None)


@pytest.mark.parametrize("key", ["", "x", "unknown" * 5, "'; --", "張"])
def test_a_cookie_nobody_has(cast, key):
    assert identity(key, at=datetime.now(UTC)) is None


def test_an_ended_session_and_a_disabled_person_are_nobody(cast):
    key, at = key_of(cast.client(cast.wang)), datetime.now(UTC)
    with seeding():
        cast.wang.is_active = False
        cast.wang.save()
    assert identity(key, at=at) is None
    with seeding():
        cast.wang.is_active = True
        cast.wang.save()
    session, viewer = identity(key, at=at)
    actions.end_session(session=session, why="logout", at=at, by=viewer)
    assert identity(key, at=at) is None
    assert StaffSession.objects.get(pk=session.pk).ended_reason == "logout"


def test_a_role_counts_from_its_first_to_its_last_moment(cast):
    at = datetime.now(UTC)
    key = key_of(cast.client(cast.wang))
    with seeding():
        RoleAssignment.objects.filter(practitioner=cast.wang).update(valid_from=at, valid_to=at + SECOND)
    assert not identity(key, at=at - SECOND)[1].departments
    assert identity(key, at=at)[1].departments == {cast.cardiology.pk}
    assert not identity(key, at=at + SECOND)[1].departments
    assert identity(key, at=at + SECOND)[1].permissions == {"accounts.self"}


@pytest.mark.parametrize(
    ("begins", "ends", "open_"),
    [(0, 1, True), (-9, 1, True), (1, 9, False), (-9, 0, False), (-9, -1, False), (-1, 0.001, True)],
)
def test_a_loan_opens_the_record_while_it_runs_and_not_a_moment_longer(cast, begins, ends, open_):
    at = datetime.now(UTC)
    lend(cast, cast.ma, cast.wang, begin=at + begins * SECOND, end=at + ends * SECOND)
    _session, viewer = identity(key_of(cast.client(cast.wang)), at=at)
    assert viewer.granted == (frozenset({cast.ma.pk}) if open_ else frozenset())
    assert Patient.objects.visible_to(viewer).filter(pk=cast.ma.pk).exists() is open_
    assert Patient.objects.visible_to(viewer).filter(pk=cast.zhang.pk).exists()


def test_a_loan_of_somebody_else_opens_nothing(cast):
    at = timezone.now()
    lend(cast, cast.ma, cast.zhao, begin=at - SECOND, end=at + SECOND)
    _session, viewer = identity(key_of(cast.client(cast.wang)), at=at)
    assert viewer.granted == frozenset()
    assert not Patient.objects.visible_to(viewer).filter(pk=cast.ma.pk).exists()


def test_who_was_lent_very_many_records_asks_the_table(cast):
    at = timezone.now()
    with seeding():
        lent = [Patient.objects.create(name=f"L{n}") for n in range(MOST_GRANTS + 1)]
    for one in lent:
        lend(cast, one, cast.wang, begin=at - SECOND, end=at + 3600 * SECOND)
    _session, viewer = identity(key_of(cast.client(cast.wang)), at=at)
    assert viewer.granted is None
    assert Patient.objects.visible_to(viewer).filter(pk__in=[one.pk for one in lent]).count() == MOST_GRANTS + 1


def test_page_of_a_record_lent_for_a_moment(cast):
    """The same browser, the same session: open while the loan runs, closed with the next request after it."""
    client, at = cast.client(cast.wang), timezone.now()
    loan = lend(cast, cast.ma, cast.wang, begin=at - 10 * SECOND, end=at + 3600 * SECOND)
    assert client.get(f"/patients/{cast.ma.pk}/").status_code == 200
    with seeding():
        AccessGrant.objects.unscoped("the loan is over").filter(pk=loan.pk).update(valid_to=timezone.now() - SECOND)
    assert client.get(f"/patients/{cast.ma.pk}/").status_code == 404
    assert client.get(f"/alerts/patient/{cast.ma.pk}/").status_code == 404


def test_a_right_taken_away_counts_at_the_next_request(cast):
    client = cast.client(cast.wang)
    assert client.get("/today/list/").status_code == 200
    with seeding():
        RoleAssignment.objects.filter(practitioner=cast.wang).update(valid_to=timezone.now())
    assert client.get("/today/list/").status_code == 403


def test_the_health_check_looks_at_the_connection_and_asks_only_when_there_is_something_to_read(cast):
    connection.ensure_connection()
    assert connection.is_usable()
    with connection.cursor() as cursor:
        cursor.execute("LISTEN here")
        cursor.execute("SELECT pg_notify('elsewhere', '')")
    assert connection.is_usable()


def test_only_looks_go_without_a_transaction(cast):
    from careloop.audit.record import list_seen, seen
    from careloop.kernel.actions import NothingRecorded, look, wrote

    seen(patient_id=cast.zhang.pk, what="x", by=cast.as_wang)
    list_seen(what="x", ids=[cast.zhang.pk], by=cast.as_wang)

    @look
    def nothing(*, by):
        """Records nothing."""

    @look
    def writes(*, by):
        wrote("patients_patient", 1)

    for wrong in (nothing, writes):
        with pytest.raises(NothingRecorded):
            wrong(by=cast.as_wang)
    with pytest.raises(TypeError):
        look(lambda at: None)


def test_reads_name_the_grants_of_the_room_of_patients():
    assert "patients_accessgrant" in reads._identity_sql()
