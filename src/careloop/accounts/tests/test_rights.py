"""Who may do what where: trees, times, separated duties, and everything that is refused."""

import threading
from datetime import timedelta

import pytest
from django.db import connection

from careloop.accounts import actions
from careloop.accounts.models import Organization, OrganizationCode, Practitioner, Role, RoleAssignment
from careloop.accounts.reads import viewer_for
from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Patient
from tests.cast import SYSTEM, _person, make_cast


def role(code):
    return Role.objects.get(code=code)


def department(code, parent, kind="department"):
    return actions.create_organization(code=code, name=code, kind=kind, parent=parent, by=SYSTEM)


def give(cast, who, code, where, *, start=timedelta(0), end=None, by=SYSTEM):
    return actions.grant_role(
        practitioner=who, role=role(code), organization=where, valid_from=cast.now + start,
        valid_to=None if end is None else cast.now + end, by=by, reason="test",
    )  # fmt: skip


def sees(cast, who, *, after=timedelta(0)):
    return {
        place.code for place in Organization.objects.filter(pk__in=viewer_for(who, at=cast.now + after).departments)
    }


# ---- the tree


def test_a_role_reaches_wards_below_and_nothing_beside(cast):
    ward = department("W1", cast.cardiology, "ward")
    room = department("W1A", ward, "ward")
    department("W2", cast.orthopaedics, "ward")
    assert sees(cast, cast.wang) == {"CARD", "W1", "W1A"}
    nurse = _named("Bai", ward)
    give(cast, nurse, "ward-nurse", ward)
    assert sees(cast, nurse) == {"W1", room.code}


@pytest.mark.parametrize(("mine", "other"), [("A_B", "AxB"), ("A%", "ABC"), ("A", "AB"), ("A", "A/B"), ("A.", "AB")])
def test_a_code_with_a_wildcard_or_a_slash_gives_no_sight_of_a_neighbour(cast, mine, other):
    """`_` and `%` mean "anything" to LIKE, and a slash looks like a step down the tree."""
    here, there = department(mine, cast.hospital), department(other, cast.hospital)
    nurse = _named("Bai", here)
    give(cast, nurse, "follow-up-nurse", here)
    assert sees(cast, nurse) == {mine}
    with seeding():
        from careloop.tasks.tests.factories import make_patient

        strange = make_patient(cast, department=there)
    assert strange not in Patient.objects.visible_to(cast.viewer(nurse))


def test_a_place_needs_a_parent_and_a_hospital_has_none(cast):
    with pytest.raises(actions.OrganizationMisplaced):
        actions.create_organization(code="N", name="N", kind="department", parent=None, by=SYSTEM)
    with pytest.raises(actions.OrganizationMisplaced):
        actions.create_organization(code="N", name="N", kind="hospital", parent=cast.hospital, by=SYSTEM)
    assert not Organization.objects.filter(code="N").exists()


def test_a_code_is_given_once(cast):
    department("NEUR", cast.hospital)
    with pytest.raises(actions.OrganizationExists):
        department("NEUR", cast.cardiology)
    assert Organization.objects.filter(code="NEUR").count() == 1


def test_a_tree_that_is_too_deep_is_refused_before_the_database_does(cast):
    place = cast.hospital
    with pytest.raises(actions.OrganizationTooDeep):
        for n in range(20):
            place = department(f"{'x' * 37}{n:02d}", place)
    assert len(place.path) <= actions.LONGEST_PATH


def test_a_senders_code_can_be_mapped_anew(cast):
    for place in (cast.cardiology, cast.orthopaedics):
        actions.map_organization_code(system="HIS", value="07", organization=place, by=SYSTEM)
    assert OrganizationCode.objects.get(system="HIS", value="07").organization == cast.orthopaedics


# ---- time


@pytest.mark.parametrize("end", [timedelta(0), timedelta(seconds=-1), timedelta(days=-3)])
def test_a_role_for_no_time_is_refused_with_words(cast, end):
    with pytest.raises(actions.PeriodOver):
        give(cast, cast.wang, "ward-nurse", cast.orthopaedics, end=end)


def test_a_role_for_later_begins_to_the_instant(cast):
    give(cast, cast.wang, "ward-nurse", cast.orthopaedics, start=timedelta(days=1), end=timedelta(days=2))
    assert sees(cast, cast.wang, after=timedelta(hours=23, minutes=59, seconds=59)) == {"CARD"}
    assert sees(cast, cast.wang, after=timedelta(days=1)) == {"CARD", "ORTH"}
    assert sees(cast, cast.wang, after=timedelta(days=2)) == {"CARD"}


