"""A task has the words of the version it was made with, in both languages; older ones are filled in or looked up."""

from __future__ import annotations

from datetime import UTC, date, datetime
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection
from django.urls import reverse
from django.utils import translation

from careloop.kernel.actions import seeding
from careloop.plans import actions
from careloop.plans.models import CarePlan
from careloop.plans.reads.titles import Titles, titles_in
from careloop.plans.tests.factories import PLAN_FILES, Scene, raw_plan, raw_step, tasks_of
from careloop.tasks.models import Task
from tests.cast import NOW, SYSTEM, Cast

AT = datetime(2026, 11, 13, 9, 0, tzinfo=UTC)


@pytest.fixture
def scene(cast: Cast) -> Scene:
    return Scene(cast)


@pytest.fixture
def plan(scene: Scene) -> CarePlan:
    definition = actions.publish_plan(
        raw=raw_plan("words", raw_step("a", "3"), raw_step("b", "9")), enrols=False, at=AT, by=SYSTEM
    )
    return actions.start_care_plan(encounter=scene.discharge(), definition=definition, at=AT, by=SYSTEM)


def test_planned_tasks_have_both_languages(plan: CarePlan) -> None:
    told = {(t.plan_title, t.plan_title_en, t.step_title, t.step_title_en) for t in tasks_of(plan)}
    assert told == {
        ("方案 words", "Plan words", "节点 a", "Step a"), ("方案 words", "Plan words", "节点 b", "Step b"),
    }  # fmt: skip


def test_a_visit_keeps_the_words_of_whoever_added_it(plan: CarePlan) -> None:
    actions.add_visit(care_plan=plan, title="复查伤口", day=date(2026, 12, 1), at=AT, by=SYSTEM)
    (visit,) = [t for t in tasks_of(plan) if t.step_code.startswith("visit-")]
    with translation.override("en"):
        assert (visit.plan_words, visit.step_words) == ("Plan words", "复查伤口")


def test_a_step_renamed_in_a_new_version_does_not_rename_what_is_planned(plan: CarePlan) -> None:
    renamed = raw_step("a", "3", title={"zh": "节点 a", "en": "Renamed"})
    actions.publish_plan(raw=raw_plan("words", renamed, version="2.0"), enrols=False, at=AT, by=SYSTEM)
    with translation.override("en"):
        assert {t.step_words for t in tasks_of(plan)} == {"Step a", "Step b"}


def forget(plan: CarePlan) -> None:
    with seeding():
        Task.objects.unscoped("test").filter(care_plan_id=plan.pk).update(plan_title_en="", step_title_en="")


def fill() -> None:
    """What the migration does, once more on the tables as they are."""
    migration = import_module("careloop.plans.migrations.0004_tasks_get_their_english_titles")
    with seeding():
        migration.fill(apps, SimpleNamespace(connection=connection))


def test_open_tasks_of_before_are_filled_in_and_ended_ones_left(plan: CarePlan) -> None:
    first, second = tasks_of(plan)
    forget(plan)
    with seeding():
        Task.objects.unscoped("test").filter(pk=first.pk).update(
            status="completed", outcome="reached-patient", ended_at=NOW
        )
    fill()
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.step_title_en, second.step_title_en, second.plan_title_en) == ("", "Step b", "Plan words")
    fill()  # again changes nothing
    second.refresh_from_db()
    assert second.step_title_en == "Step b"


def test_what_is_not_filled_in_is_looked_up(plan: CarePlan) -> None:
    forget(plan)
    known = titles_in("en")
    (first, _second) = tasks_of(plan)
    with translation.override("en"):
        assert known.step(first.plan_title, first.step_words) == "Step a"
        assert known.plan(first.plan_words) == "Plan words"


def test_what_is_filled_in_passes_the_look_up_unchanged(plan: CarePlan) -> None:
    known = titles_in("en")
    first = tasks_of(plan)[0]
    with translation.override("en"):
        assert known.step(first.plan_title, first.step_words) == "Step a"
    assert Titles().step("x", "第 7 天") == "第 7 天"


@pytest.mark.parametrize("path", PLAN_FILES, ids=lambda path: path.stem)
def test_every_shipped_step_has_an_english_title_without_chinese_in_it(path) -> None:
    import json

    raw = json.loads(path.read_text(encoding="utf-8"))
    for title in [raw["title"], *(step["title"] for step in raw["steps"])]:
        assert title["en"].strip()
        assert not any("\u4e00" <= letter <= "\u9fff" for letter in title["en"])


@pytest.mark.parametrize(("language", "there", "gone"), [("en", "Step a", "节点 a"), ("zh-hans", "节点 a", "Step a")])
@pytest.mark.parametrize("page", ["tasks:patient_followups", "plans:patient_card"])
def test_a_patients_pages_show_one_language(
    scene: Scene, plan: CarePlan, page: str, language: str, there: str, gone: str
) -> None:
    scene.speaks(scene.cast.wang, language)
    html = scene.cast.client(scene.cast.wang).get(reverse(page, args=[plan.patient_id])).content.decode()
    assert there in html
    assert gone not in html


@pytest.mark.parametrize(("language", "there", "gone"), [("en", "Step a", "节点 a"), ("zh-hans", "节点 a", "Step a")])
@pytest.mark.parametrize("page", ["call", "patient", "why"])
def test_the_workbench_shows_one_language(
    scene: Scene, plan: CarePlan, page: str, language: str, there: str, gone: str
) -> None:
    scene.speaks(scene.cast.wang, language)
    task = tasks_of(plan)[0]
    where = {
        "call": reverse("workbench:call", args=[task.pk]), "why": reverse("workbench:why") + f"?patient={plan.patient_id}",
        "patient": reverse("workbench:patient-timeline", args=[plan.patient_id]),
    }  # fmt: skip
    if page == "patient":
        with seeding():
            Task.objects.unscoped("test").filter(pk=task.pk).update(
                status="completed", outcome="answered-online", ended_at=AT
            )
    html = scene.cast.client(scene.cast.wang).get(where[page]).content.decode()
    assert there in html
    assert gone not in html
