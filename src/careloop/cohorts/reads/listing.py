"""Lists of patients: the rows on a page, and the same as a spreadsheet."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import xlsxwriter
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.utils import timezone, translation

from careloop.cohorts.reads import wording
from careloop.cohorts.rules.columns import Column, cell_text
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Patient

CHUNK = 1000

# One statement for a page and for a chunk of a file. What is joined belongs to a patient who is in the scoped list.
_ROWS = """
SELECT p.id, p.name, p.sex, p.birth_date, p.risk, p.deceased, p.address,
    (SELECT i.value FROM patients_patientidentifier i WHERE i.patient_id = p.id AND i.type IN ('MR', 'PI')
        ORDER BY i.type, i.id LIMIT 1) AS number,
    (SELECT c.value FROM patients_contactpoint c WHERE c.patient_id = p.id AND c.system = 'phone' AND c.active AND c.is_valid
        AND c.related_person_id IS NULL ORDER BY c.verified_at DESC NULLS LAST, c.rank, c.id LIMIT 1) AS telephone,
    d.name, e.discharged_at,
    (SELECT x.text FROM patients_condition x WHERE x.patient_id = p.id AND x.active
        ORDER BY (x.encounter_id = e.id) DESC NULLS LAST, x.rank, x.id LIMIT 1) AS diagnosis,
    (SELECT x.text FROM patients_procedure x WHERE x.patient_id = p.id AND x.active
        ORDER BY x.performed_at DESC NULLS LAST, x.rank, x.id LIMIT 1) AS operation,
    (SELECT string_agg(v.title, ', ' ORDER BY v.title) FROM plans_careplan c JOIN plans_plandefinition v ON v.id = c.definition_id
        WHERE c.patient_id = p.id AND c.ended_at IS NULL) AS plan,
    (SELECT min(t.due_at) FROM tasks_task t WHERE t.patient_id = p.id AND t.status = 'requested') AS next_due,
    (SELECT max(a.started_at) FROM tasks_contactattempt a WHERE a.patient_id = p.id AND a.undone_at IS NULL) AS last_contact,
    (SELECT string_agg(g.tag, ', ' ORDER BY g.tag) FROM cohorts_patienttag g WHERE g.patient_id = p.id) AS tags
FROM ({base}) mine JOIN patients_patient p ON p.id = mine.id
LEFT JOIN LATERAL (
    SELECT s.id, s.department_id, s.discharged_at FROM patients_encounter s
    WHERE s.patient_id = p.id AND s.status = 'finished' ORDER BY s.discharged_at DESC, s.id DESC LIMIT 1
) e ON true
LEFT JOIN accounts_organization d ON d.id = e.department_id
ORDER BY p.id
"""


@dataclass(frozen=True, slots=True)
class PatientLine:
    """One patient of a list."""

    id: UUID
    name: str
    sex: str
    birth_date: date | None
    risk: str
    deceased: bool
    address: str
    number: str | None
    telephone: str | None
    department: str | None
    discharged_at: datetime | None
    diagnosis: str | None
    operation: str | None
    plan: str | None
    next_due: datetime | None
    last_contact: datetime | None
    tags: str | None

    def age(self, today: date) -> int | None:
        if self.birth_date is None:
            return None
        had_birthday = (today.month, today.day) >= (self.birth_date.month, self.birth_date.day)
        return today.year - self.birth_date.year - (not had_birthday)


def lines(ids: Sequence[UUID], *, viewer: Viewer) -> list[PatientLine]:
    """These patients in the order of their ids; those the viewer may not see are not there."""
    mine = Patient.objects.visible_to(viewer).filter(pk__in=list(ids)).order_by().values("id")
    try:
        base, params = mine.query.sql_with_params()
    except EmptyResultSet:  # nobody asked for, or a viewer of no department
        return []
    with connection.cursor() as cursor:
        cursor.execute(_ROWS.format(base=base), params)
        return [PatientLine(*row) for row in cursor.fetchall()]


def spreadsheet(columns: Sequence[Column], ids: Sequence[UUID], *, viewer: Viewer, at: datetime) -> bytes:
    """An .xlsx of these patients, a thousand in memory at a time. Every text is written as a text, never as a formula."""
    file = io.BytesIO()
    options = {
        "constant_memory": True, "in_memory": False, "strings_to_formulas": False, "strings_to_urls": False,
        "strings_to_numbers": False,
    }  # fmt: skip
    book = xlsxwriter.Workbook(file, options)
    sheet = book.add_worksheet()
    head = book.add_format({"bold": True, "bg_color": "#EEF3F2"})
    for place, column in enumerate(columns):
        sheet.set_column(place, place, column.width)
        sheet.write_string(0, place, str(wording.column_words(column.code)), head)
    sheet.freeze_panes(1, 0)
    with translation.override(translation.get_language()):
        for number, line in enumerate(_all(ids, viewer), start=1):
            told = _cells(line, number, timezone.localtime(at).date())
            for place, column in enumerate(columns):
                _write(sheet, number, place, told[column.code])
    book.close()
    return file.getvalue()


def _all(ids: Sequence[UUID], viewer: Viewer) -> Iterator[PatientLine]:
    ordered = sorted(ids)
    for start in range(0, len(ordered), CHUNK):
        yield from lines(ordered[start : start + CHUNK], viewer=viewer)


def _cells(line: PatientLine, number: int, today: date) -> Mapping[str, object]:
    return {
        "case": number, "name": line.name, "record-number": line.number, "telephone": line.telephone,
        "address": line.address, "sex": wording.sex_words(line.sex), "age": line.age(today),
        "birth-date": line.birth_date, "department": line.department, "discharged": _day(line.discharged_at),
        "diagnosis": line.diagnosis, "operation": line.operation, "risk": wording.risk_words(line.risk),
        "plan": line.plan, "next-due": _day(line.next_due), "last-contact": _day(line.last_contact), "tags": line.tags,
    }  # fmt: skip


def _day(moment: datetime | None) -> date | None:
    return timezone.localtime(moment).date() if moment else None


def _write(sheet: Any, row: int, place: int, value: object) -> None:
    """Numbers as numbers, days as ISO text (no program reads them in the wrong order), everything else as text."""
    if value is None or value == "":
        return
    if isinstance(value, int):
        sheet.write_number(row, place, value)
    else:
        sheet.write_string(row, place, value.isoformat() if isinstance(value, date) else cell_text(value))