def test_revoking_ends_now_and_stays_in_the_history(cast):
    given = give(cast, cast.wang, "ward-nurse", cast.orthopaedics)
    actions.revoke_role(assignment=given, at=cast.now + timedelta(hours=1), by=SYSTEM)
    assert sees(cast, cast.wang, after=timedelta(minutes=59)) == {"CARD", "ORTH"}
    assert sees(cast, cast.wang, after=timedelta(hours=1)) == {"CARD"}
    assert RoleAssignment.objects.get(pk=given.pk).reason == "test"


def test_revoking_what_is_over_rewrites_no_history(cast):
    """An assignment that ended in spring must not read as if it had run until today."""
    given = give(cast, cast.wang, "ward-nurse", cast.orthopaedics, end=timedelta(days=1))
    facts = AuditEvent.objects.filter(name="accounts.RoleRevoked").count()
    actions.revoke_role(assignment=given, at=cast.now + timedelta(days=200), by=SYSTEM)
    given.refresh_from_db()
    assert given.valid_to == cast.now + timedelta(days=1)
    assert AuditEvent.objects.filter(name="accounts.RoleRevoked").count() == facts


def test_revoking_what_has_not_begun_gives_nobody_a_second_of_it(cast):
    given = give(cast, cast.wang, "ward-nurse", cast.orthopaedics, start=timedelta(days=5))
    actions.revoke_role(assignment=given, at=cast.now, by=SYSTEM)
    assert sees(cast, cast.wang, after=timedelta(days=5, milliseconds=1)) == {"CARD"}


def test_nobody_takes_away_an_own_role(cast):
    mine = RoleAssignment.objects.get(practitioner=cast.security_admin)
    with pytest.raises(actions.OwnRights):
        actions.revoke_role(assignment=mine, at=cast.now, by=cast.viewer(cast.security_admin))


# ---- separated duties


DUTIES = ("system-administrator", "security-administrator", "audit-administrator")


@pytest.mark.parametrize("held", [*DUTIES, "follow-up-nurse"])
@pytest.mark.parametrize("asked", [*DUTIES, "ward-doctor", "manager"])
def test_every_pair_of_duties(cast, held, asked):
    """An administrator of one kind is nothing else; the others may hold several roles."""
    who = _named("Bai", cast.hospital)
    give(cast, who, held, cast.hospital)
    mixes = role(held).separated_duty != role(asked).separated_duty
    if mixes:
        with pytest.raises(actions.SeparatedDuties):
            give(cast, who, asked, cast.hospital)
    else:
        give(cast, who, asked, cast.hospital)
    assert RoleAssignment.objects.filter(practitioner=who).count() == (1 if mixes else 2)


def test_a_duty_that_begins_later_counts_already(cast):
    """Else somebody would be nurse and auditor at once from next week on."""
    who = _named("Bai", cast.hospital)
    give(cast, who, "audit-administrator", cast.hospital, start=timedelta(days=7))
    with pytest.raises(actions.SeparatedDuties):
        give(cast, who, "follow-up-nurse", cast.hospital)
    give(cast, who, "follow-up-nurse", cast.hospital, end=timedelta(days=7))  # and is over when the duty begins


