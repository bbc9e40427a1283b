"""Give the day's work away: fair, within capacity, to somebody who may do it and preferably knows the patient."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime
from uuid import UUID

from django.db import connection
from django.utils.translation import gettext_lazy as _

from careloop.audit.record import record
from careloop.kernel.actions import action
from careloop.kernel.errors import Refused
from careloop.kernel.viewer import Viewer
from careloop.rosters import reads, rules
from careloop.rosters.events import WorkDistributed
from careloop.rosters.models import Assignment, Distribution, NurseDay
from careloop.tasks import actions as tasks
from careloop.tasks.rules import HandOut

_ONE_AT_A_TIME = 7_302_001  # two distributions at once would each count the other's room as free


class NobodyHere(Refused):
    """There is work, but nobody to give it to."""

    code = "nobody-here"
    message = _("Nobody who may call has room today. Check the capacity, shifts and leave of the team.")


@action
def distribute(*, day: date, at: datetime, by: Viewer, trigger: str = Distribution.Trigger.HAND) -> Distribution:
    """Give away what nobody owns and what somebody away owns, as far as `by` may see it. Twice gives nothing twice.

    What runs by itself (at night, after an absence) gives work only to teams: a department that founded none shares by hand.

    Refused by hand when work waits and nobody is here; at night that is a run with everything left over.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ONE_AT_A_TIME])
    found = reads.situation(viewer=by, day=day, at=at, only_teams=trigger != Distribution.Trigger.HAND)
    if trigger == Distribution.Trigger.HAND and found.hopeless:
        raise NobodyHere
    shared = rules.share(found.items, found.carers)
    run = Distribution(day=day, trigger=trigger, ran_at=at, asked_by_id=by.practitioner_id)
    moved = _hand_out(found, shared, at, by)
    _count(run, found, shared, moved)
    run.save(force_insert=True)
    _keep_days(found, day)
    _keep_assignments(run, found, shared, moved)
    record(
        WorkDistributed(
            distribution_id=run.pk, day=day, trigger=trigger, given=run.given, kept=run.kept, taken=run.taken,
            left_over=run.full + run.nobody_able,
        ),
        by=by,
    )  # fmt: skip
    return run


def _hand_out(found: reads.Situation, shared: rules.Shared, at: datetime, by: Viewer) -> frozenset[UUID]:
    """Write the owners in one statement. What changed meanwhile under somebody's hands stays as it is."""
    given = [
        HandOut(task_id=one.task_id, owner_id=owner, before=one.owner_id, why=why if owner else "owner-away")
        for item, owner, why in zip(shared.items, shared.owners, shared.why, strict=True)
        for one in found.tasks[item.id]
        if owner is not None or one.owner_id is not None
    ]
    return frozenset(tasks.hand_out(given=given, at=at, by=by))


def _count(run: Distribution, found: reads.Situation, shared: rules.Shared, moved: frozenset[UUID]) -> None:
    counts: Counter[str] = Counter()
    for item, why in zip(shared.items, shared.why, strict=True):
        mine = found.tasks[item.id]
        if why in ("full", "nobody-able"):
            counts[why] += 1
        elif any(one.task_id in moved for one in mine):
            counts["given"] += 1
            counts["kept"] += why == "continuity"
        counts["taken"] += any(one.task_id in found.taken for one in mine)
    run.given, run.kept, run.taken = counts["given"], counts["kept"], counts["taken"]
    run.full, run.nobody_able = counts["full"], counts["nobody-able"]


def _keep_days(found: reads.Situation, day: date) -> None:
    """Each person's capacity of this day; the latest run knows best."""
    NurseDay.objects.bulk_create(
        [
            NurseDay(day=day, practitioner=one.practitioner, team=one.team, capacity=one.capacity)
            for one in found.people
        ],
        update_conflicts=True, unique_fields=["day", "practitioner"], update_fields=["team", "capacity", "updated_at"],
    )  # fmt: skip


def _keep_assignments(run: Distribution, found: reads.Situation, shared: rules.Shared, moved: frozenset[UUID]) -> None:
    Assignment.objects.bulk_create(
        [
            Assignment(
                patient_id=one.patient_id, task_id=one.task_id, practitioner_id=owner, distribution=run, day=run.day,
                why=why,
            )
            for item, owner, why in zip(shared.items, shared.owners, shared.why, strict=True)
            for one in found.tasks[item.id]
            if owner is not None and one.task_id in moved
        ],
        batch_size=2000,
    )  # fmt: skip
