"""What cohorts count by, from nothing."""

from __future__ import annotations

from django.db import connection

from careloop.audit.record import record
from careloop.cohorts.events import NewestRecounted
from careloop.cohorts.reads import newest
from careloop.kernel.actions import action, wrote
from careloop.kernel.viewer import Viewer


@action
def recount_newest(*, by: Viewer) -> int:
    """Write the newest results and answers anew. Gives back how many stood wrong; who writes results waits meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE patients_observation, questionnaires_answerfact IN SHARE MODE")
        wrong = newest.differences()
        if wrong:
            cursor.execute("SELECT cohorts_recount_newest()")
            wrote("NewestResult", wrong)
            record(NewestRecounted(wrong=wrong), by=by)
    return wrong
