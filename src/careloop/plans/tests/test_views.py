"""The plan pages: what they show, what they change, and who may not."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from careloop.kernel.actions import seeding
from careloop.plans import actions
from careloop.plans.models import CarePlan, EnrolmentDecision, PlanDefinition
from careloop.plans.reads import facts, pages
from careloop.plans.tests.factories import Scene, raw_plan, raw_step, tasks_of
from careloop.tasks.models import Task
from careloop.tasks.rules import state_of
from tests.cast import SYSTEM, Cast


@pytest.fixture
def scene(cast: Cast) -> Scene:
    actions.load_shipped_content(at=timezone.now(), by=SYSTEM)
    return Scene(cast)


@pytest.fixture
def plan(scene: Scene) -> CarePlan:
    """Zhang, discharged today after PCI."""
    now = timezone.now()
    stay = scene.discharge(procedures=("36.06",), at=now, operated_at=now)
    actions.enrol_discharges(encounter_ids=[stay.pk], at=now, by=SYSTEM)
    return CarePlan.objects.unscoped("test").select_related("definition").get()


def post(client: Client, name: str, /, *args: Any, **data: Any) -> HttpResponse:
    return client.post(reverse(f"plans:{name}", args=args), data)


def texts(response: HttpResponse) -> str:
    return response.content.decode()


def nodes(response: HttpResponse) -> dict[str, str]:
    return dict(re.findall(r'data-node="([^"]*)" data-state="([^"]*)"', texts(response)))


def toast(response: HttpResponse) -> dict[str, str]:
    return json.loads(response["HX-Trigger"])["toast"]


def test_the_list_shows_plans_with_rule_source_and_numbers(scene: Scene, plan: CarePlan) -> None:
    page = texts(scene.cast.client(scene.cast.wang).get(reverse("plans:list")))
    assert 'data-plan="pci-12-months"' in page
    assert "36.0" in page
    row = page.split('data-plan="pci-12-months"')[1].split("</tr>")[0]
    assert re.search(r'data-number="running">1<', row)
    assert page.index('data-plan="pci-12-months"') < page.index('data-plan="hypertension-monthly"')


def test_numbers_are_those_of_the_patients_one_may_see(scene: Scene, plan: CarePlan) -> None:
    page = texts(scene.cast.client(scene.cast.li).get(reverse("plans:list")))
    row = page.split('data-plan="pci-12-months"')[1].split("</tr>")[0]
    assert re.search(r'data-number="running">0<', row)


def test_a_version_shows_steps_sources_time_line_and_sums(scene: Scene, plan: CarePlan) -> None:
    page = texts(scene.cast.client(scene.cast.wang).get(reverse("plans:definition", args=[plan.definition_id])))
    assert re.findall(r'data-step="([^"]+)"', page) == ["day-3", "day-7", "month-1", "month-3", "month-6", "month-12"]
    assert 'data-agree="yes"' in page
    assert page.count("data-node=") == 6


def test_every_shipped_version_can_be_shown_in_both_languages(scene: Scene) -> None:
    client = scene.cast.client(scene.cast.wang)
    for language in ("zh-hans", "en"):
        scene.speaks(scene.cast.wang, language)
        for row in pages.list_rows(scene.cast.as_wang, language=language):
            response = client.get(reverse("plans:definition", args=[row.definition.pk]))
            assert response.status_code == 200, row.definition
            assert row.title in texts(response)


def test_sums_agree_with_the_states_of_the_rules(scene: Scene, plan: CarePlan) -> None:
    now = timezone.now()
    first, second, third, *_rest = tasks_of(plan)
    with seeding():
        rows = Task.objects.unscoped("test")
        opened = {"available_at": now - timedelta(days=1)}
        rows.filter(pk=first.pk).update(**opened)
        rows.filter(pk=second.pk).update(**opened, snoozed_until=now + timedelta(days=1))
        rows.filter(pk=third.pk).update(status="completed", outcome="reached-patient", ended_at=now)
    sums = pages.sums(plan.definition_url, SYSTEM, at=now)
    counted: dict[str, int] = {}
    for task in tasks_of(plan):
        state = state_of(
            status=task.status, available_at=task.available_at, snoozed_until=task.snoozed_until,
            promised_at=task.promised_at, at=now,
        )  # fmt: skip
        counted[state] = counted.get(state, 0) + 1
    assert {state: count for state, count in sums.tasks.items() if count} == counted
    assert sums.agree
    assert (sums.enrolled, sums.planned) == (1, 6)


def test_enrolment_is_switched_by_who_may_publish(scene: Scene) -> None:
    definition = scene.definition("hypertension-monthly")
    assert post(scene.cast.client(scene.cast.wang), "switch-enrolment", definition.pk, enrols="1").status_code == 403
    scene.give_role(scene.cast.qian, "plans.publish")
    assert post(scene.cast.client(scene.cast.qian), "switch-enrolment", definition.pk, enrols="1").status_code == 302
    definition.refresh_from_db()
    assert definition.enrols


def test_decisions_say_why(scene: Scene, plan: CarePlan) -> None:
    now = timezone.now()
    other = scene.discharge(patient=scene.new_patient(), diagnosis="K35.9", at=now, class_code="EMER")
    actions.enrol_discharges(encounter_ids=[other.pk], at=now, by=SYSTEM)
    client = scene.cast.client(scene.cast.wang)
    page = texts(client.get(reverse("plans:decisions")))
    assert sorted(re.findall(r'data-decision="([^"]+)"', page)) == ["enrolled", "no-plan"]
    assert 'data-fits="no"' in page
    only = texts(client.get(reverse("plans:decisions"), {"outcome": "no-plan"}))
    assert re.findall(r'data-decision="([^"]+)"', only) == ["no-plan"]
    mine = texts(client.get(reverse("plans:decisions"), {"patient": str(plan.patient_id)}))
    assert re.findall(r'data-decision="([^"]+)"', mine) == ["enrolled"]
    assert client.get(reverse("plans:decisions"), {"patient": "nonsense"}).status_code == 404
    assert 'data-state="empty-filtered"' in texts(client.get(reverse("plans:decisions"), {"outcome": "died"}))


def test_decisions_come_in_pages(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    from careloop.plans.views import following as views

    monkeypatch.setattr(views, "PAGE", 2)
    now = timezone.now()
    stays = [scene.discharge(patient=scene.new_patient(), diagnosis="K35.9", at=now) for _n in range(5)]
    actions.enrol_discharges(encounter_ids=[stay.pk for stay in stays], at=now, by=SYSTEM)
    client, address, seen = scene.cast.client(scene.cast.wang), reverse("plans:decisions"), 0
    for _page in range(3):
        page = texts(client.get(address))
        seen += len(re.findall("data-decision=", page))
        found = re.search(r'href="([^"]+)" rel="next"', page)
        address = found[1].replace("&amp;", "&") if found else ""
    assert (seen, address) == (5, "")


def test_li_sees_neither_wangs_patient_nor_the_decision(scene: Scene, plan: CarePlan) -> None:
    client = scene.cast.client(scene.cast.li)
    assert client.get(reverse("plans:patient_card", args=[plan.patient_id])).status_code == 404
    assert client.get(reverse("plans:patient_card", args=[uuid4()])).status_code == 404
    assert "data-decision=" not in texts(client.get(reverse("plans:decisions")))
    for name, args in (
        ("add-visit", ()), ("end", ()), ("set-owner", ()), ("set-target", ()), ("move", ("day-3",)), ("tick-off", ("day-3",)), ("restore", ("day-3",)),
        ("undo", ("x",)), ("adopt", (plan.definition_id,)),
    ):  # fmt: skip
        assert post(client, name, plan.pk, *args).status_code == 404, name
    assert post(client, "start", plan.patient_id).status_code == 404


def test_the_card_is_the_one_of_the_picture(scene: Scene, plan: CarePlan) -> None:
    response = scene.cast.client(scene.cast.zhao).get(reverse("plans:patient_card", args=[plan.patient_id]))
    assert list(nodes(response)) == ["day-3", "day-7", "month-1", "month-3", "month-6", "month-12"]
    assert 'data-plan="pci-12-months"' in texts(response)


def test_a_patient_without_a_plan_is_told_why(scene: Scene) -> None:
    card = texts(scene.cast.client(scene.cast.wang).get(reverse("plans:patient_card", args=[scene.cast.zhang.pk])))
    assert 'data-plan="none"' in card
    assert f"patient={scene.cast.zhang.pk}" in card


def test_a_visit_is_added_and_undone(scene: Scene, plan: CarePlan) -> None:
    client, day = scene.cast.client(scene.cast.zhao), timezone.localdate() + timedelta(days=10)
    response = post(client, "add-visit", plan.pk, title="症状复核", day=day.isoformat())
    assert response.status_code == 200
    assert any(code.startswith("visit-") for code in nodes(response))
    undone = client.post(toast(response)["undo"])
    assert json.loads(undone["HX-Trigger"])["plan-changed"] == str(plan.patient_id)
    assert not any(code.startswith("visit-") for code in nodes(undone))
    assert client.post(toast(response)["undo"]).status_code == 409


def test_a_step_is_moved_left_out_and_taken_in_again(scene: Scene, plan: CarePlan) -> None:
    client, day = scene.cast.client(scene.cast.wang), timezone.localdate() + timedelta(days=5)
    assert post(client, "move", plan.pk, "day-3", day=day.isoformat()).status_code == 200
    task = Task.objects.unscoped("test").open().get(step_code="day-3")
    assert task.due_at.astimezone(scene.zone).date() == day
    off = post(client, "tick-off", plan.pk, "day-7")
    assert nodes(off)["day-7"] == "off"
    assert nodes(post(client, "restore", plan.pk, "day-7"))["day-7"] != "off"


def test_owner_and_target_are_set_and_undone(scene: Scene, plan: CarePlan) -> None:
    client = scene.cast.client(scene.cast.zhao)
    mine = post(client, "set-owner", plan.pk, owner="myself")
    assert {task.owner for task in tasks_of(plan, status="requested")} == {scene.cast.zhao}
    client.post(toast(mine)["undo"])
    assert {task.owner for task in tasks_of(plan, status="requested")} == {None}
    post(client, "set-owner", plan.pk, owner="attending-doctor")
    assert {task.owner for task in tasks_of(plan, status="requested")} == {scene.cast.zhao}
    assert "&lt;125/75" in texts(post(client, "set-target", plan.pk, name="blood-pressure", value="<125/75"))
    assert post(client, "set-target", plan.pk, name="shoe-size", value="44").status_code == 422
    assert post(client, "set-owner", plan.pk, owner="nobody").status_code == 422


def test_bad_input_comes_back_with_words(scene: Scene, plan: CarePlan) -> None:
    client = scene.cast.client(scene.cast.wang)
    for name, args, data in (
        ("add-visit", (), {"title": "", "day": "2030-01-01"}),
        ("add-visit", (), {"title": "x", "day": "soon"}),
        ("move", ("day-3",), {}),
        ("end", (), {"reason": "because"}),
    ):
        response = post(client, name, plan.pk, *args, **data)
        assert response.status_code == 422, name
        assert 'data-code="form"' in texts(response)
    assert post(client, "move", plan.pk, "day-3", day=date(2020, 1, 1).isoformat()).status_code == 409
    assert post(client, "tick-off", plan.pk, "no-such-step").status_code == 409


def test_a_plan_is_ended_and_listed_as_earlier(scene: Scene, plan: CarePlan) -> None:
    client = scene.cast.client(scene.cast.wang)
    card = texts(post(client, "end", plan.pk, reason="other-hospital"))
    assert 'data-past="pci-12-months"' in card
    assert 'data-plan="none"' in card
    assert post(client, "end", plan.pk, reason="other-hospital").status_code == 409


def test_a_plan_is_started_by_hand(scene: Scene, plan: CarePlan) -> None:
    client, definition = scene.cast.client(scene.cast.wang), scene.definition("hypertension-monthly")
    response = post(client, "start", plan.patient_id, definition=str(definition.pk))
    assert 'data-plan="hypertension-monthly"' in texts(response)
    assert post(client, "start", plan.patient_id, definition=str(definition.pk)).status_code == 409
    assert post(client, "start", plan.patient_id, definition="x").status_code == 422


def test_another_version_is_shown_as_a_difference_and_taken_over(scene: Scene) -> None:
    now = timezone.now()
    old = actions.publish_plan(
        raw=raw_plan("v", raw_step("a", "3"), raw_step("b", "9")), enrols=False, at=now, by=SYSTEM
    )
    plan = actions.start_care_plan(encounter=scene.discharge(at=now), definition=old, at=now, by=SYSTEM)
    newer = raw_plan("v", raw_step("a", "5"), raw_step("c", "30"), version="2.0")
    new = actions.publish_plan(raw=newer, enrols=False, at=now, by=SYSTEM)
    client = scene.cast.client(scene.cast.wang)
    card = texts(client.get(reverse("plans:patient_card", args=[plan.patient_id])))
    address = reverse("plans:adopt", args=[plan.pk, new.pk])
    assert address in card
    shown = texts(client.get(address))
    assert re.findall(r'data-diff="([^"]+)"', shown) == ["added", "removed", "moved"]
    assert set(nodes(client.post(address))) == {"a", "c"}
    assert client.get(reverse("plans:adopt", args=[plan.pk, old.pk])).status_code == 404


def test_who_may_only_look_gets_no_buttons_and_no_changes(scene: Scene, plan: CarePlan) -> None:
    scene.take_role(scene.cast.wang, "plans.personalise")
    client = scene.cast.client(scene.cast.wang)
    assert "hx-post" not in texts(client.get(reverse("plans:patient_card", args=[plan.patient_id])))
    assert post(client, "end", plan.pk, reason="recovered").status_code == 403


def test_the_progress_read_with_the_card_is_the_one_that_planning_reads(scene: Scene, plan: CarePlan) -> None:
    """One statement brings tasks of every plan for both; the other asks for itself. Every kind of end is there."""
    other = scene.definition("copd")
    at = timezone.now()
    second = actions.start_care_plan(encounter=plan.encounter, definition=other, at=at, by=SYSTEM)
    first, later, *_rest = tasks_of(plan)
    with seeding():
        rows = Task.objects.unscoped("test")
        rows.filter(pk=first.pk).update(
            status="completed", ended_at=at, ended_by=scene.cast.wang, attempts=2, outcome="completed"
        )
        rows.filter(pk=later.pk).update(status="cancelled", ended_at=at, closed_reason="moved")
        last = tasks_of(second)[0]
        rows.filter(pk=last.pk).update(status="cancelled", ended_at=at, closed_reason="window-passed", attempts=1)
    tasks = list(rows.filter(patient_id=plan.patient_id).exclude(care_plan_id=None))
    for order in (tasks, tasks[::-1]):
        assert facts.histories_of([plan, second], order) == facts.histories([plan, second])
    assert facts.histories([plan])[plan.pk].last_person == scene.cast.wang.pk
    assert facts.histories_of([plan], tasks)[plan.pk].completed == 1  # what belongs to other plans is left alone


def test_what_can_be_started_is_in_use_and_does_not_run(scene: Scene, plan: CarePlan) -> None:
    sheet = pages.patient_sheet(scene.cast.zhang, scene.cast.as_wang, at=timezone.now(), language="en")
    in_use = PlanDefinition.objects.active().exclude(url=plan.definition_url).order_by("group", "url")
    assert sheet.choices == list(in_use)
    assert sheet.stay == plan.encounter
    other = pages.patient_sheet(scene.cast.zhang, scene.cast.as_li, at=timezone.now(), language="en")
    assert (other.cards, other.adopted, other.stay) == ([], [], None)
    actions.end_care_plan(care_plan=plan, reason="recovered", at=timezone.now(), by=scene.cast.as_wang)
    again = pages.patient_sheet(scene.cast.zhang, scene.cast.as_wang, at=timezone.now(), language="en")
    assert plan.definition in again.choices


def test_the_card_asks_the_database_a_fixed_number_of_times(
    scene: Scene, plan: CarePlan, django_assert_max_num_queries: Any
) -> None:
    client = scene.cast.client(scene.cast.wang)
    actions.start_care_plan(encounter=plan.encounter, definition=scene.definition("copd"), at=timezone.now(), by=SYSTEM)
    with django_assert_max_num_queries(9):
        client.get(reverse("plans:patient_card", args=[plan.patient_id]))
    with django_assert_max_num_queries(16):
        client.get(reverse("plans:decisions"))
    assert EnrolmentDecision.objects.unscoped("test").count() == 1
