"""record() is the one line that says: this happened. It audits, and it starts whatever must follow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.db import connection
from django.utils import timezone
from django.utils.module_loading import import_string

from careloop.audit.events import AccessDenied, DatabaseCopied, DatabaseRestored, ListSeen, RecordSeen
from careloop.audit.models import AuditEvent
from careloop.kernel.actions import action, ledger, look, write_at_end
from careloop.kernel.events import Event
from careloop.kernel.jobs import defer_events
from careloop.kernel.prepared import run
from careloop.kernel.rows import as_json
from careloop.kernel.viewer import Viewer


def record(event: Event, *, by: Viewer) -> None:
    """Write the fact and queue what must follow, in the running action's transaction."""
    record_all([event], by=by)


def record_all(events: Iterable[Event], *, by: Viewer) -> None:
    """Many facts. They and their reactions are written once, at the end of the outermost action's transaction."""
    facts = list(events)
    if not facts:
        return
    ledger(facts[0].name()).records += len(facts)
    write_at_end(_write, [(fact, by) for fact in facts])


def _write(told: list[tuple[Event, Viewer]]) -> None:
    """Facts and the jobs that follow them: rolled back together, run after the commit, in the order they happened."""
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, [timezone.now(), as_json([_row(fact, by) for fact, by in told])])
    following: dict[Any, list[dict[str, Any]]] = {}
    for fact, __ in told:
        for job in _reactions()[type(fact)]:
            following.setdefault(job, []).append(fact.payload())
    if following:
        defer_events(following, _turns())


@look
def seen(*, patient_id: UUID, what: str, by: Viewer) -> None:
    """Reading one patient's record is an act too."""
    _note(RecordSeen.name(), patient_id, {"what": what}, by)


@look
def list_seen(*, what: str, ids: Iterable[UUID], by: Viewer) -> None:
    """One row for a list, with the ids shown."""
    _note(ListSeen.name(), None, {"what": what, "ids": list(ids)}, by)


_KINDS = ("timestamptz", "text", "text", "uuid", "text", "text", "text", "jsonb")
_NOTE = "INSERT INTO audit_auditevent (at, actor, name, patient_id, outcome, ip, request_id, payload) VALUES "
_visit: ContextVar[list[list[Any]] | None] = ContextVar("visit", default=None)


def _note(name: str, patient_id: UUID | None, payload: dict[str, Any], by: Viewer) -> None:
    """The row of a look, by the shortest way: pages write one each, and nothing follows from it."""
    ledger(name).records += 1
    row = [timezone.now(), by.actor, name, patient_id, "success", by.ip, by.request_id, orjson.dumps(payload).decode()]
    gathered = _visit.get()
    if gathered is None:
        _write_looks([row])
    else:
        gathered.append(row)


def _write_looks(rows: Sequence[list[Any]]) -> None:
    named = {f"v{n}_{place}": value for n, row in enumerate(rows) for place, value in enumerate(row)}
    run(_looks_sql(len(rows)), named)


@cache
def _looks_sql(rows: int) -> str:
    lines = (", ".join(f"%(v{n}_{place})s::{kind}" for place, kind in enumerate(_KINDS)) for n in range(rows))
    return _NOTE + ", ".join(f"({line})" for line in lines)


@contextmanager
def one_visit() -> Iterator[None]:
    """For a page made of parts that each note what they read: their rows, one for each thing read as always, are
    written in one statement when the page is made and before it leaves. What breaks on the way was shown to nobody.
    """
    if _visit.get() is not None:  # a part of a visit that goes on
        yield
        return
    rows: list[list[Any]] = []
    token = _visit.set(rows)
    try:
        yield
    finally:
        _visit.reset(token)
    if rows:
        _write_looks(rows)


@action
def denied(*, what: str, by: Viewer) -> None:
    """Somebody asked for what is not theirs."""
    record(AccessDenied(what=what), by=by)


@action
def copied(*, digest: str, by: Viewer) -> None:
    """All of it was written into a file."""
    record(DatabaseCopied(digest=digest), by=by)


@action
def restored(*, digest: str, by: Viewer) -> None:
    """All of it came out of a file."""
    record(DatabaseRestored(digest=digest), by=by)


# One statement whatever the number of facts, so it is prepared once; their order is the order of their ids.
_FACTS = (
    "INSERT INTO audit_auditevent (at, actor, name, patient_id, outcome, ip, request_id, payload)"
    " SELECT %s, actor, name, patient, outcome, ip, request, payload FROM json_to_recordset(%s::json)"
    " AS told(actor text, name text, patient uuid, outcome text, ip text, request text, payload jsonb)"
)


def _row(event: Event, by: Viewer) -> dict[str, Any]:
    outcome = AuditEvent.Outcome.DENIED if isinstance(event, AccessDenied) else AuditEvent.Outcome.SUCCESS
    payload = event.told()
    patient = payload.pop("patient_id")
    return {
        "actor": by.actor, "name": event.name(), "patient": patient, "outcome": outcome.value, "ip": by.ip,
        "request": by.request_id, "payload": payload,
    }  # fmt: skip


@cache
def _reactions() -> dict[type[Event], tuple[Any, ...]]:
    reactions: dict[type[Event], tuple[Any, ...]] = import_string(settings.REACTIONS)
    return reactions


@cache
def _turns() -> tuple[tuple[Any, ...], ...]:
    turns: tuple[tuple[Any, ...], ...] = import_string(settings.IN_TURN)
    return turns
