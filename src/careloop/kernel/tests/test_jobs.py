"""Background work: at least once, refused quietly, tried again with patience, and nothing lost when a worker dies."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime

import pytest
from django.db import connection, transaction
from procrastinate import jobs as procrastinate_jobs
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from careloop.audit.events import RecordSeen
from careloop.audit.models import AuditEvent
from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import DeliveryFailed, Refused
from careloop.kernel.jobs import defer_events, in_turn, job, read_once, reading_once
from careloop.messaging.actions import rescue_stalled_jobs
from tests.cast import SYSTEM

RAN: list[str] = []


class No(Refused):
    """Not now."""


@job(queue="kernel-tests", attempts=3)
def does(*, what: str) -> None:
    """Whatever a test asks of it."""
    RAN.append(what)
    match what:
        case "refused":
            raise No
        case "permanent":
            raise DeliveryFailed("gone", permanent=True)
        case "passing":
            raise DeliveryFailed("busy")
        case "bug":
            raise ZeroDivisionError


@pytest.fixture(autouse=True)
def _forget() -> None:
    RAN.clear()


@pytest.mark.parametrize("what", ["fine", "refused", "permanent"])
def test_no_from_the_domain_and_a_dead_end_are_an_end(what):
    does.func(what=what)
    assert [what] == RAN


@pytest.mark.parametrize(("what", "error"), [("passing", DeliveryFailed), ("bug", ZeroDivisionError)])
def test_what_may_pass_and_what_is_a_bug_are_raised(what, error):
    with pytest.raises(error):
        does.func(what=what)


def test_a_job_is_named_after_its_function_and_waits_longer_each_time():
    assert does.name == f"{__name__}.does"
    strategy = does.retry_strategy
    waits = [strategy.get_retry_decision(exception=DeliveryFailed("x"), job=_tried(n)) for n in range(4)]
    at = [decision and decision.retry_at for decision in waits]
    assert at[2] is None or at[3] is None  # three tries in all
    assert at[0] < at[1]


def _tried(attempts):
    return procrastinate_jobs.Job(
        id=1, queue="q", lock=None, queueing_lock=None, task_name="t", task_kwargs={}, attempts=attempts
    )


def test_a_clock_job_is_queued_once_however_long_nobody_works():
    """Its queueing lock: a worker that was away for a day finds one run, not three hundred. None may come without it."""
    app.perform_import_paths()
    by_the_clock = list(app.periodic_registry.periodic_tasks.values())
    assert len(by_the_clock) > 5
    assert [one.task.name for one in by_the_clock if one.task.queueing_lock != one.task.name] == []
    assert [
        one.task.name for one in by_the_clock if one.task.lock
    ] == []  # a lock in a dead worker's hands would stop it


def waiting(name=None):
    return ProcrastinateJob.objects.filter(task_name=name or does.name, status="todo")


@pytest.mark.django_db
def test_a_job_of_an_action_that_failed_was_never_there(cast):
    @action
    def ask_and_fail(*, by):
        does.defer(what="x")
        record(RecordSeen(patient_id=cast.zhang.pk, what="x"), by=by)
        raise No

    with pytest.raises(No), transaction.atomic():
        ask_and_fail(by=SYSTEM)
    assert not waiting().exists()
    assert not AuditEvent.objects.filter(name="audit.RecordSeen").exists()


@pytest.mark.django_db
def test_a_job_of_an_action_that_worked_is_there_with_its_ids(cast):
    @action
    def ask(*, by):
        does.defer(what="x")
        record(RecordSeen(patient_id=cast.zhang.pk, what="x"), by=by)

    ask(by=SYSTEM)
    assert [row.args for row in waiting()] == [{"what": "x"}]


# ---- a real worker on a real queue


@pytest.fixture
def queue(transactional_db):
    """The queue's own tables, empty before and after: Django's flush does not know them."""
    _empty()
    yield
    _empty()


def _empty() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE procrastinate_jobs, procrastinate_workers, procrastinate_periodic_defers CASCADE")


def work(seconds: float = 20.0) -> None:
    """Until nothing is left that may run now."""

    async def run() -> None:
        worker_app = app.with_connector(app.connector.get_worker_connector())
        async with worker_app.open_async():
            await asyncio.wait_for(
                worker_app.run_worker_async(
                    queues=["kernel-tests"],
                    wait=False,
                    listen_notify=False,
                    concurrency=2,
                    install_signal_handlers=False,
                ),
                seconds,
            )

    failed: list[BaseException] = []

    def in_thread() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()
    assert not failed, failed


def states():
    return dict(ProcrastinateJob.objects.filter(task_name=does.name).values_list("args__what", "status"))


@pytest.mark.django_db(transaction=True)
def test_a_poison_job_fails_alone_and_the_others_run(queue):
    for what in ("fine", "bug", "refused", "permanent", "passing"):
        does.defer(what=what)
    work()
    told = states()
    assert (told["fine"], told["refused"], told["permanent"]) == ("succeeded",) * 3
    for what in ("bug", "passing"):  # to be tried again, later
        row = ProcrastinateJob.objects.get(args__what=what)
        assert (row.status, row.attempts) == ("todo", 1)
        assert row.scheduled_at > datetime.now(UTC)


@pytest.mark.django_db(transaction=True)
def test_after_the_last_try_a_job_is_failed_and_stays_to_be_seen(queue):
    does.defer(what="bug")
    for _ in range(6):
        with connection.cursor() as cursor:
            cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE status = 'todo'")
        work()
    row = ProcrastinateJob.objects.get(args__what="bug")
    assert row.status == "failed"
    assert RAN.count("bug") == row.attempts
    assert row.attempts in {3, 4}


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_take_the_same_job(queue):
    for number in range(12):
        does.defer(what=f"n{number}")
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(RAN) == sorted(f"n{number}" for number in range(12))
    assert set(states().values()) == {"succeeded"}


@pytest.mark.django_db(transaction=True)
def test_a_job_in_a_dead_workers_hands_is_found_and_run_again(queue):
    """As after a kill -9: taken, never finished, the worker's heartbeat old."""
    does.defer(what="fine")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour') RETURNING id"
        )
        worker = cursor.fetchone()[0]
        cursor.execute(
            "UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s WHERE args ->> 'what' = 'fine'", [worker]
        )
    work()
    assert RAN == []
    assert rescue_stalled_jobs(stalled_seconds=60, by=SYSTEM) == 1
    work()
    assert RAN == ["fine"]
    assert states() == {"fine": "succeeded"}


