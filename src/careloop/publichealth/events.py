"""Facts about programmes and opinions. Ids and codes only."""

from dataclasses import dataclass
from uuid import UUID

from careloop.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class RulePackPublished(Event):
    pack_id: UUID
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagementStarted(Event):
    """A patient is under management in a programme."""

    episode_id: UUID
    programme: str
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagementEnded(Event):
    """… and no longer, for this reason. Its clocks are stopped."""

    episode_id: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagementResumed(Event):
    """The reason for the end was a mistake."""

    episode_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitJudged(Event):
    """A national form was taken into its programme: class (empty: none), target, referral."""

    visit_id: UUID
    episode_id: UUID
    class_code: str
    urgent: bool
    referral: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitWithdrawn(Event):
    """A visit counts no more: corrected, or entered in error."""

    visit_id: UUID
    episode_id: UUID
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClocksStarted(Event):
    clock_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClocksEnded(Event):
    """These programme clocks are done or stopped, for one reason."""

    clock_ids: tuple[UUID, ...]
    status: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstVisitMissed(Event):
    """Two misses within the hours of the first visit: it must be reported upward."""

    clock_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodesRealigned(Event):
    """After two records were merged or separated, programmes follow their patients."""

    patient_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgrammeExported(Event):
    """Somebody took a file of a programme: which, how many rows, in which form."""

    programme: str
    rows: int
    form: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpinionTablePublished(Event):
    """A version of an opinion table came into force."""

    table_id: UUID
    questionnaire_url: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpinionDraftStarted(Event):
    """Somebody began a new version of an opinion table."""

    draft_id: UUID
    questionnaire_url: str
    how: str  # empty | form | table | file


@dataclass(frozen=True, slots=True, kw_only=True)
class OpinionDraftChanged(Event):
    """One change (or its taking back)."""

    draft_id: UUID
    revision: int
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpinionDraftSubmitted(Event):
    draft_id: UUID
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpinionDraftReturned(Event):
    """The reviewer (or the author) gave it back for more writing."""

    draft_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class OpinionDraftPublished(Event):
    """A second person published it."""

    draft_id: UUID
    table_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class OpinionDraftDiscarded(Event):
    draft_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class OpinionSuggested(Event):
    """The rules suggested an opinion (empty: nothing could be derived)."""

    opinion_id: UUID
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpinionChosen(Event):
    """A doctor confirmed the suggestion or chose another opinion."""

    opinion_id: UUID
    code: str
    agrees: bool
