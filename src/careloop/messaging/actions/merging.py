"""Two records became one: what is not sent yet goes with the person."""

from __future__ import annotations

from uuid import UUID

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.viewer import Viewer
from careloop.messaging.events import CommunicationsMoved
from careloop.messaging.models import Communication
from careloop.messaging.rules.states import OPEN


@action
def follow_merge(*, survivor_id: UUID, gone_id: UUID, by: Viewer) -> int:
    """Open messages of the record that went are the survivor's now. What was sent stays where it was sent from."""
    return _move(from_id=gone_id, to_id=survivor_id, moved_from=gone_id, only_moved=False, by=by)


@action
def undo_merge(*, survivor_id: UUID, gone_id: UUID, by: Viewer) -> int:
    """Back again, as far as not sent in the meantime."""
    return _move(from_id=survivor_id, to_id=gone_id, moved_from=None, only_moved=True, by=by)


def _move(*, from_id: UUID, to_id: UUID, moved_from: UUID | None, only_moved: bool, by: Viewer) -> int:
    rows = Communication.objects.visible_to(by).filter(patient_id=from_id, state__in=list(OPEN))
    if only_moved:
        rows = rows.filter(moved_from=to_id)
    count = rows.update(patient_id=to_id, moved_from=moved_from)
    if count:
        record(CommunicationsMoved(patient_id=from_id, to_patient_id=to_id, count=count), by=by)
    return count
