"""Finding and creating patients: by number, once, again harmless, in a race."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from careloop.audit.models import AuditEvent
from careloop.kernel.viewer import Viewer
from careloop.patients import actions
from careloop.patients.models import (
    ContactPoint,
    DuplicateCandidate,
    Encounter,
    Patient,
    PatientIdentifier,
    RelatedPerson,
)
from careloop.patients.rules import (
    DELETE,
    ContactData,
    DiagnosisData,
    IdentifierData,
    PersonData,
    RelatedPersonData,
    VisitData,
)
from careloop.patients.rules.identity import check_digit

BY = Viewer.system("tests")
AT = datetime(2026, 11, 20, 2, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def identity(first_17: str) -> str:
    return first_17 + check_digit(first_17)


GOOD = identity("11010119590308001")


def person(number: str = "100", **more: Any) -> PersonData:
    told: dict[str, Any] = {"name": "周国强", "sex": "1", "birth_date": date(1959, 3, 8)}
    return PersonData(identifiers=(IdentifierData(value=number, authority="HIS"),), **(told | more))


def upsert(told: PersonData) -> Patient:
    return actions.upsert_patient(person=told, source="hl7:HIS", at=AT, by=BY)


def facts(name: str) -> int:
    return AuditEvent.objects.filter(name=f"patients.{name}").count()


def test_a_new_patient_has_pinyin_numbers_relatives_and_phones() -> None:
    told = person(
        phones=(ContactData(value="13812346721/0571-88886666(女儿)"),),
        related=(RelatedPersonData(name="周敏", relation="女儿", phones=(ContactData(value="13912346722"),)),),
    )
    patient = upsert(told)
    assert (patient.name, patient.name_pinyin, patient.name_initials) == ("周国强", "zhou guo qiang", "zgq")
    assert (patient.sex, patient.birth_date) == ("male", date(1959, 3, 8))
    points = list(ContactPoint.objects.unscoped("test").filter(patient=patient).order_by("rank"))
    assert [p.value for p in points] == ["+8613812346721", "+8657188886666", "+8613912346722"]
    assert [p.owner_note for p in points] == ["", "女儿", ""]
    assert points[2].related_person is not None
    assert points[2].related_person.name == "周敏"
    assert RelatedPerson.objects.unscoped("test").get(patient=patient).relation == "daughter"
    assert facts("PatientRegistered") == 1
    assert facts("PatientUpdated") == 0


def test_the_same_twice_changes_and_records_nothing() -> None:
    told = person(phones=(ContactData(value="13812346721"),), related=(RelatedPersonData(name="周敏", relation="3"),))
    first = upsert(told)
    before = AuditEvent.objects.count()
    assert upsert(told).pk == first.pk
    assert AuditEvent.objects.count() == before


def test_absent_keeps_and_delete_empties() -> None:
    upsert(person(address="云溪路 1 号"))
    kept = upsert(PersonData(identifiers=(IdentifierData(value="100", authority="HIS"),)))
    assert (kept.address, kept.name) == ("云溪路 1 号", "周国强")
    emptied = upsert(PersonData(identifiers=(IdentifierData(value="100", authority="HIS"),), address=DELETE))
    assert emptied.address == ""


def test_the_same_number_of_another_authority_is_another_patient() -> None:
    first = upsert(person())
    other = upsert(PersonData(identifiers=(IdentifierData(value="100", authority="LAB"),), name="马力"))
    assert other.pk != first.pk


def test_no_identifying_number_is_refused_and_nothing_is_written() -> None:
    for type_ in ("VN", "SS", "NI"):
        with pytest.raises(actions.NoIdentifier):
            upsert(PersonData(identifiers=(IdentifierData(value="1", type=type_, authority="HIS"),), name="周国强"))
    assert not Patient.objects.unscoped("test").exists()


def test_a_bad_identity_number_is_stored_flagged_and_blocks_nothing() -> None:
    bad = GOOD[:-1] + ("0" if GOOD[-1] != "0" else "1")
    numbers = (IdentifierData(value="100", authority="HIS"), IdentifierData(value=bad, type="NNCHN", authority="HIS"))
    patient = upsert(PersonData(identifiers=numbers, name="周国强"))
    row = PatientIdentifier.objects.unscoped("test").get(patient=patient, type="NI")
    assert (row.is_suspect, row.suspect_reason, row.system) == (True, "check-digit", "HIS")
    assert patient.data_conflicts == [{"code": "identity-check-digit"}]


def test_a_valid_identity_number_fills_gaps_and_shows_conflicts() -> None:
    numbers = (IdentifierData(value="100", authority="HIS"), IdentifierData(value=GOOD, type="NNCHN", authority="HIS"))
    patient = upsert(PersonData(identifiers=numbers, name="周国强"))
    assert (patient.birth_date, patient.sex, patient.data_conflicts) == (date(1959, 3, 8), "male", [])
    patient = upsert(PersonData(identifiers=numbers, birth_date=date(1960, 1, 1), sex="女"))
    assert patient.data_conflicts == [{"code": "birth-date-differs"}, {"code": "sex-differs"}]


def test_one_identity_number_and_one_name_are_one_patient_over_facilities() -> None:
    here = PersonData(
        identifiers=(
            IdentifierData(value="1", authority="HIS"),
            IdentifierData(value=GOOD, type="NI", authority="HIS"),
        ),
        name="周国强",
    )
    there = PersonData(
        identifiers=(
            IdentifierData(value="9", authority="EYE"),
            IdentifierData(value=GOOD, type="NI", authority="EYE"),
        ),
        name="周 国强",
    )
    assert upsert(here).pk == upsert(there).pk


def test_one_identity_number_under_two_names_opens_a_duplicate_to_check() -> None:
    numbers = (IdentifierData(value="1", authority="HIS"), IdentifierData(value=GOOD, type="NI", authority="HIS"))
    mother = upsert(PersonData(identifiers=numbers, name="陈桂英"))
    numbers = (IdentifierData(value="2", authority="HIS"), IdentifierData(value=GOOD, type="NI", authority="HIS"))
    child = upsert(PersonData(identifiers=numbers, name="周小宝"))
    assert child.pk != mother.pk
    candidate = DuplicateCandidate.objects.unscoped("test").get()
    assert {candidate.patient_id, candidate.other_id} == {mother.pk, child.pk}
    assert candidate.reason == "same-identity-number"


def test_numbers_of_two_patients_open_a_duplicate_and_the_first_number_wins() -> None:
    first, second = upsert(person("1")), upsert(person("2"))
    both = (IdentifierData(value="2", authority="HIS"), IdentifierData(value="1", authority="HIS"))
    assert upsert(PersonData(identifiers=both)).pk == second.pk
    assert DuplicateCandidate.objects.unscoped("test").get().reason == "numbers-of-two-patients"
    assert first.pk != second.pk


def test_a_death_stops_once_and_can_be_withdrawn() -> None:
    upsert(person())
    upsert(person(is_deceased=True, deceased_at=AT))
    patient = upsert(person(is_deceased=True, deceased_at=AT))
    assert patient.deceased
    assert patient.deceased_at == AT
    assert facts("PatientDied") == 1
    patient = upsert(person(is_deceased=False))
    assert not patient.deceased
    assert patient.deceased_at is None
    assert facts("DeathWithdrawn") == 1


@pytest.mark.django_db(transaction=True)
def test_two_messages_that_create_the_same_patient_at_once_make_one_row() -> None:
    barrier = threading.Barrier(6)
    found: list[Any] = []

    def send(n: int) -> None:
        try:
            barrier.wait(10)
            numbers = (
                IdentifierData(value="777", authority="HIS"),
                IdentifierData(value=f"P{n}", type="PI", authority="X"),
            )
            patient = upsert(PersonData(identifiers=numbers, name="周国强", phones=(ContactData(value="13812346721"),)))
            visit = VisitData(number="V777", authority="HIS", event="admitted", occurred_at=AT)
            actions.upsert_encounter(patient=patient, visit=visit, source="hl7:HIS", at=AT, by=BY)
            found.append(patient.pk)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=send, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 6
    assert len(set(found)) == 1
    assert Patient.objects.unscoped("test").count() == 1
    assert PatientIdentifier.objects.unscoped("test").count() == 7
    assert Encounter.objects.unscoped("test").count() == 1
    assert ContactPoint.objects.unscoped("test").count() == 1


def discharge(number: str) -> None:
    patient = upsert(person(number, phones=(ContactData(value="13812346721"),)))
    visit = VisitData(number=f"V{number}", authority="HIS", event="discharged", occurred_at=AT, encounter_class="IMP")
    stay = actions.upsert_encounter(patient=patient, visit=visit, source="hl7:HIS", at=AT, by=BY)
    told = (DiagnosisData(code="I21.000", text="急性前壁心肌梗死"), DiagnosisData(code="I10.x00", text="高血压"))
    actions.replace_conditions(encounter=stay, diagnoses=told, at=AT, by=BY)


def statements(number: str) -> int:
    """Statements of one whole discharge without savepoints: each action's own is free on a pipelined connection."""
    with CaptureQueriesContext(
        connection,
    ) as captured:
        discharge(number)
    return len([q for q in captured.captured_queries if "SAVEPOINT" not in q["sql"]])


def test_a_discharge_costs_few_statements() -> None:
    upsert(person("0"))
    assert statements("500") <= 17  # everything new
    assert statements("500") <= 4  # the same again only reads


def test_the_discharge_of_a_known_stay_costs_ten_statements() -> None:
    patient = upsert(person("600", phones=(ContactData(value="13812346721"),)))
    visit = VisitData(number="V600", authority="HIS", event="admitted", occurred_at=AT, encounter_class="IMP")
    actions.upsert_encounter(patient=patient, visit=visit, source="hl7:HIS", at=AT, by=BY)
    assert statements("600") <= 10
