"""Tasks closed together are opened again exactly as they were, all or none."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.tasks import actions
from careloop.tasks.models import Task
from careloop.tasks.tests.factories import make_patient, make_task
from tests.cast import NOW, SYSTEM, Cast

LATER = NOW + timedelta(hours=1)


def columns(task: Task) -> dict[str, Any]:
    row = Task.objects.unscoped("test").filter(pk=task.pk).values().get()
    return {name: value for name, value in row.items() if name != "updated_at"}


def closed(*tasks: Task, reason: str = "version-adopted") -> dict[UUID, dict[str, str | None]]:
    kept = {task.pk: task.what_closing_loses() for task in tasks}
    actions.close_tasks(task_ids=[task.pk for task in tasks], reason=reason, at=NOW, by=SYSTEM)
    return kept


def restore(before: dict[UUID, Any], reason: str = "version-adopted", by: Any = SYSTEM) -> list[UUID]:
    return actions.restore_tasks(before=before, closed_reason=reason, at=LATER, by=by)


@pytest.mark.parametrize(
    "held",
    [
        {}, {"snoozed_until": NOW + timedelta(days=1), "snooze_reason": "call-later"},
        {"attempts": 3, "last_outcome": "no-answer", "last_attempt_at": NOW}, {"promised_at": NOW + timedelta(hours=2)},
        {"priority": 99, "priority_reasons": [{"code": "overdue", "points": 9}]}, {"message_state": "sent"},
        {"self_report": "high", "risk": "high"},
    ],
)  # fmt: skip
def test_every_column_is_as_it_was(cast: Cast, held: dict[str, Any]) -> None:
    task = make_task(cast, **held)
    before = columns(task)
    kept = closed(task)
    assert columns(task) != before
    assert restore(kept) == [task.pk]
    assert columns(task) == before


def test_who_had_it_in_hand_has_it_again(cast: Cast) -> None:
    task = make_task(cast, claimed_by=cast.wang, claimed_until=NOW + timedelta(minutes=9), owner=cast.wang)
    before = columns(task)
    restore(closed(task))
    assert columns(task) == before


def test_many_at_once_tell_one_fact_each(cast: Cast) -> None:
    tasks = [make_task(cast, make_patient(cast)) for _n in range(5)]
    assert set(restore(closed(*tasks))) == {task.pk for task in tasks}
    assert AuditEvent.objects.filter(name="tasks.TaskReopened").count() == 5


def test_nothing_to_restore_is_nothing(cast: Cast) -> None:
    assert restore({}) == []
    assert not AuditEvent.objects.filter(name="tasks.TaskReopened").exists()


def reopened(task: Task) -> None:
    actions.reopen_task(task_id=task.pk, closed_reason="version-adopted", at=NOW, by=SYSTEM)


def answered_meanwhile(task: Task) -> None:
    with seeding():
        Task.objects.unscoped("test").filter(pk=task.pk).update(
            status="completed", outcome="answered-online", closed_reason=""
        )


def closed_otherwise(task: Task) -> None:
    with seeding():
        Task.objects.unscoped("test").filter(pk=task.pk).update(closed_reason="death")


@pytest.mark.parametrize("happened", [reopened, answered_meanwhile, closed_otherwise])
def test_one_that_moved_on_keeps_all_closed(cast: Cast, happened: Any) -> None:
    first, second = make_task(cast), make_task(cast, make_patient(cast))
    kept = closed(first, second)
    happened(second)
    state = [columns(first), columns(second)]
    with pytest.raises(actions.NotClosedLikeThis):
        restore(kept)
    assert [columns(first), columns(second)] == state


def test_a_reason_of_somebody_else_is_refused(cast: Cast) -> None:
    kept = closed(make_task(cast), reason="readmitted")
    with pytest.raises(actions.NotClosedLikeThis):
        restore(kept)
    assert restore(kept, reason="readmitted")


def test_a_task_nobody_knows_is_refused(cast: Cast) -> None:
    with pytest.raises(actions.NotClosedLikeThis):
        restore({uuid4(): {}})


def test_another_department_restores_nothing(cast: Cast) -> None:
    kept = closed(make_task(cast))
    with pytest.raises(actions.NotClosedLikeThis):
        restore(kept, by=cast.viewer(cast.li))


def test_one_statement_more_or_less_does_not_depend_on_the_number(
    cast: Cast, django_assert_max_num_queries: Any
) -> None:
    kept = closed(*[make_task(cast, make_patient(cast)) for _n in range(30)])
    with django_assert_max_num_queries(12):
        assert len(restore(kept)) == 30
