"""Letter templates, the letters made from them, and the assessments of follow-up reports."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Organization, Practitioner
from careloop.kernel.models import BaseModel, ScopedQuerySet
from careloop.patients.models import AccessLink, Patient, PatientRow


class LetterTemplate(BaseModel):
    """One version of a letter's words. Who wrote it never approves it; an approved version never changes."""

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        SUBMITTED = "submitted", _("Waiting for approval")
        APPROVED = "approved", _("Approved")
        REJECTED = "rejected", _("Rejected")
        RETIRED = "retired", _("Retired")

    code = models.SlugField(max_length=30)
    version = models.PositiveIntegerField()
    title = models.JSONField()  # {"zh": …, "en": …}
    texts = models.JSONField()  # {"zh": {"subject": …, "body": …}, "en": …} in the {name} mini-language
    has_slip = models.BooleanField(default=True)  # a reply slip at the foot
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    author = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")  # null: came with the product
    approver = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")
    submitted_at = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(null=True)
    rejected_reason = models.CharField(max_length=200, blank=True, default="")
    content_hash = models.CharField(max_length=64)
    origin = models.CharField(max_length=10, default="hospital")  # shipped | hospital

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["code", "version"], name="letter_template_version_once"),
            models.UniqueConstraint(
                fields=["code"], name="letter_template_one_approved", condition=Q(state="approved")
            ),
            models.CheckConstraint(
                condition=Q(state__in=["draft", "submitted"]) | Q(decided_at__isnull=False),
                name="letter_template_decided_has_time",
            ),
            models.CheckConstraint(
                condition=Q(author__isnull=True) | Q(approver__isnull=True) | ~Q(author=F("approver")),
                name="letter_template_four_eyes",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} v{self.version}"

    def name(self, language: str) -> str:
        """Its title in a language; Chinese when there is no other."""
        wanted = "en" if language.startswith("en") else "zh"
        return str(self.title.get(wanted) or self.title.get("zh") or self.code)


class LetterQuerySet(ScopedQuerySet["Letter"]):
    """The verbs of lists."""

    def sent_out(self) -> Self:
        """Made or on its way, not taken back."""
        return self.exclude(state=Letter.State.WITHDRAWN)


class Letter(PatientRow):
    """One letter to one patient. Its words are its template's version filled with `params`: printed again, it is the same."""

    class State(models.TextChoices):
        MADE = "made", _("To be posted")
        POSTED = "posted", _("Posted")
        ANSWERED = "answered", _("Answered letter")
        RETURNED = "returned", _("Came back")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    class Return(models.TextChoices):
        UNKNOWN_ADDRESS = "unknown-address", _("Address not found")
        MOVED = "moved", _("Moved away, new address unknown")
        REFUSED = "refused", _("Not accepted")
        UNCLAIMED = "unclaimed", _("Not collected")
        OTHER = "other", _("Another reason")

    class Answer(models.TextChoices):
        SLIP = "slip", _("Reply slip, call or visit")
        LINK = "link", _("Online, with the picture of this letter")
        ONLINE = "online", _("Online, another way")

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="letters", db_index=False)
    template = models.ForeignKey(LetterTemplate, models.PROTECT, related_name="+", db_index=False)
    template_code = models.CharField(max_length=30)
    department = models.ForeignKey(Organization, models.PROTECT, null=True, related_name="+", db_index=False)
    key = models.CharField(max_length=200, unique=True)  # what makes this the same letter when asked for again
    batch_id = models.UUIDField(null=True)
    task_id = models.UUIDField(null=True)
    language = models.CharField(max_length=2, default="zh")
    params = models.JSONField(default=dict)
    address = models.CharField(max_length=300)  # as it stood in the record, to know whether it was mended since
    recipient = models.JSONField(default=dict)  # {"lines": […], "size": points}: exactly what the window shows
    envelope = models.CharField(max_length=40)
    reply_code = models.CharField(max_length=10, unique=True)
    link = models.ForeignKey(AccessLink, models.PROTECT, null=True, db_index=False, related_name="+")
    state = models.CharField(max_length=9, choices=State, default=State.MADE)
    made_at = models.DateTimeField()
    made_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+", db_index=False)
    posted_at = models.DateTimeField(null=True)
    posted_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+", db_index=False)
    ended_at = models.DateTimeField(null=True)  # answered, returned or withdrawn since
    ended_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+", db_index=False)
    return_reason = models.CharField(max_length=16, choices=Return, blank=True, default="")
    answered_how = models.CharField(max_length=8, choices=Answer, blank=True, default="")

    objects = LetterQuerySet.as_manager()  # type: ignore[misc]  # the base declares it for any queryset

    privacy = {
        "template_code": "clinical", "key": "none", "batch_id": "none", "task_id": "none", "language": "quasi",
        "params": "direct", "address": "direct", "recipient": "direct", "envelope": "none", "reply_code": "none",
        "made_at": "quasi", "posted_at": "quasi", "ended_at": "quasi", "answered_how": "none",
    }  # fmt: skip

    class Meta:
        indexes = [
            models.Index(fields=["patient", "-made_at"], name="letter_of_patient"),
            models.Index(fields=["batch_id"], name="letter_of_batch", condition=Q(batch_id__isnull=False)),
            models.Index(fields=["task_id"], name="letter_of_task", condition=Q(task_id__isnull=False)),
            models.Index(fields=["state", "-id"], name="letter_by_state"),
            models.Index(fields=["link"], name="letter_of_link", condition=Q(link__isnull=False)),
        ]
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="posted") | Q(posted_at__isnull=False), name="letter_posted_has_time"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["made", "posted"]) ^ Q(ended_at__isnull=False), name="letter_end_has_time"
            ),
            models.CheckConstraint(
                condition=Q(state="returned") ^ Q(return_reason=""), name="letter_returned_has_reason"
            ),
            models.CheckConstraint(condition=Q(state="answered") ^ Q(answered_how=""), name="letter_answered_has_way"),
        ]


ANSWERABLE = (Letter.State.MADE, Letter.State.POSTED, Letter.State.RETURNED)


class FollowUpReport(PatientRow):
    """A doctor's assessment of a stretch of follow-up, with advice. Never changed: a later one replaces it."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="follow_up_reports", db_index=False)
    period_from = models.DateField()
    period_to = models.DateField()
    assessment = models.CharField(max_length=2000)
    advice = models.CharField(max_length=2000, blank=True, default="")
    author = models.ForeignKey(Practitioner, models.PROTECT, related_name="+", db_index=False)
    written_at = models.DateTimeField()
    replaces = models.OneToOneField("self", models.PROTECT, null=True, related_name="replaced_by")

    privacy = {
        "period_from": "quasi", "period_to": "quasi", "assessment": "clinical", "advice": "clinical",
        "written_at": "quasi",
    }  # fmt: skip

    class Meta:
        indexes = [models.Index(fields=["patient", "-written_at"], name="report_of_patient")]
        constraints = [
            models.CheckConstraint(condition=Q(period_to__gte=F("period_from")), name="report_period"),
            models.CheckConstraint(condition=~Q(assessment=""), name="report_has_assessment"),
        ]
