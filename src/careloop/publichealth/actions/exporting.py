"""Taking a file of patients is an act: who, which programme, how many rows, in which form."""

from __future__ import annotations

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.viewer import Viewer
from careloop.publichealth.events import ProgrammeExported


@action
def note_export(*, programme: str, rows: int, form: str, by: Viewer) -> None:
    """Leave the fact before the file leaves."""
    record(ProgrammeExported(programme=programme, rows=rows, form=form), by=by)