# ---- several jobs of one commit in one


@job(queue="default")
def notes(*, event: dict[str, str]) -> None:
    """A piece that remembers what it was given."""
    RAN.append(f"{event['what']}")
    if event["what"] == "bug":
        raise ZeroDivisionError
    if event["what"] == "refused":
        raise No
    read(event["what"])
    read("shared")


@job(queue="default")
def notes_more(*, event: dict[str, str]) -> None:
    """Another one."""
    RAN.append(f"more {event['what']}")
    read("shared")


READ: list[str] = []


@read_once
def read(what: str) -> str | None:
    """Something that does not change, counted; "nothing" is not there yet."""
    READ.append(what)
    return None if what == "nothing" else what


def folded(turn, following):
    """What would be queued: (job, arguments)."""
    defer_events(following, (turn,))
    rows = ProcrastinateJob.objects.filter(status="todo").order_by("id")
    return [(row.task_name.rpartition(".")[2], row.args) for row in rows if ".kernel." in row.task_name]


@pytest.mark.django_db
def test_jobs_of_one_patient_go_in_one_in_the_order_of_the_turn():
    one, two = {"patient_id": "p1", "what": "a"}, {"patient_id": "p2", "what": "b"}
    known = len(folded((), {}))
    found = folded((notes, notes_more), {notes_more: [one, two], notes: [one], does: [{"what": "x"}]})[known:]
    assert found == [
        ("in_turn", {"pieces": [[notes.name, one], [notes_more.name, one]]}),
        ("notes_more", {"event": two}),
        ("does", {"event": {"what": "x"}}),
    ]


@pytest.mark.django_db
def test_facts_about_nobody_are_not_put_together():
    known = len(folded((), {}))
    about_nobody = {"what": "a", "patient_id": None}
    found = folded((notes, notes_more), {notes: [about_nobody], notes_more: [about_nobody, {"what": "b"}]})[known:]
    assert [name for name, _arguments in found] == ["notes", "notes_more", "notes_more"]


@pytest.mark.django_db
def test_a_piece_that_fails_is_queued_alone_and_a_refused_one_is_not():
    READ.clear()
    known = len(folded((), {}))
    whats = ("bug", "refused", "fine")
    in_turn.func(pieces=[[notes.name, {"what": what}] for what in whats] + [[notes_more.name, {"what": "end"}]])
    assert [*whats, "more end"] == RAN
    assert folded((), {})[known:] == [("notes", {"event": {"what": "bug"}})]
    assert READ == ["fine", "shared"]


def test_what_is_read_once_is_read_anew_by_the_next_job():
    READ.clear()
    for _again in range(2):
        with reading_once():
            assert [read("a"), read("a"), read("b")] == ["a", "a", "b"]
            assert [read("nothing"), read("nothing")] == [None, None], "what is not there yet may come"
    read("a"), read("a")
    assert READ == ["a", "b", "nothing", "nothing"] * 2 + ["a", "a"]
