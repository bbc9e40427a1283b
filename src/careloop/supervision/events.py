"""Facts of supervision. Ids and codes only."""

from dataclasses import dataclass
from uuid import UUID

from careloop.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleDrawn(Event):
    """A sample was drawn: so many of so many records, with this seed."""

    sample_id: UUID
    size: int
    population: int
    seed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleDecided(Event):
    """A finished sample was accepted, or widened for these reasons."""

    sample_id: UUID
    accepted: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckHandedOver(Event):
    """Another person checks this record."""

    record_id: UUID
    to_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ReCheckBegun(Event):
    """The patient is being asked again, blind."""

    record_id: UUID
    task_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ReCheckSubmitted(Event):
    """The second answers stand; from now on both may be seen side by side."""

    record_id: UUID
    pairs: int
    agreeing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BlindnessGivenUp(Event):
    """The checker had to see the record first; it counts as read, not as asked blind."""

    record_id: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientNotReachedAgain(Event):
    """The patient could not be asked again; the record counts as not checked."""

    record_id: UUID
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferencesExplained(Event):
    """The checker said for each difference where it comes from."""

    record_id: UUID
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordReviewed(Event):
    """A colleague or checker read a record through."""

    response_id: UUID
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRaised(Event):
    """Something is to be put right, by this person, with this work order."""

    finding_id: UUID
    code: str
    severity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingAnswered(Event):
    """The person responsible says what was done, with evidence."""

    finding_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingReturned(Event):
    """The evidence did not convince: to be put right again."""

    finding_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingClosed(Event):
    """Checked again and found right."""

    finding_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrityRolledUp(Event):
    """The indicators of a month were counted again."""

    month: str
    people: int
    version: str
