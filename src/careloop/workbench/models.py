"""What a person decided about a discharge: the plan is right as it stands, or nobody needs to call."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Practitioner
from careloop.patients.models import Encounter, PatientRow
from careloop.plans.models import CarePlan


class DischargeReview(PatientRow):
    """Somebody of the ward has looked at the plan of this discharge (A15). One that stands per discharge; undone ones stay."""

    class Decision(models.TextChoices):
        CONFIRMED = "confirmed", _("Plan confirmed")
        NO_FOLLOW_UP = "no-follow-up", _("No follow-up")

    patient = models.ForeignKey("patients.Patient", models.PROTECT, related_name="discharge_reviews")
    encounter = models.ForeignKey(Encounter, models.PROTECT, related_name="reviews", db_index=False)
    cycle = models.PositiveSmallIntegerField(
        default=1
    )  # which discharge of the stay: A13 + A03 is to be looked at again
    decision = models.CharField(max_length=12, choices=Decision)
    reason = models.CharField(max_length=40, blank=True, default="")
    started = models.ForeignKey(
        CarePlan, models.PROTECT, null=True, related_name="+"
    )  # the plan that confirming started
    decided_at = models.DateTimeField()
    decided_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")
    undone_at = models.DateTimeField(null=True)

    privacy = {"cycle": "none", "reason": "clinical", "decided_at": "quasi", "undone_at": "quasi"}

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["encounter", "cycle"], name="review_once_per_discharge", condition=Q(undone_at=None)
            ),
            models.CheckConstraint(condition=Q(decision="confirmed") | ~Q(reason=""), name="review_refusal_has_reason"),
        ]
