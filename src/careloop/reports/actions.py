"""Folding and checking the roll-up, and logging who looked behind a number."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from careloop.audit.record import record
from careloop.kernel.actions import action, wrote
from careloop.kernel.viewer import Viewer
from careloop.publichealth.reads import packs
from careloop.reports import rules
from careloop.reports.events import DrilledDown, ProgrammesAligned, RollupChecked, RollupFolded
from careloop.reports.models import ProgrammeRule, ProgrammeYear, RollupCheck

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

# The rows of a day become one, or none where nothing is left to count. See migration 0006 for `slots`.
_C_KEY = "measure, month, department_id, day"
_FOLD_CLOCK = f"""
WITH crowded AS (SELECT DISTINCT {_C_KEY} FROM reports_clockrollup WHERE slot IS NOT NULL),
gone AS (
    DELETE FROM reports_clockrollup r USING crowded c
    WHERE (r.measure, r.month, r.department_id, r.day) = (c.measure, c.month, c.department_id, c.day) RETURNING r.*
),
parts AS (
    SELECT {_C_KEY}, slot, number FROM gone WHERE slot IS NOT NULL
    UNION ALL
    SELECT {_C_KEY}, (s.place - 1)::smallint, s.number - coalesce(slots[s.place + 1], 0)
    FROM (SELECT {_C_KEY}, slots FROM gone WHERE slot IS NULL) folded CROSS JOIN LATERAL unnest(slots) WITH ORDINALITY s (number, place)
)
INSERT INTO reports_clockrollup ({_C_KEY}, number, slots) SELECT {_C_KEY}, slots[1], slots FROM (
    SELECT {_C_KEY}, reports_later(array_agg(slot), array_agg(number)) AS slots FROM parts GROUP BY {_C_KEY} ORDER BY {_C_KEY}
) days WHERE 0 <> ANY(slots)
"""
_CLOCK_DIFFERENCES = f"""
INSERT INTO reports_clockrollup ({_C_KEY}, slot, number)
SELECT {_C_KEY}, slot, sum(number) FROM (
    SELECT {_C_KEY}, slot, number FROM reports_clockrecount
    UNION ALL SELECT {_C_KEY}, slot, -number FROM reports_clockslots
) both_sides GROUP BY {_C_KEY}, slot HAVING sum(number) <> 0
"""

# The first contacts of recent discharges are found again too; a change moves the roll-up through its trigger.
CONTACTS_CHECKED = timedelta(days=62)
_FIRST_CONTACTS = """
SELECT reports_recontact(ARRAY(
    SELECT id FROM patients_encounter WHERE status = 'finished' AND discharged_at > %s ORDER BY id
))
"""


_P_KEY = "programme, year, department_id, since, until"
_P_NAMES = ", ".join(rules.PROGRAMME)
_P_SUMS = ", ".join(f"sum({name})" for name in rules.PROGRAMME)
_P_FACT = f"kind, source_id, {_P_KEY}, {_P_NAMES}"
_P_VALUES = ("department_id", "since", "until", *rules.PROGRAMME)

_FOLD_PROGRAMMES = f"""
WITH crowded AS (SELECT {_P_KEY} FROM reports_programmerollup GROUP BY {_P_KEY} HAVING count(*) > 1),
gone AS (
    DELETE FROM reports_programmerollup r USING crowded c
    WHERE (r.programme, r.year, r.department_id, r.since, r.until) = (c.programme, c.year, c.department_id, c.since, c.until)
    RETURNING r.*
)
INSERT INTO reports_programmerollup ({_P_KEY}, {_P_NAMES}) SELECT {_P_KEY}, {_P_SUMS} FROM gone GROUP BY {_P_KEY}
"""

# The facts as the sources have them now; a trigger carries every difference into the roll-up.
_FACTS = f"""
WITH found AS MATERIALIZED (SELECT {_P_FACT} FROM reports_programmesource),
gone AS (
    DELETE FROM reports_programmefact f WHERE NOT EXISTS (
        SELECT 1 FROM found n
        WHERE (n.kind, n.source_id, n.programme, n.year) = (f.kind, f.source_id, f.programme, f.year)
    ) RETURNING 1
),
put AS (
    INSERT INTO reports_programmefact ({_P_FACT}) SELECT {_P_FACT} FROM found ORDER BY kind, source_id, programme, year
    ON CONFLICT (kind, source_id, programme, year) DO UPDATE
        SET {", ".join(f"{name} = excluded.{name}" for name in _P_VALUES)}
        WHERE ({", ".join(f"reports_programmefact.{name}" for name in _P_VALUES)})
            IS DISTINCT FROM ({", ".join(f"excluded.{name}" for name in _P_VALUES)})
    RETURNING 1
)
SELECT (SELECT count(*) FROM found), (SELECT count(*) FROM gone) + (SELECT count(*) FROM put)
"""
_PROGRAMME_DIFFERENCES = f"""
INSERT INTO reports_programmerollup ({_P_KEY}, {_P_NAMES})
SELECT {_P_KEY}, {_P_SUMS} FROM (
    SELECT {_P_KEY}, {_P_NAMES} FROM reports_programmefact
    UNION ALL
    SELECT {_P_KEY}, {", ".join(f"-{name}" for name in rules.PROGRAMME)} FROM reports_programmerollup
) both_sides GROUP BY {_P_KEY} HAVING {" OR ".join(f"sum({name}) <> 0" for name in rules.PROGRAMME)}
"""
_FIRST_YEAR = "SELECT least(min(extract(year FROM started_on)), %s)::int FROM publichealth_episodeofcare"


@action
def align_programmes(*, at: datetime, by: Viewer) -> bool:
    """Count by the rule pack in force, and open the running and the next year. Says whether anything was counted anew."""
    row = packs.pack_on(timezone.localdate(at))
    wanted = {one.code: one for one in row.pack().programmes} if row else {}
    changed = _align_rules(wanted)
    years = _open_years(timezone.localdate(at).year)
    if not (changed or years):
        return False
    _found, moved = _count_programmes()
    record(ProgrammesAligned(programmes=len(wanted), rows=moved), by=by)
    return True


def _align_rules(wanted: Mapping[str, Any]) -> int:
    gone = ProgrammeRule.objects.exclude(programme__in=list(wanted)).delete()[0]
    known = {row.programme: row for row in ProgrammeRule.objects.all()}
    changed = gone
    for code, one in wanted.items():
        values = {
            "visits_per_year": max(1, one.visits_per_year), "first_visit_hours": one.first_visit_hours,
            "diagnoses": list(one.diagnoses),
        }  # fmt: skip
        there = known.get(code)
        if there is None or any(getattr(there, name) != value for name, value in values.items()):
            ProgrammeRule.objects.update_or_create(programme=code, defaults=values)
            changed += 1
    return changed


def _open_years(year: int) -> int:
    """From the first year somebody was under management (three years back at least) to the next one."""
    with connection.cursor() as cursor:
        cursor.execute(_FIRST_YEAR, [year - 3])
        first = cursor.fetchone()[0]
    known = set(ProgrammeYear.objects.values_list("year", flat=True))
    fresh = [ProgrammeYear(year=one) for one in range(first, year + 2) if one not in known]
    ProgrammeYear.objects.bulk_create(fresh, ignore_conflicts=True)
    return len(fresh)


def _count_programmes() -> tuple[int, int]:
    """Every fact found again. Gives back how many there are and how many were not as they should be."""
    with connection.cursor() as cursor:
        cursor.execute(_FACTS)
        found, moved = cursor.fetchone()
        cursor.execute(_PROGRAMME_DIFFERENCES)
        balanced = cursor.rowcount
    wrote("ProgrammeFact", moved)
    wrote("ProgrammeRollup", balanced)
    return found, moved + balanced


@action
def fold_rollup(*, by: Viewer) -> int:
    """Add up the rows of each key into one. Gives back how many keys were folded; 0 when another process is at it."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK)
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(_FOLD)
        folded = cursor.rowcount
        cursor.execute(_FOLD_CLOCK)
        folded += cursor.rowcount
        cursor.execute(_FOLD_PROGRAMMES)
        folded += cursor.rowcount
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
        cursor.execute("SELECT count(*) FROM reports_clockrecount")
        groups += cursor.fetchone()[0]
        cursor.execute(_CLOCK_DIFFERENCES)
        by_day = cursor.rowcount
    wrote("Rollup", differing)
    wrote("ClockRollup", by_day)
    differing += by_day
    found, moved = _count_programmes()
    groups, differing = groups + found, differing + moved
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
