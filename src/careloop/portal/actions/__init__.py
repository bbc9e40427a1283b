"""Everything the patient pages write."""

from careloop.portal.actions.answering import (
    Saved,
    another,
    answer,
    send_answers,
    send_files,
    send_whole,
    without,
    without_file,
)
from careloop.portal.actions.checking import Check, forget_failed_checks, try_check
from careloop.portal.actions.measuring import enter_measurement
from careloop.portal.actions.writing import leave_message

__all__ = [
    "Check",
    "Saved",
    "another",
    "answer",
    "enter_measurement",
    "forget_failed_checks",
    "leave_message",
    "send_answers",
    "send_files",
    "send_whole",
    "try_check",
    "without",
    "without_file",
]
