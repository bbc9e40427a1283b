"""Storing: the only thing that happens before an acknowledgement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from careloop.audit.record import record
from careloop.integration import events
from careloop.integration.hl7v2.intake import Intake
from careloop.kernel.actions import action, wrote
from careloop.kernel.models import uuid7
from careloop.kernel.rows import as_json
from careloop.kernel.viewer import Viewer

CONTROL_ID_REUSED = "control-id-reused"

_TOLD = {
    "id": "uuid", "created_at": "timestamptz", "updated_at": "timestamptz", "channel": "text", "received_at": "timestamptz",
    "peer": "text", "sender": "text", "facility": "text", "control_id": "text", "event_type": "text", "charset": "text",
    "flags": "text[]", "size": "int", "state": "text", "attempts": "int", "error_code": "text", "error_subject": "text",
    "error_text": "text", "partition_key": "text", "other_keys": "text[]", "duplicates": "int", "replays": "int",
    "processed_at": "timestamptz",
}  # fmt: skip
_COLUMNS = ", ".join([*_TOLD, "sha256", "raw"])
# One statement for one message and for hundreds: what is text in one value, what is bytes in two, row by row beside each other.
_INSERT = f"""
INSERT INTO integration_inboxmessage ({_COLUMNS})
SELECT {_COLUMNS} FROM ROWS FROM (
  json_to_recordset(%s::json) AS ({", ".join(f"{name} {kind}" for name, kind in _TOLD.items())}),
  unnest(%b::bytea[]), unnest(%b::bytea[])) AS told ({_COLUMNS})
ON CONFLICT (channel, sha256) DO UPDATE SET duplicates = integration_inboxmessage.duplicates + excluded.duplicates + 1
RETURNING id, sha256, xmax = 0
"""
# A sender that uses a control id twice for two contents: both are kept, the later one says so.
_FLAG_REUSED = """
UPDATE integration_inboxmessage m SET flags = array_append(m.flags, %s)
WHERE m.id = ANY((SELECT %s::uuid[])::uuid[]) AND m.control_id <> '' AND EXISTS (
  SELECT 1 FROM integration_inboxmessage other
  WHERE other.sender = m.sender AND other.control_id = m.control_id AND other.id <> m.id AND other.seq < m.seq)
"""


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message as it came over a channel."""

    intake: Intake
    channel: str
    peer: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where it is kept; `is_new` is false for a message we had already."""

    message_id: UUID
    is_new: bool


@action
def receive_messages(*, incoming: Sequence[Incoming], at: datetime, by: Viewer) -> list[Receipt]:
    """Keep the messages as they came, in this order, in one statement. A message we have is counted, not kept twice.

    What its sender must mend (no header, no type, too large) is kept too, as a dead letter with the reason.
    """
    if not incoming:
        return []
    firsts = {(each.channel, each.intake.sha256): each for each in reversed(incoming)}
    again = len(incoming) - len(firsts)
    ordered = [each for each in incoming if firsts[each.channel, each.intake.sha256] is each]
    rows = _insert(ordered, incoming, at)
    new = [message_id for message_id, is_new in rows.values() if is_new]
    with connection.cursor() as cursor:
        cursor.execute(_FLAG_REUSED, [CONTROL_ID_REUSED, new])
    wrote("InboxMessage", len(rows))
    duplicates = again + len(rows) - len(new)
    record(events.MessagesReceived(channel=incoming[0].channel, stored=len(new), duplicates=duplicates), by=by)
    return [_receipt(each, firsts, rows) for each in incoming]


def _insert(ordered: list[Incoming], incoming: Sequence[Incoming], at: datetime) -> dict[bytes, tuple[UUID, bool]]:
    count: dict[bytes, int] = {}
    for each in incoming:
        count[each.intake.sha256] = count.get(each.intake.sha256, -1) + 1
    told = [_told(each, at, repeated=count[each.intake.sha256]) for each in ordered]
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT, [as_json(told), [each.intake.sha256 for each in ordered], [each.intake.raw for each in ordered]]
        )
        return {bytes(sha): (message_id, is_new) for message_id, sha, is_new in cursor.fetchall()}


def _told(each: Incoming, at: datetime, *, repeated: int) -> dict[str, Any]:
    intake, header, refusal = each.intake, each.intake.header, each.intake.refusal
    return {
        "id": uuid7(), "created_at": at, "updated_at": at, "channel": each.channel, "received_at": at,
        "peer": each.peer[:200], "sender": _clean(header.sender, 200), "facility": _clean(intake.facility, 120),
        "control_id": _clean(header.control_id, 200), "event_type": _clean(header.event, 40), "charset": intake.charset,
        "flags": intake.flags, "size": len(intake.raw), "state": "dead" if refusal else "received", "attempts": 0,
        "error_code": refusal.reason if refusal else "", "error_subject": "", "error_text": refusal.words if refusal else "",
        "partition_key": _clean(intake.keys[0] if intake.keys else "", 200),
        "other_keys": [_clean(key, 200) for key in intake.keys[1:]], "duplicates": repeated, "replays": 0,
        "processed_at": at if refusal else None,
    }  # fmt: skip


def _receipt(
    each: Incoming, firsts: dict[tuple[str, bytes], Incoming], rows: dict[bytes, tuple[UUID, bool]]
) -> Receipt:
    message_id, is_new = rows[each.intake.sha256]
    return Receipt(message_id, is_new and firsts[each.channel, each.intake.sha256] is each)


def _clean(text: str, length: int) -> str:
    """PostgreSQL keeps every character but NUL; the raw bytes keep that too."""
    return text.replace("\x00", "\ufffd")[:length]
