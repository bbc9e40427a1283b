"""A new plan version is taken over for a kept group of patients: only theirs change, whoever presses sees them before."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.urls import reverse

from careloop.batches.jobs import run_batch
from careloop.batches.models import Batch
from careloop.cohorts.models import Cohort, PatientTag
from careloop.cohorts.tests import factories as made
from careloop.kernel.actions import seeding
from careloop.plans import actions
from careloop.plans.models import CarePlan, PlanDefinition
from careloop.plans.tests.factories import Scene, raw_plan, raw_step
from tests.cast import SYSTEM, Cast


@pytest.fixture
def scene(cast: Cast) -> Scene:
    return Scene(cast)


@pytest.fixture
def newer(scene: Scene) -> PlanDefinition:
    """Three running plans of version 1; version 2 waits. The first two patients carry a tag."""
    old = actions.publish_plan(raw=raw_plan("v", raw_step("a", "40")), enrols=False, at=made.at(2), by=SYSTEM)
    for number in range(3):
        stay = scene.discharge(patient=scene.new_patient(), at=made.at(2))
        actions.start_care_plan(encounter=stay, definition=old, at=made.at(2), by=SYSTEM)
        if number < 2:
            made.tag(stay.patient, "trial")
    raw = raw_plan("v", raw_step("a", "45"), version="2.0")
    return actions.publish_plan(raw=raw, enrols=False, at=made.at(1), by=SYSTEM)


def kept(scene: Scene, owner: Any = None, **given: Any) -> Cohort:
    told: dict[str, Any] = {"title": "Trial", "kind": Cohort.Kind.LIVING} | given
    return made.cohort(owner or scene.cast.qian, {"kind": "tag", "tags": ["trial"]}, **told)


@pytest.fixture
def qian(scene: Scene) -> Client:
    return scene.cast.client(scene.cast.qian)


def page(client: Client, definition: PlanDefinition, group: object = "") -> str:
    return client.get(reverse("plans:adoption", args=[definition.pk]), {"group": str(group)}).content.decode()


def take_over(client: Client, definition: PlanDefinition, group: object, **more: str) -> int:
    where = reverse("plans:adoption", args=[definition.pk])
    return client.post(where, {"department": "all", "group": str(group)} | more).status_code


def versions() -> list[str]:
    for batch in Batch.objects.filter(kind="plans.adopt"):
        run_batch.func(event={"batch_id": str(batch.pk)})
    return sorted(CarePlan.objects.unscoped("test").values_list("definition__version", flat=True))


def test_only_the_group_is_shown_and_taken_over(scene: Scene, newer: PlanDefinition, qian: Client) -> None:
    group = kept(scene)
    assert page(qian, newer).count("data-plan=") == 3
    shown = page(qian, newer, group.pk)
    assert shown.count("data-plan=") == 2
    assert f'<option value="{group.pk}" selected' in shown
    assert take_over(qian, newer, group.pk) == 302
    assert versions() == ["1.0", "2.0", "2.0"]


def test_a_ticked_plan_outside_the_group_stays(scene: Scene, newer: PlanDefinition, qian: Client) -> None:
    group = kept(scene)
    inside = {UUID(pk) for pk in _plans_of(page(qian, newer, group.pk))}
    (outside,) = CarePlan.objects.unscoped("test").exclude(pk__in=inside).values_list("pk", flat=True)
    assert take_over(qian, newer, group.pk, plan=str(outside)) == 409
    assert versions() == ["1.0"] * 3


def _plans_of(text: str) -> list[str]:
    return [part.split('"')[0] for part in text.split('data-plan="')[1:]]


@pytest.mark.parametrize("which", ["unknown", "not an id", "another's", "archived", "search of the moment"])
def test_a_group_one_may_not_use_holds_nobody_not_everybody(
    scene: Scene, newer: PlanDefinition, qian: Client, which: str
) -> None:
    group: object = {
        "unknown": uuid4,
        "not an id": lambda: "x' OR true --",
        "another's": lambda: kept(scene, owner=scene.cast.wang).pk,
        "archived": lambda: kept(scene, archived_at=made.at()).pk,
        "search of the moment": lambda: kept(scene, kind=Cohort.Kind.QUERY).pk,
    }[which]()
    shown = page(qian, newer, group)
    assert "data-plan=" not in shown
    assert "data-adopt" not in shown
    assert take_over(qian, newer, group) == 409
    assert versions() == ["1.0"] * 3


def test_a_shared_group_serves_everybody(scene: Scene, newer: PlanDefinition, qian: Client) -> None:
    group = kept(scene, owner=scene.cast.wang, shared=True)
    assert page(qian, newer, group.pk).count("data-plan=") == 2


def test_whoever_left_a_living_group_is_not_taken_along(scene: Scene, newer: PlanDefinition, qian: Client) -> None:
    group = kept(scene)
    with seeding():
        PatientTag.objects.unscoped("test").order_by("pk")[:1].get().delete()
    assert take_over(qian, newer, group.pk) == 302
    assert versions() == ["1.0", "1.0", "2.0"]
