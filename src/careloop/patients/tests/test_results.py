"""Results, medicines, allergies, documents: sets with the sender's keys."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from careloop.audit.models import AuditEvent
from careloop.patients import actions
from careloop.patients.models import (
    AllergyIntolerance,
    DocumentReference,
    MedicationStatement,
    Observation,
    Patient,
)
from careloop.patients.rules import AllergyData, DocumentData, MedicationData, ObservationData
from careloop.patients.tests.test_upsert import AT, BY, person, upsert

pytestmark = pytest.mark.django_db


def store(patient: Patient, *told: ObservationData) -> list[Observation]:
    return actions.store_observations(
        patient=patient, encounter=None, observations=told, source="hl7:LIS", at=AT, by=BY
    )


def result(key: str = "A1|LDL", **more: Any) -> ObservationData:
    told: dict[str, Any] = {"code": "LDL", "text": "LDL-C", "value": "2.41", "unit": "mmol/L", "flag": "↑"}
    return ObservationData(key=key, observed_at=AT, **(told | more))


def test_numbers_comparators_words_and_units() -> None:
    patient = upsert(person())
    store(
        patient,
        result(),
        result("2", value="<5.0", unit="10^9/L", code="WBC", text=""),
        result("3", value="阴性", unit="", code="HBsAg", text=""),
        result("4", value="1:160", code="ANA", text=""),
        result("5", value="99999999999999999999", code="X", text=""),
    )
    rows = {row.key.rpartition("|")[2]: row for row in Observation.objects.unscoped("test").all()}
    ldl = rows["LDL"]
    assert (ldl.value_number, ldl.unit, ldl.interpretation, ldl.concept) == (Decimal("2.41"), "mmol/L", "H", "ldl-c")
    assert (rows["2"].comparator, rows["2"].value_number, rows["2"].unit) == ("<", Decimal(5), "10*9/L")
    assert (rows["3"].value_number, rows["3"].value_text) == (None, "阴性")
    assert (rows["4"].value_number, rows["4"].value_text) == (None, "1:160")
    assert (rows["5"].value_number, rows["5"].value_text) == (None, "99999999999999999999")


def test_the_same_again_changes_nothing() -> None:
    patient = upsert(person())
    assert len(store(patient, result(), result("2"))) == 2
    before = AuditEvent.objects.count()
    assert store(patient, result(), result("2")) == []
    assert AuditEvent.objects.count() == before


def test_corrections_replace_and_deletions_mark() -> None:
    patient = upsert(person())
    store(patient, result())
    store(patient, result(value="2.14", status="C"))
    row = Observation.objects.unscoped("test").get()
    assert (row.value_number, row.status) == (Decimal("2.14"), "corrected")
    store(patient, result(value="2.14", status="D"))
    row.refresh_from_db()
    assert row.status == "entered-in-error"


def test_an_older_report_is_ignored_and_not_done_leaves_nothing() -> None:
    patient = upsert(person())
    store(patient, result(value="2", issued_at=AT))
    assert store(patient, result(value="1", issued_at=AT - timedelta(hours=1))) == []
    assert store(patient, result("9", status="X")) == []
    assert Observation.objects.unscoped("test").get().value_text == "2"


def test_a_key_of_another_patient_is_made_this_patients_own() -> None:
    first, second = upsert(person("1")), upsert(person("2"))
    store(first, result("line-1", value="1"))
    for expected in (1, 0):
        assert len(store(second, result("line-1", value="2"))) == expected
    values = Observation.objects.unscoped("test").order_by("value_text").values_list("patient_id", "value_text")
    assert list(values) == [(first.pk, "1"), (second.pk, "2")]


def test_long_keys_stay_apart() -> None:
    patient = upsert(person())
    store(patient, result("k" * 300 + "a"), result("k" * 300 + "b"))
    assert Observation.objects.unscoped("test").count() == 2


def medicines(patient: Patient, *told: MedicationData) -> int:
    stored = actions.store_medications(
        patient=patient, encounter=None, medications=told, source="hl7:HIS", at=AT, by=BY
    )
    return len(stored)


def test_a_stopped_order_marks_its_row() -> None:
    patient = upsert(person())
    order = {"key": "O1", "text": "替格瑞洛", "dose": "90", "dose_unit": "mg", "frequency": "bid", "is_discharge": True}
    assert medicines(patient, MedicationData(**order)) == 1
    assert medicines(patient, MedicationData(**order)) == 0
    assert medicines(patient, MedicationData(**order, control="stopped")) == 1
    row = MedicationStatement.objects.unscoped("test").get()
    assert (row.dose, row.status, row.is_discharge) == ("90 mg", "stopped", True)


def allergies(patient: Patient, *told: AllergyData, source: str = "hl7:HIS") -> int:
    return actions.store_allergies(patient=patient, allergies=told, source=source, at=AT, by=BY)


def active(patient: Patient) -> set[str]:
    rows = AllergyIntolerance.objects.unscoped("test").filter(patient=patient, active=True)
    return set(rows.values_list("text", flat=True))


def test_an_allergy_list_retires_only_what_its_own_source_said() -> None:
    patient = upsert(person())
    assert allergies(patient, AllergyData(text="青霉素", kind="drug", severity="severe"), AllergyData(text="花粉")) == 2
    assert allergies(patient, AllergyData(text="碘"), source="staff") == 1
    assert allergies(patient, AllergyData(text="青霉素", kind="drug", severity="severe")) == 1
    assert active(patient) == {"青霉素", "碘"}
    assert allergies(patient, AllergyData(text="青霉素", control="delete")) == 1
    assert active(patient) == {"碘"}


def test_a_document_supersedes_the_one_it_replaces() -> None:
    patient = upsert(person())

    def keep(**told: Any) -> DocumentReference:
        return actions.store_document(
            patient=patient, encounter=None, document=DocumentData(**told), source="hl7:HIS", at=AT, by=BY
        )

    first = keep(number="D1", title="出院小结", text="…", content=b"%PDF")
    assert keep(number="D1", title="出院小结", text="…", content=b"%PDF").pk == first.pk
    keep(number="D2", title="出院小结(修订)", replaces="D1")
    first.refresh_from_db()
    assert first.status == "superseded"
    assert AuditEvent.objects.filter(name="patients.DocumentStored").count() == 2
