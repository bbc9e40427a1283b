"""Letters by the hundred: each patient once, those who get none listed, one file, stopped and taken back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from careloop.audit.models import AuditEvent
from careloop.batches import actions as batches
from careloop.batches import jobs as batch_jobs
from careloop.batches.models import Batch, BatchFile, BatchItem
from careloop.batches.reads import content as file_content
from careloop.batches.reads import passed_over, reasons
from careloop.batches.rules import Item
from careloop.kernel.actions import seeding
from careloop.letters import actions
from careloop.letters.models import Letter
from careloop.letters.tests.factories import ADDRESS, a_letter, at_home, change, content, reader, shipped, site, text_of
from careloop.messaging.models import Communication
from careloop.patients.models import Encounter, Patient
from careloop.tasks.models import ContactAttempt
from careloop.tasks.tests.factories import make_patient, make_task
from tests.cast import NOW, Cast, make_cast


def neighbours(cast: Cast, count: int, *, without_address: int = 0) -> list[Patient]:
    """Discharged patients of Cardiology; the first ones have no address."""
    found = []
    for n in range(count):
        patient = make_patient(cast, f"赵{n}")
        change(patient, address="" if n < without_address else f"{ADDRESS} {n}")
        with seeding():
            Encounter.objects.create(
                patient=patient, system="HIS", visit_number=f"N{uuid4().hex}", class_code="IMP", status="finished",
                department=cast.cardiology, admitted_at=NOW - timedelta(days=20), discharged_at=NOW - timedelta(days=9),
                discharge_cycle=1,
            )  # fmt: skip
        found.append(patient)
    return found


def start(cast: Cast, patients: list[Patient], *, key: str = "", code: str = "not-reached") -> Batch:
    tasks = [make_task(cast, patient=patient) for patient in patients]
    return batches.start_batch(
        kind="letters.letters", title="t", key=key or uuid4().hex,
        items=[Item(str(task.pk), task.patient_id, {"task_id": str(task.pk)}) for task in tasks],
        parameters={"template_id": str(shipped(code).pk)}, at=NOW, by=cast.as_wang,
    )  # fmt: skip


def run(batch: Batch) -> Batch:
    assert batch_jobs.work_through(batch.pk, seconds=120)
    batch.refresh_from_db()
    return batch


def file_of(batch: Batch) -> bytes:
    return b"".join(file_content(BatchFile.objects.get(batch=batch)))


def test_a_batch_becomes_one_file_with_a_letter_each(cast: Cast):
    batch = run(start(cast, neighbours(cast, 7)))
    data = file_of(batch)
    letters = list(Letter.objects.unscoped("test").order_by("pk"))
    assert (batch.state, batch.done, batch.skipped) == ("done", 7, 0)
    assert len(reader(data).pages) == 7
    assert {letter.batch_id for letter in letters} == {batch.pk}
    pages = [page.extract_text() for page in reader(data).pages]
    for letter, page in zip(letters, pages, strict=True):
        assert letter.params["reply_code"] in page
    assert BatchFile.objects.get(batch=batch).content_type == "application/pdf"


def test_who_gets_no_letter_is_listed_with_the_reason_and_not_left_out(cast: Cast):
    patients = neighbours(cast, 9, without_address=3)
    change(patients[3], deceased=True)
    change(patients[4], do_not_contact=True)
    batch = run(start(cast, patients))
    assert (batch.done, batch.skipped, batch.failed) == (4, 5, 0)
    assert {r.code: r.count for r in reasons(batch)} == {
        "letter-no-address": 3, "letter-died": 1, "letter-do-not-contact": 1,
    }  # fmt: skip
    told = passed_over(batch, viewer=cast.as_wang)
    assert {row.text for row in told} == {patient.name for patient in patients[:5]}
    assert all(row.url and row.words for row in told)
    assert not [row.text for row in passed_over(batch, viewer=cast.as_li) if row.text]


def test_the_page_of_the_job_names_them_and_hands_the_file_out(cast: Cast):
    batch = run(start(cast, neighbours(cast, 4, without_address=1)))
    client = cast.client(cast.wang)
    page = client.get(reverse("batches:detail", args=[batch.pk])).content.decode()
    assert 'data-reason="letter-no-address"' in page
    assert "data-file" in page
    answer = client.get(reverse("batches:file", args=[batch.pk]))
    assert len(reader(content(answer)).pages) == 3
    assert "赵" not in answer["Content-Disposition"]
    assert cast.client(cast.li).get(reverse("batches:file", args=[batch.pk])).status_code == 404


def test_a_batch_of_people_without_addresses_has_no_file(cast: Cast):
    batch = run(start(cast, neighbours(cast, 2, without_address=2)))
    assert (batch.state, batch.done) == ("done", 0)
    assert not BatchFile.objects.filter(batch=batch).exists()


def test_a_patient_who_was_moved_to_strangers_meanwhile_gets_no_letter(cast: Cast):
    batch = start(cast, neighbours(cast, 2))
    with seeding():
        from careloop.patients.models import CareRelationship

        CareRelationship.objects.unscoped("test").filter(department=cast.cardiology).update(
            department=cast.orthopaedics
        )
    run(batch)
    assert {r.code: r.count for r in reasons(batch)} == {"letter-no-patient": 2}


def test_a_second_batch_does_not_write_to_the_same_people_again(cast: Cast):
    patients = neighbours(cast, 3)
    tasks = [make_task(cast, patient=patient) for patient in patients]
    given = {
        "kind": "letters.letters", "title": "t", "parameters": {"template_id": str(shipped().pk)}, "at": NOW, "by": cast.as_wang,
        "items": [Item(str(task.pk), task.patient_id, {"task_id": str(task.pk)}) for task in tasks],
    }  # fmt: skip
    run(batches.start_batch(key="first", **given))
    second = run(batches.start_batch(key="second", **given))
    assert {r.code: r.count for r in reasons(second)} == {"letter-recent": 3}
    assert Letter.objects.unscoped("test").count() == 3


def test_stopped_in_the_middle_what_was_made_stays_and_nothing_more_comes(cast: Cast):
    batch = start(cast, neighbours(cast, 25))
    batches.work_on(batch_id=batch.pk, at=NOW, by=cast.as_wang)
    batches.stop_batch(batch_id=batch.pk, at=NOW, by=cast.as_wang)
    batch_jobs.work_through(batch.pk, seconds=60)
    assert Letter.objects.unscoped("test").count() == 20
    assert BatchItem.objects.filter(batch=batch, state="waiting").count() == 5


def test_taking_a_batch_back_withdraws_what_was_not_posted(cast: Cast):
    batch = run(start(cast, neighbours(cast, 4)))
    posted = Letter.objects.unscoped("test").order_by("pk").first()
    assert posted is not None
    actions.post_letter(letter_id=posted.pk, at=timezone.now(), by=cast.as_wang)
    undoing = run(batches.undo_batch(batch_id=batch.pk, at=timezone.now(), by=cast.as_wang))
    assert Counter(Letter.objects.unscoped("test").values_list("state", flat=True)) == {"posted": 1, "withdrawn": 3}
    assert {r.code: r.count for r in reasons(undoing)} == {"letter-not-open": 1}


def test_all_of_a_job_are_posted_in_the_background_each_once(cast: Cast):
    batch = run(start(cast, neighbours(cast, 5)))
    client, values = cast.client(cast.wang), {"batch": str(batch.pk), "key": str(batch.pk)}
    client.post(reverse("letters:post-all"), values)
    posting = run(Batch.objects.get(kind="letters.post"))
    client.post(reverse("letters:post-all"), values)
    assert posting.done == 5
    assert Communication.objects.unscoped("test").filter(channel="letter", state="sent").count() == 5
    assert ContactAttempt.objects.unscoped("test").filter(channel="letter").count() == 5
    assert AuditEvent.objects.filter(name="letters.LetterPosted").count() == 5


def test_the_file_is_the_same_when_it_is_made_again(cast: Cast):
    batch = run(start(cast, neighbours(cast, 3)))
    first = text_of(file_of(batch))
    from careloop.letters import jobs

    by = cast.as_wang
    with seeding():
        jobs.bind_letters(batch_id=batch.pk, at=NOW, by=by)
    assert text_of(file_of(batch)) == first


def test_a_chunk_of_letters_asks_the_same_number_of_questions_however_many_they_are(cast: Cast):
    def cost(count: int) -> int:
        batch = start(cast, neighbours(cast, count))
        with CaptureQueriesContext(connection) as asked:
            batches.work_on(batch_id=batch.pk, at=NOW, by=cast.as_wang)
        return len(asked)

    few, many = cost(2), cost(20)
    assert many - few <= 2  # the same statements for two letters and for twenty
    assert many / 20 <= 3


KILLED = """
import os, sys, time
os.environ["CARELOOP_DATABASE_URL"] = sys.argv[1]
import django
django.setup()
from uuid import UUID
from careloop.batches import jobs
from careloop.letters.reads import pdf
plain = pdf.lacking
calls = []
def slow(text):
    calls.append(text)
    if len(calls) == 27:
        print("in the middle", flush=True)
        time.sleep(60)
    return plain(text)
