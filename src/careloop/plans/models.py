"""Plan definitions, one patient's run of them, and the decision about every discharge."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Organization, Practitioner
from careloop.kernel.models import BaseModel, ScopedQuerySet, WatchedQuerySet
from careloop.kernel.packed import PackedJSONField
from careloop.patients.models import Encounter, Patient, PatientRow
from careloop.plans.rules import packing
from careloop.plans.rules.changes import Change, Changes, fold, parse_change
from careloop.plans.rules.content import PlanContent, parse_plan
from careloop.plans.rules.schedule import Anchors
from careloop.plans.rules.surveys import SURVEYS

# Published content never changes, so equal hashes are equal contents: kept for the life of the process.
_PARSED: dict[str, PlanContent] = {}


class PlanDefinitionQuerySet(WatchedQuerySet["PlanDefinition"]):
    """The verbs of lists."""

    def active(self) -> Self:
        return self.filter(status=PlanDefinition.Status.ACTIVE)

    def enrolling(self) -> Self:
        """Judged at the discharge. Surveys are not: they are asked for days later, beside whatever else runs."""
        return self.active().filter(enrols=True).exclude(group=SURVEYS)

    def surveying(self) -> Self:
        return self.active().filter(enrols=True, group=SURVEYS)


class PlanDefinition(BaseModel):
    """One version of a plan (FHIR PlanDefinition). The database itself refuses to change a published version.

    `enrols` says whether discharges enter it by rule; it is a switch of the hospital, not part of the version.
    """

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        ACTIVE = "active", _("In use")
        RETIRED = "retired", _("Replaced")

    url = models.CharField(max_length=200)
    version = models.CharField(max_length=20)
    status = models.CharField(max_length=8, choices=Status, default=Status.DRAFT)
    enrols = models.BooleanField(default=False)
    title = models.CharField(max_length=120)
    title_en = models.CharField(max_length=120)
    category = models.CharField(max_length=16)
    group = models.CharField(max_length=40)
    content = models.JSONField()
    content_hash = models.CharField(max_length=64)
    is_shipped = models.BooleanField(default=False)
    published_at = models.DateTimeField(null=True)
    published_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")
    retired_at = models.DateTimeField(null=True)

    objects = PlanDefinitionQuerySet.as_manager()  # type: ignore[misc]  # the stubs lose the manager's queryset

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["url", "version"], name="plan_version_once"),
            models.UniqueConstraint(fields=["url"], condition=Q(status="active"), name="plan_one_active_version"),
            models.CheckConstraint(
                condition=Q(status="draft") | Q(published_at__isnull=False), name="plan_published_has_time"
            ),
            models.CheckConstraint(condition=Q(status="active") | Q(enrols=False), name="plan_only_active_enrols"),
        ]

    def __str__(self) -> str:
        return f"{self.url}|{self.version}"

    def plan(self) -> PlanContent:
        """The content as rules know it. Parsed once per version and process."""
        if self.content_hash not in _PARSED:
            _PARSED[self.content_hash] = parse_plan(self.content)
        return _PARSED[self.content_hash]

    @property
    def name(self) -> str:
        """The last part of the URL: short, and without words to translate."""
        return self.url.rsplit("/", 1)[-1]


class CarePlanQuerySet(ScopedQuerySet["CarePlan"]):
    """The verbs of lists."""

    def running(self) -> Self:
        """Not over yet: active or on hold."""
        return self.filter(ended_at__isnull=True)

    def active(self) -> Self:
        return self.filter(status=CarePlan.Status.ACTIVE)

    def with_plan(self) -> Self:
        """With all that the rules need. The content stays away: it is parsed once a process, by its hash."""
        return self.select_related("definition", "encounter", "patient").defer("definition__content")


class CarePlan(PatientRow):
    """One patient's run of one plan version after one discharge (FHIR CarePlan)."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("Running")
        ON_HOLD = "on-hold", _("Paused")
        COMPLETED = "completed", _("Completed")
        REVOKED = "revoked", _("Ended early")

    # The indexes and constraints below begin with these columns.
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="care_plans", db_index=False)
    encounter = models.ForeignKey(Encounter, models.PROTECT, related_name="care_plans", db_index=False)
    definition = models.ForeignKey(PlanDefinition, models.PROTECT, related_name="care_plans", db_index=False)
    definition_url = models.CharField(max_length=200)
    cycle = models.PositiveSmallIntegerField(default=1)  # the discharge of the stay it belongs to; A13 + A03 = the next
    department = models.ForeignKey(Organization, models.PROTECT, related_name="care_plans")
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=40, blank=True, default="")
    held_at = models.DateTimeField(null=True)
    held_for = models.UUIDField(null=True)  # the stay that paused it
    enrolled_on = models.DateField()
    discharged_on = models.DateField()
    operated_on = models.DateField(null=True)
    diagnosed_on = models.DateField(null=True)
    resumed_on = models.DateField(null=True)
    owner = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="care_plans", db_index=False)
    changes = models.JSONField(default=list)  # personal changes, see rules.changes; the list only grows
    reasons = models.JSONField(default=list)  # why it was started: [{"code": …, "values": {…}}]

    objects = CarePlanQuerySet.as_manager()  # type: ignore[misc]  # the stubs lose the manager's queryset

    privacy = {
        "definition_url": "clinical", "cycle": "none", "started_at": "quasi", "ended_at": "quasi",
        "end_reason": "clinical", "held_at": "quasi", "held_for": "none", "enrolled_on": "quasi",
        "discharged_on": "quasi", "operated_on": "quasi", "diagnosed_on": "quasi", "resumed_on": "quasi",
        "changes": "clinical", "reasons": "clinical",
    }  # fmt: skip

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["encounter", "definition_url", "cycle"], name="care_plan_once_per_discharge"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["active", "on-hold"]) ^ Q(ended_at__isnull=False), name="care_plan_end_has_time"
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | ~Q(end_reason=""), name="care_plan_end_has_reason"
            ),
            models.CheckConstraint(
                condition=~Q(status="on-hold") | Q(held_at__isnull=False), name="care_plan_hold_has_time"
            ),
        ]
        indexes = [
            models.Index(fields=["patient", "-started_at"], name="care_plan_of_patient"),
            models.Index(fields=["definition", "status"], name="care_plan_of_definition"),
            models.Index(fields=["owner"], name="care_plan_of_owner", condition=Q(owner__isnull=False)),
            models.Index(
                fields=["definition_url", "patient"], name="care_plan_running", condition=Q(ended_at__isnull=True)
            ),
        ]

    @property
    def is_active(self) -> bool:
        return self.status == CarePlan.Status.ACTIVE

    def anchors(self) -> Anchors:
        """The days its steps count from."""
        return Anchors(self.discharged_on, self.enrolled_on, self.operated_on, self.diagnosed_on)

    def change_list(self) -> tuple[Change, ...]:
        """Every personal change ever made, the undone ones too."""
        return tuple(parse_change(raw) for raw in self.changes)

    def personal(self) -> Changes:
        """The personal changes that hold now."""
        return fold(self.change_list())


