"""Taking waiting messages in order and applying them, each in full or not at all."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, OperationalError, connection

from careloop.audit.record import record, record_all
from careloop.integration import events, reads
from careloop.integration.actions.apply import CannotApply, _alive, _can_go_together, apply_facts, apply_together
from careloop.integration.actions.directory import Directory
from careloop.integration.hl7v2.charsets import decode
from careloop.integration.hl7v2.facts import Facts, Ignored, Site, Unusable
from careloop.integration.hl7v2.mapping import Outcome, read_message
from careloop.integration.hl7v2.message import Message
from careloop.integration.models import InboxMessage
from careloop.integration.rules import UNEXPECTED, next_try
from careloop.integration.sheets.rows import facts_of
from careloop.kernel.actions import action, one_piece, savepoint, wrote
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Patient

log = logging.getLogger(__name__)

# Unfinished messages whose patient has no earlier unfinished one. Locked rows are another process's work.
_CLAIM = """
SELECT m.id, m.channel, m.raw, m.attempts, m.facility FROM integration_inboxmessage m
WHERE m.state IN ('received', 'retry') AND (m.next_try IS NULL OR m.next_try <= %(at)s)
  AND (m.partition_key = '' OR NOT EXISTS (
    SELECT 1 FROM integration_inboxmessage e WHERE e.state IN ('received', 'retry')
      AND e.partition_key = m.partition_key AND e.seq < m.seq))
  AND NOT EXISTS (
    SELECT 1 FROM integration_inboxmessage e WHERE e.state IN ('received', 'retry') AND e.other_keys <> '{}'
      AND e.seq < m.seq AND e.other_keys && array_append(m.other_keys, m.partition_key))
  AND (m.other_keys = '{}' OR NOT EXISTS (
    SELECT 1 FROM integration_inboxmessage e WHERE e.state IN ('received', 'retry')
      AND e.partition_key = ANY(m.other_keys) AND e.seq < m.seq))
ORDER BY m.seq LIMIT %(limit)s FOR UPDATE OF m SKIP LOCKED
"""
_FINISH = """
UPDATE integration_inboxmessage m SET state = v.state, attempts = v.attempts, next_try = v.next_try,
  error_code = v.code, error_subject = v.subject, error_text = v.text, patient_id = v.patient_id,
  processed_at = CASE WHEN v.state = 'retry' THEN NULL ELSE %(at)s END, updated_at = %(at)s
FROM unnest(
    (SELECT %(ids)s::uuid[]), (SELECT %(states)s::text[]), (SELECT %(attempts)s::int[]), (SELECT %(tries)s::timestamptz[]),
    (SELECT %(codes)s::text[]), (SELECT %(subjects)s::text[]), (SELECT %(texts)s::text[]), (SELECT %(patients)s::uuid[]))
  AS v(id, state, attempts, next_try, code, subject, text, patient_id)
