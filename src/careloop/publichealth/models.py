"""Rule packs, patients under management, their visits and the clocks those start; opinion tables and opinions."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Organization, Practitioner
from careloop.kernel.models import BaseModel, ScopedQuerySet
from careloop.patients.models import Patient, PatientRow
from careloop.publichealth import rules
from careloop.questionnaires.models import QuestionnaireResponse

# Published content never changes, so equal hashes are equal contents: kept for the life of the process.
TASK_KEY = "publichealth:"  # the key of every task of a clock begins with it
_PACKS: dict[str, rules.Pack] = {}
_TABLES: dict[str, rules.Table] = {}


class RulePack(BaseModel):
    """One published version of the national rules. The database refuses to change it; which one holds depends on the day."""

    version = models.CharField(max_length=40, unique=True)
    title = models.CharField(max_length=200)
    title_en = models.CharField(max_length=200)
    content = models.JSONField()
    content_hash = models.CharField(max_length=64)
    valid_from = models.DateField()
    valid_to = models.DateField(null=True)
    is_verified = models.BooleanField(default=False)
    is_shipped = models.BooleanField(default=False)
    published_at = models.DateTimeField()
    published_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")

    def pack(self) -> rules.Pack:
        """The parsed pack. Parsed once per version and process."""
        if self.content_hash not in _PACKS:
            _PACKS[self.content_hash] = rules.parse_pack(self.content)
        return _PACKS[self.content_hash]


class EpisodeQuerySet(ScopedQuerySet["EpisodeOfCare"]):
    """The verbs of lists."""

    def active(self) -> Self:
        return self.filter(status=EpisodeOfCare.Status.ACTIVE)


class EpisodeOfCare(PatientRow):
    """One patient under management in one programme (FHIR EpisodeOfCare). What its newest visit said stands here too."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("Under management")
        FINISHED = "finished", _("No longer under management")

    class Control(models.TextChoices):
        NONE = "", _("Not assessed yet")
        IN = "in", _("In target")
        OUT = "out", _("Not in target")
        UNKNOWN = "unknown", _("Not classifiable")

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="episodes", db_index=False)
    programme = models.CharField(max_length=30)
    department = models.ForeignKey(Organization, models.PROTECT, related_name="+", db_index=False)
    doctor = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")
    status = models.CharField(max_length=8, choices=Status, default=Status.ACTIVE)
    started_on = models.DateField()
    noticed_at = models.DateTimeField(null=True)  # tuberculosis: when the notice came; the 72 hours count from here
    started_how = models.CharField(max_length=20)  # first-form | registered
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=30, blank=True, default="")
    last_visit_on = models.DateField(null=True)
    last_class = models.CharField(max_length=40, blank=True, default="")
    last_title = models.JSONField(default=dict)  # {"zh", "en"} of the class
    control = models.CharField(max_length=8, choices=Control, default=Control.NONE, blank=True)
    streak = models.PositiveSmallIntegerField(default=0)  # visits in a row that were not in target
    is_urgent = models.BooleanField(default=False)
    next_due_on = models.DateField(null=True)

    objects = EpisodeQuerySet.as_manager()  # type: ignore[misc]  # the base names the manager of all scoped rows

    privacy = {
        "programme": "clinical", "started_on": "quasi", "noticed_at": "quasi", "started_how": "none", "ended_at": "quasi",
        "end_reason": "clinical", "last_visit_on": "quasi", "last_class": "clinical", "last_title": "clinical",
        "streak": "clinical", "is_urgent": "clinical", "next_due_on": "quasi",
    }  # fmt: skip

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["patient", "programme"], condition=Q(status="active"), name="episode_once_active"
            ),
            models.CheckConstraint(
                condition=Q(status="active") ^ Q(ended_at__isnull=False), name="episode_end_has_time"
            ),
            models.CheckConstraint(condition=Q(status="active") | ~Q(end_reason=""), name="episode_end_has_reason"),
        ]
        indexes = [
            models.Index(fields=["programme", "next_due_on", "id"], name="episode_due", condition=Q(status="active")),
            models.Index(fields=["patient"], name="episode_of_patient"),
            models.Index(fields=["department", "programme"], name="episode_of_department"),
            # The counts above the list read this index alone, never the table.
            models.Index(
                fields=["programme", "status"],
                include=["patient", "next_due_on", "control", "is_urgent"],
                name="episode_counts",
            ),
        ]


