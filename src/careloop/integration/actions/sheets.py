"""Lists of patients from spreadsheets: brought, looked at, and sent through the inbox like any message."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record, record_all
from careloop.integration import events
from careloop.integration.actions.receive import Incoming, receive_messages
from careloop.integration.hl7v2.intake import row_of_a_list
from careloop.integration.models import InboxMessage, PatientSheet
from careloop.integration.reads import sheets as reads
from careloop.integration.sheets.columns import columns, meaning, table_of
from careloop.integration.sheets.opening import Unreadable, grid_of
from careloop.integration.sheets.rows import order_key, same_row, stored
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer

KEPT_DRAFTS = timedelta(days=7)
_PORTION = 200
_WHY: dict[str, str | Promise] = {
    "too-large": _("The file is larger than 20 MB. Split the list and bring the parts one after the other."),
    "too-many-rows": _("The list has more than 10,000 rows. Split it and bring the parts one after the other."),
    "too-many-columns": _(
        "The list has more than 200 columns. Leave only those that say something about the patient and the stay."
    ),
    "no-rows": _("There is no row under the headings. Put one row of headings on top and each patient below it."),
    "not-a-sheet": _(
        "This file cannot be read as a list. Save it as Excel (.xlsx) or CSV without a password and try again."
    ),
}


class SheetUnreadable(Refused):
    """The file cannot be read as a list; the message says what to do."""

    code = "sheet-unreadable"
    status = 422


class NotForTheWholeHospital(Refused):
    code = "sheet-needs-hospital"
    message = _("A list may name patients of every department. Importing one takes a role for the whole hospital.")
    status = 403


class NothingToImport(Refused):
    code = "sheet-nothing-to-import"
    message = _("No row can be taken in as it is. Say which column is which, or mend the list and bring it again.")
    status = 422


class SheetIsOnItsWay(Refused):
    code = "sheet-on-its-way"
    message = _("This list was already imported. Bring it again to read it in another way.")


@action
def bring_sheet(*, name: str, data: bytes, at: datetime, by: Viewer) -> PatientSheet:
    """Keep the file and its cells, with what its headings seem to mean. No patient is touched.

    Refused: NotForTheWholeHospital, SheetUnreadable (then nothing is kept: there is nothing to come back to).
    """
    owner = _allowed(by)
    try:
        table = table_of(grid_of(data))
    except Unreadable as refused:
        raise SheetUnreadable(_WHY[refused.code]) from refused
    if not table.lines:
        raise SheetUnreadable(_WHY["no-rows"])
    sheet = PatientSheet.objects.create(
        name=name.replace("\x00", "")[-200:], data=data, sha256=hashlib.sha256(data).digest(),
        headings=list(table.headings), lines=[[line.number, list(line.cells)] for line in table.lines],
        meaning=meaning(table.headings), facility=reads.usual_facility(), brought_by_id=owner,
    )  # fmt: skip
    record(events.SheetBrought(sheet_id=sheet.pk, rows=len(sheet.lines), sha256=bytes(sheet.sha256).hex()), by=by)
    return sheet


@action
def read_columns(*, sheet_id: UUID, chosen: Mapping[str, int], facility: str, at: datetime, by: Viewer) -> PatientSheet:
    """Say which heading means what (a heading may mean one thing) and who issued the record numbers. Refused: SheetIsOnItsWay."""
    _allowed(by)
    sheet = _locked(sheet_id, by)
    if sheet.state != PatientSheet.State.DRAFT:
        raise SheetIsOnItsWay
    known = {each.code for each in columns()}
    taken: dict[int, str] = {}
    for code, place in chosen.items():
        if code in known and 0 <= place < len(sheet.headings):
            taken.setdefault(place, code)
    sheet.meaning = {code: place for place, code in taken.items()}
    sheet.facility = facility.strip()[:120] or sheet.facility
    sheet.save(update_fields=["meaning", "facility", "updated_at"])
    record(events.SheetRead(sheet_id=sheet.pk), by=by)
    return sheet


@action
def start_sheet(*, sheet_id: UUID, at: datetime, by: Viewer) -> PatientSheet:
    """Have it imported in the background; twice starts it once. Refused: NothingToImport, NotForTheWholeHospital."""
    _allowed(by)
    sheet = _locked(sheet_id, by)
    if sheet.state != PatientSheet.State.DRAFT:
        return sheet
    if not reads.examined(sheet, at=at).good:
        raise NothingToImport
    sheet.state, sheet.started_at = PatientSheet.State.STARTED, at
    sheet.save(update_fields=["state", "started_at", "updated_at"])
    record(events.SheetStarted(sheet_id=sheet.pk), by=by)
    return sheet


@action
def store_sheet(*, sheet_id: UUID, at: datetime, by: Viewer) -> int:
    """Its good rows into the inbox, all or none, as they are read at this moment; how many are new. Twice stores them once."""
    sheet = _locked(sheet_id, by)
    if sheet.state != PatientSheet.State.STARTED or sheet.started_at is None:
        return 0
    found = reads.examined(sheet, at=at)
    incoming = [_incoming(sheet, row) for row in found.good]
    for start in range(0, len(incoming), _PORTION):
        portion = incoming[start : start + _PORTION]
        receipts = receive_messages(incoming=portion, at=sheet.started_at, by=by)
        sheet.taken += sum(receipt.is_new for receipt in receipts)
    sheet.state, sheet.known = PatientSheet.State.STORED, len(incoming) - sheet.taken
    sheet.kept_out, sheet.other_person = found.kept_out, len(found.other_person)
    sheet.save(update_fields=["state", "taken", "known", "kept_out", "other_person", "updated_at"])
    record(
        events.SheetStored(
            sheet_id=sheet.pk, taken=sheet.taken, known=sheet.known, other_person=sheet.other_person, kept_out=sheet.kept_out
        ),
        by=by,
    )  # fmt: skip
    return sheet.taken


@action
def rows_taken(*, sheet: PatientSheet, rows: int, by: Viewer) -> None:
    """Write down that rows with errors were handed out as a file."""
    record(events.SheetRowsTaken(sheet_id=sheet.pk, rows=rows), by=by)


@action
def drop_sheet(*, sheet_id: UUID, by: Viewer) -> None:
    """Throw away a list that was never imported. Refused: SheetIsOnItsWay (an imported one is the original of its rows)."""
    sheet = _locked(sheet_id, by)
    if sheet.state != PatientSheet.State.DRAFT:
        raise SheetIsOnItsWay
    _drop([sheet.pk], by)


@action
def drop_old_drafts(*, at: datetime, by: Viewer) -> int:
    """Lists nobody imported within a week; they name patients and serve nobody. How many."""
    old = PatientSheet.objects.unscoped("old drafts of everybody").filter(
        state=PatientSheet.State.DRAFT, updated_at__lt=at - KEPT_DRAFTS
    )
    ids = list(old.select_for_update(of=("self",), skip_locked=True).values_list("pk", flat=True))
    if ids:
        _drop(ids, by)
    return len(ids)


def _drop(ids: Sequence[UUID], by: Viewer) -> None:
    PatientSheet.objects.unscoped("these were locked above").filter(pk__in=ids).delete()
    record_all([events.SheetDropped(sheet_id=each) for each in ids], by=by)


def _incoming(sheet: PatientSheet, row: reads.Row) -> Incoming:
    cells = {
        heading or f"#{n}": cell
        for n, (heading, cell) in enumerate(zip(sheet.headings, row.line.cells, strict=True), 1)
    }
    intake = row_of_a_list(
        stored(row.told, cells=cells, facility=sheet.facility, line=row.line.number),
        sha256=same_row(row.said, facility=sheet.facility),
        facility=sheet.facility,
        key=order_key(row.told, facility=sheet.facility),
        number=f"{sheet.pk}:{row.line.number}",
    )
    return Incoming(intake, InboxMessage.Channel.SHEET, str(sheet.pk))


def _locked(sheet_id: UUID, by: Viewer) -> PatientSheet:
    rows = PatientSheet.objects.visible_to(by).defer("data")
    return rows.select_for_update(of=("self",), no_key=True).get(pk=sheet_id)


def _allowed(by: Viewer) -> UUID:
    """Who brings it: a person of the hospital, never a machine."""
    if not reads.may_import(by) or by.practitioner_id is None:
        raise NotForTheWholeHospital
    return by.practitioner_id
