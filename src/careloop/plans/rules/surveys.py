"""Who is asked how satisfied they were, and who is left in peace (A19, D25)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from careloop.plans.rules.enrolment import DischargeFacts, exclusion

SURVEYS = "satisfaction"
"""The group of plans that ask for satisfaction. Discharges do not enter them when they are judged; the clock asks later."""
EARLIEST_DAYS, LATEST_DAYS = 3, 14
"""From 48 hours after the stay (HCAHPS), so on the third day; later than this nobody begins to ask."""


class Unasked(StrEnum):
    """Why somebody is not asked."""

    EXCLUDED = "excluded"  # dead, refused, left against advice, transferred, cancelled
    DECLINED = "declined"  # a person decided that nobody follows this discharge up
    SENSITIVE = "sensitive"
    IN_BED = "in-bed"  # is in the hospital again
    TOO_EARLY = "too-early"
    TOO_LATE = "too-late"
    ASKED_LATELY = "asked-lately"


@dataclass(frozen=True, slots=True)
class Asking:
    """What decides beside the facts of the stay."""

    is_sensitive: bool = False
    is_in_bed: bool = False
    asked_on: tuple[date, ...] = ()  # when this patient's surveys were begun


def unasked(facts: DischargeFacts, asking: Asking, *, today: date, interval_days: int) -> Unasked | None:
    """Why this patient is not asked about this stay now; None: ask."""
    if exclusion(facts, today=today, latest_days=365) is not None or facts.discharged_on is None:
        return Unasked.EXCLUDED
    days = (today - facts.discharged_on).days
    checks = (
        (facts.is_declined, Unasked.DECLINED),
        (asking.is_sensitive, Unasked.SENSITIVE),
        (asking.is_in_bed, Unasked.IN_BED),
        (days < EARLIEST_DAYS, Unasked.TOO_EARLY),
        (days > LATEST_DAYS, Unasked.TOO_LATE),
        (_lately(asking.asked_on, today, interval_days), Unasked.ASKED_LATELY),
    )
    return next((why for holds, why in checks if holds), None)


def _lately(asked_on: Iterable[date], today: date, interval_days: int) -> bool:
    return any((today - day).days < interval_days for day in asked_on)
