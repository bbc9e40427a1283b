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
from typing import Any, Literal
from uuid import UUID

from careloop.tasks.rules.outcomes import OUTCOMES

CONTENT = Path(__file__).resolve().parent.parent / "content"
NextMove = Literal["retry", "next-number", "letter", "visit", "contact-check", "review"]
Do = Literal["call", "letter", "visit", "contact-check", "review"]
ENDINGS: tuple[Do, ...] = ("contact-check", "review")
"""Rungs at which a person decides: after them the patient may be called lost."""
FOLLOW: tuple[str, ...] = ("none", "contact-check", "review")
WAITS: tuple[str, ...] = ("none", "minutes", "other-band")


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A part of the calling day, e.g. the evening."""

    code: str
    starts: time
    ends: time


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """After one outcome: how long to wait, whether the same number may be tried again, and on which rung to begin."""

    kind: str  # one of WAITS
    minutes: int = 0
    same_number: bool = True
    start: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One step. `number`: best or relative (a relative's first). `days`: how long a letter or visit gets to work."""

    code: str
    do: Do
    next: str = ""
    number: str = "best"
    message: bool = False
    days: int = 0

    @property
    def is_end(self) -> bool:
        """Is there nothing after it?"""
        return self.do in ENDINGS


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """One version of the retry rules."""

    version: str
    opens: time
    closes: time
    bands: tuple[Band, ...]
    after: Mapping[str, Wait]
    rungs: Mapping[str, Rung]
    no_number: str
    follow: Mapping[str, str]
    tries_per_number: int
    contact_check_within_hours: int
    review_within_hours: int

    def left(self, rung: Rung) -> int:
        """How many steps from this rung to the end. Every failed call makes it smaller, so every ladder ends."""
        steps = 0
        while rung.next:
            rung, steps = self.rungs[rung.next], steps + 1
        return steps

    @property
    def rounds_until_review(self) -> int:
        """After at most so many failed calls a person decides."""
        return 1 + max(self.left(self.rungs[wait.start]) for wait in self.after.values())


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
    return ladder_of(json.loads(text))


def ladder_of(data: Mapping[str, Any]) -> Ladder:
    """A ladder out of its content, which ladder_check.faults() has found good."""
    return Ladder(
        version=str(data["version"]),
        opens=time.fromisoformat(data["calling_hours"]["from"]),
        closes=time.fromisoformat(data["calling_hours"]["to"]),
        bands=tuple(
            Band(code=b["code"], starts=time.fromisoformat(b["from"]), ends=time.fromisoformat(b["to"]))
            for b in data["bands"]
        ),
        after={
            code: Wait(kind=w["wait"], minutes=w.get("minutes", 0), same_number=w["same_number"], start=w["start"])
            for code, w in data["after"].items()
        },
        rungs={code: Rung(code=code, **rung) for code, rung in data["rungs"].items()},
        no_number=data["no_number"],
        follow=dict(data.get("follow", {})),
        tries_per_number=data["tries_per_number"],
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
    *,
    outcome: str,
    numbers: Sequence[Number],
    tries: Sequence[Try],
    at: datetime,
    ladder: Ladder | None = None,
    favourite: str = "",
) -> Decision:
    """What follows after an unsuccessful attempt.

    `tries` are all attempts for the task, this one last; `numbers` as they stand after it (a dead number is marked).
    A number found dead by this task's own last try on it stays dead for it, even if the record disagrees.
    `favourite`: the part of the day in which this patient answered before. `at` in the hospital's own time zone.
    """
    ladder = ladder or shipped_ladder()
    numbers = alive(numbers, tries)
    if best_number(numbers) is None:
        return _end(ladder.rungs[ladder.no_number], at, ladder, reason="no-number-left")
    rung = rung_after(tries, ladder)
    if rung is not None and rung.is_end:
        return _end(rung, at, ladder, reason="tried-enough")
    if rung is not None and rung.do in ("letter", "visit"):
        until = _within_hours(at + timedelta(days=rung.days), ladder)
        return Decision(move=rung.do, not_before=until, send_message=rung.message, reason=rung.do)
    return _try_again(outcome, numbers, tries, at, ladder, rung, favourite)


