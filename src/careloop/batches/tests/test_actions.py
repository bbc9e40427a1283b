"""Each row exactly once, counts that add up, and every refusal."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection

from careloop.accounts.models import RoleAssignment
from careloop.audit.models import AuditEvent
from careloop.batches import actions, jobs, reads
from careloop.batches.models import Batch, BatchFile, BatchFilePart, BatchItem
from careloop.batches.rules import KEPT, UNDOABLE, Item, Settled
from careloop.batches.tests.factories import KIND, kinds, start
from careloop.kernel.actions import seeding
from careloop.kernel.viewer import Viewer
from tests.cast import NOW, SYSTEM, Cast


@pytest.fixture(autouse=True)
def _kinds() -> Iterator[None]:
    with kinds():
        yield


def run(batch: Batch) -> Batch:
    assert jobs.work_through(batch.pk, seconds=60)
    batch.refresh_from_db()
    return batch


def facts(name: str) -> int:
    return AuditEvent.objects.filter(name=name).count()


def touched() -> Counter:
    return Counter(AuditEvent.objects.filter(name="audit.RecordSeen", payload__what="batch").values_list("patient_id", flat=True))  # fmt: skip


def test_a_batch_does_each_row_once_and_says_so(cast: Cast):
    batch = run(start(cast.as_wang, 12))
    assert (batch.state, batch.done, batch.skipped, batch.failed) == ("done", 12, 0, 0)
    assert batch.finished_at is not None
    assert batch.started_at is not None
    assert set(touched().values()) == {1}
    assert len(touched()) == 12
    assert facts("batches.BatchStarted") == facts("batches.BatchFinished") == 1
    assert facts("batches.BatchItemsSettled") == 3  # chunks of five


def test_its_facts_are_the_requesters(cast: Cast):
    run(start(cast.as_wang, 3))
    actors = set(AuditEvent.objects.filter(name="audit.RecordSeen").values_list("actor", flat=True))
    assert actors == {f"staff:{cast.wang.pk}"}


def test_starting_queues_the_work_in_the_same_commit(cast: Cast):
    batch = start(cast.as_wang, 2)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT args->'event'->>'batch_id' FROM procrastinate_jobs WHERE task_name = 'careloop.batches.jobs.run_batch'"
        )
        assert cursor.fetchone() == (str(batch.pk),)


def test_the_same_key_gives_the_same_batch_and_starts_nothing(cast: Cast):
    first = start(cast.as_wang, 3)
    again = start(cast.as_wang, 9)
    assert again.pk == first.pk
    assert BatchItem.objects.count() == 3
    assert facts("batches.BatchStarted") == 1


def test_a_key_of_somebody_else_is_refused(cast: Cast):
    start(cast.as_wang, 3)
    with pytest.raises(actions.BatchKeyTaken):
        start(cast.as_li, 3)
    with pytest.raises(actions.BatchKeyTaken):
        start(cast.as_wang, 3, kind="tests.file")


def test_no_rows_no_batch(cast: Cast):
    with pytest.raises(actions.NothingToDo):
        start(cast.as_wang, 0)
    assert not Batch.objects.exists()


def test_the_same_row_twice_is_a_mistake_of_the_caller(cast: Cast):
    with pytest.raises(IntegrityError):
        actions.start_batch(
            kind=KIND, title="", key="x", items=[("a", None), ("a", None)], parameters={}, at=NOW, by=cast.as_wang
        )


def test_an_unknown_kind_is_a_mistake_of_the_program(cast: Cast):
    with pytest.raises(reads.UnknownBatchKind):
        start(cast.as_wang, 1, kind="tests.nothing")


def test_a_refused_row_is_passed_over_and_leaves_nothing_behind(cast: Cast):
    batch = run(start(cast.as_wang, 6, then={2: "refuse", 4: "refuse"}))
    assert (batch.state, batch.done, batch.skipped, batch.failed) == ("done", 4, 2, 0)
    assert len(touched()) == 4  # what the refused rows had begun to write is gone
    (reason,) = reads.reasons(batch)
    assert (reason.code, reason.state, reason.count) == ("tests-unwilling", "skipped", 2)
    assert reason.words == "The row does not want to."


def test_a_broken_row_does_not_stop_the_others_and_its_data_is_not_logged(cast: Cast, caplog):
    with caplog.at_level(logging.ERROR):
        batch = run(start(cast.as_wang, 6, then={0: "break"}))
    assert (batch.state, batch.done, batch.failed) == ("done", 5, 1)
    assert BatchItem.objects.get(state="failed").reason == "error-ValueError"
    assert "ValueError" in caplog.text
    assert "a name" not in caplog.text


def test_when_every_row_broke_the_batch_has_failed(cast: Cast):
    batch = run(start(cast.as_wang, 2, then={0: "break", 1: "break"}))
    assert batch.state == "failed"


def test_stopping_keeps_what_was_done(cast: Cast):
    batch = start(cast.as_wang, 12)
    actions.work_on(batch_id=batch.pk, at=NOW, by=cast.as_wang)
    actions.stop_batch(batch_id=batch.pk, at=NOW, by=cast.as_wang)
    run(batch)
    assert (batch.state, batch.done, batch.progress.waiting) == ("stopped", 5, 7)
    assert len(touched()) == 5
    with pytest.raises(actions.BatchOver):
        actions.stop_batch(batch_id=batch.pk, at=NOW, by=cast.as_wang)


def test_nobody_stops_or_undoes_what_others_asked_for(cast: Cast):
    batch = start(cast.as_wang, 2)
    for verb in (actions.stop_batch, actions.undo_batch, actions.take_file):
        with pytest.raises(Batch.DoesNotExist):
            verb(batch_id=batch.pk, at=NOW, by=cast.as_li)


def test_it_stops_when_the_requester_loses_the_right(cast: Cast):
    batch = start(cast.as_wang, 2)
    with seeding():
        RoleAssignment.objects.filter(practitioner=cast.wang).update(valid_to=NOW - timedelta(days=1))
    run(batch)
    assert (batch.state, batch.stop_reason, batch.done) == ("stopped", "right-is-gone", 0)


def test_it_stops_when_the_requester_has_left(cast: Cast):
    batch = start(cast.as_wang, 2)
    with seeding():
        cast.wang.is_active = False
        cast.wang.save()
    assert run(batch).stop_reason == "right-is-gone"


def test_a_kind_asks_for_its_own_permission_too(cast: Cast):
    assert run(start(cast.as_wang, 2, kind="tests.guarded")).stop_reason == "right-is-gone"


def test_the_machine_may_ask_too(cast: Cast):
    assert run(start(SYSTEM, 2)).done == 2


def test_a_turn_ends_when_its_time_is_up_and_the_next_waits_once(cast: Cast):
    batch = start(cast.as_wang, 12)
    assert jobs.work_through(batch.pk, seconds=0) is False
    jobs.next_turn(batch.pk)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs WHERE queueing_lock = %s", [f"batches.turn:{batch.pk}"])
        assert cursor.fetchone() == (1,)
    assert run(batch).done == 12


def test_a_batch_whose_process_is_gone_gets_another_turn(cast: Cast):
    quiet, lively, over = (start(cast.as_wang, 2, key=key) for key in "abc")
    run(over)
    with seeding():
        Batch.objects.filter(pk=lively.pk).update(heartbeat_at=NOW + timedelta(hours=1))
    jobs.resume_batches.func(timestamp=int((NOW + timedelta(hours=1)).timestamp()))
    with connection.cursor() as cursor:
        cursor.execute("SELECT queueing_lock FROM procrastinate_jobs WHERE queueing_lock LIKE 'batches.turn:%%'")
        assert [row[0] for row in cursor.fetchall()] == [f"batches.turn:{quiet.pk}"]


def test_settling_again_changes_nothing(cast: Cast):
    batch = start(cast.as_wang, 2)
    told = [Settled("row-0", "done")]
    assert actions.settle_items(batch_id=batch.pk, settled=told, at=NOW, by=SYSTEM) == 1
    assert actions.settle_items(batch_id=batch.pk, settled=[Settled("row-0", "failed", "x")], at=NOW, by=SYSTEM) == 0
    batch.refresh_from_db()
    assert (batch.done, batch.failed) == (1, 0)


def test_it_is_not_finished_while_rows_wait(cast: Cast):
    batch = start(cast.as_wang, 7)
    actions.work_on(batch_id=batch.pk, at=NOW, by=cast.as_wang)
    assert actions.finish_batch(batch_id=batch.pk, at=NOW, by=cast.as_wang) is False
    run(batch)
    assert actions.finish_batch(batch_id=batch.pk, at=NOW, by=cast.as_wang) is False
    assert facts("batches.BatchFinished") == 1


# --- taking back


def test_undo_is_a_batch_over_the_rows_that_were_done(cast: Cast):
    batch = run(start(cast.as_wang, 5, then={1: "refuse"}))
    undoing = actions.undo_batch(batch_id=batch.pk, at=batch.finished_at, by=cast.as_wang)
    assert undoing.total == 4
    run(undoing)
    assert undoing.state == "done"
    assert AuditEvent.objects.filter(payload__what="undo x").count() == 4  # each worker knew what was before
    assert actions.undo_batch(batch_id=batch.pk, at=batch.finished_at, by=cast.as_wang).pk == undoing.pk


@pytest.mark.parametrize("case", ["late", "running", "nothing-done", "no-undo"])
def test_what_cannot_be_taken_back_is_refused(cast: Cast, case: str):
    kind = "tests.file" if case == "no-undo" else KIND
    then = {0: "refuse", 1: "refuse"} if case == "nothing-done" else {}
    batch = start(cast.as_wang, 2, kind=kind, then=then)
    at = NOW
    if case != "running":
        at = run(batch).finished_at
    if case == "late":
        at += UNDOABLE + timedelta(seconds=1)
    with pytest.raises(actions.CannotUndo):
        actions.undo_batch(batch_id=batch.pk, at=at, by=cast.as_wang)


# --- the result


def test_the_result_is_kept_in_parts_and_comes_out_whole(cast: Cast):
    batch = run(start(cast.as_wang, 3, kind="tests.file"))
    assert batch.result == {"pages": 3}
    file = actions.take_file(batch_id=batch.pk, at=batch.finished_at, by=cast.as_wang)
    data = b"".join(reads.content(file))
    assert BatchFilePart.objects.count() == 2
    assert (len(data), hashlib.sha256(data).hexdigest()) == (file.size, file.sha256)
    assert facts("batches.BatchFileTaken") == 1


def test_a_second_file_replaces_the_first(cast: Cast):
    batch = run(start(cast.as_wang, 1, kind="tests.file"))
    actions.store_result_file(batch_id=batch.pk, name="b", content_type="text/plain", data=b"x", at=NOW, by=SYSTEM)
    assert b"".join(reads.content(BatchFile.objects.get())) == b"x"


def test_a_file_whose_time_is_over_is_gone_but_known(cast: Cast):
    batch = run(start(cast.as_wang, 1, kind="tests.file"))
    late = batch.finished_at + KEPT + timedelta(minutes=1)
    with pytest.raises(actions.FileGone):
        actions.take_file(batch_id=batch.pk, at=late, by=cast.as_wang)
    jobs.purge_files.func(timestamp=int(late.timestamp()))
    assert not BatchFilePart.objects.exists()
    assert BatchFile.objects.get().purged_at is not None
    assert actions.purge_files(at=late, by=SYSTEM) == 0
    assert facts("batches.BatchFilesPurged") == 1


def test_no_result_when_nothing_was_done(cast: Cast):
    batch = run(start(cast.as_wang, 1, kind="tests.file", then={0: "refuse"}))
    assert reads.file_of(batch, at=NOW) is None


def test_an_item_may_be_given_as_a_pair(cast: Cast):
    pair = ("one", uuid4())
    batch = actions.start_batch(
        kind=KIND, title="", key="p", items=[pair, Item("two", uuid4())], parameters={}, at=NOW, by=cast.as_wang
    )
    assert run(batch).done == 2


def test_a_stranger_of_no_person_sees_no_batch(cast: Cast):
    start(SYSTEM, 1)
    assert not Batch.objects.of(Viewer(actor="anonymous")).exists()
    assert Batch.objects.of(SYSTEM).count() == 1
