"""What to do after a call that did not come to anything. The steps are data (`content/retry_ladder.json`).

Another number first, then another time of day, then a message, then a person decides. Nothing loops for ever.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Literal
from uuid import UUID

from careloop.tasks.rules.outcomes import OUTCOMES

CONTENT = Path(__file__).resolve().parent.parent / "content"
NextMove = Literal["retry", "next-number", "contact-check", "review"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A part of the calling day, e.g. the evening."""

    code: str
    starts: time
    ends: time


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """How long to wait after one outcome, and whether the same number may be tried again."""

    kind: str  # none | minutes | other-band
    minutes: int = 0
    same_number: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """One version of the retry rules."""

    version: str
    opens: time
    closes: time
    bands: tuple[Band, ...]
    after: Mapping[str, Wait]
    tries_per_number: int
    sms_after_tries: int
    rounds_until_review: int
    contact_check_within_hours: int
    review_within_hours: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """What is known about one way to call. `order` is the file's own order, self before relatives."""

    id: UUID
    owner: str = "self"  # self | relative
    dead: bool = False  # empty number, wrong person: never again
    last_reached_at: datetime | None = None
    verified: bool = False
    order: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One earlier attempt for the same task."""

    number_id: UUID | None
    outcome: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What follows: when to try again, on which number, and whether a message goes out as well."""

    move: NextMove
    number_id: UUID | None = None
    not_before: datetime | None = None
    send_message: bool = False
    reason: str = ""


def parse_ladder(text: str) -> Ladder:
    """Read a ladder file."""
    data = json.loads(text)
    return Ladder(
        version=data["version"],
        opens=time.fromisoformat(data["calling_hours"]["from"]),
        closes=time.fromisoformat(data["calling_hours"]["to"]),
        bands=tuple(
            Band(code=b["code"], starts=time.fromisoformat(b["from"]), ends=time.fromisoformat(b["to"]))
            for b in data["bands"]
        ),
        after={
            code: Wait(kind=w["wait"], minutes=w.get("minutes", 0), same_number=w["same_number"])
            for code, w in data["after"].items()
        },
        tries_per_number=data["tries_per_number"],
        sms_after_tries=data["sms_after_tries"],
        rounds_until_review=data["rounds_until_review"],
        contact_check_within_hours=data["contact_check_within_hours"],
        review_within_hours=data["review_within_hours"],
    )


@cache
def shipped_ladder() -> Ladder:
    """The ladder that comes with this version."""
    return parse_ladder((CONTENT / "retry_ladder.json").read_text(encoding="utf-8"))


def best_number(numbers: Sequence[Number], *, skip: frozenset[UUID] = frozenset()) -> Number | None:
    """The number to dial: where someone was reached last, then the patient's own, verified before unverified."""
    usable = [number for number in numbers if not number.dead and number.id not in skip]
    return min(usable, key=_eagerness, default=None)


def _eagerness(number: Number) -> tuple[float, bool, bool, int, str]:
    reached = -number.last_reached_at.timestamp() if number.last_reached_at else 0.0
    return (reached, number.owner != "self", not number.verified, number.order, str(number.id))


def decide(
    *, outcome: str, numbers: Sequence[Number], tries: Sequence[Try], at: datetime, ladder: Ladder | None = None
) -> Decision:
    """What follows after an unsuccessful attempt.

    `tries` are all attempts for the task, this one last; `numbers` as they stand after it (a dead number is marked).
    A number found dead by this task's own last try on it stays dead for it, even if the record disagrees.
    `at` in the hospital's own time zone.
    """
    ladder = ladder or shipped_ladder()
    failed = found_dead(tries)
    numbers = [replace(number, dead=number.dead or number.id in failed) for number in numbers]
    if best_number(numbers) is None:
        return Decision(
            move="contact-check",
            not_before=at + timedelta(hours=ladder.contact_check_within_hours),
            reason="no-number-left",
        )
    if rounds(tries) >= ladder.rounds_until_review:
        return Decision(
            move="review", not_before=at + timedelta(hours=ladder.review_within_hours), reason="tried-enough"
        )
    return _try_again(outcome, numbers, tries, at, ladder)


def found_dead(tries: Sequence[Try]) -> frozenset[UUID]:
    """Numbers whose last try here met nobody who could ever be the patient: not in service, or a stranger's."""
    last = {t.number_id: t.outcome for t in tries if t.number_id is not None and t.outcome in OUTCOMES}
    return frozenset(number for number, outcome in last.items() if OUTCOMES[outcome].number_failed)


def rounds(tries: Sequence[Try]) -> int:
    """How often a real call failed. An empty number or a wrong person says nothing about the patient."""
    counted = [t for t in tries if t.outcome in OUTCOMES and not OUTCOMES[t.outcome].number_failed]
    return len([t for t in counted if OUTCOMES[t.outcome].effect == "retry"])


def _try_again(outcome: str, numbers: Sequence[Number], tries: Sequence[Try], at: datetime, ladder: Ladder) -> Decision:
    wait = ladder.after.get(outcome, Wait(kind="other-band"))
    last = tries[-1].number_id if tries else None
    used_up = last is not None and _tries_on(last, tries) >= ladder.tries_per_number
    leave = frozenset({last}) if last is not None and (used_up or not wait.same_number) else frozenset()
    number = best_number(numbers, skip=leave) or best_number(numbers)
    assert number is not None  # decide() has looked
    moved_on = number.id != last
    not_before = at if moved_on and wait.kind == "none" else _after_wait(wait, at, ladder)
    return Decision(
        move="next-number" if moved_on else "retry",
        number_id=number.id,
        not_before=_within_hours(not_before, ladder),
        send_message=rounds(tries) >= ladder.sms_after_tries,
        reason=outcome,
    )


def _tries_on(number_id: UUID, tries: Sequence[Try]) -> int:
    return len([t for t in tries if t.number_id == number_id])


def _after_wait(wait: Wait, at: datetime, ladder: Ladder) -> datetime:
    if wait.kind == "minutes":
        return at + timedelta(minutes=wait.minutes)
    if wait.kind == "other-band":
        return other_band(at, ladder)
    return at


def other_band(at: datetime, ladder: Ladder) -> datetime:
    """The start of the next part of the day but one: morning → afternoon, afternoon → tomorrow's morning."""
    here = band_of(at, ladder)
    position = ladder.bands.index(here) + 2 if here else 0
    if at.time() < ladder.opens:
        return _at_time(at, ladder.opens)
    if here is None or position >= len(ladder.bands):
        wanted = ladder.bands[position % len(ladder.bands)] if here else ladder.bands[0]
        return _at_time(at + timedelta(days=1), wanted.starts)
    return _at_time(at, ladder.bands[position].starts)


def band_of(at: datetime, ladder: Ladder) -> Band | None:
    """The part of the day of this moment, or None outside the calling hours."""
    return next((band for band in ladder.bands if band.starts <= at.time() < band.ends), None)


def _within_hours(at: datetime, ladder: Ladder) -> datetime:
    if at.time() < ladder.opens:
        return _at_time(at, ladder.opens)
    if at.time() >= ladder.closes:
        return _at_time(at + timedelta(days=1), ladder.opens)
    return at


def _at_time(day: datetime, clock: time) -> datetime:
    return day.replace(hour=clock.hour, minute=clock.minute, second=0, microsecond=0)
