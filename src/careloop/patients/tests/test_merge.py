"""Merging: direction, chains, circles, and the way back."""

from __future__ import annotations

import itertools
import threading
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connections, models
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from careloop.patients import actions
from careloop.patients.actions.merging import _patient_keys
from careloop.patients.models import (
    AccessGrant,
    CareRelationship,
    ContactPoint,
    DuplicateCandidate,
    Patient,
    PatientMerge,
)
from careloop.patients.rules import (
    AllergyData,
    ContactData,
    IdentifierData,
    ObservationData,
    PersonData,
    VisitData,
)
from careloop.patients.rules.merging import merged_columns
from careloop.patients.tests.test_upsert import AT, BY, person, upsert
from tests.cast import Cast

pytestmark = pytest.mark.django_db


def merge(survivor: Patient, gone: Patient) -> PatientMerge:
    return actions.merge_patients(survivor=survivor, gone=gone, source="hl7:HIS", at=AT, by=BY)


def unmerge(row: PatientMerge) -> None:
    actions.unmerge_patients(merge=row, reason="test", at=AT, by=BY)


def rows_of_everything() -> dict[str, list[tuple[Any, ...]]]:
    """Which row belongs to whom, in every room; and the patients themselves."""
    owners = {
        f"{model.__name__}.{column}": sorted(models.QuerySet(model).values_list("pk", column))
        for model, column in _patient_keys()
    }
    columns = [f.attname for f in Patient._meta.concrete_fields if f.attname != "updated_at"]
    people = Patient.objects.unscoped("test").order_by("pk").values_list(*columns)
    return owners | {"Patient": [tuple(map(str, row)) for row in people]}


def test_the_one_that_goes_becomes_a_tombstone_and_its_number_leads_to_the_survivor() -> None:
    survivor, gone = upsert(person("1")), upsert(person("2"))
    merge(survivor, gone)
    gone.refresh_from_db()
    assert (gone.active, gone.merged_into_id) == (False, survivor.pk)
    assert upsert(person("2")).pk == survivor.pk


def test_the_same_merge_again_is_the_first_one() -> None:
    survivor, gone = upsert(person("1")), upsert(person("2"))
    assert merge(survivor, gone).pk == merge(survivor, gone).pk
    assert PatientMerge.objects.unscoped("test").count() == 1


def test_chains_are_followed_and_circles_refused() -> None:
    a, b, c = (upsert(person(str(n))) for n in range(3))
    merge(b, a)
    merge(c, b)
    assert upsert(person("0")).pk == c.pk
    with pytest.raises(actions.MergeInCircle):
        merge(a, c)
    with pytest.raises(actions.SamePatient):
        merge(c, c)
    d = upsert(person("9"))
    with pytest.raises(actions.MergedElsewhere):
        merge(d, a)
    assert merge(a, d).patient_id == c.pk  # a stands for c by now


def test_undoing_goes_in_the_order_of_a_stack() -> None:
    a, b, c = (upsert(person(str(n))) for n in range(3))
    first = merge(b, a)
    second = merge(c, b)
    with pytest.raises(actions.MergedOnwards):
        unmerge(first)
    unmerge(second)
    unmerge(first)
    with pytest.raises(actions.AlreadyUndone):
        unmerge(first)
    assert upsert(person("0")).pk == a.pk


def test_gaps_are_filled_and_protections_kept() -> None:
    keeper = {"name": "周", "birth_date": None, "sex": "unknown", "deceased": False, "do_not_contact": False,
              "sensitivity": "normal", "risk": "ok", "address": "", "address_code": "", "employer": "x", "ethnicity": "",
              "language": "", "marital_status": "", "insurance": "", "occupation": ""}  # fmt: skip
    goer = keeper | {"name": "赵", "birth_date": date(1959, 3, 8), "sex": "male", "deceased": True, "deceased_at": AT,
                     "do_not_contact": True, "sensitivity": "restricted", "risk": "high", "risk_reason": "r",
                     "risk_at": AT, "employer": "y"}  # fmt: skip
    assert merged_columns(keeper, goer) == {
        "birth_date": date(1959, 3, 8), "sex": "male", "deceased": True, "deceased_at": AT, "do_not_contact": True,
        "sensitivity": "restricted", "risk": "high", "risk_reason": "r", "risk_at": AT,
    }  # fmt: skip
    assert merged_columns(goer, keeper) == {}


