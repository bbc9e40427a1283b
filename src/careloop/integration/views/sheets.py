"""表格导入: bring a list, see what each column means and which rows would not go in, have it imported, see what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _

from careloop.integration import access, actions
from careloop.integration.forms import columns_form
from careloop.integration.models import InboxMessage, PatientSheet
from careloop.integration.reads import sheet_files, sheets
from careloop.integration.reads.sheets import Trouble
from careloop.integration.sheets.columns import columns
from careloop.integration.sheets.opening import MOST_BYTES
from careloop.kernel.errors import Refused
from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, page, render

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
SHOWN = 100
PROBLEMS: dict[str, str | Promise] = {
    "missing": gettext_lazy("Is empty. Every row needs it."),
    "rounded": gettext_lazy("Excel has rounded this number. Format the column as text and enter it again."),
    "too-long": gettext_lazy("Is longer than any number of a patient or visit. Is this the right column?"),
    "no-date": gettext_lazy("Is no day. Write it as 2026-11-20."),
    "in-future": gettext_lazy("Lies in the future."),
    "before-admission": gettext_lazy("Lies before the admission."),
    "two-names": gettext_lazy("The same number stands beside another name further up in this list."),
    "other-person": gettext_lazy("This number belongs to a patient with another name here. Find out which is right; no list renames a patient."),
    "unknown-sex": gettext_lazy("Is no sex we know; it is left open."),
    "suspect-identity": gettext_lazy("Is no valid identity number. It is kept as evidence and not used to find the patient."),
    "suspect-phone": gettext_lazy("Is no number one can call. It is kept, and the patient is listed as not reachable."),
    "unknown-disposition": gettext_lazy("Is no way of leaving we know; it is filed as “other”."),
}  # fmt: skip
"""What is wrong with a cell, and how to mend it."""


@dataclass(frozen=True, slots=True)
class TroubleRow:
    """A line of the table of rows that need a look."""

    line: int
    column: str
    value: str
    words: str


@page(access.IMPORT, methods=("GET", "POST"))
def overview(request: PageRequest) -> HttpResponse:
    """Bring a list; one's own lists so far."""
    error = ""
    if request.method == "POST":
        sent = request.FILES.get("file")
        if sent is None:
            error = _("Choose a file.")
        else:
            try:
                sheet = actions.bring_sheet(
                    name=sent.name or "", data=sent.read(MOST_BYTES + 1), at=timezone.now(), by=request.viewer
                )
            except actions.SheetUnreadable as refused:
                error = str(refused)
            else:
                return _to(sheet.pk)
    context = {
        "title": _("Import from a spreadsheet"),
        "error": error,
        "rows": sheets.sheets(by=request.viewer),
        "columns": [(_label(each.code), each.is_required) for each in columns()],
        "may_import": sheets.may_import(request.viewer),
    }
    return render(request, "integration/sheets.html", context, status=422 if error else 200)


@page(access.IMPORT)
def blank(request: PageRequest) -> HttpResponse:
    """An empty list with every heading we know."""
    return _file(sheet_files.blank([_label(each.code) for each in columns()]), "careloop-list.xlsx")


@page(access.IMPORT)
def sheet(request: PageRequest, sheet_id: UUID) -> HttpResponse:
    """One list: as it would be taken in while it is a draft, what became of it afterwards."""
    return _show(request, _find(request, sheet_id))


@page(access.IMPORT)
def progress(request: PageRequest, sheet_id: UUID) -> HttpResponse:
    """The part that refreshes itself while rows are on their way."""
    found = _find(request, sheet_id)
    return render(request, "integration/_sheet_progress.html", _fate(found))


@page(access.IMPORT, methods=("POST",))
def read_columns(request: PageRequest, sheet_id: UUID) -> HttpResponse:
    """Say which heading means what."""
    chosen, facility = columns_form(request.POST)
    actions.read_columns(
        sheet_id=_find(request, sheet_id).pk, chosen=chosen, facility=facility, at=timezone.now(), by=request.viewer
    )
    return _to(sheet_id)


@page(access.IMPORT, methods=("POST",))
def start(request: PageRequest, sheet_id: UUID) -> HttpResponse:
    """Have it imported; what cannot be is said on the same page."""
    found = _find(request, sheet_id)
    try:
        actions.start_sheet(sheet_id=found.pk, at=timezone.now(), by=request.viewer)
    except Refused as refused:
        return _show(request, found, error=str(refused), status=refused.status)
    return _to(sheet_id)


