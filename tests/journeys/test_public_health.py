"""Public health in a real browser: from the list to the form on paper, figures to their lists, an opinion decided."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from careloop.accounts.models import Role, RoleAssignment
from careloop.kernel.actions import seeding
from careloop.publichealth import actions
from careloop.publichealth.models import EpisodeOfCare, OpinionTable
from careloop.publichealth.tests.factories import ONCOLOGY, answered, publish_all, visited
from careloop.tasks.models import Task
from careloop.tasks.tests.factories import make_patient
from tests.browser import axe_violations, overflow, page, site
from tests.cast import LONG_AGO, SYSTEM, Cast, make_cast, signed_in

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]

LIFE = {"weight": "80", "weight-target": "76", "height": 170, "cigarettes": 10, "cigarettes-target": 5, "salt": "heavy", "salt-target": "light"}  # fmt: skip


def a_programme(cast: Cast) -> EpisodeOfCare:
    """Zhang, twice not in target; others in target, urgent and without a class."""
    publish_all()
    publish_all("oncology-post-op")
    actions.load_shipped_tables(at=timezone.now(), by=SYSTEM)
    now = timezone.now()
    for days, sbp in ((140, 136), (50, 148), (20, 152)):
        visited(cast, values={**LIFE, "sbp": sbp, "weight": str(82 - days // 50)}, at=now - timedelta(days=days))
    for values, days in (({}, 10), ({"sbp": 186}, 2), ({"sbp": 150}, 3)):
        visited(cast, values=values, at=now - timedelta(days=days), patient=make_patient(cast))
    return EpisodeOfCare.objects.unscoped("test").get(patient=cast.zhang)


def sign_in(tab: Page, url: str, cast: Cast) -> None:
    with seeding():
        RoleAssignment.objects.create(
            practitioner=cast.zhao, role=Role.objects.get(code="department-supervisor"), organization=cast.cardiology, valid_from=LONG_AGO,
        )  # fmt: skip
    key = signed_in(cast.zhao).cookies["careloop_staff"].value
    tab.context.add_cookies([{"name": "careloop_staff", "value": key, "url": url}])


def test_from_the_list_to_the_paper_form_and_the_figures(browser: Browser, transactional_db: None) -> None:
    cast = make_cast()
    episode = a_programme(cast)
    with site() as url, page(browser, 1366, 768) as tab:
        sign_in(tab, url, cast)
        tab.goto(url + reverse("publichealth:list"))
        expect(tab.locator("[data-episode]")).to_have_count(4)
        assert axe_violations(tab) == []
        assert not overflow(tab)
        tab.locator("[data-state-chip=overdue]").click()
        expect(tab.locator("[data-episode]")).to_have_count(1)
        tab.locator("[data-episode] a").first.click()
        expect(tab.locator("[data-last-class='2']")).to_contain_text("152")
        expect(tab.locator("[data-pair]").first).to_contain_text("76")
        assert axe_violations(tab) == []
        tab.goto(url + reverse("publichealth:print", args=[episode.pk]))
        expect(tab.locator("[data-column]")).to_have_count(3)

        tab.goto(url + reverse("publichealth:indicators"))
        figure = tab.locator("[data-indicator=control]")
        counted = int(figure.get_attribute("data-numerator") or "")
        assert axe_violations(tab) == []
        tab.locator("tr:last-child a[href*='/control/']").first.click()
        expect(tab.locator("[data-patient]")).to_have_count(counted)
        for name in ("pack", "tables"):
            tab.goto(url + reverse(f"publichealth:{name}"))
            assert axe_violations(tab) == [], name
            assert not overflow(tab), name
        tab.goto(url + reverse("publichealth:table", args=[OpinionTable.objects.get().pk]))
        assert axe_violations(tab) == []


def test_the_two_week_task_explains_itself_on_the_call_screen(browser: Browser, transactional_db: None) -> None:
    cast = make_cast()
    a_programme(cast)
    task = Task.objects.unscoped("test").filter(patient=cast.zhang, status="requested", step_code="recheck").get()
    with site() as url, page(browser, 1366, 768) as tab:
        sign_in(tab, url, cast)
        tab.goto(url + reverse("workbench:call", args=[task.pk]))
        expect(tab.locator("[data-why-clock=recheck]")).to_contain_text("152")


def test_a_doctor_decides_on_a_suggestion(browser: Browser, transactional_db: None) -> None:
    cast = make_cast()
    a_programme(cast)
    response = answered(cast, ONCOLOGY, {"condition": "normal", "pain": 2, "lump": "no"}, at=timezone.now())
    actions.suggest_opinion(response_id=response.pk, at=timezone.now(), by=SYSTEM)
    with site() as url, page(browser, 1366, 768) as tab:
        sign_in(tab, url, cast)
        tab.goto(url + reverse("questionnaires:response", args=[response.pk]))
        part = tab.locator("#opinion")
        expect(part).to_have_attribute("data-suggested", "normal")
        part.locator("select").select_option("relapse")
        part.locator("input[name=note]").fill("CT 提示新发结节")
        part.locator("button").click()
        expect(tab.locator("[data-choice=relapse]")).to_be_visible()
        assert axe_violations(tab) == []


@pytest.mark.parametrize("name", ["list", "indicators", "pack", "tables"])
def test_nothing_runs_over_on_a_phone(browser: Browser, transactional_db: None, name: str) -> None:
    cast = make_cast()
    episode = a_programme(cast)
    with site() as url, page(browser, 375, 812) as tab:
        sign_in(tab, url, cast)
        tab.goto(url + reverse(f"publichealth:{name}"))
        assert not overflow(tab)
        tab.goto(url + reverse("publichealth:episode", args=[episode.pk]))
        assert not overflow(tab)
