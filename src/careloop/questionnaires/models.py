"""Forms, answers, and the answers as facts for statistics."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Organization, Practitioner
from careloop.kernel.models import BaseModel
from careloop.patients.models import Patient, PatientRow
from careloop.questionnaires import rules


class Questionnaire(BaseModel):
    """One version of a form (FHIR Questionnaire). Once active its content never changes: the database refuses."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        ACTIVE = "active", _("In force")
        RETIRED = "retired", _("Retired")

    url = models.CharField(max_length=400)
    version = models.CharField(max_length=60)
    name = models.CharField(max_length=60)
    title = models.CharField(max_length=120)
    title_en = models.CharField(max_length=120, blank=True, default="")
    status = models.CharField(max_length=8, choices=Status, default=Status.DRAFT)
    content = models.JSONField()  # definition, wordings, scores, rules, classification, source
    content_hash = models.CharField(max_length=64)  # SHA-256 of the canonical JSON
    source = models.CharField(max_length=400, blank=True, default="")
    is_verified = models.BooleanField(default=False)  # every clinical fact in it was checked against a second source
    valid_from = models.DateField()
    valid_to = models.DateField(null=True)
    published_at = models.DateTimeField(null=True)
    published_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")
    is_shipped = models.BooleanField(default=False)
    # Whose library it stands in; without one it is everybody's.
    department = models.ForeignKey(Organization, models.PROTECT, null=True, related_name="+")
    author = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")  # wrote it; another published

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["url", "version"], name="questionnaire_version_once"),
            models.UniqueConstraint(fields=["url"], condition=Q(status="active"), name="questionnaire_one_in_force"),
        ]

    @property
    def canonical(self) -> str:
        return f"{self.url}|{self.version}"

    def called(self, language: str) -> str:
        """Its title in this language; the Chinese one where it has no other."""
        return self.title_en or self.title if language.startswith("en") else self.title

    def form(self) -> rules.Form:
        """The parsed form."""
        return rules.parse(self.content)


class QuestionnaireResponse(PatientRow):
    """The answers of one patient to one version (FHIR QuestionnaireResponse). Completed ones are superseded, never changed."""

    class Status(models.TextChoices):
        IN_PROGRESS = "in-progress", _("Being answered")
        COMPLETED = "completed", _("Completed")
        AMENDED = "amended", _("Replaced by a later version")
        ENTERED_IN_ERROR = "entered-in-error", _("Entered in error")

    class Mode(models.TextChoices):
        PHONE = "phone", _("Phone call")
        PORTAL = "portal", _("Patient's own page")
        PAPER = "paper", _("Paper")
        VISIT = "visit", _("Home or clinic visit")

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="responses", db_index=False)
    questionnaire = models.ForeignKey(Questionnaire, models.PROTECT, related_name="responses")
    canonical = models.CharField(max_length=461)  # url|version, for ever
    task_id = models.UUIDField(null=True)
    sent_key = models.UUIDField(null=True)  # the newest sending of a whole form from a telephone; the same is one
    status = models.CharField(max_length=18, choices=Status, default=Status.IN_PROGRESS)
    mode = models.CharField(max_length=8, choices=Mode)
    answers = models.JSONField(default=dict)  # linkId → {"value", "source", "at", "by"}
    instances = models.JSONField(default=dict)  # repeating group → how many were asked for, empty ones too
    dropped = models.JSONField(default=dict)  # answers to questions that were no longer asked at the end
    scores = models.JSONField(default=dict)  # code → {"value", "band", "missing"}
    findings = models.JSONField(default=list)  # what the rules of this version found, worst first
    classification = models.JSONField(null=True)
    started_at = models.DateTimeField()
    authored_at = models.DateTimeField(null=True)
    author = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")  # None: patient or relative
    replaces = models.OneToOneField("self", models.PROTECT, null=True, related_name="replaced_by")

    privacy = {
        "canonical": "clinical", "task_id": "none", "sent_key": "none", "answers": "clinical", "instances": "clinical", "dropped": "clinical", "scores": "clinical",
        "findings": "clinical", "classification": "clinical", "started_at": "quasi", "authored_at": "quasi",
    }  # fmt: skip

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["task_id"], condition=Q(status__in=["in-progress", "completed"]), name="response_once_per_task"
            ),
            models.CheckConstraint(
                condition=Q(status="in-progress") | Q(authored_at__isnull=False) | Q(status="entered-in-error"),
                name="response_completed_has_time",
            ),
        ]
        indexes = [
            models.Index(fields=["patient", "-started_at"], name="response_of_patient"),
            # what supervision draws from: everything finished in a period, whether a task had asked for it or not
            models.Index(fields=["authored_at", "id"], name="response_finished", condition=Q(status="completed")),
        ]

    @property
    def values(self) -> dict[str, Any]:
        """linkId → value."""
        return {name: answer["value"] for name, answer in self.answers.items()}


