"""The inbox: every message from outside, as it came; and the lists that people bring as spreadsheets."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Practitioner
from careloop.integration.access import VIEW
from careloop.kernel.models import ScopedModel, ScopedQuerySet
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Patient

SEQUENCE = "integration_inbox_seq"


class InboxQuerySet(ScopedQuerySet["InboxMessage"]):
    """Verbs of the inbox."""

    def unfinished(self) -> InboxQuerySet:
        return self.filter(state__in=InboxMessage.UNFINISHED)

    def dead(self) -> InboxQuerySet:
        return self.filter(state=InboxMessage.State.DEAD)


class InboxMessage(ScopedModel):
    """One message, committed before its sender is told.

    A message being worked on is a locked row, not a state: it is applied and marked done in one transaction, so a
    process that dies leaves it `received`, and nothing has to find abandoned work.
    """

    class Channel(models.TextChoices):
        MLLP = "mllp", _("HL7 gateway")
        FILE = "file", _("Files")
        SHEET = "sheet", _("Spreadsheets")

    class State(models.TextChoices):
        RECEIVED = "received", _("Queued")
        RETRY = "retry", _("Trying again")
        DONE = "done", _("Applied")
        IGNORED = "ignored", _("Not for follow-up")
        DEAD = "dead", _("Needs mending")

    UNFINISHED = (State.RECEIVED, State.RETRY)

    seq = models.BigIntegerField(
        db_default=models.Func(models.Value(SEQUENCE), function="nextval", output_field=models.BigIntegerField())
    )  # order of arrival
    channel = models.CharField(max_length=8, choices=Channel)
    received_at = models.DateTimeField()
    peer = models.CharField(max_length=200, blank=True, default="")  # address, or file name
    sender = models.CharField(max_length=200, blank=True, default="")  # MSH-3/MSH-4
    facility = models.CharField(max_length=120, blank=True, default="")  # MSH-4, or the site's stand-in
    control_id = models.CharField(max_length=200, blank=True, default="")
    event_type = models.CharField(max_length=40, blank=True, default="")  # ADT^A03
    charset = models.CharField(max_length=20, blank=True, default="")
    flags = ArrayField(models.CharField(max_length=40), default=list)  # charset-guessed, control-id-reused
    sha256 = models.BinaryField(max_length=32)
    raw = models.BinaryField()
    size = models.PositiveIntegerField()
    state = models.CharField(max_length=8, choices=State, default=State.RECEIVED)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=60, blank=True, default="")
    error_subject = models.CharField(max_length=120, blank=True, default="")  # the code that is not mapped
    error_text = models.CharField(max_length=300, blank=True, default="")
    partition_key = models.CharField(max_length=200, blank=True, default="")
    other_keys = ArrayField(models.CharField(max_length=200), default=list)  # a merge waits for these patients too
    duplicates = models.PositiveIntegerField(default=0)  # how often it was sent again
    replays = models.PositiveSmallIntegerField(default=0)
    processed_at = models.DateTimeField(null=True)
    patient = models.ForeignKey(Patient, models.PROTECT, null=True, related_name="+", db_index=False)

    objects = InboxQuerySet.as_manager()  # type: ignore[misc]  # the base declares it for any queryset

    privacy = {
        "seq": "none", "channel": "none", "received_at": "none", "peer": "none", "sender": "none", "facility": "none",
        "control_id": "none", "event_type": "none", "charset": "none", "flags": "none", "sha256": "none",
        "raw": "direct", "size": "none", "attempts": "none", "next_try": "none", "error_code": "none",
        "error_subject": "none", "error_text": "none", "partition_key": "direct", "other_keys": "direct",
        "duplicates": "none", "replays": "none", "processed_at": "none",
    }  # fmt: skip

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["channel", "sha256"], name="inbox_once"),
            models.UniqueConstraint(fields=["seq"], name="inbox_seq_once"),
            models.CheckConstraint(condition=~Q(state="dead") | ~Q(error_code=""), name="inbox_dead_has_reason"),
            models.CheckConstraint(
                condition=Q(state__in=("received", "retry")) | Q(processed_at__isnull=False), name="inbox_end_has_time"
            ),
        ]
        indexes = [
            models.Index(fields=["seq"], name="inbox_open", condition=Q(state__in=("received", "retry"))),
            models.Index(
                fields=["partition_key", "seq"], name="inbox_open_key", condition=Q(state__in=("received", "retry"))
            ),
            models.Index(
                fields=["seq"],
                name="inbox_open_merge",
                condition=Q(state__in=("received", "retry")) & ~Q(other_keys=[]),
            ),
            models.Index(fields=["error_code", "error_subject", "seq"], name="inbox_dead", condition=Q(state="dead")),
            models.Index(fields=["channel", "received_at"], name="inbox_by_day"),
            models.Index(fields=["sender", "control_id"], name="inbox_control"),
            # a merge of patients looks for every row of theirs
            models.Index(fields=["patient"], name="inbox_patient", condition=Q(patient__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"InboxMessage {self.seq}"

    @classmethod
    def scope(cls, viewer: Viewer) -> Q:
        """Everyone who may see connections sees every row; what it says about a patient has its own permission."""
        return Q() if viewer.can(VIEW) else Q(pk__in=[])


class PatientSheet(ScopedModel):
    """A list of patients that somebody brought: the file as it came, its cells as text, and what its columns were taken for."""

    class State(models.TextChoices):
        DRAFT = "draft", _("Being checked")
        STARTED = "started", _("Import asked for")
        STORED = "stored", _("Rows in the inbox")

    name = models.CharField(max_length=200)  # the file's, as its owner called it
    data = models.BinaryField()
    sha256 = models.BinaryField(max_length=32)
    headings = models.JSONField(default=list)
    lines = models.JSONField(default=list)  # [number, [cell, …]]
    meaning = models.JSONField(default=dict)  # column code → place of its heading
    facility = models.CharField(max_length=120)  # who issued the record numbers
    state = models.CharField(max_length=8, choices=State, default=State.DRAFT)
    brought_by = models.ForeignKey(Practitioner, models.PROTECT, related_name="+", db_index=False)
    started_at = models.DateTimeField(null=True)  # also `received_at` of its rows in the inbox
    kept_out = models.PositiveIntegerField(default=0)  # rows with an error
    other_person = models.PositiveIntegerField(default=0)  # rows whose number belongs to somebody with another name
    known = models.PositiveIntegerField(default=0)  # rows that were imported before, unchanged
    taken = models.PositiveIntegerField(default=0)  # rows that went into the inbox

    privacy = {
        "name": "quasi", "data": "direct", "sha256": "none", "headings": "none", "lines": "direct", "meaning": "none",
        "facility": "none", "started_at": "none", "kept_out": "none", "other_person": "none", "known": "none", "taken": "none",
    }  # fmt: skip

    class Meta:
        indexes = [models.Index(fields=["brought_by", "-id"], name="sheet_of_person")]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="draft", started_at__isnull=True)
                | Q(state__in=("started", "stored"), started_at__isnull=False),
                name="sheet_start_has_time",
            )
        ]

    def __str__(self) -> str:
        return f"PatientSheet {self.pk}"

    @classmethod
    def scope(cls, viewer: Viewer) -> Q:
        """One's own: whoever brought a list has seen it."""
        return Q(brought_by_id=viewer.practitioner_id) if viewer.practitioner_id else Q(pk__in=[])
