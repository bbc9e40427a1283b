"""The words for codes: outcomes, reasons of priority, reasons of a state. Codes travel; words are made here, once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from careloop.kernel.display import Words
from careloop.tasks.rules import Reach, is_in_person

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
    "tasks.PatientLost": gettext_lazy("Lost to follow-up"),
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
    "lost-to-follow-up": gettext_lazy("Lost to follow-up"),
    "letter": gettext_lazy("A letter is on its way"),
    "visit": gettext_lazy("A visit is planned"),
}


CHANNEL_LABELS: dict[str, Promise] = {
    "phone": gettext_lazy("Phone"),
    "visit": gettext_lazy("Home visit"),
    "clinic": gettext_lazy("Clinic"),
    "letter": gettext_lazy("Letter"),
    "online": gettext_lazy("Online"),
}


_CHANNELS = Words(CHANNEL_LABELS)
_OUTCOMES = Words(OUTCOME_LABELS)


def channel_label(code: str) -> str:
    """The words for a way of contact."""
    return _CHANNELS(code)


def outcome_label(code: str, channel: str = "phone") -> str:
    """The words for an outcome code; an unknown code is shown as it is. Nobody "answers" at a door."""
    if code == "no-answer" and is_in_person(channel):
        return _("Not met")
    if code.startswith("lost-"):
        reason = LOST_LABELS.get(code.removeprefix("lost-"))
        return f"{_('Lost to follow-up')} · {reason}" if reason else _("Lost to follow-up")
    return _OUTCOMES(code)


STEP_LABELS: dict[str, Promise] = {
    "call": gettext_lazy("Call again"),
    "letter": gettext_lazy("Write a letter"),
    "visit": gettext_lazy("Visit at home"),
    "contact-check": gettext_lazy("Look for a number"),
    "review": gettext_lazy("A person decides"),
    "no-number": gettext_lazy("No number left: look for one"),
    "none": gettext_lazy("Nothing more"),
}

LOST_LABELS: dict[str, Promise] = {
    "working-away": gettext_lazy("Works elsewhere"),
    "moved": gettext_lazy("Moved, new address unknown"),
    "missing": gettext_lazy("Missing"),
    "not-reached": gettext_lazy("Not reached on every way"),
    "other": gettext_lazy("Other reason"),
}

_FAULTS: dict[str, Promise] = {
    "unreadable": gettext_lazy("A value is missing or cannot be read"),
    "hours-backwards": gettext_lazy("Calling hours must begin before they end"),
    "no-bands": gettext_lazy("There is no part of the day"),
    "bands-disordered": gettext_lazy("Parts of the day must follow each other inside the calling hours"),
    "too-many-rungs": gettext_lazy("There must be 1 to 12 steps"),
    "unknown-step": gettext_lazy("This kind of step is not known"),
    "end-goes-on": gettext_lazy("A step at which a person decides is the end; nothing may follow it"),
    "no-end": gettext_lazy("Nothing follows this step, and it is not an end: say what comes next"),
    "unknown-rung": gettext_lazy("The next step does not exist"),
    "unknown-number": gettext_lazy("This choice of number is not known"),
    "days-missing": gettext_lazy("Say how many days (1 to 30) a letter or visit gets"),
    "cycle": gettext_lazy("The steps go round in a circle and never end"),
    "too-long": gettext_lazy("More than 8 steps before the end"),
    "outcome-missing": gettext_lazy("This result has no step"),
    "unknown-outcome": gettext_lazy("This result is not in the list of results"),
    "unknown-wait": gettext_lazy("This kind of waiting is not known"),
    "minutes-missing": gettext_lazy("Say how many minutes to wait (1 to 20,160)"),
    "at-once-again": gettext_lazy("The same number at once again would never end"),
    "dead-number-again": gettext_lazy("A number without subscriber or with a stranger must not be dialled again"),
    "no-number-needs-end": gettext_lazy("When no number is left, a person must decide"),
    "limit": gettext_lazy("This number is too small or too large"),
}


def step_label(code: str) -> str:
    """The words for a step of the retry ladder."""
    return str(STEP_LABELS.get(code) or code)


def lost_label(code: str) -> str:
    """The words for a reason why somebody is lost."""
    return str(LOST_LABELS.get(code) or code)


def fault_text(code: str) -> str:
    """The words for what is wrong with an edited ladder."""
    return str(_FAULTS.get(code) or code)


def reach_text(reach: Reach) -> str:
    """The evidence for a good hour: "3 of 4 answered 17:30–20:00"."""
    return _("%(reached)d of %(tried)d answered %(from)s–%(to)s") % {
        "reached": reach.reached, "tried": reach.tried, "from": f"{reach.starts:%H:%M}", "to": f"{reach.ends:%H:%M}",
    }  # fmt: skip


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
    if minutes >= 120:
        hours = minutes // 60
        return ngettext("Promised call %(n)d hour late", "Promised call %(n)d hours late", hours) % {"n": hours}
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
