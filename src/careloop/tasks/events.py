"""What happened to work. Ids and codes only."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from careloop.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksRequested(Event):
    """New tasks exist. One fact per request, however many tasks."""

    task_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCompleted(Event):
    """A task was done, with this outcome."""

    task_id: UUID
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskClosed(Event):
    """A task will not be done, for this reason."""

    task_id: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskReopened(Event):
    """The last step was taken back within the undo time: the task stands as before."""

    task_id: UUID
    undone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksOpenedEarly(Event):
    """Scheduled tasks came onto the list before their time, because the messages before them did not work."""

    task_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageNoted(Event):
    """How far the message about these tasks has come: sent, opened or answered."""

    task_ids: tuple[UUID, ...]
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSnoozed(Event):
    """Put off until a time, for a reason."""

    task_id: UUID
    until: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPromised(Event):
    """The patient was promised a call at this time. The due date stays what it was."""

    task_id: UUID
    promised_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecorded(Event):
    """Somebody tried to reach the patient. `move` is the ladder's next step; `send_message` asks for a message."""

    task_id: UUID
    attempt_id: UUID
    outcome: str
    move: str = ""
    send_message: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskClaimed(Event):
    """Somebody has this patient's work in hand."""

    task_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimsReleased(Event):
    """Work in hand was put back."""

    task_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksAssigned(Event):
    """Tasks got an owner (None = back to everybody)."""

    task_ids: tuple[UUID, ...]
    owner_id: UUID | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PrioritiesRefreshed(Event):
    """Open tasks were weighed again."""

    changed: int
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfReportFlagged(Event):
    """The patient's own answers were worrying: the open tasks say so."""

    task_ids: tuple[UUID, ...]
    severity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterSaved(Event):
    """Somebody keeps a view of the list."""

    filter_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterRemoved(Event):
    """A kept view was thrown away."""

    filter_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskCarried(Event):
    """The open calls of a patient show the patient's new risk."""

    task_ids: tuple[UUID, ...]
    risk: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderPublished(Event):
    """A new version of the retry ladder was written."""

    number: int
    valid_from: date


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientLost(Event):
    """Everything was tried: the follow-up ended as lost, for this reason."""

    task_id: UUID
    care_plan_id: UUID | None
    reason: str
