"""What a doctor changes at discharge as a whole: another plan, or none. Each can be taken back."""

from __future__ import annotations

from datetime import datetime

from careloop.kernel.actions import action
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Encounter
from careloop.plans.actions.endings import CarePlanClosed, _end_plans, _go_on
from careloop.plans.actions.enrolment import DECLINED, PlanRunsAlready, start_care_plan
from careloop.plans.models import CarePlan, PlanDefinition
from careloop.plans.reads.locking import hold_patients

CHOSEN_OTHERWISE = "chosen-otherwise"


@action
def choose_plan(
    *, encounter: Encounter, definition: PlanDefinition, instead_of: CarePlan | None, at: datetime, by: Viewer
) -> CarePlan:
    """This plan for this discharge, in place of another or for a patient without one.

    One that was ended here before goes on, so that choosing back is the undo. Refused: it runs already; the other one
    is over; whatever `start_care_plan` refuses.
    """
    hold_patients([encounter.patient_id])
    mine = CarePlan.objects.visible_to(by).filter(encounter_id=encounter.pk)
    if mine.running().filter(definition_url=definition.url).exists():
        raise PlanRunsAlready
    if instead_of is not None:
        end_choice(care_plan=instead_of, at=at, by=by)
    ended = mine.filter(definition_id=definition.pk, end_reason__in=[DECLINED, CHOSEN_OTHERWISE])
    before = ended.with_plan().order_by("-ended_at", "pk").first()
    if before is not None and _go_on([before], at=at, by=by):
        return before
    return start_care_plan(encounter=encounter, definition=definition, at=at, by=by)


@action
def end_choice(*, care_plan: CarePlan, at: datetime, by: Viewer) -> None:
    """This plan was not the right one for this discharge. Refused when it is over."""
    hold_patients([care_plan.patient_id])
    plan = CarePlan.objects.visible_to(by).running().filter(pk=care_plan.pk).first()
    if plan is None:
        raise CarePlanClosed
    _end_plans([plan], reason=CHOSEN_OTHERWISE, status=CarePlan.Status.REVOKED, at=at, by=by)


@action
def decline_plans(*, encounter: Encounter, at: datetime, by: Viewer) -> int:
    """No follow-up after this discharge: its running plans end. Gives back how many."""
    hold_patients([encounter.patient_id])
    plans = list(CarePlan.objects.visible_to(by).running().filter(encounter_id=encounter.pk).order_by("pk"))
    return len(_end_plans(plans, reason=DECLINED, status=CarePlan.Status.REVOKED, at=at, by=by))


@action
def take_up_declined(*, encounter: Encounter, at: datetime, by: Viewer) -> int:
    """The plans that `decline_plans` ended go on. Gives back how many."""
    hold_patients([encounter.patient_id])
    ended = CarePlan.objects.visible_to(by).filter(encounter_id=encounter.pk, end_reason=DECLINED)
    return len(_go_on(list(ended.with_plan().order_by("pk")), at=at, by=by))
