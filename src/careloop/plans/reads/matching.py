"""How many past discharges an enrolment rule would have taken: the rule as one SQL statement over indexed tables.

`rules.enrolment.match` decides about one discharge with all its reasons; this counts a year of them while somebody types.
A property test holds both together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from careloop.accounts.models import Organization
from careloop.kernel.counting import large_question
from careloop.plans.rules.codes import CodePattern
from careloop.plans.rules.content import EnrolmentRule, NameRule
from careloop.plans.rules.review import Matched

YEAR = timedelta(days=365)
# Nobody contacts these patients, whatever the rule says (rules.enrolment.exclusion).
_NEVER = ("died", "against-advice", "other-hospital")


@dataclass(slots=True)
class _Where:
    """Conditions with their parameters, in order."""

    texts: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def add(self, text: str, *values: object) -> None:
        self.texts.append(text)
        self.values += values

    def both(self, other: _Where) -> None:
        self.texts += other.texts
        self.values += other.values


def matched_last_year(rule: EnrolmentRule, *, at: datetime) -> Matched:
    """Last year's discharges, and how many of them the rule fits. Hospital-wide numbers: no patient can be seen."""
    return matched_between(rule, since=at - YEAR, until=at)


def matched_between(rule: EnrolmentRule, *, since: datetime, until: datetime) -> Matched:
    """The same for any span of discharge times; `since` is included."""
    of, where = _discharges(since, until), _rule(rule)
    with large_question(), connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM patients_encounter e {_JOIN} WHERE {_and(of)}", of.values)
        total = int(cursor.fetchone()[0])
        if not where.texts:
            return Matched(total, total)
        both = _Where([*of.texts, *where.texts], [*of.values, *where.values])
        cursor.execute(f"SELECT count(*) FROM patients_encounter e {_JOIN} WHERE {_and(both)}", both.values)
        return Matched(int(cursor.fetchone()[0]), total)


def matched_ids(rule: EnrolmentRule, *, since: datetime, until: datetime) -> set[UUID]:
    """Which stays they are: to check the statement against the rules."""
    where = _discharges(since, until)
    where.both(_rule(rule))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT e.id FROM patients_encounter e {_JOIN} WHERE {_and(where)}", where.values)
        return {row[0] for row in cursor.fetchall()}


_JOIN = "JOIN patients_patient p ON p.id = e.patient_id"


def _discharges(since: datetime, until: datetime) -> _Where:
    where = _Where()
    where.add("e.status = 'finished' AND e.discharged_at >= %s AND e.discharged_at < %s", since, until)
    where.add("NOT p.deceased AND NOT p.do_not_contact AND e.disposition <> ALL(%s)", list(_NEVER))
    return where


def _rule(rule: EnrolmentRule) -> _Where:
    where = _Where()
    main = " AND c.rank = 1" if rule.diagnoses.main_only else ""
    either = rule.either_code and bool(rule.diagnoses.wanted and rule.procedures.wanted)
    diagnosis = _codes("patients_condition", rule.diagnoses.wanted, main, under_or=either)
    procedure = _codes("patients_procedure", rule.procedures.wanted, under_or=either)
    if either:
        where.add(f"({_and(diagnosis)} OR {_and(procedure)})", *diagnosis.values, *procedure.values)
    else:
        where.both(diagnosis)
        where.both(procedure)
    for table, unwanted in (
        ("patients_condition", rule.diagnoses.unwanted),
        ("patients_procedure", rule.procedures.unwanted),
    ):
        for text, values in _pairs(_codes(table, unwanted)):
            where.add(f"NOT {text}", *values)
    where.both(_departments(rule.departments))
    where.both(_names("e.disposition", rule.dispositions))
    if rule.encounter_classes:
        where.add("e.class_code = ANY(%s)", sorted(rule.encounter_classes))
    if rule.sex:
        where.add("p.sex = %s", rule.sex)
    where.both(_age(rule))
    return where


