"""Task: one thing for one person to do by a time. Follow-up calls, alerts, revisits and work orders are all tasks."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Organization, Practitioner
from careloop.kernel.models import BaseModel, ScopedModel, ScopedQuerySet
from careloop.kernel.packed import PackedJSONField
from careloop.kernel.viewer import Viewer
from careloop.patients.models import ContactPoint, Patient, PatientRow, Risk, not_sealed, not_sensitive, patient_scope
from careloop.tasks import rules

# The kinds that stand on the calling list. Alerts, messages and work orders have lists of their own.
QUEUE_KINDS = ("follow-up", "revisit", "education", "reminder", "contact-check")
# What a list counts, sorts by and is narrowed by, besides patient, department and owner.
LIST_COLUMNS = (
    "claimed_by", "due_at", "priority", "promised_at", "snoozed_until", "risk", "last_outcome", "self_report",
    "message_state", "plan_title",
)  # fmt: skip


def in_language(title: str, english: str) -> str:
    """A title that content brought along in two languages, as this page wants it."""
    return english if english and (get_language() or "").startswith("en") else title


class EndedDay(models.Func):
    """The day of a time as the index of ended tasks counts days. Only for finding: what lies within exact times is asked beside it,
    so a hospital in another zone finds the same and reads a little more.
    """

    template = "((%(expressions)s AT TIME ZONE 'Asia/Shanghai')::date)"
    output_field = models.DateField()


class TaskQuerySet(ScopedQuerySet["Task"]):
    """The verbs of lists."""

    def open(self) -> Self:
        return self.filter(status=Task.Status.REQUESTED)

    def overdue(self, *, at: object) -> Self:
        return self.open().filter(due_at__lt=at)

    def ended_between(self, first: datetime, last: datetime) -> Self:
        """What was ended from the day of `first` to the day of `last`, by the index `task_ended`. Ask for the exact times beside it."""
        days: Any = [EndedDay(models.Value(at, output_field=models.DateTimeField())) for at in (first, last)]
        return self.alias(ended_day=EndedDay("ended_at")).filter(
            ~Q(status=Task.Status.REQUESTED), ended_day__range=days
        )


class Task(ScopedModel):
    """One thing to do (FHIR Task). Whether it is scheduled, due or snoozed follows from its times (rules.state_of)."""

    class Kind(models.TextChoices):
        FOLLOW_UP = "follow-up", _("Follow-up")
        ALERT = "alert", _("Alert")
        REVISIT = "revisit", _("Return visit")
        EDUCATION = "education", _("Education")
        REMINDER = "reminder", _("Reminder")
        CONTACT_CHECK = "contact-check", _("Check contact data")
        MESSAGE = "message", _("Message from patient")
        WORK_ORDER = "work-order", _("Work order")
        RE_CHECK = "re-check", _("Re-check call")
        SURVEY = "survey", _("Satisfaction survey")  # the patient alone answers: on no list, in no rate of follow-up

    class Status(models.TextChoices):
        REQUESTED = "requested", _("To do")
        COMPLETED = "completed", _("Finished tasks")
        CANCELLED = "cancelled", _("Ended without being done")

    # The indexes below begin with these columns; each further one would cost every write (performance.md, 3).
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="tasks", db_index=False)
    department = models.ForeignKey(Organization, models.PROTECT, db_index=False)
    key = models.CharField(max_length=160, unique=True)  # what makes this the same task when asked again
    kind = models.CharField(max_length=14, choices=Kind)
    # Before its end the way it is planned, afterwards the way it was done (rules.CHANNELS, or "online").
    channel = models.CharField(max_length=12, default="phone", db_default="phone")
    status = models.CharField(max_length=10, choices=Status, default=Status.REQUESTED)
    owner = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="owned_tasks", db_index=False)
    owner_role = models.CharField(max_length=40, blank=True, default="")  # who should do it while nobody owns it

    encounter_id = models.UUIDField(null=True)
    care_plan_id = models.UUIDField(null=True)  # plans live on a higher floor: an id, not a key
    step_code = models.CharField(max_length=40, blank=True, default="")
    occurrence = models.PositiveSmallIntegerField(default=0)
    focus_id = models.UUIDField(null=True)  # what it is about when kind says so: the alert, the message
    questionnaire_url = models.CharField(max_length=200, blank=True, default="")

    plan_title = models.CharField(max_length=120, blank=True, default="")
    step_title = models.CharField(max_length=120, blank=True, default="")
    # The same in English, where whoever asked for the task had it; the content's own words, so they are no gettext.
    plan_title_en = models.CharField(max_length=120, blank=True, default="", db_default="")
    step_title_en = models.CharField(max_length=120, blank=True, default="", db_default="")
    diagnosis_text = models.CharField(max_length=200, blank=True, default="")
    risk = models.CharField(max_length=10, choices=Risk, default=Risk.NONE)
    self_report = models.CharField(max_length=10, blank=True, default="")  # severity of the patient's own answers
    discharged_at = models.DateTimeField(null=True)  # of the stay it follows up: the 72 hours count from here
    priority = models.IntegerField(default=0)
    # [{"code": …, "points": …, "params": …}]: why it stands where it stands.
    priority_reasons = PackedJSONField(default=list, pack=rules.pack_reasons, unpack=rules.unpack_reasons)
    # Until then the weight stays by the clock alone. None: weigh it as soon as its window is open. Whatever else changes a
    # weight puts it back to None (the triggers of migration 0010).
    weigh_again_at = models.DateTimeField(null=True)

    available_at = models.DateTimeField()  # the window opens: before, the task is scheduled
    due_at = models.DateTimeField()
    window_ends_at = models.DateTimeField(null=True)
    snoozed_until = models.DateTimeField(null=True)
    snooze_reason = models.CharField(max_length=20, blank=True, default="")
    promised_at = models.DateTimeField(null=True)  # a time agreed with the patient; never moves due_at

    attempts = models.PositiveSmallIntegerField(default=0)
    last_attempt_at = models.DateTimeField(null=True)
    last_outcome = models.CharField(max_length=30, blank=True, default="")
    message_state = models.CharField(max_length=20, blank=True, default="")  # sent | opened | answered | none
    outcome = models.CharField(max_length=30, blank=True, default="")
    closed_reason = models.CharField(max_length=40, blank=True, default="")
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+", db_index=False)

    claimed_by = models.ForeignKey(
        Practitioner, models.PROTECT, null=True, related_name="claimed_tasks", db_index=False
    )
    claimed_until = models.DateTimeField(null=True)

    objects = TaskQuerySet.as_manager()  # type: ignore[misc]  # the stubs lose the manager's queryset

    privacy = {
        "key": "none", "channel": "none", "owner_role": "none", "encounter_id": "none", "care_plan_id": "none", "step_code": "clinical",
        "occurrence": "none", "focus_id": "none", "questionnaire_url": "clinical", "plan_title": "clinical",
        "step_title": "clinical", "plan_title_en": "clinical", "step_title_en": "clinical", "diagnosis_text": "clinical", "self_report": "clinical",
        "discharged_at": "quasi", "priority": "clinical", "priority_reasons": "clinical", "weigh_again_at": "quasi",
        "available_at": "quasi", "due_at": "quasi", "window_ends_at": "quasi", "snoozed_until": "quasi",
        "snooze_reason": "none", "promised_at": "quasi", "attempts": "none", "last_attempt_at": "quasi",
        "last_outcome": "clinical", "message_state": "none", "outcome": "clinical", "closed_reason": "clinical",
        "ended_at": "quasi", "claimed_until": "none",
    }  # fmt: skip

    class Meta:
        indexes = [
            # Without the id: what falls due together is one key.
            models.Index(fields=["department", "due_at"], name="task_open_department", condition=Q(status="requested")),
            # The lists ask for what is open now: of what is open, five in six are for later. These two answer what a list
            # counts, sorts by and is narrowed by; the tasks are read for the rows shown (worklist.py).
            models.Index(
                fields=["department", "available_at"],
                include=["id", "patient", "owner", *LIST_COLUMNS],
                name="task_listed",
                condition=Q(status="requested", kind__in=QUEUE_KINDS),
            ),
            models.Index(
                fields=["owner", "available_at"],
                include=["id", "patient", "department", *LIST_COLUMNS],
                name="task_open_owner",
                condition=Q(status="requested", kind__in=QUEUE_KINDS, owner__isnull=False),
            ),
            # Without the time: a patient has some dozens of tasks to sort, and equal keys are stored once.
            models.Index(fields=["patient"], name="task_of_patient"),
            models.Index(fields=["care_plan_id"], name="task_of_plan"),
            models.Index(fields=["claimed_by"], name="task_in_hand", condition=Q(claimed_by__isnull=False)),
            # The owner for one's own work of today elsewhere: that is asked of all departments. By day, so that what one
            # person ended in one day is one key: 15 bytes a task instead of 53.
            models.Index(
                F("department"), EndedDay("ended_at"), F("owner"), name="task_ended", condition=~Q(status="requested")
            ),
            # A handful: what somebody put off or promised a call for.
            models.Index(
                fields=["department"],
                name="task_put_off",
                condition=Q(status="requested") & (Q(snoozed_until__isnull=False) | Q(promised_at__isnull=False)),
            ),
            models.Index(
                fields=["department", "-attempts", "due_at", "id"],
                name="task_unreached",
                condition=Q(status="requested", attempts__gt=0),
            ),
            # What the quarter-hourly weighing reads, and nothing else: 8 bytes of it are new, equal times stand once.
            models.Index(
                Coalesce("weigh_again_at", "available_at"),
                name="task_weigh_again",
                condition=Q(status="requested", kind__in=QUEUE_KINDS),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status="requested") ^ Q(ended_at__isnull=False), name="task_end_has_time"
            ),
            models.CheckConstraint(
                condition=~Q(status="cancelled") | ~Q(closed_reason=""), name="task_closed_has_reason"
            ),
            models.CheckConstraint(condition=~Q(status="completed") | ~Q(outcome=""), name="task_done_has_outcome"),
            models.CheckConstraint(condition=Q(due_at__gte=F("available_at")), name="task_due_after_available"),
        ]

    @property
    def plan_words(self) -> str:
        """The plan's title in the language of the screen; in the language it was written in where there is no other."""
        return in_language(self.plan_title, self.plan_title_en)

    @property
    def step_words(self) -> str:
        """The step's title in the language of the screen."""
        return in_language(self.step_title, self.step_title_en)

    @property
    def nth_words(self) -> str:
        """Which time of its step this is (J05, J23: counted from 0); nothing for a first time."""
        return _("time %(n)d") % {"n": self.occurrence + 1} if self.occurrence else ""

    def what_closing_loses(self) -> dict[str, str | None]:
        """What `close_tasks` clears besides the end itself, ready to be kept as JSON: `restore_tasks` puts it back."""
        return {
            "snoozed_until": self.snoozed_until.isoformat() if self.snoozed_until else None,
            "claimed_by_id": str(self.claimed_by_id) if self.claimed_by_id else None,
            "claimed_until": self.claimed_until.isoformat() if self.claimed_until else None,
        }

    @classmethod
    def scope(cls, viewer: Viewer) -> Q:
        """Staff see the tasks of their departments (or their own), and the tasks of every patient they may see."""
        if viewer.patient_id or not viewer.is_staff or (viewer.hospital_wide and viewer.narrowed_to):
            return patient_scope(viewer)
        if viewer.hospital_wide:
            shown = Q() if viewer.may_see_sensitive else not_sensitive(unless_lent_to=viewer)
            return shown & not_sealed(viewer)
        mine = Q(owner_id=viewer.practitioner_id)
        here = mine if viewer.own_only else mine | Q(department_id__in=viewer.departments)
        if viewer.narrowed_to:
            return here & Q(patient_id=viewer.narrowed_to)
        if not viewer.may_see_sensitive:
            here &= not_sensitive()
        return here & not_sealed(viewer)


