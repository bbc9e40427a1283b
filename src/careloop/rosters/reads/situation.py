"""What the fair distribution is asked: which contacts wait, who is here, what each contact needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

from django.db.models import Count, Q
from django.utils import timezone

from careloop.accounts.models import Practitioner
from careloop.kernel.viewer import Viewer
from careloop.rosters import rules
from careloop.rosters.models import Skill
from careloop.rosters.reads.people import Colleague, colleagues, departments_with_team
from careloop.tasks import rules as tasks_rules
from careloop.tasks.models import QUEUE_KINDS, ContactAttempt, Task, TaskQuerySet

REACHED = tuple(code for code, outcome in tasks_rules.OUTCOMES.items() if outcome.reached)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One task that wants an owner."""

    task_id: UUID
    patient_id: UUID
    department_id: UUID
    kind: str
    plan_title: str
    owner_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Contacts most important first; `tasks` says which tasks hide in a contact (all of one patient's, if one can do all)."""

    items: list[rules.Item]
    carers: list[rules.Carer]
    tasks: dict[tuple[UUID, int], list[Waiting]]
    people: list[Colleague]
    taken: frozenset[UUID]
    """Tasks that belong to somebody who cannot do them today."""

    @property
    def hopeless(self) -> bool:
        """There is work, and for none of it somebody is here who may do it and has room."""
        asked = {item.needs for item in self.items}
        free = [carer for carer in self.carers if carer.capacity > carer.load]
        return bool(asked) and not any(needs <= carer.skills for needs in asked for carer in free)


def situation(*, viewer: Viewer, day: date, at: datetime, only_teams: bool = False) -> Situation:
    """Everything due on this day that nobody owns, or whose owner is away (as far as the owner cannot take it).

    `only_teams`: where no team runs, nobody asked for shares: there work stays everybody's, and that of somebody away
    becomes everybody's again.
    """
    people = colleagues(day=day, at=at)
    until = end_of(day)
    waiting = _waiting(viewer, at, until)
    taken = _stranded(waiting, people)
    wanted = [one for one in waiting if one.owner_id is None or one.task_id in taken]
    if only_teams:
        served = departments_with_team(day=day)
        wanted = [one for one in wanted if one.department_id in served or one.task_id in taken]
    carers = _carers([one for one in people if one.team or not only_teams], _loads(until, at, taken))
    items, tasks = _contacts(wanted, carers, _needs(), _keepers(viewer, wanted))
    return Situation(items=items, carers=carers, tasks=tasks, people=people, taken=taken)


def end_of(day: date) -> datetime:
    """The last moment of a day in the hospital's own time zone."""
    return timezone.make_aware(datetime.combine(day + timedelta(days=1), time())) - timedelta(microseconds=1)


def due(tasks: TaskQuerySet, *, until: datetime, at: datetime) -> TaskQuerySet:
    """On the calling list by this moment, and in nobody's hands right now."""
    asleep = Q(snoozed_until__gt=until)
    held = Q(claimed_until__gt=at)
    return tasks.open().filter(kind__in=QUEUE_KINDS, available_at__lte=until).exclude(asleep).exclude(held)


def _waiting(viewer: Viewer, at: datetime, until: datetime) -> list[Waiting]:
    tasks = due(Task.objects.visible_to(viewer), until=until, at=at).order_by("-priority", "due_at", "pk")
    columns = ("pk", "patient_id", "department_id", "kind", "plan_title", "owner_id")
    return [
        Waiting(
            task_id=task_id, patient_id=patient, department_id=department, kind=kind, plan_title=plan, owner_id=owner
        )
        for task_id, patient, department, kind, plan, owner in tasks.values_list(*columns)
    ]  # fmt: skip


def _stranded(waiting: list[Waiting], people: list[Colleague]) -> frozenset[UUID]:
    """Tasks of people who are not here: all of them when away or gone; the least important when here for half a day.

    Whoever is simply full keeps their work: somebody gave it to them on purpose. Owners outside the calling roles
    (a doctor who wants to call in person) are left alone as long as they work here.
    """
    here = {one.practitioner.pk: one for one in people}
    gone = _gone({one.owner_id for one in waiting if one.owner_id and one.owner_id not in here})
    seen: dict[UUID, set[UUID]] = {}
    stranded = set()
    for one in waiting:
        if one.owner_id is None:
            continue
        owner = here.get(one.owner_id)
        short_day = owner is not None and owner.capacity < owner.daily
        mine = seen.setdefault(one.owner_id, set())
        fits = not short_day or owner is None or one.patient_id in mine or len(mine) < owner.capacity
        if one.owner_id in gone or not fits:
            stranded.add(one.task_id)
        else:
            mine.add(one.patient_id)
    return frozenset(stranded)


def _gone(owners: set[UUID]) -> frozenset[UUID]:
    return frozenset(Practitioner.objects.filter(pk__in=owners, is_active=False).values_list("pk", flat=True))


def _loads(until: datetime, at: datetime, taken: frozenset[UUID]) -> dict[UUID, int]:
    """How many patients everybody has already, without what is about to be taken from them."""
    owned = (
        Task.objects.unscoped("load counts whoever may see the patient")
        .open()
        .filter(kind__in=QUEUE_KINDS, available_at__lte=until, owner__isnull=False)
        .exclude(snoozed_until__gt=until)
        .exclude(pk__in=taken)
    )
    counted = owned.values("owner_id").annotate(patients=Count("patient_id", distinct=True)).order_by("owner_id")
    return {row["owner_id"]: row["patients"] for row in counted}


def department_need(department_id: UUID) -> str:
    """A department as something one must be able to do."""
    return f"dept:{department_id}"


def _carers(people: list[Colleague], loads: dict[UUID, int]) -> list[rules.Carer]:
    return [
        rules.Carer(
            id=one.practitioner.pk, capacity=one.capacity, load=loads.get(one.practitioner.pk, 0),
            skills=one.skills | {department_need(department) for department in one.departments},
        )
        for one in people
        if one.departments
    ]  # fmt: skip


def _needs() -> list[Skill]:
    return list(Skill.objects.filter(is_active=True).order_by("code"))


def needs_of(one: Waiting, skills: Iterable[Skill]) -> frozenset[str]:
    """The department, and every skill this work asks for."""
    asked = {
        skill.code for skill in skills
        if skill.kind in ("", one.kind) and skill.plan_title in ("", one.plan_title)
    }  # fmt: skip
    return frozenset(asked | {department_need(one.department_id)})


def _keepers(viewer: Viewer, waiting: list[Waiting]) -> dict[UUID, UUID]:
    """Who spoke to each patient last."""
    spoken = ContactAttempt.objects.visible_to(viewer).filter(
        patient_id__in={one.patient_id for one in waiting}, undone_at__isnull=True, by_practitioner__isnull=False,
        outcome__in=REACHED,
    )  # fmt: skip
    newest = spoken.order_by("patient_id", "-started_at", "-pk").distinct("patient_id")
    return dict(newest.values_list("patient_id", "by_practitioner_id"))


def _contacts(
    waiting: list[Waiting], carers: list[rules.Carer], skills: list[Skill], keepers: dict[UUID, UUID]
) -> tuple[list[rules.Item], dict[tuple[UUID, int], list[Waiting]]]:
    """One contact per patient where somebody may do all of it (one call, not three); else one per set of needs."""
    by_patient: dict[UUID, list[Waiting]] = {}
    for one in waiting:
        by_patient.setdefault(one.patient_id, []).append(one)
    items: list[rules.Item] = []
    tasks: dict[tuple[UUID, int], list[Waiting]] = {}
    possible: dict[frozenset[str], bool] = {}
    for patient_id, mine in by_patient.items():
        for number, (needs, together) in enumerate(_together(mine, carers, skills, possible)):
            tasks[patient_id, number] = together
            items.append(
                rules.Item(id=(patient_id, number), keeper=keepers.get(patient_id), needs=needs, subject=patient_id)
            )
    return items, tasks


def _together(
    mine: list[Waiting], carers: list[rules.Carer], skills: list[Skill], possible: dict[frozenset[str], bool]
) -> list[tuple[frozenset[str], list[Waiting]]]:
    apart: dict[frozenset[str], list[Waiting]] = {}
    for one in mine:
        apart.setdefault(needs_of(one, skills), []).append(one)
    everything = frozenset().union(*apart)
    if everything not in possible:
        possible[everything] = any(carer.capacity > 0 and everything <= carer.skills for carer in carers)
    return [(everything, mine)] if len(apart) > 1 and possible[everything] else list(apart.items())
