"""Why a task stands where it stands: points that add up, each with a reason a nurse can read.

The points are data (`content/priority.json`), versioned; a reason is a code with parameters, worded by the page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

Risk = str  # none | ok | watch | high | critical

CONTENT = Path(__file__).resolve().parent.parent / "content"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The points of one version of the priority file."""

    version: str
    points: Mapping[str, int]
    self_report: Mapping[str, int]
    risk: Mapping[str, int]
    limits: Mapping[str, int]


# A reason in words. Only plain ASCII: what else there may be one day is stored as it is.
_WORDS = re.compile(r"([a-z0-9-]+) (-?[0-9]+)((?: [a-z_]+(?::-?[0-9]+|=[a-z0-9-]*))*)")
_PARAM = re.compile(r"([a-z_]+)([:=])([a-z0-9-]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityFacts:
    """What is known about a task when it is weighed. Absent facts add nothing."""

    due_at: datetime
    promised_at: datetime | None = None
    window_ends_at: datetime | None = None
    risk: Risk = "none"
    self_report: Risk | None = None
    discharged_at: datetime | None = None
    contacted_since_discharge: bool = True
    best_hour: int | None = None  # 0–23, local
    answered_partly: bool = False
    tries_today: int = 0


@dataclass(frozen=True, slots=True)
class Term:
    """One reason: a code, its points, and the figures that belong into the sentence."""

    code: str
    points: int
    params: Mapping[str, int | str] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """For the stored `priority_reasons`."""
        return {"code": self.code, "points": self.points, "params": dict(self.params)}


def pack_reasons(reasons: Sequence[Mapping[str, Any]]) -> list[Any]:
    """As a row holds it: "overdue 120 days:3" and "risk 250 risk=high", a quarter of the bytes. A reason that would not
    come back from its words as it is stays as it is.
    """
    return [words if _from_words(words := _in_words(reason)) == reason else reason for reason in reasons]


def pack_terms(terms: Sequence[Term]) -> list[Any]:
    """The same of the terms of one task. Most tasks have one of a few dozen sets of them: each is put into words once."""
    return list(_packed(tuple((term.code, term.points, tuple(term.params.items())) for term in terms)))


@lru_cache(maxsize=4096)
def _packed(told: tuple[tuple[str, int, tuple[tuple[str, int | str], ...]], ...]) -> list[Any]:
    return pack_reasons([Term(code, points, dict(params)).as_json() for code, points, params in told])


def unpack_reasons(stored: Sequence[Any]) -> list[Any]:
    """The reasons of a row, those from before packing too."""
    return [_from_words(reason) if isinstance(reason, str) else reason for reason in stored]


def _in_words(reason: Mapping[str, Any]) -> str:
    params = reason.get("params") or {}
    told = (f"{name}{':' if type(value) is int else '='}{value}" for name, value in params.items())
    return " ".join([str(reason.get("code")), str(reason.get("points")), *told])


def _from_words(words: str) -> dict[str, Any] | None:
    found = _WORDS.fullmatch(words)
    if not found:
        return None
    code, points, rest = found.groups()
    params = {name: int(value) if sign == ":" else value for name, sign, value in _PARAM.findall(rest)}
    return {"code": code, "points": int(points), "params": params}


def parse_weights(text: str) -> Weights:
    """Read a priority file. A missing entry is an error here, not a silent zero at night."""
    data = json.loads(text)
    points = {key: value for key, value in data["points"].items() if isinstance(value, int)}
    return Weights(
        version=data["version"],
        points=points,
        self_report=data["points"]["self-report"],
        risk=data["points"]["risk"],
        limits=data["limits"],
    )


@cache
def shipped_weights() -> Weights:
    """The priority file that comes with this version."""
    return parse_weights((CONTENT / "priority.json").read_text(encoding="utf-8"))


def explain(facts: PriorityFacts, *, at: datetime, weights: Weights | None = None) -> tuple[Term, ...]:
    """Every term that moved this task, strongest first. `at` in the hospital's own time zone."""
    weights = weights or shipped_weights()
    terms = [
        *_promise(facts, at, weights),
        *_reports(facts, weights),
        *_lateness(facts, at, weights),
        *_first_contact(facts, at, weights),
        *_reachability(facts, at, weights),
    ]
    return tuple(sorted(terms, key=lambda term: (-term.points, term.code)))


def score(terms: tuple[Term, ...]) -> int:
    """The number the list is ordered by: nothing but the sum of the terms shown."""
    return sum(term.points for term in terms)


def _promise(facts: PriorityFacts, at: datetime, weights: Weights) -> Iterator[Term]:
    if facts.promised_at is None:
        return
    minutes = int((facts.promised_at - at).total_seconds() // 60)
    if minutes <= 0:
        yield Term("promise-due", weights.points["promise-due"], {"minutes": -minutes})
    elif minutes <= weights.limits["promise-soon-minutes"]:
        yield Term("promise-soon", weights.points["promise-soon"], {"minutes": minutes})


def _reports(facts: PriorityFacts, weights: Weights) -> Iterator[Term]:
    if facts.self_report is not None and facts.self_report in weights.self_report:
        yield Term("self-report", weights.self_report[facts.self_report], {"severity": facts.self_report})
    points = weights.risk.get(facts.risk, 0)
    if points:
        yield Term("risk", points, {"risk": facts.risk})
    if facts.answered_partly:
        yield Term("answered-partly", weights.points["answered-partly"])


def _lateness(facts: PriorityFacts, at: datetime, weights: Weights) -> Iterator[Term]:
    days = days_overdue(due_at=facts.due_at, at=at)
    if days > 0:
        counted = min(days, weights.points["overdue-days-counted"])
        yield Term("overdue", counted * weights.points["overdue-per-day"], {"days": days})
    ends = facts.window_ends_at
    if ends is not None and at <= ends <= at + timedelta(hours=weights.limits["window-ends-hours"]):
        yield Term("window-ends", weights.points["window-ends"], {"hours": int((ends - at).total_seconds() // 3600)})


def _first_contact(facts: PriorityFacts, at: datetime, weights: Weights) -> Iterator[Term]:
    if facts.discharged_at is None or facts.contacted_since_discharge:
        return
    hours_left = weights.limits["first-contact-hours"] - int((at - facts.discharged_at).total_seconds() // 3600)
    if hours_left < 0:
        return
    last_day = hours_left <= weights.limits["first-contact-last-hours"]
    key = "first-contact-last-day" if last_day else "first-contact"
    yield Term(key, weights.points[key], {"hours": hours_left})


def _reachability(facts: PriorityFacts, at: datetime, weights: Weights) -> Iterator[Term]:
    if facts.best_hour is not None and facts.best_hour == at.hour:
        yield Term("best-hour", weights.points["best-hour"], {"hour": facts.best_hour})
    if facts.tries_today > 0:
        yield Term("tried-today", facts.tries_today * weights.points["tried-today"], {"times": facts.tries_today})


def days_overdue(*, due_at: datetime, at: datetime) -> int:
    """Whole calendar days after the due day in the zone of `at`. Due today is not overdue."""
    return (at.date() - due_at.astimezone(at.tzinfo).date()).days


def changes_at(facts: PriorityFacts, *, at: datetime, weights: Weights | None = None) -> datetime:
    """Until when `explain` tells of these facts what it tells `at`, by the clock alone: never later than the day ends.

    `at` in the hospital's own time zone. With the day what is overdue is overdue by one more, what was tried today counts
    anew, and points that came with a new version are in force for every task.
    """
    weights = weights or shipped_weights()
    day_ends = datetime.combine(at.date() + timedelta(days=1), time(), at.tzinfo)
    return min([
        day_ends, *_promise_changes(facts, at, weights), *_window_changes(facts, at, weights),
        *_first_contact_changes(facts, at, weights), *_best_hour_changes(facts, at),
    ])  # fmt: skip


_INSTANT = timedelta.resolution
_HOUR = timedelta(hours=1)


def _promise_changes(facts: PriorityFacts, at: datetime, weights: Weights) -> Iterator[datetime]:
    """A promise is told from so many minutes before, and each minute anew. A whole minute left is still that minute."""
    if facts.promised_at is None:
        return
    minutes = int((facts.promised_at - at).total_seconds() // 60)
    soon = weights.limits["promise-soon-minutes"]
    yield facts.promised_at - timedelta(minutes=min(minutes, soon + 1)) + _INSTANT


def _window_changes(facts: PriorityFacts, at: datetime, weights: Weights) -> Iterator[datetime]:
    ends, told = facts.window_ends_at, timedelta(hours=weights.limits["window-ends-hours"])
    if ends is None or ends < at:
        return
    if at < ends - told:
        yield ends - told
    else:
        yield ends - (ends - at) // _HOUR * _HOUR + _INSTANT


def _first_contact_changes(facts: PriorityFacts, at: datetime, weights: Weights) -> Iterator[datetime]:
    if facts.discharged_at is None or facts.contacted_since_discharge:
        return
    next_hour = int((at - facts.discharged_at).total_seconds() // 3600) + 1
    if next_hour <= weights.limits["first-contact-hours"] + 1:
        yield facts.discharged_at + next_hour * _HOUR


def _best_hour_changes(facts: PriorityFacts, at: datetime) -> Iterator[datetime]:
    if facts.best_hour == at.hour:
        yield at.replace(minute=0, second=0, microsecond=0) + _HOUR
    elif facts.best_hour is not None and facts.best_hour > at.hour:
        yield datetime.combine(at.date(), time(facts.best_hour), at.tzinfo)
