"""The life of a visit: order of messages does not matter, again is harmless, sets replace."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from careloop.audit.models import AuditEvent
from careloop.patients import actions
from careloop.patients.models import CareRelationship, Condition, Encounter, Patient, Procedure
from careloop.patients.rules import DELETE, DiagnosisData, ProcedureData, VisitData
from careloop.patients.rules.visits import NEUTRAL, next_status
from careloop.patients.tests.test_upsert import AT, BY, person, upsert
from tests.cast import Cast

pytestmark = pytest.mark.django_db


def visit(patient: Patient, event: str, hours: int = 0, number: str = "V1", **more: Any) -> Encounter:
    told = VisitData(
        number=number, authority="HIS", event=event, occurred_at=AT + timedelta(hours=hours),
        **({"encounter_class": "IMP"} | more),
    )  # fmt: skip
    return actions.upsert_encounter(patient=patient, visit=told, source="hl7:HIS", at=AT, by=BY)


def facts() -> list[str]:
    rows = AuditEvent.objects.filter(name__startswith="patients.").order_by("id")
    return [name.removeprefix("patients.") for name in rows.values_list("name", flat=True)]


def test_admission_and_discharge_are_told_once() -> None:
    patient = upsert(person())
    visit(patient, "admitted", admitted_at=AT)
    stay = visit(patient, "discharged", 48, discharged_at=AT + timedelta(hours=48), disposition="home")
    visit(patient, "discharged", 48, discharged_at=AT + timedelta(hours=48), disposition="home")
    assert (stay.status, stay.discharge_cycle, stay.disposition) == ("finished", 1, "home")
    assert facts() == ["PatientRegistered", "EncounterStarted", "EncounterFinished"]


def test_a_late_admission_never_reopens_a_finished_stay() -> None:
    patient = upsert(person())
    visit(patient, "discharged", 48)
    stay = visit(patient, "admitted", 0, admitted_at=AT, bed="12")
    assert (stay.status, stay.admitted_at, stay.bed) == ("finished", AT, "12")
    assert "EncounterStarted" not in facts()


def test_an_update_never_changes_the_status_even_with_an_end_in_it() -> None:
    patient = upsert(person())
    visit(patient, "admitted")
    stay = visit(patient, "updated", 2, discharged_at=AT + timedelta(hours=2), bed="7")
    assert (stay.status, stay.discharged_at, stay.bed) == ("in-progress", None, "7")
    assert facts()[-1] == "EncounterChanged"


def test_a_cancelled_discharge_and_a_new_one_are_two_cycles() -> None:
    patient = upsert(person())
    visit(patient, "admitted", 0)
    visit(patient, "discharged", 10, disposition="home")
    stay = visit(patient, "discharge-cancelled", 11)
    assert (stay.status, stay.discharged_at, stay.disposition) == ("in-progress", None, "")
    stay = visit(patient, "discharged", 20)
    assert (stay.status, stay.discharge_cycle) == ("finished", 2)
    assert facts()[1:] == ["EncounterStarted", "EncounterFinished", "DischargeCancelled", "EncounterFinished"]


def test_an_old_cancellation_does_not_undo_a_newer_discharge() -> None:
    patient = upsert(person())
    visit(patient, "discharged", 10)
    assert visit(patient, "discharge-cancelled", 5).status == "finished"


def test_a_stay_first_heard_of_by_an_update_with_an_end_still_takes_its_discharge() -> None:
    patient = upsert(person())
    assert visit(patient, "updated", 0, discharged_at=AT).discharge_cycle == 0
    stay = visit(patient, "discharged", 1, discharged_at=AT)
    assert (stay.status, stay.discharge_cycle, facts()[-1]) == ("finished", 1, "EncounterFinished")


def test_cancelled_admission_and_revival() -> None:
    patient = upsert(person())
    visit(patient, "admitted", 0)
    assert visit(patient, "admission-cancelled", 1).status == "cancelled"
    assert visit(patient, "updated", 2).status == "cancelled"
    assert visit(patient, "admitted", 3).status == "in-progress"


def test_a_second_inpatient_stay_is_a_readmission() -> None:
    patient = upsert(person())
    visit(patient, "discharged", 0)
    visit(patient, "admitted", 100, number="V2")
    visit(patient, "registered", 101, number="O1", encounter_class="AMB")
    rows = AuditEvent.objects.filter(name="patients.EncounterStarted").order_by("id")
    assert [row.payload["is_readmission"] for row in rows] == [True, False]


def test_a_number_of_another_patient_is_refused() -> None:
    visit(upsert(person("1")), "admitted")
    with pytest.raises(actions.VisitOfAnotherPatient):
        visit(upsert(person("2")), "discharged")


def test_a_discharge_as_dead_is_a_death() -> None:
    patient = upsert(person())
    visit(patient, "discharged", 3, disposition="died")
    patient.refresh_from_db()
    assert patient.deceased
    assert patient.deceased_at == AT + timedelta(hours=3)


def test_departments_of_a_visit_may_see_the_patient_also_after_a_transfer(cast: Cast) -> None:
    patient = upsert(person())
    visit(patient, "admitted", 0, department_id=cast.cardiology.pk, attending_id=cast.zhao.pk)
    visit(patient, "transferred", 1, department_id=cast.orthopaedics.pk)
    for viewer in (cast.as_wang, cast.as_li):
        assert Patient.objects.visible_to(viewer).filter(pk=patient.pk).exists()
    assert CareRelationship.objects.unscoped("test").filter(patient=patient, practitioner=cast.zhao).count() == 2


def test_delete_empties_and_absence_keeps() -> None:
    patient = upsert(person())
    visit(patient, "admitted", 0, bed="3", reason="胸痛")
    assert visit(patient, "updated", 1).bed == "3"
    assert visit(patient, "updated", 2, bed=DELETE).bed == ""


FRESH = itertools.count(1000)
EVENTS = ["admitted", "planned", "registered", "transferred", "class-changed", "updated", "discharged",
          "discharge-cancelled", "admission-cancelled"]  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 20)), min_size=1, max_size=8))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_sequence_leaves_a_consistent_visit_and_repeating_its_last_message_changes_nothing(
    told: list[tuple[str, int]],
) -> None:
    number = f"N{next(FRESH)}"  # examples share one database
    patient = upsert(person(number))
    for event, hours in told:
        row = visit(patient, event, hours, number=number)
    row.refresh_from_db()
    assert (row.status == "finished") == (row.discharged_at is not None)
    assert row.discharge_cycle <= sum(event == "discharged" for event, __ in told)
    before = AuditEvent.objects.count()
    visit(patient, *told[-1], number=number)
    assert AuditEvent.objects.count() == before


@given(
    st.sampled_from(["planned", "in-progress", "finished", "cancelled"]), st.sampled_from(EVENTS), st.booleans(),
    st.booleans(),
)  # fmt: skip
def test_neutral_and_old_events_never_move_a_status(status: str, event: str, is_old: bool, has_end: bool) -> None:
    after = next_status(status, event, is_old=is_old, has_end=has_end, cycle=0)
    if is_old or event in NEUTRAL:
        assert after == status
    if status == "finished" and event not in ("discharge-cancelled", "admission-cancelled"):
        assert after == "finished"


def conditions(stay: Encounter) -> list[tuple[str, str]]:
    rows = Condition.objects.unscoped("test").filter(encounter=stay, active=True)
    return list(rows.order_by("use", "rank").values_list("use", "code_key"))


def replace(stay: Encounter, *told: DiagnosisData) -> bool:
    return actions.replace_conditions(encounter=stay, diagnoses=told, at=AT, by=BY)


def test_diagnoses_replace_those_of_their_kind_and_keep_history() -> None:
    stay = visit(upsert(person()), "admitted")
    assert replace(stay, DiagnosisData(code="R07.4", kind="admission"))
    assert replace(stay, DiagnosisData(code="I21.0"), DiagnosisData(code="I10.x00"))
    assert not replace(stay, DiagnosisData(code="I21.0"), DiagnosisData(code="I10.x00"))
    assert replace(stay, DiagnosisData(code="i21.001+x*"))
    assert conditions(stay) == [("admitting", "R07.4"), ("final", "I21.001")]
    assert Condition.objects.unscoped("test").filter(encounter=stay).count() == 4
    assert not replace(stay)


def test_operations_replace() -> None:
    stay = visit(upsert(person()), "admitted")
    told = [ProcedureData(code="36.0600x004", text="PCI", performed_at=AT), ProcedureData(code="3722")]
    for expected in (True, False):
        assert expected is actions.replace_procedures(
            encounter=stay, patient=stay.patient, procedures=told, source="s", at=AT, by=BY
        )
    rows = Procedure.objects.unscoped("test").filter(active=True).order_by("rank")
    assert [row.code_key for row in rows] == ["36.0600X004", "37.22"]
    assert rows[0].performed_at == datetime(2026, 11, 20, 2, tzinfo=UTC)
