"""Background entry points: reactions to facts of lower rooms, the sender process and the sweeper process."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from careloop.kernel.errors import DeliveryFailed
from careloop.kernel.jobs import job, periodic
from careloop.kernel.viewer import Viewer
from careloop.messaging import actions
from careloop.messaging.jobs.staff import try_once
from careloop.messaging.reads.staff import waiting


@job()
def follow_merge(*, event: dict[str, Any]) -> None:
    """Two records became one: what waits goes to the surviving one."""
    actions.follow_merge(
        survivor_id=UUID(event["survivor_id"]),
        gone_id=UUID(event["gone_id"]),
        by=Viewer.system("messaging.follow_merge"),
    )


@job()
def undo_merge(*, event: dict[str, Any]) -> None:
    """The merge was wrong: what still waits goes back."""
    actions.undo_merge(
        survivor_id=UUID(event["survivor_id"]), gone_id=UUID(event["gone_id"]), by=Viewer.system("messaging.undo_merge")
    )


@job(attempts=6)
def send_staff_message(*, event: dict[str, Any]) -> None:
    """StaffMessageQueued: what goes by SMS leaves now. Not taken by the gateway: again a little later."""
    if event.get("way") == "sms":
        _send(UUID(event["message_id"]), at=timezone.now())


@periodic("*/5 * * * *")
def send_waiting_staff_messages(timestamp: int) -> None:
    """What a dead worker or a gateway that was away left behind."""
    at = datetime.fromtimestamp(timestamp, UTC)
    for message_id in waiting(at=at):
        send_staff_message.defer(event={"way": "sms", "message_id": str(message_id)})


def _send(message_id: UUID, *, at: datetime) -> None:
    by = Viewer.system("messaging.send_staff_message")
    outgoing = actions.take_staff_message(message_id=message_id, at=at, by=by)
    if outgoing is None:
        return
    outcome = try_once(outgoing)
    if actions.settle_staff_message(message_id=message_id, outcome=outcome, at=at, by=by) == "queued":
        raise DeliveryFailed(outcome.code or outcome.kind)