class AnswerFact(PatientRow):
    """One answer as a typed fact, for statistics and cohorts."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="answer_facts", db_index=False)
    response = models.ForeignKey(QuestionnaireResponse, models.PROTECT, related_name="facts")
    questionnaire_url = models.CharField(max_length=400)
    link_id = models.CharField(max_length=255)
    instance = models.SmallIntegerField(default=1)  # of the repeating group it stands in
    code = models.CharField(max_length=255, blank=True, default="")
    absent_reason = models.CharField(max_length=20, blank=True, default="")  # FHIR data-absent-reason
    number = models.DecimalField(max_digits=14, decimal_places=4, null=True)
    text = models.CharField(max_length=500, blank=True, default="")
    date = models.DateField(null=True)
    unit = models.CharField(max_length=20, blank=True, default="")
    answered_at = models.DateTimeField()

    privacy = {
        "questionnaire_url": "clinical", "link_id": "clinical", "instance": "clinical", "code": "clinical",
        "absent_reason": "clinical", "number": "clinical",
        "text": "direct", "date": "quasi", "unit": "none", "answered_at": "quasi",
    }  # fmt: skip

    class Meta:
        indexes = [
            # Answers to one question of a whole hospital are counted from cohorts_newestanswer, not from here.
            models.Index(fields=["patient", "link_id"], name="fact_of_patient"),
        ]


class Attachment(PatientRow):
    """A picture or document given as an answer. Its bytes live here, not in a folder a web server could hand out."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="attachments")
    response = models.ForeignKey(QuestionnaireResponse, models.PROTECT, related_name="attachments", db_index=False)
    link_id = models.CharField(max_length=255)
    content_type = models.CharField(max_length=40)
    size = models.IntegerField()
    sha256 = models.CharField(max_length=64)
    data = models.BinaryField()
    source = models.CharField(max_length=10)
    added_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)  # taken back while answering; then the bytes are gone too

    privacy = {
        "link_id": "clinical", "content_type": "none", "size": "none", "sha256": "quasi", "data": "direct",
        "source": "none", "added_at": "quasi", "removed_at": "quasi",
    }  # fmt: skip

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(removed_at__isnull=True) | Q(size=0), name="attachment_removed_is_empty")
        ]
        indexes = [models.Index(fields=["response", "link_id"], name="attachment_of_answer")]


class QuestionnaireDraft(BaseModel):
    """A form being made. Every change is a step that can be taken back; published, it becomes a Questionnaire."""

    class Status(models.TextChoices):
        EDITING = "editing", _("Draft")
        IN_REVIEW = "in-review", _("Waiting for review")
        PUBLISHED = "published", _("Published")
        DISCARDED = "discarded", _("Discarded")

    url = models.CharField(max_length=400)
    version = models.CharField(max_length=60)
    title = models.CharField(max_length=120)
    status = models.CharField(max_length=10, choices=Status, default=Status.EDITING)
    content = models.JSONField()
    revision = models.IntegerField(default=1)  # counts every change, taken back or not: two people never overwrite
    step = models.IntegerField(default=1)  # where in the history it stands
    based_on = models.ForeignKey(Questionnaire, models.PROTECT, null=True, related_name="drafts")
    published_as = models.OneToOneField(Questionnaire, models.PROTECT, null=True, related_name="made_from")
    department = models.ForeignKey(Organization, models.PROTECT, null=True, related_name="+")
    author = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")
    editor = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")  # who changed it last
    submitted_at = models.DateTimeField(null=True)
    remark = models.CharField(max_length=400, blank=True, default="")  # why the reviewer gave it back
    notes = models.JSONField(default=list)  # what an import kept without acting on it
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["url", "version"],
                condition=Q(status__in=["editing", "in-review"]),
                name="draft_version_once",
            ),
            models.CheckConstraint(
                condition=Q(status="published") ^ Q(published_as__isnull=True), name="draft_published_has_version"
            ),
        ]


class DraftStep(BaseModel):
    """One change of a draft with the content after it."""

    draft = models.ForeignKey(QuestionnaireDraft, models.CASCADE, related_name="steps")
    number = models.IntegerField()
    what = models.CharField(max_length=60)
    content = models.JSONField()
    made_at = models.DateTimeField()
    made_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["draft", "number"], name="draft_step_once")]


class FavouriteForm(BaseModel):
    """A form somebody keeps at hand, whatever its version."""

    practitioner = models.ForeignKey(Practitioner, models.PROTECT, related_name="+")
    url = models.CharField(max_length=400)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["practitioner", "url"], name="favourite_form_once")]


class LibraryItem(BaseModel):
    """A question kept for other forms: a department's, or one person's own."""

    title = models.CharField(max_length=120)
    content = models.JSONField()  # one FHIR item with its extensions
    department = models.ForeignKey(Organization, models.PROTECT, null=True, related_name="+")
    practitioner = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(department__isnull=True) ^ Q(practitioner__isnull=True), name="library_item_has_one_owner"
            )
        ]
