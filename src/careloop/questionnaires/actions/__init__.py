"""Every write about forms and answers."""

from careloop.questionnaires.actions._open import ResponseClosed, UnknownQuestion
from careloop.questionnaires.actions._proofing import BadDefinition
from careloop.questionnaires.actions.answering import (
    AnswerTooLong,
    ResponseIncomplete,
    TooManyInstances,
    add_instance,
    amend_response,
    answer_whole,
    complete_response,
    mark_entered_in_error,
    prefill,
    remove_instance,
    save_answer,
    save_answers,
    start_response,
)
from careloop.questionnaires.actions.attaching import FileRefused, TooManyFiles, attach_file, remove_file
from careloop.questionnaires.actions.designing import (
    DraftClosed,
    DraftExists,
    DraftInReview,
    DraftMovedOn,
    EditRefused,
    ImportRefused,
    LockBroken,
    NothingToUndo,
    NotSubmitted,
    OwnDraft,
    ScaleIsLocked,
    change_draft,
    discard_draft,
    import_draft,
    keep_favourite,
    keep_item,
    publish_draft,
    remove_kept_item,
    return_draft,
    start_draft,
    start_version,
    submit_draft,
    take_step,
)
from careloop.questionnaires.actions.publishing import (
    PublishedMeanwhile,
    VersionTaken,
    load_shipped_content,
    publish_questionnaire,
    retire_questionnaire,
)

__all__ = [
    "DraftClosed", "DraftExists", "DraftInReview", "DraftMovedOn", "EditRefused", "ImportRefused", "LockBroken", "NotSubmitted", "NothingToUndo", "OwnDraft", "ScaleIsLocked", "change_draft", "discard_draft", "import_draft", "keep_favourite", "keep_item", "publish_draft", "remove_kept_item", "return_draft", "start_draft", "start_version", "submit_draft", "take_step",
    "FileRefused", "TooManyFiles", "attach_file", "remove_file", "AnswerTooLong", "BadDefinition", "PublishedMeanwhile", "ResponseClosed", "ResponseIncomplete", "TooManyInstances",
    "UnknownQuestion", "VersionTaken", "add_instance", "amend_response", "answer_whole", "complete_response", "load_shipped_content",
    "mark_entered_in_error", "prefill", "publish_questionnaire", "remove_instance", "retire_questionnaire",
    "save_answer",
    "save_answers", "start_response",
]  # fmt: skip