@page(access.IMPORT, methods=("POST",))
def drop(request: PageRequest, sheet_id: UUID) -> HttpResponse:
    """Throw a draft away."""
    actions.drop_sheet(sheet_id=_find(request, sheet_id).pk, by=request.viewer)
    return HttpResponseRedirect(reverse("integration:sheets"), status=303)


@page(access.IMPORT)
def wrong_rows(request: PageRequest, sheet_id: UUID) -> HttpResponse:
    """The rows that do not go in as a list of their own, with a column that says why: to be mended and brought again."""
    found = _find(request, sheet_id)
    seen = sheets.examined(found, at=timezone.now())
    told: dict[int, list[Trouble]] = {}
    for each in (*seen.errors, *seen.other_person):
        told.setdefault(each.line.number, []).append(each)
    rows = [
        (each[0].line.cells, " ".join(f"{_label(one.problem.column)}: {PROBLEMS[one.problem.code]}" for one in each))
        for each in told.values()
    ]
    actions.rows_taken(sheet=found, rows=len(rows), by=request.viewer)
    return _file(
        sheet_files.with_reasons(found.headings, rows, heading=_("What is wrong")), "careloop-rows-to-mend.xlsx"
    )


def _show(request: PageRequest, found: PatientSheet, *, error: str = "", status: int = 200) -> HttpResponse:
    context: dict[str, Any] = {"title": found.name or _("List without a name"), "sheet": found, "error": error}
    if found.state == PatientSheet.State.DRAFT:
        context |= _draft(found)
    else:
        context |= _fate(found)
    return render(request, "integration/sheet.html", context, status=status)


def _draft(found: PatientSheet) -> dict[str, Any]:
    seen = sheets.examined(found, at=timezone.now())
    places = {place: code for code, place in found.meaning.items()}
    wrong = [*seen.errors, *seen.other_person]
    return {
        "seen": seen,
        "headings": [
            (n, heading or f"#{n + 1}", places.get(n, ""), _samples(found, n)) for n, heading in enumerate(found.headings)
        ],
        "choices": [(each.code, _label(each.code)) for each in columns()],
        "missing": [_label(code) for code in seen.missing],
        "wrong": _rows(wrong[:SHOWN]),
        "wrong_has_more": len(wrong) > SHOWN,
        "doubts": _rows(seen.doubts[:SHOWN]),
        "doubts_count": len({each.line.number for each in seen.doubts}),
        "departments": seen.unknown_departments.most_common(20),
        "has_visits": any(code in found.meaning for code in ("admitted", "discharged", "visited")),
        "has_numbers": "visit" in found.meaning,
        "start_words": ngettext("Import %(count)s row", "Import %(count)s rows", len(seen.good)) % {"count": f"{len(seen.good):,}"},
    }  # fmt: skip


def _fate(found: PatientSheet) -> dict[str, Any]:
    fate, moment = sheets.fate_of(found), found.started_at
    is_under_way = found.state == PatientSheet.State.STARTED or bool(fate.waiting)
    whole = max(found.taken, 1)
    return {
        "sheet": found,
        "fate": fate,
        "is_under_way": is_under_way,
        "shares": [(round(100 * fate.applied / whole, 1), "ok"), (round(100 * fate.dead / whole, 1), "crit")],
        "total": found.taken + found.known + found.other_person + found.kept_out,
        "dead_url": f"{reverse('integration:overview')}?channel={InboxMessage.Channel.SHEET}&state={InboxMessage.State.DEAD}",
        "started": moment,
    }


def _rows(troubles: Sequence[Trouble]) -> list[TroubleRow]:
    return [
        TroubleRow(each.line.number, _label(each.problem.column), each.value, str(PROBLEMS[each.problem.code]))
        for each in troubles
    ]


def _samples(found: PatientSheet, place: int) -> str:
    cells = [line[1][place] for line in found.lines[:200] if line[1][place]]
    return " · ".join(dict.fromkeys(cells[:3]))


def _label(code: str) -> str:
    language = "en" if (get_language() or settings.LANGUAGE_CODE).startswith("en") else "zh"
    return next(each.label[language] for each in columns() if each.code == code)


def _find(request: PageRequest, sheet_id: UUID) -> PatientSheet:
    return get_or_404(PatientSheet.objects.visible_to(request.viewer).defer("data"), pk=sheet_id)


def _to(sheet_id: UUID) -> HttpResponse:
    return HttpResponseRedirect(reverse("integration:sheet", args=[sheet_id]), status=303)


def _file(data: bytes, name: str) -> HttpResponse:
    response = HttpResponse(data, content_type=XLSX)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response
