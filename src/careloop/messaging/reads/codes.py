"""Checking a one-time code that a patient typed."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.conf import settings

from careloop.messaging.models import Communication, MessageTemplate
from careloop.messaging.rules.signing import code_matches


def code_is_right(communication_id: UUID, typed: str, *, at: datetime) -> bool:
    """Whether this is the code of that message, at most ten minutes old. Counting tries is the asker's business."""
    requested_at = (
        Communication.objects.unscoped("the asker holds the id of the message it asked for")
        .filter(
            pk=communication_id, category__in=[MessageTemplate.Category.ONE_TIME_CODE, MessageTemplate.Category.CARE]
        )
        .values_list("requested_at", flat=True)
        .first()
    )
    if requested_at is None:
        return False
    return code_matches(communication_id, settings.SECRET_KEY, typed=typed, requested_at=requested_at, at=at)
