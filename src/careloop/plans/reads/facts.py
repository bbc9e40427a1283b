"""What the rules need to know, fetched for many stays or plans at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from careloop.accounts.models import Organization
from careloop.kernel.prepared import prepared
from careloop.kernel.viewer import NOBODY, Viewer
from careloop.patients.models import Condition, Encounter, Patient, Procedure
from careloop.plans.models import CarePlan, FollowUpDecline, PlanDefinition
from careloop.plans.rules.content import PlanContent
from careloop.plans.rules.enrolment import Diagnosis, DischargeFacts
from careloop.plans.rules.schedule import Past, Progress, last_day
from careloop.tasks.models import Task

Coded = TypeVar("Coded", Condition, Procedure)

# A task closed for one of these reasons did not happen: its occurrence may be planned again.
REOPENING = frozenset(
    {
        "readmitted",
        "ticked-off",
        "moved",
        "change-undone",
        "version-adopted",
        "owner-changed",
        "death",
        "refusal",
        "no-follow-up",
        "chosen-otherwise",
    }  # fmt: skip
)


@dataclass(frozen=True, slots=True)
class Stay:
    """One finished (or other) stay with its codes."""

    encounter: Encounter
    conditions: tuple[Condition, ...]
    procedures: tuple[Procedure, ...]
    is_declined: bool = False  # a person decided that nobody follows this discharge up

    @property
    def diagnosis_text(self) -> str:
        return self.conditions[0].text or self.conditions[0].code if self.conditions else ""

    @property
    def operated_on(self) -> date | None:
        return max((local_day(p.performed_at) for p in self.procedures if p.performed_at), default=None)

    @property
    def diagnosed_on(self) -> date | None:
        first = self.conditions[0].recorded_at if self.conditions else None
        return local_day(first) if first else None

    def facts(self, *, today: date) -> DischargeFacts:
        """For the enrolment rules."""
        encounter, patient = self.encounter, self.encounter.patient
        department = encounter.department
        return DischargeFacts(
            discharged_on=local_day(encounter.discharged_at) if encounter.discharged_at else None,
            diagnoses=tuple(Diagnosis(c.code, is_main=c.rank == 1) for c in self.conditions if c.code),
            procedures=tuple(p.code for p in self.procedures if p.code),
            departments=frozenset(department.path.strip("/").split("/")) if department else frozenset(),
            encounter_class=encounter.class_code,
            disposition=encounter.disposition,
            sex=patient.sex,
            age=_age(patient.birth_date, today),
            is_deceased=patient.deceased,
            is_cancelled=encounter.status == Encounter.Status.CANCELLED,
            is_finished=encounter.status == Encounter.Status.FINISHED,
            has_refused=patient.do_not_contact,
            is_declined=self.is_declined,
        )


@dataclass(slots=True)
class History:
    """What the tasks of one plan say about its progress."""

    past: dict[str, list[Past]] = field(default_factory=lambda: defaultdict(list))
    open_steps: set[str] = field(default_factory=set)
    reopened: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    open_tasks: int = 0
    completed: int = 0
    touched: int = 0  # tasks with a contact or an end
    last_person: UUID | None = None

    def progress(self, plan: CarePlan) -> Progress:
        """For the schedule rules."""
        not_before = max(plan.enrolled_on, plan.resumed_on or plan.enrolled_on)
        return Progress(self.past, not_before, last_day(plan.definition.plan(), plan.anchors()))


def local_day(at: datetime) -> date:
    """The hospital's date at this instant."""
    return timezone.localdate(at, timezone.get_default_timezone())


def stays(encounter_ids: Iterable[UUID]) -> list[Stay]:
    """These stays with patient, department, active diagnoses, procedures and declines: four statements for any number."""
    wanted = list(encounter_ids)
    encounters = list(
        Encounter.objects.unscoped("enrolment judges every discharge")
        .filter(pk__in=wanted)
        .select_related("patient", "department")
        .order_by("pk")
    )
    found = [encounter.pk for encounter in encounters]
    conditions = _by_encounter(
        Condition.objects.unscoped("enrolment judges every discharge")
        .filter(encounter_id__in=found, active=True)
        .order_by("rank", "created_at", "pk")
    )
    procedures = _by_encounter(
        Procedure.objects.unscoped("enrolment judges every discharge")
        .filter(encounter_id__in=found, active=True)
        .order_by("rank", "created_at", "pk")
    )
    declined = declines(found)
    return [
        Stay(e, tuple(conditions[e.pk]), tuple(procedures[e.pk]), (e.pk, max(e.discharge_cycle, 1)) in declined)
        for e in encounters
    ]


