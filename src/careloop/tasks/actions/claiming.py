"""Two nurses never get the same patient: work is taken in hand for a while, all of one patient's work at once."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.tasks import reads
from careloop.tasks.actions.finishing import TaskNotOpen, _hold_person
from careloop.tasks.events import ClaimsReleased, TaskClaimed
from careloop.tasks.models import Task

LEASE = timedelta(minutes=30)


class TaskTaken(Refused):
    """A colleague has this patient in hand."""

    code = "task-taken"
    message = _("A colleague is calling this patient at the moment.")


@action
def claim_next(*, at: datetime, by: Viewer, narrowed: Q | None = None, after: UUID | None = None) -> Task | None:
    """Take the most urgent patient that nobody has in hand, or None when the list is empty.

    The patient's row is locked together with the task's: of two nurses who press the key at the same moment the
    second skips this patient and gets the next one. Rest of a patient already in hand comes first.
    """
    rest = reads.rest_of_patient(viewer=by, at=at, after=after).first() if after else None
    found = rest or _most_urgent(by, at, narrowed, after)
    if found is None:
        _release_others(by, at, keep=None)
        return None
    _take(found, at, by)
    return found


@action
def claim_task(*, task: Task, at: datetime, by: Viewer) -> None:
    """Take this patient in hand. Refused when a colleague has the patient, or the task is not open any more."""
    _hold_person(task, by)  # of two nurses who take two tasks of one patient the second sees what the first took
    locked = Task.objects.visible_to(by).select_for_update(of=("self",), no_key=True).filter(pk=task.pk).first()
    if locked is None or locked.status != Task.Status.REQUESTED:
        raise TaskNotOpen
    if reads.held_by_others(viewer=by, at=at).filter(patient_id=locked.patient_id).exists():
        raise TaskTaken
    _take(locked, at, by)


@action
def keep_claim(*, task: Task, at: datetime, by: Viewer) -> bool:
    """Still at it: the lease starts again. False when it was lost meanwhile."""
    kept = reads.in_hand(viewer=by, at=at).filter(patient_id=task.patient_id).update(claimed_until=at + LEASE)
    if kept:
        record(TaskClaimed(task_ids=(task.pk,), patient_id=task.patient_id), by=by)
    return bool(kept)


@action
def release_claims(*, at: datetime, by: Viewer) -> int:
    """Put back everything in hand, e.g. at logout."""
    return _release_others(by, at, keep=None)


def _most_urgent(by: Viewer, at: datetime, narrowed: Q | None, after: UUID | None) -> Task | None:
    candidates = reads.free_for(viewer=by, at=at, narrowed=narrowed).exclude(pk=after)  # type: ignore[misc]  # None finds nothing, which is right
    return candidates.select_for_update(of=("self", "patient"), no_key=True, skip_locked=True).first()


def _take(task: Task, at: datetime, by: Viewer) -> None:
    _release_others(by, at, keep=task.patient_id)
    together = reads.waiting(Task.objects.visible_to(by).filter(patient_id=task.patient_id), at=at)
    ids = [*together.values_list("pk", flat=True)]
    Task.objects.visible_to(by).filter(Q(pk__in=ids) | Q(pk=task.pk)).update(
        claimed_by=by.practitioner_id, claimed_until=at + LEASE
    )
    task.claimed_by_id, task.claimed_until = by.practitioner_id, at + LEASE  # the row in hand says so, too
    record(TaskClaimed(task_ids=tuple({*ids, task.pk}), patient_id=task.patient_id), by=by)


def _release_others(by: Viewer, at: datetime, *, keep: UUID | None) -> int:
    held = Task.objects.unscoped("one's own claims").open().filter(claimed_by=by.practitioner_id, claimed_until__gt=at)
    ids = list((held.exclude(patient_id=keep) if keep else held).values_list("pk", flat=True))
    if not ids:
        return 0
    Task.objects.unscoped("one's own claims").filter(pk__in=ids, claimed_by=by.practitioner_id).update(
        claimed_by=None, claimed_until=None
    )
    record(ClaimsReleased(task_ids=tuple(ids)), by=by)
    return len(ids)
