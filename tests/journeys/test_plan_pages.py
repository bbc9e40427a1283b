"""The plan pages in a real browser: readable by everybody, nothing runs over, and a plan is changed and put back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from careloop.plans.actions import enrol_discharges, load_shipped_content
from careloop.plans.models import CarePlan
from careloop.plans.tests.factories import Scene
from tests.browser import axe_violations, overflow, page, site
from tests.cast import SYSTEM, Cast, make_cast, signed_in

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]


def a_plan(cast: Cast) -> CarePlan:
    """Zhang, discharged yesterday after PCI."""
    at = timezone.now() - timedelta(days=1)
    load_shipped_content(at=at, by=SYSTEM)
    stay = Scene(cast).discharge(procedures=("36.06",), at=at, operated_at=at)
    enrol_discharges(encounter_ids=[stay.pk], at=at, by=SYSTEM)
    return CarePlan.objects.unscoped("test").get()


def sign_in(tab: Page, url: str, cast: Cast) -> None:
    key = signed_in(cast.zhao).cookies["careloop_staff"].value
    tab.context.add_cookies([{"name": "careloop_staff", "value": key, "url": url}])


def test_the_plan_pages(browser: Browser, transactional_db: None) -> None:
    cast = make_cast()
    plan = a_plan(cast)
    with site() as url, page(browser, 1366, 768) as tab:
        sign_in(tab, url, cast)
        for address in (
            reverse("plans:list"),
            reverse("plans:definition", args=[plan.definition_id]),
            reverse("plans:decisions"),
        ):
            tab.goto(url + address)
            assert axe_violations(tab) == [], address
            assert not overflow(tab), address

        tab.goto(url + reverse("workbench:patient", args=[plan.patient_id]))
        card = tab.locator("#plan-card")
        expect(card.locator("[data-node]")).to_have_count(6)
        assert axe_violations(tab) == []
        card.locator("summary", has_text="调整计划").click()
        day = (timezone.localdate() + timedelta(days=4)).isoformat()
        card.locator("input[name=title]").fill("症状复核")
        card.locator("input[name=day]").first.fill(day)
        card.locator("form", has=tab.locator("input[name=title]")).locator("button").click()
        expect(card.locator("[data-node^=visit-]")).to_have_count(1)
        tab.get_by_role("button", name="撤销").last.click()
        expect(card.locator("[data-node^=visit-]")).to_have_count(0)
