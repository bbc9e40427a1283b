"""Long work over many rows, its rows one by one, and the file that comes out of it."""

from __future__ import annotations

from datetime import datetime
from typing import Self
from uuid import UUID

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Practitioner
from careloop.batches.rules import Progress
from careloop.kernel.models import BaseModel, WatchedQuerySet
from careloop.kernel.viewer import Viewer


class BatchQuerySet(WatchedQuerySet["Batch"]):
    """A batch is its requester's own affair."""

    def of(self, viewer: Viewer) -> Self:
        """What this person asked for; the machine sees all."""
        return self.all() if viewer.everything else self.filter(requested_by_id=viewer.practitioner_id or UUID(int=0))

    def under_way(self) -> Self:
        return self.filter(state__in=Batch.UNDER_WAY)

    def quiet_since(self, at: datetime) -> Self:
        """Under way, but nothing has happened since: the process that worked on it is probably gone."""
        return self.under_way().filter(heartbeat_at__lt=at)


class Batch(BaseModel):
    """Work over many rows, asked for once (`key`), done in the background. It knows nothing of patients."""

    class State(models.TextChoices):
        QUEUED = "queued", _("Waiting for its turn")
        RUNNING = "running", _("Work going on")
        DONE = "done", _("Work finished")
        STOPPED = "stopped", _("Work stopped")
        FAILED = "failed", _("Work failed")

    UNDER_WAY = (State.QUEUED, State.RUNNING)

    kind = models.CharField(max_length=60)  # a line of config/batches.py
    title = models.CharField(max_length=200)
    key = models.CharField(max_length=200, unique=True)
    requested_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")  # null: the machine
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    parameters = models.JSONField(default=dict)  # ids and codes, never personal data
    result = models.JSONField(default=dict)  # counts and codes the kind's last step gives back
    stop_reason = models.CharField(max_length=40, blank=True, default="")
    undo_of = models.OneToOneField("self", models.PROTECT, null=True, related_name="undone_by")
    started_at = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    objects = BatchQuerySet.as_manager()  # type: ignore[misc]  # the base declares it for any queryset

    class Meta:
        indexes = [
            models.Index(fields=["requested_by", "-id"], name="batch_of_person"),
            models.Index(fields=["heartbeat_at"], name="batch_under_way", condition=Q(state__in=["queued", "running"])),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(total__gte=F("done") + F("skipped") + F("failed")), name="batch_never_more_than_all"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running"], finished_at__isnull=True)
                | Q(state__in=["done", "stopped", "failed"], finished_at__isnull=False),
                name="batch_end_has_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"

    @property
    def is_under_way(self) -> bool:
        return self.state in self.UNDER_WAY

    @property
    def progress(self) -> Progress:
        return Progress(total=self.total, done=self.done, skipped=self.skipped, failed=self.failed)


class BatchItem(BaseModel):
    """One row of a batch, settled exactly once: in the transaction that did its work."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Not yet its turn")
        DONE = "done", _("Done as asked")
        SKIPPED = "skipped", _("Passed over")
        FAILED = "failed", _("Did not work")

    batch = models.ForeignKey(Batch, models.PROTECT, related_name="items", db_index=False)
    number = models.PositiveIntegerField()
    key = models.CharField(max_length=120)
    subject_id = models.UUIDField(null=True)
    data = models.JSONField(default=dict)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    reason = models.CharField(max_length=60, blank=True, default="")  # a code; the words are the refusal's own
    result = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "key"], name="batch_item_once"),
            models.UniqueConstraint(fields=["batch", "number"], name="batch_item_number"),
        ]
        indexes = [
            models.Index(fields=["batch", "number"], name="batch_item_waiting", condition=Q(state="waiting")),
            models.Index(fields=["batch", "reason"], name="batch_item_reason", condition=~Q(reason="")),
        ]

    def __str__(self) -> str:
        return f"{self.batch_id} {self.number}"


class BatchFile(BaseModel):
    """The result of a batch. Its content lies in parts and goes away when its time is over; that it was there stays."""

    batch = models.OneToOneField(Batch, models.PROTECT, related_name="file")
    name = models.CharField(max_length=120)
    content_type = models.CharField(max_length=100)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    expires_at = models.DateTimeField()
    purged_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["expires_at"], name="batch_file_expiry", condition=Q(purged_at__isnull=True))]

    def __str__(self) -> str:
        return str(self.pk)


class BatchFilePart(BaseModel):
    """Up to one MiB of a result file, so that no process ever holds all of it."""

    file = models.ForeignKey(BatchFile, models.PROTECT, related_name="parts", db_index=False)
    number = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["file", "number"], name="batch_file_part_once")]

    def __str__(self) -> str:
        return f"{self.file_id} {self.number}"
