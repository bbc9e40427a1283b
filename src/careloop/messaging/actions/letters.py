"""Letters on paper, written down beside the messages: posted by a person, come back or answered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.viewer import Viewer
from careloop.messaging.events import CommunicationFailed, CommunicationsDelivered, CommunicationsSent
from careloop.messaging.models import Channel, Communication, MessageTemplate

State = Communication.State


@action
def note_letter_posted(
    *,
    key: str,
    patient_id: UUID,
    template_code: str,
    titles: Mapping[str, str],
    language: str,
    task_id: UUID | None,
    at: datetime,
    by: Viewer,
) -> Communication:
    """A letter was given to the post. The same key again gives the same row; no sender ever touches it."""
    known = Communication.objects.visible_to(by).filter(key=key).first()
    if known is not None:
        return known
    made = Communication(
        patient_id=patient_id, key=key, channel=Channel.LETTER, template_code=f"letter-{template_code}"[:40],
        category=MessageTemplate.Category.CARE, language=language, params={"titles": dict(titles)}, task_id=task_id,
        state=State.SENT, requested_at=at, not_before=at, sent_at=at, attempts=1, requested_by=by.actor,
        owner_id=by.practitioner_id,
    )  # fmt: skip
    made.save(force_insert=True)
    record(
        CommunicationsSent(
            patient_id=patient_id, communication_ids=(str(made.pk),), task_ids=(str(task_id) if task_id else "",)
        ),
        by=by,
    )
    return made


@action
def note_letter_end(*, key: str, arrived: bool, at: datetime, by: Viewer) -> None:
    """It was answered, so it arrived; or it came back. A letter that nobody posted changes nothing."""
    found = (
        Communication.objects.visible_to(by)
        .select_for_update(of=("self",), no_key=True)
        .filter(key=key, channel=Channel.LETTER)
        .first()
    )
    if found is None or found.state not in (State.SENT, State.FAILED):
        return
    found.state = State.DELIVERED if arrived else State.FAILED
    found.reason = "" if arrived else "letter-returned"
    found.delivered_at = at if arrived else None
    found.ended_at = None if arrived else at
    found.save(update_fields=["state", "reason", "delivered_at", "ended_at", "updated_at"])
    if arrived:
        record(CommunicationsDelivered(communication_ids=(str(found.pk),), patient_id=found.patient_id), by=by)
    else:
        record(
            CommunicationFailed(
                communication_id=found.pk,
                task_id=found.task_id,
                channel="letter",
                reason="letter-returned",
                patient_id=found.patient_id,
            ),
            by=by,
        )