class EnrolmentDecision(PatientRow):
    """Why a discharge is in a plan or in none. One row per discharge, so that nobody vanishes silently (pain 1)."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="enrolment_decisions")
    encounter = models.ForeignKey(Encounter, models.PROTECT, related_name="enrolment_decisions", db_index=False)
    cycle = models.PositiveSmallIntegerField(default=1)
    department = models.ForeignKey(Organization, models.PROTECT, related_name="+", db_index=False)
    outcome = models.CharField(max_length=24)
    discharged_on = models.DateField(null=True)
    decided_at = models.DateTimeField()
    times_decided = models.PositiveSmallIntegerField(default=1)
    plans = models.PositiveSmallIntegerField(default=0)
    # Per plan {"url", "fits", "reasons": [{"code", "values"}]}.
    explanation = PackedJSONField(default=list, pack=packing.pack, unpack=packing.unpack)

    privacy = {
        "cycle": "none", "outcome": "clinical", "discharged_on": "quasi", "decided_at": "quasi",
        "times_decided": "none", "plans": "none", "explanation": "clinical",
    }  # fmt: skip

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["encounter", "cycle"], name="decision_once_per_discharge"),
            models.CheckConstraint(condition=Q(outcome="enrolled") ^ Q(plans=0), name="decision_counts_plans"),
        ]
        indexes = [
            # Without the id: what was decided together is one key.
            models.Index(fields=["department", "-decided_at"], name="decision_of_department"),
            models.Index(fields=["outcome", "-decided_at"], name="decision_by_outcome"),
            models.Index(fields=["-decided_at"], name="decision_by_time"),
        ]


class FollowUpDecline(PatientRow):
    """A person said that nobody needs to follow this discharge up. While it stands, no rule starts a plan for the stay."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="follow_up_declines")
    encounter = models.ForeignKey(Encounter, models.PROTECT, related_name="follow_up_declines", db_index=False)
    cycle = models.PositiveSmallIntegerField(default=1)
    reason = models.CharField(max_length=40)
    declined_at = models.DateTimeField()
    declined_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")
    taken_back_at = models.DateTimeField(null=True)
    taken_back_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")

    privacy = {"cycle": "none", "reason": "clinical", "declined_at": "quasi", "taken_back_at": "quasi"}

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["encounter", "cycle"], condition=Q(taken_back_at=None), name="decline_once_per_discharge"
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="decline_has_reason"),
        ]
        indexes = [models.Index(fields=["encounter", "-declined_at"], name="decline_of_discharge")]


