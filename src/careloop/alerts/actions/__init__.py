"""Every write on alerts: raised once, seen, accepted, handed over, acted on, closed, undone, escalated."""

from careloop.alerts.actions._ledger import AlertNotYours
from careloop.alerts.actions.answering import NotYourDepartment, end_absence, end_duty, set_absence, set_duty
from careloop.alerts.actions.escalating import LATE, escalate
from careloop.alerts.actions.handling import (
    ASK_TO_MEASURE,
    HANDLED,
    AlertIsClosed,
    AlertTaken,
    ClosingNeedsAction,
    NobodyToHandOverTo,
    NothingToUndo,
    UnknownChoice,
    accept,
    act,
    close,
    hand_over,
    mark_seen,
    undo,
)
from careloop.alerts.actions.raising import Finding, NoSuchAnswers, Origin, raise_alerts, raise_findings
from careloop.alerts.actions.telling import tell_of_emergency_access, text_duty_phone, text_escalation, text_owner

__all__ = [
    "ASK_TO_MEASURE", "HANDLED", "LATE", "AlertIsClosed", "AlertNotYours", "AlertTaken", "ClosingNeedsAction", "Finding", "NoSuchAnswers",
    "NobodyToHandOverTo", "NotYourDepartment", "NothingToUndo", "Origin", "UnknownChoice", "accept", "act", "close",
    "end_absence", "end_duty", "escalate", "hand_over", "mark_seen", "raise_alerts", "raise_findings", "set_absence",
    "set_duty", "tell_of_emergency_access", "text_duty_phone", "text_escalation", "text_owner", "undo",
]  # fmt: skip
