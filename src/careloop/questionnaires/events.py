"""Facts about forms and answers."""

from dataclasses import dataclass
from uuid import UUID

from careloop.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionnairePublished(Event):
    questionnaire_id: UUID
    canonical: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionnaireRetired(Event):
    questionnaire_id: UUID
    canonical: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseStarted(Event):
    response_id: UUID
    task_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswersSent(Event):
    """A telephone sent what it had kept while there was no network; `key` names the sending."""

    response_id: UUID
    key: UUID
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSaved(Event):
    """One answer changed in a draft. The value is never in the audit trail."""

    response_id: UUID
    link_id: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceAdded(Event):
    """One more of a repeating group."""

    response_id: UUID
    link_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRemoved(Event):
    """One of a repeating group and its answers were taken away in a draft."""

    response_id: UUID
    link_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentAdded(Event):
    """A picture or document was given as an answer. Its bytes and name are never in the audit trail."""

    response_id: UUID
    attachment_id: UUID
    link_id: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentRemoved(Event):
    """A picture was taken back while answering; its bytes are gone."""

    response_id: UUID
    attachment_id: UUID
    link_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftStarted(Event):
    """A form is being made: new, from a version, or from a file."""

    draft_id: UUID
    url: str
    version: str
    from_import: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftChanged(Event):
    """One step of a draft: what was done to which part."""

    draft_id: UUID
    revision: int
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftSubmitted(Event):
    draft_id: UUID
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftPublished(Event):
    """Another person reviewed it; it came into force as this version."""

    draft_id: UUID
    questionnaire_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftReturned(Event):
    """The reviewer gave it back."""

    draft_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftDiscarded(Event):
    draft_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class FavouriteChanged(Event):
    """A form was put among somebody's favourites, or taken out."""

    url: str
    kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryItemKept(Event):
    """A question was kept for other forms."""

    item_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryItemRemoved(Event):
    item_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseCompleted(Event):
    """The answers stand; judgement and everything else follows."""

    response_id: UUID
    task_id: UUID | None
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseAmended(Event):
    """A later version took the place of a completed one; both are kept."""

    response_id: UUID
    replaces_id: UUID
    task_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseEnteredInError(Event):
    """Answers were taken out of everything that counts; they can still be read."""

    response_id: UUID
    task_id: UUID | None
