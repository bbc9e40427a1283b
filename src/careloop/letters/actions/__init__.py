"""Every write of this room. Import from here."""

from careloop.letters.actions.making import make_letter, make_letters, withdraw_letter
from careloop.letters.actions.posting import (
    LetterNotOpen,
    answer_letter,
    post_letter,
    return_letter,
    settle_by_answers,
)
from careloop.letters.actions.printing import note_list_taken, note_printed
from careloop.letters.actions.reporting import write_report
from careloop.letters.actions.templates import (
    OwnTemplate,
    TemplateStateRefused,
    approve_template,
    draft_template,
    load_letter_templates,
    reject_template,
    retire_template,
    submit_template,
)
from careloop.letters.reads.checking import LetterRefused
from careloop.letters.reads.desk import (
    AddressMissing,
    AddressReturned,
    AddressTooLong,
    CharacterMissing,
    DateGoneBy,
    FieldMissing,
    FollowUpOver,
    LetterRecent,
    NoContactWished,
    NotOverdue,
    PatientDied,
    PatientNotThere,
    TemplateNotApproved,
)

__all__ = [
    "AddressMissing",
    "AddressReturned",
    "AddressTooLong",
    "CharacterMissing",
    "DateGoneBy",
    "FieldMissing",
    "FollowUpOver",
    "LetterNotOpen",
    "LetterRecent",
    "LetterRefused",
    "NoContactWished",
    "NotOverdue",
    "OwnTemplate",
    "PatientDied",
    "PatientNotThere",
    "TemplateNotApproved",
    "TemplateStateRefused",
    "answer_letter",
    "approve_template",
    "draft_template",
    "load_letter_templates",
    "make_letter",
    "make_letters",
    "note_list_taken",
    "note_printed",
    "post_letter",
    "reject_template",
    "retire_template",
    "return_letter",
    "settle_by_answers",
    "submit_template",
    "withdraw_letter",
    "write_report",
]
