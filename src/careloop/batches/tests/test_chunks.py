"""Kinds that do a whole chunk at once: each row once, and a chunk that breaks is done row by row."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from unittest import mock

import pytest
from django.db import OperationalError

from careloop.audit.models import AuditEvent
from careloop.audit.record import seen
from careloop.batches import actions, jobs, reads
from careloop.batches.models import Batch, BatchItem
from careloop.batches.reads import BatchKind, reason_words
from careloop.batches.rules import Skip
from careloop.batches.tests.factories import KIND, Unwilling, start, touch
from tests.cast import NOW, Cast

CALLS: list[int] = []


def touch_many(*, items, batch_id, parameters, at, by):
    """All rows of a chunk; what `then` says may refuse, skip, break, or be forgotten."""
    CALLS.append(len(items))
    told = {}
    for item in items:
        then = item.data.get("then")
        if then == "break":
            raise ValueError("a name that must not be logged")
        if then == "deadlock":
            raise OperationalError("deadlock")
        if then == "refuse":
            told[item.key] = Unwilling()
        elif then == "skip":
            told[item.key] = Skip("not-now")
        else:
            seen(patient_id=item.subject_id, what="batch", by=by)
            if then != "forget":
                told[item.key] = {"before": "x"}
    return told


MANY = BatchKind(label="Many", work=touch, work_many=touch_many, permission="batches.view", chunk=5)
TOLD = BatchKind(
    label="Told", work=touch, work_many=touch_many, permission="batches.view", words=lambda code: f"<{code}>"
)


@pytest.fixture(autouse=True)
def _kinds() -> Iterator[None]:
    CALLS.clear()
    with mock.patch.object(reads, "_kinds", return_value={KIND: MANY, "tests.told": TOLD}):
        yield


def run(batch: Batch) -> Batch:
    assert jobs.work_through(batch.pk, seconds=60)
    batch.refresh_from_db()
    return batch


def touched() -> Counter:
    rows = AuditEvent.objects.filter(name="audit.RecordSeen", payload__what="batch")
    return Counter(rows.values_list("patient_id", flat=True))


def states(batch: Batch) -> dict[str, tuple[str, str]]:
    return {row.key: (row.state, row.reason) for row in BatchItem.objects.filter(batch=batch)}


@pytest.mark.parametrize(("rows", "calls"), [(1, [1]), (5, [5]), (6, [5, 1]), (12, [5, 5, 2])])
def test_rows_come_in_chunks_and_each_once(cast: Cast, rows: int, calls: list[int]):
    batch = run(start(cast.as_wang, rows))
    assert (batch.done, calls) == (rows, CALLS)
    assert set(touched().values()) == {1}


def test_refused_and_passed_over_rows_keep_their_reasons(cast: Cast):
    batch = run(start(cast.as_wang, 4, then={1: "refuse", 2: "skip"}))
    found = states(batch)
    assert found["row-1"] == ("skipped", "tests-unwilling")
    assert found["row-2"] == ("skipped", "not-now")
    assert (batch.done, batch.skipped, batch.failed) == (2, 2, 0)


def test_a_chunk_that_breaks_is_taken_back_and_done_row_by_row(cast: Cast, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        batch = run(start(cast.as_wang, 7, then={2: "break"}))
    assert (batch.done, batch.failed) == (6, 1)
    assert states(batch)["row-2"] == ("failed", "error-ValueError")
    assert set(touched().values()) == {1}  # what the broken chunk had written was taken back
    assert "a name that must not be logged" not in caplog.text


def test_a_chunk_that_forgets_a_row_is_done_row_by_row(cast: Cast):
    batch = run(start(cast.as_wang, 3, then={0: "forget"}))
    assert (batch.done, set(touched().values())) == (3, {1})


def test_a_deadlock_is_tried_again_as_a_whole(cast: Cast):
    batch = start(cast.as_wang, 3, then={1: "deadlock"})
    with pytest.raises(OperationalError):
        actions.work_on(batch_id=batch.pk, at=NOW, by=cast.as_wang)
    batch.refresh_from_db()
    assert (batch.done, batch.skipped, batch.failed) == (0, 0, 0)


def test_what_an_undo_must_know_is_kept(cast: Cast):
    batch = run(start(cast.as_wang, 2))
    assert [row.result for row in BatchItem.objects.filter(batch=batch)] == [{"before": "x"}] * 2


def test_a_kind_may_say_its_reasons_itself(cast: Cast):
    batch = run(start(cast.as_wang, 3, kind="tests.told", key="w", then={1: "refuse", 2: "skip"}))
    assert {one.words for one in reads.reasons(batch)} == {"<tests-unwilling>", "<not-now>"}
    assert {one.words for one in reads.passed_over(batch, viewer=cast.as_wang)} == {"<tests-unwilling>", "<not-now>"}


@pytest.mark.parametrize(("code", "words"), [("tests-unwilling", "The row does not want to."), ("no-such", "no-such")])
def test_without_words_of_its_own_a_reason_is_its_refusals_sentence(code: str, words: str):
    assert reason_words(code) == words


def test_stopped_between_chunks_the_rest_waits(cast: Cast):
    batch = start(cast.as_wang, 12)
    actions.work_on(batch_id=batch.pk, at=NOW, by=cast.as_wang)
    actions.stop_batch(batch_id=batch.pk, at=NOW, by=cast.as_wang)
    assert actions.work_on(batch_id=batch.pk, at=NOW, by=cast.as_wang) == 0
    assert Counter(state for state, _reason in states(batch).values()) == {"done": 5, "waiting": 7}
