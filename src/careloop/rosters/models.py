"""Teams and their people, when these are here, and what each distribution gave to whom."""

from __future__ import annotations

from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Organization, Practitioner
from careloop.kernel.models import BaseModel, WatchedQuerySet
from careloop.patients.models import Patient, PatientRow
from careloop.rosters import rules
from careloop.tasks.models import Task

MOST_A_DAY = 300  # nobody calls more people in a day; a larger number is a typing error


class TeamQuerySet(WatchedQuerySet["Team"]):
    """The verbs of lists."""

    def running(self, *, on: object) -> Self:
        return self.filter(Q(last_day__isnull=True) | Q(last_day__gte=on), first_day__lte=on)


class Team(BaseModel):
    """People who do the follow-up of some departments. Where a team runs, only its members get that work."""

    name = models.CharField(max_length=60)
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="teams")  # who keeps it
    departments = models.ManyToManyField(Organization, related_name="served_by_teams")
    first_day = models.DateField()
    last_day = models.DateField(null=True)

    objects = TeamQuerySet.as_manager()  # type: ignore[misc]  # the stubs lose the manager's queryset

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(last_day__isnull=True) | Q(last_day__gte=F("first_day")), name="team_period"
            ),
            models.UniqueConstraint(
                fields=["organization", "name"], name="team_name_once", condition=Q(last_day__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Skill(BaseModel):
    """Something not everybody can do, and the work that needs it: a kind of task, a plan, or both (empty = any)."""

    code = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=60)
    kind = models.CharField(max_length=14, blank=True, default="")  # of Task.Kind
    plan_title = models.CharField(max_length=120, blank=True, default="")
    is_active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(kind="") | ~Q(plan_title=""), name="skill_is_needed_for_something")
        ]

    def __str__(self) -> str:
        return self.name


class TeamMember(BaseModel):
    """Somebody in a team, for a time. One team at a time (join_team holds the person's row while it looks)."""

    team = models.ForeignKey(Team, models.PROTECT, related_name="members")
    practitioner = models.ForeignKey(Practitioner, models.PROTECT, related_name="memberships")
    capacity = models.PositiveSmallIntegerField()  # patients a whole day
    skills = ArrayField(models.CharField(max_length=40), default=list)
    first_day = models.DateField()
    last_day = models.DateField(null=True)

    class Meta:
        indexes = [models.Index(fields=["practitioner", "first_day"], name="member_of_team")]
        constraints = [
            models.CheckConstraint(
                condition=Q(capacity__gte=1, capacity__lte=MOST_A_DAY), name="member_capacity_is_possible"
            ),
            models.CheckConstraint(
                condition=Q(last_day__isnull=True) | Q(last_day__gte=F("first_day")), name="member_period"
            ),
            models.UniqueConstraint(
                fields=["practitioner"], name="one_running_team", condition=Q(last_day__isnull=True)
            ),
        ]


class Shift(BaseModel):
    """Half days of the week on which somebody works, first to last day. Who has no shift works every day."""

    class Part(models.TextChoices):
        WHOLE = "whole", _("Whole day")
        MORNING = rules.MORNING, _("Morning")
        AFTERNOON = rules.AFTERNOON, _("Afternoon")

    practitioner = models.ForeignKey(Practitioner, models.PROTECT, related_name="shifts")
    first_day = models.DateField()
    last_day = models.DateField(null=True)
    weekdays = ArrayField(models.PositiveSmallIntegerField())  # 0 = Monday
    part = models.CharField(max_length=9, choices=Part, default=Part.WHOLE)

    class Meta:
        indexes = [models.Index(fields=["practitioner", "first_day"], name="shift_of_practitioner")]
        constraints = [
            models.CheckConstraint(
                condition=Q(last_day__isnull=True) | Q(last_day__gte=F("first_day")), name="shift_period"
            ),
            models.CheckConstraint(condition=~Q(weekdays=[]), name="shift_has_days"),
        ]

    def as_rule(self) -> rules.OnDuty:
        """The shift as the rules see it."""
        return rules.OnDuty(
            first_day=self.first_day, last_day=self.last_day, weekdays=tuple(self.weekdays), part=self.part
        )


