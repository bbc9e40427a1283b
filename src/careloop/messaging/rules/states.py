"""The life of one message: states, what may follow what, what an attempt and a receipt do to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from careloop.messaging.rules.timing import retry_at

PREPARATION = "preparation"  # written down, waits for its template to be approved
QUEUED = "queued"  # may be claimed from `not_before` on
SENDING = "sending"  # one sender holds it until `lease_until`
SENT = "sent"  # the gateway took it
DELIVERED = "delivered"  # the phone has it
FAILED = "failed"  # it did not reach the patient and is not tried again
UNKNOWN = "unknown"  # it may have gone or not; only a receipt, the gateway or a person can tell
SUPPRESSED = "suppressed"  # held back for good, with a reason

STATES = (PREPARATION, QUEUED, SENDING, SENT, DELIVERED, FAILED, UNKNOWN, SUPPRESSED)
OPEN = frozenset({PREPARATION, QUEUED, SENDING})
NEEDS_A_PERSON = frozenset({FAILED, UNKNOWN})

MAY_FOLLOW: Mapping[str, frozenset[str]] = {
    PREPARATION: frozenset({QUEUED, SUPPRESSED}),
    QUEUED: frozenset({SENDING, SUPPRESSED, SENT, DELIVERED, FAILED, UNKNOWN}),
    SENDING: frozenset({QUEUED, SENT, DELIVERED, FAILED, UNKNOWN, SUPPRESSED}),
    SENT: frozenset({DELIVERED, FAILED}),
    UNKNOWN: frozenset({SENT, DELIVERED, FAILED}),
    FAILED: frozenset({DELIVERED}),
    DELIVERED: frozenset(),
    SUPPRESSED: frozenset(),
}
"""Nothing ever leads back from sent or unknown to queued: what may have gone is not sent again by itself."""

REASONS = (
    "no-contact",
    "do-not-contact",
    "no-consent",
    "patient-dead",
    "patient-merged",
    "task-closed",
    "plan-closed",
    "link-expired",
    "too-late",
    "channel-unavailable",
    "template-not-approved",
    "template-withdrawn",
    "forbidden-word",
    "cap-reached",
    "withdrawn",
    "bad-number",
    "empty-number",
    "switched-off",
    "blocked-by-carrier",
    "rejected",
    "gave-up",
    "no-answer-from-gateway",
    "sender-died",
    "expired-at-carrier",
    "letter-returned",
)
"""Why a message was held back, failed, or is unknown. Codes; the words are translated on the page."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt told us.

    accepted: the gateway has it. rejected: it never will. postponed: it surely has not taken it, try later.
    uncertain: it may have it or not (timed out, connection lost, 5xx).
    """

    kind: str
    ref: str = ""
    code: str = ""

    @classmethod
    def accepted(cls, ref: str = "") -> Outcome:
        return cls("accepted", ref=ref)

    @classmethod
    def delivered(cls, ref: str = "") -> Outcome:
        return cls("delivered", ref=ref)

    @classmethod
    def rejected(cls, code: str) -> Outcome:
        return cls("rejected", code=code)

    @classmethod
    def postponed(cls, code: str) -> Outcome:
        return cls("postponed", code=code)

    @classmethod
    def uncertain(cls, code: str) -> Outcome:
        return cls("uncertain", code=code)


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a gateway can do about a repeat: tell that it knows our key already, or be asked before."""

    knows_key: bool
    can_be_asked: bool

    @property
    def repeat_is_safe(self) -> bool:
        return self.knows_key or self.can_be_asked


@dataclass(frozen=True, slots=True)
class Next:
    """The state a message takes, why, and from when it may be tried again (queued only)."""

    state: str
    reason: str = ""
    not_before: datetime | None = None


def after_attempt(
    outcome: Outcome, abilities: Abilities, *, attempts: int, uncertain_before: bool, at: datetime, spread: float
) -> Next:
    """The state after one try. `uncertain_before`: an earlier try may already have reached the gateway.

    Uncertain and not repeatable → unknown, at once. Tries used up → failed, but unknown if any try was uncertain.
    """
    if outcome.kind == "delivered":
        return Next(DELIVERED)
    if outcome.kind == "accepted":
        return Next(SENT)
    if outcome.kind == "rejected":
        return Next(FAILED, reason=outcome.code or "rejected")
    uncertain = uncertain_before or outcome.kind == "uncertain"
    if uncertain and not abilities.repeat_is_safe:
        return Next(UNKNOWN, reason="no-answer-from-gateway")
    again = retry_at(attempts, at=at, spread=spread)
    if again is not None:
        return Next(QUEUED, reason=outcome.code, not_before=again)
    return Next(UNKNOWN, reason="no-answer-from-gateway") if uncertain else Next(FAILED, reason="gave-up")


_RANK: Mapping[str, int] = {PREPARATION: 0, QUEUED: 0, SENDING: 1, UNKNOWN: 1, SENT: 2, FAILED: 3, DELIVERED: 4}


def merge_receipt(state: str, receipt: str) -> str:
    """The state after a receipt (`sent`, `delivered` or `failed`), whatever the order they come in.

    Delivered wins over everything, failed over sent; a suppressed message stays suppressed. The result does not
    depend on the order, and the same receipt twice changes nothing.
    """
    if state == SUPPRESSED:
        return state
    return receipt if _RANK[receipt] > _RANK[state] else state
