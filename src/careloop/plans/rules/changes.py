"""What was changed for one patient: steps ticked off, dates moved, visits added, owner and targets set. Undo included.

The list only grows: a change is undone by marking it, so the history of a plan can always be shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any


class ChangeKind(StrEnum):
    """What may be changed for one patient."""

    TICK_OFF = "tick-off"  # step: not for this patient
    MOVE = "move"  # step + number: this one occurrence on another date
    ADD_VISIT = "add-visit"  # an occurrence that the protocol does not have
    OWNER = "owner"
    TARGET = "target"


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the list. Which fields count depends on the kind."""

    id: str
    kind: ChangeKind
    at: str  # ISO instant
    by: str
    undone: bool = False
    step: str = ""
    number: int = 0
    day: date | None = None
    title: str = ""
    channel: str = "phone"
    questionnaire: str = ""
    owner: str = ""
    name: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """The list folded to what holds now."""

    ticked_off: frozenset[str] = frozenset()
    moved: Mapping[tuple[str, int], date] = field(default_factory=dict)
    added: tuple[Change, ...] = ()
    owner: str = ""
    targets: Mapping[str, str] = field(default_factory=dict)

    @property
    def visits_added(self) -> int:
        return len(self.added)


NO_CHANGES = Changes()


def fold(changes: Sequence[Change]) -> Changes:
    """The later entry wins; undone ones do not count."""
    ticked_off: set[str] = set()
    moved: dict[tuple[str, int], date] = {}
    added: list[Change] = []
    targets: dict[str, str] = {}
    owner = ""
    for change in changes:
        if change.undone:
            continue
        if change.kind is ChangeKind.TICK_OFF:
            ticked_off.add(change.step)
        elif change.kind is ChangeKind.MOVE and change.day is not None:
            moved[(change.step, change.number)] = change.day
        elif change.kind is ChangeKind.ADD_VISIT:
            added.append(change)
        elif change.kind is ChangeKind.OWNER:
            owner = change.owner
        elif change.kind is ChangeKind.TARGET:
            targets[change.name] = change.value
    return Changes(frozenset(ticked_off), moved, tuple(added), owner, targets)


def undo(changes: Sequence[Change], change_id: str) -> tuple[Change, ...]:
    """Mark one entry as undone. An unknown or already undone id is refused with KeyError."""
    if not any(change.id == change_id and not change.undone for change in changes):
        raise KeyError(change_id)
    return tuple(_with_undone(change) if change.id == change_id else change for change in changes)


def _with_undone(change: Change) -> Change:
    return parse_change({**dump_change(change), "undone": True})


def dump_change(change: Change) -> dict[str, Any]:
    """As stored: empty fields left out."""
    return {
        key: value
        for key, value in {
            "id": change.id,
            "kind": change.kind.value,
            "at": change.at,
            "by": change.by,
            "undone": change.undone or None,
            "step": change.step,
            "number": change.number or None,
            "day": change.day.isoformat() if change.day else None,
            "title": change.title,
            "channel": change.channel if change.kind is ChangeKind.ADD_VISIT else None,
            "questionnaire": change.questionnaire,
            "owner": change.owner,
            "name": change.name,
            "value": change.value,
        }.items()
        if value not in (None, "")
    }


def parse_change(raw: Mapping[str, Any]) -> Change:
    """The way back from `dump_change`."""
    day = raw.get("day")
    return Change(
        id=str(raw["id"]),
        kind=ChangeKind(raw["kind"]),
        at=str(raw["at"]),
        by=str(raw["by"]),
        undone=bool(raw.get("undone", False)),
        step=str(raw.get("step", "")),
        number=int(raw.get("number", 0)),
        day=date.fromisoformat(day) if day else None,
        title=str(raw.get("title", "")),
        channel=str(raw.get("channel", "phone")),
        questionnaire=str(raw.get("questionnaire", "")),
        owner=str(raw.get("owner", "")),
        name=str(raw.get("name", "")),
        value=str(raw.get("value", "")),
    )
