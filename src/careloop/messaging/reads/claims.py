"""The candidates for sending, with everything that the last look needs. Locks what it returns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import psycopg
from django.db import connection


class Candidate(NamedTuple):
    """One row of the outbox and what is true about it now."""

    id: UUID
    key: str
    channel: str
    category: str
    urgent: bool
    language: str
    params: dict[str, Any]
    template_id: UUID
    template_state: str
    patient_id: UUID
    deceased: bool
    do_not_contact: bool
    patient_active: bool
    address: str
    contact_ok: bool
    link_id: UUID | None
    link_ends_at: datetime | None
    task_id: UUID | None
    requested_at: datetime
    expires_at: datetime | None
    attempts: int
    maybe_sent: bool
    consent_refused: bool
    sent_lately: list[datetime]  # on this channel in the last seven days, urgent ones left out


_COLUMNS = """
    c.id, c.key, c.channel, c.category, c.urgent, c.language, c.params, c.template_id, t.state,
    c.patient_id, p.deceased, p.do_not_contact, p.active,
    coalesce(cp.value, c.address),
    c.channel = 'portal' or coalesce(
        cp.active and cp.is_valid and cp.last_result not in ('empty-number', 'wrong-person'), false),
    c.link_id, least(l.expires_at, l.revoked_at), c.task_id, c.requested_at, c.expires_at, c.attempts,
    c.maybe_sent or c.state = 'sending',
    coalesce((
        select bool_or(newest.decision = 'deny') from (
            select distinct on (consent_scope) decision from patients_consent
            where patient_id = c.patient_id and consent_scope in ('contact', 'contact-' || c.channel)
            order by consent_scope, decided_at desc, id desc) newest), false),
    array(
        select o.claimed_at from messaging_communication o
        where o.patient_id = c.patient_id and o.channel = c.channel and o.claimed_at > %(week)s and not o.urgent
          and o.id <> c.id and (o.state in ('sent', 'delivered', 'unknown') or o.state = 'sending' and o.lease_until >= %(at)s))
"""
_JOINS = """
    join messaging_communication c on c.id = picked.id
    join patients_patient p on p.id = c.patient_id
    join messaging_messagetemplate t on t.id = c.template_id
    left join patients_contactpoint cp on cp.id = c.contact_point_id
    left join patients_accesslink l on l.id = c.link_id
"""
# Two statements, because each follows its own small partial index. Abandoned ones first: they are the oldest promises.
_ABANDONED = """
    select id from messaging_communication
    where state = 'sending' and lease_until < %(at)s and channel = any(%(channels)s)
    order by lease_until limit %(limit)s for update skip locked
"""
_DUE = """
    select id from messaging_communication
    where state = 'queued' and not_before <= %(at)s and channel = any(%(channels)s)
    order by urgent desc, not_before, id limit %(limit)s for update skip locked
"""


def candidates(*, channels: Sequence[str], limit: int, at: datetime) -> list[Candidate]:
    """Up to `limit` messages that are abandoned or due, locked for this transaction, urgent and oldest first."""
    found = _pick(_ABANDONED, channels, limit, at)
    if len(found) < limit:
        found += _pick(_DUE, channels, limit - len(found), at)
    return found


def _pick(picked: str, channels: Sequence[str], limit: int, at: datetime) -> list[Candidate]:
    with fast_cursor() as cursor:
        cursor.execute(
            f"with picked as materialized ({picked}) select {_COLUMNS} from picked {_JOINS}"
            " order by c.urgent desc, c.not_before, c.id",
            {"at": at, "week": at - timedelta(days=7), "channels": list(channels), "limit": limit},
            prepare=True,
        )
        return [_candidate(row) for row in cursor.fetchall()]


def _candidate(row: tuple[Any, ...]) -> Candidate:
    # Django switches off psycopg's own reading of jsonb, so hand-written SQL gets it as text.
    return Candidate._make((*row[:6], orjson.loads(row[6]), *row[7:]))


@contextmanager
def fast_cursor() -> Iterator[psycopg.Cursor[Any]]:
    """Django's own connection and transaction, but statements are prepared and arrays go as parameters, not as text."""
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        yield cursor


def database_time() -> datetime:
    """The database's clock: several nodes send, one clock decides when something is due."""
    with connection.cursor() as cursor:
        cursor.execute("select clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment
