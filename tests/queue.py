"""What a worker would find: the events queued for a job, alone or as a piece of a turn."""

from __future__ import annotations

from typing import Any

from procrastinate.contrib.django.models import ProcrastinateJob

IN_TURN = "careloop.kernel.jobs.in_turn"


def queued(job_name: str) -> list[dict[str, Any]]:
    """The events this job was given and has not had yet, in the order of the queue. Jobs of tests that commit stay there."""
    found: list[dict[str, Any]] = []
    for row in ProcrastinateJob.objects.filter(task_name__in=[job_name, IN_TURN], status="todo").order_by("id"):
        if row.task_name == IN_TURN:
            found += [event for name, event in row.args["pieces"] if name == job_name]
        else:
            found.append(row.args["event"])
    return found


def turns(patient_id: object) -> list[list[tuple[str, dict[str, Any]]]]:
    """The pieces of each turn about this patient."""
    rows = ProcrastinateJob.objects.filter(task_name=IN_TURN, status="todo").order_by("id")
    found = [[(name, event) for name, event in row.args["pieces"]] for row in rows]
    return [pieces for pieces in found if pieces[0][1]["patient_id"] == str(patient_id)]
