"""Leap 5 in a real browser: a plan is designed, played on past discharges, published by two people, and patients enter it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from careloop.accounts.models import Practitioner
from careloop.plans.actions import enrol_discharges, load_shipped_content
from careloop.plans.jobs import replay_draft
from careloop.plans.models import CarePlan, PlanDefinition, PlanDraft
from careloop.plans.tests.factories import Scene, tasks_of
from careloop.questionnaires.actions import load_shipped_content as load_forms
from tests.browser import axe_violations, overflow, page, ready, site
from tests.cast import SYSTEM, make_cast, signed_in

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]


def sign_in(tab: Page, url: str, person: Practitioner) -> None:
    tab.context.clear_cookies()
    key = signed_in(person).cookies["careloop_staff"].value
    tab.context.add_cookies([{"name": "careloop_staff", "value": key, "url": url}])


def sound(tab: Page) -> None:
    assert axe_violations(tab) == [], tab.url
    assert overflow(tab) <= 0, tab.url


def test_designed_replayed_published_enrolled(browser: Browser, transactional_db: None) -> None:
    cast, now = make_cast(), timezone.now()
    load_forms(at=now, by=SYSTEM)
    load_shipped_content(at=now, by=SYSTEM)
    scene = Scene(cast)
    for days in range(20, 50, 5):
        scene.discharge(patient=scene.new_patient(), diagnosis="N20.0", at=now - timedelta(days=days))
    with site() as url, page(browser, 1366, 768) as tab:
        sign_in(tab, url, cast.zhao)
        design(tab, url)
        replay(tab)
        tab.locator("[data-submit]").click()
        expect(tab.locator("[data-own-work]")).to_be_visible()
        expect(tab.locator("[data-publish]")).to_have_count(0)

        sign_in(tab, url, cast.qian)
        publish(tab, url)

        home = scene.discharge(patient=scene.new_patient(), diagnosis="N20.1", at=timezone.now())
        enrol_discharges(encounter_ids=[home.pk], at=timezone.now(), by=SYSTEM)
        plan = (
            CarePlan.objects.unscoped("test")
            .select_related("definition")
            .get(encounter=home, definition__group="stones")
        )
        assert [task.step_code for task in tasks_of(plan)] == ["questionnaire-1", "revisit-1"]
        sign_in(tab, url, cast.wang)
        tab.goto(url + reverse("workbench:patient", args=[plan.patient_id]))
        expect(tab.locator("#plan-card [data-node=revisit-1]").first).to_be_visible()


def open_part(tab: Page, name: str) -> None:
    """Another part of the plan, once what was done before has come back: a link that is being replaced takes no click."""
    ready(tab)
    tab.locator(f"[data-part={name}]").click()
    tab.wait_for_url(f"**part={name}")


def design(tab: Page, url: str) -> None:
    """From nothing to a plan that is ready: by keyboard where a key is offered, every field saved as it is left."""
    tab.goto(url + reverse("plans:new"))
    sound(tab)
    tab.locator("#id_title").fill("结石术后随访")
    tab.locator("#id_title_en").fill("After stone surgery")
    tab.locator("#id_name").fill("stones")
    tab.locator("[data-begin]").click()
    canvas = tab.locator("#pd-canvas")
    expect(canvas.locator("[data-faults]")).to_have_attribute("data-faults", "1")  # no questionnaire yet
    sound(tab)

    tab.locator("#f-schedule").fill("每天")
    tab.locator("#f-schedule").press("Tab")
    expect(canvas.locator("[data-fault='steps[0].schedule']")).to_be_visible()
    tab.locator("#f-schedule").fill("30, +150, 每150")
    tab.locator("#f-schedule").press("Tab")
    expect(canvas.locator("[data-dot='questionnaire-1']")).to_have_count(3)
    expect(canvas.locator("[data-fault='steps[0].schedule']")).to_have_count(0)
    tab.locator("#f-questionnaire").select_option("https://careloop.org/Questionnaire/general-discharge")
    expect(canvas.locator("[data-fault='enrolment']")).to_be_visible()  # the next thing that is missing

    tab.locator("[data-add=revisit]").click()
    expect(tab.locator("[data-step='revisit-1'].on")).to_be_visible()
    tab.locator("#f-schedule").fill("3m")
    tab.locator("#f-schedule").press("Tab")
    expect(canvas.locator("[data-dot='revisit-1'][data-day='92'], [data-dot='revisit-1'][data-day='91'], [data-dot='revisit-1'][data-day='90'], [data-dot='revisit-1'][data-day='89']")).to_have_count(1)  # fmt: skip
    tab.keyboard.press("Alt+ArrowUp")
    expect(canvas.locator("[data-step]").first).to_have_attribute("data-step", "revisit-1")
    tab.keyboard.press("Alt+KeyZ")
    expect(canvas.locator("[data-step]").first).to_have_attribute("data-step", "questionnaire-1")

    open_part(tab, "rule")
    tab.locator("#f-diagnoses_any").fill("N20-N23")
    tab.locator("#f-diagnoses_any").press("Tab")
    expect(canvas.locator("[data-matched]")).to_have_attribute("data-matched", "6")
    expect(canvas.locator("[data-faults]")).to_have_attribute("data-faults", "0")
    tab.locator("[data-wish]").click()
    expect(tab.locator("#pd-canvas [data-faults='0']")).to_be_visible()
    sound(tab)


def replay(tab: Page) -> None:
    """Asked for in the browser; the worker's part is done here, then the page shows the numbers by itself."""
    draft = PlanDraft.objects.get()
    tab.locator(f"a[href='{reverse('plans:replay', args=[draft.pk])}']").click()
    tab.locator("#id_months").fill("3")
    tab.locator("#id_nurses").fill("2")
    tab.locator("#id_per_day").fill("10")
    tab.locator("[data-replay-start]").click()
    expect(tab.locator("[data-replay=queued]")).to_be_visible()
    replay_draft.func(event={"replay_id": str(draft.replays.get().pk)})
    result = tab.locator("[data-result]")
    expect(result).to_be_visible()
    expect(result).to_have_attribute("data-contacts", re.compile("^[1-9]"))
    tab.locator("[data-chart-table]").first.click()
    expect(tab.locator("[data-result] table").first).to_be_visible()
    sound(tab)


def publish(tab: Page, url: str) -> None:
    """The reviewer sees what is new and the replay, and brings it into use."""
    tab.goto(url + reverse("plans:list"))
    sound(tab)
    tab.locator("[data-draft=stones] a").click()
    expect(tab.locator("[data-difference]").first).to_be_visible()
    expect(tab.locator("[data-result]")).to_be_visible()
    sound(tab)
    tab.locator("[data-publish]").click()
    expect(tab.locator("[data-enrols=yes]")).to_be_visible()
    definition = PlanDefinition.objects.get(url="https://careloop.org/PlanDefinition/stones")
    assert (definition.status, definition.enrols, definition.version) == ("active", True, "1.0")
