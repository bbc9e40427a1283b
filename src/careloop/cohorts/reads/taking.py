"""When lists were really fetched, from the audit trail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Max
from django.db.models.fields.json import KT

from careloop.audit.models import AuditEvent
from careloop.batches.events import BatchFileTaken


@dataclass(frozen=True, slots=True)
class Taken:
    """How often a file was fetched, and when last."""

    times: int
    last: datetime


def times_taken(batch_ids: Sequence[UUID]) -> dict[UUID, Taken]:
    """By batch; one that nobody fetched is not there."""
    rows = (
        AuditEvent.objects.filter(name=BatchFileTaken.name(), payload__batch_id__in=[str(one) for one in batch_ids])
        .values(batch=KT("payload__batch_id")).annotate(times=Count("pk"), last=Max("at")).order_by()
    )  # fmt: skip
    return {UUID(row["batch"]): Taken(row["times"], row["last"]) for row in rows}
