"""The life of a visit: which event leads from which status to which."""

from __future__ import annotations

from typing import Final

from careloop.patients.rules.data import VisitEvent

STARTS: Final = frozenset({"admitted", "registered"})
NEUTRAL: Final = frozenset({"transferred", "class-changed", "updated"})


def next_status(status: str, event: VisitEvent, *, is_old: bool, has_end: bool, cycle: int) -> str:
    """The status after an event. `status` is "" for a visit not known yet.

    `is_old`: the event happened before the newest status change, so it changes nothing. A visit first heard of through
    a neutral event is in progress, or finished if its end is told. A late admission never reopens a finished stay,
    nor an update a cancelled one: only a cancelled discharge reopens, only a new admission revives.
    """
    if not status:
        return _first_status(event, has_end=has_end)
    if is_old or event in NEUTRAL:
        return status
    if event == "discharged":
        return "finished"
    if event == "discharge-cancelled":
        return "in-progress" if status == "finished" else status
    if event == "admission-cancelled":
        return "cancelled"
    if event == "planned":
        return "planned" if status == "cancelled" else status
    return status if status == "finished" else "in-progress"


def _first_status(event: VisitEvent, *, has_end: bool) -> str:
    if event == "planned":
        return "planned"
    if event == "admission-cancelled":
        return "cancelled"
    if event == "discharged" or (event in NEUTRAL and has_end):
        return "finished"
    return "in-progress"
