"""What happens to the roll-up, and who drilled into numbers."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from careloop.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class RollupFolded(Event):
    """Rows of one key were added up into one."""

    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RollupChecked(Event):
    """The roll-up was compared with a recount; what differed was put right."""

    groups: int
    differing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DrilledDown(Event):
    """Somebody opened the list behind a number. The ids shown are kept, never names."""

    indicator: str
    side: str
    month: str
    department_id: UUID | None
    practitioner_id: UUID | None
    shown: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgrammesAligned(Event):
    """Public health is counted by another rule pack, or a year was opened; so many rows were counted anew."""

    programmes: int
    rows: int
