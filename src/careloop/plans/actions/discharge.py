"""What a doctor changes at discharge as a whole: another plan, or none. Each can be taken back."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Encounter
from careloop.plans.actions.endings import CarePlanClosed, _end_plans, _go_on
from careloop.plans.actions.enrolment import (
    DECLINED,
    FollowUpWasDeclined,
    NotDischarged,
    PlanRunsAlready,
    enrol_discharges,
    start_care_plan,
)
from careloop.plans.events import FollowUpDeclined, FollowUpDeclineTakenBack
from careloop.plans.models import CarePlan, FollowUpDecline, PlanDefinition
from careloop.plans.reads import facts
from careloop.plans.reads.locking import hold_patients

CHOSEN_OTHERWISE = "chosen-otherwise"


class DeclineNeedsReason(Refused):
    """Nobody is left without follow-up without a reason."""

    code = "decline-needs-reason"
    message = _("Say why there is no follow-up.")


@action
def choose_plan(
    *, encounter: Encounter, definition: PlanDefinition, instead_of: CarePlan | None, at: datetime, by: Viewer
) -> CarePlan:
    """This plan for this discharge, in place of another or for a patient without one.

    One that was ended here before goes on, so that choosing back is the undo. Refused: it runs already; the other one
    is over; follow-up was declined; whatever `start_care_plan` refuses.
    """
    hold_patients([encounter.patient_id])
    if (encounter.pk, max(encounter.discharge_cycle, 1)) in facts.declines([encounter.pk]):
        raise FollowUpWasDeclined
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
def decline_plans(*, encounter: Encounter, reason: str, at: datetime, by: Viewer) -> FollowUpDecline:
    """No follow-up after this discharge: its running plans end, and no rule starts another while the mark stands.

    Again it gives back the mark that stands. Refused: no reason, a stay that is not finished.
    """
    if not reason.strip():
        raise DeclineNeedsReason
    hold_patients([encounter.patient_id])
    stay = Encounter.objects.visible_to(by).filter(pk=encounter.pk, status=Encounter.Status.FINISHED).first()
    if stay is None:
        raise NotDischarged
    mark, is_new = FollowUpDecline.objects.visible_to(by).get_or_create(
        encounter_id=stay.pk, cycle=max(stay.discharge_cycle, 1), taken_back_at=None,
        defaults={
            "patient_id": stay.patient_id, "reason": reason.strip()[:40], "declined_at": at,
            "declined_by_id": by.practitioner_id,
        },
    )  # fmt: skip
    if not is_new:
        return mark
    record(FollowUpDeclined(encounter_id=stay.pk, patient_id=stay.patient_id, reason=mark.reason), by=by)
    plans = list(CarePlan.objects.visible_to(by).running().filter(encounter_id=stay.pk).order_by("pk"))
    _end_plans(plans, reason=DECLINED, status=CarePlan.Status.REVOKED, at=at, by=by)
    enrol_discharges(encounter_ids=[stay.pk], at=at, by=by)
    return mark


@action
def take_up_declined(*, encounter: Encounter, at: datetime, by: Viewer) -> int:
    """The decline is taken back: the plans it ended go on, and the rules decide again, with codes that came meanwhile.

    Gives back how many plans go on. Without a mark nothing happens.
    """
    hold_patients([encounter.patient_id])
    marks = FollowUpDecline.objects.visible_to(by).filter(encounter_id=encounter.pk, taken_back_at=None)
    if not marks.update(taken_back_at=at, taken_back_by_id=by.practitioner_id, updated_at=at):
        return 0
    record(FollowUpDeclineTakenBack(encounter_id=encounter.pk, patient_id=encounter.patient_id), by=by)
    ended = CarePlan.objects.visible_to(by).filter(encounter_id=encounter.pk, end_reason=DECLINED)
    going_on = len(_go_on(list(ended.with_plan().order_by("pk")), at=at, by=by))
    enrol_discharges(encounter_ids=[encounter.pk], at=at, by=by)
    return going_on
