"""The words for codes: outcomes, reasons of priority, reasons of a state. Codes travel; words are made here, once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

OUTCOME_LABELS: dict[str, Promise] = {
    "reached-patient": gettext_lazy("Completed"),
    "reached-informed-relative": gettext_lazy("Informed relative answered"),
    "reached-uninformed": gettext_lazy("Person without knowledge answered"),
    "answered-online": gettext_lazy("Answered online"),
    "call-later": gettext_lazy("Call again later"),
    "no-answer": gettext_lazy("No answer"),
    "busy": gettext_lazy("Busy"),
    "off": gettext_lazy("Phone off"),
    "left-message": gettext_lazy("Left a message"),
    "letter-sent": gettext_lazy("Letter posted"),
    "empty-number": gettext_lazy("Number not in service"),
    "wrong-person": gettext_lazy("Wrong person"),
    "refused": gettext_lazy("Refused"),
    "refused-for-ever": gettext_lazy("Refused for good"),
    "language-barrier": gettext_lazy("Cannot be understood"),
    "not-needed": gettext_lazy("Not needed"),
    "moved": gettext_lazy("Moved away"),
    "transferred": gettext_lazy("Transferred"),
    "readmitted": gettext_lazy("Readmitted"),
    "died": gettext_lazy("Died"),
}

EVENT_LABELS: dict[str, Promise] = {
    "tasks.TasksRequested": gettext_lazy("Planned"),
    "tasks.TaskCompleted": gettext_lazy("Finished tasks"),
    "tasks.TaskClosed": gettext_lazy("Ended without being done"),
    "tasks.TaskReopened": gettext_lazy("Taken back"),
    "tasks.TaskSnoozed": gettext_lazy("Put off"),
    "tasks.CallPromised": gettext_lazy("Call promised"),
    "tasks.AttemptRecorded": gettext_lazy("Call attempt"),
    "tasks.TaskClaimed": gettext_lazy("Opened for calling"),
    "tasks.ClaimsReleased": gettext_lazy("Put back"),
    "tasks.TasksAssigned": gettext_lazy("Given to a person"),
    "tasks.SelfReportFlagged": gettext_lazy("Worrying answers"),
}

_RISKS: dict[str, Promise] = {
    "critical": gettext_lazy("Critical"),
    "high": gettext_lazy("High risk"),
    "watch": gettext_lazy("Watch"),
    "ok": gettext_lazy("Stable"),
    "none": gettext_lazy("Not assessed"),
}

_CLOSED: dict[str, Promise] = {
    "window-not-open": gettext_lazy("Its time has not come"),
    "promised": gettext_lazy("A call was promised for a later time"),
    "due": gettext_lazy("It is due"),
    "in-hand": gettext_lazy("A colleague is calling this patient"),
    "in-own-hand": gettext_lazy("You are calling this patient"),
    "other-list": gettext_lazy("It is on another list"),
    "snoozed": gettext_lazy("Put off"),
    "discharge-cancelled": gettext_lazy("The discharge was cancelled"),
    "patient-died": gettext_lazy("The patient died"),
    "plan-ended": gettext_lazy("The plan ended"),
    "plan-cancelled": gettext_lazy("The plan was cancelled"),
    "merged": gettext_lazy("The record was merged"),
    "readmission": gettext_lazy("The patient is in hospital again"),
    "duplicate": gettext_lazy("The same contact is planned already"),
    "window-over": gettext_lazy("Its time is over"),
}


def outcome_label(code: str) -> str:
    """The words for an outcome code; an unknown code is shown as it is."""
    return str(OUTCOME_LABELS.get(code) or code)


def event_label(name: str) -> str:
    """The words for a recorded fact about a task."""
    return str(EVENT_LABELS.get(name) or name)


def why_label(code: str) -> str:
    """Why an item is in its state."""
    return str(_CLOSED.get(code) or OUTCOME_LABELS.get(code) or code)


def reason_text(reason: Mapping[str, Any]) -> str:
    """One term of the priority as a sentence a nurse reads."""
    params = reason.get("params", {})
    writer = _REASONS.get(str(reason.get("code")))
    return writer(params) if writer else str(reason.get("code"))


def _promise_due(params: Mapping[str, Any]) -> str:
    minutes = int(params["minutes"])
    if minutes < 1:
        return _("Promised call is due now")
    return ngettext("Promised call %(n)d minute late", "Promised call %(n)d minutes late", minutes) % {"n": minutes}


def _promise_soon(params: Mapping[str, Any]) -> str:
    minutes = int(params["minutes"])
    return ngettext("Promised call in %(n)d minute", "Promised call in %(n)d minutes", minutes) % {"n": minutes}


def _overdue(params: Mapping[str, Any]) -> str:
    days = int(params["days"])
    return ngettext("%(n)d day overdue", "%(n)d days overdue", days) % {"n": days}


def _first_contact(params: Mapping[str, Any]) -> str:
    hours = int(params["hours"])
    return ngettext(
        "No contact since discharge: %(n)d hour left of 72", "No contact since discharge: %(n)d hours left of 72", hours
    ) % {"n": hours}


def _tried(params: Mapping[str, Any]) -> str:
    times = int(params["times"])
    return ngettext("Tried %(n)d time today", "Tried %(n)d times today", times) % {"n": times}


_REASONS = {
    "promise-due": _promise_due,
    "promise-soon": _promise_soon,
    "self-report": lambda p: _("The patient's own answers: %(level)s") % {"level": _RISKS.get(str(p["severity"]), "")},
    "risk": lambda p: _("Risk: %(level)s") % {"level": _RISKS.get(str(p["risk"]), "")},
    "answered-partly": lambda _p: _("Began to answer online, did not finish"),
    "overdue": _overdue,
    "window-ends": lambda p: _("Its time ends in %(n)d hours") % {"n": int(p["hours"])},
    "first-contact": _first_contact,
    "first-contact-last-day": _first_contact,
    "best-hour": lambda p: _("Usually answers at %(n)d o'clock") % {"n": int(p["hour"])},
    "tried-today": _tried,
}
