"""How a contact can end: one closed vocabulary for phone, portal and import (clinical content 5.8).

What follows from an outcome is a property of it, so no page and no job decides by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Effect = Literal["complete", "retry", "promise", "close", "end-contact", "note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One way a contact ends.

    `reached`: someone who can answer was spoken to. `final`: nothing of this task is left to do.
    `number_result`: what it says about the number that was called. `ends_contact`: never call this patient again.
    """

    code: str
    effect: Effect
    reached: bool = False
    final: bool = False
    needs_time: bool = False
    number_result: str | None = None
    number_failed: bool = False
    ends_contact: bool = False
    key: str | None = None  # the digit in the result bar


def _table(*outcomes: Outcome) -> dict[str, Outcome]:
    return {outcome.code: outcome for outcome in outcomes}


OUTCOMES: dict[str, Outcome] = _table(
    Outcome(code="reached-patient", effect="complete", reached=True, final=True, number_result="reached", key="1"),
    Outcome(code="reached-informed-relative", effect="complete", reached=True, final=True, number_result="reached"),
    Outcome(code="reached-uninformed", effect="retry", number_result="reached"),
    Outcome(code="answered-online", effect="complete", reached=True, final=True),
    Outcome(code="call-later", effect="promise", reached=True, needs_time=True, number_result="reached", key="2"),
    Outcome(code="no-answer", effect="retry", number_result="no-answer"),
    Outcome(code="busy", effect="retry", number_result="busy"),
    Outcome(code="off", effect="retry", number_result="off"),
    Outcome(code="left-message", effect="retry", number_result="no-answer"),
    Outcome(code="empty-number", effect="retry", number_result="empty-number", number_failed=True),
    Outcome(code="wrong-person", effect="retry", number_result="wrong-person", number_failed=True, key="4"),
    Outcome(code="refused", effect="close", reached=True, final=True, number_result="reached", key="3"),
    Outcome(
        code="refused-for-ever",
        effect="end-contact",
        reached=True,
        final=True,
        number_result="reached",
        ends_contact=True,
    ),
    Outcome(code="language-barrier", effect="close", reached=True, final=True, number_result="reached"),
    Outcome(code="not-needed", effect="close", reached=True, final=True),
    Outcome(code="moved", effect="close", reached=True, final=True, number_result="reached"),
    Outcome(code="transferred", effect="close", reached=True, final=True, number_result="reached"),
    Outcome(code="readmitted", effect="close", reached=True, final=True, number_result="reached"),
    Outcome(code="letter-sent", effect="note"),  # a letter was posted: an attempt, but it says nothing about a number
    Outcome(code="died", effect="end-contact", reached=True, final=True, number_result="reached", ends_contact=True),
)

RESULT_BAR: tuple[str, ...] = tuple(
    outcome.code for outcome in sorted(OUTCOMES.values(), key=lambda o: o.key or "9") if outcome.key
)
NOT_REACHED: tuple[str, ...] = ("no-answer", "busy", "off", "empty-number", "left-message")
BY_MACHINE = ("answered-online", "letter-sent")  # never chosen after a call
MORE: tuple[str, ...] = tuple(code for code in OUTCOMES if code not in (*RESULT_BAR, *NOT_REACHED, *BY_MACHINE))


def outcome_of(code: str) -> Outcome | None:
    """The outcome with this code, or None for a word nobody agreed on."""
    return OUTCOMES.get(code)
