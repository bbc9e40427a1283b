"""Mending what died, and saying so."""

from __future__ import annotations

from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django import app

from careloop.audit.record import record
from careloop.kernel.actions import action, wrote
from careloop.kernel.viewer import Viewer
from careloop.messaging.events import JobsRescued, OutboxStalled

_STALLED = """
select job.id from procrastinate_jobs job
left join procrastinate_workers worker on worker.id = job.worker_id
where job.status = 'doing'
  and (job.worker_id is null or worker.last_heartbeat < now() - make_interval(secs => %s))
order by job.id for update of job skip locked
"""


@action
def rescue_stalled_jobs(*, stalled_seconds: int, by: Viewer) -> int:
    """Give jobs of dead workers to living ones. Procrastinate itself never does; the job may run twice."""
    with connection.cursor() as cursor:
        cursor.execute(_STALLED, [stalled_seconds])
        ids = [row[0] for row in cursor.fetchall()]
    for job_id in ids:
        app.job_manager.retry_job_by_id(job_id=job_id, retry_at=timezone.now())
    if ids:
        wrote("procrastinate_jobs", len(ids))
        record(JobsRescued(count=len(ids)), by=by)
    return len(ids)


@action
def raise_outbox_alarm(*, oldest_due_seconds: int, waiting: int, by: Viewer) -> None:
    """Messages are due and do not leave: write it where the system administrator looks."""
    record(OutboxStalled(oldest_due_seconds=oldest_due_seconds, waiting=waiting), by=by)
