"""Background entry points: reactions to facts of lower rooms, the sender process and the sweeper process."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from careloop.kernel.jobs import job
from careloop.kernel.viewer import Viewer
from careloop.messaging import actions


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
