"""Which task comes next for whom: the same question for the key that takes it and for the page that draws it ahead."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Case, Exists, IntegerField, OuterRef, Q, Value, When

from careloop.kernel.viewer import Viewer
from careloop.tasks.models import QUEUE_KINDS, Task, TaskQuerySet

PROMISE_SOON = timedelta(minutes=30)
ONE_CALL = timedelta(hours=1)  # what was finished so shortly ago belongs to the call that is going on


def waiting(tasks: TaskQuerySet, *, at: datetime) -> TaskQuerySet:
    """The tasks of the calling list that are due now: the window is open and nothing holds them back."""
    asleep = Q(snoozed_until__gt=at) | Q(promised_at__gt=at + PROMISE_SOON)
    return tasks.open().filter(kind__in=QUEUE_KINDS, available_at__lte=at).exclude(asleep)


def in_list_order(tasks: TaskQuerySet, *, at: datetime) -> TaskQuerySet:
    """The order of the list: promised calls whose time has come, then by priority."""
    promised = When(promised_at__lte=at + PROMISE_SOON, then=Value(0))
    return tasks.order_by(Case(promised, default=Value(1), output_field=IntegerField()), "-priority", "due_at", "pk")


def held_by_others(*, viewer: Viewer, at: datetime) -> TaskQuerySet:
    """Tasks that somebody else has in hand."""
    held = Task.objects.unscoped("a claim counts whoever may see it").open().filter(claimed_until__gt=at)
    return held.exclude(claimed_by=viewer.practitioner_id)


def in_hand(*, viewer: Viewer, at: datetime) -> TaskQuerySet:
    """What this person has in hand and has not finished."""
    mine = Task.objects.visible_to(viewer).filter(claimed_by=viewer.practitioner_id, claimed_until__gt=at)
    return waiting(mine, at=at)


def free_for(*, viewer: Viewer, at: datetime, narrowed: Q | None = None) -> TaskQuerySet:
    """What this person may take, the most urgent first: not with somebody else, not somebody else's own."""
    free = Q(claimed_until__isnull=True) | Q(claimed_until__lte=at) | Q(claimed_by=viewer.practitioner_id)
    for_me = Q(owner__isnull=True) | Q(owner=viewer.practitioner_id)
    held = held_by_others(viewer=viewer, at=at).filter(patient_id=OuterRef("patient_id"))
    candidates = waiting(Task.objects.visible_to(viewer), at=at).filter(free, for_me, narrowed or Q())
    return in_list_order(candidates.filter(~Exists(held)).select_related("patient"), at=at)


def same_call(task: Task, *, viewer: Viewer, at: datetime) -> list[Task]:
    """All that one call with this patient does (pain 16): this task, what else is due, what was finished just now.

    In the order in which it comes up; the finished first, so that nothing seems lost.
    """
    asleep = Q(snoozed_until__gt=at) | Q(promised_at__gt=at + PROMISE_SOON)
    now = Q(status=Task.Status.REQUESTED, kind__in=QUEUE_KINDS, available_at__lte=at) & ~asleep
    done = Q(status=Task.Status.COMPLETED, ended_by=viewer.practitioner_id, ended_at__gt=at - ONE_CALL)
    mine = Task.objects.visible_to(viewer).filter(now | done | Q(pk=task.pk), patient_id=task.patient_id)
    open_last = Case(When(status=Task.Status.REQUESTED, then=Value(1)), default=Value(0), output_field=IntegerField())
    return list(mine.select_related("department").order_by(open_last, "ended_at", "-priority", "due_at", "pk")[:12])


def rest_of_patient(*, viewer: Viewer, at: datetime, after: UUID) -> TaskQuerySet:
    """What is left of the patient in hand, once `after` is done: it comes before anybody new."""
    return (
        in_hand(viewer=viewer, at=at).exclude(pk=after).select_related("patient").order_by("-priority", "due_at", "pk")
    )


def next_for(*, viewer: Viewer, at: datetime, after: UUID) -> Task | None:
    """Who would come next. Only looks: nothing is taken."""
    rest = rest_of_patient(viewer=viewer, at=at, after=after).first()
    return rest or free_for(viewer=viewer, at=at).exclude(pk=after).first()
