"""Paper leaves the system: who took what, kept with the reading of the record."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from careloop.audit.events import RecordSeen
from careloop.audit.record import record, record_all
from careloop.kernel.actions import action
from careloop.kernel.viewer import Viewer
from careloop.letters.events import ListTaken, PaperPrinted


@action
def note_printed(*, patient_id: UUID, document: str, subject_id: UUID | None = None, by: Viewer) -> None:
    """One patient's paper: it was seen and it was printed."""
    record_all(
        [
            RecordSeen(patient_id=patient_id, what=f"letters.{document}"),
            PaperPrinted(patient_id=patient_id, document=document, subject_id=subject_id),
        ],
        by=by,
    )


@action
def note_list_taken(*, document: str, form: str, ids: Iterable[UUID], by: Viewer) -> None:
    """A list as `form` (pdf, xlsx), with the rows that stood on it."""
    record(ListTaken(document=document, form=form, ids=tuple(str(i) for i in ids)), by=by)