class VersionAdoption(PatientRow):
    """A running plan went on with another version, and what it takes to put everything back as it was.

    `withdrawn` and `ladders` hold what was open before, `made` the tasks that came instead.
    """

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="version_adoptions")
    care_plan = models.ForeignKey(CarePlan, models.PROTECT, related_name="adoptions", db_index=False)
    from_definition = models.ForeignKey(PlanDefinition, models.PROTECT, related_name="+")
    to_definition = models.ForeignKey(PlanDefinition, models.PROTECT, related_name="adoptions", db_index=False)
    adopted_at = models.DateTimeField()
    adopted_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")
    plan_status = models.CharField(max_length=10)  # of the plan at that moment: a pause since then is in the way
    withdrawn = models.JSONField(default=dict)  # task id -> its fields that closing changes
    ladders = models.JSONField(default=dict)  # ladder run id -> when it would have moved next
    made = models.JSONField(default=list)  # task ids
    tasks = models.PositiveIntegerField()  # of the plan after it; visits added by hand and what an undo closed left out
    undone_at = models.DateTimeField(null=True)
    undone_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")

    privacy = {
        "adopted_at": "quasi", "plan_status": "none", "withdrawn": "quasi", "ladders": "quasi", "made": "none",
        "tasks": "none", "undone_at": "quasi",
    }  # fmt: skip

    class Meta:
        indexes = [
            models.Index(fields=["care_plan", "-adopted_at"], name="adoption_of_plan"),
            models.Index(fields=["to_definition", "-adopted_at", "id"], name="adoption_of_version"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=~Q(from_definition=models.F("to_definition")), name="adoption_is_of_another_version"
            ),
        ]


