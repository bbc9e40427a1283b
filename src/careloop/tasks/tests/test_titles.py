"""Titles in the language of the screen: on the list, on a patient's page, and among those nobody can reach."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import translation

from careloop.accounts.models import Practitioner
from careloop.kernel.actions import seeding
from careloop.tasks import actions, reads
from careloop.tasks.models import Task, in_language
from careloop.tasks.reads import ListQuery
from careloop.tasks.tests.factories import make_patient, make_task
from tests.cast import NOW, SYSTEM, Cast

BOTH = {
    "plan_title": "冠心病随访",
    "step_title": "第 7 天电话",
    "plan_title_en": "Heart plan",
    "step_title_en": "Call on day 7",
}
LONG = "很长的标题" * 60


def speaks(cast: Cast, language: str) -> None:
    with seeding():
        Practitioner.objects.filter(pk=cast.wang.pk).update(language=language)


@pytest.mark.parametrize(
    ("language", "title", "english", "shown"),
    [
        ("zh-hans", "电话", "Call", "电话"), ("en", "电话", "Call", "Call"), ("en-gb", "电话", "Call", "Call"),
        ("en", "电话", "", "电话"), ("zh-hans", "", "Call", ""), ("en", "", "Call", "Call"), ("en", "", "", ""),
    ],
)  # fmt: skip
def test_the_words_of_a_title(language: str, title: str, english: str, shown: str) -> None:
    with translation.override(language):
        assert in_language(title, english) == shown


def test_without_a_language_the_words_it_was_written_in() -> None:
    with translation.override(None):
        assert in_language("电话", "Call") == "电话"


def asked(cast: Cast, **more: str) -> Task:
    request = actions.TaskRequest(
        key="titles", patient_id=cast.zhang.pk, department_id=cast.cardiology.pk, available_at=NOW, due_at=NOW, **more
    )
    assert actions.request_tasks(requests=[request], by=SYSTEM) == 1
    return Task.objects.unscoped("test").get(key="titles")


def test_whoever_asks_brings_both(cast: Cast) -> None:
    task = asked(cast, **BOTH)
    assert (task.plan_title, task.step_title) == ("冠心病随访", "第 7 天电话")
    assert (task.plan_title_en, task.step_title_en) == ("Heart plan", "Call on day 7")


def test_whoever_asks_without_english_gets_none(cast: Cast) -> None:
    task = asked(cast, plan_title="冠心病随访", step_title="第 7 天电话")
    assert (task.plan_title_en, task.step_title_en) == ("", "")
    with translation.override("en"):
        assert (task.plan_words, task.step_words) == ("冠心病随访", "第 7 天电话")


def test_titles_longer_than_their_columns_are_cut(cast: Cast) -> None:
    task = asked(cast, plan_title=LONG, step_title=LONG, plan_title_en=LONG, step_title_en=LONG)
    assert {len(one) for one in (task.plan_title, task.step_title, task.plan_title_en, task.step_title_en)} == {120}


def test_a_row_written_without_the_columns_has_empty_ones(cast: Cast) -> None:
    """Another program's COPY, or an older version of this one during an update."""
    assert Task._meta.get_field("step_title_en").db_default == ""
    assert (make_task(cast).plan_title_en, make_task(cast).step_title_en) == ("", "")


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize(
    ("language", "told"),
    [("zh-hans", {("冠心病随访", "第 7 天电话"), ("旧方案", "旧节点")}), ("en", {("Heart plan", "Call on day 7"), ("旧方案", "旧节点")})],
)  # fmt: skip
def test_the_list_speaks_the_language_of_the_screen(
    cast: Cast, language: str, told: set[tuple[str, str]], merged: bool
) -> None:
    make_task(cast, make_patient(cast), **BOTH)
    make_task(cast, make_patient(cast), plan_title="旧方案", step_title="旧节点")
    with translation.override(language):
        found = reads.work_list(ListQuery(merged=merged), viewer=cast.as_wang, at=NOW)
    assert {(row.plan, row.step) for row in found.rows} == told


def test_the_steps_of_one_call_are_in_one_language(cast: Cast) -> None:
    make_task(cast, priority=9, **BOTH)
    make_task(
        cast,
        priority=1,
        plan_title="糖尿病随访",
        step_title="空腹血糖",
        plan_title_en="Diabetes plan",
        step_title_en="Glucose",
    )
    with translation.override("en"):
        (row,) = reads.work_list(ListQuery(merged=True), viewer=cast.as_wang, at=NOW).rows
    assert [row.plan, row.step] == ["Heart plan", "Call on day 7"]
    assert ("Diabetes plan", "Glucose") in {tuple(one) for one in row.also}


def test_narrowing_to_a_plan_goes_by_its_own_title_in_every_language(cast: Cast) -> None:
    make_task(cast, **BOTH)
    make_task(cast, plan_title="另一个")
    for language in ("zh-hans", "en"):
        with translation.override(language):
            found = reads.work_list(ListQuery(plan="冠心病随访"), viewer=cast.as_wang, at=NOW)
        assert len(found.rows) == 1


@pytest.mark.parametrize(("language", "there", "gone"), [("en", "Call on day 7", "第 7 天电话"), ("zh-hans", "第 7 天电话", "Call on day 7")])  # fmt: skip
@pytest.mark.parametrize("page", ["patient_followups", "unreachable"])
def test_pages_show_one_language(cast: Cast, page: str, language: str, there: str, gone: str) -> None:
    speaks(cast, language)
    task = make_task(cast, **BOTH)
    actions.record_attempt(
        task=task, contact_point_id=None, outcome="no-answer", at=NOW - timedelta(hours=1), by=cast.as_wang
    )
    where = reverse(f"tasks:{page}", args=[cast.zhang.pk] if page == "patient_followups" else [])
    html = cast.client(cast.wang).get(where).content.decode()
    assert there in html
    assert gone not in html


def test_what_the_ladder_asks_for_keeps_both(cast: Cast) -> None:
    """The question for a person ("no number left") is about the same plan."""
    task = make_task(cast, make_patient(cast, phones=1), **BOTH)
    actions.record_attempt(task=task, contact_point_id=None, outcome="empty-number", at=NOW, by=cast.as_wang)
    made = Task.objects.unscoped("test").filter(kind="contact-check", focus_id=task.pk)
    assert [(one.plan_title, one.plan_title_en) for one in made] in ([], [("冠心病随访", "Heart plan")])
