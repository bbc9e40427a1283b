"""Kept searches, special topics and their patients, selections for bulk work, and lists that were taken away."""

from __future__ import annotations

from typing import Self
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Practitioner
from careloop.batches.models import Batch
from careloop.cohorts.rules.definition import Definition, parse
from careloop.kernel.models import BaseModel, WatchedQuerySet
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Patient, PatientRow

NOBODY = UUID(int=0)


class CohortQuerySet(WatchedQuerySet["Cohort"]):
    """The verbs of lists."""

    def of(self, viewer: Viewer) -> Self:
        """One's own and shared ones. Who is in it is asked again with the viewer's own scope, always."""
        if viewer.everything:
            return self.all()
        return self.filter(Q(owner_id=viewer.practitioner_id or NOBODY) | Q(shared=True))

    def kept(self) -> Self:
        return self.filter(archived_at__isnull=True).exclude(kind=Cohort.Kind.QUERY)


class Cohort(BaseModel):
    """A group of patients by condition. It holds conditions, never persons; a frozen one has CohortMember rows."""

    class Kind(models.TextChoices):
        QUERY = "query", _("Search of the moment")
        LIVING = "living", _("Living: always as of today")
        FROZEN = "frozen", _("Frozen: as of the day it was kept")

    title = models.CharField(max_length=120, blank=True, default="")
    kind = models.CharField(max_length=6, choices=Kind, default=Kind.QUERY)
    definition = models.JSONField()
    owner = models.ForeignKey(Practitioner, models.PROTECT, related_name="+")
    shared = models.BooleanField(default=False)
    frozen_at = models.DateTimeField(null=True)
    archived_at = models.DateTimeField(null=True)

    objects = CohortQuerySet.as_manager()  # type: ignore[misc]  # the base declares it for any queryset

    class Meta:
        indexes = [models.Index(fields=["owner", "-id"], name="cohort_of_person")]
        constraints = [
            models.CheckConstraint(condition=Q(kind="frozen") ^ Q(frozen_at__isnull=True), name="cohort_frozen_time"),
            models.CheckConstraint(condition=Q(kind="query") | ~Q(title=""), name="cohort_kept_has_title"),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    def conditions(self) -> Definition:
        """The definition as rules know it."""
        return parse(self.definition)


class CohortMember(PatientRow):
    """A patient of a frozen cohort."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="cohort_memberships")
    cohort = models.ForeignKey(Cohort, models.PROTECT, related_name="members", db_index=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["cohort", "patient"], name="cohort_member_once")]


class PatientTag(PatientRow):
    """A word that staff put on a patient, for lists and cohorts."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="tags", db_index=False)
    tag = models.CharField(max_length=40)
    tagged_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")

    privacy = {"tag": "clinical"}

    class Meta:
        constraints = [models.UniqueConstraint(fields=["patient", "tag"], name="patient_tag_once")]
        indexes = [models.Index(fields=["tag", "patient"], name="patient_by_tag")]


class TopicQuerySet(WatchedQuerySet["Topic"]):
    """The verbs of lists."""

    def of(self, viewer: Viewer) -> Self:
        """Topics one started or works on; at the follow-up centre all. Its patients are scoped by themselves."""
        if viewer.everything or viewer.hospital_wide:
            return self.all()
        mine = viewer.practitioner_id or NOBODY
        return self.filter(Q(requested_by_id=mine) | Q(staff__contains=[str(mine)]))


class Topic(BaseModel):
    """A special-topic follow-up (专题随访): a group, a form or a plan, who does it, and until when."""

    class State(models.TextChoices):
        RUNNING = "running", _("Topic running")
        CLOSED = "closed", _("Topic closed")

    title = models.CharField(max_length=120)
    state = models.CharField(max_length=8, choices=State, default=State.RUNNING)
    key = models.CharField(max_length=120, unique=True)
    cohort = models.ForeignKey(Cohort, models.PROTECT, null=True, related_name="topics")
    definition = models.JSONField()  # the conditions as they were when it started
    questionnaire_url = models.CharField(max_length=200, blank=True, default="")
    plan_url = models.CharField(max_length=200, blank=True, default="")
    staff = models.JSONField(default=list)  # practitioner ids
    deadline = models.DateField()
    requested_by = models.ForeignKey(Practitioner, models.PROTECT, related_name="+")
    batch = models.ForeignKey(Batch, models.PROTECT, null=True, related_name="+")
    closed_at = models.DateTimeField(null=True)

    objects = TopicQuerySet.as_manager()  # type: ignore[misc]  # the base declares it for any queryset

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~(Q(questionnaire_url="") & Q(plan_url="")), name="topic_has_form_or_plan"
            ),
            models.CheckConstraint(condition=Q(state="closed") ^ Q(closed_at__isnull=True), name="topic_closed_time"),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class TopicMember(PatientRow):
    """One patient of a topic: the task or plan made for it, or why there is none."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="topic_memberships")
    topic = models.ForeignKey(Topic, models.PROTECT, related_name="members", db_index=False)
    excluded = models.CharField(max_length=30, blank=True, default="")
    owner = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+", db_index=False)
    task_id = models.UUIDField(null=True)
    care_plan_id = models.UUIDField(null=True)

    privacy = {"excluded": "clinical", "task_id": "none", "care_plan_id": "none"}

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["topic", "patient"], name="topic_member_once"),
            models.CheckConstraint(
                condition=Q(excluded="") | Q(task_id__isnull=True, care_plan_id__isnull=True),
                name="topic_excluded_has_no_work",
            ),
        ]


class Selection(BaseModel):
    """Rows somebody chose for work in bulk. Ids only; each is asked again with the viewer's scope before anything is done."""

    class Subject(models.TextChoices):
        TASK = "task", _("Tasks chosen")
        PATIENT = "patient", _("Patients chosen")

    owner = models.ForeignKey(Practitioner, models.PROTECT, related_name="+")
    subject = models.CharField(max_length=8, choices=Subject)
    ids = models.JSONField()
    came_from = models.CharField(max_length=20)  # today | patients | cohort | topic

    class Meta:
        indexes = [models.Index(fields=["owner", "-id"], name="selection_of_person")]

    def __str__(self) -> str:
        return str(self.pk)

    def uuids(self) -> list[UUID]:
        return [UUID(one) for one in self.ids]


