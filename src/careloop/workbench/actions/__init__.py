"""What the pages write in one go, over several rooms."""

from careloop.workbench.actions.calls import (
    AFTER_CALL,
    NoForm,
    NothingToReport,
    change_form_part,
    finish_call,
    report_now,
    save_call_answer,
    take_back_call,
)
from careloop.workbench.actions.discharges import (
    AlreadyReviewed,
    CodeWrong,
    NoPlanChosen,
    ReviewGone,
    confirm_discharge,
    confirm_number,
    decline_discharge,
    send_number_check,
    send_plan,
    undo_review,
)

__all__ = [
    "AFTER_CALL",
    "AlreadyReviewed",
    "CodeWrong",
    "NoForm",
    "NoPlanChosen",
    "NothingToReport",
    "ReviewGone",
    "change_form_part",
    "confirm_discharge",
    "confirm_number",
    "decline_discharge",
    "finish_call",
    "report_now",
    "save_call_answer",
    "send_number_check",
    "send_plan",
    "take_back_call",
    "undo_review",
]
