"""A task's weight stays until the moment that the task names; whatever else moves it is told by the database."""

from __future__ import annotations

import random
import threading
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.patients.models import ContactPoint, Encounter
from careloop.tasks import actions, jobs, reads, rules
from careloop.tasks.actions import weighing
from careloop.tasks.models import QUEUE_KINDS, ContactAttempt, Task
from careloop.tasks.rules import PriorityFacts, changes_at, explain
from careloop.tasks.tests.factories import make_patient, make_task
from tests.believing import believe_in_millions, plans_of
from tests.cast import NOW, SYSTEM, Cast

SHANGHAI = ZoneInfo("Asia/Shanghai")
AT = datetime(2026, 3, 2, 10, 30, tzinfo=SHANGHAI)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
INSTANT = timedelta.resolution
TOMORROW = datetime(2026, 3, 3, tzinfo=SHANGHAI)


# --- the rule

near = st.integers(-100 * 60, 100 * 60).map(lambda minutes: AT + minutes * MINUTE) | st.datetimes(
    datetime(2026, 2, 26), datetime(2026, 3, 7), timezones=st.just(SHANGHAI)
)
known = st.builds(
    PriorityFacts, due_at=near, promised_at=st.none() | near, window_ends_at=st.none() | near, discharged_at=st.none() | near,
    contacted_since_discharge=st.booleans(), best_hour=st.none() | st.integers(0, 23), tries_today=st.integers(0, 2),
    risk=st.sampled_from(["none", "high"]),
)  # fmt: skip


@given(facts=known, at=near, shares=st.lists(st.floats(0, 1), max_size=4))
@settings(max_examples=150)
def test_a_weight_is_the_same_until_it_says_and_another_then_or_tomorrow(
    facts: PriorityFacts, at: datetime, shares: list[float]
) -> None:
    until = changes_at(facts, at=at).astimezone(SHANGHAI)
    midnight = datetime.combine(at.date() + DAY, time(), SHANGHAI)
    assert at < until <= midnight
    told, length = explain(facts, at=at), until - INSTANT - at
    for share in [*shares, *(n / 30 for n in range(31))]:
        assert explain(facts, at=at + length * share) == told
    if until < midnight:
        assert explain(facts, at=until) != told


@pytest.mark.parametrize(
    ("facts", "until"),
    [
        ({}, TOMORROW),
        ({"due_at": AT - 400 * DAY}, TOMORROW),
        ({"due_at": AT + 3 * DAY, "tries_today": 1}, TOMORROW),
        ({"promised_at": AT + 2 * HOUR}, AT + 89 * MINUTE + INSTANT),
        ({"promised_at": AT + 31 * MINUTE}, AT + INSTANT),
        ({"promised_at": AT}, AT + INSTANT),
        ({"promised_at": AT - 90 * timedelta(seconds=1)}, AT + timedelta(seconds=30) + INSTANT),
        ({"window_ends_at": AT + 26 * HOUR}, AT + 2 * HOUR),
        ({"window_ends_at": AT + 24 * HOUR}, AT + INSTANT),
        ({"window_ends_at": AT + HOUR - INSTANT}, AT + HOUR),
        ({"window_ends_at": AT - INSTANT}, TOMORROW),
        ({"discharged_at": AT - 5 * MINUTE, "contacted_since_discharge": False}, AT + 55 * MINUTE),
        ({"discharged_at": AT - 73 * HOUR + INSTANT, "contacted_since_discharge": False}, AT + INSTANT),
        ({"discharged_at": AT - 73 * HOUR, "contacted_since_discharge": False}, TOMORROW),
        ({"discharged_at": AT - 5 * MINUTE}, TOMORROW),
        ({"best_hour": 10}, AT + 30 * MINUTE),
        ({"best_hour": 15}, AT + 4.5 * HOUR),
        ({"best_hour": 9}, TOMORROW),
        ({"best_hour": 23}, AT + 12.5 * HOUR),
    ],
)
def test_until_when(facts: dict[str, Any], until: datetime) -> None:
    found = changes_at(PriorityFacts(**{"due_at": AT, **facts}), at=AT)
    assert found == until


