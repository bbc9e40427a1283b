"""The kernel's promises, tried from every side."""

from __future__ import annotations

import pytest
from django.db import models, transaction
from django.http import HttpResponse
from django.test import RequestFactory

from careloop.accounts.access import GRANT
from careloop.audit.models import AuditEvent
from careloop.audit.record import record
from careloop.kernel.actions import NothingRecorded, WriteOutsideAction, action, wrote
from careloop.kernel.errors import Refused
from careloop.kernel.models import UnscopedQuery, uuid7
from careloop.kernel.pages import page
from careloop.kernel.viewer import NOBODY, Viewer
from careloop.patients.models import CareRelationship, Encounter, Patient
from tests.cast import SYSTEM


@pytest.mark.parametrize(
    "use",
    [
        lambda q: list(q),
        lambda q: q.count(),
        lambda q: q.exists(),
        lambda q: q.first(),
        lambda q: q.get(name="Zhang"),
        lambda q: list(q.values_list("name")),
        lambda q: q.update(name="x"),
        lambda q: q.delete(),
        lambda q: list(q.iterator()),
        lambda q: q.in_bulk(),
        lambda q: q.filter(name="Zhang")[0],
        lambda q: q.latest("created_at"),
        lambda q: bool(q),
        lambda q: len(q),
        lambda q: q.aggregate(n=models.Count("pk")),
    ],
)
def test_a_query_about_patients_does_not_run_until_someone_is_looking(cast, use):
    with pytest.raises(UnscopedQuery):
        use(Patient.objects.all())


@pytest.mark.parametrize(
    "leak",
    [
        lambda mine, everyone: mine | everyone,
        lambda mine, everyone: everyone | mine,
        lambda mine, everyone: mine & everyone,
        lambda mine, everyone: mine.union(everyone),
        lambda mine, everyone: everyone.union(mine),
        lambda mine, everyone: everyone.raw("select * from patients_patient"),
    ],
)
def test_scope_cannot_be_widened_by_combining(cast, leak):
    with pytest.raises(UnscopedQuery):
        list(leak(Patient.objects.visible_to(cast.as_li), Patient.objects.all()))


def test_unscoped_needs_a_reason():
    with pytest.raises(ValueError):
        Patient.objects.unscoped("")


def test_scope_by_department_hospital_own_and_nobody(cast):
    assert list(Patient.objects.visible_to(cast.as_wang)) == [cast.zhang]
    assert list(Patient.objects.visible_to(cast.as_li)) == [cast.ma]
    assert Patient.objects.visible_to(cast.as_sun).count() == 2
    assert not Patient.objects.visible_to(NOBODY).exists()
    own = Viewer(actor="staff:x", practitioner_id=cast.zhao.pk, own_only=True)
    assert list(Patient.objects.visible_to(own)) == [cast.zhang]
    assert list(Encounter.objects.visible_to(Viewer.patient(cast.ma.pk))) == [cast.other_stay]


def test_restricted_patient_needs_its_own_permission(cast):
    from careloop.kernel.actions import seeding

    with seeding():
        Patient.objects.visible_to(SYSTEM).filter(pk=cast.zhang.pk).update(sensitivity="restricted")
    assert not Patient.objects.visible_to(cast.as_wang).exists()
    assert Patient.objects.visible_to(cast.as_sun).count() == 1
    assert not CareRelationship.objects.visible_to(cast.as_wang).exists()


def test_write_needs_an_action(cast):
    with pytest.raises(WriteOutsideAction):
        Patient(name="B").save()
    with pytest.raises(WriteOutsideAction):
        Patient.objects.visible_to(SYSTEM).update(name="x")
    with pytest.raises(WriteOutsideAction):
        wrote("anything", 1)


def test_action_must_record_and_is_undone_when_it_did_not(cast):
    @action
    def rename(*, patient, name, by):
        patient.name = name
        patient.save(update_fields=["name"])

    with pytest.raises(NothingRecorded):
        rename(patient=cast.zhang, name="Other", by=cast.as_wang)
    cast.zhang.refresh_from_db()
    assert cast.zhang.name == "Zhang"


def test_action_signature_is_checked():
    with pytest.raises(TypeError):

        @action
        def positional(patient, by): ...

    with pytest.raises(TypeError):

        @action
        def nobody(*, patient): ...


def test_fact_and_its_jobs_vanish_with_the_transaction(cast):
    from careloop.audit.events import RecordSeen

    class Boom(Exception): ...

    @action
    def look(*, by):
        record(RecordSeen(patient_id=cast.zhang.pk, what="x"), by=by)
        raise Boom

    before = AuditEvent.objects.count()
    with pytest.raises(Boom), transaction.atomic():
        look(by=SYSTEM)
    assert AuditEvent.objects.count() == before


def test_door_sends_strangers_to_login_and_others_away(cast):
    @page(GRANT)
    def view(request):
        return HttpResponse("in")

    request = RequestFactory().get("/x/")
    request.viewer = NOBODY
    assert view(request).status_code == 302
    request.viewer = cast.viewer(cast.security_admin)
    assert view(request).content == b"in"
    post = RequestFactory().post("/x/")
    post.viewer = cast.viewer(cast.security_admin)
    assert view(post).status_code == 405
    from django.core.exceptions import PermissionDenied

    request.viewer = cast.viewer(cast.he)
    with pytest.raises(PermissionDenied):
        view(request)


def test_refusal_has_words():
    class Nope(Refused):
        """It is closed."""

    assert str(Nope()) == "It is closed."
    assert str(Nope("Because of this.")) == "Because of this."


def test_uuid7_is_ordered_by_time_and_has_its_version():
    many = [uuid7() for _ in range(50)]
    assert all(u.version == 7 for u in many)
    assert many[0].int >> 80 <= many[-1].int >> 80
