"""What happened to teams and to the distribution of work. Ids and codes only."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from careloop.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamChanged(Event):
    """A team was founded, changed or ended."""

    team_id: UUID
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamMemberChanged(Event):
    """Somebody joined or left a team, or their capacity or skills changed."""

    team_id: UUID
    practitioner_id: UUID
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillChanged(Event):
    """A skill, or the work that needs it, changed."""

    skill_id: UUID
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftChanged(Event):
    """When somebody works changed."""

    practitioner_id: UUID
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveChanged(Event):
    """When somebody is away changed: work given to them for these days is given to others."""

    practitioner_id: UUID
    first_day: date
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkDistributed(Event):
    """One run: how many contacts were given, stayed with their nurse, were taken from somebody away, or did not fit."""

    distribution_id: UUID
    day: date
    trigger: str
    given: int
    kept: int
    taken: int
    left_over: int
