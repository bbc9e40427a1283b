"""When somebody usually answers, from their own history: the evidence, not a guess."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time

from careloop.tasks.rules.ladder import Band


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """One earlier call: when (in the hospital's own time zone), and whether somebody was reached."""

    at: datetime
    reached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """`reached` of `tried` calls in this part of the day were answered."""

    band: str
    starts: time
    ends: time
    reached: int
    tried: int


def best_band(calls: Iterable[Called], bands: Sequence[Band]) -> Reach | None:
    """The part of the day with the best record; None while nobody was ever reached.

    One answered call out of one does not beat nine out of ten: each part is given one answered and one silent call
    in advance (Laplace's rule of succession). Equal records: the one with more calls, then the earlier one.
    """
    found = {band.code: [0, 0] for band in bands}
    for call in calls:
        band = next((one for one in bands if one.starts <= call.at.time() < one.ends), None)
        if band is not None:
            found[band.code][0] += call.reached
            found[band.code][1] += 1
    records = [
        Reach(
            band=band.code, starts=band.starts, ends=band.ends, reached=found[band.code][0], tried=found[band.code][1]
        )
        for band in bands
        if found[band.code][0]
    ]
    return max(records, key=lambda one: ((one.reached + 1) / (one.tried + 2), one.tried), default=None)
