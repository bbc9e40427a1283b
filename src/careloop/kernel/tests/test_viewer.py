"""Different roles in different places: what one role gives never holds where another does."""

from itertools import product
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careloop.kernel.viewer import ALWAYS, SEE_SENSITIVE, Holding, Viewer, together

A, B, C = (UUID(int=n) for n in (1, 2, 3))
NURSE = frozenset({"patients.view", "tasks.work", "tasks.view"})
MANAGER = frozenset({"reports.hospital", "plans.view"})
INSPECTOR = frozenset({"patients.view", "reports.hospital"})


def at(permissions, *departments, wide=False, own=False):
    return Holding(
        permissions=frozenset(permissions), departments=frozenset(departments), hospital_wide=wide, own_only=own
    )


def viewer(*holdings: Holding) -> Viewer:
    """As accounts makes it."""
    whole = together(holdings)
    return Viewer(
        actor="staff:x", practitioner_id=UUID(int=9), permissions=whole.permissions | ALWAYS, departments=whole.departments,
        hospital_wide=whole.hospital_wide, own_only=whole.own_only, may_see_sensitive=SEE_SENSITIVE in whole.permissions,
        holdings=holdings if len(holdings) > 1 else (),
    )  # fmt: skip


def test_manager_of_the_hospital_and_nurse_of_a_ward_is_no_nurse_of_the_hospital():
    who = viewer(at(NURSE, A), at(MANAGER, wide=True))
    working = who.within("tasks.work")
    assert (working.hospital_wide, working.departments) == (False, {A})
    reading = who.within("reports.hospital")
    assert (reading.hospital_wide, reading.departments) == (True, frozenset())


def test_one_role_in_two_wards_is_not_narrowed():
    who = viewer(at(NURSE, A, B))
    assert who.within("tasks.work") is who
    assert who.within("anything") is who  # the door has asked before


def test_a_permission_of_no_role_opens_no_place():
    nowhere = viewer(at(NURSE, A), at(MANAGER, wide=True)).within("alerts.view")
    assert (nowhere.hospital_wide, nowhere.departments, nowhere.may_see_sensitive) == (False, frozenset(), False)


def test_two_permissions_hold_where_both_do():
    who = viewer(at(NURSE, A), at({"tasks.work", "export"}, B), at({"export"}, wide=True))
    assert who.within("tasks.work", "export").departments == {B}
    assert not who.within("tasks.work", "export").hospital_wide


def test_narrowing_starts_from_the_whole_person_again():
    """A part of a page goes through its own door, not through the page's."""
    who = viewer(at(NURSE, A), at(INSPECTOR, wide=True))
    assert who.within("tasks.work").within("reports.hospital").hospital_wide


@pytest.mark.parametrize(
    ("sensitive", "sees"),
    [(at({SEE_SENSITIVE}, wide=True), True), (at({SEE_SENSITIVE}, A, B), True), (at({SEE_SENSITIVE}, B), False),
     (at({SEE_SENSITIVE}, A, own=True), False)],
    ids=["hospital", "around", "elsewhere", "own-patients-only"],
)  # fmt: skip
def test_sensitive_records_open_where_that_role_holds(sensitive, sees):
    assert viewer(at(NURSE, A), sensitive).within("tasks.work").may_see_sensitive is sees


def test_a_role_for_ones_own_patients_does_not_open_the_ward():
    who = viewer(at(NURSE, A), at(NURSE, B, own=True))
    assert (who.departments, who.own_only) == ({A}, False)
    assert viewer(at(NURSE, B, own=True)).own_only
    assert not viewer(at(NURSE, wide=True, own=True)).hospital_wide


# --- on the page of one record


@pytest.mark.parametrize(
    ("cared_for_in", "is_own", "may_work", "may_report"),
    [({A}, False, True, True), ({B}, False, False, True), (set(), False, False, True), ({A, B}, False, True, True)],
)
def test_a_record_shows_what_its_places_allow(cared_for_in, is_own, may_work, may_report):
    who = viewer(at(NURSE, A), at(INSPECTOR, wide=True))
    here = who.among(frozenset(cared_for_in), is_own=is_own)
    assert (here.can("tasks.work"), here.can("reports.hospital")) == (may_work, may_report)
    assert here.enters("tasks.work")  # the menu stays whole
    assert here.can("accounts.self")
    assert here.within("tasks.work") is here


def test_a_lent_record_is_like_one_of_ones_own():
    who = viewer(at(NURSE, A), at(MANAGER, C))
    assert who.among(frozenset({B}), is_own=False).can("tasks.work")


@pytest.mark.parametrize("is_own", [True, False])
def test_a_role_for_ones_own_counts_on_ones_own_record_only(is_own):
    who = viewer(at(NURSE, A, own=True), at(INSPECTOR, wide=True))
    assert who.among(frozenset({A}), is_own=is_own).can("tasks.work") is is_own


# --- for every combination


CODES = ("p", "q", SEE_SENSITIVE)
HOLDINGS = st.builds(
    Holding,
    permissions=st.frozensets(st.sampled_from(CODES)),
    departments=st.frozensets(st.sampled_from((A, B, C))),
    hospital_wide=st.booleans(),
    own_only=st.booleans(),
)
PATIENTS = tuple(product((A, B, C), (True, False)))
"""Everybody a hospital has: cared for in one department, one's own or not."""


def reaches(place, patient) -> bool:
    """What the patients' scope makes of a viewer or a role."""
    department, is_own = patient
    if place.own_only:
        return is_own
    return place.hospital_wide or department in place.departments


@given(st.lists(HOLDINGS, max_size=4))
def test_no_door_shows_a_patient_that_no_role_with_its_permission_shows(holdings):
    who = viewer(*holdings)
    for code in CODES:
        if not who.can(code):
            continue
        inside = who.within(code)
        for patient in PATIENTS:
            if reaches(inside, patient):
                assert any(reaches(one, patient) for one in holdings if code in one.permissions), (code, patient)


@given(st.lists(HOLDINGS, max_size=4))
def test_whoever_sees_sensitive_records_behind_a_door_has_that_role_for_each_of_them(holdings):
    who = viewer(*holdings)
    for code in CODES:
        inside = who.within(code)
        if who.can(code) and inside.may_see_sensitive:
            for patient in PATIENTS:
                if reaches(inside, patient):
                    assert any(reaches(one, patient) for one in holdings if SEE_SENSITIVE in one.permissions)


@given(st.lists(HOLDINGS, min_size=2, max_size=4), st.sampled_from(PATIENTS))
def test_a_record_allows_only_what_a_role_that_reaches_it_allows(holdings, patient):
    department, is_own = patient
    here = viewer(*holdings).among(frozenset({department}), is_own=is_own)
    reaching = [one for one in holdings if reaches(one, patient)]
    for code in CODES:
        if here.can(code) and reaching:
            assert any(code in one.permissions for one in reaching)


@given(st.lists(HOLDINGS, max_size=4))
def test_places_added_up_lose_nobody_when_no_role_is_for_ones_own(holdings):
    whole = [one for one in holdings if not one.own_only]
    for patient in PATIENTS:
        assert reaches(together(whole), patient) == any(reaches(one, patient) for one in whole)
