"""Who could call today, how much they have, and what waits to be shared out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Q
from django.utils import timezone

from careloop.accounts.models import Practitioner, RoleAssignment
from careloop.kernel.viewer import Viewer
from careloop.tasks import access, rules
from careloop.tasks.models import QUEUE_KINDS, ContactAttempt, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the fair distribution needs: patients as units, people with capacity, and which tasks hide in a unit."""

    units: list[rules.Unit]
    workers: list[rules.Worker]
    tasks: dict[UUID, list[UUID]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One person's day: what is open in their name, what they did, and how many patients a day are agreed."""

    practitioner_id: UUID
    name: str
    capacity: int
    open: int
    done: int
    attempts: int
    reached: int


def workers(*, at: datetime) -> list[Practitioner]:
    """Everybody whose role of today lets them call patients."""
    running = RoleAssignment.objects.filter(
        Q(valid_to__isnull=True) | Q(valid_to__gt=at),
        valid_from__lte=at,
        role__permissions__contains=[access.WORK.code],
        practitioner__is_active=True,
    )
    people = Practitioner.objects.filter(pk__in=running.values("practitioner_id"), is_active=True)
    return list(people.order_by("name", "pk"))


def sharing_situation(*, viewer: Viewer, at: datetime) -> Situation:
    """Unowned work that is due, one unit per patient, the most urgent first."""
    due = list(
        Task.objects.visible_to(viewer)
        .open()
        .filter(kind__in=QUEUE_KINDS, available_at__lte=at, owner__isnull=True)
        .order_by("-priority", "due_at", "pk")
        .values_list("pk", "patient_id")
    )
    tasks: dict[UUID, list[UUID]] = {}
    for task_id, patient_id in due:
        tasks.setdefault(patient_id, []).append(task_id)
    known = _last_callers(viewer, list(tasks))
    return Situation(
        units=[rules.Unit(id=patient_id, last_worker=known.get(patient_id)) for patient_id in tasks],
        workers=_loaded(viewer, at),
        tasks=tasks,
    )


def _last_callers(viewer: Viewer, patients: list[UUID]) -> dict[UUID, UUID]:
    """Who spoke to each patient last."""
    spoken = ContactAttempt.objects.visible_to(viewer).filter(
        patient_id__in=patients, undone_at__isnull=True, by_practitioner__isnull=False,
        outcome__in=_reached(),
    )  # fmt: skip
    newest = spoken.order_by("patient_id", "-started_at").distinct("patient_id")
    return dict(newest.values_list("patient_id", "by_practitioner_id"))


def _loaded(viewer: Viewer, at: datetime) -> list[rules.Worker]:
    people = workers(at=at)
    owned = (
        Task.objects.unscoped("load counts whoever may see the patient")
        .open()
        .filter(owner__in=people, kind__in=QUEUE_KINDS, available_at__lte=at)
        .values("owner_id")
        .annotate(patients=Count("patient_id", distinct=True))
        .order_by("owner_id")
    )
    load = {row["owner_id"]: row["patients"] for row in owned}
    return [rules.Worker(id=p.pk, capacity=p.daily_capacity, load=load.get(p.pk, 0)) for p in people]


def workload(*, at: datetime) -> list[Load]:
    """Today's work of everybody who calls (J19). Counts only, no patient."""
    people = workers(at=at)
    today = timezone.localtime(at).replace(hour=0, minute=0, second=0, microsecond=0)
    tasks = Task.objects.unscoped("counts per person, no patient is shown")
    opened = dict(
        tasks.open()
        .filter(owner__in=people, kind__in=QUEUE_KINDS, available_at__lte=at)
        .values_list("owner_id")
        .annotate(n=Count("pk"))
        .order_by("owner_id")
    )
    done = dict(
        tasks.filter(status=Task.Status.COMPLETED, ended_at__gte=today, ended_by__in=people)
        .values_list("ended_by_id")
        .annotate(n=Count("pk"))
        .order_by("ended_by_id")
    )
    tried: dict[UUID, tuple[int, int]] = {
        row["by_practitioner_id"]: (row["n"], row["reached"])
        for row in ContactAttempt.objects.unscoped("counts per person, no patient is shown")
        .filter(by_practitioner__in=people, started_at__gte=today, undone_at__isnull=True)
        .values("by_practitioner_id")
        .annotate(n=Count("pk"), reached=Count("pk", filter=Q(outcome__in=_reached())))
        .order_by("by_practitioner_id")
    }
    return [
        Load(
            practitioner_id=p.pk, name=p.name, capacity=p.daily_capacity, open=opened.get(p.pk, 0),
            done=done.get(p.pk, 0), attempts=tried.get(p.pk, (0, 0))[0], reached=tried.get(p.pk, (0, 0))[1],
        )
        for p in people
    ]  # fmt: skip


def _reached() -> list[str]:
    return [code for code, outcome in rules.OUTCOMES.items() if outcome.reached]
