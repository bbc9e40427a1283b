"""A batch of messages leaves what its messages one by one leave, plans and follow-ups included; and costs what one costs."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from careloop.accounts.models import Practitioner
from careloop.audit.models import AuditEvent
from careloop.integration.actions import process_batch
from careloop.integration.jobs import process as process_job
from careloop.integration.jobs import process_inbox
from careloop.integration.models import InboxMessage
from careloop.integration.tests.factories import adt, receive
from careloop.kernel.jobs import at_once
from careloop.patients.models import CareRelationship, Condition, ContactPoint, Encounter, Patient, PatientIdentifier
from careloop.plans import actions as plans
from careloop.plans import jobs as plans_jobs
from careloop.plans.models import CarePlan, EnrolmentDecision, LadderRun
from careloop.simulation.machinery import drain_jobs
from careloop.tasks.models import Task
from tests.cast import SYSTEM, Cast
from tests.undone import seen_after

pytestmark = pytest.mark.django_db
FEW = settings(
    max_examples=12,
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
UNKNOWN_PLACE = "0417"


@pytest.fixture
def hospital(cast: Cast) -> Cast:
    """The cast with the shipped plans in force."""
    plans.load_shipped_content(at=timezone.now(), by=SYSTEM)
    return cast


def stamp(minutes: int) -> str:
    """A time yesterday, so that plans of these discharges lie ahead whenever the tests run."""
    day = timezone.localtime(timezone.now()).replace(hour=8, minute=0, second=0, microsecond=0) - timedelta(days=1)
    return f"{day + timedelta(minutes=minutes):%Y%m%d%H%M%S}"


# (event, patient, stay of the patient, what is the matter)
Told = tuple[str, int, int, str]
events_told = st.tuples(
    st.sampled_from(["A01", "A03", "A03", "A03", "A08", "A11", "A13", "A40", "lost", "spoiled"]),
    st.integers(1, 4), st.integers(1, 2), st.sampled_from(["I21.001^急性心肌梗死^ICD-10", "J18.900^肺炎^ICD-10", ""]),
)  # fmt: skip


def messages(told: Sequence[Told]) -> list[str]:
    """As the hospital sends them: each a minute later than the one before, each with a number of its own."""
    made = []
    for n, (event, patient, stay, code) in enumerate(told):
        common: dict[str, Any] = {
            "number": f"77{patient}", "visit": f"V77{patient}{stay}", "control": f"C{n}", "occurred": stamp(60 + n), "dx": code,
            "admitted": stamp(0),
        }  # fmt: skip
        if event == "A40":
            made.append(
                adt("A40", merges=((f"77{patient}", f"77{patient % 4 + 1}"),), control=f"C{n}", occurred=stamp(60 + n))
            )
        elif event == "lost":
            made.append(adt("A03", **(common | {"unit": UNKNOWN_PLACE, "discharged": stamp(30)}) | {"service": ""}))
        elif event == "spoiled":
            made.append(adt("A03", **common).replace("PID|1||", "PID|1|||"))  # no number says who is meant
        else:
            made.append(adt(event, **common, discharged=stamp(30 + n) if event == "A03" else ""))
    return made


def picture() -> dict[str, list[str]]:
    """Everything that is stored, without ids and instants of writing: rows of a patient by the patient's numbers."""
    numbers: dict[object, list[str]] = defaultdict(list)
    for row in PatientIdentifier.objects.unscoped("test"):
        numbers[row.patient_id].append(f"{row.type}:{row.value}")
    who = {pk: sorted(found) for pk, found in numbers.items()}
    visits = {e.pk: e.visit_number for e in Encounter.objects.unscoped("test")}
    staff = {person.pk: person.name for person in Practitioner.objects.all()}  # a message may be the first to name one

    def rows(model: Any, *columns: str) -> list[str]:
        found = []
        for row in model.objects.unscoped("test"):
            key = who.get(row.pk if model is Patient else row.patient_id)
            if key is None and model in (CareRelationship, ContactPoint):
                continue  # a merge leaves with the tombstone what its survivor has too
            stay = visits.get(getattr(row, "encounter_id", None))
            told = (getattr(row, column) for column in columns)
            found.append(str((key, stay, *(staff.get(one, one) if isinstance(one, UUID) else one for one in told))))
        return sorted(found)

    return {
        "patients": rows(Patient, "name", "sex", "birth_date", "address", "deceased", "active", "data_conflicts"),
        "contacts": rows(ContactPoint, "value", "rank", "use", "is_valid", "active"),
        "stays": rows(Encounter, "visit_number", "status", "discharge_cycle", "discharged_at", "department_id", "bed", "attending_id"),
        "relations": rows(CareRelationship, "department_id", "practitioner_id"),
        "conditions": rows(Condition, "code", "use", "rank", "active"),
        "decisions": rows(EnrolmentDecision, "cycle", "outcome", "plans", "explanation", "discharged_on", "department_id"),
        "plans": rows(CarePlan, "definition_url", "cycle", "status", "end_reason", "reasons", "discharged_on", "department_id"),
        "tasks": rows(Task, "step_code", "occurrence", "status", "closed_reason", "due_at", "plan_title", "diagnosis_text", "priority"),
        "ladders": rows(LadderRun, "ended_how", "tried"),
        "inbox": sorted(str((m.control_id, m.state, m.error_code, who.get(m.patient_id))) for m in InboxMessage.objects.unscoped("test")),
    }  # fmt: skip


