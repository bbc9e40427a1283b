"""The candidates for sending, with everything that the last look needs. Locks what it returns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from json import loads as _json
from typing import Any, NamedTuple
from uuid import UUID

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


_COLUMNS = """
    c.id, c.key, c.channel, c.category, c.urgent, c.language, c.params, c.template_id, t.state,
    c.patient_id, p.deceased, p.do_not_contact, p.active,
    coalesce(cp.value, c.address),
    c.channel = 'portal' or coalesce(
        cp.active and cp.is_valid and cp.last_result not in ('empty-number', 'wrong-person'), false),
    c.link_id, least(l.expires_at, l.revoked_at), c.task_id, c.requested_at, c.expires_at, c.attempts,
    c.maybe_sent or c.state = 'sending'
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
    with connection.cursor() as cursor:
        cursor.execute(
            f"with picked as materialized ({picked}) select {_COLUMNS} from picked {_JOINS}"
            " order by c.urgent desc, c.not_before, c.id",
            {"at": at, "channels": list(channels), "limit": limit},
        )
        return [Candidate(*_decoded(row)) for row in cursor.fetchall()]


def _decoded(row: tuple[Any, ...]) -> tuple[Any, ...]:
    # Django switches off psycopg's own reading of jsonb, so hand-written SQL gets it as text.
    params = row[6]
    return (*row[:6], _json(params) if isinstance(params, str) else params, *row[7:])


def sent_lately(patient_ids: Iterable[UUID], *, at: datetime) -> dict[tuple[UUID, str], tuple[datetime, ...]]:
    """When each patient got a message on each channel in the last seven days; urgent ones do not count."""
    ids = list(patient_ids)
    if not ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """select patient_id, channel, claimed_at from messaging_communication
               where patient_id = any(%s) and claimed_at > %s and not urgent
                 and (state in ('sent', 'delivered', 'unknown') or state = 'sending' and lease_until >= %s)""",
            [ids, at - timedelta(days=7), at],
        )
        rows = cursor.fetchall()
    lately: dict[tuple[UUID, str], list[datetime]] = defaultdict(list)
    for patient_id, channel, claimed_at in rows:
        lately[patient_id, channel].append(claimed_at)
    return {who: tuple(times) for who, times in lately.items()}


def database_time() -> datetime:
    """The database's clock: several nodes send, one clock decides when something is due."""
    with connection.cursor() as cursor:
        cursor.execute("select clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment
