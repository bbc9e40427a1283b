"""What an action gathers is written once, at its end; what a savepoint took back leaves nothing."""

import json
from contextlib import nullcontext
from uuid import uuid4

import pytest
from django.db import connection
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext

from careloop.accounts.events import PasswordChanged, SignedIn
from careloop.audit.models import AuditEvent
from careloop.audit.record import record
from careloop.kernel.actions import WriteOutsideAction, action, one_piece, savepoint, seeding, write_at_end
from careloop.kernel.errors import Refused
from careloop.kernel.jobs import at_once, defer_events, gathering_job
from careloop.kernel.viewer import Viewer
from careloop.patients.events import ConditionsReplaced, EncounterFinished, PatientDied, ProceduresReplaced

pytestmark = pytest.mark.django_db
BY = Viewer.system("test")
PERSON, STAY, WHO = uuid4(), uuid4(), uuid4()


class Broken(Refused):
    code = "broken"


def finished(stay=STAY) -> EncounterFinished:
    return EncounterFinished(patient_id=PERSON, encounter_id=stay, cycle=1)


@action
def one(*, fact, by, fails=False):
    record(fact, by=by)
    if fails:
        raise Broken


@action
def outer(*, facts, by, fails_after=False, inner_fails=()):
    for number, fact in enumerate(facts):
        try:
            one(fact=fact, fails=number in inner_fails, by=by)
        except Broken:
            continue
    if fails_after:
        raise Broken


def names() -> list[str]:
    return list(AuditEvent.objects.order_by("id").values_list("name", flat=True))