WHERE m.id = v.id
"""


@dataclass(frozen=True, slots=True)
class Processed:
    """What became of a batch."""

    applied: int = 0
    ignored: int = 0
    retried: int = 0
    dead: int = 0

    @property
    def total(self) -> int:
        return self.applied + self.ignored + self.retried + self.dead

    def __add__(self, other: Processed) -> Processed:
        return Processed(
            self.applied + other.applied,
            self.ignored + other.ignored,
            self.retried + other.retried,
            self.dead + other.dead,
        )


@dataclass(slots=True)
class _Work:
    """One claimed message and what is to be written about it."""

    id: UUID
    attempts: int
    facility: str
    outcome: Outcome
    state: str = "done"
    next_try: datetime | None = None
    code: str = ""
    subject: str = ""
    text: str = ""
    patient_id: UUID | None = None
    site: Site = field(default_factory=Site)


@action
def process_batch(*, limit: int, at: datetime, by: Viewer) -> Processed:
    """Claim up to `limit` messages, oldest first and one a patient, and apply them.

    Applied and marked done in the same transaction: a crash leaves them waiting, never half-written. Messages about
    persons are written together; when that fails, each is a savepoint: a wrong one falls alone, and only later
    messages of the same patient wait for it.
    """
    claimed = _claim(limit, at)
    if not claimed:
        return Processed()
    directory = Directory.for_facts([work.outcome for work in claimed if isinstance(work.outcome, Facts)], by=by)
    for work in _left_over(claimed, directory, at, by):
        _apply(work, directory, at, by)
    _follow_merges(claimed)
    _finish(claimed, at)
    counts = {state: sum(work.state == state for work in claimed) for state in ("done", "ignored", "retry", "dead")}
    result = Processed(counts["done"], counts["ignored"], counts["retry"], counts["dead"])
    record(
        events.MessagesProcessed(
            applied=result.applied, ignored=result.ignored, retried=result.retried, dead=result.dead
        ),
        by=by,
    )
    record_all([_parked(work) for work in claimed if work.state == "dead"], by=by)
    return result


def _claim(limit: int, at: datetime) -> list[_Work]:
    here = reads.site()
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"at": at, "limit": limit})
        rows = cursor.fetchall()
    return [
        _Work(message_id, attempts, facility, _read(bytes(raw), channel, here), site=here)
        for message_id, channel, raw, attempts, facility in rows
    ]


def _read(raw: bytes, channel: str, here: Site) -> Outcome:
    """The pure part. A message that breaks our reading of it is our fault, and must not stop the others."""
    try:
        if channel == InboxMessage.Channel.SHEET:
            return facts_of(raw, site=here)
        return read_message(Message(decode(raw, site_default=settings.ENV.hl7_charset).text), site=here)
    except Exception as error:
        log.exception("a message could not be read")
        return Unusable(UNEXPECTED, type(error).__name__)


def _left_over(claimed: Sequence[_Work], directory: Directory, at: datetime, by: Viewer) -> list[_Work]:
    """Write together what may be written together (the claim holds one message a patient); the rest goes one by one."""
    several = [(work, work.outcome) for work in claimed if isinstance(work.outcome, Facts)]
    several = [(work, facts) for work, facts in several if _can_go_together(facts, directory)]
    if not several:
        return list(claimed)
    together = [work for work, __ in several]
    try:
        with savepoint(), one_piece():
            ids = apply_together(several=[facts for __, facts in several], directory=directory, at=at, by=by)
    except (Refused, DatabaseError, InterfaceError) as error:
        log.info("%d messages are applied one by one (%s)", len(together), type(error).__name__)
        return list(claimed)
    except Exception:
        log.exception("%d messages could not be applied together", len(together))
        return list(claimed)
    for work, patient_id in zip(together, ids, strict=True):
        work.patient_id = patient_id
    written = {work.id for work in together}
    return [work for work in claimed if work.id not in written]


def _apply(work: _Work, directory: Directory, at: datetime, by: Viewer) -> None:
    outcome = work.outcome
    if isinstance(outcome, Ignored):
        work.state = "ignored"
    elif isinstance(outcome, Unusable):
        _park(work, outcome.code, text=outcome.detail)
    else:
        try:
            work.patient_id = apply_facts(facts=outcome, directory=directory, at=at, by=by)
        except CannotApply as refused:
            _park(work, refused.code, subject=refused.subject, text=str(refused))
        except Refused as refused:
            _park(work, refused.code, text=str(refused))
        except DataError as error:
            _park(work, "does-not-fit", text=type(error).__name__)
        except (OperationalError, InterfaceError, IntegrityError) as error:
            _again(work, at, "database", type(error).__name__)
        except Exception as error:
            log.exception("a message could not be applied")
            _again(work, at, UNEXPECTED, type(error).__name__)


def _follow_merges(claimed: Sequence[_Work]) -> None:
    """A merge moves what stands in the tables; messages of its own batch are written after it and follow it here."""
    if not any(isinstance(work.outcome, Facts) and work.outcome.merges for work in claimed):
        return
    ids = {work.patient_id for work in claimed if work.patient_id is not None}
    gone = Patient.objects.unscoped("following a merge").filter(pk__in=ids, merged_into__isnull=False)
    survivors = {patient.pk: _alive(patient).pk for patient in gone.order_by("pk")}
    for work in claimed:
        if work.patient_id is not None:
            work.patient_id = survivors.get(work.patient_id, work.patient_id)


def _park(work: _Work, code: str, *, subject: str = "", text: str = "") -> None:
    work.state, work.code, work.subject, work.text = "dead", code[:60], subject[:120], text[:300]
    work.attempts += 1


def _again(work: _Work, at: datetime, code: str, text: str) -> None:
    work.attempts += 1
    work.next_try = next_try(attempts=work.attempts, at=at, seed=str(work.id))
    work.state = "retry" if work.next_try else "dead"
    work.code, work.text = code, text


def _finish(claimed: Sequence[_Work], at: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            _FINISH,
            {
                "at": at,
                "ids": [work.id for work in claimed],
                "states": [work.state for work in claimed],
                "attempts": [work.attempts for work in claimed],
                "tries": [work.next_try for work in claimed],
                "codes": [work.code for work in claimed],
                "subjects": [work.subject for work in claimed],
                "texts": [work.text for work in claimed],
                "patients": [work.patient_id for work in claimed],
            },
        )
    wrote("InboxMessage", len(claimed))


def _parked(work: _Work) -> events.MessageParked:
    return events.MessageParked(message_id=work.id, reason=work.code, patient_id=work.patient_id)
