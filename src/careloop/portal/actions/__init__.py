"""Everything the patient pages write."""

from careloop.portal.actions.answering import Saved, answer, send_answers
from careloop.portal.actions.checking import fail_check, forget_failed_checks, pass_check
from careloop.portal.actions.measuring import enter_measurement
from careloop.portal.actions.writing import leave_message

__all__ = [
    "Saved",
    "answer",
    "enter_measurement",
    "fail_check",
    "forget_failed_checks",
    "leave_message",
    "pass_check",
    "send_answers",
]
