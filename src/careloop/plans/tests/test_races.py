"""Eight workers get the same discharge at the same moment: one plan, one set of tasks."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from django.db import connection

from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.kernel.errors import Refused
from careloop.plans import actions
from careloop.plans.models import (
    CarePlan,
    EnrolmentDecision,
    FollowUpDecline,
    PlanDefinition,
    PlanReplay,
    VersionAdoption,
)
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
    assert sum(made) == 1
    assert CarePlan.objects.unscoped("test").count() == 1
    assert Task.objects.unscoped("test").count() == 6
    assert EnrolmentDecision.objects.unscoped("test").get().times_decided == 1


def test_overlapping_batches_wait_for_each_other_and_do_not_lock_up(scene: Scene) -> None:
    stays = [scene.discharge(patient=scene.new_patient(), procedures=("36.06",)) for _ in range(6)]
    ids = [stay.pk for stay in stays]
    orders = [ids, ids[::-1], ids[2:] + ids[:2], ids[:3]]
    together(*[lambda o=o: actions.enrol_discharges(encounter_ids=o, at=AT, by=SYSTEM) for o in orders])
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
    assert sum(made) == 1
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


# --- adoption and its undo --------------------------------------------------------------------------------------------


def _adopted(scene: Scene) -> tuple[CarePlan, VersionAdoption]:
    old = raw_plan("race", raw_step("a", "3"), raw_step("b", "9"))
    new = raw_plan("race", raw_step("a", "4"), raw_step("c", "20"), version="2.0")
    definition = actions.publish_plan(raw=old, enrols=False, at=AT, by=SYSTEM)
    plan = actions.start_care_plan(encounter=scene.discharge(), definition=definition, at=AT, by=SYSTEM)
    newer = actions.publish_plan(raw=new, enrols=False, at=AT, by=SYSTEM)
    return plan, actions.adopt_version(care_plan=plan, definition=newer, at=AT, by=SYSTEM)


def _or_refused(work: Callable[[], object]) -> object:
    try:
        return work()
    except Refused as refusal:
        return refusal.code


def _open(plan: CarePlan) -> set[str]:
    rows = Task.objects.unscoped("test").open().filter(care_plan_id=plan.pk)
    return set(rows.values_list("step_code", flat=True))


def test_eight_who_undo_one_adoption_undo_it_once(scene: Scene) -> None:
    plan, adoption = _adopted(scene)
    done = together(*[lambda: actions.undo_adoption(adoption=adoption, at=AT, by=SYSTEM) for _ in range(WORKERS)])
    assert sorted(done) == [False] * (WORKERS - 1) + [True]
    assert _open(plan) == {"a", "b"}
    assert AuditEvent.objects.filter(name="plans.PlanVersionAdoptionUndone").count() == 1


def test_eight_who_adopt_one_version_adopt_it_once(scene: Scene) -> None:
    plan, adoption = _adopted(scene)
    actions.undo_adoption(adoption=adoption, at=AT, by=SYSTEM)
    newer = PlanDefinition.objects.get(version="2.0", url=plan.definition_url)
    together(*[
        lambda: _or_refused(lambda: actions.adopt_version(care_plan=plan, definition=newer, at=AT, by=SYSTEM).pk)
        for _ in range(WORKERS)
    ])  # fmt: skip
    assert VersionAdoption.objects.unscoped("test").filter(undone_at=None).count() == 1
    assert _open(plan) == {"a", "c"}


def test_a_call_and_the_undo_at_the_same_moment_never_both_win(scene: Scene) -> None:
    plan, adoption = _adopted(scene)
    task = Task.objects.unscoped("test").open().filter(care_plan_id=plan.pk).order_by("due_at")[0]
    undone, called = together(
        lambda: _or_refused(lambda: actions.undo_adoption(adoption=adoption, at=AT, by=SYSTEM)),
        lambda: _or_refused(lambda: complete_task(task=task, outcome="reached-patient", at=AT, by=SYSTEM)),
    )
    task.refresh_from_db()
    if undone is True:
        assert called == "task-not-open"
        assert (task.status, _open(plan)) == ("cancelled", {"a", "b"})
    else:
        assert (undone, called) == ("adoption-acted-on", None)
        assert task.status == "completed"


def test_death_and_undo_at_the_same_moment_leave_nothing_open(scene: Scene) -> None:
    plan, adoption = _adopted(scene)
    scene.change(plan.patient, deceased=True)
    together(
        lambda: _or_refused(lambda: actions.undo_adoption(adoption=adoption, at=AT, by=SYSTEM)),
        lambda: actions.stop_for_death(patient_id=plan.patient_id, at=AT, by=SYSTEM),
    )
    assert _open(plan) == set()
    plan.refresh_from_db()
    assert plan.end_reason == "death"


# --- declining --------------------------------------------------------------------------------------------------------


def test_eight_who_decline_leave_one_mark(scene: Scene) -> None:
    stay = scene.discharge(procedures=("36.06",))
    marks = together(*[
        lambda n=n: actions.decline_plans(encounter=stay, reason=f"reason-{n}", at=AT, by=SYSTEM).pk for n in range(WORKERS)
    ])  # fmt: skip
    assert len(set(marks)) == 1
    assert FollowUpDecline.objects.unscoped("test").count() == 1
    assert EnrolmentDecision.objects.unscoped("test").get().outcome == "declined"


def test_late_codes_and_a_decline_at_the_same_moment_leave_no_plan_running(scene: Scene) -> None:
    stay = scene.discharge(procedures=("36.06",))
    together(
        *[lambda: actions.enrol_discharges(encounter_ids=[stay.pk], at=AT, by=SYSTEM) for _ in range(3)],
        lambda: actions.decline_plans(encounter=stay, reason="recovered", at=AT, by=SYSTEM),
    )
    assert not CarePlan.objects.unscoped("test").running().exists()
    assert not Task.objects.unscoped("test").open().exists()
    assert EnrolmentDecision.objects.unscoped("test").get().outcome == "declined"


def test_taken_back_by_eight_the_plan_runs_once(scene: Scene) -> None:
    stay = scene.discharge(procedures=("36.06",))
    actions.decline_plans(encounter=stay, reason="recovered", at=AT, by=SYSTEM)
    together(*[lambda: actions.take_up_declined(encounter=stay, at=AT, by=SYSTEM) for _ in range(WORKERS)])
    assert CarePlan.objects.unscoped("test").running().count() == 1
    assert Task.objects.unscoped("test").open().count() == 6
    assert EnrolmentDecision.objects.unscoped("test").get().outcome == "enrolled"


# --- replays ----------------------------------------------------------------------------------------------------------


def test_eight_revivers_begin_a_lost_replay_once(scene: Scene) -> None:
    draft = actions.start_draft(title_zh="试算", title_en="Trial", name="trial", at=AT, by=scene.cast.as_zhao)
    with seeding():
        replay = PlanReplay.objects.create(
            draft=draft, content_hash="x", state="running", months=1, nurses=1, per_day=1, runs=1, heartbeat_at=AT,
            requested_by=scene.cast.zhao,
        )  # fmt: skip
    later = AT + timedelta(hours=1)
    found = together(*[lambda: actions.revive_replays(at=later, by=SYSTEM) for _ in range(WORKERS)])
    assert sum(map(len, found)) == 1
    assert [one for one in found if one] == [[replay.pk]]


def test_two_stays_of_one_patient_asked_about_at_once_give_one_survey(scene: Scene) -> None:
    patient = scene.new_patient()
    stays = [scene.discharge(patient, at=AT - timedelta(days=days)) for days in (4, 3)]
    made = together(
        *[
            lambda stay=stay: actions.ask_satisfaction(encounter_ids=[stay.pk], interval_days=90, at=AT, by=SYSTEM)
            for stay in stays * 3
        ]
    )
    assert sum(made) == 1
    assert CarePlan.objects.unscoped("test").count() == Task.objects.unscoped("test").count() == 1
