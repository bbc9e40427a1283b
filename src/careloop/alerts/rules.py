"""What an alert may do next, who owns it and when somebody else must hear of it. Pure: the clock is `at`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

RAISED: Final = "raised"
SEEN: Final = "seen"
ACCEPTED: Final = "accepted"
ACTED: Final = "acted"
CLOSED: Final = "closed"
STATES: Final = (RAISED, SEEN, ACCEPTED, ACTED, CLOSED)

HAND_OVER: Final = "hand-over"
ESCALATE: Final = "escalate"

# From which states each step may be taken. Seeing and escalating do not wait for anybody;
# acting needs an owner who said yes, because "somebody will do it" is how alerts are lost.
ALLOWED: Final[Mapping[str, frozenset[str]]] = {
    SEEN: frozenset({RAISED}),
    ACCEPTED: frozenset({RAISED, SEEN}),
    ACTED: frozenset({ACCEPTED, ACTED}),
    CLOSED: frozenset({ACCEPTED, ACTED}),
    HAND_OVER: frozenset({RAISED, SEEN, ACCEPTED, ACTED}),
    ESCALATE: frozenset({RAISED, SEEN, ACCEPTED, ACTED}),
}

ATTENDING: Final = "attending-doctor"
STAND_IN: Final = "stand-in"
NURSE: Final = "responsible-nurse"
FOLLOW_UP: Final = "follow-up-nurse"
DUTY: Final = "department-duty"
HEAD: Final = "department-head"
OVERSIGHT: Final = "hospital-oversight"

# Whom to try, in order, when a rule asks for one of these roles. Every ladder ends at the hospital,
# so an alert without any reachable owner is still on somebody's list.
OWNER_ORDER: Final[Mapping[str, tuple[str, ...]]] = {
    ATTENDING: (ATTENDING, STAND_IN, DUTY, HEAD, OVERSIGHT),
    NURSE: (NURSE, STAND_IN, FOLLOW_UP, DUTY, HEAD, OVERSIGHT),
    FOLLOW_UP: (FOLLOW_UP, NURSE, STAND_IN, DUTY, HEAD, OVERSIGHT),
    DUTY: (DUTY, HEAD, OVERSIGHT),
    HEAD: (HEAD, OVERSIGHT),
    OVERSIGHT: (OVERSIGHT,),
}


@dataclass(frozen=True, slots=True)
class Rung:
    """One step up: after so many minutes without a close, this role is told."""

    after: timedelta
    role: str


@dataclass(frozen=True, slots=True)
class Severity:
    """The limits of one level, as the hospital set them."""

    code: str
    rank: int
    names: Mapping[str, str]
    respond_within: timedelta
    close_within: timedelta
    duty_phone_after: timedelta | None
    ladder: tuple[Rung, ...]


@dataclass(frozen=True, slots=True)
class EscalationTable:
    """One version of the limits, with where they come from."""

    version: str
    source: str
    verified: bool
    undo_within: timedelta
    hand_over: timedelta  # the least time a new owner gets
    severities: Mapping[str, Severity]

    def ranked(self) -> tuple[Severity, ...]:
        """The worst first, as the page of duties shows them."""
        return tuple(sorted(self.severities.values(), key=lambda severity: -severity.rank))


@dataclass(frozen=True, slots=True)
class Choice:
    """A code a person picks, with its words."""

    code: str
    names: Mapping[str, str]
    needs_action: bool = False

    def name(self, language: str) -> str:
        """The words in this language; Chinese unless English is asked for."""
        return self.names["en" if language.startswith("en") else "zh"]


@dataclass(frozen=True, slots=True)
class ClosingTable:
    """What may be done about an alert and how it may end."""

    actions: tuple[Choice, ...]
    closings: tuple[Choice, ...]

    def action(self, code: str) -> Choice | None:
        """What may be done, by code."""
        return next((choice for choice in self.actions if choice.code == code), None)

    def closing(self, code: str) -> Choice | None:
        """How it may end, by code."""
        return next((choice for choice in self.closings if choice.code == code), None)


def parse_escalation(text: str) -> EscalationTable:
    """Read the escalation file. Refuses a ladder that goes down in time or a level without limits."""
    data = json.loads(text)
    severities = {code: _severity(code, item) for code, item in data["severities"].items()}
    return EscalationTable(
        version=data["version"],
        source=data["source"],
        verified=bool(data["verified"]),
        undo_within=timedelta(seconds=data["undo_within_seconds"]),
        hand_over=timedelta(minutes=data["hand_over_minutes"]),
        severities=severities,
    )


def _severity(code: str, item: Mapping[str, object]) -> Severity:
    minutes = {key: value for key, value in item.items() if key.endswith("_minutes")}
    phone = minutes["duty_phone_after_minutes"]
    ladder = item["ladder"]
    if not isinstance(ladder, list):
        raise TypeError(f"{code}: the ladder must be a list")
    rungs = tuple(Rung(after=timedelta(minutes=rung["after_minutes"]), role=rung["role"]) for rung in ladder)
    if list(rungs) != sorted(rungs, key=lambda rung: rung.after):
        raise ValueError(f"{code}: the ladder must rise in time")
    return Severity(
        code=code,
        rank=int(str(item["rank"])),
        names={"zh": str(item["zh"]), "en": str(item["en"])},
        respond_within=timedelta(minutes=int(str(minutes["respond_within_minutes"]))),
        close_within=timedelta(minutes=int(str(minutes["close_within_minutes"]))),
        duty_phone_after=None if phone is None else timedelta(minutes=int(str(phone))),
        ladder=rungs,
    )


def parse_closing(text: str) -> ClosingTable:
    """Read the list of actions and closing codes."""
    data = json.loads(text)
    return ClosingTable(
        actions=tuple(_choice(item) for item in data["actions"]),
        closings=tuple(_choice(item) for item in data["closings"]),
    )


def _choice(item: Mapping[str, object]) -> Choice:
    return Choice(
        code=str(item["code"]),
        names={"zh": str(item["zh"]), "en": str(item["en"])},
        needs_action=bool(item.get("needs_action", False)),
    )


# --- the ledger of times ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Times:
    """When each thing happened to one alert."""

    raised_at: datetime
    seen_at: datetime | None = None
    accepted_at: datetime | None = None
    acted_at: datetime | None = None
    closed_at: datetime | None = None


def state_of(times: Times) -> str:
    """The furthest step that has a time. An alert is always in exactly one state."""
    if times.closed_at is not None:
        return CLOSED
    if times.acted_at is not None:
        return ACTED
    if times.accepted_at is not None:
        return ACCEPTED
    return SEEN if times.seen_at is not None else RAISED


def may(step: str, *, state: str) -> bool:
    """Whether this step may be taken from this state."""
    return state in ALLOWED[step]


def in_order(times: Times) -> bool:
    """Whether the times never run backwards (a missing one is skipped)."""
    given = [
        moment
        for moment in (times.raised_at, times.seen_at, times.accepted_at, times.acted_at, times.closed_at)
        if moment is not None
    ]
    return given == sorted(given)


def may_undo(*, done_at: datetime, at: datetime, within: timedelta) -> bool:
    """Whether a step can still be taken back. The window is short: others have been told by then."""
    return timedelta(0) <= at - done_at <= within


def may_close(choice: Choice, *, state: str) -> bool:
    """Whether this closing code fits: one that claims a deed needs the deed in the ledger."""
    return may(CLOSED, state=state) and (state == ACTED or not choice.needs_action)


# --- deadlines -------------------------------------------------------------------------------------------------


def respond_by(severity: Severity, *, raised_at: datetime, minutes: int | None = None) -> datetime:
    """When somebody must have accepted. A rule may ask for less time than its level gives, never for more."""
    within = severity.respond_within
    if minutes is not None and minutes > 0:
        within = min(within, timedelta(minutes=minutes))
    return raised_at + within


def close_by(severity: Severity, *, raised_at: datetime) -> datetime:
    """When it must be closed."""
    return raised_at + severity.close_within


def respond_by_after_hand_over(table: EscalationTable, *, respond_by: datetime, at: datetime) -> datetime:
    """A new owner gets a little time of their own, but handing over never makes the deadline much later."""
    return max(respond_by, at + table.hand_over)


# --- escalation ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Due:
    """What must happen now because nobody acted: rungs not yet climbed, and whether the duty phone must ring."""

    rungs: tuple[Rung, ...]
    level: int
    duty_phone: bool


def escalation_due(
    severity: Severity, *, times: Times, level: int, phone_rung: bool, respond_by: datetime, at: datetime
) -> Due:
    """What is due at this moment for an open alert; nothing for one that is accepted in time or closed.

    Before it is accepted the ladder runs from the moment it was raised. A rule that asks for a faster answer
    than its level brings the first rung forward to its own deadline.
    """
    if times.closed_at is not None or times.accepted_at is not None:
        return Due(rungs=(), level=level, duty_phone=False)
    climbed = tuple(
        rung
        for number, rung in enumerate(severity.ladder)
        if number >= level and at >= _rung_time(severity, number, times.raised_at, respond_by)
    )
    phone = severity.duty_phone_after
    ring = phone is not None and not phone_rung and at - times.raised_at > phone
    return Due(rungs=climbed, level=level + len(climbed), duty_phone=ring)


def close_is_late(*, times: Times, close_by: datetime, told: bool, at: datetime) -> bool:
    """Accepted, but not closed by its second deadline: the head hears of it once."""
    return times.accepted_at is not None and times.closed_at is None and not told and at > close_by


def _rung_time(severity: Severity, number: int, raised_at: datetime, respond_by: datetime) -> datetime:
    planned = raised_at + severity.ladder[number].after
    return min(planned, respond_by) if number == 0 else planned


@dataclass(frozen=True, slots=True)
class Told:
    """Somebody who is told when nobody has accepted after so many whole minutes."""

    minutes: int
    role: str


def promised(severity: Severity, *, minutes: int | None = None) -> tuple[Told, ...]:
    """What happens to an alert of this level that nobody accepts: the same times as escalation_due, said beforehand.

    `minutes` is the answer time of a rule; it may bring the first rung forward, never push it back.
    """
    start = datetime(2000, 1, 1, tzinfo=UTC)
    by = respond_by(severity, raised_at=start, minutes=minutes)
    return tuple(
        Told(int((_rung_time(severity, number, start, by) - start).total_seconds() // 60), rung.role)
        for number, rung in enumerate(severity.ladder)
    )


def wanted_order(role: str) -> tuple[str, ...]:
    """Who owns an alert for this role, in the order they are tried; an unknown role as resolve_owner takes it."""
    return OWNER_ORDER.get(role, OWNER_ORDER[ATTENDING])


# --- owner -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who could own the alert, and as what."""

    practitioner_id: UUID
    role: str
    available: bool = True


