"""How the outbox is doing, in one query that reads partial indexes only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connection


@dataclass(frozen=True, slots=True)
class OutboxHealth:
    """Counts of now. `abandoned`: their sender is gone and nobody has taken them over yet."""

    due: int
    oldest_due_seconds: int
    waiting: int
    sending: int
    abandoned: int
    need_a_person: int
    unread_replies: int


def outbox_health(*, at: datetime) -> OutboxHealth:
    """For the page, the sweeper and monitoring. Counts only, no patient."""
    with connection.cursor() as cursor:
        cursor.execute(
            """select
                 (select count(*) from messaging_communication where state = 'queued' and not_before <= %(at)s),
                 (select coalesce(extract(epoch from %(at)s - min(not_before)), 0)::bigint
                  from messaging_communication where state = 'queued' and not_before <= %(at)s),
                 (select count(*) from messaging_communication where state = 'queued' and not_before > %(at)s),
                 (select count(*) from messaging_communication where state = 'sending'),
                 (select count(*) from messaging_communication where state = 'sending' and lease_until < %(at)s),
                 (select count(*) from messaging_communication
                  where state in ('failed', 'unknown') and settled_at is null),
                 (select count(*) from messaging_inboundmessage where handled_at is null)""",
            {"at": at},
        )
        return OutboxHealth(*(int(value) for value in cursor.fetchone()))
