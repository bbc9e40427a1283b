"""One patient from several systems, in every order: the same numbers, phones and relatives; the last word counts."""

from __future__ import annotations

import itertools
from datetime import date, timedelta
from typing import Any

import pytest

from careloop.audit.models import AuditEvent
from careloop.patients import actions
from careloop.patients.models import ContactPoint, DuplicateCandidate, Patient, PatientIdentifier, RelatedPerson
from careloop.patients.rules import DELETE, ContactData, IdentifierData, PersonData, RelatedPersonData
from careloop.patients.tests.test_upsert import AT, BY, GOOD

pytestmark = pytest.mark.django_db

HIS = IdentifierData(value="100", authority="HIS")
EMR = IdentifierData(value="E-77", type="PI", authority="EMR")
CARD = IdentifierData(value=GOOD, type="NI", authority="HIS")


def said(source: str) -> PersonData:
    """What each system knows of the same woman: only the hospital system has both numbers."""
    return {
        "his": PersonData(
            identifiers=(HIS, EMR), name="周敏", sex="2", birth_date=date(1959, 3, 8),
            phones=(ContactData(value="13812346721"),),
        ),
        "emr": PersonData(
            identifiers=(EMR, HIS), address="云溪路 1 号", phones=(ContactData(value="13812346721/13912346722"),),
            related=(RelatedPersonData(name="周强", relation="儿子", phones=(ContactData(value="13712346723"),)),),
        ),
        "insurance": PersonData(identifiers=(HIS, CARD), name="周敏", insurance="职工医保", ethnicity="汉族"),
    }[source]  # fmt: skip


def tell(told: PersonData, source: str = "s", hours: int = 0) -> Patient:
    return actions.upsert_patient(person=told, source=source, at=AT + timedelta(hours=hours), by=BY)


def picture(patient: Patient) -> dict[str, Any]:
    """All that is known, without the order in which it came."""
    patient.refresh_from_db()
    return {
        "columns": (
            patient.name,
            patient.sex,
            patient.birth_date,
            patient.address,
            patient.insurance,
            patient.ethnicity,
        ),
        "numbers": sorted(
            PatientIdentifier.objects.unscoped("test").filter(patient=patient).values_list("system", "type", "value")
        ),
        "phones": sorted(ContactPoint.objects.unscoped("test").filter(patient=patient).values_list("value", flat=True)),
        "relatives": sorted(
            RelatedPerson.objects.unscoped("test").filter(patient=patient).values_list("name", "relation")
        ),
    }


def expected() -> dict[str, Any]:
    return {
        "columns": ("周敏", "female", date(1959, 3, 8), "云溪路 1 号", "职工医保", "汉族"),
        "phones": ["+8613712346723", "+8613812346721", "+8613912346722"],
        "relatives": [("周强", "son")],
    }


@pytest.mark.parametrize("order", list(itertools.permutations(("his", "emr", "insurance"))))
def test_every_order_of_the_sources_ends_alike(order: tuple[str, ...]) -> None:
    rows = {tell(said(source), source).pk for source in order}
    assert len(rows) == 1
    found = picture(Patient.objects.unscoped("test").get(pk=rows.pop()))
    assert {key: found[key] for key in expected()} == expected()
    assert [number[2] for number in found["numbers"]] == sorted(["100", "E-77", GOOD]) or len(found["numbers"]) == 3
    assert not DuplicateCandidate.objects.unscoped("test").exists()


@pytest.mark.parametrize("order", list(itertools.permutations(("his", "emr", "insurance"))))
def test_saying_everything_again_in_any_order_changes_nothing(order: tuple[str, ...]) -> None:
    patient = [tell(said(source), source) for source in ("his", "emr", "insurance")][0]
    before, facts = picture(patient), AuditEvent.objects.count()
    for source in order:
        tell(said(source), source, hours=1)
    assert picture(patient) == before
    assert AuditEvent.objects.count() == facts


@pytest.mark.parametrize(
    ("column", "first", "second", "result"),
    [
        ("name", "周敏", "周明", "周明"), ("address", "一", "二", "二"), ("sex", "1", "2", "female"), ("sex", "女", None, "female"),
        ("sex", "2", DELETE, "unknown"), ("sex", "2", "9", "unknown"), ("address", "一", DELETE, ""), ("address", "一", None, "一"),
        ("name", "周敏", None, "周敏"), ("birth_date", date(1959, 3, 8), date(1959, 8, 3), date(1959, 8, 3)),
        ("birth_date", date(1959, 3, 8), None, date(1959, 3, 8)), ("birth_date", date(1959, 3, 8), DELETE, None),
        ("birth_date", date(1960, 2, 29), None, date(1960, 2, 29)), ("insurance", "职工医保", DELETE, ""),
        ("sensitivity", "restricted", None, "restricted"), ("sensitivity", "restricted", DELETE, "normal"),
        ("sensitivity", "normal", "V", "restricted"), ("employer", "厂" * 300, None, "厂" * 120), ("occupation", "", "农民", "农民"),
    ],
)  # fmt: skip
def test_the_last_word_counts_and_silence_keeps(column: str, first: Any, second: Any, result: Any) -> None:
    tell(PersonData(identifiers=(HIS,), **{column: first}))
    patient = tell(PersonData(identifiers=(HIS,), **{column: second}), hours=1)
    kept = getattr(patient, column)
    assert kept == result or (column == "employer" and kept and str(first).startswith(kept))


