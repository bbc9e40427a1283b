"""Taking messages out of the outbox, and writing back what became of them. Under a lease, fenced by a token."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection
from django.utils.module_loading import import_string

from careloop.audit.record import record, record_all
from careloop.kernel.actions import action, wrote
from careloop.kernel.events import Event
from careloop.kernel.viewer import Viewer
from careloop.messaging.events import (
    CommunicationFailed,
    CommunicationsClaimed,
    CommunicationsDelivered,
    CommunicationsPostponed,
    CommunicationsReleased,
    CommunicationsSent,
    CommunicationSuppressed,
    CommunicationUnknown,
)
from careloop.messaging.reads import policy
from careloop.messaging.reads.claims import Candidate, candidates, fast_cursor
from careloop.messaging.reads.texts import compose
from careloop.messaging.rules.claiming import Decision, Facts, decide
from careloop.messaging.rules.requests import Outgoing
from careloop.messaging.rules.states import DELIVERED, FAILED, QUEUED, SENT, UNKNOWN, Next, Outcome, after_attempt

_CLAIM_LOCK = 7_301_002  # claims are made one after the other, so that two senders cannot both fill a patient's cap


@dataclass(frozen=True, slots=True)
class Claim:
    """What one sender holds until `lease_until`. `held` and `stopped` were put back or ended in the same step."""

    token: UUID
    lease_until: datetime
    messages: tuple[Outgoing, ...]
    held: int = 0
    stopped: int = 0

    @property
    def is_empty(self) -> bool:
        return not (self.messages or self.held or self.stopped)


@action
def claim_batch(*, channels: Sequence[str], limit: int, lease_seconds: int, at: datetime, by: Viewer) -> Claim:
    """Take up to `limit` messages that are due, or whose sender is gone; look at each once more before it leaves.

    The patient may have died, the task may be closed, the number may be dead, it may be night: what may not go now
    is held, stopped or left for a person in the same transaction.
    """
    token, lease_until = uuid4(), at + timedelta(seconds=lease_seconds)
    if not channels:
        return Claim(token, lease_until, ())
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", [_CLAIM_LOCK])
    found = candidates(channels=channels, limit=limit, at=at)
    if not found:
        return Claim(token, lease_until, ())
    decided = list(_decided(found, at=at))
    messages = tuple(compose(candidate) for candidate, decision in decided if decision.kind == "send")
    _take(messages, token=token, lease_until=lease_until, at=at)
    held = _hold([(c, d) for c, d in decided if d.kind == "hold"], at=at)
    stopped = [(c, d) for c, d in decided if d.kind in ("suppress", "unknown")]
    _stop(stopped, at=at, by=by)
    record(CommunicationsClaimed(token=token, claimed=len(messages), held=held, stopped=len(stopped)), by=by)
    return Claim(token, lease_until, messages, held, len(stopped))


@action
def release_batch(*, token: UUID, ids: Sequence[UUID], at: datetime, by: Viewer) -> int:
    """Give messages back that were surely not tried (the sender stops, or the gateway is down)."""
    with connection.cursor() as cursor:
        cursor.execute(
            """update messaging_communication set state = 'queued', token = null, lease_until = null,
                      attempts = greatest(attempts - 1, 0), updated_at = %s
               where id = any(%s) and token = %s and state = 'sending'""",
            [at, list(ids), token],
        )
        count = cursor.rowcount
    if count:
        wrote("messaging_communication", count)
        record(CommunicationsReleased(token=token, count=count), by=by)
    return count


@action
def record_results(*, token: UUID, results: Sequence[tuple[Outgoing, Outcome]], at: datetime, by: Viewer) -> int:
    """Write back what gateways said. A result whose claim is not ours any more changes nothing; says how many count."""
    following = [(message, outcome, _next(message, outcome, at=at)) for message, outcome in results]
    if not following:
        return 0
    with fast_cursor() as cursor:
        cursor.execute(_WRITE_BACK, _columns(following, token=token, at=at), prepare=True)
        rows = cursor.fetchall()
    wrote("messaging_communication", len(rows))
    record_all(_facts(rows), by=by)
    return len(rows)


# ---- deciding ---------------------------------------------------------------------------------------------------


def _decided(found: Sequence[Candidate], *, at: datetime) -> Iterable[tuple[Candidate, Decision]]:
    guarded = _not_worth_sending({c.task_id for c in found if c.task_id})
    policies = {c.channel: (policy.policy(c.channel), policy.abilities(c.channel)) for c in found}
    in_this_batch: dict[tuple[UUID, str], list[datetime]] = defaultdict(list)
    for c in found:
        who = (c.patient_id, c.channel)
        facts = _facts_of(
            c,
            held_back_by="task-closed" if c.task_id in guarded else "",
            sent_before=(*c.sent_lately, *in_this_batch[who]),
            at=at,
        )
        decision = decide(facts, *policies[c.channel], at=at)
        if decision.kind == "send" and not c.urgent:
            in_this_batch[who].append(at)
        yield c, decision


def _facts_of(c: Candidate, *, held_back_by: str, sent_before: tuple[datetime, ...], at: datetime) -> Facts:
    asked_for = c.category in ("one-time-code", "notice")
    return Facts(
        maybe_sent=c.maybe_sent,
        urgent=c.urgent,
        expires_at=c.expires_at,
        contact_ok=c.contact_ok,
        do_not_contact=c.do_not_contact and not asked_for,
        consent_refused=c.consent_refused and not asked_for,
        dead=c.deceased,
        merged=not c.patient_active,
        requested_at=c.requested_at,
        template_approved=c.template_state == "approved",
        link_expired=c.link_ends_at is not None and c.link_ends_at <= at,
        held_back_by=held_back_by,
        sent_before=sent_before,
    )


def _not_worth_sending(task_ids: set[UUID]) -> set[UUID]:
    """Tasks that some guard says are over. Guards come from the settings: rooms of one floor do not know each other."""
    if not task_ids:
        return set()
    open_ids = set(task_ids)
    for path in settings.SEND_GUARDS:
        open_ids &= set(import_string(path)(frozenset(open_ids)))
    return task_ids - open_ids


# ---- writing ----------------------------------------------------------------------------------------------------


def _take(messages: Sequence[Outgoing], *, token: UUID, lease_until: datetime, at: datetime) -> None:
    if not messages:
        return
    with fast_cursor() as cursor:
        cursor.execute(
            """update messaging_communication c
               set state = 'sending', reason = '', token = %s, lease_until = %s, claimed_at = %s, updated_at = %s,
                   attempts = c.attempts + 1, address = v.address, maybe_sent = v.maybe_sent, segments = v.segments
               from unnest(%s::uuid[], %s::text[], %s::bool[], %s::int[]) as v (id, address, maybe_sent, segments)
               where c.id = v.id""",
            [
                token,
                lease_until,
                at,
                at,
                [m.id for m in messages],
                [m.to for m in messages],
                [m.maybe_sent for m in messages],
                [m.segments for m in messages],
            ],
            prepare=True,
        )
        wrote("messaging_communication", cursor.rowcount)


def _hold(held: Sequence[tuple[Candidate, Decision]], *, at: datetime) -> int:
    if not held:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            """update messaging_communication c
               set state = 'queued', token = null, lease_until = null, updated_at = %s,
                   not_before = v.until, reason = v.reason, maybe_sent = v.maybe_sent
               from unnest(%s::uuid[], %s::timestamptz[], %s::text[], %s::bool[]) as v (id, until, reason, maybe_sent)
               where c.id = v.id""",
            [
                at,
                [c.id for c, _d in held],
                [d.until for _c, d in held],
                [d.reason for _c, d in held],
                [c.maybe_sent for c, _d in held],
            ],
        )
        wrote("messaging_communication", cursor.rowcount)
    return len(held)


def _stop(stopped: Sequence[tuple[Candidate, Decision]], *, at: datetime, by: Viewer) -> None:
    if not stopped:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """update messaging_communication c
               set state = v.state, token = null, lease_until = null, updated_at = %s, ended_at = %s,
                   reason = v.reason, maybe_sent = v.maybe_sent
               from unnest(%s::uuid[], %s::text[], %s::text[], %s::bool[]) as v (id, state, reason, maybe_sent)
               where c.id = v.id""",
            [
                at,
                at,
                [c.id for c, _d in stopped],
                ["unknown" if d.kind == "unknown" else "suppressed" for _c, d in stopped],
                [d.reason for _c, d in stopped],
                [c.maybe_sent for c, _d in stopped],
            ],
        )
        wrote("messaging_communication", cursor.rowcount)
    facts = {"unknown": CommunicationUnknown, "suppress": CommunicationSuppressed}
    record_all(
        [
            facts[d.kind](
                patient_id=c.patient_id, communication_id=c.id, task_id=c.task_id, channel=c.channel, reason=d.reason
            )
            for c, d in stopped
        ],
        by=by,
    )


def _next(message: Outgoing, outcome: Outcome, *, at: datetime) -> Next:
    return after_attempt(
        outcome,
        policy.abilities(message.channel),
        attempts=message.attempts,
        uncertain_before=message.maybe_sent,
        at=at,
        spread=(message.id.int & 0xFFFF) / 0xFFFF,
    )


# A receipt may have been faster than the gateway's own answer: then the row is not "sending" any more and only the
# reference is still missing. So the first condition is the token, and a finished state is not overwritten.
_WRITE_BACK = """
update messaging_communication c
set state = v.state, reason = v.reason, not_before = coalesce(v.not_before, c.not_before),
    maybe_sent = v.maybe_sent, gateway_ref = v.ref, token = null, lease_until = null, updated_at = %(at)s,
    sent_at = case when v.state in ('sent', 'delivered') then %(at)s else c.sent_at end,
    delivered_at = case when v.state = 'delivered' then %(at)s else c.delivered_at end,
    ended_at = case when v.state in ('failed', 'unknown') then %(at)s else null end