class LadderRun(PatientRow):
    """How far the channels of one task have been climbed: messages first, then a person on the phone."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="ladder_runs")
    care_plan = models.ForeignKey(CarePlan, models.PROTECT, related_name="ladder_runs")
    task_id = models.UUIDField(unique=True)
    starts_at = models.DateTimeField()
    next_move_at = models.DateTimeField(null=True)  # null: over, or a person's turn
    tried = models.JSONField(default=list)  # [{"channel", "at", "failed", "communication"}]
    ended_how = models.CharField(max_length=20, blank=True, default="")

    privacy = {
        "task_id": "none", "starts_at": "quasi", "next_move_at": "quasi", "tried": "quasi", "ended_how": "none",
    }  # fmt: skip

    class Meta:
        indexes = [
            models.Index(
                fields=["next_move_at", "patient"], name="ladder_due", condition=Q(next_move_at__isnull=False)
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(next_move_at__isnull=True) ^ Q(ended_how=""), name="ladder_over_has_how"
            ),
        ]


class PlanDraft(BaseModel):
    """A version that is being written: changed step by step, handed in, then published by somebody else (two steps).

    Its content may be wrong at any moment, for it is saved while somebody types; only what is handed in must be right.
    """

    class State(models.TextChoices):
        EDITING = "editing", _("Being written")
        IN_REVIEW = "in-review", _("Waits for review")
        PUBLISHED = "published", _("Published")
        DISCARDED = "discarded", _("Thrown away")

    url = models.CharField(max_length=200)
    version = models.CharField(max_length=20)
    title = models.CharField(max_length=120)
    title_en = models.CharField(max_length=120)
    content = models.JSONField()
    state = models.CharField(max_length=10, choices=State, default=State.EDITING)
    enrols = models.BooleanField(default=False)  # what the author wants: discharges enter by rule once it is published
    revision = models.PositiveIntegerField(default=1)  # +1 with every write: who saw an older one is told so
    position = models.PositiveIntegerField(default=0)  # the change whose content this is; undo goes back along parents
    unknown = models.JSONField(default=list)  # paths of an imported file that the plan has no place for
    based_on = models.ForeignKey(PlanDefinition, models.PROTECT, null=True, related_name="drafts")
    author = models.ForeignKey(Practitioner, models.PROTECT, related_name="plan_drafts")
    submitted_at = models.DateTimeField(null=True)
    submitted_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")
    note = models.CharField(max_length=400, blank=True, default="")  # the reviewer's reason for giving it back
    published_as = models.OneToOneField(PlanDefinition, models.PROTECT, null=True, related_name="draft")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["url"], condition=Q(state__in=["editing", "in-review"]), name="draft_one_open_per_plan"
            ),
            models.CheckConstraint(
                condition=~Q(state="in-review") | Q(submitted_at__isnull=False), name="draft_in_review_was_submitted"
            ),
            models.CheckConstraint(
                condition=Q(state="published") ^ Q(published_as__isnull=True), name="plan_draft_published_has_version"
            ),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=True) | ~Q(state="published") | ~Q(decided_by=models.F("author")),
                name="draft_reviewed_by_another",
            ),
        ]
        indexes = [models.Index(fields=["state", "-updated_at", "id"], name="draft_by_state")]

    @property
    def is_open(self) -> bool:
        return self.state in (PlanDraft.State.EDITING, PlanDraft.State.IN_REVIEW)

    @property
    def name(self) -> str:
        """The last part of the URL, for addresses and file names."""
        return self.url.rsplit("/", 1)[-1]


class PlanDraftChange(BaseModel):
    """One change of a draft with the whole content after it. Append-only: undo goes back to `parent`, nothing is lost."""

    draft = models.ForeignKey(PlanDraft, models.PROTECT, related_name="history")
    number = models.PositiveIntegerField()
    parent = models.PositiveIntegerField(null=True)  # null: the beginning
    paths = models.JSONField(default=list)  # which parts it touched
    content = models.JSONField()
    by_practitioner = models.ForeignKey(Practitioner, models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["draft", "number"], name="draft_change_once"),
            models.CheckConstraint(condition=Q(parent__lt=models.F("number")) | Q(parent=None), name="draft_parent_before"),
        ]  # fmt: skip


class PlanReplay(BaseModel):
    """A draft played on the hospital's own past discharges: numbers only, no patient is named."""

    class State(models.TextChoices):
        QUEUED = "queued", _("Replay queued")
        RUNNING = "running", _("Replay running")
        DONE = "done", _("Replay finished")
        FAILED = "failed", _("Did not work")
        STOPPED = "stopped", _("Replay stopped")

    draft = models.ForeignKey(PlanDraft, models.PROTECT, related_name="replays")
    content_hash = models.CharField(max_length=64)
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    months = models.PositiveSmallIntegerField()
    nurses = models.PositiveSmallIntegerField()
    per_day = models.PositiveSmallIntegerField()  # contacts that one nurse can do on one day
    by_roster = models.BooleanField(default=False)  # capacity day by day from teams, shifts and leave instead
    requested_by = models.ForeignKey(Practitioner, models.PROTECT, related_name="+")
    total = models.PositiveIntegerField(default=0)  # discharges to look at
    looked_at = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    runs = models.PositiveSmallIntegerField(default=0)  # how often it was begun; only the newest run may write
    heartbeat_at = models.DateTimeField(null=True)  # the last sign of life of whoever plays it
    failure = models.CharField(max_length=40, blank=True, default="")  # why it failed: a code, the page has the words
    result = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["draft"], condition=Q(state__in=["queued", "running"]), name="replay_one_at_a_time"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running"]) ^ Q(finished_at__isnull=False), name="replay_end_has_time"
            ),
            models.CheckConstraint(condition=Q(months__gte=1, months__lte=12), name="replay_months"),
            models.CheckConstraint(condition=~Q(state="failed") ^ ~Q(failure=""), name="replay_failed_says_why"),
        ]
        indexes = [
            models.Index(fields=["draft", "-created_at"], name="replay_of_draft"),
            models.Index(fields=["created_at"], name="replay_under_way", condition=Q(finished_at__isnull=True)),
        ]

    @property
    def is_over(self) -> bool:
        return self.finished_at is not None

    @property
    def share(self) -> int:
        """Per cent of the discharges looked at."""
        return 100 * self.looked_at // self.total if self.total else 0
