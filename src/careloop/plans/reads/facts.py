"""What the rules need to know, fetched for many stays or plans at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from operator import attrgetter
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from careloop.accounts.models import Organization
from careloop.kernel.prepared import Asked, Many, prepared, together
from careloop.kernel.viewer import NOBODY, Viewer
from careloop.patients.models import Condition, Encounter, Patient, Procedure
from careloop.plans.models import CarePlan, EnrolmentDecision, FollowUpDecline, PlanDefinition
from careloop.plans.reads.locking import holding_patients_of
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
    """These stays with patient, department, active diagnoses, procedures and declines: one journey for any number."""
    return _joined(*together(*_asked_about(Many(encounter_ids))))


@dataclass(frozen=True, slots=True)
class Judged:
    """What enrolment looks at for some discharges."""

    stays: list[Stay]
    definitions: dict[str, PlanDefinition]  # the versions that take discharges by rule, by URL
    plans: Mapping[UUID, list[CarePlan]]  # all plans of their patients, by patient
    decisions: dict[UUID, EnrolmentDecision]  # what was decided before about the same discharge, by stay


def judged(encounter_ids: Iterable[UUID]) -> Judged:
    """All that enrolment looks at, in one journey for any number of discharges; their patients are held first."""
    wanted = Many(encounter_ids)
    _held, *about, definitions, plans, decisions = together(
        holding_patients_of(wanted), *_asked_about(wanted), _enrolling.asked(viewer=NOBODY), _plans_of_patients.asked(viewer=NOBODY, stays=wanted),
        _decided.asked(viewer=NOBODY, stays=wanted),
    )  # fmt: skip
    found = _joined(*about)
    cycles = {stay.encounter.pk: max(stay.encounter.discharge_cycle, 1) for stay in found}
    by_patient: dict[UUID, list[CarePlan]] = defaultdict(list)
    for plan in plans:
        by_patient[plan.patient_id].append(plan)
    return Judged(
        found, {definition.url: definition for definition in definitions}, by_patient,
        {row.encounter_id: row for row in decisions if row.cycle == cycles.get(row.encounter_id)},
    )  # fmt: skip


def plans_of_patient(patient_id: UUID) -> list[CarePlan]:
    """All plans of one patient."""
    plans = CarePlan.objects.unscoped("enrolment sees all plans of the patient").filter(patient_id=patient_id)
    return list(plans.with_plan().order_by("pk"))


def _asked_about(stays: Many) -> tuple[Asked[Any], ...]:
    return tuple(each.asked(viewer=NOBODY, stays=stays) for each in (_encounters, _diagnoses, _operations, _declined))


def _joined(
    encounters: Sequence[Encounter],
    conditions: Sequence[Condition],
    procedures: Sequence[Procedure],
    declined: Iterable[tuple[UUID, int]],
) -> list[Stay]:
    codes, operations, no_follow_up = _by_encounter(conditions), _by_encounter(procedures), set(declined)
    return [
        Stay(e, tuple(codes[e.pk]), tuple(operations[e.pk]), (e.pk, max(e.discharge_cycle, 1)) in no_follow_up)
        for e in encounters
    ]


_WHY = "enrolment judges every discharge"


@prepared
def _encounters(viewer: Viewer, stays: Many) -> QuerySet[Encounter]:
    rows = Encounter.objects.unscoped(_WHY).filter(pk__among=stays)
    return rows.select_related("patient", "department").order_by("pk")


@prepared
def _diagnoses(viewer: Viewer, stays: Many) -> QuerySet[Condition]:
    rows = Condition.objects.unscoped(_WHY).filter(encounter_id__among=stays, active=True)
    return rows.order_by("rank", "created_at", "pk")


@prepared
def _operations(viewer: Viewer, stays: Many) -> QuerySet[Procedure]:
    rows = Procedure.objects.unscoped(_WHY).filter(encounter_id__among=stays, active=True)
    return rows.order_by("rank", "created_at", "pk")


@prepared
def _declined(viewer: Viewer, stays: Many) -> QuerySet[FollowUpDecline, Any]:
    rows = FollowUpDecline.objects.unscoped(_WHY).filter(encounter_id__among=stays, taken_back_at=None)
    return rows.values_list("encounter_id", "cycle")


@prepared
def _enrolling(viewer: Viewer) -> QuerySet[PlanDefinition]:
    return PlanDefinition.objects.enrolling().defer("content").order_by("url")


@prepared
def _plans_of_patients(viewer: Viewer, stays: Many) -> QuerySet[CarePlan]:
    whose = Encounter.objects.unscoped(_WHY).filter(pk__among=stays).values("patient_id")
    return CarePlan.objects.unscoped(_WHY).filter(patient_id__in=whose).with_plan().order_by("pk")


@prepared
def _decided(viewer: Viewer, stays: Many) -> QuerySet[EnrolmentDecision]:
    return EnrolmentDecision.objects.unscoped("enrolment compares").filter(encounter_id__among=stays)


def declines(encounter_ids: Iterable[UUID]) -> set[tuple[UUID, int]]:
    """The discharges (stay and cycle) for which a person declined follow-up and nobody has taken that back."""
    return set(_declined(viewer=NOBODY, stays=Many(encounter_ids)))


def contents(definitions: Iterable[PlanDefinition]) -> list[PlanContent]:
    return [definition.plan() for definition in definitions]


def histories(plans: Sequence[CarePlan], *, but: Collection[UUID] = ()) -> Mapping[UUID, History]:
    """The progress of these plans, from their tasks: one statement. `but`: plans that were started a moment ago."""
    found = {plan.pk: History() for plan in plans}
    old = Many(plan for plan in found if plan not in but)
    for row in _past(viewer=NOBODY, plans=old) if old else ():
        _add(found, row)
    return found


def histories_of(plans: Sequence[CarePlan], tasks: Iterable[Any]) -> Mapping[UUID, History]:
    """The same from all tasks of these plans, where they have been fetched already: as models or as rows with names."""
    found = {plan.pk: History() for plan in plans}
    for task in sorted(tasks, key=lambda task: (task.ended_at is None, task.ended_at or task.due_at, task.pk)):
        _add(found, _past_of(task))
    return found


PAST = ("care_plan_id", "step_code", "occurrence", "status", "closed_reason", "ended_at", "attempts", "ended_by_id")
_past_of = attrgetter(*PAST)


@prepared
def _past(viewer: Viewer, plans: Many) -> QuerySet[Task, Any]:
    tasks = Task.objects.unscoped("a plan is judged by all its tasks").filter(care_plan_id__among=plans)
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
    rows = _main_diagnoses(viewer=NOBODY, stays=Many({plan.encounter_id for plan in plans}))
    return {encounter_id: text or code for encounter_id, text, code in rows}


@prepared
def _main_diagnoses(viewer: Viewer, stays: Many) -> QuerySet[Condition, Any]:
    rows = Condition.objects.unscoped("the task says what it is about").filter(encounter_id__among=stays, active=True)
    first = rows.order_by("encounter_id", "rank", "created_at", "pk").distinct("encounter_id")
    return first.values_list("encounter_id", "text", "code")


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