class Leave(BaseModel):
    """Somebody is away, from one half day to another. One entered with a stand-in for alerts arrives here by itself."""

    class Reason(models.TextChoices):
        LEAVE = "leave", _("Leave")
        SICK = "sick", _("Sick leave")
        TRAINING = "training", _("Training")
        OTHER_DUTY = "other-duty", _("Other duty")
        FROM_ALERTS = "from-alerts", _("Away, with a stand-in for alerts")

    class Half(models.TextChoices):
        MORNING = rules.MORNING, _("Morning")
        AFTERNOON = rules.AFTERNOON, _("Afternoon")

    practitioner = models.ForeignKey(Practitioner, models.PROTECT, related_name="leaves")
    first_day = models.DateField()
    first_half = models.CharField(max_length=9, choices=Half, default=Half.MORNING)
    last_day = models.DateField(null=True)
    last_half = models.CharField(max_length=9, choices=Half, default=Half.AFTERNOON)
    reason = models.CharField(max_length=12, choices=Reason, default=Reason.LEAVE)
    source_id = models.UUIDField(null=True, unique=True)  # the absence on the duty page that it follows

    class Meta:
        indexes = [models.Index(fields=["practitioner", "first_day"], name="leave_of_practitioner")]
        constraints = [
            models.CheckConstraint(
                condition=Q(last_day__isnull=True)
                | Q(last_day__gt=F("first_day"))
                | Q(last_day=F("first_day")) & ~Q(first_half=rules.AFTERNOON, last_half=rules.MORNING),
                name="leave_period",
            )
        ]

    def as_rule(self) -> rules.Away:
        """The leave as the rules see it."""
        return rules.Away(
            first_day=self.first_day, last_day=self.last_day, first_half=self.first_half, last_half=self.last_half
        )


class Distribution(BaseModel):
    """One run of giving work away, with its result."""

    class Trigger(models.TextChoices):
        NIGHT = "night", _("Every night")
        HAND = "hand", _("By hand")
        ABSENCE = "absence", _("Somebody is away")

    day = models.DateField()
    trigger = models.CharField(max_length=8, choices=Trigger)
    ran_at = models.DateTimeField()
    asked_by = models.ForeignKey(Practitioner, models.PROTECT, null=True, related_name="+")
    given = models.PositiveIntegerField(default=0)  # contacts: one patient's work of the day is one
    kept = models.PositiveIntegerField(default=0)  # … that stayed with the nurse who knows the patient
    taken = models.PositiveIntegerField(default=0)  # … that were taken from somebody away first
    full = models.PositiveIntegerField(default=0)  # left over: nobody had room
    nobody_able = models.PositiveIntegerField(default=0)  # left over: nobody here may do it

    class Meta:
        indexes = [models.Index(fields=["-ran_at"], name="distribution_newest")]


class NurseDay(BaseModel):
    """What somebody could take on a day when work was given away: the denominator of the fairness report."""

    day = models.DateField()
    practitioner = models.ForeignKey(Practitioner, models.PROTECT, related_name="nurse_days")
    team = models.ForeignKey(Team, models.PROTECT, null=True, related_name="+")
    capacity = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["day", "practitioner"], name="nurse_day_once")]
        indexes = [models.Index(fields=["practitioner", "day"], name="days_of_nurse")]


class Assignment(PatientRow):
    """One task given to one person for one day, with the reason. Append-only: the numerators of the fairness report."""

    class Why(models.TextChoices):
        CONTINUITY = "continuity", _("Knows the patient")
        BALANCE = "balance", _("Even shares")

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="+")
    task = models.ForeignKey(Task, models.PROTECT, related_name="assignments")
    practitioner = models.ForeignKey(Practitioner, models.PROTECT, related_name="assignments_given", db_index=False)
    distribution = models.ForeignKey(Distribution, models.PROTECT, related_name="assignments")
    day = models.DateField()
    why = models.CharField(max_length=10, choices=Why)

    privacy = {"day": "quasi"}

    class Meta:
        indexes = [models.Index(fields=["practitioner", "day"], name="assignments_of_nurse_day")]
