"""Folding and checking the roll-up, and logging who looked behind a number."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db import connection

from careloop.audit.record import record
from careloop.kernel.actions import action, wrote
from careloop.kernel.viewer import Viewer
from careloop.reports import rules
from careloop.reports.events import DrilledDown, RollupChecked, RollupFolded
from careloop.reports.models import RollupCheck

_NAMES = ", ".join(rules.STORED)
_SUMS = ", ".join(f"sum({name})" for name in rules.STORED)
_KEY = "month, department_id, practitioner_id"

# One folder at a time; writers are never kept waiting, because they only add rows.
_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('reports.rollup'))"

# Every row that is seen here is taken away and comes back in its sum, in one statement: no reader sees less.
_FOLD = f"""
WITH crowded AS (SELECT {_KEY} FROM reports_rollup GROUP BY {_KEY} HAVING count(*) > 1),
gone AS (
    DELETE FROM reports_rollup r USING crowded c
    WHERE r.month = c.month AND r.department_id = c.department_id AND r.practitioner_id = c.practitioner_id
    RETURNING r.*
)
INSERT INTO reports_rollup ({_KEY}, {_NAMES}) SELECT {_KEY}, {_SUMS} FROM gone GROUP BY {_KEY}
"""

_DIFFERENCES = f"""
SELECT {_KEY}, {", ".join(f"sum({name})::bigint AS {name}" for name in rules.STORED)} FROM (
    SELECT {_KEY}, {_NAMES} FROM reports_recount
    UNION ALL
    SELECT {_KEY}, {", ".join(f"-{name}::bigint" for name in rules.STORED)} FROM reports_rollup
) both_sides GROUP BY {_KEY} HAVING {" OR ".join(f"sum({name}) <> 0" for name in rules.STORED)}
"""

# The first contacts of recent discharges are found again too; a change moves the roll-up through its trigger.
CONTACTS_CHECKED = timedelta(days=62)
_FIRST_CONTACTS = """
SELECT reports_recontact(ARRAY(
    SELECT id FROM patients_encounter WHERE status = 'finished' AND discharged_at > %s ORDER BY id
))
"""


@action
def fold_rollup(*, by: Viewer) -> int:
    """Add up the rows of each key into one. Gives back how many keys were folded; 0 when another process is at it."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK)
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(_FOLD)
        folded = cursor.rowcount
    if folded:
        wrote("Rollup", folded)
        record(RollupFolded(rows=folded), by=by)
    return folded


@action
def check_rollup(*, at: datetime, by: Viewer) -> RollupCheck:
    """Count everything again and compare. A difference is written down and put right by a row that balances it."""
    started = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute(_FIRST_CONTACTS, [at - CONTACTS_CHECKED])
        cursor.execute(f"SELECT count(*) FROM (SELECT DISTINCT {_KEY} FROM reports_recount) keys")
        groups = cursor.fetchone()[0]
        # One statement, so one snapshot for both sides of the comparison, whatever is being written meanwhile.
        cursor.execute(f"INSERT INTO reports_rollup ({_KEY}, {_NAMES}) {_DIFFERENCES}")
        differing = cursor.rowcount
    wrote("Rollup", differing)
    check = RollupCheck.objects.create(
        at=at, groups=groups, differing=differing, seconds=round(time.monotonic() - started, 3)
    )
    wrote("RollupCheck", 1)
    record(RollupChecked(groups=groups, differing=differing), by=by)
    return check


@action
def log_drill_down(
    *,
    indicator: str,
    side: str,
    month: date,
    department_id: UUID | None,
    practitioner_id: UUID | None,
    shown: Sequence[UUID],
    by: Viewer,
) -> None:
    """Looking behind a number is an act too."""
    record(
        DrilledDown(
            indicator=indicator,
            side=side,
            month=month.isoformat(),
            department_id=department_id,
            practitioner_id=practitioner_id,
            shown=tuple(str(one) for one in shown),
        ),
        by=by,
    )