pdf.lacking = slow
jobs.work_through(UUID(sys.argv[2]), seconds=60)
"""


@pytest.mark.kill
@pytest.mark.django_db(transaction=True)
def test_killed_in_the_middle_and_begun_again_each_patient_gets_one_letter():
    cast = make_cast()
    batch = start(cast, neighbours(cast, 30, without_address=2))
    info = connection.get_connection_params()
    url = f"postgresql://{info['user']}:{info.get('password', '')}@/{info['dbname']}?host={info.get('host', '')}&port={info.get('port', '') or 5432}"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, url, str(batch.pk)], stdout=subprocess.PIPE, text=True,
        env={
            **os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
            "CARELOOP_HOSPITAL_PHONE": "0571-88880000", "CARELOOP_HOSPITAL_NAME": "云溪市第一人民医院",
        },
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "in the middle"
    process.send_signal(signal.SIGKILL)
    process.wait()
    for _n in range(100):  # the server notices the lost connection and gives the rows free
        if Letter.objects.unscoped("test").count() == 18 and _free(batch):
            break
        time.sleep(0.1)
    assert Letter.objects.unscoped("test").count() == 18  # the first chunk; of the second nothing stayed
    run(batch)
    per_patient = Counter(Letter.objects.unscoped("test").values_list("patient_id", flat=True))
    assert (batch.done, batch.skipped) == (28, 2)
    assert set(per_patient.values()) == {1}
    assert len(reader(file_of(batch)).pages) == 28


def _free(batch: Batch) -> bool:
    from django.db import transaction

    with transaction.atomic():
        return len(BatchItem.objects.filter(batch=batch, state="waiting").select_for_update(skip_locked=True)) == 10


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_write_each_letter_once():
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connections

    cast = make_cast()
    batch = start(cast, neighbours(cast, 25))

    def work(_n: int) -> None:
        try:
            batch_jobs.work_through(batch.pk, seconds=60)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
    batch.refresh_from_db()
    if batch.is_under_way:  # the last one to look saw another one still at it
        run(batch)
    assert (batch.state, batch.done) == ("done", 25)
    assert Letter.objects.unscoped("test").count() == 25
    assert BatchFile.objects.filter(batch=batch).count() == 1


def test_a_site_without_a_usable_envelope_makes_no_letters(cast: Cast):
    at_home(cast)
    with site(letter_envelope="no-such"):
        batch = run(start(cast, [cast.zhang]))
    assert {r.code: r.count for r in reasons(batch)} == {"envelope-unusable": 1}


def test_a_row_without_a_patient_is_passed_over(cast: Cast):
    batch = batches.start_batch(
        kind="letters.letters", title="t", key="k", items=[Item("x", None), Item("y", UUID(int=1))],
        parameters={"template_id": str(shipped().pk)}, at=NOW, by=cast.as_wang,
    )  # fmt: skip
    run(batch)
    assert {r.code: r.count for r in reasons(batch)} == {"letter-no-patient": 2}


def test_letters_of_one_patient_keep_their_words_when_the_template_moves_on(cast: Cast):
    at_home(cast)
    letter = a_letter(cast)
    before = text_of(content(cast.client(cast.wang).get(reverse("letters:letter-paper", args=[letter.pk]))))
    actions.retire_template(template=letter.template, at=NOW, by=cast.as_wang)
    after = text_of(content(cast.client(cast.wang).get(reverse("letters:letter-paper", args=[letter.pk]))))
    assert before == after
