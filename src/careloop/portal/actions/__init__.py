"""Everything the patient pages write."""

from careloop.portal.actions.answering import Saved, answer, send_answers
from careloop.portal.actions.checking import Check, forget_failed_checks, try_check
from careloop.portal.actions.measuring import enter_measurement
from careloop.portal.actions.writing import leave_message

__all__ = [
    "Check",
    "Saved",
    "answer",
    "enter_measurement",
    "forget_failed_checks",
    "leave_message",
    "send_answers",
    "try_check",
]
