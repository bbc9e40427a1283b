"""The last look before sending: is it still right to send this, now? (Case F34, pain 5: no message after death.)"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from careloop.messaging.rules.states import Abilities
from careloop.messaging.rules.timing import Policy, cap_holds_until, next_allowed


@dataclass(frozen=True, slots=True)
class Facts:
    """What is true about one message in the moment of the claim."""

    maybe_sent: bool  # an earlier try may have reached the gateway: its sender died, or no answer came
    urgent: bool
    expires_at: datetime | None
    contact_ok: bool
    do_not_contact: bool
    consent_refused: bool
    dead: bool
    merged: bool
    requested_at: datetime
    template_approved: bool
    link_expired: bool
    held_back_by: str = ""  # the reason of the first guard that says no
    sent_before: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """`send`, `hold` until a time, `suppress` for a reason, or `unknown` (an earlier try may have gone)."""

    kind: str
    reason: str = ""
    until: datetime | None = None


SEND = Decision("send")
WAIT_FOR_MERGE = timedelta(minutes=2)  # the job that moves messages to the surviving record runs in the meantime
GIVE_UP_MERGE = timedelta(days=1)


def decide(facts: Facts, policy: Policy, abilities: Abilities, *, at: datetime) -> Decision:
    """Hard stops first, then whether a repeat is safe, then time. Urgent messages skip quiet hours and caps only."""
    if facts.maybe_sent and not abilities.repeat_is_safe:
        return Decision("unknown", reason="sender-died")
    reason = hard_stop(facts, at=at)
    if reason:
        # Stopped now, but the gateway may already have it: then "suppressed" would be a lie.
        return Decision("unknown", reason="sender-died") if facts.maybe_sent else Decision("suppress", reason=reason)
    if facts.merged:
        return Decision("hold", reason="patient-merged", until=at + WAIT_FOR_MERGE)
    if facts.urgent:
        return SEND
    return _when(facts, policy, at=at)


def hard_stop(facts: Facts, *, at: datetime) -> str:
    """The first reason never to send this, or the empty string."""
    for reason, holds in (
        ("patient-dead", facts.dead),
        ("patient-merged", facts.merged and facts.requested_at + GIVE_UP_MERGE <= at),
        ("do-not-contact", facts.do_not_contact),
        ("no-consent", facts.consent_refused),
        (facts.held_back_by, bool(facts.held_back_by)),
        ("no-contact", not facts.contact_ok),
        ("template-withdrawn", not facts.template_approved),
        ("link-expired", facts.link_expired),
        ("too-late", facts.expires_at is not None and facts.expires_at <= at),
    ):
        if holds:
            return reason
    return ""


def _when(facts: Facts, policy: Policy, *, at: datetime) -> Decision:
    capped = cap_holds_until(facts.sent_before, policy.caps, at=at)
    allowed = next_allowed(capped or at, policy.quiet)
    if allowed <= at:
        return SEND
    if facts.expires_at is not None and allowed >= facts.expires_at and not facts.maybe_sent:
        return Decision("suppress", reason="cap-reached" if capped else "too-late")
    return Decision("hold", reason="cap-reached" if capped else "", until=allowed)
