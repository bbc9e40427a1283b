"""Several workers at one batch, two presses of one button, and a worker that is killed in the middle of a row."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest
from django.db import connection, connections

from careloop.audit.models import AuditEvent
from careloop.batches import actions, jobs
from careloop.batches.models import Batch, BatchItem
from careloop.batches.tests.factories import kinds, start
from tests.cast import NOW, make_cast

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


def in_threads(n: int, work: object) -> None:
    barrier, errors = threading.Barrier(n), []

    def run() -> None:
        try:
            barrier.wait(timeout=10)
            work()
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_four_workers_do_each_row_once() -> None:
    cast = make_cast()
    with kinds():
        batch = start(cast.as_wang, 60, then={7: "refuse", 41: "break"})
        in_threads(4, lambda: jobs.work_through(batch.pk, seconds=60))
    batch.refresh_from_db()
    assert (batch.state, batch.done, batch.skipped, batch.failed) == ("done", 58, 1, 1)
    seen = Counter(AuditEvent.objects.filter(name="audit.RecordSeen").values_list("patient_id", flat=True))
    assert len(seen) == 58
    assert set(seen.values()) == {1}
    assert AuditEvent.objects.filter(name="batches.BatchFinished").count() == 1


def test_pressing_a_button_six_times_starts_one_batch() -> None:
    cast = make_cast()
    viewer = cast.as_wang
    with kinds():
        in_threads(6, lambda: start(viewer, 20))
    assert Batch.objects.count() == 1
    assert BatchItem.objects.count() == 20
    assert AuditEvent.objects.filter(name="batches.BatchStarted").count() == 1


def test_stop_and_work_at_the_same_time_never_lose_a_row() -> None:
    cast = make_cast()
    viewer = cast.as_wang
    with kinds():
        batch = start(viewer, 40)
        worker = threading.Thread(target=lambda: (jobs.work_through(batch.pk, seconds=60), connections.close_all()))
        worker.start()
        actions.stop_batch(batch_id=batch.pk, at=NOW, by=viewer)
        worker.join()
    batch.refresh_from_db()
    settled = BatchItem.objects.filter(batch=batch).exclude(state="waiting").count()
    assert batch.state == "stopped"
    assert batch.progress.settled == settled == AuditEvent.objects.filter(name="audit.RecordSeen").count()


KILLED = """
import os, sys, time
os.environ["CARELOOP_DATABASE_URL"] = sys.argv[1]
import django
django.setup()
from careloop.batches import jobs
from careloop.batches.tests import factories
plain = factories.touch
def slow(**row):
    told = plain(**row)
    if row["item"].key == "row-8":
        print("in the middle", flush=True)
        time.sleep(60)
    return told
import dataclasses
factories.KINDS[factories.KIND] = dataclasses.replace(factories.PLAIN, work=slow)
from uuid import UUID
with factories.kinds():
    jobs.work_through(UUID(sys.argv[2]), seconds=60)
"""


@pytest.mark.kill
def test_a_worker_killed_in_the_middle_of_a_row_leaves_no_half_and_no_double() -> None:
    cast = make_cast()
    with kinds():
        batch = start(cast.as_wang, 12)
    info = connection.get_connection_params()
    url = f"postgresql://{info['user']}:{info.get('password', '')}@/{info['dbname']}?host={info.get('host', '')}&port={info.get('port', '') or 5432}"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, url, str(batch.pk)], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "in the middle"
    process.send_signal(signal.SIGKILL)
    process.wait()
    for _ in range(100):  # the server notices the lost connection and gives the rows free
        batch.refresh_from_db()
        if BatchItem.objects.filter(batch=batch, state="waiting").count() == 7 and _free(batch):
            break
        time.sleep(0.1)
    assert batch.done == 5  # the first chunk; of the second nothing stayed
    assert AuditEvent.objects.filter(name="audit.RecordSeen").count() == 5
    with kinds():
        assert jobs.work_through(batch.pk, seconds=60)
    batch.refresh_from_db()
    assert (batch.state, batch.done) == ("done", 12)
    seen = Counter(AuditEvent.objects.filter(name="audit.RecordSeen").values_list("patient_id", flat=True))
    assert len(seen) == 12
    assert set(seen.values()) == {1}


def _free(batch: Batch) -> bool:
    from django.db import transaction

    with transaction.atomic():
        return len(BatchItem.objects.filter(batch=batch, state="waiting").select_for_update(skip_locked=True)) == 7
