"""Folding and checking the roll-up, and logging who looked behind a number."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
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

log = logging.getLogger(__name__)

_NAMES = ", ".join(rules.STORED)
_SUMS = ", ".join(f"sum({name})" for name in rules.STORED)
_KEY = "month, department_id, practitioner_id"

# One folder at a time; writers are never kept waiting, because they only add rows.
_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('reports.rollup'))"

# Every row that is seen here is taken away and comes back in its sum, and what is new in it goes into the sums of its
# month, in one statement: no reader sees less or more.
_WITHOUT_PEOPLE = "GROUP BY GROUPING SETS ((month, department_id), (month))"
_INTO_MONTHS = f"""
INSERT INTO reports_monthrollup (month, department_id, {_NAMES}) {{rows}}
ON CONFLICT (month, department_id) DO UPDATE
    SET {", ".join(f"{name} = reports_monthrollup.{name} + excluded.{name}" for name in rules.STORED)}
"""
_FOLD = f"""
WITH crowded AS (SELECT DISTINCT {_KEY} FROM reports_rollup WHERE NOT folded),
gone AS (
    DELETE FROM reports_rollup r USING crowded c
    WHERE r.month = c.month AND r.department_id = c.department_id AND r.practitioner_id = c.practitioner_id
    RETURNING r.*
),
months AS ({_INTO_MONTHS.format(rows=f"SELECT month, department_id, {_SUMS} FROM gone WHERE NOT folded {_WITHOUT_PEOPLE}")})
INSERT INTO reports_rollup ({_KEY}, {_NAMES}, folded) SELECT {_KEY}, {_SUMS}, true FROM gone GROUP BY {_KEY}
"""

# A comparison asks first and writes only what differs. The question is one statement, so one snapshot for both sides,
# whatever is being written meanwhile; it may use several processes, keeps no lock and no number of a transaction.
_BOTH_SIDES = f"""
SELECT {_KEY}, bool_or(counted) AS counted, {", ".join(f"sum({name})::bigint AS {name}" for name in rules.STORED)} FROM (
    SELECT {_KEY}, true AS counted, {_NAMES} FROM reports_recount
    UNION ALL
    SELECT {_KEY}, false, {", ".join(f"-{name}::bigint" for name in rules.STORED)} FROM reports_rollup
) both_sides GROUP BY {_KEY}
"""
_DIFFERS = " OR ".join(f"{name} <> 0" for name in rules.STORED)
_COMPARED = f"SELECT count(*) FILTER (WHERE counted), count(*) FILTER (WHERE {_DIFFERS}) FROM ({_BOTH_SIDES}) compared"
_BALANCED = f"INSERT INTO reports_rollup ({_KEY}, {_NAMES}) SELECT {_KEY}, {_NAMES} FROM ({_BOTH_SIDES}) compared WHERE {_DIFFERS}"
# The sums of the months against the folded rows they are the sums of; a difference is added, whoever folds meanwhile.
_MONTHS_DIFFER = f"""
SELECT month, department_id, {", ".join(f"sum({name})::bigint AS {name}" for name in rules.STORED)} FROM (
    SELECT month, department_id, {", ".join(f"sum({name}) AS {name}" for name in rules.STORED)} FROM reports_rollup
    WHERE folded {_WITHOUT_PEOPLE}
    UNION ALL
    SELECT month, department_id, {", ".join(f"-{name}" for name in rules.STORED)} FROM reports_monthrollup
) both_sides GROUP BY month, department_id HAVING {" OR ".join(f"sum({name}) <> 0" for name in rules.STORED)}
"""
_MONTHS_COMPARED = f"SELECT count(*) FROM ({_MONTHS_DIFFER}) differing"
_MONTHS_BALANCED = _INTO_MONTHS.format(rows=_MONTHS_DIFFER)

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
_CLOCK_BOTH_SIDES = f"""
SELECT {_C_KEY}, slot, bool_or(counted) AS counted, sum(number) AS number FROM (
    SELECT {_C_KEY}, slot, 1 AS number, true AS counted FROM reports_clocksource
    UNION ALL SELECT {_C_KEY}, slot, -number, false FROM reports_clockslots WHERE number <> 0
) both_sides GROUP BY {_C_KEY}, slot
"""
_CLOCK_COMPARED = (
    f"SELECT count(*) FILTER (WHERE counted), count(*) FILTER (WHERE number <> 0) FROM ({_CLOCK_BOTH_SIDES}) compared"
)
_CLOCK_BALANCED = f"""
INSERT INTO reports_clockrollup ({_C_KEY}, slot, number)
SELECT {_C_KEY}, slot, number FROM ({_CLOCK_BOTH_SIDES}) compared WHERE number <> 0
"""

# The first contacts of recent discharges are found again too; a change moves the roll-up through its trigger.
CONTACTS_CHECKED = timedelta(days=62)
_FIRST_CONTACTS = """
SELECT reports_recontact(ARRAY(
    SELECT id FROM patients_encounter WHERE status = 'finished' AND discharged_at > %s ORDER BY id
))
"""

# Whose readmissions are not as the stays say. They are found again one patient after the other, as a change of a stay does.
_R_COLUMNS = "encounter_id, month, department_id, practitioner_id, day, readmitted_at"
_READMISSIONS = f"""
SELECT DISTINCT e.patient_id FROM (
    (SELECT {_R_COLUMNS} FROM reports_readmissionsource EXCEPT SELECT {_R_COLUMNS} FROM reports_readmission)
    UNION ALL (SELECT {_R_COLUMNS} FROM reports_readmission EXCEPT SELECT {_R_COLUMNS} FROM reports_readmissionsource)
) differing LEFT JOIN patients_encounter e ON e.id = differing.encounter_id
"""
AT_ONCE = 1000
_READMIT = "SELECT reports_readmit(%s::uuid[])"
_NOBODYS_READMISSIONS = "DELETE FROM reports_readmission r WHERE NOT EXISTS (SELECT 1 FROM patients_encounter e WHERE e.id = r.encounter_id)"

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

# The facts as the sources have them now; a trigger carries every difference into the roll-up. Facts that are right are
# not touched: a row that is written "if it differs" would be locked all the same.
_P_SAME = "(n.kind, n.source_id, n.programme, n.year) = (f.kind, f.source_id, f.programme, f.year)"
_P_DIFFERS = f"({', '.join(f'n.{name}' for name in _P_VALUES)}) IS DISTINCT FROM ({', '.join(f'f.{name}' for name in _P_VALUES)})"
_FACTS_COMPARED = f"""
SELECT count(n.kind), count(*) FILTER (WHERE n.kind IS NULL OR f.kind IS NULL OR {_P_DIFFERS})
FROM reports_programmesource n FULL JOIN reports_programmefact f ON {_P_SAME}
"""
_FACTS = f"""
WITH found AS MATERIALIZED (SELECT {_P_FACT} FROM reports_programmesource),
gone AS (
    DELETE FROM reports_programmefact f WHERE NOT EXISTS (SELECT 1 FROM found n WHERE {_P_SAME}) RETURNING 1
)
INSERT INTO reports_programmefact ({_P_FACT})
SELECT {", ".join(f"n.{name}" for name in _P_FACT.split(", "))} FROM found n LEFT JOIN reports_programmefact f ON {_P_SAME}
WHERE f.kind IS NULL OR {_P_DIFFERS} ORDER BY n.kind, n.source_id, n.programme, n.year
ON CONFLICT (kind, source_id, programme, year) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _P_VALUES)}
"""
_P_BOTH_SIDES = f"""
SELECT {_P_KEY}, {", ".join(f"sum({name}) AS {name}" for name in rules.PROGRAMME)} FROM (
    SELECT {_P_KEY}, {_P_NAMES} FROM reports_programmefact
    UNION ALL
    SELECT {_P_KEY}, {", ".join(f"-{name}" for name in rules.PROGRAMME)} FROM reports_programmerollup
) both_sides GROUP BY {_P_KEY} HAVING {" OR ".join(f"sum({name}) <> 0" for name in rules.PROGRAMME)}
"""
_P_COMPARED = f"SELECT count(*) FROM ({_P_BOTH_SIDES}) compared"
_P_BALANCED = f"INSERT INTO reports_programmerollup ({_P_KEY}, {_P_NAMES}) {_P_BOTH_SIDES}"
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
    found, moved = _counted(_FACTS_COMPARED)
    if moved:
        _written("ProgrammeFact", _FACTS)
    balanced = _counted(_P_COMPARED)[0]
    if balanced:
        _written("ProgrammeRollup", _P_BALANCED)
    return found, moved + balanced


# Millions of rows make few thousand sums, but the server guesses that each is a group of its own and would sort them all.
# For this transaction only.
_IN_MEMORY = "SELECT set_config('work_mem', '64MB', true), set_config('enable_sort', 'off', true)"


def _counted(sql: str) -> tuple[int, ...]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return tuple(cursor.fetchone() or ())


def _written(table: str, sql: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        wrote(table, cursor.rowcount)
        return int(cursor.rowcount)


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
    """Count everything again and compare. A difference is written down and put right by a row that balances it.

    Each source is read once, whole: a follow-up's neighbours on the disk are due in other months, so going month by month
    would read it all several times. Nothing is locked, and as long as nothing differs nothing is written until the end.
    """
    started = time.monotonic()
    groups = differing = 0
    _counted(_IN_MEMORY)
    for name, compare in _COMPARISONS.items():
        begun = time.monotonic()
        counted, wrong = compare(at)
        log.info("recount of %s: %d compared, %d differing, %.1f s", name, counted, wrong, time.monotonic() - begun)
        groups, differing = groups + counted, differing + wrong
    check = RollupCheck.objects.create(
        at=at, groups=groups, differing=differing, seconds=round(time.monotonic() - started, 3)
    )
    wrote("RollupCheck", 1)
    record(RollupChecked(groups=groups, differing=differing), by=by)
    return check


def _check_contacts(at: datetime) -> tuple[int, int]:
    """First contacts and readmissions, which the months count; what moves here moves the months by its trigger."""
    with connection.cursor() as cursor:
        cursor.execute(_FIRST_CONTACTS, [at - CONTACTS_CHECKED])
        cursor.execute(_READMISSIONS)
        patients = sorted((row[0] for row in cursor.fetchall()), key=str)
        if patients:
            cursor.execute(_NOBODYS_READMISSIONS)
        for first in range(0, len(patients), AT_ONCE):
            cursor.execute(_READMIT, [[one for one in patients[first : first + AT_ONCE] if one is not None]])
    return 0, len(patients)


def _check_months(at: datetime) -> tuple[int, int]:
    groups, differing = _counted(_COMPARED)
    moved = _written("Rollup", _BALANCED) if differing else 0
    if _counted(_MONTHS_COMPARED)[0]:
        moved += _written("MonthRollup", _MONTHS_BALANCED)
    return groups, moved


def _check_clock(at: datetime) -> tuple[int, int]:
    groups, differing = _counted(_CLOCK_COMPARED)
    return groups, _written("ClockRollup", _CLOCK_BALANCED) if differing else 0


def _check_programmes(at: datetime) -> tuple[int, int]:
    return _count_programmes()


_COMPARISONS: dict[str, Callable[[datetime], tuple[int, int]]] = {
    "contacts": _check_contacts, "months": _check_months, "clock": _check_clock, "programmes": _check_programmes,
}  # fmt: skip


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