@dataclass(frozen=True, slots=True)
class Ownership:
    """Who owns it, who stands in, and by which role the owner was found (None: nobody could be found)."""

    owner_id: UUID | None
    stand_in_id: UUID | None
    role: str | None


def resolve_owner(candidates: Iterable[Candidate], *, wanted: str) -> Ownership:
    """One owner and the next different person as the stand-in, in the order of the wanted role.

    An unknown role is treated like the attending doctor: a typing error in a rule must not lose an alert.
    """
    order = OWNER_ORDER.get(wanted, OWNER_ORDER[ATTENDING])
    available = [candidate for candidate in candidates if candidate.available and candidate.role in order]
    available.sort(key=lambda candidate: order.index(candidate.role))
    if not available:
        return Ownership(owner_id=None, stand_in_id=None, role=None)
    owner = available[0]
    stand_in = next((c.practitioner_id for c in available if c.practitioner_id != owner.practitioner_id), None)
    return Ownership(owner_id=owner.practitioner_id, stand_in_id=stand_in, role=owner.role)


def first_of(candidates: Sequence[Candidate], role: str) -> UUID | None:
    """The first available person in this role."""
    return next((c.practitioner_id for c in candidates if c.role == role and c.available), None)


def alert_key(*, response_id: UUID, rule_code: str) -> str:
    """What makes an alert the same alert: judging the same answers again raises nothing new."""
    return f"alert:{response_id}:{rule_code}"


def work_order_key(key: str) -> str:
    """The key of the alert's task."""
    return f"work-order:{key}"
