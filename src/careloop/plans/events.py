"""What happens to plans. Ids and codes only."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from careloop.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPublished(Event):
    """A version of a plan came into use."""

    definition_id: UUID
    url: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanEnrolmentSwitched(Event):
    """A plan takes discharges by rule from now on, or no longer."""

    definition_id: UUID
    enrols: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentDecided(Event):
    """A discharge was judged against all plans."""

    encounter_id: UUID
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CarePlanStarted(Event):
    """A plan runs from this stay on, by this version."""

    care_plan_id: UUID
    encounter_id: UUID
    definition_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CarePlanPaused(Event):
    care_plan_id: UUID
    encounter_id: UUID  # the stay that paused it


@dataclass(frozen=True, slots=True, kw_only=True)
class CarePlanResumed(Event):
    care_plan_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CarePlanEnded(Event):
    care_plan_id: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CarePlanChanged(Event):
    """A personal change was made or undone."""

    care_plan_id: UUID
    change_id: str
    kind: str
    undone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanVersionAdopted(Event):
    """A running plan moved to another version of its definition, by somebody's choice."""

    care_plan_id: UUID
    from_definition_id: UUID
    to_definition_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanVersionAdoptionUndone(Event):
    """An adoption was taken back: the plan goes on with the version before."""

    care_plan_id: UUID
    adoption_id: UUID
    to_definition_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpDeclined(Event):
    """A person decided that nobody follows this discharge up."""

    encounter_id: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpDeclineTakenBack(Event):
    """The rules decide about this discharge again."""

    encounter_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CarePlansRealigned(Event):
    """After a merge or its undoing, plans follow their stays to the right patient; doubles are ended."""

    moved: int
    duplicates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorsCompleted(Event):
    """An operation or diagnosis date became known, so steps that waited for it can be planned."""

    care_plan_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderClimbed(Event):
    """One patient's messages were queued or a person's turn has come."""

    channel: str
    task_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderTimed(Event):
    """The next moves of ladders were set."""

    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrphansClosed(Event):
    """Open tasks whose plan is over were found and closed. The number should always be nought."""

    tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpFinished(Event):
    """A planned contact is over, with its outcome."""

    task_id: UUID
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDraftStarted(Event):
    """Somebody began to write a version: from nothing, from a version in use, or from a file."""

    draft_id: UUID
    url: str
    origin: str  # blank | version | file


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDraftChanged(Event):
    """One change of a draft was saved or taken back."""

    draft_id: UUID
    number: int
    undone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDraftSubmitted(Event):
    """The author handed a draft in for review."""

    draft_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDraftReturned(Event):
    """The reviewer gave it back, or the author took it back."""

    draft_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDraftApproved(Event):
    """A second person published a draft."""

    draft_id: UUID
    definition_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDraftDiscarded(Event):
    draft_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRequested(Event):
    """A draft is to be played on past discharges."""

    replay_id: UUID
    draft_id: UUID
    months: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayMoved(Event):
    """A replay started, went on or ended."""

    replay_id: UUID
    state: str
