"""Teams and people for tests."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from careloop.accounts.models import Practitioner
from careloop.kernel.actions import seeding
from careloop.rosters import actions
from careloop.rosters.models import Team, TeamMember
from careloop.tasks.models import ContactAttempt, Task
from tests.cast import NOW, SYSTEM, Cast

DAY = date(2026, 11, 20)  # the day of NOW in the hospital
LONG_AGO = DAY - timedelta(days=400)


def team(cast: Cast, *, name: str = "Heart", departments: Any = None, first_day: date = LONG_AGO) -> Team:
    """A team of Cardiology, unless told otherwise."""
    chosen = departments or [cast.cardiology]
    return actions.found_team(
        name=name,
        organization_id=chosen[0].pk,
        department_ids=[one.pk for one in chosen],
        first_day=first_day,
        by=SYSTEM,
    )


def member(of: Team, person: Practitioner, capacity: int = 40, skills: tuple[str, ...] = ()) -> TeamMember:
    """Somebody in a team since long ago."""
    return actions.join_team(
        team=of, practitioner_id=person.pk, capacity=capacity, skills=skills, first_day=LONG_AGO, by=SYSTEM
    )


def skill(code: str = "wound", *, kind: str = "", plan_title: str = "Wound care") -> Any:
    """A skill that a plan needs."""
    return actions.keep_skill(code=code, name=code, kind=kind, plan_title=plan_title, by=SYSTEM)


def spoke(task: Task, person: Practitioner) -> ContactAttempt:
    """This person reached the patient of the task a week ago."""
    with seeding():
        return ContactAttempt.objects.create(
            patient_id=task.patient_id, task=task, outcome="reached-patient", by_practitioner=person,
            started_at=NOW - timedelta(days=7), ended_at=NOW - timedelta(days=7),
        )  # fmt: skip


def owners() -> dict[Any, Any]:
    """Task → owner, of everything."""
    return dict(Task.objects.unscoped("test").values_list("pk", "owner_id"))


def away(person: Practitioner, first: date = DAY, last: date | None = DAY, **given: Any) -> Any:
    """Leave of a person, the whole day of NOW unless told otherwise."""
    values = {"first_half": "morning", "last_half": "afternoon", "reason": "leave", **given}
    return actions.take_leave(practitioner_id=person.pk, first_day=first, last_day=last, by=SYSTEM, **values)
