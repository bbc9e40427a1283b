"""One person, different roles in different places: at every door only the places where its permission holds."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.urls import reverse

from careloop.accounts.models import Role, RoleAssignment
from careloop.accounts.reads import identity, viewer_for
from careloop.batches import reads as batches
from careloop.config.asgi import audience_of
from careloop.kernel.actions import seeding
from careloop.patients.models import Patient
from careloop.patients.reads.finding import at_record
from careloop.tasks.models import Task
from careloop.tasks.tests.factories import make_task


def give(cast, person, code, where):
    with seeding():
        RoleAssignment.objects.create(
            practitioner=person,
            role=Role.objects.get(code=code),
            organization=where,
            valid_from=cast.now - timedelta(days=1),
        )


@pytest.fixture
def both(cast):
    """Wang, nurse in Cardiology, is made something hospital-wide too; a follow-up waits in each department."""

    def made(code):
        give(cast, cast.wang, code, cast.hospital)
        return cast.client(cast.wang)

    with seeding():
        theirs = make_task(cast, cast.ma, department=cast.orthopaedics)
    return SimpleNamespace(made=made, ours=make_task(cast), theirs=theirs)


@pytest.mark.parametrize("wide", ["manager", "researcher"])
def test_manager_of_the_hospital_and_nurse_of_a_ward_stays_nurse_of_that_ward(cast, both, wide):
    client = both.made(wide)
    rows = client.get(reverse("workbench:worklist"), headers={"HX-Request": "true"}).content.decode()
    assert str(both.ours.pk) in rows
    assert str(both.theirs.pk) not in rows
    assert client.get(reverse("workbench:patient", args=[cast.zhang.pk])).status_code == 200
    assert client.get(reverse("workbench:patient", args=[cast.ma.pk])).status_code == 404
    assert client.get(reverse("workbench:call", args=[both.theirs.pk])).status_code == 404
    due = client.get(reverse("tasks:api-due"), {"department": str(cast.orthopaedics.pk)}).json()
    assert str(both.theirs.pk) not in str(due)
    assert client.get(reverse("reports:hospital")).status_code == 200


def test_who_may_look_everywhere_works_in_the_own_ward_only(cast, both):
    client = both.made("hospital-inspector")
    assert client.get(reverse("workbench:patient", args=[cast.ma.pk])).status_code == 200  # an inspector may
    for name in ("workbench:record", "workbench:take"):
        answer = client.post(reverse(name, args=[both.theirs.pk]), {"outcome": "reached-patient"})
        assert answer.status_code == 404, name
    assert client.get(reverse("workbench:call", args=[both.theirs.pk])).status_code == 404
    assert client.get(reverse("workbench:call", args=[both.ours.pk])).status_code == 200


def test_the_page_of_a_record_offers_what_may_be_done_there(cast, both):
    both.made("hospital-inspector")
    who = viewer_for(cast.wang, at=cast.now).within("patients.view")
    assert at_record(cast.zhang, viewer=who).can("patients.edit-contact")
    there = at_record(cast.ma, viewer=who)
    assert not there.can("patients.edit-contact")
    assert there.can("patients.merge")
    assert there.enters("tasks.work")  # the menu still leads to the own list
    assert set(Patient.objects.visible_to(there)) == {cast.ma}


def test_people_with_one_role_pay_nothing(cast, django_assert_num_queries):
    viewer = viewer_for(cast.wang, at=cast.now)
    assert viewer.holdings == ()
    assert viewer.within("tasks.work") is viewer
    with django_assert_num_queries(0):
        at_record(cast.zhang, viewer=viewer)


def test_several_roles_in_one_place_are_one(cast):
    give(cast, cast.wang, "department-supervisor", cast.cardiology)
    give(cast, cast.wang, "sensitive-records", cast.cardiology)
    viewer = viewer_for(cast.wang, at=cast.now)
    assert viewer.holdings == ()
    assert viewer.may_see_sensitive
    assert viewer.can("supervision.sample")


def test_the_request_knows_the_same_places(cast, both):
    client = both.made("manager")
    at = datetime.now(UTC)
    _session, viewer = identity(client.cookies[settings.SESSION_COOKIE_NAME].value, at=at)
    assert len(viewer.holdings) == 2
    assert viewer.holdings == viewer_for(cast.wang, at=at).holdings
    seen = {"tasks.work": {both.ours}, "reports.hospital": {both.ours, both.theirs}}
    for permission, tasks in seen.items():
        assert set(Task.objects.visible_to(viewer.within(permission))) == tasks


def test_sensitive_records_are_shown_where_that_role_holds(cast, both):
    with seeding():
        Patient.objects.unscoped("test").update(sensitivity="restricted")
    give(cast, cast.wang, "follow-up-nurse", cast.orthopaedics)
    give(cast, cast.wang, "sensitive-records", cast.orthopaedics)
    viewer = viewer_for(cast.wang, at=cast.now).within("patients.view")
    assert viewer.departments == {cast.cardiology.pk, cast.orthopaedics.pk}
    assert not Patient.objects.visible_to(viewer).filter(pk=cast.zhang.pk).exists()


def test_work_in_the_background_has_the_places_of_its_own_permission(cast, both):
    both.made("hospital-inspector")
    code, kind = next((c, k) for c, k in batches._kinds().items() if k.permission == "tasks.distribute")
    viewer = batches.viewer_of(SimpleNamespace(kind=code, requested_by_id=cast.wang.pk), at=cast.now)
    assert (viewer.hospital_wide, viewer.departments) == (False, {cast.cardiology.pk})
    assert viewer.can(kind.permission)


@pytest.mark.parametrize(("wide", "hospital"), [("manager", False), ("hospital-inspector", True)])
def test_live_alerts_come_from_the_places_where_alerts_may_be_seen(cast, both, monkeypatch, wide, hospital):
    monkeypatch.setattr("careloop.config.asgi.close_old_connections", lambda: None)  # the test has only one
    client = both.made(wide)
    audience = audience_of(f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}")
    assert audience.hospital_wide is hospital
    assert audience.departments <= {cast.cardiology.pk}


def test_ones_own_patients_in_the_hospital_are_not_all_of_them(cast):
    with seeding():
        Role.objects.create(code="own", name="O", name_en="O", permissions=["patients.view"], own_only=True)
        RoleAssignment.objects.filter(practitioner=cast.zhao).delete()
    give(cast, cast.zhao, "own", cast.hospital)
    viewer = viewer_for(cast.zhao, at=cast.now)
    assert not viewer.hospital_wide
    assert set(Patient.objects.visible_to(viewer)) == {cast.zhang}  # Zhao's own
