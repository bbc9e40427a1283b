"""A sealed record is closed to one person, whatever else that person may do, and open to everybody else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.patients.actions import break_glass, lift_seal, seal_records
from careloop.patients.models import AccessGrant, BlindSeal, Condition, ContactPoint, Patient
from careloop.tasks.models import Task
from careloop.tasks.tests.factories import make_task
from tests.cast import LONG_AGO, NOW, SYSTEM, Cast

WHY = "re-check:1"


@pytest.fixture
def sealed(cast: Cast) -> Cast:
    seal_records(patients={WHY: cast.zhang.pk}, practitioner_id=cast.qian.pk, at=NOW, by=SYSTEM)
    return cast


def sees(cast: Cast, person: object) -> bool:
    return Patient.objects.visible_to(cast.viewer(person)).filter(pk=cast.zhang.pk).exists()


def test_the_record_is_closed_to_that_person_only(sealed: Cast) -> None:
    assert not sees(sealed, sealed.qian)
    assert sees(sealed, sealed.wang)
    assert sees(sealed, sealed.zhao)


@pytest.mark.parametrize("model", [Condition, ContactPoint])
def test_everything_of_the_patient_is_closed(sealed: Cast, model: type) -> None:
    assert not model.objects.visible_to(sealed.viewer(sealed.qian)).filter(patient=sealed.zhang).exists()
    assert model.objects.visible_to(sealed.as_wang).filter(patient=sealed.zhang).exists()


def test_the_tasks_of_the_department_too(sealed: Cast) -> None:
    task = make_task(sealed)
    assert not Task.objects.visible_to(sealed.viewer(sealed.qian)).filter(pk=task.pk).exists()
    assert Task.objects.visible_to(sealed.as_wang).filter(pk=task.pk).exists()


def test_other_patients_stay_open(sealed: Cast) -> None:
    with seeding():
        other = Patient.objects.create(name="Other", sex="male")
    from careloop.patients.models import CareRelationship

    with seeding():
        CareRelationship.objects.create(patient=other, department=sealed.cardiology, since=LONG_AGO)
    assert Patient.objects.visible_to(sealed.viewer(sealed.qian)).filter(pk=other.pk).exists()


def test_a_grant_does_not_break_it(sealed: Cast) -> None:
    with seeding():
        AccessGrant.objects.create(
            patient=sealed.zhang, practitioner=sealed.qian, kind="temporary", reason="lent", valid_from=LONG_AGO,
            valid_to=NOW + timedelta(days=9999),
        )  # fmt: skip
    assert not sees(sealed, sealed.qian)


def test_emergency_access_of_a_nurse_is_as_before(sealed: Cast) -> None:
    break_glass(patient_id=sealed.zhang.pk, reason="unconscious in our corridor", at=NOW, by=sealed.as_li)
    assert AccessGrant.objects.unscoped("test").filter(practitioner=sealed.li).exists()


def test_lifting_opens_it_and_says_why(sealed: Cast) -> None:
    assert lift_seal(why=WHY, because="submitted", at=NOW, by=SYSTEM) == 1
    assert sees(sealed, sealed.qian)
    seal = BlindSeal.objects.unscoped("test").get()
    assert (seal.lifted_at, seal.lifted_because) == (NOW, "submitted")
    assert lift_seal(why=WHY, because="submitted", at=NOW, by=SYSTEM) == 0
    assert AuditEvent.objects.filter(name="patients.SealLifted").count() == 1


def test_each_reason_seals_for_itself(sealed: Cast) -> None:
    seal_records(patients={"re-check:2": sealed.zhang.pk}, practitioner_id=sealed.qian.pk, at=NOW, by=SYSTEM)
    lift_seal(why=WHY, because="submitted", at=NOW, by=SYSTEM)
    assert not sees(sealed, sealed.qian)
    lift_seal(why="re-check:2", because="submitted", at=NOW, by=SYSTEM)
    assert sees(sealed, sealed.qian)


def test_sealing_again_changes_nothing(sealed: Cast) -> None:
    seal_records(patients={WHY: sealed.zhang.pk}, practitioner_id=sealed.qian.pk, at=NOW, by=SYSTEM)
    assert BlindSeal.objects.unscoped("test").count() == 1


def test_sealing_nothing_is_nothing(cast: Cast) -> None:
    assert seal_records(patients={}, practitioner_id=cast.qian.pk, at=NOW, by=SYSTEM) == 0
    assert not AuditEvent.objects.filter(name="patients.RecordsSealed").exists()


def test_the_audit_trail_says_what_was_sealed_from_whom(sealed: Cast) -> None:
    fact = AuditEvent.objects.get(name="patients.RecordsSealed")
    assert fact.payload == {"practitioner_id": str(sealed.qian.pk), "patient_ids": [str(sealed.zhang.pk)]}


def test_a_seal_is_not_lifted_without_a_reason(sealed: Cast) -> None:
    with pytest.raises(IntegrityError), transaction.atomic(), seeding():
        BlindSeal.objects.unscoped("test").update(lifted_at=NOW)


def test_who_may_not_re_check_pays_nothing(cast: Cast) -> None:
    sql = str(Patient.objects.visible_to(cast.as_wang).query)
    assert "blindseal" not in sql
    assert "blindseal" in str(Patient.objects.visible_to(cast.viewer(cast.qian)).query)
