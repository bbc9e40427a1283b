"""Work in bulk: what may be done with many rows at once, and what each kind needs to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Verb = Literal["send", "letter", "assign", "close", "enrol", "tag"]


@dataclass(frozen=True, slots=True)
class Work:
    """One kind. `subject`: rows it works on. `permission`: what it takes. `can_undo`: whether it can be taken back."""

    verb: Verb
    subject: Literal["task", "patient"]
    permission: str
    kind: str
    can_undo: bool


WORKS: Mapping[str, Work] = {
    work.verb: work
    for work in (
        Work("assign", "task", "tasks.distribute", "cohorts.assign", True),
        Work("close", "task", "tasks.work", "cohorts.close", True),
        Work("send", "patient", "messaging.send", "cohorts.send", True),
        # The room that writes letters stands beside this one: its kind of batch says what can be chosen and who is in.
        Work("letter", "patient", "letters.print", "letters.letters", True),
        Work("enrol", "patient", "plans.personalise", "cohorts.enrol", True),
        Work("tag", "patient", "cohorts.view", "cohorts.tag", True),
    )
}
# Why open work may be closed in bulk. Nobody writes "done" in bulk: a contact that did not happen cannot be recorded.
CLOSE_REASONS = ("not-needed", "duplicate-work", "transferred", "moved", "out-of-scope", "unreachable")
# What a text to many may contain: nothing that is different for each task. A link is made for each patient.
FREE_PARAMS = frozenset({"hospital", "salutation", "phone", "minutes", "discharge_date", "link"})
UNSENT_FOR = timedelta(minutes=5)  # so long nothing leaves, so that a slip of the hand can be taken back
LINK_LASTS = timedelta(days=14)  # as for messages to one patient

Target = Literal["questionnaire", "measurement", "home", "any"]
# Where the link of a text leads. A hospital's own text leads to the open form, or to the patient's pages without one.
_TARGETS: Mapping[str, Target] = {
    "follow-up-link": "questionnaire", "follow-up-reminder": "questionnaire", "missed-call": "questionnaire",
    "satisfaction-link": "questionnaire", "measurement-link": "measurement", "plan-link": "home",
}  # fmt: skip


def target_of(template_code: str) -> Target:
    """What the link of this text opens. "questionnaire" needs an open follow-up with a form."""
    return _TARGETS.get(template_code, "any")


def works_on(subject: str) -> tuple[Work, ...]:
    """What can be done with rows of this kind. Tasks lead to their patients, so they may do what patients may."""
    return tuple(work for work in WORKS.values() if work.subject == subject or subject == "task")
