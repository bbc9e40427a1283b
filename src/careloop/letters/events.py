"""What happened on paper. Ids and codes only: never a name, an address or a text."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from careloop.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperPrinted(Event):
    """A paper about one patient was handed out: record, plan, report, letter …"""

    document: str
    subject_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListTaken(Event):
    """A list left the system as PDF or spreadsheet; with the ids of its rows."""

    document: str
    form: str
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterTemplateChanged(Event):
    """A version of a letter was written, handed in, approved, rejected or retired."""

    code: str
    version: int
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterMade(Event):
    """A letter to one patient was made; it is not posted yet."""

    letter_id: UUID
    template: str
    task_id: UUID | None = None
    batch_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterPosted(Event):
    """A person gave the letter to the post."""

    letter_id: UUID
    task_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterWithdrawn(Event):
    """The letter was taken back before it was posted; its link opens nothing any more."""

    letter_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterReturned(Event):
    """The post brought the letter back."""

    letter_id: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterAnswered(Event):
    """The patient sent the reply slip, or answered online; `how` is slip, link (the letter's own) or online."""

    letter_id: UUID
    task_id: UUID | None = None
    how: str = "slip"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportWritten(Event):
    """A doctor wrote the assessment of a follow-up report."""

    report_id: UUID
