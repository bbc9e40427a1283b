"""Many hands at once, on the real database: every patient goes to one nurse, every request makes one task."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction

from careloop.patients import actions as actions_of_patients
from careloop.patients.actions import merging
from careloop.patients.models import Patient
from careloop.tasks import actions
from careloop.tasks.models import ContactAttempt, Task
from careloop.tasks.rules import TaskRequest
from careloop.tasks.tests.factories import make_patient, make_task
from tests.cast import NOW, SYSTEM, make_cast

pytestmark = pytest.mark.django_db(transaction=True)
HANDS = 8


def in_parallel(work, arguments):
    def run(argument):
        try:
            return work(argument)
        finally:
            connection.close()

    with ThreadPoolExecutor(HANDS) as pool:
        return list(pool.map(run, arguments))


def test_two_nurses_never_get_the_same_patient():
    cast = make_cast()
    patients = [make_patient(cast) for _n in range(12)]
    for patient in patients:  # two tasks each: the second must not go to somebody else
        make_task(cast, patient, priority=5)
        make_task(cast, patient, priority=1)
    hands = [cast.viewer(person) for person in (cast.wang, cast.zhao, cast.sun)]
    got = []

    def call_three(by):
        mine = []
        for _n in range(4):
            task = actions.claim_next(at=NOW, by=by)
            if task is None:
                break
            mine.append((by.practitioner_id, task.patient_id))
            for own in Task.objects.unscoped("test").filter(patient_id=task.patient_id):
                assert own.claimed_by_id == by.practitioner_id
                actions.complete_task(task=own, outcome="reached-patient", at=NOW, by=by)
        return mine

    for result in in_parallel(call_three, hands):
        got.extend(result)
    called = [patient for _nurse, patient in got]
    assert len(called) == len(set(called)) == 12


def test_eight_hands_on_one_patient_only_one_holds_it():
    cast = make_cast()
    patient = make_patient(cast)
    task = make_task(cast, patient)
    make_task(cast, patient)
    hands = [cast.viewer(person) for person in (cast.wang, cast.zhao, cast.sun)] * 3

    def take(by):
        try:
            actions.claim_task(task=task, at=NOW, by=by)
        except actions.TaskTaken:
            return None
        return by.practitioner_id

    winners = {winner for winner in in_parallel(take, hands[:HANDS]) if winner}
    assert len(winners) == 1
    holders = set(Task.objects.unscoped("test").values_list("claimed_by_id", flat=True))
    assert holders == winners


def test_asking_eight_times_at_once_makes_each_task_once():
    cast = make_cast()
    wanted = [
        TaskRequest(
            key=f"race:{n}", patient_id=cast.zhang.pk, department_id=cast.cardiology.pk, available_at=NOW,
            due_at=NOW + timedelta(days=1),
        )
        for n in range(30)
    ]  # fmt: skip
    made = in_parallel(lambda _n: actions.request_tasks(requests=wanted, by=SYSTEM), range(HANDS))
    assert sum(made) == 30
    assert Task.objects.unscoped("test").count() == 30


def test_completing_eight_times_at_once_completes_once():
    cast = make_cast()
    task = make_task(cast)

    def finish(_n):
        try:
            actions.complete_task(task=task, outcome="reached-patient", at=NOW, by=cast.as_wang)
        except actions.TaskNotOpen:
            return 0
        return 1

    assert sum(in_parallel(finish, range(HANDS))) == 1


def ends(outcome):
    return lambda task, by: actions.record_attempt(task=task, contact_point_id=None, outcome=outcome, at=NOW, by=by)


@pytest.mark.parametrize(
    "act",
    [ends("died"), ends("refused-for-ever"), lambda task, by: actions.claim_task(task=task, at=NOW, by=by)],
    ids=["died", "refused", "claimed"],
)
def test_who_works_on_the_plan_and_who_calls_never_wait_for_each_other(act):
    """Plans hold the patient and then the tasks. Whoever came with the task first would close the circle."""
    cast = make_cast()
    task = make_task(cast)
    by, held = cast.as_wang, threading.Event()

    def plan(_n):
        with transaction.atomic():
            list(Patient.objects.unscoped("test").filter(pk=task.patient_id).select_for_update(no_key=True))
            held.set()
            waited = until_somebody_waits(60)
            list(Task.objects.unscoped("test").filter(patient_id=task.patient_id).select_for_update(no_key=True))
        return waited

    def call(_n):
        held.wait(60)
        act(task, by)

    met, _ = in_parallel(lambda work: work(0), [plan, call])  # a deadlock would end one of them with an error
    assert met, "they came to the same patient at the same time"
    task.refresh_from_db()
    assert task.status != "requested" or task.claimed_by_id == by.practitioner_id


def calls(outcome):
    def act(task, by):
        later = NOW + timedelta(hours=3)
        actions.record_attempt(
            task=task, contact_point_id=None, outcome=outcome, at=NOW, by=by, promised_at=later
        )  # fmt: skip

    return act


def takes_back(task, by):
    actions.undo_attempt(attempt=ContactAttempt.objects.unscoped("test").get(), at=NOW, by=by)


@pytest.mark.parametrize(
    ("before", "act"),
    [
        (None, calls("no-answer")),
        (None, calls("reached-patient")),
        (None, calls("died")),
        (calls("no-answer"), takes_back),
    ],
    ids=["not-reached", "reached", "died", "taken-back"],
)
def test_who_calls_and_who_merges_the_record_never_wait_for_each_other(before, act, monkeypatch):
    """A merge holds the patients and then moves the tasks. Whoever held the task while writing down a call of this patient
    closed the circle, and the call or the merge was lost.
    """
    cast = make_cast()
    gone, keeper = make_patient(cast), make_patient(cast)
    task, by, held, met = make_task(cast, gone), cast.as_wang, threading.Event(), []
    if before:
        before(task, by)
    moving = merging._move_all

    def with_the_patients_held(*args):
        held.set()
        met.append(until_somebody_waits(60))
        return moving(*args)

    def merge():
        actions_of_patients.merge_patients(survivor=keeper, gone=gone, source="hl7:HIS", at=NOW, by=SYSTEM)

    def call():
        held.wait(60)
        act(task, by)

    monkeypatch.setattr(merging, "_move_all", with_the_patients_held)
    in_parallel(lambda work: work(), [merge, call])  # a deadlock would end one of them with an error
    assert met == [True], "they came to the same patient at the same time"
    attempt = ContactAttempt.objects.unscoped("test").get()
    assert (attempt.patient_id, attempt.undone_at) == (keeper.pk, NOW if before else None)
    assert Task.objects.unscoped("test").get(pk=task.pk).patient_id == keeper.pk
    gone.refresh_from_db()
    assert gone.merged_into_id == keeper.pk


def until_somebody_waits(seconds: float) -> bool:
    """Whether somebody did; the limit only ends a test that would hang."""
    end = time.monotonic() + seconds
    while not (waits := somebody_waits()) and time.monotonic() < end:
        time.sleep(0.01)
    return waits


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # within a transaction the first look would be kept
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"
        )
        return bool(cursor.fetchone()[0])
