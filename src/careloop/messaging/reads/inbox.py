"""The inbox of the patient pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from careloop.kernel.viewer import Viewer
from careloop.messaging.models import Communication
from careloop.messaging.reads.texts import link_address
from careloop.messaging.rules import wording


@dataclass(frozen=True, slots=True)
class InboxMessage:
    """One message as the patient reads it. `text` has no link in it; `link` leads there, empty when there is none."""

    id: UUID
    at: datetime
    subject: str
    text: str
    link: str
    task_id: UUID | None
    is_new: bool


def portal_inbox(patient_id: UUID, *, viewer: Viewer, limit: int = 30) -> list[InboxMessage]:
    """What was written to this patient's inbox, newest first. Reading it is recorded by actions.mark_read."""
    rows = (
        Communication.objects.visible_to(viewer)
        .filter(patient_id=patient_id, channel="portal", state=Communication.State.DELIVERED)
        .select_related("template", "link")
        .order_by("-requested_at", "-pk")[:limit]
    )
    return [_message(c) for c in rows]


def _message(c: Communication) -> InboxMessage:
    if c.template is None:
        raise ValueError("a delivered message has a template")
    text = wording.render(c.template.texts[c.language], {**c.params, "link": "", "code": ""}).strip().rstrip("：:")
    usable = c.link is not None and c.link.revoked_at is None
    return InboxMessage(
        id=c.pk,
        at=c.delivered_at or c.requested_at,
        subject=c.template.subject.get(c.language, ""),
        text=text,
        link=link_address(c.link.pk) if usable and c.link is not None else "",
        task_id=c.task_id,
        is_new=c.read_at is None,
    )
