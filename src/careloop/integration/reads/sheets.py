"""What the page of a spreadsheet asks: its rows as they would be taken in, and what became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db.models import Count

from careloop.accounts.models import Organization, OrganizationCode
from careloop.integration.access import IMPORT
from careloop.integration.hl7v2.facts import Site
from careloop.integration.models import InboxMessage, PatientSheet
from careloop.integration.reads.here import site
from careloop.integration.sheets.columns import Line, columns
from careloop.integration.sheets.rows import Problem, Told, examine, visit_day
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Encounter, PatientIdentifier
from careloop.patients.rules.codes import clean
from careloop.patients.rules.names import clean_name

KEPT_SHEETS = 50


@dataclass(frozen=True, slots=True)
class Row:
    """A row that can be taken in: what it says, and the same in the words of the inbox (department by code, known stay)."""

    line: Line
    said: Told
    told: Told


@dataclass(frozen=True, slots=True)
class Trouble:
    """A row with something wrong or doubtful, and what stands there."""

    line: Line
    problem: Problem
    value: str = ""


@dataclass(slots=True)
class Examined:
    """A list as it would be taken in now. good + kept_out + other_person = its rows."""

    good: list[Row] = field(default_factory=list)
    errors: list[Trouble] = field(default_factory=list)
    doubts: list[Trouble] = field(default_factory=list)
    other_person: list[Trouble] = field(default_factory=list)
    kept_out: int = 0
    known_patients: int = 0
    unknown_departments: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return len(self.good) + self.kept_out + len(self.other_person)


def usual_facility() -> str:
    """Who issues the record numbers here: the sender of the newest message that names one, else the site's stand-in."""
    newest = InboxMessage.objects.unscoped("the sender alone").exclude(channel=InboxMessage.Channel.SHEET)
    return newest.order_by("-seq").values_list("facility", flat=True).first() or site().facility


def sheets(*, by: Viewer) -> list[PatientSheet]:
    """One's own lists, the newest first, without their content."""
    rows = PatientSheet.objects.visible_to(by).defer("data", "lines", "headings", "sha256")
    return list(rows.order_by("-id")[:KEPT_SHEETS])


def lines_of(sheet: PatientSheet) -> Iterator[tuple[Line, Told]]:
    """Each row with what it says under the columns that were recognised or chosen, full-width digits and spaces put right:
    a number must be found again however it was typed.
    """
    for number, cells in sheet.lines:
        line = Line(number, tuple(cells))
        yield line, {code: text for code, place in sheet.meaning.items() if (text := clean(cells[place]))}


def may_import(by: Viewer) -> bool:
    """A list may hold patients of every department, and changes what we know of them: it takes the whole hospital."""
    return by.can(IMPORT) and (by.hospital_wide or by.everything)


def examined(sheet: PatientSheet, *, at: datetime) -> Examined:
    """Every row read, compared with the patients we know. Four statements for any number of rows."""
    here = site()
    on = at.astimezone(here.zone).date()
    found = Examined(missing=[each.code for each in columns() if each.is_required and each.code not in sheet.meaning])
    if found.missing:
        found.kept_out = len(sheet.lines)
        return found
    rows = [row for row in _readable(sheet, here, on, found)]
    people = _holders(sheet.facility, {row.told["number"] for row in rows})
    rows = _same_people(rows, people, found)
    departments = _Departments(sheet.facility)
    stays = _stays(rows, people, here)
    found.known_patients = len({row.told["number"] for row in rows} & set(people))
    for row in rows:
        told = departments.resolved(row.told)
        found.good.append(Row(row.line, row.said, {**told, **_known_stay(told, people, stays, here)}))
    found.unknown_departments = departments.unknown
    return found


def _readable(sheet: PatientSheet, here: Site, on: date, found: Examined) -> Iterator[Row]:
    names: dict[str, str] = {}
    for line, told in lines_of(sheet):
        reading = examine(told, site=here, on=on)
        errors = list(reading.errors)
        if not errors and names.setdefault(told["number"], clean_name(told["name"])) != clean_name(told["name"]):
            errors.append(Problem("number", "two-names"))
        found.errors += (Trouble(line, each, told.get(each.column, "")) for each in errors)
        if errors:
            found.kept_out += 1
            continue
        found.doubts += (Trouble(line, each, told.get(each.column, "")) for each in reading.doubts)
        yield Row(line, told, told)


