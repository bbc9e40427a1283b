"""Lost to follow-up: only after everything was tried, and with a reason."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.tasks import reads, rules
from careloop.tasks.actions.finishing import _locked_open, close_tasks
from careloop.tasks.events import PatientLost
from careloop.tasks.models import ContactAttempt, Task

LOST = "lost-to-follow-up"
LOST_REASONS = ("working-away", "moved", "missing", "not-reached", "other")


class LadderNotExhausted(Refused):
    code = "ladder-not-exhausted"
    message = _(
        "There are still steps to try for this patient. Only after the last one can the patient be called lost."
    )


class LossNeedsReason(Refused):
    code = "loss-needs-reason"
    message = _("Say why the patient is lost; for “other” in words.")


@action
def lose_patient(*, task: Task, reason: str, at: datetime, by: Viewer, note: str = "") -> int:
    """Close a follow-up (or the question about it) as lost; its plan ends. Gives back how many tasks were closed.

    Refused: a reason that is not on the list, and anything while the ladder still has a step or nobody was ever tried.
    """
    if reason not in LOST_REASONS or (reason == "other" and not note.strip()):
        raise LossNeedsReason
    held = _locked_open(_meant(task, by), by)
    tries = reads.tries_of(held.pk, viewer=by)
    numbers = reads.numbers_of(held.patient_id, viewer=by)
    ladder = reads.ladder_in_force(timezone.localtime(at).date())
    if not rules.is_exhausted(numbers=numbers, tries=tries, ladder=ladder):
        raise LadderNotExhausted
    ContactAttempt(
        patient_id=held.patient_id, task=held, channel="none", outcome=LOST, by_practitioner_id=by.practitioner_id,
        started_at=at, ended_at=at, note=f"{reason}: {note.strip()}"[:300], before={},
    ).save(force_insert=True)  # fmt: skip
    questions = Task.objects.visible_to(by).open().filter(focus_id=held.pk, kind=Task.Kind.CONTACT_CHECK)
    ids = [held.pk, *questions.order_by("pk").values_list("pk", flat=True)]
    closed = close_tasks(task_ids=ids, reason=LOST, outcome=f"lost-{reason}", at=at, by=by)
    record(
        PatientLost(task_id=held.pk, patient_id=held.patient_id, care_plan_id=held.care_plan_id, reason=reason), by=by
    )
    return closed


def _meant(task: Task, by: Viewer) -> Task:
    """From the question "can nobody be reached?" to the follow-up that it is about."""
    if task.kind != Task.Kind.CONTACT_CHECK or task.focus_id is None:
        return task
    return Task.objects.visible_to(by).open().filter(pk=task.focus_id).first() or task
