"""Alert, its history, who was told, and who is on duty."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Organization, Practitioner
from careloop.alerts import rules
from careloop.kernel.models import BaseModel, ScopedModel, ScopedQuerySet
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Patient, PatientRow, not_sealed, patient_scope


class AlertQuerySet(ScopedQuerySet["Alert"]):
    """The verbs of the lists."""

    def open(self) -> Self:
        return self.exclude(status=Alert.Status.CLOSED)

    def unaccepted(self) -> Self:
        return self.filter(status__in=[Alert.Status.RAISED, Alert.Status.SEEN])

    def of(self, viewer: Viewer) -> Self:
        """What this person owns, stands in for or is copied on."""
        who = viewer.practitioner_id
        return self.filter(Q(owner_id=who) | Q(stand_in_id=who) | Q(copied_to_id=who))


class Alert(ScopedModel):
    """Something a rule found that somebody must look at (FHIR Flag): one owner, two deadlines, one end."""

    class Severity(models.TextChoices):
        CRITICAL = "critical", _("Critical")
        HIGH = "high", _("High risk")
        WATCH = "watch", _("Watch")

    class Status(models.TextChoices):
        RAISED = rules.RAISED, _("New alert")
        SEEN = rules.SEEN, _("Seen")
        ACCEPTED = rules.ACCEPTED, _("Accepted")
        ACTED = rules.ACTED, _("In progress")
        CLOSED = rules.CLOSED, _("Closed")

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="alerts", db_index=False)
    department = models.ForeignKey(Organization, models.PROTECT)
    key = models.CharField(max_length=160, unique=True)  # response + rule: judging again raises nothing new
    encounter_id = models.UUIDField(null=True)
    response_id = models.UUIDField(null=True)  # the answers that tripped the rule
    source_task_id = models.UUIDField(null=True)  # the follow-up in which they were given
    work_order_id = models.UUIDField(null=True)  # the task on somebody's desk

    rule_code = models.CharField(max_length=80)
    severity = models.CharField(max_length=8, choices=Severity)
    rank = models.PositiveSmallIntegerField()  # of the severity, so that the worst sorts first in an index
    sentence_zh = models.CharField(max_length=300)
    sentence_en = models.CharField(max_length=300, blank=True, default="")
    evidence = models.JSONField(default=list)  # [{"link_id", "question", "question_en", "answer"}] as it was answered
    limits_version = models.CharField(max_length=20)  # of escalation.json: the deadlines can be explained for ever

    status = models.CharField(max_length=8, choices=Status, default=Status.RAISED)
    wanted_role = models.CharField(max_length=40)
    found_role = models.CharField(max_length=40, blank=True, default="")  # by which role the owner was found
    owner = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="owned_alerts")
    stand_in = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")
    copied_to = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")  # the attending doctor
    accepted_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")
    closed_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")
    closing_code = models.CharField(max_length=30, blank=True, default="")
    closing_note = models.CharField(max_length=300, blank=True, default="")

    respond_by = models.DateTimeField()
    close_by = models.DateTimeField()
    raised_at = models.DateTimeField()
    seen_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)
    acted_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    escalation_level = models.PositiveSmallIntegerField(default=0)
    escalated_at = models.DateTimeField(null=True)
    duty_phone_at = models.DateTimeField(null=True)

    objects = AlertQuerySet.as_manager()  # type: ignore[misc]  # narrower than the base's

    privacy: ClassVar[dict[str, str]] = {
        "key": "none", "encounter_id": "none", "response_id": "none", "source_task_id": "none", "work_order_id": "none",
        "rule_code": "clinical", "rank": "none", "sentence_zh": "clinical", "sentence_en": "clinical",
        "evidence": "clinical", "limits_version": "none", "wanted_role": "none", "found_role": "none",
        "closing_code": "clinical", "closing_note": "clinical", "respond_by": "quasi", "close_by": "quasi",
        "raised_at": "quasi", "seen_at": "quasi", "accepted_at": "quasi", "acted_at": "quasi", "closed_at": "quasi",
        "escalation_level": "none", "escalated_at": "quasi", "duty_phone_at": "quasi",
    }  # fmt: skip

    class Meta:
        indexes = [
            models.Index(
                fields=["department", "-rank", "respond_by", "id"],
                name="alert_open_department",
                condition=~Q(status="closed"),
            ),
            models.Index(
                fields=["owner", "-rank", "respond_by"], name="alert_open_owner", condition=~Q(status="closed")
            ),
            models.Index(fields=["patient", "-raised_at"], name="alert_of_patient"),
            models.Index(fields=["respond_by"], name="alert_unaccepted", condition=Q(status__in=["raised", "seen"])),
            models.Index(fields=["department", "-closed_at"], name="alert_closed", condition=Q(status="closed")),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status="closed", closed_at__isnull=False) & ~Q(closing_code="")
                | ~Q(status="closed") & Q(closed_at__isnull=True, closing_code=""),
                name="alert_closed_has_time_and_code",
            ),
            models.CheckConstraint(
                condition=Q(accepted_at__isnull=True) | Q(owner__isnull=False), name="alert_accepted_has_owner"
            ),
            models.CheckConstraint(
                condition=~Q(status="raised") | Q(seen_at__isnull=True, accepted_at__isnull=True),
                name="alert_raised_is_untouched",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["accepted", "acted", "closed"]) | Q(accepted_at__isnull=False),
                name="alert_accepted_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(status="acted") | Q(acted_at__isnull=False), name="alert_acted_has_time"
            ),
            models.CheckConstraint(
                condition=(Q(seen_at__isnull=True) | Q(seen_at__gte=F("raised_at")))
                & (Q(accepted_at__isnull=True) | Q(accepted_at__gte=F("raised_at")))
                & (Q(acted_at__isnull=True) | Q(acted_at__gte=F("accepted_at")))
                & (Q(closed_at__isnull=True) | Q(closed_at__gte=F("accepted_at"))),
                name="alert_times_run_forward",
            ),
        ]

    @classmethod
    def scope(cls, viewer: Viewer) -> Q:
        """Staff see the alerts of their departments and those they own, stand in for or are copied on.

        A blind re-check keeps older alerts from the person who is to ask again, never one that is raised meanwhile.
        """
        unsealed = not_sealed(viewer, before="raised_at")
        if viewer.patient_id or viewer.hospital_wide or not viewer.is_staff:
            return patient_scope(viewer, sealed=False) & unsealed
        who = viewer.practitioner_id
        mine = Q(owner_id=who) | Q(stand_in_id=who) | Q(copied_to_id=who)
        here = mine if viewer.own_only else mine | Q(department_id__in=viewer.departments)
        if viewer.narrowed_to:
            return here & Q(patient_id=viewer.narrowed_to)
        if not viewer.may_see_sensitive:
            here &= Q(patient__sensitivity=Patient.Sensitivity.NORMAL)
        return here & unsealed

    def times(self) -> rules.Times:
        """The ledger as the rules read it."""
        return rules.Times(
            raised_at=self.raised_at,
            seen_at=self.seen_at,
            accepted_at=self.accepted_at,
            acted_at=self.acted_at,
            closed_at=self.closed_at,
        )

    def deadline(self) -> datetime:
        """The next deadline: to accept, then to close."""
        return self.respond_by if self.accepted_at is None else self.close_by

    def sentence(self, language: str) -> str:
        """What was found, in this language."""
        return self.sentence_en or self.sentence_zh if language.startswith("en") else self.sentence_zh


class AlertAction(PatientRow):
    """One thing that happened to an alert. Append-only; what is undone is marked, not removed.

    A database trigger tells live listeners about every new row (ids only).
    """

    class Kind(models.TextChoices):
        RAISED = "raised", _("Raised")
        SEEN = "seen", _("Seen")
        ACCEPTED = "accepted", _("Accepted")
        HANDED_OVER = "handed-over", _("Handed over")
        ACTED = "acted", _("Acted")
        CLOSED = "closed", _("Closed")
        ESCALATED = "escalated", _("Escalated")
        DUTY_PHONE = "duty-phone", _("Duty phone")
        UNDONE = "undone", _("Undone")

    alert = models.ForeignKey(Alert, models.PROTECT, related_name="actions", db_index=False)
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=12, choices=Kind)
    code = models.CharField(max_length=40, blank=True, default="")  # the chip, the closing code or the role
    note = models.CharField(max_length=300, blank=True, default="")
    at = models.DateTimeField()
    by_practitioner = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")
    to_practitioner = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")
    undone_at = models.DateTimeField(null=True)
    before = models.JSONField(default=dict)  # what the step changed, so that it can be taken back exactly

    privacy = {
        "code": "clinical", "note": "clinical", "at": "quasi", "undone_at": "none", "before": "none",
    }  # fmt: skip

    class Meta:
        indexes = [
            models.Index(fields=["alert", "at", "id"], name="action_of_alert"),
            models.Index(fields=["created_at"], name="alert_action_written"),
        ]


class Notice(PatientRow):
    """Somebody was told about an alert: the owner, the copied doctor, the nurse, the head. Seen when they open it."""

    class Why(models.TextChoices):
        OWNER = "owner", _("Owner")
        STAND_IN = "stand-in", _("Stand-in")
        COPY = "copy", _("For your information")
        NURSE = "nurse", _("Responsible nurse")
        ESCALATION = "escalation", _("Escalated")
        DUTY_PHONE = "duty-phone", _("Duty phone")

    alert = models.ForeignKey(Alert, models.PROTECT, related_name="notices", db_index=False)
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="+")
    practitioner = models.ForeignKey(Practitioner, models.PROTECT, related_name="alert_notices")
    why = models.CharField(max_length=10, choices=Why)
    at = models.DateTimeField()
    seen_at = models.DateTimeField(null=True)

    privacy = {"at": "quasi", "seen_at": "none"}

    class Meta:
        indexes = [
            models.Index(fields=["practitioner", "-at"], name="notice_unseen", condition=Q(seen_at__isnull=True))
        ]
        constraints = [
            models.UniqueConstraint(fields=["alert", "practitioner", "why"], name="notice_once"),
        ]


class Duty(BaseModel):
    """Who answers for a department (or the hospital) in a period, with the phone that rings."""

    class Kind(models.TextChoices):
        DUTY = rules.DUTY, _("On duty")
        HEAD = rules.HEAD, _("Head of department")
        OVERSIGHT = rules.OVERSIGHT, _("Hospital oversight")

    organization = models.ForeignKey(Organization, models.PROTECT, related_name="duties")
    kind = models.CharField(max_length=20, choices=Kind)
    practitioner = models.ForeignKey(Practitioner, models.PROTECT, related_name="duties")
    phone = models.CharField(max_length=30, blank=True, default="")
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["organization", "kind", "valid_from"], name="duty_of_organization")]
        constraints = [
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gt=F("valid_from")), name="duty_period"
            )
        ]


class Absence(BaseModel):
    """Somebody is away and somebody else stands in."""

    practitioner = models.ForeignKey(Practitioner, models.PROTECT, related_name="absences")
    stand_in = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["practitioner", "valid_from"], name="absence_of_practitioner")]
        constraints = [
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gt=F("valid_from")), name="absence_period"
            ),
            models.CheckConstraint(condition=~Q(practitioner=F("stand_in")), name="absence_stand_in_is_somebody_else"),
        ]