class ProgrammeVisit(PatientRow):
    """One completed national form, judged: by the version of its form and by the pack that held on its day."""

    class Status(models.TextChoices):
        CURRENT = "current", _("Counts")
        REPLACED = "replaced", _("Replaced by corrected answers")
        ERROR = "error", _("Entered in error")

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="programme_visits", db_index=False)
    episode = models.ForeignKey(EpisodeOfCare, models.PROTECT, related_name="visits", db_index=False)
    response = models.OneToOneField(QuestionnaireResponse, models.PROTECT, related_name="programme_visit")
    status = models.CharField(max_length=8, choices=Status, default=Status.CURRENT)
    role = models.CharField(max_length=16)  # first-visit | follow-up | closing
    visited_at = models.DateTimeField()
    visited_on = models.DateField()
    is_face_to_face = models.BooleanField(default=False)
    canonical = models.CharField(max_length=221)
    pack_version = models.CharField(max_length=40)
    class_code = models.CharField(max_length=40, blank=True, default="")
    class_title = models.JSONField(default=dict)
    reason = models.JSONField(default=dict)
    missing = models.JSONField(default=list)  # why there is no class: the questions without a usable answer
    in_target = models.BooleanField(null=True)
    streak = models.PositiveSmallIntegerField(default=0)
    is_urgent = models.BooleanField(default=False)
    advises_referral = models.BooleanField(default=False)
    derived = models.JSONField(default=dict)

    privacy = {
        "role": "clinical", "visited_at": "quasi", "visited_on": "quasi", "is_face_to_face": "none",
        "canonical": "clinical", "pack_version": "none", "class_code": "clinical", "class_title": "clinical",
        "reason": "clinical", "missing": "none", "in_target": "clinical", "streak": "clinical", "is_urgent": "clinical",
        "advises_referral": "clinical", "derived": "clinical",
    }  # fmt: skip

    class Meta:
        indexes = [
            models.Index(fields=["episode", "-visited_on"], name="visit_of_episode"),
            models.Index(fields=["patient"], name="visit_of_patient"),
        ]


class ProgrammeClock(PatientRow):
    """Something that must happen by a day, because of a visit or a notice. Its task is real work on somebody's list."""

    class Status(models.TextChoices):
        RUNNING = "running", _("Clock running")
        DONE = "done", _("Done")
        STOPPED = "stopped", _("Clock stopped")

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="programme_clocks", db_index=False)
    episode = models.ForeignKey(EpisodeOfCare, models.PROTECT, related_name="clocks", db_index=False)
    visit = models.ForeignKey(ProgrammeVisit, models.PROTECT, null=True, related_name="clocks")
    key = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=16)  # recheck | referral-check | routine | first-visit
    status = models.CharField(max_length=8, choices=Status, default=Status.RUNNING)
    form_url = models.CharField(max_length=200)
    due_on = models.DateField()
    due_at = models.DateTimeField()
    title = models.JSONField(default=dict)
    reason = models.JSONField(default=dict)  # why, in both languages, with the version of the rules
    pack_version = models.CharField(max_length=40)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=40, blank=True, default="")

    privacy = {
        "key": "none", "kind": "clinical", "form_url": "clinical", "due_on": "quasi", "due_at": "quasi",
        "title": "clinical", "reason": "clinical", "pack_version": "none", "started_at": "quasi", "ended_at": "quasi",
        "end_reason": "clinical",
    }  # fmt: skip

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status="running") ^ Q(ended_at__isnull=False), name="clock_end_has_time"
            ),
            models.CheckConstraint(condition=Q(status="running") | ~Q(end_reason=""), name="clock_end_has_reason"),
        ]
        indexes = [
            models.Index(fields=["episode", "due_on"], name="clock_of_episode"),
            models.Index(fields=["patient"], name="clock_of_patient"),
            models.Index(fields=["due_on", "id"], name="clock_running", condition=Q(status="running")),
        ]

    @property
    def task_key(self) -> str:
        """The key of its task: asked for again, it is the same task."""
        return f"{TASK_KEY}{self.key}"