def one_by_one(raws: Sequence[str]) -> None:
    """As an unhurried hospital sends them: each applied, and its jobs done, before the next one comes."""
    for raw in raws:
        receive(raw)
        process_inbox(at=timezone.now())
        drain_jobs()


def together(raws: Sequence[str], *, again: int = 0) -> None:
    """All in the inbox before the first is looked at; the last ones are sent once more. Jobs run after each batch: how
    late a queue is decides which of two reasons ends a plan, and that is not what is compared here.
    """
    for raw in [*raws, *raws[len(raws) - again :]]:
        receive(raw)
    for _ in range(50):
        with at_once():
            done = process_batch(limit=process_job.BATCH, at=timezone.now(), by=SYSTEM)
        drain_jobs()
        if not done.total:
            return
    raise AssertionError("the inbox does not empty")


@FEW
@given(told=st.lists(events_told, min_size=1, max_size=9))
def test_together_as_one_by_one(hospital: Cast, told: list[Told]) -> None:
    raws = messages(told)
    alone = seen_after(lambda: one_by_one(raws), picture)
    for kind, rows in seen_after(lambda: together(raws), picture).items():
        assert rows == alone[kind], kind


@FEW
@given(told=st.lists(events_told, min_size=1, max_size=6), again=st.integers(1, 6))
def test_told_again_nothing_comes_twice(hospital: Cast, told: list[Told], again: int) -> None:
    raws = messages(told)
    once = seen_after(lambda: together(raws), picture)
    assert seen_after(lambda: together(raws, again=min(again, len(raws))), picture) == once


def discharge(n: int, **changed: Any) -> str:
    told: dict[str, Any] = {
        "number": f"8{n:03d}", "visit": f"V8{n:03d}", "control": f"D{n}", "dx": "I21.001^急性心肌梗死^ICD-10", "admitted": stamp(0),
        "discharged": stamp(30), "occurred": stamp(60 + n),
    }  # fmt: skip
    return adt("A03", **(told | changed))


def test_plan_and_task_are_there_when_the_message_is_done(hospital: Cast) -> None:
    """In the same transaction: nobody sees a discharge without its plan, and nothing waits in the queue."""
    receive(discharge(1))
    process_inbox(at=timezone.now())
    plan = CarePlan.objects.unscoped("test").get(encounter__visit_number="V8001")
    assert Task.objects.unscoped("test").filter(care_plan_id=plan.pk).exists()
    assert drain_jobs() == 0
    facts = set(AuditEvent.objects.filter(patient_id=plan.patient_id).values_list("name", flat=True))
    assert {"patients.EncounterFinished", "plans.EnrolmentDecided", "plans.CarePlanStarted"} <= facts