class ContactAttempt(PatientRow):
    """One try to reach somebody: the evidence behind every 'not reached' (J26, pain 20)."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="contact_attempts", db_index=False)
    task = models.ForeignKey(Task, models.PROTECT, related_name="contact_attempts", db_index=False)
    contact_point = models.ForeignKey(ContactPoint, models.PROTECT, null=True, related_name="attempts")
    channel = models.CharField(max_length=12, default="phone")
    outcome = models.CharField(max_length=30)
    by_practitioner = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+", db_index=False)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    note = models.CharField(max_length=300, blank=True, default="")
    undone_at = models.DateTimeField(null=True)
    before = models.JSONField(default=dict)  # task id -> its fields before this attempt, so that undo is exact

    privacy = {
        "channel": "none", "outcome": "clinical", "started_at": "quasi", "ended_at": "quasi", "note": "clinical",
        "undone_at": "none", "before": "clinical",
    }  # fmt: skip

    class Meta:
        indexes = [
            models.Index(fields=["task", "-started_at"], name="attempt_of_task"),
            models.Index(fields=["patient", "-started_at"], name="attempt_of_patient"),
            models.Index(fields=["by_practitioner", "-started_at"], name="attempt_of_practitioner"),
        ]


class SavedFilter(BaseModel):
    """A view of the queue somebody keeps."""

    practitioner = models.ForeignKey(Practitioner, models.PROTECT, related_name="saved_filters")
    name = models.CharField(max_length=40)
    query = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["practitioner", "name"], name="saved_filter_once")]


class LadderVersion(BaseModel):
    """One version of the retry ladder that the hospital wrote itself. In force from its day on, until a later one's day."""

    number = models.PositiveIntegerField(unique=True)
    content = models.JSONField()
    valid_from = models.DateField()
    note = models.CharField(max_length=300)
    written_at = models.DateTimeField()
    written_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["-valid_from", "-number"], name="ladder_in_force")]
        constraints = [models.CheckConstraint(condition=~Q(note=""), name="ladder_version_has_note")]