def alive(numbers: Sequence[Number], tries: Sequence[Try]) -> list[Number]:
    """The numbers as this task knows them: what it found dead itself is dead."""
    failed = found_dead(tries)
    return [replace(number, dead=number.dead or number.id in failed) for number in numbers]


def is_exhausted(*, numbers: Sequence[Number], tries: Sequence[Try], ladder: Ladder) -> bool:
    """Has everything been tried: at an end of the ladder, or no number left at all? Only then is somebody lost."""
    rung = rung_after(tries, ladder)
    return best_number(alive(numbers, tries)) is None or (rung is not None and rung.is_end)


def rung_after(tries: Sequence[Try], ladder: Ladder) -> Rung | None:
    """On which rung a task stands after these tries; None while no call has really failed.

    An outcome begins at its own rung, but never further from the end than the task is already: each failed call
    leads on, whatever the mixture of outcomes.
    """
    here: Rung | None = None
    for one in tries:
        if not _counts(one):
            continue
        start = ladder.rungs[ladder.after[one.outcome].start] if one.outcome in ladder.after else None
        if here is None or start is not None and ladder.left(start) < ladder.left(here) - 1:
            here = start
        elif here.next:
            here = ladder.rungs[here.next]
    return here


def _counts(one: Try) -> bool:
    """A real call that failed. An empty number or a wrong person says nothing about the patient."""
    known = OUTCOMES.get(one.outcome)
    return known is not None and known.effect == "retry" and not known.number_failed


def _end(rung: Rung, at: datetime, ladder: Ladder, *, reason: str) -> Decision:
    hours = ladder.contact_check_within_hours if rung.do == "contact-check" else ladder.review_within_hours
    move: NextMove = "contact-check" if rung.do == "contact-check" else "review"
    return Decision(move=move, not_before=at + timedelta(hours=hours), reason=reason)


def found_dead(tries: Sequence[Try]) -> frozenset[UUID]:
    """Numbers whose last try here met nobody who could ever be the patient: not in service, or a stranger's."""
    last = {t.number_id: t.outcome for t in tries if t.number_id is not None and t.outcome in OUTCOMES}
    return frozenset(number for number, outcome in last.items() if OUTCOMES[outcome].number_failed)


def rounds(tries: Sequence[Try]) -> int:
    """How often a real call failed."""
    return len([one for one in tries if _counts(one)])


def _try_again(
    outcome: str,
    numbers: Sequence[Number],
    tries: Sequence[Try],
    at: datetime,
    ladder: Ladder,
    rung: Rung | None,
    favourite: str,
) -> Decision:
    wait = ladder.after.get(outcome, Wait(kind="other-band"))
    last = tries[-1].number_id if tries else None
    used_up = last is not None and _tries_on(last, tries) >= ladder.tries_per_number
    leave = frozenset({last}) if last is not None and (used_up or not wait.same_number) else frozenset()
    relatives = [n for n in numbers if n.owner == "relative"] if rung is not None and rung.number == "relative" else []
    number = best_number(relatives, skip=leave) or best_number(numbers, skip=leave) or best_number(numbers)
    assert number is not None  # decide() has looked
    moved_on = number.id != last
    not_before = at if moved_on and wait.kind == "none" else _after_wait(wait, at, ladder, favourite)
    return Decision(
        move="next-number" if moved_on else "retry",
        number_id=number.id,
        not_before=_within_hours(not_before, ladder),
        send_message=rung is not None and rung.message,
        reason=outcome,
    )


def _tries_on(number_id: UUID, tries: Sequence[Try]) -> int:
    return len([t for t in tries if t.number_id == number_id])


def _after_wait(wait: Wait, at: datetime, ladder: Ladder, favourite: str = "") -> datetime:
    if wait.kind == "minutes":
        return at + timedelta(minutes=wait.minutes)
    if wait.kind == "other-band":
        return favourite_band(at, ladder, favourite) or other_band(at, ladder)
    return at


def favourite_band(at: datetime, ladder: Ladder, favourite: str) -> datetime | None:
    """When the patient's own good hours begin next. None without such hours, or when the call failed just there."""
    band = next((one for one in ladder.bands if one.code == favourite), None)
    here = band_of(at, ladder)
    if band is None or (here is not None and here.code == favourite):
        return None
    start = _at_time(at, band.starts)
    return start if start > at else start + timedelta(days=1)


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
