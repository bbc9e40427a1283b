"""Why a task stands where it stands is stored in few words and read as it was told; keys of plans are short and their own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from json import dumps
from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from careloop.kernel.actions import seeding
from careloop.kernel.viewer import Viewer
from careloop.tasks import rules
from careloop.tasks.actions import refresh_priorities
from careloop.tasks.models import Task
from careloop.tasks.tests.factories import make_task
from tests.cast import Cast

AT = datetime(2026, 11, 20, 2, tzinfo=UTC)
words = st.sampled_from(["high", "overdue", "", "a b", "a:1", "a=b", "高", "-", "7", "True", "a\n"])
terms = st.fixed_dictionaries(
    {"code": words, "points": st.integers(-2000, 2000) | st.booleans() | st.floats(-3, 3)},
    optional={"params": st.dictionaries(words, words | st.integers(-99, 99) | st.booleans() | st.none(), max_size=2)},
)


@given(st.lists(terms, max_size=3))
def test_reasons_come_back_as_they_were(told: list[dict[str, Any]]) -> None:
    back = rules.unpack_reasons(rules.pack_reasons(told))
    assert back == told
    assert dumps(back, sort_keys=True) == dumps(told, sort_keys=True)  # 1, True and 1.0 are equal and not the same


@given(
    st.builds(
        rules.PriorityFacts,
        due_at=st.datetimes(datetime(2026, 10, 1), datetime(2026, 12, 1), timezones=st.just(UTC)),
        promised_at=st.none() | st.datetimes(datetime(2026, 11, 19), datetime(2026, 11, 21), timezones=st.just(UTC)),
        window_ends_at=st.none() | st.just(AT + timedelta(hours=5)),
        risk=st.sampled_from(["none", "ok", "watch", "high", "critical"]),
        self_report=st.none() | st.sampled_from(["watch", "high", "critical"]),
        discharged_at=st.none() | st.just(AT - timedelta(hours=60)),
        contacted_since_discharge=st.booleans(),
        best_hour=st.none() | st.just(AT.hour),
        answered_partly=st.booleans(),
        tries_today=st.integers(0, 3),
    )
)
def test_every_reason_the_rules_give_is_packed(facts: rules.PriorityFacts) -> None:
    told = [term.as_json() for term in rules.explain(facts, at=AT)]
    packed = rules.pack_reasons(told)
    assert all(isinstance(one, str) for one in packed)
    assert rules.unpack_reasons(packed) == told
    again = rules.pack_terms(rules.explain(facts, at=AT))
    again.append("somebody's own")  # what is given out is nobody else's
    assert rules.pack_terms(rules.explain(facts, at=AT)) == packed


def stored(task: Task) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT priority_reasons::text FROM tasks_task WHERE id = %s", [task.pk])
        return str(cursor.fetchone()[0])


@pytest.mark.django_db
def test_every_way_of_writing_packs_and_every_way_of_reading_unpacks(cast: Cast) -> None:
    told = [{"code": "risk", "points": 250, "params": {"risk": "high"}}]
    task = make_task(cast, priority_reasons=told)
    packed = '["risk 250 risk=high"]'
    assert stored(task) == packed
    mine = Task.objects.unscoped("test").filter(pk=task.pk)
    with seeding():
        mine.update(priority_reasons=told)
        assert stored(task) == packed
        task.priority_reasons = told
        Task.objects.unscoped("test").bulk_update([task], ["priority_reasons"])
        assert stored(task) == packed
        task.save()
    assert stored(task) == packed
    assert mine.get().priority_reasons == told
    assert mine.values_list("priority_reasons", flat=True).get() == told


@pytest.mark.django_db
def test_a_task_from_before_is_read_and_packed_when_it_is_weighed(cast: Cast) -> None:
    task = make_task(
        cast, risk="high", available_at=AT - timedelta(days=2), due_at=AT - timedelta(days=1), window_ends_at=None
    )
    old = '[{"code": "risk", "points": 1, "params": {"risk": "ok"}}]'
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tasks_task SET priority_reasons = %s::jsonb WHERE id = %s", [old, task.pk])
    mine = Task.objects.unscoped("test").filter(pk=task.pk)
    assert mine.get().priority_reasons == [{"code": "risk", "points": 1, "params": {"risk": "ok"}}]
    assert refresh_priorities(at=AT, by=Viewer.system("test"), task_ids=[task.pk]) == 1
    assert "overdue 40 days:1" in stored(task)
    assert refresh_priorities(at=AT, by=Viewer.system("test"), task_ids=[task.pk]) == 0  # the same again is no change
