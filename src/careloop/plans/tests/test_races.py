"""Eight workers get the same discharge at the same moment: one plan, one set of tasks."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from django.db import connection

from careloop.plans import actions
from careloop.plans.models import CarePlan, EnrolmentDecision, PlanDefinition
from careloop.plans.tests.factories import Scene, raw_plan, raw_step
from careloop.tasks.actions import complete_task
from careloop.tasks.models import Task
from tests.cast import SYSTEM, make_cast

AT = datetime(2026, 11, 13, 9, 0, tzinfo=UTC)
WORKERS = 8

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scene() -> Scene:
    actions.load_shipped_content(at=AT, by=SYSTEM)
    return Scene(make_cast())


def together(*works: Callable[[], object]) -> list[object]:
    """Run all at once, each on its own connection; what is raised is raised here."""
    barrier = Barrier(len(works))

    def run(work: Callable[[], object]) -> object:
        barrier.wait()
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def test_one_discharge_enrolled_by_eight_workers(scene: Scene) -> None:
    stay = scene.discharge(procedures=("36.06",))
    made = together(
        *[lambda: actions.enrol_discharges(encounter_ids=[stay.pk], at=AT, by=SYSTEM) for _ in range(WORKERS)]
    )
    assert sum(made) == 1  # type: ignore[arg-type]
    assert CarePlan.objects.unscoped("test").count() == 1
    assert Task.objects.unscoped("test").count() == 6
    assert EnrolmentDecision.objects.unscoped("test").get().times_decided == 1


def test_overlapping_batches_wait_for_each_other_and_do_not_lock_up(scene: Scene) -> None:
    stays = [scene.discharge(patient=scene.new_patient(), procedures=("36.06",)) for _ in range(6)]
    ids = [stay.pk for stay in stays]
    orders = [ids, ids[::-1], ids[2:] + ids[:2], ids[:3]]
    together(*[lambda o=o: actions.enrol_discharges(encounter_ids=o, at=AT, by=SYSTEM) for o in orders])  # type: ignore[misc]
    assert CarePlan.objects.unscoped("test").count() == 6
    assert Task.objects.unscoped("test").count() == 36


def test_the_next_occurrence_is_derived_once(scene: Scene) -> None:
    raw = raw_plan("race", raw_step("weekly", "every 7"))
    definition = actions.publish_plan(raw=raw, enrols=False, at=AT, by=SYSTEM)
    plan = actions.start_care_plan(encounter=scene.discharge(), definition=definition, at=AT, by=SYSTEM)
    (task,) = Task.objects.unscoped("test")
    complete_task(task=task, outcome="reached-patient", at=task.due_at, by=SYSTEM)
    made = together(
        *[lambda: actions.derive_next(care_plan_ids=[plan.pk], at=task.due_at, by=SYSTEM) for _ in range(WORKERS)]
    )
    assert sum(made) == 1  # type: ignore[arg-type]
    assert [t.occurrence for t in Task.objects.unscoped("test").open()] == [1]


def test_death_and_enrolment_at_the_same_moment_leave_nothing_open(scene: Scene) -> None:
    stay = scene.discharge(procedures=("36.06",))
    scene.change(stay.patient, deceased=True)
    together(
        lambda: actions.enrol_discharges(encounter_ids=[stay.pk], at=AT, by=SYSTEM),
        lambda: actions.stop_for_death(patient_id=stay.patient_id, at=AT, by=SYSTEM),
    )
    assert not Task.objects.unscoped("test").open().exists()


def test_a_cancelled_discharge_and_a_finished_contact_agree(scene: Scene) -> None:
    stay = scene.discharge(procedures=("36.06",))
    actions.enrol_discharges(encounter_ids=[stay.pk], at=AT, by=SYSTEM)
    (plan,) = CarePlan.objects.unscoped("test")
    later = AT + timedelta(days=3)
    scene.change(stay, status="in-progress", discharged_at=None)
    together(
        lambda: actions.cancel_discharge(encounter_id=stay.pk, reason="discharge-cancelled", at=later, by=SYSTEM),
        lambda: actions.derive_next(care_plan_ids=[plan.pk], at=later, by=SYSTEM),
    )
    plan.refresh_from_db()
    assert plan.end_reason == "discharge-cancelled"
    assert not Task.objects.unscoped("test").open().exists()


def test_two_publishers_of_one_version_make_one(scene: Scene) -> None:
    raw = raw_plan("twice", raw_step("a", "3"))

    def publish() -> object:
        from django.db import IntegrityError

        try:
            return actions.publish_plan(raw=raw, enrols=False, at=AT, by=SYSTEM).pk
        except IntegrityError:  # the slower of two first publications: its transaction is undone
            return None

    together(publish, publish)
    assert PlanDefinition.objects.filter(url=raw["url"]).count() == 1
