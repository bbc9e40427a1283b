"""J26: letters by the hundred as one background job, from the start to the one file.

    python bench/letters.py [--letters 500] [--without-address 20]

Starts a database server of its own in a temporary folder (fsync on), makes invented patients with tasks, starts the batch
the page starts and works it through in this process. Prints seconds for the rows and for the PDF (on the clock and of this process), milliseconds a letter,
what was passed over, and how the time grows: a second batch of a tenth of the size gives the ratio per letter.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from bench import ending
from careloop.kernel import postgres

WORK = "import sys; sys.path.insert(0, sys.argv[1]); from bench import letters; letters.inside(int(sys.argv[2]), int(sys.argv[3]))"


def main() -> int:
    """Run once and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--letters", type=int, default=500)
    parser.add_argument("--without-address", type=int, default=20)
    given = parser.parse_args()
    ending.in_order()
    with tempfile.TemporaryDirectory(prefix="careloop-bench-") as folder:
        cluster = postgres.cluster(Path(folder), fsync=True)
        environment = {
            **os.environ,
            "CARELOOP_DATA_DIR": folder,
            "CARELOOP_DATABASE_URL": cluster.url(),
            "CARELOOP_DATABASE_OWNER_URL": cluster.url(postgres.OWNER),
            "CARELOOP_HOSPITAL_NAME": "云溪市第一人民医院",
            "CARELOOP_HOSPITAL_PHONE": "0571-88880000",
            "DJANGO_SETTINGS_MODULE": "careloop.config.settings",
            "PYTHONPATH": str(ROOT / "src"),
        }
        try:
            with ending.whole():
                postgres.start(cluster)
                postgres.ensure_database(cluster)
            ending.answer_of([sys.executable, "-m", "careloop", "migrate"], cwd=ROOT, environment=environment)
            arguments = [str(ROOT), str(given.letters), str(given.without_address)]
            print(ending.answer_of([sys.executable, "-c", WORK, *arguments], cwd=ROOT, environment=environment), end="")
        finally:
            postgres.destroy(cluster)
    return 0


def inside(letters: int, without_address: int) -> None:
    """In the process that has the database: a small batch first, then the large one."""
    import django

    django.setup()
    small = measured(max(letters // 10, 10), 0)
    large = measured(letters, without_address)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    each = {
        name: (run["rows_cpu_s"] + run["pdf_cpu_s"]) / run["made"] * 1000
        for name, run in (("small", small), ("large", large))
    }
    print(
        json.dumps(
            {
                "letters": large["made"], "passed_over": large["skipped"], "reasons": large["reasons"],
                "seconds": round(large["rows_s"] + large["pdf_s"], 2), "rows_s": round(large["rows_s"], 2),
                "pdf_s": round(large["pdf_s"], 2),
                "rows_cpu_s": round(large["rows_cpu_s"], 2), "pdf_cpu_s": round(large["pdf_cpu_s"], 2), "cpu_ms_each": round(each["large"], 1),
                "times_the_small_batch_each": round(each["large"] / each["small"], 2),
                "pdf_kb_each": round(large["bytes"] / large["made"] / 1024, 1), "peak_mb": round(peak),
            },
            ensure_ascii=False,
        )
    )  # fmt: skip


def measured(letters: int, without_address: int) -> dict[str, Any]:
    """One batch: the time of the rows and of the last step apart."""
    from careloop.batches import actions, jobs
    from careloop.batches.models import Batch, BatchFile
    from careloop.batches.reads import reasons

    batch = prepared(letters, without_address)
    by = jobs.MACHINE
    begun, cpu = time.perf_counter(), time.process_time()
    while actions.work_on(batch_id=batch.pk, at=now(), by=by):
        pass
    rows_done, rows_cpu = time.perf_counter(), time.process_time()
    actions.finish_batch(batch_id=batch.pk, at=now(), by=by)
    finished, pdf_cpu = time.perf_counter(), time.process_time()
    batch = Batch.objects.get(pk=batch.pk)
    assert batch.done + batch.skipped == letters, batch.progress
    assert batch.skipped == without_address, reasons(batch)
    return {
        "made": batch.done, "skipped": batch.skipped, "reasons": {r.code: r.count for r in reasons(batch)},
        "rows_s": rows_done - begun, "pdf_s": finished - rows_done, "rows_cpu_s": rows_cpu - cpu, "pdf_cpu_s": pdf_cpu - rows_cpu, "bytes": BatchFile.objects.get(batch=batch).size,
    }  # fmt: skip


def prepared(letters: int, without_address: int) -> Any:
    """Patients with a stay and a task, and the batch over them."""
    from datetime import timedelta
    from uuid import uuid4

    from careloop.accounts.models import Organization
    from careloop.batches.actions import start_batch
    from careloop.batches.jobs import MACHINE
    from careloop.batches.rules import Item
    from careloop.kernel.actions import seeding
    from careloop.letters.models import LetterTemplate
    from careloop.patients.models import ContactPoint, Encounter, Patient
    from careloop.tasks.models import Task

    at = now()
    with seeding():
        root = Organization.objects.filter(code="BENCH").first() or Organization.objects.create(
            code="BENCH", name="云溪市第一人民医院", kind="hospital", path="/BENCH/"
        )
        people = Patient.objects.bulk_create(
            Patient(
                name="周国强",
                sex="male",
                address="" if n < without_address else f"浙江省云溪市西山区人民路 {n} 号 3 幢 2 单元 501 室",
            )
            for n in range(letters)
        )
        ContactPoint.objects.bulk_create(
            ContactPoint(patient=p, value=f"+8613{n:09d}", last4=f"{n:04d}"[-4:], is_mobile=True)
            for n, p in enumerate(people)
        )
        stays = Encounter.objects.bulk_create(
            Encounter(
                patient=p, system="BENCH", visit_number=uuid4().hex, class_code="IMP", status="finished", department=root,
                admitted_at=at - timedelta(days=14), discharged_at=at - timedelta(days=7), discharge_cycle=1,
            )
            for p in people
        )  # fmt: skip
        tasks = Task.objects.bulk_create(
            Task(
                patient=s.patient, department=root, key=f"bench:{s.pk}", kind="follow-up", encounter_id=s.pk,
                questionnaire_url="https://careloop.org/Questionnaire/general-discharge", available_at=at, due_at=at,
            )
            for s in stays
        )  # fmt: skip
    template = LetterTemplate.objects.get(code="not-reached", state="approved")
    return start_batch(
        kind="letters.letters", title="bench", key=uuid4().hex,
        items=[Item(str(t.pk), t.patient_id, {"task_id": str(t.pk)}) for t in tasks],
        parameters={"template_id": str(template.pk)}, at=at, by=MACHINE,
    )  # fmt: skip


def now() -> Any:
    from django.utils import timezone

    return timezone.now()


if __name__ == "__main__":
    sys.exit(main())
