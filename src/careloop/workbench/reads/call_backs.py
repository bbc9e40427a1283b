"""A patient calls back: whose follow-up was tried lately and is still open, so that the call goes on with it (C04)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from careloop.kernel.viewer import Viewer
from careloop.tasks.models import QUEUE_KINDS, Task
from careloop.tasks.reads.wording import outcome_label

LATELY: Final = timedelta(days=7)
"""Somebody who calls back later than that hardly means the missed call; the record still offers the follow-up."""


@dataclass(frozen=True, slots=True)
class CallBack:
    """The open contact a caller most likely means, and the last try of it."""

    task_id: UUID
    tried_at: datetime
    outcome: str


def call_backs(patient_ids: Sequence[UUID], *, viewer: Viewer, at: datetime) -> dict[UUID, CallBack]:
    """patient → the open contact tried last within `LATELY`; patients nobody tried to reach are not in it."""
    tried = (
        Task.objects.visible_to(viewer)
        .open()
        .filter(patient_id__in=patient_ids, kind__in=QUEUE_KINDS, last_attempt_at__gte=at - LATELY)
        .order_by("last_attempt_at", "pk")
        .values_list("patient_id", "pk", "last_attempt_at", "last_outcome", "channel")
    )
    return {
        patient_id: CallBack(task_id, tried_at, outcome_label(outcome, channel))
        for patient_id, task_id, tried_at, outcome, channel in tried
        if tried_at is not None
    }
