"""A programme's records as a file: one row a visit, one column a question, each column with its data element code."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import xlsxwriter

from careloop.kernel.viewer import Viewer
from careloop.patients.models import PatientIdentifier
from careloop.publichealth import rules
from careloop.publichealth.models import ProgrammeVisit
from careloop.publichealth.reads.pages import say
from careloop.questionnaires.reads import form_of
from careloop.questionnaires.rules import Form

MOST = 20_000
HEAD = (("record", "病案号"), ("name", "姓名"), ("sex", "性别"), ("birth_date", "出生日期"), ("visited_on", "随访日期"), ("doctor", "随访医生"))  # fmt: skip
TAIL = (("class", "随访分类"), ("because", "分类依据"), ("pack", "规则包版本"), ("form", "表单版本"))


@dataclass(frozen=True, slots=True)
class Column:
    """One column: our code, its name, and its slot in WS 363 (empty while nobody has found the code)."""

    name: str
    title: str
    element: str
    verified: bool


@dataclass(frozen=True, slots=True)
class Export:
    """What goes into a file."""

    programme: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


def visits_to_export(
    viewer: Viewer, *, programme: rules.Programme, form_url: str, period: rules.Period
) -> list[ProgrammeVisit]:
    """The visits of a period that count, in the order of time; one more than the most, to tell when there are too many."""
    rows = ProgrammeVisit.objects.visible_to(viewer).filter(
        episode__programme=programme.code, status="current", visited_on__range=(period.first, period.last),
        canonical__startswith=f"{form_url}|",
    )  # fmt: skip
    found = rows.select_related("response__questionnaire", "response__author", "patient").order_by("visited_at", "pk")
    return list(found[: MOST + 1])


def make_export(
    pack: rules.Pack, programme: rules.Programme, form_url: str, visits: Sequence[ProgrammeVisit]
) -> Export:
    """Columns are the questions of every version used, in the order of the newest."""
    forms = list({visit.canonical: form_of(visit.response.questionnaire) for visit in reversed(visits)}.values())
    names = list(dict.fromkeys(item.link_id for form in forms for item in form.questions))
    slots = pack.elements.get(form_url, {})
    asked = [_column(name, forms, slots) for name in names]
    class_slot = slots.get("class", {})
    tail = [
        Column(name, title, class_slot.get("code", "") if name == "class" else "", name == "class" and bool(class_slot.get("verified")))
        for name, title in TAIL
    ]  # fmt: skip
    columns = (*[Column(name, title, "", False) for name, title in HEAD], *asked, *tail)
    numbers = _numbers(visits)
    return Export(programme.code, columns, tuple(_row(visit, names, numbers) for visit in visits))


def _column(name: str, forms: Sequence[Form], slots: Any) -> Column:
    title = next(form.item(name).staff.zh for form in forms if name in form.index)
    slot = slots.get(name, {})
    return Column(name, title, slot.get("code", ""), bool(slot.get("verified")))


def _numbers(visits: Sequence[ProgrammeVisit]) -> dict[Any, str]:
    rows = PatientIdentifier.objects.unscoped("numbers of visits found for this viewer").filter(
        patient_id__in={visit.patient_id for visit in visits}, type="MR"
    )
    return dict(rows.order_by("-pk").values_list("patient_id", "value"))


def _row(visit: ProgrammeVisit, names: Sequence[str], numbers: dict[Any, str]) -> tuple[str, ...]:
    patient, response = visit.patient, visit.response
    values = response.values
    return (
        numbers.get(visit.patient_id, ""), patient.name, patient.get_sex_display(), _day(patient.birth_date),
        visit.visited_on.isoformat(), response.author.name if response.author else "",
        *[_text(values.get(name)) for name in names],
        visit.class_code, say(visit.reason) or "; ".join(visit.missing), visit.pack_version, visit.canonical,
    )  # fmt: skip


def _day(value: date | None) -> str:
    return value.isoformat() if value else ""


def _text(value: Any) -> str:
    if value is None:
        return ""
    return ";".join(map(str, value)) if isinstance(value, list) else str(value)


def as_json(export: Export) -> bytes:
    """Every value with its name and data element code."""
    records = [
        [
            {"name": column.name, "title": column.title, "element": column.element, "value": value}
            for column, value in zip(export.columns, row, strict=True)
            if value
        ]
        for row in export.rows
    ]
    columns = [{"name": c.name, "title": c.title, "element": c.element, "verified": c.verified} for c in export.columns]
    return json.dumps(
        {"programme": export.programme, "columns": columns, "records": records}, ensure_ascii=False, indent=1
    ).encode()


def as_xlsx(export: Export) -> bytes:
    """Names in the first line, data elements in the second. Every cell is a text, so no cell is ever a formula."""
    target = io.BytesIO()
    book = xlsxwriter.Workbook(
        target, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    )
    sheet, bold = book.add_worksheet("records"), book.add_format({"bold": True})
    for place, column in enumerate(export.columns):
        sheet.write_string(0, place, column.title, bold)
        sheet.write_string(1, place, column.element)
        sheet.write_string(2, place, column.name)
    for line, row in enumerate(export.rows, start=3):
        for place, value in enumerate(row):
            sheet.write_string(line, place, value)
    sheet.freeze_panes(3, 2)
    _elements(book, export, bold)
    book.close()
    return target.getvalue()


def _elements(book: Any, export: Export, bold: Any) -> None:
    sheet = book.add_worksheet("data elements")
    for place, title in enumerate(("name", "title", "WS 363", "verified")):
        sheet.write_string(0, place, title, bold)
    for line, column in enumerate(export.columns, start=1):
        for place, value in enumerate((column.name, column.title, column.element, "yes" if column.verified else "no")):
            sheet.write_string(line, place, value)