class ListExport(BaseModel):
    """A list that was made to be taken away: by whom, what for, which columns. When it was fetched stands in the audit trail."""

    requested_by = models.ForeignKey(Practitioner, models.PROTECT, related_name="+")
    title = models.CharField(max_length=120)
    cohort = models.ForeignKey(Cohort, models.PROTECT, null=True, related_name="exports")
    topic = models.ForeignKey(Topic, models.PROTECT, null=True, related_name="exports")
    columns = models.JSONField()
    identifies = models.BooleanField()
    purpose = models.CharField(max_length=200)
    rows = models.PositiveIntegerField(null=True)  # null: not made yet
    batch = models.OneToOneField(Batch, models.PROTECT, null=True, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["requested_by", "-id"], name="export_of_person")]
        constraints = [models.CheckConstraint(condition=~Q(purpose=""), name="export_has_purpose")]

    def __str__(self) -> str:
        return str(self.pk)


class NewestResult(PatientRow):
    """The newest result of one kind of one patient, beside the results themselves: what cohorts count by.

    Kept by triggers in the transaction that writes the result (migration 0003), never by hand, and always the same as
    asking the results again (`reads.newest`). A pair whose results are all gone stays as a row of `NEVER`.
    """

    id = None  # type: ignore[assignment]  # the pair is the key: narrow rows are what this table is for
    created_at = None  # type: ignore[assignment]  # Django's way to leave an inherited column out
    updated_at = None  # type: ignore[assignment]  # likewise
    pk = models.CompositePrimaryKey("patient_id", "concept")
    patient = models.ForeignKey(Patient, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False)
    concept = models.CharField(max_length=20)
    observation_id = models.UUIDField()
    effective_at = models.DateTimeField()
    value_number = models.DecimalField(max_digits=20, decimal_places=6, null=True)

    privacy = {
        "concept": "clinical", "observation_id": "none", "effective_at": "quasi", "value_number": "clinical",
    }  # fmt: skip

    class Meta:
        managed = False  # written by the database; a merge of patients moves the results, and these follow them
        db_table = "cohorts_newestresult"


class NewestAnswer(PatientRow):
    """The answers of one patient to one question in the newest response that has it; `place` counts several ticks.

    Kept as NewestResult is. Place 0 is always there for a question once answered; without an answer it stands at NEVER.
    """

    id = None  # type: ignore[assignment]  # as above: these four are the key
    created_at = None  # type: ignore[assignment]  # Django's way to leave an inherited column out
    updated_at = None  # type: ignore[assignment]  # likewise
    pk = models.CompositePrimaryKey("questionnaire_url", "link_id", "patient_id", "place")
    patient = models.ForeignKey(Patient, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False)
    questionnaire_url = models.CharField(max_length=400)
    link_id = models.CharField(max_length=255)
    place = models.IntegerField()
    answered_at = models.DateTimeField()
    code = models.CharField(max_length=255)
    number = models.DecimalField(max_digits=14, decimal_places=4, null=True)

    privacy = {
        "questionnaire_url": "clinical", "link_id": "clinical", "place": "none", "answered_at": "quasi",
        "code": "clinical", "number": "clinical",
    }  # fmt: skip

    class Meta:
        managed = False
        db_table = "cohorts_newestanswer"