class OpinionTable(BaseModel):
    """One version of a department's rule table for one questionnaire. Once published it never changes."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("In force")
        RETIRED = "retired", _("Replaced")

    questionnaire_url = models.CharField(max_length=200)
    department = models.ForeignKey(Organization, models.PROTECT, null=True, related_name="+")  # None: whole hospital
    version = models.PositiveIntegerField()
    status = models.CharField(max_length=8, choices=Status, default=Status.ACTIVE)
    title = models.CharField(max_length=120)
    content = models.JSONField()
    content_hash = models.CharField(max_length=64)
    is_shipped = models.BooleanField(default=False)
    published_at = models.DateTimeField()
    published_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")
    retired_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["questionnaire_url", "department", "version"], name="opinion_table_version_once",
                nulls_distinct=False,
            ),
            models.UniqueConstraint(
                fields=["questionnaire_url", "department"], condition=Q(status="active"), name="opinion_table_one_in_force",
                nulls_distinct=False,
            ),
        ]  # fmt: skip

    def table(self) -> rules.Table:
        """The parsed table. Parsed once per content and process."""
        if self.content_hash not in _TABLES:
            _TABLES[self.content_hash] = rules.parse_table(self.content)
        return _TABLES[self.content_hash]


class OpinionDraft(BaseModel):
    """A table being written row by row. A second person publishes it; then it is an OpinionTable."""

    class Status(models.TextChoices):
        EDITING = "editing", _("Draft")
        IN_REVIEW = "in-review", _("Waiting for review")
        PUBLISHED = "published", _("Published")
        DISCARDED = "discarded", _("Discarded")

    questionnaire_url = models.CharField(max_length=200)
    department = models.ForeignKey(Organization, models.PROTECT, null=True, related_name="+")  # None: whole hospital
    based_on = models.ForeignKey(OpinionTable, models.PROTECT, null=True, related_name="+")
    status = models.CharField(max_length=10, choices=Status, default=Status.EDITING)
    content = models.JSONField()
    past = models.JSONField(default=list)  # contents before the last changes, for “undo”; the newest last
    revision = models.IntegerField(default=1)  # counts every change: two people never overwrite each other
    author = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")
    writers = models.JSONField(default=list)  # ids of everybody who changed it: none of them may publish it
    submitted_at = models.DateTimeField(null=True)
    remark = models.CharField(max_length=400, blank=True, default="")  # why the reviewer gave it back
    published_as = models.OneToOneField(OpinionTable, models.PROTECT, null=True, related_name="made_from")
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["questionnaire_url", "department"], condition=Q(status__in=["editing", "in-review"]),
                name="opinion_draft_one_open", nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(status="published") ^ Q(published_as__isnull=True), name="opinion_draft_published_has_table"
            ),
        ]  # fmt: skip


class Opinion(PatientRow):
    """What the rules suggested to one response, with rule, version and evidence. What people chose stands beside it."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="opinions")
    response = models.OneToOneField(QuestionnaireResponse, models.PROTECT, related_name="opinion")
    department = models.ForeignKey(Organization, models.PROTECT, null=True, related_name="+")
    table = models.ForeignKey(OpinionTable, models.PROTECT, null=True, related_name="opinions")  # None: the form's own
    rule_version = models.CharField(max_length=240)  # table version, or the canonical of the form
    row = models.PositiveSmallIntegerField(null=True)
    suggested = models.CharField(max_length=40, blank=True, default="")  # empty: could not be derived
    suggested_title = models.JSONField(default=dict)
    reason = models.JSONField(default=dict)
    evidence = models.JSONField(default=dict)
    missing = models.JSONField(default=list)
    suggested_at = models.DateTimeField()
    chosen = models.CharField(max_length=40, blank=True, default="")
    chosen_at = models.DateTimeField(null=True)

    privacy = {
        "rule_version": "none", "row": "none", "suggested": "clinical", "suggested_title": "clinical",
        "reason": "clinical", "evidence": "clinical", "missing": "none", "suggested_at": "quasi", "chosen": "clinical",
        "chosen_at": "quasi",
    }  # fmt: skip

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(chosen="") ^ Q(chosen_at__isnull=False), name="opinion_choice_has_time")
        ]


class OpinionChoice(PatientRow):
    """One decision of a doctor about a suggestion. Nothing is overwritten: the newest counts, all are shown."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="+")
    opinion = models.ForeignKey(Opinion, models.PROTECT, related_name="choices")
    code = models.CharField(max_length=40)
    title = models.JSONField(default=dict)
    agrees = models.BooleanField()
    note = models.CharField(max_length=300, blank=True, default="")
    chosen_by = models.ForeignKey(Practitioner, models.PROTECT, related_name="+")
    chosen_at = models.DateTimeField()

    privacy = {
        "code": "clinical", "title": "clinical", "agrees": "none", "note": "direct", "chosen_at": "quasi",
    }  # fmt: skip