def test_a_former_administrator_may_be_a_nurse(cast):
    who = _named("Bai", cast.hospital)
    held = give(cast, who, "system-administrator", cast.hospital)
    actions.revoke_role(assignment=held, at=cast.now + timedelta(days=1), by=SYSTEM)
    give(cast, who, "follow-up-nurse", cast.cardiology, start=timedelta(days=1))
    assert sees(cast, who, after=timedelta(days=1)) == {"CARD"}


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_two_grants_at_one_moment_do_not_mix_duties():
    cast = make_cast()
    with seeding():
        who = _person("bai", "Bai", cast.hospital)
    start, refused = threading.Barrier(2), []

    def grant(code):
        start.wait()
        try:
            give(cast, who, code, cast.hospital)
        except actions.SeparatedDuties:
            refused.append(code)
        finally:
            connection.close()

    threads = [threading.Thread(target=grant, args=(code,)) for code in ("system-administrator", "audit-administrator")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert RoleAssignment.objects.filter(practitioner=who).count() == 1


# ---- people


def _named(name, where):
    return actions.create_practitioner(name=name, organization=where, by=SYSTEM)


@pytest.mark.parametrize("taken", [{"username": "wang"}, {"staff_number": "WANG"}])
def test_a_name_that_somebody_has_is_refused_with_words(cast, taken):
    with pytest.raises(actions.PractitionerExists):
        actions.create_practitioner(name="Other", by=SYSTEM, **taken)
    assert Practitioner.objects.filter(name="Other").count() == 0
    assert Practitioner.objects.filter(username="wang").get() == cast.wang  # the transaction goes on


def test_many_people_without_a_username_are_no_clash(cast):
    assert _named("A", None).pk != _named("A", None).pk


def test_a_person_from_messages_cannot_sign_in(cast):
    person = actions.create_practitioner(name="Doctor", staff_number="D9", by=SYSTEM)
    assert not person.has_usable_password()
    for name in ("", "D9", "None", "Doctor"):
        assert actions.sign_in(username=name, password="", ip="", at=cast.now, by=SYSTEM) is None


def test_disabling_and_enabling_leave_facts_and_keep_the_roles(cast):
    actions.disable_practitioner(practitioner=cast.wang, at=cast.now, by=SYSTEM)
    actions.enable_practitioner(practitioner=cast.wang, by=SYSTEM)
    facts = AuditEvent.objects.filter(name="accounts.PractitionerChanged").order_by("pk")
    assert [fact.payload["what"] for fact in facts][-2:] == ["disabled", "enabled"]
    assert sees(cast, cast.wang) == {"CARD"}


def test_language_is_kept_with_the_person(cast):
    actions.set_language(practitioner=cast.wang, language="en", by=cast.as_wang)
    assert Practitioner.objects.get(pk=cast.wang.pk).language == "en"


# ---- the viewer


def test_somebody_without_a_role_may_only_mind_the_own_account(cast):
    found = cast.viewer(_named("Bai", cast.cardiology))
    assert found.permissions == {"accounts.self"}
    assert (found.departments, found.hospital_wide, found.may_see_sensitive, found.everything) == (
        set(),
        False,
        False,
        False,
    )


def test_own_only_holds_until_another_role_lifts_it(cast):
    """A hospital's own role for doctors who see their own patients only."""
    with seeding():
        Role.objects.create(code="own", name="O", name_en="O", permissions=["patients.view"], own_only=True)
    who = _named("Bai", cast.cardiology)
    give(cast, who, "own", cast.cardiology)
    assert viewer_for(who, at=cast.now).own_only
    assert not Patient.objects.visible_to(viewer_for(who, at=cast.now)).exists()
    give(cast, who, "follow-up-nurse", cast.cardiology, end=timedelta(days=1))
    assert not viewer_for(who, at=cast.now).own_only
    assert viewer_for(who, at=cast.now + timedelta(days=1)).own_only


def test_sensitive_records_need_their_own_role(cast):
    assert not cast.as_wang.may_see_sensitive
    give(cast, cast.wang, "sensitive-records", cast.cardiology)
    assert viewer_for(cast.wang, at=cast.now).may_see_sensitive


def test_a_viewer_never_changes(cast):
    found = cast.as_wang
    with pytest.raises(AttributeError):
        found.hospital_wide = True
    assert Viewer.system("x").can("anything")
    assert not Viewer.patient(cast.zhang.pk).can("patients.view")


# Who works together on follow-up (B03): role → what it is there for, and what it is not for.
WORKS: dict[str, tuple[str, ...]] = {
    "follow-up-nurse": ("tasks.work", "tasks.distribute", "questionnaires.answer"),
    "ward-nurse": ("tasks.work", "plans.personalise", "alerts.handle"),
    "ward-doctor": ("tasks.work", "plans.author", "publichealth.opine"),
    "head-nurse": ("tasks.work", "tasks.distribute", "rosters.keep", "supervision.sample", "reports.department"),
    "nursing-department": ("supervision.sample", "reports.hospital", "reports.people"),
    "medical-affairs": ("supervision.sample", "reports.hospital", "alerts.oversee"),
}
ONLY_ONE_DOES = ("patients.merge", "tasks.edit-ladder")


@pytest.mark.django_db
def test_everybody_who_works_on_follow_up_has_a_role_of_their_own():
    actions.load_shipped_roles(by=SYSTEM)
    for code, does in WORKS.items():
        found = role(code)
        assert set(does) <= set(found.permissions), code
        assert not set(ONLY_ONE_DOES) & set(found.permissions), code
        assert not found.separated_duty