@pytest.mark.parametrize(
    "name", ["周敏", "买买提·艾山", "欧阳娜娜", "O'Neil Mary", "𠮷田", "Ａ Ｂ", "x" * 500, "周 敏", "<b>", "名\u200b字"]
)
def test_any_name_can_be_stored_and_found_by_its_number(name: str) -> None:
    patient = tell(PersonData(identifiers=(HIS,), name=name))
    assert tell(PersonData(identifiers=(HIS,), name=name)).pk == patient.pk
    assert len(patient.name) <= 120
    assert patient.name_initials == patient.name_initials.lower()


@pytest.mark.parametrize("value", ["", " ", "   "])
def test_an_empty_number_identifies_nobody(value: str) -> None:
    with pytest.raises(actions.NoIdentifier):
        tell(PersonData(identifiers=(IdentifierData(value=value, authority="HIS"),), name="周敏"))
    assert not Patient.objects.unscoped("test").exists()


def test_no_number_at_all_is_refused() -> None:
    with pytest.raises(actions.NoIdentifier):
        tell(PersonData(name="周敏"))


@pytest.mark.parametrize("second", ["EMR", "his", "HIS "])
def test_the_same_digits_of_two_systems_are_two_people_unless_the_system_is_the_same(second: str) -> None:
    first = tell(PersonData(identifiers=(HIS,), name="周敏"))
    other = tell(PersonData(identifiers=(IdentifierData(value="100", authority=second),), name="周敏"))
    assert other.pk != first.pk or second.strip() == "HIS"


def test_numbers_of_two_patients_in_one_message_open_a_check_once() -> None:
    first = tell(PersonData(identifiers=(HIS,), name="周敏"))
    second = tell(PersonData(identifiers=(EMR,), name="周敏"))
    for _ in range(3):
        assert tell(PersonData(identifiers=(HIS, EMR), name="周敏")).pk == first.pk
    pair = DuplicateCandidate.objects.unscoped("test").get()
    assert {pair.patient_id, pair.other_id} == {first.pk, second.pk}
    assert tell(PersonData(identifiers=(EMR, HIS), name="周敏")).pk == second.pk  # the first number named wins


def test_a_number_stays_with_its_first_owner() -> None:
    first = tell(PersonData(identifiers=(HIS,), name="周敏"))
    second = tell(PersonData(identifiers=(EMR,), name="李明"))
    tell(PersonData(identifiers=(EMR, HIS), name="李明"))
    owner = PatientIdentifier.objects.unscoped("test").get(system="HIS", value="100").patient_id
    assert (owner, first.pk != second.pk) == (first.pk, True)


@pytest.mark.parametrize("dead_first", [True, False])
def test_a_death_is_told_once_from_whichever_system(dead_first: bool) -> None:
    stories = [PersonData(identifiers=(HIS,), is_deceased=True), PersonData(identifiers=(HIS,), name="周敏")]
    for told in stories if dead_first else reversed(stories):
        patient = tell(told)
    tell(stories[0])
    patient.refresh_from_db()
    assert patient.deceased
    assert AuditEvent.objects.filter(name="patients.PatientDied").count() == 1


def test_a_death_with_its_time_alone_is_a_death_and_no_is_a_correction() -> None:
    patient = tell(PersonData(identifiers=(HIS,), deceased_at=AT))
    assert (patient.deceased, patient.deceased_at) == (True, AT)
    alive = tell(PersonData(identifiers=(HIS,), is_deceased=False))
    assert (alive.deceased, alive.deceased_at) == (False, None)
    assert AuditEvent.objects.filter(name="patients.DeathWithdrawn").count() == 1


@pytest.mark.parametrize("active", [True, False])
def test_a_record_closed_at_its_source(active: bool) -> None:
    tell(PersonData(identifiers=(HIS,), name="周敏"))
    assert tell(PersonData(identifiers=(HIS,), active=active)).active is active
    assert tell(PersonData(identifiers=(HIS,))).active is active


@pytest.mark.parametrize(
    "field", ["13812346721", "138 1234 6721", "+86 138-1234-6721", "１３８１２３４６７２１", "0086 13812346721"]
)
def test_one_number_however_it_is_written_is_one_row(field: str) -> None:
    patient = tell(PersonData(identifiers=(HIS,), phones=(ContactData(value="13812346721"),)))
    tell(PersonData(identifiers=(HIS,), phones=(ContactData(value=field),)), hours=1)
    assert [p.value for p in ContactPoint.objects.unscoped("test").filter(patient=patient)] == ["+8613812346721"]


def test_evidence_survives_every_message() -> None:
    patient = tell(PersonData(identifiers=(HIS,), phones=(ContactData(value="13812346721"),)))
    point = ContactPoint.objects.unscoped("test").get(patient=patient)
    actions.report_contact_result(contact_point=point, result="empty-number", at=AT, by=BY)
    tell(PersonData(identifiers=(HIS,), phones=(ContactData(value="13812346721"), ContactData(value="13912346722"))))
    tell(PersonData(identifiers=(HIS,), phones=()))
    rows = dict(ContactPoint.objects.unscoped("test").filter(patient=patient).values_list("value", "is_valid"))
    assert rows == {"+8613812346721": False, "+8613912346722": True}
