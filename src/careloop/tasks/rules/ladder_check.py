"""Is an edited ladder one that ends? Everything that is wrong with it, by place, before it may be put in force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import time
from typing import Any

from careloop.tasks.rules.ladder import ENDINGS, FOLLOW, WAITS
from careloop.tasks.rules.outcomes import BY_MACHINE, OUTCOMES

RETRIED = tuple(code for code, outcome in OUTCOMES.items() if outcome.effect == "retry")
FOLLOWED = tuple(
    code
    for code, outcome in OUTCOMES.items()
    if outcome.effect in ("complete", "close") and code not in ("reached-patient", *BY_MACHINE)
)
DOES = ("call", "letter", "visit", *ENDINGS)
MOST_RUNGS, LONGEST_PATH, LONGEST_WAIT, MOST_TRIES, MOST_HOURS, MOST_DAYS = 12, 8, 14 * 24 * 60, 5, 30 * 24, 30


@dataclass(frozen=True, slots=True)
class LadderFault:
    """What is wrong, and where: an outcome, a rung or a field."""

    code: str
    place: str = ""


def faults(data: Mapping[str, Any]) -> list[LadderFault]:
    """Everything wrong with a ladder's content. Empty: it can be put in force. Never raises, whatever it is given."""
    try:
        return [*_hours(data), *_rungs(data), *_ends(data), *_after(data), *_follow(data), *_limits(data)]
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        return [LadderFault("unreadable", str(fault)[:60])]


def _hours(data: Mapping[str, Any]) -> Iterator[LadderFault]:
    opens, closes = (time.fromisoformat(data["calling_hours"][key]) for key in ("from", "to"))
    if opens >= closes:
        yield LadderFault("hours-backwards")
    before = opens
    if not data["bands"]:
        yield LadderFault("no-bands")
    for band in data["bands"]:
        starts, ends = time.fromisoformat(band["from"]), time.fromisoformat(band["to"])
        if starts < before or ends <= starts or ends > closes:
            yield LadderFault("bands-disordered", band["code"])
        before = ends


def _rungs(data: Mapping[str, Any]) -> Iterator[LadderFault]:
    rungs = data["rungs"]
    if not 1 <= len(rungs) <= MOST_RUNGS:
        yield LadderFault("too-many-rungs")
    for code, rung in rungs.items():
        if rung["do"] not in DOES:
            yield LadderFault("unknown-step", code)
        elif rung["do"] in ENDINGS and rung.get("next"):
            yield LadderFault("end-goes-on", code)
        elif rung["do"] not in ENDINGS and not rung.get("next"):
            yield LadderFault("no-end", code)
        if rung.get("next") and rung["next"] not in rungs:
            yield LadderFault("unknown-rung", f"{code} → {rung['next']}")
        if rung.get("number", "best") not in ("best", "relative"):
            yield LadderFault("unknown-number", code)
        if rung["do"] in ("letter", "visit") and not 1 <= int(rung.get("days", 0)) <= MOST_DAYS:
            yield LadderFault("days-missing", code)


def _ends(data: Mapping[str, Any]) -> Iterator[LadderFault]:
    """From every rung the end is reached, and not too late."""
    rungs = data["rungs"]
    for code in rungs:
        seen, here = {code}, rungs[code].get("next", "")
        while here in rungs and here not in seen:
            seen.add(here)
            here = rungs[here].get("next", "")
        if here and here in seen:
            yield LadderFault("cycle", code)
        elif len(seen) > LONGEST_PATH:
            yield LadderFault("too-long", code)


def _after(data: Mapping[str, Any]) -> Iterator[LadderFault]:
    after = data["after"]
    yield from (LadderFault("outcome-missing", code) for code in RETRIED if code not in after)
    for code, step in after.items():
        if code not in RETRIED:
            yield LadderFault("unknown-outcome", code)
            continue
        if step["wait"] not in WAITS:
            yield LadderFault("unknown-wait", code)
        if step["wait"] == "minutes" and not 1 <= int(step.get("minutes", 0)) <= LONGEST_WAIT:
            yield LadderFault("minutes-missing", code)
        if step["wait"] == "none" and step["same_number"]:
            yield LadderFault("at-once-again", code)
        if OUTCOMES[code].number_failed and step["same_number"]:
            yield LadderFault("dead-number-again", code)
        if step["start"] not in data["rungs"]:
            yield LadderFault("unknown-rung", f"{code} → {step['start']}")
    if data["no_number"] not in data["rungs"] or data["rungs"][data["no_number"]]["do"] not in ENDINGS:
        yield LadderFault("no-number-needs-end")


def _follow(data: Mapping[str, Any]) -> Iterator[LadderFault]:
    for code, what in data.get("follow", {}).items():
        if code not in FOLLOWED:
            yield LadderFault("unknown-outcome", code)
        elif what not in FOLLOW:
            yield LadderFault("unknown-step", code)


def _limits(data: Mapping[str, Any]) -> Iterator[LadderFault]:
    if not 1 <= int(data["tries_per_number"]) <= MOST_TRIES:
        yield LadderFault("limit", "tries_per_number")
    for name in ("contact_check_within_hours", "review_within_hours"):
        if not 1 <= int(data[name]) <= MOST_HOURS:
            yield LadderFault("limit", name)