def _codes(table: str, patterns: Sequence[CodePattern], more: str = "", *, under_or: bool = False) -> _Where:
    """One of the codes of the stay lies within one of the patterns. Under an OR it is a set that is hashed once; alone it
    becomes a join.
    """
    where = _Where()
    if not patterns:
        return where
    found = [_inside(table, pattern) for pattern in patterns]
    inside = f"c.active AND c.code <> ''{more} AND ({' OR '.join(text for text, _values in found)})"
    text = (
        f"e.id IN (SELECT c.encounter_id FROM {table} c WHERE {inside})"
        if under_or
        else f"EXISTS (SELECT 1 FROM {table} c WHERE c.encounter_id = e.id AND {inside})"
    )
    where.add(text, *[value for _text, values in found for value in values])
    return where


def _inside(table: str, pattern: CodePattern) -> tuple[str, list[object]]:
    """One prefix or range. The part before the dot narrows by index; `C` compares letter by letter, as the rules do."""
    letters, heading = _PLAIN[table], _HEADING[table]
    begin = _common(pattern.low, pattern.high)[:heading]
    quick = 'c.code_key COLLATE "C" LIKE %s' if begin else ""
    values: list[object] = [f"{begin}%"] if begin else []
    if begin == pattern.low == pattern.high:  # nothing of it stands behind the dot
        return f"({quick})", values
    quick = f"{quick} AND " if quick else ""
    if pattern.low == pattern.high:
        return f"({quick}{letters} LIKE %s)", [*values, f"{pattern.low}%"]
    span = f'left({letters}, %s) COLLATE "C" >= %s AND left({letters}, %s) COLLATE "C" <= %s'
    return f"({quick}{span})", [*values, len(pattern.low), pattern.low, len(pattern.high), pattern.high]


# `code_key` keeps its dot (`I21.0`, `36.06`); patterns have none. Some systems drop the leading zero of a chapter (`3.1`).
_PLAIN = {
    "patients_condition": "translate(c.code_key, './-', '')",
    "patients_procedure": "translate(CASE WHEN c.code_key ~ '^[0-9][.]' THEN '0' ELSE '' END || c.code_key, './-', '')",
}
_HEADING = {"patients_condition": 3, "patients_procedure": 0}


def _common(low: str, high: str) -> str:
    same = 0
    while same < min(len(low), len(high)) and low[same] == high[same]:
        same += 1
    return low[:same]


def _departments(rule: NameRule) -> _Where:
    """A department stands for everything below it."""
    where = _Where()
    if rule.wanted:
        where.add("e.department_id = ANY(%s)", _units(rule.wanted))
    if rule.unwanted:
        where.add("(e.department_id IS NULL OR e.department_id <> ALL(%s))", _units(rule.unwanted))
    return where


def _units(codes: Iterable[str]) -> list[UUID]:
    wanted = set(codes)
    rows = Organization.objects.values_list("pk", "path")
    return [pk for pk, path in rows if wanted & set(path.strip("/").split("/"))]


def _names(column: str, rule: NameRule) -> _Where:
    where = _Where()
    if rule.wanted:
        where.add(f"{column} = ANY(%s)", sorted(rule.wanted))
    if rule.unwanted:
        where.add(f"{column} <> ALL(%s)", sorted(rule.unwanted))
    return where


def _age(rule: EnrolmentRule) -> _Where:
    """Whole years on the day of discharge, in the hospital's time zone. Unknown birth dates fit no age."""
    where = _Where()
    day, zone = "(e.discharged_at AT TIME ZONE %s)::date", settings.ENV.time_zone
    years = f"date_part('year', age({day}, p.birth_date))"
    if rule.youngest is not None:
        where.add(f"{years} >= %s", zone, rule.youngest)
    if rule.oldest is not None:
        where.add(f"{years} <= %s", zone, rule.oldest)
    return where


def _pairs(where: _Where) -> Iterable[tuple[str, list[object]]]:
    """Only for conditions with one text."""
    return [(where.texts[0], where.values)] if where.texts else []


def _and(where: _Where) -> str:
    return " AND ".join(where.texts)
