"""A list of patients as a spreadsheet to be taken away: asked for with a purpose, made in the background, recorded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.batches.actions import start_batch, store_result_file
from careloop.batches.rules import Item
from careloop.cohorts import access
from careloop.cohorts.actions.keeping import CohortEmpty, _ids_within_limit
from careloop.cohorts.events import ListExported
from careloop.cohorts.models import Cohort, ListExport
from careloop.cohorts.reads import listing
from careloop.cohorts.rules import columns as rules
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer

KIND = "cohorts.export"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class ExportRefused(Refused):
    """No purpose, no column, or columns that name persons without the permission for it."""

    code = "export-refused"
    message = _(
        "Say what the list is for and choose columns you may take. Names and numbers need a permission of their own."
    )


@action
def request_export(
    *, cohort_id: UUID, columns: Sequence[str], purpose: str, key: str, at: datetime, by: Viewer
) -> ListExport:
    """Ask for a list of a cohort. Refused: ExportRefused, and cohorts of nobody or too many."""
    try:
        chosen = rules.chosen(columns)
    except rules.UnknownColumn:
        raise ExportRefused from None
    identifies = rules.has_direct(chosen)
    by = by.within(access.EXPORT, *([access.IDENTIFY] if identifies else ()))
    if not purpose.strip() or not chosen or not by.can(access.EXPORT) or by.practitioner_id is None:
        raise ExportRefused
    if identifies and not by.can(access.IDENTIFY):
        raise ExportRefused
    cohort = Cohort.objects.of(by).get(pk=cohort_id)
    _ids_within_limit(cohort, viewer=by, at=at)
    before = ListExport.objects.filter(batch__key=f"export:{key}", requested_by_id=by.practitioner_id).first()
    if before is not None:
        return before
    export = ListExport.objects.create(
        requested_by_id=by.practitioner_id, title=cohort.title, cohort=cohort, columns=[c.code for c in chosen],
        identifies=identifies, purpose=purpose.strip()[:200],
    )  # fmt: skip
    export.batch = start_batch(
        kind=KIND, title=cohort.title or str(_("List of patients")), key=f"export:{key}",
        items=[Item("list", export.pk)], parameters={"export": str(export.pk)}, at=at, by=by,
    )  # fmt: skip
    export.save(update_fields=["batch", "updated_at"])
    record(
        ListExported(
            export_id=export.pk, batch_id=export.batch.pk, rows=0, columns=tuple(export.columns), identifies=identifies
        ),
        by=by,
    )
    return export


@action
def make_list(*, export_id: UUID, batch_id: UUID, at: datetime, by: Viewer) -> int:
    """Write the file, as the requester may see the patients at this moment. Gives back the number of rows."""
    export = ListExport.objects.select_related("cohort").get(pk=export_id, requested_by_id=by.practitioner_id)
    if export.identifies and not by.can(access.IDENTIFY):
        raise ExportRefused
    by = by.within(access.EXPORT, *([access.IDENTIFY] if export.identifies else ()))
    if export.cohort is None:
        raise CohortEmpty
    ids = _ids_within_limit(export.cohort, viewer=by, at=at)
    data = listing.spreadsheet(rules.chosen(export.columns), ids, viewer=by, at=at)
    store_result_file(batch_id=batch_id, name="list.xlsx", content_type=XLSX, data=data, at=at, by=by)
    export.rows = len(ids)
    export.save(update_fields=["rows", "updated_at"])
    record(
        ListExported(
            export_id=export.pk, batch_id=batch_id, rows=len(ids), columns=tuple(export.columns), identifies=export.identifies
        ),
        by=by,
    )  # fmt: skip
    return len(ids)
