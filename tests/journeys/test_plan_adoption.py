"""A new version is taken over and taken back in a real browser, on the plan card and for a department; and a suggested
plan is declined, which codes that come later respect."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from careloop.accounts.models import Practitioner
from careloop.batches.jobs import work_through
from careloop.batches.models import Batch
from careloop.letters.actions import note_printed
from careloop.plans import actions
from careloop.plans.models import CarePlan
from careloop.plans.tests.factories import Scene, raw_plan, raw_step, tasks_of
from careloop.workbench.tests.discharging import left_hospital, load_content
from tests.browser import axe_violations, overflow, page, site
from tests.cast import SYSTEM, make_cast, signed_in

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]


def sign_in(tab: Page, url: str, person: Practitioner) -> None:
    tab.context.clear_cookies()
    cookies = signed_in(person).cookies
    tab.context.add_cookies([{"name": name, "value": one.value, "url": url} for name, one in cookies.items()])


def sound(tab: Page) -> None:
    assert axe_violations(tab) == [], tab.url
    assert overflow(tab) <= 0, tab.url


def open_steps(plan: CarePlan) -> set[str]:
    return {task.step_code for task in tasks_of(plan, status="requested")}


def test_a_version_is_taken_over_and_taken_back(browser: Browser) -> None:
    cast, now = make_cast(), timezone.now()
    scene = Scene(cast)
    old = actions.publish_plan(
        raw=raw_plan("v", raw_step("a", "3"), raw_step("gone", "9")), enrols=False, at=now, by=SYSTEM
    )
    plan = actions.start_care_plan(encounter=scene.discharge(at=now), definition=old, at=now, by=SYSTEM)
    raw = raw_plan("v", raw_step("a", "5"), raw_step("c", "30"), version="2.0")
    new = actions.publish_plan(raw=raw, enrols=False, at=now, by=SYSTEM)
    with site() as url, page(browser, 1366, 768) as tab:
        sign_in(tab, url, cast.wang)
        on_the_card(tab, url, plan)
        sign_in(tab, url, cast.qian)
        for_the_department(tab, url, plan, str(new.pk))


def on_the_card(tab: Page, url: str, plan: CarePlan) -> None:
    """One patient, by the nurse: what changes is shown first; the plan that was printed meanwhile is named afterwards."""
    card = tab.locator("#plan-card")
    tab.goto(url + reverse("workbench:patient", args=[plan.patient_id]))
    tab.locator("[data-newer]").click()
    dialog = tab.locator("dialog[open]")
    expect(dialog.locator("[data-diff=added]")).to_be_visible()
    sound(tab)
    tab.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    tab.locator("[data-newer]").click()  # a second time, too
    dialog.locator("button[type=submit]").click()
    expect(card.locator("[data-node=c]").first).to_be_visible()
    expect(card.locator("[data-adopted]")).to_have_attribute("data-stands", "no")
    assert open_steps(plan) == {"a", "c"}

    note_printed(patient_id=plan.patient_id, document="plan", by=SYSTEM)
    tab.reload()
    expect(card.locator("[data-printed='1']")).to_be_visible()
    card.locator("[data-undo-adoption]").click()
    expect(card.locator("[data-adopted]")).to_have_attribute("data-stands", "undone")
    expect(card.locator("[data-node=gone]").first).to_be_visible()
    expect(card.locator("[data-printed='1']")).to_be_visible()  # her paper shows days that no longer hold
    sound(tab)
    assert open_steps(plan) == {"a", "gone"}


def for_the_department(tab: Page, url: str, plan: CarePlan, definition_id: str) -> None:
    """Everybody, by the supervisor, as work in the background; and back, on the page from which it was begun."""
    address = url + reverse("plans:adoption", args=[definition_id])
    tab.goto(address)
    expect(tab.locator("[data-sums]")).to_have_attribute("data-added", "1")
    sound(tab)
    tab.locator("[data-adopt]").click()
    tab.wait_for_url("**/batches/**")
    work_through(Batch.objects.latest("created_at").pk, seconds=30)
    assert open_steps(plan) == {"a", "c"}
    tab.goto(address)
    expect(tab.locator("[data-taken-in]")).to_have_attribute("data-can", "1")
    sound(tab)
    tab.locator("[data-undo-adoption]").click()
    tab.wait_for_url("**/batches/**")
    work_through(Batch.objects.latest("created_at").pk, seconds=30)
    assert open_steps(plan) == {"a", "gone"}
    tab.goto(address)
    expect(tab.locator("[data-taken]")).to_have_count(0)
    expect(tab.locator("[data-sums]")).to_have_attribute("data-added", "1")


def test_a_declined_plan_stays_declined_when_codes_come_later(browser: Browser) -> None:
    cast = make_cast()
    load_content()
    stay = left_hospital(cast)
    row = f'[data-row][data-encounter="{stay.pk}"]'
    with site() as url, page(browser, 375, 812) as tab:
        sign_in(tab, url, cast.zhao)
        tab.goto(f"{url}/discharges/")
        tab.locator(row).click()
        tab.locator(".drw-f summary").click()
        tab.locator('[data-decline="other-hospital"]').click()
        expect(tab.locator(row)).to_have_attribute("data-state", "no-follow-up")

        Scene(cast).diagnose(stay, "I50.9")  # coding sends the diagnosis a day later
        actions.enrol_discharges(encounter_ids=[stay.pk], at=timezone.now(), by=SYSTEM)
        assert not CarePlan.objects.unscoped("test").running().exists()
        tab.goto(f"{url}/discharges/")
        expect(tab.locator(row)).to_have_attribute("data-state", "no-follow-up")
        tab.locator(row).click()
        expect(tab.locator("[data-code=declined]")).to_be_visible()
        sound(tab)
        tab.goto(url + reverse("plans:decisions"))
        expect(tab.locator("[data-decision]")).to_have_attribute("data-decision", "declined")
        sound(tab)

        tab.goto(f"{url}/discharges/")
        tab.locator(row).click()
        tab.locator("[data-code=declined] button").click()
        expect(tab.locator(row)).to_have_attribute("data-state", "open")
    running = CarePlan.objects.unscoped("test").running().values_list("definition_url", flat=True)
    assert {one.rsplit("/", 1)[-1] for one in running} == {"pci-12-months", "heart-failure"}  # now the late code counts
