"""Which records deserve a second look more than others. The weights are data (content/sampling.json)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from careloop.supervision.rules.records import Record


def weigh(records: Sequence[Record], policy: Mapping[str, Any]) -> dict[str, tuple[float, tuple[str, ...]]]:
    """Record → (weight, reasons). An ordinary record weighs 1; each reason adds what it weighs above 1.

    Nothing here says that a record is wrong: a 0-second call may be a telephone of the desk that nobody connected.
    """
    reasons: dict[str, list[str]] = {record.id: [] for record in records}
    for record in records:
        if record.is_call and record.call_seconds is None:
            reasons[record.id].append("no-attempt")
        elif record.is_call and (record.call_seconds or 0) < policy["short_call_seconds"]:
            reasons[record.id].append("zero-seconds")
        if is_copy(record):
            reasons[record.id].append("copied")
    for id_ in too_fast(records, seconds_per_question=policy["seconds_per_question"]):
        reasons[id_].append("tempo")
    for id_ in perfect_streaks(records, least=policy["perfect_streak"]):
        reasons[id_].append("perfect-streak")
    weights = policy["weights"]
    return {id_: (1.0 + sum(weights[code] - 1.0 for code in codes), tuple(codes)) for id_, codes in reasons.items()}


def is_copy(record: Record) -> bool:
    """Whether every answer, among them at least two measured numbers, is what it was the last time."""
    if record.earlier is None or len(record.readings) < 2:
        return False
    return dict(record.values) == dict(record.earlier)


def too_fast(records: Sequence[Record], *, seconds_per_question: float, least: float = 20.0) -> list[str]:
    """Calls completed so soon after the same person's record before that nobody could have asked the questions.

    Only calls, and only gaps after a call: paper that is typed in afterwards is fast, and rightly so.
    """
    found = []
    for mine in by_author(records).values():
        calls = [record for record in mine if record.is_call]
        for before, record in zip(calls, calls[1:], strict=False):
            gap = (record.at - before.at).total_seconds()
            if gap < max(least, seconds_per_question * len(record.values)) and record.patient != before.patient:
                found.append(record.id)
    return found


def perfect_streaks(records: Sequence[Record], *, least: int) -> list[str]:
    """Records in a row of at least `least` by one person in which no rule of the form found anything."""
    found: list[str] = []
    for mine in by_author(records).values():
        run: list[str] = []
        for record in [*mine, None]:
            if record is not None and record.findings == 0:
                run.append(record.id)
                continue
            if len(run) >= least:
                found += run
            run = []
    return found


def by_author(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Each person's records in the order in which they were completed."""
    found: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda one: (one.at, one.id)):
        found.setdefault(record.author, []).append(record)
    return found
