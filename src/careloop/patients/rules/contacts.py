"""How far a telephone number can be trusted, and which one to dial first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

Trust = Literal["verified", "unverified", "doubtful", "invalid"]

REACHED: Final = frozenset({
    "reached-patient", "reached-informed-relative", "reached-uninformed", "refused", "refused-for-ever", "call-later",
    "language-barrier", "moved", "transferred", "readmitted", "died", "not-needed", "answered-online", "delivered",
})  # fmt: skip
"""Results after which a person of the patient's circle has been spoken to (or a message has arrived) on this number."""
DEAD: Final = frozenset({"empty-number", "wrong-person"})
"""Results after which the number must not be dialled again for this patient: no subscriber, or a stranger."""
SILENT: Final = frozenset({"no-answer", "busy", "off", "left-message", "undeliverable"})
DOUBT_AFTER: Final = 3
"""Silent tries in a row after which a number is doubtful (pain 7: it goes to the end of the list, not away)."""
STALE_AFTER: Final = timedelta(days=365)
"""A verification older than this counts as none (people change numbers)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known about one number."""

    trust: Trust = "unverified"
    failures: int = 0
    """Silent tries in a row."""


def after_result(before: Evidence, result: str) -> Evidence:
    """What one more try tells. A number once invalid becomes usable again only by verification or by being reached."""
    if result in DEAD:
        return Evidence(trust="invalid", failures=before.failures + 1)
    if result in REACHED:
        return Evidence(trust="verified", failures=0)
    if result not in SILENT:
        return before
    failures = before.failures + 1
    doubtful = failures >= DOUBT_AFTER and before.trust != "invalid"
    return Evidence(trust="doubtful" if doubtful else before.trust, failures=failures)


def dial_order(
    *,
    trust: str,
    is_mobile: bool,
    is_patient: bool,
    knows_condition: bool | None,
    last_success: datetime | None,
    failures: int,
    rank: int,
    at: datetime,
) -> tuple[int, int, int, int, int, int, float]:
    """Sort key, smallest first: usable and reached lately, own number, who knows, mobile, hand-set rank.

    The patient's own number comes before a relative's unless it has failed; a relative who does not know the
    condition comes last, because nothing may be said to them.
    """
    order = {"verified": 0, "unverified": 1, "doubtful": 2, "invalid": 3}[trust]
    if trust == "verified" and last_success is not None and at - last_success > STALE_AFTER:
        order = 1
    return (
        order,
        0 if is_patient else 1,
        1 if knows_condition is False else 0,
        0 if is_mobile else 1,
        failures,
        rank,
        -last_success.timestamp() if last_success else 0.0,
    )
