"""Many told at once end exactly as told one after the other; and cost no more statements than one."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from careloop.audit.models import AuditEvent
from careloop.patients import actions
from careloop.patients.actions import NoIdentifier, Stay, Told, ToldDiagnoses
from careloop.patients.models import (
    CareRelationship,
    Condition,
    ContactPoint,
    DuplicateCandidate,
    Encounter,
    Patient,
    PatientIdentifier,
    RelatedPerson,
)
from careloop.patients.rules import (
    ContactData,
    DiagnosisData,
    IdentifierData,
    PersonData,
    RelatedPersonData,
    VisitData,
)
from careloop.patients.rules.data import DELETE
from tests.cast import SYSTEM, Cast
from tests.undone import seen_after

pytestmark = pytest.mark.django_db
AT = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
CARDS = ("11010519491231002X", "440524188001010014", "110105194912310021")  # valid, valid, wrong check digit
MANY = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def number(value: str, type_: str = "MR") -> IdentifierData:
    return IdentifierData(value=value, type=type_, authority="YX")


identifiers = st.lists(
    st.sampled_from([*(number(f"90{n}") for n in range(6)), *(number(f"PI{n}", "PI") for n in range(3))]),
    min_size=1, max_size=2, unique=True,
)  # fmt: skip
cards = st.sampled_from([(), (), (), *((IdentifierData(value=card, type="NI", authority="CN"),) for card in CARDS)])
phones = st.lists(
    st.sampled_from([ContactData(value="13800000001"), ContactData(value="13800000002"), ContactData(value="0571-8000"), ContactData(value="?")]),
    max_size=2, unique=True,
)  # fmt: skip
relatives = st.sampled_from(
    [None, (), (RelatedPersonData(name="周小兰", relation="女儿", phones=(ContactData(value="13900000009"),)),),
     (RelatedPersonData(name="周小兰", knows_condition=True),)]
)  # fmt: skip


@st.composite
def people(draw: st.DrawFn) -> Told:
    person = PersonData(
        identifiers=(*draw(identifiers), *draw(cards)),
        name=draw(st.sampled_from([None, "周国强", "王韡", "Zhou", DELETE])),
        sex=draw(st.sampled_from([None, "M", "F", DELETE])),
        address=draw(st.sampled_from([None, "云溪市和平路 1 号", DELETE])),
        phones=draw(st.one_of(st.none(), phones.map(tuple))),
        related=draw(relatives),
        is_deceased=draw(st.sampled_from([None, None, None, True, False])),
    )
    return Told(person, draw(st.sampled_from(["hl7:HIS", "hl7:LIS"])))


def picture() -> tuple[list[str], ...]:
    """The whole content without ids and instants: each patient by its numbers, with all that hangs on it."""
    by_patient: dict[object, list[object]] = {}
    for row in PatientIdentifier.objects.unscoped("test"):
        by_patient.setdefault(row.patient_id, []).append((row.system, row.type, row.value, row.is_suspect, row.source))
    names = {pk: tuple(sorted(map(str, found))) for pk, found in by_patient.items()}
    columns = ("name", "sex", "birth_date", "address", "deceased", "sensitivity", "active", "data_conflicts")
    patients = sorted(
        str((names.get(p.pk), [getattr(p, c) for c in columns])) for p in Patient.objects.unscoped("test")
    )
    relatives = {r.pk: (r.name, r.relation, r.may_answer) for r in RelatedPerson.objects.unscoped("test")}
    contacts = sorted(
        str((names.get(c.patient_id), c.value, c.rank, c.use, c.is_valid, relatives.get(c.related_person_id)))
        for c in ContactPoint.objects.unscoped("test")
    )
    kin = sorted(
        str((names.get(r.patient_id), r.name, r.relation, r.may_answer)) for r in RelatedPerson.objects.unscoped("test")
    )
    doubles = sorted(
        str((sorted([str(names.get(d.patient_id)), str(names.get(d.other_id))]), d.reason))
        for d in DuplicateCandidate.objects.unscoped("test")
    )
    stays = sorted(
        str(
            (
                names.get(e.patient_id),
                e.visit_number,
                e.status,
                e.discharge_cycle,
                e.discharged_at,
                e.bed,
                e.department_id,
            )
        )
        for e in Encounter.objects.unscoped("test")
    )
    relations = sorted(
        str((names.get(r.patient_id), r.department_id)) for r in CareRelationship.objects.unscoped("test")
    )
    conditions = sorted(
        str((names.get(c.patient_id), c.encounter.visit_number if c.encounter else "", c.code, c.use, c.rank, c.active))
        for c in Condition.objects.unscoped("test").select_related("encounter")
    )
    facts = sorted(AuditEvent.objects.values_list("name", flat=True))
    return patients, contacts, kin, doubles, stays, relations, conditions, facts


@MANY
@given(told=st.lists(people(), min_size=1, max_size=7))
def test_people_together_as_one_by_one(cast: Cast, told: list[Told]) -> None:
    def alone() -> None:
        for each in told:
            actions.upsert_patient(person=each.person, source=each.source, at=AT, by=SYSTEM)

    for together, one_by_one in zip(
        seen_after(lambda: actions.upsert_patients(people=told, at=AT, by=SYSTEM), picture),
        seen_after(alone, picture),
        strict=True,
    ):
        assert together == one_by_one


@MANY
@given(told=st.lists(people(), min_size=1, max_size=5))
def test_told_again_together_changes_nothing(cast: Cast, told: list[Told]) -> None:
    with transaction.atomic():
        actions.upsert_patients(people=told, at=AT, by=SYSTEM)
        settled = actions.upsert_patients(people=told, at=AT, by=SYSTEM)
        before = picture()
        again = actions.upsert_patients(people=told[-1:], at=AT, by=SYSTEM)
        assert again[0].pk == settled[-1].pk
        assert picture() == before
        transaction.set_rollback(True)


def test_in_the_order_told(cast: Cast) -> None:
    told = [Told(PersonData(identifiers=(number(value),), name=f"甲{value}"), "hl7:HIS") for value in "321"]
    told.append(Told(PersonData(identifiers=(number("2"),)), "hl7:HIS"))
    names = [patient.name for patient in actions.upsert_patients(people=told, at=AT, by=SYSTEM)]
    assert names == ["甲3", "甲2", "甲1", "甲2"]


def test_one_without_a_number_refuses_all(cast: Cast) -> None:
    before = Patient.objects.unscoped("test").count()
    told = [Told(PersonData(identifiers=(number("1"),)), "x"), Told(PersonData(name="无号"), "x")]
    with pytest.raises(NoIdentifier):
        actions.upsert_patients(people=told, at=AT, by=SYSTEM)
    assert Patient.objects.unscoped("test").count() == before


def test_two_numbers_of_one_patient_in_one_portion(cast: Cast) -> None:
    """Nobody shares a number here, yet both mean the same patient."""
    first = PersonData(identifiers=(number("1"), number("P", "PI")), name="周国强")
    actions.upsert_patient(person=first, source="x", at=AT, by=SYSTEM)
    told = [
        Told(PersonData(identifiers=(number("1"),), address="一号"), "x"),
        Told(
            PersonData(identifiers=(number("P", "PI"),), address="二号", phones=(ContactData(value="13800000001"),)),
            "x",
        ),
    ]
    one, other = actions.upsert_patients(people=told, at=AT, by=SYSTEM)
    assert one.pk == other.pk
    assert Patient.objects.unscoped("test").get(pk=one.pk).address == "二号"


def people_of(count: int) -> list[Told]:
    return [
        Told(
            PersonData(identifiers=(number(f"N{n}"),), name="周国强", phones=(ContactData(value=f"138000{n:05d}"),)),
            "hl7:HIS",
        )
        for n in range(count)
    ]


def statements(write: Callable[[], object]) -> int:
    with transaction.atomic(), CaptureQueriesContext(connection) as captured:
        write()
        transaction.set_rollback(True)
    return len(captured)


def test_a_hundred_cost_what_one_costs(cast: Cast) -> None:
    one, hundred = (
        statements(lambda count=count: actions.upsert_patients(people=people_of(count), at=AT, by=SYSTEM))
        for count in (1, 100)
    )
    assert hundred == one


# --- visits ---------------------------------------------------------------------------------------------------------

happenings = st.sampled_from(["admitted", "updated", "transferred", "discharged", "discharge-cancelled", "cancelled"])


@st.composite
def visits(draw: st.DrawFn) -> tuple[int, VisitData]:
    which = draw(st.integers(0, 2))
    visit = VisitData(
        number=f"V{which}{draw(st.integers(0, 1))}",
        authority="YX",
        event=draw(happenings),
        occurred_at=AT - timedelta(hours=draw(st.integers(0, 3))),
        bed=draw(st.sampled_from([None, "12", DELETE])),
        discharged_at=draw(st.sampled_from([None, AT - timedelta(hours=1)])),
        disposition=draw(st.sampled_from([None, "home", "died"])),
    )
    return which, visit


@MANY
@given(told=st.lists(visits(), min_size=1, max_size=6))
def test_visits_together_as_one_by_one(cast: Cast, told: list[tuple[int, VisitData]]) -> None:
    holders = actions.upsert_patients(people=people_of(3), at=AT, by=SYSTEM)

    def stays() -> list[Stay]:
        fresh = [Patient.objects.unscoped("test").get(pk=holder.pk) for holder in holders]
        return [Stay(fresh[which], visit, "hl7:HIS") for which, visit in told]

    def alone() -> None:
        for stay in stays():
            actions.upsert_encounter(patient=stay.patient, visit=stay.visit, source=stay.source, at=AT, by=SYSTEM)

    at_once = seen_after(lambda: actions.upsert_encounters(stays=stays(), at=AT, by=SYSTEM), picture)
    assert at_once == seen_after(alone, picture)


def test_a_number_of_another_patient_refuses_all(cast: Cast) -> None:
    one, other = actions.upsert_patients(people=people_of(2), at=AT, by=SYSTEM)
    stays = [Stay(one, VisitData(number="V1", authority="YX", event="admitted"), "x")]
    stays.append(Stay(other, VisitData(number="V1", authority="YX", event="discharged"), "x"))
    with pytest.raises(actions.VisitOfAnotherPatient):
        actions.upsert_encounters(stays=stays, at=AT, by=SYSTEM)
    assert not Encounter.objects.unscoped("test").filter(visit_number="V1").exists()


def test_diagnoses_of_many_visits(cast: Cast) -> None:
    holders = actions.upsert_patients(people=people_of(3), at=AT, by=SYSTEM)
    stays = [
        Stay(holder, VisitData(number=f"V{n}", authority="YX", event="discharged"), "x")
        for n, holder in enumerate(holders)
    ]
    rows = actions.upsert_encounters(stays=stays, at=AT, by=SYSTEM)
    first = [ToldDiagnoses(row, [DiagnosisData(code="I21.0"), DiagnosisData(code="I10")]) for row in rows]
    assert actions.replace_conditions_of(told=first, at=AT, by=SYSTEM) == 3
    then = [
        ToldDiagnoses(rows[0], [DiagnosisData(code="I21.0"), DiagnosisData(code="I10")]),  # the same
        ToldDiagnoses(rows[1], [DiagnosisData(code="I50.0")]),  # another
        ToldDiagnoses(rows[2], []),  # silent
    ]
    assert actions.replace_conditions_of(told=then, at=AT, by=SYSTEM) == 1
    mine = Condition.objects.unscoped("test").filter(encounter__in=rows)
    active = mine.filter(active=True).order_by("encounter__visit_number", "rank")
    assert [(c.encounter.visit_number, c.code) for c in active] == [
        ("V0", "I21.0"), ("V0", "I10"), ("V1", "I50.0"), ("V2", "I21.0"), ("V2", "I10"),
    ]  # fmt: skip
    assert mine.count() == 7  # what went stays as history
