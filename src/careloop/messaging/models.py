"""The outbox, its templates, what came back."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Practitioner
from careloop.kernel.models import BaseModel, ScopedModel, ScopedQuerySet
from careloop.kernel.viewer import Viewer
from careloop.patients.models import AccessLink, ContactPoint, Patient, PatientRow, patient_scope


class Channel(models.TextChoices):
    """The way a message goes."""

    SMS = "sms", _("SMS")
    WECHAT = "wechat", _("WeChat")
    EMAIL = "email", _("E-mail")
    PORTAL = "portal", _("Patient pages")
    LETTER = "letter", _("Letter")  # on paper, by post; written down when it is posted (room letters)


class MessageTemplate(BaseModel):
    """One version of a registered text. Once approved it never changes; a change is a new version (pain 21)."""

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        SUBMITTED = "submitted", _("Waiting for approval")
        APPROVED = "approved", _("Approved")
        REJECTED = "rejected", _("Rejected")
        RETIRED = "retired", _("Retired")

    class Category(models.TextChoices):
        CARE = "care", _("Care")
        SURVEY = "survey", _("Survey")
        NOTICE = "notice", _("Notice")
        ONE_TIME_CODE = "one-time-code", _("One-time code")

    code = models.CharField(max_length=40)
    channel = models.CharField(max_length=8, choices=Channel)
    version = models.PositiveIntegerField()
    category = models.CharField(max_length=14, choices=Category, default=Category.CARE)
    urgent = models.BooleanField(default=False)  # skips quiet hours and caps, nothing else
    title = models.JSONField()  # {"zh": …, "en": …}
    subject = models.JSONField(default=dict)
    texts = models.JSONField()  # {"zh": …, "en": …} in the {name} mini-language
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    carrier_id = models.CharField(max_length=60, blank=True, default="")  # the number under which the carrier knows it
    rejected_reason = models.CharField(max_length=200, blank=True, default="")
    submitted_at = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(null=True)
    content_hash = models.CharField(max_length=64)
    origin = models.CharField(max_length=10, default="hospital")  # shipped | hospital

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["code", "channel", "version"], name="template_version_once"),
            models.UniqueConstraint(
                fields=["code", "channel"], name="template_one_approved", condition=Q(state="approved")
            ),
            models.CheckConstraint(
                condition=Q(state__in=["draft", "submitted"]) | Q(decided_at__isnull=False),
                name="template_decided_has_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code}/{self.channel} v{self.version}"


class CommunicationQuerySet(ScopedQuerySet["Communication"]):
    """The verbs of lists."""

    def needing_a_person(self) -> Self:
        """Failed or unknown, and nobody has settled it."""
        return self.filter(state__in=["failed", "unknown"], settled_at__isnull=True)


class Communication(ScopedModel):
    """One message to one patient (FHIR Communication): the outbox row. It is the truth; a queue only wakes it.

    The text is not kept: it is the template's version filled with `params`. Links and codes are made when it is sent,
    from `link` and from the id, so no token is ever stored.
    """

    class State(models.TextChoices):
        PREPARATION = "preparation", _("Waiting for template")
        QUEUED = "queued", _("Waiting to be sent")
        SENDING = "sending", _("Being sent")
        SENT = "sent", _("Sent")
        DELIVERED = "delivered", _("Delivered")
        FAILED = "failed", _("Failed")
        UNKNOWN = "unknown", _("Unclear whether sent")
        SUPPRESSED = "suppressed", _("Held back")

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="communications", db_index=False)
    key = models.CharField(max_length=200)  # unique: what makes this the same message when asked for again
    channel = models.CharField(max_length=8, choices=Channel)
    template = models.ForeignKey(MessageTemplate, models.PROTECT, null=True, db_index=False, related_name="+")
    template_code = models.CharField(max_length=40)
    category = models.CharField(max_length=14, choices=MessageTemplate.Category)
    urgent = models.BooleanField(default=False)
    language = models.CharField(max_length=2, default="zh")
    params = models.JSONField(default=dict)
    contact_point = models.ForeignKey(ContactPoint, models.PROTECT, null=True, db_index=False, related_name="+")
    address = models.CharField(max_length=160, blank=True, default="")
    link = models.ForeignKey(AccessLink, models.PROTECT, null=True, db_index=False, related_name="+")
    task_id = models.UUIDField(null=True)  # tasks stand on the same floor: an id, not a key
    resend_of = models.ForeignKey("self", models.PROTECT, null=True, db_index=False, related_name="+")

    state = models.CharField(max_length=11, choices=State)
    reason = models.CharField(max_length=40, blank=True, default="")
    requested_at = models.DateTimeField()
    not_before = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    maybe_sent = models.BooleanField(default=False)  # an earlier try may have reached the gateway
    token = models.UUIDField(null=True)  # whose claim this is: results of older claims are fenced off
    lease_until = models.DateTimeField(null=True)
    claimed_at = models.DateTimeField(null=True)
    gateway_ref = models.CharField(max_length=80, blank=True, default="")
    segments = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)  # failed, unknown or suppressed since
    read_at = models.DateTimeField(null=True)
    requested_by = models.CharField(max_length=80, blank=True, default="")
    owner = models.ForeignKey(Practitioner, models.PROTECT, null=True, db_index=False, related_name="+")
    settled_at = models.DateTimeField(null=True)
    settled_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, db_index=False, related_name="+")
    settled_how = models.CharField(max_length=20, blank=True, default="")  # resent | was-sent | was-not-sent | closed
    moved_from = models.UUIDField(null=True)  # the merged record it came from

    objects = CommunicationQuerySet.as_manager()  # type: ignore[misc]  # the base declares it for any queryset

    privacy = {
        "key": "none", "template_code": "none", "urgent": "none", "language": "quasi", "params": "direct",
        "address": "direct", "task_id": "none", "reason": "none", "requested_at": "quasi", "not_before": "quasi",
        "expires_at": "quasi", "attempts": "none", "maybe_sent": "none", "token": "none", "lease_until": "none",
        "claimed_at": "quasi", "gateway_ref": "none", "segments": "none", "sent_at": "quasi", "delivered_at": "quasi",
        "ended_at": "quasi", "read_at": "quasi", "requested_by": "none", "settled_at": "none", "settled_how": "none",
        "moved_from": "none",
    }  # fmt: skip

    class Meta:
        indexes = [
            models.Index(fields=["-urgent", "not_before", "id"], name="communication_due", condition=Q(state="queued")),
            models.Index(fields=["lease_until"], name="communication_leased", condition=Q(state="sending")),
            models.Index(fields=["patient", "-requested_at"], name="communication_of_patient"),
            models.Index(fields=["task_id"], name="communication_of_task", condition=Q(task_id__isnull=False)),
            models.Index(
                fields=["-ended_at", "id"], name="communication_dead",
                condition=Q(state__in=["failed", "unknown"], settled_at__isnull=True),
            ),
            models.Index(
                fields=["requested_at", "address"], name="communication_codes", condition=Q(category="one-time-code")
            ),
            models.Index(fields=["template_code"], name="communication_prepared", condition=Q(state="preparation")),
        ]  # fmt: skip
        constraints = [
            models.UniqueConstraint(fields=["key"], name="communication_key_once"),
            models.CheckConstraint(
                condition=~Q(state="sending") | Q(token__isnull=False, lease_until__isnull=False),
                name="communication_sending_has_lease",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["suppressed", "failed", "unknown"]) | ~Q(reason="") & Q(ended_at__isnull=False),
                name="communication_end_has_reason",
            ),
            models.CheckConstraint(
                condition=~Q(state="delivered") | Q(delivered_at__isnull=False), name="communication_delivered_has_time"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["suppressed", "preparation"]) | Q(channel="letter") | Q(template__isnull=False),
                name="communication_has_template",
            ),
        ]

    @classmethod
    def scope(cls, viewer: Viewer) -> Q:
        """Whoever may see the patient may see what was written to the patient."""
        return patient_scope(viewer)


class DeliveryReceipt(PatientRow):
    """What a gateway told about a message, as it came: each once, never changed, kept even for keys we do not know."""

    class Status(models.TextChoices):
        SENT = "sent", _("Sent")
        DELIVERED = "delivered", _("Delivered")
        FAILED = "failed", _("Failed")

    patient = models.ForeignKey(Patient, models.PROTECT, null=True, db_index=False, related_name="+")
    communication = models.ForeignKey(Communication, models.PROTECT, null=True, related_name="receipts")
    staff_message_id = models.UUIDField(null=True)  # of a message to somebody who works here
    gateway = models.CharField(max_length=20)
    receipt_id = models.CharField(max_length=120)
    key = models.CharField(max_length=200)
    status = models.CharField(max_length=9, choices=Status)
    code = models.CharField(max_length=40, blank=True, default="")
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()

    privacy = {
        "staff_message_id": "none", "gateway": "none", "receipt_id": "none", "key": "none", "code": "none", "occurred_at": "quasi",
        "received_at": "quasi",
    }  # fmt: skip

    class Meta:
        constraints = [models.UniqueConstraint(fields=["gateway", "receipt_id"], name="receipt_once")]


class InboundMessage(PatientRow):
    """What a patient wrote back. Each once; kept even when we do not know whose number it is."""

    class Intent(models.TextChoices):
        STOP = "stop", _("Stop messages")
        START = "start", _("Start messages again")
        CALL_ME = "call-me", _("Please call me")
        TEXT = "text", _("To be read")

    patient = models.ForeignKey(Patient, models.PROTECT, null=True, db_index=False, related_name="inbound_messages")
    gateway = models.CharField(max_length=20)
    message_id = models.CharField(max_length=120)
    address = models.CharField(max_length=160)
    text = models.CharField(max_length=1000)
    intent = models.CharField(max_length=8, choices=Intent)
    answers = models.ForeignKey(Communication, models.PROTECT, null=True, db_index=False, related_name="replies")
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()
    handled_at = models.DateTimeField(null=True)
    handled_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, db_index=False, related_name="+")

    privacy = {
        "gateway": "none", "message_id": "none", "address": "direct", "text": "clinical", "occurred_at": "quasi",
        "received_at": "quasi", "handled_at": "none",
    }  # fmt: skip

    class Meta:
        constraints = [models.UniqueConstraint(fields=["gateway", "message_id"], name="inbound_once")]
        indexes = [
            models.Index(fields=["patient", "-received_at"], name="inbound_of_patient"),
            models.Index(fields=["-received_at", "id"], name="inbound_open", condition=Q(handled_at__isnull=True)),
        ]


class StaffMessage(BaseModel):
    """One message to somebody who works here: in the own inbox of the staff pages, or by SMS. Never about a name."""

    class Way(models.TextChoices):
        INBOX = "inbox", _("Own messages")
        SMS = "sms", _("SMS")

    class State(models.TextChoices):
        QUEUED = "queued", _("Waiting")
        SENDING = "sending", _("On its way")
        SENT = "sent", _("Sent")
        DELIVERED = "delivered", _("Delivered")
        UNKNOWN = "unknown", _("Unclear whether it went")
        FAILED = "failed", _("Failed")
        SUPPRESSED = "suppressed", _("Held back")

    key = models.CharField(max_length=200, unique=True)  # the asker's key and the way
    recipient = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="staff_messages")
    way = models.CharField(max_length=5, choices=Way)
    address = models.CharField(max_length=40, blank=True, default="")  # of a person or a duty phone
    template_code = models.CharField(max_length=40)
    params = models.JSONField(default=dict)
    url = models.CharField(max_length=300, blank=True, default="")  # where to go, inside the staff site
    urgent = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    reason = models.CharField(max_length=40, blank=True, default="")
    attempts = models.PositiveSmallIntegerField(default=0)
    requested_at = models.DateTimeField()
    tried_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)  # the telephone has it
    read_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["recipient", "-requested_at", "id"], name="staff_inbox", condition=Q(way="inbox")),
            models.Index(fields=["requested_at"], name="staff_waiting", condition=Q(state__in=["queued", "sending"])),
        ]
        constraints = [
            models.CheckConstraint(
                condition=~Q(state__in=["failed", "suppressed", "unknown"]) | ~Q(reason=""),
                name="staff_message_end_has_reason",
            ),
            models.CheckConstraint(
                condition=~Q(way="inbox") | Q(recipient__isnull=False), name="staff_inbox_has_owner"
            ),
            models.CheckConstraint(
                condition=Q(state="delivered") ^ Q(delivered_at__isnull=True), name="staff_delivered_has_time"
            ),
        ]
