"""The roll-up and what its nightly check found."""

from __future__ import annotations

from django.db import models

from careloop.kernel.models import WatchedQuerySet


class Rollup(models.Model):
    """Counts per month, department and person.

    Triggers add rows in the transaction that changed a task, an attempt, an alert or an encounter; a job folds the rows
    of one key into one. So the truth is always the sum, nobody waits for a shared row, and there is no deadlock.
    A person that is nobody (a follow-up without an owner) has the zero identifier.
    """

    id = models.BigAutoField(primary_key=True)
    month = models.DateField()
    department_id = models.UUIDField()
    practitioner_id = models.UUIDField()
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

    objects = WatchedQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["month", "department_id"], name="rollup_month")]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.department_id}"


class FirstContact(models.Model):
    """When a discharge was first followed by a contact. Written by triggers only; ids and instants, no content."""

    encounter_id = models.UUIDField(primary_key=True)
    contacted_at = models.DateTimeField()

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
