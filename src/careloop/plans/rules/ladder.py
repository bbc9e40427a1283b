"""The channel ladder: WeChat, then an SMS with a link, then a person (on the phone, at home, in the clinic), with waits between (A16, A17)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from careloop.plans.rules.content import BY_PERSON, Channel, Rung


@dataclass(frozen=True, slots=True)
class Tried:
    """A rung that was used for this task."""

    channel: Channel
    at: datetime
    has_failed: bool = False  # not delivered, and it never will be


@dataclass(frozen=True, slots=True)
class Send:
    """Send on this channel now."""

    channel: Channel


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before this time."""

    until: datetime


@dataclass(frozen=True, slots=True)
class CallNow:
    """A person takes over: into the call queue."""


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Every channel was tried and the ladder has no rung for a person: the task stays open for whoever owns it."""


Move = Send | Wait | CallNow | Exhausted


def next_move(
    ladder: Sequence[Rung], tried: Sequence[Tried], *, usable: Collection[Channel], starts_at: datetime, at: datetime
) -> Move:
    """What to do for a task that is not answered yet. A channel that is not usable or has failed costs no waiting."""
    if at < starts_at:
        return Wait(starts_at)
    used = {entry.channel: entry for entry in tried}
    for rung in ladder:
        if rung.channel in BY_PERSON:
            return CallNow()
        entry = used.get(rung.channel)
        if entry is None:
            if rung.channel in usable:
                return Send(rung.channel)
            continue
        waits_until = entry.at + timedelta(hours=rung.wait_hours)
        if not entry.has_failed and at < waits_until:
            return Wait(waits_until)
    return Exhausted()


def hours_before_phone(ladder: Sequence[Rung]) -> int | None:
    """How long the messages take before a person calls, or None when nobody does."""
    hours = 0
    for rung in ladder:
        if rung.channel in BY_PERSON:
            return hours
        hours += rung.wait_hours
    return None


def channel_of_person(ladder: Sequence[Rung]) -> Channel:
    """How a person meets the patient at the end of this ladder; on the phone when the messages were to do it all."""
    return ladder[-1].channel if ladder and ladder[-1].channel in BY_PERSON else Channel.PHONE
