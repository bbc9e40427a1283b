"""Work in bulk: what may be done with many rows at once, and what each kind needs to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
        Work("send", "patient", "messaging.send", "cohorts.send", False),
        # The room that writes letters stands beside this one: its kind of batch says what can be chosen and who is in.
        Work("letter", "patient", "letters.print", "letters.letters", True),
        Work("enrol", "patient", "plans.personalise", "cohorts.enrol", True),
        Work("tag", "patient", "cohorts.view", "cohorts.tag", True),
    )
}
# Why open work may be closed in bulk. Nobody writes "done" in bulk: a contact that did not happen cannot be recorded.
CLOSE_REASONS = ("not-needed", "duplicate-work", "transferred", "moved", "out-of-scope", "unreachable")
# What a text to many may contain: nothing that is different for each task, and no link of one patient.
FREE_PARAMS = frozenset({"hospital", "salutation", "phone", "minutes", "discharge_date"})


def works_on(subject: str) -> tuple[Work, ...]:
    """What can be done with rows of this kind. Tasks lead to their patients, so they may do what patients may."""
    return tuple(work for work in WORKS.values() if work.subject == subject or subject == "task")
