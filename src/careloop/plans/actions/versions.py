"""A running plan moves to another version by choice, after its difference was shown (pain 12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.batches.actions import start_batch
from careloop.batches.models import Batch
from careloop.batches.rules import Item
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.plans.actions.deriving import VISIT, _derive
from careloop.plans.actions.endings import CarePlanClosed
from careloop.plans.events import PlanVersionAdopted, PlanVersionAdoptionUndone
from careloop.plans.models import CarePlan, LadderRun, PlanDefinition, VersionAdoption
from careloop.plans.reads import adopting, wording
from careloop.plans.reads.locking import hold_patients
from careloop.plans.rules.adoption import Stands
from careloop.tasks.actions import close_tasks, restore_tasks
from careloop.tasks.models import Task, TaskQuerySet

ADOPT, UNADOPT = "plans.adopt", "plans.unadopt"  # config/batches.py
# Why tasks were closed. Both let their occurrence be planned again (facts.REOPENING).
ADOPTED, UNDONE = "version-adopted", "change-undone"


class NothingToAdopt(Refused):
    """The other version is not one of this plan, or not in use."""

    code = "nothing-to-adopt"
    message = _("This version cannot be taken over here.")


class AdoptionStands(Refused):
    """It cannot be taken back (any more). Each reason has a class of its own, so that a batch can count them."""

    code = "adoption-stands"
    message = wording.ADOPTION_STANDS[Stands.UNDONE]


class AdoptionPlanOver(AdoptionStands):
    """The plan has ended since."""

    code = "adoption-plan-over"
    message = wording.ADOPTION_STANDS[Stands.PLAN_OVER]


class AdoptionOvertaken(AdoptionStands):
    """Another version was taken over since."""

    code = "adoption-other-version"
    message = wording.ADOPTION_STANDS[Stands.OTHER_VERSION]


class AdoptionPaused(AdoptionStands):
    """A stay in hospital began or ended since."""

    code = "adoption-plan-paused"
    message = wording.ADOPTION_STANDS[Stands.PAUSED]


class AdoptionActedOn(AdoptionStands):
    """A contact of the new version was acted on."""

    code = "adoption-acted-on"
    message = wording.ADOPTION_STANDS[Stands.ACTED_ON]


class AdoptionTooOld(AdoptionStands):
    """The time of the undo is over."""

    code = "adoption-too-late"
    message = wording.ADOPTION_STANDS[Stands.TOO_LATE]


_REFUSALS = {
    Stands.UNDONE: AdoptionStands, Stands.PLAN_OVER: AdoptionPlanOver, Stands.OTHER_VERSION: AdoptionOvertaken,
    Stands.PAUSED: AdoptionPaused, Stands.ACTED_ON: AdoptionActedOn, Stands.TOO_LATE: AdoptionTooOld,
}  # fmt: skip


@action
def adopt_for_group(*, definition: PlanDefinition, care_plan_ids: Sequence[UUID], at: datetime, by: Viewer) -> Batch:
    """Take a version over for many running plans, in the background. Refused: none chosen, version not in use.

    The same choice again within the same minute is the same work: a double press starts nothing twice.
    """
    if definition.status != PlanDefinition.Status.ACTIVE:
        raise NothingToAdopt
    ids = sorted(set(care_plan_ids))
    print_of_ids = sha256("".join(str(pk) for pk in ids).encode()).hexdigest()[:16]
    subjects = dict(
        CarePlan.objects.visible_to(by).running().filter(pk__in=ids).order_by("pk").values_list("pk", "patient_id")
    )
    return start_batch(
        kind=ADOPT, title=str(definition), key=f"adopt:{definition.pk}:{print_of_ids}:{at:%Y%m%d%H%M}",
        items=[Item(str(pk), patient, {"care_plan": str(pk)}) for pk, patient in subjects.items()],
        parameters={"definition": str(definition.pk)}, at=at, by=by,
    )  # fmt: skip


@action
def adopt_version(*, care_plan: CarePlan, definition: PlanDefinition, at: datetime, by: Viewer) -> VersionAdoption:
    """Go on with this version. What was done stays; open tasks are planned anew. Refused: another plan, not in use.

    What is given back can be taken back by `undo_adoption`, as long as nobody acted on what it planned.
    """
    hold_patients([care_plan.patient_id])
    plans = CarePlan.objects.visible_to(by).running().with_plan()
    plan = plans.filter(pk=care_plan.pk).first()
    if plan is None:
        raise CarePlanClosed
    in_use = definition.status == PlanDefinition.Status.ACTIVE
    if definition.url != plan.definition_url or definition.pk == plan.definition_id or not in_use:
        raise NothingToAdopt
    before = plan.definition_id
    CarePlan.objects.visible_to(by).filter(pk=plan.pk).update(definition=definition, updated_at=at)
    plan.definition = definition
    event = PlanVersionAdopted(
        care_plan_id=plan.pk, patient_id=plan.patient_id, from_definition_id=before, to_definition_id=definition.pk
    )
    record(event, by=by)
    own = _own_tasks(plan).order_by("pk")
    known = set(own.values_list("pk", flat=True))
    withdrawn = list(own.open().select_for_update(of=("self",), no_key=True))
    ladders = _withdraw([task.pk for task in withdrawn], reason=ADOPTED, at=at)
    _derive([plan], at=at, by=by)
    made = [pk for pk in own.values_list("pk", flat=True) if pk not in known]
    return VersionAdoption.objects.create(
        patient_id=plan.patient_id, care_plan=plan, from_definition_id=before, to_definition=definition,
        adopted_at=at, adopted_by_id=by.practitioner_id, plan_status=plan.status,
        withdrawn={str(task.pk): task.what_closing_loses() for task in withdrawn}, ladders=ladders,
        made=[str(pk) for pk in made], tasks=own.exclude(closed_reason=UNDONE).count(),
    )  # fmt: skip


@action
def undo_adoption(*, adoption: VersionAdoption, at: datetime, by: Viewer) -> bool:
    """The plan goes on with the version before, its open contacts as they were. False: it was taken back already.

    Refused (AdoptionStands, with the reason): a day has passed, somebody acted on a contact that it planned, or the
    plan has moved on since.
    """
    hold_patients([adoption.patient_id])
    found = VersionAdoption.objects.visible_to(by).filter(pk=adoption.pk).first()
    if found is None:
        raise NothingToAdopt
    list(Task.objects.unscoped("nobody acts on them meanwhile").filter(care_plan_id=found.care_plan_id).order_by("pk").select_for_update(of=("self",), no_key=True).only("pk"))  # fmt: skip
    why = adopting.why_they_stand([found], at=at)[found.pk]
    if why is Stands.UNDONE:
        return False
    if why is not None:
        raise _REFUSALS[why]
    CarePlan.objects.visible_to(by).filter(pk=found.care_plan_id).update(
        definition_id=found.from_definition_id, updated_at=at
    )
    _withdraw([UUID(pk) for pk in found.made], reason=UNDONE, at=at)
    machine = Viewer.system("plans.undo_adoption")
    before = {UUID(pk): kept for pk, kept in found.withdrawn.items()}
    restore_tasks(before=before, closed_reason=ADOPTED, at=at, by=machine)
    _let_ladders_go_on(found.ladders, at=at)
    VersionAdoption.objects.visible_to(by).filter(pk=found.pk).update(
        undone_at=at, undone_by_id=by.practitioner_id, updated_at=at
    )
    event = PlanVersionAdoptionUndone(
        care_plan_id=found.care_plan_id, patient_id=found.patient_id, adoption_id=found.pk,
        to_definition_id=found.from_definition_id,
    )  # fmt: skip
    record(event, by=by)
    return True


@action
def undo_adoptions(*, definition: PlanDefinition, adoption_ids: Sequence[UUID], at: datetime, by: Viewer) -> Batch:
    """Take many adoptions back, in the background: those that stand are passed over with their reason.

    The same choice again within the same minute is the same work. Refused: none chosen (NothingToDo).
    """
    ids = sorted(set(adoption_ids))
    print_of_ids = sha256("".join(str(pk) for pk in ids).encode()).hexdigest()[:16]
    subjects = dict(
        VersionAdoption.objects.visible_to(by).filter(pk__in=ids, to_definition=definition).order_by("pk")
        .values_list("pk", "patient_id")
    )  # fmt: skip
    return start_batch(
        kind=UNADOPT, title=str(definition), key=f"unadopt:{definition.pk}:{print_of_ids}:{at:%Y%m%d%H%M}",
        items=[Item(str(pk), patient, {"adoption": str(pk)}) for pk, patient in subjects.items()],
        parameters={"definition": str(definition.pk)}, at=at, by=by,
    )  # fmt: skip


def _own_tasks(plan: CarePlan) -> TaskQuerySet:
    """The contacts of its steps; visits added by hand belong to no version."""
    rows = Task.objects.unscoped("the plan's own tasks").filter(care_plan_id=plan.pk)
    return rows.exclude(step_code__startswith=VISIT)


def _withdraw(task_ids: Sequence[UUID], *, reason: str, at: datetime) -> dict[str, str]:
    """Close these tasks and stop their messages. Gives back when their ladders would have moved next."""
    runs = LadderRun.objects.unscoped("the plan's own").filter(task_id__in=task_ids, next_move_at__isnull=False)
    moving = {str(run.pk): run.next_move_at.isoformat() for run in runs if run.next_move_at}
    runs.update(next_move_at=None, ended_how=reason, updated_at=at)
    close_tasks(task_ids=sorted(task_ids), reason=reason, at=at, by=Viewer.system("plans.adopt"))
    return moving


def _let_ladders_go_on(ladders: Mapping[str, str], *, at: datetime) -> None:
    """Also those that a job has ended meanwhile because their task was closed: it is open again."""
    runs = list(LadderRun.objects.unscoped("the plan's own").filter(pk__in=[UUID(pk) for pk in ladders]))
    for run in runs:
        run.next_move_at, run.ended_how, run.updated_at = datetime.fromisoformat(ladders[str(run.pk)]), "", at
    LadderRun.objects.unscoped("the plan's own").bulk_update(runs, ["next_move_at", "ended_how", "updated_at"])
