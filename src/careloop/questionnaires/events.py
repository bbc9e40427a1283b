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
class AnswerSaved(Event):
    """One answer changed in a draft. The value is never in the audit trail."""

    response_id: UUID
    link_id: str
    source: str


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
