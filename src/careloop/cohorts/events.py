"""What happens to cohorts, topics, selections and lists."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from careloop.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortAsked(Event):
    """Somebody looked for a group of patients."""

    cohort_id: UUID
    conditions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortSaved(Event):
    """A search was kept under a name; frozen: with the members of this moment."""

    cohort_id: UUID
    kind: str
    members: int | None
    shared: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortArchived(Event):
    """It is no longer offered; topics that came from it go on."""

    cohort_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicStarted(Event):
    """A group of patients gets a follow-up of its own."""

    topic_id: UUID
    batch_id: UUID
    included: int
    excluded: int
    deadline: date


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicMemberEnrolled(Event):
    """One of its patients got a task or a plan."""

    topic_id: UUID
    task_id: UUID | None = None
    care_plan_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicMemberExcluded(Event):
    """When it came to it, this patient could not be followed up."""

    topic_id: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicClosed(Event):
    """Its open tasks were closed; what was answered stays."""

    topic_id: UUID
    closed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionMade(Event):
    """Rows were chosen for work in bulk."""

    selection_id: UUID
    subject: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListExported(Event):
    """A list was made to be taken away: which columns, how many rows, whether it names persons, and what for."""

    export_id: UUID
    batch_id: UUID
    rows: int
    columns: tuple[str, ...]
    identifies: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientTagged(Event):
    """A patient got a tag."""

    tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientUntagged(Event):
    """A tag was taken from a patient."""

    tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewestRecounted(Event):
    """The newest results and answers were written anew, because so many of them stood wrong."""

    wrong: int