def test_a_right_to_one_record_does_not_become_a_right_to_the_other(cast: Cast) -> None:
    grant = actions.break_glass(patient_id=cast.ma.pk, reason="emergency call", at=AT, by=cast.as_wang)
    merge(cast.zhang, cast.ma)
    grant.refresh_from_db()
    assert grant.patient_id == cast.ma.pk
    assert not AccessGrant.objects.unscoped("test").filter(patient=cast.zhang).exists()


def test_an_open_duplicate_is_settled_by_the_merge() -> None:
    first, second = upsert(person("1")), upsert(person("2"))
    both = (IdentifierData(value="1", authority="HIS"), IdentifierData(value="2", authority="HIS"))
    upsert(PersonData(identifiers=both))
    merge(first, second)
    assert DuplicateCandidate.objects.unscoped("test").get().status == "merged"


def test_what_was_added_since_stays_with_the_survivor() -> None:
    survivor, gone = upsert(person("1")), upsert(person("2"))
    row = merge(survivor, gone)
    new = actions.add_contact_point(patient=survivor, number="13912346789", source="staff", at=AT, by=BY)
    unmerge(row)
    new.refresh_from_db()
    assert new.patient_id == survivor.pk


PHONES = ["13812346701", "13812346702", "13812346703"]


def _furnish(
    patient: Patient, number: str, phones: list[str], stays: int, results: int, allergy: bool, cast: Cast
) -> None:
    for phone in dict.fromkeys(phones):
        told = PersonData(
            identifiers=(IdentifierData(value=number, authority="HIS"),), phones=(ContactData(value=phone),)
        )
        upsert(told)
    for n in range(stays):
        told_visit = VisitData(
            number=f"{number}/{n}",
            authority="HIS",
            event="discharged",
            occurred_at=AT,
            department_id=cast.cardiology.pk,
        )
        actions.upsert_encounter(patient=patient, visit=told_visit, source="s", at=AT, by=BY)
    told_results = [ObservationData(key=f"{number}/{n}", code="X", value=str(n)) for n in range(results)]
    actions.store_observations(patient=patient, encounter=None, observations=told_results, source="s", at=AT, by=BY)
    if allergy:
        actions.store_allergies(patient=patient, allergies=[AllergyData(text="青霉素")], source="s", at=AT, by=BY)
    actions.issue_link(patient_id=patient.pk, purpose="home", task_id=None, expires_at=AT + timedelta(days=1), by=BY)


FRESH = itertools.count(1000)
side = st.tuples(st.lists(st.sampled_from(PHONES), max_size=3), st.integers(0, 2), st.integers(0, 2), st.booleans())


@given(left=side, right=side)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_merge_and_unmerge_leave_everything_as_it_was(cast: Cast, left: Any, right: Any) -> None:
    key = next(FRESH)  # examples share one database
    survivor, gone = upsert(person(f"L{key}")), upsert(person(f"R{key}", address="云溪路 1 号", sex=None))
    _furnish(survivor, f"L{key}", *left, cast)
    _furnish(gone, f"R{key}", *right, cast)
    before = rows_of_everything()
    row = merge(survivor, gone)
    left_behind = ContactPoint.objects.unscoped("test").filter(patient=gone).count()
    assert left_behind == len(set(left[0]) & set(right[0]))
    assert CareRelationship.objects.unscoped("test").filter(patient=gone).count() == (1 if left[1] and right[1] else 0)
    unmerge(row)
    assert rows_of_everything() == before


@pytest.mark.django_db(transaction=True)
def test_two_merges_against_each_other_end_with_one_living_record() -> None:
    a, b = upsert(person("1")), upsert(person("2"))
    barrier = threading.Barrier(2)
    outcomes: list[str] = []

    def run(survivor: Patient, gone: Patient) -> None:
        try:
            barrier.wait(10)
            merge(survivor, gone)
            outcomes.append("merged")
        except actions.MergeInCircle:
            outcomes.append("refused")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in ((a, b), (b, a))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == ["merged", "refused"]
    assert Patient.objects.unscoped("test").filter(active=True).count() == 1