# --- what is stored


def open_tasks() -> Any:
    return Task.objects.unscoped("test").filter(status="requested", kind__in=QUEUE_KINDS)


def counted_in_full(at: datetime) -> dict[Any, tuple[int, list[Any]]]:
    """Every open task whose window is open, weighed from its facts whatever is stored about when."""
    local = timezone.localtime(at)
    ids = list(open_tasks().values_list("pk", flat=True))
    terms = {each.task_id: explain(each.facts, at=local) for each in reads.facts(ids, at=at)}
    return {task_id: (rules.score(found), [term.as_json() for term in found]) for task_id, found in terms.items()}


def stored(at: datetime) -> dict[Any, tuple[int, list[Any]]]:
    rows = open_tasks().filter(available_at__lte=at).values_list("pk", "priority", "priority_reasons")
    return {pk: (priority, reasons) for pk, priority, reasons in rows}


class Story:
    """Things that happen to two patients, their numbers, stays and tasks: by actions, and by hand where another room writes."""

    def __init__(self, cast: Cast, dice: random.Random) -> None:
        self.cast, self.dice, self.at = cast, dice, NOW
        self.patients = [make_patient(cast, phones=2) for _ in range(2)]
        with seeding():
            self.stays = [
                Encounter.objects.create(
                    patient=patient, department=cast.cardiology, visit_number=f"W{n}", class_code="IMP",
                    status="in-progress", admitted_at=NOW - 9 * DAY,
                ) for n, patient in enumerate(self.patients)
            ]  # fmt: skip
        for n in range(6):
            self.new_task(n % 2)

    def some(self, rows: Any) -> Any:
        found = list(rows.order_by("pk"))
        return self.dice.choice(found) if found else None

    def soon(self) -> datetime:
        return self.at + timedelta(minutes=self.dice.randint(-50 * 60, 50 * 60))

    def new_task(self, of: int | None = None) -> None:
        of = self.dice.randrange(2) if of is None else of
        opens = self.soon()
        make_task(
            self.cast, self.patients[of], available_at=opens, due_at=opens + self.dice.choice([HOUR, DAY]),
            window_ends_at=self.dice.choice([None, opens + 2 * DAY]), encounter_id=self.stays[of].pk,
            discharged_at=self.dice.choice([None, self.at - 20 * HOUR]),
        )  # fmt: skip

    def try_(self) -> None:
        task = self.some(open_tasks().filter(available_at__lte=self.at))
        if task:
            number = self.some(ContactPoint.objects.unscoped("test").filter(patient_id=task.patient_id))
            outcome = self.dice.choice(["busy", "no-answer", "call-later", "reached-patient"])
            promised = self.at + 40 * MINUTE if outcome == "call-later" else None
            done = actions.record_attempt(
                task=task, contact_point_id=number.pk, outcome=outcome, at=self.at, by=self.cast.as_wang, promised_at=promised,
            )  # fmt: skip
            if self.dice.random() < 0.3:
                actions.undo_attempt(attempt=done.attempt, at=self.at, by=self.cast.as_wang)

    def promise(self) -> None:
        task = self.some(open_tasks())
        if task:
            actions.promise_call(task=task, promised_at=self.soon(), at=self.at, by=self.cast.as_wang)

    def open_early(self) -> None:
        actions.open_early(task_ids=list(open_tasks().values_list("pk", flat=True)[:3]), at=self.at, by=SYSTEM)

    def message(self) -> None:
        ids, state = list(open_tasks().values_list("pk", flat=True)), self.dice.choice(["sent", "opened", "answered"])
        actions.note_message(task_ids=ids[:2], state=state, at=self.at, by=SYSTEM)

    def worry(self) -> None:
        who, how = self.dice.choice(self.patients), self.dice.choice(["watch", "high"])
        actions.flag_self_report(patient_id=who.pk, severity=how, at=self.at, by=SYSTEM)

    def risk(self) -> None:
        who, how = self.dice.choice(self.patients), self.dice.choice(["ok", "high", "critical"])
        actions.carry_risk(patient_id=who.pk, risk=how, at=self.at, by=SYSTEM)

    def close_and_reopen(self) -> None:
        task = self.some(open_tasks())
        if task:
            actions.close_tasks(task_ids=[task.pk], reason="window-passed", at=self.at, by=SYSTEM)
            actions.reopen_task(task_id=task.pk, closed_reason="window-passed", at=self.at, by=SYSTEM)

    def moved_by_a_plan(self) -> None:
        task = self.some(open_tasks())
        if task:
            opens = self.soon()
            with seeding():
                Task.objects.unscoped("test").filter(pk=task.pk).update(available_at=opens, due_at=opens + DAY)

    def other_hour(self) -> None:
        hour = self.dice.choice([None, timezone.localtime(self.at).hour, 9, 15])
        with seeding():
            number = self.some(ContactPoint.objects.unscoped("test"))
            ContactPoint.objects.unscoped("test").filter(pk=number.pk).update(
                best_hour=hour, last_result_at=self.at, active=self.dice.random() < 0.7
            )

    def merged(self) -> None:
        row = self.some(self.dice.choice([ContactPoint, ContactAttempt, Task]).objects.unscoped("test"))
        if row:
            with seeding():
                type(row).objects.unscoped("test").filter(pk=row.pk).update(patient=self.dice.choice(self.patients))

    def discharge(self) -> None:
        stay = self.dice.choice(self.stays)
        with seeding():
            Encounter.objects.unscoped("test").filter(pk=stay.pk).update(
                status="finished", discharged_at=self.at - 30 * HOUR * self.dice.random()
            )

    def weighed_at_once(self) -> None:
        ids = list(open_tasks().values_list("pk", flat=True))
        weighing.refresh_priorities(at=self.at, by=SYSTEM, task_ids=self.dice.sample(ids, len(ids) // 2))


HAPPENINGS = tuple(
    name for name, what in vars(Story).items() if callable(what) and name not in ("__init__", "some", "soon")
)


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(6))
def test_after_whatever_happened_the_stored_weights_are_those_of_a_full_count(cast: Cast, seed: int) -> None:
    dice = random.Random(seed)
    story = Story(cast, dice)
    for _ in range(30):
        for name in dice.choices(HAPPENINGS, k=dice.randint(0, 4)):
            getattr(story, name)()
        story.at += dice.choice([timedelta(), 15 * MINUTE, 15 * MINUTE, HOUR, 7 * HOUR])
        actions.refresh_priorities(at=story.at, by=SYSTEM)
        assert stored(story.at) == counted_in_full(story.at)
        assert reads.to_weigh(at=story.at, most=9) == []


@pytest.mark.django_db
@pytest.mark.parametrize("name", HAPPENINGS)
def test_each_happening_alone_is_seen_by_the_next_run(cast: Cast, name: str) -> None:
    story = Story(cast, random.Random(1))
    for _ in range(4):
        story.new_task()
    for _ in range(20):
        getattr(story, name)()
        actions.refresh_priorities(at=story.at, by=SYSTEM)
        assert stored(story.at) == counted_in_full(story.at)
        story.at += 15 * MINUTE


@pytest.mark.django_db
def test_what_is_written_beside_a_task_puts_it_back(cast: Cast) -> None:
    """Each table by itself, whoever writes it: the tasks of this patient, and nobody else's."""
    task, scheduled, other = (
        make_task(cast),
        make_task(cast, available_at=NOW + HOUR),
        make_task(cast, make_patient(cast)),
    )
    number, stay = ContactPoint.objects.unscoped("test").filter(patient=cast.zhang), Encounter.objects.unscoped("test")
    tries = ContactAttempt.objects.unscoped("test")

    def tried() -> None:
        ContactAttempt.objects.create(task=task, patient=cast.zhang, outcome="busy", started_at=NOW)

    first = number.order_by("pk")[0].pk
    new = {"patient": cast.zhang, "value": "+8613800000001", "best_hour": 9}
    changes: dict[str, tuple[Any, bool]] = {
        "a try": (tried, True), "undone": (lambda: tries.update(undone_at=NOW), True), "its note": (lambda: tries.update(note="x"), False),
        "erased": (tries.delete, True), "an hour": (lambda: number.filter(pk=first).update(best_hour=9), True),
        "not used any more": (lambda: number.filter(pk=first).update(active=False), True),
        "verified": (lambda: number.filter(pk=first).update(verified_at=NOW), False),
        "no hour": (lambda: number.filter(pk=first).update(best_hour=None), True),
        "never answered": (lambda: number.filter(pk=first).update(last_result_at=NOW), False),
        "a number": (lambda: ContactPoint.objects.create(**new), True), "no number": (lambda: number.filter(best_hour=9).delete(), True),
        "its own stay": (lambda: stay.filter(pk=cast.stay.pk).update(status="finished", discharged_at=NOW), True),
        "the stay's reason": (lambda: stay.filter(pk=cast.stay.pk).update(reason="x"), False),
        "in hand": (lambda: open_tasks().update(claimed_until=NOW), False), "risk": (lambda: open_tasks().filter(pk=task.pk).update(risk="high"), True),
    }  # fmt: skip
    with seeding():
        open_tasks().update(encounter_id=cast.stay.pk)
    for name, (change, puts_back) in changes.items():
        actions.refresh_priorities(at=NOW, by=SYSTEM)
        with seeding():
            change()
        for row in (task, scheduled, other):
            row.refresh_from_db()
        assert (name, task.weigh_again_at is None) == (name, puts_back)
        assert scheduled.weigh_again_at is None
        assert other.weigh_again_at is not None, name


@pytest.mark.django_db
def test_a_run_reads_only_what_can_have_changed(cast: Cast) -> None:
    for n in range(5):
        make_task(cast, available_at=NOW - 3 * DAY, due_at=NOW + (n - 2) * DAY)
    later = make_task(cast, available_at=NOW + 2 * HOUR, due_at=NOW + DAY)
    promised = make_task(cast, promised_at=NOW + 20 * MINUTE)
    assert len(reads.to_weigh(at=NOW, most=99)) == 6
    assert actions.refresh_priorities(at=NOW, by=SYSTEM) == 6
    assert reads.to_weigh(at=NOW, most=99) == []
    assert reads.to_weigh(at=NOW + 15 * MINUTE, most=99) == [promised.pk]
    assert actions.refresh_priorities(at=NOW + 15 * MINUTE, by=SYSTEM) == 1
    assert set(reads.to_weigh(at=NOW + 2 * HOUR, most=99)) == {promised.pk, later.pk}
    promised.refresh_from_db()
    assert promised.weigh_again_at == NOW + 15 * MINUTE + INSTANT


@pytest.mark.django_db
def test_the_job_weighs_portion_by_portion_each_in_a_transaction_of_its_own(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weighing, "PORTION", 2)
    for n in range(5):
        make_task(cast, available_at=NOW - DAY, promised_at=NOW + n * MINUTE)
    with CaptureQueriesContext(connection) as asked:
        jobs.refresh_priorities.func(timestamp=int(NOW.timestamp()))
    told = [query["sql"].split()[0] + query["sql"].count("SKIP LOCKED") * " LOCK" for query in asked.captured_queries]
    assert told.count("SELECT LOCK") == 3
    assert told.count("SAVEPOINT") == 3
    assert stored(NOW) == counted_in_full(NOW)
    recorded = AuditEvent.objects.filter(name="tasks.PrioritiesRefreshed").order_by("pk")
    assert [event.payload["changed"] for event in recorded] == [2, 2, 1]


@pytest.mark.django_db
def test_what_is_over_names_no_time(cast: Cast) -> None:
    done, closed = make_task(cast), make_task(cast)
    actions.refresh_priorities(at=NOW, by=SYSTEM)
    assert open_tasks().filter(weigh_again_at__gt=NOW).count() == 2
    actions.complete_task(task=done, outcome="reached-patient", at=NOW, by=cast.as_wang)
    actions.close_tasks(task_ids=[closed.pk], reason="window-passed", at=NOW, by=SYSTEM)
    assert not Task.objects.unscoped("test").filter(weigh_again_at__isnull=False).exists()


@pytest.mark.django_db
def test_a_run_that_moves_nothing_records_nothing(cast: Cast) -> None:
    task = make_task(cast, risk="ok", due_at=NOW + 3 * DAY)
    assert actions.refresh_priorities(at=NOW, by=SYSTEM) == 0  # nothing to say about it
    task.refresh_from_db()
    assert (task.priority, task.weigh_again_at) == (
        0,
        datetime(NOW.year, NOW.month, NOW.day, tzinfo=SHANGHAI) + DAY,
    )
    assert not AuditEvent.objects.filter(name="tasks.PrioritiesRefreshed").exists()


@pytest.mark.django_db
def test_the_tasks_to_weigh_are_found_by_their_index_at_a_million(cast: Cast) -> None:
    make_task(cast)
    believe_in_millions()
    ((_, nodes),) = plans_of(lambda: reads.to_weigh(at=NOW, most=weighing.PORTION))
    assert {(node.kind, node.index) for node in nodes if node.table} == {("Index Scan", "task_weigh_again")}
    assert "Sort" not in {node.kind for node in nodes}


# --- at the same time


@pytest.mark.django_db(transaction=True)
def test_a_call_during_the_weighing_is_weighed_afterwards(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """The weighing holds its rows before it reads: a call in between waits, and takes back what was said of them."""
    task = make_task(cast, available_at=NOW - 2 * DAY, due_at=NOW - DAY, discharged_at=NOW - 20 * HOUR)
    sibling = make_task(cast, discharged_at=NOW - 20 * HOUR)
    called = threading.Thread(target=_reached, args=(sibling.pk, cast.zhang.pk))
    really = reads.facts

    def facts(task_ids: Any, *, at: datetime) -> Any:
        found = really(task_ids, at=at)
        called.start()
        _until_somebody_waits()
        return found

    with monkeypatch.context() as patched:
        patched.setattr(reads, "facts", facts)
        assert actions.refresh_priorities(at=NOW, by=SYSTEM) == 2
    called.join()
    task.refresh_from_db()
    assert "first-contact" in {reason["code"] for reason in task.priority_reasons}
    actions.refresh_priorities(at=NOW, by=SYSTEM)
    assert stored(NOW) == counted_in_full(NOW)
    task.refresh_from_db()
    assert "first-contact" not in {reason["code"] for reason in task.priority_reasons}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("by_id", [False, True])
def test_who_weighs_in_the_background_waits_for_nobody(cast: Cast, by_id: bool) -> None:
    held, free = make_task(cast), make_task(cast)
    with transaction.atomic():
        Task.objects.unscoped("test").select_for_update(no_key=True).get(pk=held.pk)
        other = threading.Thread(target=_weigh_in_a_thread, args=([held.pk, free.pk] if by_id else None,))
        other.start()
        other.join(60)
        assert not other.is_alive()
    free.refresh_from_db()
    held.refresh_from_db()
    assert free.weigh_again_at is not None
    assert held.weigh_again_at is None


def _reached(task_id: Any, patient_id: Any) -> None:
    try:
        with transaction.atomic(), seeding():
            ContactAttempt.objects.create(
                task_id=task_id, patient_id=patient_id, outcome="reached-patient", started_at=NOW - HOUR, ended_at=NOW
            )
    finally:
        connection.close()


def _weigh_in_a_thread(task_ids: Any) -> None:
    try:
        actions.refresh_priorities(at=NOW, by=SYSTEM, task_ids=task_ids)
    finally:
        connection.close()


def _until_somebody_waits() -> None:
    with connection.cursor() as cursor:
        for _ in range(1_000_000):
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
        raise AssertionError("nobody waits")