def jobs() -> list[tuple[str, dict]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT task_name, args FROM procrastinate_jobs ORDER BY id")
        return [
            (name.rsplit(".", 1)[-1], json.loads(args) if isinstance(args, str) else args)
            for name, args in cursor.fetchall()
        ]


def test_facts_of_inner_actions_are_one_statement():
    with CaptureQueriesContext(
        connection,
    ) as captured:
        outer(
            facts=[
                SignedIn(practitioner_id=WHO),
                PasswordChanged(practitioner_id=uuid4()),
                SignedIn(practitioner_id=WHO),
            ],
            by=BY,
        )
    assert len([q for q in captured.captured_queries if "audit_auditevent" in q["sql"]]) == 1
    assert names() == ["accounts.SignedIn", "accounts.PasswordChanged", "accounts.SignedIn"]


def test_an_inner_action_that_failed_leaves_no_fact_and_no_job():
    outer(facts=[finished(), finished(), SignedIn(practitioner_id=WHO)], inner_fails=(1,), by=BY)
    assert names() == ["patients.EncounterFinished", "accounts.SignedIn"]
    assert [len(args["events"]) for __, args in jobs()] == [1]


def test_an_outer_action_that_failed_leaves_nothing():
    with pytest.raises(Broken):
        outer(facts=[finished()], fails_after=True, by=BY)
    assert (names(), jobs()) == ([], [])


def test_the_next_action_starts_empty():
    with pytest.raises(Broken):
        outer(facts=[SignedIn(practitioner_id=WHO)], fails_after=True, by=BY)
    outer(facts=[finished()], by=BY)
    assert names() == ["patients.EncounterFinished"]


def test_kinds_of_fact_that_wake_the_same_job_share_it():
    same = {"patient_id": PERSON, "encounter_id": STAY}
    outer(facts=[ConditionsReplaced(**same), finished(uuid4()), ProceduresReplaced(**same), finished()], by=BY)
    ((name, args),) = jobs()
    assert name == "judge_discharges"
    assert len(args["events"]) == 2  # of several facts about one stay the first is enough
    assert args["events"][0]["encounter_id"] == str(STAY)


def test_a_job_of_single_facts_gets_each_alone():
    outer(facts=[PatientDied(patient_id=uuid4()), PatientDied(patient_id=uuid4())], by=BY)
    assert [name for name, __ in jobs()] == ["stop_for_death"] * 4  # of plans twice, of public health twice
    assert all(set(args) == {"event"} for __, args in jobs())


def test_while_seeding_it_is_written_at_once():
    written = []
    with seeding():
        write_at_end(written.extend, [1, 2])
        assert written == [1, 2]
        one(fact=SignedIn(practitioner_id=WHO), by=BY)
        assert names() == ["accounts.SignedIn"]


def test_outside_an_action_nothing_is_gathered():
    with pytest.raises(WriteOutsideAction):
        write_at_end([].extend, [1])


# --- jobs that gather -----------------------------------------------------------------------------------------------

RAN: list[list[int]] = []
POISON: set[int] = set()
REFUSED: set[int] = set()


@gathering_job(most=3, about="n")
def collect(*, events):
    numbers = [event["n"] for event in events]
    if POISON & set(numbers):
        raise RuntimeError("poison")
    if REFUSED & set(numbers):
        raise Broken
    RAN.append(numbers)


@pytest.fixture(autouse=True)
def _fresh():
    for kept in (RAN, POISON, REFUSED):
        kept.clear()


def queued() -> list[list[int]]:
    return [[event["n"] for event in args["events"]] for __, args in jobs()]


@pytest.mark.parametrize(("count", "portions"), [(1, [1]), (3, [3]), (4, [3, 1]), (7, [3, 3, 1])])
def test_portions(count, portions):
    defer_events({collect: [{"n": n} for n in range(count)]})
    assert [len(portion) for portion in queued()] == portions
    assert [n for portion in queued() for n in portion] == list(range(count))


def test_together_when_all_is_well():
    collect.func(events=[{"n": 1}, {"n": 2}])
    assert (RAN, queued()) == ([[1, 2]], [])


@pytest.mark.parametrize("trouble", [POISON, REFUSED])
def test_one_at_fault_falls_alone(trouble):
    trouble.add(2)
    collect.func(events=[{"n": 1}, {"n": 2}, {"n": 3}])
    assert (RAN, queued()) == ([], [[1], [2], [3]])
    collect.func(events=[{"n": 1}])
    collect.func(events=[{"n": 3}])
    assert RAN == [[1], [3]]


def test_alone_a_refusal_ends_it_and_a_fault_is_tried_again():
    REFUSED.add(1)
    collect.func(events=[{"n": 1}])
    POISON.add(2)
    with pytest.raises(RuntimeError):
        collect.func(events=[{"n": 2}])
    assert queued() == []


@action
def whole(*, fails, caught, by):
    """Two inner actions in one piece; the second may fail, and somebody may overlook it."""
    with one_piece():
        one(fact=finished(), by=by)
        try:
            with savepoint() if caught == "savepoint" else nullcontext():
                one(fact=SignedIn(practitioner_id=WHO), fails=fails, by=by)
        except Broken:
            if not caught:
                raise


def test_in_one_piece_inner_actions_set_no_savepoint():
    with CaptureQueriesContext(connection) as captured:
        whole(fails=False, caught="", by=BY)
    told = [query["sql"] for query in captured.captured_queries if "SAVEPOINT" in query["sql"]]
    assert len(told) == 2  # the outermost action's own, because a test runs in a transaction
    assert names() == ["patients.EncounterFinished", "accounts.SignedIn"]


def test_in_one_piece_a_refusal_takes_everything_along():
    with pytest.raises(Broken):
        whole(fails=True, caught="", by=BY)
    assert (names(), jobs()) == ([], [])


def test_in_one_piece_an_overlooked_refusal_is_loud_and_keeps_nothing():
    with pytest.raises(TransactionManagementError):
        whole(fails=True, caught="carelessly", by=BY)
    assert (names(), jobs()) == ([], [])


def test_in_one_piece_a_savepoint_still_takes_back_its_part_alone():
    whole(fails=True, caught="savepoint", by=BY)
    assert names() == ["patients.EncounterFinished"]


def test_different_jobs_are_queued_in_one_statement():
    with CaptureQueriesContext(connection) as captured:
        outer(facts=[finished(), PatientDied(patient_id=uuid4())], by=BY)
    assert len(jobs()) >= 2
    assert len([query for query in captured.captured_queries if "procrastinate_defer_jobs" in query["sql"]]) == 1


# --- what follows, in the same transaction ---------------------------------------------------------------------------


@action
def gathers(*, numbers, by):
    """Facts whose reaction is `collect`, as an action's end would queue them."""
    for number in numbers:
        record(SignedIn(practitioner_id=WHO), by=by)
        write_at_end(_collect_at_end, [number])


def _collect_at_end(numbers):
    defer_events({collect: [{"n": number} for number in numbers]})


def test_at_once_it_runs_before_the_commit_and_nothing_is_queued():
    with at_once():
        gathers(numbers=[1, 1, 2, 3, 4], by=BY)
    assert (RAN, queued()) == ([[1, 2, 3], [4]], [])
    gathers(numbers=[5], by=BY)
    assert (len(RAN), queued()) == (2, [[5]])  # outside it waits for the worker as always


@pytest.mark.parametrize("trouble", [POISON, REFUSED])
def test_at_once_what_fails_is_queued_and_its_facts_stand(trouble):
    trouble.add(4)
    with at_once():
        gathers(numbers=[1, 2, 3, 4, 5], by=BY)
    assert (RAN, queued()) == ([[1, 2, 3]], [[4, 5]])
    assert names() == ["accounts.SignedIn"] * 5


@gathering_job(most=10, about="n")
def tells(*, events):
    """A reaction that states a fact of its own, and may break after it."""
    one(fact=PasswordChanged(practitioner_id=WHO), by=BY)
    if POISON:
        raise RuntimeError("poison")


@action
def causes(*, by):
    record(SignedIn(practitioner_id=WHO), by=by)
    write_at_end(_tell_at_end, [1])


def _tell_at_end(numbers):
    defer_events({tells: [{"n": number} for number in numbers]})


@pytest.mark.parametrize("breaks", [False, True])
def test_at_once_facts_of_a_reaction_are_written_unless_it_was_taken_back(breaks):
    if breaks:
        POISON.add(1)
    with at_once():
        causes(by=BY)
    assert names() == ["accounts.SignedIn", *([] if breaks else ["accounts.PasswordChanged"])]
    assert len(jobs()) == breaks


def test_at_once_an_action_that_failed_lets_nothing_follow():
    with pytest.raises(Broken), at_once():
        outer(facts=[finished()], fails_after=True, by=BY)
    assert (names(), jobs()) == ([], [])