def _holders(facility: str, numbers: Iterable[str]) -> dict[str, tuple[UUID, str]]:
    """Record number → who has it here. A merged record leads to the one that is left."""
    held = PatientIdentifier.objects.unscoped("a list of the whole hospital names patients by number")
    rows = held.filter(system=facility, type="MR", value__in=list(numbers)).values_list(
        "value", "patient_id", "patient__name", "patient__merged_into_id"
    )
    return {value: (merged or patient, name) for value, patient, name, merged in rows}


def _same_people(rows: Sequence[Row], people: Mapping[str, tuple[UUID, str]], found: Examined) -> list[Row]:
    """A number that belongs to somebody with another name here: one of the two is wrong, and no list may rename a patient."""
    same = []
    for row in rows:
        __, name = people.get(row.told["number"], (None, ""))
        if name and clean_name(name) != clean_name(row.told["name"]):
            found.other_person.append(Trouble(row.line, Problem("number", "other-person"), row.told["number"]))
        else:
            same.append(row)
    return same


class _Departments:
    """Names and codes of departments, as a list writes them → the code the inbox understands."""

    def __init__(self, facility: str) -> None:
        self.unknown: Counter[str] = Counter()
        own = Organization.objects.filter(is_active=True).exclude(kind=Organization.Kind.HOSPITAL)
        self._codes: dict[str, str] = {}
        named: dict[str, set[str]] = {}
        for code, *names in own.order_by("code").values_list("code", "name", "name_en"):
            self._codes[code] = code
            for name in filter(None, names):
                named.setdefault(clean_name(name), set()).add(code)
        for name, codes in named.items():
            if len(codes) == 1:  # two departments of one name: a person says which
                self._codes.setdefault(name, *codes)
        mapped = OrganizationCode.objects.filter(system__in=(facility, ""))
        self._mapped = set(mapped.values_list("value", flat=True))

    def resolved(self, told: Told) -> Told:
        places = {code: told[code] for code in ("department", "ward") if code in told}
        if not places:
            return told
        known = {column: self._code(text) for column, text in places.items()}
        if not any(known.values()):
            self.unknown[next(iter(places.values()))] += 1
        return {**told, **{column: code or places[column] for column, code in known.items()}}

    def _code(self, text: str) -> str:
        if text in self._mapped:
            return text
        return self._codes.get(text) or self._codes.get(clean_name(text), "")


def _stays(
    rows: Sequence[Row], people: Mapping[str, tuple[UUID, str]], here: Site
) -> dict[tuple[UUID, date], tuple[str, str]]:
    """Patient and day → the visit we know already, for rows that bring no number of their own."""
    wanted = {people[row.told["number"]][0] for row in rows if "visit" not in row.told and row.told["number"] in people}
    known: dict[tuple[UUID, date], tuple[str, str]] = {}
    rows_of = Encounter.objects.unscoped("stays of the patients of a list").filter(patient_id__in=wanted)
    told: Any = rows_of.order_by("pk").values_list(
        "patient_id", "system", "visit_number", "admitted_at", "discharged_at"
    )
    for patient, system, number, *times in told:
        for at in filter(None, times):
            known.setdefault((patient, at.astimezone(here.zone).date()), (system, number))
    return known


def _known_stay(
    told: Told, people: Mapping[str, tuple[UUID, str]], stays: Mapping[tuple[UUID, date], tuple[str, str]], here: Site
) -> dict[str, str]:
    day = visit_day(told, site=here)
    if "visit" in told or day is None or told["number"] not in people:
        return {}
    authority, number = stays.get((people[told["number"]][0], day), ("", ""))
    return {"visit": number, "visit_authority": authority} if number else {}


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of the rows that went into the inbox. applied + waiting + dead + ignored = taken."""

    applied: int = 0
    waiting: int = 0
    dead: int = 0
    ignored: int = 0


def fate_of(sheet: PatientSheet) -> Fate:
    """Counted in the inbox, where each row is found by the moment it was stored."""
    if sheet.started_at is None:
        return Fate()
    states = InboxMessage.State
    rows = InboxMessage.objects.unscoped("counts of one's own list").filter(
        channel=InboxMessage.Channel.SHEET, received_at=sheet.started_at, peer=str(sheet.pk)
    )
    count = dict(rows.values_list("state").annotate(n=Count("pk")).order_by())
    waiting = sum(count.get(state, 0) for state in InboxMessage.UNFINISHED)
    return Fate(count.get(states.DONE, 0), waiting, count.get(states.DEAD, 0), count.get(states.IGNORED, 0))
