"""Paper that carries the dates of a plan's new version: whoever takes the version back must know that it is out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext as _

from careloop.audit.models import AuditEvent
from careloop.kernel.viewer import Viewer
from careloop.letters.models import Letter
from careloop.letters.reads import site
from careloop.plans.models import VersionAdoption
from careloop.tasks.models import Task

WITH_DATES = ("plan", "dates")  # papers that list what is planned (events.PaperPrinted.document)
MOST_PAPERS = 10


@dataclass(frozen=True, slots=True)
class Printed:
    """One paper: what it is, what it is about, since when, and where it is now."""

    words: str
    about: str
    at: datetime
    state: str = ""
    letter_id: UUID | None = None
    is_here: bool = False  # not posted yet: it can still be held back


def printed_after(adoption: VersionAdoption, *, viewer: Viewer) -> list[Printed]:
    """Letters about the contacts that the new version planned, and plans printed while it held; the newest first."""
    made = [UUID(pk) for pk in adoption.made]
    mine = Letter.objects.visible_to(viewer).sent_out().filter(patient_id=adoption.patient_id, task_id__in=made)
    letters = list(mine.select_related("template").order_by("-made_at", "pk")[:MOST_PAPERS])
    about = _titles([letter.task_id for letter in letters if letter.task_id], viewer)
    found = [
        Printed(
            words=letter.template.name(site.language()), about=about.get(letter.task_id, ""), at=letter.made_at,
            state=letter.get_state_display(), letter_id=letter.pk, is_here=letter.state == Letter.State.MADE,
        )
        for letter in letters
    ]  # fmt: skip
    return sorted(found + _plans(adoption), key=lambda one: one.at, reverse=True)


def _plans(adoption: VersionAdoption) -> list[Printed]:
    """From the audit trail, which is where prints are kept; it names the paper and the time only."""
    rows = AuditEvent.objects.filter(
        patient_id=adoption.patient_id, name="letters.PaperPrinted", payload__document__in=WITH_DATES,
        at__gte=adoption.adopted_at,
    )  # fmt: skip
    if adoption.undone_at is not None:
        rows = rows.filter(at__lte=adoption.undone_at)
    times = rows.order_by("-id").values_list("payload__document", "at")[:MOST_PAPERS]
    names = {"plan": _("The patient's plan"), "dates": _("Planned dates")}
    return [Printed(names[document], "", at) for document, at in times]


def _titles(task_ids: Sequence[UUID], viewer: Viewer) -> dict[UUID | None, str]:
    tasks = Task.objects.visible_to(viewer).filter(pk__in=task_ids)
    return {task.pk: task.step_words for task in tasks}