def declines(encounter_ids: Iterable[UUID]) -> set[tuple[UUID, int]]:
    """The discharges (stay and cycle) for which a person declined follow-up and nobody has taken that back."""
    rows = FollowUpDecline.objects.unscoped("enrolment judges every discharge")
    return set(
        rows.filter(encounter_id__in=list(encounter_ids), taken_back_at=None).values_list("encounter_id", "cycle")
    )


def enrolling_plans() -> dict[str, PlanDefinition]:
    """The versions that take discharges by rule, by URL."""
    return {
        definition.url: definition for definition in PlanDefinition.objects.enrolling().defer("content").order_by("url")
    }


def contents(definitions: Iterable[PlanDefinition]) -> list[PlanContent]:
    return [definition.plan() for definition in definitions]


def histories(plans: Sequence[CarePlan]) -> Mapping[UUID, History]:
    """The progress of these plans, from their tasks: one statement."""
    found = {plan.pk: History() for plan in plans}
    rows = _past(viewer=NOBODY, plans=list(found)) if len(found) <= FEW else _past.build(NOBODY, list(found))
    for row in rows:
        _add(found, row)
    return found


def histories_of(plans: Sequence[CarePlan], tasks: Iterable[Task]) -> Mapping[UUID, History]:
    """The same from all tasks of these plans, where they have been fetched already."""
    found = {plan.pk: History() for plan in plans}
    for task in sorted(tasks, key=lambda task: (task.ended_at is None, task.ended_at or task.due_at, task.pk)):
        _add(found, tuple(getattr(task, name) for name in PAST))
    return found


PAST = ("care_plan_id", "step_code", "occurrence", "status", "closed_reason", "ended_at", "attempts", "ended_by_id")
FEW = 20  # so many plans has a page; a night's work has thousands, each time another number


@prepared
def _past(viewer: Viewer, plans: list[UUID]) -> QuerySet[Task, Any]:
    tasks = Task.objects.unscoped("a plan is judged by all its tasks").filter(care_plan_id__in=plans)
    return tasks.order_by("ended_at", "pk").values_list(*PAST)


def _add(histories: Mapping[UUID, History], row: tuple[Any, ...]) -> None:
    """One task more, in the order in which they ended."""
    plan_id, step, number, status, closed_reason, ended_at, attempts, person = row
    if plan_id not in histories:
        return  # the questions above let none through
    history = histories[plan_id]
    history.touched += bool(attempts) or status == Task.Status.COMPLETED
    if status == Task.Status.COMPLETED and person:
        history.last_person = person
    if status == Task.Status.REQUESTED:
        history.open_steps.add(step)
        history.open_tasks += 1
    elif status == Task.Status.CANCELLED and closed_reason in REOPENING:
        history.reopened[(step, number)] += 1
    elif ended_at is not None:
        history.past[step].append(Past(number, local_day(ended_at)))
        history.completed += status == Task.Status.COMPLETED


def diagnosis_texts(plans: Sequence[CarePlan]) -> dict[UUID, str]:
    """The main diagnosis of the stays behind these plans, in words, by stay."""
    rows = (
        Condition.objects.unscoped("the task says what it is about")
        .filter(encounter_id__in={plan.encounter_id for plan in plans}, active=True)
        .order_by("encounter_id", "rank", "created_at", "pk")
        .distinct("encounter_id")
    )
    return {row.encounter_id: row.text or row.code for row in rows if row.encounter_id}


def patients_of(encounter_ids: Iterable[UUID]) -> list[UUID]:
    """Whose stays these are."""
    rows = Encounter.objects.unscoped("to lock the patient first").filter(pk__in=list(encounter_ids))
    return list(rows.values_list("patient_id", flat=True).distinct())


def hospital() -> Organization:
    """The root: where work belongs when the department is unknown."""
    return Organization.objects.filter(kind=Organization.Kind.HOSPITAL).order_by("pk")[0]


def has_died(patient_id: UUID) -> bool:
    return Patient.objects.unscoped("a death stops everything").filter(pk=patient_id, deceased=True).exists()


def may_be_contacted(patient_id: UUID) -> bool:
    """Whether anybody may call this patient: alive, and not asked to be left alone."""
    living = Patient.objects.unscoped("may the plans go on?").filter(
        pk=patient_id, deceased=False, do_not_contact=False
    )
    return living.exists()


def _by_encounter(rows: Iterable[Coded]) -> dict[UUID, list[Coded]]:
    grouped: dict[UUID, list[Coded]] = defaultdict(list)
    for row in rows:
        if row.encounter_id:
            grouped[row.encounter_id].append(row)
    return grouped


def _age(birth_date: date | None, today: date) -> int | None:
    if birth_date is None:
        return None
    return today.year - birth_date.year - ((today.month, today.day) < (birth_date.month, birth_date.day))
