"""The keystroke-level model: how long a practised person needs for what was really pressed (Card, Moran, Newell 1980)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

HEARD = "heard"


@dataclass(frozen=True, slots=True)
class Press:
    """One key or mouse button. `unit` is what it belongs to: a question, a number, a command. `when` is "desk", or
    "heard" for an answer chosen while the other side speaks."""

    device: str  # key | mouse
    unit: str
    when: str = "desk"


@dataclass(frozen=True, slots=True)
class Estimate:
    """`record` is the time on the critical path; `alone` adds the thinking that the conversation covers."""

    operators: str
    keys: int
    clicks: int
    record: float
    alone: float


def operators(presses: Iterable[Press]) -> list[str]:
    """The operators of a run, in order.

    One M before the first press of each unit (rules 0 and 2 of the paper: what is one unit in the head gets one M).
    `m` is an M for an answer that is heard: made while the other side speaks, so off the critical path. H whenever the
    hand changes between keyboard and mouse; it begins at the keyboard.
    """
    found: list[str] = []
    hand, unit = "key", ""
    for press in presses:
        if press.device != hand:
            found.append("H")
            hand = press.device
        if press.unit != unit:
            found.append("m" if press.when == HEARD else "M")
            unit = press.unit
        found += ["P", "B"] if press.device == "mouse" else ["K"]
    return found


def estimate(presses: Sequence[Press], seconds: Mapping[str, float], *, waited: float = 0.0) -> Estimate:
    """What the model says about a run. `waited` are the seconds the system really kept the person waiting (R)."""
    found = operators(presses)
    times = {**seconds, "m": 0.0}
    record = sum(times[one] for one in found) + waited
    covered = found.count("m") * seconds["M"]
    return Estimate(
        operators=" ".join(found),
        keys=found.count("K"),
        clicks=found.count("B"),
        record=round(record, 2),
        alone=round(record + covered, 2),
    )