def statements(raws: Sequence[str]) -> int:
    for raw in raws:
        receive(raw)
    with CaptureQueriesContext(connection) as captured:
        process_inbox(at=timezone.now())
    return len(captured.captured_queries)


def test_a_hundred_cost_the_statements_of_one(hospital: Cast) -> None:
    statements([discharge(0)])  # what a process looks up once
    one = statements([discharge(1)])
    assert statements([discharge(n) for n in range(2, 102)]) == one
    assert one <= 62


def test_a_discharge_that_cannot_be_judged_spoils_nobody(hospital: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """The messages are applied; the judging goes to the queue, there falls apart, and the one at fault falls alone."""
    real = plans_jobs.actions.enrol_discharges

    def breaks(*, encounter_ids: Sequence[Any], at: datetime, by: Any) -> int:
        bad = Encounter.objects.unscoped("test").get(visit_number="V8002").pk
        if bad in encounter_ids:
            raise ZeroDivisionError
        return real(encounter_ids=encounter_ids, at=at, by=by)

    monkeypatch.setattr(plans_jobs.actions, "enrol_discharges", breaks)
    for n in (1, 2, 3):
        receive(discharge(n))
    assert process_inbox(at=timezone.now()).applied == 3
    assert CarePlan.objects.unscoped("test").filter(encounter__visit_number__startswith="V800").count() == 0
    with pytest.raises(ZeroDivisionError):
        drain_jobs()
    started = CarePlan.objects.unscoped("test").values_list("encounter__visit_number", flat=True)
    assert {"V8001"} <= set(started)
    assert "V8002" not in started


def test_the_database_goes_away_while_they_are_judged(hospital: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that fails leaves no row and no fact of its own behind."""

    def breaks(**_: Any) -> int:
        CarePlan.objects.unscoped("test").count()
        raise OperationalError("deadlock detected")

    monkeypatch.setattr(plans_jobs.actions, "enrol_discharges", breaks)
    receive(discharge(1))
    assert process_inbox(at=timezone.now()).applied == 1
    monkeypatch.undo()
    assert not AuditEvent.objects.filter(name="plans.EnrolmentDecided").exists()
    assert drain_jobs() >= 1
    assert CarePlan.objects.unscoped("test").filter(encounter__visit_number="V8001").exists()


@pytest.mark.django_db(transaction=True)
def test_two_workers_share_a_heap_and_nothing_comes_twice(hospital: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """Admission, discharge and a repeated discharge of the same patients, taken by two at once in small batches."""
    monkeypatch.setattr(process_job, "BATCH", 3)
    for n in range(6):
        receive(discharge(n).replace("A03", "A01").replace(f"|D{n}|", f"|E{n}|"))
        receive(discharge(n))
        receive(discharge(n, control=f"R{n}"))
    gate, problems = threading.Barrier(2), list[BaseException]()

    def work() -> None:
        try:
            gate.wait(30)
            while process_inbox(at=timezone.now() + timedelta(hours=2)).total:
                pass
        except BaseException as error:
            problems.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert problems == []
    process_inbox(at=timezone.now() + timedelta(hours=3))  # what one left because the other held the patient
    with at_once():
        drain_jobs()
    assert InboxMessage.objects.unscoped("test").unfinished().count() == 0
    stays = Encounter.objects.unscoped("test").filter(visit_number__startswith="V8")
    assert {(stay.status, stay.discharge_cycle) for stay in stays} == {("finished", 1)}
    assert stays.count() == 6
    plans_of = CarePlan.objects.unscoped("test").filter(encounter__in=stays)
    doubled = plans_of.values("encounter", "definition_url").distinct().count()
    assert plans_of.count() == doubled
    keys = (
        Task.objects.unscoped("test")
        .filter(encounter_id__in=stays.values("pk"))
        .values_list("care_plan_id", "step_code", "occurrence")
    )
    assert len(set(keys)) == len(keys) > 0
