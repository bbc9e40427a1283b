"""The discharge drawer: a plan confirmed or declined, the number proven at the bedside, the plan sent to the patient."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.messaging.actions import queue_message
from careloop.messaging.models import Communication
from careloop.messaging.reads.codes import code_is_right
from careloop.patients.actions import issue_link, verify_contact_point
from careloop.patients.models import ContactPoint, Encounter
from careloop.plans.actions import choose_plan, decline_plans, end_choice, take_up_declined
from careloop.plans.models import CarePlan, PlanDefinition
from careloop.workbench.events import DischargeReviewed, DischargeReviewUndone
from careloop.workbench.models import DischargeReview

CODE_LASTS: Final = timedelta(minutes=10)
PLAN_LINK_LASTS: Final = timedelta(days=90)


class AlreadyReviewed(Refused):
    """Two people of the ward had the same discharge open."""

    code = "already-reviewed"
    message = _("A colleague has decided this discharge meanwhile. Undo that decision first.")


class NoPlanChosen(Refused):
    """Confirming needs something to confirm."""

    code = "no-plan-chosen"
    message = _("This patient is in no plan. Choose a plan, or say why there is no follow-up.")


class ReviewGone(Refused):
    """Undone already."""

    code = "review-gone"
    message = _("This decision was taken back already.")


class CodeWrong(Refused):
    """What the patient read out is not what was sent, or it is too old."""

    code = "code-wrong"
    message = _("This is not the code of the last test message, or it is older than ten minutes. Send a new one.")


@action
def confirm_discharge(
    *, encounter: Encounter, definition: PlanDefinition | None, at: datetime, by: Viewer
) -> DischargeReview:
    """The plans of this discharge are right. With `definition` a patient without a plan gets that one first.

    Saying it twice is harmless. Refused: no plan runs and none is chosen; a colleague decided otherwise meanwhile.
    """
    review, is_new = _decided(encounter, DischargeReview.Decision.CONFIRMED, "", at, by)
    if not is_new:
        return review
    runs = CarePlan.objects.visible_to(by).running().filter(encounter_id=encounter.pk).exists()
    if not runs:
        if definition is None:
            raise NoPlanChosen
        review.started = choose_plan(encounter=encounter, definition=definition, instead_of=None, at=at, by=by)
        review.save(update_fields=["started", "updated_at"])
    record(_fact(review), by=by)
    return review


@action
def decline_discharge(*, encounter: Encounter, reason: str, at: datetime, by: Viewer) -> DischargeReview:
    """This patient needs no follow-up: running plans of this discharge end with the reason."""
    review, is_new = _decided(encounter, DischargeReview.Decision.NO_FOLLOW_UP, reason[:40], at, by)
    if is_new:
        decline_plans(encounter=encounter, reason=review.reason, at=at, by=by)
        record(_fact(review), by=by)
    return review


@action
def undo_review(*, review: DischargeReview, at: datetime, by: Viewer) -> None:
    """The discharge waits again, and what the decision started or ended is taken back."""
    rows = DischargeReview.objects.visible_to(by).select_for_update(of=("self",), no_key=True)
    found = rows.filter(pk=review.pk, undone_at=None).select_related("encounter", "started").first()
    if found is None:
        raise ReviewGone
    found.undone_at = at
    found.save(update_fields=["undone_at", "updated_at"])
    if found.decision == DischargeReview.Decision.NO_FOLLOW_UP:
        take_up_declined(encounter=found.encounter, at=at, by=by)
    elif found.started is not None and found.started.ended_at is None:
        end_choice(care_plan=found.started, at=at, by=by)
    record(
        DischargeReviewUndone(patient_id=found.patient_id, encounter_id=found.encounter_id, decision=found.decision),
        by=by,
    )


def _decided(
    encounter: Encounter, decision: str, reason: str, at: datetime, by: Viewer
) -> tuple[DischargeReview, bool]:
    """The decision that stands. The database lets one through when two people press at once."""
    review, is_new = DischargeReview.objects.visible_to(by).get_or_create(
        encounter_id=encounter.pk,
        cycle=max(encounter.discharge_cycle, 1),
        undone_at=None,
        defaults={
            "patient_id": encounter.patient_id,
            "decision": decision,
            "reason": reason,
            "decided_at": at,
            "decided_by_id": by.practitioner_id,
        },
    )
    if not is_new and (review.decision, review.reason) != (decision, reason):
        raise AlreadyReviewed
    return review, is_new


def _fact(review: DischargeReview) -> DischargeReviewed:
    return DischargeReviewed(patient_id=review.patient_id, encounter_id=review.encounter_id, decision=review.decision)


@action
def send_number_check(*, contact_point: ContactPoint, at: datetime, by: Viewer) -> Communication:
    """A test message with a code to exactly this number (B07). Pressed twice within a minute it is one message."""
    return queue_message(
        key=f"number-check:{contact_point.pk}:{at:%Y%m%d%H%M}", patient_id=contact_point.patient_id, channel="sms",
        template_code="number-check", params={}, contact_point_id=contact_point.pk, expires_at=at + CODE_LASTS, at=at,
        by=by,
    )  # fmt: skip


@action
def confirm_number(
    *, contact_point: ContactPoint, communication_id: UUID, typed: str, at: datetime, by: Viewer
) -> None:
    """The patient read the code out: the number is proven. Refused: another number's message, a wrong or old code.

    Wrong tries are not counted: whoever types here may also verify the number at the bedside without any code.
    """
    mine = Communication.objects.visible_to(by).filter(pk=communication_id, contact_point_id=contact_point.pk)
    if not mine.exists() or not code_is_right(communication_id, typed, at=at):
        raise CodeWrong
    verify_contact_point(contact_point=contact_point, how="sms-code", at=at, by=by)


@action
def send_plan(*, encounter: Encounter, at: datetime, by: Viewer) -> Communication:
    """The patient's own plan as a link to the patient pages (G08, J25)."""
    link = issue_link(
        patient_id=encounter.patient_id, purpose="home", task_id=None, expires_at=at + PLAN_LINK_LASTS, by=by
    )
    return queue_message(
        key=f"plan-link:{encounter.pk}:{at:%Y%m%d%H%M}", patient_id=encounter.patient_id, channel="sms",
        template_code="plan-link", params={}, link_id=link.pk, at=at, by=by,
    )  # fmt: skip
