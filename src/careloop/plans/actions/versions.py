"""A running plan moves to another version by choice, after its difference was shown (pain 12)."""

from __future__ import annotations

from collections.abc import Sequence
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
from careloop.plans.events import PlanVersionAdopted
from careloop.plans.models import CarePlan, LadderRun, PlanDefinition
from careloop.plans.reads import due
from careloop.plans.reads.locking import hold_patients
from careloop.tasks.actions import close_tasks
from careloop.tasks.models import Task

ADOPT = "plans.adopt"  # config/batches.py


class NothingToAdopt(Refused):
    """The other version is not one of this plan, or not in use."""

    code = "nothing-to-adopt"
    message = _("This version cannot be taken over here.")


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
def adopt_version(*, care_plan: CarePlan, definition: PlanDefinition, at: datetime, by: Viewer) -> None:
    """Go on with this version. What was done stays; open tasks are planned anew. Refused: another plan, not in use."""
    hold_patients([care_plan.patient_id])
    plans = CarePlan.objects.visible_to(by).running().with_plan()
    plan = plans.filter(pk=care_plan.pk).first()
    if plan is None:
        raise CarePlanClosed
    in_use = definition.status == PlanDefinition.Status.ACTIVE
    if definition.url != plan.definition_url or definition.pk == plan.definition_id or not in_use:
        raise NothingToAdopt
    event = PlanVersionAdopted(
        care_plan_id=plan.pk,
        patient_id=plan.patient_id,
        from_definition_id=plan.definition_id,
        to_definition_id=definition.pk,
    )
    CarePlan.objects.visible_to(by).filter(pk=plan.pk).update(definition=definition, updated_at=at)
    plan.definition = definition
    record(event, by=by)
    visits = Task.objects.unscoped("the plan's own tasks").filter(care_plan_id=plan.pk, step_code__startswith=VISIT)
    withdrawn = set(due.open_task_ids([plan.pk])) - set(visits.values_list("pk", flat=True))
    LadderRun.objects.unscoped("the plan's own").filter(task_id__in=withdrawn, next_move_at__isnull=False).update(
        next_move_at=None, ended_how="version-adopted", updated_at=at
    )
    close_tasks(task_ids=sorted(withdrawn), reason="version-adopted", at=at, by=Viewer.system("plans.adopt"))
    _derive([plan], at=at, by=by)