from unnest(%(ids)s::uuid[], %(states)s::text[], %(reasons)s::text[], %(not_before)s::timestamptz[],
            %(maybe_sent)s::bool[], %(refs)s::text[]) as v (id, state, reason, not_before, maybe_sent, ref)
where c.id = v.id and c.token = %(token)s and c.state = 'sending'
returning c.id, c.state, c.reason, c.patient_id, c.task_id, c.channel, c.id::text, coalesce(c.task_id::text, '')
"""


def _columns(following: Sequence[tuple[Outgoing, Outcome, Next]], *, token: UUID, at: datetime) -> dict[str, Any]:
    return {
        "token": token,
        "at": at,
        "ids": [m.id for m, _o, _n in following],
        "states": [n.state for _m, _o, n in following],
        "reasons": [n.reason for _m, _o, n in following],
        "not_before": [n.not_before for _m, _o, n in following],
        "maybe_sent": [m.maybe_sent or o.kind == "uncertain" for m, o, _n in following],
        "refs": [o.ref for _m, o, _n in following],
    }


def _facts(rows: Sequence[tuple[UUID, str, str, UUID, UUID | None, str, str, str]]) -> list[Event]:
    """One fact for all that went well, one each for what somebody has to know about."""
    facts: list[Event] = []
    for state, together in ((SENT, CommunicationsSent), (DELIVERED, CommunicationsDelivered)):
        some = [row for row in rows if row[1] == state]
        if some:
            facts.append(
                together(communication_ids=tuple(row[6] for row in some), task_ids=tuple(row[7] for row in some))
            )
    postponed = tuple(row[6] for row in rows if row[1] == QUEUED)
    if postponed:
        facts.append(CommunicationsPostponed(communication_ids=postponed))
    for ident, state, reason, patient_id, task_id, channel, *_texts in rows:
        single = {FAILED: CommunicationFailed, UNKNOWN: CommunicationUnknown}.get(state)
        if single:
            facts.append(
                single(patient_id=patient_id, communication_id=ident, task_id=task_id, channel=channel, reason=reason)
            )
    return facts
