"""The roll-ups and what their nightly check found."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from careloop.kernel.models import WatchedQuerySet


class Counts(models.Model):
    """What is counted of a month."""

    planned = models.IntegerField(db_default=0)
    open = models.IntegerField(db_default=0)
    done = models.IntegerField(db_default=0)
    closed = models.IntegerField(db_default=0)
    excluded = models.IntegerField(db_default=0)
    attempted = models.IntegerField(db_default=0)
    followed = models.IntegerField(db_default=0)
    effective = models.IntegerField(db_default=0)
    online = models.IntegerField(db_default=0)
    lost = models.IntegerField(db_default=0)
    visited = models.IntegerField(db_default=0)
    in_clinic = models.IntegerField(db_default=0)
    calls = models.IntegerField(db_default=0)
    calls_reached = models.IntegerField(db_default=0)
    calls_invalid = models.IntegerField(db_default=0)
    alerts = models.IntegerField(db_default=0)
    alerts_accepted = models.IntegerField(db_default=0)
    alerts_closed = models.IntegerField(db_default=0)
    alerts_closed_in_time = models.IntegerField(db_default=0)
    alert_close_seconds = models.BigIntegerField(db_default=0)
    discharges = models.IntegerField(db_default=0)
    discharges_excluded = models.IntegerField(db_default=0)
    contacted_72h = models.IntegerField(db_default=0)
    contacted_14d = models.IntegerField(db_default=0)
    stays = models.IntegerField(db_default=0)
    readmitted = models.IntegerField(db_default=0)
    surveyed = models.IntegerField(db_default=0)
    satisfied = models.IntegerField(db_default=0)

    objects = WatchedQuerySet.as_manager()

    class Meta:
        abstract = True


class Rollup(Counts):
    """Counts per month, department and person.

    Triggers add rows in the transaction that changed a task, an attempt, an alert or an encounter; a job folds the rows
    of one key into one. So the truth is always the sum, nobody waits for a shared row, and there is no deadlock.
    A person that is nobody (a follow-up without an owner) has the zero identifier.
    """

    id = models.BigAutoField(primary_key=True)
    month = models.DateField()
    department_id = models.UUIDField()
    practitioner_id = models.UUIDField()
    folded = models.BooleanField(db_default=False)  # counted in the sums of its month

    class Meta:
        indexes = [  # each row stands in one of them: a writer keeps no more than before
            models.Index(fields=["month", "department_id"], name="rollup_month", condition=models.Q(folded=True)),
            models.Index(fields=["month", "department_id"], name="rollup_fresh", condition=models.Q(folded=False)),
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.department_id}"


class MonthRollup(Counts):
    """The folded rows of a month without people: of each department, and of the hospital where there is no department.

    Written by the fold alone, in the statement that folds. A page adds what was not folded yet.
    """

    id = models.BigAutoField(primary_key=True)
    month = models.DateField()
    department_id = models.UUIDField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["month", "department_id"], name="month_rollup_once", nulls_distinct=False)
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.department_id or 'all'}"


class ClockRollup(models.Model):
    """What lies ahead of the clock, per month, department and day: how many are later than an instant.

    Measures: open follow-ups by when they are due (`due`) and by when lists show them (`opens`, under the month in which
    they are due), discharges without a first contact by when they were (`waiting`). Triggers add one row for a half hour
    of a day; a job folds the rows of a day into one, which says for each half hour how many are in it or a later one.
    """

    id = models.BigAutoField(primary_key=True)
    measure = models.CharField(max_length=10)
    month = models.DateField()
    department_id = models.UUIDField()
    day = models.DateField()
    slot = models.SmallIntegerField(null=True)  # null: folded
    number = models.IntegerField()
    slots = ArrayField(models.IntegerField(), null=True)

    objects = WatchedQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["measure", "month", "day"], name="clock_rollup_month")]

    def __str__(self) -> str:
        return f"{self.measure} {self.day} {self.department_id}"


class FirstContact(models.Model):
    """When a discharge was first followed by a contact. Written by triggers only; ids and instants, no content."""

    encounter_id = models.UUIDField(primary_key=True)
    contacted_at = models.DateTimeField()

    objects = WatchedQuerySet.as_manager()

    def __str__(self) -> str:
        return str(self.encounter_id)


class Readmission(models.Model):
    """A stay whose patient came to a bed again within thirty days, and when. Written by triggers only; counts for its month."""

    encounter_id = models.UUIDField(primary_key=True)
    month = models.DateField()
    department_id = models.UUIDField()
    practitioner_id = models.UUIDField()
    day = models.DateField()  # of the discharge
    readmitted_at = models.DateTimeField()

    objects = WatchedQuerySet.as_manager()

    def __str__(self) -> str:
        return str(self.encounter_id)


class RollupCheck(models.Model):
    """One night's recount: did the roll-up equal it?"""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    groups = models.IntegerField()
    differing = models.IntegerField()
    seconds = models.FloatField()

    objects = WatchedQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d}: {self.differing} of {self.groups}"


class ProgrammeRule(models.Model):
    """What counting needs to know of the rule pack in force; a nightly job and every new pack bring it up to date."""

    programme = models.CharField(max_length=30, primary_key=True)
    visits_per_year = models.PositiveSmallIntegerField()
    first_visit_hours = models.PositiveSmallIntegerField(null=True)
    diagnoses = ArrayField(models.CharField(max_length=20), default=list)

    objects = WatchedQuerySet.as_manager()

    def __str__(self) -> str:
        return self.programme


class ProgrammeYear(models.Model):
    """A year that is counted. The next one is opened before it begins."""

    year = models.PositiveSmallIntegerField(primary_key=True)

    objects = WatchedQuerySet.as_manager()

    def __str__(self) -> str:
        return str(self.year)


class ProgrammeCounts(models.Model):
    """What counts, where, in which year, and from which day to which."""

    programme = models.CharField(max_length=30)
    year = models.PositiveSmallIntegerField()
    department_id = models.UUIDField()
    since = models.DateField()
    until = models.DateField()
    managed = models.IntegerField(db_default=0)
    standard = models.IntegerField(db_default=0)
    in_target = models.IntegerField(db_default=0)
    assessed = models.IntegerField(db_default=0)
    notified = models.IntegerField(db_default=0)
    visited = models.IntegerField(db_default=0)
    first_in_time = models.IntegerField(db_default=0)
    closed = models.IntegerField(db_default=0)
    regular = models.IntegerField(db_default=0)
    clocks_due = models.IntegerField(db_default=0)
    clocks_kept = models.IntegerField(db_default=0)
    undocumented = models.IntegerField(db_default=0)
    suggested = models.IntegerField(db_default=0)
    decided = models.IntegerField(db_default=0)
    agreed = models.IntegerField(db_default=0)
    underivable = models.IntegerField(db_default=0)

    objects = WatchedQuerySet.as_manager()

    class Meta:
        abstract = True


class ProgrammeFact(ProgrammeCounts):
    """What one patient under management, clock, diagnosis without a record, or opinion counts for. Written by triggers."""

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=10)  # episode | standard | clock | diagnosed | opinion
    source_id = models.UUIDField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "source_id", "programme", "year"], name="programme_fact_once")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.source_id} {self.year}"


class ProgrammeRollup(ProgrammeCounts):
    """The sum of the facts. Triggers add differences in the transaction of the change; a job folds the rows of a key."""

    id = models.BigAutoField(primary_key=True)

    class Meta:
        indexes = [models.Index(fields=["year", "department_id"], name="programme_rollup_year")]

    def __str__(self) -> str:
        return f"{self.programme} {self.year} {self.department_id}"
